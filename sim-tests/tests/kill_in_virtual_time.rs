//! The kill under virtual time, one property a test.
//!
//! Claims: a kill returns exactly when its run ends or its bound is reached (`bounded`); it makes no more attempts than
//! its policy says, at the policy's times; its verdict is the right one; a thread that can be interrupted ends within
//! `k + 2` sends, `k` of which come to nothing (`no-lost-kill`); the flags are stored at every attempt, `timed_out`
//! first; one case goes one way only.
//!
//! Bounds: random cases, 5,000 a property (`PROPTEST_CASES` says otherwise, `PROPTEST_RNG_SEED` repeats a run); schedules
//! of 1 to about 300 sends, moments at the nanoseconds around each send.
//!
//! Not covered: races, as nothing runs beside the kill; attempts that take time themselves (a lock that is waited for,
//! a killer that the system does not schedule); whether a thread that goes away without a word *after* a send counts as
//! ended or as already gone.

use std::collections::BTreeMap;
use std::time::Duration;

use forcekill::{Effort, ResendPolicy, Verdict};
use forcekill_sim_tests::case::{Case, Outcome, Schedule};
use forcekill_sim_tests::expected::{Answer, answer};
use forcekill_sim_tests::script::{Exit, Script};
use forcekill_sim_tests::strategies::{case, interruptible, schedule};
use forcekill_sim_tests::world::{Actor, Event, FlagName, System};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{RngSeed, TestRunner};

fn config() -> ProptestConfig {
    let cases =
        if std::env::var_os("PROPTEST_CASES").is_some() { ProptestConfig::default().cases } else { 5_000 };
    // What fails is printed in full, so no file is kept.
    ProptestConfig { cases, failure_persistence: None, ..Default::default() }
}

fn effort(verdict: &Verdict) -> Option<Effort> {
    match verdict {
        Verdict::Ended(effort) | Verdict::Unkillable(effort) | Verdict::NoWakeUp { effort, .. } => {
            Some(*effort)
        }
        Verdict::AlreadyGone => None,
    }
}

proptest! {
    #![proptest_config(config())]

    /// bounded: exactly, in virtual time, and to the nanosecond.
    #[test]
    fn a_kill_returns_when_the_run_ends_or_exactly_at_its_bound(case in case()) {
        let outcome = case.play();
        prop_assert!(outcome.returned_at <= case.schedule.within, "{} is late", outcome.verdict);
        let until = match (outcome.ended_at, outcome.verdict.is_over()) {
            (Some(ended_at), _) => ended_at,
            // Whoever is gone without a word is found out at a send.
            (None, true) => outcome.returned_at,
            (None, false) => case.schedule.within,
        };
        prop_assert_eq!(outcome.returned_at, until);
        if let Some(effort) = effort(&outcome.verdict) {
            prop_assert_eq!(effort.elapsed, outcome.returned_at);
        }
    }

    #[test]
    fn a_kill_makes_the_policys_attempts_at_the_policys_times(case in case()) {
        let outcome = case.play();
        let attempts = outcome.attempts();
        let policy = case.schedule.policy().unwrap();
        prop_assert!(attempts.len() <= policy.sends() as usize);
        let (done, due): (Vec<_>, Vec<_>) = (attempts.iter().map(|(at, _)| *at).collect(), case.schedule.send_times());
        prop_assert_eq!(&done[..], &due[..done.len().min(due.len())]);
        if !outcome.verdict.is_over() {
            prop_assert_eq!(attempts.len(), due.len(), "a survivor was sent less than the policy allows");
        }
    }

    #[test]
    fn the_verdict_is_the_right_one(case in case()) {
        let outcome = case.play();
        let verdict = outcome.verdict;
        let right = match answer(&case) {
            Answer::Ended { at, attempts, sends } => {
                prop_assert_eq!(outcome.ended_at, Some(at));
                verdict == Verdict::Ended(Effort { attempts, sends, elapsed: at })
            }
            Answer::AlreadyGone => verdict == Verdict::AlreadyGone,
            Answer::GoneWithoutAWord { attempts: 0 } => verdict == Verdict::AlreadyGone,
            Answer::GoneWithoutAWord { .. } => matches!(verdict, Verdict::Ended(_)),
            Answer::NoWakeUp(why) => matches!(verdict, Verdict::NoWakeUp { obstacle, .. } if obstacle == why),
            Answer::Unkillable => matches!(verdict, Verdict::Unkillable(_)),
        };
        prop_assert!(right, "{:?} where {:?} is right", verdict, answer(&case));
        if let Some(effort) = effort(&verdict) {
            let asked = |(_, actor, event): &&_| *actor == Actor::Killer && matches!(event, Event::Asked(_));
            let sent = Event::Asked(forcekill::Wake::Sent);
            let taken = outcome.trace.iter().filter(asked).filter(|(.., event)| *event == sent).count();
            prop_assert_eq!(effort.sends as usize, taken);
            prop_assert_eq!(effort.attempts as usize, outcome.attempts().len());
        }
    }

    #[test]
    fn already_gone_means_that_nothing_was_done(case in case()) {
        let outcome = case.play();
        if outcome.verdict == Verdict::AlreadyGone && outcome.ended_at.is_some() {
            prop_assert!(outcome.trace.iter().all(|(_, actor, _)| *actor == Actor::Thread));
        }
    }

    /// no-lost-kill.
    #[test]
    fn a_thread_that_can_be_interrupted_ends_within_k_plus_two_sends((case, k) in interruptible()) {
        let outcome = case.play();
        let Verdict::Ended(effort) = outcome.verdict else {
            return Err(TestCaseError::fail(format!("{} with k = {k}", outcome.verdict)));
        };
        prop_assert!(effort.sends <= k + 2, "{} sends with k = {}", effort.sends, k);
        let last_send = case.schedule.send_times()[k as usize + 1];
        prop_assert!(effort.elapsed <= last_send + case.latency, "{:?} with k = {}", effort.elapsed, k);
    }

    #[test]
    fn every_attempt_stores_both_flags_and_then_wakes(case in case()) {
        let outcome = case.play();
        for (at, done) in outcome.attempts() {
            let raised = |flag| done.iter().position(|event| *event == Event::Stored(flag, true));
            let timed_out = raised(FlagName::TimedOut);
            let vm_interrupt = raised(FlagName::VmInterrupt);
            prop_assert!(timed_out.is_some() && vm_interrupt.is_some(), "at {at:?}: {done:?}");
            prop_assert!(timed_out < vm_interrupt, "at {at:?}: {done:?}");
            prop_assert!(raised(FlagName::OfTheSlot).is_some(), "at {at:?}: {done:?}");
            let asked = done.iter().position(|event| matches!(event, Event::Asked(_)));
            match case.system {
                System::NoTarget(_) => prop_assert_eq!(asked, None),
                _ => prop_assert!(vm_interrupt < asked && asked == Some(done.len() - 1), "at {at:?}: {done:?}"),
            }
        }
    }

    /// kill-hits-its-run, as far as one killer can see it: nothing is left behind for the next run, and nothing comes.
    #[test]
    fn what_comes_after_the_run_is_left_alone(case in case()) {
        let outcome = case.play();
        prop_assert_eq!(outcome.leaked_targets, 0);
        let Some(ended) = outcome.trace.iter().position(|(.., event)| *event == Event::RunEnded) else {
            return Ok(());
        };
        prop_assert_eq!(&outcome.trace[ended + 1..], &[]);
        if matches!(case.script.exit, Exit::NextRun | Exit::Idle) {
            prop_assert_eq!(outcome.flags_up, (false, false));
        }
        prop_assert_eq!(outcome.again, Some((Verdict::AlreadyGone, 0)));
    }

    #[test]
    fn one_case_goes_one_way_only(case in case()) {
        prop_assert_eq!(case.play(), case.play());
    }

    #[test]
    fn the_policy_has_the_sends_that_it_was_made_of(schedule in schedule()) {
        let policy = schedule.policy().unwrap();
        let times = schedule.send_times();
        let ends = times.iter().skip(1).copied().chain([schedule.within]);
        let mut now = Duration::ZERO;
        for (pause, end) in policy.pauses().zip(ends) {
            now += pause;
            prop_assert_eq!(now, end);
        }
        prop_assert_eq!(policy.sends() as usize, times.len());
        prop_assert_eq!(policy.within(), schedule.within);
    }
}

fn from_seed(seed: u64, cases: usize) -> Vec<(Case, Outcome)> {
    let mut runner = TestRunner::new(ProptestConfig { rng_seed: RngSeed::Fixed(seed), ..config() });
    let mut draw = || case().new_tree(&mut runner).expect("nothing is filtered out").current();
    (0..cases).map(|_| draw()).map(|case| (case.clone(), case.play())).collect()
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    assert!(from_seed(7, 200) == from_seed(7, 200), "two runs of one seed differ");
    assert!(from_seed(7, 200) != from_seed(8, 200), "the seed has no effect");
}

/// The random cases must visit what they are for; a property over cases that all end at once would say nothing.
#[test]
fn the_random_cases_reach_every_kind_of_moment() {
    let mut reached = BTreeMap::<&str, u32>::new();
    for (case, outcome) in from_seed(2365, 4_000) {
        let script = &case.script;
        let attempts = outcome.attempts().len();
        let mut count = |name, hit| *reached.entry(name).or_default() += u32::from(hit);
        let over = outcome.ended_at.is_some();
        count("ended", over && attempts > 0);
        count("ended at the first send", over && attempts == 1);
        count("ended after several sends", over && attempts > 1);
        count("ended exactly at the bound", outcome.ended_at == Some(case.schedule.within));
        count("ended exactly at a send", over && case.schedule.send_times().contains(&outcome.returned_at));
        count("ended by flags alone", over && attempts > 0 && matches!(case.system, System::NoTarget(_)));
        count(
            "ended by itself",
            script.ends_by_itself.is_some() && outcome.ended_at == script.ends_by_itself,
        );
        let waits = outcome.trace.iter().filter(|(.., event)| *event == Event::Waits).count();
        let in_gap = script.ends_in_gap == Some(waits as u32) && over && script.ends_by_itself.is_none();
        let at_the_end = outcome.returned_at == case.schedule.within;
        count("ended between a wait and the next attempt", in_gap && !at_the_end);
        count("ended between the last wait and the verdict", in_gap && at_the_end);
        count("first send lost", over && attempts > 1 && script.deaf_until > case.latency);
        count("swallowed an interrupt", over && script.retries > 0 && script.ends_by_itself.is_none());
        count("blocked again", over && script.blocks_again > 0 && script.ends_by_itself.is_none());
        count(
            "queue full, then ended",
            over && matches!(case.system, System::QueueFullUntil(at) if !at.is_zero()),
        );
        count("over before the kill", outcome.verdict == Verdict::AlreadyGone && over);
        count("gone without a word", outcome.verdict.is_over() && !over);
        count("unkillable", matches!(outcome.verdict, Verdict::Unkillable(_)));
        let obstacle = match outcome.verdict {
            Verdict::NoWakeUp { obstacle, .. } => obstacle.to_string(),
            _ => String::new(),
        };
        for (name, part) in [
            ("no wake-up: flags only", "flags only on this platform"),
            ("no wake-up: no handler", "installing the signal handler failed"),
            ("no wake-up: replaced", "replaced"),
            ("no wake-up: queue", "queue"),
            ("no wake-up: refused", "refused every"),
            ("no wake-up: blocked", "blocked"),
        ] {
            count(name, obstacle.contains(part));
        }
        let cleared = |at: &Duration| *at > Duration::ZERO && *at < outcome.returned_at;
        count("cleared timed_out under the kill", script.clears.iter().any(cleared));
    }
    assert!(reached.values().all(|hits| *hits > 0), "never reached: {reached:#?}");
}

/// The two schedules that people use, to the number.
#[test]
fn the_pull_requests_deadline_costs_fourteen_sends_and_five_seconds() {
    let default = ResendPolicy::default();
    let schedule = Schedule {
        within: default.within(),
        first_pause: Duration::from_millis(1),
        longest_pause: Duration::from_secs(1),
    };
    assert_eq!(schedule.policy().as_ref(), Ok(&default));
    let deaf_for_ever = Script {
        deaf_until: Duration::ZERO,
        ignores_wakes: true,
        retries: 0,
        blocks_again: 0,
        clears: vec![],
        looks: vec![],
        ends_by_itself: None,
        ends_in_gap: None,
        exit: Exit::Idle,
    };
    let (start, latency) = (Duration::from_secs(9), Duration::ZERO);
    let case = Case { start, schedule, system: System::Delivers, latency, script: deaf_for_ever.clone() };
    let elapsed = Duration::from_secs(5);
    assert_eq!(case.play().verdict, Verdict::Unkillable(Effort { attempts: 14, sends: 14, elapsed }));

    // The lost wake-up: one send waits for nothing, the re-send ends it a millisecond later.
    let at_the_brink = Script { deaf_until: Duration::from_nanos(1), ignores_wakes: false, ..deaf_for_ever };
    let case = Case { script: at_the_brink, ..case };
    let elapsed = Duration::from_millis(1);
    assert_eq!(case.play().verdict, Verdict::Ended(Effort { attempts: 2, sends: 2, elapsed }));
    let single = Schedule { first_pause: schedule.within, longest_pause: schedule.within, ..schedule };
    let elapsed = schedule.within;
    let one = Effort { attempts: 1, sends: 1, elapsed };
    assert_eq!(Case { schedule: single, ..case }.play().verdict, Verdict::Unkillable(one));
}
