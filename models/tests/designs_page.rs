//! docs/DESIGNS.md says of each decision what the designs do, and the models' sources say the same.
//!
//! What a design or a defect overrides shows in no type, so it is read from the source text. Not covered: that the words of a
//! cell are true of upstream.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use forcekill_models::cases::{CaughtIn, all_defects};
use forcekill_models::decisions::{Chosen, DECISIONS, page, runtime_steps, steps};

const DESIGNS: [&str; 2] = [include_str!("../src/designs.rs"), include_str!("../src/lifecycle_designs.rs")];
const DEFECTS: [&str; 3] = [
    include_str!("../src/defects.rs"),
    include_str!("../src/lifecycle_defects.rs"),
    include_str!("../src/runtime_defects.rs"),
];
const STEPS: &str = include_str!("../../src/steps.rs");
const RUNTIME_STEPS: &str = include_str!("../../src/steps/runtime.rs");

/// The steps that each type of these sources overrides, by the type's name; what a macro adds to each type that it makes counts
/// as the type's.
fn overridden(sources: &[&'static str]) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut found: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
    let mut made_by: Vec<(&str, &str)> = Vec::new();
    for source in sources {
        let (mut definition, mut call, mut current) = (None, None, None);
        for line in source.lines() {
            let code = line.trim();
            if line == "}" {
                (definition, call, current) = (None, None, None);
            } else if let Some(name) = line.strip_prefix("macro_rules! ") {
                definition = name.strip_suffix(" {");
            } else if let Some(name) = line.strip_suffix("! {") {
                call = Some(name);
            } else if code.starts_with("impl") {
                let of_steps = code.split_once("Steps<").and_then(|(_, rest)| rest.split_once("> for "));
                let name = of_steps.and_then(|(_, rest)| rest.split([' ', '<']).next());
                current = if name == Some("$name") { definition } else { name };
            } else if let (Some(call), Some(name)) =
                (call, code.strip_suffix(" {").filter(|name| is_type(name)))
            {
                made_by.push((name, call));
                current = Some(name);
            } else if let (Some(current), Some(rest)) = (current, code.strip_prefix("fn ")) {
                let step = rest.split(['(', '<']).next().unwrap_or(rest);
                found.entry(current).or_default().insert(step);
            }
        }
    }
    for (name, by) in made_by {
        let added = found.get(by).cloned().unwrap_or_default();
        found.entry(name).or_default().extend(added);
    }
    found
}

fn is_type(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_uppercase()) && name.chars().all(char::is_alphanumeric)
}

/// The methods of the trait.
fn methods(source: &'static str, of: &str) -> Vec<&'static str> {
    let (_, rest) = source.split_once(&format!("pub trait {of}<")).expect("the trait is there");
    let (body, _) = rest.split_once("\n}").expect("it has an end");
    let method = |line: &'static str| line.strip_prefix("    fn ")?.split(['(', '<']).next();
    body.lines().filter_map(method).collect()
}

#[test]
fn each_step_has_a_row_in_the_librarys_table_and_a_decision() {
    for (source, of, rows) in [(STEPS, "Steps", steps()), (RUNTIME_STEPS, "RuntimeSteps", runtime_steps())] {
        let declared: BTreeSet<_> = methods(source, of).into_iter().collect();
        let in_table: Vec<_> = rows.iter().map(|step| step.name).collect();
        assert_eq!(in_table.iter().copied().collect::<BTreeSet<_>>(), declared, "{of}");
        assert_eq!(in_table.len(), declared.len(), "{of}: a step with two rows");
    }
    let rows: Vec<_> = steps().into_iter().chain(runtime_steps()).map(|step| step.name).collect();
    let decisions: Vec<_> = DECISIONS.iter().map(|decision| decision.step).collect();
    assert_eq!(decisions, rows);
    assert!(decisions.len() > 35, "{decisions:?}");
}

#[test]
fn a_design_is_said_to_differ_exactly_where_it_overrides_the_step() {
    let overridden = overridden(&DESIGNS);
    let slot = &overridden["Pr2365"];
    for (design, lifecycle) in [
        ("pr-2365", &overridden["Pr2365Lifecycle"]),
        ("merged-2365", &overridden["Merged2365Lifecycle"]),
        ("attempt-2573", &overridden["Attempt2573Lifecycle"]),
    ] {
        assert!(slot.len() >= 3 && lifecycle.len() >= 10, "{design}: {slot:?}, {lifecycle:?}");
        for decision in DECISIONS {
            let chosen = match design {
                "pr-2365" => decision.pr_2365,
                "merged-2365" => decision.merged_2365,
                _ => decision.attempt_2573,
            };
            let overrides = slot.contains(decision.step) || lifecycle.contains(decision.step);
            assert_eq!(chosen != Chosen::AsForcekill, overrides, "{design} in {}", decision.step);
        }
        let known = |step: &&&str| !DECISIONS.iter().any(|decision| decision.step == **step);
        let unknown: Vec<_> = slot.iter().chain(lifecycle).filter(known).collect();
        assert!(unknown.is_empty(), "{design} overrides what is no step: {unknown:?}");
    }
}

/// `WakeAfterUnlock` is `wake-after-unlock`, but for one.
fn defects_of(type_name: &str) -> Vec<String> {
    if type_name == "RelaxedStore" {
        return vec!["store-without-release".into()];
    }
    let mut name = String::new();
    for letter in type_name.chars() {
        if letter.is_uppercase() && !name.is_empty() {
            name.push('-');
        }
        name.extend(letter.to_lowercase());
    }
    vec![name]
}

#[test]
fn a_decision_names_exactly_the_defects_that_break_its_step() {
    let mut breaks: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (name, steps) in overridden(&DEFECTS) {
        for step in steps {
            breaks.entry(step).or_default().extend(defects_of(name));
        }
    }
    for decision in DECISIONS {
        let said: BTreeSet<_> = decision.defects.iter().map(ToString::to_string).collect();
        assert_eq!(said, breaks.remove(decision.step).unwrap_or_default(), "{}", decision.step);
        assert!(!decision.turns_on().is_empty(), "nothing turns on {}", decision.step);
    }
    // None is called what no search knows, and none of the protocol's is left out.
    let named: BTreeSet<_> = DECISIONS.iter().flat_map(|decision| decision.defects).copied().collect();
    let of_steps = all_defects().iter().filter(|defect| {
        let of_the_engine = defect.name == "check-without-acquire";
        !of_the_engine && defect.caught_by.iter().all(|caught| !matches!(caught.case, CaughtIn::Monitor(..)))
    });
    assert_eq!(named, of_steps.map(|defect| defect.name).collect());
}

#[test]
fn the_page_is_what_the_list_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/DESIGNS.md");
    let written = fs::read_to_string(path).unwrap().replace("\r\n", "\n");
    let generated = page::regenerate(&written).unwrap();
    let other = generated.lines().zip(written.lines()).find(|(generated, written)| generated != written);
    assert!(generated == written, "write it anew with `{}`; the first line: {other:?}", page::COMMAND);
    assert!(written.contains(page::COMMAND), "the page does not say how it is kept");
}
