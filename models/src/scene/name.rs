//! What the library's monitors are called in a scene.

use std::fmt;

use super::Role;

/// What a monitor of the library's holds, for traces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Name {
    /// A thread's lifecycle.
    Thread(usize),
    Lingering,
    LastRunEnded,
    Roster,
    Queue,
    Memory,
    /// One of the scene's own.
    Other,
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Thread(index) => Role::Php(*index).fmt(f),
            Self::Lingering => f.write_str("lingering"),
            Self::LastRunEnded => f.write_str("last run ended"),
            Self::Roster => f.write_str("roster"),
            Self::Queue => f.write_str("queue"),
            Self::Memory => f.write_str("engine"),
            Self::Other => f.write_str("the scene"),
        }
    }
}
