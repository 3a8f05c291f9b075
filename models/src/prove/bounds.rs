//! How far each search goes. Every bound is stated beside the claim that rests on it.

use std::time::Duration;

use crate::races::Race;
use crate::races::lost_wake_up::LostWakeUp;
use crate::races::slow_machine::SlowMachine;
use crate::search::shuttle_search::Strategy;
use crate::stage::Reads;

/// loom's preemption bound; `None` searches everything.
pub(super) fn loom_bound(model: &str, killers: usize, deep: bool) -> Option<usize> {
    match (model, killers) {
        (SlowMachine::NAME, _) if deep => None,
        (SlowMachine::NAME, _) => Some(3),
        (_, 1) => None,
        (LostWakeUp::NAME, 2) => Some(if deep { 3 } else { 2 }),
        (LostWakeUp::NAME, 3) => Some(if deep { 2 } else { 1 }),
        (_, 2) => None,
        _ => Some(if deep { 3 } else { 2 }),
    }
}

/// How loom makes loads. Both ways, except where the claim counts sends of several killers: it rests on stores being seen in
/// the order of time, as they are when the thread has blocked in the kernel, and with plain loads the abstract machine lets
/// a store that is made later be overwritten by an earlier one. `tests/known_limits.rs` keeps that.
pub(super) fn loom_reads(model: &str, killers: usize) -> &'static [Reads] {
    match (model, killers) {
        (LostWakeUp::NAME, 2..) => &[Reads::ReadModifyWrite],
        _ => &[Reads::ReadModifyWrite, Reads::Plain],
    }
}

/// When a loom search of one variant gives up, and claims nothing but what it has seen. Far beyond what any takes.
pub(super) fn loom_limit(deep: bool) -> Duration {
    Duration::from_secs(if deep { 7200 } else { 300 })
}

/// The preemption bound of shuttle's depth-first search, which goes from 0 up to this, so that the failure that it finds
/// first has the fewest preemptions.
pub(super) const SHUTTLE_BOUND: usize = 2;

const SHUTTLE_LIMIT: u64 = 60_000;

/// shuttle's searches, depth-first with growing bounds first.
pub(super) fn shuttle_strategies(deep: bool) -> Vec<Strategy> {
    let depth_first =
        (0..=SHUTTLE_BOUND).map(|bound| Strategy::DepthFirst { bound: Some(bound), limit: SHUTTLE_LIMIT });
    let executions = if deep { 100_000 } else { 2_000 };
    let random = Strategy::Random { executions };
    let pct = [5, 20].map(|padding| Strategy::Pct { depth: 3, executions, padding });
    depth_first.chain([random]).chain(pct).collect()
}
