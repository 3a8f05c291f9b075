//! Plays a small program on any platform's monitors, flags and locks: so that a runtime can be held against brute force too.

use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use forcekill::platform::{Flag, Lock, Monitor};

use super::{Line, Object, Op, SmallProgram, TIMED_OUT, Value, Violation};

/// What a program needs in order to be played.
pub trait Playground: Clone + Send + Sync + 'static {
    /// A monitor.
    type Monitor: Monitor<Value> + 'static;
    /// A flag.
    type Flag: Flag;
    /// A lock.
    type Lock: Lock<()> + 'static;
    /// A thread that can be joined.
    type Joiner: Send + 'static;

    /// A new monitor.
    fn monitor(&self, value: Value) -> Self::Monitor;
    /// A new flag.
    fn flag(&self, value: bool) -> Self::Flag;
    /// A new lock.
    fn lock(&self) -> Self::Lock;
    /// Starts a thread.
    fn start(&self, body: impl FnOnce() + Send + 'static) -> Self::Joiner;
    /// Waits for a thread to end, be it in a panic.
    fn join(&self, joiner: Self::Joiner);
    /// A deadline for a timed wait.
    fn deadline(&self) -> Duration;
}

/// Plays a program once: the main thread's lines on the calling thread, which returns without waiting for the others. Locks
/// must be released in the reverse order of their acquisition, as the generator has it.
///
/// # Panics
/// If the program is not [playable](SmallProgram::is_playable), and where an assertion of the main thread fails; other threads panic likewise. The message is that of [`Violation`].
pub fn play<G: Playground>(program: &SmallProgram, ground: &G) {
    let objects = program.objects.iter().map(|&object| match object {
        Object::Monitor(value) => Played::Monitor(ground.monitor(value)),
        Object::Flag(value) => Played::Flag(ground.flag(value)),
        Object::Lock => Played::Lock(ground.lock()),
    });
    let joiners = program.bodies.iter().map(|_| Mutex::new(None)).collect();
    let world =
        World { program: program.clone(), ground: ground.clone(), objects: objects.collect(), joiners };
    Player::run(&Arc::new(world), 0);
}

/// An object on its platform.
enum Played<G: Playground> {
    Monitor(G::Monitor),
    Flag(G::Flag),
    Lock(G::Lock),
}

struct World<G: Playground> {
    program: SmallProgram,
    ground: G,
    objects: Vec<Played<G>>,
    /// The threads that were spawned and not joined. No step of the search: who joins a thread knows that it was spawned.
    joiners: Vec<Mutex<Option<G::Joiner>>>,
}

/// A thread.
struct Player<'a, G: Playground> {
    world: &'a Arc<World<G>>,
    body: usize,
    latest: u8,
    holds: Vec<usize>,
}

impl<'a, G: Playground> Player<'a, G> {
    fn run(world: &'a Arc<World<G>>, body: usize) {
        Self { world, body, latest: 0, holds: Vec::new() }.lines(0);
    }

    /// Performs the lines from this one on, up to the release of the innermost lock; answers where to go on.
    fn lines(&mut self, from: usize) -> usize {
        let world = self.world;
        let lines = &world.program.bodies[self.body];
        let mut at = from;
        while let Some(line) = lines.get(at) {
            at += 1;
            if line.only_if.is_some_and(|answer| answer != self.latest) {
                continue;
            }
            match line.op {
                Op::Acquire(lock) => at = self.holding(lock, at),
                Op::Release(lock) if self.holds.last() == Some(&lock) => return at,
                Op::Release(_) => {}
                Op::Spawn(child) => self.spawn(child),
                Op::Join(other) => self.join(other),
                _ => self.perform(at - 1, line),
            }
        }
        at
    }

    fn holding(&mut self, number: usize, from: usize) -> usize {
        let Played::Lock(lock) = &self.world.objects[number] else {
            unreachable!("object {number} is a lock")
        };
        let after = lock.exclusive(|()| {
            self.latest = 0;
            self.holds.push(number);
            self.lines(from)
        });
        self.holds.pop();
        self.latest = 0;
        after
    }

    fn perform(&mut self, at: usize, line: &Line) {
        let answer = self.answer(line.op);
        self.latest = answer;
        if line.never == Some(answer) && self.holds.len() <= 1 {
            let violation = Violation { body: self.body, line: at as u8, answer };
            panic!("{violation}");
        }
    }

    fn answer(&self, op: Op) -> u8 {
        let world = self.world;
        let (on, what) = match op {
            Op::With(on, _) | Op::Wait(on, ..) | Op::WaitUntil(on, ..) | Op::Load(on) | Op::Store(on, _) => {
                (&world.objects[on], op)
            }
            _ => unreachable!("not a step on a value: {op:?}"),
        };
        match (on, what) {
            (Played::Monitor(monitor), Op::With(_, section)) => monitor.with(|value| section.apply(value)),
            (Played::Monitor(monitor), Op::Wait(_, until, section)) => {
                monitor.wait(|value| until.holds(*value).then(|| section.apply(value)))
            }
            (Played::Monitor(monitor), Op::WaitUntil(_, until, section)) => {
                let ready = |value: &mut Value| until.holds(*value).then(|| section.apply(value));
                monitor.wait_until(world.ground.deadline(), ready).unwrap_or(TIMED_OUT)
            }
            (Played::Flag(flag), Op::Load(_)) => flag.load(SeqCst).into(),
            (Played::Flag(flag), Op::Store(_, value)) => {
                flag.store(value, SeqCst);
                0
            }
            _ => unreachable!("the object is not of this kind: {op:?}"),
        }
    }

    fn spawn(&self, child: usize) {
        let world = Arc::clone(self.world);
        let joiner = self.world.ground.start(move || Player::run(&world, child));
        *self.joiner(child) = Some(joiner);
    }

    fn join(&self, other: usize) {
        let joiner = self.joiner(other).take();
        if let Some(joiner) = joiner {
            self.world.ground.join(joiner);
        }
    }

    fn joiner(&self, body: usize) -> std::sync::MutexGuard<'_, Option<G::Joiner>> {
        self.world.joiners[body].lock().unwrap_or_else(PoisonError::into_inner)
    }
}
