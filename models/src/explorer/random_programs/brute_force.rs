//! Enumerates all that a small program can do, by plain recursion over copies of its whole state: written without any of what
//! the strategies use, to be the reference for them.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::state::{State, Violation};
use super::{Op, SmallProgram};

/// All that a program can do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Everything {
    /// The keys of the terminal states.
    pub terminals: BTreeSet<u64>,
    /// Those of them in which a thread has not ended.
    pub deadlocks: BTreeSet<u64>,
    /// The assertions that fail.
    pub violations: BTreeSet<Violation>,
    /// How many executions there are.
    pub executions: u64,
    /// How many states.
    pub states: usize,
}

/// Enumerates a program; `None` if it has more than so many states.
pub fn enumerate(program: &SmallProgram, most_states: usize) -> Option<Everything> {
    let mut everything = Everything::default();
    let mut known = HashMap::new();
    let initial = State::initial(program, &mut ());
    everything.executions = visit(program, initial, &mut known, most_states, &mut everything)?;
    everything.states = known.len();
    Some(everything)
}

/// Visits a state, once, and answers how many executions begin in it.
fn visit(
    program: &SmallProgram,
    state: State,
    known: &mut HashMap<State, u64>,
    most_states: usize,
    everything: &mut Everything,
) -> Option<u64> {
    if let Some(&executions) = known.get(&state) {
        return Some(executions);
    }
    let mut executions = 0_u64;
    for body in 0..program.bodies.len() {
        if state.enabled(program, body) {
            let mut after = state;
            after.step(program, body, &mut ());
            executions = executions.saturating_add(visit(program, after, known, most_states, everything)?);
        }
    }
    if executions == 0 {
        executions = 1;
        everything.terminals.insert(state.key());
        if (0..program.bodies.len()).any(|body| state.unfinished(body)) {
            everything.deadlocks.insert(state.key());
        }
        everything.violations.extend(state.violations());
    }
    known.insert(state, executions);
    (known.len() <= most_states).then_some(executions)
}

/// The fewest preemptions with which a terminal state is reached whose key is one of these; `None` if none is reached.
pub fn fewest_preemptions(program: &SmallProgram, wanted: &BTreeSet<u64>) -> Option<usize> {
    let mut level = vec![(State::initial(program, &mut ()), None)];
    let mut known = HashSet::new();
    for preemptions in 0.. {
        let mut next = Vec::new();
        while let Some((state, last)) = level.pop() {
            if !known.insert((state, last)) {
                continue;
            }
            let enabled: Vec<_> =
                (0..program.bodies.len()).filter(|&body| state.enabled(program, body)).collect();
            if enabled.is_empty() && wanted.contains(&state.key()) {
                return Some(preemptions);
            }
            for body in enabled {
                let mut after = state;
                after.step(program, body, &mut ());
                let preempts = last.is_some_and(|last| last != body && could_go_on(program, &state, last));
                if preempts { &mut next } else { &mut level }.push((after, Some(body)));
            }
        }
        if next.is_empty() {
            return None;
        }
        level = next;
    }
    None
}

/// Whether a thread can go on in another way than by timing out.
fn could_go_on(program: &SmallProgram, state: &State, body: usize) -> bool {
    state.enabled(program, body)
        && state.announced(program, body).is_some_and(
            |line| !matches!(line.op, Op::WaitUntil(on, until, _) if !until.holds(state.values[on])),
        )
}
