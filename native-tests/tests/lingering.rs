//! Claim: a thread is counted from before its spawn to after its last touch of what it was given, whatever way it takes out:
//! a return, a panic, a spawn that fails. So zero is never seen between a thread and the successor that it spawns.
//!
//! Within: real threads; a chain of successors beside one who waits for zero; a process whose threads ask for so much stack
//! that the system refuses one. Not covered: destructors of thread-local values, which run after the thread is counted out.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::panic::resume_unwind;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use forcekill::{Lingering, Native, Platform, StillLingering, Thread};
use forcekill_native_tests::child::in_own_process_with;
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::worker::patience;

type TestResult = Result<(), Box<dyn Error>>;

fn count_and_thread() -> (Native, Lingering<Native>, Arc<Thread>) {
    let platform = Native::default();
    (platform, Lingering::new(&platform), Arc::new(Thread::new(platform, 0)))
}

#[test]
fn a_thread_is_counted_when_its_spawn_returns_and_when_it_begins() -> TestResult {
    let (platform, lingering, thread) = count_and_thread();
    for _ in 0..100 {
        let ((tell, told), (end, ends)) = (mpsc::channel(), mpsc::channel());
        let own = lingering.clone();
        thread.spawn(&lingering, move || {
            // Both fail only if the test has given up.
            let _ = tell.send(own.count());
            let _ = ends.recv();
        })?;
        assert_eq!(lingering.count(), 1, "a thread that was spawned is not counted");
        assert_eq!(told.recv()?, 1, "a thread that runs is not counted");
        end.send(())?;
        lingering.wait_none(patience(&platform))?;
        assert_eq!(lingering.count(), 0);
    }
    Ok(())
}

/// Spawns its successor as the last thing that it does.
fn link(thread: &Arc<Thread>, lingering: &Lingering<Native>, ended: &Arc<AtomicU32>, left: u32) {
    if left > 0 {
        let (own, count, total) = (Arc::clone(thread), lingering.clone(), Arc::clone(ended));
        let spawned = thread.spawn(lingering, move || link(&own, &count, &total, left - 1));
        spawned.expect("the system refuses a thread");
    }
    ended.fetch_add(1, SeqCst);
}

#[test]
fn zero_is_not_seen_between_a_thread_and_its_successor() -> TestResult {
    const LINKS: u32 = 300;
    let (platform, lingering, thread) = count_and_thread();
    let ended = Arc::new(AtomicU32::new(0));
    link(&thread, &lingering, &ended, LINKS);
    // One that waits, and one that only looks.
    lingering.wait_none(patience(&platform))?;
    assert_eq!(ended.load(SeqCst), LINKS + 1, "zero was seen while the chain went on");

    link(&thread, &lingering, &ended, LINKS);
    while lingering.count() > 0 {
        thread::yield_now();
    }
    assert_eq!(ended.load(SeqCst), 2 * (LINKS + 1), "zero was seen while the chain went on");
    Ok(())
}

/// Sees, when it is dropped, how many threads are counted.
struct Captured {
    lingering: Lingering<Native>,
    seen: mpsc::Sender<usize>,
}

impl Drop for Captured {
    fn drop(&mut self) {
        let _ = self.seen.send(self.lingering.count());
    }
}

#[test]
fn a_thread_is_counted_out_after_its_last_touch_even_if_it_panics() -> TestResult {
    let (platform, lingering, thread) = count_and_thread();
    for panics in [false, true] {
        let (seen, sees) = mpsc::channel();
        let captured = Captured { lingering: lingering.clone(), seen };
        thread.spawn(&lingering, move || {
            let _captured = captured;
            if panics {
                // Without the message that a panic prints.
                resume_unwind(Box::new("in a thread of the engine's"));
            }
        })?;
        assert_eq!(sees.recv()?, 1, "what it was given was dropped after it was counted out");
        lingering.wait_none(patience(&platform))?;
    }
    Ok(())
}

#[test]
fn a_wait_for_none_ends_at_its_deadline_and_says_how_many_there_are() -> TestResult {
    let (platform, lingering, _) = count_and_thread();
    let registrations = [lingering.register(), lingering.register()];
    for deadline in [Duration::ZERO, platform.now() + Duration::from_millis(20)] {
        assert_eq!(lingering.wait_none(deadline), Err(StillLingering { threads: 2 }));
        assert!(platform.now() >= deadline);
    }
    let [one, other] = registrations;
    drop(one);
    let error = lingering.wait_none(platform.now()).map_err(|error| error.to_string());
    assert_eq!(error, Err("1 thread had not exited when the deadline passed".to_owned()));
    drop(other);
    // Zero is seen even if the deadline has passed.
    assert_eq!(lingering.wait_none(Duration::ZERO), Ok(()));
    Ok(())
}

#[test]
fn a_wait_for_none_sleeps_until_the_last_is_counted_out() -> TestResult {
    let (platform, lingering, _) = count_and_thread();
    let (one, other) = (lingering.register(), lingering.clone().register());
    let (begun, begins) = mpsc::channel();
    let waiter = thread::spawn({
        let lingering = lingering.clone();
        move || {
            let _ = begun.send(KernelThread::current());
            lingering.wait_none(patience(&platform))
        }
    });
    let kernel = begins.recv()?;
    kernel.wait_parked(&[libc::SYS_futex], 'S')?;
    drop(one);
    kernel.wait_parked(&[libc::SYS_futex], 'S')?;
    assert!(!waiter.is_finished(), "one is still counted");
    drop(other);
    waiter.join().unwrap_or_else(|panic| resume_unwind(panic))?;
    Ok(())
}

/// Each thread asks for a stack that is larger than any address space. A limit on memory would do as well, but an emulator of
/// another processor does not hand it on to the system.
#[test]
fn a_thread_that_the_system_refuses_is_counted_out() {
    let stack = [("RUST_MIN_STACK", "1152921504606846976")];
    in_own_process_with("a_thread_that_the_system_refuses_is_counted_out", &stack, || {
        let (_, lingering, thread) = count_and_thread();
        let refused = thread.spawn(&lingering, || {});
        assert_eq!(refused.map_err(|error| error.errno), Err(Some(libc::EAGAIN)));
        assert_eq!(lingering.count(), 0, "nothing runs, and it is counted");
        assert_eq!(lingering.wait_none(Duration::ZERO), Ok(()));
    });
}
