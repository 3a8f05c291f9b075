//! Deliberately broken steps of the runtime, each of which the races must refute, and the broken forms of upstream's that the
//! historic designs share.

use std::time::Duration;

use forcekill::drain::Call;
use forcekill::leaver::Leaver;
use forcekill::platform::Monitor;
use forcekill::roster::{Claim, Life, Phase, Pool, Roster, Rules};
use forcekill::runtime::Waiting;
use forcekill::steps::Steps;
use forcekill::steps::runtime::{NoInit, RuntimeSteps};
use forcekill::{
    Fate, InterruptFlags, Lingering, Platform, Registration, SpawnError, State, States, StillLingering,
    Thread,
};

use crate::lifecycle_defects::{CountsInsideTheThread, TakesAnyLife};

/// Serves whatever there is, as upstream's threads do, which are not asked whether they may enter.
pub(crate) fn admits_anybody<P: Platform>(
    roster: &P::Monitor<Roster>,
    generation: u32,
    life: Life,
) -> Option<Pool> {
    roster.with(|roster| roster.admit(generation, life)).or(Some(Pool::Worker(0)))
}

/// Out of the list, and nobody in its place.
pub(crate) fn quarantines_alone<P: Platform>(
    roster: &P::Monitor<Roster>,
    generation: u32,
    life: Life,
) -> (Option<Pool>, Vec<Claim>) {
    roster.with(|roster| (roster.quarantine(generation, life), Vec::new()))
}

/// Waits without a deadline for the states of a thread that serves, as upstream's boot does.
pub(crate) fn waits_for_a_serving_thread<P: Platform, F: InterruptFlags<Flag = P::Flag>, D: Steps<P, F>>(
    thread: &Thread<P, F, D>,
) -> Option<State> {
    Some(thread.wait_for(States::STABLE.with(State::Reserved)))
}

/// Implements the steps of a defect for every scene.
macro_rules! defect {
    ($(#[$doc:meta])+ $name:ident { $($steps:item)* } $(and { $($own:item)+ })?) => {
        $(#[$doc])+
        pub struct $name;

        impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> Steps<P, F> for $name { $($($own)+)? }
        impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> RuntimeSteps<P, F> for $name { $($steps)* }
    };
}

defect! {
    /// a, g: an OS thread that starts behind a shutdown's back is let in, and counts itself when it is. The admission and the count
    /// stand in for each other: with a sound count an admission too many keeps the gate shut, and a thread that is not admitted
    /// never enters the engine that is torn down.
    AdmitsAnybody {
        fn admit(roster: &P::Monitor<Roster>, generation: u32, life: Life) -> Option<Pool> {
            admits_anybody::<P>(roster, generation, life)
        }
    } and {
        fn spawn(
            thread: &Thread<P, F, Self>,
            lingering: &Lingering<P>,
            body: impl FnOnce() + Send + 'static,
        ) -> Result<(), SpawnError> {
            CountsInsideTheThread::count_inside(thread.platform(), lingering, body)
        }
    }
}

defect! {
    /// A thread serves what it has taken, whatever was asked of it meanwhile.
    BeginsWhateverWasAsked {
        fn begin_request(thread: &Thread<P, F, Self>) -> bool {
            let _ = thread.state();
            true
        }
    }
}

defect! {
    /// #2612: a thread that is ready waits to be told of a request, and does not look for one that came before it.
    WaitsBeforeItLooks {
        fn looks_first() -> bool {
            false
        }
    }
}

defect! {
    /// A leaver keeps the request that it has taken.
    KeepsWhatItHasTaken {
        fn hand_back<Q: Send, A: Send>(_waiting: &mut Waiting<Q, A>, _id: u64, _life: Life) -> bool {
            false
        }
    }
}

defect! {
    /// A request is handed back, and the scaler is not asked for a thread that takes it.
    AsksNobodyAgain {
        fn ask_again(_roster: &P::Monitor<Roster>, _pool: Pool) {}
    }
}

defect! {
    /// Nobody is told that the thread which served a request was abandoned.
    ForgetsRequestsOfAbandoned {
        fn lose<Q: Send, A: Send>(_waiting: &mut Waiting<Q, A>, _life: Life) {}
    }
}

defect! {
    /// o: an abandoned thread is not replaced, and its index never comes back.
    AbandonsForGood {
        fn abandon(
            roster: &P::Monitor<Roster>,
            generation: u32,
            life: Life,
            _rules: &Rules,
        ) -> (Option<Pool>, Vec<Claim>) {
            quarantines_alone::<P>(roster, generation, life)
        }

        fn depart(
            roster: &P::Monitor<Roster>,
            generation: u32,
            life: Life,
            _rules: &Rules,
        ) -> (bool, Vec<Claim>) {
            roster.with(|roster| (roster.depart(generation, life), Vec::new()))
        }
    }
}

defect! {
    /// An abandoned thread stays in the list until it exits.
    ListNotCleaned {
        fn abandon(
            roster: &P::Monitor<Roster>,
            generation: u32,
            life: Life,
            rules: &Rules,
        ) -> (Option<Pool>, Vec<Claim>) {
            roster.with(|roster| (roster.pool_of(generation, life), roster.fill(generation, rules)))
        }
    }
}

defect! {
    /// A thread that exits leaves its seat taken.
    SeatNotFreed {
        fn depart(
            roster: &P::Monitor<Roster>,
            generation: u32,
            _life: Life,
            rules: &Rules,
        ) -> (bool, Vec<Claim>) {
            roster.with(|roster| (false, roster.fill(generation, rules)))
        }
    }
}

defect! {
    /// An abandoned thread's index is given to another at once.
    IndexReusedAtOnce {
        fn abandon(
            roster: &P::Monitor<Roster>,
            generation: u32,
            life: Life,
            rules: &Rules,
        ) -> (Option<Pool>, Vec<Claim>) {
            roster.with(|roster| {
                let pool = roster.pool_of(generation, life);
                roster.depart(generation, life);
                (pool, roster.fill(generation, rules))
            })
        }
    } and {
        fn wait_or_abandon(leaver: &Leaver<'_, P, F, Self>, call: Call, deadline: Duration) -> Fate {
            let awaited = <Self as Steps<P, F>>::awaits(call);
            leaver.thread().lifecycle().wait_until_or(
                deadline,
                |lifecycle| leaver.came_to(awaited, call, lifecycle),
                |lifecycle| {
                    let fate = lifecycle.give_up(call, Duration::ZERO);
                    if call == Call::Restart && fate == Fate::Abandoned {
                        lifecycle.overwrite(State::Done, Duration::ZERO);
                    }
                    fate
                },
            )
        }
    }
}

defect! {
    /// g: a thread that is not healthy is replaced, whatever was asked of it.
    RebootsWhateverWasAsked {
        fn reboots(thread: &Thread<P, F, Self>) -> bool {
            thread.with(|lifecycle| lifecycle.overwrite(State::Rebooting, Duration::ZERO));
            true
        }
    }
}

defect! {
    /// A restart that could not ask everybody says that it is complete.
    BusyIsComplete {
        fn is_complete(abandoned: usize, _busy: usize) -> bool {
            abandoned == 0
        }
    }
}

defect! {
    /// A shutdown asks the threads, and then says that it has begun.
    ShutdownBeginsLate {
        fn begin_shutdown(roster: &P::Monitor<Roster>, generation: u32) -> bool {
            roster.with(|roster| roster.is_up(generation))
        }
    }
}

defect! {
    /// h: the process may be started again, and then the latch is set.
    LatchesLate {
        fn end_shutdown(roster: &P::Monitor<Roster>, torn_down: bool) {
            roster.with(|roster| roster.set_phase(Phase::Down));
            if !torn_down {
                roster.with(|roster| roster.set_phase(Phase::TeardownSkipped));
            }
        }
    }
}

defect! {
    /// The latch is not set.
    LatchesNever {
        fn end_shutdown(roster: &P::Monitor<Roster>, _torn_down: bool) {
            roster.with(|roster| roster.set_phase(Phase::Down));
        }
    }
}

defect! {
    /// An init does not look whether a shutdown is under way.
    InitBesideShutdown {
        fn begin_init(roster: &P::Monitor<Roster>, _deadline: Duration) -> Result<u32, NoInit> {
            roster.with(|roster| match roster.phase() {
                Phase::TeardownSkipped => Err(NoInit::TeardownSkipped),
                Phase::Up | Phase::Starting => Err(NoInit::Running),
                Phase::Down | Phase::Stopping | Phase::Completing => {
                    roster.set_phase(Phase::Down);
                    roster.begin_init().ok_or(NoInit::Running)
                }
            })
        }
    }
}

defect! {
    /// #2573: the engine is torn down without a look at who lingers.
    NoGate {
        fn may_tear_down(_lingering: &Lingering<P>, _deadline: Duration) -> Result<(), StillLingering> {
            Ok(())
        }
    }
}

defect! {
    /// Metrics are freed when every thread has exited or was abandoned.
    MetricsFreedEarly {
        fn frees_metrics_early() -> bool {
            true
        }
    }
}

defect! {
    /// Whoever reads metrics is not counted.
    ReadsUncounted {
        fn count_reader(_lingering: &Lingering<P>) -> Option<Registration<P>> {
            None
        }
    }
}

defect! {
    /// p: init does not look for a thread that is Done, and has no deadline.
    BootWaitMissesDone {
        fn wait_booted(thread: &Thread<P, F, Self>, _deadline: Duration) -> Option<State> {
            waits_for_a_serving_thread(thread)
        }
    }
}

impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> RuntimeSteps<P, F> for CountsInsideTheThread {}
impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> RuntimeSteps<P, F> for TakesAnyLife {}
