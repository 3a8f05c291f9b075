//! Claim: init, stuck threads, restart, shutdown and init again, 1,000 times: nothing of the engine's is freed while a thread
//! may still use it, every thread is counted out, no init gets past the latch, and a teardown that was skipped can be completed
//! once the last thread is back, however late.
//!
//! Within: one to four real threads, stuck at random in a call that a kill ends, in a loop that looks at its flags, in one that
//! does not and is let go before, during or after the shutdown, and in the freeing of their storage; others that panic, there
//! too, or are replaced meanwhile. Limits of a few milliseconds, so that on a busy machine a thread that could be ended is
//! sometimes abandoned as well, which is right too. The engine is [`heap_engine`](forcekill_native_tests::heap_engine)'s: its
//! memory is on the heap and really freed. Its ledger sees what is freed too early in every run; whoever touches it afterwards is seen under AddressSanitizer,
//! and what is never freed by LeakSanitizer, which comes with it:
//!
//! ```text
//! RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=atexit=1 cargo +nightly test --target x86_64-unknown-linux-gnu \
//!     -p forcekill-native-tests --test reinit_many_times
//! ```
//!
//! The first test can fail: the others play the same rounds over protocols with one wrong step each.
//!
//! Not covered: every interleaving (the models search those). The seed makes the rounds the same again, not the schedule.

#![cfg(target_os = "linux")]

use std::env;
use std::error::Error;
use std::hint;
use std::io::{ErrorKind, Read};
use std::os::unix::net::UnixStream;
use std::panic::resume_unwind;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use fastrand::Rng;
use forcekill::roster::Phase;
use forcekill::steps::Sound;
use forcekill::steps::Steps;
use forcekill::steps::runtime::RuntimeSteps;
use forcekill::{
    Config, InitError, Limits, Lingering, Native, Process, PublicationId, ResendPolicy, RestartError,
    Runtime, ShutDown, Slot, StillLingering, TeardownError, ThreadStorage, Worker,
};
use forcekill_native_tests::child;
use forcekill_native_tests::heap_engine::{Freeing, HeapEngine, HeapFlags, HeapScript, HeapTask};
use forcekill_native_tests::parked::DEADLINE;

type TestResult<T = ()> = Result<T, Box<dyn Error>>;

const ROUNDS: u64 = 1_000;
/// Enough for a step that is wrong to do harm.
const CONTROL_ROUNDS: u64 = 60;
const SHOP: Option<&str> = Some("shop");
/// Environment variable: the seed of the rounds.
const SEED: &str = "FORCEKILL_SEED";

/// In what a thread is stuck, or what it does instead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    /// A read from a socket that nobody writes to; a kill ends it.
    Call,
    /// A loop that looks at its flags.
    Loop,
    /// A loop that does not: it ends when it is let go.
    Busy,
    /// Its storage is to be freed at once, and that takes until it is let go.
    InFree,
    /// Its script panics, and a fresh one takes over.
    Panics,
    /// It panics while its storage is freed.
    PanicsInFree,
    /// As [`Kind::InFree`], when it is told to exit. The last, because its thread serves until then, and the others' requests
    /// could meet it.
    InLastFree,
}

const KINDS: [Kind; 7] =
    [Kind::Call, Kind::Loop, Kind::Busy, Kind::InFree, Kind::Panics, Kind::PanicsInFree, Kind::InLastFree];

impl Kind {
    /// Whether only the test ends it.
    fn holds_out(self) -> bool {
        matches!(self, Self::Busy | Self::InFree | Self::InLastFree)
    }
}

/// When who holds out is let go: before the shutdown, during it or after it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Release {
    Before,
    /// After so many turns of an empty loop.
    During(u32),
    After,
}

/// One round.
#[derive(Clone, Debug)]
struct Plan {
    /// Threads of the worker, and regular ones.
    threads: [usize; 2],
    /// What happens to the first of them, in the order of `threads`.
    stuck: [Vec<Kind>; 2],
    restarts: bool,
    /// Whether a request comes into the shutdown.
    dispatches: bool,
    release: Release,
}

impl Plan {
    fn of(rng: &mut Rng) -> Self {
        let threads = [rng.usize(1..=2), rng.usize(0..=2)];
        // At most one a thread, so that each request finds one that serves.
        let stuck = threads.map(|most| {
            let kinds = (0..rng.usize(0..=most)).map(|_| KINDS[rng.usize(..KINDS.len())]);
            let mut kinds: Vec<_> = kinds.collect();
            kinds.sort();
            kinds
        });
        let release = match rng.u8(..3) {
            0 => Release::Before,
            1 => Release::During(rng.u32(0..200_000)),
            _ => Release::After,
        };
        Self { threads, stuck, restarts: rng.bool(), dispatches: rng.bool(), release }
    }

    fn config(&self) -> TestResult<Config> {
        let ms = Duration::from_millis;
        let kill = ResendPolicy::new(ms(4), Duration::from_micros(200), ms(1))?;
        let shop = Worker::new("shop", self.threads[0]);
        let config = Config::new(self.threads.iter().sum()).worker(shop).limits(Limits::new(ms(2), kill)?);
        Ok(config.teardown_limit(ms(2)).boot_limit(DEADLINE))
    }

    fn kinds(&self) -> impl Iterator<Item = Kind> {
        self.stuck.iter().flatten().copied()
    }
}

/// What holds the threads of one round, until it lets them go; at its end at the latest.
#[derive(Default)]
struct Hold(Arc<Held>);

#[derive(Default)]
struct Held {
    is_over: Mutex<bool>,
    over: Condvar,
    is_over_too: AtomicBool,
    peers: Mutex<Vec<UnixStream>>,
}

impl Hold {
    fn let_go(&self) {
        self.0.is_over_too.store(true, SeqCst);
        *self.0.is_over.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.over.notify_all();
        self.0.peers.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.let_go();
    }
}

impl Held {
    fn wait_over(&self) {
        let is_over = self.is_over.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.over.wait_while(is_over, |is_over| !*is_over);
        drop(waited.unwrap_or_else(PoisonError::into_inner));
    }

    /// A socket that nobody writes to, and that is closed when the round is over.
    fn dead_socket(&self) -> TestResult<UnixStream> {
        let (socket, peer) = UnixStream::pair()?;
        self.peers.lock().unwrap_or_else(PoisonError::into_inner).push(peer);
        Ok(socket)
    }
}

/// The request of one kind; it tells when it has begun.
fn task(kind: Kind, held: &Arc<Held>) -> TestResult<(HeapTask, Receiver<()>)> {
    let (begins, begun) = mpsc::channel();
    let held = Arc::clone(held);
    let socket = held.dead_socket()?;
    let task = HeapTask::new(move |script| {
        // The reports fail only if nobody wants to know any more.
        let report = |begins: &Sender<()>| {
            let _ = begins.send(());
        };
        match kind {
            Kind::InFree | Kind::InLastFree => {
                script.before_free(move || {
                    report(&begins);
                    held.wait_over();
                });
                if kind == Kind::InFree {
                    script.is_unhealthy();
                }
                return true;
            }
            Kind::PanicsInFree => {
                script.before_free(|| resume_unwind(Box::new("cannot free")));
                script.is_unhealthy();
                report(&begins);
                return true;
            }
            Kind::Call | Kind::Loop | Kind::Busy | Kind::Panics => report(&begins),
        }
        match kind {
            Kind::Call => read(script, &socket),
            Kind::Loop => turn_until(script, || script.is_killed() || held.is_over_too.load(SeqCst)),
            Kind::Busy => turn_until(script, || held.is_over_too.load(SeqCst)),
            // Without the message that a panic prints.
            _ => resume_unwind(Box::new("a script that panics")),
        }
        !script.is_killed()
    });
    Ok((task, begun))
}

/// Reads until there is an end, or the script has been killed.
fn read(script: &HeapScript<'_>, mut socket: &UnixStream) {
    loop {
        let read = socket.read(&mut [0; 8]);
        script.work();
        let interrupted = matches!(&read, Err(error) if error.kind() == ErrorKind::Interrupted);
        if !interrupted || script.is_killed() {
            return;
        }
    }
}

fn turn_until(script: &HeapScript<'_>, is_over: impl Fn() -> bool) {
    while !is_over() {
        script.work();
        // Two processors, and sometimes four such loops.
        thread::yield_now();
    }
}

/// How often each thing has happened.
#[derive(Clone, Debug, Default)]
struct Came {
    torn_down: u64,
    skipped: u64,
    refused: u64,
    completed: u64,
    restarted: u64,
    abandoned: u64,
    unanswered: u64,
    of_kind: [u64; KINDS.len()],
}

/// The rounds over one protocol.
struct Rounds<S: RuntimeSteps<Native, HeapFlags>> {
    process: Process<HeapEngine, Native, S>,
    came: Came,
}

type Dispatch = JoinHandle<bool>;

/// Dispatches in a thread of its own; whether an answer came.
fn dispatch<S: RuntimeSteps<Native, HeapFlags>>(
    runtime: &Runtime<HeapEngine, Native, S>,
    worker: Option<&'static str>,
    task: HeapTask,
) -> Dispatch {
    let runtime = runtime.clone();
    thread::spawn(move || runtime.dispatch(worker, task).is_ok())
}

fn must(holds: bool, what: &str) -> TestResult {
    if holds { Ok(()) } else { Err(what.into()) }
}

impl<S: RuntimeSteps<Native, HeapFlags>> Rounds<S> {
    fn play(&mut self, plan: &Plan) -> TestResult {
        let runtime = self.process.init(plan.config()?)?;
        let hold = Hold::default();
        let mut dispatches = self.get_stuck(&runtime, plan, &hold)?;
        if plan.restarts {
            self.restart(&runtime)?;
        }
        if plan.release == Release::Before {
            hold.let_go();
        }
        if plan.dispatches {
            dispatches.push(dispatch(&runtime, SHOP, HeapTask::new(|_| true)));
        }
        let ended = thread::scope(|scope| {
            if let Release::During(turns) = plan.release {
                let hold = &hold;
                scope.spawn(move || {
                    for _ in 0..turns {
                        hint::spin_loop();
                    }
                    hold.let_go();
                });
            }
            runtime.shut_down()
        })?;
        match ended {
            ShutDown::TornDown => {
                let is_left = plan.release == Release::After && plan.kinds().any(Kind::holds_out);
                must(!is_left, "torn down although a thread is left")?;
                self.came.torn_down += 1;
            }
            ShutDown::TeardownSkipped { lingering } => {
                must(lingering > 0, "skipped although nobody lingers")?;
                self.wait_and_complete(plan, &hold)?;
            }
        }
        hold.let_go();
        for dispatch in dispatches {
            let answered = dispatch.join().map_err(|_| "a dispatch panicked")?;
            self.came.unanswered += u64::from(!answered);
        }
        let rest = (self.process.phase(), self.process.lingering(), self.process.engine().ledger().now());
        must(rest == (Phase::Down, 0, (0, 0)), &format!("something is left: {rest:?}"))
    }

    fn get_stuck(
        &mut self,
        runtime: &Runtime<HeapEngine, Native, S>,
        plan: &Plan,
        hold: &Hold,
    ) -> TestResult<Vec<Dispatch>> {
        let mut dispatches = Vec::new();
        for (worker, kinds) in [SHOP, None].into_iter().zip(&plan.stuck) {
            for &kind in kinds {
                let (task, begun) = task(kind, &hold.0)?;
                let dispatched = dispatch(runtime, worker, task);
                if kind == Kind::InLastFree {
                    // It begins with the shutdown; until then its thread serves.
                    must(dispatched.join().unwrap_or(false), "a healthy request was not answered")?;
                } else {
                    begun.recv_timeout(DEADLINE).map_err(|_| format!("{kind:?} does not begin"))?;
                    dispatches.push(dispatched);
                }
                self.came.of_kind[kind as usize] += 1;
            }
        }
        Ok(dispatches)
    }

    fn restart(&mut self, runtime: &Runtime<HeapEngine, Native, S>) -> TestResult {
        match runtime.restart_workers() {
            Ok(_) => self.came.restarted += 1,
            Err(RestartError::Incomplete(incomplete)) => self.came.abandoned += incomplete.abandoned as u64,
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// After a skipped teardown: the latch, the late threads, and the teardown after all.
    fn wait_and_complete(&mut self, plan: &Plan, hold: &Hold) -> TestResult {
        self.came.skipped += 1;
        self.is_refused(plan)?;
        if plan.release == Release::After && plan.kinds().any(Kind::holds_out) {
            let early = self.process.complete_teardown();
            let is_refused = matches!(early, Err(TeardownError::StillLingering(_)));
            must(is_refused, "a teardown was completed under a thread")?;
        }
        hold.let_go();
        self.process.wait_none_lingering(DEADLINE)?;
        self.is_refused(plan)?;
        self.process.complete_teardown()?;
        self.came.completed += 1;
        Ok(())
    }

    fn is_refused(&mut self, plan: &Plan) -> TestResult {
        // An init that gets past the latch is shut down again: the rounds over wrong protocols go on.
        let refused = self.process.init(plan.config()?).map(|runtime| runtime.shut_down().is_ok());
        must(refused == Err(InitError::TeardownSkipped), &format!("an init behind the latch: {refused:?}"))?;
        self.came.refused += 1;
        Ok(())
    }
}

fn rounds_of<S: RuntimeSteps<Native, HeapFlags>>(freeing: Freeing) -> Rounds<S> {
    let engine = HeapEngine::new(freeing);
    Rounds { process: Process::new(Native::default(), engine, ()), came: Came::default() }
}

/// The seed that the environment asks for, or a fresh one.
fn seed() -> TestResult<u64> {
    match env::var(SEED) {
        Ok(seed) => Ok(seed.parse().map_err(|_| format!("{SEED} must be a number, and is {seed:?}"))?),
        Err(_) => Ok(fastrand::u64(..)),
    }
}

/// The plan of one round, so that each can be made without those before.
fn plan(seed: u64, round: u64) -> Plan {
    Plan::of(&mut Rng::with_seed(seed.wrapping_add(round)))
}

#[test]
fn a_thousand_inits_with_random_stuck_threads() -> TestResult {
    let seed = seed()?;
    let mut rounds = rounds_of::<Sound>(Freeing::Really);
    for round in 0..ROUNDS {
        let plan = plan(seed, round);
        let played = rounds.play(&plan);
        let wrongs = rounds.process.engine().ledger().wrongs();
        if played.is_err() || !wrongs.is_empty() {
            return Err(format!(
                "round {round}, {plan:?}: {played:?}, {wrongs:?}\nagain: {SEED}={seed} cargo test -p forcekill-native-tests --test reinit_many_times"
            )
            .into());
        }
    }
    let came = &rounds.came;
    println!("{ROUNDS} rounds with {SEED}={seed}: {came:?}");
    assert_eq!((came.torn_down + came.skipped, came.completed), (ROUNDS, came.skipped));
    assert_eq!(came.refused, 2 * came.skipped);
    let rare = [came.torn_down, came.skipped, came.restarted, came.abandoned, came.unanswered];
    assert!(
        rare.iter().chain(&came.of_kind).all(|times| *times > 0),
        "not everything has happened: {came:?}"
    );
    let counts = rounds.process.counts();
    assert_eq!((counts.torn_down, counts.teardown_completed), (came.torn_down, came.completed));
    assert_eq!((counts.initialised, counts.ended_illegally), (ROUNDS, 0));
    Ok(())
}

/// Rounds over a protocol that is wrong; answers what its engine's ledger has seen. That the rounds see it as well is beside
/// the point.
fn wrongs_of<S: RuntimeSteps<Native, HeapFlags>>(freeing: Freeing) -> TestResult<Vec<String>> {
    let mut rounds = rounds_of::<S>(freeing);
    let failed = (0..CONTROL_ROUNDS).filter(|round| rounds.play(&plan(1, *round)).is_err()).count();
    println!("{failed} of {CONTROL_ROUNDS} rounds failed");
    rounds.process.wait_none_lingering(DEADLINE)?;
    Ok(rounds.process.engine().ledger().wrongs())
}

fn assert_seen(wrongs: &[String], what: &str) {
    assert!(wrongs.iter().any(|wrong| wrong.contains(what)), "no {what:?} in {wrongs:?}");
}

/// Under AddressSanitizer (the environment has its options then), the same in a process that really frees.
fn assert_sanitizer_sees<S: RuntimeSteps<Native, HeapFlags>>(test: &str) -> TestResult {
    if child::is_child(test) {
        let wrongs = wrongs_of::<S>(Freeing::Really)?;
        println!("no sanitizer has ended this: {wrongs:?}");
    } else if env::var_os("ASAN_OPTIONS").is_some() {
        let end = child::start(test)?;
        assert!(!end.status.success() && end.output.contains("heap-use-after-free"), "{end}");
    }
    Ok(())
}

/// #2573: the engine is torn down without a look at who lingers.
struct NoGate;

impl Steps<Native, HeapFlags> for NoGate {}
impl RuntimeSteps<Native, HeapFlags> for NoGate {
    fn may_tear_down(_lingering: &Lingering<Native>, _deadline: Duration) -> Result<(), StillLingering> {
        Ok(())
    }
}

#[test]
fn an_engine_that_is_torn_down_under_a_thread_is_noticed() -> TestResult {
    const NAME: &str = "an_engine_that_is_torn_down_under_a_thread_is_noticed";
    if !child::is_child(NAME) {
        assert_seen(&wrongs_of::<NoGate>(Freeing::UnlessInUse)?, "tables freed under");
    }
    assert_sanitizer_sees::<NoGate>(NAME)
}

/// Metrics are freed before the gate.
struct MetricsFreedEarly;

impl Steps<Native, HeapFlags> for MetricsFreedEarly {}
impl RuntimeSteps<Native, HeapFlags> for MetricsFreedEarly {
    fn frees_metrics_early() -> bool {
        true
    }
}

#[test]
fn metrics_that_are_freed_under_a_thread_are_noticed() -> TestResult {
    const NAME: &str = "metrics_that_are_freed_under_a_thread_are_noticed";
    if !child::is_child(NAME) {
        assert_seen(&wrongs_of::<MetricsFreedEarly>(Freeing::UnlessInUse)?, "metrics freed under");
    }
    assert_sanitizer_sees::<MetricsFreedEarly>(NAME)
}

/// The storage is freed before the slot is cleared. A sanitizer would see it only if a kill came between the two.
struct FreesBeforeItClears;

impl Steps<Native, HeapFlags> for FreesBeforeItClears {
    fn leave<T: ThreadStorage>(slot: &Slot<Native, HeapFlags, Self>, publication: PublicationId, storage: T) {
        storage.free();
        Self::clear(slot, publication);
    }
}
impl RuntimeSteps<Native, HeapFlags> for FreesBeforeItClears {}

#[test]
fn storage_that_is_freed_before_the_slot_is_cleared_is_noticed() -> TestResult {
    assert_seen(&wrongs_of::<FreesBeforeItClears>(Freeing::UnlessInUse)?, "freed while 1 slots refer to it");
    Ok(())
}

/// The latch is not set.
struct LatchesNever;

impl Steps<Native, HeapFlags> for LatchesNever {}
impl RuntimeSteps<Native, HeapFlags> for LatchesNever {
    fn end_shutdown(
        roster: &<Native as forcekill::Platform>::Monitor<forcekill::roster::Roster>,
        _torn_down: bool,
    ) {
        forcekill::platform::Monitor::with(roster, |roster| roster.set_phase(Phase::Down));
    }
}

#[test]
fn an_init_that_gets_past_the_latch_is_noticed() -> TestResult {
    assert_seen(&wrongs_of::<LatchesNever>(Freeing::UnlessInUse)?, "started over one that was not torn down");
    Ok(())
}
