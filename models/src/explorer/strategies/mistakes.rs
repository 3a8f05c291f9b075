//! Strategies with a mistake each, which look right: the soundness test must catch every one of them, or it has no teeth.
//! Nothing else uses them.

use super::persistent::Closure;
use super::source_sets::{Detection, Event, Node, Pending, Race};
use super::{Commutation, Rule, StaticIndependence};
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
    type Asleep = StaticIndependence;

    const EVERY_STEP: bool = false;
    const AT_END: bool = false;
    const AT_CUT_OFF: bool = false;
}

/// The same, but what is blocked where an execution ends takes part, and where one is cut off.
#[derive(Clone, Copy, Debug)]
pub struct LatestStepsOnly;

impl Detection for LatestStepsOnly {
    type Asleep = StaticIndependence;

    const EVERY_STEP: bool = false;
}

/// Source sets that look for races of what is blocked where an execution ends, but not where one is cut off.
#[derive(Clone, Copy, Debug)]
pub struct CutOffsLeftOut;

impl Detection for CutOffsLeftOut {
    type Asleep = StaticIndependence;

    const AT_CUT_OFF: bool = false;
}

/// Source sets that take two conflicting operations for independent if, when the earlier one was performed, the later one was
/// announced and commuted with it. Right for sleep sets, where both are performed in that very state; wrong here, because the
/// later one is performed in another state.
#[derive(Clone, Copy, Debug)]
pub struct JudgedByValues;

impl Detection for JudgedByValues {
    type Asleep = StaticIndependence;

    fn note(view: &impl View, chosen: Thread) -> Threads {
        commuting(view, chosen)
    }

    fn depends(steps: &[Event], pending: &Pending) -> bool {
        steps[0].what.conflicts_with(&pending.what) && !commuted(&steps[0], pending)
    }
}

/// The same with care: only if no step since then conflicts with the later operation, so that it is performed on the very value
/// on which the two commuted; and sleepers are woken by values too. Still wrong: what is
/// independent on this value is dependent on the one that another order of other steps leads to, and that order is never asked for.
#[derive(Clone, Copy, Debug)]
pub struct JudgedByValuesWithCare;

impl Detection for JudgedByValuesWithCare {
    type Asleep = Commutation;

    fn note(view: &impl View, chosen: Thread) -> Threads {
        commuting(view, chosen)
    }

    fn depends(steps: &[Event], pending: &Pending) -> bool {
        let conflicts = |step: &Event| step.what.conflicts_with(&pending.what);
        conflicts(&steps[0]) && (!commuted(&steps[0], pending) || steps[1..].iter().any(conflicts))
    }
}

/// The threads whose announced operation commutes with that of `chosen` now.
fn commuting(view: &impl View, chosen: Thread) -> Threads {
    let mut commuting = Threads::NONE;
    for other in view.enabled().without(Threads::only(chosen)).iter() {
        if view.commutes(chosen, other) {
            commuting.insert(other);
        }
    }
    commuting
}

/// Whether the operation was announced when the step was performed, and commuted with it then.
fn commuted(step: &Event, pending: &Pending) -> bool {
    pending.since < step.number && step.noted.contains(pending.thread)
}

/// The backtracking of Flanagan and Godefroid 2005 (the thread of the later operation, or every thread if that one is not
/// enabled) together with sleep sets: the thread need not be an initial of what is missed, so that it can be asleep, or be
/// explored, while what is missed never is.
#[derive(Clone, Copy, Debug)]
pub struct ClassicBacktracking;

impl Detection for ClassicBacktracking {
    type Asleep = StaticIndependence;

    fn reverse(node: &mut Node, race: Race) {
        if node.enabled.contains(race.thread) {
            node.to_explore.insert(race.thread);
        } else {
            node.to_explore = Threads(node.to_explore.0 | node.enabled.0);
        }
    }
}

/// Persistent sets that forget whoever waits to join a thread, and may touch the object afterwards.
#[derive(Clone, Copy, Debug)]
pub struct JoiningLeftOut;

impl Closure for JoiningLeftOut {
    const JOINING: bool = false;
}

/// Persistent sets in which nobody answers for the threads that it may still create.
#[derive(Clone, Copy, Debug)]
pub struct ChildrenLeftOut;

impl Closure for ChildrenLeftOut {
    const CHILDREN: bool = false;
}

/// Persistent sets whose disabled members draw in nobody: not even who can enable them.
#[derive(Clone, Copy, Debug)]
pub struct DisabledLeftOut;

impl Closure for DisabledLeftOut {
    const DISABLED: bool = false;
}

/// Persistent sets by the footprints of one execution, which are never held against what others announce.
#[derive(Clone, Copy, Debug)]
pub struct NeverVerified;

impl Closure for NeverVerified {
    const VERIFIED: bool = false;
}

/// States are told apart by six bits of their keys: most are taken for others.
#[derive(Clone, Copy, Debug)]
pub struct ShortKeys;

impl Closure for ShortKeys {
    const REMEMBERS: bool = true;
    const KEY: u128 = 0x3f;
}
