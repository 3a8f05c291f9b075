//! The objects that scenarios use: monitors, flags and locks. All are values that a search can try operations on.

use std::cell::UnsafeCell;
use std::marker::PhantomData;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering;
use std::time::Duration;

use forcekill::platform::{self, Answer, MonitorValue};

use super::current::{Current, current, current_of};
use super::execution::{Execution, Kind, Phase};
use super::keys;
use super::operation::{Operation, Timed};
use super::view::{Access, Object};

/// A monitor of an execution. `with` can always run; `wait` can when its closure answers `Some`; `wait_until` is one step that
/// can always run, and times out unless its closure answers `Some` then. Its deadline does not matter.
#[derive(Debug)]
pub struct Monitor<T> {
    execution: u64,
    object: Object,
    // The value is the execution's, and is only reached from its threads, all of which are on one OS thread.
    value: PhantomData<fn() -> T>,
}

impl<T: MonitorValue> Monitor<T> {
    /// A new monitor around `value`.
    ///
    /// # Panics
    /// Outside of an execution.
    pub fn new(value: T) -> Self {
        let current = current();
        let object = current.create_object(value);
        Self { execution: current.number.get(), object, value: PhantomData }
    }

    /// Announces this operation, which can always run, and performs it.
    fn always<R: Answer>(&self, access: Access, change: impl Fn(&mut T) -> R) -> R {
        let current = current_of(self.execution);
        let run = |value: &mut T| Some(change(value));
        current.announce(self.object, access, Kind::Always, &Operation::new(&run));
        self.perform(current, &change)
    }

    fn perform<R: Answer>(&self, current: Current, section: &impl Fn(&mut T) -> R) -> R {
        let inside = Inside::enter(&current);
        // SAFETY: the object has a value of this type. This thread alone runs, and the section cannot reach the value by
        // another way, because every operation looks at what `Inside` has set.
        let answer = section(unsafe { &mut *current.objects.value(self.object).cast::<T>() });
        drop(inside);
        current.answered(keys::of(&answer));
        answer
    }

    fn waits<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        let current = current_of(self.execution);
        current.announce(self.object, Access::Change, Kind::Wait, &Operation::new(&ready));
        self.perform(current, &ready).expect("a wait is scheduled only when its closure answers Some")
    }
}

impl<T: MonitorValue> platform::Monitor<T> for Monitor<T> {
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        self.always(Access::Change, change)
    }

    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        self.waits(ready)
    }

    fn wait_until_or<R: Answer>(
        &self,
        _deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        let current = current_of(self.execution);
        let section = |value: &mut T| ready(value).unwrap_or_else(|| expired(value));
        let run = |value: &mut T| Some(section(value));
        let timed = Timed { run: Operation::new(&run), wait: Operation::new(&ready) };
        current.announce(self.object, Access::Change, Kind::Timed, &timed);
        self.perform(current, &section)
    }
}

impl<T: MonitorValue> Monitor<T> {
    /// As [`wait_until_or`](platform::Monitor::wait_until_or), but time goes by only where nobody else can go on: a deadline that is
    /// later than all that others have to do. It passes once, and again when somebody else has made a step meanwhile; so whoever
    /// looks around now and then finds everything that there is to find, and an execution in which nothing happens any more ends.
    ///
    /// # Panics
    /// If a second thread of the execution waits so.
    pub fn wait_last<R: Answer>(
        &self,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        let current = current_of(self.execution);
        current.announce(self.object, Access::Change, Kind::Last, &Operation::new(&ready));
        let answer = self.perform(current, &ready);
        current.last_wait_ends(answer.is_some());
        answer.unwrap_or_else(|| self.perform(current, &expired))
    }
}

/// As long as it lives, no operation may be announced.
struct Inside<'a>(&'a Execution);

impl<'a> Inside<'a> {
    fn enter(execution: &'a Execution) -> Self {
        execution.in_section.set(true);
        Self(execution)
    }
}

impl Drop for Inside<'_> {
    fn drop(&mut self) {
        self.0.in_section.set(false);
    }
}

/// An atomic bool, sequentially consistent.
#[derive(Debug)]
pub struct Flag(Monitor<bool>);

impl Flag {
    /// A new flag that holds `value`.
    ///
    /// # Panics
    /// Outside of an execution.
    pub fn new(value: bool) -> Self {
        Self(Monitor::new(value))
    }
}

impl platform::Flag for Flag {
    fn load(&self, _order: Ordering) -> bool {
        self.0.always(Access::Read, |value| *value)
    }

    fn store(&self, value: bool, _order: Ordering) {
        self.0.always(Access::Change, |place| *place = value);
    }

    fn swap(&self, value: bool, _order: Ordering) -> bool {
        self.0.always(Access::Change, |place| std::mem::replace(place, value))
    }
}

/// A read-write lock.
///
/// What it guards is no part of a state's key. The key knows who had the exclusive sections, in which order, and what is
/// guarded is a function of that, unless shared sections change it behind a shared reference. What they change must be an
/// object of its own then.
#[derive(Debug)]
pub struct Lock<T> {
    state: Monitor<LockState>,
    value: UnsafeCell<T>,
}

// SAFETY: all operations are refused but on the one OS thread that runs the execution, where a shared section never runs
// beside an exclusive one; the value can be dropped anywhere.
unsafe impl<T: Send> Send for Lock<T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Lock<T> {}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct LockState {
    readers: u32,
    writer: bool,
    /// Who had the exclusive sections, in order.
    order: u64,
}

impl<T> Lock<T> {
    /// A new lock around `value`.
    ///
    /// # Panics
    /// Outside of an execution.
    pub fn new(value: T) -> Self {
        let state = Monitor::new(LockState { readers: 0, writer: false, order: 0 });
        Self { state, value: UnsafeCell::new(value) }
    }

    /// Runs `section` between taking the lock and releasing it.
    ///
    /// A section that announces nothing is one step together with both. The lock is free before that step and after it, so
    /// all that the step does to the lock is to wait until it can be taken. A strategy judges the step by its announcement,
    /// which says that the lock is taken and not that it is released: whatever commutes with taking it alone commutes with
    /// the whole step too, because the release gives others back what the taking took from them.
    fn section<R>(
        &self,
        take: impl Fn(&mut LockState) -> Option<u64>,
        release: impl Fn(&mut LockState),
        section: impl FnOnce() -> R,
    ) -> R {
        self.state.waits(take);
        let current = current_of(self.state.execution);
        let suspensions = || current.threads[current.running.get()].suspensions.get();
        let before = suspensions();
        let result = catch_unwind(AssertUnwindSafe(section));
        if suspensions() == before || current.phase.get() == Phase::Unwinding {
            current.objects.touch(self.state.object);
            self.state.perform(current, &release);
        } else {
            self.state.always(Access::Change, release);
        }
        result.unwrap_or_else(|panic| resume_unwind(panic))
    }
}

impl<T: Send + Sync> platform::Lock<T> for Lock<T> {
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        let take = |state: &mut LockState| {
            state.readers += u32::from(!state.writer);
            (!state.writer).then_some(state.order)
        };
        let release = |state: &mut LockState| state.readers -= 1;
        // SAFETY: no exclusive section runs beside this one.
        self.section(take, release, || section(unsafe { &*self.value.get() }))
    }

    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        let name = current_of(self.state.execution).name();
        let take = |state: &mut LockState| {
            let free = state.readers == 0 && !state.writer;
            state.writer |= free;
            free.then(|| {
                state.order = keys::mix(state.order, name);
                state.order
            })
        };
        let release = |state: &mut LockState| state.writer = false;
        // SAFETY: no other section runs beside this one.
        self.section(take, release, || section(unsafe { &mut *self.value.get() }))
    }
}
