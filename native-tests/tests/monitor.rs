//! Claim: the monitor of the real platform keeps its contract with the standard library's mutex, condition variable and
//! clock under it. That its own logic loses no wake-up in any interleaving is proved in `models/src/monitor_proof.rs`.
//!
//! Within: a few threads, real time. A wake-up that is lost shows as a test that does not end. Not covered: a section that
//! panics after it has changed the value wakes nobody; the next change does.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use forcekill::platform::{Monitor, StdMonitor};
use forcekill::{Native, Platform};

const SOON: Duration = Duration::from_millis(50);
const FAR_AWAY: Duration = Duration::from_secs(3_600);

fn monitor(value: u32) -> (Native, Arc<StdMonitor<u32>>) {
    let native = Native::default();
    (native, Arc::new(native.monitor(value)))
}

fn at_least(goal: u32) -> impl Fn(&mut u32) -> Option<u32> {
    move |value| (*value >= goal).then_some(*value)
}

#[test]
fn a_deadline_that_has_passed_answers_what_the_predicate_does() {
    let (native, monitor) = monitor(1);
    for deadline in [Duration::ZERO, native.now()] {
        assert_eq!(monitor.wait_until(deadline, at_least(1)), Some(1));
        assert_eq!(monitor.wait_until(deadline, at_least(2)), None);
    }
}

#[test]
fn a_wait_gives_up_only_where_there_is_no_answer_and_its_change_stays() {
    let (native, monitor) = monitor(1);
    let given_up = Cell::new(0);
    let give_up = |value: &mut u32| {
        given_up.set(given_up.get() + 1);
        *value += 10;
        *value
    };
    let deadline = native.now();
    assert_eq!(monitor.wait_until_or(deadline, at_least(1), give_up), 1);
    assert_eq!(given_up.get(), 0, "a wait gave up although its answer was there");
    assert_eq!(monitor.wait_until_or(deadline, at_least(2), give_up), 11);
    assert_eq!((given_up.get(), monitor.with(|value| *value)), (1, 11));
}

#[test]
fn what_a_wait_changes_when_it_gives_up_wakes_another() {
    let (native, monitor) = monitor(0);
    let (looked, looks) = mpsc::channel();
    let patient = thread::spawn({
        let monitor = Arc::clone(&monitor);
        move || {
            monitor.wait(|value| {
                let _ = looked.send(());
                at_least(1)(value)
            })
        }
    });
    looks.recv().unwrap();
    let deadline = native.now() + SOON;
    let answer = monitor.wait_until_or(deadline, at_least(2), |value| {
        *value = 1;
        0
    });
    assert_eq!(answer, 0);
    assert!(native.now() >= deadline, "gave up at {:?}, before {deadline:?}", native.now());
    assert_eq!(patient.join().unwrap(), 1);
}

/// The wait looks, sleeps, and its limit ends while a change is under way that began before and ends after the deadline.
#[test]
fn the_answer_that_is_there_at_the_deadline_counts() {
    let mut late_answers = 0;
    for _ in 0..10 {
        let (native, monitor) = monitor(0);
        let deadline = native.now() + SOON;
        let (looked, first_look) = mpsc::channel();
        let changer = thread::spawn({
            let monitor = Arc::clone(&monitor);
            move || {
                first_look.recv().unwrap();
                // The mutex is free once the wait sleeps, and is held here until the deadline is over.
                monitor.with(|value| {
                    while native.now() <= deadline {
                        std::hint::spin_loop();
                    }
                    *value = 1;
                });
            }
        });
        let looks = Cell::new(0);
        let answer = monitor.wait_until(deadline, |value| {
            looks.set(looks.get() + 1);
            let _ = looked.send(());
            (*value == 1).then(|| native.now())
        });
        changer.join().unwrap();
        match answer {
            Some(at) => {
                assert!(at > deadline, "answered at {at:?}, before the change at {deadline:?}");
                late_answers += 1;
            }
            // The machine was so slow that the deadline was over before the wait could sleep.
            None => assert_eq!(looks.get(), 1, "a wait gave up although its answer was there"),
        }
    }
    assert!(late_answers > 0, "no wait of ten ended at its deadline");
}

#[test]
fn a_wait_without_an_answer_ends_at_its_deadline() {
    let (native, monitor) = monitor(0);
    let deadline = native.now() + SOON;
    assert_eq!(monitor.wait_until(deadline, at_least(1)), None);
    assert!(native.now() >= deadline, "gave up at {:?}, before {deadline:?}", native.now());
}

#[test]
fn many_waiters_all_get_through() {
    const WAITERS: u32 = 16;
    let (native, monitor) = monitor(0);
    let (looked, looks) = mpsc::channel();
    let waiters: Vec<_> = (1..=WAITERS)
        .map(|goal| {
            let (monitor, looked) = (Arc::clone(&monitor), looked.clone());
            thread::spawn(move || {
                let look = |value: &mut u32| {
                    let _ = looked.send(());
                    at_least(goal)(value)
                };
                // Every other one with a deadline, which makes no difference.
                match goal % 2 {
                    0 => Some(monitor.wait(look)),
                    _ => monitor.wait_until(native.now() + FAR_AWAY, look),
                }
            })
        })
        .collect();
    // As many looks as waiters: most of them sleep by now. Whoever does not has not been asked yet, and finds its answer.
    looks.iter().take(WAITERS as usize).for_each(drop);
    for _ in 0..WAITERS {
        monitor.with(|value| *value += 1);
    }
    for (goal, waiter) in (1..=WAITERS).zip(waiters) {
        let answer = waiter.join().unwrap();
        assert!(answer.is_some_and(|value| value >= goal), "the waiter for {goal} was answered {answer:?}");
    }
}

/// Two take turns, each waiting for what the other's wait took.
#[test]
fn a_wait_that_takes_something_notifies_the_others() {
    const TURNS: u32 = 2_000;
    let (native, monitor) = monitor(0);
    let take_turn = |rest: u32| move |value: &mut u32| (*value % 2 == rest).then(|| *value += 1);
    let other = thread::spawn({
        let monitor = Arc::clone(&monitor);
        move || (0..TURNS).for_each(|_| monitor.wait(take_turn(1)))
    });
    for turn in 0..TURNS {
        let taken = monitor.wait_until(native.now() + FAR_AWAY, take_turn(0));
        assert_eq!(taken, Some(()), "turn {turn} was never given back");
    }
    other.join().unwrap();
    assert_eq!(monitor.with(|value| *value), 2 * TURNS);
}

#[test]
fn a_panic_in_a_section_leaves_the_monitor_usable() {
    let (native, monitor) = monitor(0);
    let (looked, looks) = mpsc::channel();
    let waiter = thread::spawn({
        let monitor = Arc::clone(&monitor);
        move || {
            monitor.wait(|value| {
                let _ = looked.send(());
                at_least(2)(value)
            })
        }
    });
    looks.recv().unwrap();
    let in_a_change = catch_unwind(AssertUnwindSafe(|| monitor.with(|_| -> () { panic!("in a change") })));
    let in_a_wait =
        catch_unwind(AssertUnwindSafe(|| monitor.wait(|_| -> Option<()> { panic!("in a wait") })));
    let in_a_timed_wait = catch_unwind(AssertUnwindSafe(|| {
        monitor.wait_until(native.now() + FAR_AWAY, |_| -> Option<()> { panic!("in a timed wait") })
    }));
    let in_an_expiry = catch_unwind(AssertUnwindSafe(|| {
        monitor.wait_until_or(native.now(), |_| None, |_| -> () { panic!("in a wait that gives up") })
    }));
    assert!(in_a_change.is_err() && in_a_wait.is_err());
    assert!(in_a_timed_wait.is_err() && in_an_expiry.is_err());
    monitor.with(|value| *value = 2);
    assert_eq!(waiter.join().unwrap(), 2);
    assert_eq!(monitor.wait_until(native.now(), at_least(3)), None);
    assert_eq!(monitor.wait(at_least(2)), 2);
}

/// Neither panics, nor returns at once, nor looks again and again: the wait sleeps in the kernel after one look.
#[cfg(target_os = "linux")]
#[test]
fn a_deadline_at_the_end_of_time_is_never_over() {
    use forcekill_native_tests::parked::KernelThread;

    // One that the system's clock cannot hold, one that it can, and the longest that a signed number of seconds holds.
    for deadline in
        [Duration::MAX, Duration::from_secs(u32::MAX.into()), Duration::from_secs(i64::MAX as u64)]
    {
        let (_, monitor) = monitor(0);
        let (begun, waiting) = mpsc::channel();
        let waiter = thread::spawn({
            let monitor = Arc::clone(&monitor);
            move || {
                begun.send(KernelThread::current()).unwrap();
                let looks = Cell::new(0);
                let look = |value: &mut u32| {
                    looks.set(looks.get() + 1);
                    at_least(1)(value)
                };
                (monitor.wait_until(deadline, look), looks.get())
            }
        });
        let kernel = waiting.recv().unwrap();
        kernel.wait_parked(&[libc::SYS_futex], 'S').unwrap();
        monitor.with(|value| *value = 1);
        let (answer, looks) = waiter.join().unwrap();
        assert_eq!(answer, Some(1), "the deadline {deadline:?} was over");
        assert!(
            looks <= 2,
            "{looks} looks until the deadline {deadline:?}, of which one was after the change"
        );
    }
}
