//! The simulated system's wake-ups: signals that are pending until their thread lets them in.
//!
//! A signal that finds its thread in an interruptible call ends the call. Anywhere else it is pending until the thread's next
//! point, where the handler runs and nothing is interrupted; a thread that goes into a call lets it in just before, which is
//! how a wake-up is lost.

use forcekill::{Obstacle, Wake};

use super::scenario::{Quirk, Site};
use super::scheduler::ThreadId;
use super::world::{self, Event, Wait, Woken, World};
use crate::property::Property;
use crate::trace::Kind;

/// Where a signal finds a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Point {
    /// In no script.
    #[default]
    Outside,
    /// Before the VM's check.
    BeforeCheck,
    /// Between the check and the call.
    BeforeCall,
    /// In the call, which has done nothing yet.
    InCall,
    /// In the call, which has had an effect.
    InCallWithEffect,
    /// After the call.
    AfterCall,
}

impl Point {
    fn moment(self) -> Option<&'static str> {
        match self {
            Self::Outside => None,
            Self::BeforeCheck => Some("a wake-up arrived before the check"),
            Self::BeforeCall => Some("a wake-up arrived between check and call"),
            Self::InCall => Some("a wake-up arrived in a call without effect"),
            Self::InCallWithEffect => Some("a wake-up arrived in a call with an effect"),
            Self::AfterCall => Some("a wake-up arrived after the call"),
        }
    }
}

/// A thread's signals.
#[derive(Debug, Default)]
pub(super) struct Signals {
    /// The script run that each pending one was sent for.
    pending: Vec<u64>,
    /// Signals that were sent in an earlier one do not arrive any more.
    epoch: u32,
    pub(super) point: Point,
    /// The script run that the thread is in; 0 is none.
    pub(super) run: u64,
    /// What was sent to it for this run, and what became of that.
    pub(super) effort: Effort,
}

/// What a kill has done to one run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Effort {
    /// Wake-ups that the system took as it should, and that were not late.
    pub(super) good_sends: u32,
    /// Whether any wake-up of the run was refused or late, so that nothing is promised.
    pub(super) is_spoilt: bool,
    /// How long the schedule had held the thread when the first was sent.
    pub(super) held_ns: u64,
    /// When the run began.
    pub(super) began_ns: u64,
}

/// How a thread can be woken: itself, and which capture this is.
#[derive(Debug)]
pub struct SimTarget {
    pub(super) thread: ThreadId,
    pub(super) capture: usize,
}

/// A target's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TargetLife {
    Captured,
    Released,
}

pub(super) fn capture() -> Result<SimTarget, Obstacle> {
    world::step();
    world::with(|world| {
        if world.quirks.meet(Site::Capture).is_some() {
            world.record(Kind::Fault, || "the thread cannot be made ready to be woken".to_string());
            world.watch.reach("a thread could not be made ready to be woken");
            return Err(Obstacle::HandlerNotInstalled { errno: 22 });
        }
        let thread = world.running.expect("a thread captures itself");
        world.watch.targets.push(TargetLife::Captured);
        Ok(SimTarget { thread, capture: world.watch.targets.len() - 1 })
    })
}

pub(super) fn release(target: SimTarget) {
    world::step();
    world::with(|world| {
        let life = std::mem::replace(&mut world.watch.targets[target.capture], TargetLife::Released);
        if life == TargetLife::Released {
            world.violate(Property::WakeHitsItsThread, || "a wake target is released twice".to_string());
        }
    });
}

pub(super) fn wake(target: &SimTarget) -> Wake {
    world::step();
    world::with(|world| world.wake(target))
}

impl World {
    fn wake(&mut self, target: &SimTarget) -> Wake {
        let SimTarget { thread, capture } = *target;
        let role = self.threads[thread as usize].role;
        self.record(Kind::Wake, || format!("wakes {role}"));
        self.recorder.toward(role);
        self.recorder.mix(u64::from(thread));
        if self.is_done(thread) {
            self.violate(Property::WakeHitsItsThread, || format!("{role} has exited, and is sent a wake-up"));
            return Wake::ThreadGone;
        }
        if self.watch.targets[capture] == TargetLife::Released {
            self.violate(Property::WakeHitsItsThread, || {
                format!("a wake-up of {role} by a target that was released")
            });
        }
        let quirk = self.quirks.meet(Site::Wake);
        let held_ns = self.threads[thread as usize].held_ns;
        let signals = &mut self.threads[thread as usize].signals;
        if signals.effort.good_sends == 0 {
            signals.effort.held_ns = held_ns;
        }
        signals.effort.is_spoilt |= !matches!(quirk, None | Some(Quirk::Twice));
        let (run, epoch) = (signals.run, signals.epoch);
        let refused = |world: &mut Self, wake: Wake| {
            world.record(Kind::Fault, || "the system does not take the wake-up".to_string());
            world.watch.reach("a wake-up was refused");
            wake
        };
        match quirk {
            Some(Quirk::QueueFull) => return refused(self, Wake::QueueFull),
            Some(Quirk::HandlerReplaced) => {
                return refused(self, Wake::Impossible(Obstacle::HandlerReplaced));
            }
            Some(Quirk::Refused) => return refused(self, Wake::Failed { errno: 1 }),
            Some(Quirk::Late(ms)) => {
                self.record(Kind::Fault, || format!("the wake-up arrives {ms} ms later"));
                self.watch.reach("a wake-up was late");
                self.at(self.clock_ns + u64::from(ms) * 1_000_000, Event::Signal { thread, epoch, run });
            }
            Some(Quirk::Twice) => {
                self.record(Kind::Fault, || "the wake-up arrives twice".to_string());
                self.watch.reach("a wake-up arrived twice");
                self.signal_arrives(thread, epoch, run);
                self.signal_arrives(thread, epoch, run);
            }
            _ => self.signal_arrives(thread, epoch, run),
        }
        self.threads[thread as usize].signals.effort.good_sends += 1;
        Wake::Sent
    }

    /// A signal has come to its thread.
    pub(super) fn signal_arrives(&mut self, thread: ThreadId, epoch: u32, run: u64) {
        if self.is_done(thread) || self.threads[thread as usize].signals.epoch != epoch {
            return;
        }
        let signals = &mut self.threads[thread as usize].signals;
        if let Some(moment) = signals.point.moment() {
            self.watch.reach(moment);
        }
        let is_interrupted = |on| matches!(on, Wait::Call { interruptible: true, .. });
        if self.waits(thread).is_some_and(is_interrupted) {
            self.interrupts(thread, run);
        } else {
            self.threads[thread as usize].signals.pending.push(run);
        }
    }

    /// A signal ends the call that a thread is in.
    fn interrupts(&mut self, thread: ThreadId, run: u64) {
        let current = self.threads[thread as usize].signals.run;
        if run != current && run != 0 {
            let role = self.threads[thread as usize].role;
            self.violate(Property::KillHitsItsRun, || {
                format!(
                    "a wake-up that was sent for an earlier script of {role} interrupts a call of a later one"
                )
            });
        }
        self.wake_if(thread, |on| matches!(on, Wait::Call { .. }), Woken::Interrupted);
    }

    /// The current thread is at a point where what is pending arrives and interrupts nothing.
    pub(super) fn signals_in(&mut self, next: Point) {
        let signals = &mut self.current().signals;
        signals.point = next;
        signals.pending.clear();
    }
}

/// The signals of the run that has just ended arrive now.
pub(super) fn absorb() {
    world::step();
    world::with(|world| {
        let signals = &mut world.current().signals;
        signals.pending.clear();
        signals.epoch += 1;
    });
}

/// The current thread goes into a call that blocks, until a time at the most.
///
/// What is pending is let in before, and lost.
pub(super) fn call(interruptible: bool, callback: bool, until_ns: Option<u64>, point: Point) -> Woken {
    world::step();
    let deadline_ns = world::with(|world| {
        world.signals_in(point);
        let is_let_go = world.engine.is_let_go;
        world.record(Kind::Engine, || {
            let kind = match (interruptible, callback) {
                (_, true) => "a callback of the host's",
                (true, false) => "a call that a wake-up interrupts",
                (false, false) => "a call that nothing interrupts",
            };
            format!("blocks in {kind}")
        });
        until_ns.or(is_let_go.then_some(world.clock_ns))
    });
    let woken = world::block(Wait::Call { interruptible, callback }, deadline_ns);
    world::step();
    world::with(|world| world.signals_in(Point::AfterCall));
    woken
}
