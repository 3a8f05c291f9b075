//! Announced operations with their types erased: what a search can try on copies of a value before anything runs.
//!
//! An operation lies on the stack of its thread, which is suspended while others look at it.

use std::cell::UnsafeCell;
use std::marker::PhantomData;

use forcekill::platform::{Answer, MonitorValue};

use crate::search::quiet;

/// An operation that has been announced and not run. The pointers are to values of the object's type.
pub(super) trait Pending {
    /// Whether it would run to its end now: a wait whose closure answers `Some`. Tried on a copy.
    ///
    /// # Errors
    /// The words for a closure that changed a value although it answered `None` (looked for in debug builds alone).
    ///
    /// # Safety
    /// `value` must point to a value of the type that the operation is about.
    unsafe fn is_ready(&self, value: *const ()) -> Result<bool, String>;

    /// Whether this operation and another of the same object commute on copies of this value.
    ///
    /// # Safety
    /// As above, and `other` must be about the same object.
    unsafe fn commutes(&self, other: &dyn Pending, value: *const ()) -> bool;

    /// Runs on a copy and keeps the answer. Answers whether it could run.
    ///
    /// # Safety
    /// `copy` must point to a value of the type that the operation is about, which nobody else uses.
    unsafe fn keep(&self, copy: *mut ()) -> bool;

    /// Runs on a copy. Answers whether the answer is the one that was kept.
    ///
    /// # Safety
    /// As above.
    unsafe fn agrees(&self, copy: *mut ()) -> bool;
}

/// An operation as a closure: `None` if it cannot run on this value.
pub(super) struct Operation<'a, T, R, C> {
    run: &'a C,
    kept: UnsafeCell<Option<R>>,
    about: PhantomData<fn(&mut T)>,
}

impl<'a, T, R, C> Operation<'a, T, R, C>
where
    T: MonitorValue,
    R: Answer,
    C: Fn(&mut T) -> Option<R>,
{
    pub(super) fn new(run: &'a C) -> Self {
        Self { run, kept: UnsafeCell::new(None), about: PhantomData }
    }

    /// Runs both operations on copies in both orders.
    fn commute_on(&self, other: &dyn Pending, value: &T) -> bool {
        let (mut this_first, mut other_first) = (value.clone(), value.clone());
        let [this, that] = [&raw mut this_first, &raw mut other_first];
        // SAFETY: both point to copies of the object's type, which live here; the caller answers for `other`.
        let agree = unsafe {
            self.keep(this.cast())
                && other.keep(this.cast())
                && other.agrees(that.cast())
                && self.agrees(that.cast())
        };
        agree && this_first == other_first
    }
}

impl<T, R, C> Pending for Operation<'_, T, R, C>
where
    T: MonitorValue,
    R: Answer,
    C: Fn(&mut T) -> Option<R>,
{
    unsafe fn is_ready(&self, value: *const ()) -> Result<bool, String> {
        // SAFETY: by the contract.
        let value = unsafe { &*value.cast::<T>() };
        let mut copy = value.clone();
        // A closure that panics can run: its thread is to panic.
        let ready = quiet::caught(|| (self.run)(&mut copy).is_some()).unwrap_or(true);
        if cfg!(debug_assertions) && !ready && copy != *value {
            return Err(format!("an impure wait: its closure answered None, and made {copy:?} of {value:?}"));
        }
        Ok(ready)
    }

    unsafe fn commutes(&self, other: &dyn Pending, value: *const ()) -> bool {
        // SAFETY: by the contract.
        let value = unsafe { &*value.cast::<T>() };
        quiet::caught(|| self.commute_on(other, value)).unwrap_or(false)
    }

    unsafe fn keep(&self, copy: *mut ()) -> bool {
        // SAFETY: by the contract.
        let answer = (self.run)(unsafe { &mut *copy.cast::<T>() });
        let could = answer.is_some();
        // SAFETY: the search alone looks at what is kept, one operation at a time, and keeps no reference to it.
        unsafe { *self.kept.get() = answer };
        could
    }

    unsafe fn agrees(&self, copy: *mut ()) -> bool {
        // SAFETY: by the contract; for what is kept, as above.
        let (answer, kept) = unsafe { ((self.run)(&mut *copy.cast::<T>()), &*self.kept.get()) };
        answer.is_some() && answer == *kept
    }
}

/// A timed wait: runs as one operation, which always can, and is ready as another, which waits.
pub(super) struct Timed<Run, Wait> {
    pub(super) run: Run,
    pub(super) wait: Wait,
}

impl<Run: Pending, Wait: Pending> Pending for Timed<Run, Wait> {
    unsafe fn is_ready(&self, value: *const ()) -> Result<bool, String> {
        // SAFETY: by the contract.
        unsafe { self.wait.is_ready(value) }
    }

    unsafe fn commutes(&self, other: &dyn Pending, value: *const ()) -> bool {
        // SAFETY: by the contract. The other operation may be a timed one too, of which the two below are what runs.
        unsafe { self.run.commutes(other, value) }
    }

    unsafe fn keep(&self, copy: *mut ()) -> bool {
        // SAFETY: by the contract.
        unsafe { self.run.keep(copy) }
    }

    unsafe fn agrees(&self, copy: *mut ()) -> bool {
        // SAFETY: by the contract.
        unsafe { self.run.agrees(copy) }
    }
}
