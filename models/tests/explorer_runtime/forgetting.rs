//! What a thread says that it need not remember: a claim that holds costs a search nothing but work, and one that does not hides
//! terminal states from it, so that a comparison with a search without a memory shows it.

use std::collections::BTreeSet;
use std::sync::Arc;

use forcekill::platform::Monitor as _;
use forcekill_models::explorer::search::{Kind, Observer, Settings, Verdict, search};
use forcekill_models::explorer::view::{Thread, View};
use forcekill_models::explorer::{Coroutines, Monitor, forget, forget_since, mark, spawn};

struct Ends;

impl Observer for Ends {
    fn ended(&mut self, _view: &impl View, _choices: &[Thread]) -> Verdict {
        Verdict::Continue
    }

    fn merge(&mut self, _later: Self) {}
}

/// What a reader makes of the two values that it has seen.
type Says = fn(begun: u128, seen: [u32; 2]);

/// A reader looks twice at a counter that another thread raises to four, and waits until that is over; then it writes down, beside
/// somebody who writes as well, whether it saw an odd sum. Everything that it does after `says` depends on that alone.
fn ends(kind: Kind, says: Says) -> (BTreeSet<u64>, u64) {
    let program = Coroutines::new(move || {
        let (counter, written) = (Arc::new(Monitor::new(0_u32)), Arc::new(Monitor::new(Vec::new())));
        let raised = Arc::clone(&counter);
        spawn(move || (0..4).for_each(|_| raised.with(|value| *value += 1)));
        let also_written = Arc::clone(&written);
        spawn(move || (0..2).for_each(|_| also_written.with(|written| written.push(None))));
        spawn(move || {
            let begun = mark();
            let seen = [counter.with(|value| *value), counter.with(|value| *value)];
            says(begun, seen);
            let is_odd = seen.iter().sum::<u32>() % 2 == 1;
            counter.wait(|value| (*value == 4).then_some(()));
            (0..2).for_each(|_| written.with(|written| written.push(Some(is_odd))));
        });
    });
    let settings = Settings { terminals: true, subtrees: 1, ..Settings::default() };
    let found = search(&program, kind, &settings, || Ends);
    assert!(found.complete);
    (found.terminals, found.executions + found.cut_off)
}

fn nothing(_: u128, _: [u32; 2]) {}

fn whether_the_sum_was_odd(begun: u128, seen: [u32; 2]) {
    forget_since(begun, &("looked", seen[0] % 2 != seen[1] % 2));
}

fn whether_the_sum_was_odd_and_nothing_before(_: u128, seen: [u32; 2]) {
    forget_since(0, &("looked", seen[0] % 2 != seen[1] % 2));
}

fn the_same_from_the_start(_: u128, seen: [u32; 2]) {
    forget(100, u64::from(seen[0] % 2 != seen[1] % 2));
}

fn not_what_was_seen(begun: u128, _: [u32; 2]) {
    forget_since(begun, &"looked");
}

#[test]
fn a_claim_that_holds_loses_nothing_and_saves_work() {
    let (_, without) = ends(Kind::Remembering, nothing);
    for says in [whether_the_sum_was_odd, whether_the_sum_was_odd_and_nothing_before, the_same_from_the_start]
    {
        let (all, _) = ends(Kind::Persistent, says as Says);
        let (found, work) = ends(Kind::Remembering, says);
        assert_eq!(found, all);
        assert!(work < without, "{work} executions, and {without} without the claim");
    }
}

#[test]
fn a_claim_that_does_not_hold_is_seen_by_what_it_hides() {
    let (all, _) = ends(Kind::Persistent, not_what_was_seen);
    let (found, _) = ends(Kind::Remembering, not_what_was_seen);
    assert!(found.is_subset(&all) && found.len() < all.len(), "{} of {}", found.len(), all.len());
}
