//! The shortest refuting interleaving, drawn: one column a thread, one line a step.

use crate::cases::Engines;
use crate::oracle::Violation;
use crate::property::Property;
use crate::protocol::Protocol;
use crate::prove::{Engine, Task};
use crate::schedule::Schedule;
use crate::step::Step;
use crate::subject::AnyCase;

/// A refutation with its steps.
pub struct Explanation {
    /// How to play it again.
    pub schedule: Schedule,
    /// What broke.
    pub violation: Violation,
    /// Every step, up to the violation.
    pub steps: Vec<Step>,
}

/// The most lines of a drawing; what is longer is cut at its beginning, and says so.
const MOST_LINES: usize = 22;

/// The shortest refutation of `property` that the searches in the smallest size find, of all models that settle it; `None` if
/// they find none. The explorer's go first, with the fewest preemptions first; loom's serve where weak memory is needed.
///
/// # Errors
/// If this protocol has no model that settles the property, or a refutation cannot be played again.
pub fn shortest(protocol: Protocol, property: Property) -> Result<Option<Explanation>, String> {
    let settles = |case: &AnyCase| case.properties().contains(&property);
    let cases: Vec<_> = protocol.cases().into_iter().filter(settles).collect();
    if cases.is_empty() {
        return Err(format!("no model of {protocol} settles {property}"));
    }
    let engines = match protocol {
        Protocol::Defect(defect)
            if defect.caught_by.iter().all(|caught| caught.engines == Engines::LoomAlone) =>
        {
            vec![Engine::Loom]
        }
        // The explorer finds the fewest preemptions; loom sees weak memory.
        _ => vec![Engine::Explore, Engine::Loom],
    };
    for engine in engines {
        let mut shortest: Option<Explanation> = None;
        let played = cases.iter().filter(|case| case.is_played_by(engine));
        for &case in played {
            for schedule in Task::single(protocol, case, property, engine).refute_each_variant() {
                let again = schedule.replay()?;
                let violation = again.violation.ok_or_else(|| format!("{schedule} did not fail again"))?;
                let steps = condensed(again.steps);
                if shortest.as_ref().is_none_or(|shortest| steps.len() < shortest.steps.len()) {
                    shortest = Some(Explanation { schedule, violation, steps });
                }
            }
        }
        if shortest.is_some() {
            return Ok(shortest);
        }
    }
    Ok(None)
}

/// Leaves out what explains nothing.
fn condensed(steps: Vec<Step>) -> Vec<Step> {
    steps.into_iter().filter(Step::explains).collect()
}

/// What a step says to a reader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// Who took it.
    pub thread: String,
    /// What was done.
    pub what: String,
}

/// What these steps say.
pub fn lines(steps: &[Step]) -> Vec<Line> {
    steps.iter().map(|step| Line { thread: step.thread.clone(), what: step.what.clone() }).collect()
}

/// Draws steps as columns.
pub fn draw(steps: &[Line], violation: &Violation) -> String {
    let mut threads: Vec<&str> = Vec::new();
    for step in steps {
        if !threads.contains(&step.thread.as_str()) {
            threads.push(&step.thread);
        }
    }
    let cut = steps.len().saturating_sub(MOST_LINES);
    let mut table = comfy_table::Table::new();
    table.load_style(comfy_table::presets::UTF8_BORDERS_ONLY);
    let header = std::iter::once("#").chain(threads.iter().copied());
    table.set_header(header);
    if cut > 0 {
        table.add_row(vec!["…".to_string(), format!("({cut} steps before)")]);
    }
    for (number, step) in steps.iter().enumerate().skip(cut) {
        let cell = |thread: &&str| if *thread == step.thread { step.what.clone() } else { String::new() };
        table.add_row(std::iter::once((number + 1).to_string()).chain(threads.iter().map(cell)));
    }
    format!("{table}\n{}: {}", violation.property, violation.what)
}
