//! A whole runtime over real threads, whose requests are closures: what a script does stands in the test that asks for it.

use std::error::Error;
use std::fmt;
use std::io;
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use forcekill::runtime::Rejected;
use forcekill::{
    ClosureEngine, Config, InterruptFlags, Limits, Native, Notice, Platform, Process, ResendPolicy, Runtime,
    Script,
};

use crate::blocking::{self, Blocking, Entry, Outcome};
use crate::parked::{DEADLINE, KernelThread};

/// What a request is: what its script does. `None` leaves it unanswered.
pub struct Task(Box<TaskScript>);

type TaskScript = dyn FnOnce(&Script<'_>) -> Option<Served> + Send;

/// Who has served a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// The thread's index.
    pub thread: usize,
    /// Its OS thread.
    pub os_thread: KernelThread,
}

/// The engine of these tests.
pub type TaskEngine = ClosureEngine<Task, Served>;

/// A runtime over it.
pub type TaskRuntime<P = Native> = Runtime<TaskEngine, P>;

/// What became of a request.
pub type Dispatched = Result<Served, Rejected<Task>>;

/// A test gave up waiting for something.
#[derive(Debug)]
pub struct NotInTime(pub String);

impl Task {
    /// A request whose script does this.
    pub fn new(script: impl FnOnce(&Script<'_>) -> Option<Served> + Send + 'static) -> Self {
        Self(Box::new(script))
    }

    /// A request that is answered at once.
    pub fn echo() -> Self {
        Self::new(|script| Some(Served::by(script)))
    }

    /// Does it.
    pub fn run(self, script: &Script<'_>) -> Option<Served> {
        (self.0)(script)
    }
}

impl Served {
    /// The calling script's thread.
    pub fn by(script: &Script<'_>) -> Self {
        Self { thread: script.thread(), os_thread: KernelThread::current() }
    }
}

/// An engine whose workers, of any name, and whose regular threads do what each request says. A worker's script that was
/// killed ends.
pub fn engine() -> TaskEngine {
    ClosureEngine::new().regular(|script, task: Task| task.run(script)).any_worker(|script, requests| {
        while let Some(task) = requests.next() {
            let served = task.run(script);
            if script.is_killed() {
                return;
            }
            if let Some(served) = served {
                requests.answer(served);
            }
        }
    })
}

/// The limits of a drain, in milliseconds: the grace period, and the time of the kill, in which signals are at most 20 ms
/// apart.
///
/// # Errors
/// If they make no sense.
pub fn limits(grace_ms: u64, kill_ms: u64) -> Result<Limits, Box<dyn Error>> {
    let ms = Duration::from_millis;
    let kill = ResendPolicy::new(ms(kill_ms), ms(1), ms(20))?;
    Ok(Limits::new(ms(grace_ms), kill)?)
}

/// So many threads with limits that are short for a test.
///
/// # Errors
/// Never: the limits make sense.
pub fn short_config(threads: usize) -> Result<Config, Box<dyn Error>> {
    Ok(Config::new(threads).limits(limits(100, 200)?).teardown_limit(Duration::from_millis(100)))
}

/// What a process has told, to be waited for.
#[derive(Clone, Debug, Default)]
pub struct Log(Arc<(Mutex<Vec<Notice>>, Condvar)>);

impl Log {
    /// The observer that fills it.
    pub fn observer(&self) -> impl Fn(&Notice) + Send + Sync + 'static {
        let log = self.clone();
        move |notice| {
            let (notices, told) = &*log.0;
            notices.lock().unwrap_or_else(PoisonError::into_inner).push(notice.clone());
            told.notify_all();
        }
    }

    /// Waits until so many notices that `is` answers true for were told.
    ///
    /// # Errors
    /// If that takes longer than [`DEADLINE`]; the error has all that were told.
    pub fn wait_for(&self, count: usize, is: impl Fn(&Notice) -> bool) -> Result<(), NotInTime> {
        let (notices, told) = &*self.0;
        let notices = notices.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = |notices: &mut Vec<Notice>| notices.iter().filter(|notice| is(notice)).count() < count;
        let (notices, waited) =
            told.wait_timeout_while(notices, DEADLINE, missing).unwrap_or_else(PoisonError::into_inner);
        if waited.timed_out() { Err(NotInTime(format!("{count} notices among {notices:?}"))) } else { Ok(()) }
    }

    /// Everything that was told so far.
    pub fn notices(&self) -> Vec<Notice> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A process on the real platform with the task engine, or what a test has made of it.
pub fn process(engine: TaskEngine) -> (Process<TaskEngine>, Log) {
    let log = Log::default();
    (Process::new(Native::default(), engine, log.observer()), log)
}

/// A request on its way, dispatched by a thread of its own.
pub struct Sent(Receiver<Dispatched>);

/// Dispatches a request without waiting for what becomes of it.
pub fn send<P: Platform<Flag = std::sync::atomic::AtomicBool>>(
    runtime: &TaskRuntime<P>,
    worker: Option<&'static str>,
    task: Task,
) -> Sent {
    let (to, from) = mpsc::channel();
    let runtime = runtime.clone();
    thread::spawn(move || {
        // Fails only if nobody wants to know any more.
        let _ = to.send(runtime.dispatch(worker, task));
    });
    Sent(from)
}

impl Sent {
    /// What became of it.
    ///
    /// # Errors
    /// If nothing does within [`DEADLINE`].
    pub fn wait(&self) -> Result<Dispatched, NotInTime> {
        self.0.recv_timeout(DEADLINE).map_err(|_| NotInTime("the end of a dispatch".into()))
    }

    /// What became of it, if anything has.
    pub fn now(&self) -> Option<Dispatched> {
        self.0.try_recv().ok()
    }
}

/// A request whose script is stuck in a call of the catalogue.
pub struct StuckTask {
    entry: &'static Entry,
    call: Arc<dyn Blocking>,
    begun: Receiver<KernelThread>,
    came_past: Receiver<(Outcome, bool)>,
}

impl StuckTask {
    /// A request for the entry of this name, and what a test sees of it. Behind the call, the script looks whether it was
    /// killed, and if so does nothing more.
    ///
    /// # Errors
    /// If there is no such entry, or the system refuses what it needs.
    pub fn new(name: &str) -> io::Result<(Self, Task)> {
        let entry = Entry::named(name).ok_or_else(|| io::Error::other(format!("no entry {name:?}")))?;
        let call = (entry.make)()?;
        let ((begins, begun), (passes, came_past)) = (mpsc::channel(), mpsc::channel());
        let task = Task::new({
            let call = Arc::clone(&call);
            move |script| {
                // The reports fail only if nobody wants to know any more.
                let _ = begins.send(KernelThread::current());
                let outcome = blocking::Script::new(script.flags().clone()).run(&*call);
                let ran_on = !script.is_killed();
                let _ = passes.send((outcome, ran_on));
                ran_on.then(|| Served::by(script))
            }
        });
        Ok((Self { entry, call, begun, came_past }, task))
    }

    /// Waits until the kernel shows the thread stuck. Windows has no documented way to ask: there this waits until the thread is
    /// at the call, and whoever depends on its being in it sends again.
    ///
    /// # Errors
    /// If it does not.
    pub fn wait_stuck(&self) -> Result<KernelThread, Box<dyn Error>> {
        let begun = self.begun.recv_timeout(DEADLINE);
        let thread = begun.map_err(|_| NotInTime(format!("the begin of {}", self.entry.name)))?;
        #[cfg(target_os = "linux")]
        self.entry.wait_stuck(thread)?;
        Ok(thread)
    }

    /// What the call came to, and whether the script did anything after it.
    ///
    /// # Errors
    /// If the call does not return.
    pub fn wait_past(&self) -> Result<(Outcome, bool), NotInTime> {
        let past = self.came_past.recv_timeout(DEADLINE);
        past.map_err(|_| NotInTime(format!("the end of {}", self.entry.name)))
    }

    /// Whether the call has returned; asked once.
    pub fn is_past(&self) -> bool {
        self.came_past.try_recv().is_ok()
    }

    /// Lets the call return.
    pub fn release(&self) {
        self.call.let_go();
    }
}

/// A test that gives up early must not leave a child process behind.
impl Drop for StuckTask {
    fn drop(&mut self) {
        self.call.let_go();
    }
}

/// Sends a request that gets stuck in the call of this name, and waits for that as [`StuckTask::wait_stuck`] does.
///
/// # Errors
/// If it does not.
pub fn get_stuck<P: Platform<Flag = std::sync::atomic::AtomicBool>>(
    runtime: &TaskRuntime<P>,
    worker: Option<&'static str>,
    name: &str,
) -> Result<(StuckTask, Sent), Box<dyn Error>> {
    let (stuck, task) = StuckTask::new(name)?;
    let sent = send(runtime, worker, task);
    stuck.wait_stuck()?;
    Ok((stuck, sent))
}

/// Proves that so many threads serve at once: as many requests meet, and none goes on before all are there. Answers who served
/// them.
///
/// # Errors
/// If one is not served.
pub fn all_serve<P: Platform<Flag = std::sync::atomic::AtomicBool>>(
    runtime: &TaskRuntime<P>,
    worker: Option<&'static str>,
    count: usize,
) -> Result<Vec<Served>, Box<dyn Error>> {
    let meeting = Arc::new((Mutex::new(0), Condvar::new()));
    let meet = || {
        let meeting = Arc::clone(&meeting);
        Task::new(move |script| {
            let (arrived, changed) = &*meeting;
            let mut arrived = arrived.lock().unwrap_or_else(PoisonError::into_inner);
            *arrived += 1;
            changed.notify_all();
            let waiting = changed.wait_timeout_while(arrived, DEADLINE, |arrived| *arrived < count);
            let (_arrived, waited) = waiting.unwrap_or_else(PoisonError::into_inner);
            (!waited.timed_out()).then(|| Served::by(script))
        })
    };
    let sent: Vec<_> = (0..count).map(|_| send(runtime, worker, meet())).collect();
    let mut served = Vec::new();
    for sent in sent {
        served.push(sent.wait()?.map_err(|rejected| rejected.to_string())?);
    }
    Ok(served)
}

/// Looks again and again until `is` answers true.
///
/// # Errors
/// If it does not within [`DEADLINE`].
pub fn eventually(what: &str, is: impl Fn() -> bool) -> Result<(), NotInTime> {
    let started = Instant::now();
    while !is() {
        if started.elapsed() > DEADLINE {
            return Err(NotInTime(what.into()));
        }
        // Leaves the processor to whoever is watched. Nothing depends on how long this takes.
        thread::park_timeout(Duration::from_micros(200));
    }
    Ok(())
}

/// How long a call with this bound may take on a machine that was late by `latest` meanwhile.
pub fn with_lateness(bound: Duration, latest: Duration) -> Duration {
    bound + 3 * latest + Duration::from_millis(150)
}

/// Whether the flags of the calling script are both down: the script before has left nothing behind.
pub fn flags_are_down(script: &Script<'_>) -> bool {
    use std::sync::atomic::Ordering::Relaxed;
    // Relaxed: own flags, nobody stores to them before this script is killed.
    !script.flags().timed_out().load(Relaxed) && !script.flags().vm_interrupt().load(Relaxed)
}

impl fmt::Debug for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Task")
    }
}

impl fmt::Display for NotInTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not seen within {DEADLINE:?}: {}", self.0)
    }
}

impl Error for NotInTime {}
