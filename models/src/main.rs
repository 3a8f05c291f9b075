//! The program `forcekill`: proves, explains, replays and demonstrates.

mod cli;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
