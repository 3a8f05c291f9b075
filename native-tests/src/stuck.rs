//! One thread that is stuck in one entry of the catalogue.

use std::error::Error;
use std::io;
use std::sync::Arc;

use forcekill::{Native, ResendPolicy, Verdict};

use crate::blocking::{Blocking, Entry, Outcome, Script, StuckAs, SystemCall};
use crate::parked::{KernelThread, NotSeen};
use crate::target::{JoinError, Target};

/// A thread whose run is one blocking call.
pub struct Stuck {
    entry: &'static Entry,
    call: LetGo,
    target: Target<Outcome>,
}

impl Stuck {
    /// Makes what the entry needs, and boots a thread into it.
    ///
    /// # Errors
    /// If the system refuses what the entry needs.
    pub fn boot(platform: Native, entry: &'static Entry) -> Result<Self, Box<dyn Error>> {
        let call = (entry.make)().map_err(|error| io::Error::other(format!("{}: {error}", entry.name)))?;
        let target = Target::boot(platform, {
            let call = Arc::clone(&call);
            move |flags| Script::new(flags.clone()).run(&*call)
        })?;
        Ok(Self { entry, call: LetGo(call), target })
    }

    /// Waits until the kernel shows the thread as the entry says it will be; answers what it is in.
    ///
    /// # Errors
    /// If the kernel does not.
    pub fn wait_stuck(&self) -> Result<String, NotSeen> {
        self.entry.wait_stuck(self.target.thread())
    }

    /// The thread, as the kernel knows it.
    pub fn thread(&self) -> KernelThread {
        self.target.thread()
    }

    /// The thread and its run.
    pub fn target(&self) -> &Target<Outcome> {
        &self.target
    }

    /// Kills the run.
    pub fn kill(&self, policy: &ResendPolicy) -> Verdict {
        self.target.kill(policy)
    }

    /// How the script of a run that is over, or about to be, ended.
    ///
    /// # Errors
    /// If it does not end.
    pub fn join(self) -> Result<Outcome, JoinError> {
        self.target.join()
    }

    /// Lets the call return by itself and joins the thread. `None` if the call never returns by itself: the thread is
    /// left behind.
    ///
    /// # Errors
    /// If it does not end all the same.
    pub fn let_go_and_join(self) -> Result<Option<Outcome>, JoinError> {
        if self.call.0.let_go() { self.target.join().map(Some) } else { Ok(None) }
    }
}

impl Entry {
    /// Waits until the kernel shows `thread` as the entry says it will be; answers what it is in.
    ///
    /// # Errors
    /// If the kernel does not.
    pub fn wait_stuck(&self, thread: KernelThread) -> Result<String, NotSeen> {
        let numbers = |calls: &[SystemCall]| calls.iter().map(|(number, _)| *number).collect::<Vec<_>>();
        let parked = match self.stuck {
            StuckAs::Running => {
                thread.wait_running()?;
                return Ok("(running)".to_owned());
            }
            StuckAs::Asleep(calls) => thread.wait_parked(&numbers(calls), 'S')?,
            StuckAs::Uninterruptible(calls) => thread.wait_parked(&numbers(calls), 'D')?,
        };
        Ok(self.call_name(parked.call).to_owned())
    }
}

/// Lets the call go when a test gives up early: a child process that is part of it must not outlive the test.
struct LetGo(Arc<dyn Blocking>);

impl Drop for LetGo {
    fn drop(&mut self) {
        self.0.let_go();
    }
}
