//! An engine made of closures: for embedders whose scripts are Rust, and for tests.

use std::cell::Cell;
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;

use super::{Engine, EngineError, InterruptFlags, On, OwnedFlags, Requests, ScriptEnd, ThreadStorage};
use crate::platform::Platform;

type WorkerClosure<Q, A> = Box<dyn Fn(&Script<'_>, &mut dyn Requests<Q, A>) + Send + Sync>;
type RequestClosure<Q, A> = Box<dyn Fn(&Script<'_>, Q) -> Option<A> + Send + Sync>;
type ProcessClosure<R> = Box<dyn Fn() -> R + Send + Sync>;
type ThreadClosure<R> = Arc<dyn Fn(usize) -> R + Send + Sync>;

/// An engine whose scripts are closures, over requests `Q` and responses `A` of any type.
///
/// A runtime in thirty lines:
///
/// ```
/// use forcekill::{ClosureEngine, Config, Native, Process, ShutDown, Worker};
///
/// let engine = ClosureEngine::<String, String>::new()
///     // Loaded once, serves many requests; what is in the loop is what `frankenphp_handle_request` runs.
///     .worker("greeter", |script, requests| {
///         while let Some(name) = requests.next() {
///             if script.consume_interrupt() {
///                 return; // killed: the request counts as unanswered
///             }
///             requests.answer(format!("Hello, {name}!"));
///         }
///     })
///     // Once for each request that is for no worker.
///     .regular(|_script, path| Some(format!("there is no {path}")));
///
/// let process = Process::<ClosureEngine<_, _>>::new(Native::default(), engine, ());
/// let runtime = process.init(Config::new(2).worker(Worker::new("greeter", 1)))?;
/// assert_eq!(runtime.dispatch(Some("greeter"), "Ada".to_string())?, "Hello, Ada!");
/// assert_eq!(runtime.dispatch(None, "/favicon.ico".to_string())?, "there is no /favicon.ico");
///
/// assert_eq!(runtime.restart_workers()?.threads, 1); // say, because the code on disk has changed
/// assert_eq!(runtime.dispatch(Some("greeter"), "Grace".to_string())?, "Hello, Grace!");
///
/// match runtime.shut_down()? {
///     ShutDown::TornDown => {}
///     // A thread is stuck for good: no init may follow before `process.complete_teardown`.
///     skipped @ ShutDown::TeardownSkipped { .. } => eprintln!("{skipped}"),
/// }
/// # assert_eq!(process.lingering(), 0);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// A script that loops looks at [`Script::consume_interrupt`] in its loop, and one that makes calls which block looks at it
/// when a call was interrupted: that is how it ends when it is killed. One that does neither is abandoned.
///
/// Without a closure, a worker's script ends before it has booted, and a request is not answered.
pub struct ClosureEngine<Q, A> {
    workers: HashMap<String, WorkerClosure<Q, A>>,
    any_worker: Option<WorkerClosure<Q, A>>,
    regular: Option<RequestClosure<Q, A>>,
    start_up: Option<ProcessClosure<Result<(), EngineError>>>,
    tear_down: Option<ProcessClosure<()>>,
    start_thread: Option<ThreadClosure<Result<(), EngineError>>>,
    free_thread: Option<ThreadClosure<()>>,
    drain_hook: Option<ThreadClosure<()>>,
}

/// A script of a [`ClosureEngine`], as its closure sees it.
#[derive(Debug)]
pub struct Script<'a> {
    thread: usize,
    worker: Option<&'a str>,
    flags: &'a OwnedFlags,
    end: Cell<ScriptEnd>,
}

/// What a [`ClosureEngine`] keeps for one thread.
pub struct ClosureStorage {
    thread: usize,
    flags: OwnedFlags,
    free_thread: Option<ThreadClosure<()>>,
}

impl<Q, A> ClosureEngine<Q, A> {
    /// An engine without scripts.
    pub fn new() -> Self {
        Self {
            workers: HashMap::new(),
            any_worker: None,
            regular: None,
            start_up: None,
            tear_down: None,
            start_thread: None,
            free_thread: None,
            drain_hook: None,
        }
    }

    /// The script of the worker with this name. It gets its requests from [`Requests::next`], and ends when there is none.
    #[must_use]
    pub fn worker(
        mut self,
        name: impl Into<String>,
        script: impl Fn(&Script<'_>, &mut dyn Requests<Q, A>) + Send + Sync + 'static,
    ) -> Self {
        self.workers.insert(name.into(), Box::new(script));
        self
    }

    /// The script of every worker that has none of its own.
    #[must_use]
    pub fn any_worker(
        mut self,
        script: impl Fn(&Script<'_>, &mut dyn Requests<Q, A>) + Send + Sync + 'static,
    ) -> Self {
        self.any_worker = Some(Box::new(script));
        self
    }

    /// The script of a request that is for no worker. `None` leaves the request unanswered.
    #[must_use]
    pub fn regular(mut self, script: impl Fn(&Script<'_>, Q) -> Option<A> + Send + Sync + 'static) -> Self {
        self.regular = Some(Box::new(script));
        self
    }

    /// What [`Engine::start_up`] does.
    #[must_use]
    pub fn on_start_up(
        mut self,
        start_up: impl Fn() -> Result<(), EngineError> + Send + Sync + 'static,
    ) -> Self {
        self.start_up = Some(Box::new(start_up));
        self
    }

    /// What [`Engine::tear_down`] does.
    #[must_use]
    pub fn on_tear_down(mut self, tear_down: impl Fn() + Send + Sync + 'static) -> Self {
        self.tear_down = Some(Box::new(tear_down));
        self
    }

    /// What [`Engine::start_thread`] does with a thread's index, on that thread.
    #[must_use]
    pub fn on_start_thread(
        mut self,
        start: impl Fn(usize) -> Result<(), EngineError> + Send + Sync + 'static,
    ) -> Self {
        self.start_thread = Some(Arc::new(start));
        self
    }

    /// What [`ThreadStorage::free`] does with a thread's index, on that thread.
    #[must_use]
    pub fn on_free_thread(mut self, free: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.free_thread = Some(Arc::new(free));
        self
    }

    /// What [`Engine::drain_hook`] does with a thread's index: wakes a script that blocks in something of its own. Must not
    /// block.
    #[must_use]
    pub fn on_drain(mut self, hook: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.drain_hook = Some(Arc::new(hook));
        self
    }
}

impl<P, Q, A> Engine<P> for ClosureEngine<Q, A>
where
    P: Platform<Flag = AtomicBool>,
    Q: Send + 'static,
    A: Send + 'static,
{
    type Flags = OwnedFlags;
    type Storage = ClosureStorage;
    type Request = Q;
    type Response = A;

    fn start_up(&self) -> Result<(), EngineError> {
        self.start_up.as_ref().map_or(Ok(()), |start_up| start_up())
    }

    fn tear_down(&self) {
        if let Some(tear_down) = &self.tear_down {
            tear_down();
        }
    }

    fn start_thread(&self, thread: usize) -> Result<ClosureStorage, EngineError> {
        self.start_thread.as_ref().map_or(Ok(()), |start| start(thread))?;
        Ok(ClosureStorage { thread, flags: OwnedFlags::new(), free_thread: self.free_thread.clone() })
    }

    fn run_worker(&self, on: On<'_, ClosureStorage>, requests: &mut dyn Requests<Q, A>) -> ScriptEnd {
        let own = on.worker.and_then(|name| self.workers.get(name));
        let Some(worker) = own.or(self.any_worker.as_ref()) else { return ScriptEnd::Failed };
        let script = Script::on(&on);
        worker(&script, requests);
        script.end.get()
    }

    fn run_request(&self, on: On<'_, ClosureStorage>, request: Q) -> (Option<A>, ScriptEnd) {
        let Some(regular) = &self.regular else { return (None, ScriptEnd::Failed) };
        let script = Script::on(&on);
        let response = regular(&script, request);
        (response, script.end.get())
    }

    fn drain_hook(&self, thread: usize) {
        if let Some(hook) = &self.drain_hook {
            hook(thread);
        }
    }
}

impl<'a> Script<'a> {
    fn on(on: &On<'a, ClosureStorage>) -> Self {
        let flags = &on.storage.flags;
        Self { thread: on.thread, worker: on.worker, flags, end: Cell::new(ScriptEnd::Finished) }
    }

    /// The index of the thread that it runs on.
    pub fn thread(&self) -> usize {
        self.thread
    }

    /// The worker whose script it is; `None` on a regular thread.
    pub fn worker(&self) -> Option<&'a str> {
        self.worker
    }

    /// The interrupt flags of its thread.
    pub fn flags(&self) -> &'a OwnedFlags {
        self.flags
    }

    /// The VM's check, for loops: whether the script has been killed. Consumes the interrupt, so one kill is seen once; see
    /// [`InterruptFlags::consume_interrupt`].
    #[inline]
    pub fn consume_interrupt(&self) -> bool {
        self.flags.consume_interrupt()
    }

    /// Whether the script has been killed. Stays so until it ends, and may be asked any number of times: after a call that was
    /// interrupted, say.
    #[inline]
    pub fn is_killed(&self) -> bool {
        // Relaxed: says that the script is to end, and orders nothing.
        self.flags.timed_out().load(Relaxed)
    }

    /// How the script is to count when it has ended: as [`ScriptEnd::Finished`] unless it says otherwise.
    /// [`ScriptEnd::Unhealthy`] has a fresh OS thread take over.
    pub fn ends_as(&self, end: ScriptEnd) {
        self.end.set(end);
    }
}

impl ThreadStorage for ClosureStorage {
    type Flags = OwnedFlags;

    fn flags(&self) -> OwnedFlags {
        self.flags.clone()
    }

    fn free(self) {
        if let Some(free) = &self.free_thread {
            free(self.thread);
        }
    }
}

impl<Q, A> Default for ClosureEngine<Q, A> {
    fn default() -> Self {
        Self::new()
    }
}

impl<Q, A> fmt::Debug for ClosureEngine<Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut names: Vec<_> = self.workers.keys().collect();
        names.sort();
        f.debug_struct("ClosureEngine").field("workers", &names).finish_non_exhaustive()
    }
}

impl fmt::Debug for ClosureStorage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { thread, flags, .. } = self;
        f.debug_struct("ClosureStorage").field("thread", thread).field("flags", flags).finish_non_exhaustive()
    }
}
