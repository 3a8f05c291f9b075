//! The wake-up's two calls one by one, to find out which of them ends what. The library always makes both.

use std::io::{Error, Result};
use std::os::windows::io::{AsRawHandle, BorrowedHandle, FromRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{DUPLICATE_SAME_ACCESS, DuplicateHandle, ERROR_NOT_FOUND, FALSE};
use windows_sys::Win32::System::IO::CancelSynchronousIo;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetCurrentThread, QueueUserAPC};

/// A handle to the calling thread that other threads can use.
///
/// # Errors
/// The system's.
pub fn current_thread() -> Result<OwnedHandle> {
    let mut handle = ptr::null_mut();
    // SAFETY: the two pseudo-handles need no closing; the system writes one handle.
    let made = unsafe {
        let process = GetCurrentProcess();
        DuplicateHandle(process, GetCurrentThread(), process, &mut handle, 0, FALSE, DUPLICATE_SAME_ACCESS)
    };
    if made == 0 {
        return Err(Error::last_os_error());
    }
    // SAFETY: the call has just made it, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Cancels the thread's synchronous I/O. `false` if it is in none.
///
/// # Errors
/// The system's, but for that one.
pub fn cancel(thread: BorrowedHandle<'_>) -> Result<bool> {
    // SAFETY: the handle is borrowed for the time of the call.
    if unsafe { CancelSynchronousIo(thread.as_raw_handle()) } != 0 {
        return Ok(true);
    }
    let error = Error::last_os_error();
    if error.raw_os_error() == Some(ERROR_NOT_FOUND.cast_signed()) { Ok(false) } else { Err(error) }
}

/// Queues an APC that does nothing.
///
/// # Errors
/// The system's.
pub fn queue_apc(thread: BorrowedHandle<'_>) -> Result<()> {
    unsafe extern "system" fn nothing(_: usize) {}
    // SAFETY: the handle is borrowed for the time of the call; the callback takes no pointer.
    if unsafe { QueueUserAPC(Some(nothing), thread.as_raw_handle(), 0) } != 0 {
        Ok(())
    } else {
        Err(Error::last_os_error())
    }
}
