//! The simulated world: one clock, the moments that are due, a trace, and a system that may refuse.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use forcekill::{Obstacle, Wake};

/// How the system treats the wake-ups of the simulated thread. Moments count from the world's start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// It takes and delivers every wake-up.
    Delivers,
    /// The thread cannot be captured.
    NoTarget(Obstacle),
    /// The queue of signals is full before this moment.
    QueueFullUntil(Duration),
    /// Somebody has replaced the handler from this moment on.
    HandlerReplacedFrom(Duration),
    /// It takes every wake-up, and the thread has them blocked.
    SignalBlocked,
    /// It refuses every wake-up with this error.
    Refuses {
        /// The error's number.
        errno: i32,
    },
    /// The thread has gone at this moment, without a word to the slot.
    ThreadGoneFrom(Duration),
}

/// What can happen to the simulated thread at a moment that the world has queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moment {
    /// A wake-up arrives.
    WakeLands,
    /// The script clears `timed_out`, as PHP's `set_time_limit` does.
    ClearsTimedOut,
    /// The VM is between two opcodes and looks at its flags.
    LooksAtFlags,
    /// The script is over by itself.
    EndsByItself,
}

/// The simulated thread: what happens to it, it does at once.
pub trait Thread: Send + Sync {
    /// Reacts to `moment`.
    fn meets(&self, moment: Moment);
}

/// Which flag a store went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagName {
    /// The engine's reason.
    TimedOut,
    /// The engine's interrupt.
    VmInterrupt,
    /// The slot's own.
    OfTheSlot,
}

/// Who acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// The one who called `kill`.
    Killer,
    /// The simulated thread.
    Thread,
}

/// One entry of the trace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A flag was stored.
    Stored(FlagName, bool),
    /// The system was asked for a wake-up, and answered this.
    Asked(Wake),
    /// The killer began to wait.
    Waits,
    /// This happened to the thread.
    Met(Moment),
    /// The run is over.
    RunEnded,
}

/// When, counted from the world's start; who; what.
pub type Entry = (Duration, Actor, Event);

/// The world, shared by everything that lives in it. Single-threaded: whoever finds a lock of it taken has found a
/// defect, and panics.
#[derive(Clone)]
pub struct World(Arc<Mutex<Inner>>);

struct Inner {
    start: Duration,
    now: Duration,
    // Ordered by moment, then by the order of queueing, so that a run can only go one way.
    due: BTreeMap<(Duration, u64), Moment>,
    queued: u64,
    in_gap: Option<(u32, Moment)>,
    expired_waits: u32,
    actor: Actor,
    trace: Vec<Entry>,
    system: System,
    latency: Duration,
    thread: Weak<dyn Thread>,
    open_sections: u32,
    living_targets: i32,
}

struct Nobody;

impl Thread for Nobody {
    fn meets(&self, _moment: Moment) {}
}

impl Inner {
    fn elapsed(&self) -> Duration {
        self.now - self.start
    }
}

impl World {
    /// A world that starts when its clock shows `start`, and in which a wake-up lands `latency` after it was sent.
    pub fn new(start: Duration, system: System, latency: Duration) -> Self {
        Self(Arc::new(Mutex::new(Inner {
            start,
            now: start,
            due: BTreeMap::new(),
            queued: 0,
            in_gap: None,
            expired_waits: 0,
            actor: Actor::Thread,
            trace: Vec::new(),
            system,
            latency,
            thread: Weak::<Nobody>::new(),
            open_sections: 0,
            living_targets: 0,
        })))
    }

    /// What the clock shows.
    pub fn now(&self) -> Duration {
        self.inner().now
    }

    /// Puts the thread into the world.
    pub fn inhabit(&self, thread: &Arc<dyn Thread>) {
        self.inner().thread = Arc::downgrade(thread);
    }

    /// Says who acts from now on.
    pub fn acts(&self, actor: Actor) {
        self.inner().actor = actor;
    }

    /// The time since the world's start.
    pub fn elapsed(&self) -> Duration {
        self.inner().elapsed()
    }

    /// Lets `moment` happen `at` that time after the world's start.
    pub fn queue(&self, at: Duration, moment: Moment) {
        let mut inner = self.inner();
        inner.queued += 1;
        let key = (inner.start.saturating_add(at), inner.queued);
        inner.due.insert(key, moment);
    }

    /// Lets `moment` happen when so many waits have expired: after the last look of the one who waited, and before
    /// anything else that it does. Only there can the thread be ahead of a killer that has just looked.
    pub fn queue_in_gap(&self, waits: u32, moment: Moment) {
        self.inner().in_gap = Some((waits, moment));
    }

    /// Counts an expired wait.
    pub(crate) fn wait_expired(&self) {
        let moment = {
            let mut inner = self.inner();
            inner.expired_waits += 1;
            let expired = inner.expired_waits;
            inner.in_gap.filter(|(waits, _)| *waits == expired).map(|(_, moment)| moment)
        };
        if let Some(moment) = moment {
            self.happens(moment);
        }
    }

    /// Lets everything happen that is due by now.
    pub fn settle(&self) {
        let now = self.now();
        while self.step(now) {}
    }

    /// Moves the clock to the next moment that is due by `limit`, and lets it happen. `false` if there is none; the
    /// clock then shows `limit`.
    pub fn step(&self, limit: Duration) -> bool {
        let moment = {
            let mut inner = self.inner();
            let due = inner.due.first_entry().filter(|entry| entry.key().0 <= limit);
            let Some(((at, _), moment)) = due.map(|entry| entry.remove_entry()) else {
                inner.now = inner.now.max(limit);
                return false;
            };
            inner.now = inner.now.max(at);
            moment
        };
        self.happens(moment);
        true
    }

    fn happens(&self, moment: Moment) {
        self.acts(Actor::Thread);
        self.record(Event::Met(moment));
        let thread = self.inner().thread.upgrade();
        if let Some(thread) = thread {
            thread.meets(moment);
        }
        self.acts(Actor::Killer);
    }

    /// Adds an entry to the trace.
    pub fn record(&self, event: Event) {
        let mut inner = self.inner();
        let entry = (inner.elapsed(), inner.actor, event);
        inner.trace.push(entry);
    }

    /// Everything that happened so far.
    pub fn trace(&self) -> Vec<Entry> {
        self.inner().trace.clone()
    }

    /// Captures the thread, if the system can.
    pub(crate) fn capture(&self) -> Result<(), Obstacle> {
        let mut inner = self.inner();
        if let System::NoTarget(obstacle) = inner.system {
            return Err(obstacle);
        }
        inner.living_targets += 1;
        Ok(())
    }

    /// Counts a released target out.
    pub(crate) fn release(&self) {
        self.inner().living_targets -= 1;
    }

    /// Captured and not yet released.
    pub fn living_targets(&self) -> i32 {
        self.inner().living_targets
    }

    /// Asks the system for a wake-up.
    pub(crate) fn wake(&self) -> Wake {
        let (answer, lands_at) = {
            let inner = self.inner();
            assert!(inner.open_sections > 0, "a wake-up was sent without the slot's lock");
            let answer = match inner.system {
                System::QueueFullUntil(until) if inner.elapsed() < until => Wake::QueueFull,
                System::HandlerReplacedFrom(from) if inner.elapsed() >= from => {
                    Wake::Impossible(Obstacle::HandlerReplaced)
                }
                System::Refuses { errno } => Wake::Failed { errno },
                System::ThreadGoneFrom(from) if inner.elapsed() >= from => Wake::ThreadGone,
                System::NoTarget(_) => unreachable!("nothing was captured"),
                _ => Wake::Sent,
            };
            let lands = answer == Wake::Sent && inner.system != System::SignalBlocked;
            (answer, lands.then(|| inner.elapsed().saturating_add(inner.latency)))
        };
        self.record(Event::Asked(answer));
        if let Some(at) = lands_at {
            self.queue(at, Moment::WakeLands);
        }
        answer
    }

    /// Why the latest wake-ups cannot have worked.
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        let inner = self.inner();
        match inner.system {
            System::HandlerReplacedFrom(from) if inner.elapsed() >= from => Some(Obstacle::HandlerReplaced),
            System::SignalBlocked => Some(Obstacle::SignalBlocked),
            _ => None,
        }
    }

    /// Whether the thread has gone without a word.
    pub(crate) fn thread_is_gone(&self) -> bool {
        let inner = self.inner();
        matches!(inner.system, System::ThreadGoneFrom(from) if inner.elapsed() >= from)
    }

    pub(crate) fn section_opens(&self) {
        self.inner().open_sections += 1;
    }

    pub(crate) fn section_closes(&self) {
        self.inner().open_sections -= 1;
    }

    pub(crate) fn open_sections(&self) -> u32 {
        self.inner().open_sections
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Poisoned only after a failed assertion, whose message is the one to read.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
