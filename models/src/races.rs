//! The races, one a file. Each is a scenario that is generic over the [`Stage`] it is played on, the flags and the
//! protocol, and that states what it claims, within which bounds, and what it does not cover.

use forcekill::steps::{Attempt, Steps};
use forcekill::{RunId, Slot, Verdict};

use crate::property::Property;
use crate::stage::{Expiry, ModelFlags, Stage};

pub mod abandoned_capacity;
pub mod boot_failure;
pub mod clear_against_kill;
pub mod dispatch_against_leaving;
pub mod drain_then_shutdown;
pub mod exit_against_kill;
pub mod flag_order;
pub mod handed_back_request;
pub mod kill_against_next_run;
pub mod kinds_of_stuck;
pub mod lingering_against_teardown;
pub mod lost_wake_up;
pub mod metrics_reader;
pub mod other_systems;
pub mod reinit_against_late_unwind;
pub mod release_once;
pub mod republish_against_kill;
pub mod respawn_against_teardown;
pub mod restart_against_next_life;
pub mod restart_against_scaler;
pub mod restart_against_shutdown;
pub mod runtime_restart_against_shutdown;
pub mod slow_machine;
pub mod two_restarts;
pub mod whole_life;

/// One race: what it is called, what it settles, and the scenario.
pub trait Race: 'static {
    /// What commands and reports call it.
    const NAME: &'static str;
    /// What it settles.
    const PROPERTIES: &'static [Property];
    /// The moments that a run over all variants must have visited, or it has not seen the race.
    const MOMENTS: &'static [&'static str];

    /// The choices that a search makes beside the schedule: each is searched by itself, and a claim needs all.
    fn variants(killers: usize) -> Vec<Variant>;

    /// Plays it once, as the main thread of an execution.
    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting);
}

/// One choice of a race's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Variant {
    /// What schedules and reports call it. No spaces, commas or colons.
    pub name: String,
    /// What it means to the race.
    pub number: usize,
    /// When waits give up.
    pub expiry: Expiry,
}

/// What a scenario is played with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// How many threads kill at once.
    pub killers: usize,
    /// The variant's number.
    pub variant: usize,
    /// How many sends a killer has to spare: one for each pause that is too short, and one for each other killer, whose wake
    /// may come while this one is between its two stores.
    pub spare_sends: u32,
}

impl Variant {
    fn all(names: &[&str]) -> Vec<Self> {
        let variant = |(number, name): (usize, &&str)| Self {
            name: (*name).to_string(),
            number,
            expiry: Expiry::AnyTime,
        };
        names.iter().enumerate().map(variant).collect()
    }
}

/// What a killer of the race found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Found {
    /// The run was over, or the thread gone.
    Nothing,
    /// The run, at the first attempt; it ended before a second one.
    EndedAfterOne,
    /// The run.
    Hit,
}

impl Setting {
    /// So many killers, in this variant.
    pub fn new(killers: usize, variant: &Variant) -> Self {
        let early = usize::from(matches!(variant.expiry, Expiry::WhenStuck { early: Some(_) }));
        let spare_sends = (early + killers - 1) as u32;
        Self { killers, variant: variant.number, spare_sends }
    }

    /// One killer alone kills by the library's loop, with two sends. Several make one attempt each, as a drain does that
    /// kills many threads at once: what they race with each other for is the critical section, and the loop around it would
    /// only multiply the search.
    fn strike<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(&self, slot: &Slot<P, F, D>, run: RunId) -> Found {
        if self.killers > 1 {
            return match slot.attempt(run, 1) {
                Attempt::NotRunning => Found::Nothing,
                Attempt::Made(_) => Found::Hit,
            };
        }
        let policy = slot.platform().policy_in_vain(2);
        match slot.kill(run, &policy) {
            Verdict::AlreadyGone => Found::Nothing,
            Verdict::Ended(effort) if effort.attempts == 1 => Found::EndedAfterOne,
            _ => Found::Hit,
        }
    }
}

const KILLER_NAMES: [&str; 3] = ["killer-1", "killer-2", "killer-3"];

/// The killers of one execution, to be joined at its end.
struct Crew<P: Stage>(std::sync::Arc<std::sync::Mutex<Vec<P::Joiner>>>);

impl<P: Stage> Default for Crew<P> {
    fn default() -> Self {
        Self(std::sync::Arc::default())
    }
}

impl<P: Stage> Clone for Crew<P> {
    fn clone(&self) -> Self {
        Self(std::sync::Arc::clone(&self.0))
    }
}

impl<P: Stage> Crew<P> {
    /// Starts the setting's number of killers, each of which runs `body`.
    fn start<K: FnOnce() + Send + 'static>(&self, stage: &P, setting: &Setting, body: impl Fn() -> K) {
        for name in &KILLER_NAMES[..setting.killers] {
            let joiner = stage.start(name, body());
            self.joiners().push(joiner);
        }
    }

    /// Waits for all of them.
    fn join_all(&self, stage: &P) {
        let joiners: Vec<_> = self.joiners().drain(..).collect();
        for joiner in joiners {
            stage.join(joiner);
        }
    }

    fn joiners(&self) -> std::sync::MutexGuard<'_, Vec<P::Joiner>> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
