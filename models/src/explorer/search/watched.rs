//! A strategy that is watched while it searches: counts, limits, and the observer.

use std::collections::BTreeSet;
use std::sync::atomic::Ordering;
use std::time::Instant;

use super::{Found, Observer, Shared, Verdict};
use crate::explorer::view::{Strategy, Thread, View};

/// The clock is looked at once in so many executions.
const EXECUTIONS_A_LOOK: u64 = 64;

/// A strategy and what it has found so far.
pub(super) struct Watched<'a, S, O> {
    strategy: S,
    shared: &'a Shared,
    number: usize,
    choices: Vec<Thread>,
    begun: u64,
    exhausted: bool,
    found: Found<O>,
}

impl<'a, S: Strategy, O: Observer> Watched<'a, S, O> {
    /// Watches a strategy that searches the part with this number.
    pub(super) fn new(strategy: S, observer: O, shared: &'a Shared, number: usize) -> Self {
        let found = Found {
            complete: false,
            executions: 0,
            cut_off: 0,
            deadlocks: 0,
            terminals: BTreeSet::new(),
            failure: None,
            preemptions: None,
            passes: 1,
            observer,
        };
        Self { strategy, shared, number, choices: Vec::new(), begun: 0, exhausted: false, found }
    }

    /// The strategy, and what it has found.
    pub(super) fn found(mut self) -> (S, Found<O>) {
        self.found.complete = self.exhausted;
        (self.strategy, self.found)
    }

    fn heed(&mut self, verdict: Verdict) {
        if verdict == Verdict::Stop {
            self.found.failure = Some(self.choices.clone());
            self.shared.failed.fetch_min(self.number, Ordering::Relaxed);
        }
    }

    /// Whether there is a reason not to begin another execution.
    fn stopped(&mut self) -> bool {
        let shared = self.shared;
        if self.found.failure.is_some() || shared.failed.load(Ordering::Relaxed) < self.number {
            return true;
        }
        if self.begun.is_multiple_of(EXECUTIONS_A_LOOK)
            && shared.ends_at.is_some_and(|end| Instant::now() >= end)
        {
            return true;
        }
        self.begun += 1;
        shared.most_executions < u64::MAX
            && shared.executions.fetch_add(1, Ordering::Relaxed) >= shared.most_executions
    }
}

impl<S: Strategy, O: Observer> Strategy for Watched<'_, S, O> {
    fn begin(&mut self) -> bool {
        self.choices.clear();
        if self.stopped() {
            return false;
        }
        let more = self.strategy.begin();
        self.exhausted |= !more;
        more
    }

    fn known(&mut self) -> Option<Thread> {
        let known = self.strategy.known()?;
        self.choices.push(known);
        Some(known)
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let chosen = self.strategy.choose(view);
        match chosen {
            Some(thread) => self.choices.push(thread),
            None => {
                self.found.cut_off += 1;
                let verdict = self.found.observer.cut_off(&self.choices);
                self.heed(verdict);
            }
        }
        chosen
    }

    fn end(&mut self, view: &impl View) {
        self.strategy.end(view);
        self.found.executions += 1;
        self.found.deadlocks += u64::from(!view.unfinished().is_empty());
        if self.shared.terminals {
            self.found.terminals.insert(view.terminal_key());
        }
        let verdict = self.found.observer.ended(view, &self.choices);
        self.heed(verdict);
    }
}
