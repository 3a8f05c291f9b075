//! One real thread for each entry of the catalogue: booted, seen parked by the kernel, killed.

use forcekill::{Native, ResendPolicy};

/// How the kill of one thread went. Plain values, for tables and machines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoRow {
    /// What the thread was stuck in.
    pub name: &'static str,
    /// The system call in which the kernel saw it, or that it was running.
    pub syscall: String,
    /// The verdict, in words.
    pub verdict: String,
    /// Whether the run was over when the kill returned.
    pub ended: bool,
    /// Whether a kill can end it, on this system and platform.
    pub killable: bool,
    /// Why it ends later than at the first signal, or not at all; empty if it ends at the first.
    pub why: &'static str,
    /// How many wake-ups the system took.
    pub sends: u32,
    /// How often the flags were stored.
    pub attempts: u32,
    /// From the start of the kill to its verdict, in microseconds.
    pub micros: u64,
}

impl DemoRow {
    /// Whether the kill did what it can do here.
    pub fn is_as_claimed(&self) -> bool {
        self.ended == self.killable
    }
}

/// Gets one thread stuck in each way that the catalogue knows, kills it, and reports, in the catalogue's order.
///
/// `policy` is for the threads that can be ended. Those that cannot are given up after 100 ms at the most, let go and
/// joined. Takes less than three seconds. Without Linux there are no rows.
#[cfg(target_os = "linux")]
pub fn run_demo(platform: Native, policy: &ResendPolicy) -> Vec<DemoRow> {
    crate::rows::all(platform, policy)
}

/// Gets one thread stuck in each way that the catalogue knows. Without Linux there are no rows.
#[cfg(not(target_os = "linux"))]
pub fn run_demo(_platform: Native, _policy: &ResendPolicy) -> Vec<DemoRow> {
    Vec::new()
}
