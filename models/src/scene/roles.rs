//! Who a thread of a scene is.

use std::fmt;

use forcekill::state::Actor;

/// A thread's part in a lifecycle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// The thread that sets everything up.
    Main,
    /// A PHP thread, by its index.
    Php(usize),
    /// A restart, the first or a further one.
    Restarter(usize),
    /// The shutdown.
    Shutdown,
    /// The scaler.
    Scaler,
    /// Whoever waits for the lingering count.
    Teardown,
}

impl Role {
    /// As whom the state table knows it; the main thread is the init.
    pub fn actor(self) -> Actor {
        match self {
            Self::Main => Actor::Init,
            Self::Php(_) => Actor::PhpThread,
            Self::Restarter(_) => Actor::Restarter,
            Self::Shutdown | Self::Teardown => Actor::Shutdown,
            Self::Scaler => Actor::Scaler,
        }
    }

    /// Whether it is inside a call that must return within a bound.
    pub fn is_in_call(self) -> bool {
        !matches!(self, Self::Main | Self::Php(_))
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Main => f.write_str("main"),
            Self::Php(index) => write!(f, "php-{}", index + 1),
            Self::Restarter(0) => f.write_str("restart"),
            Self::Restarter(nth) => write!(f, "restart-{}", nth + 1),
            Self::Shutdown => f.write_str("shutdown"),
            Self::Scaler => f.write_str("scaler"),
            Self::Teardown => f.write_str("teardown"),
        }
    }
}
