//! loom's primitives. They need no `--cfg loom` when they are named directly.

use std::sync::atomic::Ordering;

use forcekill::platform::{Flag, MonitorValue};
use loom::cell::UnsafeCell;
use loom::sync::atomic::AtomicBool;
use loom::thread;

use super::backend::{Backend, FreedCell, GateMonitor, checker_sync};

/// How atomic loads are made.
///
/// loom remembers one last access of an atomic, and so misses some races of a load with a store that is ordered after
/// another load. Loads that are read-modify-writes are never missed, but always see the latest value. So a claim is
/// searched in both settings: neither contains the other.
///
/// Stores follow suit. With loads alone made so, loom reports executions that no machine has: it lets a read-modify-write
/// read past a store of another thread that happens before it, if an earlier read-modify-write of the reader's own is not
/// ordered with that store, although the latter cannot have been overwritten by what did not read it. Found as a lost kill
/// of `lost_wake_up` with two killers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// As they are; stale values show here only.
    Plain,
    /// As read-modify-writes that change nothing; stores are exchanges.
    ReadModifyWrite,
}

/// loom as a backend.
#[derive(Clone, Copy, Debug)]
pub struct LoomBackend {
    /// How loads are made.
    pub reads: Reads,
}

/// An atomic bool of loom's.
#[derive(Debug)]
pub struct LoomFlag {
    bit: AtomicBool,
    reads: Reads,
}

impl Flag for LoomFlag {
    fn load(&self, order: Ordering) -> bool {
        match self.reads {
            Reads::Plain => self.bit.load(order),
            Reads::ReadModifyWrite => self.bit.fetch_or(false, order),
        }
    }

    fn store(&self, value: bool, order: Ordering) {
        match self.reads {
            Reads::Plain => self.bit.store(value, order),
            Reads::ReadModifyWrite => drop(self.bit.swap(value, order)),
        }
    }

    fn swap(&self, value: bool, order: Ordering) -> bool {
        self.bit.swap(value, order)
    }
}

checker_sync!(loom, LoomLock, LoomGate);

/// A cell whose accesses loom checks against the memory model: besides a use after free in some interleaving, it finds
/// one that no lock orders.
#[derive(Debug)]
pub struct LoomFreed(UnsafeCell<bool>);

// SAFETY: loom checks that accesses are ordered, and runs one thread at a time.
unsafe impl Send for LoomFreed {}
// SAFETY: as above.
unsafe impl Sync for LoomFreed {}

impl FreedCell for LoomFreed {
    fn is_freed(&self) -> bool {
        // SAFETY: the pointer is valid inside the closure; loom ends the execution if a write is concurrent.
        self.0.with(|freed| unsafe { *freed })
    }

    fn free(&self) {
        // SAFETY: the pointer is valid inside the closure; loom ends the execution if any access is concurrent.
        self.0.with_mut(|freed| unsafe { *freed = true });
    }
}

impl Backend for LoomBackend {
    type Flag = LoomFlag;
    type Lock<T: Send + Sync + 'static> = LoomLock<T>;
    type Gate<T: Send + 'static> = LoomGate<T>;
    type Monitor<T: MonitorValue> = GateMonitor<LoomGate<T>, T>;
    type Freed = LoomFreed;
    type Joiner = thread::JoinHandle<()>;
    type ThreadId = thread::ThreadId;

    fn flag(&self, value: bool) -> LoomFlag {
        LoomFlag { bit: AtomicBool::new(value), reads: self.reads }
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> LoomLock<T> {
        LoomLock(loom::sync::RwLock::new(value))
    }

    fn gate<T: Send + 'static>(&self, value: T) -> LoomGate<T> {
        LoomGate::new(value)
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> Self::Monitor<T> {
        GateMonitor::new(LoomGate::new(value))
    }

    fn freed_cell(&self) -> LoomFreed {
        LoomFreed(UnsafeCell::new(false))
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
