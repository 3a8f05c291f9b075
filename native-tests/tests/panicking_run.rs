//! Claim: a run that panics leaves the slot empty and its thread's storage freed once; the slot can be published again,
//! and a kill of the run that panicked hits nobody.
//!
//! Within: a panic in a run, and one between two runs, on the way through [`Slot::occupy`]. Not covered: a process that
//! aborts on panic, which has no slots left.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;

use forcekill::{InterruptFlags, Native, OwnedFlags, ResendPolicy, RunId, Slot, ThreadStorage, Verdict};
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::sys;

type TestResult = Result<(), Box<dyn Error>>;

/// Flags that count how often they are freed.
struct Counted {
    flags: OwnedFlags,
    freed: Arc<AtomicU32>,
}

impl ThreadStorage for Counted {
    type Flags = OwnedFlags;

    fn flags(&self) -> OwnedFlags {
        self.flags.clone()
    }

    fn free(self) {
        // Relaxed: read when the thread has been joined.
        self.freed.fetch_add(1, Relaxed);
    }
}

/// A thread that panics (without the message that a panic prints), in its run or after it; answers its run.
fn panics(
    slot: &Arc<Slot<Native>>,
    freed: &Arc<AtomicU32>,
    in_the_run: bool,
) -> Result<RunId, Box<dyn Error>> {
    let storage = Counted { flags: OwnedFlags::new(), freed: Arc::clone(freed) };
    let (begun, runs) = mpsc::channel();
    let slot = Arc::clone(slot);
    let thread = thread::spawn(move || {
        slot.occupy(storage, |occupied| {
            occupied.run(|run| {
                let _ = begun.send(run);
                if in_the_run {
                    resume_unwind(Box::new("in the run"));
                }
            });
            resume_unwind(Box::new("after the run"));
        })
    });
    assert!(thread.join().is_err(), "the panic was swallowed");
    Ok(runs.recv()?)
}

#[test]
fn a_panic_releases_the_slot_and_the_next_thread_takes_it() -> TestResult {
    let slot = Arc::new(Slot::<Native>::new(Native::default()));
    for in_the_run in [true, false] {
        let freed = Arc::new(AtomicU32::new(0));
        let panicked = panics(&slot, &freed, in_the_run)?;
        // Relaxed: the thread has been joined.
        assert_eq!(freed.load(Relaxed), 1);
        assert_eq!(slot.current_run(), None);
        assert_eq!(slot.kill(panicked, &ResendPolicy::default()), Verdict::AlreadyGone);

        let (from, _to) = sys::pipe()?;
        let (begun, runs) = mpsc::channel();
        let next = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                let flags = OwnedFlags::new();
                slot.occupy(flags.clone(), |occupied| {
                    occupied.run(|run| {
                        let _ = begun.send((run, KernelThread::current()));
                        let answer = sys::read(&from, &mut [0]).map_err(|error| error.raw_os_error());
                        (answer, flags.consume_interrupt())
                    })
                })
            }
        });
        let (run, kernel) = runs.recv()?;
        assert_ne!(run, panicked);
        kernel.wait_parked(&[libc::SYS_read], 'S')?;
        assert_eq!(slot.kill(panicked, &ResendPolicy::default()), Verdict::AlreadyGone);
        let verdict = slot.kill(run, &ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        let seen = next.join().map_err(|_| "the thread panicked")?;
        assert_eq!(seen, (Err(Some(libc::EINTR)), true));
    }
    Ok(())
}
