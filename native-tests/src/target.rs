//! One thread that occupies a slot and runs one script: what gets killed.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use forcekill::{Native, OwnedFlags, Platform, ResendPolicy, RunId, Slot, Verdict};

use crate::parked::{DEADLINE, KernelThread};

/// A thread in the middle of its one run, or after it. `T` is what its script answers.
pub struct Target<T> {
    slot: Arc<Slot<Native>>,
    run: RunId,
    thread: KernelThread,
    handle: JoinHandle<T>,
}

/// Why a target's thread cannot be joined.
#[derive(Debug)]
pub enum JoinError {
    /// The run has not ended within [`DEADLINE`]; joining would wait without a bound.
    StillRunning(KernelThread),
    /// The script panicked.
    Panicked,
    /// The thread ended before it could begin its run.
    NotBooted,
}

impl<T: Send + 'static> Target<T> {
    /// Boots a thread and lets it begin its run; answers when the run can be killed.
    ///
    /// # Errors
    /// If the thread panics before that.
    pub fn boot(
        platform: Native,
        script: impl FnOnce(&OwnedFlags) -> T + Send + 'static,
    ) -> Result<Self, JoinError> {
        let slot = Arc::new(Slot::<Native>::new(platform));
        let (booted, boots) = mpsc::channel();
        let handle = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                let flags = OwnedFlags::new();
                slot.occupy(flags.clone(), |occupied| {
                    occupied.run(|run| {
                        // Fails only if nobody wants to know any more.
                        let _ = booted.send((run, KernelThread::current()));
                        script(&flags)
                    })
                })
            }
        });
        let (run, thread) = boots.recv().map_err(|_| JoinError::NotBooted)?;
        Ok(Self { slot, run, thread, handle })
    }

    /// The thread's slot.
    pub fn slot(&self) -> &Arc<Slot<Native>> {
        &self.slot
    }

    /// The thread's one run.
    pub fn run(&self) -> RunId {
        self.run
    }

    /// The thread, as the kernel knows it.
    pub fn thread(&self) -> KernelThread {
        self.thread
    }

    /// Kills the run.
    pub fn kill(&self, policy: &ResendPolicy) -> Verdict {
        self.slot.kill(self.run, policy)
    }

    /// Whether the run has ended.
    pub fn has_ended(&self) -> bool {
        self.slot.wait_ended(self.run, self.slot.platform().now())
    }

    /// What the script answered.
    ///
    /// # Errors
    /// If the run does not end within [`DEADLINE`], or ended in a panic.
    pub fn join(self) -> Result<T, JoinError> {
        let deadline = self.slot.platform().now().saturating_add(DEADLINE);
        if !self.slot.wait_ended(self.run, deadline) {
            return Err(JoinError::StillRunning(self.thread));
        }
        self.handle.join().map_err(|_| JoinError::Panicked)
    }
}

impl fmt::Display for JoinError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StillRunning(thread) => {
                write!(f, "thread {} has not ended its run within {DEADLINE:?}", thread.id())?;
                #[cfg(target_os = "linux")]
                match thread.activity() {
                    Ok(activity) => write!(f, ": {activity:?}")?,
                    Err(error) => write!(f, ": {error}")?,
                }
                Ok(())
            }
            Self::Panicked => write!(f, "the script panicked"),
            Self::NotBooted => write!(f, "the thread ended before it began its run"),
        }
    }
}

impl std::error::Error for JoinError {}
