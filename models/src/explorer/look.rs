//! The view of an execution that a strategy gets.

use super::execution::{Execution, Kind};
use super::keys;
use super::view::{Access, Announcement, Object, Thread, Threads, View};

/// An execution between two steps.
pub(super) struct Look<'a> {
    execution: &'a Execution,
    enabled: Threads,
}

impl<'a> Look<'a> {
    /// # Panics
    /// If a closure was found to be impure: the whole search ends.
    pub(super) fn at(execution: &'a Execution) -> Self {
        let mut enabled = execution.announced.get();
        for thread in execution.conditional.get().iter() {
            if !execution.is_enabled(thread) {
                enabled.remove(thread);
            }
        }
        if enabled.is_empty()
            && let Some(waiter) = execution.last_waiter()
        {
            enabled.insert(waiter);
        }
        if cfg!(debug_assertions) {
            enabled.iter().for_each(|thread| look_for_impurity(execution, thread));
        }
        if let Some(why) = execution.fatal.take() {
            panic!("{why}");
        }
        Self { execution, enabled }
    }
}

/// A timed wait is never tested unless somebody asks.
fn look_for_impurity(execution: &Execution, thread: Thread) {
    if matches!(execution.threads[thread].announcement.get(), Some((_, Kind::Timed))) {
        execution.is_ready(thread);
    }
}

fn involves(announcement: Announcement, object: Object) -> bool {
    announcement.object == object || announcement.also == Some(object)
}

impl Look<'_> {
    fn key(&self) -> keys::Long {
        let unfinished = self.execution.unfinished.get();
        let threads = (0..self.execution.created.get())
            .map(|thread| self.execution.threads[thread].key(!unfinished.contains(thread)))
            .fold(keys::Long::default(), keys::Long::plus);
        threads.plus(self.execution.objects.key())
    }
}

impl View for Look<'_> {
    fn threads(&self) -> usize {
        self.execution.created.get()
    }

    fn enabled(&self) -> Threads {
        self.enabled
    }

    fn would_time_out(&self) -> Threads {
        let mut would = Threads::NONE;
        for thread in self.enabled.iter() {
            let announcement = self.execution.threads[thread].announcement.get();
            let timed = matches!(announcement, Some((_, Kind::Timed | Kind::Last)));
            if timed && !self.execution.is_ready(thread) {
                would.insert(thread);
            }
        }
        would
    }

    fn announced(&self, thread: Thread) -> Option<Announcement> {
        self.execution.threads[thread].announcement.get().map(|(announcement, _)| announcement)
    }

    fn creator(&self, thread: Thread) -> Option<Thread> {
        self.execution.threads[thread].creator.get()
    }

    fn joined(&self, thread: Thread) -> Threads {
        self.execution.threads[thread].joined.get()
    }

    fn name(&self, thread: Thread) -> u64 {
        self.execution.threads[thread].name.get()
    }

    fn object_name(&self, object: Object) -> u64 {
        self.execution.objects.name(object)
    }

    fn joining(&self, thread: Thread) -> Option<Thread> {
        self.execution.threads[thread].joining.get()
    }

    fn progress(&self, thread: Thread) -> u16 {
        self.execution.threads[thread].progress.get()
    }

    fn panicked(&self, thread: Thread) -> Option<String> {
        self.execution.threads[thread].panic.borrow().clone()
    }

    fn commutes(&self, one: Thread, other: Thread) -> bool {
        let announced = |thread: Thread| self.execution.threads[thread].announcement.get();
        let (Some((first, kind)), Some((second, _))) = (announced(one), announced(other)) else {
            return true;
        };
        if !involves(first, second.object) && !second.also.is_some_and(|also| involves(first, also)) {
            return true;
        }
        if first.also.is_some() || second.also.is_some() || matches!(kind, Kind::Gate | Kind::ChangedGate(_))
        {
            // What they do besides, and what a gate guards, cannot be tried on copies.
            return false;
        }
        if first.access == Access::Read && second.access == Access::Read {
            return true;
        }
        let pending = |thread: Thread| self.execution.threads[thread].pending.get();
        let (Some(one), Some(other)) = (pending(one), pending(other)) else { return false };
        // SAFETY: both threads are suspended, so their operations are alive, and both are about this object.
        unsafe { one.as_ref().commutes(other.as_ref(), self.execution.objects.value(first.object)) }
    }

    fn state_key(&self) -> u128 {
        if self.execution.opaque.get() {
            // Never the same twice, so that nothing is taken for a state that was seen.
            let (number, version) = (self.execution.number.get(), self.execution.objects.next_version());
            return keys::Long::default().mixed(number).mixed(version).number();
        }
        let key = self.key();
        if self.execution.has_rested() { key.mixed(1).number() } else { key.number() }
    }

    fn terminal_key(&self) -> u64 {
        let keys::Long(one, other) = self.key();
        keys::mix(one, other)
    }

    fn unfinished(&self) -> Threads {
        self.execution.unfinished.get()
    }
}
