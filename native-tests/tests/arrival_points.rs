//! Claim: wherever the kill's signal arrives relative to a blocking call, the run ends within the default policy. At
//! one of the five points a single signal is lost every time.
//!
//! | point | one signal |
//! |---|---|
//! | before the check of the flags | enough: the check sees them |
//! | between the check and the call | **lost**: delivered in user space, then the call blocks in full |
//! | blocked, nothing done yet | enough: `EINTR` |
//! | blocked, part of the work done | enough: the call returns that part |
//! | after the call | enough: the answer is kept, the next check sees the flags |
//!
//! Within: one thread, one killer, `read` and `write` on a pipe, each point forced with a gate and repeated. Not
//! covered: moments that no gate can stand at (`random_moments` draws them).

#![cfg(target_os = "linux")]

use std::error::Error;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use forcekill::steps::Attempt;
use forcekill::{Effort, InterruptFlags, KillSignal, Native, OwnedFlags, ResendPolicy, Verdict, Wake};
use forcekill_native_tests::gate::Gate;
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::sys;
use forcekill_native_tests::target::Target;

type TestResult = Result<(), Box<dyn Error>>;

const ROUNDS: u32 = 100;
const SENT: Attempt = Attempt::Made(Wake::Sent);

/// What the script saw, line by line.
#[derive(Debug, PartialEq, Eq)]
enum Saw {
    /// The check said that the run is killed.
    FlagsBeforeTheCall,
    /// The call answered this, and the check after it that the run is killed or not.
    Answer { answer: Result<i64, i32>, killed: bool },
    /// The other side never opened the gate.
    GateStayedShut,
}

struct Bench {
    before_check: Gate,
    before_call: Gate,
    after_call: Gate,
    from: OwnedFd,
    to: OwnedFd,
}

impl Bench {
    fn new() -> io::Result<Arc<Self>> {
        let (from, to) = sys::pipe()?;
        let [before_check, before_call, after_call] = [Gate::new(), Gate::new(), Gate::new()];
        Ok(Arc::new(Self { before_check, before_call, after_call, from, to }))
    }

    /// One turn of a VM: a check, then a call that blocks, then a check.
    fn script(&self, flags: &OwnedFlags, call: impl FnOnce(&Self) -> io::Result<i64>) -> Saw {
        if !self.before_check.pass() {
            return Saw::GateStayedShut;
        }
        if flags.consume_interrupt() {
            return Saw::FlagsBeforeTheCall;
        }
        if !self.before_call.pass() {
            return Saw::GateStayedShut;
        }
        let answer = call(self).map_err(|error| error.raw_os_error().unwrap_or(0));
        if !self.after_call.pass() {
            return Saw::GateStayedShut;
        }
        Saw::Answer { answer, killed: flags.consume_interrupt() }
    }

    fn read(&self) -> io::Result<i64> {
        sys::read(&self.from, &mut [0; 8])
    }

    fn boot(self: &Arc<Self>) -> Result<Target<Saw>, Box<dyn Error>> {
        let bench = Arc::clone(self);
        Ok(Target::boot(Native::default(), move |flags| bench.script(flags, Self::read))?)
    }
}

fn reached(gate: &Gate) -> TestResult {
    if gate.wait_reached() { Ok(()) } else { Err("the script never came to the gate".into()) }
}

fn signal() -> i32 {
    KillSignal::default().number()
}

#[test]
fn before_the_check_one_signal_is_enough() -> TestResult {
    for _ in 0..ROUNDS {
        let bench = Bench::new()?;
        let target = bench.boot()?;
        reached(&bench.before_check)?;
        assert_eq!(target.slot().attempt(target.run(), 1), SENT);
        target.thread().wait_delivered(signal())?;
        bench.before_check.open();
        assert_eq!(target.join()?, Saw::FlagsBeforeTheCall);
    }
    Ok(())
}

#[test]
fn between_check_and_call_a_single_signal_is_lost_every_time_and_the_resend_ends_it() -> TestResult {
    // The gate is shut as long as the kill waits, so any bound shows the same.
    let single = ResendPolicy::single(Duration::from_millis(1))?;
    let mut lost = 0;
    for _ in 0..ROUNDS {
        let bench = Bench::new()?;
        let target = bench.boot()?;
        bench.before_check.open();
        // The flags have been looked at, and were down.
        reached(&bench.before_call)?;
        let verdict = target.kill(&single);
        assert!(matches!(verdict, Verdict::Unkillable(Effort { sends: 1, .. })), "{verdict}");
        target.thread().wait_delivered(signal())?;
        bench.before_call.open();
        bench.after_call.open();

        // The kill is over, its signal delivered, its flags are up: and the thread goes to sleep for good.
        let parked = target.thread().wait_parked(&[libc::SYS_read], 'S')?;
        assert_eq!(parked.first_argument, bench.from.as_raw_fd() as u64);
        assert!(!target.has_ended());
        lost += 1;

        let verdict = target.kill(&ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        assert_eq!(target.join()?, Saw::Answer { answer: Err(libc::EINTR), killed: true });
    }
    println!("between check and call: {lost} of {ROUNDS} single signals lost, all ended by a re-send");
    Ok(())
}

#[test]
fn between_check_and_call_one_kill_resends_by_itself() -> TestResult {
    for _ in 0..10 {
        let bench = Bench::new()?;
        let target = bench.boot()?;
        bench.before_check.open();
        reached(&bench.before_call)?;
        // The first send of the kill is stood in for by an attempt, so that it is known to be delivered at the gate.
        assert_eq!(target.slot().attempt(target.run(), 1), SENT);
        target.thread().wait_delivered(signal())?;
        let killer = std::thread::spawn({
            let (slot, run) = (Arc::clone(target.slot()), target.run());
            move || slot.kill(run, &ResendPolicy::default())
        });
        bench.before_call.open();
        bench.after_call.open();
        let verdict = killer.join().map_err(|_| "the killer panicked")?;
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        assert_eq!(target.join()?, Saw::Answer { answer: Err(libc::EINTR), killed: true });
    }
    Ok(())
}

#[test]
fn blocked_without_side_effects_one_signal_is_enough() -> TestResult {
    for _ in 0..ROUNDS {
        let bench = Bench::new()?;
        let target = bench.boot()?;
        bench.before_check.open();
        bench.before_call.open();
        bench.after_call.open();
        target.thread().wait_parked(&[libc::SYS_read], 'S')?;
        let verdict = target.kill(&ResendPolicy::single(DEADLINE)?);
        assert!(matches!(verdict, Verdict::Ended(Effort { sends: 1, .. })), "{verdict}");
        assert_eq!(target.join()?, Saw::Answer { answer: Err(libc::EINTR), killed: true });
    }
    Ok(())
}

#[test]
fn blocked_with_side_effects_one_signal_is_enough_and_the_effect_is_reported() -> TestResult {
    for _ in 0..ROUNDS {
        let bench = Bench::new()?;
        let capacity = sys::pipe_capacity(&bench.to)?;
        let target = Target::boot(Native::default(), {
            let bench = Arc::clone(&bench);
            let too_much = vec![7; capacity + 1];
            move |flags| bench.script(flags, |bench| sys::write(&bench.to, &too_much))
        })?;
        bench.before_check.open();
        bench.before_call.open();
        bench.after_call.open();
        target.thread().wait_parked(&[libc::SYS_write], 'S')?;
        // The side effect, by the kernel's word: the pipe is full.
        assert_eq!(sys::bytes_waiting(&bench.from)?, capacity as i64);
        let verdict = target.kill(&ResendPolicy::single(DEADLINE)?);
        assert!(matches!(verdict, Verdict::Ended(Effort { sends: 1, .. })), "{verdict}");
        assert_eq!(target.join()?, Saw::Answer { answer: Ok(capacity as i64), killed: true });
    }
    Ok(())
}

#[test]
fn after_the_call_one_signal_is_enough_and_the_answer_is_kept() -> TestResult {
    for _ in 0..ROUNDS {
        let bench = Bench::new()?;
        let target = bench.boot()?;
        bench.before_check.open();
        bench.before_call.open();
        sys::write(&bench.to, b"answer")?;
        reached(&bench.after_call)?;
        assert_eq!(target.slot().attempt(target.run(), 1), SENT);
        target.thread().wait_delivered(signal())?;
        bench.after_call.open();
        assert_eq!(target.join()?, Saw::Answer { answer: Ok(6), killed: true });
    }
    Ok(())
}
