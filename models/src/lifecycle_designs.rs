//! The historic designs as far as they differ in the lifecycle. Their slots are in [`crate::designs`].

use std::time::Duration;

use forcekill::drain::Call;
use forcekill::leaver::Leaver;
use forcekill::platform::Monitor;
use forcekill::roster::{Claim, Life, Phase, Pool, Roster, Rules};
use forcekill::runtime::Waiting;
use forcekill::state::Event;
use forcekill::steps::Steps;
use forcekill::steps::runtime::RuntimeSteps;
use forcekill::thread::Told;
use forcekill::{
    Fate, InterruptFlags, Lingering, Platform, Request, ResendPolicy, SpawnError, State, States,
    StillLingering, Thread,
};

use crate::designs::single;
use crate::lifecycle_defects::{
    CountsInsideTheThread, abandons_by_plain_set, requests_without_deadline, waits_for_ever,
    yields_by_plain_set,
};
use crate::runtime_defects::{admits_anybody, quarantines_alone, waits_for_a_serving_thread};

/// What upstream's designs have in common: states are set, not exchanged; the safe request has no deadline; a thread counts
/// itself; one signal is sent.
macro_rules! upstream {
    ($(#[$doc:meta])+ $name:ident { $($own:item)* }) => {
        $(#[$doc])+
        pub struct $name;

        impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> Steps<P, F> for $name {
            /// `thread.state.Set(state.Yielding)`.
            fn let_go(thread: &Thread<P, F, Self>) -> Result<(), Told> {
                yields_by_plain_set(thread, thread.state())
            }

            fn stand_by(thread: &Thread<P, F, Self>) -> Result<(), Told> {
                yields_by_plain_set(thread, thread.wait_for(States::LEAVING))
            }

            /// `RequestSafeStateChange`.
            fn request(leaver: &Leaver<'_, P, F, Self>, event: Event, _deadline: Duration) -> Request {
                requests_without_deadline(leaver.thread(), event)
            }

            /// `shutdown` returns at once when the thread refuses, as one does that has failed to boot (#2662).
            fn awaits_refused(_call: Call) -> bool {
                false
            }

            fn schedule(policy: &ResendPolicy) -> ResendPolicy {
                single(policy)
            }

            /// The count is raised at the entry of `php_thread`.
            fn spawn(
                thread: &Thread<P, F, Self>,
                lingering: &Lingering<P>,
                body: impl FnOnce() + Send + 'static,
            ) -> Result<(), SpawnError> {
                CountsInsideTheThread::count_inside(thread.platform(), lingering, body)
            }

            /// There is one `phpThread` an index; it is asked, killed and given up on whoever runs there by then.
            fn is_meant(_life: Option<u32>, _has_it: u32) -> bool {
                true
            }

            $($own)*
        }
    };
}

upstream! {
    /// Pull request 2365: gives up on a thread by setting Abandoned, whatever is there.
    Pr2365Lifecycle {
        fn wait_or_abandon(leaver: &Leaver<'_, P, F, Self>, call: Call, end: Duration) -> Fate {
            abandons_by_plain_set(leaver, call, end)
        }
    }
}

upstream! {
    /// What upstream merged: nobody is abandoned, and the wait after the kill has no deadline.
    Merged2365Lifecycle {
        fn wait_or_abandon(leaver: &Leaver<'_, P, F, Self>, call: Call, _end: Duration) -> Fate {
            waits_for_ever(leaver.thread(), call)
        }
    }
}

upstream! {
    /// The July attempt, #2573: abandons as the pull request does.
    Attempt2573Lifecycle {
        fn wait_or_abandon(leaver: &Leaver<'_, P, F, Self>, call: Call, end: Duration) -> Fate {
            abandons_by_plain_set(leaver, call, end)
        }
    }
}

/// What upstream's designs have in common in the runtime: nobody is admitted; a leaver can take a request, because the drain
/// channel and the request channel are selected from at random; a boot waits for a thread that serves; what an abandoned thread
/// has taken is not settled; an index comes back with the next start alone.
macro_rules! upstream_runtime {
    ($name:ident { $($own:item)* }) => {
        impl<P: Platform, F: InterruptFlags<Flag = P::Flag>> RuntimeSteps<P, F> for $name {
            fn admit(roster: &P::Monitor<Roster>, generation: u32, life: Life) -> Option<Pool> {
                admits_anybody::<P>(roster, generation, life)
            }

            fn begin_request(thread: &Thread<P, F, Self>) -> bool {
                let _ = thread.state();
                true
            }

            fn wait_booted(thread: &Thread<P, F, Self>, _deadline: Duration) -> Option<State> {
                waits_for_a_serving_thread(thread)
            }

            fn lose<Q: Send, A: Send>(_waiting: &mut Waiting<Q, A>, _life: Life) {}

            fn abandon(
                roster: &P::Monitor<Roster>,
                generation: u32,
                life: Life,
                _rules: &Rules,
            ) -> (Option<Pool>, Vec<Claim>) {
                quarantines_alone::<P>(roster, generation, life)
            }

            fn depart(
                roster: &P::Monitor<Roster>,
                generation: u32,
                life: Life,
                _rules: &Rules,
            ) -> (bool, Vec<Claim>) {
                roster.with(|roster| (roster.depart(generation, life), Vec::new()))
            }

            $($own)*
        }
    };
}

upstream_runtime! {
    Pr2365Lifecycle {
        /// `Shutdown` waits for the main thread's Done; the gate comes after that, on the main thread. So init is let in before it.
        fn before_gate(roster: &P::Monitor<Roster>) {
            roster.with(|roster| roster.set_phase(Phase::Down));
        }
    }
}

upstream_runtime! {
    Merged2365Lifecycle {
        /// There is no gate: every thread is waited for.
        fn may_tear_down(_lingering: &Lingering<P>, _deadline: Duration) -> Result<(), StillLingering> {
            Ok(())
        }

        fn frees_metrics_early() -> bool {
            true
        }
    }
}

upstream_runtime! {
    Attempt2573Lifecycle {
        /// The main thread reboots with the abandoned thread alive.
        fn may_tear_down(_lingering: &Lingering<P>, _deadline: Duration) -> Result<(), StillLingering> {
            Ok(())
        }

        fn frees_metrics_early() -> bool {
            true
        }
    }
}
