//! The course of an execution: which thread runs next. The same for every runtime.

use std::cell::Cell;

use super::execution::Execution;
use super::look::Look;
use super::view::{Strategy, Thread, Threads, View};

/// A strategy with its type erased.
pub(super) trait Steer {
    /// See [`Strategy::begin`].
    fn begin(&mut self) -> bool;
    /// See [`Strategy::known`].
    fn known(&mut self) -> Option<Thread>;
    /// See [`Strategy::choose`].
    fn choose(&mut self, look: &Look<'_>) -> Option<Thread>;
    /// See [`Strategy::end`].
    fn end(&mut self, look: &Look<'_>);
}

impl<S: Strategy> Steer for S {
    fn begin(&mut self) -> bool {
        Strategy::begin(self)
    }

    fn known(&mut self) -> Option<Thread> {
        Strategy::known(self)
    }

    fn choose(&mut self, look: &Look<'_>) -> Option<Thread> {
        Strategy::choose(self, look)
    }

    fn end(&mut self, look: &Look<'_>) {
        Strategy::end(self, look);
    }
}

/// A drained execution that takes so many steps more is in a loop.
const MOST_DRAINED_STEPS: u32 = 10_000;

/// How far an execution is.
#[derive(Debug, Default)]
pub(super) struct Course {
    /// How many steps were made since the strategy cut the execution off.
    drained: Cell<Option<u32>>,
}

impl Course {
    /// The thread that is to run next, up to its next announcement; `None` if the execution is over. Threads may be left then
    /// that have not finished.
    ///
    /// # Panics
    /// If the strategy chooses a thread that is not enabled, and for impure waits.
    pub(super) fn next(&self, execution: &Execution, strategy: &mut (impl Steer + ?Sized)) -> Option<Thread> {
        let local = execution.local.get();
        if let Some(thread) = local.first() {
            // What it was joining has finished: it goes on in the same step.
            execution.local.set(local.without(Threads::only(thread)));
            return Some(thread);
        }
        if self.drained.get().is_none()
            && let Some(thread) = strategy.known()
        {
            return Some(thread);
        }
        let look = Look::at(execution);
        if self.drained.get().is_none() {
            if look.enabled().is_empty() {
                strategy.end(&look);
                return None;
            }
            if let Some(thread) = strategy.choose(&look) {
                assert!(look.enabled().contains(thread), "thread {thread} was chosen, and is not enabled");
                return Some(thread);
            }
        }
        self.drain(&look)
    }

    /// Runs an execution that was cut off to its end, because that takes less time than unwinding it.
    fn drain(&self, look: &Look<'_>) -> Option<Thread> {
        let steps = self.drained.get().unwrap_or(0);
        self.drained.set(Some(steps + 1));
        if steps == MOST_DRAINED_STEPS {
            return None;
        }
        // A wait that times out may be asked again and again, for what only others can bring about.
        let first = || look.enabled().first();
        look.enabled().without(look.would_time_out()).first().or_else(first)
    }
}
