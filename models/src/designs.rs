//! The designs that stand side by side: ours, and the historic ones as other steps of the same protocol.

use std::fmt;
use std::str::FromStr;

use forcekill::steps::Steps;
use forcekill::{InterruptFlags, Occupant, Platform, PublicationId, ResendPolicy, RunId, Slot, SlotState};

use crate::stage::Stage;

/// A design, by its name in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Design {
    /// Ours: every step sound.
    Forcekill,
    /// The seed to the letter.
    Pr2365,
    /// What upstream merged: one signal, and a wait without a bound. So far its lifecycle alone; its slot is the pull request's.
    Merged2365,
    /// Upstream's second attempt at abandonment. So far its lifecycle alone; its slot is the pull request's.
    Attempt2573,
}

impl Design {
    /// Every design.
    pub const ALL: [Self; 4] = [Self::Forcekill, Self::Pr2365, Self::Merged2365, Self::Attempt2573];

    /// The name that commands and reports use.
    pub fn name(self) -> &'static str {
        match self {
            Self::Forcekill => "forcekill",
            Self::Pr2365 => "pr-2365",
            Self::Merged2365 => "merged-2365",
            Self::Attempt2573 => "attempt-2573",
        }
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Design {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|design| design.name() == name);
        found.ok_or_else(|| {
            let known = Self::ALL.map(Self::name).join(", ");
            format!("unknown design '{name}'; the designs that have models are {known}")
        })
    }
}

/// The kill slot of pull request 2365: the lock is held while the flags are stored and the signal is sent, and the slot is
/// cleared before the storage is freed; but the kill is for whatever the thread runs by then, and one signal is sent.
pub struct Pr2365;

impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> Steps<P, F> for Pr2365 {
    /// `frankenphp_force_kill_thread` takes the slot as it finds it.
    fn armed(state: &SlotState<P, F>, _run: RunId) -> Option<&Occupant<P, F>> {
        state.occupant.as_ref()
    }

    /// `drainWorkerThreads` arms the kill once and waits `forceKillDeadline`.
    fn schedule(policy: &ResendPolicy) -> ResendPolicy {
        single(policy)
    }

    /// The slot knows no runs: that the script has ended shows in the thread's state alone.
    fn end_run(slot: &Slot<P, F, Self>, _publication: PublicationId, run: RunId) {
        slot.acknowledge(run);
    }
}

/// The same bound, one send.
pub(crate) fn single(policy: &ResendPolicy) -> ResendPolicy {
    ResendPolicy::single(policy.within()).expect("a valid policy's bound is positive")
}

/// For steps that copy what they must not: the target under another name, where the stage has such a thing.
pub(crate) fn aliased<P: Stage, F>(
    stage: &P,
    occupant: &Occupant<P, F>,
) -> Option<<P as Platform>::WakeTarget> {
    occupant.target.as_ref().ok().and_then(|target| stage.alias(target))
}
