//! `forcekill demo`

use clap::Args;

use super::{BadInput, Ending};

#[derive(Debug, Args)]
pub(super) struct Arguments {}

#[cfg(not(target_os = "linux"))]
pub(super) fn run(_arguments: &Arguments) -> Result<Ending, BadInput> {
    Err(BadInput("the demo knows that a thread is parked from Linux's /proc; run it on Linux".into()))
}

#[cfg(target_os = "linux")]
pub(super) fn run(_arguments: &Arguments) -> Result<Ending, BadInput> {
    use comfy_table::{Table, presets};
    use forcekill::{Native, ResendPolicy};
    use forcekill_native_tests::demo::run_demo;

    let platform = Native::default();
    if let Some(obstacle) = platform.obstacle_to_wakes() {
        println!("Note: {obstacle}.");
    }
    let rows = run_demo(platform, &ResendPolicy::default());
    let mut table = Table::new();
    table.load_style(presets::UTF8_BORDERS_ONLY);
    table.set_header(["stuck in", "system call", "verdict", "sends", "microseconds"]);
    for row in &rows {
        // The effort has columns of its own.
        let verdict = row.verdict.split(" after ").next().unwrap_or_default();
        let verdict = verdict.split(" (").next().unwrap_or_default();
        let (sends, micros) = (row.sends.to_string(), row.micros.to_string());
        table.add_row([row.name, &row.syscall, verdict, &sends, &micros]);
    }
    println!("{table}");
    let ended = rows.iter().filter(|row| row.ended).count();
    println!("{ended} of {} threads were ended. Not at the first send:", rows.len());
    for row in rows.iter().filter(|row| row.killable && !row.why.is_empty()) {
        println!("  {}: {}", row.name, row.why);
    }
    println!("Those that no kill ends on this system:");
    for row in rows.iter().filter(|row| !row.killable) {
        println!("  {}: {}", row.name, row.why);
    }
    let mut ending = Ending::AsClaimed;
    for row in rows.iter().filter(|row| !row.is_as_claimed()) {
        println!("NOT AS CLAIMED: {}: {}", row.name, row.verdict);
        ending = Ending::ClaimFailed;
    }
    Ok(ending)
}
