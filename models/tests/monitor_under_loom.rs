//! The real platform's monitor by itself, under loom: the claims, the bounds and what is not covered stand at the head of
//! `models/src/monitor_proof.rs`.

use std::time::Duration;

use forcekill_models::monitor_proof::{DEFECTS, prove, refute, shortcomings};
use forcekill_models::prove::Verdict;

/// Far beyond what a search needs here.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn the_monitor_is_proved() {
    let proofs = prove(LIMIT);
    for proof in &proofs {
        let (name, executions, seconds) = (proof.scenario, proof.executions, proof.seconds);
        println!("{name:<26} {:<8} {executions:>9} executions {seconds:>6.1} s", proof.verdict.name());
        for (moment, hits) in &proof.reached {
            println!("    {hits:>9} {moment}");
        }
    }
    assert_eq!(shortcomings(&proofs), Vec::<String>::new());
}

#[test]
fn every_defect_is_refuted() {
    for defect in DEFECTS {
        let proofs = refute(defect, LIMIT);
        assert_eq!(proofs.len(), defect.caught_by.len());
        for (proof, caught) in proofs.iter().zip(defect.caught_by) {
            let (name, scenario) = (defect.name, proof.scenario);
            assert_eq!(proof.verdict, Verdict::Refuted, "{name} passed {scenario}: the proof proves nothing");
            let refutation = proof.refutation.as_ref().unwrap();
            println!("{name:<22} {scenario:<16} {} {refutation:?}", proof.executions);
            assert_eq!(refutation.property, caught.property, "{name}, {scenario}: {}", refutation.what);
        }
    }
}

/// The search does make waits return for no reason: with one change and one waiter nothing else tells `if` from a loop.
#[test]
fn an_if_instead_of_a_loop_needs_a_wake_up_for_no_reason() {
    let defect = DEFECTS.iter().find(|defect| defect.name == "wake-up-believed").unwrap();
    let proofs = refute(defect, LIMIT);
    let proof = proofs.iter().find(|proof| proof.scenario == "one-change").unwrap();
    assert_ne!(proof.refutation.as_ref().unwrap().spurious, 0, "{proof:?}");
}
