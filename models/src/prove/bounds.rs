//! How far each search goes. Every bound is stated beside the claim that rests on it.

use std::time::Duration;

use super::task::Engine;
use crate::designs::Design;
use crate::explorer::search::{Kind, Settings};
use crate::lifecycles::LifecycleRace;
use crate::races::Race;
use crate::races::clear_against_kill::ClearAgainstKill;
use crate::races::kill_against_next_run::KillAgainstNextRun;
use crate::races::lost_wake_up::LostWakeUp;
use crate::races::other_systems::OtherSystems;
use crate::races::slow_machine::SlowMachine;
use crate::races::two_restarts::TwoRestarts;
use crate::races::whole_life::WholeLife;
use crate::search::shuttle_search::Strategy;
use crate::stage::Reads;
use crate::subject::AnyCase;

/// loom's preemption bound; `None` searches everything.
pub(super) fn loom_bound(model: &str, killers: usize, deep: bool) -> Option<usize> {
    match (model, killers) {
        (SlowMachine::NAME, _) if deep => None,
        (SlowMachine::NAME, _) => Some(3),
        (_, 1) => None,
        (LostWakeUp::NAME | OtherSystems::NAME, 2) => Some(if deep { 3 } else { 2 }),
        (LostWakeUp::NAME | OtherSystems::NAME, 3) => Some(if deep { 2 } else { 1 }),
        (_, 2) => None,
        _ => Some(if deep { 3 } else { 2 }),
    }
}

/// How loom makes loads. Both ways, except where the claim counts sends of several killers: it rests on stores being seen in
/// the order of time, as they are when the thread has blocked in the kernel, and with plain loads the abstract machine lets
/// a store that is made later be overwritten by an earlier one. `tests/known_limits.rs` keeps that.
pub(super) fn loom_reads(model: &str, killers: usize) -> &'static [Reads] {
    match (model, killers) {
        (LostWakeUp::NAME | OtherSystems::NAME, 2..) => &[Reads::ReadModifyWrite],
        _ => &[Reads::ReadModifyWrite, Reads::Plain],
    }
}

/// Whether loom's searches touch the probe: with higher bounds, one killer and the smallest races alone, and besides those
/// that do not. It makes `clear-against-kill` 50 to 220 times longer, `kill-against-next-run` 1,100 times.
pub(super) fn loom_probes(model: &str, killers: usize, deep: bool) -> &'static [bool] {
    match (model, killers) {
        (ClearAgainstKill::NAME | KillAgainstNextRun::NAME, 1) if deep => &[false, true],
        _ => &[false],
    }
}

/// When a loom search of one variant gives up, and claims nothing but what it has seen. Far beyond what any takes.
pub(super) fn loom_limit(deep: bool) -> Duration {
    Duration::from_secs(if deep { 7200 } else { 300 })
}

/// The searches of a race in one size: which engines, and for the explorer whether it is the cross-check.
pub(super) fn searches(design: Design, case: AnyCase, size: usize) -> Vec<(Engine, bool)> {
    let (ours, explore) = (design == Design::Forcekill, (Engine::Explore, false));
    // Of these two the lifecycle is new; their slot is the pull request's.
    let is_later = matches!(design, Design::Merged2365 | Design::Attempt2573);
    match case {
        AnyCase::Slot(_) if is_later && size > 1 => vec![],
        AnyCase::Slot(_) if size == 1 || ours && size == 2 => {
            vec![(Engine::Loom, false), (Engine::Shuttle, false), explore]
        }
        AnyCase::Slot(_) => vec![(Engine::Loom, false), (Engine::Shuttle, false)],
        AnyCase::Monitor(..) => vec![(Engine::Loom, false)],
        // A historic design breaks in the smallest size, or not at all. It has no scaler of its own here: it would have ours.
        AnyCase::Lifecycle(case) if !ours && (size > 1 || case.has_own_scaler) => vec![],
        AnyCase::Lifecycle(_) if !ours => vec![explore],
        // Beyond one thread a whole runtime is too large for shuttle at any bound, and for source sets at once.
        AnyCase::Lifecycle(case) if case.is_runtime && (size > 1 || case.has_own_scaler) => vec![explore],
        AnyCase::Lifecycle(case) if case.is_runtime => vec![explore, (Engine::Shuttle, false)],
        AnyCase::Lifecycle(_) if size < 3 && has_cross_check(case, size) => {
            vec![explore, (Engine::Explore, true), (Engine::Shuttle, false)]
        }
        AnyCase::Lifecycle(_) if size < 3 => vec![explore, (Engine::Shuttle, false)],
        AnyCase::Lifecycle(_) => vec![explore],
    }
}

/// Whether the source sets' search, whose dependence is coarser, ends within seconds too.
fn has_cross_check(case: AnyCase, size: usize) -> bool {
    !matches!((case.model(), size), (WholeLife::NAME, _) | (TwoRestarts::NAME, 2))
}

/// The strategy that a claim rests on. The threads of a whole runtime say what they need not remember, which makes states meet.
pub(super) fn claims(case: AnyCase) -> Kind {
    if case.is_runtime() { Kind::Remembering } else { Kind::Persistent }
}

/// The preemptions up to which a broken protocol's shortest counterexample is looked for, before it is searched in full.
pub(super) const MOST_PREEMPTIONS: usize = 3;

/// What one search of the explorer may take with `--deep`; one that does not end within it is `held`, with its true size. The states
/// of a whole runtime take some 130 bytes an execution (2 threads, 2.5 million executions, 316 MB), so this is 8 GB. The searches
/// without `--deep` have no limit: they end.
const MOST_DEEP_EXECUTIONS: u64 = 60_000_000;

/// How the explorer searches: a large search has all cores, the others run beside each other.
pub(super) fn explorer_settings(is_wide: bool, deep: bool) -> Settings {
    let most_executions = if deep { MOST_DEEP_EXECUTIONS } else { u64::MAX };
    let settings = Settings { most_executions, ..Settings::default() };
    // Splitting costs some 20 ms, more than most searches take.
    if is_wide { settings } else { Settings { workers: 1, subtrees: 1, ..settings } }
}

/// The search for the shortest counterexample ends after so many executions: a race whose states cannot be told apart grows
/// with each preemption.
pub(super) fn bounded_settings() -> Settings {
    Settings { workers: 1, most_executions: 100_000, ..Settings::default() }
}

/// The preemption bound of shuttle's depth-first search, which goes from 0 up to this, so that the failure that it finds
/// first has the fewest preemptions.
pub(super) fn shuttle_bound(case: AnyCase) -> usize {
    match case {
        AnyCase::Slot(_) => 2,
        // A whole runtime has so many sections that one preemption among shuttle's smaller steps is too much.
        AnyCase::Lifecycle(case) if case.is_runtime => 0,
        AnyCase::Lifecycle(_) | AnyCase::Monitor(..) => 1,
    }
}

/// What a search of one variant may take at one bound; what does not end within it is `held`.
fn shuttle_limit(case: AnyCase) -> u64 {
    match case {
        AnyCase::Slot(_) => 60_000,
        AnyCase::Lifecycle(_) | AnyCase::Monitor(..) => 1_000_000,
    }
}

/// shuttle's searches, depth-first with growing bounds first.
pub(super) fn shuttle_strategies(case: AnyCase, deep: bool) -> Vec<Strategy> {
    let depth_first = (0..=shuttle_bound(case))
        .map(|bound| Strategy::DepthFirst { bound: Some(bound), limit: shuttle_limit(case) });
    let executions = if deep { 100_000 } else { 2_000 };
    let random = Strategy::Random { executions };
    let pct = [5, 20].map(|padding| Strategy::Pct { depth: 3, executions, padding });
    depth_first.chain([random]).chain(pct).collect()
}
