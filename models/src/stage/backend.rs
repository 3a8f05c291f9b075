//! What a model checker offers: its own primitives, and nothing of ours.

use std::fmt;
use std::hash::Hash;

use std::marker::PhantomData;
use std::time::Duration;

use forcekill::platform::{Answer, Flag, Lock, Monitor, MonitorValue};

/// The primitives of one model checker.
pub trait Backend: Clone + fmt::Debug + Send + Sync + 'static {
    /// An atomic bool.
    type Flag: Flag;
    /// A read-write lock.
    type Lock<T: Send + Sync + 'static>: Lock<T>;
    /// A mutex with a condition variable.
    type Gate<T: Send + 'static>: Gate<T>;
    /// A monitor, each operation of which is one step; a wait with a deadline can give up at any time.
    type Monitor<T: MonitorValue>: Monitor<T>;
    /// The freed-storage oracle.
    type Freed: FreedCell;
    /// A thread to join.
    type Joiner: Send + 'static;
    /// The name that the checker gives a thread.
    type ThreadId: Eq + Hash + Send + 'static;

    /// A flag that is down.
    fn flag(&self, value: bool) -> Self::Flag;
    /// A lock around `value`.
    fn lock<T: Send + Sync + 'static>(&self, value: T) -> Self::Lock<T>;
    /// A gate around `value`.
    fn gate<T: Send + 'static>(&self, value: T) -> Self::Gate<T>;
    /// A monitor around `value`.
    fn monitor<T: MonitorValue>(&self, value: T) -> Self::Monitor<T>;
    /// A cell: not freed.
    fn freed_cell(&self) -> Self::Freed;
    /// A wait whose deadline is later than all that others have to do: see [`Monitor::wait_last`](crate::explorer::Monitor::wait_last).
    /// The explorer alone knows when that is; elsewhere it can give up at any time.
    fn wait_last<T: MonitorValue, R: Answer>(
        monitor: &Self::Monitor<T>,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        monitor.wait_until_or(Duration::ZERO, ready, expired)
    }
    /// Starts a thread.
    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Self::Joiner;
    /// Waits for a thread.
    fn join(&self, joiner: Self::Joiner);
    /// The current thread.
    fn current(&self) -> Self::ThreadId;
    /// See [`forget`](crate::explorer::forget). For searches that remember states; the others need not listen.
    fn forget(&self, progress: u16, residue: u64) {
        let _ = (progress, residue);
    }
    /// See [`mark`](crate::explorer::mark).
    fn mark(&self) -> u128 {
        0
    }
    /// See [`forget_since`](crate::explorer::forget_since).
    fn forget_since<R: Hash>(&self, mark: u128, residue: &R) {
        let _ = (mark, residue);
    }
    /// See [`leave`](crate::explorer::leave).
    fn leave(&self, residue: u64) {
        let _ = residue;
    }
}

/// A mutex with a condition variable: one critical section is one step.
///
/// Waiters are woken by [`Gate::change`], a [`Look::Changed`] and a [`Look::Taken`] alone. Everything else would be sound too, but two
/// waiters that look at the same value would wake each other for ever.
pub trait Gate<T>: Send + Sync + 'static {
    /// One section that may change what others wait for.
    fn change<R>(&self, section: impl FnOnce(&mut T) -> R) -> R;
    /// One section that changes nothing that others wait for.
    fn look<R>(&self, section: impl FnOnce(&mut T) -> R) -> R;
    /// Waits until `look` answers [`Look::Ready`] or [`Look::Taken`].
    fn wait<R>(&self, look: impl FnMut(&mut T) -> Look<R>) -> R;
}

/// A monitor as a gate around its value.
#[derive(Debug)]
pub struct GateMonitor<G, T> {
    gate: G,
    value: PhantomData<fn(T) -> T>,
}

impl<G: Gate<T>, T: MonitorValue> GateMonitor<G, T> {
    /// Around the value that is behind the gate.
    pub fn new(gate: G) -> Self {
        Self { gate, value: PhantomData }
    }
}

impl<G: Gate<T>, T: MonitorValue> Monitor<T> for GateMonitor<G, T> {
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        self.gate.change(change)
    }

    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        self.gate.wait(|value| ready(value).map_or(Look::Unchanged, Look::Taken))
    }

    fn wait_until_or<R: Answer>(
        &self,
        _deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        self.gate.change(|value| ready(value).unwrap_or_else(|| expired(value)))
    }
}

/// What a waiter finds when it looks.
pub enum Look<R> {
    /// What it waited for; nothing that others wait for has changed.
    Ready(R),
    /// What it waited for, and taking it changed something that others wait for.
    Taken(R),
    /// Not that; and it changed something that others wait for.
    Changed,
    /// Not that.
    Unchanged,
}

/// Knows whether a piece of storage was freed, in a way that the search sees.
pub trait FreedCell: Send + Sync + 'static {
    /// Reads it. The engine may end the execution here, if it sees that this races with [`FreedCell::free`].
    fn is_freed(&self) -> bool;
    /// Writes it. The engine may end the execution here, if it sees that this races with [`FreedCell::is_freed`].
    fn free(&self);
}

/// Defines the read-write lock and the gate of a model checker, whose primitives have the standard library's form.
macro_rules! checker_sync {
    ($checker:ident, $lock:ident, $gate:ident) => {
        /// A read-write lock of the checker's.
        #[derive(Debug)]
        pub struct $lock<T>($checker::sync::RwLock<T>);

        impl<T: Send + Sync> forcekill::platform::Lock<T> for $lock<T> {
            fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
                section(&self.0.read().unwrap())
            }

            fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
                section(&mut self.0.write().unwrap())
            }
        }

        /// A mutex and a condition variable of the checker's. Counts those who wait, so that nobody is notified where
        /// nobody waits: a notification is a step of its own in a search.
        #[derive(Debug)]
        pub struct $gate<T> {
            state: $checker::sync::Mutex<(T, usize)>,
            changed: $checker::sync::Condvar,
        }

        impl<T> $gate<T> {
            fn new(value: T) -> Self {
                Self {
                    state: $checker::sync::Mutex::new((value, 0)),
                    changed: $checker::sync::Condvar::new(),
                }
            }
        }

        impl<T: Send + 'static> $crate::stage::backend::Gate<T> for $gate<T> {
            fn change<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
                let mut state = self.state.lock().unwrap();
                let result = section(&mut state.0);
                if state.1 > 0 {
                    self.changed.notify_all();
                }
                result
            }

            fn look<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
                section(&mut self.state.lock().unwrap().0)
            }

            fn wait<R>(&self, mut look: impl FnMut(&mut T) -> $crate::stage::backend::Look<R>) -> R {
                use $crate::stage::backend::Look;
                let mut state = self.state.lock().unwrap();
                loop {
                    match look(&mut state.0) {
                        Look::Ready(answer) => return answer,
                        Look::Taken(answer) => {
                            if state.1 > 0 {
                                self.changed.notify_all();
                            }
                            return answer;
                        }
                        Look::Changed if state.1 > 0 => self.changed.notify_all(),
                        Look::Changed | Look::Unchanged => {}
                    }
                    state.1 += 1;
                    state = self.changed.wait(state).unwrap();
                    state.1 -= 1;
                }
            }
        }
    };
}
pub(super) use checker_sync;
