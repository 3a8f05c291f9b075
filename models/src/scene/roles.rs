//! Who a thread of a scene is.

use std::fmt;

use forcekill::state::Actor;

use crate::property::Property;

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
    /// Somebody of the host's who scales.
    Scaler,
    /// The runtime's own scaler.
    Autoscaler,
    /// Whoever waits for the lingering count.
    Teardown,
    /// An init beside other calls.
    Init,
    /// Whoever dispatches a request, the first or a further one.
    Dispatcher(usize),
    /// Reads the engine's metrics, the first or a further one.
    Reader(usize),
    /// Lets everything go that is stuck.
    World,
    /// Waits for the capacity to be what was configured.
    Judge,
}

impl Role {
    /// As whom the state table knows it; the main thread is the init.
    pub fn actor(self) -> Actor {
        match self {
            Self::Main | Self::Init | Self::Dispatcher(_) | Self::Reader(_) | Self::World | Self::Judge => {
                Actor::Init
            }
            Self::Php(_) => Actor::PhpThread,
            Self::Restarter(_) => Actor::Restarter,
            Self::Shutdown | Self::Teardown => Actor::Shutdown,
            Self::Scaler | Self::Autoscaler => Actor::Scaler,
        }
    }

    /// The property that breaks if it does not come to its end.
    pub fn promises(self) -> Option<Property> {
        match self {
            Self::Main | Self::Php(_) | Self::Autoscaler | Self::World => None,
            Self::Dispatcher(_) => Some(Property::RequestsSettle),
            Self::Judge => Some(Property::CapacityAddsUp),
            Self::Restarter(_)
            | Self::Shutdown
            | Self::Scaler
            | Self::Teardown
            | Self::Init
            | Self::Reader(_) => Some(Property::Bounded),
        }
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
            Self::Autoscaler => f.write_str("autoscaler"),
            Self::Teardown => f.write_str("teardown"),
            Self::Init => f.write_str("init"),
            Self::Dispatcher(0) => f.write_str("dispatcher"),
            Self::Dispatcher(nth) => write!(f, "dispatcher-{}", nth + 1),
            Self::Reader(0) => f.write_str("reader"),
            Self::Reader(nth) => write!(f, "reader-{}", nth + 1),
            Self::World => f.write_str("world"),
            Self::Judge => f.write_str("at rest"),
        }
    }
}
