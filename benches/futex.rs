//! A mutex and a condition variable on Linux's futexes, without the standard library between: what the monitor could be made
//! of instead. Kept for the comparison alone.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::ops::{Deref, DerefMut};
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::time::{Duration, Instant};

use forcekill::platform::monitor::Condition;

const FREE: u32 = 0;
const HELD: u32 = 1;
/// Held, and somebody may sleep until it is free.
const WANTED: u32 = 2;

/// As often as the standard library's mutex looks before it sleeps.
const LOOKS: u32 = 100;

/// See the module.
pub struct FutexCondition<S> {
    lock: AtomicU32,
    changes: AtomicU32,
    state: UnsafeCell<S>,
    origin: Instant,
}

// SAFETY: the state is only touched with the lock held.
unsafe impl<S: Send> Sync for FutexCondition<S> {}

/// Holds the lock.
pub struct Guard<'a, S>(&'a FutexCondition<S>);

impl<S: Send> FutexCondition<S> {
    /// A lock around `state`.
    pub fn new(state: S) -> Self {
        let (lock, changes) = (AtomicU32::new(FREE), AtomicU32::new(0));
        Self { lock, changes, state: UnsafeCell::new(state), origin: Instant::now() }
    }

    #[cold]
    fn lock_wanted(&self) {
        for _ in 0..LOOKS {
            if self.lock.load(Relaxed) == FREE && self.try_lock() {
                return;
            }
            spin_loop();
        }
        // Acquire pairs with the release of the guard's drop.
        while self.lock.swap(WANTED, Acquire) != FREE {
            wait(&self.lock, WANTED, None);
        }
    }

    #[inline]
    fn try_lock(&self) -> bool {
        // Acquire pairs with the release of the guard's drop.
        self.lock.compare_exchange(FREE, HELD, Acquire, Relaxed).is_ok()
    }

    fn sleep<'a>(&'a self, guard: Guard<'a, S>, left: Option<Duration>) -> Guard<'a, S> {
        // Relaxed: the lock orders it with the change that comes next.
        let seen = self.changes.load(Relaxed);
        drop(guard);
        wait(&self.changes, seen, left);
        self.lock()
    }
}

impl<S: Send> Condition<S> for FutexCondition<S> {
    type Guard<'a>
        = Guard<'a, S>
    where
        Self: 'a;

    #[inline]
    fn lock(&self) -> Guard<'_, S> {
        if !self.try_lock() {
            self.lock_wanted();
        }
        Guard(self)
    }

    fn wait<'a>(&'a self, guard: Guard<'a, S>) -> Guard<'a, S> {
        self.sleep(guard, None)
    }

    fn wait_timeout<'a>(&'a self, guard: Guard<'a, S>, left: Duration) -> Guard<'a, S> {
        self.sleep(guard, Some(left))
    }

    #[inline]
    fn notify_all(&self) {
        // Relaxed: whoever sleeps compares the number in the kernel, and has the lock afterwards.
        self.changes.fetch_add(1, Relaxed);
        wake(&self.changes, i32::MAX);
    }

    fn now(&self) -> Duration {
        self.origin.elapsed()
    }
}

impl<S> Deref for Guard<'_, S> {
    type Target = S;

    #[inline]
    fn deref(&self) -> &S {
        // SAFETY: the lock is held.
        unsafe { &*self.0.state.get() }
    }
}

impl<S> DerefMut for Guard<'_, S> {
    #[inline]
    fn deref_mut(&mut self) -> &mut S {
        // SAFETY: the lock is held, and the guard is borrowed alone.
        unsafe { &mut *self.0.state.get() }
    }
}

impl<S> Drop for Guard<'_, S> {
    #[inline]
    fn drop(&mut self) {
        // Release pairs with the acquire of whoever locks next.
        if self.0.lock.swap(FREE, Release) == WANTED {
            wake(&self.0.lock, 1);
        }
    }
}

fn wait(word: &AtomicU32, while_it_is: u32, left: Option<Duration>) {
    let limit = left.map(|left| libc::timespec {
        tv_sec: left.as_secs().try_into().unwrap_or(libc::time_t::MAX),
        tv_nsec: left.subsec_nanos().into(),
    });
    let limit = limit.as_ref().map_or(ptr::null(), ptr::from_ref);
    let operation = libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word and the limit outlive the call. It may return for any reason: callers look again.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, while_it_is, limit) };
}

fn wake(word: &AtomicU32, most: i32) {
    let operation = libc::FUTEX_WAKE | libc::FUTEX_PRIVATE_FLAG;
    // SAFETY: the word's address is only compared.
    unsafe { libc::syscall(libc::SYS_futex, word.as_ptr(), operation, most) };
}
