//! A runtime: the threads that an init has started, until they are shut down.
//!
//! | call | bound | upstream |
//! |---|---|---|
//! | [`Runtime::dispatch`] | [`max_wait`](crate::Config::max_wait) until a thread takes the request; then as long as its script | `ServeHTTP` |
//! | [`Runtime::restart_workers`] | [`ValidConfig::restart_bound`] | `RestartWorkers` |
//! | [`Runtime::shut_down`] | [`ValidConfig::shutdown_bound`] | `Shutdown` |
//! | [`Runtime::scale_up`], [`Runtime::scale_down`] | wait for nobody | `addWorkerThread`, `deactivateThreads` |
//!
//! The bounds hold whatever each thread is stuck in. On top comes the time of the engine's own process-wide calls, and that of an
//! observer and a drain hook, which must not block.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::config::ValidConfig;
use crate::drain::{Call, Drained, Fate, Watch, drain_leavers, resume, shut_down_watched};
use crate::engine::Engine;
use crate::leaver::Leaver;
use crate::observer::{Notice, Rejection};
use crate::platform::{Monitor, Native, Platform};
use crate::process::{InitError, Inner};
use crate::roster::{Claim, Life, Member, Phase, Pool, Rules};
use crate::steps::runtime::RuntimeSteps;
use crate::steps::{Attempt, Sound};
use crate::thread::Thread;

mod metrics;
mod php_thread;
mod queue;
mod scaling;

pub use queue::{Parcel, Settled, Waiting};
pub use scaling::ScaleError;

use queue::Queue;

/// The queue of one pool, for this engine's requests.
type QueueOf<E, P> = Queue<P, <E as Engine<P>>::Request, <E as Engine<P>>::Response>;
/// One of its requests on its way.
type ParcelOf<E, P> = Parcel<<E as Engine<P>>::Request, <E as Engine<P>>::Response>;

/// The threads of one init. Clones are the same runtime; it goes on until it is shut down, whoever holds it.
pub struct Runtime<E, P = Native, S = Sound>(Arc<Shared<E, P, S>>)
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>;

pub(crate) struct Shared<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    process: Arc<Inner<E, P, S>>,
    config: ValidConfig,
    rules: Rules,
    generation: u32,
    threads: Vec<Arc<Thread<P, E::Flags, S>>>,
    /// One a pool, by its number.
    queues: Vec<Queue<P, E::Request, E::Response>>,
}

/// A restart that has restarted everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Restarted {
    /// How many threads run a fresh script.
    pub threads: usize,
}

/// Why a restart has not restarted everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RestartError {
    /// The runtime is not up, or a shutdown came meanwhile.
    NotRunning,
    /// Some threads did not come back. The others run a fresh script.
    Incomplete(IncompleteRestart),
}

/// What a restart came to that has not restarted everything. Its text can be shown as it is.
/// Upstream: `errIncompleteRestart`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct IncompleteRestart {
    /// How many threads run a fresh script.
    pub restarted: usize,
    /// How many did not come back, and were given up.
    pub abandoned: usize,
    /// How many were not asked, because somebody else was having something done by them for the whole grace period (a scaler, another
    /// restart, their own reboot); they may still run an old script.
    pub busy: usize,
    /// How many threads are missing now, if an abandoned one could not be replaced: because as many as there may be are quarantined,
    /// or because the system refuses threads.
    pub missing: usize,
}

/// How a shutdown ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use = "after a skipped teardown no init may follow"]
pub enum ShutDown {
    /// Every thread has exited, and the engine was torn down.
    TornDown,
    /// Threads had not exited, and the engine was left as it is.
    TeardownSkipped {
        /// How many.
        lingering: usize,
    },
}

/// There is nothing to shut down: somebody else does, or has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NotRunning;

/// A request that was not answered.
#[derive(Debug)]
pub struct Rejected<Q> {
    /// Why.
    pub reason: Rejection,
    /// The request, if no script has begun it.
    pub request: Option<Q>,
}

impl<E, P, S> Runtime<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// The rest of an init, after the engine's start-up.
    pub(crate) fn start(
        process: Arc<Inner<E, P, S>>,
        config: ValidConfig,
        generation: u32,
        deadline: Duration,
    ) -> Result<Self, InitError> {
        let runtime = Self(Arc::new(Shared::new(process, config, generation)));
        let shared = &runtime.0;
        let ready = shared.boot_all(deadline);
        let threads = shared.config.threads();
        let notices = &shared.process.notices;
        if ready < threads {
            notices.tell(Notice::InitFailed { ready, threads });
            shared.process.roster.with(|roster| roster.set_phase(Phase::Stopping));
            return Err(InitError::Boot { ready, threads, shut_down: shared.stop() });
        }
        shared.process.roster.with(|roster| roster.set_phase(Phase::Up));
        notices.tell(Notice::Initialised { threads });
        shared.start_scaler();
        Ok(runtime)
    }

    /// Brings every thread of every worker to a fresh script. Threads that do not come back are abandoned: they leave every list
    /// at once, and fresh ones serve in their place, as far as the quarantine has room. Threads that are missing, because the
    /// system has refused them before, are started if it does not any more; they are not among those that the answer counts.
    ///
    /// May be called from any thread that is none of the engine's. Returns within [`ValidConfig::restart_bound`].
    ///
    /// # Errors
    /// If some threads did not come back, or the runtime is not up.
    pub fn restart_workers(&self) -> Result<Restarted, RestartError> {
        self.0.restart_workers()
    }

    /// Gives a request to the worker of this name, or to a regular thread, and waits for the response.
    ///
    /// May be called from any thread that is none of the engine's. It waits up to the configured time for a thread to take the
    /// request, and then for as long as the script takes, or until its thread is abandoned.
    ///
    /// # Errors
    /// If no response came. A request that no script has begun is given back.
    pub fn dispatch(
        &self,
        worker: Option<&str>,
        request: E::Request,
    ) -> Result<E::Response, Rejected<E::Request>> {
        self.0.dispatch(worker, request)
    }

    /// Shuts everything down: each thread gets the same grace, kill and deadline, all at once; then the engine is torn down, if
    /// no thread lingers.
    ///
    /// May be called from any thread that is none of the engine's. Returns within [`ValidConfig::shutdown_bound`].
    ///
    /// # Panics
    /// If the engine's teardown does; every later init returns [`InitError::TeardownSkipped`] then.
    ///
    /// # Errors
    /// If the runtime is not up.
    pub fn shut_down(&self) -> Result<ShutDown, NotRunning> {
        let shared = &self.0;
        if !S::begin_shutdown(&shared.process.roster, shared.generation) {
            return Err(NotRunning);
        }
        Ok(shared.stop())
    }

    /// Who serves now. May be called from any thread.
    pub fn members(&self) -> Vec<Member> {
        let shared = &self.0;
        let generation = shared.generation;
        shared
            .process
            .roster
            .with(|roster| if roster.is_up(generation) { roster.members() } else { Vec::new() })
    }

    /// The threads, by their index. An index that nobody has is Reserved or Done.
    pub fn threads(&self) -> &[Arc<Thread<P, E::Flags, S>>] {
        &self.0.threads
    }

    /// The configuration.
    pub fn config(&self) -> &ValidConfig {
        &self.0.config
    }
}

impl<E, P, S> Shared<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    fn new(process: Arc<Inner<E, P, S>>, config: ValidConfig, generation: u32) -> Self {
        let platform = &process.platform;
        let threads =
            (0..config.seats()).map(|index| Arc::new(Thread::new(platform.clone(), index))).collect();
        let queues = (0..=config.workers().len()).map(|_| Queue::new(platform)).collect();
        let of_workers = config.workers().iter().map(|worker| worker.max_threads() as u32);
        let most = std::iter::once(config.max_regular_threads() as u32).chain(of_workers).collect();
        let rules = Rules { most, most_in_all: config.max_threads() as u32 };
        Self { process, config, rules, generation, threads, queues }
    }

    /// Boots what init is to boot; answers how many threads serve.
    fn boot_all(self: &Arc<Self>, deadline: Duration) -> usize {
        let of_workers = self.config.workers().iter().map(|worker| worker.threads() as u32);
        let wanted: Vec<_> =
            std::iter::once(self.config.regular_threads() as u32).chain(of_workers).collect();
        let claims = self.process.roster.with(|roster| {
            roster.furnish(self.config.seats(), &wanted);
            roster.fill(self.generation, &self.rules)
        });
        let booted: Vec<_> = claims.into_iter().filter_map(|claim| self.act_on(claim)).collect();
        let serves = |life: &Life| {
            let thread = &self.threads[life.thread];
            let state = S::wait_booted(thread, deadline);
            state.is_some_and(|state| !state.refuses_requests())
        };
        // Not `all`: each is waited for, so that the count is right.
        booted.iter().filter(|life| serves(life)).count()
    }

    /// Fills a place that was claimed; answers who is about to serve there.
    fn act_on(self: &Arc<Self>, claim: Claim) -> Option<Life> {
        match claim {
            Claim::Boot(life) => self.boot(life).then_some(life),
            Claim::Convert(life) => self.convert(life).then_some(life),
        }
    }

    fn restart_workers(self: &Arc<Self>) -> Result<Restarted, RestartError> {
        let roster = &self.process.roster;
        let is_worker = |member: &Member| matches!(member.pool, Pool::Worker(_));
        let begun = roster.with(|roster| {
            let members = roster.is_up(self.generation).then(|| roster.members())?;
            // Whoever is missing because the system has refused a thread: it may not any more.
            Some((members, roster.fill(self.generation, &self.rules)))
        });
        let (members, claims) = begun.ok_or(RestartError::NotRunning)?;
        for claim in claims {
            self.act_on(claim);
        }
        let members: Vec<_> = members.into_iter().filter(is_worker).collect();
        // Those lives: an index may be somebody else's by the time that it is asked.
        let leaver = |member: &Member| Leaver::of_life(&self.threads[member.life.thread], member.life.nth);
        let leavers: Vec<_> = members.iter().map(leaver).collect();
        let drained = drain_leavers(&leavers, self.config.limits(), &Watching(self));
        self.tell_fates(Call::Restart, &drained);
        let mark = self.process.platform.mark();
        let restarted = resume(&leavers, &drained);
        self.process.platform.forgets(mark, || ("resumed", restarted));
        let of_fate = |fate| {
            let drained = &drained;
            let has = move |member: &&Member| drained.fate_of(member.life.thread) == Some(fate);
            members.iter().filter(has)
        };
        let (platform, mut is_full) = (&self.process.platform, false);
        let mark = platform.mark();
        for member in of_fate(Fate::Abandoned) {
            is_full |= self.replace(member);
        }
        platform.forgets(mark, || ("replaced", is_full));
        let (abandoned, busy) = (of_fate(Fate::Abandoned).count(), of_fate(Fate::Busy).count());
        self.process.notices.tell(Notice::Restarted { restarted, abandoned });
        if restarted < of_fate(Fate::Drained).count() {
            return Err(RestartError::NotRunning);
        }
        if S::is_complete(abandoned, busy) {
            return Ok(Restarted { threads: restarted });
        }
        let missing = if is_full { roster.with(|roster| roster.missing() as usize) } else { 0 };
        Err(RestartError::Incomplete(IncompleteRestart { restarted, abandoned, busy, missing }))
    }

    /// An abandoned thread leaves every list, what it served is rejected, and a fresh one takes its place. Answers whether
    /// there was none.
    fn replace(self: &Arc<Self>, member: &Member) -> bool {
        let (life, roster) = (member.life, &self.process.roster);
        let (pool, claims) = S::abandon(roster, self.generation, life, &self.rules);
        // It may have changed its pool since it was listed. If it has left already, nothing of its can be in a later one.
        self.lose_requests(life, pool.unwrap_or(member.pool));
        let mut replaced = false;
        for claim in claims {
            if let Some(by) = self.act_on(claim) {
                replaced = true;
                self.process.notices.tell(Notice::Replaced { abandoned: life.thread, by: by.thread });
            }
        }
        if !replaced {
            self.process.notices.tell(Notice::QuarantineFull { abandoned: life.thread });
        }
        !replaced
    }

    fn lose_requests(&self, life: Life, pool: Pool) {
        if let Some(queue) = pool.number().and_then(|number| self.queues.get(number)) {
            queue.with(|waiting| S::lose(waiting, life));
        }
    }

    /// Everything after a shutdown has begun.
    fn stop(&self) -> ShutDown {
        for queue in &self.queues {
            queue.with(Waiting::close);
        }
        let drained = shut_down_watched(&self.threads, self.config.limits(), &Watching(self));
        self.tell_fates(Call::Shutdown, &drained);
        // By now no life of an index can follow another, so any life of it is the one that was abandoned.
        for thread in
            drained.fates().iter().filter(|(_, fate)| *fate != Fate::Drained).map(|(thread, _)| *thread)
        {
            for queue in &self.queues {
                queue.with(|waiting| waiting.lose_all_of(thread));
            }
        }
        self.process.notices.tell(Notice::ShutDown);
        self.process.end_shutdown(&self.config)
    }

    fn tell_fates(&self, call: Call, drained: &Drained) {
        for &(thread, fate) in drained.fates() {
            let notice = match fate {
                Fate::Drained => Notice::Drained { thread },
                Fate::Abandoned => Notice::Abandoned { thread, call },
                Fate::Busy => Notice::Busy { thread },
                Fate::Refused => continue,
            };
            self.process.notices.tell(notice);
        }
    }

    fn dispatch(
        &self,
        worker: Option<&str>,
        request: E::Request,
    ) -> Result<E::Response, Rejected<E::Request>> {
        let settled = self.dispatch_parcel(worker, Parcel::new(request));
        settled.map_err(|(reason, parcel)| {
            self.process.notices.tell(Notice::RequestRejected { reason });
            Rejected { reason, request: parcel.take_request() }
        })
    }

    fn dispatch_parcel(
        &self,
        worker: Option<&str>,
        parcel: Parcel<E::Request, E::Response>,
    ) -> Result<E::Response, (Rejection, ParcelOf<E, P>)> {
        let Some(pool) = self.pool_of(worker) else { return Err((Rejection::NoSuchWorker, parcel)) };
        let queue = &self.queues[pool.number().unwrap_or_default()];
        let most = self.config.max_queue().map_or(usize::MAX, std::num::NonZero::get);
        let id = match queue.push(&parcel, most) {
            Ok(id) => id,
            Err(reason) => return Err((reason, parcel)),
        };
        self.poke(pool);
        let reason = match self.wait_settled(queue, pool, id) {
            Settled::Answered => match parcel.take_response() {
                Some(response) => return Ok(response),
                None => Rejection::Unanswered,
            },
            Settled::Unanswered => Rejection::Unanswered,
            Settled::Lost => Rejection::Lost,
            Settled::Closed => Rejection::ShuttingDown,
            Settled::TimedOut => Rejection::WaitedTooLong,
        };
        Err((reason, parcel))
    }

    /// Waits for a request's end, and tells the scaler if no thread takes it for too long.
    fn wait_settled(&self, queue: &Queue<P, E::Request, E::Response>, pool: Pool, id: u64) -> Settled {
        let now = self.process.platform.now();
        let deadline = now.saturating_add(self.config.max_wait());
        if self.has_scaler() {
            let stall = now.saturating_add(self.config.stall_after().min(self.config.max_wait()));
            match queue.wait_settled_until(id, stall) {
                Ok(settled) => return settled,
                Err(waits) if waits => self.process.roster.with(|roster| roster.stall(pool)),
                // One that a thread has taken needs no other, however long its script takes.
                Err(_) => {}
            }
        }
        queue.wait_settled(id, deadline)
    }

    fn pool_of(&self, worker: Option<&str>) -> Option<Pool> {
        let Some(name) = worker else { return Some(Pool::Regular) };
        let nth = self.config.workers().iter().position(|worker| &**worker.name() == name)?;
        Some(Pool::Worker(nth as u32))
    }

    /// Tells every thread of a pool that there is something to take.
    fn poke(&self, pool: Pool) {
        let platform = &self.process.platform;
        let mark = platform.mark();
        let of_pool = self.process.roster.with(|roster| {
            let of_pool = roster.members().into_iter().filter(|member| member.pool == pool);
            of_pool.map(|member| member.life.thread).collect::<Vec<_>>()
        });
        for thread in of_pool {
            if let Some(thread) = self.threads.get(thread) {
                thread.poke();
            }
        }
        platform.forgets(mark, || "poked");
    }
}

/// Passes on what a drain does.
struct Watching<'a, E, P, S>(&'a Shared<E, P, S>)
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>;

impl<E, P, S> Watch for Watching<'_, E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    fn asked(&self, thread: usize) {
        self.0.process.engine.drain_hook(thread);
    }

    fn sent(&self, thread: usize, nth: u32, attempt: Attempt) {
        if nth == 1 {
            self.0.process.notices.tell(Notice::Killed { thread });
        }
        self.0.process.notices.tell(Notice::Sent { thread, nth, wake: attempt });
    }
}

impl<E, P, S> Clone for Runtime<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E, P, S> fmt::Debug for Runtime<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime").field("members", &self.members()).finish()
    }
}

impl fmt::Display for RestartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotRunning => write!(f, "the workers were not restarted: the runtime is not up"),
            Self::Incomplete(incomplete) => incomplete.fmt(f),
        }
    }
}

impl std::error::Error for RestartError {}

impl fmt::Display for IncompleteRestart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { restarted, abandoned, busy, missing } = self;
        write!(f, "the restart is incomplete: {restarted} threads restarted, {abandoned} abandoned")?;
        if *busy > 0 {
            write!(f, ", {busy} busy for the whole grace period")?;
        }
        if *missing > 0 {
            write!(f, "; {missing} cannot be replaced before an abandoned thread exits")?;
        }
        Ok(())
    }
}

impl std::error::Error for IncompleteRestart {}

impl fmt::Display for ShutDown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TornDown => write!(f, "every thread has exited and the engine was torn down"),
            Self::TeardownSkipped { lingering } => {
                write!(f, "{lingering} threads have not exited, so the engine was not torn down")
            }
        }
    }
}

impl fmt::Display for NotRunning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the runtime is not up: somebody else shuts it down, or has")
    }
}

impl std::error::Error for NotRunning {}

impl<Q> fmt::Display for Rejected<Q> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the request was rejected: {}", self.reason)
    }
}

impl<Q: fmt::Debug> std::error::Error for Rejected<Q> {}
