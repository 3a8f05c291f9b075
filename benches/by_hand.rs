//! The kill path as one would write it for Linux alone: the same locks, checks, stores and system calls as the library's
//! generic code on the real platform, without a trait between them.

use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed, Release};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

use libc::{SA_ONSTACK, SA_RESTART, SIG_BLOCK, SIG_UNBLOCK, c_int, sigset_t};

/// The slot of one thread.
pub struct HandSlot {
    state: RwLock<State>,
    last_ended: Mutex<Acknowledged>,
    changed: Condvar,
    /// The signal that wakes, if one does.
    signal: Option<c_int>,
}

struct State {
    occupant: Option<Occupant>,
    publications: u64,
    runs: u64,
}

struct Occupant {
    publication: u64,
    flags: Arc<HandFlags>,
    tid: Result<libc::pid_t, i32>,
    run: Option<u64>,
    killed: AtomicBool,
}

struct Acknowledged {
    run: u64,
    waiters: usize,
}

/// The two interrupt flags of a thread.
#[derive(Default)]
pub struct HandFlags {
    timed_out: AtomicBool,
    vm_interrupt: AtomicBool,
}

/// What became of one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HandAttempt {
    /// The run is not running.
    NotRunning,
    /// The flags were stored; there is no signal to send.
    FlagsOnly,
    /// The flags were stored and the signal was sent.
    Sent,
    /// The flags were stored; somebody replaced the handler.
    HandlerReplaced,
    /// The flags were stored; the system refused with this error.
    Refused(i32),
}

impl HandFlags {
    /// The VM's check at an opcode boundary.
    #[inline]
    pub fn consume_interrupt(&self) -> bool {
        // Relaxed, then Acquire: as the library has it, and for its reasons.
        if !self.vm_interrupt.load(Relaxed) {
            return false;
        }
        self.vm_interrupt.swap(false, Acquire) && self.timed_out.load(Relaxed)
    }

    /// Both flags up.
    #[inline]
    pub fn raise(&self) {
        // Relaxed: ordered by the release below, which pairs with the acquire in `consume_interrupt`.
        self.timed_out.store(true, Relaxed);
        self.vm_interrupt.store(true, Release);
    }
}

impl HandSlot {
    /// An empty slot whose kills send `signal`. The handler is installed here.
    pub fn new(signal: Option<c_int>) -> Self {
        if let Some(signal) = signal {
            install(signal);
        }
        Self {
            state: RwLock::new(State { occupant: None, publications: 0, runs: 0 }),
            last_ended: Mutex::new(Acknowledged { run: 0, waiters: 0 }),
            changed: Condvar::new(),
            signal,
        }
    }

    /// Publishes the calling thread.
    pub fn publish(&self, flags: Arc<HandFlags>) -> u64 {
        let tid = match self.signal {
            Some(signal) => capture(signal),
            None => Err(0),
        };
        let (publication, replaced) = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.publications += 1;
            let publication = state.publications;
            let killed = AtomicBool::new(false);
            let occupant = Occupant { publication, flags, tid, run: None, killed };
            (publication, state.occupant.replace(occupant))
        };
        if let Some(run) = replaced.and_then(|occupant| occupant.run) {
            self.acknowledge(run);
        }
        publication
    }

    /// Takes the publication out of the slot.
    pub fn clear(&self, publication: u64) {
        let taken = {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            state.occupant.take_if(|occupant| occupant.publication == publication)
        };
        if let Some(run) = taken.and_then(|occupant| occupant.run) {
            self.acknowledge(run);
        }
    }

    /// Opens the next run.
    pub fn begin_run(&self, publication: u64) -> u64 {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.runs += 1;
        let run = state.runs;
        if let Some(occupant) = state.occupant.as_mut().filter(|occupant| occupant.publication == publication)
        {
            occupant.run = Some(run);
        }
        run
    }

    /// Ends a run.
    pub fn end_run(&self, publication: u64, run: u64) {
        if self.close_run(publication, run) == Some(true)
            && let Some(signal) = self.signal
        {
            absorb(signal);
        }
        self.acknowledge(run);
    }

    fn close_run(&self, publication: u64, run: u64) -> Option<bool> {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let occupant = state.occupant.as_mut().filter(|occupant| occupant.publication == publication)?;
        occupant.run.take_if(|current| *current == run)?;
        // Relaxed: the lock orders these with the killers'.
        let was_killed = occupant.killed.load(Relaxed);
        if was_killed {
            occupant.killed.store(false, Relaxed);
            occupant.flags.vm_interrupt.store(false, Relaxed);
            occupant.flags.timed_out.store(false, Relaxed);
        }
        Some(was_killed)
    }

    fn acknowledge(&self, run: u64) {
        let mut last = self.last_ended.lock().unwrap_or_else(PoisonError::into_inner);
        last.run = last.run.max(run);
        let somebody_sleeps = last.waiters > 0;
        drop(last);
        if somebody_sleeps {
            self.changed.notify_all();
        }
    }

    /// One attempt of a kill.
    #[inline]
    pub fn attempt(&self, run: u64) -> HandAttempt {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let Some(occupant) = state.occupant.as_ref().filter(|occupant| occupant.run == Some(run)) else {
            return HandAttempt::NotRunning;
        };
        // Relaxed: the lock orders it with the owner's.
        occupant.killed.store(true, Relaxed);
        occupant.flags.raise();
        match (self.signal, occupant.tid) {
            (Some(signal), Ok(tid)) => send(signal, tid),
            _ => HandAttempt::FlagsOnly,
        }
    }
}

#[inline]
fn send(signal: c_int, tid: libc::pid_t) -> HandAttempt {
    if !handler_is_ours(signal) {
        return HandAttempt::HandlerReplaced;
    }
    // SAFETY: three numbers; a thread that is gone is an error that it returns.
    if unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), tid, signal) } == 0 {
        return HandAttempt::Sent;
    }
    HandAttempt::Refused(last_errno())
}

#[inline]
fn handler_is_ours(signal: c_int) -> bool {
    let mut current = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: a null action only asks; the answer is read only if there is one.
    unsafe {
        if libc::sigaction(signal, ptr::null(), current.as_mut_ptr()) != 0 {
            return false;
        }
        let current = current.assume_init();
        current.sa_sigaction == handler_address() && current.sa_flags & SA_RESTART == 0
    }
}

fn install(signal: c_int) {
    // SAFETY: all-zero is a valid sigaction, the handler does nothing, and everything outlives the calls.
    let result = unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler_address();
        action.sa_flags = SA_ONSTACK;
        libc::sigemptyset(&mut action.sa_mask);
        libc::sigaction(signal, &action, ptr::null_mut())
    };
    assert_eq!(result, 0, "sigaction failed with errno {}", last_errno());
}

extern "C" fn on_signal(_signal: c_int) {}

/// A static has one value, where the function may get one address in every crate that it is inlined into.
static HANDLER: extern "C" fn(c_int) = on_signal;

#[inline]
fn handler_address() -> libc::sighandler_t {
    HANDLER as *const () as libc::sighandler_t
}

/// Small alternate stacks are not replaced here: that happens once a thread, and the threads that are measured have
/// large ones by then.
fn capture(signal: c_int) -> Result<libc::pid_t, i32> {
    let mut stack = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: a null new stack only asks; the answer is read only if there is one.
    let stack = unsafe {
        if libc::sigaltstack(ptr::null(), stack.as_mut_ptr()) != 0 {
            return Err(last_errno());
        }
        stack.assume_init()
    };
    assert!(stack.ss_flags & libc::SS_DISABLE != 0 || stack.ss_size >= 32 * 1024, "a small alternate stack");
    absorb(signal);
    // SAFETY: asks for the calling thread's id.
    Ok(unsafe { libc::gettid() })
}

fn absorb(signal: c_int) {
    let mut set = MaybeUninit::<sigset_t>::uninit();
    let at_once = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the set is initialised before anything reads it, everything outlives the calls, and the mask that is
    // changed is the calling thread's own.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), signal);
        libc::pthread_sigmask(SIG_BLOCK, set.as_ptr(), ptr::null_mut());
        while libc::sigtimedwait(set.as_ptr(), ptr::null_mut(), &at_once) > 0 {}
        libc::pthread_sigmask(SIG_UNBLOCK, set.as_ptr(), ptr::null_mut());
    }
}

fn last_errno() -> i32 {
    std::io::Error::last_os_error().raw_os_error().unwrap_or(0)
}
