//! What a search is about: a race of the slot or of whole lifecycles, as one protocol plays it, in one size.

use std::sync::Arc;

use crate::cases::Case;
use crate::lifecycle_cases::LifecycleCase;
use crate::monitor_proof::{self, Scenario};
use crate::oracle::Oracle;
use crate::property::Property;
use crate::prove::Engine;
use crate::races::slow_machine::SlowMachine;
use crate::races::{Race, Setting, Variant};
use crate::scene::{LifecycleModel, Slots};
use crate::stage::{Either, EitherBackend, Expiry, ExploreBackend, Model, ShuttleBackend};

/// A race as one protocol plays it.
#[derive(Clone, Copy, Debug)]
pub enum AnyCase {
    /// A race of one thread's slot; its size is the number of killers.
    Slot(&'static Case),
    /// A race of whole lifecycles; its size is the number of PHP threads.
    Lifecycle(&'static LifecycleCase),
    /// The real monitor by itself, under loom, with the library's own steps or with a broken one. It has one size.
    Monitor(&'static Scenario, Option<(&'static monitor_proof::Defect, &'static monitor_proof::Caught)>),
}

/// Schedules are refused, and searches not made, where this would be violated.
const LOOM_ALONE: &str = "the monitor is played by loom alone";

/// One execution's scenario, given the oracle that watches it.
pub type Play = Arc<dyn Fn(&Arc<Oracle>) + Send + Sync>;

impl AnyCase {
    /// The race's name.
    pub fn model(self) -> &'static str {
        match self {
            Self::Slot(case) => case.model,
            Self::Lifecycle(case) => case.model,
            Self::Monitor(scenario, _) => scenario.model,
        }
    }

    /// What it settles.
    pub fn properties(self) -> &'static [Property] {
        match self {
            Self::Slot(case) => case.properties,
            Self::Lifecycle(case) => case.properties,
            Self::Monitor(scenario, _) => scenario.properties,
        }
    }

    /// The moments that it must have visited.
    pub fn moments(self) -> &'static [&'static str] {
        match self {
            Self::Slot(case) => case.moments,
            Self::Lifecycle(case) => case.moments,
            Self::Monitor(scenario, _) => scenario.moments,
        }
    }

    /// The largest size that it is searched in without `--deep`.
    pub fn most_searched(self) -> usize {
        match self {
            Self::Lifecycle(case) => case.most_threads,
            Self::Slot(_) | Self::Monitor(..) => self.most(),
        }
    }

    /// The largest size that it can be played in.
    pub fn most(self) -> usize {
        match self {
            Self::Slot(case) if case.model == SlowMachine::NAME => 1,
            Self::Slot(_) => 3,
            Self::Lifecycle(case) => {
                let of_variants = (0..case.variants.len()).map(|variant| (case.deep_threads_in)(variant));
                of_variants.max().unwrap_or(1)
            }
            Self::Monitor(..) => 1,
        }
    }

    /// The choices beside the schedule that are searched in this size; with `--deep`, all that can be played.
    pub fn searched_variants(self, size: usize, deep: bool) -> Vec<Variant> {
        let mut variants = self.variants(size);
        if let (Self::Lifecycle(case), false) = (self, deep) {
            variants.retain(|variant| size <= (case.most_threads_in)(variant.number));
        }
        variants
    }

    /// Whether this engine plays it.
    pub fn is_played_by(self, engine: Engine) -> bool {
        match self {
            Self::Slot(_) => true,
            Self::Lifecycle(_) => engine != Engine::Loom,
            Self::Monitor(..) => engine == Engine::Loom,
        }
    }

    /// How many PHP threads a size means.
    pub fn php_threads(self, size: usize) -> usize {
        match self {
            Self::Slot(_) | Self::Monitor(..) => 1,
            Self::Lifecycle(_) => size,
        }
    }

    /// What a size is called.
    pub fn size_name(self, size: usize) -> String {
        let what = match self {
            Self::Slot(_) => "killer",
            Self::Lifecycle(_) => "thread",
            Self::Monitor(..) => return "by itself".to_string(),
        };
        format!("{size} {what}{}", if size == 1 { "" } else { "s" })
    }

    /// The choices beside the schedule.
    pub fn variants(self, size: usize) -> Vec<Variant> {
        match self {
            Self::Slot(case) => (case.variants)(size),
            Self::Lifecycle(case) => {
                let played = case.variants.iter().enumerate();
                let played = played.filter(|(number, _)| size <= (case.deep_threads_in)(*number));
                let named = played.map(|(number, name)| Variant {
                    name: (*name).to_string(),
                    number,
                    expiry: Expiry::AnyTime,
                });
                named.collect()
            }
            Self::Monitor(scenario, _) => {
                let sets = scenario.spurious_sets.clone();
                let named = sets.map(|set| Variant {
                    name: monitor_proof::waits(set),
                    number: set as usize,
                    expiry: Expiry::AnyTime,
                });
                named.collect()
            }
        }
    }

    /// Whether it is a race of whole runtimes.
    pub fn is_runtime(self) -> bool {
        matches!(self, Self::Lifecycle(case) if case.is_runtime)
    }

    /// Whether no property can depend on a slot in this variant.
    pub fn needs_no_slots(self, variant: &Variant) -> bool {
        match self {
            Self::Slot(_) | Self::Monitor(..) => false,
            Self::Lifecycle(case) => (case.needed_slots)(variant.number) == Slots::None,
        }
    }

    /// The scenario on shuttle.
    pub fn on_shuttle(self, size: usize, variant: &Variant) -> Play {
        let (expiry, number) = (variant.expiry, variant.number);
        match self {
            Self::Slot(case) => {
                let setting = Setting::new(size, variant);
                Arc::new(move |oracle| {
                    (case.shuttle)(&Model::new(ShuttleBackend, Arc::clone(oracle), expiry), &setting);
                })
            }
            Self::Lifecycle(case) => {
                let slots = case.seen_slots(size, number);
                on_lifecycle(case, Either::Shuttle(ShuttleBackend), slots, (size, number))
            }
            Self::Monitor(..) => unreachable!("{LOOM_ALONE}"),
        }
    }

    /// The scenario on the explorer. A lean one has only those slots as steps that a property can depend on.
    pub fn on_explorer(self, size: usize, variant: &Variant, is_lean: bool) -> Play {
        let (expiry, number) = (variant.expiry, variant.number);
        match self {
            Self::Slot(case) => {
                let setting = Setting::new(size, variant);
                Arc::new(move |oracle| {
                    (case.explorer)(&Model::new(ExploreBackend, Arc::clone(oracle), expiry), &setting);
                })
            }
            Self::Lifecycle(case) => {
                let slots = match is_lean {
                    true => (case.needed_slots)(number),
                    false => case.seen_slots(size, number),
                };
                on_lifecycle(case, Either::Explore(ExploreBackend), slots, (size, number))
            }
            Self::Monitor(..) => unreachable!("{LOOM_ALONE}"),
        }
    }
}

/// A race of lifecycles on one of the two checkers that play it.
fn on_lifecycle(
    case: &'static LifecycleCase,
    backend: EitherBackend,
    slots: Slots,
    (size, variant): (usize, usize),
) -> Play {
    Arc::new(move |oracle| {
        let scene = LifecycleModel::new(backend, Arc::clone(oracle), size, slots);
        (case.play)(&scene, size, variant);
    })
}
