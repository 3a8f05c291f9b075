//! The safe form of a slot's life: closures instead of calls that must come in pairs, so that the slot is cleared and
//! the wake target released on whichever path the thread leaves, panic included.

use std::marker::PhantomData;

use crate::engine::{InterruptFlags, ThreadStorage};
use crate::platform::{Obstacle, Platform};
use crate::slot::{PublicationId, RunId, Slot};
use crate::steps::{Sound, Steps};

impl<P, F, S> Slot<P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    /// Publishes the calling thread for the time of `body`, then clears the slot and frees `storage`, in that order.
    ///
    /// A slot that is occupied already changes hands: the thread that had it can no longer be killed.
    pub fn occupy<T, R>(&self, storage: T, body: impl FnOnce(&mut Occupied<'_, P, F, S>) -> R) -> R
    where
        T: ThreadStorage<Flags = F>,
    {
        self.occupy_with(storage, |occupied, _| body(occupied))
    }

    /// The same for a body that uses the storage.
    ///
    /// # Panics
    /// If `body` does; the slot is cleared and the storage freed all the same.
    pub fn occupy_with<T, R>(&self, storage: T, body: impl FnOnce(&mut Occupied<'_, P, F, S>, &T) -> R) -> R
    where
        T: ThreadStorage<Flags = F>,
    {
        let publication = S::publish(self, storage.flags());
        let leaving = Leaving { slot: self, publication, storage: Some(storage) };
        let storage = leaving.storage.as_ref().expect("it is taken when `leaving` is dropped");
        body(&mut Occupied { slot: leaving.slot, publication, on_its_thread: PhantomData }, storage)
    }
}

/// A slot that the current thread occupies. Not `Send`: runs belong to the thread that published.
pub struct Occupied<'a, P, F, S = Sound>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    slot: &'a Slot<P, F, S>,
    publication: PublicationId,
    on_its_thread: PhantomData<*const ()>,
}

impl<P, F, S> Occupied<'_, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    /// One script run: it can be killed by its id while `script` runs, and not a moment longer. Runs do not nest, which
    /// the mutable borrow sees to.
    pub fn run<R>(&mut self, script: impl FnOnce(RunId) -> R) -> R {
        let run = self.slot.begin_run(self.publication);
        let _ending = Ending { slot: self.slot, publication: self.publication, run };
        script(run)
    }

    /// Why this thread can be killed by its flags alone, if that is so.
    pub fn obstacle_to_wakes(&self) -> Option<Obstacle> {
        self.slot.shared(|state| {
            let own = state.occupant.as_ref().filter(|occupant| occupant.publication == self.publication);
            own?.target.as_ref().err().copied()
        })
    }
}

struct Leaving<'a, P, F, S, T>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
    T: ThreadStorage<Flags = F>,
{
    slot: &'a Slot<P, F, S>,
    publication: PublicationId,
    storage: Option<T>,
}

impl<P, F, S, T> Drop for Leaving<'_, P, F, S, T>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
    T: ThreadStorage<Flags = F>,
{
    fn drop(&mut self) {
        if let Some(storage) = self.storage.take() {
            S::leave(self.slot, self.publication, storage);
        }
    }
}

struct Ending<'a, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    slot: &'a Slot<P, F, S>,
    publication: PublicationId,
    run: RunId,
}

impl<P, F, S> Drop for Ending<'_, P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    fn drop(&mut self) {
        self.slot.end_run(self.publication, self.run);
    }
}
