//! Claim: while the queue of real-time signals is full, a kill says so; when there is room again, a kill works.
//!
//! Within: a queue with no room at all (`RLIMIT_SIGPENDING` of 0), for a whole kill, and for the first sends of one.
//! Not covered: a queue that other processes of the same user fill; the kernel's answer is the same.
//!
//! Limits belong to the process, so each test runs in one of its own.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::mem::MaybeUninit;
use std::time::Duration;

use forcekill::steps::Attempt;
use forcekill::{
    Effort, KillSignal, Native, NativeConfig, Obstacle, OwnedFlags, ResendPolicy, Verdict, Wake,
};
use forcekill_native_tests::child::in_own_process;
use forcekill_native_tests::sys::{self, checked};
use forcekill_native_tests::target::Target;

type Answer = Result<i64, i32>;

/// Sets how many signals may be queued, and answers how many it were.
fn set_queue(most: libc::rlim_t) -> std::io::Result<libc::rlim_t> {
    let mut limit = MaybeUninit::<libc::rlimit>::uninit();
    // SAFETY: the first call fills the limits or fails; the second sets what it filled in, with one field changed.
    unsafe {
        checked(libc::getrlimit(libc::RLIMIT_SIGPENDING, limit.as_mut_ptr()))?;
        let mut limit = limit.assume_init();
        let before = std::mem::replace(&mut limit.rlim_cur, most);
        checked(libc::setrlimit(libc::RLIMIT_SIGPENDING, &limit))?;
        Ok(before)
    }
}

fn reader(platform: Native) -> Result<(Target<Answer>, std::os::fd::OwnedFd), Box<dyn Error>> {
    let (from, to) = sys::pipe()?;
    let script =
        move |_: &OwnedFlags| sys::read(&from, &mut [0]).map_err(|error| error.raw_os_error().unwrap_or(0));
    let target = Target::boot(platform, script)?;
    target.thread().wait_parked(&[libc::SYS_read], 'S')?;
    Ok((target, to))
}

fn run(test: &str, body: fn() -> Result<(), Box<dyn Error>>) {
    in_own_process(test, || body().unwrap_or_else(|error| panic!("{error}")));
}

#[test]
fn a_full_queue_shows_in_the_verdict_and_a_kill_works_when_there_is_room_again() {
    run("a_full_queue_shows_in_the_verdict_and_a_kill_works_when_there_is_room_again", || {
        let (target, _pipe) = reader(Native::default())?;
        let room = set_queue(0)?;
        let (within, first) = (Duration::from_millis(40), Duration::from_millis(1));
        let policy = ResendPolicy::new(within, first, Duration::from_millis(16))?;
        let verdict = target.kill(&policy);
        println!("{verdict}");
        assert!(
            matches!(verdict, Verdict::NoWakeUp {
                obstacle: Obstacle::QueueFull,
                effort: Effort { sends: 0, attempts, .. },
            } if attempts == policy.sends()),
            "{verdict}"
        );
        target.thread().wait_parked(&[libc::SYS_read], 'S')?;
        set_queue(room)?;
        let verdict = target.kill(&ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        assert_eq!(target.join()?, Err(libc::EINTR));
        Ok(())
    });
}

#[test]
fn room_that_comes_during_a_kill_lets_it_succeed() {
    run("room_that_comes_during_a_kill_lets_it_succeed", || {
        let (target, _pipe) = reader(Native::default())?;
        let room = set_queue(0)?;
        assert_eq!(target.slot().attempt(target.run(), 1), Attempt::Made(Wake::QueueFull));
        let killer = std::thread::spawn({
            let (slot, run) = (target.slot().clone(), target.run());
            move || slot.kill(run, &ResendPolicy::default())
        });
        set_queue(room)?;
        let verdict = killer.join().map_err(|_| "the killer panicked")?;
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        Ok(())
    });
}

#[test]
fn a_signal_that_does_not_queue_needs_no_room() {
    run("a_signal_that_does_not_queue_needs_no_room", || {
        let platform = Native::new(NativeConfig::Signal(KillSignal::IGNORED_BY_DEFAULT));
        let (target, _pipe) = reader(platform)?;
        set_queue(0)?;
        let verdict = target.kill(&ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        assert_eq!(target.join()?, Err(libc::EINTR));
        Ok(())
    });
}

#[test]
fn a_queue_that_fills_up_after_the_first_send_shows_in_the_verdict() {
    run("a_queue_that_fills_up_after_the_first_send_shows_in_the_verdict", || {
        let (from, to) = sys::pipe()?;
        let target = Target::boot(Native::default(), move |_| {
            let mut filled = None;
            loop {
                match sys::read(&from, &mut [0]) {
                    Err(error) if error.raw_os_error() == Some(libc::EINTR) => {
                        filled.get_or_insert_with(|| set_queue(0).is_ok());
                    }
                    answer => return (filled, answer.ok()),
                }
            }
        })?;
        target.thread().wait_parked(&[libc::SYS_read], 'S')?;
        let policy = ResendPolicy::new(
            Duration::from_millis(100),
            Duration::from_millis(50),
            Duration::from_millis(50),
        )?;
        let verdict = target.kill(&policy);
        assert!(
            matches!(
                verdict,
                Verdict::NoWakeUp {
                    obstacle: Obstacle::QueueFull,
                    effort: Effort { sends: 1, attempts: 2, .. }
                }
            ),
            "{verdict:?}"
        );
        sys::write(&to, b"!")?;
        assert_eq!(target.join()?, (Some(true), Some(1)));
        Ok(())
    });
}
