//! Where a race is played: a platform, with what a model must see and do beside it.
//!
//! A race is one function, generic over [`Stage`]. It runs on [`Model`] under loom and under shuttle, and on
//! [`RealStage`] with real threads, real signals and a real blocking call.

mod backend;
mod either_backend;
mod explore_backend;
mod kernel;
mod loom_backend;
mod model;
mod primitives;
#[cfg(unix)]
mod real;
mod shuttle_backend;
mod storage;

pub use backend::{Backend, FreedCell, Gate, Look};
pub use either_backend::{Either, EitherBackend};
pub use explore_backend::ExploreBackend;
pub use loom_backend::{LoomBackend, Probe, Reads};
pub use model::{Expiry, Model};
#[cfg(unix)]
pub use real::RealStage;
pub use shuttle_backend::ShuttleBackend;
pub use storage::{ModelFlags, Monitored, Storage};

use forcekill::{Platform, ResendPolicy};

use crate::oracle::Oracle;
use crate::step::Deed;

/// A platform whose world a model can watch and act in.
pub trait Stage: Platform {
    /// A thread that was started and must be joined.
    type Joiner: Send + 'static;
    /// Knows whether the storage that it belongs to was freed.
    type Freed: FreedCell;

    /// The observer of this search.
    fn oracle(&self) -> &Oracle;

    /// A flag with a name, for traces.
    fn named_flag(&self, name: &'static str) -> Self::Flag;

    /// A fresh cell: not freed.
    fn freed_cell(&self) -> Self::Freed;

    /// Starts a thread that kills. It is no thread of the engine's and publishes nothing.
    fn start(&self, name: &'static str, body: impl FnOnce() + Send + 'static) -> Self::Joiner;

    /// Waits for a thread to end.
    ///
    /// # Panics
    /// If the thread panicked.
    fn join(&self, joiner: Self::Joiner);

    /// Runs `body` as one OS thread of the engine's, from its start to its exit. The next one gets the same thread id
    /// again, as real systems do.
    fn os_thread(&self, name: &'static str, body: impl FnOnce() + Send + 'static);

    /// A place between two instructions of the script: wakes that have arrived run the handler here, and interrupt
    /// nothing. Answers whether one had.
    fn user_mode(&self) -> bool;

    /// Makes this the system's semantics, before anything else happens in it. A real system stays what it is.
    fn simulate(&self, system: System) {
        let _ = system;
    }

    /// One system call of the script.
    fn call(&self, call: Call) -> Returned;

    /// From now on every call returns by itself: what a dead socket does in the end.
    fn let_go(&self);

    /// Whether [`Stage::let_go`] was called, as far as a script that asks knows.
    fn was_let_go(&self) -> bool;

    /// How many threads of the engine's were started so far, in this execution.
    fn threads_started(&self) -> usize;

    /// Called last: every wake target that was captured must have been released, once.
    fn check_targets(&self);

    /// A policy with exactly this many sends, where time is simulated; a patient one on a real machine.
    fn policy(&self, sends: u32) -> ResendPolicy;

    /// The same where the verdict does not matter or cannot be a good one: a real machine need not be patient then.
    fn policy_in_vain(&self, sends: u32) -> ResendPolicy {
        self.policy(sends)
    }

    /// Whether pauses take real time, so that a slow machine may need more sends than the logic does.
    fn is_timed(&self) -> bool;

    /// A second name for a wake target, which sound code cannot make: for the historic designs and the defects that
    /// copied one. A real stage refuses.
    fn alias(&self, target: &Self::WakeTarget) -> Option<Self::WakeTarget>;

    /// Keeps a step of the current thread, if steps are kept. The step's line is the caller's.
    #[track_caller]
    fn note<D: Into<Deed>>(&self, what: impl FnOnce() -> D);
}

/// The moment that [`Platform::absorb`] is for.
pub const WAKE_WAS_PENDING: &str = "a wake was pending when its run ended";

/// A system call, by what a wake does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// Blocks until it is let go; a wake interrupts it.
    Interruptible,
    /// Blocks until it is let go; a wake makes it return what it has moved so far, which is something.
    WithSideEffects,
    /// Blocks until it is let go; wakes stay pending.
    Uninterruptible,
    /// Would be interrupted by a pending wake, otherwise returns at once.
    Short,
    /// Windows: blocks until it is let go; a cancel that finds it blocked interrupts it, an earlier one is lost.
    SynchronousIo,
}

/// Whose semantics the simulated system has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum System {
    /// A wake is one signal: it runs its handler between two instructions, or interrupts a call.
    #[default]
    Unix,
    /// A wake is a cancel and an APC. The cancel interrupts synchronous I/O that is blocked, and is otherwise lost. The APC stays
    /// queued until the next alertable wait, which is [`Call::Interruptible`]; user mode does not run it.
    Windows,
    /// There is no wake-up: nothing can be captured.
    WithoutWake,
}

/// How a system call returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// By itself.
    Done,
    /// `EINTR`; `blocked` tells whether it had blocked before.
    Interrupted {
        /// Whether the wake found it blocked, or was there when it began.
        blocked: bool,
    },
    /// With a part of its work done, because of a wake.
    Partly,
}
