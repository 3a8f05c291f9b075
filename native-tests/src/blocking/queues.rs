//! A file lock that somebody else holds, and a message queue that stays empty.

use std::io;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};
use std::sync::Arc;

use super::{Blocking, Script};
use crate::sys::{self, checked};

/// Two descriptions of one file, the first of which has it locked.
struct LockedFile {
    holder: OwnedFd,
    waiter: OwnedFd,
}

pub(super) fn flock() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: the name is a constant that ends in a zero byte. The file is in memory and has no path.
    let holder = checked(unsafe { libc::memfd_create(c"forcekill-flock".as_ptr(), libc::MFD_CLOEXEC) })?;
    // SAFETY: the call has just made it; nobody else owns it.
    let holder = unsafe { OwnedFd::from_raw_fd(holder as i32) };
    let waiter = sys::reopen(holder.as_fd())?;
    // SAFETY: a number; nobody else has this file, so the call does not wait.
    checked(unsafe { libc::flock(holder.as_raw_fd(), libc::LOCK_EX) })?;
    Ok(Arc::new(LockedFile { holder, waiter }))
}

impl Blocking for LockedFile {
    fn block(&self, script: &Script) -> io::Result<i64> {
        // SAFETY: a number.
        script.counted(checked(unsafe { libc::flock(self.waiter.as_raw_fd(), libc::LOCK_EX) }))
    }

    fn let_go(&self) -> bool {
        // SAFETY: a number.
        unsafe { libc::flock(self.holder.as_raw_fd(), libc::LOCK_UN) == 0 }
    }
}

/// A System V message queue of our own, removed with the value.
struct MessageQueue {
    id: i32,
}

/// A message as the calls take it.
#[repr(C)]
struct Message {
    kind: libc::c_long,
    text: [u8; 1],
}

pub(super) fn msgrcv() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: numbers; a private queue collides with nobody's.
    let id = checked(unsafe { libc::msgget(libc::IPC_PRIVATE, 0o600) })? as i32;
    Ok(Arc::new(MessageQueue { id }))
}

impl Blocking for MessageQueue {
    fn block(&self, script: &Script) -> io::Result<i64> {
        let mut message = Message { kind: 0, text: [0] };
        // SAFETY: room for a kind and one byte of text, as the size says.
        let answer = unsafe { libc::msgrcv(self.id, (&raw mut message).cast(), 1, 0, 0) };
        script.counted(checked(answer as i64))
    }

    fn let_go(&self) -> bool {
        let message = Message { kind: 1, text: [0] };
        // SAFETY: a kind and one byte of text, as the size says.
        unsafe { libc::msgsnd(self.id, (&raw const message).cast(), 1, libc::IPC_NOWAIT) == 0 }
    }
}

impl Drop for MessageQueue {
    fn drop(&mut self) {
        // SAFETY: a queue of ours that nobody waits on: a waiter holds the value.
        unsafe { libc::msgctl(self.id, libc::IPC_RMID, std::ptr::null_mut()) };
    }
}
