//! Claim: a kill ends the run that it was armed for and no later one: its flags are down and its signal is spent when
//! the next run on the same thread begins, even if the killed run never looked at either; and a kill that comes after
//! the run's end is not taken.
//!
//! Within: the kill lands after the last check of its run, forced with a gate; one hundred pairs of runs. Not covered:
//! the moment of the run's end itself (the model of it searches every interleaving; `random_moments` and
//! `exit_while_killed` draw them).

#![cfg(target_os = "linux")]

use std::error::Error;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::mpsc;
use std::thread;

use forcekill::steps::Attempt;
use forcekill::{InterruptFlags, KillSignal, Native, OwnedFlags, ResendPolicy, Slot, Verdict, Wake};
use forcekill_native_tests::gate::Gate;
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::sys;

type TestResult = Result<(), Box<dyn Error>>;

/// What the run after the killed one saw.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    timed_out: bool,
    interrupted: bool,
    answer: Result<i64, Option<i32>>,
}

/// A run that ends without a look at its flags, then one that looks at them and blocks.
fn two_runs(
    slot: &Slot<Native>,
    after_last_check: &Gate,
    from: &OwnedFd,
    tell: &mpsc::Sender<(forcekill::RunId, KernelThread)>,
) -> (bool, Seen) {
    let flags = OwnedFlags::new();
    slot.occupy(flags.clone(), |occupied| {
        let passed = occupied.run(|run| {
            let _ = tell.send((run, KernelThread::current()));
            after_last_check.pass()
        });
        let seen = occupied.run(|run| {
            // Relaxed: this thread took them down, if anybody did.
            let timed_out = flags.timed_out().load(Relaxed);
            let interrupted = flags.vm_interrupt().load(Relaxed);
            let _ = tell.send((run, KernelThread::current()));
            let answer = sys::read(from, &mut [0]).map_err(|error| error.raw_os_error());
            Seen { timed_out, interrupted, answer }
        });
        (passed, seen)
    })
}

#[test]
fn a_kill_after_the_last_check_of_its_run_does_not_hit_the_next_run() -> TestResult {
    let signal = KillSignal::default().number();
    for _ in 0..100 {
        let slot = Arc::new(Slot::<Native>::new(Native::default()));
        let gate = Arc::new(Gate::new());
        let (from, to) = sys::pipe()?;
        let (tell, runs) = mpsc::channel();
        let thread = thread::spawn({
            let (slot, gate) = (Arc::clone(&slot), Arc::clone(&gate));
            move || two_runs(&slot, &gate, &from, &tell)
        });
        let (killed, kernel) = runs.recv()?;
        assert!(gate.wait_reached(), "the script never came to the gate");
        assert_eq!(slot.attempt(killed, 1), Attempt::Made(Wake::Sent));
        gate.open();

        let (innocent, _) = runs.recv()?;
        kernel.wait_parked(&[libc::SYS_read], 'S')?;
        assert!(!kernel.signals()?.has_pending(signal));
        // Too late for its own run, and not taken for this one.
        assert_eq!(slot.kill(killed, &ResendPolicy::default()), Verdict::AlreadyGone);
        assert_eq!(slot.current_run(), Some(innocent));
        sys::write(&to, b"!")?;
        let (passed, seen) = thread.join().map_err(|_| "the thread panicked")?;
        assert!(passed, "the gate stayed shut");
        assert_eq!(seen, Seen { timed_out: false, interrupted: false, answer: Ok(1) });
    }
    Ok(())
}
