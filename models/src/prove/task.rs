//! One search: a race, as one protocol plays it, in one size, by one engine, for some of its properties.

use std::sync::Arc;
use std::time::Instant;

use super::bounds::{
    self, loom_bound, loom_limit, loom_probes, loom_reads, shuttle_bound, shuttle_strategies,
};
use super::outcome::{Cell, Verdict};
use crate::cases::{Case, Engines, all_defects};
use crate::designs::Design;
use crate::explorer::search::Kind;
use crate::monitor_proof::{self, Refutation, Scenario};
use crate::oracle::{Oracle, Violation};
use crate::property::Property;
use crate::protocol::Protocol;
use crate::races::{Setting, Variant};
use crate::schedule::Schedule;
use crate::search::explore_search::explore;
use crate::search::loom_search::LoomSearch;
use crate::search::shuttle_search::Strategy;
use crate::search::{Outcome, Steps};
use crate::stage::Expiry;
use crate::subject::AnyCase;

/// Which searches to make.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// These designs alone; all if empty. Defects belong to `forcekill`.
    pub designs: Vec<Design>,
    /// These properties alone; all if empty.
    pub properties: Vec<Property>,
    /// These models alone; all if empty.
    pub models: Vec<String>,
    /// These sizes alone (killers, or PHP threads); all if empty.
    pub sizes: Vec<usize>,
    /// Higher bounds.
    pub deep: bool,
}

impl Options {
    /// Whether nothing is left out.
    pub fn is_whole(&self) -> bool {
        let Self { designs, properties, models, sizes, deep: _ } = self;
        designs.is_empty() && properties.is_empty() && models.is_empty() && sizes.is_empty()
    }

    /// The designs that are searched, in their order.
    pub fn asked_designs(&self) -> Vec<Design> {
        Design::ALL.into_iter().filter(|&design| self.wants_design(design)).collect()
    }

    /// The properties that are watched, in their order.
    pub fn asked_properties(&self) -> Vec<Property> {
        Property::ALL.iter().copied().filter(|&property| self.wants(property)).collect()
    }

    fn wants_design(&self, design: Design) -> bool {
        self.designs.is_empty() || self.designs.contains(&design)
    }

    fn wants(&self, property: Property) -> bool {
        self.properties.is_empty() || self.properties.contains(&property)
    }
}

/// One search.
#[derive(Clone, Debug)]
pub struct Task {
    /// Whose steps.
    pub protocol: Protocol,
    /// The race.
    pub case: AnyCase,
    /// The properties that are watched.
    pub properties: Vec<Property>,
    /// How many killers or PHP threads.
    pub size: usize,
    /// The engine.
    pub engine: Engine,
    /// Whether the cross-check searches instead of the strategy that claims rest on. The explorer alone has one.
    pub cross_check: bool,
    deep: bool,
}

/// A model checker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Engine {
    /// Interleavings and weak memory.
    Loom,
    /// Interleavings, by three strategies.
    Shuttle,
    /// Interleavings, in full where loom and shuttle cannot.
    Explore,
}

impl Engine {
    /// The engine's name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Loom => "loom",
            Self::Shuttle => "shuttle",
            Self::Explore => "explore",
        }
    }
}

/// What a task came to.
pub(super) struct TaskResult {
    pub(super) task: Task,
    pub(super) cells: Vec<Cell>,
    pub(super) moments: Vec<(&'static str, u64)>,
    pub(super) taken: Vec<u64>,
}

/// Every search that `options` asks for, the longest first.
pub fn tasks(options: &Options) -> Vec<Task> {
    let wants_model =
        |case: AnyCase| options.models.is_empty() || options.models.iter().any(|name| name == case.model());
    let mut tasks = Vec::new();
    let mut add = |protocol, case: AnyCase, properties: &[Property], size, (engine, cross_check)| {
        let properties: Vec<_> =
            properties.iter().copied().filter(|&property| options.wants(property)).collect();
        let wants_size = options.sizes.is_empty() || options.sizes.contains(&size);
        if !properties.is_empty() && wants_model(case) && wants_size {
            tasks.push(Task { protocol, case, properties, size, engine, cross_check, deep: options.deep });
        }
    };
    for design in Design::ALL.into_iter().filter(|&design| options.wants_design(design)) {
        let protocol = Protocol::Design(design);
        for case in protocol.cases() {
            let most = if options.deep { case.most() } else { case.most_searched() };
            for size in 1..=most {
                for searches in bounds::searches(design, case, size) {
                    // Ours are searched for all properties of a race at once: nothing is to break. Of the others each
                    // property is searched for the shortest way to break it.
                    if design == Design::Forcekill && !matches!(case, AnyCase::Slot(_)) {
                        add(protocol, case, case.properties(), size, searches);
                    } else {
                        for property in case.properties() {
                            add(protocol, case, &[*property], size, searches);
                        }
                    }
                }
            }
        }
    }
    for defect in all_defects().iter().filter(|_| options.wants_design(Design::Forcekill)) {
        for caught in &defect.caught_by {
            for &engine in caught.engines.all() {
                let property = [caught.property];
                add(Protocol::Defect(defect), caught.case.as_any(), &property, caught.size, (engine, false));
            }
        }
    }
    let is_long = |task: &Task| {
        let is_large = task.size != 1 || matches!(task.case, AnyCase::Monitor(..));
        task.engine == Engine::Loom && is_large && task.protocol.is_ours()
    };
    tasks.sort_by_key(|task| std::cmp::Reverse((task.is_wide(), is_long(task))));
    tasks
}

impl Task {
    /// A search in the smallest size, by itself.
    pub fn single(protocol: Protocol, case: AnyCase, property: Property, engine: Engine) -> Self {
        Self { protocol, case, properties: vec![property], size: 1, engine, cross_check: false, deep: false }
    }

    /// The same in another size.
    pub fn sized(self, size: usize) -> Self {
        Self { size, ..self }
    }

    /// Whether it is so large that it gets all cores.
    pub fn is_wide(&self) -> bool {
        self.engine == Engine::Explore && self.protocol.is_ours() && self.size > 1
    }

    /// Whether slots are left out that no property can depend on: the cross-check's dependence is too coarse for them.
    fn is_lean(&self) -> bool {
        self.cross_check
    }

    /// The cross-check leaves out the variants that need slots, but in the smallest size: its dependence is too coarse for the
    /// slots' locks.
    fn is_searched(&self, variant: &Variant) -> bool {
        !self.cross_check || self.size == 1 || self.case.needs_no_slots(variant)
    }

    /// The first failure of each variant that has one.
    pub fn refute_each_variant(&self) -> Vec<Schedule> {
        if let AnyCase::Monitor(scenario, broken) = self.case {
            let refuted = self.run_monitor(scenario, broken).cells.into_iter();
            return refuted.filter_map(|cell| cell.refutation).map(|(schedule, _)| schedule).collect();
        }
        let refute = |variant: Variant| {
            let searched = self.search_variants(&self.oracle(), &[variant]);
            searched.refuted.into_iter().next().map(|(_, schedule, _)| schedule)
        };
        self.case.searched_variants(self.size, self.deep).into_iter().filter_map(refute).collect()
    }

    /// The first failure of all variants, in their order.
    pub fn first_refutation(&self) -> Option<Schedule> {
        let refuted = self.run().cells.into_iter().find_map(|cell| cell.refutation);
        refuted.map(|(schedule, _)| schedule)
    }

    /// Makes the search.
    pub(super) fn run(&self) -> TaskResult {
        if let AnyCase::Monitor(scenario, broken) = self.case {
            return self.run_monitor(scenario, broken);
        }
        let started = Instant::now();
        let oracle = self.oracle();
        let mut variants = self.case.searched_variants(self.size, self.deep);
        variants.retain(|variant| self.is_searched(variant));
        let searched = self.search_variants(&oracle, &variants);
        let seconds = started.elapsed().as_secs_f64();
        let cells = self.cells(&searched, self.bound(), (oracle.executions(), seconds));
        TaskResult { task: self.clone(), cells, moments: oracle.moments(), taken: oracle.taken() }
    }

    /// A cell for each property.
    fn cells(
        &self,
        searched: &Searched,
        preemption_bound: Option<usize>,
        (executions, seconds): (u64, f64),
    ) -> Vec<Cell> {
        let cell = |property: &Property| {
            let refutation = searched.refuted.iter().find(|(of, _, _)| of == property);
            let refutation = refutation.map(|(_, schedule, what)| (schedule.clone(), what.clone()));
            let verdict = match &refutation {
                Some(_) => Verdict::Refuted,
                None if searched.all => Verdict::Proved,
                None => Verdict::Held,
            };
            Cell {
                protocol: self.protocol,
                property: *property,
                case: self.case,
                size: self.size,
                engine: self.engine,
                cross_check: self.cross_check,
                verdict,
                preemption_bound,
                executions,
                seconds,
                refutation,
            }
        };
        self.properties.iter().map(cell).collect()
    }

    /// The real monitor by itself: its proof has searches of its own.
    fn run_monitor(
        &self,
        scenario: &'static Scenario,
        broken: Option<(&'static monitor_proof::Defect, &'static monitor_proof::Caught)>,
    ) -> TaskResult {
        let limit = loom_limit(self.deep);
        let found = match broken {
            Some((defect, caught)) => defect.refute(caught, limit),
            None => scenario.prove_all(limit),
        };
        let refuted = found.refutation.map(|refutation| {
            let Refutation { violation, execution } = refutation;
            let number = execution.spurious as usize;
            let name = monitor_proof::waits(execution.spurious);
            let variant = Variant { name, number, expiry: Expiry::AnyTime };
            let steps =
                Steps::Loom { bound: None, rmw_reads: false, probe: false, execution: execution.execution };
            (violation.property, self.schedule(&variant, violation.property, steps), violation.what)
        });
        let all = found.verdict == Verdict::Proved;
        let searched = Searched { all, refuted: refuted.into_iter().collect() };
        let cells = self.cells(&searched, found.preemption_bound, (found.executions, found.seconds));
        TaskResult { task: self.clone(), cells, moments: found.moments, taken: Vec::new() }
    }

    /// The most preemptions of an execution that it is to visit; `None` for any number.
    pub fn bound(&self) -> Option<usize> {
        match self.engine {
            Engine::Loom => loom_bound(self.case.model(), self.size, self.deep),
            Engine::Shuttle => Some(shuttle_bound(self.case)),
            Engine::Explore => None,
        }
    }

    fn oracle(&self) -> Arc<Oracle> {
        let oracle = Oracle::watching(&self.properties);
        Arc::new(if self.engine == Engine::Loom { oracle } else { oracle.that_goes_on() })
    }

    fn search_variants(&self, oracle: &Arc<Oracle>, variants: &[Variant]) -> Searched {
        match (self.engine, self.case) {
            (Engine::Loom, AnyCase::Slot(case)) => self.search_with_loom(case, oracle, variants),
            (_, AnyCase::Monitor(..)) | (Engine::Loom, AnyCase::Lifecycle(_)) => {
                unreachable!("no such search is made: see bounds::searches")
            }
            (Engine::Shuttle, _) => {
                let ways = shuttle_strategies(self.case, self.deep);
                self.search_each(ways, variants, |strategy, variant| {
                    let outcome = strategy.run(&self.case.on_shuttle(self.size, variant), oracle);
                    (outcome, matches!(strategy, Strategy::DepthFirst { .. }))
                })
            }
            (Engine::Explore, _) => self.search_with_explorer(oracle, variants),
        }
    }

    fn search_with_loom(&self, case: &Case, oracle: &Arc<Oracle>, variants: &[Variant]) -> Searched {
        let bound = loom_bound(case.model, self.size, self.deep);
        let probes = loom_probes(case.model, self.size, self.deep).iter();
        let ways =
            probes.flat_map(|&probe| loom_reads(case.model, self.size).iter().map(move |&it| (it, probe)));
        self.search_each(ways, variants, |(reads, probe), variant| {
            let search = LoomSearch { bound, reads, probe, limit: loom_limit(self.deep), last: None };
            (search.run(case, &Setting::new(self.size, variant), variant, oracle), true)
        })
    }

    /// Ours is searched in full. For a broken protocol the shortest way to break the property is looked for first.
    fn search_with_explorer(&self, oracle: &Arc<Oracle>, variants: &[Variant]) -> Searched {
        let settings = bounds::explorer_settings(self.is_wide(), self.deep);
        let mut searched = Searched { all: true, refuted: Vec::new() };
        if !self.protocol.is_ours() {
            let shortest = Kind::Bounded { most: bounds::MOST_PREEMPTIONS };
            for variant in variants {
                let play = self.case.on_explorer(self.size, variant, self.is_lean());
                let limited = bounds::bounded_settings();
                let explored = explore(&play, &self.properties, shortest, &limited, true, oracle);
                self.take_failures(&mut searched, variant, explored.failures);
                if !searched.refuted.is_empty() {
                    return searched;
                }
            }
        }
        let kind = if self.cross_check { Kind::SourceSets } else { bounds::claims(self.case) };
        for variant in variants {
            let play = self.case.on_explorer(self.size, variant, self.is_lean());
            let stop = !self.protocol.is_ours();
            let explored = explore(&play, &self.properties, kind, &settings, stop, oracle);
            searched.all &= explored.complete;
            self.take_failures(&mut searched, variant, explored.failures);
        }
        searched
    }

    fn take_failures(
        &self,
        searched: &mut Searched,
        variant: &Variant,
        failures: Vec<(Violation, Vec<usize>)>,
    ) {
        for (violation, choices) in failures {
            if searched.refuted.iter().all(|(property, _, _)| *property != violation.property) {
                let schedule = self.schedule(
                    variant,
                    violation.property,
                    Steps::Explore { is_lean: self.is_lean(), choices },
                );
                searched.refuted.push((violation.property, schedule, violation.what));
            }
        }
    }

    /// Searches every variant in every way. Ways that are meant to be exhaustive must all be complete for a proof.
    fn search_each<W: Copy>(
        &self,
        ways: impl IntoIterator<Item = W>,
        variants: &[Variant],
        search: impl Fn(W, &Variant) -> (Outcome, bool),
    ) -> Searched {
        let mut all = true;
        for way in ways {
            for variant in variants {
                match search(way, variant) {
                    (Outcome::Failed { violation, steps }, _) => {
                        let schedule = self.schedule(variant, violation.property, steps);
                        let refuted = vec![(violation.property, schedule, violation.what)];
                        return Searched { all: false, refuted };
                    }
                    (Outcome::Incomplete, true) => all = false,
                    (Outcome::Complete | Outcome::Incomplete, _) => {}
                }
            }
        }
        Searched { all, refuted: Vec::new() }
    }

    fn schedule(&self, variant: &Variant, property: Property, steps: Steps) -> Schedule {
        Schedule {
            protocol: self.protocol,
            property,
            case: self.case,
            size: self.size,
            variant: variant.name.clone(),
            steps,
        }
    }
}

/// What a search of all variants came to.
struct Searched {
    /// Whether all of it was searched.
    all: bool,
    /// What broke.
    refuted: Vec<(Property, Schedule, String)>,
}

impl Engines {
    /// The engines, one by one.
    pub fn all(self) -> &'static [Engine] {
        match self {
            Self::Every => &[Engine::Loom, Engine::Shuttle, Engine::Explore],
            Self::LoomAlone => &[Engine::Loom],
            Self::Interleavings => &[Engine::Shuttle, Engine::Explore],
            Self::ExplorerAlone => &[Engine::Explore],
        }
    }
}
