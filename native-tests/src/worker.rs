//! Worker threads with the library's whole lifecycle: spawned, served, drained, shut down, counted out.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use forcekill::state::{Event, TRANSITIONS};
use forcekill::thread::Told;
use forcekill::{IllegalTransition, Lingering, Native, OwnedFlags, Platform, SpawnError, State, Thread};

use crate::blocking::{Blocking, Entry, Outcome, Script};
use crate::parked::{DEADLINE, KernelThread};
pub use crate::timing::timed;

/// What a worker thread does until it is told something else.
#[derive(Clone)]
pub enum Work {
    /// Runs a script that waits in the host's callback until it is told to leave.
    WaitsInCallback,
    /// Has no script, and stands by.
    StandsBy,
    /// Runs a script that blocks in this call.
    Blocks(&'static Entry, Arc<dyn Blocking>),
}

/// A worker thread: the library's side of it, and what its OS thread has told about itself.
pub struct Worker {
    /// The library's thread.
    pub thread: Arc<Thread>,
    work: Work,
    begun: Receiver<KernelThread>,
    ended: Receiver<Outcome>,
    exited: Receiver<Result<(), IllegalTransition>>,
}

/// The ends of the channels that the OS thread has.
struct Reports {
    begun: Sender<KernelThread>,
    ended: Sender<Outcome>,
    exited: Sender<Result<(), IllegalTransition>>,
}

/// A worker thread has not done what was waited for, within [`DEADLINE`].
pub struct NotDone {
    thread: Arc<Thread>,
    what: &'static str,
}

impl Work {
    /// Blocks in the catalogue's call of this name.
    ///
    /// # Errors
    /// If there is no such call, or the system refuses what it needs.
    pub fn blocks(name: &str) -> io::Result<Self> {
        let entry = Entry::named(name).ok_or_else(|| io::Error::other(format!("no entry {name:?}")))?;
        Ok(Self::Blocks(entry, (entry.make)()?))
    }

    /// Blocks until the kill, in a call that a signal interrupts.
    ///
    /// # Errors
    /// If the system has no pipe to give.
    pub fn killable() -> io::Result<Self> {
        Self::blocks("read, empty pipe")
    }

    /// Blocks for ever, in a lock of the host's.
    ///
    /// # Errors
    /// If the system refuses a thread.
    pub fn unkillable() -> io::Result<Self> {
        Self::blocks("Mutex::lock")
    }
}

impl Worker {
    /// Starts a thread that is Ready, or Inactive if it only stands by. Once it has let go and is told to go on, it waits in
    /// the host's callback, or stands by again.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn start(
        platform: Native,
        lingering: &Lingering<Native>,
        index: usize,
        work: Work,
    ) -> Result<Self, SpawnError> {
        let thread = Arc::new(Thread::<Native>::new(platform, index));
        bring_to(&thread, if matches!(work, Work::StandsBy) { State::Inactive } else { State::Ready });
        Self::spawn(thread, lingering, work)
    }

    /// The same for a thread that is already where it is to be.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn spawn(thread: Arc<Thread>, lingering: &Lingering<Native>, work: Work) -> Result<Self, SpawnError> {
        let ((begun, begins), (ended, ends), (exited, exits)) =
            (mpsc::channel(), mpsc::channel(), mpsc::channel());
        let reports = Reports { begun, ended, exited };
        let own = (Arc::clone(&thread), work.clone());
        thread.spawn(lingering, move || serve(&own.0, own.1, &reports))?;
        Ok(Self { thread, work, begun: begins, ended: ends, exited: exits })
    }

    /// Waits until the thread has begun its first or next piece of work, and is parked in it.
    ///
    /// # Errors
    /// If that is not seen within [`DEADLINE`].
    pub fn wait_at_work(&self) -> Result<KernelThread, Box<dyn Error>> {
        let kernel = self.begun.recv_timeout(DEADLINE).map_err(|_| self.not_done("begun its work"))?;
        match &self.work {
            Work::Blocks(entry, _) if self.thread.state() == State::Ready => {
                entry.wait_stuck(kernel)?;
            }
            // The callback and the standing by both wait in the thread's monitor.
            _ => {
                kernel.wait_parked(&[libc::SYS_futex], 'S')?;
            }
        }
        Ok(kernel)
    }

    /// Waits until the thread has begun to work again after a drain, in the host's callback or standing by.
    ///
    /// # Errors
    /// If that is not seen within [`DEADLINE`].
    pub fn wait_at_new_work(&self) -> Result<KernelThread, Box<dyn Error>> {
        let kernel = self.begun.recv_timeout(DEADLINE).map_err(|_| self.not_done("begun its new work"))?;
        kernel.wait_parked(&[libc::SYS_futex], 'S')?;
        Ok(kernel)
    }

    /// Whether the thread has begun a piece of work that nobody has waited for.
    pub fn has_begun_anew(&self) -> bool {
        self.begun.try_recv().is_ok()
    }

    /// Waits for the end of a script that blocks, and answers how it ended.
    ///
    /// # Errors
    /// If it has not ended within [`DEADLINE`].
    pub fn wait_outcome(&self) -> Result<Outcome, NotDone> {
        self.ended.recv_timeout(DEADLINE).map_err(|_| self.not_done("ended its script"))
    }

    /// Waits until the thread has made its last change of state, and answers what came of it. Answers once.
    ///
    /// # Errors
    /// If it has not within [`DEADLINE`].
    pub fn wait_exited(&self) -> Result<Result<(), IllegalTransition>, NotDone> {
        self.exited.recv_timeout(DEADLINE).map_err(|_| self.not_done("exited"))
    }

    /// Lets the call return that the script blocks in.
    pub fn let_call_return(&self) {
        if let Work::Blocks(_, call) = &self.work {
            call.let_go();
        }
    }

    fn not_done(&self, what: &'static str) -> NotDone {
        NotDone { thread: Arc::clone(&self.thread), what }
    }
}

/// A call that is let go lets its keeper threads and children go too, when a test gives up early.
impl Drop for Worker {
    fn drop(&mut self) {
        self.let_call_return();
    }
}

impl AsRef<Thread> for Worker {
    fn as_ref(&self) -> &Thread {
        &self.thread
    }
}

/// The life of a worker thread, from its first script to its last change of state.
fn serve(thread: &Thread, mut work: Work, reports: &Reports) {
    // The reports fail only if nobody wants to know any more.
    let begin = || {
        let _ = reports.begun.send(KernelThread::current());
    };
    let flags = OwnedFlags::new();
    thread.slot().occupy(flags.clone(), |occupied| {
        loop {
            let told = match &work {
                Work::StandsBy => {
                    begin();
                    thread.stand_by()
                }
                Work::WaitsInCallback => {
                    occupied.run(|_| {
                        begin();
                        thread.wait_to_leave();
                    });
                    thread.let_go()
                }
                Work::Blocks(_, call) => {
                    occupied.run(|_| {
                        begin();
                        let _ = reports.ended.send(Script::new(flags.clone()).run(&**call));
                    });
                    thread.let_go()
                }
            };
            match told {
                Told::GoOn if matches!(work, Work::StandsBy) => {}
                Told::GoOn => work = Work::WaitsInCallback,
                Told::Exit | Told::Else(_) => break,
            }
        }
    });
    let _ = reports.exited.send(thread.exit().map(drop));
}

/// Makes the changes that lead a thread from Reserved to `state` by the shortest way in the table.
///
/// # Panics
/// If the thread is not Reserved, or the table has no such way.
pub fn bring_to(thread: &Thread, state: State) {
    for event in way_to(state) {
        if let Err(error) = thread.change(event) {
            panic!("on the way to {state}: {error}");
        }
    }
}

/// The events of the shortest way from Reserved.
fn way_to(state: State) -> Vec<Event> {
    let mut ways = vec![(State::Reserved, Vec::new())];
    let mut next = 0;
    while let Some((at, way)) = ways.get(next).cloned() {
        if at == state {
            return way;
        }
        for row in TRANSITIONS.iter().filter(|row| row.from == at) {
            if ways.iter().all(|(known, _)| *known != row.to) {
                ways.push((row.to, way.iter().copied().chain([row.event]).collect()));
            }
        }
        next += 1;
    }
    panic!("the table has no way to {state}")
}

/// The latest moment in the clock of `platform` that a test waits for.
pub fn patience(platform: &Native) -> Duration {
    platform.now().saturating_add(DEADLINE)
}

impl fmt::Display for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} has not {} within {DEADLINE:?}", self.thread, self.what)
    }
}

// As Display: this is what a test that answers an error prints.
impl fmt::Debug for NotDone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Error for NotDone {}
