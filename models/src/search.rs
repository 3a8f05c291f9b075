//! How a scenario is searched: one engine a file, and what they share.

mod bounded_dfs;
pub mod explore_search;
pub mod loom_search;
pub mod quiet;
pub mod recorder;
pub mod shuttle_search;

use crate::oracle::Violation;

/// What a search found.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Every execution within the bound was visited, and none failed.
    Complete,
    /// The number of executions or the time ran out, and none had failed.
    Incomplete,
    /// This one failed.
    Failed {
        /// What broke.
        violation: Violation,
        /// How to play it again: an engine's own coordinates.
        steps: Steps,
    },
}

/// How one engine finds an execution again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Steps {
    /// loom searches in a fixed order: the setting of the search, and the number of the execution in it.
    Loom {
        /// The preemption bound, if there was one.
        bound: Option<usize>,
        /// Whether loads were read-modify-writes.
        rmw_reads: bool,
        /// Whether the sections of locks and monitors touched a probe.
        probe: bool,
        /// Counted from 1.
        execution: u64,
    },
    /// The explorer: which thread ran at each step.
    Explore {
        /// Whether slots were left out that no property can depend on.
        is_lean: bool,
        /// Thread numbers.
        choices: Vec<usize>,
    },
    /// shuttle: which task ran at each choice, and how many steps of padding a task beside the scenario had.
    Shuttle {
        /// 0 for none.
        padding: usize,
        /// Task numbers.
        choices: Vec<usize>,
    },
}
