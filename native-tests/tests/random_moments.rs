//! Claim: of 100,000 kills at random moments, with both threads on one processor, the default policy loses none; and no
//! kill, and no late signal of one, hits a later run.
//!
//! The same loop with one signal a kill shows what is at stake: it counts those after which the kernel shows the thread
//! asleep in its call, although the signal has been delivered. Each of them would have slept for ever.
//!
//! Within: one killer, one thread, a script of up to 60,000 straight-line steps between its check and `read`. A single
//! processor makes the kill preempt the script at any instruction. Not covered: other calls (`blocking_calls`), more
//! killers (`two_killers`). Nothing is claimed about *how many* single signals are lost.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::hint;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::ptr;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::mpsc::{self, Receiver};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use forcekill::steps::Attempt;
use forcekill::{
    InterruptFlags, KillSignal, Native, OwnedFlags, Platform, ResendPolicy, RunId, Slot, Verdict, Wake,
};
use forcekill_native_tests::parked::{Activity, KernelThread};
use forcekill_native_tests::sys;

type TestResult = Result<(), Box<dyn Error>>;

const KILLS: u32 = 100_000;
const MOST_STEPS: u32 = 60_000;

/// The two loops would disturb each other's moments.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// A thread that runs one script after the other, each of which blocks until it is killed.
struct Victim {
    slot: Arc<Slot<Native>>,
    thread: KernelThread,
    pipe: OwnedFd,
    stop: Arc<AtomicBool>,
    /// `EINTR`s that a run saw with its flags down: signals of a kill that was not its own.
    strays: Arc<AtomicU32>,
    runs: Receiver<RunId>,
    handle: JoinHandle<io::Result<()>>,
}

impl Victim {
    fn boot() -> Result<Self, Box<dyn Error>> {
        let slot = Arc::new(Slot::<Native>::new(Native::default()));
        let (from, to) = sys::pipe()?;
        let (stop, strays) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
        let (begun, runs) = mpsc::channel();
        let (started, starts) = mpsc::channel();
        let handle = thread::spawn({
            let (slot, stop, strays) = (Arc::clone(&slot), Arc::clone(&stop), Arc::clone(&strays));
            move || {
                sys::pin_to_one_core()?;
                let _ = started.send(KernelThread::current());
                let flags = OwnedFlags::new();
                slot.occupy(flags.clone(), |occupied| {
                    // SeqCst: the strongest will do; the flag is read once a run.
                    while !stop.load(SeqCst) {
                        occupied.run(|run| {
                            let _ = begun.send(run);
                            script(&from, &flags, &strays)
                        })?;
                    }
                    Ok(())
                })
            }
        });
        let thread = starts.recv()?;
        Ok(Self { slot, thread, pipe: to, stop, strays, runs, handle })
    }

    /// Whether the run of the victim sleeps in its call although nothing is on its way to it.
    fn sleeps_after_delivery(&self, read_end: u64) -> io::Result<bool> {
        // In this order: delivered first, asleep after that.
        if self.thread.signals()?.has_pending(KillSignal::default().number()) {
            return Ok(false);
        }
        Ok(matches!(self.thread.activity()?, Activity::Parked(parked)
            if parked.call == libc::SYS_read && parked.first_argument == read_end))
    }

    fn has_ended(&self, run: RunId) -> bool {
        self.slot.wait_ended(run, self.slot.platform().now())
    }

    fn retire(self) -> Result<u32, Box<dyn Error>> {
        self.stop.store(true, SeqCst);
        // The run that is open now, if any, reads this byte.
        sys::write(&self.pipe, b"!")?;
        self.handle.join().map_err(|_| "the victim panicked")??;
        Ok(self.strays.load(Relaxed))
    }
}

/// Checks its flags, works for a while, blocks; again, until it is killed.
fn script(from: &OwnedFd, flags: &OwnedFlags, strays: &AtomicU32) -> io::Result<()> {
    loop {
        if flags.consume_interrupt() {
            return Ok(());
        }
        for _ in 0..fastrand::u32(0..MOST_STEPS) {
            hint::black_box(());
        }
        match sys::read(from, &mut [0]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {
                if !flags.timed_out().load(Relaxed) {
                    // Relaxed: a counter.
                    strays.fetch_add(1, Relaxed);
                }
            }
            answer => return answer.map(drop),
        }
    }
}

/// Lets a random time pass, so that the kill comes at a random moment of the script. Nothing is synchronised by it.
fn let_a_random_moment_pass() {
    let moment = libc::timespec { tv_sec: 0, tv_nsec: fastrand::i64(0..25_000) };
    // SAFETY: the interval is ours and the remainder is not asked for.
    unsafe { libc::nanosleep(&moment, ptr::null_mut()) };
}

/// Pins the killer to the victim's processor, and asks for timers that are exact and for short turns on the processor:
/// whoever has the shorter turn preempts the other when it wakes, so that the kill comes in the middle of the script.
fn prepare_killer() -> TestResult {
    sys::pin_to_one_core()?;
    // SAFETY: numbers; the slack of the calling thread's timers becomes 1 ns.
    sys::checked(unsafe { libc::prctl(libc::PR_SET_TIMERSLACK, 1) })?;
    // SAFETY: all-zero is a valid sched_attr, of the ordinary policy; the kernel reads as much of it as `size` says.
    unsafe {
        let mut attributes: libc::sched_attr = MaybeUninit::zeroed().assume_init();
        attributes.size = size_of::<libc::sched_attr>() as u32;
        attributes.sched_runtime = 100_000;
        sys::checked(libc::syscall(libc::SYS_sched_setattr, 0, &attributes, 0))?;
    }
    Ok(())
}

#[test]
fn the_default_policy_loses_no_kill() -> TestResult {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let victim = Victim::boot()?;
    // After the victim's thread was made, which would inherit all of it.
    prepare_killer()?;
    let (started, policy) = (Instant::now(), ResendPolicy::default());
    let (mut resent, mut sends, mut longest) = (0, 0, Duration::ZERO);
    for nth in 0..KILLS {
        let run = victim.runs.recv()?;
        let_a_random_moment_pass();
        match victim.slot.kill(run, &policy) {
            Verdict::Ended(effort) => {
                resent += u32::from(effort.sends > 1);
                sends += effort.sends;
                longest = longest.max(effort.elapsed);
            }
            other => return Err(format!("kill {nth}: {other}").into()),
        }
    }
    let took = started.elapsed();
    let strays = victim.retire()?;
    println!(
        "{KILLS} kills in {took:.1?} ({:.0}/s): 0 lost; {resent} took a re-send, {sends} sends in all, longest \
         {longest:.1?}; {strays} signals hit a later run",
        f64::from(KILLS) / took.as_secs_f64()
    );
    assert_eq!(strays, 0, "a late signal interrupted a run that nobody had killed");
    Ok(())
}

#[test]
fn one_signal_loses_some_of_the_same_kills() -> TestResult {
    let _alone = ONE_AT_A_TIME.lock().unwrap_or_else(PoisonError::into_inner);
    let victim = Victim::boot()?;
    // After the victim's thread was made, which would inherit all of it.
    prepare_killer()?;
    let started = Instant::now();
    let mut lost = 0;
    let mut read_end = None;
    for nth in 0..KILLS {
        let run = victim.runs.recv()?;
        // The descriptor is the victim's; the kernel tells it.
        let read_end = match read_end {
            Some(known) => known,
            None => *read_end.insert(victim.thread.wait_parked(&[libc::SYS_read], 'S')?.first_argument),
        };
        let_a_random_moment_pass();
        match victim.slot.attempt(run, 1) {
            Attempt::Made(Wake::Sent) => {}
            other => return Err(format!("kill {nth}: {other:?}").into()),
        }
        // The wait only paces the looks at the kernel, which alone decides.
        while !victim.slot.wait_ended(run, victim.slot.platform().now() + Duration::from_micros(300)) {
            // If the run has ended meanwhile, what sleeps is the next one.
            if victim.sleeps_after_delivery(read_end)? && !victim.has_ended(run) {
                lost += 1;
                let verdict = victim.slot.kill(run, &ResendPolicy::default());
                assert!(matches!(verdict, Verdict::Ended(_)), "kill {nth}: {verdict}");
                break;
            }
        }
    }
    let took = started.elapsed();
    let strays = victim.retire()?;
    println!(
        "{KILLS} single signals in {took:.1?}: {lost} lost ({:.2} %), each ended by a re-send",
        f64::from(lost) * 100.0 / f64::from(KILLS)
    );
    assert_eq!(strays, 0, "a late signal interrupted a run that nobody had killed");
    Ok(())
}
