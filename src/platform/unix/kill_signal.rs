//! Which signal wakes a thread, and which cannot.

use std::fmt;

/// A signal that may be used to wake a thread.
///
/// What each choice costs:
///
/// | signal | an unhandled one | for an embedder in Go | for PHP scripts |
/// |---|---|---|---|
/// | `SIGRTMIN+3` ([`KillSignal::default`]) | ends the process | nobody uses it; a program that does must change one of the two | `pcntl_signal` can replace the handler: kills are refused until it is restored |
/// | `SIGWINCH` ([`KillSignal::IGNORED_BY_DEFAULT`]) | is ignored, so no race with a script can end the process | `signal.Notify(SIGWINCH)` never fires; a server has no terminal to miss | the same, and terminal resizes interrupt calls |
/// | `SIGURG` | is ignored | **breaks the runtime's preemption**, which is built on it | out-of-band data notification is lost |
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KillSignal(i32);

/// Why a signal cannot wake threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SignalError {
    /// No signal has this number here.
    OutOfRange {
        /// The number that was asked for.
        number: i32,
        /// The highest signal number of this system.
        highest: i32,
    },
    /// The C library keeps this signal for itself (thread cancellation, `setuid`).
    ReservedByLibc {
        /// The number that was asked for.
        number: i32,
        /// The first real-time signal that is free to use.
        first_free: i32,
    },
    /// The signal reports a fault of the thread itself and must keep doing so.
    Synchronous {
        /// The number that was asked for.
        number: i32,
    },
    /// The system never lets a process handle this signal.
    Uncatchable {
        /// The number that was asked for.
        number: i32,
    },
    /// This system has no real-time signals.
    NoRealtimeSignals,
}

impl KillSignal {
    /// A signal whose default action is to be ignored (`SIGWINCH`): it closes for good the gap between the check
    /// that the handler is still ours and the send, because even unhandled it cannot end the process.
    pub const IGNORED_BY_DEFAULT: Self = Self(libc::SIGWINCH);

    /// The signal with this number.
    ///
    /// # Errors
    /// If the number is out of range, reserved by the C library, synchronous, or cannot be caught.
    pub fn new(number: i32) -> Result<Self, SignalError> {
        let highest = highest_signal();
        if !(1..=highest).contains(&number) {
            return Err(SignalError::OutOfRange { number, highest });
        }
        match number {
            libc::SIGKILL | libc::SIGSTOP => return Err(SignalError::Uncatchable { number }),
            libc::SIGSEGV
            | libc::SIGBUS
            | libc::SIGFPE
            | libc::SIGILL
            | libc::SIGTRAP
            | libc::SIGSYS
            | libc::SIGABRT => return Err(SignalError::Synchronous { number }),
            _ => {}
        }
        match lowest_realtime() {
            Some(first_free) if (FIRST_KERNEL_REALTIME..first_free).contains(&number) => {
                Err(SignalError::ReservedByLibc { number, first_free })
            }
            _ => Ok(Self(number)),
        }
    }

    /// `SIGRTMIN + offset`.
    ///
    /// # Errors
    /// If that is out of range, or this system has no real-time signals.
    pub fn realtime(offset: i32) -> Result<Self, SignalError> {
        let lowest = lowest_realtime().ok_or(SignalError::NoRealtimeSignals)?;
        Self::new(lowest.saturating_add(offset))
    }

    /// The signal's number.
    pub fn number(self) -> i32 {
        self.0
    }
}

impl Default for KillSignal {
    /// `SIGRTMIN+3`, the pull request's signal, where there are real-time signals;
    /// [`KillSignal::IGNORED_BY_DEFAULT`] elsewhere.
    fn default() -> Self {
        Self::realtime(3).unwrap_or(Self::IGNORED_BY_DEFAULT)
    }
}

impl fmt::Display for SignalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::OutOfRange { number, highest } => {
                write!(f, "signal {number} is out of range: use one from 1 to {highest}")
            }
            Self::ReservedByLibc { number, first_free } => {
                write!(f, "signal {number} is reserved by the C library: use {first_free} or higher")
            }
            Self::Synchronous { number } => {
                write!(f, "signal {number} reports faults of the thread itself: use a real-time signal")
            }
            Self::Uncatchable { number } => {
                write!(f, "signal {number} cannot be handled: use a real-time signal")
            }
            Self::NoRealtimeSignals => {
                write!(f, "this system has no real-time signals: use SIGWINCH")
            }
        }
    }
}

impl std::error::Error for SignalError {}

// The kernel's real-time signals start here; the C library takes the first few.
#[cfg(any(target_os = "linux", target_os = "android"))]
const FIRST_KERNEL_REALTIME: i32 = 32;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
const FIRST_KERNEL_REALTIME: i32 = 65;

#[cfg(any(target_os = "linux", target_os = "android"))]
fn lowest_realtime() -> Option<i32> {
    Some(libc::SIGRTMIN())
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn highest_signal() -> i32 {
    libc::SIGRTMAX()
}

// FreeBSD's <sys/signal.h>; the libc crate does not name them.
#[cfg(target_os = "freebsd")]
fn lowest_realtime() -> Option<i32> {
    Some(FIRST_KERNEL_REALTIME)
}

#[cfg(target_os = "freebsd")]
fn highest_signal() -> i32 {
    126
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn lowest_realtime() -> Option<i32> {
    None
}

#[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
fn highest_signal() -> i32 {
    31
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_is_the_pull_requests_signal() {
        if let Some(lowest) = lowest_realtime() {
            assert_eq!(KillSignal::default().number(), lowest + 3);
        }
    }

    #[test]
    fn unusable_signals_are_refused_with_a_reason() {
        let highest = highest_signal();
        for number in [i32::MIN, -1, 0, highest + 1, i32::MAX] {
            assert_eq!(KillSignal::new(number), Err(SignalError::OutOfRange { number, highest }));
        }
        for number in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGTRAP] {
            assert_eq!(KillSignal::new(number), Err(SignalError::Synchronous { number }));
        }
        for number in [libc::SIGKILL, libc::SIGSTOP] {
            assert_eq!(KillSignal::new(number), Err(SignalError::Uncatchable { number }));
        }
    }

    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    #[test]
    fn what_glibc_reserves_is_refused_and_the_first_free_one_is_not() {
        for number in [32, 33] {
            let refused = KillSignal::new(number);
            assert_eq!(refused, Err(SignalError::ReservedByLibc { number, first_free: 34 }));
        }
        assert_eq!(KillSignal::new(34).map(KillSignal::number), Ok(34));
        assert_eq!(KillSignal::realtime(31), Err(SignalError::OutOfRange { number: 65, highest: 64 }));
    }

    #[test]
    fn an_error_says_what_to_do() {
        let error = KillSignal::new(libc::SIGSEGV).unwrap_err().to_string();
        assert_eq!(error, "signal 11 reports faults of the thread itself: use a real-time signal");
    }
}
