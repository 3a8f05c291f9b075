//! A plain depth-first search.

use std::collections::BTreeSet;

use forcekill_models::explorer::view::{Strategy, Thread, Threads, View};
use forcekill_models::explorer::{Coroutines, Program, ShuttleProgram};

/// Every choice at every step, depth first.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Dfs {
    /// What is still to be tried at each step, the one being tried included.
    pub path: Vec<Threads>,
    pub depth: usize,
    pub executions: u64,
    pub keys: BTreeSet<u64>,
    pub deadlocks: BTreeSet<Vec<Thread>>,
    pub panics: BTreeSet<(Thread, String)>,
    /// The pairs that commute, of all those that were enabled in some state.
    pub commuting: BTreeSet<(Thread, Thread)>,
    pub clashing: BTreeSet<(Thread, Thread)>,
    pub timing_out: BTreeSet<Thread>,
    /// Cut executions off after so many choices.
    pub cut: Option<usize>,
    /// The most executions.
    pub limit: Option<u64>,
}

impl Dfs {
    fn judge(&mut self, view: &impl View) {
        let enabled: Vec<_> = view.enabled().iter().collect();
        for (one, other) in enabled.iter().flat_map(|one| enabled.iter().map(move |other| (*one, *other))) {
            if one < other {
                let commutes = view.commutes(one, other);
                assert_eq!(commutes, view.commutes(other, one), "commuting is symmetric");
                let set = if commutes { &mut self.commuting } else { &mut self.clashing };
                set.insert((one, other));
            }
        }
    }
}

impl Strategy for Dfs {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        if self.executions == 0 {
            return true;
        }
        if self.limit == Some(self.executions) {
            return false;
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
        if self.cut == Some(self.depth) {
            self.executions += 1;
            return None;
        }
        if self.depth == self.path.len() {
            self.path.push(view.enabled());
            self.timing_out.extend(view.would_time_out().iter());
            self.judge(view);
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

/// Searches all executions, on the explorer's own runtime and on shuttle's: both must see the same.
pub fn explore(scenario: impl Fn() + Sync) -> Dfs {
    let (mut own, mut shuttle) = (Dfs::default(), Dfs::default());
    Coroutines::new(&scenario).run(&mut own);
    ShuttleProgram::new(&scenario).run(&mut shuttle);
    assert_eq!(own, shuttle, "the explorer's runtime, and shuttle's");
    own
}
