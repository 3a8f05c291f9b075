//! The generated parts of docs/DESIGNS.md.

use std::collections::BTreeMap;

use super::{Chosen, DECISIONS, Decision, Step, runtime_steps, steps};
use crate::designs::Design;
use crate::diagram::page::replace;
use crate::property::Property;

/// The command that rewrites the generated parts, run at the root of the repository.
pub const COMMAND: &str = "cargo run -p forcekill-models --bin forcekill -- diagram --page docs/DESIGNS.md";

/// The first marker, by which the page is known from others.
pub const MARKER: &str = "<!-- generated: steps -->";

/// The page, with its generated parts as the list has them now.
///
/// # Errors
/// A line that says which marker is missing.
pub fn regenerate(page: &str) -> Result<String, String> {
    let parts = [
        ("steps", choices(&steps())),
        ("runtime-steps", choices(&runtime_steps())),
        ("reasons", reasons(&steps())),
        ("runtime-reasons", reasons(&runtime_steps())),
    ];
    parts.into_iter().try_fold(page.to_string(), |page, (name, text)| replace(&page, name, &text))
}

/// What each design does.
fn choices(steps: &[Step]) -> String {
    let designs = Design::ALL.map(|design| format!(" `{design}` |")).concat();
    let rule = "---|".repeat(1 + Design::ALL.len());
    let row = |step: &Step| {
        let decision = decision(step);
        let others = [decision.pr_2365, decision.merged_2365, decision.attempt_2573];
        let others = others.map(|chosen| format!(" {} |", words(chosen))).concat();
        format!("| `{}` | {} |{others}\n", step.name, step.sound_form)
    };
    format!("| step |{designs}\n|{rule}\n{}", steps.iter().map(row).collect::<String>())
}

/// Why it matters, and where upstream decides it.
fn reasons(steps: &[Step]) -> String {
    let row = |step: &Step| {
        let decision = decision(step);
        format!(
            "| `{}` | {} | {} | {} |\n",
            step.name,
            step.breaks_otherwise,
            turns_on(decision),
            decision.upstream
        )
    };
    let head = "| step | what breaks otherwise | properties that turn on it, and the race that shows it | in upstream |\n\
                |---|---|---|---|\n";
    format!("{head}{}", steps.iter().map(row).collect::<String>())
}

fn turns_on(decision: &Decision) -> String {
    let mut by_property: BTreeMap<Property, Vec<String>> = BTreeMap::new();
    for (property, race) in decision.turns_on() {
        by_property.entry(property).or_default().extend(race.map(|race| format!("`{race}`")));
    }
    let each = by_property.into_iter().map(|(property, races)| match races[..] {
        [] => format!("`{property}`"),
        _ => format!("`{property}` in {}", races.join(" and ")),
    });
    each.collect::<Vec<_>>().join(", ")
}

fn words(chosen: Chosen) -> &'static str {
    match chosen {
        Chosen::AsForcekill => "as `forcekill`",
        Chosen::Otherwise(words) => words,
    }
}

/// # Panics
/// If there is none; a test would have failed before.
fn decision(step: &Step) -> &'static Decision {
    let found = DECISIONS.iter().find(|decision| decision.step == step.name);
    found.unwrap_or_else(|| panic!("no decision for the step {}", step.name))
}
