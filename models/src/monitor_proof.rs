//! The real platform's monitor, proved by itself: `forcekill::platform::monitor`, the very code, over loom's mutex and
//! condition variable. The other models take a monitor for one step, and rest on this.
//!
//! **Claims.** A wait whose answer stays there returns: no wake-up is lost (`no-deadlock`). A wait answers only what its
//! predicate answered under the lock, at its last look; a wait with a deadline gives up only when the predicate was asked
//! once more after the deadline and had no answer (`bounded`). Every change notifies every waiter, the one that a wait makes
//! too; sections exclude each other; what a thread did before its section happens before what another does after a later one.
//! loom itself checks the last two, on cells that every section and both sides touch.
//!
//! **Time and spurious wake-ups** are choices. The clock is moved by a thread that takes one step, at any moment. Which
//! waits, counted over the whole execution, return without a notification is chosen from outside: each scenario is searched
//! once for every set of its first few waits. Such a wait returns at any moment.
//!
//! **Bounds.** Two waiters, up to four changes, one or two moments of the clock, up to three spurious wake-ups. No bound on
//! preemptions but for the scenarios that name one.
//!
//! **Not covered.** That the standard library's mutex and condition variable are what they say. A section that panics: its
//! change is not announced (see `native-tests/tests/monitor.rs`). Fairness.

mod broken;
mod loom_condition;
mod scenarios;
mod world;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub use broken::{DEFECTS, Defect};
pub use loom_condition::LoomCondition;
pub use scenarios::{SCENARIOS, Scenario};
pub use world::{Moments, World};

use crate::property::Property;
use crate::prove::Verdict;
use crate::search::quiet;

/// What a search of one scenario came to.
#[derive(Clone, Debug)]
pub struct Proof {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The defect's name, if it was not the library's own steps.
    pub defect: Option<&'static str>,
    /// Whether all of it was searched, and what was found.
    pub verdict: Verdict,
    /// The most preemptions of an execution; `None` for any number.
    pub preemption_bound: Option<usize>,
    /// How many executions were played.
    pub executions: u64,
    /// How long that took.
    pub seconds: f64,
    /// The failure, if there was one.
    pub refutation: Option<Refutation>,
    /// How often each moment was reached.
    pub reached: BTreeMap<&'static str, u64>,
}

/// A failing execution. The same search finds it again: loom's order is fixed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refutation {
    /// What broke.
    pub property: Property,
    /// How, as a sentence without a full stop.
    pub what: String,
    /// Which waits returned without a notification: a bit for each, the first the lowest.
    pub spurious: u32,
    /// The execution of the search with these, counted from 1.
    pub execution: u64,
}

/// A scenario has a few dozen choices; a run away from that is a mistake in it.
const MOST_BRANCHES: usize = 5_000;

/// The search finds the same failure at the same execution.
const AGAIN: &str = "cargo test -p forcekill-models --test monitor_under_loom";

/// Searches every scenario with the library's own steps. Each search gives up after `limit`.
pub fn prove(limit: Duration) -> Vec<Proof> {
    let sound = |scenario: &Scenario| search(scenario, scenario.sound, None, limit);
    SCENARIOS.iter().map(sound).collect()
}

/// Searches the scenarios that must refute a defect.
pub fn refute(defect: &Defect, limit: Duration) -> Vec<Proof> {
    let caught = defect.caught_by.iter();
    caught.map(|caught| search(caught.scenario(), caught.play, Some(defect.name), limit)).collect()
}

/// What a proof's claims come to, a line for each that fails: refuted, not searched in full, or never in a moment that
/// matters.
pub fn shortcomings(proofs: &[Proof]) -> Vec<String> {
    let failed = proofs.iter().filter(|proof| proof.verdict != Verdict::Proved);
    let failed = failed.map(|proof| match &proof.refutation {
        Some(refutation) => {
            format!("{} was refuted: {refutation:?}; to see it again: {AGAIN}", proof.scenario)
        }
        None => format!("{} was not searched in full", proof.scenario),
    });
    let declared =
        SCENARIOS.iter().flat_map(|scenario| scenario.moments.iter().map(move |moment| (scenario, moment)));
    let missed = declared.filter(|(scenario, moment)| {
        let of_it = proofs.iter().filter(|proof| proof.scenario == scenario.name);
        of_it.map(|proof| proof.reached.get(**moment).copied().unwrap_or(0)).sum::<u64>() == 0
    });
    let missed = missed.map(|(scenario, moment)| format!("{} never reached: {moment}", scenario.name));
    failed.chain(missed).collect()
}

fn search(
    scenario: &Scenario,
    play: fn(&Arc<World>),
    defect: Option<&'static str>,
    limit: Duration,
) -> Proof {
    let started = Instant::now();
    let moments = Arc::new(Moments::default());
    let mut verdict = Verdict::Proved;
    let mut refutation = None;
    for spurious in 0..1 << scenario.spurious_waits {
        let before = moments.executions();
        let left = limit.saturating_sub(started.elapsed());
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = scenario.preemption_bound;
        builder.max_branches = MOST_BRANCHES;
        builder.max_duration = Some(left);
        builder.checkpoint_interval = 1_000;
        let execution = {
            let moments = Arc::clone(&moments);
            move || play(&World::new(Arc::clone(&moments), spurious))
        };
        match quiet::catch(|| builder.check(execution)) {
            Err(what) => {
                let property =
                    if what.contains("deadlock") { Property::NoDeadlock } else { Property::Bounded };
                let execution = moments.executions() - before;
                verdict = Verdict::Refuted;
                refutation = Some(Refutation { property, what, spurious, execution });
                break;
            }
            Ok(()) if started.elapsed() >= limit => {
                verdict = Verdict::Held;
                break;
            }
            Ok(()) => {}
        }
    }
    Proof {
        scenario: scenario.name,
        defect,
        verdict,
        preemption_bound: scenario.preemption_bound,
        executions: moments.executions(),
        seconds: started.elapsed().as_secs_f64(),
        refutation,
        reached: moments.reached(),
    }
}
