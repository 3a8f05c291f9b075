//! The generic code on the real platform costs nothing over the same code by hand.
//!
//! Claim, optimised (`cargo test --release -p forcekill-benches`, or any profile of opt-level 2 and up for this
//! package): one attempt of a kill, flags only, takes at most 1.15 times as long as the one by hand.
//! Below that level the compiler leaves calls standing in generic code that it resolves by hand, so the same measurement
//! is made there and a weaker claim asserted: at most twice. At every level both do the same things.
//!
//! Not covered: the other operations, which `cargo bench -p forcekill-benches` prints without judging; other systems than
//! Linux.
#![cfg(target_os = "linux")]

use forcekill::Wake;
use forcekill::steps::Attempt;
use forcekill_benches::by_hand::HandAttempt;
use forcekill_benches::pairs::{Pair, Parked};
use forcekill_benches::parity::{compare, compare_until, pin_to_this_core};

const ROUNDS: u32 = 8;
const BATCH: u32 = 500;

/// What may be claimed of code that was optimised like this.
fn limit() -> f64 {
    match env!("FORCEKILL_BENCH_OPT_LEVEL") {
        "2" | "3" => 1.15,
        _ => 2.0,
    }
}

#[test]
fn a_generic_attempt_takes_no_longer_than_one_by_hand() {
    pin_to_this_core();
    let pair = Pair::flags_only();
    let comparison =
        compare_until(limit(), ROUNDS, || compare(BATCH, || pair.attempt(), || pair.attempt_by_hand()));
    println!("opt-level {}: {comparison}", env!("FORCEKILL_BENCH_OPT_LEVEL"));
    assert!(comparison.ratio() <= limit(), "generic, by hand, ratio: {comparison}; the limit is {}", limit());
}

/// The measurement would tell: by hand against by hand is even, and one more lock is seen in every round.
#[test]
fn the_measurement_tells_one_lock_more_from_none() {
    pin_to_this_core();
    let pair = Pair::flags_only();
    let even =
        compare_until(1.15, ROUNDS, || compare(BATCH, || pair.attempt_by_hand(), || pair.attempt_by_hand()));
    assert!(even.ratio() <= 1.15, "twice the same code: {even}");
    let twice = || (pair.attempt_by_hand(), pair.attempt_by_hand());
    let more = compare_until(1.15, ROUNDS, || compare(BATCH, twice, || pair.attempt_by_hand()));
    assert!(more.ratio() > 1.15, "twice the work is not seen: {more}");
}

#[test]
fn both_do_the_same_with_flags_alone() {
    let pair = Pair::flags_only();
    assert!(matches!(pair.attempt(), Attempt::Made(Wake::Impossible(_))));
    assert_eq!(pair.attempt_by_hand(), HandAttempt::FlagsOnly);
    assert!(pair.consume() && pair.consume_by_hand(), "both raised both flags");
    assert!(!pair.consume() && !pair.consume_by_hand(), "both consumed the interrupt");
}

/// Also across crates and optimised, where the check of the handler is inlined into this one.
#[test]
fn both_send_their_signal_to_a_parked_thread() {
    let parked = Parked::thread();
    for _ in 0..100 {
        parked.attempt();
        parked.attempt_by_hand();
    }
}
