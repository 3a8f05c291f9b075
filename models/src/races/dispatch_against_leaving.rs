//! Requests for threads that are asked to leave: by a restart that may abandon them, or by the shutdown.
//!
//! **Claim.** Every request is answered or rejected (`requests-settle`, `no-deadlock`): one that waits is rejected by the shutdown,
//! one that a thread has taken is settled when that thread is abandoned. No thread that was asked to exit or was given up on
//! begins a request, and one that it has taken is handed back: none is lost, none runs twice, and what was not begun is given
//! back to whoever sent it (`no-work-for-leavers`). A request that waits for as long as it takes is served by whoever comes next,
//! although nobody was there to be told of it (issue 2612).
//!
//! **Bounds.** One and two threads, one request; beside it a restart, a shutdown, or both one after the other. The first thread
//! serves, or is stuck in the request until all calls have returned, or comes back at any moment. Two threads with a shutdown alone;
//! `--deep`: with a restart too. One thread with a restart and two requests. Every deadline at any moment; or that of the
//! request never. No bound on preemptions.
//!
//! **Not covered.** A cap on the queue, which is a unit test.

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, config};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct DispatchAgainstLeaving;

impl RuntimeRace for DispatchAgainstLeaving {
    const NAME: &'static str = "dispatch-against-leaving";
    const PROPERTIES: &'static [Property] = &[
        Property::NoWorkForLeavers,
        Property::RequestsSettle,
        Property::NoDeadlock,
        Property::Bounded,
        Property::LegalTransitions,
        Property::LateUnwindIsSafe,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "a request was answered",
        "a request was rejected",
        "a request was lost with its thread",
        "a request was handed back",
    ];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] =
        &["restart", "shutdown", "restart-stuck", "shutdown-stuck", "restart-late", "two-requests", "waits"];

    fn most_threads_in(variant: usize) -> usize {
        if Self::VARIANTS[variant] == "shutdown" { 2 } else { 1 }
    }

    fn deep_threads_in(variant: usize) -> usize {
        if variant < 2 { 2 } else { 1 }
    }

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let name = Self::VARIANTS[variant];
        let is_stuck = name.ends_with("stuck") || name.ends_with("late");
        let acts = if is_stuck { vec![Act::StuckServing, Act::Serves] } else { vec![Act::Serves] };
        let plan = Plan { acts: vec![acts], ..Plan::default() };
        let site = Site::<P, D>::new(scene, config(scene, php_threads, 0), plan);
        let runtime = site.init();
        scene.patient((name == "waits").then_some(Role::Dispatcher(0)));
        let requests = if name == "two-requests" { 2 } else { 1 };
        let dispatchers = (0..requests).map(|nth| {
            site.start(Role::Dispatcher(nth), &runtime, move |site, runtime| {
                site.dispatch(runtime, 1 + nth as u32);
            })
        });
        let mut calls: Vec<_> = dispatchers.collect();
        calls.push(match name.starts_with("shutdown") {
            true => site.start(Role::Shutdown, &runtime, Site::shut_down),
            false => site.start(Role::Restarter(0), &runtime, Site::restart),
        });
        if name.ends_with("late") {
            calls.push(site.let_go_at_any_time());
        }
        for call in calls {
            scene.join(call);
        }
        match name.starts_with("shutdown") {
            true => site.settle(&[&runtime]),
            false => site.clear_up(&runtime),
        }
    }
}
