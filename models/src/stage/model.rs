//! A platform on a model checker's primitives.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, Ordering::Relaxed, Ordering::SeqCst};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forcekill::platform::{Answer, Flag, Lock, Monitor, MonitorValue};
use forcekill::{Obstacle, Platform, ResendPolicy, SpawnError, Wake};

use super::backend::{Backend, Gate, Look};
use super::kernel::{Delivery, Kernel, Progress, Serial, Target};
use super::{Call, Returned, Stage, WAKE_WAS_PENDING};
use crate::oracle::Oracle;
use crate::property::Property;
use crate::step::{Deed, Effect};

/// When a wait with a deadline gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expiry {
    /// Whenever the search schedules it and its predicate does not hold: "still waiting" is "not scheduled yet". Nothing
    /// can be claimed about how many waits a killer needs, but everything that can happen does.
    AnyTime,
    /// When no thread of the engine's can move any more, as on a machine that is fast enough; except for the wait with
    /// this number, of each killer, which gives up at any time, as on a machine that is slow just then.
    WhenStuck {
        /// Counted from 0.
        early: Option<u32>,
    },
}

/// Which operations are steps of a search: those that a watched property can depend on. The others happen all the same, but
/// the checker does not look at their order, so that a claim about freed storage does not pay for the order of signals.
#[derive(Clone, Copy, Debug)]
struct Slice {
    /// Who has which thread id, and which targets are released: what `wake-hits-its-thread` is about.
    identities: bool,
    /// When wakes are delivered: what `kill-hits-its-run` and `no-lost-kill` depend on.
    delivery: bool,
    /// The values of the interrupt flags: what `flags-in-order` is about, and the two above depend on.
    flags: bool,
}

impl Slice {
    fn of(oracle: &Oracle) -> Self {
        let delivery = oracle.watches(Property::KillHitsItsRun) || oracle.watches(Property::NoLostKill);
        Self {
            identities: oracle.watches(Property::WakeHitsItsThread),
            delivery,
            flags: delivery || oracle.watches(Property::FlagsInOrder),
        }
    }
}

/// A simulated operating system on the primitives of `B`.
#[derive(Clone)]
pub struct Model<B: Backend>(Arc<World<B>>);

struct World<B: Backend> {
    backend: B,
    slice: Slice,
    // The gate is what the checker sees. The state is behind it in the standard library's mutex, so that an operation which
    // the watched property cannot depend on can leave the gate out.
    kernel_gate: B::Gate<()>,
    kernel: Mutex<Kernel>,
    oracle: Arc<Oracle>,
    expiry: Expiry,
    /// How many threads were started; for traces.
    begun: AtomicUsize,
    // The standard library's mutex: which checker's thread is which of ours is no step of a search.
    threads: Mutex<HashMap<B::ThreadId, Current>>,
}

#[derive(Clone, Debug)]
struct Current {
    name: &'static str,
    os_thread: Option<Serial>,
    waits: u32,
}

impl<B: Backend> Model<B> {
    /// A new world, for one execution. To be called on the main thread of the execution.
    pub fn new(backend: B, oracle: Arc<Oracle>, expiry: Expiry) -> Self {
        let slice = Slice::of(&oracle);
        let kernel_gate = backend.gate(());
        let (kernel, threads) = (Mutex::default(), Mutex::default());
        let begun = AtomicUsize::new(0);
        Self(Arc::new(World { backend, slice, kernel_gate, kernel, oracle, expiry, begun, threads }))
    }

    fn current<R>(&self, section: impl FnOnce(&mut Current) -> R) -> R {
        let mut threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Current { name: "main", os_thread: None, waits: 0 };
        section(threads.entry(self.0.backend.current()).or_insert_with(fresh))
    }

    fn kernel<R>(&self, section: impl FnOnce(&mut Kernel) -> R) -> R {
        section(&mut self.0.kernel.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An operation of the kernel's: a step of the search if `visible`.
    fn look<R>(&self, visible: bool, section: impl FnOnce(&mut Kernel) -> R) -> R {
        if visible { self.0.kernel_gate.look(|()| self.kernel(section)) } else { self.kernel(section) }
    }

    /// Keeps a step that this line of the source takes.
    fn note_at<D: Into<Deed>>(&self, at: &'static Location<'static>, what: impl FnOnce() -> D) {
        self.0.oracle.step(at, || self.current(|current| current.name.to_string()), what);
    }

    fn os_thread_serial(&self) -> Serial {
        self.current(|current| current.os_thread).expect("only a thread of the engine's does this")
    }

    fn blame(&self, delivery: &Delivery) {
        let violate = |what| self.0.oracle.violate(Property::WakeHitsItsThread, || what);
        match delivery {
            Delivery::Hit { .. } => {}
            Delivery::OtherThread { hit, meant } => {
                violate(format!("a wake for {meant} hit {hit}, which has its thread id now"));
            }
            Delivery::AfterExit { meant } => violate(format!("a wake was sent to {meant} after its exit")),
            Delivery::AfterRelease { meant } => {
                violate(format!("a wake was sent to {meant} after its target was released"));
            }
        }
    }
}

impl<B: Backend> Platform for Model<B> {
    type Flag = NamedFlag<B>;
    type Lock<T: Send + Sync + 'static> = SlotLock<B, T>;
    type Monitor<T: MonitorValue> = ModelMonitor<B, T>;
    type WakeTarget = Target;

    fn flag(&self, value: bool) -> NamedFlag<B> {
        // The library's own flag (`Occupant::killed`) is only touched with the slot's lock held, whose steps order it.
        NamedFlag { bit: Bit::Unseen(AtomicBool::new(value)), name: None, model: self.clone() }
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> SlotLock<B, T> {
        SlotLock { lock: self.0.backend.lock(value), model: self.clone() }
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> ModelMonitor<B, T> {
        ModelMonitor { value: Mutex::new(value), gate: self.0.backend.gate(()), model: self.clone() }
    }

    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        // Nobody joins it: the checkers run it to its end all the same.
        drop(self.0.backend.spawn(body));
        Ok(())
    }

    fn now(&self) -> Duration {
        Duration::ZERO
    }

    fn capture(&self) -> Result<Target, Obstacle> {
        let serial = self.os_thread_serial();
        // Its own thread alone knows the target so far.
        Ok(self.look(false, |kernel| kernel.capture(serial)))
    }

    #[track_caller]
    fn wake(&self, target: &Target) -> Wake {
        let send = |kernel: &mut Kernel| kernel.send(target);
        let delivery = if self.0.slice.identities || self.0.slice.delivery {
            self.0.kernel_gate.change(|()| self.kernel(send))
        } else {
            self.kernel(send)
        };
        self.note(|| {
            let whom = self.kernel(|kernel| kernel.name_of(target)).to_string();
            match &delivery {
                Delivery::Hit { blocked: true } => {
                    Deed::with("wakes the thread, which is blocked", Effect::Wakes(whom))
                }
                Delivery::Hit { blocked: false } => {
                    Deed::with("wakes the thread, which is not blocked", Effect::Wakes(whom))
                }
                Delivery::OtherThread { hit, .. } => {
                    Deed::with(format!("wakes {delivery:?}"), Effect::Wakes((*hit).to_string()))
                }
                other => format!("wakes {other:?}").into(),
            }
        });
        self.blame(&delivery);
        match delivery {
            Delivery::Hit { .. } => Wake::Sent,
            _ => Wake::ThreadGone,
        }
    }

    fn obstacle(&self, _target: &Target) -> Option<Obstacle> {
        None
    }

    #[track_caller]
    fn release(&self, target: Target) {
        let first = self.look(self.0.slice.identities, |kernel| kernel.release(&target));
        self.note(|| "releases the wake target".to_string());
        if !first {
            let twice = || "a wake target was released twice".to_string();
            self.0.oracle.violate(Property::WakeHitsItsThread, twice);
        }
    }

    #[track_caller]
    fn absorb(&self) {
        let serial = self.os_thread_serial();
        let had = self.look(self.0.slice.delivery, |kernel| kernel.take_pending(serial));
        if had {
            self.0.oracle.reached(WAKE_WAS_PENDING);
        }
        self.note(|| format!("absorbs {}", if had { "a pending wake" } else { "nothing" }));
    }
}

impl<B: Backend> Stage for Model<B> {
    type Joiner = B::Joiner;
    type Freed = B::Freed;

    fn oracle(&self) -> &Oracle {
        &self.0.oracle
    }

    fn named_flag(&self, name: &'static str) -> NamedFlag<B> {
        let bit = match self.0.slice.flags {
            true => Bit::Seen(self.0.backend.flag(false)),
            false => Bit::Unseen(AtomicBool::new(false)),
        };
        let owner = self.current(|current| current.name);
        NamedFlag { bit, name: Some((name, owner)), model: self.clone() }
    }

    fn freed_cell(&self) -> B::Freed {
        self.0.backend.freed_cell()
    }

    #[track_caller]
    fn start(&self, name: &'static str, body: impl FnOnce() + Send + 'static) -> B::Joiner {
        let (model, at) = (self.clone(), Location::caller());
        let number = self.0.begun.fetch_add(1, Relaxed);
        self.note(|| Deed::with(format!("starts {name}"), Effect::Spawns(number)));
        self.0.backend.spawn(move || {
            model.current(|current| current.name = name);
            model.note_at(at, || Deed::with("begins", Effect::Begins(number)));
            body();
        })
    }

    fn join(&self, joiner: B::Joiner) {
        self.0.backend.join(joiner);
    }

    #[track_caller]
    fn os_thread(&self, name: &'static str, body: impl FnOnce() + Send + 'static) {
        let serial = self.look(self.0.slice.identities, |kernel| kernel.start(name));
        self.current(|current| (current.name, current.os_thread) = (name, Some(serial)));
        body();
        self.note(|| Deed::with("exits", Effect::Ends));
        self.current(|current| (current.name, current.os_thread) = ("main", None));
        self.look(self.0.slice.identities, |kernel| kernel.exit(serial));
    }

    #[track_caller]
    fn user_mode(&self) -> bool {
        let serial = self.os_thread_serial();
        let handled = self.look(self.0.slice.delivery, |kernel| kernel.take_pending(serial));
        if handled {
            self.note(|| "runs the handler, which does nothing".to_string());
        }
        handled
    }

    #[track_caller]
    fn call(&self, call: Call) -> Returned {
        let serial = self.os_thread_serial();
        let (mut blocked, at) = (false, Location::caller());
        self.note(|| format!("enters a call ({call:?})"));
        let interrupted =
            self.0.kernel_gate.wait(|()| match self.kernel(|kernel| kernel.progress(serial, call)) {
                Progress::Interrupted => Look::Ready(true),
                Progress::Done => Look::Ready(false),
                Progress::Blocked if blocked => Look::Unchanged,
                Progress::Blocked => {
                    self.note_at(at, || Deed::with("blocks", Effect::Blocks));
                    blocked = true;
                    Look::Changed
                }
            });
        let returned = match (interrupted, call) {
            (false, _) => Returned::Done,
            (true, Call::WithSideEffects) if blocked => Returned::Partly,
            (true, _) => Returned::Interrupted { blocked },
        };
        self.note(|| Deed::with(format!("returns from the call: {returned:?}"), Effect::Returns));
        returned
    }

    fn let_go(&self) {
        self.0.kernel_gate.change(|()| self.kernel(Kernel::let_go));
    }

    fn was_let_go(&self) -> bool {
        self.look(true, |kernel| kernel.was_let_go())
    }

    fn threads_started(&self) -> usize {
        self.look(true, |kernel| kernel.started())
    }

    fn check_targets(&self) {
        let unreleased = self.look(false, |kernel| kernel.unreleased());
        if unreleased > 0 {
            let never = || format!("{unreleased} wake target was never released");
            self.0.oracle.violate(Property::WakeHitsItsThread, never);
        }
    }

    fn policy(&self, sends: u32) -> ResendPolicy {
        let pause = Duration::from_secs(1);
        ResendPolicy::new(pause * sends, pause, pause).expect("a positive number of sends")
    }

    fn is_timed(&self) -> bool {
        false
    }

    fn alias(&self, target: &Target) -> Option<Target> {
        Some(target.alias())
    }

    fn note<D: Into<Deed>>(&self, what: impl FnOnce() -> D) {
        self.note_at(Location::caller(), what);
    }
}

/// A flag with a name for traces.
pub struct NamedFlag<B: Backend> {
    bit: Bit<B>,
    /// What it is called, and whose thread's it is.
    name: Option<(&'static str, &'static str)>,
    model: Model<B>,
}

enum Bit<B: Backend> {
    /// Its operations are steps of the search.
    Seen(B::Flag),
    /// What is watched cannot depend on it.
    Unseen(AtomicBool),
}

impl<B: Backend> NamedFlag<B> {
    #[track_caller]
    fn note(&self, what: &str, value: bool) {
        if let Some((name, _)) = self.name {
            self.model.note(|| format!("{what} {name} = {value}"));
        }
    }

    /// Raising a flag of another thread's is a kill.
    #[track_caller]
    fn note_store(&self, value: bool) {
        let Some((name, owner)) = self.name else { return };
        self.model.note(|| {
            let what = format!("sets {name} = {value}");
            let is_own = self.model.current(|current| current.name == owner);
            match value && !is_own {
                true => Deed::with(what, Effect::Kills(owner.to_string())),
                false => what.into(),
            }
        });
    }
}

impl<B: Backend> Flag for NamedFlag<B> {
    #[track_caller]
    fn load(&self, order: Ordering) -> bool {
        let value = match &self.bit {
            Bit::Seen(bit) => bit.load(order),
            Bit::Unseen(bit) => bit.load(SeqCst),
        };
        self.note("reads", value);
        value
    }

    #[track_caller]
    fn store(&self, value: bool, order: Ordering) {
        match &self.bit {
            Bit::Seen(bit) => bit.store(value, order),
            Bit::Unseen(bit) => bit.store(value, SeqCst),
        }
        self.note_store(value);
    }

    #[track_caller]
    fn swap(&self, value: bool, order: Ordering) -> bool {
        let old = match &self.bit {
            Bit::Seen(bit) => bit.swap(value, order),
            Bit::Unseen(bit) => bit.swap(value, SeqCst),
        };
        self.note("takes", old);
        old
    }
}

/// A read-write lock of the checker's, with a line in the trace.
pub struct SlotLock<B: Backend, T: Send + Sync + 'static> {
    lock: B::Lock<T>,
    model: Model<B>,
}

impl<B: Backend, T: Send + Sync + 'static> Lock<T> for SlotLock<B, T> {
    #[track_caller]
    fn shared<R>(&self, section: impl FnOnce(&T) -> R) -> R {
        let at = Location::caller();
        self.lock.shared(|value| {
            self.model.note_at(at, || "locks the slot, shared");
            section(value)
        })
    }

    #[track_caller]
    fn exclusive<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        let at = Location::caller();
        self.lock.exclusive(|value| {
            self.model.note_at(at, || "locks the slot, alone");
            section(value)
        })
    }
}

/// What traces call the monitor that tells which run has ended, the only one that races of the slot wait at.
const LAST_RUN: &str = "the last run that ended";
const STOPS: &str = "stops waiting: the run has ended";
const IN_VAIN: &str = "waits in vain";

/// A monitor whose waits expire as [`Expiry`] says.
pub struct ModelMonitor<B: Backend, T> {
    // Only touched with a gate held, so never contended; the gates are what the checker sees.
    value: Mutex<T>,
    gate: B::Gate<()>,
    model: Model<B>,
}

impl<B: Backend, T> ModelMonitor<B, T> {
    fn value<R>(&self, section: impl FnOnce(&mut T) -> R) -> R {
        section(&mut self.value.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Whether this wait of the current thread is the early one.
    fn is_early(&self, early: Option<u32>) -> bool {
        let number = self.model.current(|current| {
            current.waits += 1;
            current.waits - 1
        });
        early == Some(number)
    }
}

impl<B: Backend, T: MonitorValue> Monitor<T> for ModelMonitor<B, T> {
    #[track_caller]
    fn with<R: Answer>(&self, change: impl Fn(&mut T) -> R) -> R {
        let at = Location::caller();
        let change = |value: &mut T| {
            self.model.note_at(at, || {
                Deed::with("says that the run has ended", Effect::Changes(LAST_RUN.to_string()))
            });
            change(value)
        };
        match self.model.0.expiry {
            Expiry::AnyTime => self.gate.change(|()| self.value(change)),
            // Those who wait until the threads are stuck wait at the kernel's gate, the others look through this one. Both
            // are held, so that the change is one step to either; nobody takes them in the other order.
            Expiry::WhenStuck { .. } => {
                self.gate.look(|()| self.model.0.kernel_gate.change(|()| self.value(change)))
            }
        }
    }

    fn wait<R: Answer>(&self, ready: impl Fn(&mut T) -> Option<R>) -> R {
        let gate = match self.model.0.expiry {
            Expiry::AnyTime => &self.gate,
            Expiry::WhenStuck { .. } => &self.model.0.kernel_gate,
        };
        gate.wait(|()| self.value(&ready).map_or(Look::Unchanged, Look::Taken))
    }

    #[track_caller]
    fn wait_until_or<R: Answer>(
        &self,
        _deadline: Duration,
        ready: impl Fn(&mut T) -> Option<R>,
        expired: impl Fn(&mut T) -> R,
    ) -> R {
        let in_vain = || self.value(&expired);
        let (answer, how) = match self.model.0.expiry {
            Expiry::WhenStuck { early } if !self.is_early(early) => {
                self.model.0.kernel_gate.wait(|()| match self.value(&ready) {
                    Some(answer) => Look::Ready((answer, STOPS)),
                    None if self.model.kernel(|kernel| kernel.is_stuck()) => {
                        Look::Ready((in_vain(), IN_VAIN))
                    }
                    None => Look::Unchanged,
                })
            }
            // It may take something, so those who wait without a deadline must look again.
            _ => self.gate.change(|()| match self.value(&ready) {
                Some(answer) => (answer, STOPS),
                None => (in_vain(), IN_VAIN),
            }),
        };
        self.model.note(|| match how {
            STOPS => Deed::with(how, Effect::Sees(LAST_RUN.to_string())),
            _ => how.into(),
        });
        answer
    }
}
