//! Claim: every request is served once or rejected with the reason, and given back if no script has begun it; none waits longer
//! than it may.
//!
//! Within: real threads; a request whose thread is abandoned is in `runtime_restart`, requests at a shutdown are in
//! `runtime_shutdown`.

#![cfg(any(target_os = "linux", windows))]

use std::error::Error;
use std::num::NonZero;
use std::sync::{Arc, Barrier, mpsc};
use std::time::Duration;

use forcekill::{Notice, Rejection, RestartError, ShutDown, Worker};
use forcekill_native_tests::host::{
    Served, Task, all_serve, engine, eventually, get_stuck, process, send, short_config, with_lateness,
};
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::timing::timed;

type TestResult = Result<(), Box<dyn Error>>;

const SHOP: Option<&str> = Some("shop");

#[test]
fn a_request_that_waits_too_long_is_given_back() -> TestResult {
    let (process, _) = process(engine());
    let max_wait = Duration::from_millis(50);
    let runtime = process.init(short_config(1)?.max_wait(max_wait))?;
    let (call, sent) = get_stuck(&runtime, None, "read, empty pipe")?;
    let (given_back, elapsed, latest) = timed(|| runtime.dispatch(None, Task::echo()));
    let rejected = given_back.unwrap_err();
    assert_eq!(rejected.reason, Rejection::WaitedTooLong);
    assert_eq!(rejected.to_string(), "the request was rejected: it waited too long");
    assert!(elapsed >= max_wait && elapsed <= with_lateness(max_wait, latest), "{elapsed:?} of {max_wait:?}");
    let again = rejected.request.ok_or("the request was not given back")?;

    // What the script does after it has begun has no bound but its own: the one that waits there is answered.
    assert!(sent.now().is_none());
    call.release();
    assert!(sent.wait()?.is_ok());
    assert!(runtime.dispatch(None, again).is_ok());
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_full_queue_rejects_at_once_and_each_pool_has_its_own() -> TestResult {
    let (process, log) = process(engine());
    let config =
        short_config(2)?.worker(Worker::new("shop", 1)).max_queue(NonZero::new(2)).max_wait(DEADLINE);
    let runtime = process.init(config)?;
    let (call, sent) = get_stuck(&runtime, SHOP, "read, empty pipe")?;
    let three: Vec<_> = (0..3).map(|_| send(&runtime, SHOP, Task::echo())).collect();
    log.wait_for(1, |notice| *notice == Notice::RequestRejected { reason: Rejection::QueueFull })?;
    // The other queue has room.
    assert!(runtime.dispatch(None, Task::echo()).is_ok());
    let (full, elapsed, latest) = timed(|| runtime.dispatch(SHOP, Task::echo()));
    assert!(elapsed <= with_lateness(Duration::ZERO, latest), "{elapsed:?}");
    let full = full.unwrap_err();
    assert!(full.reason == Rejection::QueueFull && full.request.is_some(), "{full:?}");

    call.release();
    let ends = three.iter().map(|sent| sent.wait()).collect::<Result<Vec<_>, _>>()?;
    assert_eq!(ends.iter().filter(|end| end.is_ok()).count(), 2, "{ends:?}");
    assert!(sent.wait()?.is_ok());
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_worker_that_is_not_there_is_said_at_once() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(short_config(1)?)?;
    let rejected = runtime.dispatch(Some("nobody"), Task::echo()).unwrap_err();
    assert!(rejected.reason == Rejection::NoSuchWorker && rejected.request.is_some());
    assert_eq!(process.counts().request_rejected, 1);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_script_that_does_not_answer_leaves_its_request_unanswered() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(short_config(2)?.worker(Worker::new("shop", 1)))?;
    for worker in [None, SHOP] {
        let rejected = runtime.dispatch(worker, Task::new(|_| None)).unwrap_err();
        assert!(rejected.reason == Rejection::Unanswered && rejected.request.is_none(), "{rejected:?}");
        assert!(runtime.dispatch(worker, Task::echo()).is_ok());
    }
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

/// The fresh script of a restart takes its time to boot: what is dispatched meanwhile waits for it.
#[test]
fn a_request_that_comes_before_its_worker_has_booted_is_served() -> TestResult {
    let (gate, boots) = (Arc::new(Barrier::new(2)), std::sync::atomic::AtomicU32::new(0));
    let boots_slowly = Arc::clone(&gate);
    let (process, _) = process(engine().worker("shop", move |script, requests| {
        // SeqCst: a counter of a test. The second boot waits for the test.
        if boots.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 1 {
            boots_slowly.wait();
        }
        while let Some(task) = requests.next() {
            if let Some(served) = task.run(script) {
                requests.answer(served);
            }
        }
    }));
    let runtime = process.init(short_config(1)?.worker(Worker::new("shop", 1)))?;
    assert_eq!(runtime.restart_workers()?.threads, 1);
    let sent = send(&runtime, SHOP, Task::echo());
    // Nobody has booted who could serve it.
    assert!(sent.now().is_none());
    gate.wait();
    assert!(sent.wait()?.is_ok());
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

/// An abandoned thread takes its request with it alone: those that wait are served by whoever comes.
#[test]
fn requests_that_wait_behind_a_stuck_one_are_served_after_the_restart() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(short_config(1)?.worker(Worker::new("shop", 1)).max_wait(DEADLINE))?;
    let (call, lost) = get_stuck(&runtime, SHOP, "busy loop")?;
    let waiting: Vec<_> = (0..5).map(|_| send(&runtime, SHOP, Task::echo())).collect();
    assert!(matches!(runtime.restart_workers(), Err(RestartError::Incomplete(_))));
    assert_eq!(lost.wait()?.unwrap_err().reason, Rejection::Lost);
    for sent in &waiting {
        assert!(sent.wait()?.is_ok());
    }
    call.release();
    call.wait_past()?;
    eventually("the one that came back is counted out", || process.lingering() == 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn many_dispatchers_and_restarts_lose_no_request() -> TestResult {
    const EACH: usize = 200;
    let (process, _) = process(engine());
    let runtime = process.init(short_config(4)?.worker(Worker::new("shop", 2)).max_wait(DEADLINE))?;
    let (restarts, over) = mpsc::channel();
    let (served, restarted) = std::thread::scope(|scope| {
        let dispatch = |worker: Option<&'static str>| {
            let (runtime, restarts) = (&runtime, restarts.clone());
            scope.spawn(move || {
                let served = (0..EACH).filter(|_| runtime.dispatch(worker, Task::echo()).is_ok()).count();
                drop(restarts);
                served
            })
        };
        let dispatchers: Vec<_> = [SHOP, None, SHOP, None, SHOP].map(dispatch).into_iter().collect();
        drop(restarts);
        let mut restarted = 0;
        while over.try_recv() == Err::<(), _>(mpsc::TryRecvError::Empty) {
            restarted += usize::from(runtime.restart_workers().is_ok_and(|restarted| restarted.threads == 2));
        }
        let served: Vec<_> =
            dispatchers.into_iter().map(|dispatcher| dispatcher.join().unwrap_or(0)).collect();
        (served, restarted)
    });
    assert_eq!(served, [EACH; 5]);
    assert!(restarted > 0);
    assert_eq!(process.counts().restarted, restarted as u64, "a restart was not complete");
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

/// A script may dispatch to another worker, and its own thread serves nothing else meanwhile.
#[test]
fn a_script_waits_for_what_it_has_dispatched() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(short_config(2)?.worker(Worker::new("shop", 1)))?;
    let inner = runtime.clone();
    let asks = Task::new(move |script| {
        let of_shop = inner.dispatch(SHOP, Task::echo()).ok()?;
        (of_shop.thread != script.thread()).then(|| Served::by(script))
    });
    assert!(runtime.dispatch(None, asks).is_ok());
    all_serve(&runtime, SHOP, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}
