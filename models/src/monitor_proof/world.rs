//! What an execution knows beside the threads: the clock, which waits are to return for no reason, and the oracle.
//!
//! All of it is in the standard library's types, which loom does not see. What decides how an execution goes on, the clock
//! and the number of waits so far, is only touched with the monitor's mutex held, so that loom orders it all the same.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering::SeqCst};
use std::time::Duration;

use loom::thread;

use crate::oracle::Oracle;
use crate::property::Property;
use crate::step::Deed;

/// One execution's world.
#[derive(Debug)]
pub struct World {
    oracle: Arc<Oracle>,
    judged_from: u64,
    spurious: u32,
    waits: AtomicU32,
    ticks: AtomicU64,
    asleep: AtomicUsize,
    notifications: AtomicU64,
}

impl World {
    /// The world of an execution that begins now. The waits whose bits are set in `spurious`, counted over all threads in
    /// the order in which they are made, return for no reason. What breaks before the execution `judged_from` goes on.
    pub(super) fn begin(oracle: Arc<Oracle>, spurious: u32, judged_from: u64) -> Arc<Self> {
        oracle.begin_execution();
        let (waits, asleep) = (AtomicU32::new(0), AtomicUsize::new(0));
        let (ticks, notifications) = (AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Self { oracle, judged_from, spurious, waits, ticks, asleep, notifications })
    }

    /// Counts a moment.
    pub fn reached(&self, moment: &'static str) {
        self.oracle.reached(moment);
    }

    /// Keeps a step of the calling thread, if steps are kept.
    #[track_caller]
    pub(super) fn step<D: Into<Deed>>(&self, what: impl FnOnce() -> D) {
        self.step_at(Location::caller(), what);
    }

    /// The same, of this line of the source.
    pub(super) fn step_at<D: Into<Deed>>(&self, at: &'static Location<'static>, what: impl FnOnce() -> D) {
        self.oracle.step(at, || thread::current().name().unwrap_or("main").to_string(), what);
    }

    /// A wait did what it must not: ends the execution, if that is watched for.
    pub(super) fn check(&self, holds: bool, what: impl FnOnce() -> String) {
        if !holds && self.oracle.executions() >= self.judged_from {
            self.oracle.violate(Property::Bounded, what);
        }
    }

    /// The clock.
    pub fn now(&self) -> Duration {
        Duration::from_secs(self.ticks.load(SeqCst))
    }

    /// Moves the clock by a second. The caller holds the mutex.
    pub(super) fn tick(&self) {
        let before = self.ticks.fetch_add(1, SeqCst);
        self.step(|| format!("it is {} s", before + 1));
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
