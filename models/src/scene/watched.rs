//! A monitor whose changes of state are held against the table.

use std::any::{Any, TypeId};
use std::hash::{Hash, Hasher};
use std::panic::Location;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use forcekill::platform::{Answer, Monitor, MonitorValue};
use forcekill::thread::Lifecycle;
use forcekill::{State, States};

use super::model::{LifecycleModel, Patience};
use super::name::Name;
use crate::stage::Backend;
use crate::step::{Deed, Effect, difference};

/// The backend's monitor. Where it holds a thread's lifecycle, every change of state is told to the scene. That is part of the
/// critical section's answer, so a search sees it: two sections that change nothing still commute.
pub struct WatchedMonitor<B: Backend, T: MonitorValue> {
    value: Watched<B, T>,
    name: Name,
    scene: LifecycleModel<B>,
}

enum Watched<B: Backend, T: MonitorValue> {
    Seen(B::Monitor<T>),
    /// No step of the search. Nobody waits for it.
    Unseen(Mutex<T>),
}

/// What a trace says of a wait that has given up.
const EXPIRED: &str = " (the deadline has passed)";

/// A state that was left and the one that was entered.
type Change = Option<(State, State)>;
/// What a trace says of a section, and whether it changed the value.
type Trace = Option<(String, bool)>;

/// What a section answers to the scene. Two sections commute only if all of it is the same in both orders. But a thread's history
/// keeps the library's answer alone: the change is judged at once, and what follows depends on the value that it has left, not on it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Seen<R> {
    answer: R,
    change: Change,
    trace: Trace,
}

impl<R: Hash> Hash for Seen<R> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.answer.hash(state);
    }
}

impl<B: Backend, T: MonitorValue> WatchedMonitor<B, T> {
    pub(super) fn new(scene: LifecycleModel<B>, name: Name, value: T, is_seen: bool) -> Self {
        let value = match is_seen {
            true => Watched::Seen(scene.backend().monitor(value)),
            false => Watched::Unseen(Mutex::new(value)),
        };
        Self { value, name, scene }
    }

    fn seen_monitor(&self) -> &B::Monitor<T> {
        match &self.value {
            Watched::Seen(monitor) => monitor,
            Watched::Unseen(_) => {
                panic!("a scene waits for the end of no run that it leaves out of the search")
            }
        }
    }

    /// Keeps what a section did that `at` has made; `waited` if it has ended a wait by its answer.
    fn watch<R>(&self, at: &'static Location<'static>, waited: bool, seen: Seen<R>) -> R {
        let Seen { answer, change, trace } = seen;
        if let Some((what, changed)) = trace {
            self.scene.note_at(at, || {
                let name = self.name.to_string();
                let state = change.map(|(_, state)| Effect::Enters { whose: name.clone(), state });
                let sees = waited.then(|| Effect::Sees(name.clone()));
                let changes = changed.then(|| Effect::Changes(name.clone()));
                let effects = sees.into_iter().chain(changes).chain(state).collect();
                Deed { what: format!("{name}: {what}"), effects }
            });
        }
        if let Some((left, entered)) = change {
            self.scene.changed(self.name, left, entered);
        }
        answer
    }

    /// Runs a section, and answers what it changed. What the trace needs is only there in a replay, in which nothing is
    /// compared.
    fn seen<R>(&self, value: &mut T, section: Section<'_, T, R>) -> Seen<R> {
        let left = state_of(value);
        let before = self.scene.is_traced().then(|| value.clone());
        let answer = section(value);
        let entered = state_of(value);
        let change = left.zip(entered).filter(|(left, entered)| left != entered);
        let changed = before.as_ref().is_some_and(|before| before != value);
        let trace = before.map(|before| match change {
            Some((left, entered)) => format!("{left} → {entered}"),
            None if before == *value => format!("sees {}", described(value)),
            None => difference(&before, value),
        });
        let trace = trace.map(|what| (what, changed));
        Seen { answer, change, trace }
    }
}

/// What a section is, whatever its closure: each protocol has its own, and what a checker does with one is compiled for each
/// answer alone.
type Section<'a, T, R> = &'a dyn Fn(&mut T) -> R;

/// Where a step was taken.
type At = &'static Location<'static>;

impl<B: Backend, T: MonitorValue> WatchedMonitor<B, T> {
    #[inline(never)]
    fn section<R: Answer>(&self, at: At, change: Section<'_, T, R>) -> R {
        match &self.value {
            Watched::Seen(monitor) => self.watch(at, false, monitor.with(|value| self.seen(value, change))),
            Watched::Unseen(value) => change(&mut value.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    #[inline(never)]
    fn waits<R: Answer>(&self, at: At, ready: Section<'_, T, Option<R>>) -> R {
        let awaited = awaited(ready);
        self.scene.waits_for_orders(self.name, awaited);
        let seen = self.seen_monitor().wait(|value| {
            let Seen { answer, change, trace } = self.seen(value, ready);
            answer.map(|answer| Seen { answer, change, trace })
        });
        self.scene.waits_for_orders(self.name, None);
        self.watch(at, true, seen)
    }

    #[inline(never)]
    fn waits_until<R: Answer>(
        &self,
        at: At,
        deadline: Duration,
        ready: Section<'_, T, Option<R>>,
        expired: Section<'_, T, R>,
    ) -> R {
        let ready = |value: &mut T| {
            let Seen { answer, change, trace } = self.seen(value, ready);
            answer.map(|answer| Seen { answer, change, trace })
        };
        let expired = |value: &mut T| {
            let Seen { answer, change, trace } = self.seen(value, expired);
            let trace = trace.map(|(what, changed)| (format!("{what}{EXPIRED}"), changed));
            Seen { answer, change, trace }
        };
        let seen = match self.scene.patience(at, deadline) {
            Patience::None => self.seen_monitor().wait_until_or(deadline, ready, expired),
            Patience::Endless => self.seen_monitor().wait(ready),
            Patience::UntilNobodyCanGoOn => B::wait_last(self.seen_monitor(), ready, |value| {
                self.scene.passes(deadline);
                expired(value)
            }),
        };
        let waited = seen.trace.as_ref().is_some_and(|(what, _)| !what.ends_with(EXPIRED));
        self.watch(at, waited, seen)
    }
}

impl<B: Backend, T: MonitorValue> Monitor<T> for WatchedMonitor<B, T> {
    #[track_caller]
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        self.section(Location::caller(), &change)
    }

    #[track_caller]
    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        self.waits(Location::caller(), &ready)
    }

    #[track_caller]
    fn wait_until_or<R: Answer>(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        self.waits_until(Location::caller(), deadline, &ready, &expired)
    }
}

/// Which of the states that ask a thread to leave end a wait for a lifecycle.
fn awaited<T: MonitorValue, R>(ready: Section<'_, T, Option<R>>) -> Option<States> {
    if TypeId::of::<T>() != TypeId::of::<Lifecycle>() {
        return None;
    }
    let mut ends = States::of(&[]);
    for state in [State::Restarting, State::ShuttingDown] {
        // An `Option`, because that is a place on the stack whose type can be asked for.
        let mut lifecycle = Some(Lifecycle::in_state(state));
        let place = (&mut lifecycle as &mut dyn Any).downcast_mut::<Option<T>>();
        if place.and_then(Option::as_mut).is_some_and(|value| ready(value).is_some()) {
            ends = ends.with(state);
        }
    }
    Some(ends)
}

fn state_of<T: Any>(value: &T) -> Option<State> {
    (value as &dyn Any).downcast_ref::<Lifecycle>().map(Lifecycle::state)
}

fn described<T: MonitorValue>(value: &T) -> String {
    state_of(value).map_or_else(|| format!("{value:?}"), |state| state.to_string())
}
