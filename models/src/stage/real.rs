//! The real operating system as a stage: real threads, the real signal, and system calls that really block.

use std::io::{self, PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use forcekill::platform::{MonitorValue, NativeTarget, StdLock, StdMonitor};
use forcekill::{Native, Obstacle, Platform, ResendPolicy, SpawnError, Wake};

use super::{Call, FreedCell, Returned, Stage};
use crate::oracle::Oracle;
use crate::property::Property;
use crate::step::Deed;

/// The real platform with an observer beside it.
#[derive(Clone, Debug)]
pub struct RealStage(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    native: Native,
    oracle: Arc<Oracle>,
    unreleased: AtomicI64,
    started: AtomicUsize,
    let_go: AtomicBool,
    // Nobody ever writes to it: reading blocks until the writer is dropped.
    empty: (PipeReader, Mutex<Option<PipeWriter>>),
    // Nobody ever reads from it: writing more than fits blocks until the reader is dropped.
    full: (Mutex<Option<PipeReader>>, PipeWriter),
}

impl RealStage {
    /// A fresh stage.
    ///
    /// # Errors
    /// If the system has no pipes left.
    pub fn new(oracle: Arc<Oracle>) -> io::Result<Self> {
        let (empty_reader, empty_writer) = io::pipe()?;
        let (full_reader, full_writer) = io::pipe()?;
        Ok(Self(Arc::new(Inner {
            native: Native::default(),
            oracle,
            unreleased: AtomicI64::new(0),
            started: AtomicUsize::new(0),
            let_go: AtomicBool::new(false),
            empty: (empty_reader, Mutex::new(Some(empty_writer))),
            full: (Mutex::new(Some(full_reader)), full_writer),
        })))
    }

    fn read(&self) -> isize {
        let mut byte = 0u8;
        // SAFETY: one byte of ours to read into; the descriptor is open while `self` is.
        unsafe { libc::read(self.0.empty.0.as_raw_fd(), (&raw mut byte).cast(), 1) }
    }

    fn write(&self) -> isize {
        // Twice what a pipe holds by default, so that a part fits and the rest blocks.
        let bytes = [0u8; 128 * 1024];
        // SAFETY: `bytes` is read within its length; the descriptor is open while `self` is.
        unsafe { libc::write(self.0.full.1.as_raw_fd(), bytes.as_ptr().cast(), bytes.len()) }
    }
}

impl Platform for RealStage {
    type Flag = AtomicBool;
    type Lock<T: Send + Sync + 'static> = StdLock<T>;
    type Monitor<T: MonitorValue> = StdMonitor<T>;
    type WakeTarget = NativeTarget;

    fn flag(&self, value: bool) -> AtomicBool {
        self.0.native.flag(value)
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> StdLock<T> {
        self.0.native.lock(value)
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> StdMonitor<T> {
        self.0.native.monitor(value)
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        self.0.native.spawn(body)
    }

    fn now(&self) -> Duration {
        self.0.native.now()
    }

    fn capture(&self) -> Result<NativeTarget, Obstacle> {
        let target = self.0.native.capture()?;
        self.0.unreleased.fetch_add(1, Relaxed);
        Ok(target)
    }

    fn wake(&self, target: &NativeTarget) -> Wake {
        self.0.native.wake(target)
    }

    fn obstacle(&self, target: &NativeTarget) -> Option<Obstacle> {
        self.0.native.obstacle(target)
    }

    fn release(&self, target: NativeTarget) {
        self.0.unreleased.fetch_sub(1, Relaxed);
        self.0.native.release(target);
    }

    fn absorb(&self) {
        self.0.native.absorb();
    }
}

impl Stage for RealStage {
    type Joiner = JoinHandle<()>;
    type Freed = RealFreed;

    fn oracle(&self) -> &Oracle {
        &self.0.oracle
    }

    fn named_flag(&self, _name: &'static str) -> AtomicBool {
        self.flag(false)
    }

    fn freed_cell(&self) -> RealFreed {
        RealFreed(AtomicBool::new(false))
    }

    fn start(&self, _name: &'static str, body: impl FnOnce() + Send + 'static) -> JoinHandle<()> {
        thread::spawn(body)
    }

    fn join(&self, joiner: JoinHandle<()>) {
        if let Err(panic) = joiner.join() {
            std::panic::resume_unwind(panic);
        }
    }

    fn os_thread(&self, _name: &'static str, body: impl FnOnce() + Send + 'static) {
        self.0.started.fetch_add(1, SeqCst);
        self.join(thread::spawn(body));
    }

    fn user_mode(&self) -> bool {
        false
    }

    fn call(&self, call: Call) -> Returned {
        loop {
            let (result, partly) = match call {
                Call::Interruptible | Call::SynchronousIo | Call::Uninterruptible => (self.read(), false),
                Call::WithSideEffects => (self.write(), true),
                Call::Short => (0, false),
            };
            match result {
                // The end of the pipe.
                0 => return Returned::Done,
                1.. if partly => return Returned::Partly,
                1.. => return Returned::Done,
                _ if io::Error::last_os_error().kind() != io::ErrorKind::Interrupted => {
                    return Returned::Done;
                }
                _ if call == Call::Uninterruptible => {}
                _ => return Returned::Interrupted { blocked: true },
            }
        }
    }

    fn let_go(&self) {
        self.0.let_go.store(true, SeqCst);
        self.0.empty.1.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.full.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    }

    fn was_let_go(&self) -> bool {
        self.0.let_go.load(SeqCst)
    }

    fn threads_started(&self) -> usize {
        self.0.started.load(SeqCst)
    }

    fn check_targets(&self) {
        let unreleased = self.0.unreleased.load(Relaxed);
        if unreleased != 0 {
            let what = || format!("{unreleased} wake targets more were captured than released");
            self.0.oracle.violate(Property::WakeHitsItsThread, what);
        }
    }

    fn policy(&self, _sends: u32) -> ResendPolicy {
        // A few sends in the model stand for a verdict that must come; on a real machine they would come too early.
        let pause = Duration::from_millis(1);
        ResendPolicy::new(pause * 5_000, pause, pause * 20).expect("positive pauses")
    }

    fn policy_in_vain(&self, _sends: u32) -> ResendPolicy {
        let pause = Duration::from_millis(1);
        ResendPolicy::new(pause * 20, pause, pause).expect("positive pauses")
    }

    fn is_timed(&self) -> bool {
        true
    }

    fn alias(&self, _target: &NativeTarget) -> Option<NativeTarget> {
        None
    }

    fn note<D: Into<Deed>>(&self, _what: impl FnOnce() -> D) {}
}

/// An atomic flag.
#[derive(Debug)]
pub struct RealFreed(AtomicBool);

impl FreedCell for RealFreed {
    fn is_freed(&self) -> bool {
        self.0.load(SeqCst)
    }

    fn free(&self) {
        self.0.store(true, SeqCst);
    }
}
