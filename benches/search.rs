//! How fast the explorer, shuttle and loom search one scenario in full: a restart against the shutdown, over one PHP thread and
//! over two, whose scripts end at any moment; no kill slot is a step. One table at the end, in Markdown.
//!
//! Every search is run by one thread, and is given up after [`LIMIT`] on the clock. Times and rates are of that thread's
//! processor time, where the system tells it: whatever else the machine does counts less. "Executions" are those that ended and
//! those that a reduction cut off. The rate counts each time that an engine has run the scenario: with persistent sets also the
//! random executions that learn what each thread can still do, and passes that were void.
//!
//! The engines do not take equal steps. An operation of a monitor's is one step of the explorer's, whoever runs it; shuttle's and
//! loom's own primitives are a mutex and a condition variable, each of whose calls is a step. So their trees are larger
//! before anything is reduced, and what can be compared is the last column: the time until one knows. loom also
//! searches weak memory, of which this scenario has none.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use comfy_table::{CellAlignment, Table, presets};
use forcekill::steps::Sound;
use forcekill_models::explorer::search::{Found, Kind, Observer, Settings, Verdict, search};
use forcekill_models::explorer::view::{Thread, View};
use forcekill_models::explorer::{Coroutines, Program, ShuttleProgram};
use forcekill_models::lifecycles::LifecycleRace;
use forcekill_models::oracle::Oracle;
use forcekill_models::races::restart_against_shutdown::RestartAgainstShutdown;
use forcekill_models::report::table::thousands;
use forcekill_models::scene::{LifecycleModel, Slots};
use forcekill_models::stage::{Backend, ExploreBackend, LoomBackend, Probe, Reads, ShuttleBackend};
use shuttle::scheduler::DfsScheduler;

/// A search that takes longer is not finished.
const LIMIT: Duration = Duration::from_secs(10);

/// Short searches are run again and again for so long, and the median counts.
const REPEATED_FOR: Duration = Duration::from_secs(1);

/// For `cargo test --benches`, which only shows that the bench runs.
const SHORT_LIMIT: Duration = Duration::from_millis(200);

/// The first variant of the race.
const AT_ANY_TIME: usize = 0;

fn main() {
    let is_measured = std::env::args().any(|argument| argument == "--bench");
    let (limit, repeated_for) =
        if is_measured { (LIMIT, REPEATED_FOR) } else { (SHORT_LIMIT, Duration::ZERO) };
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(HEADER);
    for php_threads in [1, 2] {
        let mut known: Option<BTreeSet<u64>> = None;
        for (engine, strategy, run) in ROWS {
            let measured = measure(repeated_for, || run(php_threads, limit));
            agree(&mut known, &measured, &format!("{engine}, {strategy}, {php_threads} PHP threads"));
            let name = [(*engine).to_string(), (*strategy).to_string(), php_threads.to_string()];
            table.add_row(name.into_iter().chain(measured.columns(limit)));
        }
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    println!("{table}");
}

const HEADER: [&str; 7] = [
    "engine",
    "strategy",
    "threads",
    "executions",
    "executions a second",
    "time to full search",
    "terminal states",
];

/// Searches the scenario with so many PHP threads, for at most so long.
type Run = fn(usize, Duration) -> Searched;

const ROWS: &[(&str, &str, Run)] = &[
    ("explorer", "depth-first", |size, limit| by_explorer(size, Kind::Plain, limit)),
    ("explorer", "sleep sets", |size, limit| by_explorer(size, Kind::SleepSets, limit)),
    ("explorer", "persistent sets", |size, limit| by_explorer(size, Kind::Persistent, limit)),
    ("explorer", "source sets", |size, limit| by_explorer(size, Kind::SourceSets, limit)),
    ("shuttle's runtime", "sleep sets", by_shuttle_runtime),
    ("shuttle", "depth-first", by_shuttle),
    ("loom", "its own reduction", by_loom),
];

/// What one search came to.
struct Searched {
    is_complete: bool,
    /// That ended or were cut off.
    executions: u64,
    /// How often the scenario was begun, for whatever purpose.
    begun: u64,
    /// Of the processor's.
    time: Duration,
    /// `None` where the engine does not know them.
    terminals: Option<BTreeSet<u64>>,
}

impl Searched {
    /// The columns behind the names.
    fn columns(&self, limit: Duration) -> [String; 4] {
        let rate = self.begun as f64 / self.time.as_secs_f64();
        let time = match self.is_complete {
            true => duration(self.time),
            false => format!("not finished in {}", duration(limit)),
        };
        let terminals = self.terminals.as_ref().filter(|_| self.is_complete);
        let terminals = terminals.map_or("–".to_string(), |known| thousands(known.len() as u64));
        [thousands(self.executions), thousands(rate.round() as u64), time, terminals]
    }
}

fn duration(time: Duration) -> String {
    match time.as_secs_f64() {
        seconds if seconds < 1.0 => format!("{:.1} ms", seconds * 1e3),
        seconds => format!("{seconds:.1} s"),
    }
}

/// Runs a search, and again while it is short; the median by time.
fn measure(repeated_for: Duration, run: impl Fn() -> Searched) -> Searched {
    let started = Instant::now();
    let mut all = vec![run()];
    while all[0].is_complete && started.elapsed() < repeated_for {
        all.push(run());
    }
    all.sort_by_key(|searched| searched.time);
    let median = all.len() / 2;
    all.swap_remove(median)
}

/// Searches that have seen everything have seen the same ends.
fn agree(known: &mut Option<BTreeSet<u64>>, searched: &Searched, who: &str) {
    let Some(terminals) = searched.terminals.as_ref().filter(|_| searched.is_complete) else { return };
    let known = known.get_or_insert_with(|| terminals.clone());
    assert_eq!(known, terminals, "{who}: other terminal states than the searches before it");
}

/// An oracle for one search, by one worker.
fn oracle() -> Oracle {
    Oracle::watching(RestartAgainstShutdown::PROPERTIES)
}

/// One execution of the scenario, to be called on its main thread.
fn play<B: Backend>(backend: B, oracle: &Arc<Oracle>, php_threads: usize) {
    oracle.begin_execution();
    let scene = LifecycleModel::new(backend, Arc::clone(oracle), php_threads, Slots::None);
    RestartAgainstShutdown::play::<_, Sound>(&scene, php_threads, AT_ANY_TIME);
}

fn by_explorer(php_threads: usize, kind: Kind, limit: Duration) -> Searched {
    let oracle = Arc::new(oracle().that_confirms());
    let program = Coroutines::new(|| play(ExploreBackend, &oracle, php_threads));
    by_strategy(&program, kind, limit, &oracle)
}

fn by_shuttle_runtime(php_threads: usize, limit: Duration) -> Searched {
    let oracle = Arc::new(oracle().that_confirms());
    let program = ShuttleProgram::new(|| play(ExploreBackend, &oracle, php_threads));
    by_strategy(&program, Kind::SleepSets, limit, &oracle)
}

/// By the explorer's strategies, on whatever runtime.
fn by_strategy(program: &impl Program, kind: Kind, limit: Duration, oracle: &Arc<Oracle>) -> Searched {
    // One worker has nothing to share, so the tree is not split.
    let settings =
        Settings { workers: 1, subtrees: 1, terminals: true, most_time: limit, ..Settings::default() };
    let started = processor_time();
    let found: Found<Judge> = search(program, kind, &settings, || Judge(Arc::clone(oracle)));
    let time = processor_time() - started;
    assert_eq!(found.failure, None, "the race is proved elsewhere: {:?}", oracle.violations());
    Searched {
        is_complete: found.complete,
        executions: found.executions + found.cut_off,
        begun: oracle.executions(),
        time,
        terminals: Some(found.terminals),
    }
}

/// Holds every execution against the race's properties, as the other engines do by themselves.
struct Judge(Arc<Oracle>);

impl Observer for Judge {
    fn ended(&mut self, view: &impl View, _choices: &[Thread]) -> Verdict {
        for panic in (0..view.threads()).filter_map(|thread| view.panicked(thread)) {
            self.0.panicked(&panic);
        }
        if !view.unfinished().is_empty() {
            self.0.deadlocked();
        }
        if self.0.confirm().is_empty() { Verdict::Continue } else { Verdict::Stop }
    }

    fn merge(&mut self, _later: Self) {
        // All parts share one oracle.
    }
}

/// By shuttle as it is.
fn by_shuttle(php_threads: usize, limit: Duration) -> Searched {
    let oracle = Arc::new(oracle());
    let mut config = shuttle::Config::new();
    config.failure_persistence = shuttle::FailurePersistence::None;
    config.silence_warnings = true;
    config.max_time = Some(limit);
    let runner = shuttle::Runner::new(DfsScheduler::new(None, false), config);
    let seen = Arc::clone(&oracle);
    whole(&oracle, limit, || {
        runner.run(move || play(ShuttleBackend, &seen, php_threads));
    })
}

/// By loom as it is, without a bound.
fn by_loom(php_threads: usize, limit: Duration) -> Searched {
    let oracle = Arc::new(oracle());
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = None;
    builder.max_branches = 20_000;
    builder.max_duration = Some(limit);
    // Between two of these it does not look at the clock.
    builder.checkpoint_interval = 100;
    let seen = Arc::clone(&oracle);
    // Accesses of atomics alone depend on this, and the scene makes none.
    let backend = LoomBackend { reads: Reads::Plain, probe: Probe::default() };
    whole(&oracle, limit, || builder.check(move || play(backend.clone(), &seen, php_threads)))
}

/// A search by an engine that ends with a panic if a property breaks, and early only at the limit.
fn whole(oracle: &Oracle, limit: Duration, run: impl FnOnce()) -> Searched {
    let (started, processor_before) = (Instant::now(), processor_time());
    run();
    let time = processor_time() - processor_before;
    let executions = oracle.executions();
    Searched { is_complete: started.elapsed() < limit, executions, begun: executions, time, terminals: None }
}

/// The processor time that this thread has used.
#[cfg(target_os = "linux")]
fn processor_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec that may be written.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) };
    assert_eq!(failed, 0, "Linux has had this clock for as long as Rust has run on it");
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The time since the first call: elsewhere the clock has to do.
#[cfg(not(target_os = "linux"))]
fn processor_time() -> Duration {
    static FIRST: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    FIRST.get_or_init(Instant::now).elapsed()
}
