//! Searching with shuttle: random, probabilistic (PCT) and depth-first with a bound, over the same scenarios.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use shuttle::scheduler::{PctScheduler, Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, Runner};

use super::bounded_dfs::BoundedDfs;
use super::recorder::{Choices, Recorder, Replay};
use super::{Outcome, Steps, quiet};
use crate::oracle::Oracle;
use crate::subject::Play;

/// One way to search with shuttle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// Depth-first, with at most this many preemptions, for at most so many executions.
    DepthFirst {
        /// The preemption bound.
        bound: Option<usize>,
        /// The most executions.
        limit: u64,
    },
    /// A random task at each choice.
    Random {
        /// How many executions.
        executions: usize,
    },
    /// Probabilistic concurrency testing, with a task beside the scenario that does nothing for a while: its change points
    /// are drawn from the longest execution seen, and tiny scenarios end before them.
    Pct {
        /// How many change points.
        depth: usize,
        /// How many executions.
        executions: usize,
        /// How many steps the task beside takes.
        padding: usize,
    },
}

/// The seed of the random strategies: runs are repeatable.
const SEED: u64 = 2365;

impl Strategy {
    /// Searches a scenario. The oracle should be one that goes on: shuttle prints every panic.
    pub fn run(self, play: &Play, oracle: &Arc<Oracle>) -> Outcome {
        let done = Arc::new(AtomicBool::new(false));
        match self {
            Self::DepthFirst { bound, limit } => {
                let scheduler = Limited::new(BoundedDfs::new(bound, Arc::clone(&done)), limit);
                search(scheduler, play, oracle, 0, &done)
            }
            Self::Random { executions } => search(RandomTask::new(executions), play, oracle, 0, &done),
            Self::Pct { depth, executions, padding } => {
                let scheduler = PctScheduler::new_from_seed(SEED, depth, executions);
                search(scheduler, play, oracle, padding, &done)
            }
        }
    }
}

/// Makes the choices of an earlier execution again.
pub fn replay(play: &Play, (padding, choices): (usize, Vec<usize>), oracle: &Arc<Oracle>) -> Outcome {
    let done = Arc::new(AtomicBool::new(false));
    search(Replay::new(choices), play, oracle, padding, &done)
}

fn search(
    scheduler: impl Scheduler + Send + 'static,
    play: &Play,
    oracle: &Arc<Oracle>,
    padding: usize,
    done: &AtomicBool,
) -> Outcome {
    let choices = Choices::default();
    let recorder = Recorder { scheduler, choices: choices.clone(), oracle: Arc::clone(oracle) };
    let (play, observer) = (Arc::clone(play), Arc::clone(oracle));
    let execution = move || {
        observer.begin_execution();
        let beside = (padding > 0).then(|| shuttle::thread::spawn(move || idle(padding)));
        play(&observer);
        if let Some(beside) = beside {
            beside.join().expect("idling does not panic");
        }
        if observer.is_violated() {
            // Something broke where a panic would have been caught.
            std::panic::resume_unwind(Box::new("reported".to_string()));
        }
    };
    let scheduler = Surviving(Arc::new(Mutex::new(recorder)));
    let searched = loop {
        let (scheduler, execution) = (scheduler.clone(), execution.clone());
        let searched = quiet::catch(|| Runner::new(scheduler, config()).run(execution));
        if !searched.as_ref().is_err_and(|panic| panic.starts_with("deadlock")) {
            break searched.map(drop);
        }
        oracle.deadlocked();
        if oracle.is_violated() {
            break Err("a deadlock".to_string());
        }
        // Nobody asked about deadlocks: on with the next execution.
    };
    match searched {
        Ok(_) if !oracle.is_violated() => {}
        panicked => {
            let violation = oracle.violation(&panicked.err().unwrap_or_default());
            return Outcome::Failed { violation, steps: Steps::Shuttle { padding, choices: choices.take() } };
        }
    }
    if done.load(Relaxed) { Outcome::Complete } else { Outcome::Incomplete }
}

/// A scheduler that outlives the run that a deadlock has ended.
#[derive(Debug)]
struct Surviving<S>(Arc<Mutex<S>>);

impl<S> Clone for Surviving<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: Scheduler> Surviving<S> {
    fn scheduler(&self) -> MutexGuard<'_, S> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Scheduler> Scheduler for Surviving<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.scheduler().new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yielding: bool) -> Option<TaskId> {
        self.scheduler().next_task(runnable, current, yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.scheduler().next_u64()
    }
}

fn idle(steps: usize) {
    for _ in 0..steps {
        shuttle::thread::yield_now();
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    config
}

/// Ends a search after so many executions.
#[derive(Debug)]
struct Limited<S> {
    scheduler: S,
    left: u64,
}

impl<S> Limited<S> {
    fn new(scheduler: S, limit: u64) -> Self {
        Self { scheduler, left: limit }
    }
}

impl<S: Scheduler> Scheduler for Limited<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.left = self.left.checked_sub(1)?;
        self.scheduler.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yielding: bool) -> Option<TaskId> {
        self.scheduler.next_task(runnable, current, yielding)
    }

    fn next_u64(&mut self) -> u64 {
        self.scheduler.next_u64()
    }
}

/// A random task at each choice. shuttle's own prints a seed of its own when a search ends early.
#[derive(Debug)]
struct RandomTask {
    random: fastrand::Rng,
    left: usize,
}

impl RandomTask {
    fn new(executions: usize) -> Self {
        Self { random: fastrand::Rng::with_seed(SEED), left: executions }
    }
}

impl Scheduler for RandomTask {
    fn new_execution(&mut self) -> Option<Schedule> {
        self.left = self.left.checked_sub(1)?;
        Some(Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], _current: Option<TaskId>, _yielding: bool) -> Option<TaskId> {
        self.random.choice(runnable).map(|task| task.id())
    }

    fn next_u64(&mut self) -> u64 {
        self.random.u64(..)
    }
}
