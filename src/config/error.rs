//! Why a configuration cannot work, as one type for everything that an embedder configures.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::drain::LimitsOverflow;
#[cfg(unix)]
use crate::platform::unix::SignalError;
use crate::wake::PolicyError;

/// Why a runtime cannot be configured like this.
///
/// [`Config::validated`](super::Config::validated) answers all but the last three. Those come from what is made beforehand, the
/// re-send policy, the limits and the signal, so that one function with `?` can do all of it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// A runtime without threads serves nothing.
    NoThreads,
    /// There may be fewer threads than there are to be from the start.
    MaximumBelowThreads {
        /// How many there are to be from the start.
        threads: usize,
        /// How many there may be.
        max_threads: usize,
    },
    /// The index of every thread must fit 32 bits.
    TooManyThreads {
        /// How many threads there may be.
        max_threads: usize,
        /// How many more may be in quarantine.
        max_quarantined: usize,
    },
    /// A worker's name is empty or blank.
    UnnamedWorker {
        /// Which of the workers, counted from 1.
        nth: usize,
    },
    /// Two workers have the same name.
    WorkerTwice {
        /// The name.
        worker: Arc<str>,
    },
    /// A worker without threads serves nothing.
    WorkerWithoutThreads {
        /// Its name.
        worker: Arc<str>,
    },
    /// A worker may have fewer threads than it is to have from the start.
    WorkerMaximumBelowThreads {
        /// Its name.
        worker: Arc<str>,
        /// How many it is to have from the start.
        threads: usize,
        /// How many it may have.
        max_threads: usize,
    },
    /// A worker may have more threads than there may be in all, so it would never get them.
    WorkerMaximumAboveAll {
        /// Its name.
        worker: Arc<str>,
        /// How many it may have.
        worker_max_threads: usize,
        /// How many there may be in all.
        max_threads: usize,
    },
    /// A worker whose boot fails would be booted again without a pause.
    ZeroBackoff {
        /// Its name.
        worker: Arc<str>,
    },
    /// The longest pause after a failed boot is shorter than the first.
    BackoffBelowFirst {
        /// The worker's name.
        worker: Arc<str>,
        /// The first pause.
        first: Duration,
        /// The longest pause.
        most: Duration,
    },
    /// The workers are to have more threads from the start than there are.
    WorkersAboveThreads {
        /// How many the workers are to have together.
        workers: usize,
        /// How many there are.
        threads: usize,
    },
    /// A time is zero, so that what it bounds could never happen, or would never stop happening.
    ZeroTime {
        /// The method that sets it.
        setting: &'static str,
    },
    /// The times of a start cannot be added up.
    TimesOverflow,
    /// The re-send policy makes no sense.
    Policy(PolicyError),
    /// The limits cannot be added up.
    Limits(LimitsOverflow),
    /// The signal cannot wake threads.
    #[cfg(unix)]
    Signal(SignalError),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoThreads => write!(f, "there are no threads: start with at least 1"),
            Self::MaximumBelowThreads { threads, max_threads } => write!(
                f,
                "max_threads is {max_threads}, below the {threads} threads of the start: \
                 raise it to {threads}, or start with fewer"
            ),
            Self::TooManyThreads { max_threads, max_quarantined } => write!(
                f,
                "max_threads and max_quarantined are {max_threads} and {max_quarantined}, \
                 together above {}: lower one of them",
                u32::MAX
            ),
            Self::UnnamedWorker { nth } => write!(f, "worker number {nth} has no name: give it one"),
            Self::WorkerTwice { worker } => {
                write!(f, "two workers are named {worker:?}: give each a name of its own")
            }
            Self::WorkerWithoutThreads { worker } => {
                write!(f, "worker {worker:?} has no threads: give it at least 1")
            }
            Self::WorkerMaximumBelowThreads { worker, threads, max_threads } => write!(
                f,
                "max_threads of worker {worker:?} is {max_threads}, below its {threads} threads of the start: \
                 raise it to {threads}, or start with fewer"
            ),
            Self::WorkerMaximumAboveAll { worker, worker_max_threads, max_threads } => write!(
                f,
                "max_threads of worker {worker:?} is {worker_max_threads}, above the {max_threads} of all \
                 threads: lower it, or raise the other to {worker_max_threads}"
            ),
            Self::ZeroBackoff { worker } => {
                write!(f, "the first backoff of worker {worker:?} is zero: use at least 1 ns")
            }
            Self::BackoffBelowFirst { worker, first, most } => write!(
                f,
                "the longest backoff of worker {worker:?} is {most:?}, below the first of {first:?}: \
                 raise it or lower the first"
            ),
            Self::WorkersAboveThreads { workers, threads } => write!(
                f,
                "the workers take {workers} threads, and there are {threads}: \
                 start with at least {workers}, or give the workers fewer"
            ),
            Self::ZeroTime { setting } => write!(f, "{setting} is zero: use at least 1 ns"),
            Self::TimesOverflow => {
                write!(f, "boot_limit, limits and teardown_limit together are too long: lower one of them")
            }
            Self::Policy(error) => write!(f, "the re-send policy cannot be used: {error}"),
            Self::Limits(error) => write!(f, "the limits cannot be used: {error}"),
            #[cfg(unix)]
            Self::Signal(error) => write!(f, "the signal cannot be used: {error}"),
        }
    }
}

// No source: the message holds that of the error inside.
impl std::error::Error for ConfigError {}

impl From<PolicyError> for ConfigError {
    fn from(error: PolicyError) -> Self {
        Self::Policy(error)
    }
}

impl From<LimitsOverflow> for ConfigError {
    fn from(error: LimitsOverflow) -> Self {
        Self::Limits(error)
    }
}

#[cfg(unix)]
impl From<SignalError> for ConfigError {
    fn from(error: SignalError) -> Self {
        Self::Signal(error)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Config, Worker};
    use super::*;
    use crate::{Limits, ResendPolicy};

    const ZERO: Duration = Duration::ZERO;
    const SECOND: Duration = Duration::from_secs(1);

    fn with(worker: Worker) -> Config {
        Config::new(2).worker(worker)
    }

    fn shop(threads: usize) -> Worker {
        Worker::new("shop", threads)
    }

    #[track_caller]
    fn refused(config: Config, message: &str) {
        assert_eq!(config.validated().map_err(|error| error.to_string()), Err(message.to_owned()));
    }

    #[test]
    fn numbers_of_threads_that_cannot_be() {
        refused(Config::new(0), "there are no threads: start with at least 1");
        refused(
            Config::new(3).max_threads(2),
            "max_threads is 2, below the 3 threads of the start: raise it to 3, or start with fewer",
        );
        refused(
            Config::new(1).max_threads(4_294_967_295).max_quarantined(1),
            "max_threads and max_quarantined are 4294967295 and 1, together above 4294967295: \
             lower one of them",
        );
        // Their sum does not even fit a usize.
        let most = usize::MAX;
        let error = ConfigError::TooManyThreads { max_threads: most, max_quarantined: most };
        assert_eq!(Config::new(most).validated(), Err(error));
        assert!(Config::new(1).max_threads(4_294_967_294).max_quarantined(1).validated().is_ok());
    }

    #[test]
    fn workers_that_cannot_be() {
        for blank in ["", " \t"] {
            let config = with(shop(1)).worker(Worker::new(blank, 1));
            refused(config, "worker number 2 has no name: give it one");
        }
        refused(with(shop(1)).worker(shop(1)), "two workers are named \"shop\": give each a name of its own");
        refused(with(shop(0)), "worker \"shop\" has no threads: give it at least 1");
        refused(
            with(shop(2).max_threads(1)),
            "max_threads of worker \"shop\" is 1, below its 2 threads of the start: \
             raise it to 2, or start with fewer",
        );
        refused(
            with(shop(1).max_threads(4)).max_threads(3),
            "max_threads of worker \"shop\" is 4, above the 3 of all threads: \
             lower it, or raise the other to 4",
        );
        refused(
            with(shop(1).backoff(ZERO, SECOND)),
            "the first backoff of worker \"shop\" is zero: use at least 1 ns",
        );
        refused(
            with(shop(1).backoff(SECOND, SECOND / 2)),
            "the longest backoff of worker \"shop\" is 500ms, below the first of 1s: \
             raise it or lower the first",
        );
        refused(
            with(shop(2)).worker(Worker::new("blog", 1)),
            "the workers take 3 threads, and there are 2: start with at least 3, or give the workers fewer",
        );
    }

    #[test]
    fn one_worker_that_takes_more_than_there_is_is_told_so() {
        refused(
            with(shop(3)),
            "the workers take 3 threads, and there are 2: start with at least 3, or give the workers fewer",
        );
        let most = usize::MAX;
        let error = ConfigError::WorkersAboveThreads { workers: most, threads: 2 };
        assert_eq!(with(shop(most)).worker(Worker::new("blog", 1)).validated(), Err(error));
    }

    #[test]
    fn times_that_cannot_be() {
        let one = || Config::new(1);
        let zero = [
            (one().boot_limit(ZERO), "boot_limit is zero: use at least 1 ns"),
            (one().teardown_limit(ZERO), "teardown_limit is zero: use at least 1 ns"),
            (one().max_wait(ZERO), "max_wait is zero: use at least 1 ns"),
            (one().stall_after(ZERO), "stall_after is zero: use at least 1 ns"),
            (one().idle_after(ZERO), "idle_after is zero: use at least 1 ns"),
        ];
        for (config, message) in zero {
            refused(config, message);
        }
        let too_long = "boot_limit, limits and teardown_limit together are too long: lower one of them";
        refused(Config::new(1).boot_limit(Duration::MAX), too_long);
        refused(Config::new(1).teardown_limit(Duration::MAX), too_long);
        // What is in no sum may be as long as it likes.
        let patient =
            Config::new(1).max_wait(Duration::MAX).idle_after(Duration::MAX).stall_after(Duration::MAX);
        assert!(patient.validated().is_ok());
    }

    #[test]
    fn what_is_made_beforehand_fails_as_the_same_type() {
        fn policy() -> Result<ResendPolicy, ConfigError> {
            Ok(ResendPolicy::single(ZERO)?)
        }
        assert_eq!(
            policy().unwrap_err().to_string(),
            "the re-send policy cannot be used: the pause between two sends is zero: use at least 1 ns"
        );
        fn limits() -> Result<Limits, ConfigError> {
            Ok(Limits::new(Duration::MAX, ResendPolicy::default())?)
        }
        assert_eq!(
            limits().unwrap_err().to_string(),
            "the limits cannot be used: the grace period and the kill's bound together are too long: \
             lower one of them"
        );
        #[cfg(unix)]
        {
            fn signal() -> Result<crate::KillSignal, ConfigError> {
                Ok(crate::KillSignal::new(libc::SIGKILL)?)
            }
            assert_eq!(
                signal().unwrap_err().to_string(),
                "the signal cannot be used: signal 9 cannot be handled: use a real-time signal"
            );
        }
    }
}
