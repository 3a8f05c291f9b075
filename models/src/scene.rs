//! Where a lifecycle is played: a platform on which whole PHP threads live, with the calls that bring them to a stop.
//!
//! A [`Stage`](crate::stage::Stage) shows one slot in every detail; a scene shows many threads and leaves the details of
//! signals and memory orders out, because the stage's races settle them. What stays is every critical section of the library's.

mod career;
mod engine;
mod model;
mod name;
mod php;
mod roles;
mod rows;
mod slot_lock;
mod watched;

pub use career::{Career, Life};
pub use engine::{Act, Memory, ModelEngine, Plan};
pub use model::{LifecycleModel, Line, Slots};
pub use php::{Php, Script};
pub use roles::Role;
pub use slot_lock::SlotLock;
pub use watched::WatchedMonitor;

use std::sync::atomic::AtomicBool;

use forcekill::steps::Steps;
use forcekill::{OwnedFlags, Platform, ResendPolicy, State, Thread};

use crate::oracle::Oracle;
use crate::step::Deed;

/// How a system wakes a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wakes {
    /// By a signal, which is pending until the thread's next call.
    Signal,
    /// By a cancel, as Windows does: it finds the thread in its call, or is lost.
    Cancel,
    /// Not at all: kills are flags only.
    Never,
}

/// A platform for whole lifecycles. Flags are the standard library's: no property of a lifecycle depends on their order.
pub trait Scene: Platform<Flag = AtomicBool> {
    /// A thread of the host's that was started and must be joined.
    type Joiner: Send + 'static;

    /// The observer of this search.
    fn oracle(&self) -> &Oracle;

    /// Starts a thread of the host's.
    #[track_caller]
    fn start(&self, role: Role, body: impl FnOnce() + Send + 'static) -> Self::Joiner;

    /// Waits for a thread of the host's.
    fn join(&self, joiner: Self::Joiner);

    /// Waits for every thread that [`Platform::spawn`] has started so far.
    fn join_spawned(&self);

    /// Whether any thread's kill slot is a step of the search.
    fn sees_slots(&self) -> bool;

    /// The race has a runtime with so many indexes.
    fn seats(&self, seats: usize);

    /// Whose deadlines never pass, besides those that are [`Duration::MAX`](std::time::Duration::MAX): while somebody makes the initial condition of a race, or clears up behind it.
    fn patient(&self, patient: Option<Role>);

    /// Whether the current thread is the runtime's own scaler.
    fn is_autoscaler(&self) -> bool;

    /// The state that a thread was last seen in. No step: it only judges.
    fn state_of(&self, thread: usize) -> State;

    /// Says who the current thread is; every thread that was spawned does it first.
    #[track_caller]
    fn enter(&self, role: Role);

    /// The initial condition of a race: the thread is in this state before anybody can see it.
    fn place<D: Steps<Self, OwnedFlags>>(&self, thread: &Thread<Self, OwnedFlags, D>, state: State);

    /// A system call of the current PHP thread's that blocks until a wake interrupts it or everything is let go.
    #[track_caller]
    fn interruptible_call(&self);

    /// The same, but whoever calls it calls it again when it was interrupted: it ends when everything is let go.
    #[track_caller]
    fn retried_call(&self);

    /// A call that nothing interrupts.
    #[track_caller]
    fn uninterruptible_call(&self);

    /// How the system of this world wakes threads; by signals, if this is not called.
    fn wakes(&self, how: Wakes);

    /// From now on every call returns by itself.
    fn let_go(&self);

    /// A policy with exactly this many sends.
    fn policy(&self, sends: u32) -> ResendPolicy;

    /// What the current PHP thread does from here on, as its `turn`th script begins, depends on `residue` alone: see
    /// [`forget`](crate::explorer::forget).
    fn begins_turn(&self, turn: usize, residue: u64);

    /// Keeps a step of the current thread, if steps are kept. The step's line is the caller's.
    #[track_caller]
    fn note<D: Into<Deed>>(&self, what: impl FnOnce() -> D);
}
