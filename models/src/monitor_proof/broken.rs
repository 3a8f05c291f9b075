//! Monitors with one step broken. Each must be refuted, or the proof proves nothing.

use std::time::Duration;

use forcekill::platform::monitor::{Condition, WaitSteps, Watched};
use forcekill::steps::Sound;
use loom::sync::MutexGuard;

use super::loom_condition::LoomCondition;
use super::scenarios::{self, Play, Scenario};
use super::{Searched, search};
use crate::property::Property;

/// A broken step, and who must notice.
#[derive(Debug)]
pub struct Defect {
    /// What reports and replays call it.
    pub name: &'static str,
    /// What is broken, as a sentence without a full stop.
    pub what: &'static str,
    /// The searches that must refute it.
    pub caught_by: &'static [Caught],
}

/// A search that must refute a defect.
#[derive(Debug)]
pub struct Caught {
    /// The scenario's name.
    pub scenario: &'static str,
    /// The property that breaks.
    pub property: Property,
    pub(super) play: Play,
}

impl Defect {
    /// Makes one of the searches that must refute it; it gives up after `limit`.
    pub fn refute(&'static self, caught: &Caught, limit: Duration) -> Searched {
        search(Some(self), caught.scenario(), caught.play, &[caught.property], limit)
    }
}

impl Caught {
    /// The scenario.
    ///
    /// # Panics
    /// If it is not in the list of scenarios.
    pub fn scenario(&self) -> &'static Scenario {
        Scenario::named(self.scenario).expect("a defect names a scenario that exists")
    }
}

type Held<'a, T> = MutexGuard<'a, Watched<T>>;
type On<T> = LoomCondition<Watched<T>>;

/// A change notifies nobody.
pub struct NoNotification;

impl<T: Send> WaitSteps<T, On<T>> for NoNotification {
    fn announce(_condition: &On<T>, _state: Held<'_, T>) {}
}

/// A change notifies one waiter.
pub struct NotifyOne;

impl<T: Send> WaitSteps<T, On<T>> for NotifyOne {
    fn announce(condition: &On<T>, state: Held<'_, T>) {
        let waiters = state.waiters;
        drop(state);
        if waiters > 0 {
            condition.notify_one();
        }
    }
}

/// A change notifies only when it found exactly one waiter.
pub struct NotifyOnlyTheFirst;

impl<T: Send> WaitSteps<T, On<T>> for NotifyOnlyTheFirst {
    fn announce(condition: &On<T>, state: Held<'_, T>) {
        let waiters = state.waiters;
        drop(state);
        if waiters == 1 {
            condition.notify_all();
        }
    }
}

/// A waiter looks in one section and is counted in the next.
pub struct CountedLate;

impl<T: Send> WaitSteps<T, On<T>> for CountedLate {
    fn sleep<'a>(condition: &'a On<T>, state: Held<'a, T>, left: Option<Duration>) -> Held<'a, T> {
        drop(state);
        // A change may come here, and finds nobody.
        let mut state = condition.lock();
        state.waiters += 1;
        state = sleep(condition, state, left);
        state.waiters -= 1;
        state
    }
}

/// A waiter is counted out before it sleeps.
pub struct CountedOutEarly;

impl<T: Send> WaitSteps<T, On<T>> for CountedOutEarly {
    fn sleep<'a>(condition: &'a On<T>, mut state: Held<'a, T>, left: Option<Duration>) -> Held<'a, T> {
        state.waiters += 1;
        // Here a search would see them, but the lock is held.
        state.waiters -= 1;
        sleep(condition, state, left)
    }
}

/// Whoever notifies counts the waiters out, and each of them does so again when it wakes.
pub struct CountedOutTwice;

impl<T: Send> WaitSteps<T, On<T>> for CountedOutTwice {
    fn announce(condition: &On<T>, mut state: Held<'_, T>) {
        let waiters = std::mem::take(&mut state.waiters);
        drop(state);
        if waiters > 0 {
            condition.notify_all();
        }
    }

    fn sleep<'a>(condition: &'a On<T>, mut state: Held<'a, T>, left: Option<Duration>) -> Held<'a, T> {
        state.waiters += 1;
        state = sleep(condition, state, left);
        state.waiters = state.waiters.saturating_sub(1);
        state
    }
}

/// A wake-up is taken for the answer: `if` instead of a loop.
pub struct WakeUpBelieved;

impl<T: Send> WaitSteps<T, On<T>> for WakeUpBelieved {
    fn wait<R>(condition: &On<T>, ready: impl Fn(&mut T) -> Option<R>) -> R {
        let mut state = condition.lock();
        let mut answer = ready(&mut state.value);
        if answer.is_none() {
            state = Self::sleep(condition, state, None);
            answer = ready(&mut state.value);
        }
        Self::announce_taking(condition, state);
        answer.expect("a wake-up was taken for the answer")
    }
}

/// A wait whose deadline has passed while it slept gives up without another look.
pub struct NotAskedAtExpiry;

impl<T: Send> WaitSteps<T, On<T>> for NotAskedAtExpiry {
    fn wait_until_or<R>(
        condition: &On<T>,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        let mut state = condition.lock();
        loop {
            if let Some(answer) = ready(&mut state.value) {
                Self::announce_taking(condition, state);
                return answer;
            }
            let left = deadline.saturating_sub(condition.now());
            if left.is_zero() {
                return Self::expire(condition, state, expired);
            }
            state = Self::sleep(condition, state, Some(left));
            if condition.now() >= deadline {
                return Self::expire(condition, state, expired);
            }
        }
    }
}

/// The lock is given up between the last look and the answer of a wait that gives up.
pub struct ExpiredInAnotherSection;

impl<T: Send> WaitSteps<T, On<T>> for ExpiredInAnotherSection {
    fn expire<R>(condition: &On<T>, state: Held<'_, T>, expired: impl Fn(&mut T) -> R) -> R {
        drop(state);
        // What was waited for may come here, and is overruled.
        <Sound as WaitSteps<T, On<T>>>::expire(condition, condition.lock(), expired)
    }
}

/// What a wait changes when it gives up is told to nobody.
pub struct ExpiredInSilence;

impl<T: Send> WaitSteps<T, On<T>> for ExpiredInSilence {
    fn expire<R>(_condition: &On<T>, mut state: Held<'_, T>, expired: impl Fn(&mut T) -> R) -> R {
        expired(&mut state.value)
    }
}

/// A wait with a deadline sleeps without one.
pub struct NoLimit;

impl<T: Send> WaitSteps<T, On<T>> for NoLimit {
    fn sleep<'a>(condition: &'a On<T>, mut state: Held<'a, T>, _left: Option<Duration>) -> Held<'a, T> {
        state.waiters += 1;
        state = condition.wait(state);
        state.waiters -= 1;
        state
    }
}

/// A wait that takes something tells nobody.
pub struct TakenInSilence;

impl<T: Send> WaitSteps<T, On<T>> for TakenInSilence {
    fn announce_taking(_condition: &On<T>, _state: Held<'_, T>) {}
}

/// The lock is given up between the look and the sleep, with the waiter counted: the notification finds nobody asleep.
pub struct SleepsUnlocked;

impl<T: Send> WaitSteps<T, On<T>> for SleepsUnlocked {
    fn sleep<'a>(condition: &'a On<T>, mut state: Held<'a, T>, left: Option<Duration>) -> Held<'a, T> {
        state.waiters += 1;
        drop(state);
        let mut state = sleep(condition, condition.lock(), left);
        state.waiters -= 1;
        state
    }
}

/// The first look is made at a copy, after the lock was given back.
pub struct FirstLookUnlocked;

impl<T: Send + Clone> WaitSteps<T, On<T>> for FirstLookUnlocked {
    fn wait<R>(condition: &On<T>, ready: impl Fn(&mut T) -> Option<R>) -> R {
        let mut copy = condition.lock().value.clone();
        let answer = ready(&mut copy);
        answer.unwrap_or_else(|| <Sound as WaitSteps<T, On<T>>>::wait(condition, ready))
    }
}

/// The sound sleep, without the counting.
fn sleep<'a, T: Send>(condition: &'a On<T>, state: Held<'a, T>, left: Option<Duration>) -> Held<'a, T> {
    match left {
        Some(left) => condition.wait_timeout(state, left),
        None => condition.wait(state),
    }
}

macro_rules! caught {
    ($($scenario:ident $name:literal $property:ident $steps:ty),* $(,)?) => {
        &[$(Caught { scenario: $name, property: Property::$property, play: scenarios::$scenario::<$steps> }),*]
    };
}

pub(super) static DEFECTS: &[Defect] = &[
    Defect {
        name: "no-notification",
        what: "a change notifies nobody",
        caught_by: caught![one_change "one-change" NoDeadlock NoNotification],
    },
    Defect {
        name: "notify-one",
        what: "a change notifies one waiter alone",
        caught_by: caught![one_after_the_other "one-after-the-other" NoDeadlock NotifyOne],
    },
    Defect {
        name: "notify-only-the-first",
        what: "a change that finds two waiters notifies none",
        caught_by: caught![two_waiters "two-waiters" NoDeadlock NotifyOnlyTheFirst],
    },
    Defect {
        name: "counted-late",
        what: "a waiter is counted in a section after the one in which it looked",
        caught_by: caught![hand_over "hand-over" NoDeadlock CountedLate],
    },
    Defect {
        name: "counted-out-early",
        what: "a waiter is counted out before it sleeps",
        caught_by: caught![hand_over "hand-over" NoDeadlock CountedOutEarly],
    },
    Defect {
        name: "counted-out-twice",
        what: "whoever notifies counts the waiters out, and they do so again",
        caught_by: caught![two_waiters "two-waiters" NoDeadlock CountedOutTwice],
    },
    Defect {
        name: "sleeps-unlocked",
        what: "the lock is given up between the look and the sleep",
        caught_by: caught![hand_over "hand-over" NoDeadlock SleepsUnlocked],
    },
    Defect {
        name: "wake-up-believed",
        what: "a wake-up is taken for the answer",
        caught_by: caught![hand_over "hand-over" Bounded WakeUpBelieved, one_change "one-change" Bounded WakeUpBelieved],
    },
    Defect {
        name: "not-asked-at-expiry",
        what: "the predicate is not asked again when the deadline has passed",
        caught_by: caught![
            deadline "deadline" Bounded NotAskedAtExpiry,
            expiry_against_a_change "expiry-against-a-change" Bounded NotAskedAtExpiry,
        ],
    },
    Defect {
        name: "expired-in-another-section",
        what: "a wait gives up in a section after the one of its last look",
        caught_by: caught![
            expiry_against_a_change "expiry-against-a-change" Bounded ExpiredInAnotherSection,
        ],
    },
    Defect {
        name: "expired-in-silence",
        what: "what a wait changes when it gives up is told to nobody",
        caught_by: caught![expiry_tells_a_waiter "expiry-tells-a-waiter" NoDeadlock ExpiredInSilence],
    },
    Defect {
        name: "no-limit",
        what: "a wait with a deadline sleeps without one",
        caught_by: caught![deadline_alone "deadline-alone" NoDeadlock NoLimit],
    },
    Defect {
        name: "taken-in-silence",
        what: "a wait that takes something notifies nobody",
        caught_by: caught![one_place "one-place" NoDeadlock TakenInSilence],
    },
    Defect {
        name: "first-look-unlocked",
        what: "the first look is made at a copy, with the lock given back",
        caught_by: caught![one_change "one-change" Bounded FirstLookUnlocked],
    },
];
