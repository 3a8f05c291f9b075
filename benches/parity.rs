//! Which of two pieces of code is slower, told on a machine that does other things as well.
//!
//! The two are run in turns, in batches of some ten microseconds, on one core; a disturbance hits both alike, and the
//! median of the batches does not see the rare ones at all. What is compared are two medians of one run, never numbers
//! of two runs.

use std::fmt;
use std::hint::black_box;
use std::mem::MaybeUninit;
use std::time::Instant;

/// Pairs of batches in one comparison.
const PAIRS: usize = 1_500;

/// Two medians, in nanoseconds an operation.
#[derive(Clone, Copy, Debug)]
pub struct Comparison {
    /// Of the generic code.
    pub generic: f64,
    /// Of the code by hand.
    pub by_hand: f64,
}

impl Comparison {
    /// How many times as long the generic code takes.
    pub fn ratio(&self) -> f64 {
        self.generic / self.by_hand
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:>10.2} ns {:>10.2} ns {:>7.3}", self.generic, self.by_hand, self.ratio())
    }
}

/// Compares two operations, each run `batch` times a turn.
pub fn compare<A, B>(
    batch: u32,
    mut generic: impl FnMut() -> A,
    mut by_hand: impl FnMut() -> B,
) -> Comparison {
    let mut times = (Vec::with_capacity(PAIRS), Vec::with_capacity(PAIRS));
    for pair in 0..PAIRS {
        // Who goes first changes, so that whatever the first of a pair pays is paid by both.
        if pair % 2 == 0 {
            times.0.push(timed(batch, &mut generic));
            times.1.push(timed(batch, &mut by_hand));
        } else {
            times.1.push(timed(batch, &mut by_hand));
            times.0.push(timed(batch, &mut generic));
        }
    }
    Comparison { generic: median(times.0), by_hand: median(times.1) }
}

/// Compares up to `rounds` times, until the generic code is within `limit` times the code by hand. The answer is the
/// best round: noise can make code look slower for a while, but not faster than it is in the median of many batches.
pub fn compare_until(limit: f64, rounds: u32, mut round: impl FnMut() -> Comparison) -> Comparison {
    let mut best = round();
    for _ in 1..rounds {
        if best.ratio() <= limit {
            break;
        }
        let next = round();
        if next.ratio() < best.ratio() {
            best = next;
        }
    }
    best
}

/// The medians of any number of operations that are run in turns, in nanoseconds an operation.
pub fn medians(turns: usize, batch: u32, operations: &mut [Box<dyn FnMut() + '_>]) -> Vec<f64> {
    let mut times = vec![Vec::with_capacity(turns); operations.len()];
    for turn in 0..turns {
        for nth in 0..operations.len() {
            // Who goes first changes, as in `compare`.
            let which = (turn + nth) % operations.len();
            times[which].push(timed(batch, &mut operations[which]));
        }
    }
    times.into_iter().map(median).collect()
}

fn timed<R>(batch: u32, operation: &mut impl FnMut() -> R) -> f64 {
    let start = Instant::now();
    for _ in 0..batch {
        black_box(operation());
    }
    black_box(start.elapsed()).as_nanos() as f64 / f64::from(batch)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Keeps the calling thread on the core that it is on.
///
/// # Panics
/// If the system refuses.
pub fn pin_to_this_core() {
    // SAFETY: an all-zero set is empty; the core's number is one that the kernel answered; the set outlives the call.
    let result = unsafe {
        let mut set: libc::cpu_set_t = MaybeUninit::zeroed().assume_init();
        let core = libc::sched_getcpu();
        libc::CPU_SET(core as usize, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set)
    };
    assert_eq!(result, 0, "pinning failed: {}", std::io::Error::last_os_error());
}
