//! The generated parts of docs/PROOFS.md: what was proved, within which bounds, and what refutes the other designs. What
//! differs from run to run has no place there, so that the page can be compared with what a run found.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::designs::Design;
use crate::diagram::page::replace;
use crate::property::Property;
use crate::protocol::Protocol;
use crate::prove::{Catch, Cell, Counterexample, Engine, Report, Sum, Verdict};

/// The command that rewrites the generated parts, run at the root of the repository.
pub const COMMAND: &str = "cargo run --release -- prove --page docs/PROOFS.md";

/// The page, with its generated parts as this report has them.
///
/// # Errors
/// A line that says which marker is missing.
pub fn regenerate(page: &str, report: &Report) -> Result<String, String> {
    let parts = [("table", table(report)), ("properties", properties(report)), ("defects", defects(report))];
    parts.into_iter().try_fold(page.to_string(), |page, (name, text)| replace(&page, name, &text))
}

/// The page's place in the workspace.
const PAGE: &str = "docs/PROOFS.md";

/// The workspace that this directory is in, if it is in this one's. Who runs an installed program elsewhere has no page to
/// keep.
pub fn workspace_of(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|above| above.join("models/src/report/proofs.rs").is_file())
}

/// What is wrong with the page of the workspace at `root`, where this report is of a whole run.
pub fn difference(root: &Path, report: &Report) -> Option<String> {
    let written = match fs::read_to_string(root.join(PAGE)) {
        Ok(written) => written.replace("\r\n", "\n"),
        Err(error) => return Some(format!("cannot read {PAGE}: {error}")),
    };
    let generated = match regenerate(&written, report) {
        Ok(generated) if generated == written => return None,
        Ok(generated) => generated,
        Err(why) => return Some(format!("{PAGE} has {why}")),
    };
    let found: BTreeSet<_> = generated.lines().collect();
    let other = written.lines().find(|line| !found.contains(line));
    let other = other.map_or("it lacks lines".to_string(), |line| format!("it says: {line}"));
    Some(format!("{PAGE} is not what was found; write it anew with `{COMMAND}`; {other}"))
}

/// Property by design, as `prove` prints it last.
fn table(report: &Report) -> String {
    let designs = Design::ALL.map(|design| format!(" `{design}` |")).concat();
    let rule = "---|".repeat(2 + Design::ALL.len());
    let row = |&property: &Property| {
        let sums = Design::ALL.map(|design| format!(" {} |", sum(report.sum(design, property)))).concat();
        format!("| [`{property}`](#{property}) | {} |{sums}\n", property.statement())
    };
    let rows: String = Property::ALL.iter().map(row).collect();
    format!("| property | statement |{designs}\n|{rule}\n{rows}")
}

fn sum(sum: Sum<'_>) -> String {
    match sum {
        Sum::Empty => "–".to_string(),
        Sum::Proved { searches, bound } => format!("proved in {searches}, {}", bound_name(bound)),
        Sum::Held { held, searches } => format!("held in {held} of {searches}"),
        Sum::Refuted(Counterexample { cell, .. }) => format!("**refuted** in {}", race(cell)),
    }
}

/// A race and its size.
fn race(cell: &Cell) -> String {
    format!("`{}`, {}", cell.case.model(), cell.case.size_name(cell.size))
}

/// How far a search went.
pub fn bound_name(bound: Option<usize>) -> String {
    match bound {
        None => "no bound".to_string(),
        Some(1) => "≤1 preemption".to_string(),
        Some(bound) => format!("≤{bound} preemptions"),
    }
}

/// The engine, and whether it is the explorer's cross-check.
pub fn engine_name(engine: Engine, cross_check: bool) -> String {
    format!("{}{}", engine.name(), if cross_check { " (source sets)" } else { "" })
}

/// A section for each property: every search of each design, and what refutes those that are refuted.
fn properties(report: &Report) -> String {
    let section = |&property: &Property| {
        let searches = searches(report, property);
        let refutations = Design::ALL.map(|design| match report.sum(design, property) {
            Sum::Refuted(shortest) => refutation(design, &shortest),
            _ => String::new(),
        });
        format!("### {property}\n\n{}\n\n{searches}{}", property.statement(), refutations.concat())
    };
    Property::ALL.iter().map(section).collect::<Vec<_>>().join("\n")
}

/// Race, size and engine by design: what each search found.
fn searches(report: &Report, property: Property) -> String {
    let cells: Vec<_> = report.cells.iter().filter(|cell| cell.property == property).collect();
    if cells.is_empty() {
        return "No search settles it.\n".to_string();
    }
    let search_of = |cell: &Cell| (cell.case.model(), cell.size, cell.engine, cell.cross_check);
    let rows: BTreeSet<_> = cells.iter().map(|cell| search_of(cell)).collect();
    let designs = Design::ALL.map(|design| format!(" `{design}` |")).concat();
    let mut text = format!("| race | size | engine |{designs}\n|{}\n", "---|".repeat(3 + Design::ALL.len()));
    for row in rows {
        let cells: Vec<_> = cells.iter().filter(|cell| search_of(cell) == row).collect();
        let found = Design::ALL.map(|design| {
            let is_of = |cell: &&&&Cell| matches!(cell.protocol, Protocol::Design(of) if of == design);
            let found = cells.iter().find(is_of).map_or("–".to_string(), |cell| verdict(cell));
            format!(" {found} |")
        });
        let (model, size, engine, cross_check) = row;
        let size = cells[0].case.size_name(size);
        let engine = engine_name(engine, cross_check);
        let _ = writeln!(text, "| `{model}` | {size} | {engine} |{}", found.concat());
    }
    text
}

fn verdict(cell: &Cell) -> String {
    match cell.verdict {
        Verdict::Refuted => "refuted".to_string(),
        Verdict::Proved | Verdict::Held => {
            format!("{}, {}", cell.verdict.name(), bound_name(cell.preemption_bound))
        }
    }
}

fn refutation(design: Design, shortest: &Counterexample<'_>) -> String {
    let Counterexample { cell, schedule, what } = shortest;
    format!("\n`{design}` is refuted in {}: {what}.\n\n```sh\nforcekill replay {schedule}\n```\n", race(cell))
}

/// Which steps were broken on purpose, and who saw it.
fn defects(report: &Report) -> String {
    let header = "| defect | property | race | size | refuted by |\n|---|---|---|---|---|\n";
    let rows = report.defects.iter().flat_map(defect_rows);
    format!("{header}{}", rows.collect::<String>())
}

fn defect_rows(catch: &Catch) -> Vec<String> {
    let search_of = |cell: &Cell| (cell.property, cell.case.model(), cell.size);
    let rows: BTreeSet<_> = catch.cells.iter().map(search_of).collect();
    let row = |row: (Property, &str, usize)| {
        let cells: Vec<_> = catch.cells.iter().filter(|cell| search_of(cell) == row).collect();
        let engines = cells.iter().map(|cell| match cell.verdict {
            Verdict::Refuted => cell.engine.name().to_string(),
            Verdict::Proved | Verdict::Held => format!("**not by {}**", cell.engine.name()),
        });
        let engines = engines.collect::<Vec<_>>().join(", ");
        let size = cells[0].case.size_name(row.2);
        format!("| `{}` | `{}` | `{}` | {size} | {engines} |\n", catch.defect, row.0, row.1)
    };
    rows.into_iter().map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(name: &str) -> String {
        format!("before {name}\n<!-- generated: {name} -->\nold\n<!-- end of {name} -->\n")
    }

    /// A folder that looks like the workspace, with this page.
    fn workspace(page: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for folder in ["models/src/report", "docs"] {
            fs::create_dir_all(root.path().join(folder)).expect("a folder in it");
        }
        fs::write(root.path().join("models/src/report/proofs.rs"), "").expect("a file in it");
        if let Some(page) = page {
            fs::write(root.path().join(PAGE), page).expect("a page in it");
        }
        root
    }

    #[test]
    fn the_workspace_alone_has_a_page_to_keep() {
        let root = workspace(None);
        assert_eq!(workspace_of(&root.path().join("models/src")), Some(root.path()));
        assert_eq!(workspace_of(root.path()), Some(root.path()));
        let elsewhere = tempfile::tempdir().expect("a folder");
        assert_eq!(workspace_of(elsewhere.path()), None);
    }

    #[test]
    fn a_page_that_is_not_what_was_found_is_named_with_the_way_out() {
        let report = Report::default();
        let old = ["table", "properties", "defects"].map(page).concat() + "after\n";
        let root = workspace(Some(&old));
        let line = difference(root.path(), &report).expect("it differs");
        assert!(line.contains(COMMAND) && line.ends_with("it says: old"), "{line}");
        let new = regenerate(&old, &report).expect("it has all markers");
        assert!(new.starts_with("before table\n") && new.ends_with("after\n") && !new.contains("old\n"));
        for same in [new.clone(), new.replace('\n', "\r\n")] {
            fs::write(root.path().join(PAGE), same).expect("a new page");
            assert_eq!(difference(root.path(), &report), None);
        }
        let shorter = new.replace("No search settles it.\n", "");
        fs::write(root.path().join(PAGE), shorter).expect("a page with less");
        assert!(difference(root.path(), &report).expect("it differs").ends_with("it lacks lines"));
    }

    #[test]
    fn a_page_that_is_gone_is_no_way_around_the_comparison() {
        let line = difference(workspace(None).path(), &Report::default()).expect("there is none");
        assert!(line.starts_with("cannot read docs/PROOFS.md: "), "{line}");
        let line = difference(workspace(Some("# Empty\n")).path(), &Report::default());
        assert_eq!(line.as_deref(), Some("docs/PROOFS.md has no line '<!-- generated: table -->'"));
    }
}
