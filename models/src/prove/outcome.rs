//! What the searches come to: cells, defects, moments, and whether all is as claimed.

use std::collections::{BTreeMap, BTreeSet};

use super::sum::Sum;
use super::task::{Engine, TaskResult};
use forcekill::state::TRANSITIONS;

use crate::designs::Design;
use crate::property::Property;
use crate::protocol::Protocol;
use crate::schedule::Schedule;
use crate::subject::AnyCase;

/// What a search says about a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Searched in full, within the bound.
    Proved,
    /// Not searched in full; no execution failed.
    Held,
    /// An execution failed.
    Refuted,
}

impl Verdict {
    /// The verdict's name in the contract.
    pub fn name(self) -> &'static str {
        match self {
            Self::Proved => "proved",
            Self::Held => "held",
            Self::Refuted => "refuted",
        }
    }
}

/// One search and its verdict.
#[derive(Clone, Debug)]
pub struct Cell {
    /// Whose steps.
    pub protocol: Protocol,
    /// What was watched.
    pub property: Property,
    /// The race.
    pub case: AnyCase,
    /// How many killers or PHP threads.
    pub size: usize,
    /// The engine.
    pub engine: Engine,
    /// Whether this is the explorer's cross-check.
    pub cross_check: bool,
    /// What it says.
    pub verdict: Verdict,
    /// The most preemptions of an execution; `None` for any number.
    pub preemption_bound: Option<usize>,
    /// How many executions were played.
    pub executions: u64,
    /// How long that took.
    pub seconds: f64,
    /// The failing execution, and what broke.
    pub refutation: Option<(Schedule, String)>,
}

/// A defect, and the searches that were to catch it.
#[derive(Clone, Debug)]
pub struct Catch {
    /// The defect's name.
    pub defect: &'static str,
    /// The searches; each must have refuted it.
    pub cells: Vec<Cell>,
}

/// All results of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// The designs' cells.
    pub cells: Vec<Cell>,
    /// The defects.
    pub defects: Vec<Catch>,
    /// The moments of the races that `forcekill` played, by race and engine, each with its hits. The races of the slot count
    /// with one killer, those of lifecycles in all sizes.
    pub reached: BTreeMap<(&'static str, &'static str, &'static str), u64>,
    /// How often each row of the table of states was taken by `forcekill`; empty if no race of lifecycles was searched.
    pub taken: Vec<u64>,
    /// The races of lifecycles that `forcekill` played.
    pub(crate) lifecycles: BTreeSet<&'static str>,
    /// How many searches were made. One can have a cell for each of several properties.
    pub searches: usize,
    /// How many executions they played in all.
    pub executions: u64,
}

impl Report {
    pub(super) fn of(results: impl Iterator<Item = TaskResult>) -> Self {
        let mut report = Self::default();
        for TaskResult { task, cells, moments, taken } in results {
            report.searches += 1;
            report.executions += cells.first().map_or(0, |cell| cell.executions);
            match task.protocol {
                Protocol::Design(design) => {
                    let counts = task.size == 1 || matches!(task.case, AnyCase::Lifecycle(_));
                    if design == Design::Forcekill && counts && !task.cross_check {
                        report.count(task.case, &moments, task.engine);
                        report.take(task.case, &taken);
                    }
                    report.cells.extend(cells);
                }
                Protocol::Defect(defect) => report.catch_of(defect.name).cells.extend(cells),
            }
        }
        report
    }

    /// Every declared moment is listed, with 0 hits if it had none.
    fn count(&mut self, case: AnyCase, hits: &[(&'static str, u64)], engine: Engine) {
        for &moment in case.moments() {
            let hit = hits.iter().find(|(name, _)| *name == moment).map_or(0, |(_, hits)| *hits);
            *self.reached.entry((case.model(), moment, engine.name())).or_default() += hit;
        }
    }

    fn take(&mut self, case: AnyCase, taken: &[u64]) {
        if matches!(case, AnyCase::Lifecycle(_)) {
            self.lifecycles.insert(case.model());
            self.taken.resize(TRANSITIONS.len(), 0);
        }
        for (sum, hits) in self.taken.iter_mut().zip(taken) {
            *sum += hits;
        }
    }

    /// What the searches of a property by a design come to.
    pub fn sum(&self, design: Design, property: Property) -> Sum<'_> {
        let is_of = |cell: &&Cell| {
            matches!(cell.protocol, Protocol::Design(of) if of == design) && cell.property == property
        };
        Sum::of(&self.cells.iter().filter(is_of).collect::<Vec<_>>())
    }

    /// The properties that no search of `forcekill` settles, a line each. Where all was searched that is a shortcoming.
    pub fn gaps(&self) -> Vec<String> {
        let is_empty = |property: &Property| matches!(self.sum(Design::Forcekill, *property), Sum::Empty);
        let empty = Property::ALL.iter().copied().filter(is_empty);
        empty.map(|property| format!("no search of {} settles {property}", Design::Forcekill)).collect()
    }

    /// Whether every race of lifecycles was among the searches: together they take every transition.
    pub fn covers_table(&self) -> bool {
        let ours = Protocol::Design(Design::Forcekill).cases().into_iter();
        let mut lifecycles = ours.filter(|case| matches!(case, AnyCase::Lifecycle(_)));
        lifecycles.all(|case| self.lifecycles.contains(case.model()))
    }

    /// The declared transitions that no search of `forcekill` took, as text. None are missed where only some models were
    /// searched.
    pub fn missing_transitions(&self) -> Vec<String> {
        let missing = TRANSITIONS.iter().zip(&self.taken);
        let missing = missing.filter(|(_, hits)| **hits == 0 && self.covers_table());
        missing.map(|(row, _)| format!("{} -> {} ({:?})", row.from, row.to, row.event)).collect()
    }

    fn catch_of(&mut self, defect: &'static str) -> &mut Catch {
        let number = self.defects.iter().position(|catch| catch.defect == defect);
        let number = number.unwrap_or_else(|| {
            self.defects.push(Catch { defect, cells: Vec::new() });
            self.defects.len() - 1
        });
        &mut self.defects[number]
    }

    /// What is not as claimed, a line each: a property of ours that was refuted, a defect that a search let pass, a moment
    /// that no execution reached.
    pub fn shortcomings(&self) -> Vec<String> {
        let ours =
            self.cells.iter().filter(|cell| cell.protocol.is_ours() && cell.verdict == Verdict::Refuted);
        let refuted = ours.filter_map(|cell| {
            let (schedule, what) = cell.refutation.as_ref()?;
            Some(format!(
                "{} was refuted: {what}; to see it again: forcekill replay {schedule}",
                cell.property
            ))
        });
        let passed = self.defects.iter().flat_map(|catch| &catch.cells);
        let passed = passed.filter(|cell| cell.verdict != Verdict::Refuted).map(|cell| {
            let engine = cell.engine.name();
            format!(
                "the defect {} passed {} under {engine}: its claim proves nothing",
                cell.protocol,
                cell.case.model()
            )
        });
        let missed = self.reached.iter().filter(|(_, hits)| **hits == 0);
        let missed = missed
            .map(|((model, moment, engine), _)| format!("never reached in {model} under {engine}: {moment}"));
        let missing = self.missing_transitions().into_iter();
        let missing = missing.map(|row| format!("no search took the transition {row}"));
        refuted.chain(passed).chain(missed).chain(missing).collect()
    }
}
