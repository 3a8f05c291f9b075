//! Claim: on any Unix, a signal of the embedder's choice ends a thread in a blocking call, signals that are ignored by default
//! included; without one, macOS is flags only and says so.
//!
//! Within: `read` on a socket pair that nobody writes to, `SIGURG` and `SIGWINCH`. Whether the thread is in the call already
//! nobody asks, because not every Unix answers: the kill sends again.

#![cfg(unix)]

use std::error::Error;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, mpsc};
use std::thread;

use forcekill::{
    Effort, InterruptFlags, KillSignal, Native, NativeConfig, Obstacle, OwnedFlags, ResendPolicy, Slot,
    Verdict,
};

type TestResult = Result<(), Box<dyn Error>>;

/// Kills a thread that reads from a socket; answers the verdict, and whether the thread saw an `EINTR` and its flags.
fn kill_a_reader(platform: Native) -> Result<(Verdict, bool), Box<dyn Error>> {
    let slot = Arc::new(Slot::<Native>::new(platform));
    let (socket, _nobody_writes) = UnixStream::pair()?;
    let (begins, begun) = mpsc::channel();
    let thread = thread::spawn({
        let slot = Arc::clone(&slot);
        move || {
            let flags = OwnedFlags::new();
            slot.occupy(flags.clone(), |occupied| {
                occupied.run(|run| {
                    // Fails only if nobody wants to know any more.
                    let _ = begins.send(run);
                    let interrupted =
                        (&socket).read(&mut [0]).is_err_and(|error| error.kind() == ErrorKind::Interrupted);
                    interrupted && flags.consume_interrupt()
                })
            })
        }
    });
    let verdict = slot.kill(begun.recv()?, &ResendPolicy::default());
    Ok((verdict, thread.join().map_err(|_| "the thread panicked")?))
}

#[test]
fn a_signal_of_the_embedders_choice_ends_a_read() -> TestResult {
    for number in [libc::SIGURG, libc::SIGWINCH] {
        let (verdict, was_killed) =
            kill_a_reader(Native::new(NativeConfig::Signal(KillSignal::new(number)?)))?;
        assert!(matches!(verdict, Verdict::Ended(Effort { sends: 1.., .. })), "signal {number}: {verdict}");
        assert!(was_killed, "signal {number}");
    }
    Ok(())
}

#[test]
fn the_default_is_a_signal_where_there_are_real_time_signals() -> TestResult {
    let platform = Native::default();
    if cfg!(any(target_os = "linux", target_os = "freebsd")) {
        assert_eq!(platform.obstacle_to_wakes(), None);
        let (verdict, was_killed) = kill_a_reader(platform)?;
        assert!(verdict.is_over() && was_killed, "{verdict}");
    } else {
        assert_eq!(platform.obstacle_to_wakes(), Some(Obstacle::FlagsOnly));
    }
    Ok(())
}
