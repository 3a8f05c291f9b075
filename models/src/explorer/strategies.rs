//! The search strategies, one a file. All but [`random`] and [`bounded`] walk a tree of choices depth-first, and can begin
//! at the root of any [`Subtree`] of it.

pub mod bounded;
pub mod footprints;
pub mod mistakes;
pub mod persistent;
pub mod plain;
pub mod random;
pub mod remembered;
pub mod replay;
pub mod sleep_sets;
pub mod source_sets;

use super::view::{Announcement, Strategy, Thread, Threads, View};

/// A part of the tree of choices: everything that follows a prefix, but what begins with a thread that is asleep there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subtree {
    /// The choices that lead to its root.
    pub prefix: Vec<Thread>,
    /// The threads that are asleep at its root: what begins with them is explored by a lower subtree.
    pub asleep: Threads,
}

/// A strategy that walks a tree of choices, and so can be split: the subtrees share nothing.
pub trait Tree: Strategy + Sized + Send {
    /// Who stays asleep in the part of the tree above the subtrees, which is explored in full.
    type Rule: Rule;

    /// The search of one subtree.
    fn below(subtree: Subtree) -> Self;
}

/// Who stays asleep when a thread performs its operation.
pub trait Rule {
    /// Whether `sleeper` stays asleep when `running` performs its announced operation in this state. Sound only if the two
    /// operations, performed in this state in either order, lead to the same state.
    fn stays_asleep(view: &impl View, running: Thread, sleeper: Thread) -> bool;
}

/// Sleepers stay asleep while their operation commutes with what is performed, in the state that the search is in.
#[derive(Clone, Copy, Debug)]
pub struct Commutation;

impl Rule for Commutation {
    fn stays_asleep(view: &impl View, running: Thread, sleeper: Thread) -> bool {
        view.commutes(running, sleeper)
    }
}

/// Sleepers stay asleep while their operation is about other objects, or both only read.
#[derive(Clone, Copy, Debug)]
pub struct StaticIndependence;

impl Rule for StaticIndependence {
    fn stays_asleep(view: &impl View, running: Thread, sleeper: Thread) -> bool {
        match (view.announced(running), view.announced(sleeper)) {
            (Some(one), Some(other)) => !one.conflicts_with(&other),
            _ => false,
        }
    }
}

/// Nobody ever sleeps.
#[derive(Clone, Copy, Debug)]
pub struct NoSleep;

impl Rule for NoSleep {
    fn stays_asleep(_view: &impl View, _running: Thread, _sleeper: Thread) -> bool {
        false
    }
}

/// Those of `asleep` that stay asleep when `running` performs its operation.
fn still_asleep<R: Rule>(view: &impl View, running: Thread, asleep: Threads) -> Threads {
    let mut still = Threads::NONE;
    for sleeper in asleep.iter() {
        if R::stays_asleep(view, running, sleeper) {
            still.insert(sleeper);
        }
    }
    still
}

impl Announcement {
    /// Whether the two operations may depend on each other, judged without looking at any value.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        use super::view::Access::Read;
        let same = self.object == other.object && (self.access, other.access) != (Read, Read);
        let touched = |changed: Option<u32>, by: &Self| {
            changed.is_some_and(|it| it == by.object || by.also == Some(it))
        };
        same || touched(self.also, other) || touched(other.also, self)
    }
}
