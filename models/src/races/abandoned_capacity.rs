//! A thread is abandoned, comes back at any moment, and the capacity must be what was configured: fault o.
//!
//! **Claim.** With room in the quarantine a fresh thread serves in the place of the abandoned one; without room the capacity is
//! short until the thread has exited, and comes back then by itself; when the restarts have returned, nobody who was given up on is
//! in the list, also if the next life of an index was it (`capacity-adds-up`). No index ever has two OS threads
//! (`one-thread-per-index`). Two restarts that give up on the same thread replace it once.
//!
//! **Bounds.** One and two threads, of which the first is stuck in its first script; no room, or room for one; one restart or two
//! at once; the return at any moment, or not before the end. Then rest, then the shutdown. Every deadline of a restart at any moment. No bound on
//! preemptions.
//!
//! **Not covered.** A system that refuses the replacement's OS thread: that is a native test.

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, config};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct AbandonedCapacity;

impl RuntimeRace for AbandonedCapacity {
    const NAME: &'static str = "abandoned-capacity";
    const PROPERTIES: &'static [Property] = &[
        Property::CapacityAddsUp,
        Property::OneThreadPerIndex,
        Property::NoDeadlock,
        Property::Bounded,
        Property::LegalTransitions,
        Property::TeardownAlone,
        Property::LateUnwindIsSafe,
    ];
    const MOMENTS: &'static [&'static str] = &["a restart was complete", "a restart was incomplete"];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] =
        &["room", "no-room", "two-restarts", "two-restarts-no-room", "never"];

    fn most_threads_in(variant: usize) -> usize {
        if Self::is_of_two_restarts(variant) { 1 } else { 2 }
    }

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let acts = vec![vec![Act::Stuck, Act::Serves]];
        let plan = Plan { acts, sees_threads: true, ..Plan::default() };
        let room = usize::from(!Self::VARIANTS[variant].ends_with("no-room"));
        let site = Site::<P, D>::new(scene, config(scene, php_threads, room), plan);
        let runtime = site.init();
        let restarts = if Self::is_of_two_restarts(variant) { 2 } else { 1 };
        let restarts = (0..restarts).map(|nth| site.start(Role::Restarter(nth), &runtime, Site::restart));
        let mut calls: Vec<_> = restarts.collect();
        let comes_back = Self::VARIANTS[variant] != "never";
        if comes_back {
            calls.push(site.let_go_at_any_time());
        }
        for call in calls {
            scene.join(call);
        }
        site.given_up_are_not_listed(&runtime);
        site.comes_to_rest(&runtime, php_threads as u32, comes_back);
        site.clear_up(&runtime);
    }
}

impl AbandonedCapacity {
    fn is_of_two_restarts(variant: usize) -> bool {
        Self::VARIANTS[variant].starts_with("two-restarts")
    }
}
