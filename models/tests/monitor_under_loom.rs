//! The real platform's monitor by itself, under loom: the claims, the bounds and what is not covered stand at the head of
//! `models/src/monitor_proof.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use forcekill_models::monitor_proof::{Refutation, Searched, defects, replay, scenarios};
use forcekill_models::property::Property;
use forcekill_models::prove::Verdict;

/// Far beyond what a search needs here.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn the_monitor_is_proved() {
    for scenario in scenarios() {
        let searched = scenario.prove_all(LIMIT);
        let Searched { verdict, executions, seconds, refutation, moments, .. } = &searched;
        println!("{:<26} {:<8} {executions:>9} executions {seconds:>6.2} s", scenario.name, verdict.name());
        if let Some(Refutation { violation, execution }) = refutation {
            panic!("{}: {}; replay(\"{execution}\") shows its steps", violation.property, violation.what);
        }
        assert_eq!(*verdict, Verdict::Proved, "{} was not searched in full", scenario.name);
        moments.iter().for_each(|(moment, hits)| println!("    {hits:>9} {moment}"));
        for moment in scenario.moments {
            let is_reached = moments.iter().any(|(reached, _)| reached == moment);
            assert!(is_reached, "{} never reached: {moment}", scenario.name);
        }
    }
}

/// Searched for one property or for all, the executions are the same.
#[test]
fn a_scenario_can_be_proved_for_one_property() {
    for name in ["hand-over", "expiry-tells-a-waiter"] {
        let scenario = scenarios().iter().find(|scenario| scenario.name == name).unwrap();
        let all = scenario.prove_all(LIMIT);
        for &property in scenario.properties {
            let one = scenario.prove(property, LIMIT);
            assert_eq!((one.verdict, one.executions), (Verdict::Proved, all.executions), "{name} {property}");
        }
    }
}

/// Names stand in replays, so none may name two things.
#[test]
fn names_are_unique_and_can_stand_in_one_word() {
    let names = || scenarios().iter().map(|it| it.name).chain(defects().iter().map(|it| it.name));
    assert_eq!(names().collect::<BTreeSet<_>>().len(), names().count());
    for name in names() {
        let is_plain = name.chars().all(|letter| letter.is_ascii_lowercase() || letter == '-');
        assert!(is_plain && name != "forcekill", "{name}");
    }
}

#[test]
fn every_defect_is_refuted_and_every_refutation_can_be_replayed() {
    for defect in defects() {
        assert!(!defect.caught_by.is_empty(), "nothing refutes {}", defect.name);
        for caught in defect.caught_by {
            let searched = defect.refute(caught, LIMIT);
            let (name, scenario) = (defect.name, caught.scenario);
            assert_eq!(
                searched.verdict,
                Verdict::Refuted,
                "{name} passed {scenario}: the proof proves nothing"
            );
            let refutation = searched.refutation.unwrap();
            let word = refutation.execution.to_string();
            println!(
                "{word:<60} {:>6} {:>6.2} s {}",
                searched.executions, searched.seconds, refutation.violation.what
            );
            assert_eq!(
                refutation.violation.property, caught.property,
                "{word}: {}",
                refutation.violation.what
            );
            let (again, steps) = replay(&word).unwrap();
            assert_eq!(again, Some(refutation.violation), "{word} broke something else");
            assert!(!steps.is_empty(), "{word} has no steps");
        }
    }
}

/// An execution before the failing one, and one of the library's own steps, have steps and break nothing.
#[test]
fn an_execution_in_which_nothing_breaks_says_so() {
    for word in ["forcekill/expiry-tells-a-waiter/1/3", "expired-in-silence/expiry-tells-a-waiter/none/1"] {
        let (violation, steps) = replay(word).unwrap();
        assert_eq!(violation, None, "{word}");
        assert!(steps.iter().any(|step| step.thread == "patient"), "{word}: {steps:?}");
    }
}

/// The search does make waits return for no reason: with one change and one waiter nothing else tells `if` from a loop.
#[test]
fn an_if_instead_of_a_loop_needs_a_wake_up_for_no_reason() {
    let defect = defects().iter().find(|defect| defect.name == "wake-up-believed").unwrap();
    let caught = defect.caught_by.iter().find(|caught| caught.scenario == "one-change").unwrap();
    assert_eq!(caught.property, Property::Bounded);
    let refutation = defect.refute(caught, LIMIT).refutation.unwrap();
    assert_ne!(refutation.execution.spurious, 0, "{refutation:?}");
}
