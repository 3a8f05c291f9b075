//! Claim: a thread's state is only changed as the table says; a safe request is taken where the thread is stable, refused
//! where it never will be, and anywhere else waits until it is, or its deadline has passed; a thread that waits to be told is
//! told, even if more was asked before it has looked; and `idle_for` counts from the last change.
//!
//! Within: every state, every event. Waits are seen parked by the kernel. Not covered: every interleaving of two that change
//! a state; the models search those.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::panic::resume_unwind;
use std::sync::{Arc, mpsc};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use forcekill::state::Event;
use forcekill::thread::Told;
use forcekill::{IllegalTransition, Lingering, Native, Platform, Request, State, States, Thread};
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::worker::{Work, Worker, bring_to, patience};

type TestResult = Result<(), Box<dyn Error>>;

const REQUESTS: [Event; 3] = [Event::RequestRestart, Event::RequestTransition, Event::RequestShutdown];

fn thread_in(state: State) -> Thread {
    let thread = Thread::new(Native::default(), 3);
    bring_to(&thread, state);
    assert_eq!(thread.state(), state);
    thread
}

/// Runs `wait` on a thread of its own, and answers when the kernel shows it parked.
fn parked<'scope, R: Send + 'scope>(
    scope: &'scope thread::Scope<'scope, '_>,
    wait: impl FnOnce() -> R + Send + 'scope,
) -> Result<ScopedJoinHandle<'scope, R>, Box<dyn Error>> {
    let (begun, begins) = mpsc::channel();
    let waiter = scope.spawn(move || {
        let _ = begun.send(KernelThread::current());
        wait()
    });
    begins.recv()?.wait_parked(&[libc::SYS_futex], 'S')?;
    Ok(waiter)
}

fn joined<R>(waiter: ScopedJoinHandle<'_, R>) -> R {
    waiter.join().unwrap_or_else(|panic| resume_unwind(panic))
}

#[test]
fn an_event_that_is_not_declared_is_an_error_and_the_state_stays() {
    for state in State::ALL {
        for &event in Event::ALL {
            let thread = thread_in(state);
            match state.after(event) {
                Some(entered) => {
                    assert_eq!(thread.change(event), Ok(state));
                    assert_eq!(thread.state(), entered, "{event:?} in {state}");
                }
                None => {
                    assert_eq!(thread.change(event), Err(IllegalTransition { event, state }));
                    assert_eq!(thread.state(), state, "after {event:?}");
                }
            }
        }
    }
}

#[test]
fn a_request_is_taken_refused_or_busy_as_the_state_says() {
    const WITHIN: Duration = Duration::from_millis(3);
    for state in State::ALL {
        for event in REQUESTS {
            let thread = thread_in(state);
            let deadline = thread.platform().now() + WITHIN;
            let answer = thread.request(event, deadline);
            let returned_at = thread.platform().now();
            let expected = match (state, event) {
                (State::Ready | State::Inactive, _) => (Request::Taken, state.after(event)),
                (State::Yielding, Event::RequestShutdown) => (Request::Taken, Some(State::ShuttingDown)),
                (State::Reserved, Event::RequestShutdown) => (Request::Refused, Some(State::Done)),
                (State::Reserved | State::ShuttingDown | State::Done | State::Abandoned, _) => {
                    (Request::Refused, Some(state))
                }
                _ => (Request::Busy, Some(state)),
            };
            assert_eq!((answer, Some(thread.state())), expected, "{event:?} in {state}");
            if answer == Request::Busy {
                assert!(returned_at >= deadline, "busy at {returned_at:?}, before {deadline:?}");
            }
        }
    }
}

/// A request that is answered at once takes none of its time, and one that has none does not wait.
#[test]
fn a_request_waits_only_for_a_thread_in_between() {
    let hour = Duration::from_secs(3_600);
    let started = Instant::now();
    for state in [State::Ready, State::Inactive, State::Done, State::Abandoned, State::ShuttingDown] {
        let thread = thread_in(state);
        let deadline = thread.platform().now() + hour;
        assert_ne!(thread.request(Event::RequestRestart, deadline), Request::Busy, "in {state}");
    }
    let booting = thread_in(State::Booting);
    assert_eq!(booting.request(Event::RequestRestart, Duration::ZERO), Request::Busy);
    assert!(started.elapsed() < hour);
}

#[test]
fn a_request_that_waits_is_answered_when_the_thread_is_stable_or_never_will_be() -> TestResult {
    let cases = [
        (State::Booting, Event::Settle, Request::Taken),
        (State::Yielding, Event::Resume, Request::Taken),
        (State::TransitionComplete, Event::Serve, Request::Taken),
        (State::RebootReady, Event::Reboot, Request::Taken),
        (State::Booting, Event::Exit, Request::Refused),
        (State::Restarting, Event::Abandon, Request::Refused),
        (State::TransitionComplete, Event::FailBoot, Request::Refused),
    ];
    for (state, change, expected) in cases {
        let thread = &thread_in(state);
        let deadline = patience(thread.platform());
        thread::scope(|scope| {
            let request = parked(scope, move || thread.request(Event::RequestRestart, deadline))?;
            thread.change(change)?;
            assert_eq!(joined(request), expected, "{change:?} from {state}");
            let entered =
                if expected == Request::Taken { Some(State::Restarting) } else { state.after(change) };
            assert_eq!(Some(thread.state()), entered, "{change:?} from {state}");
            Ok::<_, Box<dyn Error>>(())
        })?;
    }
    Ok(())
}

/// Of two requests that wait, one alone gets the thread; the other waits on.
#[test]
fn one_of_two_requests_is_taken() -> TestResult {
    let thread = &thread_in(State::Booting);
    let deadline = thread.platform().now() + Duration::from_millis(300);
    let answers = thread::scope(|scope| {
        let one = parked(scope, move || thread.request(Event::RequestRestart, deadline))?;
        let two = parked(scope, move || thread.request(Event::RequestTransition, deadline))?;
        thread.change(Event::Settle)?;
        Ok::<_, Box<dyn Error>>([joined(one), joined(two)])
    })?;
    let expected = match answers {
        [Request::Taken, Request::Busy] => State::Restarting,
        [Request::Busy, Request::Taken] => State::TransitionRequested,
        // The machine was so slow that the deadline had passed before the thread settled.
        [Request::Busy, Request::Busy] if thread.platform().now() >= deadline => State::Inactive,
        other => return Err(format!("{other:?}").into()),
    };
    assert_eq!(thread.state(), expected);
    Ok(())
}

#[test]
fn idle_time_is_known_in_stable_states_alone_grows_and_starts_anew() -> TestResult {
    for state in State::ALL {
        assert_eq!(thread_in(state).idle_for().is_some(), state.is_stable(), "in {state}");
    }
    let thread = Thread::<Native>::new(Native::default(), 0);
    let made_after = thread.platform().now();
    bring_to(&thread, State::Inactive);
    let longer_than = |idle: Duration| {
        // Spins until the clock has gone on.
        loop {
            let longer = thread.idle_for().ok_or("not stable any more")?;
            if longer > idle {
                return Ok::<_, Box<dyn Error>>(longer);
            }
        }
    };
    let grown = longer_than(longer_than(Duration::from_millis(2))?)?;
    let since_before = thread.platform().now().saturating_sub(made_after);
    assert!(grown <= since_before, "idle for {grown:?}, and there for {since_before:?}");
    // By way of a drain, and of a change of handler.
    let ways = [
        &[Event::RequestRestart, Event::Yield, Event::ResumeInactive][..],
        &[Event::RequestTransition, Event::Detach, Event::CompleteTransition, Event::Serve],
    ];
    for way in ways {
        longer_than(Duration::from_millis(2))?;
        let left_at = thread.platform().now();
        for &event in way {
            assert!(thread.idle_for().is_none() || event == way[0], "before {event:?}");
            thread.change(event)?;
        }
        let idle = thread.idle_for().ok_or("not stable again")?;
        let since_left = thread.platform().now().saturating_sub(left_at);
        assert!(idle <= since_left, "idle for {idle:?}, and stable again for {since_left:?} at the most");
    }
    Ok(())
}

#[test]
fn a_script_is_told_to_leave_whatever_is_asked() -> TestResult {
    for (state, change) in [
        (State::Ready, Event::RequestRestart),
        (State::Ready, Event::RequestTransition),
        (State::Ready, Event::RequestShutdown),
        (State::Ready, Event::RequestReboot),
        (State::Booting, Event::AbandonAtShutdown),
    ] {
        let thread = &thread_in(state);
        thread::scope(|scope| {
            let script = parked(scope, || thread.wait_to_leave())?;
            assert!(!script.is_finished());
            thread.change(change)?;
            joined(script);
            Ok::<_, Box<dyn Error>>(())
        })?;
        assert_eq!(Some(thread.state()), state.after(change), "waiting changes nothing");
    }
    Ok(())
}

#[test]
fn a_thread_that_no_drain_asks_is_told_what_it_is_asked_instead() {
    for state in State::ALL.into_iter().filter(|state| *state != State::Restarting) {
        let thread = thread_in(state);
        assert_eq!(thread.let_go(), Told::by(state));
        assert_eq!(thread.state(), state, "letting go changed a state that no drain has asked");
    }
}

/// One critical section, so that the thread cannot have looked in between.
fn resume_and_ask(thread: &Thread, event: Event) -> Result<(), IllegalTransition> {
    let now = thread.platform().now();
    thread.with(|lifecycle| {
        lifecycle.resume(now)?;
        lifecycle.apply(event, now).map(drop)
    })
}

#[test]
fn a_thread_that_is_resumed_and_asked_again_before_it_has_looked_complies() -> TestResult {
    for (event, told) in [
        (Event::RequestRestart, Told::GoOn),
        (Event::RequestTransition, Told::Else(State::TransitionRequested)),
        (Event::RequestShutdown, Told::Exit),
    ] {
        let thread = &thread_in(State::Restarting);
        let yielding = States::of(&[State::Yielding]);
        thread::scope(|scope| {
            let waits = parked(scope, || thread.let_go())?;
            assert_eq!(thread.state(), State::Yielding);
            resume_and_ask(thread, event)?;
            if event == Event::RequestRestart {
                let lets_go = thread.wait_for_until(yielding, patience(thread.platform()));
                // Freed before the assertion, which would wait for the thread.
                thread.with(|lifecycle| {
                    let now = Duration::ZERO;
                    if lifecycle.resume(now).is_err() {
                        lifecycle.overwrite(State::Abandoned, now)
                    }
                });
                assert_eq!(lets_go, Some(State::Yielding), "the second drain waits in vain");
            }
            assert_eq!(joined(waits), told, "after {event:?}");
            Ok::<_, Box<dyn Error>>(())
        })?;
    }
    Ok(())
}

#[test]
fn a_wait_answers_the_state_that_ends_it_and_nothing_at_its_deadline() -> TestResult {
    let thread = &thread_in(State::Booting);
    let stable = States::STABLE;
    let deadline = thread.platform().now() + Duration::from_millis(5);
    assert_eq!(thread.wait_for_until(stable, deadline), None);
    assert!(thread.platform().now() >= deadline);
    thread::scope(|scope| {
        let patient = parked(scope, move || thread.wait_for(stable))?;
        thread.change(Event::Settle)?;
        assert_eq!(joined(patient), State::Inactive);
        Ok(())
    })
}

/// A thread that was abandoned and only then comes to exit is Done once; and only an OS thread can exit.
#[test]
fn an_exit_is_declared_where_an_os_thread_can_end() -> TestResult {
    for state in State::ALL {
        let thread = thread_in(state);
        let event = if state == State::Rebooting { Event::OfferReboot } else { Event::Exit };
        match state.after(event) {
            Some(entered) => {
                thread.exit()?;
                assert_eq!(thread.state(), entered, "from {state}");
            }
            None => {
                assert_eq!(thread.exit(), Err(IllegalTransition { event, state }));
                assert_eq!(thread.state(), state);
            }
        }
    }
    let platform = Native::default();
    let lingering = Lingering::new(&platform);
    let worker = Worker::start(platform, &lingering, 0, Work::StandsBy)?;
    worker.wait_at_work()?;
    assert_eq!(worker.thread.request(Event::RequestShutdown, patience(&platform)), Request::Taken);
    worker.wait_exited()??;
    assert_eq!(format!("{:?}", worker.thread), "Thread { index: 0, state: Done }");
    lingering.wait_none(patience(&platform))?;
    Ok(())
}

/// The library's thread is shared by all who have to do with it.
#[test]
fn a_thread_can_be_shared() {
    fn is_shared<T: Send + Sync + 'static>(_: &T) {}
    let thread = Arc::new(thread_in(State::Ready));
    is_shared(&thread);
    assert_eq!((thread.index(), thread.slot().current_run()), (3, None));
}
