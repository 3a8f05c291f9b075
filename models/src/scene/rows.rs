//! Which rows of the table of states a change can be.

use std::sync::LazyLock;

use forcekill::State;
use forcekill::state::{Actor, TRANSITIONS};

/// The rows of the table of states by which this actor can have made this change: several events may lead from one state to the
/// same other one.
pub(super) fn rows(left: State, entered: State, actor: Actor) -> impl Iterator<Item = usize> {
    /// For two states, the rows that lead from one to the other: a set as a word.
    static ROWS: LazyLock<[[u64; State::ALL.len()]; State::ALL.len()]> = LazyLock::new(|| {
        let mut rows = [[0; State::ALL.len()]; State::ALL.len()];
        for (number, row) in TRANSITIONS.iter().enumerate() {
            rows[row.from as usize][row.to as usize] |= 1 << number;
        }
        rows
    });
    let mut left = ROWS[left as usize][entered as usize];
    std::iter::from_fn(move || {
        while left != 0 {
            let number = left.trailing_zeros() as usize;
            left &= left - 1;
            if TRANSITIONS[number].by.contains(&actor) {
                return Some(number);
            }
        }
        None
    })
}
