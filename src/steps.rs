//! The decisions that the proofs turn on, each one step of one trait with its sound form as the default.
//!
//! The library uses [`Sound`] alone, which overrides nothing. In `models/`, historic designs and deliberately broken
//! ones override single steps, and the searches refute them.
//!
//! | step | sound form | what breaks otherwise |
//! |---|---|---|
//! | [`store_flags`](Steps::store_flags) | `timed_out`, then `vm_interrupt` with release | the VM consumes the interrupt, sees no reason, carries on |
//! | [`armed`](Steps::armed) | only the run that the kill is for | the next, innocent run dies |
//! | [`attempt`](Steps::attempt) | stores and sends with the lock held | a store to freed flags; a signal to whoever has the thread id next |
//! | [`attempt_current`](Steps::attempt_current) | the same, for a thread that a drain has asked | as with `attempt` |
//! | [`is_meant`](Steps::is_meant) | the life that the call has listed, and nobody after it | the next thread of an index is killed, or given up on, and nobody replaces it |
//! | [`strike`](Steps::strike) | stores the flags at every send | a script that clears `timed_out` is never ended |
//! | [`wake`](Steps::wake) | the target that the thread has captured itself; nothing where that failed | a signal that nobody handles ends the process |
//! | [`schedule`](Steps::schedule) | sends again until acknowledged | a signal between check and call is lost |
//! | [`publish`](Steps::publish) | releases the target that it replaces | a handle leaks |
//! | [`end_run`](Steps::end_run) | closes the run alone, then settles it | flags or a late signal hit the next run |
//! | [`forget_kill`](Steps::forget_kill) | takes both flags down | the next script is interrupted by the last one's kill |
//! | [`absorb`](Steps::absorb) | waits for what was sent | a late signal interrupts a call of the next run |
//! | [`clear`](Steps::clear) | takes the target out and releases it, once | a handle is closed twice |
//! | [`discard`](Steps::discard) | settles its run, releases its target, once | a handle is closed twice; a killer waits for a run that is over |
//! | [`leave`](Steps::leave) | clears, then frees | a kill writes into freed storage |
//! | [`spawn`](Steps::spawn) | counts the thread, then spawns it | the engine is torn down under a thread that starts |
//! | [`request`](Steps::request) | with a deadline | a restart or shutdown waits for ever |
//! | [`refuses`](Steps::refuses) | Reserved, ShuttingDown, Done, Abandoned | a call waits for a thread that never comes |
//! | [`awaits_refused`](Steps::awaits_refused) | a shutdown does | the engine is torn down under a thread that exits by itself |
//! | [`wait_for_leaver`](Steps::wait_for_leaver) | with a deadline, in both phases | a stuck thread holds up a restart for ever |
//! | [`awaits`](Steps::awaits) | every state that ends the wait | a call waits for what has happened already |
//! | [`leaving`](Steps::leaving) | also Abandoned | a thread that was abandoned serves on |
//! | [`stand_by`](Steps::stand_by) | lets go in the section that finds it asked | a thread that was abandoned parks for ever |
//! | [`let_go`](Steps::let_go) | only from Restarting | a thread that was abandoned parks for ever |
//! | [`told`](Steps::told) | every state that can follow | a thread that was drained is never shut down; one that was resumed misses the next drain |
//! | [`wait_or_abandon`](Steps::wait_or_abandon) | abandons only what has not let go | a cooperative thread is lost |
//! | [`record`](Steps::record) | every thread, whatever its fate | the counts of a restart do not add up |

pub mod runtime;

use std::sync::atomic::Ordering::{Relaxed, Release};
use std::time::Duration;

use crate::drain::{Call, Fate, Phase};
use crate::engine::{InterruptFlags, ThreadStorage};
use crate::leaver::Leaver;
use crate::lingering::Lingering;
use crate::platform::{Flag, Monitor, Platform, SpawnError, Wake};
use crate::slot::{Occupant, PublicationId, RunId, Slot, SlotState};
use crate::state::{Event, State, States};
use crate::thread::{Lifecycle, Request, Thread, Told};
use crate::wake::ResendPolicy;

/// What one attempt of a kill came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Attempt {
    /// The run that the kill is armed for is not running: it is over, or its thread has left the slot.
    NotRunning,
    /// The flags were stored, and this became of the wake-up.
    Made(Wake),
}

/// The protocol between a slot's owner and its killers.
pub trait Steps<P, F>: Sized + Send + Sync + 'static
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
    /// Interrupts the VM.
    #[inline]
    fn store_flags(flags: &F) {
        // Relaxed: ordered by the release below.
        flags.timed_out().store(true, Relaxed);
        // Release pairs with the acquire in InterruptFlags::consume_interrupt, and with the sequentially consistent
        // load of zend_interrupt_helper. The model flag_order fails when this is Relaxed.
        flags.vm_interrupt().store(true, Release);
    }

    /// The occupant, if a kill that is armed for `run` may hit it now.
    #[inline]
    fn armed(state: &SlotState<P, F>, run: RunId) -> Option<&Occupant<P, F>> {
        state.occupant.as_ref().filter(|occupant| occupant.run == Some(run))
    }

    /// One attempt: one critical section with the lock shared, so that the owner can neither free the flags nor exit
    /// meanwhile.
    #[inline]
    fn attempt(slot: &Slot<P, F, Self>, run: RunId, nth: u32) -> Attempt {
        slot.shared(|state| match Self::armed(state, run) {
            Some(occupant) => Attempt::Made(Self::strike(slot.platform(), occupant, nth)),
            None => Attempt::NotRunning,
        })
    }

    /// Hits an occupant: flags first, so that the thread finds them when it wakes. `nth` counts from 1.
    #[inline]
    fn strike(platform: &P, occupant: &Occupant<P, F>, nth: u32) -> Wake {
        let _ = nth;
        // Relaxed: see `Occupant::killed`.
        occupant.killed.store(true, Relaxed);
        Self::store_flags(&occupant.flags);
        Self::wake(platform, occupant)
    }

    /// The same for whatever run is current: for a drain, whose thread has been asked and runs nothing innocent. If the slot has
    /// come to a later life than the one that was asked, nothing is hit.
    #[inline]
    fn attempt_current(slot: &Slot<P, F, Self>, life: Option<u32>, nth: u32) -> Attempt {
        slot.shared(|state| {
            let occupant = state.occupant.as_ref().filter(|_| Self::is_meant(life, state.life()));
            let run = occupant.and_then(|occupant| occupant.run);
            match run.and_then(|run| Self::armed(state, run)) {
                Some(occupant) => Attempt::Made(Self::strike(slot.platform(), occupant, nth)),
                None => Attempt::NotRunning,
            }
        })
    }

    /// Whether a call that means this life of an index, or any, means the one that has it now.
    #[inline]
    fn is_meant(life: Option<u32>, has_it: u32) -> bool {
        life.is_none_or(|life| life == has_it)
    }

    /// Wakes an occupant, if it can be woken.
    #[inline]
    fn wake(platform: &P, occupant: &Occupant<P, F>) -> Wake {
        match &occupant.target {
            Ok(target) => platform.wake(target),
            Err(obstacle) => Wake::Impossible(*obstacle),
        }
    }

    /// The schedule that a kill follows when it is given this policy.
    fn schedule(policy: &ResendPolicy) -> ResendPolicy {
        policy.clone()
    }

    /// Publishes the calling thread.
    fn publish(slot: &Slot<P, F, Self>, flags: F) -> PublicationId {
        let target = slot.platform().capture();
        let (publication, replaced) = slot.exclusive(|state| {
            let (publication, replaced) = state.replace(slot.platform(), flags, target);
            if let Some(occupant) = replaced.as_ref().filter(|occupant| occupant.was_killed()) {
                // Its thread cannot reach this any more, and its next run is not the one that was killed.
                Self::forget_kill(occupant);
            }
            (publication, replaced)
        });
        if let Some(replaced) = replaced {
            Self::discard(slot, replaced);
        }
        publication
    }

    /// Ends a run of the calling thread.
    fn end_run(slot: &Slot<P, F, Self>, publication: PublicationId, run: RunId) {
        // Exclusive: when this section begins, every attempt at the run has ended, send included.
        let was_killed = slot.exclusive(|state| {
            let Some(occupant) = state.published_as(publication) else {
                // Replaced meanwhile: whether it was killed has gone with the occupant.
                return true;
            };
            if occupant.run.take_if(|current| *current == run).is_none() {
                return false;
            }
            let was_killed = occupant.was_killed();
            if was_killed {
                Self::forget_kill(occupant);
            }
            was_killed
        });
        if was_killed {
            Self::absorb(slot.platform());
        }
        slot.acknowledge(run);
    }

    /// Takes down what the kills of the run that has just ended put up. The caller holds the lock exclusively.
    fn forget_kill(occupant: &Occupant<P, F>) {
        // Relaxed, all three: killers only touch them with the lock shared, and the VM that reads them is this thread.
        occupant.killed.store(false, Relaxed);
        occupant.flags.vm_interrupt().store(false, Relaxed);
        occupant.flags.timed_out().store(false, Relaxed);
    }

    /// Lets the wake-ups of the run that has just ended arrive before the next begins.
    fn absorb(platform: &P) {
        platform.absorb();
    }

    /// Takes the calling thread's publication out of the slot.
    fn clear(slot: &Slot<P, F, Self>, publication: PublicationId) {
        if let Some(occupant) = slot.exclusive(|state| state.take(publication)) {
            Self::discard(slot, occupant);
        }
    }

    /// Ends the life of an occupant that has been taken out of the slot: no killer can see it any more, so this needs
    /// no lock.
    fn discard(slot: &Slot<P, F, Self>, occupant: Occupant<P, F>) {
        if let Some(run) = occupant.run {
            slot.acknowledge(run);
        }
        if let Ok(target) = occupant.target {
            slot.platform().release(target);
        }
    }

    /// The exit of a thread: the slot is cleared, then the engine frees the storage.
    fn leave<T: ThreadStorage>(slot: &Slot<P, F, Self>, publication: PublicationId, storage: T) {
        Self::clear(slot, publication);
        storage.free();
    }

    /// Starts an OS thread of the engine's.
    ///
    /// # Errors
    /// If the system refuses.
    fn spawn(
        thread: &Thread<P, F, Self>,
        lingering: &Lingering<P>,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<(), SpawnError> {
        // Before the spawn: whoever waits for zero must not find it between this thread and the one that spawns it.
        let registration = lingering.register();
        thread.platform().spawn(move || {
            body();
            drop(registration);
        })
    }

    /// Asks `event` of a thread: taken where it is stable, refused where it never will be, or is gone; anywhere else this waits.
    fn request(leaver: &Leaver<'_, P, F, Self>, event: Event, deadline: Duration) -> Request {
        let now = leaver.thread().platform().now();
        let refuses = |lifecycle: &Lifecycle| !leaver.is_there(lifecycle) || Self::refuses(lifecycle.state());
        leaver.thread().lifecycle().wait_until_or(
            deadline,
            |lifecycle| lifecycle.ask(event, refuses(lifecycle), now),
            |_| Request::Busy,
        )
    }

    /// Whether a safe request is refused in this state.
    #[inline]
    fn refuses(state: State) -> bool {
        state.refuses_requests()
    }

    /// Whether a call waits for a thread that has refused its request. A shutdown does: the thread may be on its way out by
    /// itself, and the engine must not be torn down while it exits.
    fn awaits_refused(call: Call) -> bool {
        call == Call::Shutdown
    }

    /// Waits for a thread that was asked to let go, or to exit; `None` if the deadline passed first.
    fn wait_for_leaver(
        leaver: &Leaver<'_, P, F, Self>,
        call: Call,
        deadline: Duration,
        phase: Phase,
    ) -> Option<Fate> {
        let _ = phase;
        let awaited = Self::awaits(call);
        let came = |lifecycle: &mut Lifecycle| leaver.came_to(awaited, call, lifecycle);
        leaver.thread().lifecycle().wait_until(deadline, came)
    }

    /// The states that end the wait for a thread that was asked.
    #[inline]
    fn awaits(call: Call) -> States {
        call.awaits()
    }

    /// The states that tell a script's thread to leave it.
    #[inline]
    fn leaving() -> States {
        States::LEAVING
    }

    /// The thread lets go of its script.
    ///
    /// # Errors
    /// If it is not asked to, or not any more; the error is what is asked of it instead.
    fn let_go(thread: &Thread<P, F, Self>) -> Result<(), Told> {
        let now = thread.platform().now();
        // The answer says no more than the thread needs to know: that is also what keeps a search small.
        thread.with(|lifecycle| lifecycle.let_go(now))
    }

    /// The thread, which has no script to run, waits until something is asked of it, and lets go if a drain does.
    ///
    /// # Errors
    /// If something else is asked; the error is what.
    fn stand_by(thread: &Thread<P, F, Self>) -> Result<(), Told> {
        let now = thread.platform().now();
        let leaving = Self::leaving();
        thread.lifecycle().wait(|lifecycle| lifecycle.is_in(leaving).map(|_| lifecycle.let_go(now)))
    }

    /// The states that end the wait of a thread that has let go.
    #[inline]
    fn told() -> States {
        States::TOLD
    }

    /// The last wait for a thread that was asked: gives up on it when the deadline has passed, in the critical section that
    /// finds it not back.
    fn wait_or_abandon(leaver: &Leaver<'_, P, F, Self>, call: Call, deadline: Duration) -> Fate {
        let now = leaver.thread().platform().now();
        let awaited = Self::awaits(call);
        leaver.thread().lifecycle().wait_until_or(
            deadline,
            |lifecycle| leaver.came_to(awaited, call, lifecycle),
            |lifecycle| lifecycle.give_up(call, now),
        )
    }

    /// Takes down what became of a thread.
    fn record(fates: &mut Vec<(usize, Fate)>, index: usize, fate: Fate) {
        fates.push((index, fate));
    }
}

/// The protocol of this library: every step in its sound form.
#[derive(Clone, Copy, Debug, Default)]
pub struct Sound;

impl<P, F> Steps<P, F> for Sound
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
}
