//! Deliberately broken steps of the lifecycle, each of which the races must refute, and the broken forms of upstream's that the
//! historic designs share.

use std::time::Duration;

use forcekill::drain::{Call, Phase};
use forcekill::leaver::Leaver;
use forcekill::platform::Monitor;
use forcekill::state::Event;
use forcekill::steps::{Attempt, Steps};
use forcekill::thread::{Lifecycle, Told};
use forcekill::{
    Fate, InterruptFlags, Lingering, Platform, Request, Slot, SpawnError, State, States, Thread,
};

/// Reads the state, and sets Yielding in a critical section of its own, whatever has happened between.
pub(crate) fn yields_by_plain_set<P: Platform, F: InterruptFlags<Flag = P::Flag>, D: Steps<P, F>>(
    thread: &Thread<P, F, D>,
    seen: State,
) -> Result<(), Told> {
    if seen != State::Restarting {
        return Err(Told::by(seen));
    }
    thread.with(|lifecycle| lifecycle.overwrite(State::Yielding, Duration::ZERO));
    Ok(())
}

/// Waits, and when that was in vain sets Abandoned in a critical section of its own, whatever has happened between.
pub(crate) fn abandons_by_plain_set<P: Platform, F: InterruptFlags<Flag = P::Flag>, D: Steps<P, F>>(
    leaver: &Leaver<'_, P, F, D>,
    call: Call,
    deadline: Duration,
) -> Fate {
    D::wait_for_leaver(leaver, call, deadline, Phase::Killed).unwrap_or_else(|| {
        leaver.thread().with(|lifecycle| lifecycle.overwrite(State::Abandoned, Duration::ZERO));
        Fate::Abandoned
    })
}

/// The safe request without a deadline.
pub(crate) fn requests_without_deadline<P: Platform, F: InterruptFlags<Flag = P::Flag>, D: Steps<P, F>>(
    thread: &Thread<P, F, D>,
    event: Event,
) -> Request {
    let now = Duration::ZERO;
    thread.lifecycle().wait(|lifecycle| lifecycle.ask(event, D::refuses(lifecycle.state()), now))
}

/// Implements the steps of a defect for every scene.
macro_rules! defect {
    ($(#[$doc:meta])+ $name:ident { $($steps:item)+ }) => {
        $(#[$doc])+
        pub struct $name;

        impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> Steps<P, F> for $name { $($steps)+ }
    };
}

defect! {
    /// c1: the thread sets Yielding, and the drain sets Abandoned, each over whatever is there.
    PlainSets {
        fn let_go(thread: &Thread<P, F, Self>) -> Result<(), Told> {
            yields_by_plain_set(thread, thread.state())
        }

        fn stand_by(thread: &Thread<P, F, Self>) -> Result<(), Told> {
            yields_by_plain_set(thread, thread.wait_for(States::LEAVING))
        }

        fn wait_or_abandon(leaver: &Leaver<'_, P, F, Self>, call: Call, end: Duration) -> Fate {
            abandons_by_plain_set(leaver, call, end)
        }
    }
}

defect! {
    /// c1, with the drain's side alone mended.
    YieldsByPlainSet {
        fn let_go(thread: &Thread<P, F, Self>) -> Result<(), Told> {
            yields_by_plain_set(thread, thread.state())
        }

        fn stand_by(thread: &Thread<P, F, Self>) -> Result<(), Told> {
            yields_by_plain_set(thread, thread.wait_for(States::LEAVING))
        }
    }
}

defect! {
    /// c1, with the thread's side alone mended; and c2: a thread that has let go is abandoned.
    AbandonsByPlainSet {
        fn wait_or_abandon(leaver: &Leaver<'_, P, F, Self>, call: Call, end: Duration) -> Fate {
            abandons_by_plain_set(leaver, call, end)
        }
    }
}

defect! {
    /// n: the safe request waits for as long as it takes.
    RequestWithoutDeadline {
        fn request(leaver: &Leaver<'_, P, F, Self>, event: Event, _deadline: Duration) -> Request {
            requests_without_deadline(leaver.thread(), event)
        }
    }
}

defect! {
    /// The safe request, which has no deadline, does not know Abandoned.
    RequestIgnoresAbandoned {
        fn request(leaver: &Leaver<'_, P, F, Self>, event: Event, _deadline: Duration) -> Request {
            requests_without_deadline(leaver.thread(), event)
        }

        fn refuses(state: State) -> bool {
            States::REFUSING.without(State::Abandoned).contains(state)
        }
    }
}

defect! {
    /// The wait after the kill has no deadline.
    WaitsForTheKilled {
        fn wait_or_abandon(leaver: &Leaver<'_, P, F, Self>, call: Call, _end: Duration) -> Fate {
            waits_for_ever(leaver.thread(), call)
        }
    }
}

defect! {
    /// A thread that was refused is left out of the count.
    RefusedAreNotCounted {
        fn record(fates: &mut Vec<(usize, Fate)>, index: usize, fate: Fate) {
            if fate != Fate::Refused {
                fates.push((index, fate));
            }
        }
    }
}

defect! {
    /// A thread that has let go does not look for ShuttingDown.
    ToldMissesShuttingDown {
        fn told() -> States {
            States::TOLD.without(State::ShuttingDown)
        }
    }
}

defect! {
    /// A thread that has let go does not look for Restarting: it was told to go on, and asked again before it looked.
    ToldMissesRestarting {
        fn told() -> States {
            States::TOLD.without(State::Restarting)
        }
    }
}

defect! {
    /// A thread that has let go does not look for Abandoned.
    ToldMissesAbandoned {
        fn told() -> States {
            States::TOLD.without(State::Abandoned)
        }
    }
}

defect! {
    /// A thread that stands by does not look for Abandoned.
    LeavingMissesAbandoned {
        fn leaving() -> States {
            States::LEAVING.without(State::Abandoned)
        }
    }
}

defect! {
    /// A drain takes a thread that is still in its script for one that has let go.
    AwaitsRestarting {
        fn awaits(call: Call) -> States {
            call.awaits().with(State::Restarting)
        }

        fn wait_for_leaver(
            leaver: &Leaver<'_, P, F, Self>,
            call: Call,
            deadline: Duration,
            _phase: Phase,
        ) -> Option<Fate> {
            let awaited = <Self as Steps<P, F>>::awaits(call);
            let came = |lifecycle: &mut Lifecycle| lifecycle.is_in(awaited).map(|_| Fate::Drained);
            leaver.thread().lifecycle().wait_until(deadline, came)
        }
    }
}

defect! {
    /// A restart lists threads with their lives, and asks, kills and gives up whoever has the index by then.
    TakesAnyLife {
        fn is_meant(_life: Option<u32>, _has_it: u32) -> bool {
            true
        }
    }
}

defect! {
    /// A restart asks whoever has the index by then.
    AsksAnyLife {
        fn request(leaver: &Leaver<'_, P, F, Self>, event: Event, deadline: Duration) -> Request {
            let refuses = <Self as Steps<P, F>>::refuses;
            leaver.thread().lifecycle().wait_until_or(
                deadline,
                |lifecycle| lifecycle.ask(event, refuses(lifecycle.state()), Duration::ZERO),
                |_| Request::Busy,
            )
        }
    }
}

defect! {
    /// A restart kills whoever has the index by then.
    KillsAnyLife {
        fn attempt_current(slot: &Slot<P, F, Self>, _life: Option<u32>, nth: u32) -> Attempt {
            let run = slot.current_run();
            run.map_or(Attempt::NotRunning, |run| slot.attempt(run, nth))
        }
    }
}

defect! {
    /// a: the thread counts itself, when it has started.
    CountsInsideTheThread {
        fn spawn(
            thread: &Thread<P, F, Self>,
            lingering: &Lingering<P>,
            body: impl FnOnce() + Send + 'static,
        ) -> Result<(), SpawnError> {
            Self::count_inside(thread.platform(), lingering, body)
        }
    }
}

impl CountsInsideTheThread {
    /// Starts a thread that counts itself.
    pub(crate) fn count_inside<P: Platform>(
        platform: &P,
        lingering: &Lingering<P>,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), SpawnError> {
        let lingering = lingering.clone();
        platform.spawn(move || {
            let registration = lingering.register();
            body();
            drop(registration);
        })
    }
}

/// Waits for a thread that was killed, for as long as it takes.
pub(crate) fn waits_for_ever<P: Platform, F: InterruptFlags<Flag = P::Flag>, D: Steps<P, F>>(
    thread: &Thread<P, F, D>,
    call: Call,
) -> Fate {
    let awaited = D::awaits(call);
    thread.lifecycle().wait(|lifecycle| lifecycle.is_in(awaited).map(|state| call.fate(state)))
}
