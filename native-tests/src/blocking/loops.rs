//! Scripts that are stuck without a system call.

use std::hint;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Relaxed};

use forcekill::InterruptFlags;

use super::{Blocking, Script};

struct Looping {
    over: AtomicBool,
    turn: fn(&Script, &mut Turns) -> bool,
}

/// What a loop remembers from turn to turn.
#[derive(Default)]
struct Turns {
    has_cleared: bool,
}

impl Looping {
    /// A loop that ends when `turn` says that the VM saw a kill.
    fn with(turn: fn(&Script, &mut Turns) -> bool) -> io::Result<Arc<dyn Blocking>> {
        Ok(Arc::new(Self { over: AtomicBool::new(false), turn }))
    }
}

pub(super) fn vm_loop() -> io::Result<Arc<dyn Blocking>> {
    Looping::with(|script, _| script.flags.consume_interrupt())
}

pub(super) fn vm_loop_that_clears_timed_out() -> io::Result<Arc<dyn Blocking>> {
    Looping::with(|script, turns| {
        if !turns.has_cleared {
            // Acquire pairs with the release in `Steps::store_flags`: timed_out is up by now, and goes down.
            if !script.flags.vm_interrupt().load(Acquire) {
                // Not another look in this turn: it could find the kill that this one has just missed, before it is cleared.
                return false;
            }
            turns.has_cleared = true;
            script.flags.timed_out().store(false, Relaxed);
        }
        script.flags.consume_interrupt()
    })
}

pub(super) fn busy_loop() -> io::Result<Arc<dyn Blocking>> {
    Looping::with(|_, _| false)
}

impl Blocking for Looping {
    fn block(&self, script: &Script) -> io::Result<i64> {
        // Relaxed: says when to stop and orders nothing.
        let mut turns = Turns::default();
        while !self.over.load(Relaxed) {
            if (self.turn)(script, &mut turns) {
                // What a VM does with an interrupt: it unwinds, and the caller sees the call as interrupted.
                return Err(io::Error::from_raw_os_error(super::INTERRUPTED));
            }
            hint::spin_loop();
        }
        Ok(0)
    }

    fn let_go(&self) -> bool {
        self.over.store(true, Relaxed);
        true
    }
}
