//! A thread that is not healthy is replaced, while the shutdown tears the engine down: faults a and g.
//!
//! **Claim.** No OS thread enters an engine that is torn down, or about to be (`teardown-alone`): the successor is counted before
//! it is spawned, and asks to be admitted before it touches the engine. An index never has two OS threads
//! (`one-thread-per-index`); the shutdown returns (`bounded`, `no-deadlock`), with or without a restart beside it.
//!
//! **Bounds.** The first thread is not healthy after its first script. With a shutdown alone, and with a restart beside it: one and two
//! threads, every deadline at any moment. `--deep`: three threads. No bound on preemptions.
//!
//! **Not covered.** A system that refuses the successor's OS thread: that is a native test.

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, config};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct RespawnAgainstTeardown;

impl RuntimeRace for RespawnAgainstTeardown {
    const NAME: &'static str = "respawn-against-teardown";
    const PROPERTIES: &'static [Property] = &[
        Property::TeardownAlone,
        Property::OneThreadPerIndex,
        Property::NoDeadlock,
        Property::Bounded,
        Property::LegalTransitions,
        Property::LateUnwindIsSafe,
        Property::MetricsAlive,
    ];
    const MOMENTS: &'static [&'static str] =
        &["a shutdown tore the engine down", "a shutdown skipped the teardown"];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] = &["shutdown", "restart-and-shutdown"];

    fn deep_threads_in(_variant: usize) -> usize {
        3
    }

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let acts = vec![vec![Act::Unhealthy, Act::Serves]];
        let plan = Plan { acts, sees_threads: true, ..Plan::default() };
        let site = Site::<P, D>::new(scene, config(scene, php_threads, 0), plan);
        let runtime = site.init();
        let restarter = (variant > 0).then(|| site.start(Role::Restarter(0), &runtime, Site::restart));
        let shutdown = site.start(Role::Shutdown, &runtime, Site::shut_down);
        for call in restarter.into_iter().chain([shutdown]) {
            scene.join(call);
        }
        site.settle(&[&runtime]);
    }
}
