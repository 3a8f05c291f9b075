//! A scene on a model checker's primitives.

use std::any::TypeId;
use std::fmt;
use std::hash::Hash;
use std::panic::Location;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use forcekill::platform::{Mark, Monitor, MonitorValue};
use forcekill::roster::Roster;
use forcekill::runtime::Waiting;
use forcekill::steps::Steps;
use forcekill::thread::Lifecycle;
use forcekill::{Obstacle, OwnedFlags, Platform, ResendPolicy, SpawnError, State, States, Thread, Wake};

use super::name::Name;
use super::rows::rows;
use super::{Memory, Role, Scene, SlotLock, Wakes, WatchedMonitor};
use crate::oracle::Oracle;
use crate::property::Property;
use crate::stage::Backend;
use crate::step::{Deed, Effect};

/// A world of whole PHP threads, on the primitives of `B`. Every deadline can pass at any moment; but for those of the runtime's
/// scaler, which pass when nobody else can go on, and those that are as late as can be said, which never pass.
#[derive(Clone)]
pub struct LifecycleModel<B: Backend>(Arc<World<B>>);

struct World<B: Backend> {
    backend: B,
    oracle: Arc<Oracle>,
    sees_slots: bool,
    // The standard library's mutex: who is who is no step of a search.
    cast: Mutex<Cast<B>>,
}

struct Cast<B: Backend> {
    roles: Vec<(B::ThreadId, Role)>,
    /// The numbers of those who have not said yet who they are; for traces.
    numbers: Vec<(B::ThreadId, usize)>,
    spawned: Vec<B::Joiner>,
    lines: Vec<Arc<B::Monitor<Line>>>,
    /// The states that a thread waits for, if it waits for its orders now.
    awaited: Vec<Option<States>>,
    /// How many lifecycles there are; the one that is made next belongs to the thread with this index.
    lifecycles: usize,
    /// How many indexes a runtime has, if the race has one: a later one's threads have the same names.
    seats: Option<usize>,
    /// How many threads were started; for traces.
    begun: usize,
    /// The states of the threads, as they were last seen.
    states: Vec<State>,
    /// How many scripts an index had begun when this thread of its had begun its latest. No step of a search says so.
    turns: Vec<(B::ThreadId, usize)>,
    /// Whose deadlines do not pass: who makes an initial condition, or clears up behind a race.
    patient: Option<Role>,
    /// The clock of the runtime's scaler. A function of the deadlines that it has seen pass; what it does depends on differences alone.
    clock: Duration,
    /// While an initial condition is made.
    placing: bool,
    wakes: Wakes,
    seen_slots: Slots,
}

/// Whose kill slots are steps of the search. The library's slot is there for every thread all the same.
///
/// What is in a slot, and when, can matter to a lifecycle in one way: a wake ends the call that a script is in. The slots of
/// threads whose scripts wait for no wake can be left out of a search that is too large with them; that the outcomes are the
/// same is tested where both are small enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Slots {
    /// Everybody's.
    All,
    /// The first thread's alone.
    First,
    /// Nobody's.
    None,
}

impl Slots {
    fn is_seen(self, index: usize) -> bool {
        match self {
            Self::All => true,
            Self::First => index == 0,
            Self::None => false,
        }
    }
}

impl<B: Backend> Cast<B> {
    fn role_of(&self, id: &B::ThreadId) -> Role {
        self.roles.iter().find(|(other, _)| other == id).map_or(Role::Main, |(_, role)| *role)
    }
}

/// Whether a deadline passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Patience {
    /// At any moment.
    None,
    /// When nobody else can go on: that of the runtime's scaler, who looks around now and then.
    UntilNobodyCanGoOn,
    /// Never.
    Endless,
}

/// For a scaler every thread has been idle for so long.
const AN_HOUR: Duration = Duration::from_secs(3600);

/// What a blocked thread waits for.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Line {
    woken: bool,
    let_go: bool,
    /// In a call, as a cancel wants to know.
    is_in_call: bool,
}

impl<B: Backend> LifecycleModel<B> {
    /// A world with so many PHP threads, for one execution. To be called on its main thread.
    pub fn new(backend: B, oracle: Arc<Oracle>, php_threads: usize, seen_slots: Slots) -> Self {
        let lines = (0..php_threads).map(|_| Arc::new(backend.monitor(Line::default()))).collect();
        let roles = vec![(backend.current(), Role::Main)];
        let awaited = vec![None; php_threads];
        let (spawned, states) = (Vec::new(), Vec::new());
        let (lifecycles, begun, seats, patient, placing) = (0, 0, None, None, false);
        let turns = Vec::new();
        let cast = Cast {
            roles,
            numbers: Vec::new(),
            spawned,
            lines,
            awaited,
            lifecycles,
            seats,
            begun,
            states,
            turns,
            patient,
            clock: AN_HOUR,
            placing,
            wakes: Wakes::Signal,
            seen_slots,
        };
        oracle.enters(Role::Main);
        let sees_slots = seen_slots != Slots::None;
        Self(Arc::new(World { backend, oracle, sees_slots, cast: Mutex::new(cast) }))
    }

    pub(super) fn backend(&self) -> &B {
        &self.0.backend
    }

    pub(super) fn is_traced(&self) -> bool {
        self.0.oracle.is_tracing()
    }

    /// Keeps a step that this line of the source takes.
    pub(super) fn note_at<D: Into<Deed>>(&self, at: &'static Location<'static>, what: impl FnOnce() -> D) {
        self.0.oracle.step(at, || self.role().to_string(), what);
    }

    /// A thread is about to be started: the number that it will begin with.
    #[track_caller]
    fn note_spawn(&self, whom: impl fmt::Display) -> usize {
        let number = {
            let mut cast = self.cast();
            cast.begun += 1;
            cast.begun
        };
        self.note(|| Deed::with(format!("starts {whom}"), Effect::Spawns(number)));
        number
    }

    /// The current thread waits for its orders without a deadline, until its state is one of these; `None` when it has them.
    pub(super) fn waits_for_orders(&self, whose: Name, awaited: Option<States>) {
        if let Name::Thread(index) = whose {
            let me = self.0.backend.current();
            let mut cast = self.cast();
            if cast.role_of(&me) == Role::Php(index) {
                cast.awaited[index] = awaited;
            }
        }
    }

    /// A thread was asked something, waits for its orders, and is given up on: it looks for the wrong states, and nothing that it
    /// was asked could have reached it.
    fn judge_abandonment(&self, whose: Name, left: State) {
        let Name::Thread(index) = whose else { return };
        let awaited = self.cast().awaited[index];
        let property = match left {
            State::Restarting => Property::RestartIsComplete,
            State::ShuttingDown => Property::LateUnwindIsSafe,
            _ => return,
        };
        if awaited.is_some_and(|awaited| !awaited.contains(left)) {
            self.0.oracle.violate(property, || {
                format!("{whose} was given up on while it waited for its orders, and {left} was none to it")
            });
        }
    }

    /// A state was changed by the current thread.
    pub(super) fn changed(&self, whose: Name, left: State, entered: State) {
        let me = self.0.backend.current();
        let role = {
            let mut cast = self.cast();
            if let Name::Thread(index) = whose {
                cast.states[index] = entered;
            }
            if cast.placing {
                return;
            }
            cast.role_of(&me)
        };
        if entered == State::Abandoned {
            self.judge_abandonment(whose, left);
        }
        let mut is_declared = false;
        for row in rows(left, entered, role.actor()) {
            is_declared = true;
            self.0.oracle.took(row);
        }
        if !is_declared {
            self.0.oracle.violate(Property::LegalTransitions, || {
                format!("{role} made {whose} {entered}, which was {left}: that is no transition of its")
            });
        }
    }

    /// Whether the deadline of a wait that the current thread begins passes.
    pub(super) fn patience(&self, at: &'static Location<'static>, deadline: Duration) -> Patience {
        let me = self.0.backend.current();
        let has_no_name = self.cast().numbers.iter().any(|(other, _)| *other == me);
        if has_no_name {
            // Every other thread of the library's has said who it is.
            self.enter_at(at, Role::Autoscaler);
        }
        let role = self.role();
        if self.cast().patient == Some(role) || deadline == Duration::MAX {
            return Patience::Endless;
        }
        if role == Role::Autoscaler { Patience::UntilNobodyCanGoOn } else { Patience::None }
    }

    /// A deadline has passed that passes when nobody else can go on.
    pub(super) fn passes(&self, deadline: Duration) {
        self.cast().clock = deadline;
        self.0.oracle.reached("the runtime's scaler looked around");
    }

    /// Starts a thread: of the host's if it has a role, of the engine's if it says itself who it is.
    fn starts(
        &self,
        at: &'static Location<'static>,
        number: usize,
        body: Box<dyn FnOnce() + Send>,
        role: Option<Role>,
    ) -> B::Joiner {
        let scene = self.clone();
        self.0.backend.spawn(move || {
            let me = scene.0.backend.current();
            scene.cast().numbers.push((me, number));
            if let Some(role) = role {
                scene.enter_at(at, role);
            }
            body();
            scene.leaves(scene.role());
        })
    }

    /// The current thread has come to its end. What it has learned is of no use to anybody; but the next thread of an index goes
    /// on with the turns where it has left off.
    fn leaves(&self, role: Role) {
        self.0.oracle.leaves(role);
        if self.may_forget() {
            self.0.backend.leave(self.own_turns() as u64);
        }
    }

    /// How many scripts the current thread's index had begun when this thread had begun its latest; not those of a successor,
    /// which may have begun already. 0 if it has begun none.
    fn own_turns(&self) -> usize {
        let me = self.0.backend.current();
        self.cast().turns.iter().find(|(other, _)| *other == me).map_or(0, |(_, turns)| *turns)
    }

    /// Whether threads say what they need not remember: in whole runtimes, whose threads have nothing beside the objects of the
    /// search. A slot that is no step is none, so nothing may depend on it.
    fn may_forget(&self) -> bool {
        let cast = self.cast();
        cast.seats.is_some() && cast.seen_slots == Slots::None
    }

    fn enter_at(&self, at: &'static Location<'static>, role: Role) {
        let me = self.0.backend.current();
        let number = {
            let mut cast = self.cast();
            let place = cast.numbers.iter().position(|(other, _)| *other == me);
            let number = place.map(|place| cast.numbers.remove(place).1);
            cast.roles.push((me, role));
            number
        };
        self.0.oracle.enters(role);
        if let Some(number) = number {
            self.note_at(at, || Deed::with("begins", Effect::Begins(number)));
        }
    }

    fn role(&self) -> Role {
        let me = self.0.backend.current();
        self.cast().role_of(&me)
    }

    fn cast(&self) -> MutexGuard<'_, Cast<B>> {
        self.0.cast.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether what belongs to the thread that is being made now is a step.
    fn is_slot_seen(&self) -> bool {
        let cast = self.cast();
        cast.seen_slots.is_seen(cast.lifecycles.saturating_sub(1))
    }

    /// A thread with this index is made: it needs a line to block on, and a state.
    fn provide_for(&self, index: usize) {
        let (lines, states) = {
            let mut cast = self.cast();
            if index < cast.states.len() {
                cast.states[index] = State::Reserved;
            }
            (cast.lines.len(), cast.states.len())
        };
        for _ in lines..=index {
            let line = Arc::new(self.0.backend.monitor(Line::default()));
            let mut cast = self.cast();
            cast.lines.push(line);
            cast.awaited.push(None);
        }
        for _ in states..=index {
            self.cast().states.push(State::Reserved);
        }
    }

    fn my_line(&self) -> Arc<B::Monitor<Line>> {
        let Role::Php(index) = self.role() else { panic!("only a PHP thread makes system calls here") };
        Arc::clone(&self.cast().lines[index])
    }

    #[track_caller]
    fn blocks(&self, until: impl Fn(&mut Line) -> bool) {
        self.note(|| Deed::with("blocks in a call", Effect::Blocks));
        let line = self.my_line();
        if self.cast().wakes == Wakes::Cancel {
            line.with(|line| line.is_in_call = true);
        }
        line.wait(|line| until(line).then(|| line.is_in_call = false));
        self.note(|| Deed::with("returns from the call", Effect::Returns));
    }
}

impl<B: Backend> Platform for LifecycleModel<B> {
    type Flag = AtomicBool;
    type Lock<T: Send + Sync + 'static> = SlotLock<B, T>;
    type Monitor<T: MonitorValue> = WatchedMonitor<B, T>;
    /// None where no script waits for a wake.
    type WakeTarget = Option<Arc<B::Monitor<Line>>>;

    fn flag(&self, value: bool) -> AtomicBool {
        AtomicBool::new(value)
    }

    fn lock<T: Send + Sync + 'static>(&self, value: T) -> SlotLock<B, T> {
        match self.is_slot_seen() {
            true => SlotLock::Seen(self.0.backend.lock(value)),
            false => SlotLock::Unseen(RwLock::new(value)),
        }
    }

    fn monitor<T: MonitorValue>(&self, value: T) -> WatchedMonitor<B, T> {
        let (mut name, mut is_seen) = (Name::Other, true);
        if TypeId::of::<T>() == TypeId::of::<Lifecycle>() {
            let index = {
                let mut cast = self.cast();
                cast.lifecycles += 1;
                let index = cast.lifecycles - 1;
                cast.seats.map_or(index, |seats| index % seats)
            };
            name = Name::Thread(index);
            self.provide_for(index);
        } else if TypeId::of::<T>() == TypeId::of::<usize>() {
            name = Name::Lingering;
        } else if TypeId::of::<T>() == TypeId::of::<Roster>() {
            name = Name::Roster;
        } else if TypeId::of::<T>() == TypeId::of::<Waiting<u32, u32>>() {
            name = Name::Queue;
        } else if TypeId::of::<T>() == TypeId::of::<Memory>() {
            name = Name::Memory;
        } else if TypeId::of::<T>() == TypeId::of::<u64>() {
            name = Name::LastRunEnded;
            is_seen = self.is_slot_seen();
        }
        WatchedMonitor::new(self.clone(), name, value, is_seen)
    }

    #[track_caller]
    fn spawn(&self, body: impl FnOnce() + Send + 'static) -> Result<(), SpawnError> {
        let number = self.note_spawn("an OS thread");
        let joiner = self.starts(Location::caller(), number, Box::new(body), None);
        self.cast().spawned.push(joiner);
        Ok(())
    }

    #[track_caller]
    fn thread_begins(&self, thread: usize) {
        self.enter(Role::Php(thread));
    }

    /// Always the same: every deadline can pass at any moment. But for a scaler every thread has been idle for an hour, and the runtime's
    /// own finds its deadline passed when it has.
    fn now(&self) -> Duration {
        match self.role() {
            Role::Scaler => AN_HOUR,
            Role::Autoscaler => self.cast().clock,
            _ => Duration::ZERO,
        }
    }

    fn capture(&self) -> Result<Self::WakeTarget, Obstacle> {
        let Role::Php(index) = self.role() else { panic!("only a PHP thread captures itself here") };
        if self.cast().wakes == Wakes::Never {
            self.0.oracle.reached("a thread could not be made ready to be woken");
            return Err(Obstacle::FlagsOnly);
        }
        let is_seen = self.cast().seen_slots.is_seen(index);
        Ok(is_seen.then(|| self.my_line()))
    }

    #[track_caller]
    fn wake(&self, target: &Self::WakeTarget) -> Wake {
        let cancels = self.cast().wakes == Wakes::Cancel;
        if let Some(line) = target {
            let found = line.with(|line| {
                line.woken |= line.is_in_call || !cancels;
                line.woken
            });
            if !found {
                self.0.oracle.reached("a cancel found nothing to cancel");
            }
        }
        self.note(|| {
            let lines = &self.cast().lines;
            let whose =
                target.as_ref().and_then(|line| lines.iter().position(|other| Arc::ptr_eq(other, line)));
            let effects = whose.map(|index| Effect::Wakes(Role::Php(index).to_string()));
            Deed { what: "sends a wake".to_string(), effects: effects.into_iter().collect() }
        });
        Wake::Sent
    }

    fn obstacle(&self, _target: &Self::WakeTarget) -> Option<Obstacle> {
        None
    }

    fn release(&self, target: Self::WakeTarget) {
        drop(target);
    }

    fn mark(&self) -> Mark {
        Mark(self.0.backend.mark())
    }

    fn forgets<R: Hash>(&self, mark: Mark, rest: impl FnOnce() -> R) {
        if self.may_forget() {
            self.0.backend.forget_since(mark.0, &(rest(), self.own_turns()));
        }
    }

    fn absorb(&self) {
        if let Ok(Some(line)) = self.capture() {
            line.with(|line| line.woken = false);
        }
    }
}

impl<B: Backend> Scene for LifecycleModel<B> {
    type Joiner = B::Joiner;

    fn oracle(&self) -> &Oracle {
        &self.0.oracle
    }

    fn start(&self, role: Role, body: impl FnOnce() + Send + 'static) -> B::Joiner {
        let number = self.note_spawn(role);
        self.starts(Location::caller(), number, Box::new(body), Some(role))
    }

    fn join(&self, joiner: B::Joiner) {
        self.0.backend.join(joiner);
    }

    fn join_spawned(&self) {
        let mark = self.mark();
        // Not while the lock is held: a thread that is joined may spawn another.
        let oldest = || {
            let spawned = &mut self.cast().spawned;
            (!spawned.is_empty()).then(|| spawned.remove(0))
        };
        while let Some(oldest) = oldest() {
            self.0.backend.join(oldest);
        }
        // Who was spawned before whom is known to nobody else, and makes no difference from here on.
        self.forgets(mark, || "all have exited");
    }

    fn sees_slots(&self) -> bool {
        self.0.sees_slots
    }

    fn seats(&self, seats: usize) {
        self.cast().seats = Some(seats);
    }

    fn patient(&self, patient: Option<Role>) {
        self.cast().patient = patient;
    }

    fn is_autoscaler(&self) -> bool {
        self.role() == Role::Autoscaler
    }

    fn state_of(&self, thread: usize) -> State {
        self.cast().states[thread]
    }

    fn enter(&self, role: Role) {
        self.enter_at(Location::caller(), role);
    }

    fn place<D: Steps<Self, OwnedFlags>>(&self, thread: &Thread<Self, OwnedFlags, D>, state: State) {
        self.cast().placing = true;
        thread.with(|lifecycle| lifecycle.overwrite(state, Duration::ZERO));
        self.cast().placing = false;
    }

    fn interruptible_call(&self) {
        self.blocks(|line| {
            let returns = line.woken || line.let_go;
            line.woken &= !returns;
            returns
        });
    }

    fn retried_call(&self) {
        loop {
            // Each wake-up is taken by one return, after which the call begins again.
            let was_let_go = self.my_line().wait(|line| {
                let interrupted = std::mem::take(&mut line.woken);
                (line.let_go || interrupted).then_some(line.let_go)
            });
            self.note(|| Deed::with("returns from a call that it retries", Effect::Returns));
            if was_let_go {
                return;
            }
        }
    }

    fn uninterruptible_call(&self) {
        self.blocks(|line| line.let_go);
    }

    fn wakes(&self, how: Wakes) {
        self.cast().wakes = how;
    }

    fn let_go(&self) {
        let lines = self.cast().lines.clone();
        for line in lines {
            line.with(|line| line.let_go = true);
        }
    }

    fn policy(&self, sends: u32) -> ResendPolicy {
        let pause = Duration::from_secs(1);
        ResendPolicy::new(pause * sends, pause, pause).expect("a positive number of sends")
    }

    fn begins_turn(&self, turn: usize, residue: u64) {
        {
            let me = self.0.backend.current();
            let mut cast = self.cast();
            match cast.turns.iter_mut().find(|(other, _)| *other == me) {
                Some((_, turns)) => *turns = turn + 1,
                None => cast.turns.push((me, turn + 1)),
            }
        }
        if self.may_forget() {
            // More than any thread makes in one turn.
            const STEPS_A_TURN: usize = 256;
            self.0.backend.forget(((turn + 1) * STEPS_A_TURN) as u16, residue);
        }
    }

    fn note<D: Into<Deed>>(&self, what: impl FnOnce() -> D) {
        self.note_at(Location::caller(), what);
    }
}
