//! Claim: an init that fails says why, leaves nothing behind, and another one may follow.
//!
//! Within: real threads; boot failures, refusals of the engine, an init that is under way, and configurations that cannot work.

#![cfg(any(target_os = "linux", windows))]

use std::error::Error;
use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Barrier};
use std::time::Duration;

use forcekill::roster::Phase;
use forcekill::{Config, ConfigError, EngineError, InitError, Notice, Process, ShutDown, Worker};
use forcekill_native_tests::host::{
    Task, TaskEngine, all_serve, engine, process, short_config, with_lateness,
};
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::timing::timed;

type TestResult = Result<(), Box<dyn Error>>;

const SHOP: Option<&str> = Some("shop");

fn two_threads() -> Result<Config, Box<dyn Error>> {
    Ok(short_config(2)?.worker(Worker::new("shop", 1)))
}

fn refusal() -> EngineError {
    EngineError { what: "no memory".to_string() }
}

/// The process is as it was before its first init.
fn assert_starts_and_stops(process: &Process<TaskEngine>) -> TestResult {
    assert_eq!((process.phase(), process.lingering()), (Phase::Down, 0));
    let runtime = process.init(two_threads()?)?;
    all_serve(&runtime, SHOP, 1)?;
    all_serve(&runtime, None, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

/// How often something was called.
#[derive(Clone, Default)]
struct Calls(Arc<AtomicU32>);

impl Calls {
    /// Counted from 1. SeqCst: a counter of a test.
    fn next(&self) -> u32 {
        self.0.fetch_add(1, SeqCst) + 1
    }

    fn so_far(&self) -> u32 {
        self.0.load(SeqCst)
    }
}

#[test]
fn a_worker_that_never_boots_is_given_up_after_its_failures_and_pauses() -> TestResult {
    let boots = Calls::default();
    let counted = boots.clone();
    let serves = engine().worker("lame", move |_, _| {
        counted.next();
    });
    let (process, log) = process(serves);
    let pause = Duration::from_millis(20);
    let lame = Worker::new("lame", 1).max_failures(NonZero::new(4).unwrap()).backoff(pause, 2 * pause);
    let config = short_config(3)?.worker(Worker::new("shop", 1)).worker(lame);
    let (failed, elapsed, latest) = timed(|| process.init(config));
    let Err(InitError::Boot { ready, threads, shut_down }) = failed else { panic!("it has booted") };
    assert_eq!((ready, threads, shut_down), (2, 3, ShutDown::TornDown));
    // 20 ms, 40 ms and 40 ms: after the fourth failure there is no pause.
    assert!(elapsed >= 5 * pause, "after {elapsed:?}");
    assert!(elapsed <= with_lateness(5 * pause, latest), "after {elapsed:?}");
    assert_eq!(boots.so_far(), 4);
    let of_lame = |notice: &Notice| match notice {
        Notice::BootFailed { worker: Some(worker), consecutive, .. } if &**worker == "lame" => {
            Some(*consecutive)
        }
        _ => None,
    };
    assert_eq!(log.notices().iter().filter_map(of_lame).collect::<Vec<_>>(), [1, 2, 3, 4]);
    let counts = process.counts();
    assert_eq!((counts.gave_up_booting, counts.init_failed, counts.initialised), (1, 1, 0));
    assert_starts_and_stops(&process)
}

#[test]
fn a_worker_that_does_not_boot_in_time_fails_the_init_at_the_boot_limit() -> TestResult {
    let serves = engine().worker("slow", |script, _| while !script.consume_interrupt() {});
    let (process, _) = process(serves);
    let limit = Duration::from_millis(100);
    let config = short_config(1)?.worker(Worker::new("slow", 1)).boot_limit(limit);
    let bound = config.clone().validated()?.init_bound();
    let (failed, elapsed, latest) = timed(|| process.init(config));
    let Err(error @ InitError::Boot { ready: 0, threads: 1, .. }) = failed else { panic!("{failed:?}") };
    assert_eq!(
        error.to_string(),
        "0 of 1 threads were ready within the boot limit; every thread has exited and the engine was torn down"
    );
    assert!(elapsed >= limit && elapsed <= with_lateness(bound, latest), "{elapsed:?} of {bound:?}");
    assert_starts_and_stops(&process)
}

#[test]
fn an_engine_that_refuses_to_start_is_asked_again_by_the_next_init() -> TestResult {
    let (starts, ends) = (Calls::default(), Calls::default());
    let (counted, torn_down) = (starts.clone(), ends.clone());
    let refuses_once = engine()
        .on_start_up(move || if counted.next() == 1 { Err(refusal()) } else { Ok(()) })
        .on_tear_down(move || {
            torn_down.next();
        });
    let (process, _) = process(refuses_once);
    let refused = process.init(two_threads()?).map(drop);
    assert_eq!(refused, Err(InitError::Engine(refusal())));
    assert_eq!((starts.so_far(), ends.so_far(), process.counts().total()), (1, 0, 0));
    assert_starts_and_stops(&process)?;
    assert_eq!((starts.so_far(), ends.so_far()), (2, 1));
    Ok(())
}

#[test]
fn a_thread_that_the_engine_refuses_fails_the_init() -> TestResult {
    let threads = Calls::default();
    let counted = threads.clone();
    let refuses_one =
        engine().on_start_thread(move |_| if counted.next() == 2 { Err(refusal()) } else { Ok(()) });
    let (process, log) = process(refuses_one);
    let Err(InitError::Boot { ready, threads, shut_down }) = process.init(two_threads()?) else {
        panic!("it has booted")
    };
    assert_eq!((ready, threads, shut_down), (1, 2, ShutDown::TornDown));
    let is_refusal =
        |notice: &Notice| matches!(notice, Notice::StartRefused { error, .. } if *error == refusal());
    log.wait_for(1, is_refusal)?;
    assert_starts_and_stops(&process)
}

#[test]
fn a_panic_of_the_engines_outside_of_scripts_fails_the_init() -> TestResult {
    let threads = Calls::default();
    let counted = threads.clone();
    let panics_once = engine()
        .on_start_thread(move |_| if counted.next() == 1 { panic!("the engine is broken") } else { Ok(()) });
    let (process, _) = process(panics_once);
    let Err(InitError::Boot { ready, threads, shut_down }) = process.init(two_threads()?) else {
        panic!("it has booted")
    };
    assert_eq!((ready, threads, shut_down), (1, 2, ShutDown::TornDown));
    assert_starts_and_stops(&process)
}

#[test]
fn a_panic_of_the_engines_start_counts_as_a_refusal() -> TestResult {
    let counted = Calls::default();
    let panics_once = engine()
        .on_start_up(move || if counted.next() == 1 { panic!("the engine is broken") } else { Ok(()) });
    let (process, _) = process(panics_once);
    let refused = process.init(two_threads()?).map(drop);
    let error = EngineError { what: "it panicked when it was started".to_string() };
    assert_eq!(refused, Err(InitError::Engine(error)));
    assert_starts_and_stops(&process)
}

#[test]
fn a_panic_of_the_engines_teardown_latches_until_it_is_made_after_all() -> TestResult {
    let counted = Calls::default();
    let panics_once = engine().on_tear_down(move || {
        if counted.next() == 1 {
            panic!("the engine is broken")
        }
    });
    let (process, _) = process(panics_once);
    let runtime = process.init(two_threads()?)?;
    let panicked = catch_unwind(AssertUnwindSafe(|| runtime.shut_down().map(drop)));
    assert!(panicked.is_err());
    let refused = process.init(two_threads()?).map(drop);
    assert_eq!((refused, process.phase()), (Err(InitError::TeardownSkipped), Phase::TeardownSkipped));
    process.complete_teardown()?;
    assert_starts_and_stops(&process)
}

#[test]
fn one_runtime_at_a_time() -> TestResult {
    let (process, _) = process(engine());
    let runtime = process.init(two_threads()?)?;
    assert_eq!(process.init(two_threads()?).map(drop), Err(InitError::Running));
    assert_eq!(process.clone().init(two_threads()?).map(drop), Err(InitError::Running));
    all_serve(&runtime, SHOP, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    assert_starts_and_stops(&process)
}

#[test]
fn an_init_is_refused_while_another_is_under_way() -> TestResult {
    let (inside, go_on) = (Arc::new(Barrier::new(2)), Arc::new(Barrier::new(2)));
    let (arrives, goes_on) = (Arc::clone(&inside), Arc::clone(&go_on));
    let waits = engine().on_start_up(move || {
        arrives.wait();
        goes_on.wait();
        Ok(())
    });
    let (process, _) = process(waits);
    let (config, another) = (two_threads()?, two_threads()?.boot_limit(DEADLINE));
    let runtime = std::thread::scope(|scope| {
        let starting = scope.spawn(|| process.init(config));
        inside.wait();
        let refused = process.init(another).map(drop);
        let phase = process.phase();
        go_on.wait();
        assert_eq!((refused, phase), (Err(InitError::Running), Phase::Starting));
        starting.join().unwrap()
    })?;
    all_serve(&runtime, None, 1)?;
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

#[test]
fn a_configuration_that_cannot_work_touches_nothing() -> TestResult {
    let starts = Calls::default();
    let counted = starts.clone();
    let (process, log) = process(engine().on_start_up(move || {
        counted.next();
        Ok(())
    }));
    assert_eq!(process.init(Config::new(0)).map(drop), Err(InitError::Config(ConfigError::NoThreads)));
    let twice = Config::new(2).worker(Worker::new("shop", 1)).worker(Worker::new("shop", 1));
    let refused = process.init(twice).map(drop);
    assert_eq!(refused, Err(InitError::Config(ConfigError::WorkerTwice { worker: "shop".into() })));
    assert_eq!((starts.so_far(), log.notices().len()), (0, 0));
    assert_starts_and_stops(&process)?;
    // A runtime that is up is not asked first: what is wrong is said all the same.
    let runtime = process.init(two_threads()?)?;
    assert_eq!(process.init(Config::new(0)).map(drop), Err(InitError::Config(ConfigError::NoThreads)));
    assert!(runtime.dispatch(SHOP, Task::echo()).is_ok());
    assert_eq!(runtime.shut_down()?, ShutDown::TornDown);
    Ok(())
}

/// A failed init whose thread cannot be ended latches as a shutdown does.
#[test]
fn an_init_whose_thread_is_stuck_for_good_latches() -> TestResult {
    let (release, released) = std::sync::mpsc::channel::<()>();
    let released = std::sync::Mutex::new(Some(released));
    let (process, _) = process(engine().worker("stuck", move |_, _| {
        if let Some(wait) = released.lock().unwrap().take() {
            // Ends with an error, when the other end is dropped.
            let _ = wait.recv();
        }
    }));
    let config = short_config(1)?.worker(Worker::new("stuck", 1)).boot_limit(Duration::from_millis(50));
    let failed = process.init(config).map(drop);
    let shut_down = ShutDown::TeardownSkipped { lingering: 1 };
    assert_eq!(failed, Err(InitError::Boot { ready: 0, threads: 1, shut_down }));
    assert_eq!(process.init(two_threads()?).map(drop), Err(InitError::TeardownSkipped));
    drop(release);
    process.wait_none_lingering(DEADLINE)?;
    process.complete_teardown()?;
    assert_starts_and_stops(&process)
}
