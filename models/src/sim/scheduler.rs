//! Who runs next: drawn, or as a list says.

use std::collections::VecDeque;

use super::random::Random;
use super::scenario::{Choice, Policy, Schedule, Turn};

/// A thread of a run, by the order in which they were started.
pub(super) type ThreadId = u32;

/// Makes the choices, and notes those that are not what would have happened anyway.
#[derive(Debug)]
pub(super) struct Scheduler {
    plan: Plan,
    /// The choices made, where they are kept.
    pub(super) turns: Option<Vec<Turn>>,
    may_jump: bool,
    /// How many decisions there were.
    decisions: u64,
}

#[derive(Debug)]
enum Plan {
    Drawn { random: Random, policy: Policy, jump_one_in: u32, priorities: Vec<u64>, lowest: u64 },
    Listed(VecDeque<Turn>),
}

impl Scheduler {
    pub(super) fn new(schedule: &Schedule, keeps_turns: bool) -> Self {
        let plan = match schedule {
            Schedule::Drawn { seed, policy, jump_one_in } => Plan::Drawn {
                random: Random::new(*seed),
                policy: *policy,
                jump_one_in: *jump_one_in,
                priorities: Vec::new(),
                lowest: 1 << 32,
            },
            Schedule::Listed(turns) => Plan::Listed(turns.iter().copied().collect()),
        };
        Self { plan, turns: keeps_turns.then(Vec::new), may_jump: true, decisions: 0 }
    }

    /// From now on the clock moves only when nobody can run.
    pub(super) fn forbid_jumps(&mut self) {
        self.may_jump = false;
    }

    /// A decision begins: by how much the clock moves now, although somebody can run; `next` is when the next deadline passes,
    /// from now.
    pub(super) fn jump(&mut self, next: Option<u64>) -> Option<u64> {
        self.decisions += 1;
        let step = self.decisions;
        let by = match &mut self.plan {
            Plan::Drawn { random, jump_one_in, .. } => {
                if !self.may_jump || !random.one_in(*jump_one_in) {
                    return None;
                }
                match next {
                    Some(next) if !random.one_in(4) => next,
                    _ => random.pick(&[1, 50, 3_000]) * 1_000_000,
                }
            }
            Plan::Listed(turns) => {
                let turn = turns.front().filter(|turn| turn.step <= step)?;
                let Choice::Jump(by) = turn.choice else { return None };
                turns.pop_front();
                by
            }
        };
        self.note(step, Choice::Jump(by));
        Some(by)
    }

    /// It ends: who goes on, `current`, if there is one and nobody interrupts it, or one of `ready`, of which there is at least one
    /// if there is no current.
    pub(super) fn next(&mut self, current: Option<ThreadId>, ready: &VecDeque<ThreadId>) -> ThreadId {
        let step = self.decisions;
        let usual = current.unwrap_or_else(|| ready[0]);
        let chosen = match &mut self.plan {
            Plan::Drawn { random, policy, priorities, lowest, .. } => match *policy {
                Policy::Calm => usual,
                Policy::Switches(one_in) if current.is_none() || random.one_in(one_in) => {
                    let many = ready.len() + usize::from(current.is_some());
                    let nth = random.below(many as u64) as usize;
                    ready.get(nth).copied().unwrap_or(usual)
                }
                Policy::Switches(_) => usual,
                Policy::Priorities(one_in) => {
                    if let Some(current) = current.filter(|_| random.one_in(one_in)) {
                        *lowest -= 1;
                        *priority(priorities, current, random) = *lowest;
                    }
                    let mut best = (0, usual);
                    for &thread in current.iter().chain(ready) {
                        let priority = *priority(priorities, thread, random);
                        if priority > best.0 {
                            best = (priority, thread);
                        }
                    }
                    best.1
                }
            },
            Plan::Listed(turns) => listed(turns, step, current, ready).unwrap_or(usual),
        };
        if chosen != usual {
            self.note(step, Choice::Run(chosen));
        }
        chosen
    }

    fn note(&mut self, step: u64, choice: Choice) {
        if let Some(turns) = &mut self.turns {
            turns.push(Turn { step, choice });
        }
    }
}

/// The choice that a list has for this step, if it can be made. One that came too early for its thread is left out.
fn listed(
    turns: &mut VecDeque<Turn>,
    step: u64,
    current: Option<ThreadId>,
    ready: &VecDeque<ThreadId>,
) -> Option<ThreadId> {
    while let Some(turn) = turns.front().filter(|turn| turn.step <= step).copied() {
        let Choice::Run(thread) = turn.choice else { return None };
        turns.pop_front();
        if current == Some(thread) || ready.contains(&thread) {
            return Some(thread);
        }
    }
    None
}

/// A thread's priority; drawn, above all that were taken away, when it is first asked for.
fn priority<'a>(priorities: &'a mut Vec<u64>, thread: ThreadId, random: &mut Random) -> &'a mut u64 {
    let number = thread as usize;
    while priorities.len() <= number {
        priorities.push((1 << 33) + random.below(1 << 32));
    }
    &mut priorities[number]
}
