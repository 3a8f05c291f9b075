//! The search with persistent sets: passes over the tree, until one has met nothing that was not known when it began.

use std::sync::Arc;
use std::time::Instant;

use fastrand::Rng;

use super::{Found, Observer, Settings, merge, run_parts, split};
use crate::explorer::program::Program;
use crate::explorer::strategies::Commutation;
use crate::explorer::strategies::footprints::{Footprints, Tracker};
use crate::explorer::strategies::persistent::{Closure, Pass, Persistent};
use crate::explorer::view::{MOST_THREADS, Strategy, Thread, View};

/// Searches a program with persistent sets and sleep sets. What is found is what the last pass found, unless an earlier one
/// came upon a failure; so it does not depend on the number of workers.
///
/// The closure is a parameter for the sake of the soundness test, which seeds wrong ones.
pub fn search_persistent<C: Closure, P: Program, O: Observer>(
    program: &P,
    settings: &Settings,
    observer: impl Fn() -> O + Sync,
) -> Found<O> {
    let ends_at = Instant::now().checked_add(settings.most_time);
    let subtrees = split::<Commutation>(program, settings.subtrees);
    let mut footprints = Footprints::default();
    let mut settings = settings.clone();
    let mut wasted = 0;
    for number in 1.. {
        let batches = if C::VERIFIED { MOST_BATCHES } else { 0 };
        let pass = Arc::new(Pass::new(learn(program, footprints, (number, batches, wasted))));
        let part = |part: usize| Persistent::<C>::below(subtrees[part].clone(), Arc::clone(&pass), part);
        let parts = run_parts(program, &settings, &observer, subtrees.len(), part);
        let mut void = None;
        let mut used = Vec::new();
        for (strategy, found) in parts {
            // Failures are real, whatever else is missing; what lies behind the first part that is void is a matter of chance.
            let failed = found.failure.is_some();
            used.push(found);
            void = strategy.missing().filter(|_| !failed);
            if failed || void.is_some() {
                break;
            }
        }
        let mut found = merge(used.into_iter()).expect("a tree has at least one subtree");
        found.passes = number;
        let begun = found.executions + found.cut_off;
        settings.most_executions = settings.most_executions.saturating_sub(begun);
        settings.most_time = ends_at.map_or(settings.most_time, |end| end.duration_since(Instant::now()));
        let Some(missing) = void else { return found };
        if settings.most_executions == 0 || settings.most_time.is_zero() {
            found.complete = false;
            return found;
        }
        footprints = missing;
        wasted += begun;
    }
    unreachable!("footprints cannot grow for ever")
}

/// Random executions come in batches of so many, until one teaches nothing; or of as many as the passes had so far, so that
/// less and less is overlooked.
const BATCH: u64 = 64;

/// At most so many batches.
const MOST_BATCHES: u64 = 32;

/// Fills in footprints by random executions: nothing rests on these, but every gap that they leave costs a pass.
fn learn<P: Program>(program: &P, footprints: Footprints, how: (u32, u64, u64)) -> Footprints {
    let (pass, batches, wasted) = how;
    let mut learning = Learning::new(Rng::with_seed(pass.into()), Tracker::new(footprints));
    learning.left = 1;
    program.run(&mut learning);
    for _ in 0..batches {
        learning.left = BATCH.max(wasted);
        learning.tracker.missing = false;
        program.run(&mut learning);
        if !learning.tracker.missing {
            break;
        }
    }
    learning.tracker.footprints
}

/// Random choices, and a look at what is announced. Uniform choices alone hardly ever lead far from the middle: so in some
/// executions a thread mostly goes on, and in some another one comes last.
struct Learning {
    rng: Rng,
    tracker: Tracker,
    left: u64,
    /// In so many of eight steps the latest thread goes on, if it can.
    goes_on: u8,
    latest: Thread,
    /// Chosen only where it is the only one.
    last: Thread,
}

impl Learning {
    fn new(rng: Rng, tracker: Tracker) -> Self {
        Self { rng, tracker, left: 0, goes_on: 0, latest: 0, last: MOST_THREADS }
    }
}

impl Strategy for Learning {
    fn begin(&mut self) -> bool {
        self.tracker.begin();
        self.goes_on = [0, 4, 7][self.rng.usize(..3)];
        // Programs have few threads: mostly it is one that does not exist.
        self.last = self.rng.usize(..16);
        let more = self.left > 0;
        self.left = self.left.saturating_sub(1);
        more
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        self.tracker.look(view);
        let mut enabled = view.enabled();
        if enabled.len() > 1 && enabled.contains(self.last) {
            enabled.remove(self.last);
        }
        if !enabled.contains(self.latest) || self.rng.u8(..8) >= self.goes_on {
            self.latest = enabled.iter().nth(self.rng.usize(..enabled.len()))?;
        }
        self.tracker.performs(self.latest);
        Some(self.latest)
    }

    fn end(&mut self, view: &impl View) {
        self.tracker.look(view);
    }
}
