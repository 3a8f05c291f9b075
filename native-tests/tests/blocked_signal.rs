//! Claim: a script that blocks the signal shows in the verdict, and the signals that stayed pending are gone when its
//! run is over: they interrupt nothing of the next run, and the next run can be killed again.
//!
//! Within: one thread that blocks the signal with `pthread_sigmask` during its run. Not covered: a script that blocks the
//! signal only for moments; the re-sends reach it between them.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use forcekill::{Effort, KillSignal, Native, Obstacle, OwnedFlags, ResendPolicy, Slot, Verdict};
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::sys;

type TestResult = Result<(), Box<dyn Error>>;
type Answer = Result<i64, i32>;

fn read(from: &OwnedFd) -> Answer {
    sys::read(from, &mut [0]).map_err(|error| error.raw_os_error().unwrap_or(0))
}

/// `ppoll` with an empty mask, then the `read` that it waited for.
fn poll_with_nothing_blocked(from: &OwnedFd) -> Answer {
    let mut one = libc::pollfd { fd: from.as_raw_fd(), events: libc::POLLIN, revents: 0 };
    let mut nothing = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before the call reads it; one pollfd of ours, no timeout.
    let answer = unsafe {
        libc::sigemptyset(nothing.as_mut_ptr());
        libc::ppoll(&mut one, 1, ptr::null(), nothing.as_ptr())
    };
    sys::checked(answer).map_err(|error| error.raw_os_error().unwrap_or(0)).and_then(|_| read(from))
}

fn policy() -> Result<ResendPolicy, Box<dyn Error>> {
    let (within, first) = (Duration::from_millis(50), Duration::from_millis(1));
    Ok(ResendPolicy::new(within, first, Duration::from_millis(16))?)
}

#[test]
fn a_blocked_signal_shows_in_the_verdict_and_does_not_hit_the_next_run() -> TestResult {
    let signal = KillSignal::default().number();
    let slot = Arc::new(Slot::<Native>::new(Native::default()));
    let (from, to) = sys::pipe()?;
    let (begun, runs) = mpsc::channel();
    let thread = thread::spawn({
        let slot = Arc::clone(&slot);
        move || -> Result<[Answer; 3], std::io::Error> {
            let flags = OwnedFlags::new();
            slot.occupy(flags.clone(), |occupied| {
                let first = occupied.run(|run| {
                    sys::set_blocked(signal, true)?;
                    let _ = begun.send((run, KernelThread::current()));
                    std::io::Result::Ok(read(&from))
                })?;
                // Blocks no signal for the time of the call: whatever were still pending would interrupt it.
                let second = occupied.run(|run| {
                    let _ = begun.send((run, KernelThread::current()));
                    poll_with_nothing_blocked(&from)
                });
                let third = occupied.run(|run| {
                    let _ = begun.send((run, KernelThread::current()));
                    read(&from)
                });
                Ok([first, second, third])
            })
        }
    });
    let policy = policy()?;

    let (run, kernel) = runs.recv()?;
    kernel.wait_parked(&[libc::SYS_read], 'S')?;
    let verdict = slot.kill(run, &policy);
    let expected = policy.sends();
    assert!(
        matches!(verdict, Verdict::NoWakeUp { obstacle: Obstacle::SignalBlocked, effort: Effort { sends, attempts, .. } }
            if (sends, attempts) == (expected, expected)),
        "{verdict}"
    );
    println!("{verdict}");
    let signals = kernel.signals()?;
    assert!(signals.has_blocked(signal) && signals.has_pending(signal), "{signals:x?}");
    kernel.wait_parked(&[libc::SYS_read], 'S')?;
    sys::write(&to, b"1")?;

    let (run, kernel) = runs.recv()?;
    kernel.wait_parked(&[libc::SYS_ppoll], 'S')?;
    assert_eq!(slot.current_run(), Some(run));
    sys::write(&to, b"2")?;

    let (run, kernel) = runs.recv()?;
    kernel.wait_parked(&[libc::SYS_read], 'S')?;
    let signals = kernel.signals()?;
    assert!(!signals.has_blocked(signal) && !signals.has_pending(signal), "{signals:x?}");
    let verdict = slot.kill(run, &ResendPolicy::default());
    assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
    let answers = thread.join().map_err(|_| "the thread panicked")??;
    assert_eq!(answers, [Ok(1), Ok(1), Err(libc::EINTR)]);
    Ok(())
}

#[test]
fn a_signal_that_the_embedder_blocked_is_unblocked_at_publication() -> TestResult {
    let signal = KillSignal::default().number();
    let slot = Arc::new(Slot::<Native>::new(Native::default()));
    let (from, _to) = sys::pipe()?;
    let (begun, runs) = mpsc::channel();
    let thread = thread::spawn({
        let slot = Arc::clone(&slot);
        move || -> Result<Answer, std::io::Error> {
            // As Go does with the threads that it makes.
            sys::set_blocked(signal, true)?;
            let answer = slot.occupy(OwnedFlags::new(), |occupied| {
                occupied.run(|run| {
                    let _ = begun.send((run, KernelThread::current()));
                    read(&from)
                })
            });
            Ok(answer)
        }
    });
    let (run, kernel) = runs.recv()?;
    kernel.wait_parked(&[libc::SYS_read], 'S')?;
    assert!(!kernel.signals()?.has_blocked(signal));
    let verdict = slot.kill(run, &policy()?);
    assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
    assert_eq!(thread.join().map_err(|_| "the thread panicked")??, Err(libc::EINTR));
    Ok(())
}
