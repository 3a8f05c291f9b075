//! The pages of `prove --html` and `simulate --html`: what was found, as the plain data that [`forcekill_html_report`] makes a
//! document from.

pub mod drawing;
mod proofs;
pub mod simulation;

use std::collections::BTreeMap;

use forcekill::state::TRANSITIONS;
use forcekill_html_report::{Coverage, Defect, Diagram, Fact, Moment, Page, Taken};

use super::table::thousands;
use crate::designs::Design;
use crate::property::Property;
use crate::prove::{Catch, Cell, Report, Verdict};
use crate::schedule::Schedule;

/// What was asked, and what is not as claimed.
#[derive(Clone, Debug, Default)]
pub struct Run {
    /// The command.
    pub command: String,
    /// The designs that were searched.
    pub designs: Vec<Design>,
    /// The properties that were watched.
    pub properties: Vec<Property>,
    /// How long it took.
    pub seconds: f64,
    /// What is not as claimed, a line each.
    pub shortcomings: Vec<String>,
}

/// The page. Plays each counterexample that it shows again.
///
/// # Errors
/// If one of them does not fail again.
pub fn page(report: &Report, run: &Run) -> Result<String, String> {
    let mut gallery = Gallery::default();
    let proofs = proofs::proofs(report, run, &mut gallery)?;
    let counterexamples = std::mem::take(&mut gallery.diagrams);
    let defects = defects(report, &mut gallery)?;
    let page = Page {
        title: "forcekill: what is proved".to_string(),
        command: run.command.clone(),
        shortcomings: run.shortcomings.clone(),
        facts: facts(report, run),
        proofs: Some(proofs),
        counterexamples,
        coverage: coverage(report),
        defects,
        defect_diagrams: gallery.diagrams,
        reached: reached(report),
    };
    Ok(forcekill_html_report::render(&page))
}

/// The diagrams of a page, each once, by the schedule that it shows.
#[derive(Default)]
struct Gallery {
    known: BTreeMap<String, String>,
    diagrams: Vec<Diagram>,
}

impl Gallery {
    /// The id of the diagram that shows a schedule; drawn if it is not there yet.
    fn id_of(&mut self, schedule: &Schedule, id: &str, title: String) -> Result<String, String> {
        let key = schedule.to_string();
        if let Some(known) = self.known.get(&key) {
            return Ok(known.clone());
        }
        let again = schedule.replay()?;
        let violation = again.violation.ok_or_else(|| format!("{schedule} did not fail again"))?;
        let mut diagram = drawing::diagram(&again.steps);
        (diagram.id, diagram.title) = (id.to_string(), title);
        (diagram.property, diagram.what) = (violation.property.to_string(), violation.what);
        diagram.again = format!("forcekill replay {key}");
        self.diagrams.push(diagram);
        self.known.insert(key, id.to_string());
        Ok(id.to_string())
    }
}

fn facts(report: &Report, run: &Run) -> Vec<Fact> {
    let hit = report.reached.values().filter(|hits| **hits > 0).count();
    let caught = report.defects.iter().filter(|catch| is_caught(catch)).count();
    let mut facts = vec![
        ("searches", thousands(report.searches as u64)),
        ("executions", thousands(report.executions)),
        ("seconds", format!("{:.0}", run.seconds)),
        ("moments reached", format!("{hit} of {}", report.reached.len())),
        ("defects caught", format!("{caught} of {}", report.defects.len())),
    ];
    if report.covers_table() {
        let taken = report.taken.iter().filter(|hits| **hits > 0).count();
        facts.push(("transitions taken", format!("{taken} of {}", report.taken.len())));
    }
    facts.into_iter().map(|(name, value)| Fact { name: name.to_string(), value }).collect()
}

fn is_caught(catch: &Catch) -> bool {
    catch.cells.iter().all(|cell| cell.verdict == Verdict::Refuted)
}

fn coverage(report: &Report) -> Option<Coverage> {
    let rows = TRANSITIONS.iter().zip(&report.taken).map(|(row, &hits)| Taken { row, hits });
    let rows: Vec<_> = rows.collect();
    let note = if report.covers_table() {
        ""
    } else {
        " (not every race of lifecycles was searched, which together take them all)"
    };
    (!rows.is_empty()).then(|| Coverage { rows, note: note.to_string(), is_claimed: report.covers_table() })
}

/// A row for each defect, race and property, with the diagram of the shortest execution that refutes it there.
fn defects(report: &Report, gallery: &mut Gallery) -> Result<Vec<Defect>, String> {
    let mut rows = Vec::new();
    for catch in &report.defects {
        let search_of = |cell: &Cell| (cell.case.model(), cell.size, cell.property);
        let mut seen = Vec::new();
        for cell in &catch.cells {
            if seen.contains(&search_of(cell)) {
                continue;
            }
            seen.push(search_of(cell));
            let cells: Vec<_> =
                catch.cells.iter().filter(|other| search_of(other) == search_of(cell)).collect();
            rows.push(defect(catch.defect, &cells, gallery)?);
        }
    }
    Ok(rows)
}

/// What the searches of one race and size for one property say of a defect.
fn defect(name: &str, cells: &[&Cell], gallery: &mut Gallery) -> Result<Defect, String> {
    let cell = cells[0];
    let (model, size) = (cell.case.model(), cell.case.size_name(cell.size));
    let diagram = match crate::prove::Sum::of(cells) {
        crate::prove::Sum::Refuted(shortest) => {
            let id = format!("defect-{name}-{model}-{}-{}", cell.size, cell.property);
            let title = format!("{name} in {model}, {size}");
            Some(gallery.id_of(shortest.schedule, &id, title)?)
        }
        _ => None,
    };
    let (caught, missed): (Vec<_>, Vec<_>) = cells.iter().partition(|cell| cell.verdict == Verdict::Refuted);
    let engine = |cell: &&Cell| super::proofs::engine_name(cell.engine, cell.cross_check);
    Ok(Defect {
        name: name.to_string(),
        property: cell.property.to_string(),
        model: model.to_string(),
        size,
        caught_by: caught
            .iter()
            .map(|cell| format!("{} ({})", engine(cell), thousands(cell.executions)))
            .collect(),
        missed_by: missed.iter().map(engine).collect(),
        diagram,
    })
}

/// The moments by race, and each with its engines.
fn reached(report: &Report) -> Vec<Moment> {
    let mut moments: Vec<Moment> = Vec::new();
    for ((model, name, engine), &hits) in &report.reached {
        let hit = (engine.to_string(), hits);
        match moments.last_mut().filter(|last| (last.model.as_str(), last.name.as_str()) == (*model, *name)) {
            Some(last) => last.hits.push(hit),
            None => {
                let (model, name) = (model.to_string(), name.to_string());
                moments.push(Moment { model, name, hits: vec![hit] });
            }
        }
    }
    moments
}
