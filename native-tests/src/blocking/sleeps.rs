//! Calls that wait for time to pass, or for nothing at all.

use std::io;
use std::ptr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::{Blocking, Script};
use crate::sys::checked;

/// How long the thread sleeps that nothing can wake; it is let go by waiting for it.
pub const STD_SLEEP: Duration = Duration::from_millis(1500);

const AN_HOUR: libc::timespec = libc::timespec { tv_sec: 3600, tv_nsec: 0 };

/// A call that needs nothing. `ends` says whether it returns by itself within a test's patience.
struct Waiting {
    call: fn(&Script) -> io::Result<i64>,
    ends: bool,
}

impl Blocking for Waiting {
    fn block(&self, script: &Script) -> io::Result<i64> {
        (self.call)(script)
    }

    fn let_go(&self) -> bool {
        self.ends
    }
}

pub(super) fn nanosleep() -> io::Result<Arc<dyn Blocking>> {
    let call = |script: &Script| {
        // The call itself: the C library's function of that name uses clock_nanosleep.
        // SAFETY: the interval is a constant and the remainder is not asked for.
        let answer =
            unsafe { libc::syscall(libc::SYS_nanosleep, &AN_HOUR, ptr::null_mut::<libc::timespec>()) };
        script.counted(checked(answer))
    };
    Ok(Arc::new(Waiting { call, ends: false }))
}

pub(super) fn clock_nanosleep() -> io::Result<Arc<dyn Blocking>> {
    let call = |script: &Script| {
        // SAFETY: the interval is a constant and the remainder is not asked for.
        let errno = unsafe { libc::clock_nanosleep(libc::CLOCK_MONOTONIC, 0, &AN_HOUR, ptr::null_mut()) };
        script.counted(if errno == 0 { Ok(0) } else { Err(io::Error::from_raw_os_error(errno)) })
    };
    Ok(Arc::new(Waiting { call, ends: false }))
}

pub(super) fn pause() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: takes nothing and touches nothing.
    let call = |script: &Script| script.counted(checked(unsafe { libc::pause() }));
    Ok(Arc::new(Waiting { call, ends: false }))
}

pub(super) fn std_sleep() -> io::Result<Arc<dyn Blocking>> {
    let call = |_: &Script| {
        thread::sleep(STD_SLEEP);
        Ok(0)
    };
    Ok(Arc::new(Waiting { call, ends: true }))
}
