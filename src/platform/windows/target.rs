//! One thread as the target of a cancel and an APC.

use std::io;
use std::os::windows::io::{AsHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use windows_sys::Win32::Foundation::{DuplicateHandle, FALSE, HANDLE};
use windows_sys::Win32::System::Threading::{
    GetCurrentProcess, GetCurrentThread, THREAD_ACCESS_RIGHTS, THREAD_SET_CONTEXT, THREAD_TERMINATE,
};

use super::calls::{self, Apc, Apcs, Cancel, Refusal};
use crate::platform::{Obstacle, Wake};

/// The rights that the two calls need, and no other: `QueueUserAPC` the first, `CancelSynchronousIo` the second.
const RIGHTS: THREAD_ACCESS_RIGHTS = THREAD_SET_CONTEXT | THREAD_TERMINATE;

/// A thread, by a handle of its own, which is closed when this is dropped: the type has no other way, and no second one.
/// The handle keeps the kernel's thread object, so it never names another thread, however long it is held.
#[derive(Debug)]
pub(crate) struct WindowsTarget {
    thread: OwnedHandle,
    apcs: Arc<Apcs>,
    /// Whether the latest cancel found something to cancel.
    cancelled: AtomicBool,
}

impl WindowsTarget {
    /// Captures the calling thread, by duplicating its handle: `GetCurrentThread` alone answers a name that means the caller,
    /// whoever that is.
    pub(crate) fn capture() -> Result<Self, Obstacle> {
        // SAFETY: only answers a pseudo-handle, which needs no closing.
        Self::capture_by(unsafe { GetCurrentThread() })
    }

    /// The same, by this handle to the calling thread.
    fn capture_by(handle: HANDLE) -> Result<Self, Obstacle> {
        // What is left over from before this publication is none of the new one's.
        Self::absorb();
        let thread = duplicate(handle, RIGHTS).map_err(|errno| Obstacle::HandleNotDuplicated { errno })?;
        Ok(Self { thread, apcs: Apcs::of_this_thread(), cancelled: AtomicBool::new(false) })
    }

    /// Cancels the synchronous I/O that the thread is in, if it is in any, and queues an APC. Both, always: which of the two
    /// the thread's wait heeds cannot be seen from outside. Whoever calls holds the slot's lock.
    #[inline]
    pub(crate) fn wake(&self) -> Wake {
        let cancel = calls::cancel(self.thread.as_handle());
        let apc = calls::queue_apc(self.thread.as_handle());
        // Relaxed, here and below: a hint for the verdict, which orders nothing.
        self.cancelled.store(cancel == Cancel::Hit, Relaxed);
        if apc == Apc::Queued {
            self.apcs.count_queued();
        }
        outcome(cancel, apc)
    }

    /// Why the thread was not interrupted: the latest cancel has found nothing, and an APC is still queued, so that the
    /// thread is neither in synchronous I/O nor has it waited alertably since. It may also not wait at all; the system does
    /// not tell the two apart.
    pub(crate) fn obstacle(&self) -> Option<Obstacle> {
        let missed = self.apcs.are_still_queued() && !self.cancelled.load(Relaxed);
        missed.then_some(Obstacle::NotAlertable)
    }

    /// Lets APCs that were queued to the calling thread run here, where they interrupt nothing. A cancel needs no such thing:
    /// it has hit or is lost.
    pub(crate) fn absorb() {
        calls::run_queued_apcs();
    }
}

/// What the answers of the two calls come to.
fn outcome(cancel: Cancel, apc: Apc) -> Wake {
    match (cancel, apc) {
        (_, Apc::Queued) | (Cancel::Hit, _) => Wake::Sent,
        (_, Apc::ThreadGone) => Wake::ThreadGone,
        (_, Apc::Refused(Refusal::InvalidHandle)) => Wake::Impossible(Obstacle::HandleInvalid),
        (_, Apc::Refused(Refusal::AccessDenied)) => Wake::Impossible(Obstacle::AccessDenied),
        (_, Apc::Refused(Refusal::Other(errno))) => Wake::Failed { errno },
    }
}

/// A handle of our own, with these rights, to what `handle` is one to. The error is the system's code.
fn duplicate(handle: HANDLE, rights: THREAD_ACCESS_RIGHTS) -> Result<OwnedHandle, i32> {
    let mut duplicate: HANDLE = ptr::null_mut();
    // SAFETY: the process's pseudo-handle needs no closing; the system looks whether `handle` is one, and writes one handle into
    // `duplicate`. Not inherited by child processes, without the option that would close the source.
    let duplicated = unsafe {
        let process = GetCurrentProcess();
        DuplicateHandle(process, handle, process, &mut duplicate, rights, FALSE, 0)
    };
    if duplicated == 0 {
        return Err(io::Error::last_os_error().raw_os_error().unwrap_or(0));
    }
    // SAFETY: the call has just made the handle, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(duplicate) })
}

#[cfg(test)]
mod tests {
    use std::error::Error;
    use std::hint;
    use std::os::windows::io::{AsRawHandle, BorrowedHandle};
    use std::sync::mpsc::{self, TryRecvError};
    use std::thread;
    use std::time::Duration;

    use windows_sys::Win32::Foundation::{ERROR_GEN_FAILURE, ERROR_INVALID_HANDLE};
    use windows_sys::Win32::System::Threading::{
        INFINITE, THREAD_QUERY_LIMITED_INFORMATION, WaitForSingleObject,
    };

    use super::*;
    use crate::engine::{InterruptFlags, OwnedFlags};
    use crate::kill::{Effort, Verdict};
    use crate::platform::Native;
    use crate::slot::{Slot, SlotState};
    use crate::wake::ResendPolicy;

    /// Never opened: a closed one could be another test's by now.
    fn no_handle() -> HANDLE {
        ptr::without_provenance_mut(0x7fff_fff0)
    }

    /// What both calls answer on a handle with these rights to a thread that waits for something else.
    fn on_handle_with(rights: THREAD_ACCESS_RIGHTS) -> (Cancel, Apc) {
        // SAFETY: only answers a pseudo-handle, which needs no closing.
        let handle = duplicate(unsafe { GetCurrentThread() }, rights).unwrap();
        let answers = (calls::cancel(handle.as_handle()), calls::queue_apc(handle.as_handle()));
        calls::run_queued_apcs();
        answers
    }

    #[test]
    fn each_call_needs_its_own_right_and_both_are_enough() {
        let denied = Refusal::AccessDenied;
        assert_eq!(on_handle_with(RIGHTS), (Cancel::NothingPending, Apc::Queued));
        assert_eq!(on_handle_with(THREAD_SET_CONTEXT), (Cancel::Refused(denied), Apc::Queued));
        assert_eq!(on_handle_with(THREAD_TERMINATE), (Cancel::NothingPending, Apc::Refused(denied)));
        let neither = on_handle_with(THREAD_QUERY_LIMITED_INFORMATION);
        assert_eq!(neither, (Cancel::Refused(denied), Apc::Refused(denied)));
    }

    #[test]
    fn a_thread_that_has_exited_is_gone() {
        let target = thread::spawn(|| WindowsTarget::capture().unwrap());
        let alive = target.as_raw_handle();
        // SAFETY: the join handle keeps the handle open. The thread object is signalled when the thread has exited.
        unsafe { WaitForSingleObject(alive, INFINITE) };
        let target = target.join().unwrap();
        assert_eq!(calls::cancel(target.thread.as_handle()), Cancel::NothingPending);
        assert_eq!(calls::queue_apc(target.thread.as_handle()), Apc::ThreadGone);
        assert_eq!(target.wake(), Wake::ThreadGone);
    }

    #[test]
    fn a_handle_that_is_none_is_told_from_a_thread_that_is_gone() {
        // SAFETY: lives for this test; nothing is done with it but the two calls, which refuse it.
        let none = unsafe { BorrowedHandle::borrow_raw(no_handle()) };
        assert_eq!(calls::cancel(none), Cancel::Refused(Refusal::InvalidHandle));
        assert_eq!(calls::queue_apc(none), Apc::Refused(Refusal::InvalidHandle));
    }

    /// Two runs of a thread whose handle the system has refused to duplicate: one that looks at its flags when it is told to,
    /// and one that does nothing else.
    #[test]
    fn without_a_duplicate_kills_are_flags_only_and_say_so() -> Result<(), Box<dyn Error>> {
        let slot = Slot::<Native>::new(Native::default());
        let ((begins, begun), (tells, told)) = (mpsc::channel(), mpsc::channel());
        let slot = &slot;
        // The closure's end tells the script if the test has failed.
        thread::scope(move |scope| {
            let script = scope.spawn(move || {
                let flags = OwnedFlags::new();
                let obstacle = WindowsTarget::capture_by(no_handle()).unwrap_err();
                // What a publication does, which would capture by a handle that can be duplicated.
                let replace = |state: &mut SlotState<_, _>| {
                    state.replace(slot.platform(), flags.clone(), Err(obstacle)).0
                };
                let publication = slot.exclusive(replace);
                let run = |script: &dyn Fn() -> bool| {
                    let run = slot.begin_run(publication);
                    // Fails only if the test has failed.
                    let _ = begins.send(run);
                    let answer = script();
                    slot.end_run(publication, run);
                    answer
                };
                let first = run(&|| told.recv().is_ok() && flags.consume_interrupt());
                let second = run(&|| {
                    loop {
                        match (flags.consume_interrupt(), told.try_recv()) {
                            (true, _) => break true,
                            (_, Err(TryRecvError::Disconnected)) => break false,
                            _ => hint::spin_loop(),
                        }
                    }
                });
                slot.clear(publication);
                (obstacle, first, second)
            });
            let verdict = slot.kill(begun.recv()?, &ResendPolicy::single(Duration::from_millis(1))?);
            let refused = Obstacle::HandleNotDuplicated { errno: ERROR_INVALID_HANDLE.cast_signed() };
            let Verdict::NoWakeUp { obstacle, effort: Effort { sends: 0, attempts: 1, .. } } = verdict else {
                return Err(verdict.to_string().into());
            };
            assert_eq!(obstacle, refused);
            assert!(verdict.to_string().contains("(error 6), so kills are flags only"), "{verdict}");
            tells.send(())?;
            let verdict = slot.kill(begun.recv()?, &ResendPolicy::single(Duration::from_secs(30))?);
            let Verdict::Ended(Effort { sends: 0, attempts: 1, .. }) = verdict else {
                return Err(verdict.to_string().into());
            };
            assert_eq!(script.join().map_err(|_| "the script panicked")?, (refused, true, true));
            Ok(())
        })
    }

    #[test]
    fn what_the_two_calls_come_to() {
        let failed = |code: u32| Apc::Refused(Refusal::Other(code.cast_signed()));
        assert_eq!(outcome(Cancel::NothingPending, Apc::Queued), Wake::Sent);
        assert_eq!(outcome(Cancel::Hit, failed(ERROR_GEN_FAILURE)), Wake::Sent);
        assert_eq!(outcome(Cancel::NothingPending, Apc::ThreadGone), Wake::ThreadGone);
        let refused = |refusal| outcome(Cancel::NothingPending, Apc::Refused(refusal));
        assert_eq!(refused(Refusal::InvalidHandle), Wake::Impossible(Obstacle::HandleInvalid));
        assert_eq!(refused(Refusal::AccessDenied), Wake::Impossible(Obstacle::AccessDenied));
        assert_eq!(outcome(Cancel::NothingPending, failed(8)), Wake::Failed { errno: 8 });
    }

    #[test]
    fn an_apc_that_has_run_is_no_obstacle_and_one_that_is_queued_is() {
        let target = WindowsTarget::capture().unwrap();
        assert_eq!(target.obstacle(), None);
        assert_eq!(target.wake(), Wake::Sent);
        assert_eq!(target.obstacle(), Some(Obstacle::NotAlertable));
        WindowsTarget::absorb();
        assert_eq!(target.obstacle(), None);
    }

    #[test]
    fn a_capture_begins_with_nothing_queued() {
        let earlier = WindowsTarget::capture().unwrap();
        assert_eq!((earlier.wake(), earlier.wake()), (Wake::Sent, Wake::Sent));
        let later = WindowsTarget::capture().unwrap();
        assert_eq!((earlier.obstacle(), later.obstacle()), (None, None));
        assert_eq!(later.wake(), Wake::Sent);
        assert_eq!(later.obstacle(), Some(Obstacle::NotAlertable));
        WindowsTarget::absorb();
    }
}
