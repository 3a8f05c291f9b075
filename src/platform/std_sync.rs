//! Lock, monitor and flag of the real platform, on the standard library's primitives.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use super::{Answer, Flag, Lock, Monitor, MonitorValue};

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

/// [`Monitor`] as a mutex and a condition variable. The number of waiters stands beside the value, because a
/// notification is a system call even when nobody waits, and the end of a run is a hot path.
#[derive(Debug)]
pub struct StdMonitor<T> {
    state: Mutex<Watched<T>>,
    changed: Condvar,
    origin: Instant,
}

#[derive(Debug)]
struct Watched<T> {
    value: T,
    waiters: usize,
}

impl<T> StdMonitor<T> {
    pub(super) fn new(value: T, origin: Instant) -> Self {
        Self { state: Mutex::new(Watched { value, waiters: 0 }), changed: Condvar::new(), origin }
    }

    fn state(&self) -> MutexGuard<'_, Watched<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn notify(&self, state: &Watched<T>) {
        if state.waiters > 0 {
            self.changed.notify_all();
        }
    }
}

impl<T: MonitorValue> Monitor<T> for StdMonitor<T> {
    #[inline]
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        let mut state = self.state();
        let result = change(&mut state.value);
        self.notify(&state);
        result
    }

    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        let mut state = self.state();
        loop {
            if let Some(answer) = ready(&mut state.value) {
                self.notify(&state);
                return answer;
            }
            state.waiters += 1;
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.waiters -= 1;
        }
    }

    fn wait_until_or<R: Answer>(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        let mut state = self.state();
        loop {
            // Asked before the clock is read: an answer that is there when the deadline passes counts.
            if let Some(answer) = ready(&mut state.value) {
                self.notify(&state);
                return answer;
            }
            let left = deadline.saturating_sub(self.origin.elapsed());
            if left.is_zero() {
                let answer = expired(&mut state.value);
                self.notify(&state);
                return answer;
            }
            state.waiters += 1;
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
            state.waiters -= 1;
        }
    }
}
