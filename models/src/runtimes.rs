//! Races of whole runtimes: what they have in common. Each is a file in `races/`.
//!
//! Everything is the library's own: init, the threads' lives, dispatch, restart, scaling, shutdown and the gate. Only the engine
//! is the models', and the primitives are the checker's.

use std::num::NonZero;
use std::time::Duration;

use forcekill::roster::{Phase, Pool};
use forcekill::steps::runtime::RuntimeSteps;
use forcekill::{
    Config, Limits, Notice, OwnedFlags, Process, Rejection, RestartError, Runtime, ShutDown, State, States,
    TeardownError, Worker,
};

use crate::oracle::Oracle;
use crate::property::Property;
use crate::scene::{ModelEngine, Plan, Role, Scene, Slots};

/// One race of runtimes. See [`LifecycleRace`](crate::lifecycles::LifecycleRace), whose parts these are.
pub trait RuntimeRace: 'static {
    /// What commands and reports call it.
    const NAME: &'static str;
    /// What it settles.
    const PROPERTIES: &'static [Property];
    /// The moments that a run over all variants must have visited.
    const MOMENTS: &'static [&'static str];
    /// The most PHP threads that it is searched with.
    const MOST_THREADS: usize;
    /// The choices beside the schedule.
    const VARIANTS: &'static [&'static str];

    /// Whether the runtime's own scaler takes part. Its deadlines pass when nobody else can go on, which the explorer alone can say.
    const HAS_OWN_SCALER: bool = false;

    /// The most PHP threads that a variant is searched with.
    fn most_threads_in(variant: usize) -> usize {
        let _ = variant;
        Self::MOST_THREADS
    }

    /// The same with `--deep`.
    fn deep_threads_in(variant: usize) -> usize {
        Self::most_threads_in(variant)
    }

    /// Whose kill slots a property can depend on.
    fn needed_slots(variant: usize) -> Slots {
        let _ = variant;
        Slots::None
    }

    /// Plays it once, as the main thread of an execution.
    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize);
}

/// A runtime of the models.
pub(crate) type ModelRuntime<P, D> = Runtime<ModelEngine<P>, P, D>;

/// A process on a scene, and its first runtime.
pub(crate) struct Site<P: Scene, D: RuntimeSteps<P, OwnedFlags>> {
    pub(crate) scene: P,
    pub(crate) process: Process<ModelEngine<P>, P, D>,
    pub(crate) config: Config,
}

impl<P: Scene, D: RuntimeSteps<P, OwnedFlags>> Clone for Site<P, D> {
    fn clone(&self) -> Self {
        Self { scene: self.scene.clone(), process: self.process.clone(), config: self.config.clone() }
    }
}

/// What a race's only worker is called.
pub(crate) const WORKER: &str = "worker";

/// A configuration with so many threads, all of one worker, and room for so many quarantined ones.
pub(crate) fn config<P: Scene>(scene: &P, threads: usize, quarantined: usize) -> Config {
    let second = Duration::from_secs(1);
    let worker = Worker::new(WORKER, threads).max_failures(NonZero::<u32>::MIN);
    Config::new(threads)
        .worker(worker)
        .max_quarantined(quarantined)
        .limits(Limits::new(second, scene.policy(1)).expect("they are short"))
        .boot_limit(second)
        .teardown_limit(second)
        .max_wait(second)
        .scales_by_itself(false)
}

/// The same, with one thread more that a scaler may add, and no quarantine.
pub(crate) fn scalable<P: Scene>(scene: &P, threads: usize) -> Config {
    let second = Duration::from_secs(1);
    let worker = Worker::new(WORKER, threads).max_threads(threads + 1).max_failures(NonZero::<u32>::MIN);
    Config::new(threads)
        .max_threads(threads + 1)
        .worker(worker)
        .max_quarantined(0)
        .limits(Limits::new(second, scene.policy(1)).expect("they are short"))
        .boot_limit(second)
        .teardown_limit(second)
        .idle_after(second)
        .scales_by_itself(false)
}

impl<P: Scene, D: RuntimeSteps<P, OwnedFlags>> Site<P, D> {
    /// A process whose engine is not started.
    pub(crate) fn new(scene: &P, config: Config, plan: Plan) -> Self {
        let seats = config.clone().validated().expect("the race's configuration makes sense").seats();
        scene.seats(seats);
        let observer = {
            let scene = scene.clone();
            move |notice: &Notice| {
                if let Notice::EndedIllegally { error, thread } = notice {
                    let what = || format!("php-{} ends, and {error}", thread + 1);
                    scene.oracle().report(Property::LegalTransitions, what);
                }
                if matches!(notice, Notice::HandedBack { .. }) {
                    scene.oracle().reached("a request was handed back");
                }
                if matches!(notice, Notice::ScaledUp { .. }) && scene.is_autoscaler() {
                    scene.oracle().reached("the runtime's scaler added a thread");
                }
                scene.note(|| format!("{notice:?}"));
            }
        };
        let process = Process::new(scene.clone(), ModelEngine::new(scene, plan), observer);
        Self { scene: scene.clone(), process, config }
    }

    /// The initial condition of most races: a runtime that is up, with every thread at its first script. The boot limit does not
    /// pass meanwhile; that an init gives up is a race of its own.
    pub(crate) fn init(&self) -> ModelRuntime<P, D> {
        let mark = self.scene.mark();
        self.scene.patient(Some(Role::Main));
        let runtime = self.process.init(self.config.clone()).expect("nothing stands in its way");
        self.scene.patient(None);
        // Whatever each thread was at when it was found booted.
        self.scene.forgets(mark, || "up");
        runtime
    }

    /// Starts a call on a thread of its own.
    pub(crate) fn start(
        &self,
        role: Role,
        runtime: &ModelRuntime<P, D>,
        call: impl FnOnce(&Self, &ModelRuntime<P, D>) + Send + 'static,
    ) -> P::Joiner {
        let (site, runtime) = (self.clone(), runtime.clone());
        self.scene.start(role, move || call(&site, &runtime))
    }

    /// A restart, and what is to be said of its outcome.
    pub(crate) fn restart(&self, runtime: &ModelRuntime<P, D>) {
        let restart = self.process.engine().restart_begins();
        match runtime.restart_workers() {
            Ok(_) => {
                self.oracle().reached("a restart was complete");
                self.process.engine().judge_complete(restart);
            }
            Err(RestartError::Incomplete(incomplete)) => {
                self.oracle().reached("a restart was incomplete");
                let (restarted, abandoned, busy) =
                    (incomplete.restarted, incomplete.abandoned, incomplete.busy);
                let seats = runtime.threads().len();
                if abandoned + busy == 0 || restarted + abandoned + busy > seats {
                    self.oracle().report(Property::RestartIsComplete, || {
                        format!("there are {seats} threads at the most, and the counts are {incomplete:?}")
                    });
                }
            }
            Err(_) => self.oracle().reached("a restart found the runtime gone"),
        }
    }

    /// The shutdown.
    pub(crate) fn shut_down(&self, runtime: &ModelRuntime<P, D>) {
        match runtime.shut_down() {
            Ok(ShutDown::TornDown) => self.oracle().reached("a shutdown tore the engine down"),
            Ok(ShutDown::TeardownSkipped { .. }) => {
                self.oracle().reached("a shutdown skipped the teardown");
            }
            Err(_) => self.oracle().reached("a shutdown found the runtime gone"),
        }
    }

    /// The shutdown behind a race that is about something else: everything comes back, and no deadline passes.
    pub(crate) fn clear_up(&self, runtime: &ModelRuntime<P, D>) {
        self.process.engine().let_go();
        self.scene.patient(Some(Role::Shutdown));
        self.scene.join(self.start(Role::Shutdown, runtime, Self::shut_down));
        self.scene.patient(None);
        self.settle(&[runtime]);
    }

    /// A request to the worker, and what is to be said of its outcome.
    pub(crate) fn dispatch(&self, runtime: &ModelRuntime<P, D>, request: u32) {
        let answered = runtime.dispatch(Some(WORKER), request);
        let begun = self.process.engine().times_begun(request);
        match answered {
            Ok(response) => {
                self.oracle().reached("a request was answered");
                if response != request || begun != 1 {
                    self.wrong_work(|| {
                        format!("request {request} was answered, and was begun {begun} times")
                    });
                }
            }
            Err(rejected) => {
                let is_lost = matches!(rejected.reason, Rejection::Lost | Rejection::Unanswered);
                self.oracle().reached(if is_lost {
                    "a request was lost with its thread"
                } else {
                    "a request was rejected"
                });
                if rejected.request.is_some() && begun > 0 {
                    self.wrong_work(|| {
                        format!(
                            "request {request} was rejected ({}), and was begun {begun} times",
                            rejected.reason
                        )
                    });
                }
            }
        }
    }

    fn wrong_work(&self, what: impl FnOnce() -> String) {
        self.oracle().report(Property::NoWorkForLeavers, what);
    }

    /// Everything that is stuck comes back now.
    pub(crate) fn let_go_at_any_time(&self) -> P::Joiner {
        let process = self.process.clone();
        self.scene.start(Role::World, move || process.engine().let_go())
    }

    /// Every call has returned: lets what is stuck come back, completes the teardown if it was skipped, and holds what is left
    /// against the rules of a late unwind.
    pub(crate) fn settle(&self, runtimes: &[&ModelRuntime<P, D>]) {
        self.process.engine().let_go();
        self.scene.join_spawned();
        let lingering = self.process.lingering();
        if lingering != 0 {
            self.late(|| format!("every thread has exited, and {lingering} are still counted"));
        }
        if self.process.phase() == Phase::TeardownSkipped {
            let completed = self.scene.start(Role::Shutdown, {
                let site = self.clone();
                move || {
                    if let Err(error) = site.process.complete_teardown() {
                        site.late(|| format!("nothing lingers, and {error}"));
                    }
                }
            });
            self.scene.join(completed);
        }
        self.process.engine().judge_end(true);
        for runtime in runtimes {
            for thread in runtime.threads() {
                let state = thread.state();
                if state != State::Done {
                    let name = Role::Php(thread.index());
                    self.late(|| format!("{name} has exited, and its state is {state}"));
                }
            }
        }
        let nothing = self.process.complete_teardown();
        if nothing != Err(TeardownError::NothingSkipped) {
            self.late(|| format!("there is nothing to complete, and the answer is {nothing:?}"));
        }
    }

    fn late(&self, what: impl FnOnce() -> String) {
        self.oracle().report(Property::LateUnwindIsSafe, what);
    }

    /// Waits until nothing moves any more: so many are in the list and serve, and nobody is quarantined, if everybody has come
    /// back. If that never comes, the capacity does not add up.
    pub(crate) fn comes_to_rest(&self, runtime: &ModelRuntime<P, D>, threads: u32, all_back: bool) {
        let judge = self.start(Role::Judge, runtime, move |site, runtime| {
            site.process.wait_roster(|roster| {
                let adds_up = roster.count(Pool::Worker(0)) == threads;
                (adds_up && !(all_back && roster.quarantined() > 0)).then_some(())
            });
            site.list_is_what_lives(runtime);
        });
        self.scene.join(judge);
    }

    /// Every restart has returned: whoever was given up on has left the list.
    pub(crate) fn given_up_are_not_listed(&self, runtime: &ModelRuntime<P, D>) {
        for member in runtime.members() {
            if self.scene.state_of(member.life.thread) == State::Abandoned {
                let name = Role::Php(member.life.thread);
                let what =
                    || format!("{name} was given up on by a restart that has returned, and is in the list");
                self.oracle().report(Property::CapacityAddsUp, what);
            }
        }
    }

    /// Waits until everybody who is in the list serves. If that never comes, the list is not what lives.
    pub(crate) fn lists_settle(&self, runtime: &ModelRuntime<P, D>) {
        self.scene.join(self.start(Role::Judge, runtime, Self::list_is_what_lives));
    }

    fn list_is_what_lives(&self, runtime: &ModelRuntime<P, D>) {
        let begun = self.scene.mark();
        let members = runtime.members();
        let mark = self.scene.mark();
        for member in members {
            self.scene.forgets(mark, || ("looks at", member));
            let thread = &runtime.threads()[member.life.thread];
            if thread.wait_for(States::STABLE.with(State::Done)) == State::Done {
                // It is on its way out, and leaves the list by itself.
                self.process.wait_roster(|roster| (!roster.members().contains(&member)).then_some(()));
            }
        }
        self.scene.forgets(begun, || "all are there");
    }

    pub(crate) fn oracle(&self) -> &Oracle {
        self.scene.oracle()
    }
}
