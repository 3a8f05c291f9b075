//! A PHP thread as the others see it: an index, its state, and its kill slot.
//!
//! | call | who | bound |
//! |---|---|---|
//! | [`state`](Thread::state), [`idle_for`](Thread::idle_for) | anybody | none needed |
//! | [`boot`](Thread::boot) | whoever was given the index | none needed |
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
use crate::leaver::Leaver;
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
    /// Whether it serves a request now.
    serving: bool,
    /// Whether there may be a request for it that it has not looked for.
    poked: bool,
    /// Which life of its index this is; 0 if nobody counts them.
    life: u32,
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

/// How a thread left its script.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Left {
    /// Whether a drain asked it to.
    pub for_a_drain: bool,
    /// What it is to do now.
    pub told: Told,
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
        let lifecycle = Lifecycle { since: now, ..Lifecycle::in_state(State::Reserved) };
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
    #[track_caller]
    pub fn state(&self) -> State {
        self.lifecycle.with(|lifecycle| lifecycle.state)
    }

    /// For how long it has been idle: since it came to the stable state that it is in, or served its last request there. `None` if
    /// it is in no stable state, or serves. May be called from any thread; a scaler takes idle threads away by it.
    #[track_caller]
    pub fn idle_for(&self) -> Option<Duration> {
        let is_idle = |lifecycle: &Lifecycle| lifecycle.state.is_stable() && !lifecycle.serving;
        let since = self.lifecycle.with(|lifecycle| is_idle(lifecycle).then_some(lifecycle.since));
        since.map(|since| self.platform().now().saturating_sub(since))
    }

    /// Makes the transition that is declared for `event`; answers the state that was left.
    ///
    /// # Errors
    /// If the thread is in a state that the event is not declared for; it stays there, and the error names it.
    #[track_caller]
    pub fn change(&self, event: Event) -> Result<State, IllegalTransition> {
        let now = self.platform().now();
        self.with(|lifecycle| lifecycle.apply(event, now))
    }

    /// The same for who goes on in either case: whether the transition was made. The answer says no more than that, which is what
    /// keeps a search small.
    #[track_caller]
    pub(crate) fn changes(&self, event: Event) -> bool {
        let now = self.platform().now();
        self.with(|lifecycle| lifecycle.apply(event, now).is_ok())
    }

    /// The index is given an OS thread, its `life`th: whoever means an earlier one does not mean this. Whether that was possible; to
    /// be called by whoever has been given the index, before the OS thread is spawned. Calls that mean any life, as those of hosts
    /// whose threads have one, need [`Event::Boot`] alone.
    #[track_caller]
    pub fn boot(&self, life: u32) -> bool {
        let now = self.platform().now();
        let boots = self.with(|lifecycle| {
            let boots = lifecycle.apply(Event::Boot, now).is_ok();
            if boots {
                lifecycle.life = life;
            }
            boots
        });
        if boots {
            self.slot.give_to(life);
        }
        boots
    }

    /// Waits until the state is one of these, and answers which. Without a deadline: for the PHP thread itself, when it
    /// has nothing to do until it is told.
    #[track_caller]
    pub fn wait_for(&self, states: States) -> State {
        self.lifecycle.wait(|lifecycle| lifecycle.is_in(states))
    }

    /// The same; `None` if `deadline` (in the platform's clock) passed first.
    #[track_caller]
    pub fn wait_for_until(&self, states: States, deadline: Duration) -> Option<State> {
        self.lifecycle.wait_until(deadline, |lifecycle| lifecycle.is_in(states))
    }

    /// The safe request: asks `event` of the thread as soon as it is stable, and waits for that until `deadline` (in the
    /// platform's clock) at the most. A deadline that has passed asks without waiting.
    ///
    /// Upstream: `RequestSafeStateChange`, which waits without a bound.
    pub fn request(&self, event: Event, deadline: Duration) -> Request {
        Leaver::anybody(self).request(event, deadline)
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
        self.leave_script().told
    }

    /// The same, and whether a drain asked for it.
    pub fn leave_script(&self) -> Left {
        let let_go = S::let_go(self);
        Left { for_a_drain: let_go.is_ok(), told: self.told(let_go) }
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

    /// Tells a thread that waits for a request to look for one. May be called from any thread.
    pub fn poke(&self) {
        self.with(|lifecycle| lifecycle.poked = true);
    }

    /// Waits until there may be a request (`true`), or the thread is to leave (`false`). To be called by the PHP thread itself.
    pub fn wait_for_work(&self) -> bool {
        let leaving = S::leaving();
        self.lifecycle.wait(|lifecycle| lifecycle.look_for_work(leaving))
    }

    /// The last change of state of an OS thread: Rebooting becomes RebootReady, everything else that can end Done. To be
    /// called by the PHP thread itself, when its slot is cleared and its storage freed, before it is counted out. Answers the
    /// state that was entered.
    ///
    /// # Errors
    /// If the thread is where no OS thread can be.
    pub fn exit(&self) -> Result<State, IllegalTransition> {
        let now = self.platform().now();
        self.with(|lifecycle| {
            let event = if lifecycle.state == State::Rebooting { Event::OfferReboot } else { Event::Exit };
            lifecycle.apply(event, now)?;
            Ok(lifecycle.state)
        })
    }

    /// No OS thread could be started, or the engine refused it: the index is Done, whoever has given up on it meanwhile. To be
    /// called by whoever was to start it, or by the OS thread that was refused.
    ///
    /// # Errors
    /// If the thread is where no OS thread is about to start.
    pub fn fail_start(&self) -> Result<(), IllegalTransition> {
        let now = self.platform().now();
        self.with(|lifecycle| {
            let failed = lifecycle.apply(Event::FailStart, now);
            failed.or_else(|_| lifecycle.apply(Event::Exit, now)).map(drop)
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
    #[track_caller]
    pub fn with<R: crate::platform::Answer>(&self, change: impl Fn(&mut Lifecycle) -> R) -> R {
        self.lifecycle.with(change)
    }

    /// The monitor itself. For implementations of [`Steps`].
    pub fn lifecycle(&self) -> &P::Monitor<Lifecycle> {
        &self.lifecycle
    }
}

impl Lifecycle {
    /// A lifecycle in this state. For models, which ask what a wait would make of it.
    pub fn in_state(state: State) -> Self {
        Self { state, since: Duration::ZERO, was_inactive: false, serving: false, poked: false, life: 0 }
    }

    /// The state.
    pub fn state(&self) -> State {
        self.state
    }

    /// Which life of its index this is: see [`Thread::boot`].
    pub fn life(&self) -> u32 {
        self.life
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

    /// One look of a thread that waits for a request: whether there may be one (`true`), or it is to leave (`false`); `None` if
    /// it is to wait on.
    pub fn look_for_work(&mut self, leaving: States) -> Option<bool> {
        if leaving.contains(self.state) {
            return Some(false);
        }
        std::mem::take(&mut self.poked).then_some(true)
    }

    /// The thread begins to serve a request, if it may: nobody has asked anything of it.
    pub fn begin_request(&mut self) -> bool {
        self.serving = self.state == State::Ready;
        self.serving
    }

    /// The thread has served its request, and is idle from now on.
    pub fn end_request(&mut self, now: Duration) {
        self.serving = false;
        if self.state.is_stable() {
            self.since = now;
        }
    }

    /// Asks `event` of a thread that is this life of its index, stable, and has been idle for so long.
    pub fn ask_idle(&mut self, life: u32, event: Event, idle: Duration, now: Duration) -> bool {
        let is_idle = self.life == life
            && self.state.is_stable()
            && !self.serving
            && now.saturating_sub(self.since) >= idle;
        is_idle && self.apply(event, now).is_ok()
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

#[cfg(test)]
mod tests {
    use super::*;
    use Fate::{Abandoned, Drained};

    const LATER: Duration = Duration::from_secs(1);

    /// A state, and the state and answer that a restart, then a shutdown, brings it to.
    type Row<T> = (State, (State, T), (State, T));

    fn in_state(state: State) -> Lifecycle {
        Lifecycle::in_state(state)
    }

    /// Each state, and what it becomes when a restart, or a shutdown, gives up on a thread that is in it.
    #[rustfmt::skip]
    const GIVEN_UP: [Row<Fate>; 15] = [
        (State::Reserved, (State::Reserved, Fate::Refused), (State::Reserved, Fate::Refused)),
        (State::Booting, (State::Booting, Fate::Refused), (State::Abandoned, Abandoned)),
        (State::BootRequested, (State::BootRequested, Fate::Refused), (State::Done, Drained)),
        (State::ShuttingDown, (State::ShuttingDown, Fate::Refused), (State::Abandoned, Abandoned)),
        (State::Done, (State::Done, Fate::Refused), (State::Done, Drained)),
        (State::Inactive, (State::Inactive, Fate::Refused), (State::ShuttingDown, Abandoned)),
        (State::Ready, (State::Ready, Fate::Refused), (State::ShuttingDown, Abandoned)),
        (State::Restarting, (State::Abandoned, Abandoned), (State::Abandoned, Abandoned)),
        (State::Yielding, (State::Yielding, Drained), (State::ShuttingDown, Abandoned)),
        (State::TransitionRequested, (State::TransitionRequested, Fate::Refused), (State::Abandoned, Abandoned)),
        (State::TransitionInProgress, (State::TransitionInProgress, Fate::Refused), (State::Abandoned, Abandoned)),
        (State::TransitionComplete, (State::TransitionComplete, Fate::Refused), (State::Abandoned, Abandoned)),
        (State::Rebooting, (State::Rebooting, Fate::Refused), (State::Abandoned, Abandoned)),
        (State::RebootReady, (State::RebootReady, Fate::Refused), (State::Abandoned, Abandoned)),
        (State::Abandoned, (State::Abandoned, Fate::Refused), (State::Abandoned, Fate::Refused)),
    ];

    #[test]
    fn what_becomes_of_a_thread_that_is_given_up() {
        assert_eq!(GIVEN_UP.map(|(state, ..)| state), State::ALL);
        for (state, by_restart, by_shutdown) in GIVEN_UP {
            for (call, expected) in [(Call::Restart, by_restart), (Call::Shutdown, by_shutdown)] {
                let mut lifecycle = in_state(state);
                let fate = lifecycle.give_up(call, LATER);
                assert_eq!((lifecycle.state, fate), expected, "{call:?} gives up on {state}");
                let changed = lifecycle.state != state;
                assert_eq!(
                    lifecycle.since,
                    if changed { LATER } else { Duration::ZERO },
                    "{call:?} in {state}"
                );
            }
        }
    }

    /// Each state, and what it becomes when a restart, or a shutdown, asks.
    #[rustfmt::skip]
    const ASKED: [Row<Option<Request>>; 15] = {
        use Request::{Refused, Taken};
        [
            (State::Reserved, (State::Reserved, Some(Refused)), (State::Done, Some(Refused))),
            (State::Booting, (State::Booting, None), (State::Booting, None)),
            (State::BootRequested, (State::BootRequested, None), (State::BootRequested, None)),
            (State::ShuttingDown, (State::ShuttingDown, Some(Refused)), (State::ShuttingDown, Some(Refused))),
            (State::Done, (State::Done, Some(Refused)), (State::Done, Some(Refused))),
            (State::Inactive, (State::Restarting, Some(Taken)), (State::ShuttingDown, Some(Taken))),
            (State::Ready, (State::Restarting, Some(Taken)), (State::ShuttingDown, Some(Taken))),
            (State::Restarting, (State::Restarting, None), (State::Restarting, None)),
            (State::Yielding, (State::Yielding, None), (State::ShuttingDown, Some(Taken))),
            (State::TransitionRequested, (State::TransitionRequested, None), (State::TransitionRequested, None)),
            (State::TransitionInProgress, (State::TransitionInProgress, None), (State::TransitionInProgress, None)),
            (State::TransitionComplete, (State::TransitionComplete, None), (State::TransitionComplete, None)),
            (State::Rebooting, (State::Rebooting, None), (State::Rebooting, None)),
            (State::RebootReady, (State::RebootReady, None), (State::RebootReady, None)),
            (State::Abandoned, (State::Abandoned, Some(Refused)), (State::Abandoned, Some(Refused))),
        ]
    };

    #[test]
    fn what_becomes_of_a_thread_that_is_asked() {
        assert_eq!(ASKED.map(|(state, ..)| state), State::ALL);
        for (state, by_restart, by_shutdown) in ASKED {
            for (call, expected) in [(Call::Restart, by_restart), (Call::Shutdown, by_shutdown)] {
                let mut lifecycle = in_state(state);
                let answer = lifecycle.ask(call.event(), state.refuses_requests(), LATER);
                assert_eq!((lifecycle.state, answer), expected, "{call:?} asks in {state}");
            }
        }
    }

    #[test]
    fn a_thread_goes_on_as_what_it_was() {
        for stable in States::STABLE.iter() {
            let mut lifecycle = in_state(stable);
            assert_eq!(lifecycle.apply(Event::RequestRestart, LATER), Ok(stable));
            assert_eq!(lifecycle.let_go(LATER), Ok(()));
            assert_eq!(lifecycle.resume(LATER), Ok(State::Yielding));
            assert_eq!(lifecycle.state, stable);
        }
    }

    /// Whatever can happen to a thread that has let go ends its wait, and so does whatever can happen next: it may not have
    /// looked in between.
    #[test]
    fn a_thread_that_has_let_go_misses_nothing_that_others_ask() {
        let by_others = |row: &&crate::state::Transition| {
            row.by.iter().any(|actor| *actor != crate::state::Actor::PhpThread)
        };
        let mut reached = vec![State::Yielding];
        let mut next = 0;
        while let Some(&from) = reached.get(next) {
            let rows = crate::state::TRANSITIONS.iter().filter(by_others);
            for row in rows.filter(|row| row.from == from && row.to != State::Yielding) {
                assert!(States::TOLD.contains(row.to), "nobody tells a thread that it is {}", row.to);
                if !reached.contains(&row.to) {
                    reached.push(row.to);
                }
            }
            next += 1;
        }
        assert_eq!(reached.len(), 7, "{reached:?}");
    }
}
