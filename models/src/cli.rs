//! The command line: one subcommand a file.

mod demo;
mod diagram;
mod explain;
mod prove;
mod replay;
mod simulate;

use std::path::Path;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Ends threads that are stuck in foreign code, and proves that it does. Without a command: `prove`.
///
/// Exit status: 0 if all is as claimed, 1 if a claim failed, 2 for bad usage or bad input.
#[derive(Debug, Parser)]
#[command(name = "forcekill", version)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    prove: prove::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Search every model and print what is proved, held or refuted
    Prove(prove::Arguments),
    /// Show the shortest interleaving that refutes a property
    Explain(explain::Arguments),
    /// Play one failing execution again, step by step
    Replay(replay::Arguments),
    /// Play the whole runtime in virtual time, with faults, again and again
    Simulate(simulate::Arguments),
    /// Get real threads stuck in real system calls, and end them
    Demo(demo::Arguments),
    /// Print the diagram of the states of a PHP thread, made from the table that the library enforces
    Diagram(diagram::Arguments),
}

/// What a command came to.
enum Ending {
    AsClaimed,
    ClaimFailed,
}

/// Bad input: one line that says what was wrong and what to do.
struct BadInput(String);

impl From<String> for BadInput {
    fn from(line: String) -> Self {
        Self(line)
    }
}

pub(crate) fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return usage(&error),
    };
    let ending = match cli.command.unwrap_or(Command::Prove(cli.prove)) {
        Command::Prove(arguments) => prove::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Replay(arguments) => replay::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Diagram(arguments) => diagram::run(&arguments),
    };
    match ending {
        Ok(Ending::AsClaimed) => ExitCode::SUCCESS,
        Ok(Ending::ClaimFailed) => ExitCode::from(1),
        Err(BadInput(line)) => {
            eprintln!("forcekill: {line}");
            ExitCode::from(2)
        }
    }
}

/// Help and version go to standard output; anything else is one line on standard error.
fn usage(error: &clap::Error) -> ExitCode {
    if !error.use_stderr() {
        print!("{error}");
        return ExitCode::SUCCESS;
    }
    let text = error.to_string();
    let said = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    let line = said.trim_start_matches("error: ");
    let tip = text.lines().find_map(|line| line.trim().strip_prefix("tip: ")).map(|tip| format!(" ({tip})"));
    eprintln!("forcekill: {line}{}; see forcekill --help", tip.unwrap_or_default());
    ExitCode::from(2)
}

fn cannot_write(path: &Path, error: &std::io::Error) -> BadInput {
    BadInput(format!("cannot write {}: {error}", path.display()))
}

/// The properties and designs of a command line, by their names.
fn parse_all<T: std::str::FromStr<Err = String>>(names: &[String]) -> Result<Vec<T>, BadInput> {
    names.iter().map(|name| name.parse().map_err(BadInput)).collect()
}
