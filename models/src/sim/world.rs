//! The world of a run: threads, the virtual clock, and who waits for what.
//!
//! One OS thread plays it. Every simulated thread is a coroutine; whoever is at a step of the simulation asks the scheduler
//! whether it goes on. Time moves when nobody can run, to the next deadline, or where the schedule says so.

use std::cell::RefCell;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};
use std::panic::Location;
use std::ptr::NonNull;

use corosensei::Yielder;

use super::kernel::Signals;
use super::scenario::{Scenario, Source};
use super::scheduler::{Scheduler, ThreadId};
use super::watch::{CallWatch, Watch};
use super::{engine::EngineState, recorder::Recorder};
use crate::scene::Role;
use crate::trace::Kind;

thread_local! {
    static WORLD: RefCell<Option<World>> = const { RefCell::new(None) };
}

/// The clock at the start of a run: not zero, so that nothing rests on that.
pub(super) const START_NS: u64 = 1_000_000_000_000;

/// So many steps without any time passing are a run that does not come to an end.
const MOST_STEPS_AT_ONCE: u64 = 400_000;

/// What is thrown through threads that wait for what will never come, when the run is over.
pub(super) struct Stop;

pub(super) struct World {
    pub(super) clock_ns: u64,
    pub(super) steps: u64,
    /// By how much the schedule has moved the clock in all.
    pub(super) jumped_ns: u64,
    /// At which step the clock moved last.
    moved_at: u64,
    pub(super) threads: Vec<SimThread>,
    /// Those that have not ended, in the order in which they were started.
    pub(super) live: Vec<ThreadId>,
    ready: VecDeque<ThreadId>,
    timers: BinaryHeap<Reverse<Timer>>,
    timers_made: u64,
    pub(super) running: Option<ThreadId>,
    /// Who was chosen to go on when the running thread stopped at a step.
    chosen: Option<ThreadId>,
    scheduler: Scheduler,
    /// By object: who waits there.
    waiting: Vec<Vec<ThreadId>>,
    /// Who waits for another's end.
    joining: Vec<ThreadId>,
    pub(super) quirks: Source,
    pub(super) watch: Watch,
    pub(super) engine: EngineState,
    pub(super) recorder: Recorder,
    /// The run is over: who is left is brought to its end.
    pub(super) unwinding: bool,
}

pub(super) struct SimThread {
    pub(super) role: Role,
    pub(super) body: Option<Box<dyn FnOnce()>>,
    pub(super) yielder: Option<NonNull<Yielder<(), ()>>>,
    status: Status,
    /// Which of its waits this is; an old deadline is of an old one.
    ticket: u64,
    /// Since when it waits.
    pub(super) waits_since_ns: u64,
    woken: Woken,
    pub(super) signals: Signals,
    /// For how long the schedule kept it from running although it could.
    pub(super) held_ns: u64,
    pub(super) call: Option<CallWatch>,
    /// How many locks it holds.
    pub(super) locks: u32,
    pub(super) source: Option<&'static Location<'static>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    Ready,
    Waits(Wait),
    Done,
}

/// What a thread waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// A monitor's notification, by the object's number.
    Object(u32),
    /// A lock of the library's.
    Lock(u32),
    /// The engine's lock.
    Engine(u32),
    /// Time alone.
    Sleep,
    /// A system call of a script's.
    Call {
        /// Whether a signal interrupts it.
        interruptible: bool,
        /// Whether the drain hook ends it.
        callback: bool,
    },
    /// The interrupt flag of this storage, in a loop of the VM.
    Interrupt(u32),
    /// Another thread's end.
    Join(ThreadId),
}

/// Why a wait is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Woken {
    /// What it waited for may be there.
    Notified,
    /// Its deadline has passed.
    TimedOut,
    /// A signal.
    Interrupted,
    /// Everything was let go.
    LetGo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Timer {
    at_ns: u64,
    nth: u64,
    event: Event,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Event {
    Deadline {
        thread: ThreadId,
        ticket: u64,
    },
    /// A signal that was sent earlier arrives.
    Signal {
        thread: ThreadId,
        epoch: u32,
        run: u64,
    },
}

/// What the run loop does next.
pub(super) enum Next {
    Resume(ThreadId),
    Over,
}

/// Looks at the world. Must not be called while somebody does.
pub(super) fn with<R>(look: impl FnOnce(&mut World) -> R) -> R {
    WORLD.with_borrow_mut(|world| look(world.as_mut().expect("a run is being played")))
}

/// Puts a world in, or takes it out.
pub(super) fn replace(world: Option<World>) -> Option<World> {
    WORLD.replace(world)
}

/// One step of the current thread: somebody else may go on before it.
pub(super) fn step() {
    if with(World::step) {
        suspend();
    }
}

/// The current thread waits, until `deadline` at the most.
///
/// When the run is over it ends by a panic, which comes from here.
pub(super) fn block(on: Wait, deadline_ns: Option<u64>) -> Woken {
    // A thread that unwinds cannot stop here: whatever it would wait for in a call of the engine's is over for it.
    if std::thread::panicking() && !matches!(on, Wait::Lock(_)) {
        return Woken::LetGo;
    }
    if with(|world| world.begin_wait(on, deadline_ns)) {
        suspend();
    }
    if with(|world| world.unwinding) {
        std::panic::resume_unwind(Box::new(Stop));
    }
    with(|world| world.current().woken)
}

fn suspend() {
    let yielder = with(|world| world.current().yielder).expect("the thread has started");
    // SAFETY: the yielder lies on the thread's own stack, which is the one that this runs on.
    unsafe { yielder.as_ref() }.suspend(());
}

impl World {
    pub(super) fn new(scenario: &Scenario, keeps_turns: bool, is_traced: bool) -> Self {
        Self {
            clock_ns: START_NS,
            steps: 0,
            jumped_ns: 0,
            moved_at: 0,
            threads: Vec::new(),
            live: Vec::new(),
            ready: VecDeque::new(),
            timers: BinaryHeap::new(),
            timers_made: 0,
            running: None,
            chosen: None,
            scheduler: Scheduler::new(&scenario.schedule, keeps_turns),
            waiting: Vec::new(),
            joining: Vec::new(),
            quirks: Source::new(scenario),
            watch: Watch::default(),
            engine: EngineState::default(),
            recorder: Recorder::new(is_traced),
            unwinding: false,
        }
    }

    /// A thread that can run from now on.
    pub(super) fn start(&mut self, role: Role, body: Box<dyn FnOnce()>) -> ThreadId {
        let id = self.threads.len() as ThreadId;
        self.threads.push(SimThread {
            role,
            body: Some(body),
            yielder: None,
            status: Status::Ready,
            ticket: 0,
            waits_since_ns: 0,
            woken: Woken::Notified,
            signals: Signals::default(),
            held_ns: 0,
            call: None,
            locks: 0,
            source: None,
        });
        self.live.push(id);
        self.ready.push_back(id);
        self.recorder.mix(u64::from(id));
        id
    }

    /// The number of a new object that can be waited for.
    pub(super) fn object(&mut self) -> u32 {
        self.waiting.push(Vec::new());
        (self.waiting.len() - 1) as u32
    }

    pub(super) fn current(&mut self) -> &mut SimThread {
        let running = self.running.expect("a thread runs");
        &mut self.threads[running as usize]
    }

    pub(super) fn role(&self) -> Role {
        self.running.map_or(Role::World, |running| self.threads[running as usize].role)
    }

    /// Whether the current thread has to stop here.
    fn step(&mut self) -> bool {
        if self.unwinding || std::thread::panicking() {
            return false;
        }
        let Some(current) = self.running else { return false };
        self.steps += 1;
        self.recorder.mix(self.clock_ns ^ u64::from(current) << 48);
        if self.steps - self.moved_at > MOST_STEPS_AT_ONCE {
            self.never_rests();
        }
        if self.is_over() {
            self.ready.push_back(current);
            return true;
        }
        self.maybe_jump();
        let next = self.scheduler.next(Some(current), &self.ready);
        if next == current {
            return false;
        }
        self.ready.push_back(current);
        self.chosen = Some(next);
        true
    }

    fn begin_wait(&mut self, on: Wait, deadline_ns: Option<u64>) -> bool {
        if self.unwinding {
            return false;
        }
        let running = self.running.expect("a thread runs");
        let clock_ns = self.clock_ns;
        let thread = &mut self.threads[running as usize];
        thread.status = Status::Waits(on);
        thread.ticket += 1;
        thread.waits_since_ns = clock_ns;
        let ticket = thread.ticket;
        match on {
            Wait::Object(object) | Wait::Lock(object) | Wait::Engine(object) => {
                self.waiting[object as usize].push(running)
            }
            Wait::Join(_) => self.joining.push(running),
            _ => {}
        }
        if let Some(at_ns) = deadline_ns {
            self.at(at_ns.max(clock_ns), Event::Deadline { thread: running, ticket });
        }
        true
    }

    pub(super) fn at(&mut self, at_ns: u64, event: Event) {
        self.timers_made += 1;
        self.timers.push(Reverse(Timer { at_ns, nth: self.timers_made, event }));
    }

    /// Everybody who waits for this object can go on.
    pub(super) fn notify(&mut self, object: u32) {
        let waiting = std::mem::take(&mut self.waiting[object as usize]);
        for &thread in &waiting {
            self.ready_again(thread, Woken::Notified);
        }
        // The allocation is kept.
        let place = &mut self.waiting[object as usize];
        if place.is_empty() {
            *place = waiting;
            place.clear();
        }
    }

    fn ready_again(&mut self, id: ThreadId, woken: Woken) {
        let thread = &mut self.threads[id as usize];
        let Status::Waits(on) = thread.status else { return };
        (thread.status, thread.woken) = (Status::Ready, woken);
        thread.ticket += 1;
        if let Wait::Object(object) | Wait::Lock(object) | Wait::Engine(object) = on {
            self.waiting[object as usize].retain(|waiting| *waiting != id);
        }
        self.ready.push_back(id);
    }

    /// What a thread waits for.
    pub(super) fn waits(&self, id: ThreadId) -> Option<Wait> {
        match self.threads[id as usize].status {
            Status::Waits(on) => Some(on),
            Status::Ready | Status::Done => None,
        }
    }

    pub(super) fn is_done(&self, id: ThreadId) -> bool {
        self.threads[id as usize].status == Status::Done
    }

    /// Wakes a thread that waits for this.
    pub(super) fn wake_if(&mut self, id: ThreadId, is: impl Fn(Wait) -> bool, woken: Woken) -> bool {
        let wakes = self.waits(id).is_some_and(is);
        if wakes {
            self.ready_again(id, woken);
        }
        wakes
    }

    /// Wakes everybody who waits for this.
    pub(super) fn wake_all(&mut self, is: impl Fn(Wait) -> bool, woken: Woken) {
        for nth in 0..self.live.len() {
            self.wake_if(self.live[nth], &is, woken);
        }
    }

    /// A thread has come to its end.
    pub(super) fn finished(&mut self, id: ThreadId) {
        self.threads[id as usize].status = Status::Done;
        self.live.retain(|live| *live != id);
        for joiner in std::mem::take(&mut self.joining) {
            if !self.wake_if(joiner, |on| on == Wait::Join(id), Woken::Notified) {
                self.joining.push(joiner);
            }
        }
    }

    /// From now on nothing goes wrong, and the clock does not jump.
    pub(super) fn calm_down(&mut self) {
        self.quirks.turn_off();
        self.scheduler.forbid_jumps();
    }

    /// The choices that were made, if they were kept.
    pub(super) fn take_turns(&mut self) -> Vec<super::scenario::Turn> {
        self.scheduler.turns.take().unwrap_or_default()
    }

    /// Whoever is left, those that hold locks first: others may wait for them.
    pub(super) fn left_over(&self) -> Vec<ThreadId> {
        let mut left: Vec<_> = self.live.iter().rev().copied().collect();
        left.sort_by_key(|id| Reverse(self.threads[*id as usize].locks));
        left
    }

    fn is_over(&self) -> bool {
        self.watch.violation().is_some()
    }

    /// Who runs next. The clock moves here when nobody can.
    pub(super) fn next(&mut self) -> Next {
        loop {
            if self.is_over() {
                return Next::Over;
            }
            if let Some(chosen) = self.chosen.take() {
                return self.resume(chosen);
            }
            if !self.ready.is_empty() {
                self.maybe_jump();
                let next = self.scheduler.next(None, &self.ready);
                return self.resume(next);
            }
            let Some(&Reverse(timer)) = self.timers.peek() else {
                self.deadlocked();
                return Next::Over;
            };
            self.move_clock(timer.at_ns);
        }
    }

    fn resume(&mut self, id: ThreadId) -> Next {
        self.ready.retain(|ready| *ready != id);
        Next::Resume(id)
    }

    fn maybe_jump(&mut self) {
        let next = self.timers.peek().map(|timer| timer.0.at_ns - self.clock_ns);
        if let Some(by) = self.scheduler.jump(next) {
            self.record(Kind::Clock, || {
                format!("the clock moves by {} ms although threads can run", by / 1_000_000)
            });
            self.watch.reach("the clock moved while threads could run");
            let ready = self.ready.iter().chain(&self.running);
            for &id in ready {
                self.threads[id as usize].held_ns += by;
            }
            // Whoever waits for a lock is held up with the one that has it.
            for nth in 0..self.live.len() {
                let id = self.live[nth];
                if matches!(self.waits(id), Some(Wait::Lock(_))) {
                    self.threads[id as usize].held_ns += by;
                }
            }
            self.jumped_ns += by;
            let to = self.clock_ns + by;
            self.move_clock(to);
        }
    }

    /// Moves the clock, and lets happen what is due.
    fn move_clock(&mut self, to_ns: u64) {
        self.clock_ns = to_ns;
        self.moved_at = self.steps;
        self.recorder.mix(to_ns);
        while let Some(&Reverse(timer)) = self.timers.peek().filter(|timer| timer.0.at_ns <= to_ns) {
            self.timers.pop();
            match timer.event {
                Event::Deadline { thread, ticket } => {
                    if self.threads[thread as usize].ticket == ticket {
                        // What it comes too late, the schedule has cost it.
                        self.threads[thread as usize].held_ns += to_ns - timer.at_ns;
                        self.ready_again(thread, Woken::TimedOut);
                    }
                }
                Event::Signal { thread, epoch, run } => self.signal_arrives(thread, epoch, run),
            }
        }
        self.watch_bounds();
    }

    /// Keeps a step, if the run is traced.
    pub(super) fn record(&mut self, kind: Kind, what: impl FnOnce() -> String) {
        if self.recorder.is_traced() {
            let is_of_library =
                matches!(kind, Kind::Section | Kind::Wait | Kind::Kill | Kind::Wake | Kind::Spawn);
            let running = self.running.filter(|_| is_of_library);
            let (role, source) = (self.role(), running.and_then(|id| self.threads[id as usize].source));
            self.recorder.keep(self.clock_ns - START_NS, role, kind, what(), source);
        }
    }
}
