//! The lingering count: how many OS threads are registered, or about to register, with the engine.
//!
//! A thread is counted from before its spawn to after its last touch of anything shared, whatever way it takes out: a
//! return, a panic, a spawn that failed. So zero means that the engine may be torn down, and it cannot be zero between
//! a thread and the successor that it spawns.
//!
//! Upstream: the `lingeringThreads` wait group, raised inside the new thread and lowered at the `exit` label of
//! `php_thread`.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::platform::{Monitor, Platform};

/// The count. Clones are the same count.
pub struct Lingering<P: Platform> {
    count: Arc<P::Monitor<usize>>,
}

/// One thread's place in the count; dropping it, on whatever path, counts the thread out. To be kept by the thread until
/// after its last touch of anything shared.
#[must_use = "dropping it counts the thread out"]
pub struct Registration<P: Platform> {
    count: Arc<P::Monitor<usize>>,
}

impl<P: Platform> Lingering<P> {
    /// A count of zero.
    pub fn new(platform: &P) -> Self {
        Self { count: Arc::new(platform.monitor(0)) }
    }

    /// Counts a thread in. To be called before its spawn, by whoever spawns it. May be called from any thread.
    pub fn register(&self) -> Registration<P> {
        self.count.with(|count| *count += 1);
        Registration { count: Arc::clone(&self.count) }
    }

    /// How many threads are counted now. May be called from any thread.
    pub fn count(&self) -> usize {
        self.count.with(|count| *count)
    }

    /// Waits until no thread is counted any more.
    ///
    /// # Errors
    /// If `deadline` (in the platform's clock) passed first; the error says how many there still were.
    pub fn wait_none(&self, deadline: Duration) -> Result<(), StillLingering> {
        let none = |count: &mut usize| (*count == 0).then_some(Ok(()));
        self.count.wait_until_or(deadline, none, |count| Err(StillLingering { threads: *count }))
    }
}

impl<P: Platform> Clone for Lingering<P> {
    fn clone(&self) -> Self {
        Self { count: Arc::clone(&self.count) }
    }
}

impl<P: Platform> Drop for Registration<P> {
    fn drop(&mut self) {
        self.count.with(|count| *count -= 1);
    }
}

impl<P: Platform> fmt::Debug for Lingering<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Lingering").field(&self.count()).finish()
    }
}

impl<P: Platform> fmt::Debug for Registration<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Registration")
    }
}

/// Threads were still counted when the deadline passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StillLingering {
    /// How many, when the deadline had passed.
    pub threads: usize,
}

impl fmt::Display for StillLingering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.threads == 1 { "" } else { "s" };
        write!(f, "{} thread{plural} had not exited when the deadline passed", self.threads)
    }
}

impl std::error::Error for StillLingering {}
