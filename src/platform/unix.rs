//! Unix: a signal with a handler that does nothing, sent to one thread, makes the system call that the thread is
//! in return `EINTR`.
//!
//! Upstream: `frankenphp_install_kill_handler` and `frankenphp_force_kill_thread` in `frankenphp.c`.

mod alt_stack;
mod kill_signal;
pub(crate) mod signal_handler;
mod target;

pub use kill_signal::{KillSignal, SignalError};
pub(crate) use target::UnixTarget;

/// The calling thread's `errno` after a call that failed.
pub(crate) fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
