//! A failing execution as one word: what was played, and how to play it again.
//!
//! `fk1:<engine>:<protocol>:<property>:<model>:<size>:<variant>:<steps>`, where the size is the number of killers or of PHP
//! threads. The steps of the explorer are `run=0*5+1*3` (thread 0 five times, then thread 1 three times; `lean,` before it
//! where slots were left out), those of shuttle `pad=0,run=0*5+1*3`, and those of loom `bound=none,reads=rmw,execution=12`
//! (`reads=rmw+probe` where sections touched the probe): loom searches in a fixed order, so that the number of an execution
//! names it, for the same code and the same loom.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use crate::monitor_proof::Execution;
use crate::oracle::{Oracle, Violation};
use crate::property::Property;
use crate::protocol::Protocol;
use crate::races::{Setting, Variant};
use crate::search::loom_search::{LoomSearch, NO_LIMIT};
use crate::search::{Outcome, Steps, explore_search, shuttle_search};
use crate::stage::Reads;
use crate::step::Step;
use crate::subject::AnyCase;

/// A failing execution.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Whose steps.
    pub protocol: Protocol,
    /// What broke.
    pub property: Property,
    /// The race.
    pub case: AnyCase,
    /// How many killers or PHP threads.
    pub size: usize,
    /// The race's variant.
    pub variant: String,
    /// The engine's coordinates.
    pub steps: Steps,
}

/// The most choices that a schedule may have: far more than any scenario makes.
const MOST_CHOICES: usize = 100_000;
const MARK: &str = "fk1";

/// What playing a schedule again came to.
pub struct Replayed {
    /// What broke this time, if anything did.
    pub violation: Option<Violation>,
    /// Every step.
    pub steps: Vec<Step>,
}

impl Schedule {
    /// Plays it again.
    ///
    /// # Errors
    /// If the schedule is of another program: its race or variant is not there.
    pub fn replay(&self) -> Result<Replayed, String> {
        let variant = self.find_variant()?;
        if let (AnyCase::Monitor(scenario, broken), Steps::Loom { execution, .. }) = (self.case, &self.steps)
        {
            let (defect, spurious) = (broken.map(|(defect, _)| defect), variant.number as u32);
            let (violation, steps) =
                Execution { defect, scenario, spurious, execution: *execution }.replay()?;
            let violation = violation.filter(|violation| violation.property == self.property);
            return Ok(Replayed { violation, steps });
        }
        let from = if let Steps::Loom { execution, .. } = &self.steps { *execution } else { 1 };
        let oracle = Oracle::tracing(&[self.property], from);
        let oracle = Arc::new(match &self.steps {
            Steps::Loom { .. } => oracle,
            Steps::Shuttle { .. } => oracle.that_goes_on(),
            Steps::Explore { .. } => oracle.that_confirms(),
        });
        let outcome = match (&self.steps, self.case) {
            (&Steps::Loom { bound, rmw_reads, probe, execution }, AnyCase::Slot(case)) => {
                let reads = if rmw_reads { Reads::ReadModifyWrite } else { Reads::Plain };
                let search = LoomSearch { bound, reads, probe, limit: NO_LIMIT, last: Some(execution) };
                search.run(case, &Setting::new(self.size, &variant), &variant, &oracle)
            }
            (Steps::Loom { .. }, AnyCase::Lifecycle(_)) | (_, AnyCase::Monitor(..)) => {
                return Err(format!("this engine does not play the model '{}'", self.case.model()));
            }
            (Steps::Shuttle { padding, choices }, case) => {
                let play = case.on_shuttle(self.size, &variant);
                shuttle_search::replay(&play, (*padding, choices.clone()), &oracle)
            }
            (Steps::Explore { is_lean, choices }, case) => {
                explore_search::replay(&case.on_explorer(self.size, &variant, *is_lean), choices, &oracle)
            }
        };
        let again = oracle.executions() == from;
        let violation = match outcome {
            Outcome::Failed { violation, .. } if again && violation.property == self.property => {
                Some(violation)
            }
            _ => None,
        };
        Ok(Replayed { violation, steps: oracle.steps() })
    }

    fn find_variant(&self) -> Result<Variant, String> {
        let found = self.case.variants(self.size).into_iter().find(|variant| variant.name == self.variant);
        found.ok_or_else(|| format!("the model '{}' has no variant '{}'", self.case.model(), self.variant))
    }
}

impl fmt::Display for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let engine = match self.steps {
            Steps::Loom { .. } => "loom",
            Steps::Shuttle { .. } => "shuttle",
            Steps::Explore { .. } => "explore",
        };
        let Self { protocol, property, case, size, variant, steps } = self;
        let model = case.model();
        write!(f, "{MARK}:{engine}:{protocol}:{property}:{model}:{size}:{variant}:")?;
        match steps {
            Steps::Loom { bound, rmw_reads, probe, execution } => {
                let bound = bound.map_or("none".to_string(), |bound| bound.to_string());
                let reads = if *rmw_reads { "rmw" } else { "plain" };
                let probe = if *probe { "+probe" } else { "" };
                write!(f, "bound={bound},reads={reads}{probe},execution={execution}")
            }
            Steps::Shuttle { padding, choices } => {
                write!(f, "pad={padding},run={}", run_lengths(choices))
            }
            Steps::Explore { is_lean, choices } => {
                write!(f, "{}run={}", if *is_lean { "lean," } else { "" }, run_lengths(choices))
            }
        }
    }
}

/// `0*5+1*3`: thread 0 five times, then thread 1 three times.
fn run_lengths(choices: &[usize]) -> String {
    let runs = choices.chunk_by(|a, b| a == b).map(|run| format!("{}*{}", run[0], run.len()));
    runs.collect::<Vec<_>>().join("+")
}

impl FromStr for Schedule {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts: Vec<_> = text.trim().split(':').collect();
        let [MARK, engine, protocol, property, model, size, variant, steps] = parts[..] else {
            return Err("not a schedule of forcekill: one begins with 'fk1:' and has eight parts".to_string());
        };
        let protocol: Protocol = protocol.parse()?;
        let case =
            protocol.case(model).ok_or_else(|| format!("{protocol} does not play the model '{model}'"))?;
        let size = size.parse().ok().filter(|size| (1..=case.most()).contains(size));
        let schedule = Self {
            protocol,
            property: property.parse()?,
            case,
            size: size
                .ok_or_else(|| format!("the size of '{model}' must be a number from 1 to {}", case.most()))?,
            variant: variant.to_string(),
            steps: match engine {
                "loom" => loom_steps(steps)?,
                "shuttle" => shuttle_steps(steps)?,
                "explore" => explore_steps(steps)?,
                _ => {
                    return Err(format!(
                        "unknown engine '{engine}': a schedule is of loom, shuttle or explore"
                    ));
                }
            },
        };
        schedule.find_variant()?;
        Ok(schedule)
    }
}

fn loom_steps(text: &str) -> Result<Steps, String> {
    let wrong = || format!("loom's steps are 'bound=none,reads=rmw,execution=12', not '{text}'");
    let parts: Vec<_> = text.split(',').collect();
    let [bound, reads, execution] = parts[..] else { return Err(wrong()) };
    let bound = match bound.strip_prefix("bound=").ok_or_else(wrong)? {
        "none" => None,
        number => Some(number.parse().map_err(|_| wrong())?),
    };
    let (reads, probe) = reads.strip_suffix("+probe").map_or((reads, false), |reads| (reads, true));
    let rmw_reads = match reads {
        "reads=rmw" => true,
        "reads=plain" => false,
        _ => return Err(wrong()),
    };
    let execution = execution.strip_prefix("execution=").and_then(|number| number.parse().ok());
    let execution = execution.filter(|&number| number > 0).ok_or_else(wrong)?;
    Ok(Steps::Loom { bound, rmw_reads, probe, execution })
}

fn shuttle_steps(text: &str) -> Result<Steps, String> {
    let wrong = || format!("shuttle's steps are 'pad=0,run=0*5+1*3', not '{text}'");
    let (padding, runs) = text.split_once(',').ok_or_else(wrong)?;
    let padding: usize =
        padding.strip_prefix("pad=").and_then(|number| number.parse().ok()).ok_or_else(wrong)?;
    if padding > MOST_CHOICES {
        return Err(format!("no schedule has more than {MOST_CHOICES} choices"));
    }
    Ok(Steps::Shuttle { padding, choices: choices(runs).ok_or_else(wrong)?? })
}

fn explore_steps(text: &str) -> Result<Steps, String> {
    let wrong = || format!("the explorer's steps are 'run=0*5+1*3' or 'lean,run=0*5+1*3', not '{text}'");
    let lean = text.strip_prefix("lean,");
    let choices = choices(lean.unwrap_or(text)).ok_or_else(wrong)??;
    Ok(Steps::Explore { is_lean: lean.is_some(), choices })
}

/// `run=0*5+1*3`; `None` if it is not of that form.
fn choices(text: &str) -> Option<Result<Vec<usize>, String>> {
    let mut choices = Vec::new();
    for run in text.strip_prefix("run=")?.split('+') {
        let (thread, times) = run.split_once('*')?;
        let (thread, times): (usize, usize) = (thread.parse().ok()?, times.parse().ok()?);
        if times > MOST_CHOICES - choices.len() {
            return Some(Err(format!("no schedule has more than {MOST_CHOICES} choices")));
        }
        choices.extend(std::iter::repeat_n(thread, times));
    }
    Some(Ok(choices))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schedule_is_one_word_and_reads_back() {
        for word in [
            "fk1:shuttle:pr-2365:no-lost-kill:lost-wake-up:1:interruptible:pad=0,run=0*5+1*3+0*1",
            "fk1:explore:pr-2365:no-deadlock:restart-against-shutdown:2:never:run=0*5+1*3+0*1",
            "fk1:loom:store-without-release:flags-in-order:flag-order:1:php:bound=2,reads=plain,execution=7",
        ] {
            assert_eq!(word.parse::<Schedule>().unwrap().to_string(), word);
        }
    }

    #[test]
    fn what_is_no_schedule_is_refused_with_a_reason() {
        for (word, reason) in [
            ("", "not a schedule"),
            ("91011", "not a schedule"),
            ("fk1:tlc:pr-2365:no-lost-kill:lost-wake-up:1:interruptible:x", "unknown engine 'tlc'"),
            ("fk1:loom:pr-1:no-lost-kill:lost-wake-up:1:interruptible:x", "unknown design 'pr-1'"),
            ("fk1:loom:pr-2365:none:lost-wake-up:1:interruptible:x", "unknown property"),
            ("fk1:loom:pr-2365:no-lost-kill:none:1:interruptible:x", "does not play the model 'none'"),
            ("fk1:loom:pr-2365:no-lost-kill:lost-wake-up:9:interruptible:x", "must be a number from 1 to 3"),
            ("fk1:loom:pr-2365:no-lost-kill:lost-wake-up:1:interruptible:x", "loom's steps are"),
            (
                "fk1:shuttle:pr-2365:no-lost-kill:lost-wake-up:1:interruptible:pad=0,run=0*99999999",
                "no schedule has",
            ),
            ("fk1:shuttle:pr-2365:no-lost-kill:lost-wake-up:1:none:pad=0,run=0*1", "has no variant 'none'"),
        ] {
            let error = word.parse::<Schedule>().unwrap_err();
            assert!(error.contains(reason) && !error.contains('\n'), "{word}: {error}");
        }
    }
}
