//! The second seam: what the engine that runs scripts must offer.
//!
//! So far that is the storage of one thread: two interrupt flags that the engine's VM reads at every opcode boundary,
//! and the call that frees them. In PHP the flags are `EG(timed_out)` and `EG(vm_interrupt)` and the call is
//! `ts_free_thread`.

use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use crate::platform::Flag;

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
