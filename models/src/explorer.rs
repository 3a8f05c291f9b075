//! An exhaustive search of our own, for scenarios that are too large for loom and shuttle: docs/EXPLORER.md.

pub mod view;
