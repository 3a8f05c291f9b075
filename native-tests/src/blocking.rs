//! The catalogue: every way in which a thread gets stuck, as a value.
//!
//! Each entry blocks for real, in the system call that it names. What it needs (pipes, sockets, locks, children) is
//! made before and freed with the value. What is *not* in the catalogue: waiting for a disk (`D` state, short), a file
//! system that hangs (NFS, FUSE), and `io_uring`; none can be set up without privileges or a kernel of one's own.
//!
//! Linux and Windows have a catalogue each. The names that both have mean the same, so that a test which uses those alone runs
//! on either.

use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use forcekill::{InterruptFlags, OwnedFlags};

#[cfg(target_os = "linux")]
mod catalogue;
#[cfg(target_os = "linux")]
mod children;
#[cfg(target_os = "linux")]
mod futexes;
mod locks;
mod loops;
#[cfg(target_os = "linux")]
mod pipes;
#[cfg(target_os = "linux")]
mod queues;
#[cfg(target_os = "linux")]
mod sleeps;
#[cfg(target_os = "linux")]
mod sockets;
#[cfg(windows)]
mod windows;

#[cfg(target_os = "linux")]
pub use catalogue::CATALOGUE;
#[cfg(target_os = "linux")]
pub use sleeps::STD_SLEEP;
#[cfg(windows)]
pub use windows::{CATALOGUE, Expected, SLEEP};

/// What a call fails with that the kill ended: `EINTR`, or `ERROR_OPERATION_ABORTED`.
#[cfg(target_os = "linux")]
pub const INTERRUPTED: i32 = libc::EINTR;
/// What a call fails with that the kill ended: `EINTR`, or `ERROR_OPERATION_ABORTED`.
#[cfg(windows)]
pub const INTERRUPTED: i32 = windows_sys::Win32::Foundation::ERROR_OPERATION_ABORTED.cast_signed();

/// What a wait answers that an APC ended; a number of Windows alone.
pub const WAIT_IO_COMPLETION: i32 = 192;

/// One way of being stuck.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The call, or what the script does.
    pub name: &'static str,
    /// How the kernel shows a thread that is stuck in it. Windows has no documented way to ask.
    #[cfg(target_os = "linux")]
    pub stuck: StuckAs,
    /// What a kill does to it.
    pub expected: Expected,
    /// Why, where that is not plain from [`Entry::expected`].
    pub why: &'static str,
    /// Makes everything that it needs.
    pub make: fn() -> io::Result<Arc<dyn Blocking>>,
}

/// How the kernel shows a stuck thread.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug)]
pub enum StuckAs {
    /// Asleep in one of these calls, by number and name; which one depends on the C library.
    Asleep(&'static [SystemCall]),
    /// The same, and no signal but a deadly one ends the sleep.
    Uninterruptible(&'static [SystemCall]),
    /// Not asleep at all.
    Running,
}

/// A system call's number and name.
#[cfg(target_os = "linux")]
pub type SystemCall = (libc::c_long, &'static str);

/// What a kill does to a stuck thread.
#[cfg(target_os = "linux")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// It ends when this many signals have found it asleep.
    EndsAfter {
        /// How many `EINTR` the script sees.
        signals: u32,
    },
    /// It ends because it looks at its flags, when they have been stored this many times; the signal changes nothing.
    EndsByFlags {
        /// How often a kill has to store them.
        stores: u32,
    },
    /// It is interrupted, or could be, and does not end.
    NeverEnds,
    /// It does not end, because the signal is blocked while it is stuck.
    BlocksSignal,
}

/// A call that blocks, with everything that it needs.
pub trait Blocking: Send + Sync {
    /// Gets stuck. Called once, on the thread that is to be killed.
    ///
    /// # Errors
    /// [`INTERRUPTED`] if the kill ended it, or on Windows `WAIT_IO_COMPLETION` if the APC did; any other error is a fault of the set-up.
    fn block(&self, script: &Script) -> io::Result<i64>;

    /// Lets the call return by itself, now or soon; `false` if that is not possible. May be called from any thread,
    /// whether the call is under way or over, and more than once. Never waits.
    fn let_go(&self) -> bool;
}

/// What a script sees while it is stuck.
#[derive(Debug)]
pub struct Script {
    /// The flags of its thread.
    pub flags: OwnedFlags,
    interruptions: AtomicU32,
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the line after the block saw: the call's answer, or its `errno`.
    pub answer: Result<i64, i32>,
    /// How often a system call of the script was interrupted.
    pub interruptions: u32,
    /// Whether the flags were up on the line after the block.
    pub flags_up: bool,
}

impl Entry {
    /// The entry of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        CATALOGUE.iter().find(|entry| entry.name == name)
    }

    /// The name of a call that the kernel shows, as this entry knows it.
    #[cfg(target_os = "linux")]
    pub fn call_name(&self, number: libc::c_long) -> &'static str {
        let calls = match self.stuck {
            StuckAs::Asleep(calls) | StuckAs::Uninterruptible(calls) => calls,
            StuckAs::Running => &[],
        };
        calls.iter().find(|(known, _)| *known == number).map_or("?", |(_, name)| name)
    }

    /// Whether this machine blocks in it. An emulator of another processor makes a fork of a `vfork`, whose parent then need
    /// not wait, and listens with a backlog of its own.
    #[cfg(target_os = "linux")]
    pub fn blocks_here(&self) -> bool {
        const NOT_EMULATED: [&str; 3] =
            ["connect, full backlog, TCP", "vfork, child not yet gone", "posix_spawn, child not yet gone"];
        !(NOT_EMULATED.contains(&self.name) && crate::parked::is_emulated())
    }

    /// Whether a kill ends it.
    #[cfg(target_os = "linux")]
    pub fn can_be_ended(&self) -> bool {
        matches!(self.expected, Expected::EndsAfter { .. } | Expected::EndsByFlags { .. })
    }
}

impl Script {
    /// The script of a thread with these flags.
    pub fn new(flags: OwnedFlags) -> Self {
        Self { flags, interruptions: AtomicU32::new(0) }
    }

    /// Counts the interruptions of a call on their way through.
    ///
    /// # Errors
    /// The error that came in.
    pub fn counted(&self, answer: io::Result<i64>) -> io::Result<i64> {
        let is_interruption = |code| code == INTERRUPTED || cfg!(windows) && code == WAIT_IO_COMPLETION;
        if answer.as_ref().is_err_and(|error| error.raw_os_error().is_some_and(is_interruption)) {
            // Relaxed: read by this thread alone.
            self.interruptions.fetch_add(1, Relaxed);
        }
        answer
    }

    /// Gets stuck in `call`, and says what the next line saw.
    pub fn run(self, call: &dyn Blocking) -> Outcome {
        let answer = call.block(&self);
        // Not consumed: a look at both is enough, and the VM loops of the catalogue have consumed theirs.
        let flags_up = self.flags.timed_out().load(Relaxed);
        Outcome {
            answer: answer.map_err(|error| error.raw_os_error().unwrap_or(0)),
            interruptions: self.interruptions.load(Relaxed),
            flags_up,
        }
    }
}
