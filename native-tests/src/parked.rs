//! What the kernel says a thread is doing.
//!
//! `/proc/self/task/<tid>/syscall` names the system call and its arguments only if the thread is off the processor
//! and asleep; it says `running` for one that runs, and for one that could run and waits for a processor. `stat` adds
//! whether the sleep can be interrupted (`S`) or not (`D`), and `status` which signals are pending and blocked.
//! Waiting here means asking the kernel again, up to a deadline that only a broken system reaches.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::time::{Duration, Instant};

mod emulated;

pub use emulated::is_emulated;

/// How long a thread may take to be seen as it is expected to be.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// One thread of this process, by the kernel's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelThread {
    tid: libc::pid_t,
}

/// What a thread was doing at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    /// It runs, or waits for a processor.
    Running,
    /// It sleeps in a system call.
    Parked(Parked),
    /// It sleeps outside of any system call (a page fault, say).
    Elsewhere,
    /// There is no such thread any more.
    Gone,
}

/// A thread asleep in a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parked {
    /// The call's number.
    pub call: libc::c_long,
    /// The call's first argument: the descriptor, in many calls.
    pub first_argument: u64,
    /// `S` for a sleep that a signal ends, `D` for one that it does not.
    pub state: char,
}

/// The signals of one thread, as bit sets: bit n - 1 is signal n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signals {
    /// Sent to this thread and not yet delivered.
    pub pending: u64,
    /// Held back by its mask.
    pub blocked: u64,
}

/// A thread was not seen as it was expected to be, within [`DEADLINE`].
pub struct NotSeen {
    thread: KernelThread,
    expected: String,
    last: String,
}

impl KernelThread {
    /// The calling thread.
    pub fn current() -> Self {
        // SAFETY: asks for the calling thread's id.
        Self { tid: unsafe { libc::gettid() } }
    }

    /// The thread's id.
    pub fn id(self) -> libc::pid_t {
        self.tid
    }

    /// What the thread is doing now.
    ///
    /// # Errors
    /// If `/proc` cannot be read.
    pub fn activity(self) -> io::Result<Activity> {
        Ok(match self.shown_activity()? {
            Activity::Parked(parked) => {
                Activity::Parked(Parked { call: emulated::own_number(parked.call), ..parked })
            }
            other => other,
        })
    }

    /// The same, with the number of the call as the kernel has it.
    fn shown_activity(self) -> io::Result<Activity> {
        let mut buffer = [0; 512];
        let line = match self.file("syscall", &mut buffer) {
            Ok(line) => line,
            Err(error) if is_gone(&error) => return Ok(Activity::Gone),
            Err(error) => return Err(error),
        };
        let mut words = line.split_whitespace();
        let call = match words.next() {
            Some("running") => return Ok(Activity::Running),
            Some("-1") | None => return Ok(Activity::Elsewhere),
            Some(number) => number.parse().map_err(|_| unexpected(line))?,
        };
        let first = words.next().and_then(|word| word.strip_prefix("0x"));
        let first_argument =
            first.and_then(|hex| u64::from_str_radix(hex, 16).ok()).ok_or_else(|| unexpected(line))?;
        Ok(match self.state()? {
            Some(state) => Activity::Parked(Parked { call, first_argument, state }),
            None => Activity::Gone,
        })
    }

    /// The letter that `stat` has for the thread; `None` if it is gone.
    fn state(self) -> io::Result<Option<char>> {
        let mut buffer = [0; 1024];
        let line = match self.file("stat", &mut buffer) {
            Ok(line) => line,
            Err(error) if is_gone(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // The name stands in brackets and may hold anything, brackets included.
        let after_name = line.rsplit_once(") ").map(|(_, rest)| rest);
        after_name.and_then(|rest| rest.chars().next()).map(Some).ok_or_else(|| unexpected(line))
    }

    /// The thread's signals.
    ///
    /// # Errors
    /// If the thread is gone, or `/proc` cannot be read.
    pub fn signals(self) -> io::Result<Signals> {
        let mut buffer = [0; 4096];
        let text = self.file("status", &mut buffer)?;
        let set = |name: &str| {
            let hex = text.lines().find_map(|line| line.strip_prefix(name));
            hex.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).ok_or_else(|| unexpected(name))
        };
        Ok(Signals { pending: set("SigPnd:")?, blocked: set("SigBlk:")? })
    }

    /// Waits until the thread sleeps in one of `calls`, in the state `state` (see [`Parked::state`]).
    ///
    /// # Errors
    /// If that is not seen within [`DEADLINE`].
    pub fn wait_parked(self, calls: &[libc::c_long], state: char) -> Result<Parked, NotSeen> {
        self.wait_until(
            || format!("asleep in system call {calls:?} in state {state}"),
            || {
                Ok(match self.activity()? {
                    Activity::Parked(parked) if calls.contains(&parked.call) && parked.state == state => {
                        Ok(parked)
                    }
                    other => Err(format!("{other:?}")),
                })
            },
        )
    }

    /// Waits until the thread is seen running, or ready to.
    ///
    /// # Errors
    /// If that is not seen within [`DEADLINE`].
    pub fn wait_running(self) -> Result<(), NotSeen> {
        self.wait_until(
            || "running".to_owned(),
            || {
                Ok(match self.activity()? {
                    Activity::Running => Ok(()),
                    other => Err(format!("{other:?}")),
                })
            },
        )
    }

    /// Waits until `signal` is not pending for the thread: it has been delivered, or taken off the queue.
    ///
    /// # Errors
    /// If it is still pending after [`DEADLINE`].
    pub fn wait_delivered(self, signal: i32) -> Result<(), NotSeen> {
        self.wait_until(
            || format!("without a pending signal {signal}"),
            || {
                let signals = self.signals()?;
                Ok(if signals.has_pending(signal) { Err(format!("{signals:x?}")) } else { Ok(()) })
            },
        )
    }

    /// Waits until the kernel knows no such thread any more.
    ///
    /// # Errors
    /// If it is still there after [`DEADLINE`].
    pub fn wait_gone(self) -> Result<(), NotSeen> {
        self.wait_until(
            || "gone".to_owned(),
            || {
                Ok(match self.activity()? {
                    Activity::Gone => Ok(()),
                    other => Err(format!("{other:?}")),
                })
            },
        )
    }

    /// Asks `look` until it answers `Ok`; what it says instead goes into the error.
    fn wait_until<T>(
        self,
        expected: impl Fn() -> String,
        mut look: impl FnMut() -> io::Result<Result<T, String>>,
    ) -> Result<T, NotSeen> {
        let started = Instant::now();
        let mut looks = 0_u32;
        loop {
            let last = match look() {
                Ok(Ok(seen)) => return Ok(seen),
                Ok(Err(last)) => last,
                Err(error) => format!("error: {error}"),
            };
            if started.elapsed() > DEADLINE {
                return Err(NotSeen { thread: self, expected: expected(), last });
            }
            looks += 1;
            if looks < 200 {
                std::thread::yield_now();
            } else {
                // Leaves the processor to the thread that is watched. Nothing depends on how long this takes.
                std::thread::park_timeout(Duration::from_micros(200));
            }
        }
    }

    fn file<'a>(self, name: &str, buffer: &'a mut [u8]) -> io::Result<&'a str> {
        let mut file = File::open(format!("/proc/self/task/{}/{name}", self.tid))?;
        let mut length = 0;
        while length < buffer.len() {
            match file.read(&mut buffer[length..]) {
                Ok(0) => break,
                Ok(count) => length += count,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        std::str::from_utf8(&buffer[..length]).map_err(|_| unexpected(name))
    }
}

impl Signals {
    /// Whether `signal` was sent and not yet delivered.
    pub fn has_pending(self, signal: i32) -> bool {
        self.pending >> (signal - 1) & 1 == 1
    }

    /// Whether `signal` is held back.
    pub fn has_blocked(self, signal: i32) -> bool {
        self.blocked >> (signal - 1) & 1 == 1
    }
}

fn is_gone(error: &io::Error) -> bool {
    error.kind() == ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

fn unexpected(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("/proc says what this program cannot read: {what:?}"))
}

impl fmt::Display for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, expected, last } = self;
        write!(f, "thread {} was not seen {expected} within {DEADLINE:?}; last seen: {last}", thread.tid)
    }
}

// As Display: this is what a test that answers an error prints.
impl fmt::Debug for NotSeen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for NotSeen {}
