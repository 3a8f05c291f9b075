//! What must be true when nothing moves any more: the reference model, which knows nothing of the library's lists.

use std::panic::{AssertUnwindSafe, catch_unwind};

use forcekill::observer::Notice;
use forcekill::roster::{Phase, Pool};
use forcekill::steps::runtime::RuntimeSteps;
use forcekill::{ShutDown, State, States};

use super::kernel::TargetLife;
use super::platform::{Sim, SimFlags};
use super::play::{SimRuntime, Stand, join, reach, start, violate};
use super::scheduler::ThreadId;
use super::world::{self, Wait, World};
use crate::property::Property;
use crate::scene::Role;
use crate::trace::Kind;

/// The longest that anything may take to settle when nothing goes wrong any more, in virtual milliseconds.
const MOST_MS_TO_SETTLE: u64 = 120_000;

/// A whole run, as its first thread: what is called while things go wrong, and then, when nothing does, what must settle.
pub(super) fn run<S: RuntimeSteps<Sim, SimFlags>>(stand: &Stand<S>) {
    stand.play_ops();
    world::with(|world| {
        world.record(Kind::Judge, || "every caller has returned".to_string());
        world.calm_down();
    });
    stand.judge_beside_the_stuck();
    world::with(|world| {
        world.engine.is_let_go = true;
        world.let_go();
    });
    let dispatchers = stand.take_dispatchers();
    settles(Property::RequestsSettle, "a request", || {
        world::with(|world| dispatchers.iter().all(|dispatcher| world.is_done(*dispatcher)))
    });
    dispatchers.into_iter().for_each(join);
    // Boots that were under way, and the pauses after failed ones.
    super::engine::sleep(10_000);
    if stand.process.phase() == Phase::Up {
        let runtime = stand.runtime().expect("whoever made it told so");
        stand.judge_capacity(&runtime);
        stand.judge_service(&runtime);
        stand.end(&runtime);
    }
    stand.complete();
    // And it can all be done again.
    stand.init(0);
    if let Some(runtime) = stand.runtime().filter(|_| stand.process.phase() == Phase::Up) {
        stand.end(&runtime);
    } else {
        violate(Property::LateUnwindIsSafe, || "nothing goes wrong any more, and an init fails".to_string());
    }
    stand.complete();
    stand.judge_end();
}

/// Waits until something is so; what is broken if it never is.
fn settles(property: Property, what: &str, is_so: impl Fn() -> bool) {
    let (mut waited, mut pause) = (0, 1);
    while !is_so() {
        if waited > MOST_MS_TO_SETTLE {
            violate(property, || format!("nothing goes wrong any more, and {what} does not settle"));
        }
        super::engine::sleep(pause);
        waited += pause;
        pause = (pause * 2).min(1_000);
    }
}

impl<S: RuntimeSteps<Sim, SimFlags>> Stand<S> {
    /// Some threads may be stuck; everybody else has what it waits for.
    fn judge_beside_the_stuck(&self) {
        super::engine::sleep(1);
        // A thread is counted before it is there.
        settles(Property::LateUnwindIsSafe, "the lingering count beside the stuck", || {
            self.process.lingering() <= world::with(|world| world.live_os_threads())
        });
        world::with(World::judge_waiting_requests);
        let members = self.runtime().map_or(Vec::new(), |runtime| runtime.members());
        let indexes = members.iter().map(|member| member.life.thread);
        if world::with(|world| world.states_of(indexes)).contains(&State::Abandoned) {
            violate(Property::CapacityAddsUp, || {
                "a thread that was abandoned is in the list of those that serve".to_string()
            });
        }
        if world::with(|world| world.is_anybody_stuck()) {
            reach("a run came to rest beside a stuck thread");
        }
    }

    /// The runtime is up, and everybody has come back: each pool has what it was configured to have.
    fn judge_capacity(&self, runtime: &SimRuntime<S>) {
        let all_serve = || {
            let (missing, quarantined) =
                self.process.wait_roster(|roster| Some((roster.missing(), roster.quarantined())));
            // Without a scaler nobody tries again what the system has refused, before the next thread comes or goes.
            let excused = world::with(|world| world.engine.refused);
            let members = runtime.members();
            let states =
                world::with(|world| world.states_of(members.iter().map(|member| member.life.thread)));
            quarantined == 0 && missing <= excused && states.iter().all(|state| state.is_stable())
        };
        settles(Property::CapacityAddsUp, "the list of threads", all_serve);
        let (lists, wanted) = (runtime.members().len(), runtime.config().threads());
        let (alive, excused) = world::with(|world| {
            let alive: u32 = world.engine.alive.iter().sum();
            (alive as usize, (world.engine.given_up + world.engine.refused) as usize)
        });
        if alive != lists {
            violate(Property::CapacityAddsUp, || {
                format!("{lists} threads are in the lists, and {alive} are alive")
            });
        }
        if lists + excused < wanted {
            violate(Property::CapacityAddsUp, || {
                format!("{wanted} threads were configured, {excused} could not be had, and {lists} serve")
            });
        }
        settles(Property::LateUnwindIsSafe, "the lingering count", || {
            self.process.lingering() == world::with(|world| world.live_os_threads())
        });
    }

    /// A pool that has a thread answers, and a restart is complete.
    fn judge_service(&self, runtime: &SimRuntime<S>) {
        for (worker, pool) in [(true, Pool::Worker(0)), (false, Pool::Regular)] {
            let serves = self.process.wait_roster(|roster| Some(roster.count(pool)));
            let is_there = !worker || !runtime.config().workers().is_empty();
            if serves == 0 || !is_there {
                continue;
            }
            let (stand, runtime, request) = (self.clone(), runtime.clone(), self.next_request());
            join(start(Role::Dispatcher(request as usize - 1), move || {
                if !stand.serve(&runtime, worker, request) {
                    violate(Property::RequestsSettle, || {
                        format!("nothing goes wrong any more, and request {request} is not answered")
                    });
                }
            }));
        }
        let (stand, runtime) = (self.clone(), runtime.clone());
        join(start(Role::Restarter(9), move || {
            if !stand.restart(&runtime, 9) {
                violate(Property::RestartIsComplete, || {
                    "nothing goes wrong any more, and a restart is not complete".to_string()
                });
            }
        }));
    }

    /// The last shutdown tears the engine down.
    fn end(&self, runtime: &SimRuntime<S>) {
        let (stand, runtime) = (self.clone(), runtime.clone());
        join(start(Role::Shutdown, move || {
            if stand.shut_down(&runtime) != Some(ShutDown::TornDown) {
                violate(Property::LateUnwindIsSafe, || {
                    "nothing goes wrong any more, and a shutdown does not tear the engine down".to_string()
                });
            }
        }));
    }

    /// Nobody lingers any more, and a teardown that was skipped can be completed.
    fn complete(&self) {
        settles(Property::LateUnwindIsSafe, "the lingering count", || {
            self.process.lingering() == 0 || self.process.phase() == Phase::Up
        });
        if self.process.phase() == Phase::TeardownSkipped {
            self.complete_teardown();
        }
        let phase = self.process.phase();
        if phase != Phase::Down {
            violate(Property::LatchHolds, || format!("everybody has exited, and the process is {phase:?}"));
        }
    }

    fn judge_end(&self) {
        world::with(|world| {
            let alive: u32 = world.engine.alive.iter().sum();
            if alive != 0 {
                let what = || format!("every thread has exited, and the engine still has {alive}");
                world.violate(Property::LateUnwindIsSafe, what);
            }
            if world.is_started() {
                let what = || "the engine was not torn down, although nothing lingers".to_string();
                world.violate(Property::LateUnwindIsSafe, what);
            }
            let left = world.watch.targets.iter().filter(|target| **target == TargetLife::Captured).count();
            if left != 0 {
                world.violate(Property::WakeHitsItsThread, || {
                    format!("{left} wake targets were never released")
                });
            }
            let gone = States::of(&[State::Done, State::Reserved]);
            if let Some(record) =
                world.watch.records.iter().find(|record| !gone.contains(record.state)).copied()
            {
                let name = Role::Php(record.index);
                let what = || format!("{name} has exited, and its state is {}", record.state);
                world.violate(Property::LateUnwindIsSafe, what);
            }
        });
        let nothing = catch_unwind(AssertUnwindSafe(|| self.process.complete_teardown()));
        if !matches!(nothing, Ok(Err(forcekill::TeardownError::NothingSkipped))) {
            violate(Property::LateUnwindIsSafe, || {
                "there is nothing to complete, and it is completed".to_string()
            });
        }
    }
}

impl World {
    /// A restart has answered that everything was restarted: no thread that serves is in a script of before.
    pub(super) fn judge_complete(&mut self, restart: u64) {
        for thread in self.old_scripts(restart) {
            let Some(number) = self.watch.record_of(thread) else { continue };
            let state = self.watch.records[number].state;
            if !States::REFUSING.contains(state) {
                let name = Role::Php(thread);
                self.violate(Property::RestartIsComplete, || {
                    format!("the restart is complete, and {name} ({state}) runs a script of before")
                });
            }
        }
    }

    /// Every caller but those of requests has returned: what an abandoned thread has begun is settled.
    fn judge_waiting_requests(&mut self) {
        let waiting = |id: &ThreadId| match self.threads[*id as usize].role {
            Role::Dispatcher(nth) => Some(nth as u32 + 1),
            _ => None,
        };
        let lost = self.live.iter().filter_map(waiting).find(|request| self.is_with_an_abandoned(*request));
        if let Some(request) = lost {
            self.violate(Property::RequestsSettle, || {
                format!("request {request} waits for a thread that was abandoned")
            });
        }
    }

    /// OS threads of the library's that have not ended.
    fn live_os_threads(&self) -> usize {
        let is_of_library = |id: &ThreadId| {
            let role = self.threads[*id as usize].role;
            matches!(role, Role::Php(_) | Role::Scaler)
        };
        self.live.iter().copied().filter(is_of_library).count()
    }

    fn is_anybody_stuck(&self) -> bool {
        let is_stuck = |id| matches!(self.waits(id), Some(Wait::Call { .. } | Wait::Interrupt(_)));
        self.live.iter().copied().any(is_stuck)
    }

    fn states_of(&self, threads: impl Iterator<Item = usize>) -> Vec<State> {
        threads.filter_map(|index| Some(self.watch.records[self.watch.record_of(index)?].state)).collect()
    }

    /// Whether a thread that serves has waited for work since then.
    pub(super) fn is_idle_since(&self, index: usize, since_ns: u64) -> bool {
        let Some(number) = self.watch.record_of(index) else { return false };
        if self.watch.records[number].state != State::Ready {
            return false;
        }
        let is_idle = |id: ThreadId| {
            let thread = &self.threads[id as usize];
            let waits = matches!(self.waits(id), Some(Wait::Object(_)));
            thread.role == Role::Php(index) && waits && thread.waits_since_ns < since_ns
        };
        self.live.iter().copied().any(is_idle)
    }

    /// What the library tells.
    pub(super) fn noticed(&mut self, notice: &Notice) {
        self.record(Kind::Notice, || format!("{notice:?}"));
        let moment = match notice {
            Notice::Drained { .. } | Notice::Abandoned { .. } | Notice::Busy { .. } => {
                self.drain_ends();
                match notice {
                    Notice::Abandoned { .. } => "a thread was abandoned",
                    _ => return,
                }
            }
            Notice::EndedIllegally { thread, error } => {
                let name = Role::Php(*thread);
                self.violate(Property::LegalTransitions, || format!("{name} ends, and {error}"));
                return;
            }
            Notice::GaveUpBooting { .. } => {
                self.engine.given_up += 1;
                "a thread was given up because its script does not boot"
            }
            Notice::StartRefused { .. } => {
                self.engine.given_up += 1;
                return;
            }
            Notice::SpawnFailed { .. } => {
                self.engine.refused += 1;
                "the system refused an OS thread"
            }
            Notice::HandedBack { .. } => "a request was handed back",
            Notice::Replaced { .. } => "an abandoned thread was replaced",
            Notice::QuarantineFull { .. } => "the quarantine was full",
            Notice::CameBack { .. } => "an abandoned thread came back",
            Notice::Respawned { .. } => "an unhealthy thread was replaced",
            Notice::Rebooted { .. } => "a thread rebooted after max_requests",
            Notice::Killed { .. } => "a thread was killed",
            Notice::ScaledUp { .. } => "the scaler added a thread",
            Notice::ScaledDown { .. } => "the scaler took a thread away",
            _ => return,
        };
        self.watch.reach(moment);
    }
}
