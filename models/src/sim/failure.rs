//! A failure as a small file: what was played, and what breaks. `forcekill replay` reads it, and the tests of `sim-tests/` play
//! every one that was ever found.

use serde::{Deserialize, Serialize};

use super::designs::Simulated;
use super::scenario::Scenario;
use super::{Keep, Outcome, story};
use crate::explain::Line;
use crate::property::Property;

/// The format of the file.
const FORMAT: &str = "forcekill-simulation-1";

/// A failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure {
    format: String,
    /// The design, or the defect.
    pub design: String,
    /// The property that breaks.
    pub property: String,
    /// What happens, for a reader.
    pub what: String,
    /// How to play it.
    pub scenario: Scenario,
}

/// What playing a failure again came to.
#[derive(Clone, Debug)]
pub struct Replayed {
    /// What happened.
    pub outcome: Outcome,
    /// Whether the property broke again.
    pub again: bool,
    /// The story: what each actor does until another goes on.
    pub story: Vec<Line>,
}

impl Failure {
    /// A failure of a design.
    pub fn new(simulated: Simulated, property: Property, what: &str, scenario: Scenario) -> Self {
        let (design, property) = (simulated.name.to_string(), property.id().to_string());
        Self { format: FORMAT.to_string(), design, property, what: what.to_string(), scenario }
    }

    /// Whether a text is meant to be one.
    pub fn is_meant(text: &str) -> bool {
        text.trim_start().starts_with('{')
    }

    /// Reads one.
    ///
    /// # Errors
    /// If the text is none, in one line.
    pub fn parse(text: &str) -> Result<Self, String> {
        let failure: Self = serde_json::from_str(text)
            .map_err(|error| format!("not a failure of forcekill simulate: {error}"))?;
        if failure.format != FORMAT {
            return Err(format!(
                "the failure's format is '{}', and this program reads '{FORMAT}'",
                failure.format
            ));
        }
        failure.parts()?;
        let scenario = &failure.scenario;
        let usable = |shape: &super::scenario::Shape| {
            let threads = u64::from(shape.workers) + u64::from(shape.regular);
            let all = threads + u64::from(shape.extra) + u64::from(shape.quarantined);
            let times = [shape.kill_ms, shape.boot_ms, shape.teardown_ms, shape.max_wait_ms, shape.idle_ms];
            threads > 0
                && all <= 4096
                && times.iter().all(|ms| (1..=86_400_000).contains(ms))
                && shape.grace_ms <= 86_400_000
        };
        if scenario.shapes.is_empty()
            || !scenario.shapes.iter().all(usable)
            || scenario.ops.len() > 10_000_000
        {
            return Err("the failure's configuration makes no sense".to_string());
        }
        Ok(failure)
    }

    /// As a file.
    ///
    /// # Panics
    /// Never: everything in it can be written.
    pub fn text(&self) -> String {
        serde_json::to_string_pretty(self).expect("plain data") + "\n"
    }

    /// The design, or defect, and the property.
    ///
    /// # Errors
    /// If this program knows no such.
    pub fn parts(&self) -> Result<(Simulated, Property), String> {
        Ok((self.design.parse()?, self.property.parse()?))
    }

    /// Plays it again.
    ///
    /// # Errors
    /// If it is of a design or property that this program does not know.
    pub fn replay(&self) -> Result<Replayed, String> {
        let (simulated, property) = self.parts()?;
        let outcome = simulated.play(&self.scenario, Keep { steps: true, turns: false });
        let again = outcome.violation.as_ref().is_some_and(|violation| violation.property == property);
        let story = story::of(&outcome.trace);
        Ok(Replayed { outcome, again, story })
    }
}
