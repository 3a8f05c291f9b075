//! The tables of `prove`.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};

use crate::designs::Design;
use crate::property::Property;
use crate::prove::{Cell, Engine, Report, Verdict};

/// Property by design: what the cells together say.
pub fn summary(report: &Report) -> String {
    let designs: BTreeSet<_> = report.cells.iter().map(|cell| cell.protocol.to_string()).collect();
    // Ours first.
    let mut designs: Vec<_> = designs.into_iter().collect();
    designs.sort_by_key(|design| design != Design::Forcekill.name());
    let mut table = new_table(std::iter::once("property").chain(designs.iter().map(String::as_str)));
    for &property in Property::ALL {
        let of_property: Vec<_> = report.cells.iter().filter(|cell| cell.property == property).collect();
        if of_property.is_empty() {
            continue;
        }
        let of_design = |design: &String| {
            let cells: Vec<_> =
                of_property.iter().copied().filter(|cell| cell.protocol.to_string() == *design).collect();
            sum(&cells)
        };
        table.add_row(std::iter::once(property.to_string()).chain(designs.iter().map(of_design)));
    }
    table.to_string()
}

/// One line for the cells of a property and a design. The weakest one counts, so none is named that is not there.
fn sum(cells: &[&Cell]) -> String {
    let of = |verdict| cells.iter().filter(|cell| cell.verdict == verdict).count();
    match (of(Verdict::Refuted), of(Verdict::Held)) {
        _ if cells.is_empty() => "–".to_string(),
        (0, 0) => format!("proved in {} of {}", cells.len(), cells.len()),
        (0, held) => format!("proved in {} of {}, held in {held}", cells.len() - held, cells.len()),
        (refuted, _) => format!("REFUTED in {refuted} of {}", cells.len()),
    }
}

/// Every search: property, model and engine, and for each size the verdict, its bound and the executions.
pub fn details(report: &Report) -> String {
    let header = ["design", "property", "model", "engine", "size 1", "size 2", "size 3"];
    let mut table = new_table(header.into_iter());
    let row_of = |cell: &Cell| {
        (cell.protocol.to_string(), cell.property, cell.case.model(), cell.engine, cell.cross_check)
    };
    let mut rows: Vec<(String, Property, &str, Engine, bool)> = Vec::new();
    for cell in &report.cells {
        let row = row_of(cell);
        if !rows.contains(&row) {
            rows.push(row);
        }
    }
    rows.sort_by_key(|row| (row.0 != Design::Forcekill.name(), row.1, row.2, row.3, row.4, row.0.clone()));
    for row in rows {
        let size = |size: usize| {
            let mut cells = report.cells.iter().filter(|cell| row_of(cell) == row && cell.size == size);
            cells.next().map_or("–".to_string(), verdict)
        };
        let sizes = (1..=3).map(size);
        let (design, property, model, engine, cross_check) = &row;
        let engine = format!("{}{}", engine.name(), if *cross_check { " (source sets)" } else { "" });
        let names = [design.clone(), property.to_string(), (*model).to_string(), engine];
        table.add_row(names.into_iter().chain(sizes));
    }
    table.to_string()
}

fn verdict(cell: &Cell) -> String {
    let bound = match (cell.verdict, cell.preemption_bound) {
        (Verdict::Refuted, _) => String::new(),
        (_, None) => " ∞".to_string(),
        (_, Some(bound)) => format!(" ≤{bound}"),
    };
    format!("{}{bound}, {}", cell.verdict.name(), thousands(cell.executions))
}

/// The defects, and who caught each.
pub fn defects(report: &Report) -> String {
    let mut table = new_table(["defect", "model", "property", "caught by (execution)"].into_iter());
    for catch in &report.defects {
        let models: BTreeSet<_> = catch.cells.iter().map(|cell| (cell.case.model(), cell.property)).collect();
        for (model, property) in models {
            let cells =
                catch.cells.iter().filter(|cell| (cell.case.model(), cell.property) == (model, property));
            let engines = cells.map(|cell| match cell.verdict {
                Verdict::Refuted => format!("{} ({})", cell.engine.name(), thousands(cell.executions)),
                _ => format!("NOT by {}", cell.engine.name()),
            });
            let engines = engines.collect::<Vec<_>>().join(", ");
            table.add_row([catch.defect.to_string(), model.to_string(), property.to_string(), engines]);
        }
    }
    table.to_string()
}

/// A table that is as wide as its content, so that it does not depend on the terminal.
fn new_table<'a>(header: impl Iterator<Item = &'a str>) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(header);
    table
}

/// A number with commas.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}

#[cfg(test)]
mod tests {
    use super::thousands;

    #[test]
    fn numbers_are_grouped_from_the_right() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }
}
