//! The tables of `prove`.

use std::collections::BTreeSet;

use comfy_table::{Table, presets};

use crate::designs::Design;
use crate::property::Property;
use crate::prove::{Cell, Counterexample, Engine, Report, Sum, Verdict};

/// Property by design: what the searches together say. Legible in 100 columns.
pub fn summary(report: &Report, designs: &[Design], properties: &[Property]) -> String {
    let mut table = new_table(std::iter::once("property").chain(designs.iter().map(|design| design.name())));
    for &property in properties {
        let sums = designs.iter().map(|&design| sum(report.sum(design, property)));
        table.add_row(std::iter::once(property.to_string()).chain(sums));
    }
    table.to_string()
}

/// What the words of [`summary`] mean.
pub const LEGEND: &str = "\
proved 9, ∞: by 9 searches in full; ≤2: of some race only what takes no more than 2 preemptions.
held 1 of 9: that one was not in full, and nothing failed. –: no search.
REFUTED: an execution failed; the one with the fewest steps that was found is of this race and size.
Ours is searched in more sizes than the others: its bounds are those of larger searches.";

/// The most characters of a line in a cell of [`summary`], so that five columns take no more than 100.
const CELL_WIDTH: usize = 16;

/// One cell.
fn sum(sum: Sum<'_>) -> String {
    match sum {
        Sum::Empty => "–".to_string(),
        Sum::Proved { searches, bound: None } => format!("proved {searches}, ∞"),
        Sum::Proved { searches, bound: Some(bound) } => format!("proved {searches}, ≤{bound}"),
        Sum::Held { held, searches } => format!("held {held} of {searches}"),
        Sum::Refuted(Counterexample { cell, .. }) => {
            let size = cell.case.size_name(cell.size);
            format!("REFUTED {size}\n{}", broken_at_hyphens(cell.case.model()))
        }
    }
}

/// A model's name in as many lines as it takes.
fn broken_at_hyphens(name: &str) -> String {
    let mut lines = vec![String::new()];
    for part in name.split_inclusive('-') {
        match lines.last_mut() {
            Some(line) if line.is_empty() || line.len() + part.len() <= CELL_WIDTH => line.push_str(part),
            _ => lines.push(part.to_string()),
        }
    }
    lines.join("\n")
}

/// How to see each refuted property of the other designs again, a command a line.
pub fn refutations(report: &Report, designs: &[Design], properties: &[Property]) -> String {
    let others = designs.iter().filter(|design| **design != Design::Forcekill);
    let cells = others.flat_map(|&design| properties.iter().map(move |&property| (design, property)));
    let commands = cells.filter_map(|(design, property)| match report.sum(design, property) {
        Sum::Refuted(Counterexample { schedule, .. }) => Some(format!("forcekill replay {schedule}\n")),
        _ => None,
    });
    commands.collect()
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
    use super::*;
    use crate::protocol::Protocol;

    #[test]
    fn numbers_are_grouped_from_the_right() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    fn cell(design: Design, property: Property, model: &str) -> Cell {
        let protocol = Protocol::Design(design);
        Cell {
            protocol,
            property,
            case: protocol.case(model).expect("a race of the design's"),
            size: 1,
            engine: Engine::Explore,
            cross_check: false,
            verdict: Verdict::Proved,
            preemption_bound: None,
            executions: 1,
            seconds: 0.0,
            refutation: None,
        }
    }

    fn refuted(cell: Cell) -> Cell {
        let Cell { protocol, property, case, .. } = cell;
        let (model, variant) = (case.model(), &case.variants(1)[0].name);
        let word = format!("fk1:explore:{protocol}:{property}:{model}:1:{variant}:run=0*3");
        let refutation = Some((word.parse().expect("a schedule"), "it broke".to_string()));
        Cell { verdict: Verdict::Refuted, refutation, ..cell }
    }

    /// A proof without a bound, one with, one that is not in full, and a refutation.
    fn report() -> Report {
        let bounded = cell(Design::Forcekill, Property::FlagsInOrder, "flag-order");
        let held = cell(Design::Merged2365, Property::NoLostKill, "lost-wake-up");
        let bounded = Cell { engine: Engine::Loom, preemption_bound: Some(2), ..bounded };
        let mut cells = vec![bounded; 24];
        cells.extend([
            cell(Design::Forcekill, Property::NoLostKill, "lost-wake-up"),
            cell(Design::Forcekill, Property::NoLostKill, "slow-machine"),
            Cell { verdict: Verdict::Held, ..held },
            refuted(cell(Design::Pr2365, Property::NoLostKill, "lost-wake-up")),
            refuted(cell(Design::Merged2365, Property::TeardownAlone, "lingering-against-teardown")),
            refuted(cell(Design::Attempt2573, Property::TeardownAlone, "lingering-against-teardown")),
        ]);
        Report { cells, ..Report::default() }
    }

    #[test]
    fn every_property_is_a_row_and_every_design_a_column() {
        let table = summary(&report(), &Design::ALL, Property::ALL);
        let mut rows: Vec<Vec<String>> = Vec::new();
        for line in table.lines().filter(|line| line.starts_with('│')) {
            assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
            // The columns stand under their heads.
            let chars: Vec<_> = line.chars().collect();
            let head: Vec<_> = table.lines().nth(1).unwrap().chars().collect();
            let starts: Vec<_> =
                (1..head.len()).filter(|&at| head[at] != ' ' && head[at - 1] == ' ').take(5).collect();
            let ends = starts[1..].iter().copied().chain([chars.len() - 1]);
            let text = |(start, end): (usize, usize)| chars[start..end].iter().collect::<String>();
            rows.push(starts.iter().copied().zip(ends).map(|range| text(range).trim().to_string()).collect());
        }
        assert_eq!(rows[0], ["property", "forcekill", "pr-2365", "merged-2365", "attempt-2573"]);
        let found = |property: Property| {
            let row = rows.iter().position(|row| row[0] == property.id());
            row.unwrap_or_else(|| panic!("no row {property}:\n{table}"))
        };
        let starts: Vec<_> = Property::ALL.iter().map(|property| found(*property)).collect();
        assert!(starts.is_sorted(), "in the order of the properties:\n{table}");
        assert_eq!(rows[found(Property::LatchHolds)][1..], ["–", "–", "–", "–"]);
        assert_eq!(rows[found(Property::FlagsInOrder)][1..], ["proved 24, ≤2", "–", "–", "–"]);
        let lost = found(Property::NoLostKill);
        assert_eq!(rows[lost][1..], ["proved 2, ∞", "REFUTED 1 killer", "held 1 of 1", "–"]);
        assert_eq!(rows[lost + 1], ["", "", "lost-wake-up", "", ""]);
        let torn = found(Property::TeardownAlone);
        let column = rows[torn..torn + 3].iter().map(|row| row[4].as_str()).collect::<Vec<_>>();
        assert_eq!(column, ["REFUTED 1 thread", "lingering-", "against-teardown"]);
    }

    #[test]
    fn every_refutation_of_another_design_is_a_command() {
        let commands = refutations(&report(), &Design::ALL, Property::ALL);
        let starts: Vec<_> = commands.lines().map(|line| line.split(":1:").next().unwrap()).collect();
        let expected = [
            "forcekill replay fk1:explore:pr-2365:no-lost-kill:lost-wake-up",
            "forcekill replay fk1:explore:merged-2365:teardown-alone:lingering-against-teardown",
            "forcekill replay fk1:explore:attempt-2573:teardown-alone:lingering-against-teardown",
        ];
        assert_eq!(starts, expected);
    }

    #[test]
    fn what_no_search_of_ours_settles_is_named() {
        let gaps = report().gaps();
        assert_eq!(gaps.len(), Property::ALL.len() - 2);
        assert!(gaps.contains(&"no search of forcekill settles latch-holds".to_string()), "{gaps:?}");
        assert!(!gaps.iter().any(|gap| gap.ends_with("no-lost-kill") || gap.ends_with("flags-in-order")));
    }
}
