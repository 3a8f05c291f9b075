//! The flags, locks and monitors of the models' platform: a checker's primitives, with a line in the trace for each use.

use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering, Ordering::SeqCst};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forcekill::platform::{Answer, Flag, Lock, Monitor, MonitorValue};

use super::Stage;
use super::backend::{Backend, Gate, Look};
use super::model::{Expiry, Model};
use crate::step::{Deed, Effect};

/// A flag with a name for traces.
pub struct NamedFlag<B: Backend> {
    bit: Bit<B>,
    /// What it is called, and whose thread's it is.
    name: Option<(&'static str, &'static str)>,
    model: Model<B>,
}

enum Bit<B: Backend> {
    /// Its operations are steps of the search.
    Seen(B::Flag),
    /// What is watched cannot depend on it.
    Unseen(AtomicBool),
}

impl<B: Backend> NamedFlag<B> {
    /// The library's own flag (`Occupant::killed`) is only touched with the slot's lock held, whose steps order it.
    pub(super) fn unseen(model: &Model<B>, value: bool) -> Self {
        Self { bit: Bit::Unseen(AtomicBool::new(value)), name: None, model: model.clone() }
    }

    /// A flag of the current thread's, that is down; no step of the search if nobody has `seen` it.
    pub(super) fn named(model: &Model<B>, name: &'static str, seen: Option<B::Flag>) -> Self {
        let bit = seen.map_or_else(|| Bit::Unseen(AtomicBool::new(false)), Bit::Seen);
        let owner = model.current(|current| current.name);
        Self { bit, name: Some((name, owner)), model: model.clone() }
    }

    #[track_caller]
    fn note(&self, what: &str, value: bool) {
        if let Some((name, _)) = self.name {
            self.model.note(|| format!("{what} {name} = {value}"));
        }
    }

    /// Raising a flag of another thread's is a kill.
    #[track_caller]
    fn note_store(&self, value: bool) {
        let Some((name, owner)) = self.name else { return };
        self.model.note(|| {
            let what = format!("sets {name} = {value}");
            let is_own = self.model.current(|current| current.name == owner);
            match value && !is_own {
                true => Deed::with(what, Effect::Kills(owner.to_string())),
                false => what.into(),
            }
        });
    }
}

impl<B: Backend> Flag for NamedFlag<B> {
    #[track_caller]
    fn load(&self, order: Ordering) -> bool {
        let value = match &self.bit {
            Bit::Seen(bit) => bit.load(order),
            Bit::Unseen(bit) => bit.load(SeqCst),
        };
        self.note("reads", value);
        value
    }

    #[track_caller]
    fn store(&self, value: bool, order: Ordering) {
        match &self.bit {
            Bit::Seen(bit) => bit.store(value, order),
            Bit::Unseen(bit) => bit.store(value, SeqCst),
        }
        self.note_store(value);
    }

    #[track_caller]
    fn swap(&self, value: bool, order: Ordering) -> bool {
        let old = match &self.bit {
            Bit::Seen(bit) => bit.swap(value, order),
            Bit::Unseen(bit) => bit.swap(value, SeqCst),
        };
        self.note("takes", old);
        old
    }
}

/// A read-write lock of the checker's, with a line in the trace.
pub struct SlotLock<B: Backend, T: Send + Sync + 'static> {
    lock: B::Lock<T>,
    model: Model<B>,
}

impl<B: Backend, T: Send + Sync + 'static> SlotLock<B, T> {
    pub(super) fn new(model: &Model<B>, lock: B::Lock<T>) -> Self {
        Self { lock, model: model.clone() }
    }
}

impl<B: Backend, T: Send + Sync + 'static> Lock<T> for SlotLock<B, T> {
    #[track_caller]
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        let at = Location::caller();
        self.lock.shared(|value| {
            self.model.note_at(at, || "locks the slot, shared");
            section(value)
        })
    }

    #[track_caller]
    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        let at = Location::caller();
        self.lock.exclusive(|value| {
            self.model.note_at(at, || "locks the slot, alone");
            section(value)
        })
    }
}

/// What traces call the monitor that tells which run has ended, the only one that races of the slot wait at.
const LAST_RUN: &str = "the last run that ended";
const STOPS: &str = "stops waiting: the run has ended";
const IN_VAIN: &str = "waits in vain";

/// A monitor whose waits expire as [`Expiry`] says.
pub struct ModelMonitor<B: Backend, T> {
    // Only touched with a gate held, so never contended; the gates are what the checker sees.
    value: Mutex<T>,
    gate: B::Gate<()>,
    model: Model<B>,
}

impl<B: Backend, T> ModelMonitor<B, T> {
    pub(super) fn new(model: &Model<B>, gate: B::Gate<()>, value: T) -> Self {
        Self { value: Mutex::new(value), gate, model: model.clone() }
    }

    fn value<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        section(&mut self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this wait of the current thread is the early one.
    fn is_early(&self, early: Option<u32>) -> bool {
        let number = self.model.current(|current| {
            current.waits += 1;
            current.waits - 1
        });
        early == Some(number)
    }
}

impl<B: Backend, T: MonitorValue> Monitor<T> for ModelMonitor<B, T> {
    #[track_caller]
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        let at = Location::caller();
        let change = |value: &mut T| {
            self.model.note_at(at, || {
                Deed::with("says that the run has ended", Effect::Changes(LAST_RUN.to_string()))
            });
            change(value)
        };
        match self.model.expiry() {
            Expiry::AnyTime => self.gate.change(|()| self.value(change)),
            // Those who wait until the threads are stuck wait at the kernel's gate, the others look through this one. Both
            // are held, so that the change is one step to either; nobody takes them in the other order.
            Expiry::WhenStuck { .. } => {
                self.gate.look(|()| self.model.kernel_gate().change(|()| self.value(change)))
            }
        }
    }

    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        let gate = match self.model.expiry() {
            Expiry::AnyTime => &self.gate,
            Expiry::WhenStuck { .. } => self.model.kernel_gate(),
        };
        gate.wait(|()| self.value(&ready).map_or(Look::Unchanged, Look::Taken))
    }

    #[track_caller]
    fn wait_until_or<R: Answer>(
        &self,
        _deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        let in_vain = || self.value(&expired);
        let (answer, how) = match self.model.expiry() {
            Expiry::WhenStuck { early } if !self.is_early(early) => {
                self.model.kernel_gate().wait(|()| match self.value(&ready) {
                    Some(answer) => Look::Ready((answer, STOPS)),
                    None if self.model.kernel(|kernel| kernel.is_stuck()) => {
                        Look::Ready((in_vain(), IN_VAIN))
                    }
                    None => Look::Unchanged,
                })
            }
            // It may take something, so those who wait without a deadline must look again.
            _ => self.gate.change(|()| match self.value(&ready) {
                Some(answer) => (answer, STOPS),
                None => (in_vain(), IN_VAIN),
            }),
        };
        self.model.note(|| match how {
            STOPS => Deed::with(how, Effect::Sees(LAST_RUN.to_string())),
            _ => how.into(),
        });
        answer
    }
}
