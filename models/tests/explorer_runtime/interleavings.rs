//! Every interleaving is visited, once.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forcekill::platform::{Flag as _, Lock as _, Monitor as _};
use forcekill_models::explorer::{Flag, Lock, Monitor, spawn};

use crate::dfs::explore;

fn binomial(n: u64, k: u64) -> u64 {
    (1..=k).fold(1, |product, i| product * (n - k + i) / i)
}

#[test]
fn two_threads_interleave_in_every_way() {
    for steps in 1..=6 {
        let dfs = explore(|| {
            let threads = [(); 2].map(|()| {
                spawn(move || {
                    let own = Monitor::new(0);
                    (0..steps).for_each(|_| own.with(|value| *value += 1));
                })
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
        });
        assert_eq!(dfs.executions, binomial(2 * steps, steps));
        assert_eq!(dfs.keys.len(), 1, "they do not meet");
    }
}

#[test]
fn three_threads_interleave_in_every_way() {
    let dfs = explore(|| {
        for _ in 0..3 {
            spawn(|| {
                let own = Flag::new(false);
                own.store(true, SeqCst);
                assert!(own.swap(false, SeqCst));
            });
        }
    });
    assert_eq!(dfs.executions, 90, "6! / (2! 2! 2!)");
    assert!(dfs.panics.is_empty());
}

#[test]
fn nested_threads_begin_at_once_and_interleave_with_those_that_made_them() {
    let dfs = explore(|| {
        let outer = spawn(|| {
            let own = Flag::new(false);
            let inner = spawn(|| {
                let own = Flag::new(false);
                own.load(SeqCst);
                own.load(SeqCst);
                7
            });
            own.load(SeqCst);
            own.load(SeqCst);
            inner.join().unwrap()
        });
        let own = Flag::new(false);
        own.load(SeqCst);
        assert_eq!(outer.join(), Ok(7));
    });
    assert_eq!(dfs.executions, 30, "5! / (2! 2! 1!)");
    assert!(dfs.panics.is_empty() && dfs.deadlocks.is_empty());
}

#[test]
fn a_lost_update_is_found() {
    let finals = Mutex::new(BTreeSet::new());
    let dfs = explore(|| {
        let counter = Arc::new(Monitor::new(0));
        let increment = |counter: Arc<Monitor<i32>>| {
            move || {
                let read = counter.with(|value| *value);
                counter.with(move |value| *value = read + 1);
            }
        };
        let threads = [spawn(increment(counter.clone())), spawn(increment(counter.clone()))];
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        let last = counter.with(|value| *value);
        finals.lock().unwrap().insert(last);
    });
    assert_eq!(dfs.executions, 6);
    assert_eq!(finals.into_inner().unwrap(), BTreeSet::from([1, 2]));
}

#[test]
fn a_wait_ends_when_it_is_satisfied_and_not_before() {
    let dfs = explore(|| {
        let counter = Arc::new(Monitor::new(0));
        for _ in 0..2 {
            let counter = counter.clone();
            spawn(move || counter.with(|value| *value += 1));
        }
        let seen = counter.wait(|value| (*value == 2).then(|| std::mem::take(value)));
        assert_eq!((seen, counter.with(|value| *value)), (2, 0));
    });
    assert_eq!(dfs.executions, 2, "the orders of the two increments");
    assert!(dfs.panics.is_empty() && dfs.deadlocks.is_empty());
}

#[test]
fn a_timed_wait_is_satisfied_or_times_out() {
    let answers = Mutex::new(BTreeSet::new());
    let dfs = explore(|| {
        let state = Arc::new(Monitor::new(false));
        let setter = state.clone();
        let setter = spawn(move || setter.with(|value| *value = true));
        let answer = state.wait_until(Duration::ZERO, |value| value.then_some("it was set"));
        setter.join().unwrap();
        answers.lock().unwrap().insert(answer);
    });
    assert_eq!(dfs.executions, 2);
    assert_eq!(answers.into_inner().unwrap(), BTreeSet::from([None, Some("it was set")]));
    assert_eq!(dfs.timing_out, BTreeSet::from([0]), "it would time out where nobody has set it");
}

#[test]
fn a_lock_lets_readers_in_together_and_writers_alone() {
    let (together, alone) = (Arc::new(Mutex::new(BTreeSet::new())), Mutex::new(BTreeSet::new()));
    let dfs = explore(|| {
        let world = Arc::new((Lock::new(0), Monitor::new(0), Flag::new(false)));
        for _ in 0..2 {
            let (world, together) = (world.clone(), together.clone());
            spawn(move || {
                world.0.shared(|_| {
                    world.1.with(|inside| *inside += 1);
                    let inside = world.1.with(|inside| std::mem::replace(inside, *inside - 1));
                    together.lock().unwrap().insert(inside);
                });
            });
        }
        world.0.exclusive(|value| {
            *value += 1;
            alone.lock().unwrap().insert(world.1.with(|inside| *inside));
        });
    });
    assert!(dfs.panics.is_empty() && dfs.deadlocks.is_empty());
    assert_eq!(*together.lock().unwrap(), BTreeSet::from([1, 2]));
    assert_eq!(alone.into_inner().unwrap(), BTreeSet::from([0]));
}

#[test]
fn a_section_that_announces_nothing_is_one_step() {
    let dfs = explore(|| {
        let lock = Arc::new(Lock::new(0));
        for _ in 0..2 {
            let lock = lock.clone();
            spawn(move || (0..3).for_each(|_| lock.exclusive(|value| *value += 1)));
        }
    });
    assert_eq!(dfs.executions, binomial(6, 3));
    assert!(dfs.panics.is_empty() && dfs.deadlocks.is_empty());
}
