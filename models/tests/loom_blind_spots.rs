//! Small programs whose failure loom's unbounded search does not find, although its documentation calls it exhaustive, each
//! with what does find it. If loom finds one some day, its test fails: then docs/MODELS.md and `Reads` or `Probe` say too
//! much, and the test can go.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use forcekill::platform::{Flag as _, Lock as _};
use forcekill_models::explorer::search::{Kind, Observer, Settings, Verdict, search};
use forcekill_models::explorer::view::{Thread, View};
use forcekill_models::explorer::{self, Coroutines};
use forcekill_models::search::quiet;
use forcekill_models::stage::Probe;

/// What every program below says when it fails.
const FAILED: &str = "the interleaving that counts";

/// Whether loom finds the program's failure, with at most so many preemptions.
fn loom_finds(preemption_bound: Option<usize>, program: impl Fn() + Send + Sync + 'static) -> bool {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = preemption_bound;
    is_failure(quiet::catch(|| builder.check(program)))
}

/// Whether shuttle's depth-first search finds it.
fn shuttle_finds(program: impl Fn() + Send + Sync + 'static) -> bool {
    is_failure(quiet::catch(|| shuttle::check_dfs(program, None)))
}

fn is_failure(searched: Result<(), String>) -> bool {
    let is_other = |message: &String| !message.contains(FAILED) && !message.contains("Causality violation");
    if let Some(message) = searched.as_ref().err().filter(|message| is_other(message)) {
        panic!("the program failed in another way: {message}");
    }
    searched.is_err()
}

/// Stops at the first execution in which the main thread fails.
struct MainFails;

impl Observer for MainFails {
    fn ended(&mut self, view: &impl View, _choices: &[Thread]) -> Verdict {
        let failed = view.panicked(0).is_some_and(|message| message.contains(FAILED));
        if failed { Verdict::Stop } else { Verdict::Continue }
    }

    fn merge(&mut self, _later: Self) {}
}

/// Whether the explorer finds it.
fn explorer_finds(program: impl Fn() + Sync) -> bool {
    let settings = Settings { workers: 1, ..Settings::default() };
    search(&Coroutines::new(program), Kind::SleepSets, &settings, || MainFails).failure.is_some()
}

/// Who waits, and who of them was called first.
#[derive(Default)]
struct Queue {
    waiting: u8,
    first_called: Option<u8>,
}

/// The programs, over the primitives of a checker whose names are those of the standard library.
macro_rules! programs {
    ($name:ident, $checker:ident) => {
        mod $name {
            use std::sync::Arc;
            use std::sync::atomic::Ordering::SeqCst;

            use $checker::sync::atomic::AtomicUsize;
            use $checker::sync::{Condvar, Mutex};
            use $checker::thread::{spawn, yield_now};

            use super::{FAILED, Queue};

            /// One thread loads what is stored after another thread's load.
            pub(super) fn two_loads(load: fn(&AtomicUsize) -> usize) {
                let x = Arc::new(AtomicUsize::new(0));
                let [for_a, for_b] = [Arc::clone(&x), Arc::clone(&x)];
                let a = spawn(move || load(&for_a));
                spawn(move || load(&for_b)).join().unwrap();
                x.store(1, SeqCst);
                assert_eq!(a.join().unwrap(), 0, "{FAILED}");
            }

            pub(super) fn plainly(x: &AtomicUsize) -> usize {
                x.load(SeqCst)
            }

            pub(super) fn by_read_modify_write(x: &AtomicUsize) -> usize {
                x.fetch_add(0, SeqCst)
            }

            /// A lock is tried while another thread holds it.
            pub(super) fn tried_lock(touch: impl Fn() + Clone + Send + 'static) {
                let lock = Arc::new(Mutex::new(()));
                let holder = spawn({
                    let (lock, touch) = (Arc::clone(&lock), touch.clone());
                    move || {
                        let _held = lock.lock().unwrap();
                        touch();
                    }
                });
                touch();
                assert!(lock.try_lock().is_ok(), "{FAILED}");
                holder.join().unwrap();
            }

            /// A thread looks twice for what comes late, and yields between.
            pub(super) fn two_looks() {
                let x = Arc::new(AtomicUsize::new(0));
                let for_setter = Arc::clone(&x);
                let setter = spawn(move || for_setter.store(1, SeqCst));
                let seen = (0..3).any(|_| {
                    let seen = x.load(SeqCst) == 1;
                    yield_now();
                    seen
                });
                setter.join().unwrap();
                assert!(seen, "{FAILED}");
            }

            /// Two threads wait, and one is notified: the first of them, or not.
            pub(super) fn one_notification() {
                let shared = Arc::new((Mutex::new(Queue::default()), Condvar::new(), Condvar::new()));
                let wait = |(queue, arrived, called): &(Mutex<Queue>, Condvar, Condvar)| {
                    let mut queue = queue.lock().unwrap();
                    queue.waiting += 1;
                    let place = queue.waiting;
                    arrived.notify_one();
                    called.wait(queue).unwrap().first_called.get_or_insert(place);
                    called.notify_one();
                };
                let waiters =
                    [Arc::clone(&shared), Arc::clone(&shared)].map(|shared| spawn(move || wait(&shared)));
                let (queue, arrived, called) = &*shared;
                let mut both = queue.lock().unwrap();
                while both.waiting < 2 {
                    both = arrived.wait(both).unwrap();
                }
                drop(both);
                called.notify_one();
                for waiter in waiters {
                    waiter.join().unwrap();
                }
                assert_eq!(queue.lock().unwrap().first_called, Some(1), "{FAILED}");
            }
        }
    };
}
programs!(on_loom, loom);
programs!(on_shuttle, shuttle);

/// loom remembers one last access of an atomic (loom issues 166 and 392).
#[test]
fn a_load_is_not_raced_with_a_store_after_another_load() {
    assert!(!loom_finds(None, || on_loom::two_loads(on_loom::plainly)));
    assert!(loom_finds(Some(1), || on_loom::two_loads(on_loom::plainly)));
    assert!(shuttle_finds(|| on_shuttle::two_loads(on_shuttle::plainly)));
    assert!(explorer_finds(|| {
        let x = Arc::new(explorer::Flag::new(false));
        let [for_a, for_b] = [Arc::clone(&x), Arc::clone(&x)];
        let a = explorer::spawn(move || for_a.load(SeqCst));
        explorer::spawn(move || for_b.load(SeqCst)).join().unwrap();
        x.store(true, SeqCst);
        assert!(!a.join().unwrap(), "{FAILED}");
    }));
}

/// What [`Reads::ReadModifyWrite`](forcekill_models::stage::Reads) is for: the same program, and loom finds it.
#[test]
fn loads_that_are_read_modify_writes_are_raced_with_every_store() {
    assert!(loom_finds(None, || on_loom::two_loads(on_loom::by_read_modify_write)));
    assert!(shuttle_finds(|| on_shuttle::two_loads(on_shuttle::by_read_modify_write)));
}

/// To loom, unlocking is no choice, so that nobody looks between a lock and its release. The probe lets it.
#[test]
fn a_lock_that_is_tried_is_never_held_by_another_thread() {
    assert!(!loom_finds(None, || on_loom::tried_lock(|| ())));
    assert!(loom_finds(None, || {
        let probe = Probe::new(true);
        on_loom::tried_lock(move || probe.touch());
    }));
    assert!(shuttle_finds(|| on_shuttle::tried_lock(|| ())));
}

/// Two threads change plain data under the same read lock.
fn two_readers(probe: &Probe) {
    let shared = Arc::new((loom::sync::RwLock::new(()), Plain(loom::cell::UnsafeCell::new(0))));
    let change = |(lock, plain): &(loom::sync::RwLock<()>, Plain), probe: &Probe| {
        let _held = lock.read().unwrap();
        probe.touch();
        // SAFETY: the pointer is valid inside the closure; loom ends the execution if another access is concurrent.
        plain.0.with_mut(|data| unsafe { *data += 1 });
        probe.touch();
    };
    let (other, its_probe) = (Arc::clone(&shared), probe.clone());
    let other = loom::thread::spawn(move || change(&other, &its_probe));
    change(&shared, probe);
    other.join().unwrap();
}

/// Plain data, for loom to watch.
struct Plain(loom::cell::UnsafeCell<u8>);

// SAFETY: loom runs one thread at a time, and checks that accesses are ordered.
unsafe impl Send for Plain {}
// SAFETY: as above.
unsafe impl Sync for Plain {}

/// In loom's eyes the second reader comes after the first one's release.
#[test]
fn overlapping_readers_do_not_race_on_plain_data() {
    assert!(!loom_finds(None, || two_readers(&Probe::new(false))));
    assert!(loom_finds(None, || two_readers(&Probe::new(true))));
    // The explorer has no plain data; that both find the data as it was before the other says the same.
    assert!(explorer_finds(|| {
        let shared = Arc::new((explorer::Lock::new(()), explorer::Flag::new(false)));
        let is_first = |(lock, data): &(explorer::Lock<()>, explorer::Flag)| {
            lock.shared(|()| {
                let is_first = !data.load(SeqCst);
                data.store(true, SeqCst);
                is_first
            })
        };
        let for_other = Arc::clone(&shared);
        let other = explorer::spawn(move || is_first(&for_other));
        let mine = is_first(&shared);
        assert!(!(other.join().unwrap() && mine), "{FAILED}");
    }));
}

/// A thread that has yielded runs again only after another one has: looking twice looks like waiting.
#[test]
fn a_thread_that_yields_is_not_run_again_at_once() {
    assert!(!loom_finds(None, on_loom::two_looks));
    assert!(shuttle_finds(on_shuttle::two_looks));
}

/// loom notifies whoever has waited longest.
#[test]
fn a_notification_goes_to_the_first_who_waits() {
    assert!(!loom_finds(None, on_loom::one_notification));
    assert!(shuttle_finds(on_shuttle::one_notification));
}
