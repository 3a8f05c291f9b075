//! Claim: a thread that is gone is never signalled. One that exited without clearing its slot answers `ESRCH`, and the
//! verdict is that it is gone; in a forked child the parent's threads answer the same, and the parent's thread notices
//! nothing.
//!
//! Within: the thread is gone by the kernel's word when the kill begins. Not covered: an uncleared thread whose id the
//! kernel has given to a new thread of the same process; only clearing the slot prevents that.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use forcekill::steps::Attempt;
use forcekill::{InterruptFlags, Native, OwnedFlags, ResendPolicy, Slot, Verdict, Wake};
use forcekill_native_tests::child::in_own_process;
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::sys::{self, checked};
use forcekill_native_tests::target::Target;

type TestResult = Result<(), Box<dyn Error>>;

#[test]
fn a_thread_that_exited_without_clearing_its_slot_is_already_gone() -> TestResult {
    let slot = Arc::new(Slot::<Native>::new(Native::default()));
    let (begun, runs) = mpsc::channel();
    thread::spawn({
        let slot = Arc::clone(&slot);
        move || {
            // SAFETY: not cleared, against the rule, which is the point. The flags stay valid: the slot holds a share of
            // them. The thread's id is not used before the kernel says that nobody has it.
            let publication = unsafe { slot.publish(OwnedFlags::new()) };
            let _ = begun.send((slot.begin_run(publication), KernelThread::current()));
        }
    })
    .join()
    .map_err(|_| "the thread panicked")?;
    let (run, kernel) = runs.recv()?;
    kernel.wait_gone()?;
    assert_eq!(slot.attempt(run, 1), Attempt::Made(Wake::ThreadGone));
    assert_eq!(slot.kill(run, &ResendPolicy::default()), Verdict::AlreadyGone);

    // The next thread takes the slot over and can be killed.
    let (from, _to) = sys::pipe()?;
    let (begun, runs) = mpsc::channel();
    let next = thread::spawn({
        let slot = Arc::clone(&slot);
        move || {
            slot.occupy(OwnedFlags::new(), |occupied| {
                occupied.run(|run| {
                    let _ = begun.send((run, KernelThread::current()));
                    sys::read(&from, &mut [0]).map_err(|error| error.raw_os_error())
                })
            })
        }
    });
    let (run, kernel) = runs.recv()?;
    kernel.wait_parked(&[libc::SYS_read], 'S')?;
    let verdict = slot.kill(run, &ResendPolicy::default());
    assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
    assert_eq!(next.join().map_err(|_| "the thread panicked")?, Err(Some(libc::EINTR)));
    Ok(())
}

/// What the forked child tells by its exit status.
const GONE_AS_EXPECTED: i32 = 42;

fn kill_from_a_forked_child() -> TestResult {
    let (from, to) = sys::pipe()?;
    let target = Target::boot(Native::default(), move |flags| {
        let answer = sys::read(&from, &mut [0]).map_err(|error| error.raw_os_error());
        (answer, flags.consume_interrupt())
    })?;
    target.thread().wait_parked(&[libc::SYS_read], 'S')?;
    // SAFETY: the other thread is asleep in read and holds no lock that the child could need; the child only uses the
    // slot and exits.
    let child = unsafe { libc::fork() };
    if child == 0 {
        let gone = target.slot().attempt(target.run(), 1) == Attempt::Made(Wake::ThreadGone)
            && target.kill(&ResendPolicy::default()) == Verdict::AlreadyGone;
        // SAFETY: ends the child without running anything of the parent's.
        unsafe { libc::_exit(if gone { GONE_AS_EXPECTED } else { 1 }) };
    }
    let mut status = 0;
    // SAFETY: a child of ours; the status is an int of ours.
    checked(unsafe { libc::waitpid(child, &mut status, 0) })?;
    assert!(libc::WIFEXITED(status), "the child was ended by a signal: {status:#x}");
    assert_eq!(libc::WEXITSTATUS(status), GONE_AS_EXPECTED);
    // In the parent nothing has happened: no signal on its way, no flag, and the thread asleep.
    let signals = target.thread().signals()?;
    assert_eq!(signals.pending, 0, "{signals:x?}");
    target.thread().wait_parked(&[libc::SYS_read], 'S')?;
    sys::write(&to, b"!")?;
    assert_eq!(target.join()?, (Ok(1), false));
    Ok(())
}

#[test]
fn a_forked_child_never_signals_the_parents_threads() {
    // In a process that has no other tests in it when it forks.
    in_own_process("a_forked_child_never_signals_the_parents_threads", || {
        kill_from_a_forked_child().unwrap_or_else(|error| panic!("{error}"));
    });
}

#[test]
fn a_run_that_is_over_is_already_gone() -> TestResult {
    let target = Target::boot(Native::default(), |_| ())?;
    let (slot, run) = (Arc::clone(target.slot()), target.run());
    target.join()?;
    assert_eq!(slot.kill(run, &ResendPolicy::single(Duration::from_millis(1))?), Verdict::AlreadyGone);
    assert_eq!(slot.current_run(), None);
    Ok(())
}
