//! A PHP thread as the others see it: an index, its state, and its kill slot.
//!
//! | call | who | bound |
//! |---|---|---|
//! | [`state`](Thread::state), [`idle_for`](Thread::idle_for) | anybody | none needed |
//! | [`change`](Thread::change) | whoever the table says | none needed |
//! | [`request`](Thread::request) | scaler, restart, shutdown | its deadline |
//! | [`wait_for_until`](Thread::wait_for_until) | anybody | its deadline |
//! | [`wait_for`](Thread::wait_for) | the PHP thread itself, which has nothing else to do | none |
//! | [`let_go`](Thread::let_go), [`exit`](Thread::exit) | the PHP thread itself | none |
//!
//! Upstream: `phpThread` and `state.ThreadState`.

use std::fmt;
use std::time::Duration;

use crate::drain::{Call, Fate};
use crate::engine::{InterruptFlags, OwnedFlags};
use crate::lingering::Lingering;
use crate::platform::{Monitor, Native, Platform, SpawnError};
use crate::slot::Slot;
use crate::state::{Event, IllegalTransition, State, States};
use crate::steps::{Sound, Steps};

/// One PHP thread. The type parameters are those of its [`Slot`].
pub struct Thread<P = Native, F = OwnedFlags, S = Sound>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
    index: usize,
    lifecycle: P::Monitor<Lifecycle>,
    slot: Slot<P, F, S>,
}

/// What a thread's monitor holds. Public for implementations of [`Steps`] and for observers alone.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Lifecycle {
    state: State,
    since: Duration,
    /// Whether the drain that is under way has found the thread with nothing to serve.
    was_inactive: bool,
}

/// A thread did not come back within its limits, and was told to exit whenever it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GivenUp;

/// What became of a safe request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Request {
    /// The thread was stable, and is asked now.
    Taken,
    /// Nothing will make the thread stable again.
    Refused,
    /// The thread was neither stable nor refusing when the deadline passed; nothing was asked of it.
    Busy,
}

/// What a thread that is out of its script is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Told {
    /// Go on, with a fresh script if it serves.
    GoOn,
    /// Exit.
    Exit,
    /// Something else was asked of it: to change its handler, or to reboot.
    Else(State),
}

impl<P, F, S> Thread<P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    /// A thread that is Reserved.
    pub fn new(platform: P, index: usize) -> Self {
        let now = platform.now();
        let lifecycle = Lifecycle { state: State::Reserved, since: now, was_inactive: false };
        Self { index, lifecycle: platform.monitor(lifecycle), slot: Slot::new(platform) }
    }

    /// Its number, which stays the same when its OS thread is replaced.
    pub fn index(&self) -> usize {
        self.index
    }

    /// How it is killed.
    pub fn slot(&self) -> &Slot<P, F, S> {
        &self.slot
    }

    /// The platform that it lives on.
    pub fn platform(&self) -> &P {
        self.slot.platform()
    }

    /// Its state at this moment. May be called from any thread.
    pub fn state(&self) -> State {
        self.lifecycle.with(|lifecycle| lifecycle.state)
    }

    /// For how long it has been in the stable state that it is in; `None` if it is in no stable one. May be called from any
    /// thread; a scaler takes idle threads away by it.
    pub fn idle_for(&self) -> Option<Duration> {
        let since = self.lifecycle.with(|lifecycle| lifecycle.state.is_stable().then_some(lifecycle.since));
        since.map(|since| self.platform().now().saturating_sub(since))
    }

    /// Makes the transition that is declared for `event`; answers the state that was left.
    ///
    /// # Errors
    /// If the thread is in a state that the event is not declared for; it stays there, and the error names it.
    pub fn change(&self, event: Event) -> Result<State, IllegalTransition> {
        let now = self.platform().now();
        self.with(|lifecycle| lifecycle.apply(event, now))
    }

    /// Waits until the state is one of these, and answers which. Without a deadline: for the PHP thread itself, when it
    /// has nothing to do until it is told.
    pub fn wait_for(&self, states: States) -> State {
        self.lifecycle.wait(|lifecycle| lifecycle.is_in(states))
    }

    /// The same; `None` if `deadline` (in the platform's clock) passed first.
    pub fn wait_for_until(&self, states: States, deadline: Duration) -> Option<State> {
        self.lifecycle.wait_until(deadline, |lifecycle| lifecycle.is_in(states))
    }

    /// The safe request: asks `event` of the thread as soon as it is stable, and waits for that until `deadline` (in the
    /// platform's clock) at the most. A deadline that has passed asks without waiting.
    ///
    /// Upstream: `RequestSafeStateChange`, which waits without a bound.
    pub fn request(&self, event: Event, deadline: Duration) -> Request {
        S::request(self, event, deadline)
    }

    /// Waits until the thread is told to leave its script, for whatever reason. To be called by the PHP thread itself, in a
    /// callback of its script.
    pub fn wait_to_leave(&self) {
        let leaving = S::leaving();
        self.lifecycle.wait(|lifecycle| lifecycle.is_in(leaving).map(drop));
    }

    /// Waits, with no script to run, until something is asked, and answers what. For a drain it lets go in the same moment, and
    /// waits to be told how to go on. To be called by the PHP thread itself, outside any run.
    pub fn stand_by(&self) -> Told {
        self.told(S::stand_by(self))
    }

    /// Lets go of the script for a drain, and waits to be told how to go on. If no drain asked for it, the answer is what was
    /// asked instead. To be called by the PHP thread itself, outside any run.
    pub fn let_go(&self) -> Told {
        self.told(S::let_go(self))
    }

    fn told(&self, let_go: Result<(), Told>) -> Told {
        let told = S::told();
        let mut let_go = let_go;
        loop {
            let Err(told_to) = let_go else {
                let now = self.platform().now();
                // It may have been resumed and asked again since it last looked: then it lets go for that one too.
                let_go =
                    self.lifecycle.wait(|lifecycle| lifecycle.is_in(told).map(|_| lifecycle.let_go(now)));
                continue;
            };
            return told_to;
        }
    }

    /// The last change of state of an OS thread: Rebooting becomes RebootReady, everything else that can end Done. To be
    /// called by the PHP thread itself, when its slot is cleared and its storage freed, before it is counted out.
    ///
    /// # Errors
    /// If the thread is where no OS thread can be.
    pub fn exit(&self) -> Result<(), IllegalTransition> {
        let now = self.platform().now();
        self.with(|lifecycle| {
            let event = if lifecycle.state == State::Rebooting { Event::OfferReboot } else { Event::Exit };
            lifecycle.apply(event, now).map(drop)
        })
    }

    /// Starts an OS thread that runs `body` and is counted from before its spawn to after its end.
    ///
    /// # Errors
    /// If the system refuses; the thread is counted out again.
    pub fn spawn(
        &self,
        lingering: &Lingering<P>,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), SpawnError> {
        S::spawn(self, lingering, body)
    }

    /// One critical section of the lifecycle. For implementations of [`Steps`].
    pub fn with<R: crate::platform::Answer>(&self, change: impl Fn(&mut Lifecycle) -> R) -> R {
        self.lifecycle.with(change)
    }

    /// The monitor itself. For implementations of [`Steps`].
    pub fn lifecycle(&self) -> &P::Monitor<Lifecycle> {
        &self.lifecycle
    }
}

impl Lifecycle {
    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Makes the transition that is declared for `event`; answers the state that was left.
    ///
    /// # Errors
    /// If the event is not declared for the state.
    pub fn apply(&mut self, event: Event, now: Duration) -> Result<State, IllegalTransition> {
        let left = self.state;
        let entered = left.after(event).ok_or(IllegalTransition { event, state: left })?;
        if event == Event::RequestRestart {
            self.was_inactive = left == State::Inactive;
        }
        self.state = entered;
        self.since = now;
        Ok(left)
    }

    /// Tells a thread that has let go to go on as what it was.
    ///
    /// # Errors
    /// If it has not let go, or was told something else meanwhile.
    pub fn resume(&mut self, now: Duration) -> Result<State, IllegalTransition> {
        self.apply(if self.was_inactive { Event::ResumeInactive } else { Event::Resume }, now)
    }

    /// The thread, out of its script, lets go if a drain asks for it.
    ///
    /// # Errors
    /// If none does: what is asked of it instead.
    pub fn let_go(&mut self, now: Duration) -> Result<(), Told> {
        self.apply(Event::Yield, now).map(drop).map_err(|error| Told::by(error.state))
    }

    /// One look of a safe request: asks `event` if it can be asked here, and answers what became of it; `None` if the thread is
    /// in between. A shutdown also retires an index that has no OS thread.
    pub fn ask(&mut self, event: Event, refused: bool, now: Duration) -> Option<Request> {
        if refused {
            if event == Event::RequestShutdown {
                // Declared for an index without a thread alone; anywhere else this changes nothing.
                let _ = self.apply(Event::Retire, now);
            }
            return Some(Request::Refused);
        }
        self.apply(event, now).ok().map(|_| Request::Taken)
    }

    /// Gives up on a thread that did not come back in time: it is told to exit, whenever it comes back.
    pub fn give_up(&mut self, call: Call, now: Duration) -> Fate {
        let event = match (call, self.state) {
            (Call::Restart, _) | (_, State::Restarting) => Event::Abandon,
            // It has become free to be asked in this moment. There is no time left to wait for it, but it must be told, or it
            // would go on for ever.
            (_, State::Ready | State::Inactive | State::Yielding) => Event::RequestShutdown,
            // No OS thread is behind it, and now none will be.
            (_, State::BootRequested) => Event::Retire,
            _ => Event::AbandonAtShutdown,
        };
        match self.apply(event, now) {
            Ok(_) if event != Event::Retire => Fate::Abandoned,
            Ok(_) | Err(_) => call.fate(self.state),
        }
    }

    /// Sets a state whatever the one before was, which sound code cannot do: for the historic designs and the defects that
    /// did.
    pub fn overwrite(&mut self, state: State, now: Duration) {
        (self.state, self.since) = (state, now);
    }

    /// The state, if it is one of these.
    pub fn is_in(&self, states: States) -> Option<State> {
        Some(self.state).filter(|&state| states.contains(state))
    }
}

impl Told {
    /// What a state says to a thread that is out of its script.
    pub fn by(state: State) -> Self {
        match state {
            State::Ready | State::Inactive => Self::GoOn,
            State::ShuttingDown | State::Abandoned | State::Done => Self::Exit,
            other => Self::Else(other),
        }
    }
}

impl<P, F, S> fmt::Debug for Thread<P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Thread").field("index", &self.index).field("state", &self.state()).finish()
    }
}
