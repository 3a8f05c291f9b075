//! Claim: a script that resets the signal to its default action cannot end the process by being killed, and the verdict
//! says what happened; the handler can be restored; signals that are pending when the handler goes away end nothing.
//!
//! Within: the handler is replaced before the kill begins or between two of its sends. Not covered: a script that
//! replaces it between one send's check and that send. For the default signal that gap is open, a few instructions
//! wide; [`KillSignal::IGNORED_BY_DEFAULT`] closes it, as the last test shows.
//!
//! Handlers belong to the process, so each test runs in one of its own.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::Arc;
use std::time::Duration;

use forcekill::{Effort, KillSignal, Native, NativeConfig, Obstacle, OwnedFlags, ResendPolicy, Verdict};
use forcekill_native_tests::child::in_own_process;
use forcekill_native_tests::gate::Gate;
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::sys::{self, checked};
use forcekill_native_tests::target::Target;

type Answer = Result<i64, i32>;

fn policy() -> Result<ResendPolicy, Box<dyn Error>> {
    let (within, first) = (Duration::from_millis(40), Duration::from_millis(1));
    Ok(ResendPolicy::new(within, first, Duration::from_millis(16))?)
}

/// What `pcntl_signal(..., SIG_DFL)` does.
fn reset_to_default(signal: KillSignal) -> std::io::Result<()> {
    // SAFETY: the default action needs no code of ours.
    let before = unsafe { libc::signal(signal.number(), libc::SIG_DFL) };
    if before == libc::SIG_ERR { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

/// Keeps the handler and changes its flags: interrupted calls would be restarted.
fn set_restart(signal: KillSignal) -> std::io::Result<()> {
    let mut action = MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: the first call fills the action or fails; the second installs what it filled in, with one flag more.
    unsafe {
        checked(libc::sigaction(signal.number(), ptr::null(), action.as_mut_ptr()))?;
        let mut action = action.assume_init();
        action.sa_flags |= libc::SA_RESTART;
        checked(libc::sigaction(signal.number(), &action, ptr::null_mut()))?;
    }
    Ok(())
}

/// A thread asleep in `read` on a pipe; what it writes to lets it go.
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

fn assert_refused(verdict: Verdict, attempts: u32) {
    assert!(
        matches!(verdict, Verdict::NoWakeUp {
            obstacle: Obstacle::HandlerReplaced,
            effort: Effort { sends: 0, attempts: made, .. },
        } if made == attempts),
        "{verdict}"
    );
}

#[test]
fn a_handler_that_was_reset_keeps_the_signal_from_being_sent_until_it_is_restored() {
    run("a_handler_that_was_reset_keeps_the_signal_from_being_sent_until_it_is_restored", || {
        let platform = Native::default();
        for replace in [reset_to_default, set_restart] {
            let (target, _pipe) = reader(platform)?;
            replace(KillSignal::default())?;
            let verdict = target.kill(&policy()?);
            println!("{verdict}");
            assert_refused(verdict, policy()?.sends());
            target.thread().wait_parked(&[libc::SYS_read], 'S')?;
            platform.restore_handler().map_err(|obstacle| obstacle.to_string())?;
            let verdict = target.kill(&ResendPolicy::single(DEADLINE)?);
            assert!(matches!(verdict, Verdict::Ended(Effort { sends: 1, .. })), "{verdict}");
            assert_eq!(target.join()?, Err(libc::EINTR));
        }
        Ok(())
    });
}

#[test]
fn a_handler_that_is_reset_between_two_sends_stops_the_sends() {
    run("a_handler_that_is_reset_between_two_sends_stops_the_sends", || {
        let platform = Native::default();
        let (from, to) = sys::pipe()?;
        // The script resets the handler when the first signal has interrupted it, and blocks again.
        let target = Target::boot(platform, move |_| {
            let first = sys::read(&from, &mut [0]).map_err(|error| error.raw_os_error().unwrap_or(0));
            let reset = reset_to_default(KillSignal::default()).is_ok();
            (first, reset, sys::read(&from, &mut [0]).ok())
        })?;
        target.thread().wait_parked(&[libc::SYS_read], 'S')?;
        // The second send must come after the reset. A gate inside the script would be a third look at the flags, so
        // the first send is an attempt of its own, and the kill begins when the script sleeps again.
        let _ = target.slot().attempt(target.run(), 1);
        target.thread().wait_delivered(KillSignal::default().number())?;
        target.thread().wait_parked(&[libc::SYS_read], 'S')?;
        let verdict = target.kill(&policy()?);
        assert_refused(verdict, policy()?.sends());
        sys::write(&to, b"!")?;
        assert_eq!(target.join()?, (Err(libc::EINTR), true, Some(1)));
        Ok(())
    });
}

#[test]
fn signals_that_are_pending_when_the_handler_goes_away_do_not_end_the_process() {
    run("signals_that_are_pending_when_the_handler_goes_away_do_not_end_the_process", || {
        let signal = KillSignal::default();
        let platform = Native::default();
        let (blocked, reset) = (Arc::new(Gate::new()), Arc::new(Gate::new()));
        let target = Target::boot(platform, {
            let (blocked, reset) = (Arc::clone(&blocked), Arc::clone(&reset));
            move |_| {
                let masked = sys::set_blocked(signal.number(), true).is_ok();
                let passed = blocked.pass();
                // Now several signals are pending.
                let replaced = reset_to_default(signal).is_ok();
                masked && passed && replaced && reset.pass()
            }
        })?;
        assert!(blocked.wait_reached(), "the script never blocked the signal");
        let verdict = target.kill(&policy()?);
        assert!(matches!(verdict, Verdict::NoWakeUp { obstacle: Obstacle::SignalBlocked, .. }), "{verdict}");
        assert!(target.thread().signals()?.has_pending(signal.number()));
        blocked.open();
        assert!(reset.wait_reached(), "the script never reset the handler");
        // Still pending, and now deadly. The end of the run must survive it.
        assert!(target.thread().signals()?.has_pending(signal.number()));
        reset.open();
        assert!(target.join()?, "a step of the script failed");
        // And the process works on.
        platform.restore_handler().map_err(|obstacle| obstacle.to_string())?;
        let (next, _pipe) = reader(platform)?;
        let verdict = next.kill(&ResendPolicy::default());
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        Ok(())
    });
}

#[test]
fn a_signal_that_is_ignored_by_default_kills_as_well_and_is_harmless_without_a_handler() {
    run("a_signal_that_is_ignored_by_default_kills_as_well_and_is_harmless_without_a_handler", || {
        let signal = KillSignal::IGNORED_BY_DEFAULT;
        let platform = Native::new(NativeConfig::Signal(signal));
        let (target, _pipe) = reader(platform)?;
        let verdict = target.kill(&ResendPolicy::single(DEADLINE)?);
        assert!(matches!(verdict, Verdict::Ended(Effort { sends: 1, .. })), "{verdict}");
        assert_eq!(target.join()?, Err(libc::EINTR));

        let (target, pipe) = reader(platform)?;
        reset_to_default(signal)?;
        assert_refused(target.kill(&policy()?), policy()?.sends());
        // The gap between the check and the send, by hand: the signal arrives unhandled.
        let (process, thread) = (std::process::id() as libc::pid_t, target.thread().id());
        // SAFETY: three numbers; the thread is one of ours and asleep.
        checked(unsafe { libc::syscall(libc::SYS_tgkill, process, thread, signal.number()) })?;
        target.thread().wait_delivered(signal.number())?;
        target.thread().wait_parked(&[libc::SYS_read], 'S')?;
        sys::write(&pipe, b"!")?;
        assert_eq!(target.join()?, Ok(1));
        Ok(())
    });
}
