//! Gates: sections on values that cannot be copied, compared or run twice. Nothing can be tried on a copy, so operations on
//! the same gate never commute, and an execution that has one has no state keys.

use std::cell::UnsafeCell;

use super::current::{Current, current, current_of};
use super::execution::{Execution, Kind};
use super::keys;
use super::object::GateState;
use super::operation::Pending;
use super::view::{Access, Object};
use crate::stage::{Gate as GateSeam, Look};

/// A gate of an execution.
///
/// A section may use one more object, of which the announcement says that this gate is released besides.
#[derive(Debug)]
pub struct Gate<T> {
    execution: u64,
    object: Object,
    value: UnsafeCell<T>,
}

// SAFETY: all sections are refused but on the one OS thread that runs the execution, where they never run beside each other;
// the value can be dropped anywhere.
unsafe impl<T: Send> Send for Gate<T> {}
// SAFETY: as above: a section has the value for itself.
unsafe impl<T: Send> Sync for Gate<T> {}

/// What the search can know of a section.
struct Opaque;

impl Pending for Opaque {
    unsafe fn is_ready(&self, _value: *const ()) -> Result<bool, String> {
        Ok(true)
    }

    unsafe fn commutes(&self, _other: &dyn Pending, _value: *const ()) -> bool {
        false
    }

    unsafe fn keep(&self, _copy: *mut ()) -> bool {
        false
    }

    unsafe fn agrees(&self, _copy: *mut ()) -> bool {
        false
    }
}

impl<T> Gate<T> {
    /// A new gate around `value`.
    ///
    /// # Panics
    /// Outside of an execution.
    pub fn new(value: T) -> Self {
        let current = current();
        current.opaque.set(true);
        let object = current.create_object(GateState { held: false, changes: 0, order: 0 });
        Self { execution: current.number.get(), object, value: UnsafeCell::new(value) }
    }

    /// Announces a section and runs it when it is scheduled.
    fn section<R>(&self, kind: Kind, section: impl FnOnce(&mut T) -> R) -> R {
        let current = current_of(self.execution);
        current.announce(self.object, Access::Change, kind, &Opaque);
        let inside = Inside::enter(current, self.object);
        // SAFETY: no other section runs until `inside` is dropped: each is announced, and none is enabled meanwhile.
        let result = section(unsafe { &mut *self.value.get() });
        drop(inside);
        // What the section has answered is a function of what was done to the gate before it.
        current.answered(current.objects.gate(self.object).order);
        result
    }

    /// What others wait for has changed.
    fn changed(&self) -> u32 {
        let current = current_of(self.execution);
        let gate = current.objects.gate(self.object);
        let changes = gate.changes + 1;
        current.objects.set_gate(self.object, GateState { changes, ..gate });
        changes
    }
}

impl<T: Send + 'static> GateSeam<T> for Gate<T> {
    fn change<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        let result = self.section(Kind::Gate, section);
        self.changed();
        result
    }

    fn look<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        self.section(Kind::Gate, section)
    }

    fn wait<R>(&self, mut look: impl FnMut(&mut T) -> Look<R>) -> R {
        let mut kind = Kind::Gate;
        loop {
            let seen = match self.section(kind, &mut look) {
                Look::Ready(answer) => return answer,
                Look::Taken(answer) => {
                    self.changed();
                    return answer;
                }
                Look::Changed => self.changed(),
                Look::Unchanged => current_of(self.execution).objects.gate(self.object).changes,
            };
            kind = Kind::ChangedGate(seen);
        }
    }
}

/// As long as it lives, the gate is held.
struct Inside {
    current: Current,
    gate: Object,
}

impl Inside {
    fn enter(current: Current, gate: Object) -> Self {
        let thread = &current.threads[current.running.get()];
        let before = current.objects.gate(gate);
        let order = keys::mix(before.order, current.name());
        current.objects.set_gate(gate, GateState { held: true, order, ..before });
        // The outer of two is the one that an announcement tells of besides the inner one.
        if thread.gate.get().is_none() {
            thread.gate.set(Some(gate));
        }
        thread.gates.set(thread.gates.get() + 1);
        Self { current, gate }
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        let execution: &Execution = &self.current;
        let gate = execution.objects.gate(self.gate);
        execution.objects.set_gate(self.gate, GateState { held: false, ..gate });
        let thread = &execution.threads[execution.running.get()];
        thread.gates.set(thread.gates.get() - 1);
        if thread.gate.get() == Some(self.gate) {
            thread.gate.set(None);
        }
    }
}
