//! Proving everything: which searches there are, running them on all cores, and what they come to.

mod bounds;
mod outcome;
mod sum;
mod task;

pub use outcome::{Catch, Cell, Report, Verdict};
pub use sum::{Counterexample, Sum};
pub use task::{Engine, Options, Task, tasks};

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// Runs every task, on as many threads as the machine has cores. `progress` is told of each task that has
/// ended, and how long it took.
pub fn run(tasks: &[Task], progress: impl Fn(&Task, Duration) + Sync) -> Report {
    let results = Mutex::new(Vec::new());
    let wide = tasks.iter().take_while(|task| task.is_wide()).count();
    for (number, task) in tasks[..wide].iter().enumerate() {
        // These share all cores among themselves.
        let started = Instant::now();
        let result = task.run();
        progress(task, started.elapsed());
        results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((Some(number), result));
    }
    let next = AtomicUsize::new(wide);
    let cores = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..cores.min(tasks.len()) {
            scope.spawn(|| {
                while let Some(task) = tasks.get(next.fetch_add(1, Relaxed)) {
                    let started = Instant::now();
                    let result = task.run();
                    progress(task, started.elapsed());
                    let number = tasks.iter().position(|other| std::ptr::eq(other, task));
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((number, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(number, _)| *number);
    Report::of(results.into_iter().map(|(_, result)| result))
}
