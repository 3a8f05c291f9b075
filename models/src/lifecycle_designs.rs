//! The historic designs as far as they differ in the lifecycle. Their slots are in [`crate::designs`].

use std::time::Duration;

use forcekill::drain::Call;
use forcekill::state::Event;
use forcekill::steps::Steps;
use forcekill::steps::runtime::RuntimeSteps;
use forcekill::thread::Told;
use forcekill::{Fate, Lingering, OwnedFlags, Request, ResendPolicy, SpawnError, States, Thread};

use crate::designs::single;
use crate::lifecycle_defects::{
    CountsInsideTheThread, abandons_by_plain_set, requests_without_deadline, waits_for_ever,
    yields_by_plain_set,
};
use crate::scene::Scene;

/// What upstream's designs have in common: states are set, not exchanged; the safe request has no deadline; a thread counts
/// itself; one signal is sent.
macro_rules! upstream {
    ($(#[$doc:meta])+ $name:ident { $($own:item)* }) => {
        $(#[$doc])+
        pub struct $name;

        impl<P: Scene> Steps<P, OwnedFlags> for $name {
            /// `thread.state.Set(state.Yielding)`.
            fn let_go(thread: &Thread<P, OwnedFlags, Self>) -> Result<(), Told> {
                yields_by_plain_set(thread, thread.state())
            }

            fn stand_by(thread: &Thread<P, OwnedFlags, Self>) -> Result<(), Told> {
                yields_by_plain_set(thread, thread.wait_for(States::LEAVING))
            }

            /// `RequestSafeStateChange`.
            fn request(thread: &Thread<P, OwnedFlags, Self>, event: Event, _deadline: Duration) -> Request {
                requests_without_deadline(thread, event)
            }

            fn schedule(policy: &ResendPolicy) -> ResendPolicy {
                single(policy)
            }

            /// The count is raised at the entry of `php_thread`.
            fn spawn(
                thread: &Thread<P, OwnedFlags, Self>,
                lingering: &Lingering<P>,
                body: impl FnOnce() + Send + 'static,
            ) -> Result<(), SpawnError> {
                CountsInsideTheThread::count_inside(thread.platform(), lingering, body)
            }

            $($own)*
        }
    };
}

upstream! {
    /// Pull request 2365: gives up on a thread by setting Abandoned, whatever is there.
    Pr2365Lifecycle {
        fn wait_or_abandon(thread: &Thread<P, OwnedFlags, Self>, call: Call, end: Duration) -> Fate {
            abandons_by_plain_set(thread, call, end)
        }
    }
}

upstream! {
    /// What upstream merged: nobody is abandoned, and the wait after the kill has no deadline.
    Merged2365Lifecycle {
        fn wait_or_abandon(thread: &Thread<P, OwnedFlags, Self>, call: Call, _end: Duration) -> Fate {
            waits_for_ever(thread, call)
        }
    }
}

upstream! {
    /// The July attempt, #2573: abandons as the pull request does.
    Attempt2573Lifecycle {
        fn wait_or_abandon(thread: &Thread<P, OwnedFlags, Self>, call: Call, end: Duration) -> Fate {
            abandons_by_plain_set(thread, call, end)
        }
    }
}

impl<P: Scene> RuntimeSteps<P, OwnedFlags> for Pr2365Lifecycle {}
impl<P: Scene> RuntimeSteps<P, OwnedFlags> for Merged2365Lifecycle {}
impl<P: Scene> RuntimeSteps<P, OwnedFlags> for Attempt2573Lifecycle {}
