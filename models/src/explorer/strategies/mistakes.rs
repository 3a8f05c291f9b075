//! Strategies with a mistake each, which look right: the soundness test must catch every one of them, or it has no teeth.
//! Nothing else uses them.

use super::Rule;
use super::source_sets::{Detection, Node, Race};
use crate::explorer::view::{Thread, Threads, View};

/// Sleep sets whose sleepers are never woken: an operation that depends on a sleeping one leaves it asleep.
#[derive(Clone, Copy, Debug)]
pub struct NeverWoken;

impl Rule for NeverWoken {
    fn stays_asleep(_view: &impl View, _running: Thread, _sleeper: Thread) -> bool {
        true
    }
}

/// Source sets that look for races of performed operations alone, each with the latest conflicting ones: what is blocked takes
/// no part.
#[derive(Clone, Copy, Debug)]
pub struct BlockedLeftOut;

impl Detection for BlockedLeftOut {
    const BLOCKED: bool = false;
}

/// Source sets that take two conflicting operations for independent if, when the earlier one was performed, the later one was
/// announced and commuted with it. Right for sleep sets, where both are performed in that very state; wrong here, because the
/// later one is performed in another state.
#[derive(Clone, Copy, Debug)]
pub struct JudgedByValues;

impl Detection for JudgedByValues {
    fn independent(view: &impl View, chosen: Thread) -> Threads {
        let mut independent = Threads::NONE;
        for other in view.enabled().without(Threads::only(chosen)).iter() {
            if view.commutes(chosen, other) {
                independent.insert(other);
            }
        }
        independent
    }
}

/// The backtracking of Flanagan and Godefroid 2005 (the thread of the later operation, or every thread if that one is not
/// enabled) together with sleep sets: the thread need not be an initial of what is missed, so that it can be asleep, or be
/// explored, while what is missed never is.
#[derive(Clone, Copy, Debug)]
pub struct ClassicBacktracking;

impl Detection for ClassicBacktracking {
    fn reverse(node: &mut Node, race: Race) {
        if node.enabled.contains(race.thread) {
            node.to_explore.insert(race.thread);
        } else {
            node.to_explore = Threads(node.to_explore.0 | node.enabled.0);
        }
    }
}
