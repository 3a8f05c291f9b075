//! How many handles this process has open.
//!
//! `GetProcessHandleCount` answers 0 under Wine 8, so every value that could be a handle is asked about. Values are multiples
//! of four, and the system gives the lowest free ones.

use std::io::{Error, Result};
use std::ptr;

use windows_sys::Win32::Foundation::GetHandleInformation;
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

/// Far more than a test ever has open.
const MOST: usize = 16_384;

/// Counts the open handles, by asking about each value; and holds the count against the system's own, where it has one.
///
/// # Errors
/// If the two differ, or the process has more handles open than this looks at.
pub fn open_handles() -> Result<usize> {
    let is_open = |nth: &usize| {
        let mut flags = 0;
        // SAFETY: asks about a number, which need not be a handle; the system writes one u32 if it is.
        unsafe { GetHandleInformation(ptr::without_provenance_mut(nth * 4), &mut flags) != 0 }
    };
    let (count, highest) = (1..=MOST).filter(is_open).fold((0, 0), |(count, _), nth| (count + 1, nth));
    if highest > MOST / 2 {
        return Err(Error::other(format!("handle {highest} of {MOST} is open: others may be beyond")));
    }
    let mut told = 0;
    // SAFETY: the pseudo-handle needs no closing; the system writes one u32.
    if unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut told) } == 0 {
        return Err(Error::last_os_error());
    }
    if told != 0 && told as usize != count {
        return Err(Error::other(format!("{count} handles were found and the system says {told}")));
    }
    Ok(count)
}
