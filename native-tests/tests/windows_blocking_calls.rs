//! Claim: synchronous I/O on a pipe is ended by a cancel and by no APC, an alertable wait by an APC and by no cancel, a socket
//! and a wait that is not alertable by neither; the library's kill, which is both, ends what one of them ends, and names the
//! rest.
//!
//! Within: each entry of the catalogue on a real thread. Windows has no documented way to ask what a thread is blocked in, so
//! each call is repeated until the thread has ended, and what it answered says which of the two it was: `ERROR_OPERATION_ABORTED`
//! after a cancel, `WAIT_IO_COMPLETION` after an APC. That a call does *not* end a wait is seen by its ending in the ordinary way
//! when it is let go, after [`LONG_ENOUGH`] of repeating. The numbers in docs/PLATFORMS.md are from Wine 8.

#![cfg(windows)]

use std::error::Error;
use std::io;
use std::os::windows::io::{AsHandle, BorrowedHandle, OwnedHandle};
use std::sync::Arc;
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use forcekill::{Effort, Native, NativeConfig, Obstacle, OwnedFlags, ResendPolicy, Verdict};
use forcekill_native_tests::blocking::{
    Blocking, CATALOGUE, Entry, Expected, INTERRUPTED, Outcome, SLEEP, Script, WAIT_IO_COMPLETION,
};
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::raw;
use forcekill_native_tests::target::Target;

type TestResult = Result<(), Box<dyn Error>>;

/// More than a thousand times what a call that works takes, and less than the sleeps.
const LONG_ENOUGH: Duration = Duration::from_millis(300);

/// A thread that no slot knows, stuck in a call of the catalogue.
struct Bare {
    call: Arc<dyn Blocking>,
    handle: OwnedHandle,
    ended: mpsc::Receiver<Outcome>,
}

impl Bare {
    fn boot(entry: &Entry) -> Result<Self, Box<dyn Error>> {
        let call = (entry.make)()?;
        let ((boots, booted), (ends, ended)) = (mpsc::channel(), mpsc::channel());
        thread::spawn({
            let call = Arc::clone(&call);
            move || {
                // Fail only if nobody wants to know any more.
                let _ = boots.send(raw::current_thread());
                let _ = ends.send(Script::new(OwnedFlags::new()).run(&*call));
            }
        });
        Ok(Self { call, handle: booted.recv_timeout(DEADLINE)??, ended })
    }

    /// Repeats `wake` until the thread's call has ended, or for so long.
    fn repeat(
        &self,
        within: Duration,
        wake: impl Fn(BorrowedHandle<'_>) -> io::Result<()>,
    ) -> Result<Option<Outcome>, Box<dyn Error>> {
        let started = Instant::now();
        while started.elapsed() < within {
            wake(self.handle.as_handle())?;
            match self.ended.recv_timeout(Duration::from_millis(5)) {
                Ok(outcome) => return Ok(Some(outcome)),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(None)
    }

    /// Lets the call return by itself.
    fn let_go(&self) -> Result<Outcome, Box<dyn Error>> {
        assert!(self.call.let_go(), "it cannot be let go");
        Ok(self.ended.recv_timeout(DEADLINE)?)
    }
}

fn cancel(thread: BorrowedHandle<'_>) -> io::Result<()> {
    raw::cancel(thread).map(drop)
}

/// What is expected of one of the two calls alone.
fn try_alone(
    entry: &Entry,
    name: &str,
    ends: bool,
    code: i32,
    wake: impl Fn(BorrowedHandle<'_>) -> io::Result<()>,
) -> TestResult {
    let stuck = Bare::boot(entry)?;
    if ends {
        let outcome =
            stuck.repeat(DEADLINE, wake)?.ok_or_else(|| format!("{}: {name}: not ended", entry.name))?;
        assert_eq!((outcome.answer, outcome.interruptions), (Err(code), 1), "{}: {name}", entry.name);
        return Ok(());
    }
    let ended = stuck.repeat(LONG_ENOUGH, wake)?;
    assert_eq!(ended, None, "{}: {name} has ended it", entry.name);
    if entry.name == "SleepEx, alertable" {
        // Sleeps for ever; an APC lets it go, and the cancels before it have not ended it.
        stuck.repeat(DEADLINE, raw::queue_apc)?.ok_or("not ended")?;
        return Ok(());
    }
    let outcome = stuck.let_go()?;
    assert!(outcome.answer.is_ok() && outcome.interruptions == 0, "{}: {name}: {outcome:?}", entry.name);
    Ok(())
}

#[test]
fn each_of_the_two_calls_ends_what_the_table_says_and_nothing_else() -> TestResult {
    for entry in CATALOGUE.iter().filter(|entry| !matches!(entry.expected, Expected::ByFlags { .. })) {
        let (by_cancel, by_apc) = (entry.expected == Expected::ByCancel, entry.expected == Expected::ByApc);
        try_alone(entry, "CancelSynchronousIo", by_cancel, INTERRUPTED, cancel)?;
        try_alone(entry, "QueueUserAPC", by_apc, WAIT_IO_COMPLETION, raw::queue_apc)?;
        let words = |ends: bool| if ends { "woken" } else { "not woken" };
        println!("{:40} cancel: {:9}  APC: {}", entry.name, words(by_cancel), words(by_apc));
    }
    Ok(())
}

/// A thread in its run, stuck in a call of the catalogue, and the call.
type Stuck = (Arc<dyn Blocking>, Target<Outcome>);

fn boot(platform: Native, entry: &Entry) -> Result<Stuck, Box<dyn Error>> {
    let call = (entry.make)()?;
    let target = Target::boot(platform, {
        let call = Arc::clone(&call);
        move |flags| Script::new(flags.clone()).run(&*call)
    })?;
    Ok((call, target))
}

#[test]
fn a_kill_ends_what_either_call_ends() -> TestResult {
    let mut count = 0;
    for entry in CATALOGUE {
        let code = match entry.expected {
            Expected::ByCancel => INTERRUPTED,
            Expected::ByApc => WAIT_IO_COMPLETION,
            _ => continue,
        };
        let (_call, target) = boot(Native::default(), entry)?;
        let verdict = target.kill(&ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(Effort { sends: 1.., .. })), "{}: {verdict}", entry.name);
        println!("{}: {verdict}", entry.name);
        let outcome = target.join()?;
        assert_eq!(
            outcome,
            Outcome { answer: Err(code), interruptions: 1, flags_up: true },
            "{}",
            entry.name
        );
        count += 1;
    }
    assert_eq!(count, 8, "entries that one of the calls ends");
    Ok(())
}

#[test]
fn a_loop_that_looks_at_its_flags_ends_by_them() -> TestResult {
    for (entry, needed) in CATALOGUE.iter().filter_map(|entry| match entry.expected {
        Expected::ByFlags { stores } => Some((entry, stores)),
        _ => None,
    }) {
        let (_call, target) = boot(Native::default(), entry)?;
        let verdict = target.kill(&ResendPolicy::default());
        let Verdict::Ended(effort) = verdict else { return Err(format!("{}: {verdict}", entry.name).into()) };
        assert!(effort.attempts >= needed, "{}: {verdict}", entry.name);
        assert_eq!(target.join()?.answer, Err(INTERRUPTED), "{}", entry.name);
    }
    Ok(())
}

#[test]
fn what_neither_ends_is_named_so_within_the_bound_and_ends_when_it_is_let_go() -> TestResult {
    let ms = Duration::from_millis;
    let policy = ResendPolicy::new(LONG_ENOUGH, ms(1), ms(50))?;
    let mut count = 0;
    for entry in CATALOGUE.iter().filter(|entry| matches!(entry.expected, Expected::Never | Expected::GoesOn))
    {
        let (call, target) = boot(Native::default(), entry)?;
        let verdict = target.kill(&policy);
        println!("{}: {verdict}", entry.name);
        let effort = match (entry.expected, verdict) {
            (Expected::Never, Verdict::NoWakeUp { obstacle: Obstacle::NotAlertable, effort }) => effort,
            // Windows waits alertably in every call of a blocking socket; Wine does in recv, and not in accept.
            (
                Expected::GoesOn,
                Verdict::Unkillable(effort) | Verdict::NoWakeUp { obstacle: Obstacle::NotAlertable, effort },
            ) => effort,
            _ => return Err(format!("{}: {verdict}", entry.name).into()),
        };
        // A pause counts from the send before it, so a machine that is late makes fewer of them within the bound.
        assert!((2..=policy.sends()).contains(&effort.sends), "{}: {verdict}", entry.name);
        assert_eq!(effort.sends, effort.attempts, "{}", entry.name);
        assert!(effort.elapsed >= policy.within(), "{}: {verdict}", entry.name);
        assert!(effort.elapsed < SLEEP && !target.has_ended(), "{}: {verdict}", entry.name);
        assert!(call.let_go());
        let outcome = target.join()?;
        assert_eq!((outcome.answer.is_ok(), outcome.flags_up), (true, true), "{}: {outcome:?}", entry.name);
        count += 1;
    }
    assert_eq!(count, 7, "entries that nothing ends");
    Ok(())
}

#[test]
fn a_script_that_takes_its_interruptions_and_goes_on_is_unkillable() -> TestResult {
    let call = CATALOGUE.iter().find(|entry| entry.name == "WaitForSingleObjectEx, alertable").unwrap();
    let call = (call.make)()?;
    let target = Target::boot(Native::default(), {
        let call = Arc::clone(&call);
        move |flags| loop {
            match call.block(&Script::new(flags.clone())) {
                Err(error) if error.raw_os_error() == Some(WAIT_IO_COMPLETION) => {}
                answer => return answer.is_ok(),
            }
        }
    })?;
    let verdict = target.kill(&ResendPolicy::new(LONG_ENOUGH, LONG_ENOUGH / 4, LONG_ENOUGH)?);
    assert!(matches!(verdict, Verdict::Unkillable(_)), "{verdict}");
    assert!(call.let_go() && target.join()?);
    Ok(())
}

#[test]
fn flags_only_says_so_and_sends_nothing() -> TestResult {
    let entry = Entry::named("read, empty pipe").ok_or("no such entry")?;
    let (call, target) = boot(Native::new(NativeConfig::FlagsOnly), entry)?;
    let verdict = target.kill(&ResendPolicy::single(Duration::from_millis(20))?);
    assert!(
        matches!(
            verdict,
            Verdict::NoWakeUp { obstacle: Obstacle::FlagsOnly, effort: Effort { sends: 0, .. } }
        ),
        "{verdict}"
    );
    assert!(call.let_go());
    assert_eq!(target.join()?, Outcome { answer: Ok(1), interruptions: 0, flags_up: true });
    Ok(())
}
