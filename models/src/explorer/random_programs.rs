//! Small monitor programs as data, to hold the strategies against each other: made from seeds, interpreted directly, enumerated
//! by brute force, and played on any platform.

pub mod brute_force;
pub mod generate;
pub mod interpreter;
pub mod play;
mod print;
mod state;

pub use state::{State, Violation};

/// The value of every object: two numbers from 0 to 3. A flag and a lock use the first alone.
pub type Value = (u8, u8);

/// Programs have at most so many objects.
pub const MOST_OBJECTS: usize = 6;

/// Programs have at most so many threads.
pub const MOST_BODIES: usize = 6;

/// What a timed wait answers when it has timed out.
pub const TIMED_OUT: u8 = 255;

/// A program: its objects, and what each thread does. The main thread is body 0; every other body is spawned at most once.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SmallProgram {
    /// The objects.
    pub objects: Vec<Object>,
    /// The threads.
    pub bodies: Vec<Vec<Line>>,
}

/// An object, as it is at the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Object {
    /// A monitor with this value.
    Monitor(Value),
    /// A flag.
    Flag(bool),
    /// A lock that is free.
    Lock,
}

/// One line of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Line {
    /// What it does.
    pub op: Op,
    /// Only if the thread's latest answer was this: otherwise the line is skipped.
    pub only_if: Option<u8>,
    /// The assertion that the answer is not this: otherwise the thread ends, and its lock, if it holds one, is released. While
    /// it holds two, nothing is asserted.
    pub never: Option<u8>,
}

/// What a line does. Spawns and joins are no steps of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Op {
    /// Begins a thread, unless it has begun.
    Spawn(usize),
    /// Waits for a thread to end, if it was spawned. Only for the thread that spawns it, or that this one spawns later:
    /// whether it was spawned must not depend on the schedule, or the join would be a look at shared state that is no step.
    Join(usize),
    /// A section on a monitor.
    With(usize, Section),
    /// A section on a monitor as soon as the predicate holds.
    Wait(usize, Predicate, Section),
    /// The same, or [`TIMED_OUT`].
    WaitUntil(usize, Predicate, Section),
    /// As soon as the predicate holds on the first monitor, adds 1 to the first part of both it and the second one, and answers
    /// the second as it was: one step that is about two objects. No platform has such a step, but for a thread that panics
    /// while it holds a lock.
    Carry(usize, Predicate, usize),
    /// Reads a flag.
    Load(usize),
    /// Writes a flag; answers 0.
    Store(usize, bool),
    /// Takes a lock when it is free; answers 0. Whoever takes it twice waits for ever.
    Acquire(usize),
    /// Gives back a lock, if the thread holds it; answers 0.
    Release(usize),
}

/// What a section does, and whether it answers the value as it was before (`4 * first + second`) or 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Section {
    /// What it does to the value.
    pub change: Change,
    /// Whether it answers the value.
    pub tells: bool,
}

/// What a section does to a value. The first number says to which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Change {
    /// Nothing.
    Read,
    /// Adds, modulo 4.
    Add(u8, u8),
    /// Replaces.
    Set(u8, u8),
    /// Raises to at least.
    Max(u8, u8),
    /// Exchanges the parts.
    Swap,
}

/// When a wait is satisfied. The first number says which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Predicate {
    /// The part is at least this.
    AtLeast(u8, u8),
    /// The part is this.
    Is(u8, u8),
    /// The parts are equal.
    Equal,
}

impl Section {
    /// Does it to a value, and answers.
    pub fn apply(self, value: &mut Value) -> u8 {
        let before = *value;
        match self.change {
            Change::Read => {}
            Change::Add(part, by) => {
                let place = at(value, part);
                *place = (*place + by) % 4;
            }
            Change::Set(part, to) => *at(value, part) = to,
            Change::Max(part, to) => {
                let place = at(value, part);
                *place = to.max(*place);
            }
            Change::Swap => *value = (before.1, before.0),
        }
        if self.tells { 4 * before.0 + before.1 } else { 0 }
    }
}

impl Predicate {
    /// Whether it holds.
    pub fn holds(self, mut value: Value) -> bool {
        match self {
            Self::AtLeast(part, least) => *at(&mut value, part) >= least,
            Self::Is(part, it) => *at(&mut value, part) == it,
            Self::Equal => value.0 == value.1,
        }
    }
}

fn at(value: &mut Value, part: u8) -> &mut u8 {
    if part == 0 { &mut value.0 } else { &mut value.1 }
}

impl SmallProgram {
    /// A program of these objects and threads.
    pub fn new(objects: &[Object], bodies: &[&[Line]]) -> Self {
        Self { objects: objects.to_vec(), bodies: bodies.iter().map(|body| body.to_vec()).collect() }
    }

    /// Whether a platform has all the operations of this program.
    pub fn is_playable(&self) -> bool {
        !self.bodies.iter().flatten().any(|line| matches!(line.op, Op::Carry(..)))
    }
}

impl Line {
    /// Skips the line unless the latest answer was this.
    pub fn only_if(self, answer: u8) -> Self {
        Self { only_if: Some(answer), ..self }
    }

    /// Asserts that the answer is not this.
    pub fn never(self, answer: u8) -> Self {
        Self { never: Some(answer), ..self }
    }

    /// Answers the value as it was before.
    pub fn tells(mut self) -> Self {
        if let Op::With(_, section) | Op::Wait(_, _, section) | Op::WaitUntil(_, _, section) = &mut self.op {
            section.tells = true;
        }
        self
    }
}

/// [`Op::Spawn`].
pub fn spawn(body: usize) -> Line {
    line(Op::Spawn(body))
}

/// [`Op::Join`].
pub fn join(body: usize) -> Line {
    line(Op::Join(body))
}

/// [`Op::With`].
pub fn with(monitor: usize, change: Change) -> Line {
    line(Op::With(monitor, Section { change, tells: false }))
}

/// [`Op::Wait`].
pub fn wait(monitor: usize, until: Predicate, change: Change) -> Line {
    line(Op::Wait(monitor, until, Section { change, tells: false }))
}

/// [`Op::WaitUntil`].
pub fn wait_until(monitor: usize, until: Predicate, change: Change) -> Line {
    line(Op::WaitUntil(monitor, until, Section { change, tells: false }))
}

/// [`Op::Carry`].
pub fn carry(from: usize, until: Predicate, to: usize) -> Line {
    line(Op::Carry(from, until, to))
}

/// [`Op::Load`].
pub fn load(flag: usize) -> Line {
    line(Op::Load(flag))
}

/// [`Op::Store`].
pub fn store(flag: usize, value: bool) -> Line {
    line(Op::Store(flag, value))
}

/// [`Op::Acquire`].
pub fn acquire(lock: usize) -> Line {
    line(Op::Acquire(lock))
}

/// [`Op::Release`].
pub fn release(lock: usize) -> Line {
    line(Op::Release(lock))
}

fn line(op: Op) -> Line {
    Line { op, only_if: None, never: None }
}
