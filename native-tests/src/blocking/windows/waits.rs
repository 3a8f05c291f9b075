//! Waits for time to pass or for an object, alertable and not.

use std::io::{self, Error};
use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use windows_sys::Win32::Foundation::{FALSE, HANDLE, INVALID_HANDLE_VALUE, TRUE, WAIT_FAILED, WAIT_OBJECT_0};
use windows_sys::Win32::System::IO::{
    CreateIoCompletionPort, GetQueuedCompletionStatusEx, OVERLAPPED_ENTRY, PostQueuedCompletionStatus,
};
use windows_sys::Win32::System::Threading::{
    CreateEventW, INFINITE, SetEvent, Sleep, SleepEx, WaitForMultipleObjectsEx, WaitForSingleObject,
    WaitForSingleObjectEx,
};

use crate::blocking::{Blocking, Script};

/// How long the threads sleep that nothing can wake; they are let go by waiting for them.
pub const SLEEP: Duration = Duration::from_secs(3);

/// What a wait for an object answered: 0 for the object, an error for anything else, an APC included.
fn answer(script: &Script, waited: u32) -> io::Result<i64> {
    script.counted(match waited {
        WAIT_OBJECT_0 => Ok(0),
        WAIT_FAILED => Err(Error::last_os_error()),
        other => Err(Error::from_raw_os_error(other.cast_signed())),
    })
}

fn owned(handle: HANDLE) -> io::Result<OwnedHandle> {
    if handle.is_null() {
        return Err(Error::last_os_error());
    }
    // SAFETY: both callers have just made it, and nobody else has it.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// A call that needs nothing. `ends` says whether it returns by itself within a test's patience.
struct Sleeping {
    call: fn(&Script) -> io::Result<i64>,
    ends: bool,
}

impl Blocking for Sleeping {
    fn block(&self, script: &Script) -> io::Result<i64> {
        (self.call)(script)
    }

    fn let_go(&self) -> bool {
        self.ends
    }
}

pub(in crate::blocking) fn sleep_ex() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: sleeps; takes nothing and touches nothing.
    let call = |script: &Script| answer(script, unsafe { SleepEx(INFINITE, TRUE as _) });
    Ok(Arc::new(Sleeping { call, ends: false }))
}

pub(in crate::blocking) fn sleep() -> io::Result<Arc<dyn Blocking>> {
    let call = |_: &Script| {
        // SAFETY: as above.
        unsafe { Sleep(SLEEP.as_millis() as u32) };
        Ok(0)
    };
    Ok(Arc::new(Sleeping { call, ends: true }))
}

pub(in crate::blocking) fn std_sleep() -> io::Result<Arc<dyn Blocking>> {
    let call = |_: &Script| {
        thread::sleep(SLEEP);
        Ok(0)
    };
    Ok(Arc::new(Sleeping { call, ends: true }))
}

/// Stuck until the event is set.
struct Waiting {
    event: OwnedHandle,
    call: fn(HANDLE) -> u32,
}

impl Waiting {
    fn with(call: fn(HANDLE) -> u32) -> io::Result<Arc<dyn Blocking>> {
        // SAFETY: an event without a name, which stays set once it is.
        let event = owned(unsafe { CreateEventW(ptr::null(), TRUE, FALSE, ptr::null()) })?;
        Ok(Arc::new(Self { event, call }))
    }
}

impl Blocking for Waiting {
    fn block(&self, script: &Script) -> io::Result<i64> {
        answer(script, (self.call)(self.event.as_raw_handle()))
    }

    fn let_go(&self) -> bool {
        // SAFETY: the event is open as long as `self` lives.
        unsafe { SetEvent(self.event.as_raw_handle()) != 0 }
    }
}

pub(in crate::blocking) fn single_ex() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: `block` gives an open event.
    Waiting::with(|event| unsafe { WaitForSingleObjectEx(event, INFINITE, TRUE) })
}

pub(in crate::blocking) fn multiple_ex() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: one open event, in an array of one.
    Waiting::with(|event| unsafe { WaitForMultipleObjectsEx(1, &event, FALSE, INFINITE, TRUE) })
}

pub(in crate::blocking) fn single() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: `block` gives an open event.
    Waiting::with(|event| unsafe { WaitForSingleObject(event, INFINITE) })
}

/// Stuck until a packet comes to the completion port.
struct Port(OwnedHandle);

pub(in crate::blocking) fn port_ex() -> io::Result<Arc<dyn Blocking>> {
    // SAFETY: a new port with no file.
    let port = unsafe { CreateIoCompletionPort(INVALID_HANDLE_VALUE, ptr::null_mut(), 0, 0) };
    Ok(Arc::new(Port(owned(port)?)))
}

impl Blocking for Port {
    fn block(&self, script: &Script) -> io::Result<i64> {
        let (mut entry, mut count) = (OVERLAPPED_ENTRY::default(), 0);
        let port = self.0.as_raw_handle();
        // SAFETY: room for one entry and one count, both of ours.
        let got = unsafe { GetQueuedCompletionStatusEx(port, &mut entry, 1, &mut count, INFINITE, TRUE) };
        script.counted(if got != 0 { Ok(0) } else { Err(Error::last_os_error()) })
    }

    fn let_go(&self) -> bool {
        // SAFETY: the port is open as long as `self` lives; the packet has no OVERLAPPED.
        unsafe { PostQueuedCompletionStatus(self.0.as_raw_handle(), 0, 0, ptr::null()) != 0 }
    }
}
