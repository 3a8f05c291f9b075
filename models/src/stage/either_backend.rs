//! One of two model checkers, chosen when an execution begins.
//!
//! A race of whole lifecycles is compiled for each protocol that plays it, and there are many; with a type that is either checker's
//! it is compiled once for both.

use std::time::Duration;

use forcekill::platform::{Answer, Flag, Lock, Monitor, MonitorValue};
use std::hash::Hash;
use std::sync::atomic::Ordering;

use super::backend::{Backend, FreedCell, Gate, Look};
use super::{ExploreBackend, ShuttleBackend};

/// What is the explorer's, or shuttle's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Either<E, S> {
    /// The explorer's.
    Explore(E),
    /// shuttle's.
    Shuttle(S),
}

/// The explorer or shuttle.
pub type EitherBackend = Either<ExploreBackend, ShuttleBackend>;

/// The same expression, whichever it is.
macro_rules! either {
    ($either:expr, $it:ident => $then:expr) => {
        match $either {
            Either::Explore($it) => $then,
            Either::Shuttle($it) => $then,
        }
    };
}

/// The same expression, and the same case of its value.
macro_rules! both {
    ($either:expr, $it:ident => $then:expr) => {
        match $either {
            Either::Explore($it) => Either::Explore($then),
            Either::Shuttle($it) => Either::Shuttle($then),
        }
    };
}

impl<E: Flag, S: Flag> Flag for Either<E, S> {
    fn load(&self, order: Ordering) -> bool {
        either!(self, flag => flag.load(order))
    }

    fn store(&self, value: bool, order: Ordering) {
        either!(self, flag => flag.store(value, order));
    }

    fn swap(&self, value: bool, order: Ordering) -> bool {
        either!(self, flag => flag.swap(value, order))
    }
}

impl<T, E: Lock<T>, S: Lock<T>> Lock<T> for Either<E, S> {
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        either!(self, lock => lock.shared(section))
    }

    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        either!(self, lock => lock.exclusive(section))
    }
}

impl<T, E: Gate<T>, S: Gate<T>> Gate<T> for Either<E, S> {
    fn change<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        either!(self, gate => gate.change(section))
    }

    fn look<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        either!(self, gate => gate.look(section))
    }

    fn wait<R>(&self, look: impl FnMut(&mut T) -> Look<R>) -> R {
        either!(self, gate => gate.wait(look))
    }
}

impl<T: MonitorValue, E: Monitor<T>, S: Monitor<T>> Monitor<T> for Either<E, S> {
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        either!(self, monitor => monitor.with(change))
    }

    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        either!(self, monitor => monitor.wait(ready))
    }

    fn wait_until_or<R: Answer>(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        either!(self, monitor => monitor.wait_until_or(deadline, ready, expired))
    }
}

impl<E: FreedCell, S: FreedCell> FreedCell for Either<E, S> {
    fn is_freed(&self) -> bool {
        either!(self, cell => cell.is_freed())
    }

    fn free(&self) {
        either!(self, cell => cell.free());
    }
}

/// What two backends have together.
type Of<E, S> = Either<E, S>;

impl Backend for EitherBackend {
    type Flag = Of<<ExploreBackend as Backend>::Flag, <ShuttleBackend as Backend>::Flag>;
    type Lock<T: Send + Sync + 'static> =
        Of<<ExploreBackend as Backend>::Lock<T>, <ShuttleBackend as Backend>::Lock<T>>;
    type Gate<T: Send + 'static> =
        Of<<ExploreBackend as Backend>::Gate<T>, <ShuttleBackend as Backend>::Gate<T>>;
    type Monitor<T: MonitorValue> =
        Of<<ExploreBackend as Backend>::Monitor<T>, <ShuttleBackend as Backend>::Monitor<T>>;
    type Freed = Of<<ExploreBackend as Backend>::Freed, <ShuttleBackend as Backend>::Freed>;
    type Joiner = Of<<ExploreBackend as Backend>::Joiner, <ShuttleBackend as Backend>::Joiner>;
    type ThreadId = Of<<ExploreBackend as Backend>::ThreadId, <ShuttleBackend as Backend>::ThreadId>;

    fn flag(&self, value: bool) -> Self::Flag {
        both!(self, backend => backend.flag(value))
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> Self::Lock<T> {
        both!(self, backend => backend.lock(value))
    }

    fn gate<T: Send + 'static>(&self, value: T) -> Self::Gate<T> {
        both!(self, backend => backend.gate(value))
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> Self::Monitor<T> {
        both!(self, backend => backend.monitor(value))
    }

    fn freed_cell(&self) -> Self::Freed {
        both!(self, backend => backend.freed_cell())
    }

    fn wait_last<T: MonitorValue, R: Answer>(
        monitor: &Self::Monitor<T>,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        match monitor {
            Either::Explore(monitor) => ExploreBackend::wait_last(monitor, ready, expired),
            Either::Shuttle(monitor) => ShuttleBackend::wait_last(monitor, ready, expired),
        }
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Self::Joiner {
        both!(self, backend => backend.spawn(body))
    }

    /// # Panics
    /// If the thread is the other checker's.
    fn join(&self, joiner: Self::Joiner) {
        match (self, joiner) {
            (Self::Explore(backend), Either::Explore(joiner)) => backend.join(joiner),
            (Self::Shuttle(backend), Either::Shuttle(joiner)) => backend.join(joiner),
            _ => panic!("a thread is joined where it was not started"),
        }
    }

    fn current(&self) -> Self::ThreadId {
        both!(self, backend => backend.current())
    }

    fn forget(&self, progress: u16, residue: u64) {
        either!(self, backend => backend.forget(progress, residue));
    }

    fn mark(&self) -> u128 {
        either!(self, backend => backend.mark())
    }

    fn forget_since<R: Hash>(&self, mark: u128, residue: &R) {
        either!(self, backend => backend.forget_since(mark, residue));
    }

    fn leave(&self, residue: u64) {
        either!(self, backend => backend.leave(residue));
    }
}
