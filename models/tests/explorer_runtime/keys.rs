//! Keys: the same for the same, whatever the order in which threads and objects were created; and replay.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use forcekill::platform::{Flag as _, Monitor as _};
use forcekill_models::explorer::replay::{Recorder, Replay};
use forcekill_models::explorer::view::{Strategy, Thread, View};
use forcekill_models::explorer::{Coroutines, Flag, Gate, Monitor, Program, spawn};
use forcekill_models::stage::Gate as _;

use crate::dfs::{Dfs, explore};

/// Two threads each start a thread when they have made a step, so that the numbers depend on who comes first.
fn nested() {
    for start in [10, 20] {
        spawn(move || {
            let flag = Flag::new(false);
            flag.store(true, SeqCst);
            let own = Arc::new(Monitor::new(start));
            spawn(move || own.with(|value| *value += 1));
        });
    }
}

#[test]
fn the_order_of_creation_does_not_matter() {
    let dfs = explore(nested);
    assert_eq!(dfs.executions, 6);
    assert_eq!(dfs.keys.len(), 1);
}

#[test]
fn different_ends_have_different_keys() {
    let dfs = explore(|| {
        let counter = Arc::new(Monitor::new(0_u64));
        for factor in [2, 3, 5] {
            let counter = counter.clone();
            spawn(move || counter.with(|value| *value = *value * factor + 1));
        }
    });
    assert_eq!((dfs.executions, dfs.keys.len()), (6, 6), "the six values are different");
}

#[test]
fn a_history_of_answers_is_part_of_the_key() {
    let dfs = explore(|| {
        let flag = Arc::new(Flag::new(false));
        let other = flag.clone();
        spawn(move || {
            other.store(true, SeqCst);
            other.store(false, SeqCst);
        });
        flag.load(SeqCst);
    });
    assert_eq!((dfs.executions, dfs.keys.len()), (3, 2));
}

/// Visits each state once.
#[derive(Default)]
struct Distinct {
    dfs: Dfs,
    states: std::collections::BTreeSet<u128>,
    visited: usize,
}

impl Strategy for Distinct {
    fn begin(&mut self) -> bool {
        self.dfs.begin()
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        self.visited += 1;
        self.states.insert(view.state_key());
        self.dfs.choose(view)
    }

    fn end(&mut self, view: &impl View) {
        self.states.insert(view.state_key());
        self.dfs.end(view);
    }
}

#[test]
fn equal_states_have_equal_keys() {
    let mut distinct = Distinct::default();
    Coroutines::new(|| {
        for _ in 0..2 {
            spawn(|| {
                let own = Monitor::new(0);
                (0..3).for_each(|_| own.with(|value| *value += 1));
            });
        }
    })
    .run(&mut distinct);
    assert_eq!(distinct.states.len(), 16, "how far each of the two is");
    assert!(distinct.visited > 16);
}

/// The value of a gate cannot be hashed, so nothing can be said to be the same state.
#[test]
fn no_state_of_an_execution_with_a_gate_is_taken_for_another() {
    let mut distinct = Distinct::default();
    Coroutines::new(|| {
        let gate = Arc::new(Gate::new(0));
        for _ in 0..2 {
            let gate = gate.clone();
            spawn(move || (0..2).for_each(|_| gate.change(|value| *value += 1)));
        }
    })
    .run(&mut distinct);
    assert_eq!(distinct.dfs.executions, 6);
    assert_eq!(distinct.states.len(), distinct.visited + 6, "each look at a state has its own key");
    assert_eq!(distinct.dfs.keys.len(), 6, "the end knows the order of the sections");
}

#[test]
fn recorded_choices_lead_to_the_same_end() {
    let program = Coroutines::new(|| {
        let counter = Arc::new(Monitor::new(0));
        for nth in 1..=3 {
            let counter = counter.clone();
            spawn(move || counter.with(move |value| *value = *value * 10 + nth));
        }
        counter.wait(|value| (*value > 10).then_some(*value));
    });
    for limit in 1..=8 {
        let mut recorder = Recorder::new(Dfs { limit: Some(limit), ..Dfs::default() });
        program.run(&mut recorder);
        let mut again = Replay::new(recorder.choices().to_vec());
        program.run(&mut again);
        assert_eq!(again.made(), recorder.choices().len());
        let key = again.terminal_key().expect("it is played to its end");
        assert!(recorder.strategy.keys.contains(&key));
        let mut other = Replay::new(vec![0]);
        program.run(&mut other);
        assert_eq!((other.made(), other.terminal_key()), (0, None), "the main thread waits");
    }
}
