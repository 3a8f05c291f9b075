//! A mutex and a condition variable of loom's, with a clock that a thread of the scenario moves and with wake-ups for no
//! reason, neither of which loom has.

use std::sync::Arc;
use std::time::Duration;

use forcekill::platform::monitor::Condition;
use loom::sync::{Condvar, Mutex, MutexGuard};

use super::world::World;
use crate::step::{Deed, Effect};

/// The moments that every condition counts.
pub(super) const SLEPT: &str = "a wait slept until it was notified";
pub(super) const WOKE_TWO: &str = "a notification found two waiters";
pub(super) const SPURIOUS: &str = "a wait returned for no reason";
pub(super) const BOTH: &str = "a deadline passed while a notification was under way";

/// What a trace calls the monitor.
const MONITOR: &str = "the monitor";

/// See the module.
#[derive(Debug)]
pub struct LoomCondition<S> {
    state: Mutex<S>,
    /// Where those sleep who wait without a limit, and those who wait with one: the clock wakes the latter alone, so that it
    /// never makes up for a notification that was lost.
    untimed: Condvar,
    timed: Option<Condvar>,
    world: Arc<World>,
}

impl<S: Send> LoomCondition<S> {
    /// For waits without a limit.
    pub fn new(state: S, world: Arc<World>) -> Self {
        Self { state: Mutex::new(state), untimed: Condvar::new(), timed: None, world }
    }

    /// For waits of both kinds.
    pub fn with_deadlines(state: S, world: Arc<World>) -> Self {
        Self { timed: Some(Condvar::new()), ..Self::new(state, world) }
    }

    /// Moves the clock by a second, and wakes those who wait with a limit. One step, made at any moment.
    pub fn tick(&self) {
        let state = self.lock();
        self.world.tick();
        if let Some(timed) = &self.timed {
            timed.notify_all();
        }
        drop(state);
    }

    /// Wakes one who sleeps. For defects.
    #[track_caller]
    pub fn notify_one(&self) {
        self.world.notifies();
        self.world.step(|| Deed::with("notifies one", Effect::Changes(MONITOR.to_string())));
        self.untimed.notify_one();
        if let Some(timed) = &self.timed {
            timed.notify_one();
        }
    }

    #[track_caller]
    fn sleep<'a>(&'a self, on: &Condvar, guard: MutexGuard<'a, S>) -> MutexGuard<'a, S> {
        if self.world.next_wait_is_spurious() {
            self.world.reached(SPURIOUS);
            self.world.step(|| "sleeps, and wakes for no reason".to_string());
            // Whoever returns for no reason is not asleep by then; until then a notification would have been a reason. So
            // never having slept is the same, and the mutex is had again at any moment.
            drop(guard);
            return self.lock();
        }
        let (before, at) = (self.world.falls_asleep(), self.world.now());
        self.world.step(|| Deed::with("sleeps", Effect::Blocks));
        let guard = on.wait(guard).unwrap();
        self.world.step(|| Deed {
            what: "has slept".to_string(),
            effects: vec![Effect::Returns, Effect::Sees(MONITOR.to_string())],
        });
        let is_notified = self.world.has_slept() > before;
        if is_notified {
            self.world.reached(SLEPT);
        }
        if is_notified && self.world.now() > at {
            self.world.reached(BOTH);
        }
        guard
    }
}

impl<S: Send> Condition<S> for LoomCondition<S> {
    type Guard<'a>
        = MutexGuard<'a, S>
    where
        Self: 'a;

    fn lock(&self) -> MutexGuard<'_, S> {
        self.state.lock().unwrap()
    }

    #[track_caller]
    fn wait<'a>(&'a self, guard: MutexGuard<'a, S>) -> MutexGuard<'a, S> {
        self.sleep(&self.untimed, guard)
    }

    #[track_caller]
    fn wait_timeout<'a>(&'a self, guard: MutexGuard<'a, S>, left: Duration) -> MutexGuard<'a, S> {
        assert!(!left.is_zero(), "a wait that has no time left");
        self.sleep(self.timed.as_ref().expect("the scenario has deadlines"), guard)
    }

    #[track_caller]
    fn notify_all(&self) {
        if self.world.notifies() > 1 {
            self.world.reached(WOKE_TWO);
        }
        self.world.step(|| Deed::with("notifies everybody", Effect::Changes(MONITOR.to_string())));
        self.untimed.notify_all();
        if let Some(timed) = &self.timed {
            timed.notify_all();
        }
    }

    fn now(&self) -> Duration {
        self.world.now()
    }
}
