//! When a kill is sent again.
//!
//! One send is not enough: a signal that lands between the VM's check and the system call interrupts nothing. Sending
//! without end is no answer either: PHP's stream sockets restart their own timeout at every `EINTR`, so re-sends that
//! come faster than that timeout keep the call from ever timing out. So the pauses double up to a limit, and end.

use std::fmt;
use std::time::Duration;

/// The re-send schedule of one kill: sends, pauses that double, and a bound.
///
/// The first send is at once. The pause after it is `first_pause`; each later one is twice as long, up to
/// `longest_pause`; the last one is cut so that all pauses together are exactly `within`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResendPolicy {
    within: Duration,
    first_pause: Duration,
    longest_pause: Duration,
}

/// Why a re-send policy makes no sense.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PolicyError {
    /// A pause of zero would send without end in no time.
    ZeroPause,
    /// The longest pause is shorter than the first.
    LongestBelowFirst,
    /// The bound is shorter than the first pause, so that it would cut it.
    BoundBelowFirst,
    /// The bound allows for more sends than anything needs.
    TooManySends {
        /// The limit, [`ResendPolicy::MOST_SENDS`].
        limit: u32,
    },
}

impl ResendPolicy {
    /// No schedule has more sends than this.
    pub const MOST_SENDS: u32 = 10_000;

    /// A schedule that ends after `within`.
    ///
    /// # Errors
    /// If a pause is zero, the longest is shorter than the first, the bound is shorter than the first, or the bound
    /// allows for more than [`ResendPolicy::MOST_SENDS`].
    pub fn new(
        within: Duration,
        first_pause: Duration,
        longest_pause: Duration,
    ) -> Result<Self, PolicyError> {
        if first_pause.is_zero() {
            return Err(PolicyError::ZeroPause);
        }
        if longest_pause < first_pause {
            return Err(PolicyError::LongestBelowFirst);
        }
        if within < first_pause {
            return Err(PolicyError::BoundBelowFirst);
        }
        let policy = Self { within, first_pause, longest_pause };
        let limit = Self::MOST_SENDS;
        if policy.pauses().take(limit as usize + 1).count() > limit as usize {
            return Err(PolicyError::TooManySends { limit });
        }
        Ok(policy)
    }

    /// One send, and one wait of `within`: what the pull request does. Loses kills; the historic designs use it.
    ///
    /// # Errors
    /// If `within` is zero.
    pub fn single(within: Duration) -> Result<Self, PolicyError> {
        Self::new(within, within, within)
    }

    /// How long a kill waits in all, at the most.
    pub fn within(&self) -> Duration {
        self.within
    }

    /// How many sends a kill makes, at the most.
    pub fn sends(&self) -> u32 {
        // `new` has counted them against MOST_SENDS.
        self.pauses().count() as u32
    }

    /// The pause after each send. All together they are [`ResendPolicy::within`].
    pub fn pauses(&self) -> impl Iterator<Item = Duration> {
        let (mut left, mut next) = (self.within, self.first_pause);
        std::iter::from_fn(move || {
            let pause = next.min(left);
            left -= pause;
            next = next.saturating_mul(2).min(self.longest_pause);
            (!pause.is_zero()).then_some(pause)
        })
    }
}

impl Default for ResendPolicy {
    /// Within 5 s, the pull request's `forceKillDeadline`: after 1 ms, 2 ms, 4 ms and so on up to 1 s.
    fn default() -> Self {
        Self {
            within: Duration::from_secs(5),
            first_pause: Duration::from_millis(1),
            longest_pause: Duration::from_secs(1),
        }
    }
}

impl fmt::Display for PolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ZeroPause => write!(f, "the pause between two sends is zero: use at least 1 ns"),
            Self::LongestBelowFirst => {
                write!(f, "the longest pause is shorter than the first: raise it or lower the first")
            }
            Self::BoundBelowFirst => {
                write!(f, "the bound is shorter than the first pause: raise it or lower the pause")
            }
            Self::TooManySends { limit } => {
                write!(f, "the bound allows for more than {limit} sends: use longer pauses")
            }
        }
    }
}

impl std::error::Error for PolicyError {}

#[cfg(test)]
mod tests {
    use super::*;

    fn millis(of: &ResendPolicy) -> Vec<u128> {
        of.pauses().map(|pause| pause.as_millis()).collect()
    }

    #[test]
    fn pauses_double_up_to_the_longest_and_the_last_is_cut() {
        let ms = Duration::from_millis;
        let policy = ResendPolicy::new(ms(20), ms(1), ms(4)).unwrap();
        assert_eq!(millis(&policy), [1, 2, 4, 4, 4, 4, 1]);
        assert_eq!(policy.sends(), 7);
    }

    #[test]
    fn the_default_is_the_pull_requests_deadline() {
        let policy = ResendPolicy::default();
        assert_eq!(policy.pauses().sum::<Duration>(), Duration::from_secs(5));
        assert_eq!(policy.sends(), 14);
        let (within, first, longest) = (policy.within, policy.first_pause, policy.longest_pause);
        assert_eq!(ResendPolicy::new(within, first, longest), Ok(policy));
    }

    #[test]
    fn a_schedule_that_makes_no_sense_is_refused() {
        let ms = Duration::from_millis;
        assert_eq!(ResendPolicy::new(ms(1), ms(0), ms(1)), Err(PolicyError::ZeroPause));
        assert_eq!(ResendPolicy::single(ms(0)), Err(PolicyError::ZeroPause));
        assert_eq!(ResendPolicy::new(ms(9), ms(2), ms(1)), Err(PolicyError::LongestBelowFirst));
        assert_eq!(ResendPolicy::new(ms(1), ms(2), ms(2)), Err(PolicyError::BoundBelowFirst));
        let limit = ResendPolicy::MOST_SENDS;
        assert_eq!(ResendPolicy::new(ms(10_001), ms(1), ms(1)), Err(PolicyError::TooManySends { limit }));
        assert_eq!(ResendPolicy::new(ms(10_000), ms(1), ms(1)).map(|policy| policy.sends()), Ok(limit));
        assert!(ResendPolicy::new(Duration::MAX, Duration::MAX, Duration::MAX).is_ok());
    }
}
