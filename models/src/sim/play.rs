//! The callers of a run: they init, dispatch, restart, scale and shut down, beside each other, and judge what comes back.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forcekill::observer::Notice;
use forcekill::roster::Pool;
use forcekill::steps::runtime::RuntimeSteps;
use forcekill::{
    Config, InitError, Limits, Process, ResendPolicy, RestartError, Runtime, ShutDown, TeardownError, Worker,
};

use super::engine::SimEngine;
use super::platform::{Sim, SimFlags};
use super::scenario::{Call, Op, Scenario, Shape, Site};
use super::scheduler::ThreadId;
use super::watch::Bounded;
use super::world::{self, Wait};
use crate::property::Property;
use crate::scene::Role;
use crate::trace::Kind;

/// What the worker of every configuration is called.
pub(super) const WORKER: &str = "worker";

/// A runtime of the simulation.
pub(super) type SimRuntime<S> = Runtime<SimEngine, Sim, S>;

/// Where a run is played.
pub(super) struct Stand<S: RuntimeSteps<Sim, SimFlags>> {
    pub(super) process: Process<SimEngine, Sim, S>,
    pub(super) scenario: Arc<Scenario>,
    known: Arc<Mutex<Known<S>>>,
}

/// What the callers know of each other. Held for a moment, and never at a step.
struct Known<S: RuntimeSteps<Sim, SimFlags>> {
    runtime: Option<SimRuntime<S>>,
    /// A shutdown has answered that it skipped the teardown.
    is_latched: bool,
    /// How many completions of a teardown have begun.
    completions: u32,
    /// How many of them are under way.
    completing: u32,
    requests: u32,
    dispatchers: Vec<ThreadId>,
}

impl<S: RuntimeSteps<Sim, SimFlags>> Clone for Stand<S> {
    fn clone(&self) -> Self {
        let (process, scenario) = (self.process.clone(), Arc::clone(&self.scenario));
        Self { process, scenario, known: Arc::clone(&self.known) }
    }
}

/// Starts a thread of the host's.
pub(super) fn start(role: Role, body: impl FnOnce() + 'static) -> ThreadId {
    world::step();
    world::with(|world| world.start(role, Box::new(body)))
}

/// Waits for one.
pub(super) fn join(thread: ThreadId) {
    while !world::with(|world| world.is_done(thread)) {
        world::block(Wait::Join(thread), None);
    }
}

/// The current thread says who it is now.
fn plays(role: Role) {
    world::with(|world| world.current().role = role);
}

pub(super) fn reach(moment: &'static str) {
    world::with(|world| world.watch.reach(moment));
}

pub(super) fn violate(property: Property, what: impl FnOnce() -> String) {
    world::with(|world| world.violate(property, what));
}

/// A configuration's duration.
fn ms(ms: u32) -> Duration {
    Duration::from_millis(u64::from(ms))
}

impl Shape {
    /// As the library is told.
    ///
    /// # Panics
    /// If its times are out of every proportion.
    pub fn config(&self) -> Config {
        let threads = (self.workers + self.regular) as usize;
        let most = threads + self.extra as usize;
        let kill = ResendPolicy::new(ms(self.kill_ms), ms(1), ms(self.kill_ms.clamp(1, 1_000)));
        let limits = Limits::new(ms(self.grace_ms), kill.expect("the pauses fit the bound"));
        let config = Config::new(threads)
            .max_threads(most)
            .max_quarantined(self.quarantined as usize)
            .max_requests(std::num::NonZero::new(u64::from(self.max_requests)))
            .max_queue(std::num::NonZero::new(self.max_queue as usize))
            .limits(limits.expect("they are short"))
            .boot_limit(ms(self.boot_ms))
            .teardown_limit(ms(self.teardown_ms))
            .max_wait(ms(self.max_wait_ms))
            .idle_after(ms(self.idle_ms))
            .scales_by_itself(self.scales);
        if self.workers == 0 {
            return config;
        }
        let worker = Worker::new(WORKER, self.workers as usize)
            .max_threads(most)
            .max_requests(std::num::NonZero::new(u64::from(self.max_requests)))
            .max_failures(std::num::NonZero::new(self.max_failures.max(1)).expect("it is at least 1"));
        config.worker(worker)
    }
}

fn ns(time: Duration) -> u64 {
    super::platform::nanoseconds(time).expect("the bounds of a simulation are short")
}

impl<S: RuntimeSteps<Sim, SimFlags>> Stand<S> {
    pub(super) fn new(scenario: Arc<Scenario>) -> Self {
        let process = Process::new(Sim, SimEngine, observe);
        let known = Known {
            runtime: None,
            is_latched: false,
            completions: 0,
            completing: 0,
            requests: 0,
            dispatchers: Vec::new(),
        };
        Self { process, scenario, known: Arc::new(Mutex::new(known)) }
    }

    fn known<R>(&self, look: impl FnOnce(&mut Known<S>) -> R) -> R {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The runtime of the latest init that went well.
    pub(super) fn runtime(&self) -> Option<SimRuntime<S>> {
        self.known(|known| known.runtime.clone())
    }

    pub(super) fn take_dispatchers(&self) -> Vec<ThreadId> {
        self.known(|known| std::mem::take(&mut known.dispatchers))
    }

    /// Plays the calls of all callers; returns when each has returned, but for requests.
    pub(super) fn play_ops(&self) {
        let mut callers: Vec<_> = self.scenario.ops.iter().map(|op| op.caller).collect();
        callers.sort_unstable();
        callers.dedup();
        let started: Vec<_> = callers
            .into_iter()
            .map(|caller| {
                let stand = self.clone();
                start(Role::Main, move || {
                    let ops = Arc::clone(&stand.scenario);
                    for op in ops.ops.iter().filter(|op| op.caller == caller) {
                        stand.play_op(op);
                    }
                })
            })
            .collect();
        started.into_iter().for_each(join);
    }

    fn play_op(&self, op: &Op) {
        if op.pause_ms > 0 {
            plays(Role::Main);
            super::engine::sleep(u64::from(op.pause_ms));
        }
        let runtime = self.runtime();
        match (op.call, runtime) {
            (Call::Init(shape), _) => self.init(shape),
            (Call::CompleteTeardown, _) => self.complete_teardown(),
            (Call::LetGo, _) => world::with(|world| world.let_go()),
            (_, None) => {}
            (Call::Dispatch { worker }, Some(runtime)) => self.dispatch(&runtime, worker),
            (Call::Restart, Some(runtime)) => drop(self.restart(&runtime, op.caller)),
            (Call::ScaleUp { worker }, Some(runtime)) => {
                plays(Role::Scaler);
                if runtime.scale_up(worker.then_some(WORKER)).is_ok() {
                    reach("a thread was added");
                }
            }
            (Call::ScaleDown, Some(runtime)) => {
                plays(Role::Scaler);
                runtime.scale_down();
            }
            (Call::ShutDown, Some(runtime)) => drop(self.shut_down(&runtime)),
        }
    }

    /// An init.
    pub(super) fn init(&self, shape: u32) {
        plays(Role::Init);
        let shapes = &self.scenario.shapes;
        let config = shapes[(shape as usize).min(shapes.len() - 1)].config();
        let valid = config.clone().validated().expect("a simulation's configurations make sense");
        // While a teardown is being completed, an init may wait for that.
        let (was_latched, completions) =
            self.known(|known| (known.is_latched && known.completing == 0, known.completions));
        let kill = valid.limits().kill();
        world::with(|world| {
            world.engine.most_sends = kill.sends();
            world.call_begins(Bounded::Init, ns(valid.init_bound()), ns(valid.limits().total()));
            world.record(Kind::Call, || "init".to_string());
        });
        let result = self.process.init(config);
        let took_ns = world::with(|world| {
            world.record(Kind::Return, || match &result {
                Ok(_) => "init: the runtime is up".to_string(),
                Err(error) => format!("init: {error}"),
            });
            world.call_ends()
        });
        let still_latched = was_latched && self.known(|known| known.completions == completions);
        if still_latched && (took_ns > 0 || !matches!(result, Err(InitError::TeardownSkipped))) {
            violate(Property::LatchHolds, || {
                format!(
                    "an init behind the latch took {} ms and came to {:?}",
                    took_ns / 1_000_000,
                    result.as_ref().err()
                )
            });
        }
        match result {
            Ok(runtime) => {
                reach("an init went well");
                self.known(|known| known.runtime = Some(runtime));
            }
            Err(InitError::Boot { shut_down, .. }) => {
                reach("an init failed in its boot");
                self.note_shutdown(shut_down);
            }
            Err(InitError::TeardownSkipped) => reach("an init found the latch"),
            Err(InitError::Running) => reach("an init found a runtime"),
            Err(InitError::StillStopping) => reach("an init waited for a shutdown in vain"),
            Err(InitError::Engine(_)) => reach("the engine did not start"),
            Err(error) => violate(Property::Bounded, || format!("an init came to {error}")),
        }
    }

    fn note_shutdown(&self, how: ShutDown) {
        match how {
            ShutDown::TornDown => reach("a shutdown tore the engine down"),
            ShutDown::TeardownSkipped { .. } => {
                reach("a shutdown skipped the teardown");
                self.known(|known| known.is_latched = true);
            }
        }
    }

    /// A restart; whether it was complete.
    pub(super) fn restart(&self, runtime: &SimRuntime<S>, caller: u32) -> bool {
        plays(Role::Restarter(caller as usize));
        let bound = ns(runtime.config().restart_bound());
        let restart = world::with(|world| {
            world.record(Kind::Call, || "restart".to_string());
            world.call_begins(Bounded::Restart, bound, bound);
            world.engine.restarts += 1;
            world.engine.restarts
        });
        let result = runtime.restart_workers();
        world::with(|world| {
            world.record(Kind::Return, || match &result {
                Ok(restarted) => format!("restart: {} threads", restarted.threads),
                Err(error) => format!("restart: {error}"),
            });
            world.call_ends();
        });
        match result {
            Ok(_) => {
                reach("a restart was complete");
                world::with(|world| world.judge_complete(restart));
                return true;
            }
            Err(RestartError::Incomplete(incomplete)) => {
                reach("a restart was incomplete");
                let (restarted, abandoned, busy) =
                    (incomplete.restarted, incomplete.abandoned, incomplete.busy);
                if abandoned + busy == 0 || restarted + abandoned + busy > runtime.threads().len() {
                    violate(Property::RestartIsComplete, || {
                        format!("the counts do not add up: {incomplete:?}")
                    });
                }
                if busy > 0 {
                    reach("a restart left a busy thread alone");
                }
            }
            Err(_) => reach("a restart found the runtime gone"),
        }
        false
    }

    /// A shutdown.
    pub(super) fn shut_down(&self, runtime: &SimRuntime<S>) -> Option<ShutDown> {
        plays(Role::Shutdown);
        let (bound, drain) = (runtime.config().shutdown_bound(), runtime.config().limits().total());
        world::with(|world| {
            world.record(Kind::Call, || "shutdown".to_string());
            world.call_begins(Bounded::ShutDown, ns(bound), ns(drain));
        });
        let result = runtime.shut_down();
        world::with(|world| {
            world.record(Kind::Return, || match &result {
                Ok(how) => format!("shutdown: {how}"),
                Err(error) => format!("shutdown: {error}"),
            });
            world.call_ends();
        });
        match result {
            Ok(how) => {
                self.note_shutdown(how);
                Some(how)
            }
            Err(_) => {
                reach("a shutdown found the runtime gone");
                None
            }
        }
    }

    /// Completes a teardown.
    pub(super) fn complete_teardown(&self) {
        plays(Role::Teardown);
        self.known(|known| {
            (known.completions, known.completing) = (known.completions + 1, known.completing + 1)
        });
        match self.process.complete_teardown() {
            Ok(()) => {
                reach("a teardown was completed");
                self.known(|known| known.is_latched = false);
            }
            Err(TeardownError::StillLingering(_)) => reach("a teardown could not be completed yet"),
            Err(_) => {}
        }
        self.known(|known| known.completing -= 1);
    }

    /// A request, by a thread of its own.
    pub(super) fn dispatch(&self, runtime: &SimRuntime<S>, worker: bool) {
        let request = self.known(|known| {
            known.requests += 1;
            known.requests
        });
        let (stand, runtime) = (self.clone(), runtime.clone());
        let dispatcher = start(Role::Dispatcher(request as usize - 1), move || {
            stand.serve(&runtime, worker, request);
        });
        self.known(|known| known.dispatchers.push(dispatcher));
    }

    /// A request by the current thread; whether it was answered.
    pub(super) fn serve(&self, runtime: &SimRuntime<S>, worker: bool, request: u32) -> bool {
        let (began_ns, jumped_ns) = world::with(|world| {
            world.record(Kind::Call, || format!("request {request}"));
            (world.clock_ns, world.jumped_ns)
        });
        let result = runtime.dispatch(worker.then_some(WORKER), request);
        let begun = world::with(|world| {
            world.record(Kind::Return, || match &result {
                Ok(_) => format!("request {request}: answered"),
                Err(rejected) => format!("request {request}: {}", rejected.reason),
            });
            world.times_begun(request)
        });
        match result {
            Ok(response) => {
                reach("a request was answered");
                if (response, begun) != (request, 1) {
                    violate(Property::NoWorkForLeavers, || {
                        format!("request {request} was answered, and was begun {begun} times")
                    });
                }
                return true;
            }
            Err(rejected) => {
                let is_back = rejected.request.is_some();
                if is_back && begun > 0 {
                    violate(Property::NoWorkForLeavers, || {
                        format!("request {request} was rejected ({}), and was begun", rejected.reason)
                    });
                }
                self.judge_rejection(runtime, worker, rejected.reason, (request, began_ns, jumped_ns));
            }
        }
        false
    }

    /// Another number for a request.
    pub(super) fn next_request(&self) -> u32 {
        self.known(|known| {
            known.requests += 1;
            known.requests
        })
    }

    fn judge_rejection(
        &self,
        runtime: &SimRuntime<S>,
        worker: bool,
        reason: forcekill::Rejection,
        (request, began_ns, jumped_ns): (u32, u64, u64),
    ) {
        use forcekill::Rejection;
        match reason {
            Rejection::WaitedTooLong => reach("a request waited too long"),
            Rejection::Lost => reach("a request was lost with its thread"),
            Rejection::Unanswered => reach("a request was not answered"),
            Rejection::QueueFull => reach("a queue was full"),
            _ => reach("a request was rejected"),
        }
        if reason != Rejection::WaitedTooLong {
            return;
        }
        let most_ns = ns(runtime.config().max_wait());
        let took_ns = world::with(|world| {
            // A thread that has taken it may have been held up before it handed it back.
            (world.clock_ns - began_ns).saturating_sub(world.jumped_ns - jumped_ns)
        });
        if took_ns > most_ns {
            violate(Property::RequestsSettle, || {
                format!("request {request} was not taken and waited for {} ms", took_ns / 1_000_000)
            });
        }
        let pool = if worker { Pool::Worker(0) } else { Pool::Regular };
        let serves = |member: &&forcekill::roster::Member| member.pool == pool;
        let members = runtime.members();
        let idle = world::with(|world| {
            members
                .iter()
                .filter(serves)
                .map(|member| member.life.thread)
                .find(|&thread| world.is_idle_since(thread, began_ns))
        });
        if let Some(thread) = idle {
            violate(Property::RequestsSettle, || {
                format!(
                    "request {request} waited in vain, and {} waited for work all the time",
                    Role::Php(thread)
                )
            });
        }
    }
}

/// Watches the library's notices, and may panic.
fn observe(notice: &Notice) {
    world::with(|world| world.noticed(notice));
    if super::engine::meet(Site::Notice).is_some() {
        reach("an observer panicked");
        std::panic::resume_unwind(Box::new("the observer panics"));
    }
}
