//! Claim: a cancel that comes before the read has begun is lost, every time, and the re-send wins; an APC that comes before the
//! wait has begun is not lost; what is left over from a kill does not reach the next run.
//!
//! Within: one thread and one killer, `ReadFile` on a pipe and `SleepEx`. Each moment is forced: the thread runs the APC of the
//! very wake-up whose cancel is to be lost before it begins to read, and a wake-up makes its cancel before its APC.
//!
//! Not covered: moments within the system's calls.

#![cfg(windows)]

use std::error::Error;
use std::hint;
use std::io;
use std::os::windows::io::{AsHandle, OwnedHandle};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

use forcekill::steps::Attempt;
use forcekill::{Effort, InterruptFlags, Native, Obstacle, OwnedFlags, ResendPolicy, Slot, Verdict, Wake};
use forcekill_native_tests::blocking::{Entry, INTERRUPTED, Outcome, Script, WAIT_IO_COMPLETION};
use forcekill_native_tests::gate::Gate;
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::raw;
use forcekill_native_tests::target::Target;
use windows_sys::Win32::System::Threading::SleepEx;

type TestResult = Result<(), Box<dyn Error>>;

const ROUNDS: u32 = 100;
const SENT: Attempt = Attempt::Made(Wake::Sent);

/// Whether an APC has run, which the thread lets happen here.
fn runs_an_apc() -> bool {
    // SAFETY: waits for no time at all, alertably.
    unsafe { SleepEx(0, 1) == WAIT_IO_COMPLETION.cast_unsigned() }
}

/// Waits, without blocking, until the APC of a wake-up has come: its cancel has been made by then.
fn wait_for_a_whole_wake_up() -> bool {
    let started = Instant::now();
    while started.elapsed() < DEADLINE {
        if runs_an_apc() {
            return true;
        }
        hint::spin_loop();
    }
    false
}

#[test]
fn a_cancel_before_the_read_is_lost_every_time_and_the_same_kill_wins_by_sending_again() -> TestResult {
    let entry = Entry::named("read, empty pipe").ok_or("no such entry")?;
    for _ in 0..ROUNDS {
        let call = (entry.make)()?;
        let target = Target::boot(Native::default(), {
            let call = Arc::clone(&call);
            move |flags| wait_for_a_whole_wake_up().then(|| Script::new(flags.clone()).run(&*call))
        })?;
        let verdict = target.kill(&ResendPolicy::default());
        // More than one: the first was lost, although nobody but it was needed.
        assert!(matches!(verdict, Verdict::Ended(Effort { sends: 2.., .. })), "{verdict}");
        let outcome = target.join()?.ok_or("no APC has come")?;
        assert_eq!(outcome, Outcome { answer: Err(INTERRUPTED), interruptions: 1, flags_up: true });
    }
    println!("{ROUNDS} first cancels lost before the read, all won by a re-send");
    Ok(())
}

#[test]
fn a_single_cancel_before_the_read_leaves_the_thread_reading_for_good() -> TestResult {
    let entry = Entry::named("read, empty pipe").ok_or("no such entry")?;
    let single = ResendPolicy::single(Duration::from_millis(1))?;
    for _ in 0..ROUNDS {
        let (call, gate) = ((entry.make)()?, Arc::new(Gate::new()));
        let (tells, handle) = mpsc::channel::<io::Result<OwnedHandle>>();
        let target = Target::boot(Native::default(), {
            let (call, gate) = (Arc::clone(&call), Arc::clone(&gate));
            move |flags| {
                // Fails only if nobody wants to know any more.
                let _ = tells.send(raw::current_thread());
                gate.pass().then(|| Script::new(flags.clone()).run(&*call))
            }
        })?;
        let handle = handle.recv_timeout(DEADLINE)??;
        assert!(gate.wait_reached());
        let verdict = target.kill(&single);
        let Verdict::NoWakeUp { obstacle: Obstacle::NotAlertable, effort: Effort { sends: 1, .. } } = verdict
        else {
            return Err(verdict.to_string().into());
        };
        gate.open();
        // It is seen reading by a cancel that hits, long after the kill: nothing has ended it before.
        let started = Instant::now();
        while !raw::cancel(handle.as_handle())? {
            assert!(
                started.elapsed() < DEADLINE && !target.has_ended(),
                "the lost cancel has ended the read"
            );
        }
        assert_eq!(target.join()?.ok_or("the gate stayed shut")?.answer, Err(INTERRUPTED));
    }
    Ok(())
}

#[test]
fn an_apc_before_the_wait_is_not_lost() -> TestResult {
    let entry = Entry::named("SleepEx, alertable").ok_or("no such entry")?;
    for _ in 0..ROUNDS {
        let (call, gate) = ((entry.make)()?, Arc::new(Gate::new()));
        let target = Target::boot(Native::default(), {
            let gate = Arc::clone(&gate);
            move |flags| gate.pass().then(|| Script::new(flags.clone()).run(&*call))
        })?;
        assert!(gate.wait_reached());
        assert_eq!(target.slot().attempt(target.run(), 1), SENT);
        gate.open();
        let outcome = target.join()?.ok_or("the gate stayed shut")?;
        assert_eq!(outcome, Outcome { answer: Err(WAIT_IO_COMPLETION), interruptions: 1, flags_up: true });
    }
    Ok(())
}

/// The kills of a run that never waits leave their APCs queued; they must not wake the next run.
#[test]
fn what_is_left_of_a_kill_does_not_reach_the_next_run() -> TestResult {
    let slot = Arc::new(Slot::<Native>::new(Native::default()));
    let ((begins, begun), gate) = (mpsc::channel(), Arc::new(Gate::new()));
    let thread = std::thread::spawn({
        let (slot, gate) = (Arc::clone(&slot), Arc::clone(&gate));
        move || {
            let flags = OwnedFlags::new();
            slot.occupy(flags.clone(), |occupied| {
                let killed = occupied.run(|run| {
                    // Fails only if nobody wants to know any more.
                    let _ = begins.send(run);
                    gate.pass() && flags.consume_interrupt()
                });
                let woken = occupied.run(|_| runs_an_apc());
                (killed, woken)
            })
        }
    });
    let run = begun.recv_timeout(DEADLINE)?;
    for nth in 1..=10 {
        assert_eq!(slot.attempt(run, nth), SENT);
    }
    gate.open();
    assert_eq!(thread.join().map_err(|_| "the thread panicked")?, (true, false));
    Ok(())
}
