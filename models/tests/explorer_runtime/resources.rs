//! Many executions: nothing is left behind, several searches at once.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;

use forcekill::platform::{Flag as _, Monitor as _};
use forcekill_models::explorer::{Coroutines, Flag, Monitor, Program, spawn};

use crate::dfs::Dfs;

/// Some executions deadlock, some panic, some end well.
fn mixed() {
    let state = Arc::new(Monitor::new(vec![0_u64; 100]));
    let flag = Arc::new(Flag::new(false));
    for nth in 0..4 {
        let (state, flag) = (state.clone(), flag.clone());
        spawn(move || {
            flag.store(nth % 2 == 0, SeqCst);
            if nth == 3 {
                state.wait(|values| (values[0] < 2).then(|| values[0] += 1));
            } else {
                state.with(|values| values[0] += 1);
            }
            assert!(nth != 2 || flag.load(SeqCst), "the flag is down");
        });
    }
}

#[cfg(target_os = "linux")]
fn pages() -> (u64, u64) {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    let mut words = text.split(' ').map(|word| word.parse().unwrap());
    (words.next().unwrap(), words.next().unwrap())
}

#[cfg(target_os = "linux")]
#[test]
fn many_executions_take_no_more_memory_than_few() {
    let run = || {
        let mut dfs = Dfs::default();
        Coroutines::new(mixed).run(&mut dfs);
        dfs
    };
    let dfs = run();
    let (mapped, resident) = pages();
    (0..20).for_each(|_| assert_eq!(run().executions, dfs.executions));
    let (mapped_after, resident_after) = pages();
    assert_eq!(dfs.executions, 4860);
    assert!(!dfs.panics.is_empty() && !dfs.deadlocks.is_empty(), "each end is among them");
    // A leaked stack would be 65 pages of each of thousands of executions; other tests run beside this one.
    assert!(mapped_after < mapped + 30_000, "{mapped} pages were mapped, then {mapped_after}");
    assert!(resident_after < resident + 10_000, "{resident} pages were resident, then {resident_after}");
}

#[test]
fn searches_on_several_os_threads_do_not_meet() {
    let program = Coroutines::new(|| {
        let counter = Arc::new(Monitor::new(0));
        for nth in 1..=4 {
            let counter = counter.clone();
            spawn(move || {
                counter.with(move |value| *value += nth);
                counter.with(|value| *value *= 2);
            });
        }
    });
    let search = || {
        let mut dfs = Dfs::default();
        program.run(&mut dfs);
        (dfs.executions, dfs.keys)
    };
    let (here, there) = std::thread::scope(|scope| {
        let there = scope.spawn(search);
        (search(), there.join().unwrap())
    });
    assert_eq!(here.0, 2520, "8! / (2! 2! 2! 2!)");
    assert_eq!(here, there);
}

#[test]
fn an_object_of_another_execution_is_refused() {
    let kept = std::sync::Mutex::new(None);
    let mut dfs = Dfs::default();
    Coroutines::new(|| {
        let flag = kept.lock().unwrap().replace(Arc::new(Flag::new(false)));
        let own = Flag::new(false);
        let two = spawn(|| Flag::new(false).load(SeqCst));
        own.load(SeqCst);
        two.join().unwrap();
        flag.inspect(|flag| {
            flag.load(SeqCst);
        });
    })
    .run(&mut dfs);
    assert_eq!(dfs.executions, 2);
    let (_, message) = dfs.panics.first().expect("the second execution panics");
    assert!(message.contains("another execution"), "{message}");
}
