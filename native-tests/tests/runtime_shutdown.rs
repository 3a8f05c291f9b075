//! Claim: a shutdown returns within its bound whatever its threads are stuck in; with a thread left over the engine is not torn
//! down and no init may follow, at once and without a wait; when that thread has unwound after all, the teardown can be
//! completed, and everything starts again.
//!
//! Within: real threads, seen stuck by the kernel where it says so (Linux).

#![cfg(any(target_os = "linux", windows))]

use std::error::Error;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use forcekill::roster::Phase;
use forcekill::runtime::NotRunning;
use forcekill::{
    Config, InitError, Notice, Process, Rejection, RestartError, ScaleError, ShutDown, TeardownError, Worker,
};
use forcekill_native_tests::host::{
    Task, TaskEngine, all_serve, engine, get_stuck, process, send, short_config, with_lateness,
};
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::timing::timed;

type TestResult = Result<(), Box<dyn Error>>;

const SHOP: Option<&str> = Some("shop");
/// What a thread that cannot be ended leaves behind.
const ONE_LEFT: ShutDown = ShutDown::TeardownSkipped { lingering: 1 };

/// How often the engine was started, torn down, and given and relieved of a thread.
#[derive(Clone, Default)]
struct Calls {
    started: Arc<AtomicU32>,
    torn_down: Arc<AtomicU32>,
    threads_now: Arc<AtomicU32>,
}

impl Calls {
    fn engine(&self) -> TaskEngine {
        let (up, down, alive) = (self.clone(), self.clone(), self.clone());
        // SeqCst, here and below: counters of a test; the strongest will do.
        let freed = alive.clone();
        engine()
            .on_start_up(move || {
                up.started.fetch_add(1, SeqCst);
                Ok(())
            })
            .on_tear_down(move || {
                assert_eq!(down.threads_now.load(SeqCst), 0, "torn down under a thread");
                down.torn_down.fetch_add(1, SeqCst);
            })
            .on_start_thread(move |_| {
                alive.threads_now.fetch_add(1, SeqCst);
                Ok(())
            })
            .on_free_thread(move |_| {
                freed.threads_now.fetch_sub(1, SeqCst);
            })
    }

    fn seen(&self) -> (u32, u32, u32) {
        (self.started.load(SeqCst), self.torn_down.load(SeqCst), self.threads_now.load(SeqCst))
    }
}

fn two_threads() -> Result<Config, Box<dyn Error>> {
    Ok(short_config(2)?.worker(Worker::new("shop", 1)))
}

fn assert_init_is_refused_at_once(process: &Process<TaskEngine>) -> TestResult {
    let config = two_threads()?.boot_limit(DEADLINE);
    let (refused, elapsed, latest) = timed(|| process.init(config));
    assert_eq!(refused.map(drop), Err(InitError::TeardownSkipped));
    assert!(elapsed < with_lateness(Duration::ZERO, latest), "refused after {elapsed:?}");
    Ok(())
}

#[test]
fn a_thread_that_cannot_be_ended_latches_until_it_has_unwound() -> TestResult {
    let calls = Calls::default();
    let (process, log) = process(calls.engine());
    assert_eq!(process.complete_teardown(), Err(TeardownError::NothingSkipped));
    let runtime = process.init(two_threads()?)?;
    assert_eq!(process.complete_teardown(), Err(TeardownError::NothingSkipped));
    let (call, sent) = get_stuck(&runtime, SHOP, "busy loop")?;
    let bound = runtime.config().shutdown_bound();
    let (ended, elapsed, latest) = timed(|| runtime.shut_down());
    assert_eq!(ended?, ONE_LEFT);
    assert!(elapsed >= bound, "gave up after {elapsed:?} of {bound:?}");
    assert!(elapsed <= with_lateness(bound, latest), "took {elapsed:?} of {bound:?}");
    assert_eq!(sent.wait()?.unwrap_err().reason, Rejection::Lost);
    assert_eq!((process.phase(), process.lingering()), (Phase::TeardownSkipped, 1));
    assert_eq!(calls.seen(), (1, 0, 1));

    assert_init_is_refused_at_once(&process)?;
    let still = process.complete_teardown();
    assert!(matches!(still, Err(TeardownError::StillLingering(still)) if still.threads == 1), "{still:?}");
    let words = still.map_err(|error| error.to_string());
    assert_eq!(words, Err("1 thread has not exited yet: try again when it has".to_owned()));
    assert_eq!(calls.seen(), (1, 0, 1));

    call.release();
    let (outcome, ran_on) = call.wait_past()?;
    assert!(outcome.flags_up && !ran_on, "{outcome:?}: an abandoned thread went on");
    process.wait_none_lingering(DEADLINE)?;
    assert_init_is_refused_at_once(&process)?;
    process.complete_teardown()?;
    assert_eq!((process.phase(), calls.seen()), (Phase::Down, (1, 1, 0)));
    assert_eq!(process.complete_teardown(), Err(TeardownError::NothingSkipped));

    let runtime = process.init(two_threads()?)?;
    all_serve(&runtime, SHOP, 1)?;
    all_serve(&runtime, None, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_eq!(calls.seen(), (2, 2, 0));
    let counts = process.counts();
    assert_eq!((counts.teardown_skipped, counts.teardown_completed, counts.torn_down), (1, 1, 1));
    assert_eq!(log.notices().iter().filter(|notice| **notice == Notice::ShutDown).count(), 2);
    Ok(())
}

#[test]
fn everything_that_can_be_ended_is_ended_and_the_engine_is_torn_down() -> TestResult {
    let calls = Calls::default();
    let (process, _) = process(calls.engine());
    let runtime = process.init(short_config(4)?.worker(Worker::new("shop", 2)))?;
    let sleep = if cfg!(windows) { "SleepEx, alertable" } else { "nanosleep" };
    let names = [sleep, "read, empty pipe"];
    let of_shop = names.map(|name| get_stuck(&runtime, SHOP, name));
    let regular = names.map(|name| get_stuck(&runtime, None, name));
    let waits = send(&runtime, SHOP, Task::echo());
    let stuck = of_shop.into_iter().chain(regular).collect::<Result<Vec<_>, _>>()?;
    let bound = runtime.config().shutdown_bound();
    let (ended, elapsed, latest) = timed(|| runtime.shut_down());
    assert_eq!(ended?, ShutDown::TornDown);
    assert!(elapsed <= with_lateness(bound, latest), "{elapsed:?}");
    for (call, sent) in &stuck {
        let (outcome, ran_on) = call.wait_past()?;
        assert!(outcome.flags_up && !ran_on, "{outcome:?}: the line after the block ran");
        assert_eq!(sent.wait()?.unwrap_err().reason, Rejection::Unanswered);
    }
    // It may have been sent after the shutdown has begun: then it is rejected at the door.
    let rejected = waits.wait()?.unwrap_err();
    assert_eq!(rejected.reason, Rejection::ShuttingDown);
    assert!(rejected.request.is_some(), "a request that nobody has begun was not given back");
    assert_eq!((process.lingering(), calls.seen()), (0, (1, 1, 0)));
    Ok(())
}

#[test]
fn after_a_shutdown_every_call_says_so() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(two_threads()?)?;
    let same = runtime.clone();
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert!(same.shut_down().is_err());
    assert_eq!(same.restart_workers(), Err(RestartError::NotRunning));
    let rejected = same.dispatch(SHOP, Task::echo()).unwrap_err();
    assert!(rejected.reason == Rejection::ShuttingDown && rejected.request.is_some());
    assert_eq!(same.scale_up(None), Err(ScaleError::NoPlace(forcekill::roster::NoPlace::NotRunning)));
    assert_eq!((same.scale_down(), same.members().len()), (0, 0));

    // The old runtime is none of the new one's business.
    let runtime = process.init(two_threads()?)?;
    assert!(same.shut_down().is_err());
    assert_eq!(same.restart_workers(), Err(RestartError::NotRunning));
    assert_eq!(same.dispatch(SHOP, Task::echo()).unwrap_err().reason, Rejection::ShuttingDown);
    all_serve(&runtime, SHOP, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn an_init_waits_for_the_shutdown_that_is_under_way() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(two_threads()?)?;
    let (call, _sent) = get_stuck(&runtime, SHOP, "busy loop")?;
    let (ended, begun) = thread::scope(|scope| {
        let ending = scope.spawn(|| runtime.shut_down());
        let killed = log.wait_for(1, |notice| matches!(notice, Notice::Killed { .. }));
        assert_eq!(process.phase(), Phase::Stopping);
        let starting = scope.spawn(|| process.init(Config::new(1)));
        call.release();
        killed.map(|()| (ending.join(), starting.join()))
    })?;
    assert_eq!(ended.unwrap()?, ShutDown::TornDown);
    let runtime = begun.unwrap()?;
    all_serve(&runtime, None, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_shutdown_comes_into_a_restart() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(short_config(2)?.worker(Worker::new("shop", 2)))?;
    let (call, sent) = get_stuck(&runtime, SHOP, "busy loop")?;
    let (restarted, ended) = thread::scope(|scope| {
        let restarting = scope.spawn(|| runtime.restart_workers());
        let killed = log.wait_for(1, |notice| matches!(notice, Notice::Killed { .. }));
        let ending = scope.spawn(|| runtime.shut_down());
        killed.map(|()| (restarting.join(), ending.join()))
    })?;
    // Whichever gave up on it first, there is nothing left to resume.
    assert!(restarted.unwrap().is_err());
    assert_eq!(ended.unwrap()?, ONE_LEFT);
    assert_eq!(sent.wait()?.unwrap_err().reason, Rejection::Lost);
    call.release();
    process.wait_none_lingering(DEADLINE)?;
    process.complete_teardown()?;
    Ok(())
}

#[test]
fn whoever_reads_metrics_holds_the_teardown_up_and_no_call() -> TestResult {
    let calls = Calls::default();
    let (process, _) = process(calls.engine());
    let runtime = process.init(short_config(1)?)?;
    assert_eq!(runtime.read_metrics(|_| 7), Ok(7));
    let ((begins, begun), (tells, told)) = (mpsc::channel(), mpsc::channel::<()>());
    let reader = thread::spawn({
        let runtime = runtime.clone();
        move || {
            runtime.read_metrics(|_| {
                // Both fail only if the test has failed.
                let _ = begins.send(());
                let _ = told.recv();
            })
        }
    });
    begun.recv()?;
    assert_eq!(runtime.shut_down()?, ONE_LEFT);
    // Nobody who comes now reads, or is left over.
    assert_eq!(runtime.read_metrics(|_| 7), Err(NotRunning));
    assert_eq!((process.lingering(), calls.torn_down.load(SeqCst)), (1, 0));
    tells.send(())?;
    assert_eq!(reader.join().map_err(|_| "the reader panicked")?, Ok(()));
    process.complete_teardown()?;
    assert_eq!(calls.torn_down.load(SeqCst), 1);
    Ok(())
}
