//! Claim: a thread may exit, and free its storage, at any moment of a kill: no kill touches the flags after they are
//! freed, none reaches a later thread's run, and every kill comes to an end.
//!
//! Within: 10,000 threads that exit at random moments, half of them in the middle of their run, one slot, two killers
//! (one on Windows) that never pause. The storage is two bytes on the heap, really freed by
//! [`ThreadStorage::free`]. In a plain run a use after free may go unseen; under AddressSanitizer it does not:
//!
//! ```text
//! RUSTFLAGS=-Zsanitizer=address cargo +nightly test --target x86_64-unknown-linux-gnu \
//!     -p forcekill-native-tests --test exit_while_killed
//! ```
//!
//! On Windows each publication has a handle, and a handle that is not closed, or closed twice, is found by counting: as many
//! are open at the end as at the beginning.
//!
//! Not covered: every interleaving (the models search those).

#![cfg(any(target_os = "linux", windows))]

use std::error::Error;
use std::hint;
use std::panic::resume_unwind;
use std::ptr::NonNull;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use forcekill::steps::{Attempt, Sound, Steps};
use forcekill::{
    ForeignFlags, InterruptFlags, Native, OwnedFlags, ResendPolicy, RunId, Slot, ThreadStorage, Wake,
};

type TestResult = Result<(), Box<dyn Error>>;

const ROUNDS: u32 = 10_000;
/// Of a thread that exits by itself.
const MOST_STEPS: u32 = 2_000;
/// One on Windows: a wake-up is two calls there, and under Wine each is a message to the one server that makes threads too.
const KILLERS: u32 = if cfg!(windows) { 1 } else { 2 };

/// One test at a time, which counts the process's handles before and after.
struct Alone {
    _lock: MutexGuard<'static, ()>,
    #[cfg(windows)]
    open_before: usize,
}

impl Alone {
    fn begin() -> Result<Self, Box<dyn Error>> {
        static ALONE: Mutex<()> = Mutex::new(());
        let lock = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
        // What the first thread and the first kill open for good is open from here on.
        thread::spawn(|| Slot::<Native>::new(Native::default()).occupy(OwnedFlags::new(), |_| ()))
            .join()
            .map_err(|_| "a thread panicked")?;
        Ok(Self {
            _lock: lock,
            #[cfg(windows)]
            open_before: forcekill_native_tests::handles::open_handles()?,
        })
    }

    /// Every thread has been joined.
    fn assert_nothing_leaked(&self) -> TestResult {
        #[cfg(windows)]
        {
            let open = forcekill_native_tests::handles::open_handles()?;
            println!("{} handles open before, {open} after", self.open_before);
            assert_eq!(open, self.open_before, "open handles");
        }
        Ok(())
    }
}

/// What an engine in C allocates for a thread.
struct Globals {
    timed_out: AtomicBool,
    vm_interrupt: AtomicBool,
}

/// Owns the globals by their bare address, as `ts_resource` and `ts_free_thread` do, and counts when they are freed.
struct CStorage {
    globals: NonNull<Globals>,
    freed: Arc<AtomicU32>,
}

impl CStorage {
    fn allocate(freed: &Arc<AtomicU32>) -> Self {
        let globals = Globals { timed_out: AtomicBool::new(false), vm_interrupt: AtomicBool::new(false) };
        Self { globals: NonNull::from(Box::leak(Box::new(globals))), freed: Arc::clone(freed) }
    }

    fn was_killed(&self) -> bool {
        // SAFETY: allocated above and freed by `free` alone, which takes the value.
        let globals = unsafe { self.globals.as_ref() };
        // Relaxed: a hint to leave.
        globals.vm_interrupt.load(Relaxed)
    }
}

impl ThreadStorage for CStorage {
    type Flags = ForeignFlags;

    fn flags(&self) -> ForeignFlags {
        // SAFETY: the slot drops the flags when it is cleared, which `occupy` does before it calls `free`. Everybody
        // uses the bytes as atomics.
        unsafe {
            let globals = self.globals.as_ref();
            ForeignFlags::new((&globals.timed_out).into(), (&globals.vm_interrupt).into())
        }
    }

    fn free(self) {
        // SAFETY: the address came from a box and is freed once: `self` is gone after this.
        drop(unsafe { Box::from_raw(self.globals.as_ptr()) });
        // Relaxed: a counter that is read when all threads are joined.
        self.freed.fetch_add(1, Relaxed);
    }
}

/// Storage on its way to the thread that it is for.
struct SendStorage(CStorage);

// SAFETY: made by one thread and moved to another before anybody uses it.
unsafe impl Send for SendStorage {}

impl SendStorage {
    fn into_inner(self) -> CStorage {
        self.0
    }
}

type ForeignSlot = Slot<Native, ForeignFlags>;

/// What one killer did.
#[derive(Debug, Default)]
struct Tally {
    sent: u64,
    too_late: u64,
    thread_gone: u64,
    kills_over: u64,
    kills_given_up: u64,
}

impl Tally {
    fn add(&mut self, other: Self) {
        self.sent += other.sent;
        self.too_late += other.too_late;
        self.thread_gone += other.thread_gone;
        self.kills_over += other.kills_over;
        self.kills_given_up += other.kills_given_up;
    }
}

/// Spins. Under Wine threads are made, and kills are carried out, by a server, which must come to the processor now and then;
/// elsewhere the blows come closer to the exits without that.
fn wait_a_moment(leave_the_processor: bool) {
    if cfg!(windows) && leave_the_processor {
        thread::yield_now();
    } else {
        hint::spin_loop();
    }
}

/// Attempts and whole kills at whatever run is open, until told to stop.
fn kill_without_pause(slot: &ForeignSlot, stop: &AtomicBool) -> Result<Tally, Box<dyn Error + Send + Sync>> {
    let policy =
        ResendPolicy::new(Duration::from_micros(200), Duration::from_micros(20), Duration::from_micros(50))?;
    let mut tally = Tally::default();
    // SeqCst: the strongest will do; it is read beside a system call.
    while !stop.load(SeqCst) {
        let Some(run) = slot.current_run() else {
            wait_a_moment(true);
            continue;
        };
        for nth in 1..=4 {
            match slot.attempt(run, nth) {
                Attempt::Made(Wake::Sent) => tally.sent += 1,
                Attempt::NotRunning => tally.too_late += 1,
                Attempt::Made(Wake::ThreadGone) => tally.thread_gone += 1,
                other => return Err(format!("{other:?}").into()),
            }
        }
        let over = slot.kill(run, &policy).is_over();
        tally.kills_over += u64::from(over);
        tally.kills_given_up += u64::from(!over);
    }
    Ok(tally)
}

/// How a thread leaves the engine.
#[derive(Clone, Copy)]
enum Exit {
    /// Its run ends, then it clears the slot: a script that returned or was killed.
    AfterItsRun,
    /// It clears the slot with its run still open: a bailout that escaped.
    InsideItsRun,
}

/// Works until it sees a kill or a random number of steps is done, whichever comes first, and exits.
fn live_and_exit(slot: &ForeignSlot, storage: CStorage, exit: Exit, most_steps: u32) -> RunId {
    let work = |storage: &CStorage| {
        let steps = fastrand::u32(0..=most_steps);
        (0..steps).any(|step| {
            wait_a_moment(step % MOST_STEPS == MOST_STEPS - 1);
            storage.was_killed()
        });
    };
    // SAFETY: cleared below on every path, before the storage is freed and before the thread exits: nothing in between
    // panics.
    let publication = unsafe { slot.publish(storage.flags()) };
    let run = slot.begin_run(publication);
    work(&storage);
    match exit {
        Exit::AfterItsRun => slot.end_run(publication, run),
        Exit::InsideItsRun => {}
    }
    // The library's own order of clearing and freeing.
    <Sound as Steps<Native, ForeignFlags>>::leave(slot, publication, storage);
    run
}

#[test]
fn ten_thousand_threads_exit_while_being_killed() -> TestResult {
    let alone = Alone::begin()?;
    let slot = Arc::new(ForeignSlot::new(Native::default()));
    let (stop, freed) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let killers: Vec<_> = (0..KILLERS)
        .map(|_| {
            let (slot, stop) = (Arc::clone(&slot), Arc::clone(&stop));
            thread::spawn(move || kill_without_pause(&slot, &stop))
        })
        .collect();
    let ends = Arc::clone(&slot);
    let started = Instant::now();
    for round in 0..ROUNDS {
        let (slot, storage) = (Arc::clone(&slot), SendStorage(CStorage::allocate(&freed)));
        // Every other one stays until a killer has hit it, so that it leaves in the middle of the blows.
        let exit = if round % 2 == 0 { Exit::AfterItsRun } else { Exit::InsideItsRun };
        let most_steps = if round % 4 < 2 { MOST_STEPS } else { u32::MAX };
        let thread = thread::spawn(move || live_and_exit(&slot, storage.into_inner(), exit, most_steps));
        let run = thread.join().map_err(|_| "a thread panicked")?;
        assert!(ends.wait_ended(run, Duration::ZERO), "the run counts as open although its thread has left");
    }
    let took = started.elapsed();
    stop.store(true, SeqCst);
    let mut total = Tally::default();
    for killer in killers {
        total.add(killer.join().map_err(|_| "a killer panicked")?.map_err(|error| error.to_string())?);
    }
    println!("{ROUNDS} threads exited while being killed, in {took:.1?}: {total:?}");
    assert_eq!(total.thread_gone, 0, "a signal was sent to a thread that had exited");
    assert!(total.sent > 0 && total.too_late > 0, "the kills never met the exits");
    // Relaxed: all the threads that freed have been joined.
    assert_eq!(freed.load(Relaxed), ROUNDS);
    assert_eq!(slot.current_run(), None);
    alone.assert_nothing_leaked()
}

#[test]
fn a_panic_while_being_killed_frees_the_storage_once_and_after_the_kill() -> TestResult {
    const PANICS: u32 = 200;
    let alone = Alone::begin()?;
    let slot = Arc::new(ForeignSlot::new(Native::default()));
    let freed = Arc::new(AtomicU32::new(0));
    for _ in 0..PANICS {
        let storage = SendStorage(CStorage::allocate(&freed));
        let thread = thread::spawn({
            let slot = Arc::clone(&slot);
            move || {
                let storage = storage.into_inner();
                let view = storage.flags();
                // Moved in, because it must not outlive the storage.
                slot.occupy(storage, move |occupied| {
                    occupied.run(|_| {
                        while !view.consume_interrupt() {
                            hint::spin_loop();
                        }
                        // Unwinds without the message that a panic prints.
                        resume_unwind(Box::new("killed"));
                    });
                });
            }
        });
        let run = loop {
            match slot.current_run() {
                Some(run) => break run,
                None => hint::spin_loop(),
            }
        };
        let verdict = slot.kill(run, &ResendPolicy::default());
        assert!(verdict.is_over(), "{verdict}");
        assert!(thread.join().is_err(), "the panic was swallowed");
        assert_eq!(slot.current_run(), None);
    }
    // Relaxed: all the threads that freed have been joined.
    assert_eq!(freed.load(Relaxed), PANICS);
    alone.assert_nothing_leaked()
}
