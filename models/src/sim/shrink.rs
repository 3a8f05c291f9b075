//! From a failure to the shortest scenario in which the same property breaks.
//!
//! Everything that a scenario has drawn is listed first: what went wrong, and the choices of the schedule. Then parts are left out,
//! large ones first, for as long as the same property breaks: calls, things that go wrong, choices, threads. A scenario that has
//! lost a part is also tried with schedules that are drawn anew, because the old choices need not fit it.

use std::time::{Duration, Instant};

use super::designs::Simulated;
use super::scenario::{Listed, Op, Policy, Quirks, Scenario, Schedule, Shape, Turn};
use super::{Keep, Outcome};
use crate::oracle::Violation;
use crate::property::Property;

/// How many schedules are drawn for a scenario that has lost a part.
const SCHEDULES: u64 = 12;

/// A failure in its shortest form.
#[derive(Clone, Debug)]
pub struct Shrunk {
    /// What it is.
    pub scenario: Scenario,
    /// What breaks.
    pub violation: Violation,
}

/// Shrinks a failure for as long as `within` allows.
///
/// # Panics
/// If the scenario does not fail when it is played again, which would be a mistake of the simulation's: it is deterministic.
pub fn shrink(simulated: Simulated, failed: &Scenario, within: Duration) -> Shrunk {
    let first = simulated.play(failed, KEEP);
    let violation = first.violation.clone().expect("the same scenario does the same");
    let shrinker = Shrinker { simulated, property: violation.property, until: Instant::now() + within };
    let mut best = Shrunk { scenario: listed(failed, &first), violation };
    loop {
        let before = weight(&best.scenario);
        shrinker.drop_ops(&mut best);
        shrinker.drop_quirks(&mut best);
        shrinker.simplify_shapes(&mut best);
        shrinker.calm(&mut best);
        shrinker.drop_turns(&mut best);
        shrinker.shorten(&mut best);
        if weight(&best.scenario) == before || Instant::now() > shrinker.until {
            return best;
        }
    }
}

const KEEP: Keep = Keep { steps: false, turns: true };

/// How many decisions a listed scenario has: the calls, what goes wrong, and the choices of the schedule.
pub fn decisions(scenario: &Scenario) -> usize {
    let quirks = if let Quirks::Listed(list) = &scenario.quirks { list.len() } else { usize::MAX / 4 };
    let turns = if let Schedule::Listed(turns) = &scenario.schedule { turns.len() } else { usize::MAX / 4 };
    scenario.ops.len() + quirks + turns
}

fn weight(scenario: &Scenario) -> (usize, u64) {
    let threads: u32 = scenario.shapes.iter().map(|shape| shape.workers + shape.regular + shape.extra).sum();
    let pauses: u64 = scenario.ops.iter().map(|op| u64::from(op.pause_ms)).sum();
    (decisions(scenario), u64::from(threads) << 32 | pauses)
}

/// The same run with everything that was drawn written down.
fn listed(scenario: &Scenario, outcome: &Outcome) -> Scenario {
    Scenario {
        quirks: Quirks::Listed(outcome.met.clone()),
        schedule: Schedule::Listed(outcome.turns.clone()),
        ..scenario.clone()
    }
}

struct Shrinker {
    simulated: Simulated,
    property: Property,
    until: Instant,
}

impl Shrinker {
    /// Takes a candidate if the same property breaks.
    fn takes(&self, best: &mut Shrunk, candidate: Scenario) -> bool {
        let outcome = self.simulated.play(&candidate, KEEP);
        let Some(violation) =
            outcome.violation.clone().filter(|violation| violation.property == self.property)
        else {
            return false;
        };
        // What was listed and not met, or not chosen, goes at once.
        let scenario = listed(&candidate, &outcome);
        *best = Shrunk { scenario, violation };
        true
    }

    /// The same, also with no choices at all and with schedules that are drawn.
    fn takes_rescheduled(&self, best: &mut Shrunk, candidate: Scenario) -> bool {
        let calm = Scenario { schedule: Schedule::Listed(Vec::new()), ..candidate.clone() };
        if self.takes(best, calm) || self.takes(best, candidate.clone()) {
            return true;
        }
        (0..SCHEDULES).any(|seed| {
            let policy =
                if seed % 2 == 0 { Policy::Priorities(20) } else { Policy::Switches(1 << (seed / 2)) };
            let jump_one_in = if seed % 3 == 2 { 50 } else { 0 };
            let schedule = Schedule::Drawn { seed, policy, jump_one_in };
            self.is_time_left() && self.takes(best, Scenario { schedule, ..candidate.clone() })
        })
    }

    fn is_time_left(&self) -> bool {
        Instant::now() < self.until
    }

    /// Leaves out parts of a list: halves, then quarters, down to single ones.
    fn leave_out<T: Clone>(
        &self,
        best: &mut Shrunk,
        list_of: impl Fn(&Scenario) -> Vec<T>,
        with: impl Fn(&Scenario, Vec<T>) -> Scenario,
        takes: impl Fn(&Self, &mut Shrunk, Scenario) -> bool,
    ) {
        let mut size = list_of(&best.scenario).len();
        while size > 0 {
            let mut from = 0;
            while from < list_of(&best.scenario).len() && self.is_time_left() {
                let list = list_of(&best.scenario);
                let rest: Vec<_> = list
                    .iter()
                    .enumerate()
                    .filter(|(nth, _)| !(from..from + size).contains(nth))
                    .map(|(_, part)| part.clone())
                    .collect();
                let candidate = with(&best.scenario, rest);
                if !takes(self, best, candidate) {
                    from += size;
                }
            }
            size /= 2;
        }
    }

    fn drop_ops(&self, best: &mut Shrunk) {
        let ops = |scenario: &Scenario| scenario.ops.clone();
        self.leave_out(
            best,
            ops,
            |scenario, ops| Scenario { ops, ..scenario.clone() },
            Self::takes_rescheduled,
        );
    }

    fn drop_quirks(&self, best: &mut Shrunk) {
        let with = |scenario: &Scenario, list| Scenario { quirks: Quirks::Listed(list), ..scenario.clone() };
        self.leave_out(best, quirks_of, with, Self::takes_rescheduled);
    }

    fn drop_turns(&self, best: &mut Shrunk) {
        let turns = |scenario: &Scenario| match &scenario.schedule {
            Schedule::Listed(turns) => turns.clone(),
            Schedule::Drawn { .. } => Vec::new(),
        };
        let with = |scenario: &Scenario, turns: Vec<Turn>| Scenario {
            schedule: Schedule::Listed(turns),
            ..scenario.clone()
        };
        self.leave_out(best, turns, with, Self::takes);
    }

    /// Fewer choices by another schedule altogether.
    fn calm(&self, best: &mut Shrunk) {
        for seed in 0..4 * SCHEDULES {
            if !self.is_time_left() {
                return;
            }
            let policy = Policy::Switches(1 << (seed % 7 + 1));
            let schedule = Schedule::Drawn { seed: 100 + seed, policy, jump_one_in: 0 };
            let mut other = best.clone();
            if self.takes(&mut other, Scenario { schedule, ..best.scenario.clone() }) {
                self.drop_turns(&mut other);
                if weight(&other.scenario) < weight(&best.scenario) {
                    *best = other;
                }
            }
        }
    }

    /// Fewer threads, and nothing that is out of the ordinary.
    fn simplify_shapes(&self, best: &mut Shrunk) {
        for nth in 0..best.scenario.shapes.len() {
            let simpler: &[fn(&mut Shape)] = &[
                |shape| (shape.workers, shape.regular) = (shape.workers.min(1), 0),
                |shape| shape.workers = shape.workers.saturating_sub(1),
                |shape| shape.regular = 0,
                |shape| shape.regular = shape.regular.saturating_sub(1),
                |shape| shape.extra = 0,
                |shape| shape.scales = false,
                |shape| shape.max_requests = 0,
                |shape| shape.max_queue = 0,
            ];
            for simplify in simpler {
                let mut candidate = best.scenario.clone();
                let shape = &mut candidate.shapes[nth];
                simplify(shape);
                if shape.workers + shape.regular > 0 && candidate != best.scenario && self.is_time_left() {
                    self.takes_rescheduled(best, candidate);
                }
            }
        }
    }

    /// No pauses, and one caller, where that breaks the same.
    fn shorten(&self, best: &mut Shrunk) {
        for nth in 0..best.scenario.ops.len() {
            for change in [|op: &mut Op| op.pause_ms = 0, |op: &mut Op| op.caller = 0] {
                let mut candidate = best.scenario.clone();
                let Some(op) = candidate.ops.get_mut(nth) else { return };
                change(op);
                if candidate != best.scenario && self.is_time_left() {
                    self.takes(best, candidate);
                }
            }
        }
    }
}

fn quirks_of(scenario: &Scenario) -> Vec<Listed> {
    if let Quirks::Listed(list) = &scenario.quirks { list.clone() } else { Vec::new() }
}
