//! An exhaustive search of our own, for scenarios that are too large for loom and shuttle: docs/EXPLORER.md.

mod coroutines;
mod course;
mod current;
mod execution;
mod gate;
mod keys;
mod look;
mod monitor;
mod object;
mod operation;
pub mod program;
pub mod random_programs;
pub mod replay;
pub mod search;
mod shuttle_program;
mod spawn;
pub mod strategies;
pub mod view;

pub use coroutines::Coroutines;
pub(crate) use current::is_thread;
pub use current::{forget, forget_since, leave, mark};
pub use gate::Gate;
pub use monitor::{Flag, Lock, Monitor};
pub use program::Program;
pub use shuttle_program::ShuttleProgram;
pub use spawn::{Joiner, spawn, thread};
