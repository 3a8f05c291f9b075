//! Writing down which task ran at each choice, and making the same choices again.

use std::sync::{Arc, Mutex, PoisonError};

use crate::oracle::Oracle;
use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};

/// The choices of the latest execution.
#[derive(Clone, Debug, Default)]
pub(super) struct Choices(Arc<Mutex<Vec<usize>>>);

impl Choices {
    pub(super) fn take(&self) -> Vec<usize> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn push(&self, task: TaskId) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(task.into());
    }
}

/// A scheduler that writes down what another one chooses.
#[derive(Debug)]
pub(super) struct Recorder<S> {
    pub(super) scheduler: S,
    pub(super) choices: Choices,
    /// Ends the search when an execution has failed.
    pub(super) oracle: Arc<Oracle>,
}

impl<S: Scheduler> Scheduler for Recorder<S> {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.oracle.is_violated() {
            return None;
        }
        self.choices.take();
        self.scheduler.new_execution()
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, yielding: bool) -> Option<TaskId> {
        let task = self.scheduler.next_task(runnable, current, yielding)?;
        self.choices.push(task);
        Some(task)
    }

    fn next_u64(&mut self) -> u64 {
        self.scheduler.next_u64()
    }
}

/// Makes given choices, once. Ends the execution where one cannot be made: the schedule is of another program.
#[derive(Debug)]
pub(super) struct Replay {
    choices: std::vec::IntoIter<usize>,
    started: bool,
}

impl Replay {
    pub(super) fn new(choices: Vec<usize>) -> Self {
        Self { choices: choices.into_iter(), started: false }
    }
}

impl Scheduler for Replay {
    fn new_execution(&mut self) -> Option<Schedule> {
        let first = !std::mem::replace(&mut self.started, true);
        first.then(|| Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], _current: Option<TaskId>, _yielding: bool) -> Option<TaskId> {
        let wanted = self.choices.next()?;
        runnable.iter().map(|task| task.id()).find(|&id| usize::from(id) == wanted)
    }

    fn next_u64(&mut self) -> u64 {
        0
    }
}
