//! Threads of an execution: starting them, and waiting for them.

use std::any::Any;
use std::marker::PhantomData;

use super::current::{current, current_of};
use super::view::Thread;

/// A thread that was started.
#[derive(Debug)]
pub struct Joiner<R> {
    execution: u64,
    thread: Thread,
    result: PhantomData<fn() -> R>,
}

/// Starts a thread. That is no step of the search: the thread runs to its first operation at once.
///
/// # Panics
/// Outside of an execution, and if an execution has more than [`MOST_THREADS`](super::view::MOST_THREADS).
pub fn spawn<R: Send + 'static>(body: impl FnOnce() -> R + Send + 'static) -> Joiner<R> {
    let current = current();
    let thread = current.create_thread();
    let runtime = current.runtime.get().expect("a runtime executes");
    // SAFETY: the runtime outlives the threads that it runs, of which this is one.
    unsafe { runtime.as_ref() }.start(thread, Box::new(|| Box::new(body())));
    Joiner { execution: current.number.get(), thread, result: PhantomData }
}

/// The number of the thread that calls this.
///
/// # Panics
/// Outside of an execution.
pub fn thread() -> Thread {
    current().running.get()
}

impl<R: 'static> Joiner<R> {
    /// Waits for the thread. That is no step of the search.
    ///
    /// # Errors
    /// The message of the panic that the thread ended with.
    ///
    /// # Panics
    /// Outside of the execution that the thread is of.
    pub fn join(self) -> Result<R, String> {
        let result: Box<dyn Any + Send> = current_of(self.execution).join(self.thread)?;
        Ok(*result.downcast().expect("the thread's result is of its type"))
    }

    /// The number of the thread.
    pub fn thread(&self) -> Thread {
        self.thread
    }
}
