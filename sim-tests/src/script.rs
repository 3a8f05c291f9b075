//! The thread that is killed, as a list of what it does at which moment.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forcekill::platform::Flag;
use forcekill::{InterruptFlags, PublicationId, RunId, Slot};

use crate::platform::SimFlags;
use crate::world::{Event, Moment, Thread, World};

/// What the thread does. Moments count from the world's start, which is the start of the kill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Script {
    /// Wake-ups that land before this moment find it outside of any call that they could interrupt: between the VM's
    /// check and the system call, or deep in foreign code. They are lost.
    pub deaf_until: Duration,
    /// It is never in a call that can be interrupted.
    pub ignores_wakes: bool,
    /// How many interrupts its calls swallow in all before one returns to the VM (`read` retried at `EINTR`).
    pub retries: u32,
    /// How often it goes on after a kill was consumed, into another call that blocks (shutdown functions).
    pub blocks_again: u32,
    /// When it clears `timed_out`.
    pub clears: Vec<Duration>,
    /// When it looks at its flags although nothing woke it.
    pub looks: Vec<Duration>,
    /// When it is over by itself, if it ever is.
    pub ends_by_itself: Option<Duration>,
    /// It is over by itself after so many waits of the killer's have expired, before the killer does anything else.
    pub ends_in_gap: Option<u32>,
    /// What its end is.
    pub exit: Exit,
}

/// How a run comes to its end. A kill takes each for the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// The run ends and the next one begins at once.
    NextRun,
    /// The run ends and the thread waits for work.
    Idle,
    /// The thread leaves the slot with its run still open, as a panic makes it.
    Leaves,
    /// The thread's publication is replaced with its run still open.
    Republished,
}

/// A script that is being played.
pub struct ScriptedThread {
    world: World,
    slot: Arc<Slot<World, SimFlags>>,
    flags: SimFlags,
    script: Script,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    publication: PublicationId,
    run: Option<RunId>,
    retries: u32,
    blocks_again: u32,
}

impl ScriptedThread {
    /// The thread boots, publishes itself and begins a run, which is the one that is answered.
    pub fn boot(world: &World, slot: &Arc<Slot<World, SimFlags>>, script: &Script) -> (Self, RunId) {
        let flags = SimFlags::new(world);
        // SAFETY: the slot's copy keeps the flags alive, and a simulated target names no thread that could exit.
        let publication = unsafe { slot.publish(flags.clone()) };
        let run = slot.begin_run(publication);
        let (retries, blocks_again) = (script.retries, script.blocks_again);
        let state = Mutex::new(State { publication, run: Some(run), retries, blocks_again });
        let thread =
            Self { world: world.clone(), slot: Arc::clone(slot), flags, script: script.clone(), state };
        (thread, run)
    }

    /// Queues what the script does by itself.
    pub fn schedule(&self) {
        let queue = |at: &Duration, moment| self.world.queue(*at, moment);
        // In this order, which is the order of what happens at the same moment.
        self.script.clears.iter().for_each(|at| queue(at, Moment::ClearsTimedOut));
        self.script.looks.iter().for_each(|at| queue(at, Moment::LooksAtFlags));
        self.script.ends_by_itself.iter().for_each(|at| queue(at, Moment::EndsByItself));
        if let Some(waits) = self.script.ends_in_gap {
            self.world.queue_in_gap(waits, Moment::EndsByItself);
        }
    }

    /// Both flags, `timed_out` first.
    pub fn flags_up(&self) -> (bool, bool) {
        (self.flags.timed_out().load(Relaxed), self.flags.vm_interrupt().load(Relaxed))
    }

    /// Leaves the slot, if it has not yet.
    pub fn leave(&self) {
        let publication = self.state().publication;
        self.slot.clear(publication);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn deaf(&self) -> bool {
        self.script.ignores_wakes || self.world.elapsed() < self.script.deaf_until
    }

    /// The VM at an opcode boundary.
    fn look(&self, state: &mut State) {
        if !self.flags.consume_interrupt() {
            return;
        }
        match state.blocks_again.checked_sub(1) {
            Some(left) => state.blocks_again = left,
            None => self.end(state),
        }
    }

    fn end(&self, state: &mut State) {
        let Some(run) = state.run.take() else { return };
        let publication = state.publication;
        match self.script.exit {
            Exit::Idle => self.slot.end_run(publication, run),
            Exit::NextRun => {
                self.slot.end_run(publication, run);
                self.slot.begin_run(publication);
            }
            Exit::Leaves => self.slot.clear(publication),
            Exit::Republished => {
                // SAFETY: as in `boot`. The flags are new ones, as after a reboot.
                state.publication = unsafe { self.slot.publish(SimFlags::new(&self.world)) };
                self.slot.begin_run(state.publication);
            }
        }
        self.world.record(Event::RunEnded);
    }
}

impl Thread for ScriptedThread {
    fn meets(&self, moment: Moment) {
        let mut state = self.state();
        if state.run.is_none() || self.world.thread_is_gone() {
            return;
        }
        match moment {
            Moment::EndsByItself => self.end(&mut state),
            Moment::ClearsTimedOut => self.flags.timed_out().store(false, Relaxed),
            Moment::LooksAtFlags => self.look(&mut state),
            Moment::WakeLands if self.deaf() => {}
            Moment::WakeLands => match state.retries.checked_sub(1) {
                Some(left) => state.retries = left,
                None => self.look(&mut state),
            },
        }
    }
}
