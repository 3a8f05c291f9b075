//! The first seam: what the operating system must offer.
//!
//! Everything above this file is written against [`Platform`] alone, so the same code runs on a real
//! system ([`Native`]) and on the model checkers of the `models` folder. A platform is a *value*, cheap to
//! clone, so that a simulated one can carry its world.
//!
//! The protocol of a wake target, which every platform must keep:
//!
//! 1. The thread that is to be woken calls [`Platform::capture`] itself, once a publication.
//! 2. Any thread calls [`Platform::wake`] any number of times while the target is alive.
//! 3. Whoever holds the target last calls [`Platform::release`], once.

use std::fmt;
use std::hash::Hash;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub mod monitor;
mod native;
mod std_sync;

#[cfg(unix)]
pub(crate) mod unix;
#[cfg(windows)]
mod windows;

pub use native::{Native, NativeConfig, NativeTarget};
pub use std_sync::{StdCondition, StdLock, StdMonitor};

/// What the operating system offers to the library.
///
/// Implementations: [`Native`] here; loom, shuttle and a recording native one in `models/`; a virtual clock
/// in `sim-tests/`.
pub trait Platform: Clone + Send + Sync + 'static {
    /// An interrupt flag as the engine stores it: one atomic byte (`zend_atomic_bool` in PHP).
    type Flag: Flag;
    /// A read-write lock: many killers, one owner.
    type Lock<T: Send + Sync + 'static>: Lock<T>;
    /// A monitor: the one form of waiting.
    type Monitor<T: MonitorValue>: Monitor<T>;
    /// How other threads reach the thread that captured it. Deliberately not `Clone`: see the protocol above.
    type WakeTarget: Send + Sync + 'static;

    /// A new flag that holds `value`.
    fn flag(&self, value: bool) -> Self::Flag;
    /// A new lock around `value`.
    fn lock<T: Send + Sync + 'static>(&self, value: T) -> Self::Lock<T>;
    /// A new monitor around `value`.
    fn monitor<T: MonitorValue>(&self, value: T) -> Self::Monitor<T>;

    /// Starts an OS thread that runs `body` and that nobody joins.
    ///
    /// # Errors
    /// If the system refuses; `body` is dropped without being run.
    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError>;

    /// Called by each OS thread of a runtime as its first act. For platforms that want to know who is who.
    fn thread_begins(&self, thread: usize) {
        let _ = thread;
    }

    /// The monotonic clock, as the time since this platform's origin.
    fn now(&self) -> Duration;

    /// Captures the calling thread as a wake target, and makes it ready to be woken (unblocks the signal,
    /// provides a large enough alternate stack, duplicates the handle).
    ///
    /// # Errors
    /// Where the system offers no wake-up for this thread; kills are then flags only.
    fn capture(&self) -> Result<Self::WakeTarget, Obstacle>;

    /// Interrupts the blocking call that the target's thread is in, if it is in one. Never blocks.
    /// Callers hold the slot's lock, so the thread cannot exit meanwhile.
    fn wake(&self, target: &Self::WakeTarget) -> Wake;

    /// Why the latest wake-ups cannot have worked, as far as the system can tell. May read files; called once a
    /// kill, when it has failed, with the slot's lock held.
    fn obstacle(&self, target: &Self::WakeTarget) -> Option<Obstacle>;

    /// Ends the life of a target. Called exactly once for each [`Platform::capture`], from any thread.
    fn release(&self, target: Self::WakeTarget);

    /// Where the calling thread stands. See [`Platform::forgets`].
    fn mark(&self) -> Mark {
        Mark::default()
    }

    /// Says that of all that the calling thread has learned since `mark`, what it does from here on depends on what `rest` answers
    /// alone. That is for platforms that search the states of a protocol: two ways that lead to the same are one to them from here
    /// on. A wrong claim hides states from a search, and does nothing else. `rest` must differ from place to place.
    fn forgets<R: Hash>(&self, mark: Mark, rest: impl FnOnce() -> R) {
        let _ = (mark, rest);
    }

    /// Called by the woken thread itself, after the run that was killed and before the next one: lets the
    /// wake-ups that were sent but not yet delivered arrive now, where they interrupt nothing.
    fn absorb(&self);
}

/// All that a thread has learned up to some place, as a platform that searches states knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mark(pub u128);

impl Mark {
    /// Before the thread had learned anything, what it was started with included.
    pub const NOTHING: Self = Self(0);
}

/// One atomic byte that holds a bool.
pub trait Flag: Send + Sync + 'static {
    /// An atomic load.
    fn load(&self, order: Ordering) -> bool;
    /// An atomic store.
    fn store(&self, value: bool, order: Ordering);
    /// An atomic exchange.
    fn swap(&self, value: bool, order: Ordering) -> bool;
}

/// A read-write lock whose critical sections are closures, so that none can be left open across a wait.
/// A closure that panics releases the lock; the value stays usable.
pub trait Lock<T>: Send + Sync {
    /// Runs `section` beside other shared sections, never beside an exclusive one.
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R;
    /// Runs `section` alone.
    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R;
}

/// What a monitor can hold: small values that a search can copy, compare and hash. The real platform never copies.
pub trait MonitorValue: Clone + Eq + Hash + fmt::Debug + Send + 'static {}
impl<T: Clone + Eq + Hash + fmt::Debug + Send + 'static> MonitorValue for T {}

/// What a critical section can answer: a search compares the answers that it gets in one order with those of the other.
pub trait Answer: Clone + Eq + Hash + fmt::Debug + 'static {}
impl<T: Clone + Eq + Hash + fmt::Debug + 'static> Answer for T {}

/// A value with a lock and a way to wait for it to change: the one form of shared lifecycle state.
///
/// Every closure must be pure but for the value that it is given: it may be run any number of times, on copies too. That is
/// how a search finds out whether two sections commute. A section must not use another monitor, or this one.
pub trait Monitor<T: MonitorValue>: Send + Sync {
    /// Changes the value in one critical section and notifies every waiter.
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R;

    /// Waits until `ready` answers `Some`. Where it answers `None` it must leave the value alone; where it answers `Some` it
    /// may change it, and every waiter is notified.
    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R;

    /// The same, until `deadline` (in the platform's clock) has passed. `ready` is asked once more under the lock when the
    /// deadline passes, so an answer that is already there is never missed; if it is not, `expired` answers, in the same
    /// critical section, and may change the value.
    fn wait_until_or<R: Answer>(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R;

    /// The same; `None` if the deadline passed first.
    #[inline]
    #[track_caller]
    fn wait_until<R: Answer>(&self, deadline: Duration, ready: impl Fn(&mut T) -> Option<R>) -> Option<R> {
        self.wait_until_or(deadline, |value| ready(value).map(Some), |_| None)
    }
}

/// The system refused to start a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SpawnError {
    /// The system's error number, if it gave one.
    pub errno: Option<i32>,
}

impl fmt::Display for SpawnError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the system refused to start a thread")?;
        self.errno.map_or(Ok(()), |errno| write!(f, " (errno {errno})"))?;
        write!(f, ": lower the number of threads, or raise the limit on them")
    }
}

impl std::error::Error for SpawnError {}

/// What became of one wake-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Wake {
    /// The system took it. Whether it interrupted anything is for the acknowledgement to tell.
    Sent,
    /// The system had no room for it just now (`EAGAIN`: the queue of real-time signals is full). Worth sending again.
    QueueFull,
    /// The thread has exited without clearing its slot (`ESRCH`; `ERROR_GEN_FAILURE` on Windows).
    ThreadGone,
    /// Nothing was sent, because it cannot help or would do harm.
    Impossible(Obstacle),
    /// The system refused with an error of its own; the number is its `errno`, or its error code on Windows.
    Failed {
        /// The system's error number.
        errno: i32,
    },
}

/// Why a thread cannot be woken here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Obstacle {
    /// This system has no such wake-up, or flags only was asked for.
    FlagsOnly,
    /// Installing the signal handler failed when the platform was made.
    HandlerNotInstalled {
        /// The system's error number.
        errno: i32,
    },
    /// The thread could not be given a signal stack on which handlers may nest.
    NoSignalStack {
        /// The system's error number.
        errno: i32,
    },
    /// Somebody replaced the signal's handler, so the signal could end the process; it was not sent.
    HandlerReplaced,
    /// The queue of real-time signals stayed full at every send (`RLIMIT_SIGPENDING`).
    QueueFull,
    /// The system refused every send with an error that the library does not expect.
    Refused {
        /// The system's error number.
        errno: i32,
    },
    /// The thread has the signal blocked, so wake-ups stay pending until it unblocks it.
    SignalBlocked,
    /// Windows: the thread's handle could not be duplicated when it was captured, so its kills are flags only.
    HandleNotDuplicated {
        /// The system's error code.
        errno: i32,
    },
    /// Windows: the thread's handle is none. It was closed by somebody whose it is not.
    HandleInvalid,
    /// Windows: the thread's handle lacks a right that the wake-up needs.
    AccessDenied,
    /// Windows: the thread is in no synchronous I/O and has not waited alertably since the wake-ups were sent. They stay
    /// queued until it does; its present wait, if it is in one, nothing can end.
    NotAlertable,
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FlagsOnly => write!(f, "kills are flags only on this platform"),
            Self::HandlerNotInstalled { errno } => {
                write!(f, "installing the signal handler failed with errno {errno}, so kills are flags only")
            }
            Self::NoSignalStack { errno } => {
                write!(f, "the thread could not be given a signal stack (errno {errno})")
            }
            Self::HandlerReplaced => {
                write!(f, "somebody replaced the signal's handler, so the signal was not sent")
            }
            Self::QueueFull => write!(f, "the queue of real-time signals stayed full"),
            Self::Refused { errno } => write!(f, "the system refused every wake-up with errno {errno}"),
            Self::SignalBlocked => write!(f, "the thread has the signal blocked"),
            Self::HandleNotDuplicated { errno } => {
                write!(
                    f,
                    "the thread's handle could not be duplicated (error {errno}), so kills are flags only"
                )
            }
            Self::HandleInvalid => write!(f, "somebody closed the thread's handle"),
            Self::AccessDenied => write!(f, "the system denies the access to the thread"),
            Self::NotAlertable => write!(f, "the thread is in no call that can be interrupted"),
        }
    }
}
