//! Claim: the searches of whole runtimes, which remember states and whose threads say what they need not remember, reach what a
//! search that remembers nothing reaches: the same terminal states, moments and transitions.
//!
//! Within: every variant with one thread that a search without a memory gets through in seconds; with two threads the smallest. Not
//! covered: the others, which nothing else searches in full.

use std::collections::BTreeSet;

use forcekill_models::designs::Design;
use forcekill_models::explorer::search::{Kind, Settings};
use forcekill_models::oracle::Oracle;
use forcekill_models::protocol::Protocol;
use forcekill_models::search::explore_search::explore;
use forcekill_models::subject::AnyCase;

/// What a search has reached.
#[derive(Debug, PartialEq, Eq)]
struct Reached {
    terminals: BTreeSet<u64>,
    moments: BTreeSet<&'static str>,
    taken: Vec<bool>,
}

fn runtimes() -> impl Iterator<Item = AnyCase> {
    Protocol::Design(Design::Forcekill).cases().into_iter().filter(|case| case.is_runtime())
}

/// Too large for a search without a memory, with one thread.
const LARGE: [(&str, &str); 6] = [
    ("respawn-against-teardown", "restart-and-shutdown"),
    ("restart-against-scaler", "up"),
    ("restart-against-scaler", "down"),
    ("restart-against-scaler", "up-and-down"),
    ("dispatch-against-leaving", "two-requests"),
    ("handed-back-request", "taken-down"),
];

fn reached(case: AnyCase, (size, variant): (usize, &str), kind: Kind) -> (Reached, u64) {
    let variant = case.variants(size).into_iter().find(|known| known.name == variant).unwrap();
    let play = case.on_explorer(size, &variant, false);
    let settings = Settings { terminals: true, ..Settings::default() };
    let oracle = Oracle::watching(case.properties());
    let explored = explore(&play, case.properties(), kind, &settings, false, &oracle);
    assert!(explored.complete && explored.failures.is_empty(), "{}: {:?}", case.model(), explored.failures);
    let moments = oracle.moments().into_iter().map(|(name, _)| name).collect();
    let taken = oracle.taken().iter().map(|hits| *hits > 0).collect();
    (Reached { terminals: explored.terminals, moments, taken }, explored.executions)
}

fn assert_alike(case: AnyCase, size: usize, variant: &str) {
    let (remembering, few) = reached(case, (size, variant), Kind::Remembering);
    let (forgetful, many) = reached(case, (size, variant), Kind::Persistent);
    assert!(!remembering.terminals.is_empty(), "{} {variant}", case.model());
    assert_eq!(remembering, forgetful, "{} {variant}, {size} threads", case.model());
    println!(
        "{:<34} {variant:<22} {size} threads: {few:>8} executions, without a memory {many:>8}",
        case.model()
    );
}

#[test]
fn a_search_that_remembers_states_reaches_what_one_without_a_memory_reaches() {
    for case in runtimes() {
        for variant in case.variants(1) {
            if !LARGE.contains(&(case.model(), variant.name.as_str())) {
                assert_alike(case, 1, &variant.name);
            }
        }
    }
}

#[test]
fn with_two_threads_too() {
    for (model, variant) in [
        ("reinit-against-late-unwind", "late"),
        ("boot-failure", "late"),
        ("respawn-against-teardown", "shutdown"),
    ] {
        assert_alike(runtimes().find(|case| case.model() == model).unwrap(), 2, variant);
    }
}
