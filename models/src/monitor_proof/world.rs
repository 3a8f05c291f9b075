//! What an execution knows beside the threads: the clock, which waits are to return for no reason, and what was reached.
//!
//! All of it is in the standard library's types, which loom does not see. What decides how an execution goes on, the clock
//! and the number of waits so far, is only touched with the monitor's mutex held, so that loom orders it all the same.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What the executions of a search have reached.
#[derive(Debug, Default)]
pub struct Moments {
    executions: AtomicU64,
    hits: Mutex<BTreeMap<&'static str, u64>>,
}

impl Moments {
    /// How many executions were begun.
    pub fn executions(&self) -> u64 {
        self.executions.load(SeqCst)
    }

    /// Every moment that was reached, with its hits.
    pub fn reached(&self) -> BTreeMap<&'static str, u64> {
        self.hits.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// One execution's world.
#[derive(Debug)]
pub struct World {
    moments: Arc<Moments>,
    spurious: u32,
    waits: AtomicU32,
    ticks: AtomicU64,
    asleep: AtomicUsize,
    notifications: AtomicU64,
}

impl World {
    /// The world of an execution that begins now. The waits whose bits are set in `spurious`, counted over all threads in
    /// the order in which they are made, return for no reason.
    pub fn new(moments: Arc<Moments>, spurious: u32) -> Arc<Self> {
        moments.executions.fetch_add(1, SeqCst);
        let (waits, asleep) = (AtomicU32::new(0), AtomicUsize::new(0));
        let (ticks, notifications) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { moments, spurious, waits, ticks, asleep, notifications })
    }

    /// Counts a moment.
    pub fn reached(&self, moment: &'static str) {
        *self.moments.hits.lock().unwrap_or_else(PoisonError::into_inner).entry(moment).or_default() += 1;
    }

    /// The clock.
    pub fn now(&self) -> Duration {
        Duration::from_secs(self.ticks.load(SeqCst))
    }

    /// Moves the clock by a second. The caller holds the mutex.
    pub(super) fn tick(&self) {
        self.ticks.fetch_add(1, SeqCst);
    }

    /// Whether the last wait that was begun returned for no reason.
    pub(super) fn last_wait_was_spurious(&self) -> bool {
        self.waits.load(SeqCst).checked_sub(1).is_some_and(|last| self.is_spurious(last))
    }

    /// Whether the wait that begins now is to return for no reason. The caller holds the mutex.
    pub(super) fn next_wait_is_spurious(&self) -> bool {
        self.is_spurious(self.waits.fetch_add(1, SeqCst))
    }

    fn is_spurious(&self, wait: u32) -> bool {
        wait < u32::BITS && self.spurious & (1 << wait) != 0
    }

    /// Somebody goes to sleep: answers how many notifications there were before.
    pub(super) fn falls_asleep(&self) -> u64 {
        self.asleep.fetch_add(1, SeqCst);
        self.notifications.load(SeqCst)
    }

    /// Somebody has slept: answers how many notifications there were by now.
    pub(super) fn has_slept(&self) -> u64 {
        self.asleep.fetch_sub(1, SeqCst);
        self.notifications.load(SeqCst)
    }

    /// A notification is sent: answers how many sleep, or have been woken and not got the mutex yet.
    pub(super) fn notifies(&self) -> usize {
        self.notifications.fetch_add(1, SeqCst);
        self.asleep.load(SeqCst)
    }
}
