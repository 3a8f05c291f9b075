//! Interprets a small program under the control of a strategy.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use super::state::{self, Phase, State, Violation, Watcher};
use super::{MOST_BODIES, Op, SmallProgram};
use crate::explorer::program::Program;
use crate::explorer::view::{self, Access, Announcement, Strategy, Thread, Threads, View};

/// A small program that can be searched, and the violations that were seen when it was.
#[derive(Debug)]
pub struct Interpreter<'a> {
    program: &'a SmallProgram,
    initial: Execution<'a>,
    violations: Mutex<BTreeSet<Violation>>,
}

impl<'a> Interpreter<'a> {
    /// Interprets this program.
    pub fn new(program: &'a SmallProgram) -> Self {
        let mut created = Created::default();
        created.add(0, None, 0);
        let state = State::initial(program, &mut created);
        Self { program, initial: Execution { program, state, created }, violations: Mutex::default() }
    }

    /// The assertions that have failed in any execution that ended.
    pub fn violations(&self) -> BTreeSet<Violation> {
        self.violations.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Program for Interpreter<'_> {
    fn run<S: Strategy>(&self, strategy: &mut S) {
        while strategy.begin() {
            let mut execution = self.initial;
            loop {
                if execution.enabled().is_empty() {
                    strategy.end(&execution);
                    let mut violations = execution.state.violations().peekable();
                    if violations.peek().is_some() {
                        self.violations.lock().unwrap_or_else(PoisonError::into_inner).extend(violations);
                    }
                    break;
                }
                let known = strategy.known();
                let Some(thread) = known.or_else(|| strategy.choose(&execution)) else { break };
                let body = execution.created.body(thread);
                assert!(
                    execution.state.enabled(self.program, body),
                    "thread {thread} was chosen and is not enabled"
                );
                execution.state.step(self.program, body, &mut execution.created);
            }
        }
    }
}

/// An execution: a state, and the order in which its threads were created.
#[derive(Clone, Copy, Debug)]
struct Execution<'a> {
    program: &'a SmallProgram,
    state: State,
    created: Created,
}

/// The threads in the order of creation.
#[derive(Clone, Copy, Debug, Default)]
struct Created {
    count: usize,
    threads: [OfThread; MOST_BODIES],
    numbers: [u8; MOST_BODIES],
}

#[derive(Clone, Copy, Debug, Default)]
struct OfThread {
    body: u8,
    creator: Option<u8>,
    joined: Threads,
}

impl Created {
    fn body(&self, thread: Thread) -> usize {
        self.threads[thread].body.into()
    }

    fn add(&mut self, body: usize, creator: Option<u8>, inherits_from: usize) {
        self.numbers[body] = self.count as u8;
        let joined = self.threads[inherits_from].joined;
        self.threads[self.count] = OfThread { body: body as u8, creator, joined };
        self.count += 1;
    }
}

impl Watcher for Created {
    fn spawned(&mut self, by: usize, body: usize) {
        let creator = self.numbers[by];
        self.add(body, Some(creator), creator.into());
    }

    fn joined(&mut self, by: usize, body: usize) {
        let ended: Thread = self.numbers[body].into();
        let theirs = self.threads[ended].joined;
        let joined = &mut self.threads[usize::from(self.numbers[by])].joined;
        joined.insert(ended);
        joined.0 |= theirs.0;
    }
}

impl Execution<'_> {
    fn which(&self, holds: impl Fn(usize) -> bool) -> Threads {
        let mut threads = Threads::NONE;
        for thread in 0..self.created.count {
            if holds(self.created.body(thread)) {
                threads.insert(thread);
            }
        }
        threads
    }

    fn op(&self, thread: Thread) -> Option<Op> {
        self.state.announced(self.program, self.created.body(thread)).map(|line| line.op)
    }

    /// What two operations on the same object lead to, one after the other: whether both could run, the answers, the value.
    fn in_order(
        &self,
        object: usize,
        first: (usize, Op),
        second: (usize, Op),
    ) -> Option<(u8, u8, super::Value)> {
        let mut state = self.state;
        let one = state::perform(first.1, first.0, &mut state.values);
        // Whether the second can run depends on the values alone, which the first has changed.
        state.enabled(self.program, second.0).then(|| {
            let other = state::perform(second.1, second.0, &mut state.values);
            (one, other, state.values[object])
        })
    }
}

impl View for Execution<'_> {
    fn threads(&self) -> usize {
        self.created.count
    }

    fn enabled(&self) -> Threads {
        self.which(|body| self.state.enabled(self.program, body))
    }

    fn would_time_out(&self) -> Threads {
        self.which(|body| {
            let line = self.state.announced(self.program, body);
            line.is_some_and(
                |line| matches!(line.op, Op::WaitUntil(on, until, _) if !until.holds(self.state.values[on])),
            )
        })
    }

    fn announced(&self, thread: Thread) -> Option<Announcement> {
        let body = self.created.body(thread);
        let line = self.state.announced(self.program, body)?;
        let (object, access) = match line.op {
            Op::Load(flag) => (flag, Access::Read),
            Op::With(on, _)
            | Op::Wait(on, _, _)
            | Op::WaitUntil(on, _, _)
            | Op::Carry(on, _, _)
            | Op::Store(on, _)
            | Op::Acquire(on)
            | Op::Release(on) => (on, Access::Change),
            Op::Spawn(_) | Op::Join(_) => return None,
        };
        // A thread whose assertion fails releases its lock in the same step.
        let lock = self.state.held_alone(body).filter(|&lock| line.never.is_some() && lock != object);
        let also = match line.op {
            Op::Carry(_, _, to) => Some(to),
            _ => lock,
        };
        Some(Announcement {
            object: object as view::Object,
            access,
            also: also.map(|also| also as view::Object),
        })
    }

    fn creator(&self, thread: Thread) -> Option<Thread> {
        self.created.threads[thread].creator.map(Thread::from)
    }

    fn joined(&self, thread: Thread) -> Threads {
        self.created.threads[thread].joined
    }

    fn name(&self, thread: Thread) -> u64 {
        state::mix(1, self.created.threads[thread].body.into())
    }

    fn object_name(&self, object: view::Object) -> u64 {
        state::mix(2, object.into())
    }

    fn joining(&self, thread: Thread) -> Option<Thread> {
        match self.state.threads[self.created.body(thread)].phase {
            Phase::Joining(body) => Some(self.created.numbers[usize::from(body)].into()),
            _ => None,
        }
    }

    fn commutes(&self, one: Thread, other: Thread) -> bool {
        let (Some(first), Some(second)) = (self.announced(one), self.announced(other)) else { return false };
        if !first.conflicts_with(&second) {
            return true;
        }
        if first.object != second.object || first.also.is_some() || second.also.is_some() {
            return false;
        }
        let (Some(a), Some(b)) = (self.op(one), self.op(other)) else { return false };
        let (one, other) = (self.created.body(one), self.created.body(other));
        let object = first.object as usize;
        let forth = self.in_order(object, (one, a), (other, b));
        let back = self.in_order(object, (other, b), (one, a));
        matches!((forth, back), (Some((a, b, value)), Some((b2, a2, value2))) if (a, b, value) == (a2, b2, value2))
    }

    fn progress(&self, thread: Thread) -> u16 {
        self.state.threads[self.created.body(thread)].steps
    }

    fn state_key(&self) -> u128 {
        self.state.key().into()
    }

    fn terminal_key(&self) -> u64 {
        self.state.key()
    }

    fn unfinished(&self) -> Threads {
        self.which(|body| self.state.unfinished(body))
    }
}
