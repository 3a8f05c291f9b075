//! An exhaustive search of our own, for scenarios that are too large for loom and shuttle: docs/EXPLORER.md.

pub mod program;
pub mod random_programs;
pub mod search;
pub mod strategies;
pub mod view;
