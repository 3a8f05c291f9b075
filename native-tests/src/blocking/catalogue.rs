//! The table of all entries.

use libc::*;

use super::Expected::{BlocksSignal, EndsAfter, EndsByFlags, NeverEnds};
use super::StuckAs::{Asleep, Running, Uninterruptible};
use super::{Entry, SystemCall, children, futexes, locks, loops, pipes, queues, sleeps, sockets};

const ONE: super::Expected = EndsAfter { signals: 1 };

// Some calls have a number only on older architectures; the C library uses the newer call elsewhere.
#[cfg(target_arch = "x86_64")]
mod older {
    use super::SystemCall;

    pub const POLL: &[SystemCall] = &[(libc::SYS_poll, "poll"), (libc::SYS_ppoll, "ppoll")];
    pub const SELECT: &[SystemCall] = &[(libc::SYS_select, "select"), (libc::SYS_pselect6, "pselect6")];
    pub const EPOLL: &[SystemCall] =
        &[(libc::SYS_epoll_wait, "epoll_wait"), (libc::SYS_epoll_pwait, "epoll_pwait")];
    pub const PAUSE: &[SystemCall] = &[(libc::SYS_pause, "pause")];
}

#[cfg(not(target_arch = "x86_64"))]
mod older {
    use super::SystemCall;

    pub const POLL: &[SystemCall] = &[(libc::SYS_ppoll, "ppoll")];
    pub const SELECT: &[SystemCall] = &[(libc::SYS_pselect6, "pselect6")];
    pub const EPOLL: &[SystemCall] = &[(libc::SYS_epoll_pwait, "epoll_pwait")];
    pub const PAUSE: &[SystemCall] = &[(libc::SYS_ppoll, "ppoll")];
}

const READ: &[SystemCall] = &[(SYS_read, "read")];
const CONNECT: &[SystemCall] = &[(SYS_connect, "connect")];
const FUTEX: &[SystemCall] = &[(SYS_futex, "futex")];
const CLOCK_SLEEP: &[SystemCall] = &[(SYS_clock_nanosleep, "clock_nanosleep"), (SYS_nanosleep, "nanosleep")];
const CLONE: &[SystemCall] = &[(SYS_clone, "clone"), (SYS_clone3, "clone3")];

/// Every way of being stuck that the tests and the demo know.
pub const CATALOGUE: &[Entry] = &[
    Entry { name: "read, empty pipe", stuck: Asleep(READ), expected: ONE, why: "", make: pipes::read },
    Entry {
        name: "write, full pipe",
        stuck: Asleep(&[(SYS_write, "write")]),
        expected: ONE,
        why: "",
        make: pipes::write,
    },
    Entry {
        name: "nanosleep",
        stuck: Asleep(&[(SYS_nanosleep, "nanosleep")]),
        expected: ONE,
        why: "",
        make: sleeps::nanosleep,
    },
    Entry {
        name: "clock_nanosleep",
        stuck: Asleep(CLOCK_SLEEP),
        expected: ONE,
        why: "",
        make: sleeps::clock_nanosleep,
    },
    Entry { name: "poll", stuck: Asleep(older::POLL), expected: ONE, why: "", make: pipes::poll },
    Entry {
        name: "ppoll",
        stuck: Asleep(&[(SYS_ppoll, "ppoll")]),
        expected: ONE,
        why: "",
        make: pipes::ppoll,
    },
    Entry { name: "select", stuck: Asleep(older::SELECT), expected: ONE, why: "", make: pipes::select },
    Entry {
        name: "epoll_wait",
        stuck: Asleep(older::EPOLL),
        expected: ONE,
        why: "",
        make: pipes::epoll_wait,
    },
    Entry {
        name: "accept",
        stuck: Asleep(&[(SYS_accept, "accept"), (SYS_accept4, "accept4")]),
        expected: ONE,
        why: "",
        make: sockets::accept,
    },
    Entry {
        name: "recv",
        stuck: Asleep(&[(SYS_recvfrom, "recvfrom")]),
        expected: ONE,
        why: "",
        make: sockets::recv,
    },
    Entry {
        name: "connect, full backlog, Unix",
        stuck: Asleep(CONNECT),
        expected: ONE,
        why: "",
        make: sockets::connect_unix,
    },
    Entry {
        name: "connect, full backlog, TCP",
        stuck: Asleep(CONNECT),
        expected: ONE,
        why: "",
        make: sockets::connect_tcp,
    },
    Entry {
        name: "waitpid",
        stuck: Asleep(&[(SYS_wait4, "wait4")]),
        expected: ONE,
        why: "",
        make: children::waitpid,
    },
    Entry {
        name: "flock",
        stuck: Asleep(&[(SYS_flock, "flock")]),
        expected: ONE,
        why: "",
        make: queues::flock,
    },
    Entry { name: "sem_wait", stuck: Asleep(FUTEX), expected: ONE, why: "", make: futexes::sem_wait },
    Entry { name: "futex", stuck: Asleep(FUTEX), expected: ONE, why: "", make: futexes::futex },
    Entry { name: "pause", stuck: Asleep(older::PAUSE), expected: ONE, why: "", make: sleeps::pause },
    Entry {
        name: "msgrcv",
        stuck: Asleep(&[(SYS_msgrcv, "msgrcv")]),
        expected: ONE,
        why: "",
        make: queues::msgrcv,
    },
    Entry {
        name: "read, retried once",
        stuck: Asleep(READ),
        expected: EndsAfter { signals: 2 },
        why: "the caller repeats the call at its first EINTR, as PHP's fgets does: one signal is not enough",
        make: pipes::read_retried_once,
    },
    Entry {
        name: "read, blocks again after the kill",
        stuck: Asleep(READ),
        expected: EndsAfter { signals: 2 },
        why: "the script consumes the kill, then its shutdown function blocks: the flags and the signal of one kill \
              are used up",
        make: pipes::read_in_shutdown_function,
    },
    Entry {
        name: "VM loop",
        stuck: Running,
        expected: EndsByFlags { stores: 1 },
        why: "it makes no system call that a signal could interrupt; it looks at its flags at every turn",
        make: loops::vm_loop,
    },
    Entry {
        name: "VM loop that clears timed_out",
        stuck: Running,
        expected: EndsByFlags { stores: 2 },
        why: "the script calls set_time_limit just when the kill comes, which takes timed_out down: the kill has to \
              store both flags again",
        make: loops::vm_loop_that_clears_timed_out,
    },
    Entry {
        name: "read, retried for ever",
        stuck: Asleep(READ),
        expected: NeverEnds,
        why: "the caller repeats the call at every EINTR and never looks at its flags",
        make: pipes::read_retried_for_ever,
    },
    Entry {
        name: "std::thread::sleep",
        stuck: Asleep(CLOCK_SLEEP),
        expected: NeverEnds,
        why: "the standard library sleeps for the rest at every EINTR",
        make: sleeps::std_sleep,
    },
    Entry {
        name: "Mutex::lock",
        stuck: Asleep(FUTEX),
        expected: NeverEnds,
        why: "the standard library waits again at every EINTR, as pthread_mutex_lock does",
        make: locks::mutex,
    },
    Entry {
        name: "busy loop",
        stuck: Running,
        expected: NeverEnds,
        why: "it makes no system call and never looks at its flags, as one long internal function does",
        make: loops::busy_loop,
    },
    Entry {
        name: "vfork, child not yet gone",
        stuck: Uninterruptible(CLONE),
        expected: NeverEnds,
        why: "the kernel lets only a deadly signal end the wait of vfork's parent (state D)",
        make: children::vfork,
    },
    Entry {
        name: "posix_spawn, child not yet gone",
        stuck: Uninterruptible(CLONE),
        expected: BlocksSignal,
        why: "the C library blocks every signal before its vfork; popen and proc_open come this way",
        make: children::posix_spawn,
    },
];
