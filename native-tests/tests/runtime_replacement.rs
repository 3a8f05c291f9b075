//! Claim: an OS thread that has served its requests, or cannot serve on, makes room for a fresh one under the same index; a
//! script's panic costs its request and nothing else.
//!
//! Within: real threads, told apart by the kernel's id, of which one is not used again while the test knows it.

#![cfg(any(target_os = "linux", windows))]

use std::collections::HashSet;
use std::error::Error;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use forcekill::{InitError, Notice, Rejection, ScriptEnd, ShutDown, Worker};
use forcekill_native_tests::host::{
    Served, Task, TaskRuntime, all_serve, engine, eventually, process, short_config,
};

type TestResult = Result<(), Box<dyn Error>>;

const SHOP: Option<&str> = Some("shop");

fn echo(runtime: &TaskRuntime, worker: Option<&str>) -> Result<Served, String> {
    runtime.dispatch(worker, Task::echo()).map_err(|rejected| rejected.to_string())
}

/// Twelve requests by one thread that is replaced after three.
fn assert_reboots_after_three(runtime: &TaskRuntime, worker: Option<&str>) -> TestResult {
    let served = (0..12).map(|_| echo(runtime, worker)).collect::<Result<Vec<_>, _>>()?;
    assert!(served.iter().all(|by| by.thread == served[0].thread), "{served:?}");
    for of_one in served.chunks(3) {
        assert!(of_one.iter().all(|by| by.os_thread == of_one[0].os_thread), "{served:?}");
    }
    let os_threads: HashSet<_> = served.iter().map(|by| by.os_thread).collect();
    assert_eq!(os_threads.len(), 4, "{served:?}");
    Ok(())
}

#[test]
fn a_worker_that_has_served_max_requests_gets_a_fresh_os_thread() -> TestResult {
    let (process, log) = process(engine());
    let runtime =
        process.init(short_config(1)?.worker(Worker::new("shop", 1).max_requests(NonZero::new(3))))?;
    assert_reboots_after_three(&runtime, SHOP)?;
    log.wait_for(4, |notice| matches!(notice, Notice::Rebooted { thread: 0 }))?;
    // A restart finds the successor wherever it is.
    assert_eq!(runtime.restart_workers()?.threads, 1);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_eq!((process.counts().rebooted, process.counts().respawned), (4, 0));
    Ok(())
}

#[test]
fn a_regular_thread_that_has_served_max_requests_gets_a_fresh_os_thread() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(short_config(1)?.max_requests(NonZero::new(3)))?;
    assert_reboots_after_three(&runtime, None)?;
    log.wait_for(4, |notice| matches!(notice, Notice::Rebooted { thread: 0 }))?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

/// One request that spoils its thread, then one that is served by a fresh one.
fn assert_respawns(task: Task, worker: Option<&'static str>, is_answered: bool) -> TestResult {
    let serves_one = engine().worker("shop", |script, requests| {
        while let Some(served) = requests.next().map(|task| task.run(script)) {
            if let Some(served) = served {
                return requests.answer(served);
            }
        }
    });
    let (process, log) = process(serves_one);
    let runtime = process.init(short_config(2)?.worker(Worker::new("shop", 1)))?;
    let before = echo(&runtime, worker)?;
    match runtime.dispatch(worker, task) {
        Ok(served) => assert!(is_answered && served == before, "{served:?} after {before:?}"),
        Err(rejected) => assert!(!is_answered && rejected.reason == Rejection::Unanswered, "{rejected:?}"),
    }
    let after = echo(&runtime, worker)?;
    assert!(
        after.thread == before.thread && after.os_thread != before.os_thread,
        "{before:?}, then {after:?}"
    );
    log.wait_for(1, |notice| *notice == Notice::Respawned { thread: before.thread })?;
    all_serve(&runtime, worker, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_eq!((process.counts().respawned, process.counts().rebooted), (1, 0));
    Ok(())
}

/// Answers its request, and says of its script that the thread must not run another.
fn unhealthy() -> Task {
    Task::new(|script| {
        script.ends_as(ScriptEnd::Unhealthy);
        Some(Served::by(script))
    })
}

fn panics() -> Task {
    Task::new(|_| panic!("a script that panics"))
}

#[test]
fn an_unhealthy_regular_thread_is_replaced() -> TestResult {
    assert_respawns(unhealthy(), None, true)
}

#[test]
fn an_unhealthy_worker_is_replaced() -> TestResult {
    assert_respawns(unhealthy(), SHOP, true)
}

#[test]
fn a_script_that_panics_costs_a_regular_thread_and_its_request() -> TestResult {
    assert_respawns(panics(), None, false)
}

#[test]
fn a_script_that_panics_costs_a_workers_thread_and_its_request() -> TestResult {
    assert_respawns(panics(), SHOP, false)
}

/// An OS thread that is unhealthy before its script has booted runs no other, and what it was to serve is given up.
#[test]
fn a_worker_that_is_unhealthy_before_it_has_booted_is_given_up() -> TestResult {
    let boots = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&boots);
    let (process, _) = process(engine().worker("lame", move |script, _| {
        // SeqCst: a counter of a test.
        counted.fetch_add(1, SeqCst);
        script.ends_as(ScriptEnd::Unhealthy);
    }));
    let lame = Worker::new("lame", 1).backoff(Duration::from_millis(1), Duration::from_millis(1));
    let failed = process.init(short_config(1)?.worker(lame)).map(drop);
    let shut_down = ShutDown::TornDown;
    assert_eq!(failed, Err(InitError::Boot { ready: 0, threads: 1, shut_down }));
    assert_eq!(boots.load(SeqCst), 1, "an unhealthy thread has run another script");
    assert_eq!((process.counts().boot_failed, process.counts().gave_up_booting), (1, 1));
    Ok(())
}

/// The panic of a thread's last touch of the engine: its index serves on.
#[test]
fn a_panic_when_storage_is_freed_costs_no_capacity() -> TestResult {
    // How many threads were started and not freed, and how many in all. SeqCst: counters of a test.
    let (alive, started) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicU32::new(0)));
    let (alive_more, alive_less, started_more) =
        (Arc::clone(&alive), Arc::clone(&alive), Arc::clone(&started));
    let panics_at_the_end = engine()
        .on_start_thread(move |_| {
            alive_more.fetch_add(1, SeqCst);
            started_more.fetch_add(1, SeqCst);
            Ok(())
        })
        .on_free_thread(move |_| {
            alive_less.fetch_sub(1, SeqCst);
            panic!("the engine cannot free");
        });
    let (process, log) = process(panics_at_the_end);
    let config = short_config(2)?.max_requests(NonZero::new(1));
    let runtime = process.init(config.worker(Worker::new("shop", 1).max_requests(NonZero::new(1))))?;
    for worker in [None, SHOP, None, SHOP] {
        echo(&runtime, worker)?;
    }
    log.wait_for(4, |notice| matches!(notice, Notice::Rebooted { .. } | Notice::Respawned { .. }))?;
    assert_eq!(runtime.members().len(), 2);
    assert_eq!(runtime.restart_workers()?.threads, 1);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    // The last successors may have come when the shutdown was under way, and then were not started.
    assert!(alive.load(SeqCst) == 0 && started.load(SeqCst) >= 4, "{alive:?} of {started:?}");
    Ok(())
}

/// Many threads that are replaced after each request, all at once.
#[test]
fn no_capacity_is_lost_however_often_threads_are_replaced() -> TestResult {
    let (process, log) = process(engine());
    let shop = Worker::new("shop", 2).max_requests(NonZero::new(1));
    let runtime = process.init(short_config(4)?.worker(shop).max_requests(NonZero::new(1)))?;
    for _ in 0..50 {
        all_serve(&runtime, SHOP, 2)?;
        all_serve(&runtime, None, 2)?;
    }
    // Also those that have only just answered: a shutdown that asked them first would keep them from it.
    log.wait_for(200, |notice| matches!(notice, Notice::Rebooted { .. }))?;
    assert_eq!(runtime.members().len(), 4);
    eventually("no more than the four threads linger", || process.lingering() == 4)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_eq!(process.counts().rebooted, 200);
    Ok(())
}
