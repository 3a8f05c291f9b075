//! The objects of an execution: their values, by number.
//!
//! The values belong to the execution, not to the handles of the scenario, so that a key of the end can be made of them
//! after the handles have gone.

use std::cell::{Cell, RefCell};
use std::hash::Hash;
use std::ptr::NonNull;

use super::keys;
use super::view::Object;

/// What an object can hold.
pub(super) trait Value: 'static {
    /// The hash of the value.
    fn key(&self) -> u64;
}

impl<T: Hash + 'static> Value for T {
    fn key(&self) -> u64 {
        keys::of(self)
    }
}

/// The value of a gate: what it guards cannot be copied or compared, so only what was done to it is known.
#[derive(Clone, Copy, Debug, Hash)]
pub(super) struct GateState {
    /// Whether a thread is in a section, between two steps.
    pub(super) held: bool,
    /// How often what others wait for has changed.
    pub(super) changes: u32,
    /// Who ran sections, in order.
    pub(super) order: u64,
}

/// All objects of an execution.
#[derive(Default)]
pub(super) struct Objects {
    all: RefCell<Vec<ObjectState>>,
    versions: Cell<u64>,
}

struct ObjectState {
    name: u64,
    /// Never the same for two values, within one execution.
    version: u64,
    value: NonNull<dyn Value>,
}

impl Objects {
    pub(super) fn add(&self, name: u64, value: impl Value) -> Object {
        let value: NonNull<dyn Value> = NonNull::from(Box::leak(Box::new(value)));
        let mut all = self.all.borrow_mut();
        all.push(ObjectState { name, version: self.versions.get(), value });
        (all.len() - 1) as Object
    }

    /// The name that does not depend on the order of creation.
    pub(super) fn name(&self, object: Object) -> u64 {
        self.all.borrow()[object as usize].name
    }

    /// The place of a value, which stays where it is until [`Objects::clear`].
    pub(super) fn value(&self, object: Object) -> *mut () {
        self.all.borrow()[object as usize].value.as_ptr().cast()
    }

    /// A number that changes whenever the value may have changed.
    pub(super) fn version(&self, object: Object) -> u64 {
        self.all.borrow()[object as usize].version
    }

    /// The value may be changing.
    pub(super) fn touch(&self, object: Object) {
        self.all.borrow_mut()[object as usize].version = self.next_version();
    }

    /// A number that no value has had as its version.
    pub(super) fn next_version(&self) -> u64 {
        self.versions.set(self.versions.get() + 1);
        self.versions.get()
    }

    /// A gate's value.
    pub(super) fn gate(&self, object: Object) -> GateState {
        // SAFETY: only gates are asked for, and nobody keeps a reference to the value of one.
        unsafe { *self.value(object).cast() }
    }

    /// Changes a gate's value.
    pub(super) fn set_gate(&self, object: Object, state: GateState) {
        // SAFETY: as above.
        unsafe { *self.value(object).cast() = state }
    }

    /// A key of all values, whatever the order of creation.
    pub(super) fn key(&self) -> keys::Long {
        let all = self.all.borrow();
        let part = |object: &ObjectState| {
            // SAFETY: nobody changes a value while a key is made.
            let value = unsafe { object.value.as_ref() }.key();
            keys::Long::default().mixed(object.name).mixed(value)
        };
        all.iter().map(part).fold(keys::Long::default(), keys::Long::plus)
    }

    /// Drops all values.
    pub(super) fn clear(&self) {
        for object in self.all.borrow_mut().drain(..) {
            // SAFETY: it came from a box, and no handle can use it any more: the execution has a new number.
            drop(unsafe { Box::from_raw(object.value.as_ptr()) });
        }
        self.versions.set(0);
    }
}

impl Drop for Objects {
    fn drop(&mut self) {
        self.clear();
    }
}
