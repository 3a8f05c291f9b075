//! What a small program means: its states and its steps. Threads are known by their body here, so that states are the same
//! whatever the order in which the threads were created.

use std::hash::{Hash, Hasher};

use super::{Line, MOST_BODIES, MOST_OBJECTS, Object, Op, SmallProgram, TIMED_OUT, Value};

/// A state of a small program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State {
    /// The values of the objects.
    pub values: [Value; MOST_OBJECTS],
    /// The threads, by body.
    pub threads: [Local; MOST_BODIES],
}

/// A thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Local {
    /// How far it is.
    pub phase: Phase,
    /// The line that it is at.
    pub line: u8,
    latest: u8,
    /// The locks that it holds, as a set.
    holds: u8,
    /// A hash of the answers that it got, and where.
    history: u64,
    /// How many operations it has performed.
    pub steps: u16,
}

/// How far a thread is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Not spawned yet.
    Unborn,
    /// The operation of its line is announced.
    Announced,
    /// It waits for this body to end.
    Joining(u8),
    /// At its end.
    Finished,
    /// The assertion of its line failed with this answer.
    Failed(u8),
}

/// An assertion that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Violation {
    /// Whose.
    pub body: usize,
    /// On which line.
    pub line: u8,
    /// The answer that should not have been.
    pub answer: u8,
}

/// Is told what happens without being a step.
pub trait Watcher {
    /// A thread was spawned.
    fn spawned(&mut self, by: usize, body: usize);
    /// A thread goes on after another one has ended.
    fn joined(&mut self, by: usize, body: usize);
}

/// Nobody cares.
impl Watcher for () {
    fn spawned(&mut self, _by: usize, _body: usize) {}
    fn joined(&mut self, _by: usize, _body: usize) {}
}

impl State {
    /// The state at the beginning: the main thread has announced its first operation.
    pub fn initial(program: &SmallProgram, watcher: &mut impl Watcher) -> Self {
        let mut values = [(0, 0); MOST_OBJECTS];
        for (value, object) in values.iter_mut().zip(&program.objects) {
            *value = match *object {
                Object::Monitor(value) => value,
                Object::Flag(value) => (value.into(), 0),
                Object::Lock => (0, 0),
            };
        }
        let unborn = Local { phase: Phase::Unborn, line: 0, latest: 0, holds: 0, history: 0, steps: 0 };
        let mut state = Self { values, threads: [unborn; MOST_BODIES] };
        state.advance(program, 0, watcher);
        state.wake_joiners(program, watcher);
        state
    }

    /// The line of the operation that a thread has announced.
    pub fn announced<'a>(&self, program: &'a SmallProgram, body: usize) -> Option<&'a Line> {
        let local = &self.threads[body];
        (local.phase == Phase::Announced).then(|| &program.bodies[body][usize::from(local.line)])
    }

    /// Whether the operation that a thread has announced can be performed.
    pub fn enabled(&self, program: &SmallProgram, body: usize) -> bool {
        self.announced(program, body).is_some_and(|line| match line.op {
            Op::Wait(on, until, _) | Op::Carry(on, until, _) => until.holds(self.values[on]),
            Op::Acquire(lock) => self.values[lock].0 == 0,
            _ => true,
        })
    }

    /// Performs the operation that a thread has announced, and runs what follows up to the next announcements.
    pub fn step(&mut self, program: &SmallProgram, body: usize, watcher: &mut impl Watcher) {
        let line = program.bodies[body][usize::from(self.threads[body].line)];
        let local = &mut self.threads[body];
        let answer = perform(line.op, body, &mut self.values);
        match line.op {
            Op::Acquire(lock) => local.holds |= 1 << lock,
            Op::Release(lock) => local.holds &= !(1 << lock),
            _ => {}
        }
        local.latest = answer;
        local.steps += 1;
        local.history = mix(local.history, u64::from(local.line) << 8 | u64::from(answer));
        if line.never == Some(answer) && local.holds.count_ones() <= 1 {
            local.phase = Phase::Failed(answer);
            if let Some(lock) = self.held_alone(body) {
                self.values[lock] = (0, 0);
                self.threads[body].holds = 0;
            }
        } else {
            local.line += 1;
            self.advance(program, body, watcher);
        }
        self.wake_joiners(program, watcher);
    }

    /// The lock that a thread holds, if it holds one and no other.
    pub fn held_alone(&self, body: usize) -> Option<usize> {
        let holds = self.threads[body].holds;
        (holds.count_ones() == 1).then_some(holds.trailing_zeros() as usize)
    }

    /// The assertions that have failed.
    pub fn violations(&self) -> impl Iterator<Item = Violation> {
        self.threads.iter().enumerate().filter_map(|(body, local)| match local.phase {
            Phase::Failed(answer) => Some(Violation { body, line: local.line, answer }),
            _ => None,
        })
    }

    /// Whether a thread has begun and not ended.
    pub fn unfinished(&self, body: usize) -> bool {
        matches!(self.threads[body].phase, Phase::Announced | Phase::Joining(_))
    }

    /// A key of the state: as good as the state itself, but for collisions.
    pub fn key(&self) -> u64 {
        let mut hasher = Mixer(0);
        self.hash(&mut hasher);
        hasher.finish()
    }

    /// Runs a thread's lines that are no steps, and the threads that it spawns.
    fn advance(&mut self, program: &SmallProgram, body: usize, watcher: &mut impl Watcher) {
        self.threads[body].phase = Phase::Announced;
        while let Some(line) = program.bodies[body].get(usize::from(self.threads[body].line)) {
            let local = &self.threads[body];
            let skipped = line.only_if.is_some_and(|answer| answer != local.latest);
            match line.op {
                _ if skipped => {}
                Op::Spawn(child) if self.threads[child].phase == Phase::Unborn => {
                    watcher.spawned(body, child);
                    self.advance(program, child, watcher);
                }
                Op::Join(other) if self.unfinished(other) => {
                    self.threads[body].phase = Phase::Joining(other as u8);
                    return;
                }
                Op::Join(other) if self.threads[other].phase != Phase::Unborn => watcher.joined(body, other),
                Op::Spawn(_) | Op::Join(_) => {}
                Op::Release(lock) if local.holds >> lock & 1 == 0 => {}
                _ => return,
            }
            self.threads[body].line += 1;
        }
        self.threads[body].phase = Phase::Finished;
    }

    /// Lets those go on that wait for a thread that has ended.
    fn wake_joiners(&mut self, program: &SmallProgram, watcher: &mut impl Watcher) {
        let mut again = true;
        while again {
            again = false;
            for body in 0..program.bodies.len() {
                if let Phase::Joining(other) = self.threads[body].phase
                    && !self.unfinished(other.into())
                {
                    self.advance(program, body, watcher);
                    again = true;
                }
            }
        }
    }
}

/// Does to the values what an operation does, and answers.
pub(super) fn perform(op: Op, body: usize, values: &mut [Value; MOST_OBJECTS]) -> u8 {
    match op {
        Op::WaitUntil(on, until, _) if !until.holds(values[on]) => TIMED_OUT,
        Op::With(on, section) | Op::Wait(on, _, section) | Op::WaitUntil(on, _, section) => {
            section.apply(&mut values[on])
        }
        Op::Carry(from, _, to) => {
            let answer = 4 * values[to].0 + values[to].1;
            for on in [from, to] {
                values[on].0 = (values[on].0 + 1) % 4;
            }
            answer
        }
        Op::Load(flag) => values[flag].0,
        Op::Store(flag, value) => {
            values[flag].0 = value.into();
            0
        }
        Op::Acquire(lock) => {
            values[lock].0 = body as u8 + 1;
            0
        }
        Op::Release(lock) => {
            values[lock].0 = 0;
            0
        }
        Op::Spawn(_) | Op::Join(_) => 0,
    }
}

/// A fast hash of good quality: a multiplication and a shift a word.
struct Mixer(u64);

impl Hasher for Mixer {
    fn finish(&self) -> u64 {
        mix(self.0, 0)
    }
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }
    fn write_u8(&mut self, it: u8) {
        self.write_u64(it.into());
    }
    fn write_u64(&mut self, it: u64) {
        self.0 = mix(self.0, it);
    }
    fn write_usize(&mut self, it: usize) {
        self.write_u64(it as u64);
    }
    fn write_isize(&mut self, it: isize) {
        self.write_u64(it as u64);
    }
}

/// Mixes a word into a hash.
pub(super) fn mix(hash: u64, word: u64) -> u64 {
    let mixed = (hash ^ word).wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}
