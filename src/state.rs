//! The states of a PHP thread, and the one table of what may happen in each.
//!
//! Everything that knows a transition is made from the table below: the code that enforces it
//! ([`State::after`]), the test of every state against every event, the diagram (`forcekill diagram`, docs/STATES.md) and
//! the coverage count of `forcekill prove`.
//!
//! Upstream: the `state` package (`internal/state`), where every caller may set any state. Here a state is only left by an
//! [`Event`] that is declared for it, applied in the critical section that looked at it, so nobody overwrites a state that
//! they did not know.

use std::fmt;

/// What a PHP thread is doing, as far as the others need to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// There is no OS thread behind the index, and it may be given one.
    Reserved,
    /// The OS thread is about to be, or being, started.
    Booting,
    /// The scaler has picked the index and is about to boot it.
    BootRequested,
    /// The thread has been asked to exit, or its worker script failed to boot.
    ShuttingDown,
    /// The OS thread has exited, but for its last count.
    Done,
    /// The thread waits to be given something to serve. Stable.
    Inactive,
    /// The thread serves requests. Stable.
    Ready,
    /// The thread has been asked to let go of its script.
    Restarting,
    /// The thread has let go of its script, and waits to be told to go on.
    Yielding,
    /// The thread has been asked to change its handler.
    TransitionRequested,
    /// The thread has let go of its handler, and waits for the new one.
    TransitionInProgress,
    /// The new handler is there, and the thread may start it.
    TransitionComplete,
    /// The thread has served `max_requests`, and its OS thread is about to exit so that a fresh one can serve.
    Rebooting,
    /// The OS thread has exited, and the fresh one has not arrived yet.
    RebootReady,
    /// The thread did not come back within its bounds; it exits if it ever does.
    Abandoned,
}

/// Who makes a transition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Actor {
    /// The PHP thread itself.
    PhpThread,
    /// The start of the runtime.
    Init,
    /// The scaler.
    Scaler,
    /// A restart.
    Restarter,
    /// The shutdown.
    Shutdown,
}

/// One row of the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Transition {
    /// The state that is left.
    pub from: State,
    /// Why.
    pub event: Event,
    /// The state that is entered.
    pub to: State,
    /// Who may do it.
    pub by: &'static [Actor],
}

/// The actors of a row, by their names.
macro_rules! actors {
    ([$($actor:ident),+]) => { &[$(Actor::$actor),+] };
}

/// Declares the events and, from the same lines, the table.
macro_rules! transitions {
    ($( $(#[$doc:meta])+ $event:ident by $actors:tt : $($from:ident)|+ => $to:ident; )+) => {
        /// What can happen to a thread. Each event leads to one state, from the states that are declared for it alone.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Event { $( $(#[$doc])+ $event, )+ }

        impl Event {
            /// Every event, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$event),+];
        }

        /// The table: every transition that there is.
        pub const TRANSITIONS: &[Transition] = &[$($(
            Transition {
                from: State::$from,
                event: Event::$event,
                to: State::$to,
                by: actors!($actors),
            },
        )+)+];

        impl State {
            /// The state that `event` leads to from this one; `None` if it is not declared here.
            #[inline]
            pub const fn after(self, event: Event) -> Option<Self> {
                match (event, self) {
                    $( (Event::$event, $(Self::$from)|+) => Some(Self::$to), )+
                    _ => None,
                }
            }
        }
    };
}

transitions! {
    /// The scaler picks an index that has no thread.
    RequestBoot by [Scaler]: Reserved => BootRequested;
    /// The index is given an OS thread.
    Boot by [Init, Scaler, Restarter, PhpThread]: Reserved | BootRequested => Booting;
    /// The thread was given what it serves before its boot.
    Start by [PhpThread]: Booting => TransitionComplete;
    /// The system refused the OS thread, or the engine did.
    FailStart by [Init, Scaler, Restarter, PhpThread]: Booting | RebootReady => Done;
    /// The thread has nothing to serve.
    Settle by [PhpThread]: Booting | TransitionComplete => Inactive;
    /// The thread is to serve something else: the safe request of a scaler.
    RequestTransition by [Init, Scaler, Restarter, PhpThread]: Ready | Inactive => TransitionRequested;
    /// The thread has let go of its handler.
    Detach by [PhpThread]: TransitionRequested => TransitionInProgress;
    /// The thread has got its new handler. Upstream's scaler gives it, and waits for the thread; here the request says what is
    /// to be served, and the thread takes it from there.
    CompleteTransition by [Scaler, PhpThread]: TransitionInProgress => TransitionComplete;
    /// The thread serves: a worker at its first request wait, a regular thread at once.
    Serve by [PhpThread]: TransitionComplete => Ready;
    /// The thread is to let go of its script: the safe request of a drain.
    RequestRestart by [Restarter]: Ready | Inactive => Restarting;
    /// The thread has let go of its script.
    Yield by [PhpThread]: Restarting => Yielding;
    /// A thread that was serving goes on, with a fresh script.
    Resume by [Restarter]: Yielding => Ready;
    /// A thread that had nothing to serve goes on. Upstream makes it Ready, which it is not.
    ResumeInactive by [Restarter]: Yielding => Inactive;
    /// `max_requests` are served.
    RequestReboot by [PhpThread]: Ready => Rebooting;
    /// The OS thread that was to reboot has exited.
    OfferReboot by [PhpThread]: Rebooting => RebootReady;
    /// The fresh OS thread has arrived.
    Reboot by [PhpThread]: RebootReady => Ready;
    /// The thread is to exit: the safe request of the shutdown (an init that fails shuts down, too), and of a scaler that takes
    /// an idle thread away. From Yielding
    /// too: who drained it need not come back.
    RequestShutdown by [Init, Scaler, Shutdown]: Ready | Inactive | Yielding => ShuttingDown;
    /// The worker script failed to boot. Any request that came before wins: the thread complies with that first.
    FailBoot by [PhpThread]: TransitionComplete | Ready => ShuttingDown;
    /// Grace, kill and deadline have passed.
    Abandon by [Init, Restarter, Shutdown]: Restarting => Abandoned;
    /// Grace, kill and deadline of a shutdown have passed. It takes every state in which a thread can be stuck, so that the
    /// thread exits whenever it comes back.
    AbandonAtShutdown by [Init, Shutdown]: ShuttingDown | Booting | TransitionRequested | TransitionInProgress
        | TransitionComplete | Rebooting | RebootReady => Abandoned;
    /// The OS thread is about to end: on the healthy path after ShuttingDown or Abandoned; on the unhealthy one, when nobody
    /// may replace it, from wherever its script was.
    Exit by [PhpThread]: ShuttingDown | Abandoned | Booting | Ready | Restarting | TransitionRequested
        | TransitionComplete => Done;
    /// The shutdown finds an index without an OS thread.
    Retire by [Init, Shutdown]: Reserved | BootRequested => Done;
    /// The index may be used again.
    Recycle by [Init, Scaler, Restarter, PhpThread, Shutdown]: Done => Reserved;
}

impl State {
    /// Every state.
    pub const ALL: [Self; 15] = [
        Self::Reserved,
        Self::Booting,
        Self::BootRequested,
        Self::ShuttingDown,
        Self::Done,
        Self::Inactive,
        Self::Ready,
        Self::Restarting,
        Self::Yielding,
        Self::TransitionRequested,
        Self::TransitionInProgress,
        Self::TransitionComplete,
        Self::Rebooting,
        Self::RebootReady,
        Self::Abandoned,
    ];

    /// Whether a thread stays in this state until somebody asks something of it: a safe request is taken here.
    pub const fn is_stable(self) -> bool {
        States::STABLE.contains(self)
    }

    /// Whether a safe request is refused here, because nothing will make the thread stable again.
    pub const fn refuses_requests(self) -> bool {
        States::REFUSING.contains(self)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Reserved => "Reserved",
            Self::Booting => "Booting",
            Self::BootRequested => "BootRequested",
            Self::ShuttingDown => "ShuttingDown",
            Self::Done => "Done",
            Self::Inactive => "Inactive",
            Self::Ready => "Ready",
            Self::Restarting => "Restarting",
            Self::Yielding => "Yielding",
            Self::TransitionRequested => "TransitionRequested",
            Self::TransitionInProgress => "TransitionInProgress",
            Self::TransitionComplete => "TransitionComplete",
            Self::Rebooting => "Rebooting",
            Self::RebootReady => "RebootReady",
            Self::Abandoned => "Abandoned",
        })
    }
}

/// A set of states, as what a wait waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct States(u16);

impl States {
    /// Where a safe request is taken.
    pub const STABLE: Self = Self::of(&[State::Ready, State::Inactive]);
    /// Where a safe request is refused.
    pub const REFUSING: Self =
        Self::of(&[State::Reserved, State::ShuttingDown, State::Done, State::Abandoned]);
    /// What ends the wait for a thread that was asked to restart: it has let go, or it never will.
    pub const LET_GO: Self = Self::of(&[State::Yielding, State::ShuttingDown, State::Done, State::Abandoned]);
    /// What ends the wait for a thread that was asked to shut down.
    pub const GONE: Self = Self::of(&[State::Done, State::Abandoned]);
    /// What ends the wait of a thread that has let go of its script. Also what can be asked of it once it was resumed: the
    /// next to ask may come before the thread has looked.
    pub const TOLD: Self = Self::of(&[
        State::Ready,
        State::Inactive,
        State::Restarting,
        State::TransitionRequested,
        State::ShuttingDown,
        State::Abandoned,
    ]);
    /// What tells a thread that serves to leave its script.
    pub const LEAVING: Self = Self::of(&[
        State::Restarting,
        State::TransitionRequested,
        State::ShuttingDown,
        State::Abandoned,
        State::Rebooting,
    ]);

    /// These states.
    pub const fn of(states: &[State]) -> Self {
        let mut set = 0;
        let mut next = 0;
        while next < states.len() {
            set |= 1 << states[next] as u16;
            next += 1;
        }
        Self(set)
    }

    /// Whether the state is one of them.
    pub const fn contains(self, state: State) -> bool {
        self.0 & (1 << state as u16) != 0
    }

    /// These and one more.
    pub const fn with(self, state: State) -> Self {
        Self(self.0 | 1 << state as u16)
    }

    /// These without one.
    pub const fn without(self, state: State) -> Self {
        Self(self.0 & !(1 << state as u16))
    }

    /// Every state in the set.
    pub fn iter(self) -> impl Iterator<Item = State> {
        State::ALL.into_iter().filter(move |&state| self.contains(state))
    }
}

impl fmt::Debug for States {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// An event happened in a state that is not declared for it; the state is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IllegalTransition {
    /// What happened.
    pub event: Event,
    /// The state that the thread was in.
    pub state: State,
}

impl fmt::Display for IllegalTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, state } = self;
        let mut froms = TRANSITIONS.iter().filter(|row| row.event == *event).map(|row| row.from.to_string());
        let froms = froms.by_ref().collect::<Vec<_>>().join(", ");
        write!(f, "{event:?} is not declared for a thread that is {state}: only for one that is {froms}")
    }
}

impl std::error::Error for IllegalTransition {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_answers_every_event_as_the_table_says() {
        let mut declared = 0;
        for state in State::ALL {
            for &event in Event::ALL {
                let rows: Vec<_> =
                    TRANSITIONS.iter().filter(|row| (row.from, row.event) == (state, event)).collect();
                assert!(rows.len() <= 1, "{event:?} is declared twice for {state}");
                assert_eq!(state.after(event), rows.first().map(|row| row.to), "{event:?} in {state}");
                declared += rows.len();
            }
        }
        assert_eq!(declared, TRANSITIONS.len());
    }

    #[test]
    fn an_event_leads_to_one_state_and_somebody_makes_it() {
        for &event in Event::ALL {
            let rows: Vec<_> = TRANSITIONS.iter().filter(|row| row.event == event).collect();
            assert!(rows.iter().all(|row| row.to == rows[0].to && !row.by.is_empty()), "{event:?}");
        }
    }

    #[test]
    fn requests_are_taken_in_stable_states_alone_and_no_state_is_both() {
        for state in State::ALL {
            assert!(!(state.is_stable() && state.refuses_requests()), "{state}");
            for event in [Event::RequestTransition, Event::RequestRestart] {
                assert_eq!(state.after(event).is_some(), state.is_stable(), "{event:?} in {state}");
            }
        }
    }

    /// A thread that is somewhere can be brought to its end from there, and no state but the first is without a way in.
    #[test]
    fn every_state_is_reached_from_reserved_and_leads_back_to_it() {
        let reachable = |start: State, step: fn(&Transition) -> (State, State)| {
            let mut seen = vec![start];
            while let Some(next) =
                TRANSITIONS.iter().map(step).find(|(from, to)| seen.contains(from) && !seen.contains(to))
            {
                seen.push(next.1);
            }
            seen.len()
        };
        assert_eq!(reachable(State::Reserved, |row| (row.from, row.to)), State::ALL.len());
        assert_eq!(reachable(State::Reserved, |row| (row.to, row.from)), State::ALL.len());
    }

    #[test]
    fn a_set_knows_its_states() {
        let set = States::of(&[State::Ready, State::Abandoned]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [State::Ready, State::Abandoned]);
        assert!(
            !set.without(State::Ready).contains(State::Ready) && set.with(State::Done).contains(State::Done)
        );
        assert_eq!(format!("{set:?}"), "{Ready, Abandoned}");
    }

    #[test]
    fn an_illegal_transition_says_what_is_declared() {
        let error = IllegalTransition { event: Event::Yield, state: State::Abandoned };
        let expected =
            "Yield is not declared for a thread that is Abandoned: only for one that is Restarting";
        assert_eq!(error.to_string(), expected);
    }
}
