//! One search: a race, as one protocol plays it, with so many killers, by one engine, for one property.

use std::sync::Arc;
use std::time::Instant;

use super::bounds::{SHUTTLE_BOUND, loom_bound, loom_limit, loom_reads, shuttle_strategies};
use super::outcome::{Cell, Verdict};
use crate::cases::{Case, Engines, all_defects};
use crate::designs::Design;
use crate::oracle::Oracle;
use crate::property::Property;
use crate::protocol::Protocol;
use crate::races::{Race, Setting, Variant, slow_machine::SlowMachine};
use crate::schedule::Schedule;
use crate::search::loom_search::LoomSearch;
use crate::search::shuttle_search::Strategy;
use crate::search::{Outcome, Steps};

/// Which searches to make.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// These designs alone; all if empty. Defects belong to `forcekill`.
    pub designs: Vec<Design>,
    /// These properties alone; all if empty.
    pub properties: Vec<Property>,
    /// These models alone; all if empty.
    pub models: Vec<String>,
    /// Higher bounds.
    pub deep: bool,
}

/// One search.
#[derive(Clone, Debug)]
pub struct Task {
    /// Whose steps.
    pub protocol: Protocol,
    /// The race.
    pub case: &'static Case,
    /// The property that is watched.
    pub property: Property,
    /// How many killers.
    pub killers: usize,
    /// The engine.
    pub engine: Engine,
    deep: bool,
}

/// A model checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// Interleavings and weak memory.
    Loom,
    /// Interleavings, by three strategies.
    Shuttle,
}

impl Engine {
    /// The engine's name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loom => "loom",
            Self::Shuttle => "shuttle",
        }
    }
}

/// What a task came to.
pub(super) struct TaskResult {
    pub(super) task: Task,
    pub(super) cell: Cell,
    pub(super) moments: Vec<(&'static str, u64)>,
}

/// Every search that `options` asks for, the longest first.
pub fn tasks(options: &Options) -> Vec<Task> {
    let wants = |property: Property| options.properties.is_empty() || options.properties.contains(&property);
    let wants_model =
        |case: &Case| options.models.is_empty() || options.models.iter().any(|name| name == case.model);
    let wants_design = |design: Design| options.designs.is_empty() || options.designs.contains(&design);
    let mut tasks = Vec::new();
    let mut add = |protocol, case: &'static Case, property, killers, engine| {
        if wants(property) && wants_model(case) {
            tasks.push(Task { protocol, case, property, killers, engine, deep: options.deep });
        }
    };
    for design in Design::ALL.into_iter().filter(|&design| wants_design(design)) {
        for case in crate::cases::of(design) {
            let most_killers = if case.model == SlowMachine::NAME { 1 } else { 3 };
            for killers in 1..=most_killers {
                for &property in case.properties {
                    add(Protocol::Design(design), case, property, killers, Engine::Loom);
                    add(Protocol::Design(design), case, property, killers, Engine::Shuttle);
                }
            }
        }
    }
    for defect in all_defects().iter().filter(|_| wants_design(Design::Forcekill)) {
        for caught in &defect.caught_by {
            add(Protocol::Defect(defect), &caught.case, caught.property, 1, Engine::Loom);
            if caught.engines == Engines::Both {
                add(Protocol::Defect(defect), &caught.case, caught.property, 1, Engine::Shuttle);
            }
        }
    }
    let is_long = |task: &Task| task.engine == Engine::Loom && task.killers != 1 && task.protocol.is_ours();
    tasks.sort_by_key(|task| std::cmp::Reverse(is_long(task)));
    tasks
}

impl Task {
    /// A search with one killer, by itself.
    pub fn single(protocol: Protocol, case: &'static Case, property: Property, engine: Engine) -> Self {
        Self { protocol, case, property, killers: 1, engine, deep: false }
    }

    /// The first failure of each variant that has one.
    pub fn refute_each_variant(&self) -> Vec<Schedule> {
        let refute = |variant: Variant| match self.search_variants(&self.oracle(), &[variant]) {
            Searched::Refuted { schedule, .. } => Some(schedule),
            _ => None,
        };
        (self.case.variants)(self.killers).into_iter().filter_map(refute).collect()
    }

    /// Makes the search.
    pub(super) fn run(&self) -> TaskResult {
        let started = Instant::now();
        let oracle = self.oracle();
        let variants = (self.case.variants)(self.killers);
        let (verdict, what) = match self.search_variants(&oracle, &variants) {
            Searched::All => (Verdict::Proved, None),
            Searched::Some => (Verdict::Held, None),
            Searched::Refuted { schedule, what } => (Verdict::Refuted, Some((schedule, what))),
        };
        let bound = match self.engine {
            Engine::Loom => loom_bound(self.case.model, self.killers, self.deep),
            Engine::Shuttle => Some(SHUTTLE_BOUND),
        };
        let cell = Cell {
            protocol: self.protocol,
            property: self.property,
            model: self.case.model,
            killers: self.killers,
            engine: self.engine,
            verdict,
            preemption_bound: bound,
            executions: oracle.executions(),
            seconds: started.elapsed().as_secs_f64(),
            refutation: what,
        };
        TaskResult { task: self.clone(), cell, moments: oracle.moments() }
    }

    fn oracle(&self) -> Arc<Oracle> {
        let oracle = Oracle::watching(&[self.property]);
        Arc::new(match self.engine {
            Engine::Loom => oracle,
            Engine::Shuttle => oracle.that_goes_on(),
        })
    }

    fn search_variants(&self, oracle: &Arc<Oracle>, variants: &[Variant]) -> Searched {
        match self.engine {
            Engine::Loom => {
                let bound = loom_bound(self.case.model, self.killers, self.deep);
                let ways = loom_reads(self.case.model, self.killers).iter().copied();
                self.search_each(ways, variants, |reads, setting, variant| {
                    let search = LoomSearch { bound, reads, limit: loom_limit(self.deep), last: None };
                    (search.run(self.case, setting, variant, oracle), true)
                })
            }
            Engine::Shuttle => {
                let ways = shuttle_strategies(self.deep);
                self.search_each(ways, variants, |strategy, setting, variant| {
                    let outcome = strategy.run(self.case, setting, variant, oracle);
                    (outcome, matches!(strategy, Strategy::DepthFirst { .. }))
                })
            }
        }
    }

    /// Searches every variant in every way. Ways that are meant to be exhaustive must all be complete for a proof.
    fn search_each<W: Copy>(
        &self,
        ways: impl IntoIterator<Item = W>,
        variants: &[Variant],
        search: impl Fn(W, &Setting, &Variant) -> (Outcome, bool),
    ) -> Searched {
        let mut all = true;
        for way in ways {
            for variant in variants {
                match search(way, &Setting::new(self.killers, variant), variant) {
                    (Outcome::Failed { violation, steps }, _) => {
                        let schedule = self.schedule(variant, steps);
                        return Searched::Refuted { schedule, what: violation.what };
                    }
                    (Outcome::Incomplete, true) => all = false,
                    (Outcome::Complete | Outcome::Incomplete, _) => {}
                }
            }
        }
        if all { Searched::All } else { Searched::Some }
    }

    fn schedule(&self, variant: &Variant, steps: Steps) -> Schedule {
        Schedule {
            protocol: self.protocol,
            property: self.property,
            model: self.case.model,
            killers: self.killers,
            variant: variant.name.clone(),
            steps,
        }
    }
}

enum Searched {
    All,
    Some,
    Refuted { schedule: Schedule, what: String },
}
