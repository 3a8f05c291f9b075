//! How executions and threads end: deadlocks, panics, and being cut off.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use forcekill::platform::{Flag as _, Lock as _, Monitor as _};
use forcekill_models::explorer::view::{Strategy, View};
use forcekill_models::explorer::{Coroutines, Flag, Lock, Monitor, Program, ShuttleProgram, spawn};
use forcekill_models::search::quiet;

use crate::dfs::{Dfs, explore};

#[test]
fn locks_taken_crosswise_deadlock() {
    let dfs = explore(|| {
        let locks = Arc::new((Lock::new(()), Lock::new(())));
        let other = locks.clone();
        let thread = spawn(move || other.1.exclusive(|()| other.0.exclusive(|()| ())));
        locks.0.exclusive(|()| locks.1.exclusive(|()| ()));
        thread.join().unwrap();
    });
    assert_eq!(dfs.deadlocks, BTreeSet::from([vec![0, 1]]));
    assert!(dfs.keys.len() > 1, "not every execution deadlocks");
    assert!(dfs.panics.is_empty());
}

#[test]
fn a_wait_that_nobody_satisfies_is_a_deadlock_of_who_waits_and_who_joins() {
    let dfs = explore(|| {
        let state = Arc::new(Monitor::new(false));
        let (waiter, idler) = (state.clone(), state.clone());
        let waiter = spawn(move || waiter.wait(|value| value.then_some(())));
        let idler = spawn(move || idler.with(|_| ()));
        idler.join().unwrap();
        waiter.join().unwrap();
    });
    assert_eq!(dfs.deadlocks, BTreeSet::from([vec![0, 1]]));
    assert_eq!(dfs.executions, 1);
}

#[test]
fn a_panic_is_an_outcome_and_the_others_run_on() {
    let ran_on = AtomicUsize::new(0);
    let dfs = explore(|| {
        let flag = Arc::new(Flag::new(false));
        let (setter, reader) = (flag.clone(), flag.clone());
        let setter = spawn(move || setter.store(true, SeqCst));
        let reader = spawn(move || assert!(!reader.load(SeqCst), "it is up"));
        setter.join().unwrap();
        let joined = reader.join();
        let expected = Err("it is up".to_string());
        assert!(joined == Ok(()) || joined == expected);
        ran_on.fetch_add(1, SeqCst);
    });
    assert_eq!((dfs.executions, ran_on.into_inner()), (2, 4), "both runtimes have run two");
    assert_eq!(dfs.panics, BTreeSet::from([(2, "it is up".to_string())]));
    assert_eq!(dfs.keys.len(), 2);
}

#[test]
fn a_section_that_panics_releases_its_lock() {
    let dfs = explore(|| {
        let lock = Arc::new(Lock::new(0));
        let flag = Arc::new(Flag::new(false));
        for announces in [false, true] {
            let (lock, flag) = (lock.clone(), flag.clone());
            let thread = spawn(move || {
                lock.exclusive(|_| {
                    if announces {
                        flag.load(SeqCst);
                    }
                    panic!("inside")
                })
            });
            assert_eq!(thread.join(), Err("inside".to_string()));
        }
        assert_eq!(lock.shared(|value| *value), 0);
    });
    assert!(dfs.deadlocks.is_empty());
    assert_eq!(dfs.panics.len(), 2);
}

#[test]
fn a_panic_in_a_monitor_is_that_of_its_thread() {
    let dfs = explore(|| {
        let state = Arc::new(Monitor::new(0));
        let (broken, waits) = (state.clone(), state.clone());
        let broken = spawn(move || broken.with(|_| panic!("in a section")));
        let waits = spawn(move || waits.wait(|_| -> Option<()> { panic!("in a wait") }));
        assert!(broken.join().is_err() && waits.join().is_err());
        assert_eq!(state.with(|value| *value), 0);
    });
    assert!(dfs.deadlocks.is_empty());
    let messages: BTreeSet<_> = dfs.panics.iter().map(|(_, message)| message.as_str()).collect();
    assert_eq!(messages, BTreeSet::from(["in a section", "in a wait"]));
}

/// Counts those that live.
struct Counted(Arc<AtomicUsize>);

impl Counted {
    fn new(living: &Arc<AtomicUsize>) -> Self {
        living.fetch_add(1, SeqCst);
        Self(living.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

fn many_steps(living: &Arc<AtomicUsize>) {
    for _ in 0..3 {
        let counted = Counted::new(living);
        spawn(move || {
            let flag = Flag::new(false);
            (0..10).for_each(|_| {
                flag.load(SeqCst);
            });
            drop(counted);
        });
    }
}

#[test]
fn what_is_cut_off_is_run_to_its_end() {
    let living = Arc::new(AtomicUsize::new(0));
    let mut dfs = Dfs { cut: Some(4), ..Dfs::default() };
    Coroutines::new(|| {
        assert_eq!(living.load(SeqCst), 0, "nothing is left of the execution before");
        many_steps(&living);
    })
    .run(&mut dfs);
    assert_eq!(dfs.executions, 81);
    assert_eq!(living.load(SeqCst), 0);
}

#[test]
fn what_is_deadlocked_is_unwound() {
    let living = Arc::new(AtomicUsize::new(0));
    let dfs = explore(|| {
        assert_eq!(living.load(SeqCst), 0, "nothing is left of the execution before");
        let state = Arc::new(Monitor::new(0));
        for wanted in [1, 2] {
            let (state, counted) = (state.clone(), Counted::new(&living));
            spawn(move || {
                let _counted = counted;
                state.wait(|value| (*value == wanted).then(|| *value -= 1));
            });
        }
        let inner = Counted::new(&living);
        let child = spawn(move || {
            let _inner = inner;
            Lock::new(0).exclusive(|_| Monitor::new(0).wait(|_| None::<()>));
        });
        state.with(|value| *value = 1);
        child.join().unwrap();
    });
    assert_eq!(dfs.deadlocks, BTreeSet::from([vec![0, 2, 3]]));
    assert!(dfs.panics.is_empty(), "{:?}", dfs.panics);
    assert_eq!(living.load(SeqCst), 0);
}

/// Uses a monitor when it is dropped.
struct Leaves(Arc<Monitor<u32>>);

impl Drop for Leaves {
    fn drop(&mut self) {
        self.0.with(|value| *value += 1);
        self.0.wait(|value| (*value > 0).then_some(()));
    }
}

#[test]
fn destructors_may_use_objects_also_while_their_thread_is_unwound() {
    let left = Mutex::new(BTreeSet::new());
    let dfs = explore(|| {
        let state = Arc::new(Monitor::new(0));
        let panics = Leaves(state.clone());
        let thread = spawn(move || {
            let _panics = panics;
            panic!("leaves");
        });
        assert!(thread.join().is_err());
        left.lock().unwrap().insert(state.with(|value| *value));
        let _deadlocked = Leaves(state.clone());
        state.wait(|value| (*value > 1).then_some(()));
    });
    assert_eq!(dfs.deadlocks, BTreeSet::from([vec![0]]));
    assert_eq!(left.into_inner().unwrap(), BTreeSet::from([1]));
}

/// Waits for ever when it is dropped.
struct NeverLeaves(Monitor<u32>);

impl Drop for NeverLeaves {
    fn drop(&mut self) {
        self.0.wait(|_| None::<()>);
    }
}

/// shuttle would print what it thinks of it, so this is for the explorer's own runtime alone.
#[test]
fn a_destructor_that_waits_for_ever_is_a_deadlock_and_does_not_end_the_process() {
    let mut dfs = Dfs::default();
    Coroutines::new(|| {
        spawn(|| {
            let _never = NeverLeaves(Monitor::new(0));
            panic!("leaves");
        });
        spawn(|| {
            let flag = Flag::new(false);
            flag.load(SeqCst);
            Monitor::new(0).wait(|_| None::<()>);
        });
        let flag = Flag::new(false);
        flag.load(SeqCst);
    })
    .run(&mut dfs);
    assert_eq!(dfs.executions, 2);
    assert_eq!(dfs.deadlocks, BTreeSet::from([vec![1, 2]]));
}

#[test]
fn a_loop_that_waits_for_others_is_cut_off_and_drained() {
    let mut dfs = Dfs { cut: Some(6), ..Dfs::default() };
    Coroutines::new(|| {
        let state = Arc::new(Monitor::new(false));
        let setter = state.clone();
        spawn(move || setter.with(|value| *value = true));
        while state.wait_until(std::time::Duration::ZERO, |value| value.then_some(())).is_none() {}
    })
    .run(&mut dfs);
    assert!(dfs.deadlocks.is_empty());
    assert_eq!(dfs.executions, 6 + 1, "the store comes after 0 to 5 looks, or not in time");
}

#[test]
fn mistakes_end_the_search_with_clear_words() {
    let message = |scenario: fn()| {
        quiet::catch(|| Coroutines::new(scenario).run(&mut Dfs::default())).expect_err("the search ends")
    };
    if cfg!(debug_assertions) {
        let impure = message(|| {
            Monitor::new(0).wait(|value| {
                *value += 1;
                None::<()>
            });
        });
        assert!(impure.contains("impure") && impure.contains("made 1 of 0"), "{impure}");
    }
    let outside = quiet::catch(|| Monitor::new(0)).expect_err("there is no execution");
    assert!(outside.contains("under the explorer"), "{outside}");
}

/// Panics at the third choice, or chooses a thread that is not enabled.
struct Broken {
    choices: usize,
    chooses: Option<usize>,
}

impl Strategy for Broken {
    fn begin(&mut self) -> bool {
        true
    }

    fn choose(&mut self, view: &impl View) -> Option<usize> {
        self.choices += 1;
        assert!(self.choices < 3, "the strategy is broken");
        self.chooses.or(view.enabled().first())
    }

    fn end(&mut self, _view: &impl View) {}
}

#[test]
fn a_strategy_that_panics_ends_the_search_and_leaves_nothing_behind() {
    let living = Arc::new(AtomicUsize::new(0));
    for (chooses, words) in [(None, "the strategy is broken"), (Some(0), "thread 0 was chosen")] {
        let broken = || Broken { choices: 0, chooses };
        let own = quiet::catch(|| Coroutines::new(|| many_steps(&living)).run(&mut broken()));
        assert!(own.expect_err("it panics").contains(words));
        let shuttle = quiet::catch(|| ShuttleProgram::new(|| many_steps(&living)).run(&mut broken()));
        assert!(shuttle.expect_err("it panics").contains(words));
        assert_eq!(living.load(SeqCst), 0);
        // The next search is not disturbed.
        assert_eq!(explore(|| spawn(|| ()).join().unwrap()).executions, 1);
    }
}

#[test]
fn a_search_inside_another_is_refused() {
    let dfs = explore(|| {
        explore(|| ());
    });
    let (_, message) = dfs.panics.first().expect("it panics");
    assert!(message.contains("inside another one"), "{message}");
}

/// Looks at who has joined whom, at the end of each execution.
#[derive(Default)]
struct Joins {
    dfs: Dfs,
    seen: BTreeSet<(Option<usize>, Vec<usize>)>,
}

impl Strategy for Joins {
    fn begin(&mut self) -> bool {
        self.dfs.begin()
    }

    fn choose(&mut self, view: &impl View) -> Option<usize> {
        self.dfs.choose(view)
    }

    fn end(&mut self, view: &impl View) {
        self.dfs.end(view);
        let thread = |thread| (view.creator(thread), view.joined(thread).iter().collect());
        self.seen.extend((0..view.threads()).map(thread));
    }
}

#[test]
fn the_view_tells_who_created_and_who_joined_a_thread() {
    let mut joins = Joins::default();
    Coroutines::new(|| {
        let child = spawn(|| {
            let own = Flag::new(false);
            let grandchild = spawn(|| Flag::new(false).load(SeqCst));
            own.load(SeqCst);
            grandchild.join()
        });
        assert_eq!(child.join(), Ok(Ok(false)));
    })
    .run(&mut joins);
    // Whom a child has joined counts for who joins the child.
    let expected = [(None, vec![1, 2]), (Some(0), vec![2]), (Some(1), vec![])];
    assert_eq!(joins.seen, BTreeSet::from(expected));
}

#[test]
fn a_section_that_uses_another_object_is_refused() {
    let dfs = explore(|| {
        let (outer, inner) = (Monitor::new(0), Flag::new(false));
        outer.with(|_| inner.load(SeqCst));
    });
    let (_, message) = dfs.panics.first().expect("it panics");
    assert!(message.contains("it must be pure"), "{message}");
}
