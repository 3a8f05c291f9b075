//! shuttle's primitives. All of its atomics are sequentially consistent: orderings are loom's part.

use std::sync::atomic::Ordering;

use forcekill::platform::{Flag, MonitorValue};
use shuttle::sync::atomic::AtomicBool;
use shuttle::thread;

use super::backend::{Backend, FreedCell, GateMonitor, checker_sync};

/// shuttle as a backend.
#[derive(Clone, Copy, Debug)]
pub struct ShuttleBackend;

/// An atomic bool of shuttle's.
#[derive(Debug)]
pub struct ShuttleFlag(AtomicBool);

impl Flag for ShuttleFlag {
    fn load(&self, _order: Ordering) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn store(&self, value: bool, _order: Ordering) {
        self.0.store(value, Ordering::SeqCst);
    }

    fn swap(&self, value: bool, _order: Ordering) -> bool {
        self.0.swap(value, Ordering::SeqCst)
    }
}

checker_sync!(shuttle, ShuttleLock, ShuttleGate);

/// An atomic, so that the search sees its accesses. A missing happens-before is invisible here.
#[derive(Debug)]
pub struct ShuttleFreed(AtomicBool);

impl FreedCell for ShuttleFreed {
    fn is_freed(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn free(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

impl Backend for ShuttleBackend {
    type Flag = ShuttleFlag;
    type Lock<T: Send + Sync + 'static> = ShuttleLock<T>;
    type Gate<T: Send + 'static> = ShuttleGate<T>;
    type Monitor<T: MonitorValue> = GateMonitor<ShuttleGate<T>, T>;
    type Freed = ShuttleFreed;
    type Joiner = thread::JoinHandle<()>;
    type ThreadId = thread::ThreadId;

    fn flag(&self, value: bool) -> ShuttleFlag {
        ShuttleFlag(AtomicBool::new(value))
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> ShuttleLock<T> {
        ShuttleLock(shuttle::sync::RwLock::new(value))
    }

    fn gate<T: Send + 'static>(&self, value: T) -> ShuttleGate<T> {
        ShuttleGate::new(value)
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> Self::Monitor<T> {
        GateMonitor::new(ShuttleGate::new(value))
    }

    fn freed_cell(&self) -> ShuttleFreed {
        ShuttleFreed(AtomicBool::new(false))
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Self::Joiner {
        thread::spawn(body)
    }

    fn join(&self, joiner: Self::Joiner) {
        joiner.join().unwrap();
    }

    fn current(&self) -> thread::ThreadId {
        thread::current().id()
    }
}
