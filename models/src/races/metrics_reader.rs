//! Somebody reads the engine's metrics while the runtime is shut down.
//!
//! **Claim.** Metrics are there for as long as they are read (`metrics-alive`): whoever reads is counted before the look whether the
//! runtime is up, so that the shutdown's gate waits for it. A reader that comes too late is told so, and holds nobody up (`bounded`,
//! `no-deadlock`). A reader that takes longer than the gate waits has the teardown skipped, which can be completed then
//! (`late-unwind-is-safe`).
//!
//! **Bounds.** One and two threads that serve, and with one thread that is stuck until all calls have returned; one reader, and with
//! one thread two; the shutdown, and with one thread a restart beside it. Every deadline at any moment. No bound on preemptions.
//!
//! **Not covered.** What a reader reads: that is the engine's own.

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;

use crate::property::Property;
use crate::runtimes::{ModelRuntime, RuntimeRace, Site, config};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct MetricsReader;

impl RuntimeRace for MetricsReader {
    const NAME: &'static str = "metrics-reader";
    const PROPERTIES: &'static [Property] = &[
        Property::MetricsAlive,
        Property::Bounded,
        Property::NoDeadlock,
        Property::LateUnwindIsSafe,
        Property::LegalTransitions,
        Property::TeardownAlone,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "metrics were read",
        "a reader came when the runtime was down",
        "a shutdown tore the engine down",
        "a shutdown skipped the teardown",
    ];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] = &["serves", "stuck", "two-readers", "restart"];

    fn most_threads_in(variant: usize) -> usize {
        if variant == 0 { 2 } else { 1 }
    }

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let name = Self::VARIANTS[variant];
        let act = if name == "stuck" { Act::Stuck } else { Act::Serves };
        let plan = Plan { acts: vec![vec![act, Act::Serves]], sees_threads: true, ..Plan::default() };
        let site = Site::<P, D>::new(scene, config(scene, php_threads, 0), plan);
        let runtime = site.init();
        let readers = if name == "two-readers" { 2 } else { 1 };
        let mut calls: Vec<_> =
            (0..readers).map(|nth| site.start(Role::Reader(nth), &runtime, read)).collect();
        calls.push(site.start(Role::Shutdown, &runtime, Site::shut_down));
        if name == "restart" {
            calls.push(site.start(Role::Restarter(0), &runtime, Site::restart));
        }
        for call in calls {
            scene.join(call);
        }
        site.settle(&[&runtime]);
    }
}

fn read<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(site: &Site<P, D>, runtime: &ModelRuntime<P, D>) {
    match runtime.read_metrics(|engine| engine.reads_metrics()) {
        Ok(()) => site.oracle().reached("metrics were read"),
        Err(_) => site.oracle().reached("a reader came when the runtime was down"),
    }
}
