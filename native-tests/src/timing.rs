//! How long a call took, on a machine that is noisy.

use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long `call` took, and how late this machine was meanwhile: the most that a short sleep on a thread beside it overran.
pub fn timed<R>(call: impl FnOnce() -> R) -> (R, Duration, Duration) {
    const NAP: Duration = Duration::from_millis(1);
    let (over, is_over) = mpsc::channel::<()>();
    let witness = std::thread::spawn(move || {
        let mut latest = Duration::ZERO;
        loop {
            let started = Instant::now();
            let ended = is_over.recv_timeout(NAP) != Err(mpsc::RecvTimeoutError::Timeout);
            latest = latest.max(started.elapsed().saturating_sub(NAP));
            if ended {
                return latest;
            }
        }
    });
    let started = Instant::now();
    let answer = call();
    let elapsed = started.elapsed();
    drop(over);
    (answer, elapsed, witness.join().unwrap_or_default())
}
