//! Claim: a thread is added where requests wait too long, within the limits of the worker and of the runtime, and taken away when
//! it is idle; whatever happens to it meanwhile, its place is not lost.
//!
//! Within: real threads and the scaler's own. Not covered: how fast the scaler is on a busy machine.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::num::NonZero;
use std::time::{Duration, Instant};

use forcekill::roster::{NoPlace, Pool};
use forcekill::{Config, Notice, Rejection, ScaleError, ShutDown, Worker};
use forcekill_native_tests::host::{
    Task, TaskRuntime, all_serve, engine, eventually, get_stuck, process, send, short_config,
};
use forcekill_native_tests::parked::DEADLINE;

type TestResult = Result<(), Box<dyn Error>>;

const SHOP: Option<&str> = Some("shop");

/// One regular thread and one of the shop's from the start; up to three of the shop's, and four in all.
fn scaled() -> Result<Config, Box<dyn Error>> {
    let shop = Worker::new("shop", 1).max_threads(3);
    let config = short_config(2)?.max_threads(4).worker(shop).max_wait(DEADLINE);
    Ok(config.stall_after(Duration::from_millis(1)).idle_after(Duration::from_millis(20)))
}

/// The same, and nobody scales but the test.
fn scaled_by_hand() -> Result<Config, Box<dyn Error>> {
    Ok(scaled()?.stall_after(DEADLINE).idle_after(DEADLINE))
}

fn serve_the_shop(runtime: &TaskRuntime) -> usize {
    runtime.members().iter().filter(|member| member.pool == Pool::Worker(0)).count()
}

fn is_down(notice: &Notice) -> bool {
    matches!(notice, Notice::ScaledDown { .. })
}

#[test]
fn threads_come_with_the_requests_and_go_when_they_are_idle() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(scaled()?)?;
    // The second time, indexes are used again.
    for nth in 1..=2 {
        all_serve(&runtime, SHOP, 3)?;
        // Each of the two goes in two steps: it serves nothing, then it exits.
        log.wait_for(4 * nth, is_down)?;
        eventually("the two of the start are left", || {
            process.lingering() == 3 && runtime.members().len() == 2
        })?;
        assert_eq!(serve_the_shop(&runtime), 1);
    }
    assert_eq!(process.counts().scaled_up, 4);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_eq!(process.lingering(), 0);
    Ok(())
}

#[test]
fn a_worker_gets_no_more_threads_than_it_may_have() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(scaled()?.max_threads(5))?;
    let stuck = (0..3).map(|_| get_stuck(&runtime, SHOP, "read, empty pipe"));
    let stuck = stuck.collect::<Result<Vec<_>, _>>()?;
    let waits = send(&runtime, SHOP, Task::echo());
    // The scaler serves one request after the other: when the regular thread has got its second, it has refused the shop's
    // fourth, or has not seen it yet and will.
    all_serve(&runtime, None, 2)?;
    assert_eq!(
        (serve_the_shop(&runtime), runtime.scale_up(SHOP)),
        (3, Err(ScaleError::NoPlace(NoPlace::PoolFull)))
    );
    assert!(waits.now().is_none());
    stuck[0].0.release();
    assert!(waits.wait()?.is_ok());
    for (call, sent) in &stuck {
        call.release();
        assert!(sent.wait()?.is_ok());
    }
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn there_are_no_more_threads_than_there_may_be() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(scaled_by_hand()?)?;
    let added = [runtime.scale_up(SHOP)?, runtime.scale_up(None)?];
    assert_eq!(runtime.scale_up(None), Err(ScaleError::NoPlace(NoPlace::RuntimeFull)));
    assert_eq!(runtime.scale_up(SHOP), Err(ScaleError::NoPlace(NoPlace::RuntimeFull)));
    assert_eq!(runtime.scale_up(Some("nobody")), Err(ScaleError::NoSuchWorker));
    let scaled = runtime.members().into_iter().filter(|member| member.scaled);
    assert_eq!(scaled.map(|member| member.life.thread).collect::<Vec<_>>(), added);
    all_serve(&runtime, SHOP, 2)?;
    all_serve(&runtime, None, 2)?;
    // Idle, but not for long enough.
    assert_eq!((runtime.scale_down(), runtime.members().len()), (0, 4));
    // A restart restarts what was added, too.
    assert_eq!(runtime.restart_workers()?.threads, 2);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_thread_that_serves_is_not_idle_however_long_that_takes() -> TestResult {
    let idle = Duration::from_millis(1);
    let (process, _) = process(engine());
    // The scaler itself would take the new thread away if its request came later than that.
    let runtime = process.init(scaled()?.scales_by_itself(false).idle_after(idle))?;
    // The one of the start is kept busy, so the next request is served by the one that is added.
    let first = get_stuck(&runtime, SHOP, "read, empty pipe")?;
    runtime.scale_up(SHOP)?;
    let stuck = [first, get_stuck(&runtime, SHOP, "read, empty pipe")?];
    let started = Instant::now();
    while started.elapsed() < 20 * idle {
        runtime.scale_down();
    }
    assert_eq!((serve_the_shop(&runtime), process.counts().scaled_down), (2, 0));
    for (call, sent) in &stuck {
        call.release();
        assert!(sent.wait()?.is_ok());
    }
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_thread_that_was_added_and_abandoned_gives_its_place_back() -> TestResult {
    let (process, log) = process(engine());
    let runtime = process.init(scaled()?.idle_after(DEADLINE).max_quarantined(0))?;
    let stuck = (0..3).map(|_| get_stuck(&runtime, SHOP, "busy loop"));
    let stuck = stuck.collect::<Result<Vec<_>, _>>()?;
    assert!(runtime.restart_workers().is_err());
    for (_, lost) in &stuck {
        assert_eq!(lost.wait()?.unwrap_err().reason, Rejection::Lost);
    }
    // Three of four indexes are in quarantine, the regular thread has the fourth.
    assert_eq!(runtime.scale_up(SHOP), Err(ScaleError::NoPlace(NoPlace::QuarantineFull)));
    stuck.iter().for_each(|(call, _)| call.release());
    log.wait_for(3, |notice| matches!(notice, Notice::CameBack { .. }))?;
    all_serve(&runtime, SHOP, 3)?;
    assert_eq!(serve_the_shop(&runtime), 3);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

/// Reboots, upscales and downscales, all at once. There are places for four, and three and two are asked for in turns: a request
/// that finds no place gets one when the other pool's threads have become idle.
#[test]
fn nothing_is_lost_in_a_crowd() -> TestResult {
    let (process, _) = process(engine());
    let shop = Worker::new("shop", 1).max_threads(3).max_requests(NonZero::new(2));
    let config =
        short_config(2)?.max_threads(4).worker(shop).max_requests(NonZero::new(2)).max_wait(DEADLINE);
    let short = Duration::from_millis(1);
    let runtime = process.init(config.stall_after(short).idle_after(short))?;
    for _ in 0..50 {
        all_serve(&runtime, SHOP, 3)?;
        all_serve(&runtime, None, 2)?;
    }
    eventually("two are left", || runtime.members().len() == 2 && process.lingering() == 3)?;
    assert_eq!(runtime.restart_workers()?.threads, 1);
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}
