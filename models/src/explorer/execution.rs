//! The tables of one execution: its threads, its objects, and what has been announced. They are the same whichever runtime
//! suspends and resumes the threads.
//!
//! All threads of an execution live on one OS thread and run one at a time, so the tables are cells. The runtime's loop and
//! the threads reach them through shared references.

use std::any::Any;
use std::cell::{Cell, RefCell};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::current::Suspend;
use super::keys;
use super::object::{Objects, Value};
use super::operation::Pending;
use super::view::{Access, Announcement, MOST_THREADS, Object, Thread, Threads};
use crate::search::quiet;

/// The number of no thread: the runtime itself runs.
pub(super) const NOBODY: Thread = usize::MAX;

/// The tables.
pub(super) struct Execution {
    /// Unique in the process: objects of another execution are refused by it.
    pub(super) number: Cell<u64>,
    pub(super) threads: Box<[ThreadState]>,
    pub(super) created: Cell<usize>,
    pub(super) objects: Objects,
    /// Who runs.
    pub(super) running: Cell<Thread>,
    pub(super) unfinished: Cell<Threads>,
    /// Those that have announced a step.
    pub(super) announced: Cell<Threads>,
    /// Those of them that may not be enabled.
    pub(super) conditional: Cell<Threads>,
    /// Those that can go on without a step: the thread that they were joining has finished.
    pub(super) local: Cell<Threads>,
    pub(super) phase: Cell<Phase>,
    /// Whether a value cannot be hashed.
    pub(super) opaque: Cell<bool>,
    pub(super) in_section: Cell<bool>,
    /// Whose last wait ended because nobody else could go on, if nobody else has gone on since.
    rested: Cell<Thread>,
    /// Why the whole search must end: a mistake of the scenario that makes all that was searched worthless.
    pub(super) fatal: RefCell<Option<String>>,
    pub(super) runtime: Cell<Option<NonNull<dyn Suspend>>>,
}

/// More steps than a thread mostly makes between two places at which it forgets something.
const STRIDE: u16 = 64;

/// What is done with the threads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// A strategy, or the draining, chooses steps.
    Stepping,
    /// What is left is unwound.
    Unwinding,
}

/// When an announced operation can be performed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Always.
    Always,
    /// When its closure answers `Some`.
    Wait,
    /// Always; it times out unless its closure answers `Some`.
    Timed,
    /// When its closure answers `Some`, or when nobody else can go on and somebody has since it ended so before; it times out then.
    Last,
    /// When no other thread is in a section of this gate.
    Gate,
    /// The same, and the gate has been changed since this count of its changes.
    ChangedGate(u32),
}

/// One thread.
#[derive(Default)]
pub(super) struct ThreadState {
    pub(super) pending: Cell<Option<NonNull<dyn Pending>>>,
    pub(super) announcement: Cell<Option<(Announcement, Kind)>>,
    /// The version of the object at which readiness was tested, and what came out.
    tested: Cell<(u64, bool)>,
    /// The gate that it holds; the outer one, if it holds two.
    pub(super) gate: Cell<Option<Object>>,
    /// How many gates it holds.
    pub(super) gates: Cell<u32>,
    /// How often it was suspended so far.
    pub(super) suspensions: Cell<u64>,
    pub(super) name: Cell<u64>,
    history: Cell<keys::Long>,
    /// The history of its creator when it was created: what it was given to begin with is a function of that.
    origin: Cell<keys::Long>,
    /// How far it is: see [`View::progress`](super::view::View::progress).
    pub(super) progress: Cell<u16>,
    pub(super) creator: Cell<Option<Thread>>,
    children: Cell<u64>,
    objects: Cell<u64>,
    pub(super) joined: Cell<Threads>,
    joiner: Cell<Option<Thread>>,
    /// The thread that it waits to join.
    pub(super) joining: Cell<Option<Thread>>,
    pub(super) panic: RefCell<Option<String>>,
    result: Cell<Option<Box<dyn Any + Send>>>,
}

/// How a thread's body ended.
pub(super) type Outcome = Result<Box<dyn Any + Send>, Box<dyn Any + Send>>;

/// The panic that unwinds a thread of an execution that is over.
pub(super) struct Over;

/// A thread that is unwound and has been suspended so often is in a loop.
const MOST_SUSPENSIONS: u64 = 100_000;

const NEVER_TESTED: u64 = u64::MAX;

impl Execution {
    pub(super) fn new() -> Self {
        Self {
            number: Cell::new(0),
            threads: (0..MOST_THREADS).map(|_| ThreadState::default()).collect(),
            created: Cell::new(0),
            objects: Objects::default(),
            running: Cell::new(NOBODY),
            unfinished: Cell::default(),
            announced: Cell::default(),
            conditional: Cell::default(),
            local: Cell::default(),
            phase: Cell::new(Phase::Stepping),
            opaque: Cell::new(false),
            in_section: Cell::new(false),
            rested: Cell::new(NOBODY),
            fatal: RefCell::default(),
            runtime: Cell::new(None),
        }
    }

    /// Forgets the execution before, which must have been got rid of.
    pub(super) fn begin(&self) {
        self.number.set(next_number());
        self.created.set(0);
        self.objects.clear();
        self.running.set(NOBODY);
        self.unfinished.set(Threads::NONE);
        self.announced.set(Threads::NONE);
        self.conditional.set(Threads::NONE);
        self.local.set(Threads::NONE);
        self.phase.set(Phase::Stepping);
        self.opaque.set(false);
        self.in_section.set(false);
        self.rested.set(NOBODY);
    }

    /// A new thread, created by the one that runs.
    ///
    /// # Panics
    /// If there are too many.
    pub(super) fn create_thread(&self) -> Thread {
        let thread = self.created.get();
        assert!(thread < MOST_THREADS, "an execution has more than {MOST_THREADS} threads");
        self.created.set(thread + 1);
        let creator = Some(self.running.get()).filter(|creator| *creator != NOBODY);
        let origin = creator.map_or(keys::Long::default(), |creator| self.threads[creator].history.get());
        let name = creator.map_or(1, |creator| {
            let creator = &self.threads[creator];
            creator.children.set(creator.children.get() + 1);
            keys::mix(creator.name.get(), creator.children.get() << 1)
        });
        self.threads[thread].reset(name, creator, origin);
        // What its creator has waited for happens before it too.
        let inherited = creator.map_or(Threads::NONE, |creator| self.threads[creator].joined.get());
        self.threads[thread].joined.set(inherited);
        let mut unfinished = self.unfinished.get();
        unfinished.insert(thread);
        self.unfinished.set(unfinished);
        thread
    }

    /// A new object, created by the thread that runs.
    ///
    /// # Panics
    /// If none does.
    pub(super) fn create_object(&self, value: impl Value) -> Object {
        let creator = self.running.get();
        assert!(creator != NOBODY, "an object can be created by a thread of an execution only");
        let creator = &self.threads[creator];
        creator.objects.set(creator.objects.get() + 1);
        let name = keys::mix(creator.name.get(), creator.objects.get() << 1 | 1);
        self.objects.add(name, value)
    }

    /// Announces an operation of the thread that runs, and suspends it until it is to perform that operation.
    ///
    /// # Panics
    /// Unwinds the thread, once the execution is over. If it is called from a section of a monitor.
    pub(super) fn announce(&self, object: Object, access: Access, kind: Kind, operation: &dyn Pending) {
        let thread = self.running.get();
        assert!(
            thread != NOBODY && !self.in_section.get(),
            "a section of a monitor uses an object: it must be pure"
        );
        let state = &self.threads[thread];
        if self.phase.get() == Phase::Unwinding {
            return self.goes_on_unwinding(object, kind, operation);
        }
        assert!(state.gates.get() < 2, "an announcement can tell of one gate besides");
        let also = state.gate.get().filter(|gate| *gate != object);
        state.announcement.set(Some((Announcement { object, access, also }, kind)));
        // SAFETY: the lifetime alone is changed. The operation lies on this thread's stack, below this frame; the pointer is
        // taken back when the thread is resumed, and nobody follows it after that.
        let erased = unsafe {
            std::mem::transmute::<NonNull<dyn Pending + '_>, NonNull<dyn Pending>>(operation.into())
        };
        state.pending.set(Some(erased));
        state.tested.set((NEVER_TESTED, false));
        let alone = Threads::only(thread);
        let conditional = if matches!(kind, Kind::Always | Kind::Timed) { Threads::NONE } else { alone };
        self.announced.set(Threads(self.announced.get().0 | alone.0));
        self.conditional.set(Threads(self.conditional.get().0 | conditional.0));
        self.suspend();
        self.announced.set(self.announced.get().without(alone));
        self.conditional.set(self.conditional.get().without(alone));
        state.announcement.set(None);
        state.pending.set(None);
        if self.phase.get() == Phase::Unwinding {
            return self.goes_on_unwinding(object, kind, operation);
        }
        if access == Access::Change {
            self.objects.touch(object);
        }
        if self.rested.get() != thread {
            self.rested.set(NOBODY);
        }
        state.add_history(1);
        // A thread with very many steps stays where its footprint still covers the rest.
        state.progress.set((state.progress.get() + 1).min(u16::MAX - 1));
    }

    /// An operation of a thread of an execution that is over: unwinds the thread. A destructor that runs because of that goes
    /// on if it can, because a second panic would end the process; one that would have to wait stays suspended for ever. So
    /// does one that goes on for too long: `panicking` speaks of the OS thread, so after such an end it is true for every
    /// thread that the OS thread runs.
    fn goes_on_unwinding(&self, object: Object, kind: Kind, operation: &dyn Pending) {
        if !std::thread::panicking() {
            std::panic::resume_unwind(Box::new(Over));
        }
        // SAFETY: the operation is about this object.
        let ready = || unsafe { operation.is_ready(self.objects.value(object)) }.unwrap_or(true);
        let can_run = match kind {
            Kind::Always | Kind::Timed => true,
            Kind::Wait | Kind::Last => ready(),
            Kind::Gate => !self.objects.gate(object).held,
            Kind::ChangedGate(_) => false,
        };
        let state = &self.threads[self.running.get()];
        state.suspensions.set(state.suspensions.get() + 1);
        if !can_run || state.suspensions.get() > MOST_SUSPENSIONS {
            loop {
                self.suspend();
            }
        }
    }

    fn suspend(&self) {
        let state = &self.threads[self.running.get()];
        state.suspensions.set(state.suspensions.get() + 1);
        let runtime = self.runtime.get().expect("a runtime executes");
        // SAFETY: the runtime outlives the threads that it runs.
        unsafe { runtime.as_ref() }.suspend(self.running.get());
    }

    /// The thread that runs got this answer.
    pub(super) fn answered(&self, hash: u64) {
        self.threads[self.running.get()].add_history(hash);
    }

    /// From here on the local state of the thread that runs is a function of `residue` and of what it was given to begin with, and
    /// it is as far as `progress` says.
    ///
    /// # Panics
    /// If it is further than that.
    pub(super) fn forget(&self, progress: u16, residue: u64) {
        let state = &self.threads[self.running.get()];
        assert!(progress >= state.progress.get(), "a thread has made more steps than its milestone allows");
        state.progress.set(progress);
        let kept = state.origin.get().mixed(residue).mixed(self.joined_names(state)).mixed(progress.into());
        state.history.set(kept);
    }

    /// All that the thread that runs has learned, as a number.
    pub(super) fn mark(&self) -> u128 {
        self.threads[self.running.get()].history.get().number()
    }

    /// From here on the local state of the thread that runs is a function of `residue` and of what it had learned at `mark`. It
    /// counts as further than before: as at the next multiple of [`STRIDE`], which is the same for all ways here that are shorter
    /// than that; those that are not stay apart, because how far it is belongs to the key.
    pub(super) fn forget_since(&self, mark: u128, residue: u64) {
        let state = &self.threads[self.running.get()];
        let progress = (state.progress.get() / STRIDE + 1) * STRIDE;
        state.progress.set(progress);
        // What it creates next is called by how much it has created.
        let created = keys::mix(state.children.get(), state.objects.get());
        let kept = keys::Long::numbered(mark).mixed(residue).mixed(self.joined_names(state));
        let kept = kept.mixed(created).mixed(progress.into());
        state.history.set(kept);
        if mark == 0 {
            // Not even what it was given.
            state.origin.set(kept);
        }
    }

    /// The thread that runs is about to end, and leaves `residue` behind.
    pub(super) fn leave(&self, residue: u64) {
        let state = &self.threads[self.running.get()];
        state.history.set(keys::Long::default().mixed(residue).mixed(self.joined_names(state)));
    }

    /// What a thread has joined happened before all that follows.
    fn joined_names(&self, state: &ThreadState) -> u64 {
        let joined = state.joined.get().iter().map(|thread| self.threads[thread].name.get());
        joined.fold(0, u64::wrapping_add)
    }

    /// The name of the thread that runs, whatever the order of creation.
    pub(super) fn name(&self) -> u64 {
        self.threads[self.running.get()].name.get()
    }

    /// A body has ended; whoever was joining it can go on.
    pub(super) fn finish(&self, thread: Thread, outcome: Outcome) {
        let state = &self.threads[thread];
        match outcome {
            Ok(result) => state.result.set(Some(result)),
            Err(panic) if panic.is::<Over>() => {}
            Err(panic) => *state.panic.borrow_mut() = Some(quiet::message(&*panic)),
        }
        let mut unfinished = self.unfinished.get();
        unfinished.remove(thread);
        self.unfinished.set(unfinished);
        if let Some(joiner) = state.joiner.get() {
            let mut local = self.local.get();
            local.insert(joiner);
            self.local.set(local);
        }
    }

    /// Waits for a thread, and answers its result or the message of its panic. No step: it commutes with everything.
    pub(super) fn join(&self, child: Thread) -> Result<Box<dyn Any + Send>, String> {
        let thread = self.running.get();
        let (state, joined) = (&self.threads[thread], &self.threads[child]);
        // Whether it suspends depends on the schedule; that a section holds a join must not, or the section's release would
        // be a step in one schedule and none in another.
        state.suspensions.set(state.suspensions.get() + 1);
        while self.unfinished.get().contains(child) {
            if self.phase.get() == Phase::Unwinding && !std::thread::panicking() {
                std::panic::resume_unwind(Box::new(Over));
            }
            joined.joiner.set(Some(thread));
            state.joining.set(Some(child));
            self.suspend();
        }
        state.joining.set(None);
        let mut all = state.joined.get();
        all.insert(child);
        all.0 |= joined.joined.get().0;
        state.joined.set(all);
        let end = joined.end();
        state.add_history(end.0);
        state.add_history(end.1);
        match joined.result.take() {
            Some(result) => Ok(result),
            None => {
                Err(joined.panic.borrow().clone().unwrap_or_else(|| "the execution was over".to_string()))
            }
        }
    }

    /// Whether the announced operation would run to its end now, as its closure says.
    pub(super) fn is_ready(&self, thread: Thread) -> bool {
        let state = &self.threads[thread];
        let (Some((announcement, _)), Some(operation)) = (state.announcement.get(), state.pending.get())
        else {
            return false;
        };
        let version = self.objects.version(announcement.object);
        let (tested, ready) = state.tested.get();
        if tested == version {
            return ready;
        }
        // SAFETY: the thread is suspended in `announce`, so the operation is alive, and it is about this object.
        let ready = unsafe { operation.as_ref().is_ready(self.objects.value(announcement.object)) };
        let ready = ready.unwrap_or_else(|why| {
            self.fatal.borrow_mut().get_or_insert(why);
            false
        });
        state.tested.set((version, ready));
        ready
    }

    /// The wait of the thread that runs is over, because nobody else could go on or, if it `is_ready`, because of what it waited for.
    pub(super) fn last_wait_ends(&self, is_ready: bool) {
        self.rested.set(if is_ready { NOBODY } else { self.running.get() });
    }

    /// Whether somebody's last wait has ended because nobody else could go on, and nobody else has gone on since. Part of a state.
    pub(super) fn has_rested(&self) -> bool {
        self.rested.get() != NOBODY
    }

    /// The thread whose wait ends now that nobody else can go on, if there is one.
    ///
    /// # Panics
    /// If several wait for that: which of them was first would be a choice that no search makes.
    pub(super) fn last_waiter(&self) -> Option<Thread> {
        let waits_so =
            |thread: &Thread| matches!(self.threads[*thread].announcement.get(), Some((_, Kind::Last)));
        let mut waiters = self.announced.get().iter().filter(waits_so);
        let waiter = waiters.next()?;
        assert!(waiters.next().is_none(), "one thread of an execution can wait until nobody else can go on");
        (self.rested.get() != waiter).then_some(waiter)
    }

    /// Whether the announced operation can be performed now, whatever the others can.
    pub(super) fn is_enabled(&self, thread: Thread) -> bool {
        let Some((announcement, kind)) = self.threads[thread].announcement.get() else { return false };
        match kind {
            Kind::Always | Kind::Timed => true,
            Kind::Wait | Kind::Last => self.is_ready(thread),
            Kind::Gate => !self.objects.gate(announcement.object).held,
            Kind::ChangedGate(seen) => {
                let gate = self.objects.gate(announcement.object);
                !gate.held && gate.changes != seen
            }
        }
    }
}

impl ThreadState {
    fn reset(&self, name: u64, creator: Option<Thread>, origin: keys::Long) {
        self.pending.set(None);
        self.announcement.set(None);
        self.gate.set(None);
        self.gates.set(0);
        self.suspensions.set(0);
        self.name.set(name);
        self.history.set(origin);
        self.origin.set(origin);
        self.progress.set(0);
        self.creator.set(creator);
        self.children.set(0);
        self.objects.set(0);
        self.joined.set(Threads::NONE);
        self.joiner.set(None);
        self.joining.set(None);
        *self.panic.borrow_mut() = None;
        self.result.set(None);
    }

    fn add_history(&self, word: u64) {
        self.history.set(self.history.get().mixed(word));
    }

    /// What its local state is a function of, once it has ended.
    fn end(&self) -> keys::Long {
        let panic = self.panic.borrow();
        let history = self.history.get();
        panic.as_ref().map_or(history, |message| history.mixed(keys::of(message)))
    }

    /// Its part of a key.
    pub(super) fn key(&self, finished: bool) -> keys::Long {
        self.end().mixed(u64::from(finished)).mixed(self.name.get())
    }
}

/// Numbers come in blocks, so that OS threads do not contend for them.
fn next_number() -> u64 {
    const BLOCK: u64 = 1 << 20;
    static NEXT: AtomicU64 = AtomicU64::new(1);
    thread_local! {
        static LEFT: Cell<(u64, u64)> = const { Cell::new((0, 0)) };
    }
    let (next, end) = LEFT.get();
    let (next, end) = if next < end {
        (next, end)
    } else {
        let start = NEXT.fetch_add(BLOCK, Relaxed);
        (start, start + BLOCK)
    };
    LEFT.set((next + 1, end));
    next
}
