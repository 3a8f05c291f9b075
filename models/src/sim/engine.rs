//! The simulated engine: it knows whether it is started, whose storage was freed, and which scripts run. What each script does is
//! in `script`.

use std::collections::BTreeSet;
use std::panic::resume_unwind;

use forcekill::{Engine, EngineError, InterruptFlags, On, Requests, ScriptEnd, State, ThreadStorage};

use super::kernel::{self, Effort, Point};
use super::platform::{Sim, SimFlags, Which};
use super::scenario::{Quirk, Site};
use super::scheduler::ThreadId;
use super::script::{self, Served};
use super::world::{self, Wait, Woken, World};
use crate::property::Property;
use crate::scene::Role;
use crate::trace::Kind;

/// What the engine knows.
#[derive(Debug, Default)]
pub(super) struct EngineState {
    started: bool,
    metrics: bool,
    /// How many threads are registered, by index.
    pub(super) alive: Vec<u32>,
    /// How many restarts have begun.
    pub(super) restarts: u64,
    /// For each index whose worker script runs: how many restarts had begun when it did.
    scripts: Vec<Option<u64>>,
    /// How often each request was begun.
    begun: Vec<u32>,
    /// Which thread's record has begun each request last.
    served_by: Vec<usize>,
    runs: u64,
    /// The runs that are in a call that a wake-up ends.
    pub(super) killable: BTreeSet<u64>,
    /// How many sends a kill has by the configuration.
    pub(super) most_sends: u32,
    /// The engine's lock: whoever holds it, also if it died.
    holder: Option<ThreadId>,
    lock: Option<u32>,
    /// Every call returns by itself from now on.
    pub(super) is_let_go: bool,
    /// How many threads the runtime does without, because what they serve cannot be booted or the engine refused them.
    pub(super) given_up: u32,
    /// How many OS threads the system has refused.
    pub(super) refused: u32,
}

/// One storage's life.
#[derive(Debug)]
pub(super) struct StorageRecord {
    owner: ThreadId,
    freed: bool,
    /// The run that the latest kill struck; 0 is one that had not begun.
    struck: Option<u64>,
    /// Whether the script has cleared `timed_out`.
    cleared: bool,
    /// Whether a look has consumed an interrupt.
    pub(super) consumed: bool,
}

/// The engine. What it knows is the run's.
#[derive(Clone, Copy, Debug)]
pub struct SimEngine;

/// What it keeps for a thread.
#[derive(Debug)]
pub struct SimStorage {
    pub(super) flags: SimFlags,
    pub(super) number: u32,
    thread: usize,
}

impl World {
    /// A flag of a storage is used.
    pub(super) fn flag_used(&mut self, storage: u32, which: Which, stores: Option<bool>) {
        let running = self.running;
        let record = &self.watch.storages[storage as usize];
        let (owner, freed) = (record.owner, record.freed);
        let owner_role = self.threads[owner as usize].role;
        if freed {
            self.violate(Property::NoAccessAfterFree, || {
                format!("the flags of {owner_role} are used, and their storage was freed")
            });
        }
        let strikes = stores == Some(true) && running != Some(owner);
        let record = &mut self.watch.storages[storage as usize];
        record.cleared |= stores == Some(false) && running == Some(owner) && which == Which::TimedOut;
        if !strikes {
            return;
        }
        let run = self.threads[owner as usize].signals.run;
        record.struck = Some(run);
        let what = if which == Which::TimedOut { "timed_out" } else { "vm_interrupt" };
        self.record(Kind::Kill, || format!("stores {what} of {owner_role}"));
        self.recorder.toward(owner_role);
        let state = match owner_role {
            Role::Php(index) => self.watch.record_of(index).map(|number| self.watch.records[number].state),
            _ => None,
        };
        if matches!(self.role(), Role::Restarter(_)) && state.is_some_and(State::is_stable) {
            self.violate(Property::KillHitsItsRun, || {
                format!("a restart kills {owner_role}, which nobody has asked")
            });
        }
        if which == Which::VmInterrupt {
            self.wake_if(owner, |on| on == Wait::Interrupt(storage), Woken::Notified);
        }
    }

    /// What is stuck comes back.
    pub(super) fn let_go(&mut self) {
        self.record(Kind::Engine, || "everything that is stuck comes back".to_string());
        self.wake_all(|on| matches!(on, Wait::Call { .. } | Wait::Interrupt(_)), Woken::LetGo);
        if self
            .engine
            .holder
            .is_some_and(|holder| self.is_done(holder) || self.threads[holder as usize].signals.run == 0)
        {
            self.engine.holder = None;
            if let Some(lock) = self.engine.lock {
                self.notify(lock);
            }
        }
    }

    /// How often a request was begun.
    pub(super) fn times_begun(&self, request: u32) -> u32 {
        self.engine.begun.get(request as usize).copied().unwrap_or(0)
    }

    /// Whether a request was begun by a thread that was abandoned.
    pub(super) fn is_with_an_abandoned(&self, request: u32) -> bool {
        let record =
            self.engine.served_by.get(request as usize).and_then(|number| self.watch.records.get(*number));
        self.times_begun(request) > 0 && record.is_some_and(|record| record.state == State::Abandoned)
    }

    /// Indexes whose worker script was begun before this restart.
    pub(super) fn old_scripts(&self, restart: u64) -> Vec<usize> {
        let is_old = |(_, since): &(usize, &Option<u64>)| since.is_some_and(|since| since < restart);
        self.engine.scripts.iter().enumerate().filter(is_old).map(|(index, _)| index).collect()
    }

    pub(super) fn is_started(&self) -> bool {
        self.engine.started
    }

    pub(super) fn script_begins(&mut self, thread: usize, is_worker: bool) {
        self.engine.runs += 1;
        let run = self.engine.runs;
        self.recorder.mix(run);
        let restarts = self.engine.restarts;
        if is_worker {
            *at(&mut self.engine.scripts, thread) = Some(restarts);
        }
        let began_ns = self.clock_ns;
        let signals = &mut self.current().signals;
        (signals.run, signals.effort) = (run, Effort { began_ns, ..Effort::default() });
        signals.point = Point::BeforeCheck;
    }

    pub(super) fn script_ends(&mut self, thread: usize) {
        *at(&mut self.engine.scripts, thread) = None;
        let signals = &mut self.current().signals;
        let run = std::mem::take(&mut signals.run);
        signals.point = Point::Outside;
        self.engine.killable.remove(&run);
    }

    fn request_begins(&mut self, thread: usize, request: u32) {
        let own = self.watch.record_of(thread).map(|number| self.watch.records[number].own);
        if own.is_some_and(|own| matches!(own, State::Abandoned | State::ShuttingDown | State::Done)) {
            self.violate(Property::NoWorkForLeavers, || {
                format!("{} has seen that it is to leave, and begins request {request}", Role::Php(thread))
            });
        }
        if let Some(number) = self.watch.record_of(thread) {
            *at(&mut self.engine.served_by, request as usize) = number;
        }
        let begun = at(&mut self.engine.begun, request as usize);
        *begun += 1;
        let times = *begun;
        self.record(Kind::Engine, || format!("begins request {request}"));
        if times > 1 {
            self.violate(Property::NoWorkForLeavers, || format!("request {request} is run {times} times"));
        }
    }
}

fn at<T: Default + Clone>(of: &mut Vec<T>, number: usize) -> &mut T {
    if of.len() <= number {
        of.resize(number + 1, T::default());
    }
    &mut of[number]
}

/// Waits for so many milliseconds.
pub(super) fn sleep(ms: u64) {
    let deadline = world::with(|world| world.clock_ns + ms * 1_000_000);
    world::block(Wait::Sleep, Some(deadline));
}

/// What goes wrong at a site, told to the trace.
pub(super) fn meet(site: Site) -> Option<Quirk> {
    world::with(|world| {
        let quirk = world.quirks.meet(site)?;
        world.recorder.mix(site as u64 + 1000);
        world.record(Kind::Fault, || format!("{site:?}: {quirk:?}"));
        Some(quirk)
    })
}

/// A call of the engine's own, whose time is not the library's.
fn elsewhere<R>(piece: impl FnOnce() -> R) -> R {
    world::with(|world| world.elsewhere(true));
    let result = piece();
    world::with(|world| world.elsewhere(false));
    result
}

pub(super) fn until(ms: Option<u32>) -> Option<u64> {
    ms.map(|ms| world::with(|world| world.clock_ns) + u64::from(ms) * 1_000_000)
}

pub(super) fn take_lock() {
    loop {
        world::step();
        let lock = world::with(|world| {
            let is_free = world.engine.holder.is_none() || world.unwinding || std::thread::panicking();
            if is_free {
                world.engine.holder = world.running;
                return None;
            }
            if world.engine.lock.is_none() {
                world.engine.lock = Some(world.object());
            }
            world.watch.reach("a thread waited for the engine's lock");
            world.engine.lock
        });
        match lock {
            None => return,
            Some(lock) => {
                world::block(Wait::Engine(lock), None);
            }
        }
    }
}

pub(super) fn give_lock() {
    world::with(|world| {
        world.engine.holder = None;
        if let Some(lock) = world.engine.lock {
            world.notify(lock);
        }
    });
}

impl Engine<Sim> for SimEngine {
    type Flags = SimFlags;
    type Storage = SimStorage;
    type Request = u32;
    type Response = u32;

    fn start_up(&self) -> Result<(), EngineError> {
        elsewhere(|| {
            world::step();
            match meet(Site::StartUp) {
                Some(Quirk::Fails) => return Err(EngineError { what: "not today".to_string() }),
                Some(Quirk::Takes(ms) | Quirk::Hangs(Some(ms))) => sleep(u64::from(ms)),
                _ => {}
            }
            world::with(|world| {
                world.record(Kind::Engine, || "starts the engine".to_string());
                if std::mem::replace(&mut world.engine.started, true) {
                    let what = || "the engine is started, and was not torn down before".to_string();
                    world.violate(Property::LatchHolds, what);
                }
            });
            Ok(())
        })
    }

    fn tear_down(&self) {
        elsewhere(|| {
            world::step();
            if let Some(Quirk::Takes(ms)) = meet(Site::TearDown) {
                sleep(u64::from(ms));
            }
            world::with(|world| {
                world.record(Kind::Engine, || "tears the engine down".to_string());
                let alive: u32 = world.engine.alive.iter().sum();
                if alive != 0 {
                    let what = || format!("the engine is torn down, and {alive} of its threads are alive");
                    world.violate(Property::TeardownAlone, what);
                }
                if !std::mem::replace(&mut world.engine.started, false) {
                    world.violate(Property::TeardownAlone, || "the engine is torn down twice".to_string());
                }
            });
        });
    }

    fn allocate_metrics(&self, _threads: usize) {
        world::with(|world| {
            world.engine.metrics = true;
            (world.engine.given_up, world.engine.refused) = (0, 0);
            // The threads of the runtime that begins are made next, in their order, and without a step between.
            world.watch.first_record = world.watch.records.len();
        });
    }

    fn free_metrics(&self) {
        world::step();
        world::with(|world| world.engine.metrics = false);
    }

    fn start_thread(&self, thread: usize) -> Result<SimStorage, EngineError> {
        world::step();
        world::with(|world| world.registers(thread));
        let refused = match meet(Site::StartThread) {
            Some(Quirk::Takes(ms)) => {
                sleep(u64::from(ms));
                None
            }
            Some(Quirk::Hangs(ms)) => {
                kernel::call(false, false, until(ms), Point::Outside);
                None
            }
            quirk => quirk,
        };
        if let Some(quirk) = refused {
            world::with(|world| {
                world.engine.alive[thread] -= 1;
                world.watch.reach("the engine refused a thread");
            });
            if quirk == Quirk::Panics {
                resume_unwind(Box::new("the engine panics at the start of a thread"));
            }
            return Err(EngineError { what: "no thread today".to_string() });
        }
        take_lock();
        give_lock();
        Ok(world::with(|world| {
            let owner = world.running.expect("a thread registers itself");
            let number = world.watch.storages.len() as u32;
            let record = StorageRecord { owner, freed: false, struck: None, cleared: false, consumed: false };
            world.watch.storages.push(record);
            SimStorage { flags: SimFlags::new(number), number, thread }
        }))
    }

    fn run_worker(&self, on: On<'_, SimStorage>, requests: &mut dyn Requests<u32, u32>) -> ScriptEnd {
        script::guarded(on.thread, true, || script::run_worker(&on, requests))
    }

    fn run_request(&self, on: On<'_, SimStorage>, request: u32) -> (Option<u32>, ScriptEnd) {
        script::guarded(on.thread, false, || {
            begin_request(on.thread, request);
            match script::serve(on.storage, request) {
                Served::Answered => (Some(request), ScriptEnd::Finished),
                Served::Killed => (None, ScriptEnd::Finished),
                Served::Unhealthy => (None, ScriptEnd::Unhealthy),
            }
        })
    }

    fn drain_hook(&self, thread: usize) {
        elsewhere(|| {
            world::step();
            if let Some(Quirk::Takes(ms)) = meet(Site::Hook) {
                world::with(|world| world.watch.reach("a drain hook blocked"));
                sleep(u64::from(ms));
            }
            world::with(|world| {
                let is_callback = |on| matches!(on, Wait::Call { callback: true, .. });
                for nth in 0..world.live.len() {
                    let id = world.live[nth];
                    if world.threads[id as usize].role == Role::Php(thread)
                        && world.wake_if(id, is_callback, Woken::Notified)
                    {
                        world.watch.reach("a drain hook ended a callback");
                    }
                }
            });
        });
    }
}

impl World {
    fn registers(&mut self, thread: usize) {
        let alive = at(&mut self.engine.alive, thread);
        *alive += 1;
        let alive = *alive;
        self.record(Kind::Engine, || "registers with the engine".to_string());
        if !self.engine.started {
            let what = || format!("{} enters the engine, which is torn down", Role::Php(thread));
            self.violate(Property::TeardownAlone, what);
        }
        if alive > 1 {
            self.violate(Property::OneThreadPerIndex, || {
                format!("{alive} OS threads are {}", Role::Php(thread))
            });
        }
    }

    fn unregisters(&mut self, storage: &SimStorage) {
        let thread = storage.thread;
        self.engine.alive[thread] -= 1;
        self.watch.storages[storage.number as usize].freed = true;
        self.record(Kind::Engine, || "frees its storage".to_string());
        if !self.engine.started {
            let what = || format!("{} unwinds in an engine that was torn down", Role::Php(thread));
            self.violate(Property::LateUnwindIsSafe, what);
        }
        if !self.engine.metrics {
            let what = || format!("{} counts in metrics that were freed", Role::Php(thread));
            self.violate(Property::MetricsAlive, what);
        }
    }

    /// A look of the VM's at its flags has ended the run, or has not.
    pub(super) fn vm_has_looked(&mut self, storage: u32, is_killed: bool) {
        let run = self.current().signals.run;
        let role = self.role();
        let record = &mut self.watch.storages[storage as usize];
        let consumed = std::mem::take(&mut record.consumed);
        let (cleared, struck) = (record.cleared, record.struck);
        if consumed && !is_killed && !cleared {
            self.violate(Property::FlagsInOrder, || {
                format!("{role} has consumed an interrupt, and sees no reason for it")
            });
        }
        if is_killed && struck.is_some_and(|struck| struck != 0 && struck != run) {
            self.violate(Property::KillHitsItsRun, || {
                format!("a kill of an earlier script of {role} ends a later one")
            });
        }
    }
}

pub(super) fn begin_request(thread: usize, request: u32) {
    world::with(|world| world.request_begins(thread, request));
}

/// The VM looks at its flags.
pub(super) fn is_killed(storage: &SimStorage) -> bool {
    world::step();
    world::with(|world| world.signals_in(Point::BeforeCheck));
    let is_killed = storage.flags.consume_interrupt();
    world::with(|world| {
        world.vm_has_looked(storage.number, is_killed);
        world.signals_in(Point::BeforeCall);
        if is_killed {
            world.record(Kind::Engine, || "sees that it is killed".to_string());
        }
    });
    world::step();
    is_killed
}

impl ThreadStorage for SimStorage {
    type Flags = SimFlags;

    fn flags(&self) -> SimFlags {
        self.flags.clone()
    }

    fn free(self) {
        world::step();
        take_lock();
        let quirk = meet(Site::Free);
        match quirk {
            Some(Quirk::HangsWithLock(ms)) => {
                world::with(|world| {
                    world.watch.reach("a thread was stuck in its free with the engine's lock")
                });
                kernel::call(false, false, until(ms), Point::Outside);
                give_lock();
            }
            Some(Quirk::Hangs(ms)) => {
                give_lock();
                kernel::call(false, false, until(ms), Point::Outside);
            }
            Some(Quirk::Takes(ms)) => {
                give_lock();
                sleep(u64::from(ms));
            }
            _ => give_lock(),
        }
        world::with(|world| world.unregisters(&self));
        if quirk == Some(Quirk::Panics) {
            resume_unwind(Box::new("the engine panics while it frees a thread's storage"));
        }
    }
}
