//! A gate in a script: holds its thread in user space at one line, so that a kill can be placed exactly there.

use std::hint;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Instant;

use crate::parked::DEADLINE;

/// A gate that one thread arrives at and another opens, once.
#[derive(Debug, Default)]
pub struct Gate {
    reached: AtomicBool,
    open: AtomicBool,
}

impl Gate {
    /// A closed gate.
    pub fn new() -> Self {
        Self::default()
    }

    /// Arrives at the gate and spins, without a system call, until it is open. `false` if nobody opened it within
    /// [`DEADLINE`].
    #[must_use]
    pub fn pass(&self) -> bool {
        // Release pairs with the acquire in `wait_reached`: what the script did before is seen there.
        self.reached.store(true, Release);
        spin_until(&self.open)
    }

    /// Waits until somebody has arrived. `false` if nobody did within [`DEADLINE`].
    #[must_use]
    pub fn wait_reached(&self) -> bool {
        spin_until(&self.reached)
    }

    /// Opens the gate.
    pub fn open(&self) {
        // Release pairs with the acquire in `pass`.
        self.open.store(true, Release);
    }
}

fn spin_until(flag: &AtomicBool) -> bool {
    let started = Instant::now();
    // Acquire pairs with the two releases above. The clock is read in user space (vDSO).
    while !flag.load(Acquire) {
        if started.elapsed() > DEADLINE {
            return false;
        }
        hint::spin_loop();
    }
    true
}
