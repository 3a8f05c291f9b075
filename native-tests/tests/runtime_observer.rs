//! Claim: what has happened is told and counted, once each, and can be read when the runtime is long gone; an observer that
//! panics harms nobody.
//!
//! Within: one life of a process with everything in it: a restart, an abandonment, a skipped teardown.

#![cfg(any(target_os = "linux", windows))]

use std::error::Error;

use forcekill::drain::Call;
use forcekill::{Native, Notice, Process, Rejection, ShutDown, Worker};
use forcekill_native_tests::host::{Task, TaskEngine, engine, get_stuck, process, short_config};
use forcekill_native_tests::parked::DEADLINE;

type TestResult = Result<(), Box<dyn Error>>;

const SHOP: Option<&str> = Some("shop");

#[test]
fn what_was_told_is_counted_and_can_be_read_after_the_end() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(short_config(2)?.worker(Worker::new("shop", 1)).max_quarantined(1))?;
    let (call, _lost) = get_stuck(&runtime, SHOP, "busy loop")?;
    assert!(runtime.restart_workers().is_err());
    assert_eq!(runtime.shut_down()?, ShutDown::TeardownSkipped { lingering: 1 });
    drop(runtime);
    call.release();
    process.wait_none_lingering(DEADLINE)?;
    process.complete_teardown()?;

    let (counts, notices) = (process.clone().counts(), log.notices());
    assert_eq!(counts.total(), notices.len() as u64, "{notices:?}");
    for (name, count) in counts.iter().filter(|(name, _)| *name != "observer_panics") {
        let told = notices.iter().filter(|notice| notice.counter() == name).count();
        assert_eq!(told as u64, count, "{name}");
    }
    let shop = || Some("shop".into());
    let expected = [
        Notice::Initialised { threads: 2 },
        Notice::Booted { thread: 0, worker: None },
        Notice::Booted { thread: 1, worker: shop() },
        Notice::Killed { thread: 1 },
        Notice::Abandoned { thread: 1, call: Call::Restart },
        Notice::Replaced { abandoned: 1, by: 2 },
        Notice::Restarted { restarted: 0, abandoned: 1 },
        Notice::RequestRejected { reason: Rejection::Lost },
        Notice::Drained { thread: 0 },
        Notice::Drained { thread: 2 },
        Notice::ShutDown,
        Notice::TeardownSkipped { lingering: 1 },
        Notice::TeardownCompleted,
    ];
    for notice in expected {
        let times = notices.iter().filter(|told| **told == notice).count();
        assert_eq!(times, 1, "{notice:?} among {notices:?}");
    }
    assert_eq!((counts.initialised, counts.torn_down, counts.teardown_completed), (1, 0, 1));
    Ok(())
}

#[test]
fn an_observer_that_panics_harms_nobody() -> TestResult {
    let panics = |_: &Notice| std::panic::resume_unwind(Box::new("an observer that panics"));
    let process = Process::<TaskEngine>::new(Native::default(), engine(), panics);
    let runtime = process.init(short_config(2)?.worker(Worker::new("shop", 1)))?;
    assert!(runtime.dispatch(SHOP, Task::echo()).is_ok());
    assert_eq!(runtime.restart_workers()?.threads, 1);
    assert!(runtime.dispatch(None, Task::echo()).is_ok());
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    let counts = process.counts();
    assert_eq!(counts.observer_panics, counts.total());
    assert_eq!((counts.initialised, counts.restarted, counts.torn_down), (1, 1, 1));
    Ok(())
}
