//! Claim: a `write` that had moved some bytes when it was killed answers how many, and exactly those bytes arrive: none
//! lost, none twice, none of the rest.
//!
//! Within: one writer on a pipe, a reader that takes bytes while the writer is blocked or while it is being killed.
//! Not covered: sockets and files, whose short writes the kernel handles in other code.

#![cfg(target_os = "linux")]

use std::error::Error;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use forcekill::{Native, ResendPolicy, Verdict};
use forcekill_native_tests::parked::DEADLINE;
use forcekill_native_tests::sys;
use forcekill_native_tests::target::Target;

type TestResult = Result<(), Box<dyn Error>>;

/// Bytes of which no two neighbouring stretches look alike.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i.wrapping_mul(2_654_435_761) >> 7) as u8).collect()
}

/// A thread whose script writes `data` in one call and owns the end to write to, so that the reader sees the end.
fn writer(to: OwnedFd, data: Arc<Vec<u8>>) -> Result<Target<Result<i64, i32>>, Box<dyn Error>> {
    let script = move |_: &_| sys::write(&to, &data).map_err(|error| error.raw_os_error().unwrap_or(0));
    Ok(Target::boot(Native::default(), script)?)
}

/// Everything from here to the end.
fn drain(from: &OwnedFd) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    let mut buffer = [0; 4096];
    loop {
        match sys::read(from, &mut buffer)? {
            0 => return Ok(all),
            count => all.extend_from_slice(&buffer[..count as usize]),
        }
    }
}

#[test]
fn a_blocked_write_answers_what_it_had_moved() -> TestResult {
    // How many pages the reader takes while the writer sleeps: each lets it move on by one.
    for pages_taken in [0, 1, 2, 5] {
        let (from, to) = sys::pipe()?;
        let capacity = sys::pipe_capacity(&to)?;
        let data = Arc::new(pattern(capacity * 2));
        let target = writer(to, Arc::clone(&data))?;
        target.thread().wait_parked(&[libc::SYS_write], 'S')?;
        let mut got = vec![0; pages_taken * 4096];
        if pages_taken > 0 {
            assert_eq!(sys::read(&from, &mut got)?, got.len() as i64);
            while sys::bytes_waiting(&from)? < capacity as i64 {
                thread::yield_now();
            }
            target.thread().wait_parked(&[libc::SYS_write], 'S')?;
        }
        let verdict = target.kill(&ResendPolicy::single(DEADLINE)?);
        assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
        let count = target.join()?.map_err(|errno| format!("errno {errno}"))?;
        assert_eq!(count as usize, capacity + got.len());
        got.extend(drain(&from)?);
        assert!(got == data[..count as usize], "the reader has other bytes than the writer counted");
    }
    Ok(())
}

#[test]
fn a_write_killed_at_a_random_moment_loses_nothing() -> TestResult {
    const ROUNDS: usize = 500;
    let (mut shortest, mut longest, mut complete) = (i64::MAX, 0, 0_usize);
    let length = 1 << 21;
    let data = Arc::new(pattern(length));
    for _ in 0..ROUNDS {
        let (from, to) = sys::pipe()?;
        let target = writer(to, Arc::clone(&data))?;
        let reader = thread::spawn(move || drain(&from));
        for _ in 0..fastrand::u32(0..200_000) {
            std::hint::spin_loop();
        }
        let verdict = target.kill(&ResendPolicy::default());
        assert!(verdict.is_over(), "{verdict}");
        let answer = target.join()?;
        let got = reader.join().map_err(|_| "the reader panicked")??;
        match answer {
            Ok(count) => {
                assert!(got == data[..count as usize], "{} bytes arrived, {count} were counted", got.len());
                if count == length as i64 {
                    complete += 1;
                } else {
                    (shortest, longest) = (shortest.min(count), longest.max(count));
                }
            }
            Err(errno) => {
                assert_eq!((errno, got.len()), (libc::EINTR, 0));
                shortest = 0;
            }
        }
    }
    println!(
        "{ROUNDS} writes of {length} bytes: {complete} complete, the others {shortest} to {longest} bytes"
    );
    Ok(())
}
