//! The second seam: what the engine that runs scripts must offer.
//!
//! | item | what it is in PHP | who calls it |
//! |---|---|---|
//! | [`Engine::start_up`], [`Engine::tear_down`] | `sapi_startup`, `tsrm_shutdown` | init and shutdown |
//! | [`Engine::start_thread`] | `ts_resource(0)` | each OS thread, first |
//! | [`Engine::run_worker`], [`Engine::run_request`] | `php_execute_script` between request start-up and shutdown | each OS thread |
//! | [`ThreadStorage::free`] | `ts_free_thread` | each OS thread, last |
//! | [`InterruptFlags`] | `EG(timed_out)` and `EG(vm_interrupt)` | killers, and the VM at each opcode boundary |

use std::fmt;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use crate::platform::{Flag, Platform};

mod closure;

pub use closure::{ClosureEngine, ClosureStorage, Script};

/// Where one thread's two interrupt flags are.
pub trait InterruptFlags: Send + Sync + 'static {
    /// The platform's flag.
    type Flag: Flag;

    /// Says *why* the VM is interrupted (`EG(timed_out)`).
    fn timed_out(&self) -> &Self::Flag;

    /// Says *that* the VM is interrupted (`EG(vm_interrupt)`); the only one that the VM looks at in its loop.
    fn vm_interrupt(&self) -> &Self::Flag;

    /// The VM's check at an opcode boundary, for engines in Rust: whether the run has been killed. Consumes the
    /// interrupt, as PHP's `zend_interrupt_helper` does.
    ///
    /// May be called by the thread that owns the flags.
    #[inline]
    fn consume_interrupt(&self) -> bool {
        // Relaxed: only a hint, so that a loop which is not interrupted costs no more than a load.
        if !self.vm_interrupt().load(Relaxed) {
            return false;
        }
        // Acquire pairs with the release store in `Steps::store_flags`: whoever sees vm_interrupt sees timed_out.
        // A swap and not a store, so that the interrupt which it consumes is the one that it has seen.
        // The model flag_order fails when this is Relaxed.
        self.vm_interrupt().swap(false, Acquire) && self.timed_out().load(Relaxed)
    }
}

/// What the engine keeps for one thread, from its boot to its exit.
pub trait ThreadStorage {
    /// How the slot refers to the flags inside.
    type Flags: InterruptFlags;

    /// The addresses of the flags. Called once a publication, on the thread that owns the storage.
    fn flags(&self) -> Self::Flags;

    /// Frees the storage (PHP: `ts_free_thread`). After this call nobody may use what [`ThreadStorage::flags`]
    /// answered.
    fn free(self);
}

/// An engine that runs scripts in threads of this process.
///
/// Everything is called without a lock of the library's held.
///
/// A panic of [`Engine::run_worker`] or [`Engine::run_request`] is caught, and counts as [`ScriptEnd::Unhealthy`]; one of
/// [`Engine::start_up`] or [`Engine::start_thread`] counts as a refusal; one of [`ThreadStorage::free`] ends the OS thread, which is
/// counted out all the same. One of [`Engine::tear_down`] sets the latch and goes to whoever has called the shutdown. The other
/// process-wide calls and the drain hook must not panic: the panic goes to whoever has called the init, restart or shutdown, and
/// leaves that call half done.
pub trait Engine<P: Platform>: Send + Sync + 'static {
    /// How a slot refers to a thread's flags.
    type Flags: InterruptFlags<Flag = P::Flag>;
    /// What the engine keeps for one thread.
    type Storage: ThreadStorage<Flags = Self::Flags>;
    /// What is dispatched to a script.
    type Request: Send + 'static;
    /// What a script answers.
    type Response: Send + 'static;

    /// Starts the engine for the whole process. Called by the init, on its thread, when no thread of the engine's exists.
    ///
    /// # Errors
    /// If the engine cannot be started; nothing is to be torn down then.
    fn start_up(&self) -> Result<(), EngineError>;

    /// Tears the engine down. Called once for each start-up that went well, when no thread of the engine's exists any more, or
    /// never.
    fn tear_down(&self);

    /// Allocates what threads with an index below `threads` count in. Called right after each start-up.
    /// Upstream: `frankenphp_init_thread_metrics`.
    fn allocate_metrics(&self, threads: usize) {
        let _ = threads;
    }

    /// Frees it. Called right before the teardown.
    fn free_metrics(&self) {}

    /// Registers the calling OS thread with the engine.
    ///
    /// # Errors
    /// If the engine refuses the thread, which then ends.
    fn start_thread(&self, thread: usize) -> Result<Self::Storage, EngineError>;

    /// Runs a worker's script on the calling thread until it ends. The script asks [`Requests::next`] for one request after
    /// the other, and ends when there is none.
    fn run_worker(
        &self,
        on: On<'_, Self::Storage>,
        requests: &mut dyn Requests<Self::Request, Self::Response>,
    ) -> ScriptEnd;

    /// Runs one request's script on the calling thread. No response means that the request was not answered.
    fn run_request(
        &self,
        on: On<'_, Self::Storage>,
        request: Self::Request,
    ) -> (Option<Self::Response>, ScriptEnd);

    /// Called when a thread has been asked to leave its script and before anything waits for it, so that a handler which
    /// blocks outside the library's own waits can be woken. Must not block: a drain's bound has no room for it.
    /// Upstream: `threadHandler.drain`, called before the drain channel closes.
    fn drain_hook(&self, thread: usize) {
        let _ = thread;
    }
}

/// Where a script runs.
#[derive(Debug)]
pub struct On<'a, T> {
    /// The thread's index.
    pub thread: usize,
    /// The worker's name; `None` on a regular thread.
    pub worker: Option<&'a str>,
    /// The thread's storage.
    pub storage: &'a T,
}

/// Where a worker's script gets its requests. Upstream: `frankenphp_handle_request`.
pub trait Requests<Q, A> {
    /// Tells that the script has booted, and its thread serves. For a script that does something else before it asks for its
    /// first request; [`Requests::next`] tells it too.
    fn booted(&mut self);

    /// Waits for the next request; `None` tells the script to end. A request before, if it was not answered, counts as
    /// unanswered.
    fn next(&mut self) -> Option<Q>;

    /// Answers the request that [`Requests::next`] gave last. Without effect if there is none, or if it was answered.
    fn answer(&mut self, response: A);
}

/// How a script ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ScriptEnd {
    /// By itself, or because it was told to.
    Finished,
    /// With an error of its own.
    Failed,
    /// The engine could not start or shut down the request: the OS thread must not run another script. Upstream: a bailout
    /// that escaped, after which the thread is replaced.
    Unhealthy,
}

/// The engine refused, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineError {
    /// The engine's own words.
    pub what: String,
}

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the engine refused: {}", self.what)
    }
}

impl std::error::Error for EngineError {}

/// Two flags that Rust owns: the storage of an engine that has none of its own.
#[derive(Clone, Debug, Default)]
pub struct OwnedFlags(Arc<FlagPair>);

#[derive(Debug, Default)]
struct FlagPair {
    timed_out: AtomicBool,
    vm_interrupt: AtomicBool,
}

impl OwnedFlags {
    /// Two flags, both down.
    pub fn new() -> Self {
        Self::default()
    }
}

impl InterruptFlags for OwnedFlags {
    type Flag = AtomicBool;

    #[inline]
    fn timed_out(&self) -> &AtomicBool {
        &self.0.timed_out
    }

    #[inline]
    fn vm_interrupt(&self) -> &AtomicBool {
        &self.0.vm_interrupt
    }
}

impl ThreadStorage for OwnedFlags {
    type Flags = Self;

    fn flags(&self) -> Self {
        self.clone()
    }

    fn free(self) {}
}

/// Two flags that foreign code owns, by their addresses: `&EG(timed_out)` and `&EG(vm_interrupt)`.
#[derive(Debug)]
pub struct ForeignFlags {
    timed_out: NonNull<AtomicBool>,
    vm_interrupt: NonNull<AtomicBool>,
}

// SAFETY: whoever made the value promised that the bytes stay valid and are only accessed atomically.
unsafe impl Send for ForeignFlags {}
// SAFETY: as above; the bytes are only accessed through AtomicBool.
unsafe impl Sync for ForeignFlags {}

impl ForeignFlags {
    /// Refers to two bytes of the engine's. `zend_atomic_bool` has the layout of an `AtomicBool`.
    ///
    /// # Safety
    /// Until the value is dropped, both addresses must be valid, must hold 0 or 1, and must be accessed by
    /// everybody with atomic operations alone. A slot that holds the value drops it when it is cleared.
    pub unsafe fn new(timed_out: NonNull<AtomicBool>, vm_interrupt: NonNull<AtomicBool>) -> Self {
        Self { timed_out, vm_interrupt }
    }
}

impl InterruptFlags for ForeignFlags {
    type Flag = AtomicBool;

    #[inline]
    fn timed_out(&self) -> &AtomicBool {
        // SAFETY: valid until `self` is dropped, as promised to `new`.
        unsafe { self.timed_out.as_ref() }
    }

    #[inline]
    fn vm_interrupt(&self) -> &AtomicBool {
        // SAFETY: valid until `self` is dropped, as promised to `new`.
        unsafe { self.vm_interrupt.as_ref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_without_a_timeout_is_consumed_and_is_no_kill() {
        let flags = OwnedFlags::new();
        flags.vm_interrupt().store(true, Relaxed);
        assert!(!flags.consume_interrupt());
        assert!(!flags.vm_interrupt().load(Relaxed));
    }

    #[test]
    fn foreign_flags_are_the_engines_own_bytes() {
        let (timed_out, vm_interrupt) = (AtomicBool::new(true), AtomicBool::new(true));
        // SAFETY: both outlive `flags`.
        let flags = unsafe { ForeignFlags::new((&timed_out).into(), (&vm_interrupt).into()) };
        assert!(flags.consume_interrupt());
        assert!(!vm_interrupt.load(Relaxed) && timed_out.load(Relaxed));
    }
}
