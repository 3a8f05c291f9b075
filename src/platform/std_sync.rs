//! Lock, flag and what a monitor is made of on the real platform, on the standard library's primitives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::monitor::{Condition, CondvarMonitor, Watched};
use super::{Flag, Lock};

impl Flag for AtomicBool {
    #[inline]
    fn load(&self, order: Ordering) -> bool {
        AtomicBool::load(self, order)
    }

    #[inline]
    fn store(&self, value: bool, order: Ordering) {
        AtomicBool::store(self, value, order);
    }

    #[inline]
    fn swap(&self, value: bool, order: Ordering) -> bool {
        AtomicBool::swap(self, value, order)
    }
}

/// [`Lock`] as a `std::sync::RwLock`. Poison is ignored: the library's sections leave the value whole at every
/// step, and a slot that refused to be cleared after a panic would be a use after free in the making.
#[derive(Debug, Default)]
pub struct StdLock<T>(RwLock<T>);

impl<T> StdLock<T> {
    pub(super) fn new(value: T) -> Self {
        Self(RwLock::new(value))
    }
}

impl<T: Send + Sync> Lock<T> for StdLock<T> {
    #[inline]
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        section(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    #[inline]
    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        section(&mut self.0.write().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The standard library's mutex, condition variable and clock. Poison is ignored, as for [`StdLock`].
#[derive(Debug)]
pub struct StdCondition<S> {
    state: Mutex<S>,
    changed: Condvar,
    origin: Instant,
}

/// The monitor of the real platform.
pub type StdMonitor<T> = CondvarMonitor<T, StdCondition<Watched<T>>>;

impl<S> StdCondition<S> {
    /// A mutex around `state`, with a clock that counts from `origin`.
    pub fn new(state: S, origin: Instant) -> Self {
        Self { state: Mutex::new(state), changed: Condvar::new(), origin }
    }
}

impl<S: Send> Condition<S> for StdCondition<S> {
    type Guard<'a>
        = MutexGuard<'a, S>
    where
        Self: 'a;

    #[inline]
    fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn wait<'a>(&'a self, guard: MutexGuard<'a, S>) -> MutexGuard<'a, S> {
        self.changed.wait(guard).unwrap_or_else(PoisonError::into_inner)
    }

    #[inline]
    fn wait_timeout<'a>(&'a self, guard: MutexGuard<'a, S>, left: Duration) -> MutexGuard<'a, S> {
        self.changed.wait_timeout(guard, left).unwrap_or_else(PoisonError::into_inner).0
    }

    #[inline]
    fn notify_all(&self) {
        self.changed.notify_all();
    }

    #[inline]
    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}
