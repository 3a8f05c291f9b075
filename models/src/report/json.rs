//! The contract's JSON of `prove --json`.

use serde::Serialize;

use crate::prove::{Cell, Report};

/// The whole document.
#[derive(Debug, Serialize)]
pub struct Document {
    cells: Vec<JsonCell>,
    defects: Vec<JsonDefect>,
    transitions: Transitions,
    reached: Vec<Reached>,
}

#[derive(Debug, Serialize)]
struct JsonCell {
    design: String,
    property: &'static str,
    model: String,
    php_threads: usize,
    engine: &'static str,
    verdict: &'static str,
    complete: bool,
    preemption_bound: Option<usize>,
    executions: u64,
    seconds: f64,
    schedule: Option<String>,
}

#[derive(Debug, Serialize)]
struct JsonDefect {
    name: &'static str,
    caught_by: Vec<CaughtBy>,
}

#[derive(Debug, Serialize)]
struct CaughtBy {
    property: &'static str,
    model: String,
    engine: &'static str,
    executions: u64,
}

/// The table of states: its rows, and which of them the searches of `forcekill` took.
#[derive(Debug, Serialize)]
struct Transitions {
    declared: usize,
    taken: usize,
    missing: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Reached {
    name: String,
    hits: u64,
}

impl Document {
    /// The report in the contract's form.
    pub fn of(report: &Report) -> Self {
        let caught = |cell: &Cell| {
            (cell.verdict == crate::prove::Verdict::Refuted).then(|| CaughtBy {
                property: cell.property.id(),
                model: model(cell),
                engine: cell.engine.name(),
                executions: cell.executions,
            })
        };
        let defect = |catch: &crate::prove::Catch| JsonDefect {
            name: catch.defect,
            caught_by: catch.cells.iter().filter_map(caught).collect(),
        };
        let reached = |((model, moment, engine), hits): (&(&str, &str, &str), &u64)| Reached {
            name: match moment.starts_with(model) {
                true => format!("{moment} ({engine})"),
                false => format!("{model}: {moment} ({engine})"),
            },
            hits: *hits,
        };
        let missing = report.missing_transitions();
        let declared = report.taken.len();
        let transitions = Transitions { declared, taken: declared - missing.len(), missing };
        Self {
            cells: report.cells.iter().map(JsonCell::of).collect(),
            defects: report.defects.iter().map(defect).collect(),
            transitions,
            reached: report.reached.iter().map(reached).collect(),
        }
    }
}

impl JsonCell {
    fn of(cell: &Cell) -> Self {
        Self {
            design: cell.protocol.to_string(),
            property: cell.property.id(),
            model: model(cell),
            php_threads: cell.case.php_threads(cell.size),
            engine: cell.engine.name(),
            verdict: cell.verdict.name(),
            complete: cell.verdict == crate::prove::Verdict::Proved,
            preemption_bound: cell.preemption_bound,
            executions: cell.executions,
            seconds: cell.seconds,
            schedule: cell.refutation.as_ref().map(|(schedule, _)| schedule.to_string()),
        }
    }
}

/// The model and its size: a race with two killers is another model than with one. What the cross-check searched is said too:
/// it is another search of the same.
fn model(cell: &Cell) -> String {
    let size = cell.case.size_name(cell.size).replace(' ', "-");
    format!("{}/{size}{}", cell.case.model(), if cell.cross_check { "/source-sets" } else { "" })
}
