//! Under an emulator of another processor (qemu-user), `/proc` shows the calls that the emulator makes, by the host's numbers.
//!
//! Which numbers those are is found out once, from a thread that is known to be in `read`. The emulator makes the call that the
//! program asks for, but for a few; the table has what the tests look for.

use std::io::{Read, Write};
use std::sync::{OnceLock, mpsc};
use std::thread;

use super::{Activity, KernelThread};

/// The calls of the x86-64 kernel, and the same ones here.
const FROM_X86_64: &[(libc::c_long, libc::c_long)] = &[
    (0, libc::SYS_read),
    (1, libc::SYS_write),
    (35, libc::SYS_nanosleep),
    (42, libc::SYS_connect),
    (43, libc::SYS_accept),
    (45, libc::SYS_recvfrom),
    (56, libc::SYS_clone),
    (61, libc::SYS_wait4),
    (70, libc::SYS_msgrcv),
    (73, libc::SYS_flock),
    (202, libc::SYS_futex),
    (230, libc::SYS_clock_nanosleep),
    (270, libc::SYS_pselect6),
    (271, libc::SYS_ppoll),
    (281, libc::SYS_epoll_pwait),
    (288, libc::SYS_accept4),
];

/// The host's number of `read`, where it is not this program's.
const READ_OF_X86_64: libc::c_long = 0;

/// Whether this program runs under an emulator.
///
/// # Panics
/// If the system refuses a thread or a pipe.
pub fn is_emulated() -> bool {
    static EMULATED: OnceLock<bool> = OnceLock::new();
    libc::SYS_read != READ_OF_X86_64 && *EMULATED.get_or_init(|| number_of_read() == READ_OF_X86_64)
}

/// The call of this program that the number which the kernel shows stands for.
pub(super) fn own_number(shown: libc::c_long) -> libc::c_long {
    if !is_emulated() {
        return shown;
    }
    FROM_X86_64.iter().find(|(host, _)| *host == shown).map_or(shown, |(_, own)| *own)
}

/// What the kernel shows for a thread that is in `read`.
fn number_of_read() -> libc::c_long {
    let (mut from, mut to) = std::io::pipe().expect("a pipe");
    let (tells, told) = mpsc::channel();
    let reader = thread::spawn(move || {
        // Fails only if nobody wants to know any more.
        let _ = tells.send(KernelThread::current());
        from.read(&mut [0])
    });
    let thread = told.recv().expect("the thread's name");
    let number = loop {
        match thread.shown_activity() {
            Ok(Activity::Parked(parked)) if [READ_OF_X86_64, libc::SYS_read].contains(&parked.call) => {
                break parked.call;
            }
            // On its way to the call; nothing depends on how long it takes.
            _ => thread::yield_now(),
        }
    };
    let _ = to.write(b"x");
    let _ = reader.join();
    number
}
