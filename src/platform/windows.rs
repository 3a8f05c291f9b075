//! Windows: two calls, because no single one ends every wait. `CancelSynchronousIo` makes the synchronous I/O that the
//! thread is in fail with `ERROR_OPERATION_ABORTED`; `QueueUserAPC` makes the alertable wait that it is in, or the next one
//! that it begins, return `WAIT_IO_COMPLETION`.
//!
//! A cancel is not sticky: sent before the I/O has begun, it is lost, as a signal is between check and call; the re-sends
//! cover both. An APC is sticky: it stays queued until the thread waits alertably. A wait that is neither, `Sleep` above all,
//! ends when it ends, and a kill says so: [`Obstacle::NotAlertable`](super::Obstacle::NotAlertable).
//!
//! Upstream: the Windows part of `frankenphp_force_kill_thread` in `frankenphp.c`.

mod calls;
mod target;

pub(crate) use target::WindowsTarget;
