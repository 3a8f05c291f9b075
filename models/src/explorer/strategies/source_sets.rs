//! Source-set dynamic partial-order reduction with sleep sets (Abdulla, Aronis, Jonsson and Sagonas 2014), with static
//! dependence: the cross-check of [`super::sleep_sets`], with which it shares neither the reduction nor the notion of dependence.
//!
//! A state begins with one thread to explore. Whenever an operation races with an earlier one (the two conflict, and nothing
//! orders them) the state before the earlier one must also explore an initial of what leads to the later one without it.
//!
//! Operations here can block, on the value of their one object: an operation that is blocked when its thread announces it may
//! be performed much later, or never, and the operation that disabled it may by then be separated from it by others on the
//! same object. So a race is looked for between an operation and *every* earlier one that conflicts with it and does not happen
//! before its announcement, not only the latest; and where an execution ends, or is cut off, for the operations that are still
//! announced as well.

mod trace;

use std::marker::PhantomData;

use super::{Rule, StaticIndependence, Subtree, Tree, still_asleep};
use crate::explorer::view::{Strategy, Thread, Threads, View};
pub use trace::{Event, Pending, Trace};

/// Depth-first search with source sets and sleep sets. The parameter is for the sake of the soundness test, which seeds
/// mistakes.
#[derive(Debug)]
pub struct SourceSets<D = Sound> {
    prefix: Vec<Thread>,
    path: Vec<Node>,
    trace: Trace,
    depth: usize,
    /// The steps from this one on are new: races of earlier ones were looked for in an earlier execution.
    new_from: usize,
    asleep: Threads,
    started: bool,
    detection: PhantomData<D>,
}

/// A state on the path of the present execution.
#[derive(Debug)]
pub struct Node {
    chosen: Thread,
    /// The threads that could run here.
    pub enabled: Threads,
    /// The threads that are to be explored here; those that were are in it.
    pub to_explore: Threads,
    /// Asleep when the state was entered, or explored since.
    pub asleep: Threads,
}

/// A race: the later operation could be performed before the earlier one.
#[derive(Clone, Copy, Debug)]
pub struct Race {
    /// The thread of the later operation.
    pub thread: Thread,
    /// The threads that can begin what leads to the later operation without the earlier one.
    pub initials: Threads,
}

/// How races are found and what follows from one. Every method is sound as provided: only the seeded mistakes of
/// [`super::mistakes`] have other ones.
pub trait Detection {
    /// Whether an operation races with every conflicting step, not only with those after which no other one conflicts with
    /// both: it may have been disabled by an earlier one.
    const EVERY_STEP: bool = true;

    /// Whether operations that are still announced where an execution ends take part.
    const AT_END: bool = true;

    /// Whether those that are still announced where an execution is cut off do.
    const AT_CUT_OFF: bool = true;

    /// Who stays asleep.
    type Asleep: Rule;

    /// What is noted of a step of `chosen` before it is performed.
    fn note(_view: &impl View, _chosen: Thread) -> Threads {
        Threads::NONE
    }

    /// Whether an operation depends on the first of these steps, which are all from that one on.
    fn depends(steps: &[Event], pending: &Pending) -> bool {
        steps[0].what.conflicts_with(&pending.what)
    }

    /// Makes the state before the earlier operation of a race explore what the race asks for.
    fn reverse(node: &mut Node, race: Race) {
        let initials = Threads(race.initials.0 & node.enabled.0);
        // Whatever begins with a sleeper has been explored elsewhere.
        if !Threads(initials.0 & (node.to_explore.0 | node.asleep.0)).is_empty() {
            return;
        }
        let preferred = if initials.contains(race.thread) { Some(race.thread) } else { initials.first() };
        if let Some(initial) = preferred {
            node.to_explore.insert(initial);
        }
    }
}

/// The detection as it should be.
#[derive(Clone, Copy, Debug)]
pub struct Sound;

impl Detection for Sound {
    type Asleep = StaticIndependence;
}

impl<D: Detection + Send> Tree for SourceSets<D> {
    type Rule = D::Asleep;

    fn below(subtree: Subtree) -> Self {
        Self {
            prefix: subtree.prefix,
            path: Vec::new(),
            trace: Trace::default(),
            depth: 0,
            new_from: 0,
            asleep: subtree.asleep,
            started: false,
            detection: PhantomData,
        }
    }
}

impl<D: Detection> SourceSets<D> {
    /// Looks for races of an announced operation with the steps so far. The states of the prefix explore everything anyway.
    fn reverse_races(&mut self, pending: &Pending) {
        let first = self.prefix.len();
        let trace = &self.trace;
        let path = &mut self.path;
        trace.races::<D>(pending, first, D::EVERY_STEP, |earlier, race| {
            D::reverse(&mut path[earlier - first], race)
        });
    }

    /// Looks for races of what is still announced where an execution ends.
    fn reverse_blocked(&mut self, view: &impl View) {
        for thread in view.unfinished().iter() {
            if let Some(pending) = self.trace.pending(view, thread) {
                self.reverse_races(&pending);
            }
        }
    }

    fn enter(&mut self, view: &impl View) -> Option<()> {
        let enabled = view.enabled();
        let Some(chosen) = enabled.without(self.asleep).first() else {
            if D::AT_CUT_OFF {
                self.reverse_blocked(view);
            }
            return None;
        };
        self.path.push(Node { chosen, enabled, to_explore: Threads::only(chosen), asleep: self.asleep });
        Some(())
    }
}

impl<D: Detection> Strategy for SourceSets<D> {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        if !self.started {
            self.started = true;
            return true;
        }
        while let Some(node) = self.path.last_mut() {
            node.asleep.insert(node.chosen);
            if let Some(next) = node.to_explore.without(node.asleep).first() {
                node.chosen = next;
                self.new_from = self.prefix.len() + self.path.len() - 1;
                self.trace.truncate(self.new_from);
                return true;
            }
            self.path.pop();
        }
        false
    }

    fn known(&mut self) -> Option<Thread> {
        // What was kept of the trace is what this execution repeats.
        let known = self.trace.thread_of(self.depth)?;
        self.depth += 1;
        Some(known)
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let depth = self.depth;
        self.depth += 1;
        self.trace.notice_births(view);
        let chosen = match depth.checked_sub(self.prefix.len()) {
            None => self.prefix[depth],
            Some(below) => {
                if below == self.path.len() {
                    self.enter(view)?;
                }
                let node = &self.path[below];
                if below + 1 == self.path.len() {
                    self.asleep = still_asleep::<D::Asleep>(view, node.chosen, node.asleep);
                }
                node.chosen
            }
        };
        let pending = self.trace.pending(view, chosen)?;
        if depth >= self.new_from {
            self.reverse_races(&pending);
        }
        self.trace.perform::<D>(pending, D::note(view, chosen));
        Some(chosen)
    }

    fn end(&mut self, view: &impl View) {
        self.trace.notice_births(view);
        if D::AT_END {
            self.reverse_blocked(view);
        }
    }
}
