//! A restart while a scaler adds a thread to the same worker, and takes it away again.
//!
//! **Claim.** A restart that says that it is complete has left no old script behind, in whichever moment the scaler's thread
//! joined (`restart-is-complete`): a thread is in the list before its script starts. The scaler waits for nobody, so neither holds
//! the other up (`bounded`, `no-deadlock`); the worker never has more threads than it may, and at rest the list is what lives
//! (`capacity-adds-up`, `one-thread-per-index`).
//!
//! **Bounds.** One and two threads, and one that the scaler adds while the restart is under way; the first thread serves, or is stuck
//! until all calls have returned. One thread, and one that the scaler had added before and takes a step down meanwhile. Then the
//! shutdown. One thread and a scaler that adds one, takes it down to inactive, and away. Every deadline at any moment. `--deep`: a
//! thread more. No bound on preemptions.
//!
//! **Not covered.** The scaler's own clock: that it acts at all is a native test.

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, WORKER, scalable};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct RestartAgainstScaler;

impl RuntimeRace for RestartAgainstScaler {
    const NAME: &'static str = "restart-against-scaler";
    const PROPERTIES: &'static [Property] = &[
        Property::RestartIsComplete,
        Property::CapacityAddsUp,
        Property::OneThreadPerIndex,
        Property::Bounded,
        Property::NoDeadlock,
        Property::LegalTransitions,
        Property::TeardownAlone,
        Property::LateUnwindIsSafe,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "a restart was complete",
        "restart-against-scaler: a thread was added",
        "restart-against-scaler: a thread was taken a step down",
        "restart-against-scaler: no place for a thread",
    ];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] = &["up", "down", "up-and-stuck", "up-and-down"];

    fn most_threads_in(variant: usize) -> usize {
        match Self::VARIANTS[variant] {
            "down" | "up-and-down" => 1,
            _ => 2,
        }
    }

    fn deep_threads_in(variant: usize) -> usize {
        Self::most_threads_in(variant) + 1
    }

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let name = Self::VARIANTS[variant];
        let first = if name == "up-and-stuck" { vec![Act::Stuck, Act::Serves] } else { vec![Act::Serves] };
        let plan = Plan { acts: vec![first], sees_threads: false, sees_scripts: true, ..Plan::default() };
        let site = Site::<P, D>::new(scene, scalable(scene, php_threads), plan);
        let runtime = site.init();
        if name == "down" {
            let _ = runtime.scale_up(Some(WORKER));
            site.lists_settle(&runtime);
        }
        let restarter = site.start(Role::Restarter(0), &runtime, Site::restart);
        let scaler = site.start(Role::Scaler, &runtime, move |site, runtime| {
            scale(site, runtime, name);
        });
        for call in [restarter, scaler] {
            scene.join(call);
        }
        site.lists_settle(&runtime);
        site.clear_up(&runtime);
    }
}

fn scale<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(
    site: &Site<P, D>,
    runtime: &crate::runtimes::ModelRuntime<P, D>,
    name: &str,
) {
    let moments = RestartAgainstScaler::MOMENTS;
    let mark = site.scene.mark();
    if name != "down" {
        match runtime.scale_up(Some(WORKER)) {
            Ok(_) => site.oracle().reached(moments[1]),
            Err(_) => site.oracle().reached(moments[3]),
        }
    }
    let most = site.config.clone().validated().map_or(0, |config| config.max_threads());
    let members = runtime.members().len();
    if members > most {
        let what = || format!("there may be {most} threads, and there are {members}");
        site.oracle().report(Property::CapacityAddsUp, what);
    }
    site.scene.forgets(mark, || "counted");
    let downs = match name {
        "down" => 1,
        "up-and-down" => 2,
        _ => 0,
    };
    for nth in 0..downs {
        if runtime.scale_down() > 0 {
            site.oracle().reached(moments[2]);
        }
        site.scene.forgets(mark, || ("scaled down", nth));
    }
}
