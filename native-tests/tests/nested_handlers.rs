//! Claim: on a thread that has published itself, the kill's handler may nest with another handler that has a large
//! frame: the alternate signal stack is large enough.
//!
//! Within: a handler for `SIGPROF` on the alternate stack with a frame of 6 KiB, in which the kill's signal arrives, on
//! a thread of Rust's and on the main thread of a run. As a control, the same on a thread that has *not* published
//! itself is tried in a second process and its end is printed; it is not asserted, because the size of a signal's frame
//! depends on the processor. Not covered: deeper nests.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::hint;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use forcekill::{KillSignal, Native, OwnedFlags, Slot};
use forcekill_native_tests::child::{self, in_own_process};
use forcekill_native_tests::parked::KernelThread;
use forcekill_native_tests::sys::checked;

const FRAME_BYTES: usize = 6 * 1024;
const ROUNDS: u32 = 100;

/// How often the large handler came to its end.
static FINISHED: AtomicU32 = AtomicU32::new(0);

/// As PHP's handler for `SIGPROF`: a large frame, on the alternate stack; and the kill arrives in the middle of it.
extern "C" fn on_profile_signal(_: libc::c_int) {
    let mut frame = [1_u8; FRAME_BYTES];
    hint::black_box(&mut frame);
    send_to_this_thread(KillSignal::default().number());
    hint::black_box(&mut frame);
    // SeqCst: the strongest will do.
    FINISHED.fetch_add(1, SeqCst);
}

fn send_to_this_thread(signal: i32) {
    // SAFETY: numbers; getpid, gettid and tgkill may be called in a signal handler.
    unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), libc::gettid(), signal) };
}

fn install_profile_handler() -> std::io::Result<()> {
    let handler = on_profile_signal as extern "C" fn(libc::c_int);
    // SAFETY: all-zero is a valid sigaction with an empty mask; the handler only uses what a handler may.
    unsafe {
        let mut action: libc::sigaction = MaybeUninit::zeroed().assume_init();
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_ONSTACK;
        checked(libc::sigaction(libc::SIGPROF, &action, ptr::null_mut()))?;
    }
    Ok(())
}

/// The size of the calling thread's alternate stack.
fn signal_stack_bytes() -> std::io::Result<usize> {
    let mut stack = MaybeUninit::<libc::stack_t>::uninit();
    // SAFETY: a null new stack only asks; read only if the kernel answered.
    unsafe {
        checked(libc::sigaltstack(ptr::null(), stack.as_mut_ptr()))?;
        Ok(stack.assume_init().ss_size)
    }
}

fn nest() {
    for _ in 0..ROUNDS {
        send_to_this_thread(libc::SIGPROF);
    }
}

fn on_a_published_thread() -> Result<(), Box<dyn Error>> {
    let slot = Slot::<Native>::new(Native::default());
    install_profile_handler()?;
    let publish_and_nest = || {
        slot.occupy(OwnedFlags::new(), |occupied| {
            occupied.run(|_| {
                nest();
                (KernelThread::current().id(), signal_stack_bytes())
            })
        })
    };
    let (_, bytes) = thread::scope(|scope| scope.spawn(publish_and_nest).join())
        .map_err(|_| "the published thread panicked")?;
    println!("{ROUNDS} nests on a published thread, whose signal stack has {} bytes", bytes?);
    publish_and_nest().1?;
    assert_eq!(FINISHED.load(SeqCst), 2 * ROUNDS);
    Ok(())
}

#[test]
fn handlers_nest_on_a_published_thread() {
    in_own_process("handlers_nest_on_a_published_thread", || {
        on_a_published_thread().unwrap_or_else(|error| panic!("{error}"));
    });
}

#[test]
fn control_the_same_on_a_thread_that_has_not_published_itself() -> Result<(), Box<dyn Error>> {
    const NAME: &str = "control_the_same_on_a_thread_that_has_not_published_itself";
    if child::is_child(NAME) {
        let _installs_the_handler = Native::default();
        install_profile_handler()?;
        thread::spawn(|| {
            println!("{:?} bytes", signal_stack_bytes());
            nest();
        })
        .join()
        .map_err(|_| "the thread panicked")?;
        return Ok(());
    }
    let end = child::start(NAME)?;
    match end.signal() {
        Some(signal) => println!("an unpublished thread of Rust's: ended by signal {signal}"),
        None => println!(
            "an unpublished thread of Rust's: {} (its signal stack is large enough here)",
            end.status
        ),
    }
    Ok(())
}
