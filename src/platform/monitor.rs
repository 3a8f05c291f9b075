//! The monitor as a mutex and a condition variable, over a seam of its own: the very code that runs on the real platform
//! is searched by itself under a model checker, with spurious wake-ups and deadlines that pass at any moment.
//!
//! [`Condition`] is what the monitor is made of; the standard library's is [`StdCondition`](super::StdCondition). The
//! decisions are the methods of [`WaitSteps`]; the library uses [`Sound`] alone, which overrides nothing.
//!
//! | step | sound form | what breaks otherwise |
//! |---|---|---|
//! | [`announce`](WaitSteps::announce) | every section that changed something notifies everybody who is counted | a wait that never returns |
//! | [`sleep`](WaitSteps::sleep) | counted from before the lock is given up until it is held again | the notification is skipped |
//! | [`wait`](WaitSteps::wait) | asks again after every wake-up | a spurious wake-up is believed |
//! | [`wait_until_or`](WaitSteps::wait_until_or) | asks before it looks at the clock | an answer that is there at the deadline is missed |
//! | [`expire`](WaitSteps::expire) | in the section of the last look, and announced | the answer comes in between, and is overruled |

use std::fmt;
use std::marker::PhantomData;
use std::ops::DerefMut;
use std::time::Duration;

use super::{Answer, Monitor, MonitorValue};
use crate::steps::Sound;

/// A mutex around an `S`, one condition variable and a clock. Every wait may return at any time, for no reason.
///
/// For model checkers: the real platform has [`StdCondition`](super::StdCondition).
pub trait Condition<S>: Send + Sync {
    /// Holds the mutex; gives it back when it is dropped, also by a panic.
    type Guard<'a>: DerefMut<Target = S>
    where
        Self: 'a;

    /// Locks the mutex.
    fn lock(&self) -> Self::Guard<'_>;

    /// Gives the mutex back and sleeps, in one step as [`Condition::notify_all`] sees it; locks again.
    fn wait<'a>(&'a self, guard: Self::Guard<'a>) -> Self::Guard<'a>;

    /// The same, but sleeps no longer than `left`.
    fn wait_timeout<'a>(&'a self, guard: Self::Guard<'a>, left: Duration) -> Self::Guard<'a>;

    /// Wakes everybody who sleeps now.
    fn notify_all(&self);

    /// The monotonic clock.
    fn now(&self) -> Duration;
}

/// What the mutex of a monitor guards. The number of those who sleep stands beside the value, because a notification is a
/// system call even when nobody sleeps, and the end of a run is a hot path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Watched<T> {
    /// The monitor's value.
    pub value: T,
    /// How many threads sleep until it changes. One that has been woken counts until it has the mutex again.
    pub waiters: usize,
}

impl<T> Watched<T> {
    /// The value, with nobody asleep.
    pub fn new(value: T) -> Self {
        Self { value, waiters: 0 }
    }
}

/// [`Monitor`] as a mutex and a condition variable.
pub struct CondvarMonitor<T, C, D = Sound> {
    condition: C,
    steps: PhantomData<fn() -> (T, D)>,
}

impl<T, C: Condition<Watched<T>>, D> CondvarMonitor<T, C, D> {
    /// A monitor around the value that `condition` guards. For model checkers; the real platform's are made by
    /// [`Platform::monitor`](super::Platform::monitor).
    pub fn new(condition: C) -> Self {
        Self { condition, steps: PhantomData }
    }

    /// What it is made of. For model checkers.
    pub fn condition(&self) -> &C {
        &self.condition
    }
}

impl<T, C: fmt::Debug, D> fmt::Debug for CondvarMonitor<T, C, D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CondvarMonitor").field(&self.condition).finish()
    }
}

impl<T, C, D> Monitor<T> for CondvarMonitor<T, C, D>
where
    T: MonitorValue,
    C: Condition<Watched<T>>,
    D: WaitSteps<T, C>,
{
    #[inline]
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        let mut state = self.condition.lock();
        let result = change(&mut state.value);
        D::announce(&self.condition, state);
        result
    }

    #[inline]
    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        D::wait(&self.condition, ready)
    }

    #[inline]
    fn wait_until_or<R: Answer>(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        D::wait_until_or(&self.condition, deadline, ready, expired)
    }
}

/// The decisions of a monitor, each with its sound form as the default. For model checkers, which break one at a time.
pub trait WaitSteps<T, C: Condition<Watched<T>>>: 'static {
    /// Ends a section that may have changed the value: gives the mutex back and notifies, if anybody sleeps.
    #[inline]
    fn announce(condition: &C, state: C::Guard<'_>) {
        let somebody_sleeps = state.waiters > 0;
        // First: whoever is woken while the mutex is held goes to sleep again at once. A hand-over takes a third of the time
        // like this (`cargo bench -p forcekill-benches --bench monitor`). Whoever falls asleep in between has seen the change.
        drop(state);
        if somebody_sleeps {
            condition.notify_all();
        }
    }

    /// Sleeps until notified, for `left` at the most if there is a limit; may return at any time, for no reason.
    #[inline]
    fn sleep<'a>(condition: &'a C, mut state: C::Guard<'a>, left: Option<Duration>) -> C::Guard<'a> {
        state.waiters += 1;
        state = match left {
            Some(left) => condition.wait_timeout(state, left),
            None => condition.wait(state),
        };
        state.waiters -= 1;
        state
    }

    /// Ends the section of a wait that has its answer, which may have taken something. Notifies as any other change.
    #[inline]
    fn announce_taking(condition: &C, state: C::Guard<'_>) {
        Self::announce(condition, state);
    }

    /// Waits until `ready` answers.
    fn wait<R>(condition: &C, ready: impl Fn(&mut T) -> Option<R>) -> R {
        let mut state = condition.lock();
        loop {
            if let Some(answer) = ready(&mut state.value) {
                Self::announce_taking(condition, state);
                return answer;
            }
            state = Self::sleep(condition, state, None);
        }
    }

    /// Waits until `ready` answers, or answers what `expired` does once the deadline has passed.
    fn wait_until_or<R>(
        condition: &C,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        let mut state = condition.lock();
        loop {
            // Asked before the clock is read, in the section that gives up if the time is over: an answer that is there when
            // the deadline passes counts.
            if let Some(answer) = ready(&mut state.value) {
                Self::announce_taking(condition, state);
                return answer;
            }
            let left = deadline.saturating_sub(condition.now());
            if left.is_zero() {
                return Self::expire(condition, state, expired);
            }
            state = Self::sleep(condition, state, Some(left));
        }
    }

    /// Ends the section that has found no answer and the deadline passed. Notifies as any other change.
    #[inline]
    fn expire<R>(condition: &C, mut state: C::Guard<'_>, expired: impl Fn(&mut T) -> R) -> R {
        let answer = expired(&mut state.value);
        Self::announce(condition, state);
        answer
    }
}

impl<T, C: Condition<Watched<T>>> WaitSteps<T, C> for Sound {}
