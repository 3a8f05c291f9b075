//! The explorer's own runtime: every thread of an execution is a coroutine.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::{self, NonNull};

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::course::Course;
use super::current::{Body, Entered, Suspend};
use super::execution::{Execution, NOBODY, Phase};
use super::program::Program;
use super::view::{MOST_THREADS, Strategy, Thread};
use crate::search::quiet;

/// A scenario on coroutines: the closure is the main thread of an execution. Any number of OS threads can run it at once,
/// each for its own strategy.
#[derive(Clone, Debug)]
pub struct Coroutines<F> {
    scenario: F,
}

impl<F: Fn() + Sync> Coroutines<F> {
    /// A program that executes `scenario`.
    pub fn new(scenario: F) -> Self {
        Self { scenario }
    }
}

impl<F: Fn() + Sync> Program for Coroutines<F> {
    /// # Panics
    /// Where it is called inside an execution; if the strategy panics; and for mistakes of the scenario that make the search
    /// worthless, such as an impure wait.
    fn run<S: Strategy>(&self, strategy: &mut S) {
        quiet::install();
        let runtime = Runtime::new();
        while strategy.begin() {
            runtime.execute(&self.scenario, strategy);
        }
    }
}

/// Plenty for a scenario; pages that are never used cost nothing.
const STACK_BYTES: usize = 256 * 1024;

struct Runtime {
    execution: Execution,
    threads: Box<[Resting]>,
    free_stacks: RefCell<Vec<DefaultStack>>,
}

#[derive(Default)]
struct Resting {
    coroutine: RefCell<Option<Coroutine<(), (), ()>>>,
    yielder: Cell<Option<NonNull<Yielder<(), ()>>>>,
}

impl Runtime {
    fn new() -> Self {
        Self {
            execution: Execution::new(),
            threads: (0..MOST_THREADS).map(|_| Resting::default()).collect(),
            free_stacks: RefCell::default(),
        }
    }

    fn execute<S: Strategy>(&self, scenario: &(impl Fn() + Sync), strategy: &mut S) {
        // SAFETY: the execution is part of this runtime, which is borrowed for longer.
        let entered = unsafe { Entered::new(&self.execution) };
        self.execution.begin();
        self.execution.runtime.set(Some(erased(self)));
        // Declared after, dropped before: what is left is unwound while the execution is still the current one.
        let left = Leftovers(self);
        let main = self.execution.create_thread();
        let scenario: &dyn Fn() = scenario;
        // SAFETY: the lifetime alone is changed. The scenario is borrowed for as long as this call takes, at the end of which
        // `Leftovers` has seen to it that no coroutine is left.
        let scenario = unsafe { std::mem::transmute::<&dyn Fn(), &'static dyn Fn()>(scenario) };
        self.start_body(main, move || {
            scenario();
            Box::new(())
        });
        let course = Course::default();
        while let Some(thread) = course.next(&self.execution, strategy) {
            self.resume(thread);
        }
        drop(left);
        drop(entered);
    }

    fn start_body(&self, thread: Thread, body: impl FnOnce() -> Box<dyn Any + Send> + 'static) {
        let stack = self.free_stacks.borrow_mut().pop();
        let stack = stack.unwrap_or_else(|| DefaultStack::new(STACK_BYTES).expect("memory for a stack"));
        let runtime = ptr::from_ref(self);
        let coroutine = Coroutine::with_stack(stack, move |yielder: &Yielder<(), ()>, ()| {
            // SAFETY: the runtime outlives its coroutines, see `Leftovers`.
            let runtime = unsafe { &*runtime };
            runtime.threads[thread].yielder.set(Some(yielder.into()));
            let outcome = catch_unwind(AssertUnwindSafe(body));
            runtime.execution.finish(thread, outcome);
        });
        *self.threads[thread].coroutine.borrow_mut() = Some(coroutine);
        self.resume(thread);
    }

    /// Runs a thread to its next announcement, or to its end.
    fn resume(&self, thread: Thread) {
        let before = self.execution.running.replace(thread);
        let mut place = self.threads[thread].coroutine.borrow_mut();
        let result = place.as_mut().expect("the thread has not finished").resume(());
        self.execution.running.set(before);
        if matches!(result, CoroutineResult::Return(())) {
            let coroutine = place.take().expect("it has just run");
            self.free_stacks.borrow_mut().push(coroutine.into_stack());
        }
    }

    /// Ends what has not finished: the youngest first, because older threads may wait for them.
    #[cold]
    fn unwind_leftovers(&self) {
        self.execution.running.set(NOBODY);
        self.execution.phase.set(Phase::Unwinding);
        for thread in (0..self.execution.created.get()).rev() {
            if self.threads[thread].coroutine.borrow().is_some() {
                self.resume(thread);
            }
            if let Some(mut stuck) = self.threads[thread].coroutine.borrow_mut().take() {
                // SAFETY: nobody refers to what lies on its stack any more, except other threads that are stuck too and never
                // go on. What it owns is leaked: one of its destructors waits for what will never come.
                unsafe { stuck.force_reset() };
                self.free_stacks.borrow_mut().push(stuck.into_stack());
            }
        }
        self.execution.fatal.take();
    }
}

fn erased(runtime: &Runtime) -> NonNull<dyn Suspend> {
    NonNull::from(runtime)
}

impl Suspend for Runtime {
    fn suspend(&self, thread: Thread) {
        let yielder = self.threads[thread].yielder.get().expect("the thread has started");
        // SAFETY: the yielder lies on the thread's own stack, which is the one that this runs on.
        unsafe { yielder.as_ref() }.suspend(());
    }

    fn start(&self, thread: Thread, body: Body) {
        self.start_body(thread, body);
    }
}

/// Sees to it that no coroutine is left, also when the strategy panics.
struct Leftovers<'a>(&'a Runtime);

impl Drop for Leftovers<'_> {
    fn drop(&mut self) {
        if !self.0.execution.unfinished.get().is_empty() {
            self.0.unwind_leftovers();
        }
    }
}
