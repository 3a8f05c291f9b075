//! loom's primitives. They need no `--cfg loom` when they are named directly.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use forcekill::platform::{Flag, Lock, MonitorValue};
use loom::cell::UnsafeCell;
use loom::sync::atomic::{AtomicBool, AtomicUsize};
use loom::thread;

use super::backend::{Backend, FreedCell, Gate, GateMonitor, Look, checker_sync};

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

/// One atomic of an execution, touched at both ends of every section of every lock and monitor, or nothing.
///
/// To loom, unlocking is no choice and readers of a read-write lock do not meet, so it misses races that turn on either.
/// A relaxed read-modify-write that changes nothing is a choice, depends on every other one, and orders nothing. That makes
/// the search of the smallest race 50 to 220 times longer, and more for others.
#[derive(Clone, Debug, Default)]
pub struct Probe(Option<Arc<AtomicUsize>>);

impl Probe {
    /// A probe of the current execution if `on`, else nothing.
    ///
    /// # Panics
    /// If it is on, outside of an execution of loom's.
    pub fn new(on: bool) -> Self {
        Self(on.then(|| Arc::new(AtomicUsize::new(0))))
    }

    /// Where the search may switch threads.
    pub fn touch(&self) {
        if let Some(atomic) = &self.0 {
            atomic.fetch_add(0, Ordering::Relaxed);
        }
    }

    /// `section`, between two touches.
    fn around<R>(&self, section: impl FnOnce() -> R) -> R {
        self.touch();
        let result = section();
        self.touch();
        result
    }
}

/// loom as a backend.
#[derive(Clone, Debug)]
pub struct LoomBackend {
    /// How loads are made.
    pub reads: Reads,
    /// Whether sections touch an atomic of the whole execution.
    pub probe: Probe,
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

/// A read-write lock of loom's, whose sections touch the probe.
#[derive(Debug)]
pub struct ProbedLock<T> {
    lock: LoomLock<T>,
    probe: Probe,
}

impl<T: Send + Sync> Lock<T> for ProbedLock<T> {
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        self.lock.shared(|value| self.probe.around(|| section(value)))
    }

    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        self.lock.exclusive(|value| self.probe.around(|| section(value)))
    }
}

/// A gate of loom's, whose sections touch the probe.
#[derive(Debug)]
pub struct ProbedGate<T> {
    gate: LoomGate<T>,
    probe: Probe,
}

impl<T: Send + 'static> Gate<T> for ProbedGate<T> {
    fn change<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        self.gate.change(|value| self.probe.around(|| section(value)))
    }

    fn look<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        self.gate.look(|value| self.probe.around(|| section(value)))
    }

    fn wait<R>(&self, mut look: impl FnMut(&mut T) -> Look<R>) -> R {
        self.gate.wait(|value| self.probe.around(|| look(value)))
    }
}

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
    type Lock<T: Send + Sync + 'static> = ProbedLock<T>;
    type Gate<T: Send + 'static> = ProbedGate<T>;
    type Monitor<T: MonitorValue> = GateMonitor<ProbedGate<T>, T>;
    type Freed = LoomFreed;
    type Joiner = thread::JoinHandle<()>;
    type ThreadId = thread::ThreadId;

    fn flag(&self, value: bool) -> LoomFlag {
        LoomFlag { bit: AtomicBool::new(value), reads: self.reads }
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> Self::Lock<T> {
        ProbedLock { lock: LoomLock(loom::sync::RwLock::new(value)), probe: self.probe.clone() }
    }

    fn gate<T: Send + 'static>(&self, value: T) -> Self::Gate<T> {
        ProbedGate { gate: LoomGate::new(value), probe: self.probe.clone() }
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> Self::Monitor<T> {
        GateMonitor::new(self.gate(value))
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
