//! docs/PROOFS.md says what `prove` searches, and what it says is refuted breaks when it is played again. That the searches
//! find what stands there is for `prove` itself to compare: it takes minutes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use forcekill_models::designs::Design;
use forcekill_models::property::Property;
use forcekill_models::protocol::Protocol;
use forcekill_models::prove::{Options, Task, tasks};
use forcekill_models::report::proofs::{COMMAND, bound_name, engine_name};
use forcekill_models::schedule::Schedule;

/// A search as the page names it: the design or defect, the property, the race, its size and the engine.
type Search = [String; 5];

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/PROOFS.md");
    fs::read_to_string(path).expect("the page").replace("\r\n", "\n")
}

/// The text of a generated part.
fn part(name: &str) -> String {
    let page = page();
    let (_, rest) = page.split_once(&format!("<!-- generated: {name} -->\n")).expect("the part's start");
    rest.split_once(&format!("<!-- end of {name} -->")).expect("the part's end").0.to_string()
}

/// The rows of the tables in a text, without their heads.
fn rows(text: &str) -> Vec<Vec<String>> {
    let lines: Vec<_> = text.lines().collect();
    let is_row = |number: &usize| lines[*number].starts_with("| ") && lines[number - 1].starts_with('|');
    let row = |number: usize| {
        let cells = lines[number].trim_matches('|').split('|');
        cells.map(|cell| cell.trim().trim_matches('`').to_string()).collect()
    };
    (1..lines.len()).filter(is_row).map(row).collect()
}

/// Each property's section.
fn sections() -> Vec<(Property, String)> {
    let part = part("properties");
    let sections = part.split("### ").skip(1).map(|section| {
        let (id, text) = section.split_once('\n').expect("a heading");
        (id.parse().expect("a property"), text.to_string())
    });
    sections.collect()
}

/// What the page says of each search of a design.
fn verdicts() -> BTreeMap<Search, String> {
    let mut verdicts = BTreeMap::new();
    for (property, section) in sections() {
        for row in rows(&section) {
            assert_eq!(row.len(), 3 + Design::ALL.len(), "{row:?}");
            for (design, verdict) in Design::ALL.into_iter().zip(&row[3..]).filter(|(_, cell)| *cell != "–")
            {
                let [race, size, engine] = [0, 1, 2].map(|cell: usize| row[cell].clone());
                let search = [design.to_string(), property.to_string(), race, size, engine];
                let before = verdicts.insert(search, verdict.clone());
                assert_eq!(before, None, "twice: {row:?}");
            }
        }
    }
    verdicts
}

/// The searches of a task, one for each property.
fn searches(task: &Task) -> impl Iterator<Item = Search> {
    let engine = engine_name(task.engine, task.cross_check);
    let size = task.case.size_name(task.size);
    let race = task.case.model().to_string();
    let of = task.protocol.to_string();
    task.properties
        .iter()
        .map(move |property| [of.clone(), property.to_string(), race.clone(), size.clone(), engine.clone()])
}

fn difference<T: Ord + Clone>(one: &BTreeSet<T>, other: &BTreeSet<T>) -> Vec<T> {
    one.difference(other).cloned().collect()
}

#[test]
fn every_search_is_on_the_page_with_its_bound_and_no_other_is() {
    let mut made = BTreeMap::new();
    for task in tasks(&Options::default()) {
        if matches!(task.protocol, Protocol::Design(_)) {
            made.extend(searches(&task).map(|search| (search, bound_name(task.bound()))));
        }
    }
    let said = verdicts();
    let (searched, listed) = (made.keys().cloned().collect(), said.keys().cloned().collect());
    assert_eq!(difference(&searched, &listed), Vec::<Search>::new(), "not on the page; run: {COMMAND}");
    assert_eq!(difference(&listed, &searched), Vec::<Search>::new(), "on the page alone; run: {COMMAND}");
    for (search, verdict) in said {
        let bound = &made[&search];
        let allowed = match search[0] == Design::Forcekill.name() {
            true => vec![format!("proved, {bound}"), format!("held, {bound}")],
            false => vec![format!("proved, {bound}"), format!("held, {bound}"), "refuted".to_string()],
        };
        assert!(allowed.contains(&verdict), "{search:?}: {verdict}; run: {COMMAND}");
    }
}

#[test]
fn every_defect_is_on_the_page_with_who_refutes_it() {
    let mut made = BTreeSet::new();
    for task in tasks(&Options::default()) {
        if matches!(task.protocol, Protocol::Defect(_)) {
            made.extend(searches(&task));
        }
    }
    let listed = rows(&part("defects")).into_iter().flat_map(|row| {
        let engines: Vec<_> = row[4].split(", ").map(str::to_string).collect();
        engines
            .into_iter()
            .map(move |engine| [row[0].clone(), row[1].clone(), row[2].clone(), row[3].clone(), engine])
    });
    let listed: BTreeSet<Search> = listed.collect();
    assert_eq!(difference(&made, &listed), Vec::<Search>::new(), "not on the page; run: {COMMAND}");
    assert_eq!(difference(&listed, &made), Vec::<Search>::new(), "on the page alone; run: {COMMAND}");
}

/// The table says of each property and design what the section's searches say together.
#[test]
fn the_table_sums_up_the_sections() {
    let table = rows(&part("table"));
    let listed: Vec<_> = table.iter().map(|row| row[0].clone()).collect();
    let expected: Vec<_> =
        Property::ALL.iter().map(|property| format!("[`{property}`](#{property})")).collect();
    assert_eq!(listed, expected);
    let said = verdicts();
    for (row, &property) in table.iter().zip(Property::ALL) {
        assert_eq!(row[1], property.statement());
        for (design, sum) in Design::ALL.into_iter().zip(&row[2..]) {
            let of = [design.to_string(), property.to_string()];
            let found: Vec<_> =
                said.iter().filter(|(search, _)| search[..2] == of).map(|(_, said)| said.as_str()).collect();
            let count = |word| found.iter().filter(|verdict| verdict.starts_with(word)).count();
            let start = match (found.len(), count("refuted"), count("held")) {
                (0, ..) => "–".to_string(),
                (all, 0, 0) => format!("proved in {all}, "),
                (all, 0, held) => format!("held in {held} of {all}"),
                _ => "**refuted** in `".to_string(),
            };
            assert!(sum.starts_with(&start), "{design} {property}: {sum}, and not {start}");
        }
    }
}

/// Every cell of the table that says so has one schedule, of the race that it names; and what that breaks is what the page
/// says.
#[test]
fn what_is_refuted_breaks_again() {
    let table = rows(&part("table"));
    let mut refuted = BTreeSet::new();
    for (row, property) in table.iter().zip(Property::ALL) {
        for (design, sum) in Design::ALL.into_iter().zip(&row[2..]) {
            if let Some(race) = sum.strip_prefix("**refuted** in ") {
                refuted.insert((design.to_string(), *property, race.to_string()));
            }
        }
    }
    assert!(refuted.len() > 10, "the historic designs break more than that: {refuted:?}");
    let mut played = BTreeSet::new();
    for (property, section) in sections() {
        let (said, commands) = (section.lines(), section.lines());
        let said: Vec<_> = said.filter_map(|line| line.split_once("` is refuted in ")).collect();
        let commands: Vec<_> = commands.filter_map(|line| line.strip_prefix("forcekill replay ")).collect();
        assert_eq!(said.len(), commands.len(), "{property}: a schedule for each, in their order");
        for ((design, said), command) in said.into_iter().zip(commands) {
            let design = design.trim_start_matches('`');
            let (race, what) = said.split_once(": ").expect("its race");
            let what = what.strip_suffix('.').expect("what broke");
            let schedule: Schedule = command.parse().expect("a schedule");
            assert_eq!((schedule.protocol.to_string(), schedule.property), (design.to_string(), property));
            let played_race =
                format!("`{}`, {}", schedule.case.model(), schedule.case.size_name(schedule.size));
            assert_eq!(played_race, race, "{schedule}");
            let violation = schedule.replay().expect("it is of this program").violation;
            let violation = violation.unwrap_or_else(|| panic!("{schedule} breaks nothing; run: {COMMAND}"));
            assert_eq!((violation.property, violation.what.as_str()), (property, what), "{schedule}");
            assert!(played.insert((design.to_string(), property, race.to_string())), "twice: {schedule}");
        }
    }
    assert_eq!(played, refuted);
}

#[test]
fn the_page_names_the_command_that_writes_it() {
    assert!(page().contains(&format!("```sh\n{COMMAND}\n```")), "it names another command than {COMMAND}");
}
