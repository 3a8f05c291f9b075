//! Which thread is which. What it is doing, Windows does not say.

use std::thread::{self, ThreadId};
use std::time::Duration;

use windows_sys::Win32::System::Threading::GetCurrentThreadId;

/// How long a thread may take to do what is expected of it.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// One thread of this process. The system uses a number again at once; the standard library never does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelThread {
    number: u32,
    thread: ThreadId,
}

impl KernelThread {
    /// The calling thread.
    pub fn current() -> Self {
        // SAFETY: asks for the calling thread's number.
        Self { number: unsafe { GetCurrentThreadId() }, thread: thread::current().id() }
    }

    /// The thread's number, by which a debugger names it.
    pub fn id(self) -> u32 {
        self.number
    }
}
