//! The real platform's monitor by itself, under loom: the claims, the bounds and what is not covered stand at the head of
//! `models/src/monitor_proof.rs`.

use std::collections::BTreeSet;
use std::time::Duration;

use forcekill_models::monitor_proof::{Searched, defects, replay, scenarios};
use forcekill_models::property::Property;
use forcekill_models::prove::Verdict;

/// Far beyond what a search needs here.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn the_monitor_is_proved() {
    for scenario in scenarios() {
        for &property in scenario.properties {
            let searched = scenario.prove(property, LIMIT);
            let Searched { verdict, executions, seconds, refutation, moments, .. } = &searched;
            println!(
                "{:<26} {property:<12} {:<8} {executions:>9} executions {seconds:>6.2} s",
                scenario.name,
                verdict.name()
            );
            if let Some(refutation) = refutation {
                panic!("{}; to see it again: replay {}", refutation.violation.what, refutation.execution);
            }
            assert_eq!(*verdict, Verdict::Proved, "{} was not searched in full", scenario.name);
            moments.iter().for_each(|(moment, hits)| println!("    {hits:>9} {moment}"));
            let reached: BTreeSet<_> = moments.iter().map(|(moment, _)| *moment).collect();
            for moment in scenario.moments {
                assert!(reached.contains(moment), "{} never reached: {moment}", scenario.name);
            }
        }
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
