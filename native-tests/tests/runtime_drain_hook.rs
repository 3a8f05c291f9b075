//! Claim: the drain hook comes when a thread has been asked and before anything waits for it, so a script that blocks in
//! something of its own, which no signal wakes, leaves by itself, long before the grace period is over.
//!
//! Within: a script that waits for a channel of its own.

#![cfg(any(target_os = "linux", windows))]

use std::error::Error;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forcekill::{Config, ShutDown, Worker};
use forcekill_native_tests::host::{Task, TaskEngine, engine, limits, process, send};
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::timing::timed;

type TestResult = Result<(), Box<dyn Error>>;

/// An engine whose worker waits for a word of the hook's in between two looks at its requests, and tells when it waits.
fn engine_with_hook() -> (TaskEngine, Receiver<usize>) {
    let (waits, waiting) = mpsc::channel();
    let (wake, woken) = mpsc::channel();
    let (wake, woken): (Sender<()>, _) = (wake, Mutex::new(woken));
    let engine = engine()
        .worker("own", move |script, requests| {
            if let Some(task) = requests.next() {
                // Nobody waits to know any more at the end.
                let _ = waits.send(script.thread());
                let word = woken.lock().unwrap_or_else(PoisonError::into_inner).recv_timeout(DEADLINE);
                if let Some(served) = word.ok().and_then(|()| task.run(script)) {
                    requests.answer(served);
                }
            }
        })
        .on_drain(move |_| {
            // The other end lives as long as the engine.
            let _ = wake.send(());
        });
    (engine, waiting)
}

#[test]
fn a_script_that_blocks_in_its_own_is_woken_by_the_hook() -> TestResult {
    let (engine, waiting) = engine_with_hook();
    let (process, _) = process(engine);
    let config = Config::new(1).worker(Worker::new("own", 1)).limits(limits(20_000, 20_000)?);
    let runtime = process.init(config)?;
    let sent = send(&runtime, Some("own"), Task::echo());
    assert_eq!(waiting.recv_timeout(DEADLINE)?, 0);
    let (restarted, elapsed, _) = timed(|| runtime.restart_workers());
    assert_eq!(restarted?.threads, 1);
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    assert!(sent.wait()?.is_ok(), "the request that it had begun is served");

    let sent = send(&runtime, Some("own"), Task::echo());
    assert_eq!(waiting.recv_timeout(DEADLINE)?, 0);
    let (ended, elapsed, _) = timed(|| runtime.shut_down());
    assert_eq!(ended?, ShutDown::TornDown);
    assert!(elapsed < Duration::from_secs(10), "{elapsed:?}");
    assert!(sent.wait()?.is_ok());
    assert_eq!(process.counts().killed, 0);
    Ok(())
}
