//! Which race of whole lifecycles is played by which protocol: every race by every design, and by each defect that it must
//! catch.

use std::sync::LazyLock;

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;
use forcekill::steps::{Sound, Steps};

use crate::cases::Engines;
use crate::designs::Design;
use crate::lifecycle_defects as broken;
use crate::lifecycle_designs::{Attempt2573Lifecycle, Merged2365Lifecycle, Pr2365Lifecycle};
use crate::lifecycles::LifecycleRace;
use crate::property::Property;
use crate::races::abandoned_capacity::AbandonedCapacity;
use crate::races::boot_failure::BootFailure;
use crate::races::dispatch_against_leaving::DispatchAgainstLeaving;
use crate::races::drain_then_shutdown::DrainThenShutdown;
use crate::races::handed_back_request::HandedBackRequest;
use crate::races::kinds_of_stuck::KindsOfStuck;
use crate::races::lingering_against_teardown::LingeringAgainstTeardown;
use crate::races::metrics_reader::MetricsReader;
use crate::races::reinit_against_late_unwind::ReinitAgainstLateUnwind;
use crate::races::respawn_against_teardown::RespawnAgainstTeardown;
use crate::races::restart_against_next_life::RestartAgainstNextLife;
use crate::races::restart_against_scaler::RestartAgainstScaler;
use crate::races::restart_against_shutdown::RestartAgainstShutdown;
use crate::races::runtime_restart_against_shutdown::RuntimeRestartAgainstShutdown;
use crate::races::two_restarts::TwoRestarts;
use crate::races::whole_life::WholeLife;
use crate::runtimes::RuntimeRace;
use crate::scene::{LifecycleModel, Slots};
use crate::stage::EitherBackend;

/// The explorer's or shuttle's.
type EitherScene = LifecycleModel<EitherBackend>;

/// One race as played by one protocol, with its types erased.
#[derive(Clone, Debug)]
pub struct LifecycleCase {
    /// The race's name.
    pub model: &'static str,
    /// What it settles.
    pub properties: &'static [Property],
    /// What it must have visited.
    pub moments: &'static [&'static str],
    /// The most PHP threads that it is searched with.
    pub most_threads: usize,
    /// The most PHP threads of a variant.
    pub most_threads_in: fn(usize) -> usize,
    /// The same with `--deep`.
    pub deep_threads_in: fn(usize) -> usize,
    /// The choices beside the schedule.
    pub variants: &'static [&'static str],
    /// The most PHP threads with which all slots are steps.
    pub all_slots_up_to: usize,
    /// Whose slots are steps otherwise.
    pub needed_slots: fn(usize) -> Slots,
    /// Whether it is one of whole runtimes.
    pub is_runtime: bool,
    /// Whether the runtime's own scaler takes part, so that the explorer alone can play it.
    pub has_own_scaler: bool,
    /// Plays it once, under the explorer or shuttle.
    pub play: fn(&EitherScene, usize, usize),
}

impl LifecycleCase {
    /// Whose slots are steps.
    pub fn seen_slots(&self, php_threads: usize, variant: usize) -> Slots {
        if php_threads <= self.all_slots_up_to { Slots::All } else { (self.needed_slots)(variant) }
    }
}

/// A broken step of the lifecycle, and where it is refuted.
pub(crate) struct Broken {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) caught_by: Vec<(LifecycleCase, Property)>,
    /// Who must catch it.
    pub(crate) engines: Engines,
}

fn case<R: LifecycleRace, D>() -> LifecycleCase
where
    D: Steps<EitherScene, OwnedFlags>,
{
    LifecycleCase {
        model: R::NAME,
        properties: R::PROPERTIES,
        moments: R::MOMENTS,
        most_threads: R::MOST_THREADS,
        most_threads_in: R::most_threads_in,
        deep_threads_in: R::deep_threads_in,
        variants: R::VARIANTS,
        all_slots_up_to: R::ALL_SLOTS_UP_TO,
        needed_slots: R::needed_slots,
        is_runtime: false,
        has_own_scaler: false,
        play: R::play::<EitherScene, D>,
    }
}

/// The same for a race of whole runtimes.
fn runtime_case<R: RuntimeRace, D>() -> LifecycleCase
where
    D: RuntimeSteps<EitherScene, OwnedFlags>,
{
    LifecycleCase {
        model: R::NAME,
        properties: R::PROPERTIES,
        moments: R::MOMENTS,
        most_threads: R::MOST_THREADS,
        most_threads_in: R::most_threads_in,
        deep_threads_in: R::deep_threads_in,
        variants: R::VARIANTS,
        all_slots_up_to: 0,
        needed_slots: R::needed_slots,
        is_runtime: true,
        has_own_scaler: R::HAS_OWN_SCALER,
        play: R::play::<EitherScene, D>,
    }
}

/// Every race, as this protocol plays it.
fn all<D>() -> Vec<LifecycleCase>
where
    D: RuntimeSteps<EitherScene, OwnedFlags>,
{
    vec![
        case::<RestartAgainstShutdown, D>(),
        case::<TwoRestarts, D>(),
        case::<DrainThenShutdown, D>(),
        case::<LingeringAgainstTeardown, D>(),
        case::<WholeLife, D>(),
        case::<RestartAgainstNextLife, D>(),
        runtime_case::<RuntimeRestartAgainstShutdown, D>(),
        runtime_case::<RespawnAgainstTeardown, D>(),
        runtime_case::<ReinitAgainstLateUnwind, D>(),
        runtime_case::<BootFailure, D>(),
        runtime_case::<RestartAgainstScaler, D>(),
        runtime_case::<DispatchAgainstLeaving, D>(),
        runtime_case::<HandedBackRequest, D>(),
        runtime_case::<AbandonedCapacity, D>(),
        runtime_case::<KindsOfStuck, D>(),
        runtime_case::<MetricsReader, D>(),
    ]
}

static FORCEKILL: LazyLock<Vec<LifecycleCase>> = LazyLock::new(all::<Sound>);
static PR_2365: LazyLock<Vec<LifecycleCase>> = LazyLock::new(all::<Pr2365Lifecycle>);
static MERGED_2365: LazyLock<Vec<LifecycleCase>> = LazyLock::new(all::<Merged2365Lifecycle>);
static ATTEMPT_2573: LazyLock<Vec<LifecycleCase>> = LazyLock::new(all::<Attempt2573Lifecycle>);

/// The races of a design.
pub fn of(design: Design) -> &'static [LifecycleCase] {
    match design {
        Design::Forcekill => &FORCEKILL,
        Design::Pr2365 => &PR_2365,
        Design::Merged2365 => &MERGED_2365,
        Design::Attempt2573 => &ATTEMPT_2573,
    }
}

pub(crate) fn defects() -> Vec<Broken> {
    let mut defects = defects_of_lifecycles();
    defects.extend(defects_of_runtimes());
    defects
}

fn defects_of_runtimes() -> Vec<Broken> {
    use crate::runtime_defects as broken;
    use Property::{
        Bounded, CapacityAddsUp, LatchHolds, LateUnwindIsSafe, LegalTransitions, MetricsAlive,
        NoWorkForLeavers, OneThreadPerIndex, RequestsSettle, RestartIsComplete, TeardownAlone,
    };
    let broken = |name, what, caught_by| Broken { name, what, caught_by, engines: Engines::Interleavings };
    vec![
        broken(
            "admits-anybody",
            "a, g: a thread that starts behind a shutdown's back is let in, and counts itself when it is in",
            vec![(runtime_case::<RespawnAgainstTeardown, broken::AdmitsAnybody>(), TeardownAlone)],
        ),
        broken(
            "begins-whatever-was-asked",
            "a thread serves what it has taken, whatever was asked of it meanwhile",
            vec![(
                runtime_case::<DispatchAgainstLeaving, broken::BeginsWhateverWasAsked>(),
                NoWorkForLeavers,
            )],
        ),
        broken(
            "waits-before-it-looks",
            "#2612: a thread waits to be told of a request, and misses one that came before it was ready",
            vec![(runtime_case::<DispatchAgainstLeaving, broken::WaitsBeforeItLooks>(), RequestsSettle)],
        ),
        broken(
            "keeps-what-it-has-taken",
            "a leaver keeps the request that it has taken",
            vec![(runtime_case::<DispatchAgainstLeaving, broken::KeepsWhatItHasTaken>(), RequestsSettle)],
        ),
        Broken {
            engines: Engines::ExplorerAlone,
            ..broken(
                "asks-nobody-again",
                "a leaver hands back what it has taken, and nobody asks the scaler for whoever takes it now",
                vec![(runtime_case::<HandedBackRequest, broken::AsksNobodyAgain>(), RequestsSettle)],
            )
        },
        broken(
            "forgets-requests-of-abandoned",
            "nobody is told that the thread which served a request was abandoned",
            vec![(
                runtime_case::<DispatchAgainstLeaving, broken::ForgetsRequestsOfAbandoned>(),
                RequestsSettle,
            )],
        ),
        broken(
            "abandons-for-good",
            "o: an abandoned thread is not replaced, and its capacity never comes back",
            vec![(runtime_case::<AbandonedCapacity, broken::AbandonsForGood>(), CapacityAddsUp)],
        ),
        broken(
            "list-not-cleaned",
            "an abandoned thread stays in the list until it exits",
            vec![(runtime_case::<AbandonedCapacity, broken::ListNotCleaned>(), CapacityAddsUp)],
        ),
        broken(
            "seat-not-freed",
            "a thread that exits leaves its seat taken",
            vec![(runtime_case::<AbandonedCapacity, broken::SeatNotFreed>(), CapacityAddsUp)],
        ),
        broken(
            "index-reused-at-once",
            "an abandoned thread's index is given to another before its OS thread has exited",
            vec![(runtime_case::<AbandonedCapacity, broken::IndexReusedAtOnce>(), OneThreadPerIndex)],
        ),
        broken(
            "reboots-whatever-was-asked",
            "g: a thread that is not healthy is replaced, whatever was asked of it",
            vec![(
                runtime_case::<RespawnAgainstTeardown, broken::RebootsWhateverWasAsked>(),
                LegalTransitions,
            )],
        ),
        Broken {
            engines: Engines::ExplorerAlone,
            ..broken(
                "takes-any-life",
                "a restart gives up on whoever has the index of a thread that has left, and tells the lists of the one before",
                vec![(
                    runtime_case::<AbandonedCapacity, crate::lifecycle_defects::TakesAnyLife>(),
                    CapacityAddsUp,
                )],
            )
        },
        broken(
            "busy-is-complete",
            "a restart that could not ask everybody says that it is complete",
            vec![(runtime_case::<RestartAgainstScaler, broken::BusyIsComplete>(), RestartIsComplete)],
        ),
        Broken {
            engines: Engines::ExplorerAlone,
            ..broken(
                "shutdown-begins-late",
                "a shutdown does not say that it has begun before it asks the threads",
                vec![(
                    runtime_case::<RuntimeRestartAgainstShutdown, broken::ShutdownBeginsLate>(),
                    LateUnwindIsSafe,
                )],
            )
        },
        broken(
            "latches-late",
            "h: the process may be started again, and then the latch is set",
            vec![(runtime_case::<ReinitAgainstLateUnwind, broken::LatchesLate>(), LatchHolds)],
        ),
        broken(
            "latches-never",
            "a shutdown that skips the teardown lets init in again",
            vec![(runtime_case::<ReinitAgainstLateUnwind, broken::LatchesNever>(), LatchHolds)],
        ),
        broken(
            "init-beside-shutdown",
            "an init does not wait for a shutdown that is under way",
            vec![(runtime_case::<ReinitAgainstLateUnwind, broken::InitBesideShutdown>(), LatchHolds)],
        ),
        broken(
            "no-gate",
            "#2573: the engine is torn down without a look at who lingers",
            vec![
                (runtime_case::<RuntimeRestartAgainstShutdown, broken::NoGate>(), TeardownAlone),
                (runtime_case::<ReinitAgainstLateUnwind, broken::NoGate>(), LateUnwindIsSafe),
            ],
        ),
        broken(
            "metrics-freed-early",
            "metrics are freed when every thread has exited or was abandoned",
            vec![(runtime_case::<ReinitAgainstLateUnwind, broken::MetricsFreedEarly>(), MetricsAlive)],
        ),
        broken(
            "reads-uncounted",
            "whoever reads metrics is not counted, and the teardown frees them meanwhile",
            vec![(runtime_case::<MetricsReader, broken::ReadsUncounted>(), MetricsAlive)],
        ),
        broken(
            "boot-wait-misses-done",
            "p, #2664: init waits, without a deadline, for a thread that is gone",
            vec![(runtime_case::<BootFailure, broken::BootWaitMissesDone>(), Bounded)],
        ),
    ]
}

fn defects_of_lifecycles() -> Vec<Broken> {
    use Property::{
        Bounded, KillHitsItsRun, LateUnwindIsSafe, LegalTransitions, NoDeadlock, RestartIsComplete,
        TeardownAlone,
    };
    let broken = |name, what, caught_by| Broken { name, what, caught_by, engines: Engines::Interleavings };
    vec![
        broken(
            "plain-sets",
            "c1: Yielding and Abandoned are each set over whatever is there",
            vec![
                (case::<RestartAgainstShutdown, broken::PlainSets>(), LegalTransitions),
                (case::<RestartAgainstShutdown, broken::PlainSets>(), NoDeadlock),
            ],
        ),
        broken(
            "yields-by-plain-set",
            "c1, the drain's side alone mended: the thread sets Yielding over whatever is there",
            vec![
                (case::<RestartAgainstShutdown, broken::YieldsByPlainSet>(), LegalTransitions),
                (case::<RestartAgainstShutdown, broken::YieldsByPlainSet>(), NoDeadlock),
            ],
        ),
        broken(
            "abandons-by-plain-set",
            "c1, the thread's side alone mended, and c2: a thread that has let go is set Abandoned",
            vec![(case::<RestartAgainstShutdown, broken::AbandonsByPlainSet>(), LegalTransitions)],
        ),
        broken(
            "request-without-deadline",
            "n: the safe request waits for as long as it takes",
            vec![(case::<WholeLife, broken::RequestWithoutDeadline>(), Bounded)],
        ),
        broken(
            "request-ignores-abandoned",
            "the safe request waits for a thread that was abandoned",
            vec![(case::<RestartAgainstShutdown, broken::RequestIgnoresAbandoned>(), Bounded)],
        ),
        broken(
            "waits-for-the-killed",
            "the wait after the kill has no deadline",
            vec![(case::<RestartAgainstShutdown, broken::WaitsForTheKilled>(), Bounded)],
        ),
        broken(
            "refused-are-not-counted",
            "a thread that was refused is left out of the count",
            vec![(case::<RestartAgainstShutdown, broken::RefusedAreNotCounted>(), RestartIsComplete)],
        ),
        broken(
            "told-misses-shutting-down",
            "a thread that has let go does not look for ShuttingDown",
            vec![(case::<DrainThenShutdown, broken::ToldMissesShuttingDown>(), LateUnwindIsSafe)],
        ),
        broken(
            "told-misses-restarting",
            "a thread that was told to go on and asked again before it looked misses that",
            vec![(case::<TwoRestarts, broken::ToldMissesRestarting>(), RestartIsComplete)],
        ),
        broken(
            "told-misses-abandoned",
            "a thread that has let go does not look for Abandoned",
            vec![(case::<DrainThenShutdown, broken::ToldMissesAbandoned>(), NoDeadlock)],
        ),
        broken(
            "leaving-misses-abandoned",
            "a thread that stands by does not look for Abandoned",
            vec![(case::<RestartAgainstShutdown, broken::LeavingMissesAbandoned>(), NoDeadlock)],
        ),
        broken(
            "awaits-restarting",
            "a drain takes a thread in its script for one that has let go",
            vec![(case::<RestartAgainstShutdown, broken::AwaitsRestarting>(), RestartIsComplete)],
        ),
        broken(
            "asks-any-life",
            "a restart asks whoever has the index of the thread that it has listed",
            vec![(case::<RestartAgainstNextLife, broken::AsksAnyLife>(), LegalTransitions)],
        ),
        broken(
            "kills-any-life",
            "a restart kills whoever has the index of the thread that it has asked",
            vec![(case::<RestartAgainstNextLife, broken::KillsAnyLife>(), KillHitsItsRun)],
        ),
        broken(
            "counts-inside-the-thread",
            "a: a thread is counted when it has started",
            vec![(case::<LingeringAgainstTeardown, broken::CountsInsideTheThread>(), TeardownAlone)],
        ),
    ]
}
