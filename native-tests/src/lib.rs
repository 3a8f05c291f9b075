//! The real operating system as a test bench for [`forcekill`]: threads that are stuck in real system calls, known to
//! be parked because the kernel says so.
//!
//! | module | idea |
//! |---|---|
//! | [`parked`] | what the kernel says a thread is doing; the only form of waiting for a thread to block |
//! | [`blocking`] | the catalogue: every way of being stuck as a value |
//! | [`stuck`] | one thread in one entry of the catalogue |
//! | [`target`] | one thread that occupies a slot and runs one script |
//! | [`worker`] | worker threads with the whole lifecycle: drained, shut down, counted out |
//! | [`host`] | a whole runtime, whose requests are closures |
//! | [`heap_engine`] | an engine whose memory is really freed, and a ledger of who uses it |
//! | [`gate`] | holds a thread in user space at a line of its script |
//! | [`child`] | runs a test body in a process of its own |
//! | [`sys`] | the few system calls that all of them share |
//! | [`demo`] | kills one thread for each entry of the catalogue and reports |
//!
//! All but [`demo`] needs Linux (`/proc`, `tgkill`); elsewhere the crate is nearly empty and the demo has no rows.

#[cfg(target_os = "linux")]
pub mod blocking;
#[cfg(target_os = "linux")]
pub mod child;
pub mod demo;
#[cfg(target_os = "linux")]
pub mod gate;
#[cfg(target_os = "linux")]
pub mod heap_engine;
#[cfg(target_os = "linux")]
pub mod host;
#[cfg(target_os = "linux")]
pub mod parked;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
pub mod stuck;
#[cfg(target_os = "linux")]
pub mod sys;
#[cfg(target_os = "linux")]
pub mod target;
#[cfg(target_os = "linux")]
pub mod worker;
