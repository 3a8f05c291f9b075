//! What the searches come to: cells, defects, moments, and whether all is as claimed.

use std::collections::BTreeMap;

use super::task::{Engine, TaskResult};
use crate::designs::Design;
use crate::property::Property;
use crate::protocol::Protocol;
use crate::schedule::Schedule;

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
    pub model: &'static str,
    /// How many killers.
    pub killers: usize,
    /// The engine.
    pub engine: Engine,
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
    /// The moments of the races that `forcekill` played with one killer, by engine, each with its hits.
    pub reached: BTreeMap<(&'static str, &'static str), u64>,
}

impl Report {
    pub(super) fn of(results: impl Iterator<Item = TaskResult>) -> Self {
        let mut report = Self::default();
        for TaskResult { task, cell, moments } in results {
            match task.protocol {
                Protocol::Design(design) => {
                    if design == Design::Forcekill && task.killers == 1 {
                        report.count(task.case.moments, &moments, task.engine);
                    }
                    report.cells.push(cell);
                }
                Protocol::Defect(defect) => report.catch_of(defect.name).cells.push(cell),
            }
        }
        report
    }

    /// Every declared moment is listed, with 0 hits if it had none.
    fn count(&mut self, declared: &[&'static str], hits: &[(&'static str, u64)], engine: Engine) {
        for &moment in declared {
            let hit = hits.iter().find(|(name, _)| *name == moment).map_or(0, |(_, hits)| *hits);
            *self.reached.entry((moment, engine.name())).or_default() += hit;
        }
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
                cell.protocol, cell.model
            )
        });
        let missed = self.reached.iter().filter(|(_, hits)| **hits == 0);
        let missed = missed.map(|((moment, engine), _)| format!("never reached under {engine}: {moment}"));
        refuted.chain(passed).chain(missed).collect()
    }
}
