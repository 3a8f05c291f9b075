//! The explorer's objects, for the platform that the races are played on. Sequentially consistent, as shuttle's are.

use super::backend::{Backend, FreedCell};
use crate::explorer::{self, Flag, Gate, Joiner, Lock};

use forcekill::platform::{Answer, Flag as _, MonitorValue};
use std::hash::Hash;
use std::sync::atomic::Ordering::SeqCst;

/// The explorer as a backend.
#[derive(Clone, Copy, Debug)]
pub struct ExploreBackend;

/// A flag, so that the search sees its accesses. A missing happens-before is invisible here.
#[derive(Debug)]
pub struct ExploreFreed(Flag);

impl FreedCell for ExploreFreed {
    fn is_freed(&self) -> bool {
        self.0.load(SeqCst)
    }

    fn free(&self) {
        self.0.store(true, SeqCst);
    }
}

impl Backend for ExploreBackend {
    type Flag = Flag;
    type Lock<T: Send + Sync + 'static> = Lock<T>;
    type Gate<T: Send + 'static> = Gate<T>;
    type Monitor<T: MonitorValue> = explorer::Monitor<T>;
    type Freed = ExploreFreed;
    type Joiner = Joiner<()>;
    type ThreadId = explorer::view::Thread;

    fn flag(&self, value: bool) -> Flag {
        Flag::new(value)
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> Lock<T> {
        Lock::new(value)
    }

    fn gate<T: Send + 'static>(&self, value: T) -> Gate<T> {
        Gate::new(value)
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> explorer::Monitor<T> {
        explorer::Monitor::new(value)
    }

    fn freed_cell(&self) -> ExploreFreed {
        ExploreFreed(Flag::new(false))
    }

    fn wait_last<T: MonitorValue, R: Answer>(
        monitor: &explorer::Monitor<T>,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        monitor.wait_last(ready, expired)
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Joiner<()> {
        explorer::spawn(body)
    }

    fn join(&self, joiner: Joiner<()>) {
        joiner.join().unwrap();
    }

    fn current(&self) -> explorer::view::Thread {
        explorer::thread()
    }

    fn forget(&self, progress: u16, residue: u64) {
        explorer::forget(progress, residue);
    }

    fn mark(&self) -> u128 {
        explorer::mark()
    }

    fn forget_since<R: Hash>(&self, mark: u128, residue: &R) {
        explorer::forget_since(mark, residue);
    }

    fn leave(&self, residue: u64) {
        explorer::leave(residue);
    }
}
