//! Claim: several killers of one run all come to the verdict that it is over, and the run after it is not touched.
//!
//! Within: two killers and two hundred runs of one thread, each blocked in `read`. Not covered: killers by the thousand;
//! the lock is shared, so they only queue in the kernel.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use forcekill::{InterruptFlags, KillSignal, Native, OwnedFlags, ResendPolicy, Slot, Verdict};
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::sys;

type TestResult = Result<(), Box<dyn Error>>;

const ROUNDS: usize = 200;

#[test]
fn two_killers_at_once_end_one_run_and_not_the_next() -> TestResult {
    let slot = Arc::new(Slot::<Native>::new(Native::default()));
    let (from, to) = sys::pipe()?;
    let (begun, runs) = mpsc::channel();
    let victim = thread::spawn({
        let slot = Arc::clone(&slot);
        move || {
            let flags = OwnedFlags::new();
            slot.occupy(flags.clone(), |occupied| {
                let mut answers = Vec::new();
                for _ in 0..2 * ROUNDS {
                    answers.push(occupied.run(|run| {
                        let _ = begun.send((run, KernelThread::current()));
                        let answer = sys::read(&from, &mut [0]).map_err(|error| error.raw_os_error());
                        (answer, flags.consume_interrupt())
                    }));
                }
                answers
            })
        }
    });
    let signal = KillSignal::default().number();
    for _ in 0..ROUNDS {
        let (killed, kernel) = runs.recv()?;
        kernel.wait_parked(&[libc::SYS_read], 'S')?;
        let killers: Vec<_> = (0..2)
            .map(|_| {
                let slot = Arc::clone(&slot);
                thread::spawn(move || slot.kill(killed, &ResendPolicy::default()))
            })
            .collect();
        let mut verdicts = Vec::new();
        for killer in killers {
            verdicts.push(killer.join().map_err(|_| "a killer panicked")?);
        }
        assert!(verdicts.iter().all(Verdict::is_over), "{verdicts:?}");
        assert!(verdicts.iter().any(|verdict| matches!(verdict, Verdict::Ended(_))), "{verdicts:?}");

        // The next run: asleep, with nothing on its way; a late kill of the run before does not reach it.
        let (innocent, kernel) = runs.recv()?;
        kernel.wait_parked(&[libc::SYS_read], 'S')?;
        assert_eq!(slot.kill(killed, &ResendPolicy::default()), Verdict::AlreadyGone);
        assert!(!kernel.signals()?.has_pending(signal));
        assert_eq!(slot.current_run(), Some(innocent));
        sys::write(&to, b"!")?;
    }
    let answers = victim.join().map_err(|_| "the victim panicked")?;
    for pair in answers.chunks(2) {
        assert_eq!(pair, [(Err(Some(libc::EINTR)), true), (Ok(1), false)]);
    }
    Ok(())
}
