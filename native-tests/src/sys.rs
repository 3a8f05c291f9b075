//! The few system calls that the catalogue and the tests share, with errors as values.

use std::io::{self, Error};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr;

/// The answer of a system call that says -1 for an error.
///
/// # Errors
/// The calling thread's `errno`, if the answer is negative.
pub fn checked(answer: impl Into<i64>) -> io::Result<i64> {
    let answer = answer.into();
    if answer < 0 { Err(Error::last_os_error()) } else { Ok(answer) }
}

/// A pipe: the end to read from, the end to write to.
///
/// # Errors
/// If the system has none to give.
pub fn pipe() -> io::Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: the kernel writes two descriptors into the array.
    checked(unsafe { libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) })?;
    // SAFETY: the call has just made both; nobody else owns them.
    Ok(unsafe { (OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])) })
}

/// One `read`.
///
/// # Errors
/// The system's.
pub fn read(from: &impl AsRawFd, into: &mut [u8]) -> io::Result<i64> {
    // SAFETY: the buffer is `into.len()` bytes long and ours for the time of the call.
    checked(unsafe { libc::read(from.as_raw_fd(), into.as_mut_ptr().cast(), into.len()) } as i64)
}

/// One `write`.
///
/// # Errors
/// The system's.
pub fn write(to: &impl AsRawFd, bytes: &[u8]) -> io::Result<i64> {
    // SAFETY: the buffer is `bytes.len()` bytes long and lives for the time of the call.
    checked(unsafe { libc::write(to.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) } as i64)
}

/// Switches `O_NONBLOCK` on or off.
///
/// # Errors
/// The system's.
pub fn set_nonblocking(of: &impl AsRawFd, on: bool) -> io::Result<()> {
    // SAFETY: asks for and sets the flags of a descriptor; no memory is involved.
    unsafe {
        let flags = checked(libc::fcntl(of.as_raw_fd(), libc::F_GETFL))? as i32;
        let flags = if on { flags | libc::O_NONBLOCK } else { flags & !libc::O_NONBLOCK };
        checked(libc::fcntl(of.as_raw_fd(), libc::F_SETFL, flags))?;
    }
    Ok(())
}

/// How many bytes wait to be read.
///
/// # Errors
/// The system's.
pub fn bytes_waiting(of: &impl AsRawFd) -> io::Result<i64> {
    let mut waiting: libc::c_int = 0;
    // SAFETY: FIONREAD writes one int.
    checked(unsafe { libc::ioctl(of.as_raw_fd(), libc::FIONREAD, &mut waiting) })?;
    Ok(waiting.into())
}

/// How many bytes the pipe of this descriptor holds when it is full.
///
/// # Errors
/// The system's.
pub fn pipe_capacity(of: &impl AsRawFd) -> io::Result<usize> {
    // SAFETY: asks for a number.
    let capacity = checked(unsafe { libc::fcntl(of.as_raw_fd(), libc::F_GETPIPE_SZ) })?;
    Ok(usize::try_from(capacity).unwrap_or(0))
}

/// A second description of an open file, with locks of its own.
///
/// # Errors
/// The system's.
pub fn reopen(file: BorrowedFd<'_>) -> io::Result<OwnedFd> {
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    Ok(std::fs::File::options().read(true).write(true).open(path)?.into())
}

/// Pins the calling thread to the first processor that it may use, and answers which one that is.
///
/// # Errors
/// The system's.
pub fn pin_to_one_core() -> io::Result<usize> {
    let bytes = size_of::<libc::cpu_set_t>();
    // SAFETY: an all-zero cpu_set_t is the empty set; the calls read and write one set each, of the size given.
    unsafe {
        let mut allowed: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        checked(libc::sched_getaffinity(0, bytes, &mut allowed))?;
        let core = (0..libc::CPU_SETSIZE as usize)
            .find(|core| libc::CPU_ISSET(*core, &allowed))
            .ok_or_else(|| Error::other("the thread may run on no processor"))?;
        let mut one: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        libc::CPU_SET(core, &mut one);
        checked(libc::sched_setaffinity(0, bytes, &one))?;
        Ok(core)
    }
}

/// Adds `signal` to the calling thread's mask, or takes it out.
///
/// # Errors
/// The system's.
pub fn set_blocked(signal: i32, blocked: bool) -> io::Result<()> {
    let how = if blocked { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before it is read; the mask of the calling thread alone changes.
    let errno = unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(how, set.as_ptr(), ptr::null_mut())
    };
    if errno == 0 { Ok(()) } else { Err(Error::from_raw_os_error(errno)) }
}
