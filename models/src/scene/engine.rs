//! The engine of the models: it knows whether it is started, whose storage is there, and which scripts run, and whose scripts
//! can be stuck in every way.
//!
//! What it knows stands in one monitor, so that a search sees who looks and who changes: that a thread enters an engine which is
//! torn down in another order is a different execution. A race that has no use for a part of it leaves that part out.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forcekill::platform::Monitor;
use forcekill::{
    Engine, EngineError, InterruptFlags as _, On, OwnedFlags, Requests, ScriptEnd, State, ThreadStorage,
};

use super::Scene;
use crate::property::Property;

/// What a thread does at one turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Act {
    /// Its script serves request after request until it is told to leave.
    Serves,
    /// Its script boots, and is stuck in a call that nothing interrupts until everything is let go.
    Stuck,
    /// The same, but a kill interrupts the call.
    Killable,
    /// Its script is stuck before it has booted.
    StuckBooting,
    /// Its script ends before it has booted.
    FailsBoot,
    /// Its script boots and ends, and the engine cannot shut its request down.
    Unhealthy,
    /// Its storage is freed only when everything is let go: stuck in `ts_free_thread`.
    StuckFreeing,
    /// A script that serves one request and is stuck in it.
    StuckServing,
    /// Its script is stuck in a call that its library begins again whenever a kill has interrupted it (`EINTR`).
    Retries,
    /// A kill interrupts the call that its script is in, and it blocks again, in a shutdown function.
    BlocksAgain,
    /// The same, and it clears the flags before: the VM never sees them.
    ClearsFlags,
    /// Its script boots and ends with the engine's lock held: whoever comes to it waits until everything is let go.
    DiesLocked,
    /// Stuck in `ts_free_thread` with the engine's lock held.
    StuckFreeingLocked,
}

/// What each index does at each of its turns; the last act is repeated. A turn is one script.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// By index.
    pub acts: Vec<Vec<Act>>,
    /// Whether it matters when threads enter and leave the engine.
    pub sees_threads: bool,
    /// Whether it matters when scripts begin.
    pub sees_scripts: bool,
    /// Whether the engine refuses to start.
    pub refuses: bool,
    /// Whether the engine has a lock (TSRM's) that threads take to come and to go.
    pub locks: bool,
}

/// What the engine knows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Memory {
    started: bool,
    metrics: bool,
    /// How many threads are registered, by index.
    alive: Vec<u8>,
    /// How many restarts have begun.
    restarts: u32,
    /// For each index, when its script began: the number of restarts by then.
    scripts: Vec<Option<u32>>,
    /// Which requests have been begun.
    begun: Vec<u32>,
}

/// The engine's lock.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct EngineLock {
    is_held: bool,
    /// Everything has come back: who held it lets others by.
    let_go: bool,
}

/// The engine.
pub struct ModelEngine<P: Scene> {
    scene: P,
    memory: Arc<P::Monitor<Memory>>,
    lock: Option<Arc<P::Monitor<EngineLock>>>,
    plan: Plan,
    /// How many turns each index has had. No step: an index has one thread.
    turns: Mutex<Vec<usize>>,
}

/// What the engine keeps for one thread.
pub struct ModelStorage<P: Scene> {
    scene: P,
    memory: Option<Arc<P::Monitor<Memory>>>,
    lock: Option<Arc<P::Monitor<EngineLock>>>,
    thread: usize,
    flags: OwnedFlags,
    frees: Frees,
    /// How many turns its index had had when it came.
    first_turn: usize,
}

/// How a storage is freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frees {
    AtOnce,
    /// When everything is let go.
    Stuck,
    /// The same, with the engine's lock held.
    StuckLocked,
}

/// Takes the engine's lock, if it has one, for as long as a step. Whether somebody had it, and it came only when everything did.
fn come_by<M: Monitor<EngineLock>>(lock: Option<&M>) -> bool {
    lock.is_some_and(|lock| lock.wait(|lock| (lock.let_go || !lock.is_held).then_some(lock.is_held)))
}

/// Takes it, and keeps it.
fn keep<M: Monitor<EngineLock>>(lock: Option<&M>) {
    let lock = lock.expect("a plan with a thread that keeps the lock has one");
    lock.wait(|lock| (lock.let_go || !lock.is_held).then(|| lock.is_held = true));
}

impl<P: Scene> ModelEngine<P> {
    /// An engine that is not started.
    pub fn new(scene: &P, plan: Plan) -> Self {
        let memory = Arc::new(scene.monitor(Memory::default()));
        let lock = plan.locks.then(|| Arc::new(scene.monitor(EngineLock::default())));
        Self { scene: scene.clone(), memory, lock, plan, turns: Mutex::default() }
    }

    /// Everything that is stuck comes back.
    pub fn let_go(&self) {
        self.scene.let_go();
        if let Some(lock) = &self.lock {
            lock.with(|lock| lock.let_go = true);
        }
    }

    /// A restart begins; answers its number.
    pub fn restart_begins(&self) -> u32 {
        if !self.plan.sees_scripts {
            return 0;
        }
        self.memory.with(|memory| {
            memory.restarts += 1;
            memory.restarts
        })
    }

    /// A restart has answered that everything was restarted: no thread that serves is in a script of before.
    pub fn judge_complete(&self, restart: u32) {
        if !self.plan.sees_scripts {
            return;
        }
        let old = self.memory.with(|memory| {
            let is_old = |script: &Option<u32>| script.is_some_and(|since| since < restart);
            memory
                .scripts
                .iter()
                .enumerate()
                .filter(|(_, script)| is_old(script))
                .map(|(thread, _)| thread)
                .collect()
        });
        let old: Vec<usize> = old;
        for thread in old {
            let state = self.scene.state_of(thread);
            if !forcekill::States::REFUSING.contains(state) {
                self.scene.oracle().report(Property::RestartIsComplete, || {
                    format!(
                        "the restart is complete, and php-{} ({state}) runs a script of before",
                        thread + 1
                    )
                });
            }
        }
    }

    /// Somebody looks at the metrics, which must be there, and twice, for so long does it take.
    pub fn reads_metrics(&self) {
        for _ in 0..2 {
            if !self.memory.with(|memory| memory.metrics) {
                let what = || "metrics are read that were freed".to_string();
                self.scene.oracle().report(Property::MetricsAlive, what);
            }
        }
    }

    /// Every call has returned and every thread has exited.
    pub fn judge_end(&self, torn_down: bool) {
        let memory = self.memory.with(|memory| memory.clone());
        let alive: usize = memory.alive.iter().map(|alive| usize::from(*alive)).sum();
        if self.plan.sees_threads && alive != 0 {
            let what = || format!("every thread has exited, and the engine still has {alive}");
            self.scene.oracle().report(Property::LateUnwindIsSafe, what);
        }
        if torn_down == memory.started {
            let what = || "the engine was not torn down, although nothing lingers".to_string();
            self.scene.oracle().report(Property::LateUnwindIsSafe, what);
        }
    }

    /// How often a request was begun.
    pub fn times_begun(&self, request: u32) -> usize {
        self.memory.with(|memory| memory.begun.iter().filter(|begun| **begun == request).count())
    }

    /// Waits until a script has begun this request.
    pub fn wait_begun(&self, request: u32) {
        self.memory.wait(|memory| memory.begun.contains(&request).then_some(()));
    }

    /// What this index does at its next turn, and which that is.
    fn next_act(&self, thread: usize) -> (Act, usize) {
        let mut turns = self.turns();
        resize(&mut turns, thread);
        let acts = self.plan.acts.get(thread).map_or(&[Act::Serves][..], Vec::as_slice);
        (acts[turns[thread].min(acts.len() - 1)], turns[thread])
    }

    /// The same, and the turn has come.
    fn takes_turn(&self, thread: usize) -> (Act, usize) {
        let (act, turn) = self.next_act(thread);
        self.turns()[thread] += 1;
        (act, turn)
    }

    fn turns(&self) -> MutexGuard<'_, Vec<usize>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn script_begins(&self, thread: usize) {
        if self.plan.sees_scripts {
            self.memory.with(|memory| {
                let since = memory.restarts;
                resize(&mut memory.scripts, thread);
                memory.scripts[thread] = Some(since);
            });
        }
    }

    fn script_ends(&self, thread: usize) {
        if self.plan.sees_scripts {
            self.memory.with(|memory| memory.scripts[thread] = None);
        }
    }

    fn begins(&self, thread: usize, request: u32) {
        let state = self.scene.state_of(thread);
        if matches!(state, State::Abandoned | State::ShuttingDown | State::Done) {
            self.scene.oracle().report(Property::NoWorkForLeavers, || {
                format!("php-{} is {state}, and begins request {request}", thread + 1)
            });
        }
        let times = self.memory.with(|memory| {
            memory.begun.push(request);
            memory.begun.sort_unstable();
            memory.begun.iter().filter(|begun| **begun == request).count()
        });
        if times > 1 {
            self.scene
                .oracle()
                .report(Property::NoWorkForLeavers, || format!("request {request} is run {times} times"));
        }
    }
}

fn resize<T: Default + Clone>(of: &mut Vec<T>, thread: usize) {
    if of.len() <= thread {
        of.resize(thread + 1, T::default());
    }
}

impl<P: Scene> Engine<P> for ModelEngine<P> {
    type Flags = OwnedFlags;
    type Storage = ModelStorage<P>;
    type Request = u32;
    type Response = u32;

    fn start_up(&self) -> Result<(), EngineError> {
        if self.plan.refuses {
            return Err(EngineError { what: "not today".to_string() });
        }
        let was_started = self.memory.with(|memory| std::mem::replace(&mut memory.started, true));
        if was_started {
            let what = || "the engine is started, and was not torn down before".to_string();
            self.scene.oracle().report(Property::LatchHolds, what);
        }
        Ok(())
    }

    fn tear_down(&self) {
        let (alive, was_started) = self.memory.with(|memory| {
            let alive: usize = memory.alive.iter().map(|alive| usize::from(*alive)).sum();
            (alive, std::mem::replace(&mut memory.started, false))
        });
        self.scene.note(|| "tears the engine down");
        if alive != 0 {
            let what = || format!("the engine is torn down, and {alive} of its threads are alive");
            self.scene.oracle().report(Property::TeardownAlone, what);
        }
        if !was_started {
            let what = || "the engine is torn down twice".to_string();
            self.scene.oracle().report(Property::TeardownAlone, what);
        }
    }

    fn allocate_metrics(&self, _threads: usize) {
        self.memory.with(|memory| memory.metrics = true);
    }

    fn free_metrics(&self) {
        self.memory.with(|memory| memory.metrics = false);
    }

    fn start_thread(&self, thread: usize) -> Result<ModelStorage<P>, EngineError> {
        if come_by(self.lock.as_deref()) {
            self.scene.oracle().reached("a thread came to a lock that is never given back");
        }
        if self.plan.sees_threads {
            let (started, alive) = self.memory.with(|memory| {
                resize(&mut memory.alive, thread);
                memory.alive[thread] += 1;
                (memory.started, memory.alive[thread])
            });
            if !started {
                let what = || format!("php-{} enters the engine, which is torn down", thread + 1);
                self.scene.oracle().report(Property::TeardownAlone, what);
            }
            if alive > 1 {
                let what = || format!("{alive} OS threads are php-{}", thread + 1);
                self.scene.oracle().report(Property::OneThreadPerIndex, what);
            }
        }
        let memory = self.plan.sees_threads.then(|| Arc::clone(&self.memory));
        let (act, first_turn) = self.next_act(thread);
        let frees = match act {
            Act::StuckFreeing => Frees::Stuck,
            Act::StuckFreeingLocked => Frees::StuckLocked,
            _ => Frees::AtOnce,
        };
        let (scene, lock, flags) = (self.scene.clone(), self.lock.clone(), OwnedFlags::new());
        Ok(ModelStorage { scene, memory, lock, thread, flags, frees, first_turn })
    }

    fn run_worker(&self, on: On<'_, ModelStorage<P>>, requests: &mut dyn Requests<u32, u32>) -> ScriptEnd {
        let (act, turn) = self.takes_turn(on.thread);
        // Which acts this OS thread has played is all that it remembers: whether it is healthy, and how often it has failed.
        self.scene.begins_turn(turn, on.storage.first_turn as u64);
        self.script_begins(on.thread);
        let end = self.play(act, &on, requests);
        self.script_ends(on.thread);
        end
    }

    fn run_request(&self, on: On<'_, ModelStorage<P>>, request: u32) -> (Option<u32>, ScriptEnd) {
        let (act, _) = self.takes_turn(on.thread);
        self.begins(on.thread, request);
        if act == Act::StuckServing {
            self.scene.uninterruptible_call();
        }
        (Some(request), if act == Act::Unhealthy { ScriptEnd::Unhealthy } else { ScriptEnd::Finished })
    }
}

impl<P: Scene> ModelEngine<P> {
    fn interruptible_call(&self, on: &On<'_, ModelStorage<P>>) {
        self.scene.interruptible_call();
        // Relaxed: they are the thread's own, and no step of a search.
        if on.storage.flags.timed_out().load(Ordering::Relaxed) {
            self.scene.oracle().reached("a script was killed in its call");
        }
    }

    fn play(
        &self,
        act: Act,
        on: &On<'_, ModelStorage<P>>,
        requests: &mut dyn Requests<u32, u32>,
    ) -> ScriptEnd {
        match act {
            Act::FailsBoot => return ScriptEnd::Failed,
            Act::StuckBooting => self.scene.uninterruptible_call(),
            Act::Unhealthy => {
                requests.booted();
                return ScriptEnd::Unhealthy;
            }
            Act::Stuck => {
                requests.booted();
                self.scene.uninterruptible_call();
            }
            Act::Killable => {
                requests.booted();
                self.interruptible_call(on);
            }
            Act::Retries => {
                requests.booted();
                self.scene.retried_call();
            }
            Act::BlocksAgain | Act::ClearsFlags => {
                requests.booted();
                self.interruptible_call(on);
                if act == Act::ClearsFlags {
                    // Relaxed: they are the thread's own, and no step of a search.
                    on.storage.flags.timed_out().store(false, Ordering::Relaxed);
                    on.storage.flags.vm_interrupt().store(false, Ordering::Relaxed);
                }
                self.interruptible_call(on);
            }
            Act::DiesLocked => {
                requests.booted();
                keep(self.lock.as_deref());
                return ScriptEnd::Unhealthy;
            }
            Act::Serves | Act::StuckFreeing | Act::StuckFreeingLocked | Act::StuckServing => {}
        }
        while let Some(request) = requests.next() {
            self.begins(on.thread, request);
            if act == Act::StuckServing {
                self.scene.uninterruptible_call();
            }
            requests.answer(request);
        }
        ScriptEnd::Finished
    }
}

impl<P: Scene> ThreadStorage for ModelStorage<P> {
    type Flags = OwnedFlags;

    fn flags(&self) -> OwnedFlags {
        self.flags.clone()
    }

    fn free(self) {
        match self.frees {
            Frees::AtOnce => _ = come_by(self.lock.as_deref()),
            Frees::Stuck => self.scene.uninterruptible_call(),
            Frees::StuckLocked => {
                keep(self.lock.as_deref());
                self.scene.uninterruptible_call();
            }
        }
        let Some(memory) = &self.memory else { return };
        let thread = self.thread;
        let (started, metrics) = memory.with(|memory| {
            memory.alive[thread] -= 1;
            (memory.started, memory.metrics)
        });
        if !started {
            let what = || format!("php-{} unwinds in an engine that was torn down", thread + 1);
            self.scene.oracle().report(Property::LateUnwindIsSafe, what);
        }
        if !metrics {
            let what = || format!("php-{} counts in metrics that were freed", thread + 1);
            self.scene.oracle().report(Property::MetricsAlive, what);
        }
    }
}
