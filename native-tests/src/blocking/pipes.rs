//! Calls on a pipe that nobody writes to or reads from.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr;
use std::sync::Arc;

use forcekill::InterruptFlags;

use super::{Blocking, Script};
use crate::sys::{self, checked};

/// Stuck until the pipe can be read.
struct Reading {
    from: OwnedFd,
    to: OwnedFd,
    call: fn(&OwnedFd, &Script) -> io::Result<i64>,
}

impl Reading {
    fn with(call: fn(&OwnedFd, &Script) -> io::Result<i64>) -> io::Result<Arc<dyn Blocking>> {
        let (from, to) = sys::pipe()?;
        Ok(Arc::new(Self { from, to, call }))
    }
}

impl Blocking for Reading {
    fn block(&self, script: &Script) -> io::Result<i64> {
        (self.call)(&self.from, script)
    }

    fn let_go(&self) -> bool {
        // Two bytes, for a script that reads twice.
        sys::write(&self.to, b"go").is_ok()
    }
}

fn read_once(from: &OwnedFd, script: &Script) -> io::Result<i64> {
    script.counted(sys::read(from, &mut [0]))
}

pub(super) fn read() -> io::Result<Arc<dyn Blocking>> {
    Reading::with(read_once)
}

pub(super) fn read_retried_once() -> io::Result<Arc<dyn Blocking>> {
    Reading::with(|from, script| match read_once(from, script) {
        Err(error) if error.kind() == io::ErrorKind::Interrupted => read_once(from, script),
        answer => answer,
    })
}

pub(super) fn read_retried_for_ever() -> io::Result<Arc<dyn Blocking>> {
    Reading::with(|from, script| {
        loop {
            match read_once(from, script) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer,
            }
        }
    })
}

pub(super) fn read_in_shutdown_function() -> io::Result<Arc<dyn Blocking>> {
    Reading::with(|from, script| {
        while !script.flags.consume_interrupt() {
            match read_once(from, script) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                answer => return answer,
            }
        }
        // The kill has been consumed; now the script's shutdown function runs.
        read_once(from, script)
    })
}

pub(super) fn poll() -> io::Result<Arc<dyn Blocking>> {
    Reading::with(|from, script| {
        let mut one = libc::pollfd { fd: from.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd of ours.
        script.counted(checked(unsafe { libc::poll(&mut one, 1, -1) }))
    })
}

pub(super) fn ppoll() -> io::Result<Arc<dyn Blocking>> {
    Reading::with(|from, script| {
        let mut one = libc::pollfd { fd: from.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        // SAFETY: one pollfd of ours; no timeout and no mask.
        script.counted(checked(unsafe { libc::ppoll(&mut one, 1, ptr::null(), ptr::null()) }))
    })
}

pub(super) fn select() -> io::Result<Arc<dyn Blocking>> {
    Reading::with(|from, script| {
        let fd = from.as_raw_fd();
        if usize::try_from(fd).is_ok_and(|fd| fd >= libc::FD_SETSIZE) {
            return Err(io::Error::from_raw_os_error(libc::EMFILE));
        }
        let mut set = MaybeUninit::<libc::fd_set>::uninit();
        // SAFETY: FD_ZERO initialises the set; the descriptor is below FD_SETSIZE.
        let mut set = unsafe {
            libc::FD_ZERO(set.as_mut_ptr());
            libc::FD_SET(fd, set.as_mut_ptr());
            set.assume_init()
        };
        let (none, no_timeout) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: one set of ours, no others, no timeout.
        script.counted(checked(unsafe { libc::select(fd + 1, &mut set, none, none, no_timeout) }))
    })
}

pub(super) fn epoll_wait() -> io::Result<Arc<dyn Blocking>> {
    Reading::with(|from, script| {
        // SAFETY: a new descriptor, or an error.
        let epoll = checked(unsafe { libc::epoll_create1(libc::EPOLL_CLOEXEC) })?;
        // SAFETY: the call has just made it; nobody else owns it.
        let epoll = unsafe { OwnedFd::from_raw_fd(epoll as i32) };
        let mut event = libc::epoll_event { events: libc::EPOLLIN as u32, u64: 0 };
        let (add, fd) = (libc::EPOLL_CTL_ADD, from.as_raw_fd());
        // SAFETY: both descriptors are open, the event is ours.
        checked(unsafe { libc::epoll_ctl(epoll.as_raw_fd(), add, fd, &mut event) })?;
        // SAFETY: room for one event.
        script.counted(checked(unsafe { libc::epoll_wait(epoll.as_raw_fd(), &mut event, 1, -1) }))
    })
}

/// Stuck until the pipe has room.
struct Writing {
    from: OwnedFd,
    to: OwnedFd,
}

pub(super) fn write() -> io::Result<Arc<dyn Blocking>> {
    let (from, to) = sys::pipe()?;
    sys::set_nonblocking(&to, true)?;
    while sys::write(&to, &[0; 4096]).is_ok() {}
    sys::set_nonblocking(&to, false)?;
    // So that letting go never waits.
    sys::set_nonblocking(&from, true)?;
    Ok(Arc::new(Writing { from, to }))
}

impl Blocking for Writing {
    fn block(&self, script: &Script) -> io::Result<i64> {
        script.counted(sys::write(&self.to, &[0]))
    }

    fn let_go(&self) -> bool {
        sys::read(&self.from, &mut [0; 4096]).is_ok()
    }
}
