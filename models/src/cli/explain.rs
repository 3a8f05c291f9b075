//! `forcekill explain`

use clap::Args;
use forcekill_models::explain;
use forcekill_models::property::Property;
use forcekill_models::protocol::Protocol;

use super::{BadInput, Ending};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// A design, or a defect, whose steps are refuted
    #[arg(long, value_name = "DESIGN", default_value = "pr-2365")]
    design: String,
    /// The property that breaks
    #[arg(long, value_name = "PROPERTY", default_value = "no-lost-kill")]
    property: String,
}

pub(super) fn run(arguments: &Arguments) -> Result<Ending, BadInput> {
    let protocol: Protocol = arguments.design.parse()?;
    let property: Property = arguments.property.parse()?;
    let shortest = explain::shortest(protocol, property)?;
    println!("{property}: {}", property.statement());
    match shortest {
        None => println!("No search in the smallest size refutes it for {protocol}."),
        Some(found) => {
            let schedule = found.schedule;
            println!("{protocol} breaks it in the model {} ({}):\n", schedule.case.model(), schedule.variant);
            println!(
                "{}\n\nAgain: forcekill replay {schedule}",
                explain::draw(&explain::lines(&found.steps), &found.violation)
            );
        }
    }
    Ok(Ending::AsClaimed)
}
