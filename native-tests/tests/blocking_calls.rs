//! Claim: a thread that the kernel shows asleep in a blocking call is ended as the catalogue says, for every entry.
//! Those that one signal ends are given one signal only; their next line sees `EINTR` with the flags up.
//!
//! Within: one thread an entry, nobody else at the slot. Not covered: a signal that finds the thread not yet asleep
//! (`arrival_points`), calls that are not in the catalogue.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::time::Duration;

use forcekill::{Effort, KillSignal, Native, NativeConfig, Obstacle, ResendPolicy, Verdict};
use forcekill_native_tests::blocking::{CATALOGUE, Entry, Expected, Outcome, STD_SLEEP};
use forcekill_native_tests::demo::run_demo;
use forcekill_native_tests::parked::{DEADLINE, is_emulated};
use forcekill_native_tests::stuck::Stuck;

type TestResult = Result<(), Box<dyn Error>>;

fn entries(expected: impl Fn(Expected) -> bool) -> impl Iterator<Item = &'static Entry> {
    CATALOGUE.iter().filter(move |entry| entry.blocks_here() && expected(entry.expected))
}

/// What an interrupted script leaves.
fn interrupted(times: u32) -> Outcome {
    Outcome { answer: Err(libc::EINTR), interruptions: times, flags_up: true }
}

fn short_policy() -> Result<ResendPolicy, Box<dyn Error>> {
    let (within, first) = (Duration::from_millis(60), Duration::from_millis(1));
    Ok(ResendPolicy::new(within, first, Duration::from_millis(16))?)
}

#[test]
fn one_signal_ends_a_thread_that_is_asleep_in_an_interruptible_call() -> TestResult {
    let one_signal = ResendPolicy::single(DEADLINE)?;
    let mut count = 0;
    for entry in entries(|expected| expected == Expected::EndsAfter { signals: 1 }) {
        let stuck = Stuck::boot(Native::default(), entry)?;
        let call = stuck.wait_stuck()?;
        let verdict = stuck.kill(&one_signal);
        let Verdict::Ended(Effort { sends: 1, attempts: 1, elapsed }) = verdict else {
            return Err(format!("{}: {verdict}", entry.name).into());
        };
        println!("{}: {call}, EINTR after {elapsed:?}", entry.name);
        assert_eq!(stuck.join()?, interrupted(1), "{}", entry.name);
        count += 1;
    }
    assert_eq!(count, if is_emulated() { 17 } else { 18 }, "entries that one signal ends");
    Ok(())
}

#[test]
fn a_call_that_takes_two_signals_survives_one_and_is_ended_by_the_resend() -> TestResult {
    let one_signal = ResendPolicy::single(Duration::from_millis(20))?;
    let mut count = 0;
    for entry in entries(|expected| expected == Expected::EndsAfter { signals: 2 }) {
        let stuck = Stuck::boot(Native::default(), entry)?;
        stuck.wait_stuck()?;
        let verdict = stuck.kill(&one_signal);
        assert!(matches!(verdict, Verdict::Unkillable(Effort { sends: 1, .. })), "{}: {verdict}", entry.name);
        stuck.thread().wait_delivered(KillSignal::default().number())?;
        stuck.wait_stuck()?;
        let verdict = stuck.kill(&ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(_)), "{}: {verdict}", entry.name);
        assert_eq!(stuck.join()?, interrupted(2), "{}", entry.name);
        count += 1;
    }
    assert_eq!(count, 2, "entries that take two signals");
    Ok(())
}

#[test]
fn the_default_policy_ends_whatever_can_be_ended_without_help() -> TestResult {
    for entry in CATALOGUE.iter().filter(|entry| entry.blocks_here() && entry.can_be_ended()) {
        let stuck = Stuck::boot(Native::default(), entry)?;
        stuck.wait_stuck()?;
        let verdict = stuck.kill(&ResendPolicy::default());
        let Verdict::Ended(effort) = verdict else {
            return Err(format!("{}: {verdict}", entry.name).into());
        };
        let outcome = stuck.join()?;
        assert_eq!(outcome.answer, Err(libc::EINTR), "{}", entry.name);
        if let Expected::EndsAfter { signals } = entry.expected {
            assert!(effort.sends >= signals && outcome.interruptions == signals, "{}: {verdict}", entry.name);
        }
    }
    Ok(())
}

#[test]
fn a_vm_loop_ends_by_its_flags_alone() -> TestResult {
    for entry in entries(|expected| expected == Expected::EndsByFlags { stores: 1 }) {
        let stuck = Stuck::boot(Native::new(NativeConfig::FlagsOnly), entry)?;
        stuck.wait_stuck()?;
        let verdict = stuck.kill(&ResendPolicy::single(DEADLINE)?);
        assert!(matches!(verdict, Verdict::Ended(Effort { sends: 0, attempts: 1, .. })), "{verdict}");
        assert_eq!(stuck.join()?, interrupted(0), "{}", entry.name);
    }
    Ok(())
}

#[test]
fn a_vm_loop_that_clears_timed_out_survives_one_kill_and_is_ended_by_storing_the_flags_again() -> TestResult {
    for entry in entries(|expected| expected == Expected::EndsByFlags { stores: 2 }) {
        let stuck = Stuck::boot(Native::new(NativeConfig::FlagsOnly), entry)?;
        stuck.wait_stuck()?;
        let verdict = stuck.kill(&ResendPolicy::single(Duration::from_millis(20))?);
        assert!(matches!(verdict, Verdict::NoWakeUp { obstacle: Obstacle::FlagsOnly, .. }), "{verdict}");
        let verdict = stuck.kill(&ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        assert_eq!(stuck.join()?, interrupted(0), "{}", entry.name);

        // The same within one kill.
        let stuck = Stuck::boot(Native::default(), entry)?;
        stuck.wait_stuck()?;
        let verdict = stuck.kill(&ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(Effort { attempts: 2.., .. })), "{verdict}");
        assert_eq!(stuck.join()?, interrupted(0), "{}", entry.name);
    }
    Ok(())
}

#[test]
fn what_cannot_be_ended_is_named_so_and_ends_when_it_is_let_go() -> TestResult {
    let policy = short_policy()?;
    for entry in entries(|expected| matches!(expected, Expected::NeverEnds | Expected::BlocksSignal)) {
        let stuck = Stuck::boot(Native::default(), entry)?;
        stuck.wait_stuck()?;
        let verdict = stuck.kill(&policy);
        println!("{}: {verdict}", entry.name);
        let effort = match (entry.expected, verdict) {
            (Expected::NeverEnds, Verdict::Unkillable(effort)) => effort,
            (Expected::BlocksSignal, Verdict::NoWakeUp { obstacle: Obstacle::SignalBlocked, effort }) => {
                effort
            }
            _ => return Err(format!("{}: {verdict}", entry.name).into()),
        };
        // A pause counts from the send before it, so a machine that is late makes fewer of them within the bound.
        assert!((2..=policy.sends()).contains(&effort.sends), "{}: {verdict}", entry.name);
        assert_eq!(effort.sends, effort.attempts, "{}", entry.name);
        assert!(effort.elapsed >= policy.within(), "{}: {verdict}", entry.name);
        // It is where it was.
        stuck.wait_stuck()?;
        let outcome = stuck.let_go_and_join()?.ok_or("the thread cannot be let go")?;
        assert!(outcome.answer.is_ok() && outcome.flags_up, "{}: {outcome:?}", entry.name);
    }
    assert!(policy.within() < STD_SLEEP, "the sleep must be longer than the kill");
    Ok(())
}

#[test]
fn the_demo_ends_every_thread_that_can_be_ended_and_names_the_others() {
    let rows = run_demo(Native::default(), &ResendPolicy::default());
    assert_eq!(rows.len(), CATALOGUE.iter().filter(|entry| entry.blocks_here()).count());
    for row in &rows {
        println!(
            "{:36} {:16} {:5} {:2} sends {:3} attempts {:7} us  {}",
            row.name, row.syscall, row.ended, row.sends, row.attempts, row.micros, row.verdict
        );
        assert!(row.is_as_claimed(), "{row:?}");
    }
}
