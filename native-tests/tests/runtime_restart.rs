//! Claim: a restart over threads that are stuck in every way returns within its bound and says what it came to; who can be
//! ended runs no line after the block; who serves goes on serving; who is abandoned is replaced, and his place is free again
//! when he has come back.
//!
//! Within: real threads, each seen stuck by the kernel, where it says so (Linux). The uninterruptible wait is a real one: the
//! parent of a `vfork` whose child neither exits nor becomes another program sleeps in state `D`, from which only a deadly
//! signal wakes it; on Windows, a `Sleep` that is not alertable. Not covered: a wait for a disk or for NFS.

#![cfg(any(target_os = "linux", windows))]

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::thread;
use std::time::Duration;

use forcekill::{Config, Notice, Rejection, RestartError, ShutDown, Worker};
#[cfg(target_os = "linux")]
use forcekill_native_tests::blocking::Entry;
use forcekill_native_tests::host::{
    Served, Task, TaskRuntime, all_serve, engine, eventually, flags_are_down, get_stuck, limits, process,
    send, short_config, with_lateness,
};
use forcekill_native_tests::timing::timed;

type TestResult = Result<(), Box<dyn Error>>;

const SHOP: Option<&str> = Some("shop");
#[cfg(target_os = "linux")]
const ENDED: [&str; 3] = ["nanosleep", "read, empty pipe", "VM loop"];
#[cfg(target_os = "linux")]
const NOT_ENDED: [&str; 2] = ["busy loop", "vfork, child not yet gone"];
#[cfg(windows)]
const ENDED: [&str; 3] = ["SleepEx, alertable", "read, empty pipe", "VM loop"];
#[cfg(windows)]
const NOT_ENDED: [&str; 2] = ["busy loop", "Sleep"];

/// An emulator of another processor has no uninterruptible wait to offer; a lock of the host's is as good to the library.
fn existing(name: &'static str) -> &'static str {
    #[cfg(target_os = "linux")]
    if Entry::named(name).is_some_and(|entry| !entry.blocks_here()) {
        return "Mutex::lock";
    }
    name
}

fn six_threads() -> Result<Config, Box<dyn Error>> {
    Ok(Config::new(6)
        .worker(Worker::new("shop", 6))
        .max_quarantined(2)
        .limits(limits(200, 300)?)
        .teardown_limit(Duration::from_millis(100)))
}

/// Dispatches one request after the other until told to stop; answers how many, if each was served.
fn customer(runtime: &TaskRuntime, stop: &Arc<AtomicBool>) -> thread::JoinHandle<Result<u32, String>> {
    let (runtime, stop) = (runtime.clone(), Arc::clone(stop));
    thread::spawn(move || {
        let mut served = 0;
        // Relaxed: says when to stop and orders nothing.
        while !stop.load(Relaxed) {
            runtime.dispatch(SHOP, Task::echo()).map_err(|rejected| rejected.to_string())?;
            served += 1;
        }
        Ok(served)
    })
}

#[test]
fn a_restart_over_threads_that_are_stuck_in_every_way() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(six_threads()?)?;
    assert_eq!((runtime.members().len(), process.lingering()), (6, 6));
    let stuck = |name: &&str| get_stuck(&runtime, SHOP, name);
    let ended = ENDED.iter().map(stuck).collect::<Result<Vec<_>, _>>()?;
    let not_ended = NOT_ENDED.map(existing).iter().map(stuck).collect::<Result<Vec<_>, _>>()?;
    let stop = Arc::new(AtomicBool::new(false));
    let customer = customer(&runtime, &stop);

    let (restarted, elapsed, latest) = timed(|| runtime.restart_workers());
    let Err(RestartError::Incomplete(incomplete)) = restarted else { panic!("{restarted:?}") };
    let counts = (incomplete.restarted, incomplete.abandoned, incomplete.busy, incomplete.missing);
    assert_eq!(counts, (4, 2, 0, 0), "{incomplete}");
    assert_eq!(incomplete.to_string(), "the restart is incomplete: 4 threads restarted, 2 abandoned");
    let bound = runtime.config().restart_bound();
    assert!(elapsed >= bound, "abandoned after {elapsed:?} of {bound:?}");
    assert!(elapsed <= with_lateness(bound, latest), "took {elapsed:?} of {bound:?}");

    for (call, sent) in &ended {
        let (outcome, ran_on) = call.wait_past()?;
        assert!(outcome.flags_up && !ran_on, "{outcome:?}: the line after the block ran");
        assert_eq!(sent.wait()?.unwrap_err().reason, Rejection::Unanswered);
    }
    for (call, sent) in &not_ended {
        assert!(!call.is_past());
        let lost = sent.wait()?.unwrap_err();
        assert!(lost.reason == Rejection::Lost && lost.request.is_none(), "{lost:?}");
    }

    // The abandoned ones are replaced: as many serve at once as before, and none sees a flag of the kill.
    stop.store(true, Relaxed);
    let served = customer.join().unwrap_or_else(|_| Err("panicked".into()))?;
    assert!(served > 0);
    assert_eq!((runtime.members().len(), process.lingering()), (6, 8));
    let served = all_serve(&runtime, SHOP, 6)?;
    assert!(served.iter().all(|by| runtime.members().iter().any(|member| member.life.thread == by.thread)));

    for (call, _) in &not_ended {
        call.release();
        let (outcome, ran_on) = call.wait_past()?;
        assert!(outcome.flags_up && !ran_on, "{outcome:?}: an abandoned thread went on");
    }
    log.wait_for(2, |notice| matches!(notice, Notice::CameBack { .. }))?;
    eventually("who came back is counted out", || process.lingering() == 6)?;
    let counts = process.counts();
    assert_eq!((counts.abandoned, counts.replaced, counts.came_back, counts.quarantine_full), (2, 2, 2, 0));
    assert_eq!((counts.killed, counts.restarted, counts.drained), (5, 1, 4));

    assert_eq!(runtime.restart_workers()?.threads, 6);
    all_serve(&runtime, SHOP, 6)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn without_room_in_quarantine_the_capacity_comes_back_with_the_thread() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(short_config(2)?.worker(Worker::new("shop", 2)).max_quarantined(0))?;
    let (call, sent) = get_stuck(&runtime, SHOP, "busy loop")?;
    let restarted = runtime.restart_workers();
    let Err(RestartError::Incomplete(incomplete)) = restarted else { panic!("{restarted:?}") };
    assert_eq!((incomplete.restarted, incomplete.abandoned, incomplete.missing), (1, 1, 1));
    assert_eq!(
        incomplete.to_string(),
        "the restart is incomplete: 1 threads restarted, 1 abandoned; 1 cannot be replaced before an abandoned thread exits"
    );
    assert_eq!(sent.wait()?.unwrap_err().reason, Rejection::Lost);
    assert_eq!(runtime.members().len(), 1);
    assert_eq!(process.counts().quarantine_full, 1);
    all_serve(&runtime, SHOP, 1)?;

    call.release();
    log.wait_for(1, |notice| matches!(notice, Notice::CameBack { .. }))?;
    // Its own index is taken again, by a new OS thread.
    all_serve(&runtime, SHOP, 2)?;
    assert_eq!(runtime.members().len(), 2);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_quarantine_fills_up_and_empties() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(short_config(1)?.worker(Worker::new("shop", 1)).max_quarantined(1))?;
    let mut calls = Vec::new();
    for missing in [0, 1] {
        calls.push(get_stuck(&runtime, SHOP, "busy loop")?);
        let restarted = runtime.restart_workers();
        let Err(RestartError::Incomplete(incomplete)) = restarted else { panic!("{restarted:?}") };
        assert_eq!((incomplete.restarted, incomplete.abandoned, incomplete.missing), (0, 1, missing));
    }
    assert_eq!((runtime.members().len(), process.lingering()), (0, 2));

    let waiting = send(&runtime, SHOP, Task::echo());
    calls[1].0.release();
    let served = waiting.wait()?.map_err(|rejected| rejected.to_string())?;
    assert_eq!(
        runtime.members().iter().map(|member| member.life.thread).collect::<Vec<_>>(),
        [served.thread]
    );
    calls[0].0.release();
    log.wait_for(2, |notice| matches!(notice, Notice::CameBack { .. }))?;
    assert_eq!(runtime.restart_workers()?.threads, 1);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_restart_is_for_workers_and_its_answer_may_be_ignored() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(short_config(3)?.worker(Worker::new("shop", 1)))?;
    let (call, sent) = get_stuck(&runtime, None, "read, empty pipe")?;
    // Ignoring the answer is not what a caller should do, and compiles without a warning all the same.
    let _ = runtime.restart_workers();
    assert_eq!(runtime.restart_workers()?.threads, 1);
    let looks = Task::new(|script| flags_are_down(script).then(|| Served::by(script)));
    assert!(runtime.dispatch(SHOP, looks).is_ok());
    assert!(!call.is_past() && sent.now().is_none(), "a regular thread was restarted");
    call.release();
    assert!(sent.wait()?.is_ok());
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_eq!(runtime.restart_workers(), Err(RestartError::NotRunning));
    Ok(())
}
