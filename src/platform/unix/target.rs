//! One thread as the target of the kill signal.

use std::mem::MaybeUninit;
use std::ptr;

use super::{KillSignal, alt_stack, signal_handler};
use crate::platform::{Obstacle, Wake};

/// The thread, as the system's own call for signalling a thread names it.
///
/// On Linux that is the kernel's thread id and not the `pthread_t` of the pull request: `tgkill` on an id that is
/// gone answers `ESRCH`, where `pthread_kill` on a `pthread_t` that is gone is undefined behaviour. The process id is
/// asked for at every send, so in a forked child the parent's ids answer `ESRCH` too.
#[derive(Debug)]
pub(crate) struct UnixTarget {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    tid: libc::pid_t,
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    thread: ThreadHandle,
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[derive(Debug)]
struct ThreadHandle(libc::pthread_t);

// SAFETY: a pthread_t is a name. It is used with pthread_kill alone, under the slot's lock, while its thread lives.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
unsafe impl Send for ThreadHandle {}
// SAFETY: as above; pthread_kill may be called from any thread.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
unsafe impl Sync for ThreadHandle {}

impl UnixTarget {
    /// Captures the calling thread: alternate stack first, then the signal is unblocked, because embedders block
    /// signals in the threads that they make (upstream: `pthread_sigmask` at the start of `php_thread`).
    pub(crate) fn capture(signal: KillSignal) -> Result<Self, Obstacle> {
        alt_stack::ensure_enough().map_err(|errno| Obstacle::NoSignalStack { errno })?;
        Self::absorb(signal);
        Ok(Self::current())
    }

    /// Sends the signal, if it would do what it is for. Whoever calls holds the slot's lock.
    ///
    /// Between the check and the send a script can still replace the handler. Only a signal that is ignored by
    /// default closes that gap: [`KillSignal::IGNORED_BY_DEFAULT`].
    #[inline]
    pub(crate) fn wake(&self, signal: KillSignal) -> Wake {
        if !signal_handler::is_ours(signal) {
            return Wake::Impossible(Obstacle::HandlerReplaced);
        }
        match self.send(signal) {
            0 => Wake::Sent,
            libc::EAGAIN => Wake::QueueFull,
            libc::ESRCH => Wake::ThreadGone,
            errno => Wake::Failed { errno },
        }
    }

    /// Why a signal that was sent does not interrupt the thread.
    pub(crate) fn obstacle(&self, signal: KillSignal) -> Option<Obstacle> {
        if !signal_handler::is_ours(signal) {
            Some(Obstacle::HandlerReplaced)
        } else if self.has_blocked(signal) {
            Some(Obstacle::SignalBlocked)
        } else {
            None
        }
    }

    /// Lets signals that were sent to the calling thread arrive here, where they interrupt nothing, and leaves the
    /// signal unblocked.
    ///
    /// They are taken off the queue rather than handled: a script may have blocked the signal and *then* reset its
    /// handler, and unblocking it would end the process.
    pub(crate) fn absorb(signal: KillSignal) {
        let set = only(signal);
        // SAFETY: `set` is an initialised set that outlives the calls; each changes the calling thread's mask alone.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &set, ptr::null_mut()) };
        take_pending(&set);
        // SAFETY: as above.
        unsafe { libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut()) };
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
impl UnixTarget {
    fn current() -> Self {
        // SAFETY: asks for the calling thread's id.
        Self { tid: unsafe { libc::gettid() } }
    }

    #[inline]
    fn send(&self, signal: KillSignal) -> i32 {
        // SAFETY: tgkill takes three numbers; a thread or process that is gone is an error that it returns.
        let result = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), self.tid, signal.number()) };
        if result == 0 { 0 } else { super::last_errno() }
    }

    /// Asks the kernel, because only the thread itself can read its mask. Blocked alone says nothing: so is the signal
    /// while its own handler runs. Blocked and still pending means that it is held back.
    fn has_blocked(&self, signal: KillSignal) -> bool {
        let Ok(status) = std::fs::read_to_string(format!("/proc/self/task/{}/status", self.tid)) else {
            return false;
        };
        let is_in = |set: &str| {
            let hex = status.lines().find_map(|line| line.strip_prefix(set));
            hex.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok())
                .is_some_and(|set| set >> (signal.number() - 1) & 1 == 1)
        };
        is_in("SigBlk:") && is_in("SigPnd:")
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
impl UnixTarget {
    fn current() -> Self {
        // SAFETY: asks for the calling thread's name.
        Self { thread: ThreadHandle(unsafe { libc::pthread_self() }) }
    }

    #[inline]
    fn send(&self, signal: KillSignal) -> i32 {
        // SAFETY: the slot's lock is held and the thread clears its slot before it exits, so the thread is alive.
        unsafe { libc::pthread_kill(self.thread.0, signal.number()) }
    }

    fn has_blocked(&self, _signal: KillSignal) -> bool {
        false
    }
}

fn only(signal: KillSignal) -> libc::sigset_t {
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set before anything reads it; the number was validated.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal.number());
        set.assume_init()
    }
}

#[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
fn take_pending(set: &libc::sigset_t) {
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the set and the timeout outlive the call; a null siginfo is allowed. Real-time signals queue, one
    // entry a send, so it is asked until nothing is left.
    while unsafe { libc::sigtimedwait(set, ptr::null_mut(), &at_once) } > 0 {}
}

// macOS has no sigtimedwait. Its signals do not queue, so one sigwait takes what is pending.
#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn take_pending(set: &libc::sigset_t) {
    let mut pending = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigpending fills the set when it returns 0. The signal is blocked in this thread and pending, so
    // sigwait returns at once.
    unsafe {
        if libc::sigpending(pending.as_mut_ptr()) != 0 {
            return;
        }
        let pending = pending.assume_init();
        for number in 1..=31 {
            if libc::sigismember(set, number) == 1 && libc::sigismember(&pending, number) == 1 {
                let mut taken = 0;
                libc::sigwait(set, &mut taken);
            }
        }
    }
}
