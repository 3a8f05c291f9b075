//! The storage of one thread of the models' engine: two flags, and a cell that knows whether they were freed.

use std::sync::Arc;

use forcekill::{InterruptFlags, ThreadStorage};

use super::{FreedCell, Stage};
use crate::property::Property;

/// The storage itself; [`ThreadStorage::free`] ends its life, and whoever touches the flags afterwards is found out.
pub struct Storage<P: Stage>(Arc<Inner<P>>);

/// The addresses of the storage's flags, as the slot holds them.
pub struct Monitored<P: Stage>(Arc<Inner<P>>);

struct Inner<P: Stage> {
    timed_out: P::Flag,
    vm_interrupt: P::Flag,
    freed: P::Freed,
    stage: P,
}

impl<P: Stage> Storage<P> {
    /// Allocates the storage, with both flags down.
    pub fn new(stage: &P) -> Self {
        Self(Arc::new(Inner {
            timed_out: stage.named_flag("timed_out"),
            vm_interrupt: stage.named_flag("vm_interrupt"),
            freed: stage.freed_cell(),
            stage: stage.clone(),
        }))
    }
}

impl<P: Stage> ThreadStorage for Storage<P> {
    type Flags = Monitored<P>;

    fn flags(&self) -> Self::Flags {
        Monitored(Arc::clone(&self.0))
    }

    fn free(self) {
        self.0.stage.note(|| "frees its storage");
        let oracle = self.0.stage.oracle();
        if oracle.watches(Property::NoAccessAfterFree) {
            let what = "the storage was freed while somebody was using its flags";
            oracle.suspecting(Property::NoAccessAfterFree, what, || self.0.freed.free());
        }
    }
}

impl<P: Stage> Clone for Monitored<P> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<P: Stage> Inner<P> {
    fn touch(&self) {
        let oracle = self.stage.oracle();
        if !oracle.watches(Property::NoAccessAfterFree) {
            return;
        }
        let what = "a flag was accessed after its storage was freed";
        if oracle.suspecting(Property::NoAccessAfterFree, what, || self.freed.is_freed()) {
            oracle.violate(Property::NoAccessAfterFree, || what.to_string());
        }
    }
}

impl<P: Stage> InterruptFlags for Monitored<P> {
    type Flag = P::Flag;

    fn timed_out(&self) -> &P::Flag {
        self.0.touch();
        &self.0.timed_out
    }

    fn vm_interrupt(&self) -> &P::Flag {
        self.0.touch();
        &self.0.vm_interrupt
    }
}

/// Flags that a race can make storage for. There is one sound kind, [`Monitored`]; the others are defects.
pub trait ModelFlags<P: Stage>: InterruptFlags<Flag = P::Flag> + Clone {
    /// The storage that the flags are in.
    type Storage: ThreadStorage<Flags = Self> + Send + 'static;

    /// Allocates storage for one thread.
    fn allocate(stage: &P) -> Self::Storage;
}

impl<P: Stage> ModelFlags<P> for Monitored<P> {
    type Storage = Storage<P>;

    fn allocate(stage: &P) -> Storage<P> {
        Storage::new(stage)
    }
}
