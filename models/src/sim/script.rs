//! What a simulated script does: serves, or is stuck in every way that one can be.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::Relaxed;

use forcekill::platform::Flag;
use forcekill::{InterruptFlags, On, Requests, ScriptEnd};

use super::engine::{SimStorage, begin_request, give_lock, is_killed, meet, sleep, take_lock, until};
use super::kernel::{self, Point};
use super::scenario::{Quirk, Site};
use super::world::{self, Wait, Woken};

/// How a request went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Served {
    Answered,
    Killed,
    Unhealthy,
}

/// How long a request takes with which nothing is wrong.
const USUAL_MS: u32 = 5;

/// A script, from its begin to its end, by whichever way.
pub(super) fn guarded<R>(thread: usize, is_worker: bool, script: impl FnOnce() -> R) -> R {
    world::with(|world| world.script_begins(thread, is_worker));
    let result = catch_unwind(AssertUnwindSafe(script));
    world::with(|world| world.script_ends(thread));
    result.unwrap_or_else(|panic| resume_unwind(panic))
}

/// A worker's script: boots, and serves request after request.
pub(super) fn run_worker(on: &On<'_, SimStorage>, requests: &mut dyn Requests<u32, u32>) -> ScriptEnd {
    world::step();
    match meet(Site::Boot) {
        Some(Quirk::Fails) => return ScriptEnd::Failed,
        Some(Quirk::Panics) => resume_unwind(Box::new("a script panics")),
        Some(Quirk::Takes(ms)) => sleep(u64::from(ms)),
        Some(Quirk::Hangs(ms)) => {
            world::with(|world| world.watch.reach("a script was stuck in its boot"));
            kernel::call(false, false, until(ms), Point::InCall);
        }
        Some(Quirk::Blocks(ms)) if blocks(on.storage, until(ms), Point::InCall) == Served::Killed => {
            return ScriptEnd::Failed;
        }
        Some(Quirk::Unhealthy) => {
            requests.booted();
            return ScriptEnd::Unhealthy;
        }
        _ => {}
    }
    while let Some(request) = requests.next() {
        begin_request(on.thread, request);
        match serve(on.storage, request) {
            Served::Answered => requests.answer(request),
            Served::Killed => return ScriptEnd::Finished,
            Served::Unhealthy => return ScriptEnd::Unhealthy,
        }
    }
    ScriptEnd::Finished
}

/// Serves a request.
pub(super) fn serve(storage: &SimStorage, request: u32) -> Served {
    let point = if request.is_multiple_of(2) { Point::InCall } else { Point::InCallWithEffect };
    let quirk = meet(Site::Request);
    if let Some(moment) = quirk.and_then(moment) {
        world::with(|world| world.watch.reach(moment));
    }
    match quirk {
        Some(Quirk::Panics) => resume_unwind(Box::new("a script panics")),
        Some(Quirk::Unhealthy) => Served::Unhealthy,
        Some(Quirk::DiesWithLock) => {
            take_lock();
            // The dead are not waited for any more once everything is let go.
            if world::with(|world| world.engine.is_let_go) {
                give_lock();
            }
            Served::Unhealthy
        }
        Some(Quirk::Loops(ms)) => loops(storage, until(ms)),
        Some(Quirk::LoopsBlindly(ms) | Quirk::Hangs(ms)) => {
            kernel::call(false, false, until(ms), point);
            killed_or_answered(storage)
        }
        Some(Quirk::Blocks(ms)) => blocks(storage, until(ms), point),
        Some(Quirk::Retries(times, ms)) => retries(storage, times, until(ms), point),
        Some(Quirk::HostCallback(ms)) => {
            kernel::call(false, true, until(ms), point);
            killed_or_answered(storage)
        }
        Some(Quirk::BlocksAgain(ms)) => match blocks(storage, until(ms), point) {
            Served::Killed => {
                blocks(storage, until(ms), point);
                Served::Killed
            }
            served => served,
        },
        Some(Quirk::ClearsTimedOut(ms)) => clears(storage, until(ms), point),
        Some(Quirk::Takes(ms)) => blocks(storage, until(Some(ms)), point),
        _ => blocks(storage, until(Some(USUAL_MS)), point),
    }
}

fn moment(quirk: Quirk) -> Option<&'static str> {
    Some(match quirk {
        Quirk::Panics => "a script panicked",
        Quirk::Unhealthy => "a script left its thread unhealthy",
        Quirk::DiesWithLock => "a script died with the engine's lock",
        Quirk::Loops(_) => "a script looped in the VM",
        Quirk::LoopsBlindly(_) => "a script looped and ignored the interrupt",
        Quirk::Hangs(_) => "a script was in a call that nothing interrupts",
        Quirk::Blocks(_) => "a script was in a call that a wake-up interrupts",
        Quirk::Retries(..) => "a script was in a call that is retried",
        Quirk::HostCallback(_) => "a script was in a callback of the host's",
        Quirk::BlocksAgain(_) => "a script blocked again in a shutdown function",
        Quirk::ClearsTimedOut(_) => "a script cleared timed_out",
        _ => return None,
    })
}

fn killed_or_answered(storage: &SimStorage) -> Served {
    if is_killed(storage) { Served::Killed } else { Served::Answered }
}

/// The VM's loop: its next look comes as soon as there is an interrupt.
fn loops(storage: &SimStorage, until_ns: Option<u64>) -> Served {
    loop {
        if is_killed(storage) {
            return Served::Killed;
        }
        if world::with(|world| world.engine.is_let_go) {
            return Served::Answered;
        }
        // What was stored between the look and the wait is there: a loop has no such gap.
        if storage.flags.vm_interrupt().load(Relaxed) {
            continue;
        }
        match world::block(Wait::Interrupt(storage.number), until_ns) {
            Woken::TimedOut | Woken::LetGo => return Served::Answered,
            Woken::Notified | Woken::Interrupted => {}
        }
    }
}

/// Looks, blocks, and looks again whenever the call was interrupted.
fn blocks(storage: &SimStorage, until_ns: Option<u64>, point: Point) -> Served {
    let run = world::with(|world| {
        let run = world.current().signals.run;
        world.engine.killable.insert(run);
        run
    });
    let served = loop {
        if is_killed(storage) {
            break Served::Killed;
        }
        if kernel::call(true, false, until_ns, point) != Woken::Interrupted {
            break killed_or_answered(storage);
        }
    };
    world::with(|world| world.engine.killable.remove(&run));
    served
}

/// The same for a call that is retried so many times before the VM looks.
fn retries(storage: &SimStorage, times: u32, until_ns: Option<u64>, point: Point) -> Served {
    let mut left = times;
    loop {
        if kernel::call(true, false, until_ns, point) != Woken::Interrupted {
            return killed_or_answered(storage);
        }
        if left == 0 {
            return blocks(storage, until_ns, point);
        }
        left = left.saturating_sub(u32::from(times != u32::MAX));
    }
}

/// Clears `timed_out` before its call, twice at the most.
fn clears(storage: &SimStorage, until_ns: Option<u64>, point: Point) -> Served {
    for _ in 0..2 {
        storage.flags.timed_out().store(false, Relaxed);
        let woken = kernel::call(true, false, until_ns, point);
        if is_killed(storage) {
            return Served::Killed;
        }
        if woken != Woken::Interrupted {
            return Served::Answered;
        }
    }
    blocks(storage, until_ns, point)
}
