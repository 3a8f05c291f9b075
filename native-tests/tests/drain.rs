//! Claim: a drain brings every thread that can be brought to let go of its script, abandons the others when its limits are
//! over and not before, and returns within its bound, however many threads are stuck; what it has drained goes on when it is
//! resumed, and what it has abandoned exits when it comes back.
//!
//! Within: real threads, seen parked by the kernel in real system calls. The bound is compared with the drain's own length,
//! and with how late the machine was in the same moments. Not covered: every interleaving of the drain with its threads; the
//! models search those.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use forcekill::drain::drain_leavers;
use forcekill::leaver::Leaver;
use forcekill::state::Event;
use forcekill::steps::Attempt;
use forcekill::{
    Drained, Fate, Limits, Lingering, Native, Platform, ResendPolicy, State, States, Thread, drain, resume,
    shut_down,
};
use forcekill_native_tests::worker::{Work, Worker, bring_to, patience, timed};

type TestResult = Result<(), Box<dyn Error>>;

/// Short enough for a test, and long enough for a thread that comes by itself, or is killed.
fn limits() -> Result<Limits, Box<dyn Error>> {
    let kill =
        ResendPolicy::new(Duration::from_millis(500), Duration::from_millis(1), Duration::from_millis(100))?;
    Ok(Limits::new(Duration::from_millis(200), kill)?)
}

/// Limits that only threads which come by themselves keep a drain from reaching.
fn long_limits() -> Result<Limits, Box<dyn Error>> {
    let minute = Duration::from_secs(60);
    Ok(Limits::new(minute, ResendPolicy::single(minute)?)?)
}

fn threads(workers: &[Worker]) -> Vec<Arc<Thread>> {
    workers.iter().map(|worker| Arc::clone(&worker.thread)).collect()
}

/// Workers with these pieces of work, all seen parked.
fn workers(
    platform: Native,
    lingering: &Lingering<Native>,
    work: impl IntoIterator<Item = Work>,
) -> Result<Vec<Worker>, Box<dyn Error>> {
    let started = (0..).zip(work).map(|(index, work)| Worker::start(platform, lingering, index, work));
    let workers = started.collect::<Result<Vec<_>, _>>()?;
    for worker in &workers {
        worker.wait_at_work()?;
    }
    Ok(workers)
}

/// What a drain of stuck threads may take in all: a quarter more than it waits, and what the machine was late. A drain that
/// waits once too often, for a phase or for a thread, takes at least as long again as its kill lasts.
fn bound(limits: &Limits, latest: Duration) -> Duration {
    limits.total() + limits.total() / 4 + latest * 10
}

#[test]
fn every_thread_has_its_fate_and_only_the_drained_go_on() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let work = [Work::WaitsInCallback, Work::StandsBy, Work::killable()?, Work::unkillable()?];
    let workers = workers(platform, &lingering, work)?;
    let threads = threads(&workers);
    let limits = limits()?;

    let (drained, elapsed, latest) = timed(|| drain(&threads, &limits));
    let fates = [Fate::Drained, Fate::Drained, Fate::Drained, Fate::Abandoned];
    assert_eq!(drained.fates(), (0..).zip(fates).collect::<Vec<_>>());
    assert!(elapsed >= limits.total(), "abandoned after {elapsed:?}, before {:?}", limits.total());
    assert!(elapsed <= bound(&limits, latest), "took {elapsed:?} of {:?}", limits.total());
    let states = || threads.iter().map(|thread| thread.state()).collect::<Vec<_>>();
    assert_eq!(states(), [State::Yielding, State::Yielding, State::Yielding, State::Abandoned]);
    let outcome = workers[2].wait_outcome()?;
    assert_eq!((outcome.answer, outcome.flags_up), (Err(libc::EINTR), true));
    assert!(workers.iter().all(|worker| !worker.has_begun_anew()), "a thread began before the resume");

    assert_eq!(resume(&threads, &drained), 3);
    for worker in &workers[..3] {
        worker.wait_at_new_work()?;
    }
    assert_eq!(states(), [State::Ready, State::Inactive, State::Ready, State::Abandoned]);
    assert_eq!(resume(&threads, &drained), 0, "a thread was resumed twice");
    assert_eq!(lingering.count(), 4);

    // The one that was abandoned comes back.
    workers[3].let_call_return();
    workers[3].wait_exited()??;
    assert_eq!(threads[3].state(), State::Done);
    assert!(!workers[3].has_begun_anew(), "a thread that was abandoned served on");
    let ended = shut_down(&threads, &limits);
    assert_eq!(ended.drained().collect::<Vec<_>>(), [0, 1, 2, 3]);
    lingering.wait_none(patience(&platform))?;
    assert_eq!(lingering.count(), 0);
    Ok(())
}

#[test]
fn a_restart_leaves_alone_whoever_has_followed_the_thread_that_it_means() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let thread = Arc::new(Thread::<Native>::new(platform, 0));
    // The first life of the index never came to an OS thread.
    assert!(thread.boot(1));
    thread.fail_start()?;
    thread.change(Event::Recycle)?;
    assert!(thread.boot(2));
    thread.change(Event::Start)?;
    thread.change(Event::Serve)?;
    let worker = Worker::spawn(Arc::clone(&thread), &lingering, Work::killable()?)?;
    worker.wait_at_work()?;
    let limits = long_limits()?;

    let (drained, elapsed, _) = timed(|| drain_leavers(&[Leaver::of_life(&thread, 1)], &limits, &()));
    assert_eq!(drained.fates(), [(0, Fate::Refused)]);
    assert!(elapsed < limits.grace(), "{elapsed:?}");
    assert_eq!(thread.slot().attempt_current(Some(1), 1), Attempt::NotRunning);
    assert_eq!(thread.state(), State::Ready);

    let ended = shut_down(&[Arc::clone(&thread)], &self::limits()?);
    assert_eq!(ended.fates(), [(0, Fate::Drained)]);
    assert_eq!(worker.wait_outcome()?.answer, Err(libc::EINTR));
    worker.wait_exited()??;
    lingering.wait_none(patience(&platform))?;
    Ok(())
}

#[test]
fn threads_that_let_go_by_themselves_are_not_killed_and_nobody_waits_for_the_limits() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let workers = workers(platform, &lingering, [Work::WaitsInCallback, Work::StandsBy])?;
    let threads = threads(&workers);
    let limits = long_limits()?;
    for _ in 0..50 {
        let (drained, elapsed, _) = timed(|| drain(&threads, &limits));
        assert!(drained.fates().iter().all(|(_, fate)| *fate == Fate::Drained), "{drained:?}");
        assert!(elapsed < limits.grace(), "{elapsed:?}");
        assert_eq!(resume(&threads, &drained), 2);
        // The drain asks whoever is stable: nobody needs to have begun anew for that.
    }
    let ended = shut_down(&threads, &limits);
    assert_eq!(ended.drained().count(), 2, "{ended:?}");
    lingering.wait_none(patience(&platform))?;
    Ok(())
}

/// How long the call took for so many threads that nothing ends, and how late the machine was meanwhile.
fn with_unkillable(
    count: usize,
    call: fn(&[Arc<Thread>], &Limits) -> Drained,
) -> Result<(Duration, Duration), Box<dyn Error>> {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let work = (0..count).map(|_| Work::unkillable()).collect::<Result<Vec<_>, _>>()?;
    let workers = workers(platform, &lingering, work)?;
    let threads = threads(&workers);
    let limits = limits()?;
    let (ended, elapsed, latest) = timed(|| call(&threads, &limits));
    assert_eq!(ended.abandoned().collect::<Vec<_>>(), (0..count).collect::<Vec<_>>());
    assert!(elapsed >= limits.total(), "gave up after {elapsed:?}, before {:?}", limits.total());
    assert!(elapsed <= bound(&limits, latest), "{count} threads took {elapsed:?} of {:?}", limits.total());
    assert_eq!(lingering.count(), count);

    workers.iter().for_each(Worker::let_call_return);
    lingering.wait_none(patience(&platform))?;
    assert!(threads.iter().all(|thread| thread.state() == State::Done), "{threads:?}");
    Ok((elapsed, latest))
}

#[test]
fn eight_stuck_threads_cost_one_deadline_as_one_does() -> TestResult {
    for call in [drain::<Arc<Thread>, _, _, _>, shut_down::<Arc<Thread>, _, _, _>] {
        let (one, _) = with_unkillable(1, call)?;
        let (eight, latest) = with_unkillable(8, call)?;
        assert!(eight < 2 * one + 10 * latest, "one took {one:?}, eight took {eight:?}");
    }
    Ok(())
}

#[test]
fn a_drain_leaves_a_thread_alone_that_is_not_stable_in_time() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let workers = workers(platform, &lingering, [Work::WaitsInCallback])?;
    let booting = Arc::new(Thread::<Native>::new(platform, 1));
    bring_to(&booting, State::Booting);
    let threads: Vec<_> = threads(&workers).into_iter().chain([booting]).collect();
    let limits = limits()?;

    let (drained, elapsed, _) = timed(|| drain(&threads, &limits));
    assert_eq!(drained.fates(), [(0, Fate::Drained), (1, Fate::Busy)]);
    assert!(elapsed >= limits.grace(), "{elapsed:?}");
    assert_eq!(threads[1].state(), State::Booting);
    assert_eq!(resume(&threads, &drained), 1);
    workers[0].wait_at_new_work()?;
    assert_eq!(shut_down(&threads[..1], &limits).drained().count(), 1);
    lingering.wait_none(patience(&platform))?;
    Ok(())
}

#[test]
fn nothing_is_drained_where_no_thread_is() -> TestResult {
    let platform = Native::default();
    let reserved = [Arc::new(Thread::<Native>::new(platform, 7))];
    let drained = drain(&reserved, &long_limits()?);
    assert_eq!(drained.fates(), [(7, Fate::Refused)]);
    assert_eq!((resume(&reserved, &drained), reserved[0].state()), (0, State::Reserved));
    assert_eq!(drained.fate_of(8), None);
    let none: [Arc<Thread>; 0] = [];
    assert!(drain(&none, &long_limits()?).fates().is_empty());
    Ok(())
}

/// Each may have taken a thread that the other is after; then both wait for the grace period, and neither for ever.
#[test]
fn two_drains_at_once_share_the_threads_and_lose_none() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let workers = workers(platform, &lingering, [Work::WaitsInCallback, Work::StandsBy, Work::killable()?])?;
    let threads = threads(&workers);
    let (limits, together) = (limits()?, Barrier::new(2));
    let restart = || {
        together.wait();
        let drained = drain(&threads, &limits);
        (resume(&threads, &drained), drained)
    };
    let ((resumed, drained), (others, by_other)) = thread::scope(|scope| {
        let other = scope.spawn(restart);
        (restart(), other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    for (of_one, of_other) in drained.fates().iter().zip(by_other.fates()) {
        let fates = [of_one.1, of_other.1];
        assert!(fates.contains(&Fate::Drained), "{of_one:?} and {of_other:?}");
        assert!(fates.iter().all(|fate| matches!(fate, Fate::Drained | Fate::Busy)), "{fates:?}");
    }
    assert_eq!((resumed, others), (drained.drained().count(), by_other.drained().count()));
    for worker in &workers {
        worker.wait_at_new_work()?;
    }
    assert!(threads.iter().all(|thread| thread.state().is_stable()), "{threads:?}");
    assert_eq!(shut_down(&threads, &limits).drained().count(), 3);
    lingering.wait_none(patience(&platform))?;
    Ok(())
}

#[test]
fn a_drain_takes_what_another_one_resumes_and_is_refused_what_another_one_abandons() -> TestResult {
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let workers = workers(platform, &lingering, [Work::WaitsInCallback, Work::unkillable()?])?;
    let threads = threads(&workers);
    let first = drain(&threads[..1], &long_limits()?);
    assert_eq!(first.fates(), [(0, Fate::Drained)]);
    threads[1].change(Event::RequestRestart)?;

    let second = thread::scope(|scope| {
        let (asker, asking) = std::sync::mpsc::channel();
        let threads = &threads;
        let other = scope.spawn(move || {
            let _ = asker.send(forcekill_native_tests::parked::KernelThread::current());
            Ok::<_, forcekill::LimitsOverflow>(drain(threads, &wide_limits()?))
        });
        asking.recv()?.wait_parked(&[libc::SYS_futex], 'S')?;
        assert_eq!(threads[0].state(), State::Yielding);
        assert_eq!(resume(&threads[..1], &first), 1);
        let taken = threads[0].wait_for_until(States::of(&[State::Yielding]), patience(&platform));
        assert_eq!(taken, Some(State::Yielding));
        threads[1].change(Event::Abandon)?;
        Ok::<_, Box<dyn Error>>(other.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?)
    })?;
    assert_eq!(second.fates(), [(0, Fate::Drained), (1, Fate::Refused)]);
    assert_eq!(resume(&threads, &second), 1);
    workers[1].let_call_return();
    workers[1].wait_exited()??;
    assert_eq!(shut_down(&threads, &long_limits()?).drained().count(), 2);
    lingering.wait_none(platform.now().saturating_add(Duration::from_secs(30)))?;
    Ok(())
}

/// As [`long_limits`], but for the type of its error, which can change threads.
fn wide_limits() -> Result<Limits, forcekill::LimitsOverflow> {
    Limits::new(Duration::from_secs(60), ResendPolicy::default())
}
