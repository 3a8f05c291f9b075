//! The table of proofs and the tables of searches.

use std::collections::BTreeSet;

use forcekill_html_report::{Cell as HtmlCell, Proofs, PropertyRow, Search, Verdict as HtmlVerdict};

use super::{Gallery, Run};
use crate::designs::Design;
use crate::property::Property;
use crate::protocol::Protocol;
use crate::prove::{Cell, Counterexample, Report, Sum, Verdict};
use crate::report::proofs::{bound_name, engine_name};

const LEGEND: &str = "Proved: by so many searches, each in full; a bound is of those races that were searched up to so many \
    preemptions only. Held: some were not in full, and nothing failed. Refuted: an execution failed; the shortest that was \
    found is drawn. Every cell leads to its drawing, or to its searches. forcekill is searched in more sizes than the \
    others: its bounds are those of larger searches.";

pub(super) fn proofs(report: &Report, run: &Run, gallery: &mut Gallery) -> Result<Proofs, String> {
    let rows: Result<Vec<_>, String> =
        run.properties.iter().map(|&property| row(report, run, property, gallery)).collect();
    let designs = run.designs.iter().map(|design| design.name().to_string()).collect();
    Ok(Proofs { designs, rows: rows?, legend: LEGEND.to_string() })
}

fn row(report: &Report, run: &Run, property: Property, gallery: &mut Gallery) -> Result<PropertyRow, String> {
    let cells: Result<Vec<_>, String> = run
        .designs
        .iter()
        .map(|&design| sum(report.sum(design, property), design, property, gallery))
        .collect();
    Ok(PropertyRow {
        property: property.to_string(),
        statement: property.statement().to_string(),
        cells: cells?,
        searches: searches(report, run, property, gallery),
    })
}

fn sum(sum: Sum<'_>, design: Design, property: Property, gallery: &mut Gallery) -> Result<HtmlCell, String> {
    let (verdict, text, diagram) = match sum {
        Sum::Empty => (HtmlVerdict::Empty, "no search".to_string(), None),
        Sum::Proved { searches, bound } => {
            (HtmlVerdict::Proved, format!("proved, {searches}, {}", bound_name(bound)), None)
        }
        Sum::Held { held, searches } => (HtmlVerdict::Held, format!("held in {held} of {searches}"), None),
        Sum::Refuted(Counterexample { cell, schedule, .. }) => {
            let race = format!("{}, {}", cell.case.model(), cell.case.size_name(cell.size));
            let title = format!("{design} breaks {property} in {race}");
            let id = gallery.id_of(schedule, &format!("{design}-{property}"), title)?;
            (HtmlVerdict::Refuted, format!("refuted in {race}"), Some(id))
        }
    };
    Ok(HtmlCell { verdict, text, diagram })
}

/// Race, size and engine by design: what each search found. Those whose execution is drawn lead to it.
fn searches(report: &Report, run: &Run, property: Property, gallery: &Gallery) -> Vec<Search> {
    let cells: Vec<_> = report.cells.iter().filter(|cell| cell.property == property).collect();
    let search_of = |cell: &Cell| (cell.case.model(), cell.size, cell.engine, cell.cross_check);
    let rows: BTreeSet<_> = cells.iter().map(|cell| search_of(cell)).collect();
    let search = |row| {
        let cells: Vec<_> = cells.iter().filter(|cell| search_of(cell) == row).collect();
        let of_design = |&design: &Design| {
            let is_of = |cell: &&&&Cell| matches!(cell.protocol, Protocol::Design(of) if of == design);
            cells.iter().find(is_of).map_or_else(empty, |cell| verdict(cell, gallery))
        };
        let (model, size, engine, cross_check) = row;
        Search {
            model: model.to_string(),
            size: cells.first().map_or(String::new(), |cell| cell.case.size_name(size)),
            engine: engine_name(engine, cross_check),
            cells: run.designs.iter().map(of_design).collect(),
        }
    };
    rows.into_iter().map(search).collect()
}

fn empty() -> HtmlCell {
    HtmlCell { verdict: HtmlVerdict::Empty, text: "–".to_string(), diagram: None }
}

fn verdict(cell: &Cell, gallery: &Gallery) -> HtmlCell {
    let executions = super::thousands(cell.executions);
    let bound = bound_name(cell.preemption_bound);
    let (verdict, text) = match cell.verdict {
        Verdict::Proved => (HtmlVerdict::Proved, format!("proved, {bound}, {executions} executions")),
        Verdict::Held => (HtmlVerdict::Held, format!("held, {bound}, {executions} executions")),
        Verdict::Refuted => (HtmlVerdict::Refuted, format!("refuted, execution {executions}")),
    };
    let schedule = cell.refutation.as_ref().map(|(schedule, _)| schedule.to_string());
    let diagram = schedule.and_then(|schedule| gallery.known.get(&schedule).cloned());
    HtmlCell { verdict, text, diagram }
}
