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
    table.set_header(["stuck in", "system call", "verdict", "sends", "microseconds", "why"]);
    for row in &rows {
        let numbers = [row.sends.to_string(), row.micros.to_string()];
        let [sends, micros] = numbers;
        table.add_row([
            row.name.to_string(),
            row.syscall.to_string(),
            row.verdict.clone(),
            sends,
            micros,
            row.why.to_string(),
        ]);
    }
    println!("{table}");
    let ended = rows.iter().filter(|row| row.ended).count();
    println!("{ended} of {} threads were ended. Those that no kill ends on this system:", rows.len());
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
