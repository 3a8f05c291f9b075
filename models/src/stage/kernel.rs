//! The operating system of the models: thread ids that are reused at once, one pending wake a thread, system calls that
//! a wake interrupts.
//!
//! A wake that is sent to a thread in user mode stays pending until the script's next instruction that the model marks
//! ([`Stage::user_mode`](super::Stage::user_mode)), its next system call, or its exit: later than on real systems, where it
//! takes microseconds. That is on purpose, because it is the worst case.

use super::{Call, System};

/// The state that one gate guards.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// Which live thread has an id.
    ids: Vec<Option<Serial>>,
    threads: Vec<OsThread>,
    let_go: bool,
    targets: Vec<bool>,
    system: System,
}

/// A thread's number, never reused.
pub(super) type Serial = usize;

#[derive(Debug)]
struct OsThread {
    name: &'static str,
    id: usize,
    /// A signal, or on Windows an APC, has not arrived yet.
    pending: bool,
    /// Windows: the synchronous I/O that the thread is blocked in is being cancelled.
    cancelled: bool,
    /// Windows: the latest cancel found nothing.
    missed: bool,
    /// The call that has not returned, if the thread is in one.
    blocked: Option<Call>,
    alive: bool,
}

/// What a thread captured: its id, as a real target, and what only the oracle looks at.
#[derive(Debug)]
pub struct Target {
    id: usize,
    serial: Serial,
    number: usize,
}

impl Target {
    /// A second name for the same target, which sound code cannot make.
    pub(super) fn alias(&self) -> Self {
        Self { ..*self }
    }
}

/// What became of a wake.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Delivery {
    Hit { blocked: bool },
    OtherThread { hit: &'static str, meant: &'static str },
    AfterExit { meant: &'static str },
    AfterRelease { meant: &'static str },
}

/// How far a system call is.
pub(super) enum Progress {
    Interrupted,
    Done,
    Blocked,
}

impl Kernel {
    /// A thread starts, with the lowest id that is free.
    pub(super) fn start(&mut self, name: &'static str) -> Serial {
        let serial = self.threads.len();
        let id = self.ids.iter().position(Option::is_none).unwrap_or(self.ids.len());
        if id == self.ids.len() {
            self.ids.push(None);
        }
        self.ids[id] = Some(serial);
        let (pending, cancelled, missed, blocked) = (false, false, false, None);
        self.threads.push(OsThread { name, id, pending, cancelled, missed, blocked, alive: true });
        serial
    }

    /// The thread that a target was captured on.
    pub(super) fn name_of(&self, target: &Target) -> &'static str {
        self.threads[target.serial].name
    }

    /// How many threads were started so far.
    pub(super) fn started(&self) -> usize {
        self.threads.len()
    }

    pub(super) fn exit(&mut self, serial: Serial) {
        let id = self.threads[serial].id;
        self.ids[id] = None;
        self.threads[serial].alive = false;
    }

    pub(super) fn capture(&mut self, serial: Serial) -> Target {
        self.targets.push(false);
        Target { id: self.threads[serial].id, serial, number: self.targets.len() - 1 }
    }

    /// Answers whether the target was still there to be released.
    pub(super) fn release(&mut self, target: &Target) -> bool {
        !std::mem::replace(&mut self.targets[target.number], true)
    }

    pub(super) fn unreleased(&self) -> usize {
        self.targets.iter().filter(|released| !**released).count()
    }

    pub(super) fn send(&mut self, target: &Target) -> Delivery {
        let meant = self.threads[target.serial].name;
        if self.targets[target.number] {
            return Delivery::AfterRelease { meant };
        }
        match self.ids[target.id] {
            None => Delivery::AfterExit { meant },
            Some(serial) if serial != target.serial => {
                Delivery::OtherThread { hit: self.threads[serial].name, meant }
            }
            Some(serial) => {
                let thread = &mut self.threads[serial];
                thread.pending = true;
                // The model of a cancel: it is not kept for I/O that has not begun.
                let hit = thread.blocked == Some(Call::SynchronousIo);
                (thread.cancelled, thread.missed) = (thread.cancelled || hit, !hit);
                Delivery::Hit { blocked: thread.blocked.is_some() }
            }
        }
    }

    /// The semantics from now on.
    pub(super) fn simulate(&mut self, system: System) {
        self.system = system;
    }

    /// Whether a thread can be woken at all.
    pub(super) fn has_wakes(&self) -> bool {
        self.system != System::WithoutWake
    }

    pub(super) fn is_windows(&self) -> bool {
        self.system == System::Windows
    }

    /// Whether wake-ups did not reach the thread: as Windows' platform tells it, from an APC that is still queued and a cancel
    /// that found nothing.
    pub(super) fn was_missed(&self, target: &Target) -> bool {
        let thread = &self.threads[target.serial];
        self.is_windows() && thread.pending && thread.missed
    }

    /// Between two instructions: the handler runs, if a signal is pending. APCs stay queued.
    pub(super) fn user_mode(&mut self, serial: Serial) -> bool {
        self.system == System::Unix && self.take_pending(serial)
    }

    /// What is pending arrives.
    pub(super) fn take_pending(&mut self, serial: Serial) -> bool {
        std::mem::take(&mut self.threads[serial].pending)
    }

    /// One look of the thread at its system call.
    pub(super) fn progress(&mut self, serial: Serial, call: Call) -> Progress {
        let returns = self.let_go || call == Call::Short;
        let thread = &mut self.threads[serial];
        let woken = thread.woken_in(call);
        if let Some(woken) = woken
            && std::mem::take(woken)
        {
            thread.blocked = None;
            return Progress::Interrupted;
        }
        thread.blocked = (!returns).then_some(call);
        if returns { Progress::Done } else { Progress::Blocked }
    }

    pub(super) fn let_go(&mut self) {
        self.let_go = true;
    }

    pub(super) fn was_let_go(&self) -> bool {
        self.let_go
    }

    /// Whether no thread of the engine's can move: each one that lives is blocked, with no wake under way to it.
    pub(super) fn is_stuck(&self) -> bool {
        let mut alive = self.threads.iter().filter(|thread| thread.alive);
        !self.let_go && alive.all(OsThread::stays_blocked)
    }
}

impl OsThread {
    /// What interrupts a call of this kind, and whether it has come; `None` if nothing does.
    fn woken_in(&mut self, call: Call) -> Option<&mut bool> {
        match call {
            Call::Uninterruptible => None,
            Call::SynchronousIo => Some(&mut self.cancelled),
            Call::Interruptible | Call::WithSideEffects | Call::Short => Some(&mut self.pending),
        }
    }

    /// Whether it is in a call, with nothing under way that interrupts it.
    fn stays_blocked(&self) -> bool {
        match self.blocked {
            None => false,
            Some(Call::Uninterruptible) => true,
            Some(Call::SynchronousIo) => !self.cancelled,
            Some(Call::Interruptible | Call::WithSideEffects | Call::Short) => !self.pending,
        }
    }
}
