//! The simulated platform. The monitor's code is the library's own, over a simulated mutex and condition variable.

use std::any::Any;
use std::ops::{Deref, DerefMut};
use std::panic::Location;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, RwLock, TryLockError};
use std::time::Duration;

use forcekill::platform::monitor::{Condition, CondvarMonitor, Watched};
use forcekill::platform::{Answer, Flag, Lock, Monitor, MonitorValue};
use forcekill::thread::Lifecycle;
use forcekill::{InterruptFlags, Obstacle, Platform, SpawnError, State, Wake};

use super::kernel::{self, SimTarget};
use super::scenario::Site;
use super::world::{self, Wait};
use crate::scene::Role;
use crate::trace::Kind;

/// The platform. Its world belongs to the run that the calling OS thread plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sim;

impl Platform for Sim {
    type Flag = SimFlag;
    type Lock<T: Send + Sync + 'static> = SimLock<T>;
    type Monitor<T: MonitorValue> = SimMonitor<T>;
    type WakeTarget = SimTarget;

    fn flag(&self, value: bool) -> SimFlag {
        SimFlag { value: AtomicBool::new(value), of: None }
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> SimLock<T> {
        SimLock { value: RwLock::new(value), object: world::with(|world| world.object()) }
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> SimMonitor<T> {
        let record = state_of(&value).map(|state| world::with(|world| world.new_record(state)));
        SimMonitor { inner: CondvarMonitor::new(SimCondition::new(Watched::new(value))), record }
    }

    #[track_caller]
    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        here(Location::caller());
        world::step();
        let is_refused = world::with(|world| {
            let is_refused = world.quirks.meet(Site::Spawn).is_some();
            if is_refused {
                world.record(Kind::Fault, || "the system refuses an OS thread".to_string());
            }
            is_refused || world.unwinding
        });
        if is_refused {
            // The body counts itself out when it is dropped, which is a step.
            drop(body);
            return Err(SpawnError { errno: Some(11) });
        }
        world::with(|world| {
            world.record(Kind::Spawn, || "starts an OS thread".to_string());
            // Whoever does not say which PHP thread it is scales.
            world.start(Role::Scaler, Box::new(body));
        });
        Ok(())
    }

    fn thread_begins(&self, thread: usize) {
        world::with(|world| world.current().role = Role::Php(thread));
    }

    fn now(&self) -> Duration {
        Duration::from_nanos(world::with(|world| world.clock_ns))
    }

    fn capture(&self) -> Result<SimTarget, Obstacle> {
        kernel::capture()
    }

    fn wake(&self, target: &SimTarget) -> Wake {
        kernel::wake(target)
    }

    fn obstacle(&self, _target: &SimTarget) -> Option<Obstacle> {
        None
    }

    fn release(&self, target: SimTarget) {
        kernel::release(target);
    }

    fn absorb(&self) {
        kernel::absorb();
    }
}

/// Where in the library the current thread is.
fn here(place: &'static Location<'static>) {
    world::with(|world| {
        if world.running.is_some() {
            world.current().source = Some(place);
        }
    });
}

/// The virtual time of a deadline; `None` if it never comes.
pub(super) fn nanoseconds(time: Duration) -> Option<u64> {
    u64::try_from(time.as_nanos()).ok().filter(|ns| *ns < u64::MAX / 4)
}

/// A flag. What a storage's flags are used for is watched.
#[derive(Debug)]
pub struct SimFlag {
    value: AtomicBool,
    of: Option<(u32, Which)>,
}

/// Which of a storage's flags.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Which {
    TimedOut,
    VmInterrupt,
}

/// The two flags of a storage.
#[derive(Clone, Debug)]
pub struct SimFlags(std::sync::Arc<[SimFlag; 2]>);

impl SimFlags {
    pub(super) fn new(storage: u32) -> Self {
        let flag = |which| SimFlag { value: AtomicBool::new(false), of: Some((storage, which)) };
        Self(std::sync::Arc::new([flag(Which::TimedOut), flag(Which::VmInterrupt)]))
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

impl SimFlag {
    /// A step, if the flag is a storage's.
    fn used(&self, stores: Option<bool>) {
        if let Some((storage, which)) = self.of {
            world::step();
            world::with(|world| world.flag_used(storage, which, stores));
        }
    }
}

impl Flag for SimFlag {
    fn load(&self, order: Ordering) -> bool {
        self.used(None);
        self.value.load(order)
    }

    fn store(&self, value: bool, order: Ordering) {
        self.used(Some(value));
        self.value.store(value, order);
    }

    fn swap(&self, value: bool, order: Ordering) -> bool {
        self.used(Some(value));
        let was = self.value.swap(value, order);
        if let Some((storage, Which::VmInterrupt)) = self.of.filter(|_| was && !value) {
            world::with(|world| world.watch.storages[storage as usize].consumed = true);
        }
        was
    }
}

/// A read-write lock.
#[derive(Debug)]
pub struct SimLock<T> {
    value: RwLock<T>,
    object: u32,
}

impl<T> SimLock<T> {
    fn given_up(&self) {
        world::with(|world| {
            if world.running.is_some() {
                world.current().locks -= 1;
            }
            world.notify(self.object);
        });
    }
}

fn taken() {
    world::with(|world| {
        if world.running.is_some() {
            world.current().locks += 1;
        }
    });
}

impl<T: Send + Sync> Lock<T> for SimLock<T> {
    #[track_caller]
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        here(Location::caller());
        world::step();
        let value = loop {
            match self.value.try_read() {
                Ok(value) => break value,
                Err(TryLockError::Poisoned(value)) => break value.into_inner(),
                Err(TryLockError::WouldBlock) => world::block(Wait::Lock(self.object), None),
            };
        };
        taken();
        let result = section(&value);
        drop(value);
        self.given_up();
        result
    }

    #[track_caller]
    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        here(Location::caller());
        world::step();
        let mut value = loop {
            match self.value.try_write() {
                Ok(value) => break value,
                Err(TryLockError::Poisoned(value)) => break value.into_inner(),
                Err(TryLockError::WouldBlock) => world::block(Wait::Lock(self.object), None),
            };
        };
        taken();
        let result = section(&mut value);
        drop(value);
        self.given_up();
        result
    }
}

/// A mutex and a condition variable, of which every use is a step. Nobody stops with the mutex held.
#[derive(Debug)]
pub struct SimCondition<S> {
    state: Mutex<S>,
    object: u32,
}

/// Holds the mutex.
#[derive(Debug)]
pub struct Guard<'a, S>(MutexGuard<'a, S>);

impl<S> Deref for Guard<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.0
    }
}

impl<S> DerefMut for Guard<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        &mut self.0
    }
}

impl<S> SimCondition<S> {
    fn new(state: S) -> Self {
        Self { state: Mutex::new(state), object: world::with(|world| world.object()) }
    }

    fn sleep(&self, deadline_ns: Option<u64>) {
        let is_spurious = world::with(|world| {
            let is_spurious = world.quirks.meet(Site::Sleep).is_some();
            if is_spurious {
                world.record(Kind::Fault, || "the wait returns for no reason".to_string());
                world.watch.reach("a wait returned for no reason");
            }
            is_spurious
        });
        match is_spurious {
            true => world::step(),
            false => {
                world::block(Wait::Object(self.object), deadline_ns);
            }
        }
    }

    fn hold(&self) -> Guard<'_, S> {
        Guard(self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: Send> Condition<S> for SimCondition<S> {
    type Guard<'a>
        = Guard<'a, S>
    where
        S: 'a;

    fn lock(&self) -> Guard<'_, S> {
        world::step();
        self.hold()
    }

    fn wait<'a>(&'a self, guard: Guard<'a, S>) -> Guard<'a, S> {
        drop(guard);
        self.sleep(None);
        self.hold()
    }

    fn wait_timeout<'a>(&'a self, guard: Guard<'a, S>, left: Duration) -> Guard<'a, S> {
        drop(guard);
        let deadline = nanoseconds(left).map(|left| world::with(|world| world.clock_ns + left));
        self.sleep(deadline);
        self.hold()
    }

    fn notify_all(&self) {
        world::step();
        world::with(|world| world.notify(self.object));
    }

    fn now(&self) -> Duration {
        Sim.now()
    }
}

/// The library's monitor. Where it holds a thread's lifecycle, every section is watched.
pub struct SimMonitor<T: MonitorValue> {
    inner: CondvarMonitor<T, SimCondition<Watched<T>>>,
    record: Option<usize>,
}

impl<T: MonitorValue> SimMonitor<T> {
    /// Runs a section, and tells the world what it did to a state.
    fn seen<R>(&self, value: &mut T, section: impl FnOnce(&mut T) -> R) -> R {
        let left = self.record.and_then(|_| state_of(value));
        let answer = section(value);
        if let (Some(record), Some(left), Some(entered)) = (self.record, left, state_of(value)) {
            world::with(|world| world.lifecycle_section(record, left, entered));
        }
        answer
    }
}

impl<T: MonitorValue> Monitor<T> for SimMonitor<T> {
    #[track_caller]
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        here(Location::caller());
        self.inner.with(|value| self.seen(value, &change))
    }

    #[track_caller]
    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        here(Location::caller());
        self.inner.wait(|value| self.seen(value, &ready))
    }

    #[track_caller]
    fn wait_until_or<R: Answer>(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        here(Location::caller());
        let ready = |value: &mut T| self.seen(value, &ready);
        self.inner.wait_until_or(deadline, ready, |value| self.seen(value, &expired))
    }
}

fn state_of<T: Any>(value: &T) -> Option<State> {
    (value as &dyn Any).downcast_ref::<Lifecycle>().map(Lifecycle::state)
}
