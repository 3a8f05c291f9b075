//! Every search of `forcekill prove`, one model a test, so that a failure names its race. The claim, the bounds and what is
//! not covered stand at the head of each race's file.

use forcekill::State;
use forcekill::state::{Event, TRANSITIONS};
use forcekill_models::designs::Design;
use forcekill_models::prove::{self, Options, Report, Verdict};

/// Searches one model, for both designs and its defects, and asserts all that `prove` claims.
fn prove(model: &str) -> Report {
    let options = Options { models: vec![model.to_string()], ..Options::default() };
    let report = prove::run(&prove::tasks(&options), |_, _| {});
    assert!(!report.cells.is_empty(), "no search settles {model}");
    assert_eq!(report.shortcomings(), Vec::<String>::new());
    assert!(report.reached.values().all(|hits| *hits > 0) && !report.reached.is_empty());
    for cell in report.cells.iter().filter(|cell| cell.protocol.is_ours() && cell.size < 3) {
        assert_eq!(cell.verdict, Verdict::Proved, "{} {} {:?}", cell.property, cell.size, cell.engine);
    }
    report
}

/// Which properties the pull request breaks in a report.
fn broken_by_the_pull_request(report: &Report) -> Vec<&'static str> {
    let theirs = report.cells.iter().filter(|cell| cell.protocol.to_string() == Design::Pr2365.name());
    let mut broken: Vec<_> =
        theirs.filter(|cell| cell.verdict == Verdict::Refuted).map(|cell| cell.property.id()).collect();
    broken.sort_unstable();
    broken.dedup();
    broken
}

#[test]
fn clear_against_kill() {
    assert!(broken_by_the_pull_request(&prove("clear-against-kill")).is_empty());
}

#[test]
fn republish_against_kill() {
    assert_eq!(broken_by_the_pull_request(&prove("republish-against-kill")), ["kill-hits-its-run"]);
}

#[test]
fn exit_against_kill() {
    assert!(broken_by_the_pull_request(&prove("exit-against-kill")).is_empty());
}

#[test]
fn kill_against_next_run() {
    assert_eq!(broken_by_the_pull_request(&prove("kill-against-next-run")), ["kill-hits-its-run"]);
}

#[test]
fn lost_wake_up() {
    assert_eq!(broken_by_the_pull_request(&prove("lost-wake-up")), ["no-lost-kill"]);
}

#[test]
fn slow_machine() {
    prove("slow-machine");
}

#[test]
fn flag_order() {
    assert!(broken_by_the_pull_request(&prove("flag-order")).is_empty());
}

#[test]
fn release_once() {
    assert!(broken_by_the_pull_request(&prove("release-once")).is_empty());
}

#[test]
fn two_restarts() {
    prove("two-restarts");
}

#[test]
fn drain_then_shutdown() {
    prove("drain-then-shutdown");
}

/// Fault a: the pull request counts a thread when it has started.
#[test]
fn lingering_against_teardown() {
    assert_eq!(broken_by_the_pull_request(&prove("lingering-against-teardown")), ["teardown-alone"]);
}

/// And the table of states is taken as a whole.
#[test]
fn whole_life() {
    let report = prove("whole-life");
    // Those that a whole runtime alone makes are taken in its races.
    let left = TRANSITIONS.iter().zip(&report.taken).filter(|(_, hits)| **hits == 0);
    let left: Vec<_> = left.map(|(row, _)| (row.from, row.event)).collect();
    assert_eq!(left, [(State::Booting, Event::Start), (State::RebootReady, Event::FailStart)]);
    assert!(!report.covers_table(), "it is one race of many");
    let broken = broken_by_the_pull_request(&report);
    assert_eq!(broken, ["bounded", "late-unwind-is-safe", "legal-transitions", "no-deadlock"]);
}
