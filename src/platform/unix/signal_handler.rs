//! The handler of the kill signal: installed once a process and signal, and checked before every send.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use super::{KillSignal, last_errno};

static INSTALLED: Mutex<Vec<KillSignal>> = Mutex::new(Vec::new());

/// Installs the handler unless this process has done so already. The error is the system's `errno`; a failed
/// attempt is not remembered, so a later one may succeed.
pub(crate) fn install_once(signal: KillSignal) -> Result<(), i32> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if !installed.contains(&signal) {
        install(signal)?;
        installed.push(signal);
    }
    Ok(())
}

/// Installs the handler, over whatever stands there.
///
/// `SA_ONSTACK`, because Go refuses signals on goroutine stacks. No `SA_RESTART`, because the whole point is that
/// the interrupted call returns.
pub(crate) fn install(signal: KillSignal) -> Result<(), i32> {
    // SAFETY: all-zero is a valid sigaction; every field that matters is set below.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = handler_address();
    action.sa_flags = libc::SA_ONSTACK;
    // SAFETY: the mask is a live sigset_t of ours; the action outlives the call; the handler is async-signal-safe,
    // as it does nothing.
    let result = unsafe {
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal.number(), &action, ptr::null_mut())
    };
    if result == 0 { Ok(()) } else { Err(last_errno()) }
}

/// Whether the signal would run our handler, and interrupt calls, if it were sent now.
#[inline(never)]
pub(crate) fn is_ours(signal: KillSignal) -> bool {
    let mut current = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null action only asks; the kernel fills `current` when it returns 0, and only then is it read.
    unsafe {
        if libc::sigaction(signal.number(), ptr::null(), current.as_mut_ptr()) != 0 {
            return false;
        }
        let current = current.assume_init();
        current.sa_sigaction == handler_address() && current.sa_flags & libc::SA_RESTART == 0
    }
}

/// Interrupting the call is all that the signal is for.
#[inline(never)]
extern "C" fn on_kill_signal(_signal: libc::c_int) {}

/// The handler's one address. A function has no single address in Rust: a copy of it may be made for every crate that
/// uses it, and comparing with another copy than the installed one would refuse every kill. A static has one.
static HANDLER: extern "C" fn(libc::c_int) = on_kill_signal;

fn handler_address() -> libc::sighandler_t {
    HANDLER as *const () as libc::sighandler_t
}
