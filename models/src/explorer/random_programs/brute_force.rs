//! Enumerates all that a small program can do, by plain recursion over copies of its whole state: written without any of what
//! the strategies use, to be the reference for them.

use std::collections::{BTreeSet, HashMap};

use super::SmallProgram;
use super::state::{State, Violation};

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
