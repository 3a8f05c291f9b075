//! Which execution the code that runs belongs to, and what its runtime must be able to do.

use std::any::Any;
use std::cell::Cell;
use std::hash::Hash;
use std::ops::Deref;
use std::ptr::{self, NonNull};

use super::execution::{Execution, NOBODY};
use super::keys;
use super::view::Thread;

thread_local! {
    static CURRENT: Cell<*const Execution> = const { Cell::new(ptr::null()) };
}

/// The body of a thread.
pub(super) type Body = Box<dyn FnOnce() -> Box<dyn Any + Send>>;

/// What tells one runtime from another.
pub(super) trait Suspend {
    /// Lets the thread that runs rest until it is chosen.
    fn suspend(&self, thread: Thread);

    /// Starts a thread, which runs to its first announcement at once.
    fn start(&self, thread: Thread, body: Body);
}

/// The execution that the code that runs belongs to.
#[derive(Clone, Copy)]
pub(super) struct Current(NonNull<Execution>);

impl Deref for Current {
    type Target = Execution;

    fn deref(&self) -> &Execution {
        // SAFETY: an execution outlives the threads that it runs, and only those ask for it; none keeps it for longer, because
        // this is never put anywhere but into a local variable.
        unsafe { self.0.as_ref() }
    }
}

/// The execution that this thread belongs to.
///
/// # Panics
/// Outside of one.
pub(super) fn current() -> Current {
    let current = NonNull::new(CURRENT.get().cast_mut());
    Current(current.expect("only a thread of an execution can do this: run the scenario under the explorer"))
}

/// The same, for an object of the execution with this number.
///
/// # Panics
/// If the object belongs to another one.
pub(super) fn current_of(number: u64) -> Current {
    let current = current();
    assert!(current.number.get() == number, "an object of another execution is used");
    current
}

/// Whether a thread of an execution runs here now.
pub(crate) fn is_thread() -> bool {
    // SAFETY: see `Entered`: the pointer is there as long as the execution is.
    unsafe { CURRENT.get().as_ref() }.is_some_and(|execution| execution.running.get() != NOBODY)
}

/// An execution that is the current one of its OS thread, as long as this lives.
pub(super) struct Entered(());

impl Entered {
    /// Makes it the current one.
    ///
    /// # Panics
    /// If there is one already.
    ///
    /// # Safety
    /// The execution must outlive what is answered, and stay where it is.
    pub(super) unsafe fn new(execution: &Execution) -> Self {
        assert!(CURRENT.get().is_null(), "an execution is searched inside another one");
        CURRENT.set(execution);
        Self(())
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(ptr::null());
    }
}

/// Says that all that the calling thread does from here on depends on `residue`, on what it was given when it was spawned and on the
/// answers that it is yet to get, and not on those that it has got: a search that remembers states takes two such states for one.
/// `progress` is a number for this place, greater than that of any place before it and than the number of steps up to here.
///
/// A wrong claim hides states. `models/tests/runtimes.rs` holds the searches that rest on one against a search that forgets nothing.
///
/// # Panics
/// Outside of an execution, and if the thread has made more steps than that.
pub fn forget(progress: u16, residue: u64) {
    current().forget(progress, residue);
}

/// All that the calling thread has learned up to here, for [`forget_since`].
///
/// # Panics
/// Outside of an execution.
pub fn mark() -> u128 {
    current().mark()
}

/// As [`forget`], but what the thread had learned at `mark` counts as well. Which place this is must be part of `residue`. With 0 for
/// a mark it is a function of `residue` alone, and not even of what the thread was given when it was spawned. How many threads and
/// objects it has created is remembered all the same, because what it creates next is named after that.
///
/// # Panics
/// Outside of an execution.
pub fn forget_since<R: Hash>(mark: u128, residue: &R) {
    current().forget_since(mark, keys::of(residue));
}

/// Says that the calling thread does nothing any more, and that what others do depends on `residue` alone of all that it has learned.
/// What it has given to threads that it spawned is theirs.
///
/// # Panics
/// Outside of an execution.
pub fn leave(residue: u64) {
    current().leave(residue);
}
