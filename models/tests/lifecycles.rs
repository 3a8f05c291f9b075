//! Whole lifecycles: that the strategies agree, that what a lean search leaves out does not matter, that the faults fall within
//! a second by the fewest preemptions, and that what was found is found again.

use std::collections::BTreeSet;
use std::time::Duration;

use forcekill_models::cases::{self, Engines};
use forcekill_models::designs::Design;
use forcekill_models::explorer::search::{Kind, Settings};
use forcekill_models::oracle::Oracle;
use forcekill_models::protocol::Protocol;
use forcekill_models::prove::{self, Engine, Options, Task, Verdict};
use forcekill_models::search::explore_search::{Explored, explore};
use forcekill_models::subject::AnyCase;

fn ours() -> impl Iterator<Item = AnyCase> {
    let cases = Protocol::Design(Design::Forcekill).cases().into_iter();
    // Those of whole runtimes have a test of their own.
    cases.filter(|case| matches!(case, AnyCase::Lifecycle(_)) && !case.is_runtime())
}

fn explored(case: AnyCase, size: usize, variant: usize, is_lean: bool, kind: Kind) -> Explored {
    let variant = &case.variants(size)[variant];
    let play = case.on_explorer(size, variant, is_lean);
    let settings = Settings { terminals: true, ..Settings::default() };
    let oracle = Oracle::watching(case.properties());
    let explored = explore(&play, case.properties(), kind, &settings, false, &oracle);
    assert!(explored.complete && explored.failures.is_empty(), "{}: {:?}", case.model(), explored.failures);
    explored
}

/// One thread, every race and variant: each strategy reaches the same terminal states.
#[test]
fn all_strategies_reach_the_same_terminal_states_with_one_thread() {
    for case in ours() {
        for variant in 0..case.variants(1).len() {
            let states = |kind| explored(case, 1, variant, true, kind).terminals;
            let claimed = states(Kind::Persistent);
            assert!(!claimed.is_empty());
            assert_eq!(claimed, states(Kind::SleepSets), "{} {variant}: sleep sets", case.model());
            // Several callers over one whole life are too many for a dependence that looks at objects alone.
            if case.model() != "whole-life" {
                assert_eq!(claimed, states(Kind::SourceSets), "{} {variant}: source sets", case.model());
                let all = Kind::Bounded { most: usize::MAX };
                assert_eq!(claimed, states(all), "{} {variant}: state hashing", case.model());
            }
        }
    }
}

/// Two threads: the strategy of the claims, the sleep sets alone, and the cross-check.
#[test]
fn three_strategies_reach_the_same_terminal_states_with_two_threads() {
    let case = ours().find(|case| case.model() == "restart-against-shutdown").unwrap();
    let states = |kind| explored(case, 2, 0, true, kind).terminals;
    let claimed = states(Kind::Persistent);
    assert!(claimed.len() > 1_000, "{}", claimed.len());
    assert_eq!(claimed, states(Kind::SleepSets));
    assert_eq!(claimed, states(Kind::SourceSets));
}

/// What a lifecycle's outcome is to its callers does not depend on slots that no script waits for: a search without them
/// reaches the same moments and takes the same transitions.
#[test]
fn what_a_lean_search_leaves_out_does_not_matter() {
    let case = ours().find(|case| case.model() == "restart-against-shutdown").unwrap();
    for size in [1, 2] {
        for variant in case.variants(size) {
            let seen = [false, true].map(|is_lean| {
                let oracle = Oracle::watching(case.properties());
                let play = case.on_explorer(size, &variant, is_lean);
                let settings = Settings::default();
                let explored = explore(&play, case.properties(), Kind::Persistent, &settings, false, &oracle);
                assert!(explored.complete && explored.failures.is_empty());
                let moments: BTreeSet<_> = oracle.moments().into_iter().map(|(name, _)| name).collect();
                let taken: Vec<_> = oracle.taken().iter().map(|hits| *hits > 0).collect();
                (moments, taken)
            });
            assert_eq!(seen[0], seen[1], "{size} {}", variant.name);
        }
    }
}

/// Every defect that the explorer must catch falls within a second, by the fewest preemptions, and its schedule replays.
#[test]
fn every_fault_falls_within_a_second() {
    for defect in cases::all_defects() {
        for caught in &defect.caught_by {
            if !caught.engines.all().contains(&Engine::Explore) {
                continue;
            }
            let protocol = Protocol::Defect(defect);
            let task = Task::single(protocol, caught.case.as_any(), caught.property, Engine::Explore);
            let started = busy();
            let schedule = task.sized(caught.size).first_refutation();
            let elapsed = busy() - started;
            let schedule = schedule.unwrap_or_else(|| panic!("{} passed {}", defect.name, caught.property));
            // A second for the search by itself; a slow machine may take ten. What the explorer alone finds takes more preemptions than
            // the search for the fewest goes up to, and falls in the whole search.
            let limit = if caught.engines == Engines::ExplorerAlone { 180 } else { 10 };
            assert!(elapsed < Duration::from_secs(limit), "{}: {elapsed:?}", defect.name);
            let again = schedule.to_string().parse::<forcekill_models::schedule::Schedule>().unwrap();
            assert!(again.replay().unwrap().violation.is_some(), "{}: {schedule}", defect.name);
            println!(
                "{:<28} {:<22} {:>6} ms  {schedule}",
                defect.name,
                caught.property.id(),
                elapsed.as_millis()
            );
        }
    }
}

/// How long this thread has run; what runs beside it does not count.
#[cfg(unix)]
fn busy() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time is written to a place of its type that lives here.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(failed, 0, "the system has a clock for each thread");
    let part = |part: i64| u64::try_from(part).expect("a clock does not go backwards");
    Duration::from_secs(part(time.tv_sec)) + Duration::from_nanos(part(time.tv_nsec))
}

/// The same where the system has no such clock: the time on the wall.
#[cfg(not(unix))]
fn busy() -> Duration {
    static BEGINNING: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    BEGINNING.get_or_init(std::time::Instant::now).elapsed()
}

/// The same search by one worker and by all says the same.
#[test]
fn a_report_does_not_depend_on_when_it_is_made() {
    let options =
        Options { models: vec!["drain-then-shutdown".to_string()], sizes: vec![2], ..Options::default() };
    let reports = [0, 1].map(|_| prove::run(&prove::tasks(&options), |_, _| {}));
    let counts = reports.each_ref().map(|report| {
        let cells = report.cells.iter();
        cells.map(|cell| (cell.verdict == Verdict::Proved, cell.executions)).collect::<Vec<_>>()
    });
    assert_eq!(counts[0], counts[1]);
}
