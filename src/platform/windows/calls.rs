//! The two calls that interrupt another thread, with what each may answer told apart.

use std::cell::OnceCell;
use std::os::windows::io::{AsRawHandle, BorrowedHandle};
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::Relaxed;

use windows_sys::Win32::Foundation::{
    ERROR_ACCESS_DENIED, ERROR_GEN_FAILURE, ERROR_INVALID_HANDLE, ERROR_NOT_FOUND, GetLastError,
};
use windows_sys::Win32::System::IO::CancelSynchronousIo;
use windows_sys::Win32::System::Threading::{QueueUserAPC, SleepEx};

/// Why one of the calls failed, beside what each of them answers in the ordinary course.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// The handle is none (`ERROR_INVALID_HANDLE`).
    InvalidHandle,
    /// The handle lacks the right that the call needs (`ERROR_ACCESS_DENIED`).
    AccessDenied,
    /// Something else; the system's error code.
    Other(i32),
}

/// What became of one cancel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cancel {
    /// The thread was in synchronous I/O, which is being cancelled.
    Hit,
    /// It was in none (`ERROR_NOT_FOUND`); so says the system of a thread that has exited, too.
    NothingPending,
    /// The system refused.
    Refused(Refusal),
}

/// What became of one APC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Apc {
    /// It is queued.
    Queued,
    /// The thread has exited, or is about to (`ERROR_GEN_FAILURE`).
    ThreadGone,
    /// The system refused.
    Refused(Refusal),
}

/// `CancelSynchronousIo`. The handle needs `THREAD_TERMINATE`.
#[inline]
pub(super) fn cancel(thread: BorrowedHandle<'_>) -> Cancel {
    // SAFETY: takes a handle, which is borrowed for the time of the call, and touches no memory of ours.
    if unsafe { CancelSynchronousIo(thread.as_raw_handle()) } != 0 {
        return Cancel::Hit;
    }
    match last_error() {
        ERROR_NOT_FOUND => Cancel::NothingPending,
        code => Cancel::Refused(Refusal::of(code)),
    }
}

/// `QueueUserAPC`. The handle needs `THREAD_SET_CONTEXT`.
#[inline]
pub(super) fn queue_apc(thread: BorrowedHandle<'_>) -> Apc {
    // SAFETY: the handle is borrowed for the time of the call. The callback is a function of this program and takes no
    // pointer, so it does not matter when it is run, or whether it ever is.
    if unsafe { QueueUserAPC(Some(on_apc), thread.as_raw_handle(), 0) } != 0 {
        return Apc::Queued;
    }
    match last_error() {
        ERROR_GEN_FAILURE => Apc::ThreadGone,
        code => Apc::Refused(Refusal::of(code)),
    }
}

/// Lets the APCs that were queued to the calling thread run now.
pub(super) fn run_queued_apcs() {
    // SAFETY: waits for no time at all, alertably. Whatever runs here was queued to be run at such a wait.
    // The answer is not 0 if at least one has run; all that were queued have, and those that they have queued are next.
    while unsafe { SleepEx(0, 1) } != 0 {}
}

thread_local! {
    // Clippy does not see the const block where the standard library is built from source.
    #[allow(clippy::missing_const_for_thread_local)]
    static APCS: OnceCell<Arc<Apcs>> = const { OnceCell::new() };
}

/// The APCs of one thread, as whoever wants to kill it may see them. The counts wrap.
#[derive(Debug, Default)]
pub(super) struct Apcs {
    queued: AtomicU32,
    run: AtomicU32,
}

impl Apcs {
    /// Those of the calling thread.
    pub(super) fn of_this_thread() -> Arc<Self> {
        APCS.with(|apcs| Arc::clone(apcs.get_or_init(Arc::default)))
    }

    /// One more is queued.
    #[inline]
    pub(super) fn count_queued(&self) {
        // Relaxed, here and below: a hint for the verdict, which orders nothing.
        self.queued.fetch_add(1, Relaxed);
    }

    /// Whether the thread has not waited alertably since the latest was queued.
    pub(super) fn are_still_queued(&self) -> bool {
        self.queued.load(Relaxed) != self.run.load(Relaxed)
    }
}

/// Ending the wait is all that the APC is for. The count tells a killer whether the thread waits alertably at all.
unsafe extern "system" fn on_apc(_parameter: usize) {
    // The thread's locals may be gone: whoever ends the thread after them may still wait alertably.
    let _ = APCS.try_with(|apcs| apcs.get().map(|apcs| apcs.run.fetch_add(1, Relaxed)));
}

impl Refusal {
    fn of(code: u32) -> Self {
        match code {
            ERROR_INVALID_HANDLE => Self::InvalidHandle,
            ERROR_ACCESS_DENIED => Self::AccessDenied,
            code => Self::Other(code.cast_signed()),
        }
    }
}

fn last_error() -> u32 {
    // SAFETY: reads the calling thread's error code.
    unsafe { GetLastError() }
}
