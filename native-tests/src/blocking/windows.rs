//! The catalogue of Windows.

use super::Entry;
use super::{locks, loops};

mod pipes;
mod sockets;
mod waits;

pub use waits::SLEEP;

/// What ends a stuck thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expected {
    /// A cancel, and no APC: it is synchronous I/O.
    ByCancel,
    /// An APC, and no cancel: it is an alertable wait.
    ByApc,
    /// It looks at its flags, when they have been stored this many times; neither call changes anything.
    ByFlags {
        /// How often a kill has to store them.
        stores: u32,
    },
    /// Nothing but its own return: it is no I/O, and the APC stays queued.
    Never,
    /// Nothing but its own return: the APC is run in the middle of the call, which then goes on waiting.
    GoesOn,
}

use Expected::{ByApc, ByCancel, ByFlags, GoesOn, Never};

const NOT_ALERTABLE: &str = "it is no I/O, and its caller did not ask for an alertable wait";
const A_SOCKET: &str =
    "the I/O of a socket is asynchronous underneath, and waited for without being alertable";

/// Every way of being stuck that the tests know.
pub const CATALOGUE: &[Entry] = &[
    Entry { name: "read, empty pipe", expected: ByCancel, why: "", make: pipes::read },
    Entry { name: "write, full pipe", expected: ByCancel, why: "", make: pipes::write },
    Entry { name: "read, named pipe", expected: ByCancel, why: "", make: pipes::read_named },
    Entry { name: "ConnectNamedPipe", expected: ByCancel, why: "", make: pipes::connect },
    Entry { name: "SleepEx, alertable", expected: ByApc, why: "", make: waits::sleep_ex },
    Entry { name: "WaitForSingleObjectEx, alertable", expected: ByApc, why: "", make: waits::single_ex },
    Entry { name: "WaitForMultipleObjectsEx, alertable", expected: ByApc, why: "", make: waits::multiple_ex },
    Entry { name: "GetQueuedCompletionStatusEx, alertable", expected: ByApc, why: "", make: waits::port_ex },
    Entry {
        name: "VM loop",
        expected: ByFlags { stores: 1 },
        why: "it makes no call that could be interrupted; it looks at its flags at every turn",
        make: loops::vm_loop,
    },
    Entry {
        name: "VM loop that clears timed_out",
        expected: ByFlags { stores: 2 },
        why: "the script calls set_time_limit just when the kill comes: the kill has to store both flags again",
        make: loops::vm_loop_that_clears_timed_out,
    },
    Entry { name: "Sleep", expected: Never, why: NOT_ALERTABLE, make: waits::sleep },
    Entry { name: "WaitForSingleObject", expected: Never, why: NOT_ALERTABLE, make: waits::single },
    Entry { name: "std::thread::sleep", expected: Never, why: NOT_ALERTABLE, make: waits::std_sleep },
    Entry { name: "Mutex::lock", expected: Never, why: NOT_ALERTABLE, make: locks::mutex },
    Entry { name: "recv", expected: GoesOn, why: A_SOCKET, make: sockets::recv },
    Entry { name: "accept", expected: GoesOn, why: A_SOCKET, make: sockets::accept },
    Entry {
        name: "busy loop",
        expected: Never,
        why: "it makes no call and never looks at its flags, as one long internal function does",
        make: loops::busy_loop,
    },
];
