//! What the kill path costs: the library's generic code on the real platform beside the same code written by hand, in
//! one run.
//!
//! `cargo bench -p forcekill-benches` measures both with criterion and prints one table of the two at the end;
//! `benches/tests/` asserts the ratio. On Linux alone, whose system calls the code by hand is written against.

#[cfg(target_os = "linux")]
pub mod by_hand;
#[cfg(target_os = "linux")]
pub mod futex;
#[cfg(target_os = "linux")]
pub mod monitors;
#[cfg(target_os = "linux")]
pub mod pairs;
#[cfg(target_os = "linux")]
pub mod parity;
