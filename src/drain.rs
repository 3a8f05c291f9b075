//! Bringing threads to a stop: the drain of a restart, and the shutdown of threads.
//!
//! Both do the same with other events, to all threads at once:
//!
//! 1. **Ask** every thread by the safe request.
//! 2. **Grace**: wait for each to let go, or to exit. A restart leaves those alone that could not be asked until then.
//! 3. **Kill** the stragglers, all of them in each round, with the re-sends of the policy.
//! 4. **Abandon** what is still there. A thread that lets go in that moment is not abandoned.
//!
//! Every wait has a deadline, so each call returns within [`Limits::total`] and the time of its attempts, whatever each
//! thread is stuck in.
//!
//! The restart of one worker thread, whose script waits for a request that never comes:
//!
//! ```
//! # #[cfg(unix)] {
//! use std::sync::{Arc, mpsc};
//!
//! use forcekill::state::Event;
//! use forcekill::thread::Told;
//! use forcekill::{Fate, Lingering, Limits, Native, OwnedFlags, Platform, State, States, Thread};
//! use forcekill::{drain, resume, shut_down};
//!
//! let platform = Native::default();
//! let lingering = Lingering::new(&platform);
//! let thread = Arc::new(Thread::<Native>::new(platform, 0));
//! let (begun, scripts) = mpsc::channel();
//!
//! thread.change(Event::Boot)?;
//! let php = Arc::clone(&thread);
//! thread.spawn(&lingering, move || {
//!     php.change(Event::Settle).unwrap();
//!     assert_eq!(php.stand_by(), Told::Else(State::TransitionRequested));
//!     php.change(Event::Detach).unwrap();
//!     php.wait_for(States::of(&[State::TransitionComplete]));
//!     php.change(Event::Serve).unwrap();
//!     php.slot().occupy(OwnedFlags::new(), |occupied| {
//!         loop {
//!             occupied.run(|run| {
//!                 begun.send(run).unwrap();
//!                 php.wait_to_leave();
//!             });
//!             if php.let_go() != Told::GoOn {
//!                 break;
//!             }
//!         }
//!     });
//!     php.exit().unwrap();
//! })?;
//! let soon = || platform.now() + Limits::default().total();
//! // It is given its worker script.
//! thread.request(Event::RequestTransition, soon());
//! thread.wait_for_until(States::of(&[State::TransitionInProgress]), soon());
//! thread.change(Event::CompleteTransition)?;
//! let old_script = scripts.recv()?;
//!
//! let threads = [thread];
//! let drained = drain(&threads, &Limits::default());
//! assert_eq!(drained.fates(), [(0, Fate::Drained)]);
//! // No thread runs a script now: the host may load the new code.
//! assert_eq!(resume(&threads, &drained), 1);
//! assert_ne!(scripts.recv()?, old_script);
//!
//! let ended = shut_down(&threads, &Limits::default());
//! assert_eq!(ended.fates(), [(0, Fate::Drained)]);
//! lingering.wait_none(soon())?;
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Upstream: `drainWorkerThreads` and `phpThread.shutdown`.

use std::borrow::Borrow;
use std::fmt;
use std::time::Duration;

use crate::engine::InterruptFlags;
use crate::leaver::Leaver;
use crate::platform::Platform;
use crate::state::{Event, State, States};
use crate::steps::{Attempt, Steps};
use crate::thread::{Request, Thread};
use crate::wake::ResendPolicy;

/// How long a thread may take to come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    grace: Duration,
    kill: ResendPolicy,
}

/// The limits cannot be added up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LimitsOverflow;

/// What a call brings its threads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// Each thread lets go of its script, and will be told to go on.
    Restart,
    /// Each thread exits.
    Shutdown,
}

/// How it ended for one thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It has let go of its script, or has exited, as it was asked to.
    Drained,
    /// It did not come back within the limits; it exits if it ever does. Its state is Abandoned, or, if a shutdown could only
    /// ask it when the time was up, ShuttingDown.
    Abandoned,
    /// Somebody else has brought it to where it need not be asked, or took it meanwhile: it has exited, exits, or was
    /// abandoned. Whoever has its index now was not asked.
    Refused,
    /// Somebody else was having something done by it for the whole grace period; nothing was asked of it.
    Busy,
}

/// What a call came to: one fate for each thread, in the order of the threads.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "threads that were drained wait until they are resumed"]
pub struct Drained {
    fates: Vec<(usize, Fate)>,
}

/// Drains the threads for a restart: what has let go waits, Yielding, until [`resume`] or a shutdown.
///
/// May be called from any thread but a PHP thread. Returns within [`Limits::total`] and the time of its attempts.
pub fn drain<T, P, F, S>(threads: &[T], limits: &Limits) -> Drained
where
    T: Borrow<Thread<P, F, S>>,
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    drain_watched(threads, limits, &())
}

/// The same, and `watch` is told what is done.
pub fn drain_watched<T, P, F, S>(threads: &[T], limits: &Limits, watch: &dyn Watch) -> Drained
where
    T: Borrow<Thread<P, F, S>>,
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    drain_leavers(&anybody(threads), limits, watch)
}

/// The same for threads of which each has a life that is meant, and nobody after it: one that has exited meanwhile is
/// [`Fate::Refused`], and whoever has its index now is left alone.
pub fn drain_leavers<P, F, S>(leavers: &[Leaver<'_, P, F, S>], limits: &Limits, watch: &dyn Watch) -> Drained
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    bring(Call::Restart, leavers, limits, watch)
}

/// Tells every thread that this drain has drained to go on; answers how many did. A shutdown may have taken some meanwhile.
///
/// May be called from any thread, once a drain.
pub fn resume<T, P, F, S>(threads: &[T], drained: &Drained) -> usize
where
    T: Borrow<Thread<P, F, S>>,
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    let told = |thread: &&T| {
        let thread: &Thread<P, F, S> = (*thread).borrow();
        let now = thread.platform().now();
        drained.fate_of(thread.index()) == Some(Fate::Drained)
            && thread.with(|lifecycle| lifecycle.resume(now).is_ok())
    };
    threads.iter().filter(told).count()
}

/// Shuts the threads down: each one exits, or is abandoned. What is Abandoned or was refused as such may still be running:
/// only the lingering count tells when it has exited.
///
/// May be called from any thread but a PHP thread. Returns within [`Limits::total`] and the time of its attempts.
pub fn shut_down<T, P, F, S>(threads: &[T], limits: &Limits) -> Drained
where
    T: Borrow<Thread<P, F, S>>,
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    shut_down_watched(threads, limits, &())
}

/// The same, and `watch` is told what is done.
pub fn shut_down_watched<T, P, F, S>(threads: &[T], limits: &Limits, watch: &dyn Watch) -> Drained
where
    T: Borrow<Thread<P, F, S>>,
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    bring(Call::Shutdown, &anybody(threads), limits, watch)
}

/// Who is told what a drain or a shutdown does, on the calling thread and without a lock held. The time that it takes comes on
/// top of the call's bound.
pub trait Watch {
    /// A thread was asked to leave its script, and nothing waits for it yet.
    fn asked(&self, thread: usize) {
        let _ = thread;
    }

    /// An attempt was made at a straggler; `nth` counts from 1.
    fn sent(&self, thread: usize, nth: u32, attempt: Attempt) {
        let _ = (thread, nth, attempt);
    }
}

impl Watch for () {}

fn anybody<T, P, F, S>(threads: &[T]) -> Vec<Leaver<'_, P, F, S>>
where
    T: Borrow<Thread<P, F, S>>,
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    threads.iter().map(|thread| Leaver::anybody(thread.borrow())).collect()
}

fn bring<P, F, S>(call: Call, leavers: &[Leaver<'_, P, F, S>], limits: &Limits, watch: &dyn Watch) -> Drained
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    let Some(first) = leavers.first() else { return Drained { fates: Vec::new() } };
    let platform = first.thread().platform();
    let asked_at = platform.now();
    let grace_end = asked_at.saturating_add(limits.grace);
    let end = asked_at.saturating_add(limits.total());

    let leg = |&leaver| Leg { leaver, course: Course::Unasked };
    let mut passage = Passage { call, watch, legs: leavers.iter().map(leg).collect() };
    let mark = platform.mark();
    // All are asked before any is waited for: a thread that takes its time must not cost the others theirs.
    passage.ask(asked_at);
    platform.forgets(mark, || ("asked", passage.courses()));
    passage.wait(grace_end, Phase::Grace);
    passage.leave_the_busy_alone();
    platform.forgets(mark, || ("grace is over", passage.courses()));
    let schedule = S::schedule(&limits.kill);
    let mut pauses = schedule.pauses().zip(1..).peekable();
    while let Some((pause, nth)) = pauses.next().filter(|_| passage.has_stragglers()) {
        passage.kill(nth);
        let now = platform.now();
        if pauses.peek().is_some() && now < end {
            passage.wait(now.saturating_add(pause).min(end), Phase::Killed);
        } else {
            passage.wait_or_abandon(end);
        }
    }
    platform.forgets(mark, || ("over", passage.courses()));
    passage.finish()
}

/// All threads of a call on their way.
struct Passage<'a, P: Platform, F: InterruptFlags<Flag = P::Flag>, S> {
    call: Call,
    watch: &'a dyn Watch,
    legs: Vec<Leg<'a, P, F, S>>,
}

/// One of them.
struct Leg<'a, P: Platform, F: InterruptFlags<Flag = P::Flag>, S> {
    leaver: Leaver<'a, P, F, S>,
    course: Course,
}

/// How far it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Course {
    /// Neither asked nor refused.
    Unasked,
    /// Asked; it has not come back yet.
    Asked,
    /// Its fate is settled.
    Over(Fate),
}

/// Which wait of a call this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Nothing was done to the thread but asking it.
    Grace,
    /// It was killed.
    Killed,
}

impl Call {
    /// The safe request.
    pub fn event(self) -> Event {
        match self {
            Self::Restart => Event::RequestRestart,
            Self::Shutdown => Event::RequestShutdown,
        }
    }

    /// What the thread comes to if all goes well.
    pub fn goal(self) -> State {
        match self {
            Self::Restart => State::Yielding,
            Self::Shutdown => State::Done,
        }
    }

    /// What it means that a thread has come to this state.
    pub fn fate(self, state: State) -> Fate {
        if state == self.goal() { Fate::Drained } else { Fate::Refused }
    }

    /// The states that end the wait for a thread that was asked.
    pub fn awaits(self) -> States {
        match self {
            Self::Restart => States::LET_GO,
            Self::Shutdown => States::GONE,
        }
    }
}

impl<P, F, S> Passage<'_, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    /// Asks every thread that was not asked yet, waiting until `deadline` for those that are in between.
    fn ask(&mut self, deadline: Duration) {
        let (call, watch) = (self.call, self.watch);
        for leg in self.legs.iter_mut().filter(|leg| matches!(leg.course, Course::Unasked)) {
            leg.course = match leg.leaver.request(call.event(), deadline) {
                Request::Taken => {
                    watch.asked(leg.index());
                    Course::Asked
                }
                Request::Busy => Course::Unasked,
                Request::Refused if S::awaits_refused(call) => Course::Asked,
                Request::Refused => Course::Over(Fate::Refused),
            };
        }
    }

    /// Waits for the stragglers until `deadline`.
    fn wait(&mut self, deadline: Duration, phase: Phase) {
        self.ask(deadline);
        let call = self.call;
        for leg in self.legs.iter_mut().filter(|leg| leg.course == Course::Asked) {
            if let Some(fate) = S::wait_for_leaver(&leg.leaver, call, deadline, phase) {
                leg.course = Course::Over(fate);
            }
        }
    }

    /// How far each is: all that a call knows of its threads.
    fn courses(&self) -> Vec<Course> {
        self.legs.iter().map(|leg| leg.course).collect()
    }

    fn has_stragglers(&self) -> bool {
        self.legs.iter().any(|leg| !matches!(leg.course, Course::Over(_)))
    }

    /// A restart is over for those that it could not ask within the grace period: the run that one of them is in by now may
    /// have begun after the restart, and whoever is asked later would be abandoned before it had its time to come back.
    fn leave_the_busy_alone(&mut self) {
        if self.call == Call::Restart {
            for leg in self.legs.iter_mut().filter(|leg| leg.course == Course::Unasked) {
                leg.course = Course::Over(Fate::Busy);
            }
        }
    }

    /// One attempt at the run of every straggler; in a shutdown also of those that could not be asked.
    fn kill(&self, nth: u32) {
        for leg in self.legs.iter().filter(|leg| !matches!(leg.course, Course::Over(_))) {
            let attempt = leg.leaver.kill(nth);
            self.watch.sent(leg.index(), nth, attempt);
        }
    }

    /// Waits for the stragglers for the last time, and gives up on those that do not come. Who could not be asked before, in a
    /// shutdown, is told to exit now.
    fn wait_or_abandon(&mut self, end: Duration) {
        self.ask(end);
        let call = self.call;
        for leg in &mut self.legs {
            leg.course = match leg.course {
                Course::Asked | Course::Unasked => Course::Over(S::wait_or_abandon(&leg.leaver, call, end)),
                over => over,
            };
        }
    }

    fn finish(self) -> Drained {
        let mut fates = Vec::with_capacity(self.legs.len());
        for leg in self.legs {
            if let Course::Over(fate) = leg.course {
                S::record(&mut fates, leg.index(), fate);
            }
        }
        Drained { fates }
    }
}

impl<P, F, S> Leg<'_, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    fn index(&self) -> usize {
        self.leaver.thread().index()
    }
}

impl Limits {
    /// So long before the kill, and then the kill's policy.
    ///
    /// # Errors
    /// If the two together are more than a [`Duration`] can hold.
    pub fn new(grace: Duration, kill: ResendPolicy) -> Result<Self, LimitsOverflow> {
        grace.checked_add(kill.within()).ok_or(LimitsOverflow)?;
        Ok(Self { grace, kill })
    }

    /// How long a thread has to come back by itself.
    pub fn grace(&self) -> Duration {
        self.grace
    }

    /// How it is killed then.
    pub fn kill(&self) -> &ResendPolicy {
        &self.kill
    }

    /// How long a call waits in all, at the most.
    pub fn total(&self) -> Duration {
        self.grace.saturating_add(self.kill.within())
    }
}

impl Default for Limits {
    /// The pull request's `drainGracePeriod` and `forceKillDeadline`, 5 s each.
    fn default() -> Self {
        Self { grace: Duration::from_secs(5), kill: ResendPolicy::default() }
    }
}

impl fmt::Display for LimitsOverflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the grace period and the kill's bound together are too long: lower one of them")
    }
}

impl std::error::Error for LimitsOverflow {}

impl Drained {
    /// Every thread's index and fate, in the order in which the threads were given.
    pub fn fates(&self) -> &[(usize, Fate)] {
        &self.fates
    }

    /// What became of the thread with this index; `None` if it was not among those that were given.
    pub fn fate_of(&self, index: usize) -> Option<Fate> {
        self.fates.iter().find(|(of, _)| *of == index).map(|(_, fate)| *fate)
    }

    /// The indexes of the threads that have let go, or have exited.
    pub fn drained(&self) -> impl Iterator<Item = usize> {
        self.with_fate(|fate| fate == Fate::Drained)
    }

    /// The indexes of the threads that this call has abandoned.
    pub fn abandoned(&self) -> impl Iterator<Item = usize> {
        self.with_fate(|fate| fate == Fate::Abandoned)
    }

    fn with_fate(&self, is: impl Fn(Fate) -> bool) -> impl Iterator<Item = usize> {
        self.fates.iter().filter(move |(_, fate)| is(*fate)).map(|(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_that_cannot_be_added_up_are_refused() {
        let kill = ResendPolicy::default();
        assert_eq!(Limits::new(Duration::MAX, kill.clone()), Err(LimitsOverflow));
        let limits = Limits::new(Duration::from_secs(1), kill).map(|limits| limits.total());
        assert_eq!(limits, Ok(Duration::from_secs(6)));
        assert_eq!(Limits::default().total(), Duration::from_secs(10));
    }
}
