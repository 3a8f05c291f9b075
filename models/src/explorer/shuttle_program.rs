//! shuttle's runtime under the explorer's strategies: a second opinion on the explorer's own runtime.
//!
//! The threads are shuttle's tasks, and are suspended by shuttle's yield. What they announce goes into the same tables, and
//! shuttle's public `Scheduler` asks for the next thread where the explorer's own loop would.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::{self, NonNull};

use shuttle::scheduler::{Schedule, Scheduler, Task, TaskId};
use shuttle::{Config, FailurePersistence, Runner};

use super::course::{Course, Steer};
use super::current::{Body, Entered, Suspend};
use super::execution::{Execution, NOBODY, Phase};
use super::program::Program;
use super::view::{Strategy, Thread};
use crate::search::quiet;

/// A scenario on shuttle's tasks: the closure is the main thread of an execution.
#[derive(Clone, Debug)]
pub struct ShuttleProgram<F> {
    scenario: F,
}

impl<F: Fn() + Sync> ShuttleProgram<F> {
    /// A program that executes `scenario`.
    pub fn new(scenario: F) -> Self {
        Self { scenario }
    }
}

impl<F: Fn() + Sync> Program for ShuttleProgram<F> {
    /// # Panics
    /// As [`Coroutines`](super::Coroutines) does, and where shuttle does.
    fn run<S: Strategy>(&self, strategy: &mut S) {
        quiet::install();
        let steer: &mut dyn Steer = strategy;
        let scenario: &dyn Fn() = &self.scenario;
        // SAFETY: the lifetimes alone are changed. Both are borrowed for as long as this call takes. shuttle has dropped the
        // scheduler and all tasks when its runner returns.
        let (steer, scenario) = unsafe {
            (
                std::mem::transmute::<*mut (dyn Steer + '_), *mut (dyn Steer + 'static)>(steer),
                std::mem::transmute::<&dyn Fn(), &'static dyn Fn()>(scenario),
            )
        };
        let runtime = Runtime::new(steer);
        // SAFETY: the execution is part of this runtime, which lives for longer.
        let entered = unsafe { Entered::new(&runtime.execution) };
        let here = Here(ptr::from_ref(&runtime));
        let main = Main { runtime: here, scenario };
        let searched = catch_unwind(AssertUnwindSafe(|| Runner::new(here, config()).run(move || main.run())));
        drop(entered);
        if let Some(panic) = runtime.panic.take().or(searched.err()) {
            resume_unwind(panic);
        }
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.failure_persistence = FailurePersistence::None;
    config.silence_warnings = true;
    config
}

struct Runtime {
    execution: Execution,
    course: RefCell<Course>,
    /// The threads between two announcements, the one that runs last: each of the others has just started the next one.
    active: RefCell<Vec<Thread>>,
    /// The next thread to be unwound, when the execution is over.
    left: Cell<Thread>,
    steer: *mut dyn Steer,
    /// Ends the search.
    panic: Cell<Option<Box<dyn Any + Send>>>,
    has_panicked: Cell<bool>,
}

impl Runtime {
    fn new(steer: *mut dyn Steer) -> Self {
        Self {
            execution: Execution::new(),
            course: RefCell::default(),
            active: RefCell::default(),
            left: Cell::new(0),
            steer,
            panic: Cell::new(None),
            has_panicked: Cell::new(false),
        }
    }

    fn begin(&self) -> bool {
        // SAFETY: nobody else uses the strategy: shuttle asks its scheduler one thing at a time.
        let begins = unsafe { &mut *self.steer }.begin();
        if begins {
            self.execution.begin();
            self.execution.runtime.set(Some(erased(self)));
            self.course.take();
            let main = self.execution.create_thread();
            *self.active.borrow_mut() = vec![main];
        }
        begins
    }

    /// The thread that is to run now; `None` if all have finished or are stuck.
    fn next(&self) -> Option<Thread> {
        if let Some(active) = self.active.borrow().last() {
            return Some(*active);
        }
        self.execution.running.set(NOBODY);
        let next = match self.execution.phase.get() {
            // SAFETY: as in `begin`.
            Phase::Stepping => self.course.borrow().next(&self.execution, unsafe { &mut *self.steer }),
            Phase::Unwinding => None,
        };
        next.inspect(|thread| self.active.borrow_mut().push(*thread)).or_else(|| self.next_to_unwind())
    }

    /// What has not finished, the youngest first, each once.
    fn next_to_unwind(&self) -> Option<Thread> {
        if self.execution.phase.replace(Phase::Unwinding) == Phase::Stepping {
            self.left.set(self.execution.created.get());
        }
        let unfinished = self.execution.unfinished.get();
        let next = (0..self.left.get()).rev().find(|thread| unfinished.contains(*thread));
        self.left.set(next.unwrap_or(0));
        self.active.borrow_mut().extend(next);
        next
    }

    fn run_body(&self, thread: Thread, body: impl FnOnce() -> Box<dyn Any + Send>) {
        let outcome = catch_unwind(AssertUnwindSafe(body));
        self.execution.finish(thread, outcome);
        self.active.borrow_mut().pop();
    }
}

fn erased(runtime: &Runtime) -> NonNull<dyn Suspend> {
    NonNull::from(runtime)
}

impl Suspend for Runtime {
    fn suspend(&self, thread: Thread) {
        self.active.borrow_mut().pop();
        shuttle::thread::yield_now();
        assert_eq!(self.execution.running.get(), thread, "shuttle runs the thread that was chosen");
    }

    fn start(&self, thread: Thread, body: Body) {
        let parent = self.execution.running.get();
        self.active.borrow_mut().push(thread);
        let task = Started { runtime: Here(self), thread, body };
        shuttle::thread::spawn(move || task.run());
        // It runs to its first announcement, and takes itself off then.
        while self.active.borrow().last() != Some(&parent) {
            shuttle::thread::yield_now();
        }
    }
}

/// The runtime, for shuttle to hold.
#[derive(Clone, Copy)]
struct Here(*const Runtime);

// SAFETY: shuttle runs its scheduler and its tasks on the OS thread that runs the runner, where the runtime is.
unsafe impl Send for Here {}
// SAFETY: as above.
unsafe impl Sync for Here {}

impl Here {
    fn runtime(&self) -> &Runtime {
        // SAFETY: the runtime outlives shuttle's runner, which holds this.
        unsafe { &*self.0 }
    }
}

struct Main {
    runtime: Here,
    scenario: &'static dyn Fn(),
}

// SAFETY: as for `Here`; what the scenario refers to is shared between OS threads anyway.
unsafe impl Send for Main {}
// SAFETY: as above.
unsafe impl Sync for Main {}

impl Main {
    fn run(&self) {
        let runtime = self.runtime.runtime();
        runtime.run_body(0, || {
            (self.scenario)();
            Box::new(())
        });
        // shuttle ends an execution with its main task, so that one stays until the others have finished.
        shuttle::thread::yield_now();
    }
}

struct Started {
    runtime: Here,
    thread: Thread,
    body: Body,
}

// SAFETY: as for `Here`; the body came from a closure that may be sent.
unsafe impl Send for Started {}

impl Started {
    fn run(self) {
        self.runtime.runtime().run_body(self.thread, self.body);
    }
}

impl Scheduler for Here {
    fn new_execution(&mut self) -> Option<Schedule> {
        let runtime = self.runtime();
        let begins = !runtime.has_panicked.get() && runtime.begin();
        begins.then(|| Schedule::new(0))
    }

    fn next_task(&mut self, runnable: &[&Task], current: Option<TaskId>, _yielding: bool) -> Option<TaskId> {
        let runtime = self.runtime();
        // A panic of the strategy's must not become one of the task that happens to be running.
        let next = catch_unwind(AssertUnwindSafe(|| runtime.next()));
        let next = next.unwrap_or_else(|panic| {
            runtime.panic.set(Some(panic));
            runtime.has_panicked.set(true);
            runtime.next_to_unwind()
        });
        // When nobody is left to run, the main task ends the execution.
        let thread = next.unwrap_or(0);
        let task = runnable.iter().map(|task| task.id()).find(|task| usize::from(*task) == thread);
        // shuttle may ask while the task of a thread is still being created.
        let task = task.or(current.filter(|_| next.is_some()))?;
        runtime.execution.running.set(next.map_or(NOBODY, |_| usize::from(task)));
        Some(task)
    }

    fn next_u64(&mut self) -> u64 {
        // No scenario asks for random data.
        0
    }
}
