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
//! | [`timing`] | how long a call took, and how late the machine was meanwhile |
//! | [`child`] | runs a test body in a process of its own |
//! | [`sys`] | the few system calls that all of them share |
//! | `raw`, `handles` | Windows: the wake-up's two calls one by one; how many handles the process has open |
//! | [`demo`] | kills one thread for each entry of the catalogue and reports |
//!
//! What the tests of whole runtimes show, by the file in `tests/` and the test in it:
//!
//! | claim | test |
//! |---|---|
//! | a restart over one thread in `sleep`, one in a dead pipe, one in a loop that looks at its flags, one in a loop that does not, one in an uninterruptible wait (the parent of a `vfork`), and one that serves: bounded, the line after the block never runs, who served serves again, the counts are right | `runtime_restart`: `a_restart_over_threads_that_are_stuck_in_every_way` |
//! | shutdown, skipped teardown, refused init, late unwind, completed teardown, init again | `runtime_shutdown`: `a_thread_that_cannot_be_ended_latches_until_it_has_unwound` |
//! | a thousand inits with random stuck threads, memory really freed, under AddressSanitizer too | `reinit_many_times`: `a_thousand_inits_with_random_stuck_threads`, and that it can fail: the four tests behind it |
//! | every exit path counts out: a panic in a script | `runtime_exit_paths`: `after_a_panic_in_a_script` |
//! | a panic, or a refusal, at the start of a thread | `after_a_panic_at_the_start_of_a_thread`; `runtime_init`: `a_thread_that_the_engine_refuses_fails_the_init` |
//! | a panic in the freeing of a thread's storage | `after_a_panic_in_the_freeing_of_a_thread`; `runtime_replacement`: `a_panic_when_storage_is_freed_costs_no_capacity` |
//! | a spawn that the system refuses | `after_an_init_whose_threads_the_system_refuses` and the three tests behind it; `lingering`: `a_thread_that_the_system_refuses_is_counted_out` |
//!
//! Linux has all of it (`/proc`, `tgkill`), Windows what a whole runtime needs and a catalogue of its own; elsewhere the crate is
//! nearly empty. The demo has rows on Linux alone.

#[cfg(any(target_os = "linux", windows))]
pub mod blocking;
#[cfg(target_os = "linux")]
pub mod child;
pub mod demo;
#[cfg(any(target_os = "linux", windows))]
pub mod gate;
#[cfg(windows)]
pub mod handles;
#[cfg(target_os = "linux")]
pub mod heap_engine;
#[cfg(any(target_os = "linux", windows))]
pub mod host;
#[cfg(target_os = "linux")]
pub mod parked;
#[cfg(windows)]
#[path = "parked/windows.rs"]
pub mod parked;
#[cfg(windows)]
pub mod raw;
#[cfg(target_os = "linux")]
mod rows;
#[cfg(target_os = "linux")]
pub mod stuck;
#[cfg(target_os = "linux")]
pub mod sys;
#[cfg(any(target_os = "linux", windows))]
pub mod target;
pub mod timing;
#[cfg(target_os = "linux")]
pub mod worker;
