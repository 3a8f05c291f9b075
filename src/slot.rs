//! The kill slot: how other threads reach a thread that runs scripts.
//!
//! One slot a thread index. What is in it, and who may change that:
//!
//! | part | set by | cleared by | read by |
//! |---|---|---|---|
//! | occupant: flags and wake target | its thread, at boot (`publish`) | its thread, before the storage is freed (`clear`) | killers |
//! | run, the script run that may be killed now | its thread (`begin_run`) | its thread (`end_run`, `clear`) | killers |
//! | killed | killers | its thread, at `end_run` | its thread |
//!
//! Killers hold the lock shared, for the time of one store and one send; the owner holds it exclusively. So when
//! `clear` returns no killer is at the flags any more, and when `end_run` returns no kill of that run is under way.
//! Beside the lock stands a monitor with the last run that has ended: the acknowledgement that a kill waits for.
//!
//! Upstream: `force_kill_slot` in `frankenphp.c`, its field and `RWMutex` in `phpThread`, and the callbacks
//! `go_frankenphp_store_force_kill_slot` and `go_frankenphp_clear_force_kill_slot`. Runs are ours: upstream kills
//! whatever the thread is doing by then.

use std::fmt;
use std::marker::PhantomData;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use crate::engine::{InterruptFlags, OwnedFlags};
use crate::platform::{Flag, Lock, Monitor, Native, Obstacle, Platform};
use crate::steps::{Sound, Steps};

/// The kill slot of one thread. The type parameters default to the real platform and to flags that Rust owns.
///
/// `S` is the protocol; the library has the sound one alone.
pub struct Slot<P = Native, F = OwnedFlags, S = Sound>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
    platform: P,
    state: P::Lock<SlotState<P, F>>,
    last_ended: P::Monitor<u64>,
    steps: PhantomData<fn() -> S>,
}

/// One script run of one thread; what a kill is armed for. Never used twice by a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(u64);

/// One publication of a slot. Never used twice by a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicationId(u64);

/// What the slot's lock guards. Public for implementations of [`Steps`] alone.
pub struct SlotState<P: Platform, F> {
    /// The thread that can be killed, if one has published itself.
    pub occupant: Option<Occupant<P, F>>,
    life: u32,
    publications: u64,
    runs: u64,
}

/// A thread that has published itself. Public for implementations of [`Steps`] alone.
pub struct Occupant<P: Platform, F> {
    /// Which publication this is.
    pub publication: PublicationId,
    /// Where the thread's interrupt flags are.
    pub flags: F,
    /// How to wake the thread, or why it cannot be woken.
    pub target: Result<P::WakeTarget, Obstacle>,
    /// The run that may be killed now.
    pub run: Option<RunId>,
    /// Whether a kill has hit the current run. Set with the lock shared and read with it held exclusively, so that
    /// the lock orders the two and Relaxed is enough.
    pub killed: P::Flag,
}

impl<P, F, S> Slot<P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    /// An empty slot.
    pub fn new(platform: P) -> Self {
        let state = platform.lock(SlotState { occupant: None, life: 0, publications: 0, runs: 0 });
        let last_ended = platform.monitor(0);
        Self { platform, state, last_ended, steps: PhantomData }
    }

    /// The platform that the slot lives on.
    pub fn platform(&self) -> &P {
        &self.platform
    }

    /// Publishes the calling thread. A publication that is still there is replaced: its wake target is released and
    /// its run counts as ended. [`Slot::occupy`] is the safe form.
    ///
    /// # Safety
    /// The calling thread must call [`Slot::clear`] with the answer before it exits and before what `flags` refers to
    /// is freed, on every path.
    pub unsafe fn publish(&self, flags: F) -> PublicationId {
        S::publish(self, flags)
    }

    /// Takes the publication out of the slot and releases its wake target; a run that is still open counts as ended.
    /// When this returns, no killer uses the flags any more. Without effect if the publication is not there.
    ///
    /// To be called by the thread that published, before the engine frees the flags.
    pub fn clear(&self, publication: PublicationId) {
        S::clear(self, publication);
    }

    /// The index is given to this life of its. Nobody has published since the life before has cleared.
    pub(crate) fn give_to(&self, life: u32) {
        self.exclusive(|state| state.life = life);
    }

    /// Opens the next script run of the publication: from now on it can be killed. If the publication has been
    /// replaced, the run is one that nobody can kill.
    ///
    /// To be called by the thread that published.
    pub fn begin_run(&self, publication: PublicationId) -> RunId {
        self.exclusive(|state| {
            let run = RunId(state.runs + 1);
            let Some(occupant) = state.published_as(publication) else {
                // Before every run of the slot: its end must not count as the end of the run that is open now.
                return RunId(0);
            };
            occupant.run = Some(run);
            state.runs = run.0;
            run
        })
    }

    /// Ends a run: no kill of it is under way any more, none that comes later will be taken, and what the ones
    /// before left behind (flags, wake-ups not yet delivered) is gone. This is the acknowledgement of a kill.
    ///
    /// To be called by the thread that began the run.
    pub fn end_run(&self, publication: PublicationId, run: RunId) {
        S::end_run(self, publication, run);
    }

    /// The run that could be killed at this moment. May be called from any thread.
    pub fn current_run(&self) -> Option<RunId> {
        self.shared(|state| state.occupant.as_ref().and_then(|occupant| occupant.run))
    }

    /// Waits until `run` has ended; `false` if `deadline` (in the platform's clock) passed first. May be called from
    /// any thread.
    pub fn wait_ended(&self, run: RunId, deadline: Duration) -> bool {
        self.last_ended.wait_until(deadline, |last_ended| (*last_ended >= run.0).then_some(())).is_some()
    }

    /// One critical section beside other killers. For implementations of [`Steps`].
    #[track_caller]
    pub fn shared<R>(&self, section: impl FnOnce(&SlotState<P, F>) -> R) -> R {
        self.state.shared(section)
    }

    /// One critical section of the owner. For implementations of [`Steps`].
    #[track_caller]
    pub fn exclusive<R>(&self, section: impl FnOnce(&mut SlotState<P, F>) -> R) -> R {
        self.state.exclusive(section)
    }

    /// Tells everybody who waits that `run` has ended. For implementations of [`Steps`].
    pub fn acknowledge(&self, run: RunId) {
        self.last_ended.with(|last_ended| *last_ended = run.0.max(*last_ended));
    }
}

impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> SlotState<P, F> {
    /// Puts a new occupant in, and answers it the old one.
    pub fn replace(
        &mut self,
        platform: &P,
        flags: F,
        target: Result<P::WakeTarget, Obstacle>,
    ) -> (PublicationId, Option<Occupant<P, F>>) {
        self.publications += 1;
        let publication = PublicationId(self.publications);
        let killed = platform.flag(false);
        let occupant = Occupant { publication, flags, target, run: None, killed };
        (publication, self.occupant.replace(occupant))
    }

    /// Which life of its index the slot is for; 0 if nobody counts them.
    pub fn life(&self) -> u32 {
        self.life
    }

    /// The occupant, if it is this publication.
    pub fn published_as(&mut self, publication: PublicationId) -> Option<&mut Occupant<P, F>> {
        self.occupant.as_mut().filter(|occupant| occupant.publication == publication)
    }

    /// Takes the occupant out, if it is this publication.
    pub fn take(&mut self, publication: PublicationId) -> Option<Occupant<P, F>> {
        self.occupant.take_if(|occupant| occupant.publication == publication)
    }
}

impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> Occupant<P, F> {
    /// Whether a kill has hit the current run.
    pub fn was_killed(&self) -> bool {
        self.killed.load(Relaxed)
    }
}

/// Says what is in the slot now. Takes the lock, shared.
impl<P, F, S> fmt::Debug for Slot<P, F, S>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
    S: Steps<P, F>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (publication, run) = self.shared(|state| {
            let occupant = state.occupant.as_ref();
            (occupant.map(|occupant| occupant.publication), occupant.and_then(|occupant| occupant.run))
        });
        f.debug_struct("Slot").field("publication", &publication).field("run", &run).finish()
    }
}
