//! Claim: a shutdown ends every thread that can be ended: those that a drain has stopped and nobody resumes, those that a
//! drain is still waiting for, those that are in between, and indexes without a thread; it returns within its bound, and
//! whoever it abandons exits when it comes back.
//!
//! Within: real threads, seen parked by the kernel. Not covered: every interleaving of a shutdown with a drain; the models
//! search those.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use forcekill::state::Event;
use forcekill::{
    Drained, Fate, Limits, Lingering, Native, ResendPolicy, State, States, Thread, drain, resume, shut_down,
};
use forcekill_native_tests::worker::{Work, Worker, bring_to, patience, timed};

type TestResult = Result<(), Box<dyn Error>>;
/// A worker, and its thread as the calls want it.
type Placed = (Worker, [Arc<Thread>; 1]);

/// Short enough for a test, and long enough for a thread that comes by itself, or is killed.
fn limits() -> Result<Limits, Box<dyn Error>> {
    let kill =
        ResendPolicy::new(Duration::from_millis(500), Duration::from_millis(1), Duration::from_millis(100))?;
    Ok(Limits::new(Duration::from_millis(200), kill)?)
}

/// Limits that only threads which come by themselves keep a call from reaching.
fn long_limits() -> Result<Limits, Box<dyn Error>> {
    let minute = Duration::from_secs(60);
    Ok(Limits::new(minute, ResendPolicy::single(minute)?)?)
}

/// A worker that is seen parked.
fn worker(platform: Native, lingering: &Lingering<Native>, work: Work) -> Result<Placed, Box<dyn Error>> {
    let worker = Worker::start(platform, lingering, 0, work)?;
    worker.wait_at_work()?;
    let threads = [Arc::clone(&worker.thread)];
    Ok((worker, threads))
}

/// Drains with limits that do not matter, on a thread of its own; once the drain has asked, shuts the threads down. Answers
/// what both came to.
fn shut_down_while_drained(
    threads: &[Arc<Thread>],
    limits: &Limits,
) -> Result<(Drained, Drained), Box<dyn Error>> {
    let (patient, platform) = (long_limits()?, *threads[0].platform());
    thread::scope(|scope| {
        let draining = scope.spawn(|| drain(threads, &patient));
        let asked = threads[0].wait_for_until(States::of(&[State::Restarting]), patience(&platform));
        assert_eq!(asked, Some(State::Restarting));
        let (ended, elapsed, _) = timed(|| shut_down(threads, limits));
        let drained = draining.join().unwrap_or_else(|panic| resume_unwind(panic));
        assert!(elapsed < patient.grace(), "the shutdown waited for the drain: {elapsed:?}");
        Ok((drained, ended))
    })
}

#[test]
fn every_kind_of_thread_exits_and_is_counted_out() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let work = [Work::WaitsInCallback, Work::StandsBy, Work::killable()?];
    let started = (0..).zip(work).map(|(index, work)| Worker::start(platform, &lingering, index, work));
    let workers = started.collect::<Result<Vec<_>, _>>()?;
    for worker in &workers {
        worker.wait_at_work()?;
    }
    assert_eq!(lingering.count(), 3);
    let threads: Vec<_> = workers.iter().map(|worker| Arc::clone(&worker.thread)).collect();
    let ended = shut_down(&threads, &limits()?);
    assert_eq!(ended.drained().collect::<Vec<_>>(), [0, 1, 2], "{ended:?}");
    for worker in &workers {
        worker.wait_exited()??;
        assert_eq!(worker.thread.state(), State::Done);
        assert!(!worker.has_begun_anew(), "{:?} served on", worker.thread);
    }
    lingering.wait_none(patience(&platform))?;
    // A second one finds nothing to do.
    assert_eq!(shut_down(&threads, &long_limits()?).drained().count(), 3);
    Ok(())
}

/// Upstream issue 2251: whoever drained need not come back.
#[test]
fn threads_that_were_drained_and_never_resumed_are_shut_down() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    for work in [Work::WaitsInCallback, Work::StandsBy, Work::killable()?] {
        let (worker, threads) = worker(platform, &lingering, work)?;
        let drained = drain(&threads, &limits()?);
        assert_eq!(drained.fates(), [(0, Fate::Drained)]);
        let ended = shut_down(&threads, &long_limits()?);
        assert_eq!(ended.fates(), [(0, Fate::Drained)]);
        worker.wait_exited()??;
        assert_eq!(resume(&threads, &drained), 0, "a thread that has exited was resumed");
        lingering.wait_none(patience(&platform))?;
    }
    Ok(())
}

#[test]
fn a_shutdown_abandons_what_a_drain_is_still_waiting_for_and_the_drain_is_told() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let (worker, threads) = worker(platform, &lingering, Work::unkillable()?)?;
    let (drained, ended) = shut_down_while_drained(&threads, &limits()?)?;
    assert_eq!((drained.fates(), ended.fates()), (&[(0, Fate::Refused)][..], &[(0, Fate::Abandoned)][..]));
    assert_eq!((threads[0].state(), lingering.count()), (State::Abandoned, 1));
    // It stays so until the thread comes back; asking again finds nothing else.
    assert_eq!(shut_down(&threads, &long_limits()?).fates(), [(0, Fate::Refused)]);

    worker.let_call_return();
    worker.wait_exited()??;
    assert_eq!(threads[0].state(), State::Done);
    lingering.wait_none(patience(&platform))?;
    assert_eq!(lingering.count(), 0);
    Ok(())
}

#[test]
fn a_shutdown_kills_what_a_drain_is_still_waiting_for() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let (worker, threads) = worker(platform, &lingering, Work::killable()?)?;
    let (drained, ended) = shut_down_while_drained(&threads, &limits()?)?;
    // The drain sees the thread while it has let go, or only after the shutdown has taken it.
    let fate = drained.fate_of(0);
    assert!(matches!(fate, Some(Fate::Drained | Fate::Refused)), "{fate:?}");
    assert_eq!(ended.fates(), [(0, Fate::Drained)]);
    assert_eq!(worker.wait_outcome()?.answer, Err(libc::EINTR));
    worker.wait_exited()??;
    assert_eq!(resume(&threads, &drained), 0);
    lingering.wait_none(patience(&platform))?;
    Ok(())
}

#[test]
fn an_index_without_a_thread_is_retired() -> TestResult {
    let threads = [Arc::new(Thread::<Native>::new(Native::default(), 0))];
    let limits = limits()?;
    let (ended, elapsed, _) = timed(|| shut_down(&threads, &limits));
    assert_eq!((ended.fates(), threads[0].state()), (&[(0, Fate::Drained)][..], State::Done));
    assert!(elapsed < limits.grace(), "{elapsed:?}");
    // And may be used by the next start.
    threads[0].change(Event::Recycle)?;
    bring_to(&threads[0], State::BootRequested);
    let (ended, elapsed, _) = timed(|| shut_down(&threads, &limits));
    assert_eq!((ended.fates(), threads[0].state()), (&[(0, Fate::Drained)][..], State::Done));
    // Its scaler may be about to give it a thread, so that nothing is known before the end.
    assert!(elapsed >= limits.total(), "{elapsed:?}");
    Ok(())
}

#[test]
fn a_thread_that_becomes_stable_meanwhile_is_shut_down() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let thread = Arc::new(Thread::<Native>::new(platform, 0));
    bring_to(&thread, State::Booting);
    let worker = Worker::spawn(Arc::clone(&thread), &lingering, Work::StandsBy)?;
    worker.wait_at_work()?;
    let (threads, limits) = ([thread], long_limits()?);
    let ended = thread::scope(|scope| {
        let (asker, asking) = std::sync::mpsc::channel();
        let (threads, limits) = (&threads, &limits);
        let stopping = scope.spawn(move || {
            let _ = asker.send(forcekill_native_tests::parked::KernelThread::current());
            shut_down(threads, limits)
        });
        asking.recv()?.wait_parked(&[libc::SYS_futex], 'S')?;
        threads[0].change(Event::Settle)?;
        Ok::<_, Box<dyn Error>>(stopping.join().unwrap_or_else(|panic| resume_unwind(panic)))
    })?;
    assert_eq!(ended.fates(), [(0, Fate::Drained)]);
    worker.wait_exited()??;
    lingering.wait_none(patience(&platform))?;
    Ok(())
}

/// A thread that is stuck in between cannot be asked, and is told at the end all the same.
#[test]
fn a_thread_that_never_becomes_stable_is_abandoned_and_exits_when_it_does() -> TestResult {
    let platform = Native::default();
    for state in [State::Booting, State::TransitionRequested, State::TransitionComplete, State::RebootReady] {
        let threads = [Arc::new(Thread::<Native>::new(platform, 0))];
        bring_to(&threads[0], state);
        let limits = Limits::new(Duration::ZERO, ResendPolicy::single(Duration::from_millis(20))?)?;
        let (ended, elapsed, _) = timed(|| shut_down(&threads, &limits));
        assert_eq!(ended.fates(), [(0, Fate::Abandoned)], "from {state}");
        assert!(elapsed >= limits.total(), "from {state} after {elapsed:?}");
        assert_eq!(threads[0].state(), State::Abandoned, "from {state}");
        // Its own next change is refused, and its wait tells it.
        assert!(threads[0].change(Event::Settle).is_err());
        assert_eq!(threads[0].stand_by(), forcekill::thread::Told::Exit);
        threads[0].exit()?;
        assert_eq!(shut_down(&threads, &limits).fates(), [(0, Fate::Drained)]);
    }
    Ok(())
}

#[test]
fn an_index_lives_again_after_a_shutdown() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let thread = Arc::new(Thread::<Native>::new(platform, 0));
    for _ in 0..20 {
        bring_to(&thread, State::Ready);
        let worker = Worker::spawn(Arc::clone(&thread), &lingering, Work::WaitsInCallback)?;
        let threads = [Arc::clone(&thread)];
        assert_eq!(shut_down(&threads, &long_limits()?).fates(), [(0, Fate::Drained)]);
        worker.wait_exited()??;
        lingering.wait_none(patience(&platform))?;
        thread.change(Event::Recycle)?;
    }
    assert_eq!(thread.state(), State::Reserved);
    Ok(())
}
