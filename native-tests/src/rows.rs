//! The rows of the demo on Linux.

use std::error::Error;
use std::time::Duration;

use forcekill::{Effort, Native, ResendPolicy, Verdict};

use crate::blocking::{CATALOGUE, Entry, Expected};
use crate::demo::DemoRow;
use crate::stuck::Stuck;

pub(crate) fn all(platform: Native, policy: &ResendPolicy) -> Vec<DemoRow> {
    let mut left_over = Vec::new();
    let rows = CATALOGUE
        .iter()
        .filter(|entry| entry.blocks_here())
        .map(|entry| match row(platform, policy, entry, &mut left_over) {
            Ok(row) => row,
            Err(error) => failed(entry, &*error),
        })
        .collect();
    // Joined last, because one of them ends by the clock.
    for stuck in left_over {
        let _ = stuck.let_go_and_join();
    }
    rows
}

fn row(
    platform: Native,
    policy: &ResendPolicy,
    entry: &'static Entry,
    left_over: &mut Vec<Stuck>,
) -> Result<DemoRow, Box<dyn Error>> {
    let only_flags = platform.obstacle_to_wakes().is_some();
    let killable = match entry.expected {
        Expected::EndsByFlags { .. } => true,
        Expected::EndsAfter { .. } => !only_flags,
        Expected::NeverEnds | Expected::BlocksSignal => false,
    };
    let stuck = Stuck::boot(platform, entry)?;
    let syscall = stuck.wait_stuck()?;
    let verdict = if killable { stuck.kill(policy) } else { stuck.kill(&short(policy)) };
    let effort = effort_of(verdict);
    if verdict.is_over() {
        stuck.join()?;
    } else {
        left_over.push(stuck);
    }
    Ok(DemoRow {
        name: entry.name,
        syscall,
        verdict: verdict.to_string(),
        ended: verdict.is_over(),
        killable,
        why: entry.why,
        sends: effort.sends,
        attempts: effort.attempts,
        micros: u64::try_from(effort.elapsed.as_micros()).unwrap_or(u64::MAX),
    })
}

/// What is tried on a thread that cannot be ended.
fn short(policy: &ResendPolicy) -> ResendPolicy {
    const BOUND: Duration = Duration::from_millis(100);
    let (first, longest) = (Duration::from_millis(1), Duration::from_millis(25));
    match ResendPolicy::new(BOUND, first, longest) {
        Ok(short) if policy.within() > BOUND => short,
        _ => policy.clone(),
    }
}

fn effort_of(verdict: Verdict) -> Effort {
    match verdict {
        Verdict::Ended(effort) | Verdict::Unkillable(effort) | Verdict::NoWakeUp { effort, .. } => effort,
        Verdict::AlreadyGone => Effort::default(),
    }
}

/// The row of a thread that could not be brought to the point of being killed.
fn failed(entry: &Entry, error: &dyn Error) -> DemoRow {
    DemoRow {
        name: entry.name,
        syscall: "-".to_owned(),
        verdict: format!("could not be set up: {error}"),
        ended: false,
        killable: entry.can_be_ended(),
        why: entry.why,
        sends: 0,
        attempts: 0,
        micros: 0,
    }
}
