//! Which race is played by which protocol: every race by every design, and by each defect that it must catch.

use std::sync::LazyLock;

use forcekill::InterruptFlags;
use forcekill::steps::{Sound, Steps};

use crate::defects as broken;
use crate::designs::{Design, Pr2365};
use crate::lifecycle_cases::{self, LifecycleCase};
use crate::monitor_proof;
use crate::property::Property;
use crate::races::clear_against_kill::ClearAgainstKill;
use crate::races::exit_against_kill::ExitAgainstKill;
use crate::races::flag_order::FlagOrder;
use crate::races::kill_against_next_run::KillAgainstNextRun;
use crate::races::lost_wake_up::LostWakeUp;
use crate::races::other_systems::OtherSystems;
use crate::races::release_once::ReleaseOnce;
use crate::races::republish_against_kill::RepublishAgainstKill;
use crate::races::slow_machine::SlowMachine;
use crate::races::{Race, Setting, Variant};
use crate::stage::{ExploreBackend, LoomBackend, Model, ModelFlags, Monitored, ShuttleBackend, Stage};
use crate::subject::AnyCase;

type LoomStage = Model<LoomBackend>;
type ShuttleStage = Model<ShuttleBackend>;
type ExploreStage = Model<ExploreBackend>;

/// One race as played by one protocol, with its types erased.
#[derive(Clone, Debug)]
pub struct Case {
    /// The race's name.
    pub model: &'static str,
    /// What it settles.
    pub properties: &'static [Property],
    /// What it must have visited.
    pub moments: &'static [&'static str],
    /// The choices beside the schedule, for a number of killers.
    pub variants: fn(usize) -> Vec<Variant>,
    /// Under loom.
    pub loom: fn(&LoomStage, &Setting),
    /// Under shuttle.
    pub shuttle: fn(&ShuttleStage, &Setting),
    /// Under the explorer.
    pub explorer: fn(&ExploreStage, &Setting),
}

/// A deliberately broken step.
#[derive(Clone, Debug)]
pub struct Defect {
    /// What reports call it.
    pub name: &'static str,
    /// What is broken, as a sentence without a full stop.
    pub what: &'static str,
    /// The races that must refute it.
    pub caught_by: Vec<Caught>,
}

/// A race that must refute a defect.
#[derive(Clone, Debug)]
pub struct Caught {
    /// The race, as the defect plays it.
    pub case: CaughtIn,
    /// The property that breaks.
    pub property: Property,
    /// How many killers or PHP threads it takes.
    pub size: usize,
    /// Which engines must see it.
    pub engines: Engines,
}

/// A race of either kind.
#[derive(Clone, Debug)]
pub enum CaughtIn {
    /// Of one thread's slot.
    Slot(Case),
    /// Of whole lifecycles.
    Lifecycle(LifecycleCase),
    /// Of the monitor by itself.
    Monitor(&'static monitor_proof::Defect, &'static monitor_proof::Caught),
}

impl CaughtIn {
    /// The race, whatever its kind.
    pub fn as_any(&'static self) -> AnyCase {
        match self {
            Self::Slot(case) => AnyCase::Slot(case),
            Self::Lifecycle(case) => AnyCase::Lifecycle(case),
            Self::Monitor(defect, caught) => AnyCase::Monitor(caught.scenario(), Some((defect, caught))),
        }
    }
}

/// Which engines must catch a defect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Engines {
    /// loom, shuttle and the explorer.
    Every,
    /// shuttle and the explorer: the defect is one of lifecycles, which loom cannot search.
    Interleavings,
    /// The explorer alone: the defect is one of whole runtimes and takes a preemption, and there shuttle goes without.
    ExplorerAlone,
    /// loom alone: the defect is one of weak memory, which shuttle does not have.
    LoomAlone,
}

/// The storage that an engine keeps, as a family over stages.
trait Kind {
    type Flags<P: Stage>: ModelFlags<P>;
}

struct SoundFlags;

impl Kind for SoundFlags {
    type Flags<P: Stage> = Monitored<P>;
}

struct RelaxedFlags;

impl Kind for RelaxedFlags {
    type Flags<P: Stage> = broken::RelaxedCheck<P>;
}

type FlagsOn<K, P> = <K as Kind>::Flags<P>;

fn case<R: Race, K: Kind, D>() -> Case
where
    D: Steps<LoomStage, FlagsOn<K, LoomStage>>
        + Steps<ShuttleStage, FlagsOn<K, ShuttleStage>>
        + Steps<ExploreStage, FlagsOn<K, ExploreStage>>,
    FlagsOn<K, LoomStage>: InterruptFlags,
{
    Case {
        model: R::NAME,
        properties: R::PROPERTIES,
        moments: R::MOMENTS,
        variants: R::variants,
        loom: R::play::<LoomStage, FlagsOn<K, LoomStage>, D>,
        shuttle: R::play::<ShuttleStage, FlagsOn<K, ShuttleStage>, D>,
        explorer: R::play::<ExploreStage, FlagsOn<K, ExploreStage>, D>,
    }
}

/// Every race, as this protocol plays it.
fn all<D>() -> Vec<Case>
where
    D: Steps<LoomStage, Monitored<LoomStage>>
        + Steps<ShuttleStage, Monitored<ShuttleStage>>
        + Steps<ExploreStage, Monitored<ExploreStage>>,
{
    vec![
        case::<ClearAgainstKill, SoundFlags, D>(),
        case::<RepublishAgainstKill, SoundFlags, D>(),
        case::<ExitAgainstKill, SoundFlags, D>(),
        case::<KillAgainstNextRun, SoundFlags, D>(),
        case::<LostWakeUp, SoundFlags, D>(),
        case::<OtherSystems, SoundFlags, D>(),
        case::<SlowMachine, SoundFlags, D>(),
        case::<FlagOrder, SoundFlags, D>(),
        case::<ReleaseOnce, SoundFlags, D>(),
    ]
}

static FORCEKILL: LazyLock<Vec<Case>> = LazyLock::new(all::<Sound>);
// Its only pause is the whole deadline, so there is none that could be too short: `slow_machine` would be unfair to it.
static PR_2365: LazyLock<Vec<Case>> =
    LazyLock::new(|| all::<Pr2365>().into_iter().filter(|case| case.model != SlowMachine::NAME).collect());
static DEFECTS: LazyLock<Vec<Defect>> = LazyLock::new(defects);

/// The races of a design.
pub fn of(design: Design) -> &'static [Case] {
    match design {
        Design::Forcekill => &FORCEKILL,
        // The kill slot is the same in all that upstream has written.
        Design::Pr2365 | Design::Merged2365 | Design::Attempt2573 => &PR_2365,
    }
}

/// Every defect.
pub fn all_defects() -> &'static [Defect] {
    &DEFECTS
}

fn defects() -> Vec<Defect> {
    let mut defects = slot_defects();
    defects.extend(lifecycle_cases::defects().into_iter().map(|broken| {
        let caught = broken.caught_by.into_iter().map(|(case, property)| Caught {
            case: CaughtIn::Lifecycle(case),
            property,
            size: 1,
            engines: broken.engines,
        });
        Defect { name: broken.name, what: broken.what, caught_by: caught.collect() }
    }));
    defects.extend(monitor_proof::defects().iter().map(|defect| {
        let caught = defect.caught_by.iter().map(|caught| Caught {
            case: CaughtIn::Monitor(defect, caught),
            property: caught.property,
            size: 1,
            engines: Engines::LoomAlone,
        });
        Defect { name: defect.name, what: defect.what, caught_by: caught.collect() }
    }));
    defects
}

fn slot_defects() -> Vec<Defect> {
    use Engines::{Every, LoomAlone};
    use Property::{FlagsInOrder, KillHitsItsRun, NoAccessAfterFree, NoLostKill, WakeHitsItsThread};
    let defect = |name, what, caught: Vec<(Case, Property, Engines)>| {
        let caught = caught.into_iter().map(|(case, property, engines)| Caught {
            case: CaughtIn::Slot(case),
            property,
            size: 1,
            engines,
        });
        Defect { name, what, caught_by: caught.collect() }
    };
    vec![
        defect(
            "clear-after-free",
            "the storage is freed, then the slot is cleared",
            vec![(case::<ClearAgainstKill, SoundFlags, broken::ClearAfterFree>(), NoAccessAfterFree, Every)],
        ),
        defect(
            "kill-without-lock",
            "the kill works on a copy of the slot, with no lock held",
            vec![
                (case::<ClearAgainstKill, SoundFlags, broken::KillWithoutLock>(), NoAccessAfterFree, Every),
                (case::<ExitAgainstKill, SoundFlags, broken::KillWithoutLock>(), WakeHitsItsThread, Every),
            ],
        ),
        defect(
            "wake-after-unlock",
            "the wake is sent after the lock was dropped",
            vec![
                (case::<ExitAgainstKill, SoundFlags, broken::WakeAfterUnlock>(), WakeHitsItsThread, Every),
                (case::<KillAgainstNextRun, SoundFlags, broken::WakeAfterUnlock>(), KillHitsItsRun, Every),
            ],
        ),
        defect(
            "release-twice",
            "the exit path releases the wake target once more",
            vec![(case::<ReleaseOnce, SoundFlags, broken::ReleaseTwice>(), WakeHitsItsThread, Every)],
        ),
        defect(
            "republish-without-release",
            "a publication that replaces another forgets its wake target",
            vec![
                (
                    case::<RepublishAgainstKill, SoundFlags, broken::RepublishWithoutRelease>(),
                    WakeHitsItsThread,
                    Every,
                ),
                (
                    case::<ReleaseOnce, SoundFlags, broken::RepublishWithoutRelease>(),
                    WakeHitsItsThread,
                    Every,
                ),
            ],
        ),
        defect(
            "one-signal-only",
            "the wake is sent once",
            vec![
                (case::<LostWakeUp, SoundFlags, broken::OneSignalOnly>(), NoLostKill, Every),
                (case::<OtherSystems, SoundFlags, broken::OneSignalOnly>(), NoLostKill, Every),
            ],
        ),
        defect(
            "resend-without-flags",
            "re-sends do not store the flags again",
            vec![(case::<LostWakeUp, SoundFlags, broken::ResendWithoutFlags>(), NoLostKill, Every)],
        ),
        defect(
            "kill-without-its-run",
            "the kill hits whatever the thread runs by then",
            vec![
                (case::<KillAgainstNextRun, SoundFlags, broken::KillWithoutItsRun>(), KillHitsItsRun, Every),
                (
                    case::<RepublishAgainstKill, SoundFlags, broken::KillWithoutItsRun>(),
                    KillHitsItsRun,
                    Every,
                ),
            ],
        ),
        defect(
            "flags-in-wrong-order",
            "vm_interrupt is stored before timed_out",
            vec![(case::<FlagOrder, SoundFlags, broken::FlagsInWrongOrder>(), FlagsInOrder, Every)],
        ),
        defect(
            "store-without-release",
            "vm_interrupt is stored relaxed",
            vec![(case::<FlagOrder, SoundFlags, broken::RelaxedStore>(), FlagsInOrder, LoomAlone)],
        ),
        defect(
            "check-without-acquire",
            "the VM's check takes vm_interrupt down relaxed",
            vec![(case::<FlagOrder, RelaxedFlags, Sound>(), FlagsInOrder, LoomAlone)],
        ),
        defect(
            "flags-left-up",
            "a run's end leaves the flags of its kill up",
            vec![(case::<KillAgainstNextRun, SoundFlags, broken::FlagsLeftUp>(), KillHitsItsRun, Every)],
        ),
        defect(
            "wake-left-pending",
            "a run's end does not wait for the wake of its kill",
            vec![(case::<KillAgainstNextRun, SoundFlags, broken::WakeLeftPending>(), KillHitsItsRun, Every)],
        ),
        defect(
            "end-run-beside-killers",
            "a run is settled while its kill is still under way",
            vec![(
                case::<KillAgainstNextRun, SoundFlags, broken::EndRunBesideKillers>(),
                KillHitsItsRun,
                Every,
            )],
        ),
        defect(
            "acknowledge-early",
            "a run is said to have ended before it is taken out of the slot",
            vec![(case::<KillAgainstNextRun, SoundFlags, broken::AcknowledgeEarly>(), KillHitsItsRun, Every)],
        ),
        defect(
            "clear-anybody",
            "a thread that leaves takes out whoever is in the slot",
            vec![(case::<ReleaseOnce, SoundFlags, broken::ClearAnybody>(), WakeHitsItsThread, Every)],
        ),
        defect(
            "leave-without-clear",
            "a thread leaves without clearing its slot",
            vec![
                (case::<ExitAgainstKill, SoundFlags, broken::LeaveWithoutClear>(), WakeHitsItsThread, Every),
                (case::<ClearAgainstKill, SoundFlags, broken::LeaveWithoutClear>(), WakeHitsItsThread, Every),
            ],
        ),
    ]
}
