//! A whole runtime: a restart and the shutdown at once, with threads that serve, that are stuck, and that come back at any time.
//!
//! **Claim.** Both calls return (`bounded`, `no-deadlock`); a restart that says that it is complete has left no old script behind
//! (`restart-is-complete`); the engine is torn down only when none of its threads is left or about to come (`teardown-alone`),
//! and otherwise stays as it is, metrics included, for a thread that comes back late (`late-unwind-is-safe`, `metrics-alive`);
//! an index never has two OS threads (`one-thread-per-index`), although the restart replaces whom it abandons.
//!
//! **Bounds.** The first thread's script serves, is stuck until all calls have returned (and is replaced), comes back at any
//! moment, or is stuck in `ts_free_thread`; the others serve. One and two threads, every deadline at any moment. `--deep`: three
//! threads. No bound on preemptions.
//!
//! **Not covered.** Kill slots, which `restart_against_shutdown` has; requests, which the races of dispatch have.

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, config};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct RuntimeRestartAgainstShutdown;

impl RuntimeRace for RuntimeRestartAgainstShutdown {
    const NAME: &'static str = "runtime-restart-against-shutdown";
    const PROPERTIES: &'static [Property] = &[
        Property::NoDeadlock,
        Property::Bounded,
        Property::LegalTransitions,
        Property::RestartIsComplete,
        Property::TeardownAlone,
        Property::OneThreadPerIndex,
        Property::MetricsAlive,
        Property::LateUnwindIsSafe,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "a restart was complete",
        "a restart was incomplete",
        "a restart found the runtime gone",
        "a shutdown tore the engine down",
        "a shutdown skipped the teardown",
    ];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] = &["serves", "never", "late", "stuck-freeing"];

    fn deep_threads_in(_variant: usize) -> usize {
        3
    }

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let first = match Self::VARIANTS[variant] {
            "serves" => vec![Act::Serves],
            "stuck-freeing" => vec![Act::StuckFreeing],
            _ => vec![Act::Stuck, Act::Serves],
        };
        let plan = Plan { acts: vec![first], sees_threads: true, sees_scripts: true, ..Plan::default() };
        // Without room a thread that comes back after it was abandoned is replaced by itself.
        let room = usize::from(php_threads == 1 && Self::VARIANTS[variant] == "never");
        let site = Site::<P, D>::new(scene, config(scene, php_threads, room), plan);
        let runtime = site.init();
        let restarter = site.start(Role::Restarter(0), &runtime, Site::restart);
        let shutdown = site.start(Role::Shutdown, &runtime, Site::shut_down);
        let world = (Self::VARIANTS[variant] == "late").then(|| site.let_go_at_any_time());
        for call in [restarter, shutdown].into_iter().chain(world) {
            scene.join(call);
        }
        site.settle(&[&runtime]);
    }
}
