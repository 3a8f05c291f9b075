//! Which operations commute.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use forcekill::platform::{Flag as _, Lock as _, Monitor as _};
use forcekill_models::explorer::{Flag, Gate, Lock, Monitor, spawn};
use forcekill_models::stage::Gate as _;

use crate::dfs::explore;

/// Whether the first operations of two threads on the object that is made commute; they must all be enabled at first.
fn commute<O: Send + Sync + 'static>(make: fn() -> O, one: fn(&O), other: fn(&O)) -> bool {
    let dfs = explore(|| {
        let object = Arc::new(make());
        for operation in [one, other] {
            let object = object.clone();
            spawn(move || operation(&object));
        }
    });
    let clash = dfs.clashing.contains(&(1, 2));
    assert_ne!(clash, dfs.commuting.contains(&(1, 2)), "both were enabled once, at the beginning");
    let ends = (dfs.keys.len(), dfs.deadlocks.len());
    assert!(clash || ends == (1, 0), "what commutes has one end, and this has {ends:?}");
    !clash
}

#[test]
fn flags() {
    let new = || Flag::new(false);
    assert!(commute(
        new,
        |flag| {
            flag.load(SeqCst);
        },
        |flag| {
            flag.load(SeqCst);
        }
    ));
    assert!(commute(new, |flag| flag.store(true, SeqCst), |flag| flag.store(true, SeqCst)));
    assert!(commute(
        new,
        |flag| flag.store(false, SeqCst),
        |flag| {
            flag.load(SeqCst);
        }
    ));
    assert!(!commute(
        new,
        |flag| flag.store(true, SeqCst),
        |flag| {
            flag.load(SeqCst);
        }
    ));
    assert!(!commute(new, |flag| flag.store(true, SeqCst), |flag| flag.store(false, SeqCst)));
    assert!(!commute(
        new,
        |flag| {
            flag.swap(true, SeqCst);
        },
        |flag| {
            flag.swap(true, SeqCst);
        }
    ));
}

#[test]
fn monitors() {
    type Counter = Monitor<i32>;
    let increment = |counter: &Counter| counter.with(|value| *value += 1);
    let add_and_read = |counter: &Counter| {
        counter.with(|value| {
            *value += 1;
            *value
        });
    };
    let wait_for_zero = |counter: &Counter| counter.wait(|value| (*value == 0).then_some(()));
    let wait_for_little = |counter: &Counter| counter.wait(|value| (*value < 9).then_some(()));
    let timed = |counter: &Counter| {
        counter.wait_until(Duration::ZERO, |value| (*value > 0).then_some(()));
    };
    let hopeless = |counter: &Counter| {
        counter.wait_until(Duration::ZERO, |_| None::<()>);
    };
    let new = || Monitor::new(0);
    assert!(commute(new, increment, increment));
    assert!(!commute(new, add_and_read, add_and_read), "the answers differ");
    assert!(!commute(new, increment, wait_for_zero), "the wait can not run after the increment");
    assert!(commute(new, increment, wait_for_little));
    assert!(!commute(new, increment, timed), "it times out, or does not");
    assert!(commute(new, increment, hopeless));
    assert!(commute(new, timed, timed));
    assert!(!commute(new, increment, |counter| counter.with(|_| panic!("panics are kept apart"))));
}

#[test]
fn locks() {
    let new = || (Lock::new(0), Flag::new(false));
    type Both = (Lock<i32>, Flag);
    let shared = |both: &Both| both.0.shared(|_| ());
    let exclusive = |both: &Both| both.0.exclusive(|_| ());
    assert!(commute(new, shared, shared));
    assert!(!commute(new, shared, exclusive));
    assert!(!commute(new, exclusive, exclusive));
    assert!(commute(new, exclusive, |both| both.1.store(true, SeqCst)), "different objects");
}

#[test]
fn gates_never_commute_with_themselves_or_with_what_is_done_inside_them() {
    let new = || (Gate::new(0), Flag::new(false));
    type Both = (Gate<i32>, Flag);
    let look = |both: &Both| both.0.look(|_| ());
    assert!(!commute(new, look, look));
    assert!(commute(new, look, |both| {
        both.1.load(SeqCst);
    }));
    // The first thread is inside the gate while it announces its load, which therefore clashes with the other's load.
    let dfs = explore(|| {
        let both = Arc::new(new());
        let (inside, beside) = (both.clone(), both.clone());
        spawn(move || inside.0.look(|_| inside.1.load(SeqCst)));
        spawn(move || {
            beside.1.load(SeqCst);
        });
        spawn(move || both.0.look(|_| ()));
    });
    assert_eq!(dfs.commuting, BTreeSet::from([(1, 2), (2, 3)]), "(1, 2) before the first step alone");
    assert_eq!(dfs.clashing, BTreeSet::from([(1, 2), (1, 3)]));
    assert!(dfs.deadlocks.is_empty());
}
