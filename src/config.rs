//! What a runtime is told at its start: how many threads, which workers, and how long everything may take.
//!
//! [`Config`] and [`Worker`] are filled in, [`Config::validated`] finds whatever cannot work, and the runtime reads the
//! [`ValidConfig`] alone.
//!
//! ```
//! use std::time::Duration;
//!
//! use forcekill::{Config, Limits, ResendPolicy, Worker};
//!
//! let kill = ResendPolicy::new(Duration::from_secs(2), Duration::from_millis(1), Duration::from_millis(500))?;
//! let config = Config::new(4)
//!     .max_threads(8)
//!     .worker(Worker::new("shop", 2).max_threads(4))
//!     .limits(Limits::new(Duration::from_secs(1), kill)?)
//!     .validated()?;
//! assert_eq!(config.regular_threads(), 2);
//! assert_eq!(config.restart_bound(), Duration::from_secs(3));
//! # Ok::<(), forcekill::ConfigError>(())
//! ```
//!
//! Every call of the runtime returns within a bound that follows from these times:
//!
//! | call | bound | by default |
//! |---|---|---|
//! | restart | [`Limits::total`] | 10 s |
//! | shutdown | that, and the teardown limit | 15 s |
//! | init | the boot limit, and a shutdown's bound: an init that fails shuts down what it has started | 20 s |
//!
//! Upstream: `options.go`, and the constants of the pull request.

use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use crate::drain::Limits;

mod error;
mod valid;

pub use error::ConfigError;
pub use valid::{ValidConfig, ValidWorker};

/// What a runtime is to be. Each method sets one thing; what is not set has the default that stands at its method.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a configuration does nothing until a runtime is started with it"]
pub struct Config {
    threads: usize,
    max_threads: Option<usize>,
    max_quarantined: Option<usize>,
    workers: Vec<Worker>,
    max_requests: Option<NonZero<u64>>,
    max_queue: Option<NonZero<usize>>,
    limits: Limits,
    boot_limit: Duration,
    teardown_limit: Duration,
    max_wait: Option<Duration>,
    stall_after: Duration,
    idle_after: Duration,
    scales_by_itself: bool,
}

/// A script that stays loaded between requests, and the threads that run it.
///
/// Upstream: `workerOpt`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a worker does nothing until it is part of a configuration"]
pub struct Worker {
    name: Arc<str>,
    threads: usize,
    max_threads: Option<usize>,
    max_requests: Option<NonZero<u64>>,
    max_failures: NonZero<u32>,
    first_backoff: Duration,
    most_backoff: Duration,
}

impl Config {
    /// A runtime that starts with so many PHP threads in all, those of the workers included. Those that no worker takes are
    /// regular threads.
    ///
    /// Upstream: `num_threads`.
    pub fn new(threads: usize) -> Self {
        let limits = Limits::default();
        Self {
            threads,
            max_threads: None,
            max_quarantined: None,
            workers: Vec::new(),
            max_requests: None,
            max_queue: None,
            limits,
            boot_limit: Duration::from_secs(5),
            teardown_limit: Duration::from_secs(5),
            max_wait: None,
            stall_after: Duration::from_millis(5),
            idle_after: Duration::from_secs(5),
            scales_by_itself: true,
        }
    }

    /// How many threads there may be with those that the scaler adds. Default: as many as at the start, so that nothing is
    /// scaled.
    ///
    /// Upstream: `max_threads`.
    pub fn max_threads(mut self, most: usize) -> Self {
        self.max_threads = Some(most);
        self
    }

    /// How many abandoned threads may be replaced while they have not exited. Each keeps its index in quarantine until its OS
    /// thread is gone, and a fresh one serves in its place; once the quarantine is full, an abandoned thread is not
    /// replaced before one comes back. 0 replaces none.
    ///
    /// Default: as many as there are threads at the start, so that a restart that gives up on all of them leaves as many
    /// serving. What it costs at worst is that number of stuck OS threads, with their memory.
    ///
    /// Upstream has no such thing: an abandoned thread's capacity is lost.
    pub fn max_quarantined(mut self, most: usize) -> Self {
        self.max_quarantined = Some(most);
        self
    }

    /// Adds a worker.
    pub fn worker(mut self, worker: Worker) -> Self {
        self.workers.push(worker);
        self
    }

    /// After how many requests a regular thread's OS thread is replaced by a fresh one. Default: `None`, never.
    pub fn max_requests(mut self, most: impl Into<Option<NonZero<u64>>>) -> Self {
        self.max_requests = most.into();
        self
    }

    /// How many requests may wait for a thread in each queue: there is one a worker, and one for the regular threads. One
    /// more is rejected at once. Default: `None`, any number.
    pub fn max_queue(mut self, most: impl Into<Option<NonZero<usize>>>) -> Self {
        self.max_queue = most.into();
        self
    }

    /// How long a thread may take to come back in a restart or a shutdown. Default: [`Limits::default`], the pull request's.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// How long the start waits for all threads to be ready. Default: 5 s. Upstream waits without a bound.
    pub fn boot_limit(mut self, limit: Duration) -> Self {
        self.boot_limit = limit;
        self
    }

    /// How long the shutdown waits for lingering threads before it leaves the teardown out. Default: 5 s.
    ///
    /// Upstream: `mainThreadShutdownDeadline`.
    pub fn teardown_limit(mut self, limit: Duration) -> Self {
        self.teardown_limit = limit;
        self
    }

    /// How long a request may wait to be started before it is rejected. Default: the limits' total and the boot limit, 15 s
    /// if those are not set either: with less, a restart that has to kill a thread would reject the requests that arrive
    /// meanwhile.
    ///
    /// Upstream: `max_wait_time`, by default without a bound.
    pub fn max_wait(mut self, most: Duration) -> Self {
        self.max_wait = Some(most);
        self
    }

    /// How long a request must have waited for the scaler to add a thread for it. Default: 5 ms, upstream's `minStallTime`.
    pub fn stall_after(mut self, wait: Duration) -> Self {
        self.stall_after = wait;
        self
    }

    /// How long a thread that the scaler has added may be idle before it is taken away. Default: 5 s, upstream's
    /// `maxIdleTime`.
    pub fn idle_after(mut self, idle: Duration) -> Self {
        self.idle_after = idle;
        self
    }

    /// Whether a runtime that may have more threads than it starts with adds and takes them away by itself, in a thread of its
    /// own. Without it the embedder calls [`Runtime::scale_up`](crate::Runtime::scale_up) and
    /// [`Runtime::scale_down`](crate::Runtime::scale_down). Default: yes.
    pub fn scales_by_itself(mut self, by_itself: bool) -> Self {
        self.scales_by_itself = by_itself;
        self
    }

    /// Fills in the defaults, and refuses what cannot work.
    ///
    /// # Errors
    /// The first thing that is wrong; its message says what to do.
    pub fn validated(self) -> Result<ValidConfig, ConfigError> {
        ValidConfig::of(self)
    }
}

impl Worker {
    /// How often in a row the boot of a worker may fail unless it says otherwise: upstream's `defaultMaxConsecutiveFailures`.
    pub const MAX_FAILURES: NonZero<u32> = NonZero::new(6).unwrap();

    /// A worker of this name, with so many threads from the start.
    pub fn new(name: impl Into<Arc<str>>, threads: usize) -> Self {
        Self {
            name: name.into(),
            threads,
            max_threads: None,
            max_requests: None,
            max_failures: Self::MAX_FAILURES,
            first_backoff: Duration::from_millis(100),
            most_backoff: Duration::from_secs(1),
        }
    }

    /// How many threads it may have with those that the scaler adds. Default: as many as from the start.
    pub fn max_threads(mut self, most: usize) -> Self {
        self.max_threads = Some(most);
        self
    }

    /// After how many requests the OS thread of one of its threads is replaced by a fresh one. Default: `None`, never.
    pub fn max_requests(mut self, most: impl Into<Option<NonZero<u64>>>) -> Self {
        self.max_requests = most.into();
        self
    }

    /// After how many failures in a row to boot its script one of its threads is given up. Default: [`Worker::MAX_FAILURES`].
    pub fn max_failures(mut self, most: NonZero<u32>) -> Self {
        self.max_failures = most;
        self
    }

    /// The pause after a failure to boot: `first` after one, twice as long after each further one in a row, up to `most`.
    /// Default: 100 ms and 1 s.
    ///
    /// Upstream: `exponentialBackoff`.
    pub fn backoff(mut self, first: Duration, most: Duration) -> Self {
        (self.first_backoff, self.most_backoff) = (first, most);
        self
    }
}
