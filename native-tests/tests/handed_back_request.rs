//! Claim: a request that a leaver hands back while its dispatcher believes it taken gets a thread, because the scaler is asked again.
//! With that step left out it waits until its time is over, beside a place for one more thread.
//!
//! Within: real threads, the scaler's own clock, and one worker whose only other thread is busy. The leaver is held between its taking
//! the request and its beginning it, until the scaler has asked it to leave and the dispatcher has stopped looking for a stall.
//! Not covered: that the request could be handed back at another moment; the models search those, without the scaler's clock.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use forcekill::roster::{Pool, Roster};
use forcekill::steps::runtime::RuntimeSteps;
use forcekill::steps::{Sound, Steps};
use forcekill::{
    ClosureEngine, Config, Native, Notice, OwnedFlags, Platform, Process, Rejection, Runtime, States, Thread,
    Worker,
};
use forcekill_native_tests::host::limits;
use forcekill_native_tests::parked::DEADLINE;

type TestResult = Result<(), Box<dyn Error>>;
type Engine = ClosureEngine<u32, u32>;

const SHOP: Option<&str> = Some("shop");
/// The index of the thread that the test adds.
const ADDED: usize = 1;
const STALL_AFTER: Duration = Duration::from_millis(1);
/// Long against the moment that the added thread takes to come to its next request: it must not be taken away before.
const IDLE_AFTER: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(4);

/// Where the leaver is held. The steps of a protocol have no place for state of their own, and the two tests of this file come one
/// after the other.
static HELD: (Mutex<Hold>, Condvar) = (Mutex::new(Hold::Off), Condvar::new());
/// One test at a time.
static TURN: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hold {
    /// The next request that the added thread takes is held.
    On,
    /// It is held now.
    Holding,
    /// Nothing is held, or not any more.
    Off,
}

/// The sound protocol, whose added thread is held between taking a request and beginning it; with or without asking the scaler again.
struct Held<const ASKS_AGAIN: bool>;

impl<const ASKS_AGAIN: bool> Steps<Native, OwnedFlags> for Held<ASKS_AGAIN> {}

impl<const ASKS_AGAIN: bool> RuntimeSteps<Native, OwnedFlags> for Held<ASKS_AGAIN> {
    fn begin_request(thread: &Thread<Native, OwnedFlags, Self>) -> bool {
        if thread.index() == ADDED {
            pass_hold();
        }
        thread.with(|lifecycle| lifecycle.begin_request())
    }

    fn ask_again(roster: &<Native as Platform>::Monitor<Roster>, pool: Pool) {
        if ASKS_AGAIN {
            <Sound as RuntimeSteps<Native, OwnedFlags>>::ask_again(roster, pool);
        }
    }
}

fn set(hold: Hold) {
    *HELD.0.lock().unwrap_or_else(PoisonError::into_inner) = hold;
    HELD.1.notify_all();
}

/// Waits until what is held is in this state; whether it came to be.
fn wait_for(hold: Hold) -> bool {
    let state = HELD.0.lock().unwrap_or_else(PoisonError::into_inner);
    let waited = HELD.1.wait_timeout_while(state, DEADLINE, |state| *state != hold);
    !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
}

fn pass_hold() {
    let was_on = {
        let mut state = HELD.0.lock().unwrap_or_else(PoisonError::into_inner);
        let was_on = *state == Hold::On;
        if was_on {
            *state = Hold::Holding;
        }
        was_on
    };
    if was_on {
        HELD.1.notify_all();
        wait_for(Hold::Off);
    }
}

/// A worker's scripts: request 1 says that it has begun and is answered when the test says so, any other at once.
fn engine() -> (Engine, Receiver<()>, Sender<()>) {
    let ((begins, begun), (release, released)) = (mpsc::channel(), mpsc::channel());
    let released = Mutex::new(released);
    let engine = ClosureEngine::new().any_worker(move |_, requests| {
        while let Some(request) = requests.next() {
            if request == 1 {
                let released = released.lock().unwrap_or_else(PoisonError::into_inner);
                // These fail only in a test that has failed.
                let _ = begins.send(());
                let _ = released.recv_timeout(DEADLINE);
            }
            requests.answer(request);
        }
    });
    (engine, begun, release)
}

/// What becomes of a request that is handed back, and how long it took.
fn hand_back<const ASKS_AGAIN: bool>() -> Result<(Result<u32, Rejection>, Duration), Box<dyn Error>> {
    let (engine, begun, release) = engine();
    let ((down, is_down), (handed, is_handed)) = (mpsc::channel(), mpsc::channel());
    let observer = move |notice: &Notice| match notice {
        // These fail only when the test is over.
        Notice::HandedBack { thread: ADDED } => _ = handed.send(()),
        Notice::ScaledDown { thread: ADDED } => _ = down.send(()),
        _ => {}
    };
    let process: Process<Engine, Native, Held<ASKS_AGAIN>> =
        Process::new(Native::default(), engine, observer);
    let shop = Worker::new("shop", 1).max_threads(2);
    let config = Config::new(1).max_threads(2).worker(shop).limits(limits(2_000, 2_000)?);
    let config = config.max_wait(MAX_WAIT).stall_after(STALL_AFTER).idle_after(IDLE_AFTER);
    let runtime: Runtime<Engine, Native, Held<ASKS_AGAIN>> = process.init(config)?;
    let answered = thread::scope(|scope| -> Result<_, Box<dyn Error>> {
        // The thread of the start is busy, so the scaler adds another.
        let busy = scope.spawn(|| runtime.dispatch(SHOP, 1).map_err(|rejected| rejected.reason));
        begun.recv_timeout(DEADLINE)?;
        let warm_up = runtime.dispatch(SHOP, 2);
        assert!(warm_up.is_ok(), "{warm_up:?}");
        set(Hold::On);
        let started = Instant::now();
        let handed_back = scope.spawn(|| runtime.dispatch(SHOP, 3).map_err(|rejected| rejected.reason));
        assert!(wait_for(Hold::Holding), "the added thread took nothing");
        is_down.recv_timeout(DEADLINE)?;
        // The dispatcher has looked for a stall once, and found its request taken.
        while started.elapsed() < 50 * STALL_AFTER {
            thread::yield_now();
        }
        set(Hold::Off);
        is_handed.recv_timeout(DEADLINE)?;
        let answer = handed_back.join().expect("a dispatch does not panic");
        let took = started.elapsed();
        release.send(())?;
        assert_eq!(busy.join().expect("a dispatch does not panic"), Ok(1));
        Ok((answer, took))
    })?;
    assert!(runtime.threads()[0].wait_for_until(States::STABLE, DEADLINE).is_some());
    let _ = runtime.shut_down()?;
    Ok(answered)
}

#[test]
fn a_request_that_was_handed_back_gets_a_thread() -> TestResult {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (answer, took) = hand_back::<true>()?;
    assert_eq!(answer, Ok(3), "after {took:?}");
    assert!(took < MAX_WAIT, "{took:?}");
    Ok(())
}

#[test]
fn with_the_scaler_not_asked_again_it_waits_in_vain() -> TestResult {
    let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let (answer, took) = hand_back::<false>()?;
    assert_eq!(answer, Err(Rejection::WaitedTooLong), "after {took:?}");
    assert!(took >= MAX_WAIT, "{took:?}");
    Ok(())
}
