//! docs/PORTING.md has every item that the library offers at its root and every step, and names no property and no race that does
//! not exist.
//!
//! Not covered: that what it says of upstream is true, and that the property beside an item is the right one.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Everything in backticks, and its parts: `Slot::kill` is `Slot::kill`, `Slot` and `kill`.
fn named(page: &str) -> BTreeSet<&str> {
    let quoted = page.lines().flat_map(|line| line.split('`').skip(1).step_by(2));
    quoted.flat_map(|quoted| std::iter::once(quoted).chain(quoted.split("::"))).collect()
}

/// What `pub use` offers in src/lib.rs.
fn offered(library: &str) -> Vec<&str> {
    let uses = library.split("\npub use ").skip(1).map(|rest| rest.split(';').next().unwrap_or(rest));
    let items = uses.flat_map(|path| match path.split_once('{') {
        Some((_, list)) => list.trim_end_matches('}').split(',').collect(),
        None => vec![path.rsplit("::").next().unwrap_or(path)],
    });
    items.map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// The methods of the two traits.
fn steps(source: &str) -> Vec<&str> {
    let (_, rest) = source.split_once("\npub trait ").expect("there is a trait");
    let (body, _) = rest.split_once("\n}").expect("it has an end");
    let methods = body.lines().filter_map(|line| line.strip_prefix("    fn "));
    methods.filter_map(|method| method.split(['(', '<']).next()).collect()
}

/// The names of the races, each in a file of its own.
fn races() -> BTreeSet<String> {
    let directory = root().join("models/src/races");
    let mut names = BTreeSet::new();
    for file in fs::read_dir(&directory).expect("the races are there") {
        let source = read(file.expect("it can be listed").path());
        let name =
            source.split_once("const NAME: &'static str = \"").and_then(|(_, rest)| rest.split_once('"'));
        names.insert(name.expect("a race has a name").0.to_string());
    }
    names
}

fn properties() -> BTreeSet<String> {
    let source = read("models/src/property.rs");
    let (_, rest) = source.split_once("\nproperties! {").expect("the list is there");
    let id = |line: &str| line.trim().split('"').nth(1).map(str::to_string);
    rest.split_once("\n}").expect("it has an end").0.lines().filter_map(id).collect()
}

#[test]
fn every_item_and_every_step_is_on_the_page() {
    let (page, library) = (read("docs/PORTING.md"), read("src/lib.rs"));
    let named = named(&page);
    let offered = offered(&library);
    assert!(
        offered.len() > 60 && offered.contains(&"Slot") && offered.contains(&"PolicyError"),
        "{offered:?}"
    );
    let sources = [read("src/steps.rs"), read("src/steps/runtime.rs")];
    let steps: Vec<_> = sources.iter().flat_map(|source| steps(source)).collect();
    assert!(steps.len() > 35 && steps.contains(&"let_go") && steps.contains(&"may_tear_down"), "{steps:?}");
    let missing: Vec<_> = offered.into_iter().chain(steps).filter(|item| !named.contains(item)).collect();
    assert!(missing.is_empty(), "not in docs/PORTING.md: {missing:?}");
}

/// A race or a property is lower case with hyphens; so are only few other words in backticks.
#[test]
fn every_race_and_every_property_that_it_names_exists() {
    const OTHERS: [&str; 5] =
        ["pr-2365", "merged-2365", "attempt-2573", "yields-by-plain-set", "abandons-by-plain-set"];
    let (races, properties) = (races(), properties());
    assert!(races.len() > 15 && properties.len() == 17, "{races:?}, {properties:?}");
    let page = read("docs/PORTING.md");
    let is_id = |name: &&str| {
        name.contains('-')
            && name.chars().all(|letter| letter.is_ascii_lowercase() || "-0123456789".contains(letter))
    };
    let known = |name: &str| races.contains(name) || properties.contains(name) || OTHERS.contains(&name);
    let unknown: Vec<_> = named(&page).into_iter().filter(is_id).filter(|name| !known(name)).collect();
    assert!(unknown.is_empty(), "neither a race nor a property: {unknown:?}");
    // And each is named at least once, so that a porter misses none.
    let named = named(&page);
    let missing: Vec<_> =
        races.iter().chain(&properties).filter(|name| !named.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "not in docs/PORTING.md: {missing:?}");
}

/// Each row of the item tables has five columns, and those with a property have one that exists beside a race or a dash.
#[test]
fn an_item_has_its_property_and_its_race_in_their_columns() {
    let (races, properties) = (races(), properties());
    let page = read("docs/PORTING.md");
    let (_, items) = page.split_once("\n## Item by item").expect("the tables are there");
    let rows: Vec<Vec<_>> = items
        .lines()
        .filter(|line| line.starts_with('|') && !line.starts_with("| item") && !line.starts_with("|---"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    assert!(rows.len() > 35, "{} rows", rows.len());
    for row in rows {
        let [_item, _steps, _upstream, of_properties, of_races] = row[..] else { panic!("{row:?}") };
        let quoted = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_string).collect::<Vec<_>>();
        for (cell, known) in [(of_properties, &properties), (of_races, &races)] {
            let names = quoted(cell);
            assert!(cell == "–" || !names.is_empty(), "{row:?}");
            assert!(names.iter().all(|name| known.contains(name)), "{row:?}");
        }
    }
}
