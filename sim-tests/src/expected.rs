//! What must come of a case, computed without the library: the moments of the thread and the sends of the schedule are
//! sorted into one list and folded.
//!
//! At one and the same time, what the thread does comes before the next send: whoever has ended by a deadline is not
//! sent anything any more.

use std::time::Duration;

use forcekill::Obstacle;

use crate::case::{Case, Schedule};
use crate::world::System;

/// The verdict that is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The run ended at this time, after so many attempts and sends.
    Ended {
        /// When.
        at: Duration,
        /// How often the flags were stored.
        attempts: u32,
        /// How often the system took the wake-up.
        sends: u32,
    },
    /// The run was over before the first attempt.
    AlreadyGone,
    /// The thread turned out to be gone, without a word, at an attempt after so many others.
    GoneWithoutAWord {
        /// How often the flags had been stored before.
        attempts: u32,
    },
    /// The run survived, and this is why.
    NoWakeUp(Obstacle),
    /// The run survived what the system took.
    Unkillable,
}

impl Schedule {
    /// When the sends are, counted from the first.
    pub fn send_times(&self) -> Vec<Duration> {
        let mut times = vec![];
        let (mut next, mut pause) = (Duration::ZERO, self.first_pause);
        while next < self.within {
            times.push(next);
            next += pause;
            pause = (pause * 2).min(self.longest_pause);
        }
        times
    }
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    // In the order of what happens at one and the same time.
    Clear,
    Look,
    End,
    Land,
    EndInGap,
    Send,
    LandAtOnce,
}

/// What must come of `case`.
pub fn answer(case: &Case) -> Answer {
    let mut steps = steps(case);
    steps.sort();
    let (mut attempts, mut sends, mut refusal) = (0, 0, None);
    let (mut timed_out, mut vm_interrupt) = (false, false);
    let (mut retries, mut blocks_again) = (case.script.retries, case.script.blocks_again);
    for (at, step) in steps {
        let gone = matches!(case.system, System::ThreadGoneFrom(from) if at >= from);
        let mut looks = false;
        match step {
            Step::Send => {
                if gone {
                    return Answer::GoneWithoutAWord { attempts };
                }
                attempts += 1;
                (timed_out, vm_interrupt) = (true, true);
                refusal = refused(case.system, at);
                sends += u32::from(refusal.is_none());
            }
            _ if gone => {}
            Step::Clear => timed_out = false,
            Step::Look => looks = true,
            Step::End | Step::EndInGap => return ended(at, attempts, sends),
            Step::Land | Step::LandAtOnce if retries > 0 => retries -= 1,
            Step::Land | Step::LandAtOnce => looks = true,
        }
        if looks && std::mem::take(&mut vm_interrupt) && timed_out {
            if blocks_again == 0 {
                return ended(at, attempts, sends);
            }
            blocks_again -= 1;
        }
    }
    match refusal {
        Some(refusal) => Answer::NoWakeUp(refusal),
        None => match case.system {
            System::SignalBlocked => Answer::NoWakeUp(Obstacle::SignalBlocked),
            System::HandlerReplacedFrom(from) if from <= case.schedule.within => {
                Answer::NoWakeUp(Obstacle::HandlerReplaced)
            }
            _ => Answer::Unkillable,
        },
    }
}

fn ended(at: Duration, attempts: u32, sends: u32) -> Answer {
    if attempts == 0 { Answer::AlreadyGone } else { Answer::Ended { at, attempts, sends } }
}

/// Everything that can matter, up to the bound.
fn steps(case: &Case) -> Vec<(Duration, Step)> {
    let script = &case.script;
    let sends = case.schedule.send_times();
    let lands = sends.iter().filter(|at| refused(case.system, **at).is_none()).map(|at| *at + case.latency);
    let lands = lands.filter(|at| {
        case.system != System::SignalBlocked && !script.ignores_wakes && *at >= script.deaf_until
    });
    let land = if case.latency.is_zero() { Step::LandAtOnce } else { Step::Land };
    let mut steps: Vec<_> = lands.map(|at| (at, land)).collect();
    steps.extend(sends.iter().map(|at| (*at, Step::Send)));
    steps.extend(script.clears.iter().map(|at| (*at, Step::Clear)));
    steps.extend(script.looks.iter().map(|at| (*at, Step::Look)));
    steps.extend(script.ends_by_itself.iter().map(|at| (*at, Step::End)));
    // The gap after the nth wait is at the time of the next send, or at the bound.
    let ends = sends.iter().skip(1).copied().chain([case.schedule.within]);
    let gaps = ends.zip(1..).filter(|(_, nth)| script.ends_in_gap == Some(*nth));
    steps.extend(gaps.map(|(at, _)| (at, Step::EndInGap)));
    steps.retain(|(at, _)| *at <= case.schedule.within);
    steps
}

fn refused(system: System, at: Duration) -> Option<Obstacle> {
    match system {
        System::NoTarget(obstacle) => Some(obstacle),
        System::QueueFullUntil(until) if at < until => Some(Obstacle::QueueFull),
        System::HandlerReplacedFrom(from) if at >= from => Some(Obstacle::HandlerReplaced),
        System::Refuses { errno } => Some(Obstacle::Refused { errno }),
        _ => None,
    }
}
