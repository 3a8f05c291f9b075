//! Claim: where the signal handler cannot be installed, the platform says so, kills are flags only, and a script that
//! looks at its flags still ends.
//!
//! Within: `rt_sigaction` refused with `EPERM` for the kill's signal, by a seccomp filter, as a sandbox may do. Not
//! covered: a sandbox that ends the process instead.
//!
//! A filter cannot be taken off again, so each test runs in a process of its own.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::time::Duration;

use forcekill::{
    Effort, KillSignal, Native, NativeConfig, Obstacle, OwnedFlags, ResendPolicy, Slot, Verdict,
};
use forcekill_native_tests::blocking::Entry;
use forcekill_native_tests::child::in_own_process;
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::stuck::Stuck;
use forcekill_native_tests::sys::checked;

const REFUSED: Obstacle = Obstacle::HandlerNotInstalled { errno: libc::EPERM };

/// From now on, `rt_sigaction` of this signal answers `EPERM` in this thread and in those that it makes.
fn refuse_handlers_for(signal: KillSignal) -> std::io::Result<()> {
    let load = |offset: usize| {
        let code = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        libc::sock_filter { code, jt: 0, jf: 0, k: offset as u32 }
    };
    let skip_unless_equal = |k: u32, skip: u8| {
        let code = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        libc::sock_filter { code, jt: 0, jf: skip, k }
    };
    let answer = |k: u32| libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k };
    // The arguments are 64 bits wide; the signal is in the lower half.
    let lower_half = if cfg!(target_endian = "big") { 4 } else { 0 };
    let mut program = [
        load(std::mem::offset_of!(libc::seccomp_data, nr)),
        skip_unless_equal(libc::SYS_rt_sigaction as u32, 3),
        load(std::mem::offset_of!(libc::seccomp_data, args) + lower_half),
        skip_unless_equal(signal.number() as u32, 1),
        answer(libc::SECCOMP_RET_ERRNO | libc::EPERM as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: the program is as long as it says and lives for the time of the calls; the kernel checks and copies it.
    unsafe {
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0))?;
        checked(libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &filter))?;
    }
    Ok(())
}

fn short() -> Result<ResendPolicy, Box<dyn Error>> {
    let (within, first) = (Duration::from_millis(20), Duration::from_millis(1));
    Ok(ResendPolicy::new(within, first, Duration::from_millis(8))?)
}

fn body() -> Result<(), Box<dyn Error>> {
    refuse_handlers_for(KillSignal::default())?;
    let platform = Native::default();
    assert_eq!(platform.obstacle_to_wakes(), Some(REFUSED));
    assert_eq!(platform.restore_handler(), Err(REFUSED));
    let slot = Slot::<Native>::new(platform);
    let seen_by_the_thread = slot.occupy(OwnedFlags::new(), |occupied| occupied.obstacle_to_wakes());
    assert_eq!(seen_by_the_thread, Some(REFUSED));

    let vm_loop = Stuck::boot(platform, Entry::named("VM loop").ok_or("no such entry")?)?;
    vm_loop.wait_stuck()?;
    let verdict = vm_loop.kill(&ResendPolicy::single(DEADLINE)?);
    println!("VM loop: {verdict}");
    assert!(matches!(verdict, Verdict::Ended(Effort { sends: 0, attempts: 1, .. })), "{verdict}");
    assert!(vm_loop.join()?.flags_up);

    let blocked = Stuck::boot(platform, Entry::named("read, empty pipe").ok_or("no such entry")?)?;
    blocked.wait_stuck()?;
    let verdict = blocked.kill(&short()?);
    println!("read: {verdict}");
    assert!(
        matches!(verdict, Verdict::NoWakeUp { obstacle: REFUSED, effort: Effort { sends: 0, .. } }),
        "{verdict}"
    );
    blocked.wait_stuck()?;
    let outcome = blocked.let_go_and_join()?.ok_or("the thread cannot be let go")?;
    // Nothing interrupted it, and it finds the flags up.
    assert_eq!((outcome.answer, outcome.interruptions, outcome.flags_up), (Ok(1), 0, true));

    // Another signal is not refused.
    let other = Native::new(NativeConfig::Signal(KillSignal::IGNORED_BY_DEFAULT));
    assert_eq!(other.obstacle_to_wakes(), None);
    Ok(())
}

#[test]
fn without_a_handler_kills_are_flags_only_and_say_so() {
    in_own_process("without_a_handler_kills_are_flags_only_and_say_so", || {
        body().unwrap_or_else(|error| panic!("{error}"));
    });
}
