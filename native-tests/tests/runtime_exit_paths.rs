//! Claim: on whatever path an OS thread of a runtime ends, or does not even begin, it is counted out: of the lingering count and
//! of the list of who serves. What it served before is served again, as soon as the system allows.
//!
//! Within: panics in a script, at the start of a thread and in the freeing of its storage; a system that refuses threads at the
//! init, for a successor, and for who is to replace an abandoned thread. The refusals are placed by a platform that is the real
//! one but for them; that the real one's come out the same is shown in `lingering.rs`. The count is also looked at with every
//! path at once, and many times, in `reinit_many_times.rs`.

#![cfg(target_os = "linux")]

use std::collections::HashSet;
use std::error::Error;
use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forcekill::platform::{MonitorValue, StdLock, StdMonitor};
use forcekill::roster::Phase;
use forcekill::{
    Config, InitError, Native, Notice, Obstacle, Platform, Process, RestartError, ShutDown, SpawnError, Wake,
    Worker,
};
use forcekill_native_tests::host::{
    Log, Task, TaskEngine, TaskRuntime, all_serve, engine, eventually, get_stuck, short_config,
};

type TestResult = Result<(), Box<dyn Error>>;

const SHOP: Option<&str> = Some("shop");

/// The real platform, but for the threads that it refuses.
#[derive(Clone, Debug, Default)]
struct Refusing {
    native: Native,
    asked: Arc<AtomicU32>,
    /// Which of the threads that it is asked for are refused, counted from 1.
    refused: Arc<Mutex<HashSet<u32>>>,
}

impl Refusing {
    /// Refuses the `nth` that it is asked for after this, the next one being the first.
    fn refuse(&self, nth: impl IntoIterator<Item = u32>) {
        let asked = self.asked.load(SeqCst);
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.extend(nth.into_iter().map(|nth| asked + nth));
    }
}

impl Platform for Refusing {
    type Flag = AtomicBool;
    type Lock<T: Send + Sync + 'static> = StdLock<T>;
    type Monitor<T: MonitorValue> = StdMonitor<T>;
    type WakeTarget = <Native as Platform>::WakeTarget;

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        let nth = self.asked.fetch_add(1, SeqCst) + 1;
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.remove(&nth) {
            return Err(SpawnError { errno: Some(libc::EAGAIN) });
        }
        drop(refused);
        self.native.spawn(body)
    }

    fn flag(&self, value: bool) -> AtomicBool {
        self.native.flag(value)
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> StdLock<T> {
        self.native.lock(value)
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> StdMonitor<T> {
        self.native.monitor(value)
    }

    fn now(&self) -> Duration {
        self.native.now()
    }

    fn capture(&self) -> Result<Self::WakeTarget, Obstacle> {
        self.native.capture()
    }

    fn wake(&self, target: &Self::WakeTarget) -> Wake {
        self.native.wake(target)
    }

    fn obstacle(&self, target: &Self::WakeTarget) -> Option<Obstacle> {
        self.native.obstacle(target)
    }

    fn release(&self, target: Self::WakeTarget) {
        self.native.release(target);
    }

    fn absorb(&self) {
        self.native.absorb();
    }
}

type RefusingProcess = Process<TaskEngine, Refusing>;

fn process(engine: TaskEngine) -> (RefusingProcess, Refusing, Log) {
    let (platform, log) = (Refusing::default(), Log::default());
    (Process::new(platform.clone(), engine, log.observer()), platform, log)
}

fn two_threads() -> Result<Config, Box<dyn Error>> {
    Ok(short_config(2)?.worker(Worker::new("shop", 1)))
}

/// As many linger as serve.
fn assert_count_is(process: &RefusingProcess, runtime: &TaskRuntime<Refusing>, threads: usize) -> TestResult {
    eventually(&format!("{threads} threads serve and linger"), || {
        process.lingering() == threads && runtime.members().len() == threads
    })?;
    Ok(())
}

/// A shutdown finds nobody, and everything starts again.
fn assert_nothing_is_left(process: &RefusingProcess, runtime: &TaskRuntime<Refusing>) -> TestResult {
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_eq!((process.phase(), process.lingering()), (Phase::Down, 0));
    let runtime = process.init(two_threads()?)?;
    all_serve(&runtime, SHOP, 1)?;
    all_serve(&runtime, None, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_eq!(process.lingering(), 0);
    Ok(())
}

/// A panic without the message that it prints.
fn panics() -> Task {
    Task::new(|_| resume_unwind(Box::new("a script that panics")))
}

#[test]
fn after_a_panic_in_a_script() -> TestResult {
    let (process, _, log) = process(engine());
    let runtime = process.init(two_threads()?)?;
    for worker in [SHOP, None, SHOP, None] {
        assert!(runtime.dispatch(worker, panics()).is_err());
    }
    log.wait_for(4, |notice| matches!(notice, Notice::Respawned { .. }))?;
    assert_count_is(&process, &runtime, 2)?;
    assert_nothing_is_left(&process, &runtime)
}

#[test]
fn after_a_panic_at_the_start_of_a_thread() -> TestResult {
    // SeqCst: a counter of a test.
    let starts = AtomicU32::new(0);
    let panics_third = engine().on_start_thread(move |_| {
        if starts.fetch_add(1, SeqCst) == 2 {
            resume_unwind(Box::new("the engine is broken"));
        }
        Ok(())
    });
    let (process, _, log) = process(panics_third);
    let runtime = process.init(two_threads()?)?;
    // Its successor is the third to start: what it was to serve is given up, as if the engine had refused it.
    assert!(runtime.dispatch(SHOP, panics()).is_err());
    log.wait_for(1, |notice| matches!(notice, Notice::StartRefused { .. }))?;
    assert_count_is(&process, &runtime, 1)?;
    assert_nothing_is_left(&process, &runtime)
}

#[test]
fn after_a_panic_in_the_freeing_of_a_thread() -> TestResult {
    let (process, _, log) =
        process(engine().on_free_thread(|_| resume_unwind(Box::new("the engine cannot free"))));
    let once = NonZero::new(1);
    let runtime = process
        .init(short_config(2)?.worker(Worker::new("shop", 1).max_requests(once)).max_requests(once))?;
    for worker in [SHOP, None, SHOP, None] {
        assert!(runtime.dispatch(worker, Task::echo()).is_ok());
    }
    let replaced = |notice: &Notice| matches!(notice, Notice::Rebooted { .. } | Notice::Respawned { .. });
    log.wait_for(4, replaced)?;
    assert_count_is(&process, &runtime, 2)?;
    assert_nothing_is_left(&process, &runtime)
}

#[test]
fn after_an_init_whose_threads_the_system_refuses() -> TestResult {
    let (process, platform, log) = process(engine());
    for refused in [vec![1], vec![2], vec![1, 2]] {
        let ready = 2 - refused.len();
        platform.refuse(refused);
        let failed = process.init(two_threads()?).map(drop);
        let shut_down = ShutDown::TornDown;
        assert_eq!(failed, Err(InitError::Boot { ready, threads: 2, shut_down }));
        assert_eq!((process.phase(), process.lingering()), (Phase::Down, 0));
    }
    log.wait_for(4, |notice| matches!(notice, Notice::SpawnFailed { .. }))?;
    let runtime = process.init(two_threads()?)?;
    assert_nothing_is_left(&process, &runtime)
}

/// The thread that finds out that nobody can follow it is replaced at once, if the system allows it by then.
#[test]
fn after_a_successor_that_the_system_refuses() -> TestResult {
    let (process, platform, log) = process(engine());
    let runtime = process.init(two_threads()?)?;
    for worker in [SHOP, None] {
        platform.refuse([1]);
        assert!(runtime.dispatch(worker, panics()).is_err());
        all_serve(&runtime, worker, 1)?;
    }
    log.wait_for(2, |notice| matches!(notice, Notice::SpawnFailed { .. }))?;
    assert_count_is(&process, &runtime, 2)?;
    assert_nothing_is_left(&process, &runtime)
}

/// The place is filled when the abandoned thread has come back.
#[test]
fn after_a_replacement_that_the_system_refuses() -> TestResult {
    let (process, platform, log) = process(engine());
    let runtime = process.init(two_threads()?)?;
    let (call, _sent) = get_stuck(&runtime, SHOP, "busy loop")?;
    platform.refuse([1]);
    let restarted = runtime.restart_workers();
    let Err(RestartError::Incomplete(incomplete)) = restarted else { panic!("{restarted:?}") };
    assert_eq!((incomplete.restarted, incomplete.abandoned, incomplete.missing), (0, 1, 1));
    assert_eq!((process.lingering(), runtime.members().len()), (2, 1));
    call.release();
    log.wait_for(1, |notice| matches!(notice, Notice::CameBack { .. }))?;
    all_serve(&runtime, SHOP, 1)?;
    assert_count_is(&process, &runtime, 2)?;
    assert_eq!(process.counts().spawn_failed, 1);
    assert_nothing_is_left(&process, &runtime)
}

/// No thread is left that could fill the places: a restart does, or the scaler where there is one.
#[test]
fn after_a_system_that_refuses_everything_for_a_while() -> TestResult {
    let (process, platform, log) = process(engine());
    let runtime = process.init(two_threads()?)?;
    // The successor, and then whoever is missing when it is seen that there is none.
    for (worker, refused, so_far, left) in [(SHOP, 1..=2, 2, 1), (None, 1..=3, 5, 0)] {
        platform.refuse(refused);
        assert!(runtime.dispatch(worker, panics()).is_err());
        log.wait_for(so_far, |notice| matches!(notice, Notice::SpawnFailed { .. }))?;
        assert_count_is(&process, &runtime, left)?;
    }
    // Refused once more, so that one is still missing: the regular thread, which comes first.
    platform.refuse([1]);
    assert_eq!(runtime.restart_workers()?.threads, 0);
    all_serve(&runtime, SHOP, 1)?;
    assert_count_is(&process, &runtime, 1)?;
    assert_eq!(runtime.restart_workers()?.threads, 1);
    all_serve(&runtime, SHOP, 1)?;
    all_serve(&runtime, None, 1)?;
    assert_count_is(&process, &runtime, 2)?;
    assert_nothing_is_left(&process, &runtime)
}
