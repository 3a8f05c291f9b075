//! Locks whose waiting is a futex.

use std::cell::UnsafeCell;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use super::{Blocking, Script};
use crate::sys::checked;

/// A POSIX semaphore at zero. Boxed, because it must not move.
struct Semaphore(Box<UnsafeCell<libc::sem_t>>);

// SAFETY: a semaphore is made to be used by many threads at once, through the C library's calls alone.
unsafe impl Send for Semaphore {}
// SAFETY: as above.
unsafe impl Sync for Semaphore {}

pub(super) fn sem_wait() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: all-zero bytes are a valid value of the opaque type; sem_init makes it a semaphore before any use.
    let semaphore = Semaphore(Box::new(UnsafeCell::new(unsafe { MaybeUninit::zeroed().assume_init() })));
    // SAFETY: the semaphore has its final address.
    checked(unsafe { libc::sem_init(semaphore.0.get(), 0, 0) })?;
    Ok(Arc::new(semaphore))
}

impl Blocking for Semaphore {
    fn block(&self, script: &Script) -> io::Result<i64> {
        // SAFETY: initialised, and alive as long as `self`.
        script.counted(checked(unsafe { libc::sem_wait(self.0.get()) }))
    }

    fn let_go(&self) -> bool {
        // SAFETY: as above.
        unsafe { libc::sem_post(self.0.get()) == 0 }
    }
}

impl Drop for Semaphore {
    fn drop(&mut self) {
        // SAFETY: nobody waits on it: a waiter holds the value.
        unsafe { libc::sem_destroy(self.0.get()) };
    }
}

/// The bare system call, on a word that stays 0 until the thread is let go.
struct Futex(AtomicU32);

pub(super) fn futex() -> io::Result<Arc<dyn Blocking>> {
    Ok(Arc::new(Futex(AtomicU32::new(0))))
}

impl Futex {
    fn call(&self, operation: i32, value: u32) -> io::Result<i64> {
        let operation = operation | libc::FUTEX_PRIVATE_FLAG;
        let no_timeout = ptr::null::<libc::timespec>();
        // SAFETY: the word lives as long as `self`; the kernel only compares it, or wakes those who wait on it.
        checked(unsafe { libc::syscall(libc::SYS_futex, self.0.as_ptr(), operation, value, no_timeout) })
    }
}

impl Blocking for Futex {
    fn block(&self, script: &Script) -> io::Result<i64> {
        script.counted(self.call(libc::FUTEX_WAIT, 0))
    }

    fn let_go(&self) -> bool {
        // Relaxed: the kernel compares the word under its own lock.
        self.0.store(1, Relaxed);
        self.call(libc::FUTEX_WAKE, 1).is_ok()
    }
}
