//! `forcekill replay`

use std::fs;
use std::path::Path;

use clap::Args;
use forcekill_models::explain;
use forcekill_models::schedule::Schedule;
use forcekill_models::sim::failure::Failure;

use super::{BadInput, Ending};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A schedule (`fk1:...`), or a file that holds one, or a failure of `simulate`
    schedule: String,
}

/// No schedule is longer.
const MOST_BYTES: u64 = 1 << 20;

pub(super) fn run(arguments: &Arguments) -> Result<Ending, BadInput> {
    let text = read(&arguments.schedule)?;
    if Failure::is_meant(&text) {
        return simulated(&Failure::parse(&text)?);
    }
    let schedule: Schedule = text.parse()?;
    let again = schedule.replay()?;
    match again.violation {
        Some(violation) => {
            println!("{}", explain::draw(&explain::lines(&again.steps), &violation));
            Ok(Ending::AsClaimed)
        }
        None => {
            println!("{} did not break this time: the schedule is of other code", schedule.property);
            Ok(Ending::ClaimFailed)
        }
    }
}

/// A failure of a simulation.
fn simulated(failure: &Failure) -> Result<Ending, BadInput> {
    let replayed = failure.replay()?;
    let (simulated, property) = failure.parts()?;
    match replayed.outcome.violation.filter(|_| replayed.again) {
        Some(violation) => {
            println!("{}", explain::draw(&replayed.story, &violation));
            Ok(Ending::AsClaimed)
        }
        None => {
            println!("{property} did not break this time: the failure is of another {simulated}");
            Ok(Ending::ClaimFailed)
        }
    }
}

fn read(argument: &str) -> Result<String, BadInput> {
    if argument.starts_with("fk1:") {
        return Ok(argument.to_string());
    }
    let path = Path::new(argument);
    let cannot = |why: String| BadInput(format!("cannot read the schedule {}: {why}", path.display()));
    let size = fs::metadata(path).map_err(|error| cannot(error.to_string()))?.len();
    if size > MOST_BYTES {
        return Err(cannot(format!("{size} bytes are more than any schedule has")));
    }
    fs::read_to_string(path).map_err(|error| cannot(error.to_string()))
}
