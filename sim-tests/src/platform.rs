//! The world as a platform of the library's.
//!
//! Every primitive checks what its caller owes to it: no lock is taken twice, nobody waits inside a critical section,
//! wake-ups are sent inside one.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use forcekill::platform::{Answer, Flag, Lock, Monitor, MonitorValue};
use forcekill::{InterruptFlags, Obstacle, Platform, SpawnError, Wake};

use crate::world::{Event, FlagName, World};

/// The simulated thread, as what can be woken: there is one alone, so this says no more.
#[derive(Debug)]
pub struct SimTarget(());

/// A flag whose stores are recorded.
pub struct SimFlag {
    world: World,
    name: FlagName,
    value: AtomicBool,
}

/// The two flags of the simulated thread.
#[derive(Clone)]
pub struct SimFlags(Arc<[SimFlag; 2]>);

/// A lock that nobody ever has to wait for.
pub struct SimLock<T> {
    world: World,
    value: RwLock<T>,
}

/// A monitor whose waits move the clock.
pub struct SimMonitor<T> {
    world: World,
    value: Mutex<T>,
}

impl Platform for World {
    type Flag = SimFlag;
    type Lock<T: Send + Sync + 'static> = SimLock<T>;
    type Monitor<T: MonitorValue> = SimMonitor<T>;
    type WakeTarget = SimTarget;

    fn flag(&self, value: bool) -> SimFlag {
        SimFlag::new(self, FlagName::OfTheSlot, value)
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> SimLock<T> {
        SimLock { world: self.clone(), value: RwLock::new(value) }
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> SimMonitor<T> {
        SimMonitor { world: self.clone(), value: Mutex::new(value) }
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        // This world has one thread alone, and it is there from the start.
        drop(body);
        Err(SpawnError { errno: None })
    }

    fn now(&self) -> Duration {
        World::now(self)
    }

    fn capture(&self) -> Result<SimTarget, Obstacle> {
        World::capture(self).map(SimTarget)
    }

    fn wake(&self, _target: &SimTarget) -> Wake {
        World::wake(self)
    }

    fn obstacle(&self, _target: &SimTarget) -> Option<Obstacle> {
        World::obstacle(self)
    }

    fn release(&self, target: SimTarget) {
        let SimTarget(()) = target;
        World::release(self);
    }

    fn absorb(&self) {}
}

impl SimFlag {
    fn new(world: &World, name: FlagName, value: bool) -> Self {
        Self { world: world.clone(), name, value: AtomicBool::new(value) }
    }
}

impl Flag for SimFlag {
    fn load(&self, order: Ordering) -> bool {
        self.value.load(order)
    }

    fn store(&self, value: bool, order: Ordering) {
        self.value.store(value, order);
        self.world.record(Event::Stored(self.name, value));
    }

    fn swap(&self, value: bool, order: Ordering) -> bool {
        let old = self.value.swap(value, order);
        self.world.record(Event::Stored(self.name, value));
        old
    }
}

impl SimFlags {
    /// Two flags, both down.
    pub fn new(world: &World) -> Self {
        let flag = |name| SimFlag::new(world, name, false);
        Self(Arc::new([flag(FlagName::TimedOut), flag(FlagName::VmInterrupt)]))
    }
}

impl InterruptFlags for SimFlags {
    type Flag = SimFlag;

    fn timed_out(&self) -> &SimFlag {
        &self.0[0]
    }

    fn vm_interrupt(&self) -> &SimFlag {
        &self.0[1]
    }
}

impl<T: Send + Sync> Lock<T> for SimLock<T> {
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        let value = self.value.try_read().unwrap_or_else(|error| match error {
            TryLockError::Poisoned(poisoned) => poisoned.into_inner(),
            TryLockError::WouldBlock => panic!("a deadlock: the lock is held exclusively by its own caller"),
        });
        self.world.section_opens();
        let result = section(&value);
        self.world.section_closes();
        result
    }

    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        let mut value = self.value.try_write().unwrap_or_else(|error| match error {
            TryLockError::Poisoned(poisoned) => poisoned.into_inner(),
            TryLockError::WouldBlock => panic!("a deadlock: the lock is held by its own caller"),
        });
        self.world.section_opens();
        let result = section(&mut value);
        self.world.section_closes();
        result
    }
}

impl<T> SimMonitor<T> {
    fn value(&self) -> MutexGuard<'_, T> {
        self.value.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: MonitorValue> Monitor<T> for SimMonitor<T> {
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        change(&mut self.value())
    }

    /// The one thread that waits is the killer, and everything else happens while it does; so a wait without a deadline is
    /// one up to the end of time, and a wait that reaches it is for ever.
    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        let never = |_: &mut T| panic!("a deadlock: nothing can happen any more, and somebody waits");
        self.wait_until_or(Duration::MAX, ready, never)
    }

    fn wait_until_or<R: Answer>(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        assert_eq!(self.world.open_sections(), 0, "somebody waits with the slot's lock held");
        self.world.record(Event::Waits);
        loop {
            if let Some(answer) = ready(&mut self.value()) {
                return answer;
            }
            // What is due exactly at the deadline still happens, and `ready` is asked once more after it.
            if !self.world.step(deadline) {
                let (answer, has_expired) = {
                    let mut value = self.value();
                    ready(&mut value).map_or_else(|| (expired(&mut value), true), |answer| (answer, false))
                };
                // Outside the section: what happens in the gap after this wait may use this monitor.
                if has_expired {
                    self.world.wait_expired();
                }
                return answer;
            }
        }
    }
}
