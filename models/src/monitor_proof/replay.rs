//! One execution as one word, `<defect or "forcekill">/<scenario>/<waits>/<execution>`, and playing it again.
//!
//! The waits are those that return for no reason: `none`, or their numbers over the whole execution, counted from 1, as in
//! `1+3`. loom searches in a fixed order, so that the number of an execution names it, for the same code and the same loom.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::broken::Defect;
use super::scenarios::{Play, Scenario};
use super::{builder, defects, play_all, scenarios};
use crate::oracle::{Oracle, Violation};
use crate::property::Property;
use crate::step::Step;

/// The library's own steps.
const SOUND: &str = "forcekill";

/// An execution of a scenario.
#[derive(Clone, Copy, Debug)]
pub struct Execution {
    /// Whose step is broken; `None` for the library's own steps.
    pub defect: Option<&'static Defect>,
    /// The scenario.
    pub scenario: &'static Scenario,
    /// Which waits return for no reason: a bit for each, the first the lowest.
    pub spurious: u32,
    /// The execution of the search with these, counted from 1.
    pub execution: u64,
}

/// Plays exactly the execution that `text` names: what breaks in it, if anything does, and its steps.
///
/// # Errors
/// If it names none, as a sentence that says what is wrong with it; or if the search has fewer executions.
pub fn replay(text: &str) -> Result<(Option<Violation>, Vec<Step>), String> {
    text.parse::<Execution>()?.replay()
}

impl Execution {
    /// Plays exactly this execution: what breaks in it, if anything does, and its steps.
    ///
    /// # Errors
    /// If the search has fewer executions, or ends in an earlier one.
    pub fn replay(&self) -> Result<(Option<Violation>, Vec<Step>), String> {
        // Which of the two was searched for makes no difference to the order: what is not watched for goes on, and so does
        // everything before this execution.
        let oracle = Oracle::tracing(&[Property::NoDeadlock, Property::Bounded], self.execution);
        let oracle = Arc::new(oracle);
        let mut builder = builder();
        // loom asks before an execution, and then does not play it.
        builder.max_permutations = usize::try_from(self.execution).ok().map(|last| last.saturating_add(1));
        builder.checkpoint_interval = 1;
        let violation = play_all(&builder, self.play()?, &oracle, self.spurious, self.execution);
        let played = oracle.executions();
        if played != self.execution {
            return Err(format!("'{self}' is of another program: the search ends with execution {played}"));
        }
        Ok((violation, oracle.steps()))
    }

    fn play(&self) -> Result<Play, String> {
        let Some(defect) = self.defect else { return Ok(self.scenario.sound) };
        let caught = defect.caught_by.iter().find(|caught| caught.scenario == self.scenario.name);
        let caught = caught.ok_or_else(|| {
            let played: Vec<_> = defect.caught_by.iter().map(|caught| caught.scenario).collect();
            format!("'{}' is searched in {}, not in '{}'", defect.name, played.join(", "), self.scenario.name)
        })?;
        Ok(caught.play)
    }
}

impl fmt::Display for Execution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let steps = self.defect.map_or(SOUND, |defect| defect.name);
        write!(f, "{steps}/{}/{}/{}", self.scenario.name, waits(self.spurious), self.execution)
    }
}

impl FromStr for Execution {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.trim().split('/').collect();
        let [steps, scenario, spurious, execution] = parts[..] else {
            return Err(format!("an execution is '{SOUND}/one-change/none/1', not '{text}'"));
        };
        let defect = match steps {
            SOUND => None,
            name => Some(defects().iter().find(|defect| defect.name == name).ok_or_else(|| {
                let known = defects().iter().map(|defect| defect.name);
                format!("unknown steps '{name}': {SOUND}, or one of {}", listed(known))
            })?),
        };
        let scenario = Scenario::named(scenario).ok_or_else(|| {
            let known = scenarios().iter().map(|scenario| scenario.name);
            format!("unknown scenario '{scenario}'; the scenarios are {}", listed(known))
        })?;
        let spurious = scenario.spurious_sets.clone().find(|&set| waits(set) == spurious);
        let spurious = spurious.ok_or_else(|| {
            let known: Vec<_> = scenario.spurious_sets.clone().map(waits).collect();
            format!("the waits of '{}' that return for no reason are {}", scenario.name, known.join(", "))
        })?;
        let execution = execution.parse().ok().filter(|&number| number > 0);
        let execution = execution.ok_or("an execution has a number from 1 on")?;
        let execution = Self { defect, scenario, spurious, execution };
        execution.play()?;
        Ok(execution)
    }
}

/// The waits that return for no reason, as text.
pub fn waits(spurious: u32) -> String {
    if spurious == 0 {
        return "none".to_string();
    }
    let numbers = (0..u32::BITS).filter(|wait| spurious >> wait & 1 == 1).map(|wait| (wait + 1).to_string());
    numbers.collect::<Vec<_>>().join("+")
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_one_word_and_reads_back() {
        for word in ["forcekill/one-change/none/1", "wake-up-believed/one-change/1+3/12"] {
            assert_eq!(word.parse::<Execution>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn what_names_no_execution_is_refused_with_a_reason() {
        for (word, reason) in [
            ("", "an execution is"),
            ("forcekill/one-change/none", "an execution is"),
            ("pr-2365/one-change/none/1", "unknown steps"),
            ("forcekill/none/none/1", "unknown scenario"),
            ("forcekill/one-change/0/1", "none, 1, 2, 1+2, 3, 1+3, 2+3, 1+2+3"),
            ("forcekill/one-change/2+1/1", "none, 1, 2, 1+2, 3"),
            ("forcekill/one-place/3/1", "none, 1, 2, 1+2"),
            ("forcekill/one-change/none/0", "number from 1"),
            ("forcekill/one-change/none/-1", "number from 1"),
            ("notify-one/one-change/none/1", "is searched in one-after-the-other"),
        ] {
            let error = word.parse::<Execution>().unwrap_err();
            assert!(error.contains(reason) && !error.contains('\n'), "{word}: {error}");
        }
    }

    #[test]
    fn an_execution_beyond_the_end_of_its_search_is_refused() {
        let error = replay("forcekill/deadline-alone/none/1000000").unwrap_err();
        assert!(error.contains("another program"), "{error}");
    }
}
