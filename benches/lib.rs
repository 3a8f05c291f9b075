//! What the kill path costs: the library's generic code on the real platform beside the same code written by hand, in
//! one run.
//!
//! `cargo bench -p forcekill-benches` measures both with criterion and prints one table of the two at the end;
//! `benches/tests/` asserts the ratio. On Linux alone, whose system calls the code by hand is written against.
//!
//! # Searches
//!
//! Beside it, `cargo bench -p forcekill-benches --bench search` measures the search engines of the models, on every system: the
//! explorer, shuttle and loom on one scenario. What is counted and how stands in `benches/search.rs`. On a machine with 2 cores:
//!
//! | engine | strategy | threads | executions | executions a second | time to full search | terminal states |
//! |---|---|---:|---:|---:|---:|---:|
//! | explorer | depth-first | 1 | 1,000 | 394,314 | 2.5 ms | 109 |
//! | explorer | sleep sets | 1 | 280 | 365,774 | 0.8 ms | 109 |
//! | explorer | persistent sets | 1 | 145 | 393,366 | 102.1 ms | 109 |
//! | explorer | source sets | 1 | 602 | 294,124 | 2.0 ms | 109 |
//! | shuttle's runtime | sleep sets | 1 | 280 | 143,662 | 1.9 ms | 109 |
//! | shuttle | depth-first | 1 | 649,398 | 97,827 | not finished in 10.0 s | – |
//! | loom | its own reduction | 1 | 114,999 | 19,131 | not finished in 10.0 s | – |
//! | explorer | depth-first | 2 | 1,771,648 | 263,894 | not finished in 10.0 s | – |
//! | explorer | sleep sets | 2 | 50,668 | 245,256 | 206.6 ms | 7,175 |
//! | explorer | persistent sets | 2 | 22,927 | 221,792 | 283.7 ms | 7,175 |
//! | explorer | source sets | 2 | 346,642 | 182,516 | 1.9 s | 7,175 |
//! | shuttle's runtime | sleep sets | 2 | 50,668 | 107,916 | 469.5 ms | 7,175 |
//! | shuttle | depth-first | 2 | 408,127 | 60,776 | not finished in 10.0 s | – |
//! | loom | its own reduction | 2 | 103,099 | 15,488 | not finished in 10.0 s | – |

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
