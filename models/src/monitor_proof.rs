//! The real platform's monitor, proved by itself: `forcekill::platform::monitor`, the very code, over loom's mutex and
//! condition variable. The other models take a monitor for one step, and rest on this.
//!
//! **Claims.** A wait whose answer stays there returns: no wake-up is lost (`no-deadlock`). A wait answers only what its
//! predicate answered under the lock, at its last look; a wait with a deadline gives up only when the predicate was asked
//! once more after the deadline and had no answer, and what it changes then is changed in the section of that look (`bounded`).
//! Every change notifies every waiter, the one that a wait makes too, whether it has its answer or gives up; sections exclude each other; what a thread did before its section happens before what another does after a later one.
//! loom itself checks the last two, on cells that every section and both sides touch.
//!
//! **Time and spurious wake-ups** are choices. The clock is moved by a thread that takes one step, at any moment. Which
//! waits, counted over the whole execution, return without a notification is chosen from outside: each scenario is searched
//! once for every set of its first few waits. Such a wait returns at any moment.
//!
//! **Bounds.** Two waiters, up to four changes, one or two moments of the clock, up to three spurious wake-ups. No bound on
//! preemptions.
//!
//! **Not covered.** That the standard library's mutex and condition variable are what they say. A section that panics: its
//! change is not announced (see `native-tests/tests/monitor.rs`). Fairness.

mod broken;
mod loom_condition;
mod replay;
mod scenarios;
mod stand;
mod world;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use broken::{Caught, Defect};
pub use replay::{Execution, replay, waits};
pub use scenarios::Scenario;

use crate::oracle::{Oracle, Violation};
use crate::property::Property;
use crate::prove::Verdict;
use crate::search::quiet;
use scenarios::Play;
use world::World;

/// What a search of one scenario came to.
#[derive(Clone, Debug)]
pub struct Searched {
    /// Whether all of it was searched, and what was found.
    pub verdict: Verdict,
    /// How many executions were played.
    pub executions: u64,
    /// How long that took.
    pub seconds: f64,
    /// The most preemptions of an execution; `None` for any number.
    pub preemption_bound: Option<usize>,
    /// The failure, if there was one.
    pub refutation: Option<Refutation>,
    /// Every moment that was reached, with its hits.
    pub moments: Vec<(&'static str, u64)>,
}

/// A failing execution.
#[derive(Clone, Debug)]
pub struct Refutation {
    /// What broke. Of a property that was not searched for if loom itself ended the execution, which no
    /// search can go on from: no claim rests on it then.
    pub violation: Violation,
    /// How to play it again.
    pub execution: Execution,
}

/// Every scenario.
pub fn scenarios() -> &'static [Scenario] {
    scenarios::SCENARIOS
}

/// Every broken step.
pub fn defects() -> &'static [Defect] {
    broken::DEFECTS
}

/// Searches a scenario: once for every set of waits that return for no reason, up to the first failure.
fn search(
    defect: Option<&'static Defect>,
    scenario: &'static Scenario,
    play: Play,
    properties: &[Property],
    limit: Duration,
) -> Searched {
    let started = Instant::now();
    let oracle = Arc::new(Oracle::watching(properties));
    let mut verdict = Verdict::Proved;
    let mut refutation = None;
    for spurious in scenario.spurious_sets.clone() {
        let before = oracle.executions();
        let mut builder = builder();
        builder.max_duration = Some(limit.saturating_sub(started.elapsed()));
        builder.checkpoint_interval = EXECUTIONS_BETWEEN_LOOKS_AT_THE_CLOCK;
        if let Some(violation) = play_all(&builder, play, &oracle, spurious, 1) {
            let execution = oracle.executions() - before;
            let execution = Execution { defect, scenario, spurious, execution };
            refutation = Some(Refutation { violation, execution });
            verdict = Verdict::Refuted;
            break;
        }
        if started.elapsed() >= limit {
            verdict = Verdict::Held;
            break;
        }
    }
    Searched {
        verdict,
        executions: oracle.executions(),
        seconds: started.elapsed().as_secs_f64(),
        preemption_bound: builder().preemption_bound,
        refutation,
        moments: oracle.moments(),
    }
}

/// A scenario has a few dozen choices; a run away from that is a mistake in it.
const MOST_BRANCHES: usize = 5_000;
const EXECUTIONS_BETWEEN_LOOKS_AT_THE_CLOCK: usize = 1_000;

fn builder() -> loom::model::Builder {
    let mut builder = loom::model::Builder::new();
    // loom reads a bound from the environment, and a claim must not depend on that.
    builder.preemption_bound = None;
    builder.max_branches = MOST_BRANCHES;
    builder
}

/// Plays the executions of one set of waits that return for no reason, up to the first failure.
fn play_all(
    builder: &loom::model::Builder,
    play: Play,
    oracle: &Arc<Oracle>,
    spurious: u32,
    judged_from: u64,
) -> Option<Violation> {
    let execution = {
        let oracle = Arc::clone(oracle);
        move || play(&World::begin(Arc::clone(&oracle), spurious, judged_from))
    };
    let panic = quiet::catch(|| builder.check(execution)).err()?;
    let announced = oracle.violations().into_iter().next();
    Some(announced.unwrap_or_else(|| unannounced(&panic)))
}

/// What broke when loom, or the code itself, ended an execution.
fn unannounced(panic: &str) -> Violation {
    if panic.starts_with("deadlock") {
        let what = "nothing can run any more, and somebody still waits".to_string();
        return Violation { property: Property::NoDeadlock, what };
    }
    let what = panic.lines().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_string();
    Violation { property: Property::Bounded, what }
}
