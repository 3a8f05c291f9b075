//! A wait whose deadline passes when nobody else can go on: no strategy loses anything by it, it passes no earlier, and not again before
//! somebody else has gone on.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use forcekill::platform::Monitor as _;
use forcekill_models::explorer::search::{Found, Kind, Observer, Settings, Verdict, search};
use forcekill_models::explorer::view::{Thread, View};
use forcekill_models::explorer::{Coroutines, Monitor, forget_since, spawn};

use crate::dfs::explore;

struct Ends;

impl Observer for Ends {
    fn ended(&mut self, _view: &impl View, _choices: &[Thread]) -> Verdict {
        Verdict::Continue
    }

    fn merge(&mut self, _later: Self) {}
}

/// Work for two, who need a token each. Whoever looks around hands out one token at a look.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct Hall {
    tokens: u32,
    given: u32,
    done: u32,
    /// Who could go on by itself, and has not.
    free: u32,
}

const WORKERS: u32 = 2;

/// The workers, and who looks around; `most` tokens are handed out. Counts the looks at which somebody else could have gone on.
fn work(most: u32, early: &AtomicU64) {
    let (hall, log) = (Arc::new(Monitor::new(Hall::default())), Arc::new(Monitor::new(Vec::new())));
    for nth in 0..WORKERS {
        let (hall, log) = (Arc::clone(&hall), Arc::clone(&log));
        spawn(move || {
            hall.wait(|hall| {
                (hall.tokens > 0).then(|| {
                    hall.tokens -= 1;
                    hall.free += 1;
                })
            });
            log.with(|log: &mut Vec<u32>| log.push(nth));
            hall.with(|hall| {
                hall.free -= 1;
                hall.done += 1;
            });
        });
    }
    loop {
        forget_since(0, &"looks around");
        let (is_over, is_early) = hall.wait_last(
            |hall| (hall.done == WORKERS).then_some((true, false)),
            |hall| {
                let is_early = hall.free > 0 || hall.tokens > 0 && hall.given < WORKERS;
                if hall.given < most {
                    hall.tokens += 1;
                    hall.given += 1;
                }
                (false, is_early)
            },
        );
        early.fetch_add(u64::from(is_early), Relaxed);
        if is_over {
            return;
        }
    }
}

fn found(kind: Kind, most: u32) -> Found<Ends> {
    let early = AtomicU64::new(0);
    let program = Coroutines::new(|| work(most, &early));
    let settings = Settings { terminals: true, subtrees: 1, ..Settings::default() };
    let found = search(&program, kind, &settings, || Ends);
    assert!(found.complete);
    assert_eq!(early.into_inner(), 0, "{kind:?} let time go by while somebody could go on");
    found
}

#[test]
fn every_strategy_comes_to_the_same_ends() {
    let reductions = [Kind::SleepSets, Kind::Persistent, Kind::Remembering, Kind::SourceSets];
    for most in [0, 1, WORKERS] {
        let all = found(Kind::Plain, most);
        for kind in reductions {
            assert_eq!(found(kind, most).terminals, all.terminals, "{kind:?}, {most} tokens");
        }
        // One of the two is left over, whichever it is.
        assert_eq!(all.terminals.len(), if most == 0 { 1 } else { 2 });
    }
}

#[test]
fn what_nobody_brings_about_is_a_deadlock_and_no_loop() {
    for kind in [Kind::Plain, Kind::Persistent, Kind::Remembering] {
        assert_eq!(found(kind, WORKERS).deadlocks, 0, "{kind:?}");
        for most in 0..WORKERS {
            let found = found(kind, most);
            assert_eq!(found.deadlocks, found.executions, "{kind:?}, {most} tokens");
            assert!(found.deadlocks > 0, "{kind:?}, {most} tokens");
        }
    }
}

/// On both runtimes: what was waited for ends the wait as it ends any other.
#[test]
fn what_it_waits_for_ends_it_in_every_order() {
    let dfs = explore(|| {
        let state = Arc::new(Monitor::new(0));
        let setter = Arc::clone(&state);
        let setter = spawn(move || (0..2).for_each(|_| setter.with(|value| *value += 1)));
        let seen = state.wait_last(|value| (*value > 0).then_some(*value), |_| 0);
        assert!((1..=2).contains(&seen), "{seen}");
        setter.join().unwrap();
    });
    assert_eq!((dfs.keys.len(), dfs.deadlocks.len(), dfs.panics), (2, 0, BTreeSet::new()));
}

#[test]
#[should_panic(expected = "one thread of an execution can wait until nobody else can go on")]
fn two_who_wait_so_are_refused() {
    let program = Coroutines::new(|| {
        let state = Arc::new(Monitor::new(false));
        let other = Arc::clone(&state);
        spawn(move || other.wait_last(|value| value.then_some(()), |_| ()));
        state.wait_last(|value| value.then_some(()), |_| ());
    });
    let _ = search(&program, Kind::Plain, &Settings { workers: 1, ..Settings::default() }, || Ends);
}
