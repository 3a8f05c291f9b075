//! Whose steps a run plays: a design's, or a defect's, by its name.

use std::fmt;
use std::str::FromStr;

use forcekill::InterruptFlags;
use forcekill::Platform;
use forcekill::steps::Sound;
use forcekill::steps::runtime::RuntimeSteps;

use super::scenario::Scenario;
use super::{Keep, Outcome, play};
use crate::lifecycle_defects as lifecycle;
use crate::lifecycle_designs::{Attempt2573Lifecycle, Merged2365Lifecycle, Pr2365Lifecycle};
use crate::runtime_defects as runtime;

type Player = fn(&Scenario, Keep) -> Outcome;

/// A design or a defect that can be simulated.
#[derive(Clone, Copy)]
pub struct Simulated {
    /// Its name: a design's of the contract, or a defect's of `forcekill prove`.
    pub name: &'static str,
    /// Whether it is one of the designs.
    pub is_design: bool,
    play: Player,
}

macro_rules! simulated {
    ($($name:literal: $steps:ty,)*; $($defect:literal: $broken:ty,)*) => {
        /// Everything that can be simulated: the designs, then the defects.
        pub static ALL: &[Simulated] = &[
            $(Simulated { name: $name, is_design: true, play: play::<$steps> },)*
            $(Simulated { name: $defect, is_design: false, play: play::<$broken> },)*
        ];
    };
}

simulated! {
    "forcekill": Sound,
    "pr-2365": Pr2365Lifecycle,
    "merged-2365": Merged2365Lifecycle,
    "attempt-2573": Attempt2573Lifecycle,
    ;
    "plain-sets": lifecycle::PlainSets,
    "yields-by-plain-set": lifecycle::YieldsByPlainSet,
    "abandons-by-plain-set": lifecycle::AbandonsByPlainSet,
    "request-without-deadline": lifecycle::RequestWithoutDeadline,
    "request-ignores-abandoned": lifecycle::RequestIgnoresAbandoned,
    "waits-for-the-killed": lifecycle::WaitsForTheKilled,
    "refused-are-not-counted": lifecycle::RefusedAreNotCounted,
    "told-misses-shutting-down": lifecycle::ToldMissesShuttingDown,
    "told-misses-restarting": lifecycle::ToldMissesRestarting,
    "told-misses-abandoned": lifecycle::ToldMissesAbandoned,
    "leaving-misses-abandoned": lifecycle::LeavingMissesAbandoned,
    "awaits-restarting": lifecycle::AwaitsRestarting,
    "counts-inside-the-thread": lifecycle::CountsInsideTheThread,
    "admits-anybody": runtime::AdmitsAnybody,
    "begins-whatever-was-asked": runtime::BeginsWhateverWasAsked,
    "keeps-what-it-has-taken": runtime::KeepsWhatItHasTaken,
    "forgets-requests-of-abandoned": runtime::ForgetsRequestsOfAbandoned,
    "abandons-for-good": runtime::AbandonsForGood,
    "list-not-cleaned": runtime::ListNotCleaned,
    "seat-not-freed": runtime::SeatNotFreed,
    "index-reused-at-once": runtime::IndexReusedAtOnce,
    "reboots-whatever-was-asked": runtime::RebootsWhateverWasAsked,
    "busy-is-complete": runtime::BusyIsComplete,
    "shutdown-begins-late": runtime::ShutdownBeginsLate,
    "latches-late": runtime::LatchesLate,
    "latches-never": runtime::LatchesNever,
    "init-beside-shutdown": runtime::InitBesideShutdown,
    "no-gate": runtime::NoGate,
    "metrics-freed-early": runtime::MetricsFreedEarly,
    "boot-wait-misses-done": runtime::BootWaitMissesDone,
}

/// Defects of the lifecycle break nothing in the runtime.
macro_rules! sound_runtime {
    ($($broken:ident),*) => {$(
        impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> RuntimeSteps<P, F> for lifecycle::$broken {}
    )*};
}

sound_runtime!(
    PlainSets,
    YieldsByPlainSet,
    AbandonsByPlainSet,
    RequestWithoutDeadline,
    RequestIgnoresAbandoned,
    WaitsForTheKilled,
    RefusedAreNotCounted,
    ToldMissesShuttingDown,
    ToldMissesRestarting,
    ToldMissesAbandoned,
    LeavingMissesAbandoned,
    AwaitsRestarting
);

impl Simulated {
    /// Plays a scenario.
    pub fn play(self, scenario: &Scenario, keep: Keep) -> Outcome {
        (self.play)(scenario, keep)
    }
}

impl fmt::Debug for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for Simulated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name)
    }
}

impl FromStr for Simulated {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = ALL.iter().copied().find(|simulated| simulated.name == name);
        found.ok_or_else(|| {
            let names: Vec<_> = ALL.iter().map(|simulated| simulated.name).collect();
            format!("unknown design '{name}'; what can be simulated is {}", names.join(", "))
        })
    }
}
