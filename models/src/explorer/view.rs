//! What a strategy sees of an execution, and what it decides: the seam between the runtimes that execute and the searches.
//!
//! Control is with the runtime: it runs every thread up to its next announcement, asks the strategy for one of the threads,
//! performs that thread's announced operation, and so on. So the same strategies drive the explorer's own runtime, shuttle's
//! through its public `Scheduler`, and the plain interpreter of the soundness tests.

/// A thread of an execution: numbered in the order of creation, the main thread is 0. Within one prefix of choices the
/// numbers are always the same; across prefixes they need not be (see [`View::terminal_key`]).
pub type Thread = usize;

/// At most so many threads may live in an execution, so that sets of them are one word.
pub const MOST_THREADS: usize = 64;

/// A set of threads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Threads(pub u64);

/// An object that operations are about. Numbered in the order of creation within one execution.
pub type Object = u32;

/// How an operation uses its object, as far as can be said before it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// Leaves the value alone, whatever it is.
    Read,
    /// May change the value, or may have to wait for it.
    Change,
}

/// What a thread will do when it is scheduled next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Announcement {
    /// The object.
    pub object: Object,
    /// How it is used.
    pub access: Access,
    /// Further objects that this step may change or release, as when the thread holds a lock: all of them count as changed.
    /// `None` for almost every step.
    pub also: Option<Object>,
}

/// An execution before a step. Every thread that lives has announced an operation, or has finished.
pub trait View {
    /// How many threads were created so far, the finished ones included.
    fn threads(&self) -> usize;

    /// The threads whose announced operation can be performed now. A timed wait always can: it is satisfied if its predicate
    /// holds then, and has timed out otherwise.
    fn enabled(&self) -> Threads;

    /// The threads that are enabled only because their timed wait would time out: its predicate does not hold now. A subset
    /// of [`View::enabled`]. A switch away from one of these is no preemption.
    fn would_time_out(&self) -> Threads;

    /// What this thread has announced; `None` if it has finished, or waits to join a thread that has not: joining is no step.
    fn announced(&self, thread: Thread) -> Option<Announcement>;

    /// Who created this thread; `None` for the main thread. The creation happens before everything that the thread does.
    fn creator(&self, thread: Thread) -> Option<Thread>;

    /// The finished threads that this thread has waited for: everything that they did happens before its announced operation.
    /// Inherited and transitive: a thread begins with the set of its creator at the moment of the creation, and joining a
    /// thread adds that thread and all of its own set.
    fn joined(&self, thread: Thread) -> Threads;

    /// A name of this thread that does not depend on the order in which threads were created: the path of its creation.
    fn name(&self, thread: Thread) -> u64;

    /// A name of this object that does not depend on the order in which objects were created.
    fn object_name(&self, object: Object) -> u64;

    /// The thread that this one waits to join, if it does: it has announced nothing then.
    fn joining(&self, thread: Thread) -> Option<Thread>;

    /// How far this thread is: a number that grows with each of its steps and is a function of its local state.
    fn progress(&self, thread: Thread) -> u16;

    /// The message of the panic that this thread has ended with, if it has.
    fn panicked(&self, thread: Thread) -> Option<String> {
        let _ = thread;
        None
    }

    /// Whether the announced operations of these two threads, both of which are enabled, commute in this state: run on
    /// clones of the value in either order, neither the answers nor the value at the end nor whether either can run differ.
    /// Operations on different objects always do.
    fn commutes(&self, one: Thread, other: Thread) -> bool;

    /// A key of this state: the values of all objects, and for each thread the history of the answers that it has got, which
    /// is what its local state is a function of. Equal states of different prefixes have equal keys, whatever the order in
    /// which threads and objects were created: the key is built from names that do not depend on it (the path of creation).
    ///
    /// It is a hash. Histories and their sum have 128 bits, because there are many; each value of an object and each answer has 64.
    fn state_key(&self) -> u128;

    /// A key of what has come out, for an execution that has ended: the values of all objects, and how each thread ended
    /// (finished with which history of answers, panicked with which message, blocked). Canonical as [`View::state_key`] is.
    fn terminal_key(&self) -> u64;

    /// Threads that have not finished: at the end of an execution, the ones that are deadlocked.
    fn unfinished(&self) -> Threads;
}

/// A way to search: it is asked before each step.
pub trait Strategy {
    /// Begins an execution; `false` if the search is over.
    fn begin(&mut self) -> bool;

    /// The next choice, where the strategy knows it without looking, because it repeats the beginning of an earlier execution;
    /// [`Strategy::choose`] is not asked then. Looking costs time.
    fn known(&mut self) -> Option<Thread> {
        None
    }

    /// Chooses one of the enabled threads (there is at least one); `None` cuts this execution off, because all that could
    /// follow has been seen or will be.
    fn choose(&mut self, view: &impl View) -> Option<Thread>;

    /// The execution has ended: nothing is enabled any more. Not called for one that was cut off.
    fn end(&mut self, view: &impl View);
}

impl Threads {
    /// No thread.
    pub const NONE: Self = Self(0);

    /// One thread.
    pub fn only(thread: Thread) -> Self {
        Self(1 << thread)
    }

    /// Whether the thread is in.
    pub fn contains(self, thread: Thread) -> bool {
        self.0 >> thread & 1 == 1
    }

    /// Puts a thread in.
    pub fn insert(&mut self, thread: Thread) {
        self.0 |= 1 << thread;
    }

    /// Takes a thread out.
    pub fn remove(&mut self, thread: Thread) {
        self.0 &= !(1 << thread);
    }

    /// Whether there is none.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// How many there are.
    pub fn len(self) -> usize {
        self.0.count_ones() as usize
    }

    /// Those of this set that are not in the other.
    pub fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// The lowest thread, if there is one.
    pub fn first(self) -> Option<Thread> {
        (self.0 != 0).then(|| self.0.trailing_zeros() as usize)
    }

    /// The highest thread, if there is one.
    pub fn last(self) -> Option<Thread> {
        (self.0 != 0).then(|| 63 - self.0.leading_zeros() as usize)
    }

    /// Every thread, lowest first.
    pub fn iter(self) -> impl Iterator<Item = Thread> {
        let mut left = self;
        std::iter::from_fn(move || {
            let thread = left.first()?;
            left.remove(thread);
            Some(thread)
        })
    }
}
