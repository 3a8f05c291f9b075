//! A configuration that can work: defaults filled in, bounds added up. What the runtime reads.

use std::collections::HashSet;
use std::num::NonZero;
use std::sync::Arc;
use std::time::Duration;

use super::{Config, ConfigError, Worker};
use crate::drain::Limits;

/// A [`Config`] that was found to work. Made by [`Config::validated`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidConfig {
    threads: usize,
    max_threads: usize,
    max_quarantined: usize,
    workers: Vec<ValidWorker>,
    max_requests: Option<NonZero<u64>>,
    max_queue: Option<NonZero<usize>>,
    limits: Limits,
    boot_limit: Duration,
    teardown_limit: Duration,
    max_wait: Duration,
    stall_after: Duration,
    idle_after: Duration,
    scales_by_itself: bool,
    init_bound: Duration,
    shutdown_bound: Duration,
}

/// A [`Worker`] of a [`ValidConfig`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidWorker {
    name: Arc<str>,
    threads: usize,
    max_threads: usize,
    max_requests: Option<NonZero<u64>>,
    max_failures: NonZero<u32>,
    first_backoff: Duration,
    most_backoff: Duration,
}

impl ValidConfig {
    pub(super) fn of(config: Config) -> Result<Self, ConfigError> {
        let threads = config.threads;
        let max_threads = config.max_threads.unwrap_or(threads);
        let max_quarantined = config.max_quarantined.unwrap_or(threads);
        check_numbers(threads, max_threads, max_quarantined)?;
        let workers = valid_workers(config.workers, threads, max_threads)?;

        let (limits, boot_limit, teardown_limit) = (config.limits, config.boot_limit, config.teardown_limit);
        check_times([
            ("boot_limit", boot_limit),
            ("teardown_limit", teardown_limit),
            ("max_wait", config.max_wait.unwrap_or(Duration::MAX)),
            ("stall_after", config.stall_after),
            ("idle_after", config.idle_after),
        ])?;
        let sum = |one: Duration, other| one.checked_add(other).ok_or(ConfigError::TimesOverflow);
        let shutdown_bound = sum(limits.total(), teardown_limit)?;
        let init_bound = sum(boot_limit, shutdown_bound)?;
        let max_wait = config.max_wait.map_or_else(|| sum(limits.total(), boot_limit), Ok)?;

        Ok(Self {
            threads,
            max_threads,
            max_quarantined,
            workers,
            max_requests: config.max_requests,
            max_queue: config.max_queue,
            limits,
            boot_limit,
            teardown_limit,
            max_wait,
            stall_after: config.stall_after,
            idle_after: config.idle_after,
            scales_by_itself: config.scales_by_itself,
            init_bound,
            shutdown_bound,
        })
    }

    /// How many threads there are from the start, those of the workers included.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// How many threads there may be with those that the scaler adds.
    pub fn max_threads(&self) -> usize {
        self.max_threads
    }

    /// How many abandoned threads may be replaced while they have not exited.
    pub fn max_quarantined(&self) -> usize {
        self.max_quarantined
    }

    /// How many indexes there are: one for every thread that there may be, and for every one in quarantine. Fits 32 bits.
    pub fn seats(&self) -> usize {
        // `of` has found that the sum fits.
        self.max_threads + self.max_quarantined
    }

    /// The workers, in the order in which they were added.
    pub fn workers(&self) -> &[ValidWorker] {
        &self.workers
    }

    /// How many threads from the start belong to no worker.
    pub fn regular_threads(&self) -> usize {
        // `of` has found that the workers take no more than there are.
        self.threads - self.worker_threads()
    }

    /// How many regular threads there may be, if the scaler adds no others.
    pub fn max_regular_threads(&self) -> usize {
        self.max_threads - self.worker_threads()
    }

    fn worker_threads(&self) -> usize {
        self.workers.iter().map(ValidWorker::threads).sum()
    }

    /// After how many requests a regular thread's OS thread is replaced; `None` if never.
    pub fn max_requests(&self) -> Option<NonZero<u64>> {
        self.max_requests
    }

    /// How many requests may wait in each queue; `None` if any number.
    pub fn max_queue(&self) -> Option<NonZero<usize>> {
        self.max_queue
    }

    /// How long a thread may take to come back in a restart or a shutdown.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// How long the start waits for all threads to be ready.
    pub fn boot_limit(&self) -> Duration {
        self.boot_limit
    }

    /// How long the shutdown waits for lingering threads.
    pub fn teardown_limit(&self) -> Duration {
        self.teardown_limit
    }

    /// How long a request may wait to be started.
    pub fn max_wait(&self) -> Duration {
        self.max_wait
    }

    /// How long a request must have waited for the scaler to add a thread for it.
    pub fn stall_after(&self) -> Duration {
        self.stall_after
    }

    /// How long a thread that the scaler has added may be idle before it is taken away.
    pub fn idle_after(&self) -> Duration {
        self.idle_after
    }

    /// Whether the runtime scales by itself.
    pub fn scales_by_itself(&self) -> bool {
        self.scales_by_itself
    }

    /// How long an init waits in all, at the most: for its threads, and then for the shutdown of those that it has started if
    /// they were not all ready.
    pub fn init_bound(&self) -> Duration {
        self.init_bound
    }

    /// How long a restart waits in all, at the most.
    pub fn restart_bound(&self) -> Duration {
        self.limits.total()
    }

    /// How long a shutdown waits in all, at the most: for its threads, and then for those that linger.
    pub fn shutdown_bound(&self) -> Duration {
        self.shutdown_bound
    }
}

impl ValidWorker {
    /// Its name. Notices carry clones of it.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// How many threads it has from the start.
    pub fn threads(&self) -> usize {
        self.threads
    }

    /// How many threads it may have with those that the scaler adds.
    pub fn max_threads(&self) -> usize {
        self.max_threads
    }

    /// After how many requests the OS thread of one of its threads is replaced; `None` if never.
    pub fn max_requests(&self) -> Option<NonZero<u64>> {
        self.max_requests
    }

    /// After how many failures in a row to boot its script one of its threads is given up.
    pub fn max_failures(&self) -> NonZero<u32> {
        self.max_failures
    }

    /// The pause after so many failures in a row, the latest included. After none there is none.
    pub fn backoff(&self, failures: u32) -> Duration {
        let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
        let factor = 2u32.saturating_pow(doublings);
        self.first_backoff.saturating_mul(factor).min(self.most_backoff)
    }

    fn of(worker: Worker, nth: usize, max_threads_of_all: usize) -> Result<Self, ConfigError> {
        let Worker { name, threads, max_requests, max_failures, first_backoff, most_backoff, .. } = worker;
        if name.trim().is_empty() {
            return Err(ConfigError::UnnamedWorker { nth });
        }
        if threads == 0 {
            return Err(ConfigError::WorkerWithoutThreads { worker: name });
        }
        let max_threads = worker.max_threads.unwrap_or(threads);
        if max_threads < threads {
            return Err(ConfigError::WorkerMaximumBelowThreads { worker: name, threads, max_threads });
        }
        // Only a maximum that was set: of a worker that is to have too many from the start, that is said instead.
        if worker.max_threads.is_some() && max_threads > max_threads_of_all {
            return Err(ConfigError::WorkerMaximumAboveAll {
                worker: name,
                worker_max_threads: max_threads,
                max_threads: max_threads_of_all,
            });
        }
        if first_backoff.is_zero() {
            return Err(ConfigError::ZeroBackoff { worker: name });
        }
        if most_backoff < first_backoff {
            let (first, most) = (first_backoff, most_backoff);
            return Err(ConfigError::BackoffBelowFirst { worker: name, first, most });
        }
        Ok(Self { name, threads, max_threads, max_requests, max_failures, first_backoff, most_backoff })
    }
}

fn check_numbers(threads: usize, max_threads: usize, max_quarantined: usize) -> Result<(), ConfigError> {
    if threads == 0 {
        return Err(ConfigError::NoThreads);
    }
    if max_threads < threads {
        return Err(ConfigError::MaximumBelowThreads { threads, max_threads });
    }
    let seats = max_threads.checked_add(max_quarantined);
    if seats.is_none_or(|seats| u32::try_from(seats).is_err()) {
        return Err(ConfigError::TooManyThreads { max_threads, max_quarantined });
    }
    Ok(())
}

fn valid_workers(
    workers: Vec<Worker>,
    threads: usize,
    max_threads: usize,
) -> Result<Vec<ValidWorker>, ConfigError> {
    let mut names = HashSet::new();
    let mut valid = Vec::with_capacity(workers.len());
    for (worker, nth) in workers.into_iter().zip(1..) {
        if !names.insert(Arc::clone(&worker.name)) {
            return Err(ConfigError::WorkerTwice { worker: worker.name });
        }
        valid.push(ValidWorker::of(worker, nth, max_threads)?);
    }
    let taken = valid.iter().map(ValidWorker::threads).fold(0, usize::saturating_add);
    if taken > threads {
        return Err(ConfigError::WorkersAboveThreads { workers: taken, threads });
    }
    Ok(valid)
}

fn check_times(times: [(&'static str, Duration); 5]) -> Result<(), ConfigError> {
    match times.into_iter().find(|(_, time)| time.is_zero()) {
        Some((setting, _)) => Err(ConfigError::ZeroTime { setting }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn the_times_by_default_are_the_pull_requests() {
        let config = Config::new(1).validated().unwrap();
        assert_eq!(config.limits().grace(), 5 * SECOND);
        assert_eq!(config.limits().kill().within(), 5 * SECOND);
        assert_eq!(config.teardown_limit(), 5 * SECOND);
        assert_eq!(config.boot_limit(), 5 * SECOND);
        assert_eq!(config.restart_bound(), 10 * SECOND);
        assert_eq!(config.shutdown_bound(), 15 * SECOND);
        assert_eq!(config.init_bound(), 20 * SECOND);
    }

    #[test]
    fn the_rest_by_default() {
        let config = Config::new(3).worker(Worker::new("shop", 1)).validated().unwrap();
        assert_eq!((config.threads(), config.max_threads(), config.max_quarantined()), (3, 3, 3));
        assert_eq!((config.seats(), config.regular_threads(), config.max_regular_threads()), (6, 2, 2));
        assert_eq!((config.max_requests(), config.max_queue()), (None, None));
        assert_eq!(config.max_wait(), 15 * SECOND);
        assert_eq!(config.stall_after(), Duration::from_millis(5));
        assert_eq!(config.idle_after(), 5 * SECOND);

        let [shop] = config.workers() else { panic!("{:?}", config.workers()) };
        assert_eq!((&**shop.name(), shop.threads(), shop.max_threads()), ("shop", 1, 1));
        assert_eq!((shop.max_requests(), shop.max_failures().get()), (None, 6));
    }

    #[test]
    fn what_was_set_is_what_is_read() {
        let (seven, eight) = (NonZero::new(7), NonZero::new(8));
        let shop = Worker::new("shop", 2).max_threads(5).max_requests(seven);
        let limits = Limits::new(2 * SECOND, crate::ResendPolicy::default()).unwrap();
        let config = Config::new(4)
            .max_threads(6)
            .max_quarantined(0)
            .worker(shop.max_failures(NonZero::<u32>::MIN))
            .worker(Worker::new("blog", 1))
            .max_requests(NonZero::<u64>::MIN)
            .max_queue(eight)
            .limits(limits.clone())
            .boot_limit(3 * SECOND)
            .teardown_limit(4 * SECOND)
            .max_wait(9 * SECOND)
            .stall_after(10 * SECOND)
            .idle_after(11 * SECOND)
            .validated()
            .unwrap();

        assert_eq!((config.threads(), config.max_threads(), config.max_quarantined()), (4, 6, 0));
        assert_eq!((config.seats(), config.regular_threads(), config.max_regular_threads()), (6, 1, 3));
        assert_eq!((config.max_requests(), config.max_queue()), (NonZero::new(1), eight));
        assert_eq!(config.limits(), &limits);
        assert_eq!((config.boot_limit(), config.teardown_limit()), (3 * SECOND, 4 * SECOND));
        assert_eq!(config.max_wait(), 9 * SECOND);
        assert_eq!((config.stall_after(), config.idle_after()), (10 * SECOND, 11 * SECOND));
        assert_eq!(config.restart_bound(), 7 * SECOND);
        assert_eq!(config.shutdown_bound(), 11 * SECOND);
        assert_eq!(config.init_bound(), 14 * SECOND);

        let names: Vec<_> = config.workers().iter().map(|worker| &**worker.name()).collect();
        assert_eq!(names, ["shop", "blog"]);
        let shop = &config.workers()[0];
        assert_eq!((shop.threads(), shop.max_threads()), (2, 5));
        assert_eq!((shop.max_requests(), shop.max_failures().get()), (seven, 1));
    }

    #[test]
    fn the_backoff_doubles_up_to_its_most() {
        let config = Config::new(1).worker(Worker::new("shop", 1)).validated().unwrap();
        let shop = &config.workers()[0];
        let millis = [0, 1, 2, 3, 4, 5, 6, u32::MAX].map(|failures| shop.backoff(failures).as_millis());
        assert_eq!(millis, [0, 100, 200, 400, 800, 1000, 1000, 1000]);

        let slow = Worker::new("slow", 1).backoff(Duration::MAX / 2, Duration::MAX);
        let config = Config::new(1).worker(slow).validated().unwrap();
        assert_eq!(config.workers()[0].backoff(u32::MAX), Duration::MAX);
    }

    #[test]
    fn workers_may_take_every_thread_and_share_what_is_scaled() {
        let of = |name: &str| Worker::new(name, 1).max_threads(3);
        let config = Config::new(2).max_threads(3).worker(of("shop")).worker(of("blog")).validated();
        assert_eq!(config.map(|config| config.regular_threads()), Ok(0));
    }
}
