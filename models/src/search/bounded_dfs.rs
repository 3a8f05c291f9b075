//! Depth-first search over shuttle's choices, with a bound on preemptions: a switch away from a task that could go on costs
//! one, any other is free. shuttle's own depth-first search has no bound.

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// The search. Says through `done` that it visited everything.
#[derive(Debug)]
pub(super) struct BoundedDfs {
    bound: Option<usize>,
    path: Vec<Choice>,
    depth: usize,
    preemptions: usize,
    started: bool,
    done: Arc<AtomicBool>,
}

#[derive(Debug)]
struct Choice {
    options: Vec<TaskId>,
    taken: usize,
}

impl BoundedDfs {
    pub(super) fn new(bound: Option<usize>, done: Arc<AtomicBool>) -> Self {
        Self { bound, path: Vec::new(), depth: 0, preemptions: 0, started: false, done }
    }

    /// Moves to the next path in depth-first order; `false` if there is none.
    fn advance(&mut self) -> bool {
        while let Some(last) = self.path.last_mut() {
            last.taken += 1;
            if last.taken < last.options.len() {
                return true;
            }
            self.path.pop();
        }
        false
    }

    /// The tasks that may run next, the current one first.
    fn options(&self, runnable: &[&Task], current: Option<TaskId>) -> Vec<TaskId> {
        let mut options: Vec<_> = runnable.iter().map(|task| task.id()).collect();
        options.sort_by_key(|&id| (Some(id) != current, usize::from(id)));
        let could_go_on = options.first().copied() == current;
        if could_go_on && self.bound.is_some_and(|bound| self.preemptions >= bound) {
            options.truncate(1);
        }
        options
    }
}

impl Scheduler for BoundedDfs {
    fn new_execution(&mut self) -> Option<Schedule> {
        if self.started && !self.advance() {
            self.done.store(true, Relaxed);
            return None;
        }
        self.started = true;
        (self.depth, self.preemptions) = (0, 0);
        Some(Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, _yielding: bool) -> Option<TaskId> {
        if self.depth == self.path.len() {
            let options = self.options(runnable, current);
            self.path.push(Choice { options, taken: 0 });
        }
        let choice = &self.path[self.depth];
        let task = choice.options[choice.taken];
        let preempted = current.is_some_and(|current| task != current && choice.options.contains(&current));
        self.preemptions += usize::from(preempted);
        self.depth += 1;
        Some(task)
    }

    fn next_u64(&mut self) -> u64 {
        // No scenario asks for random data: its choices are variants.
        0
    }
}
