//! The explorer's own runtime, under a plain depth-first search: no interleaving is missed, and each thing that can happen to
//! a thread comes out as it should.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use forcekill::platform::{Flag as _, Lock as _, Monitor as _};
use forcekill_models::explorer::view::{Strategy, Thread, Threads, View};
use forcekill_models::explorer::{Coroutines, Flag, Lock, Monitor, Program, spawn};

/// Every choice at every step, depth first.
#[derive(Default)]
struct Dfs {
    /// What is still to be tried at each step, the one being tried included.
    path: Vec<Threads>,
    depth: usize,
    executions: u64,
    keys: BTreeSet<u64>,
    deadlocks: BTreeSet<Vec<Thread>>,
    panics: BTreeSet<(Thread, String)>,
}

impl Strategy for Dfs {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        if self.executions == 0 {
            return true;
        }
        while let Some(last) = self.path.last_mut() {
            last.remove(last.first().unwrap());
            if !last.is_empty() {
                return true;
            }
            self.path.pop();
        }
        false
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        if self.depth == self.path.len() {
            self.path.push(view.enabled());
        }
        self.depth += 1;
        self.path[self.depth - 1].first()
    }

    fn end(&mut self, view: &impl View) {
        self.executions += 1;
        self.keys.insert(view.terminal_key());
        if !view.unfinished().is_empty() {
            self.deadlocks.insert(view.unfinished().iter().collect());
        }
        let panics = (0..view.threads()).filter_map(|thread| Some((thread, view.panicked(thread)?)));
        self.panics.extend(panics);
    }
}

fn explore(scenario: impl Fn() + Sync) -> Dfs {
    let mut dfs = Dfs::default();
    Coroutines::new(scenario).run(&mut dfs);
    dfs
}

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
