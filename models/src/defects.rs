//! Deliberately broken steps. Each must be refuted by every engine that claims to see it, or the claims prove nothing.
//!
//! A defect is a type that overrides one step of the protocol, or, where the step is the engine's, one method of its flags.

use std::sync::atomic::Ordering::{Relaxed, Release};

use forcekill::platform::Flag;
use forcekill::steps::{Attempt, Steps};
use forcekill::{
    InterruptFlags, Occupant, Platform, PublicationId, ResendPolicy, RunId, Slot, SlotState, ThreadStorage,
    Wake,
};

use crate::designs::{aliased, single};
use crate::stage::{ModelFlags, Monitored, Stage, Storage};

/// What a killer copies out of the slot if it does not keep the lock.
struct Copied<P: Platform, F> {
    flags: F,
    target: Option<P::WakeTarget>,
}

impl<P: Stage, F: ModelFlags<P>> Copied<P, F> {
    fn of<S: Steps<P, F>>(slot: &Slot<P, F, S>, occupant: &Occupant<P, F>) -> Self {
        Self { flags: occupant.flags.clone(), target: aliased(slot.platform(), occupant) }
    }

    fn wake(&self, platform: &P) -> Attempt {
        Attempt::Made(self.target.as_ref().map_or(Wake::Sent, |target| platform.wake(target)))
    }
}

/// The storage is freed, and then the slot is cleared.
pub struct ClearAfterFree;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for ClearAfterFree {
    fn leave<T: ThreadStorage>(slot: &Slot<P, F, Self>, publication: PublicationId, storage: T) {
        storage.free();
        Self::clear(slot, publication);
    }
}

/// The slot is copied, and the kill works on the copy, with no lock held.
pub struct KillWithoutLock;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for KillWithoutLock {
    fn attempt(slot: &Slot<P, F, Self>, run: RunId, _nth: u32) -> Attempt {
        let copied = slot.shared(|state| Self::armed(state, run).map(|occupant| Copied::of(slot, occupant)));
        let Some(copied) = copied else { return Attempt::NotRunning };
        Self::store_flags(&copied.flags);
        copied.wake(slot.platform())
    }
}

/// The flags are stored with the lock held; the wake is sent after it was dropped.
pub struct WakeAfterUnlock;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for WakeAfterUnlock {
    fn attempt(slot: &Slot<P, F, Self>, run: RunId, _nth: u32) -> Attempt {
        let copied = slot.shared(|state| {
            let occupant = Self::armed(state, run)?;
            occupant.killed.store(true, Relaxed);
            Self::store_flags(&occupant.flags);
            Some(Copied::of(slot, occupant))
        });
        copied.map_or(Attempt::NotRunning, |copied| copied.wake(slot.platform()))
    }
}

/// Whoever takes the occupant out releases the target, and so does the exit path.
pub struct ReleaseTwice;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for ReleaseTwice {
    fn discard(slot: &Slot<P, F, Self>, occupant: Occupant<P, F>) {
        if let Some(again) = aliased(slot.platform(), &occupant) {
            slot.platform().release(again);
        }
        if let Ok(target) = occupant.target {
            slot.platform().release(target);
        }
    }
}

/// A publication that replaces another forgets the other's target.
pub struct RepublishWithoutRelease;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for RepublishWithoutRelease {
    fn publish(slot: &Slot<P, F, Self>, flags: F) -> PublicationId {
        let target = slot.platform().capture();
        slot.exclusive(|state| state.replace(slot.platform(), flags, target)).0
    }
}

/// One signal, then waiting.
pub struct OneSignalOnly;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for OneSignalOnly {
    fn schedule(policy: &ResendPolicy) -> ResendPolicy {
        single(policy)
    }
}

/// The wake is sent again, but the flags are stored at the first attempt alone.
pub struct ResendWithoutFlags;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for ResendWithoutFlags {
    fn strike(platform: &P, occupant: &Occupant<P, F>, nth: u32) -> Wake {
        if nth == 1 {
            occupant.killed.store(true, Relaxed);
            Self::store_flags(&occupant.flags);
        }
        Self::wake(platform, occupant)
    }
}

/// The kill hits whatever the thread runs by then.
pub struct KillWithoutItsRun;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for KillWithoutItsRun {
    fn armed(state: &SlotState<P, F>, _run: RunId) -> Option<&Occupant<P, F>> {
        state.occupant.as_ref()
    }
}

/// `vm_interrupt` is stored before `timed_out`.
pub struct FlagsInWrongOrder;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for FlagsInWrongOrder {
    fn store_flags(flags: &F) {
        flags.vm_interrupt().store(true, Release);
        flags.timed_out().store(true, Release);
    }
}

/// `vm_interrupt` is stored without release.
pub struct RelaxedStore;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for RelaxedStore {
    fn store_flags(flags: &F) {
        flags.timed_out().store(true, Relaxed);
        flags.vm_interrupt().store(true, Relaxed);
    }
}

/// What a kill put up stays up when its run has ended.
pub struct FlagsLeftUp;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for FlagsLeftUp {
    fn forget_kill(_occupant: &Occupant<P, F>) {}
}

/// The next run begins while a wake of the last one may still be pending.
pub struct WakeLeftPending;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for WakeLeftPending {
    fn absorb(_platform: &P) {}
}

/// A run is ended without the lock: what was killed is forgotten while a kill is still under way.
pub struct EndRunBesideKillers;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for EndRunBesideKillers {
    fn end_run(slot: &Slot<P, F, Self>, publication: PublicationId, run: RunId) {
        let was_killed = slot.shared(|state| {
            let occupant = state.occupant.as_ref().filter(|occupant| occupant.publication == publication);
            occupant.filter(|occupant| occupant.was_killed()).map(Self::forget_kill).is_some()
        });
        if was_killed {
            <Self as Steps<P, F>>::absorb(slot.platform());
        }
        slot.exclusive(|state| state.published_as(publication)?.run.take_if(|current| *current == run));
        slot.acknowledge(run);
    }
}

/// A run is said to have ended before it is taken out of the slot.
pub struct AcknowledgeEarly;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for AcknowledgeEarly {
    fn end_run(slot: &Slot<P, F, Self>, publication: PublicationId, run: RunId) {
        slot.acknowledge(run);
        let was_killed = slot.exclusive(|state| {
            let occupant = state.published_as(publication)?;
            occupant.run = None;
            Some(occupant.was_killed()).filter(|killed| *killed).inspect(|_| Self::forget_kill(occupant))
        });
        if was_killed.is_some() {
            <Self as Steps<P, F>>::absorb(slot.platform());
        }
    }
}

/// Whoever leaves takes the slot's occupant out, whichever publication it is.
pub struct ClearAnybody;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for ClearAnybody {
    fn clear(slot: &Slot<P, F, Self>, _publication: PublicationId) {
        if let Some(occupant) = slot.exclusive(|state| state.occupant.take()) {
            Self::discard(slot, occupant);
        }
    }
}

/// The slot is not cleared when its thread leaves.
pub struct LeaveWithoutClear;

impl<P: Stage, F: ModelFlags<P>> Steps<P, F> for LeaveWithoutClear {
    fn leave<T: ThreadStorage>(_slot: &Slot<P, F, Self>, _publication: PublicationId, storage: T) {
        storage.free();
    }
}

/// The VM takes `vm_interrupt` down without acquire.
pub struct RelaxedCheck<P: Stage>(Monitored<P>);

impl<P: Stage> Clone for RelaxedCheck<P> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<P: Stage> InterruptFlags for RelaxedCheck<P> {
    type Flag = P::Flag;

    fn timed_out(&self) -> &P::Flag {
        self.0.timed_out()
    }

    fn vm_interrupt(&self) -> &P::Flag {
        self.0.vm_interrupt()
    }

    fn consume_interrupt(&self) -> bool {
        self.vm_interrupt().load(Relaxed)
            && self.vm_interrupt().swap(false, Relaxed)
            && self.timed_out().load(Relaxed)
    }
}

/// The storage of [`RelaxedCheck`].
pub struct RelaxedStorage<P: Stage>(Storage<P>);

impl<P: Stage> ThreadStorage for RelaxedStorage<P> {
    type Flags = RelaxedCheck<P>;

    fn flags(&self) -> RelaxedCheck<P> {
        RelaxedCheck(self.0.flags())
    }

    fn free(self) {
        self.0.free();
    }
}

impl<P: Stage> ModelFlags<P> for RelaxedCheck<P> {
    type Storage = RelaxedStorage<P>;

    fn allocate(stage: &P) -> RelaxedStorage<P> {
        RelaxedStorage(Storage::new(stage))
    }
}
