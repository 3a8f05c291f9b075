//! Claim: when a second thread publishes itself in a slot that is occupied, the first one's runs can no longer be killed,
//! and nothing that the first one does counts as the end of a run of the second, or leaks from one of its own runs into
//! the next.
//!
//! Within: two threads, forced step by step. Not covered: more than one change of hands.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use forcekill::{InterruptFlags, Native, OwnedFlags, ResendPolicy, Slot, Verdict};
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::sys;

#[test]
fn a_run_of_the_thread_that_was_replaced_does_not_end_the_run_of_the_other() -> Result<(), Box<dyn Error>> {
    let slot = Arc::new(Slot::<Native>::new(Native::default()));
    let (replaced, when_replaced) = mpsc::channel::<()>();
    let (first_ready, first_is_ready) = mpsc::channel();
    let first = thread::spawn({
        let slot = Arc::clone(&slot);
        move || {
            slot.occupy(OwnedFlags::new(), |occupied| {
                let _ = first_ready.send(());
                let _ = when_replaced.recv();
                occupied.run(|_| ());
            })
        }
    });
    first_is_ready.recv()?;
    let (from, to) = sys::pipe()?;
    let (begun, runs) = mpsc::channel();
    let second = thread::spawn({
        let slot = Arc::clone(&slot);
        move || {
            slot.occupy(OwnedFlags::new(), |occupied| {
                occupied.run(|run| {
                    let _ = begun.send((run, KernelThread::current()));
                    loop {
                        match sys::read(&from, &mut [0]) {
                            Err(error) if error.raw_os_error() == Some(libc::EINTR) => {}
                            answer => return answer.ok(),
                        }
                    }
                })
            })
        }
    });
    let (run, kernel) = runs.recv()?;
    kernel.wait_parked(&[libc::SYS_read], 'S')?;
    replaced.send(())?;
    first.join().map_err(|_| "panicked")?;
    let verdict = slot.kill(run, &ResendPolicy::single(Duration::from_millis(20))?);
    assert!(matches!(verdict, Verdict::Unkillable(_)), "the run is still there: {verdict}");
    sys::write(&to, b"!")?;
    assert_eq!(second.join().map_err(|_| "panicked")?, Some(1));
    Ok(())
}

#[test]
fn a_kill_before_the_change_does_not_hit_a_later_run_of_the_thread_that_was_replaced()
-> Result<(), Box<dyn Error>> {
    let slot = Arc::new(Slot::<Native>::new(Native::default()));
    let (replaced, when_replaced) = mpsc::channel::<()>();
    let (begun, runs) = mpsc::channel();
    let first = thread::spawn({
        let slot = Arc::clone(&slot);
        move || {
            let flags = OwnedFlags::new();
            slot.occupy(flags.clone(), |occupied| {
                occupied.run(|run| {
                    let _ = begun.send(run);
                    let _ = when_replaced.recv();
                });
                occupied.run(|_| flags.consume_interrupt())
            })
        }
    });
    let run = runs.recv()?;
    let _ = slot.attempt(run, 1);
    slot.occupy(OwnedFlags::new(), |_| ());
    replaced.send(())?;
    let hit = first.join().map_err(|_| "panicked")?;
    assert!(!hit, "the kill of the first run hit the second");
    Ok(())
}
