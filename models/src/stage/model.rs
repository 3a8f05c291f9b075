//! A platform on a model checker's primitives.

use std::collections::HashMap;
use std::panic::Location;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forcekill::platform::MonitorValue;
use forcekill::{Obstacle, Platform, ResendPolicy, SpawnError, Wake};

use super::backend::{Backend, Gate, Look};
use super::kernel::{Delivery, Kernel, Progress, Serial, Target};
use super::primitives::{ModelMonitor, NamedFlag, SlotLock};
use super::{Call, Returned, Stage, System, WAKE_WAS_PENDING};
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
pub(super) struct Current {
    pub(super) name: &'static str,
    os_thread: Option<Serial>,
    pub(super) waits: u32,
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

    pub(super) fn current<R>(&self, section: impl FnOnce(&mut Current) -> R) -> R {
        let mut threads = self.0.threads.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || Current { name: "main", os_thread: None, waits: 0 };
        section(threads.entry(self.0.backend.current()).or_insert_with(fresh))
    }

    pub(super) fn kernel<R>(&self, section: impl FnOnce(&mut Kernel) -> R) -> R {
        section(&mut self.0.kernel.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// An operation of the kernel's: a step of the search if `visible`.
    fn look<R>(&self, visible: bool, section: impl FnOnce(&mut Kernel) -> R) -> R {
        if visible { self.0.kernel_gate.look(|()| self.kernel(section)) } else { self.kernel(section) }
    }

    /// Keeps a step that this line of the source takes.
    pub(super) fn note_at<D: Into<Deed>>(&self, at: &'static Location<'static>, what: impl FnOnce() -> D) {
        self.0.oracle.step(at, || self.current(|current| current.name.to_string()), what);
    }

    pub(super) fn expiry(&self) -> Expiry {
        self.0.expiry
    }

    pub(super) fn kernel_gate(&self) -> &B::Gate<()> {
        &self.0.kernel_gate
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
        NamedFlag::unseen(self, value)
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> SlotLock<B, T> {
        SlotLock::new(self, self.0.backend.lock(value))
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> ModelMonitor<B, T> {
        ModelMonitor::new(self, self.0.backend.gate(()), value)
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
        if !self.kernel(|kernel| kernel.has_wakes()) {
            return Err(Obstacle::FlagsOnly);
        }
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

    fn obstacle(&self, target: &Target) -> Option<Obstacle> {
        // On Unix it has nothing to look at, and is no step of the search.
        let visible = self.0.slice.delivery && self.kernel(|kernel| kernel.is_windows());
        self.look(visible, |kernel| kernel.was_missed(target)).then_some(Obstacle::NotAlertable)
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
        let seen = self.0.slice.flags.then(|| self.0.backend.flag(false));
        NamedFlag::named(self, name, seen)
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
        let handled = self.look(self.0.slice.delivery, |kernel| kernel.user_mode(serial));
        if handled {
            self.note(|| "runs the handler, which does nothing".to_string());
        }
        handled
    }

    fn simulate(&self, system: System) {
        // Before anything else: no step of a search.
        self.kernel(|kernel| kernel.simulate(system));
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
