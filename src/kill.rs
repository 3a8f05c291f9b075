//! The kill: attempts until the run has ended or the schedule is over, and a verdict that a drain can act on.

use std::fmt;
use std::time::Duration;

use crate::engine::InterruptFlags;
use crate::platform::{Obstacle, Platform, Wake};
use crate::slot::{RunId, Slot};
use crate::steps::{Attempt, Steps};
use crate::wake::ResendPolicy;

/// How a kill ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a thread that was not ended is still running"]
pub enum Verdict {
    /// The run ended after the kill had been sent.
    Ended(Effort),
    /// There was nothing to kill: the run was over, or its thread gone, before anything reached it.
    AlreadyGone,
    /// The thread was never interrupted, because it cannot be here; its flags were stored all the same, and it ends if
    /// it ever looks at them.
    NoWakeUp {
        /// Why.
        obstacle: Obstacle,
        /// What was tried.
        effort: Effort,
    },
    /// The system took wake-ups, knows of nothing that held them back, and the run has not ended: it ignores the
    /// interrupt, or is in a call that resumes whenever it is interrupted. Nothing but its own return will end it.
    Unkillable(Effort),
}

/// What a kill cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// How often the flags were stored.
    pub attempts: u32,
    /// How many wake-ups the system took.
    pub sends: u32,
    /// The time from the first attempt to the verdict.
    pub elapsed: Duration,
}

impl<P, F, S> Slot<P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    /// Ends `run`: stores the interrupt flags and wakes the thread, again and again by `policy`, until the run has
    /// ended or the policy's bound is reached. Returns within [`ResendPolicy::within`] plus the time of one attempt.
    ///
    /// May be called from any thread but the one that runs the script, and by several at once. Between attempts it
    /// waits for the end of the run and holds no lock.
    ///
    /// Upstream: `frankenphp_force_kill_thread`, which sends once and to whatever the thread runs by then.
    pub fn kill(&self, run: RunId, policy: &ResendPolicy) -> Verdict {
        let schedule = S::schedule(policy);
        let started = self.platform().now();
        let end = started.saturating_add(schedule.within());
        let mut effort = Effort::default();
        // Why the system did not take the latest wake-up.
        let mut refusal = None;
        for (nth, pause) in (1..).zip(schedule.pauses()) {
            let made = self.attempt(run, nth);
            effort.attempts += u32::from(made != Attempt::NotRunning);
            match made {
                Attempt::Made(wake) if wake != Wake::ThreadGone => {
                    refusal = obstacle_of(wake);
                    effort.sends += u32::from(refusal.is_none());
                }
                // Nothing had reached it: not even this attempt did.
                _ if nth == 1 => return Verdict::AlreadyGone,
                _ => return Verdict::Ended(self.since(started, effort)),
            }
            // Counted from now, so that a killer which the system held up does not send in a burst what it has missed.
            let now = self.platform().now();
            if self.wait_ended(run, now.saturating_add(pause).min(end)) {
                return Verdict::Ended(self.since(started, effort));
            }
            if self.platform().now() >= end {
                break;
            }
        }
        self.verdict_on_survivor(run, self.since(started, effort), refusal)
    }

    /// One attempt of a kill, for callers that kill many threads at once and wait for them together: `nth` counts the
    /// attempts at this run from 1. May be called from any thread.
    #[inline]
    pub fn attempt(&self, run: RunId, nth: u32) -> Attempt {
        S::attempt(self, run, nth)
    }

    /// The same for whatever the thread runs now: for a drain alone, which has asked the thread to leave, so that what it runs
    /// is what is to end. It hits the thread that was booted as this life of the index alone, or whoever is there if that is `None`.
    /// May be called from any thread.
    #[inline]
    pub fn attempt_current(&self, life: Option<u32>, nth: u32) -> Attempt {
        S::attempt_current(self, life, nth)
    }

    fn since(&self, started: Duration, effort: Effort) -> Effort {
        Effort { elapsed: self.platform().now().saturating_sub(started), ..effort }
    }

    /// The schedule is over. Says why the run is still there, if it is.
    fn verdict_on_survivor(&self, run: RunId, effort: Effort, refusal: Option<Obstacle>) -> Verdict {
        let obstacle = self.shared(|state| {
            let occupant = S::armed(state, run)?;
            Some(match &occupant.target {
                _ if effort.sends == 0 => refusal,
                Ok(target) => self.platform().obstacle(target).or(refusal),
                Err(obstacle) => Some(*obstacle),
            })
        });
        match obstacle {
            None => Verdict::Ended(effort),
            Some(Some(obstacle)) => Verdict::NoWakeUp { obstacle, effort },
            Some(None) => Verdict::Unkillable(effort),
        }
    }
}

/// Why the system did not take a wake-up, if it did not.
fn obstacle_of(wake: Wake) -> Option<Obstacle> {
    match wake {
        Wake::Sent | Wake::ThreadGone => None,
        Wake::QueueFull => Some(Obstacle::QueueFull),
        Wake::Impossible(obstacle) => Some(obstacle),
        Wake::Failed { errno } => Some(Obstacle::Refused { errno }),
    }
}

impl Verdict {
    /// Whether the run is over.
    pub fn is_over(&self) -> bool {
        matches!(self, Self::Ended(_) | Self::AlreadyGone)
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended(effort) => write!(f, "ended after {effort}"),
            Self::AlreadyGone => write!(f, "already gone"),
            Self::NoWakeUp { obstacle, effort } => {
                write!(f, "no wake-up possible here: {obstacle} ({effort})")
            }
            Self::Unkillable(effort) => write!(f, "unkillable after {effort}"),
        }
    }
}

impl fmt::Display for Effort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.sends == 1 { "" } else { "s" };
        write!(f, "{} send{plural} in {:?}", self.sends, self.elapsed)
    }
}
