//! A worker whose script does not boot: while an init waits for it, and after a restart of a runtime that serves.
//!
//! **Claim.** An init returns, whether the script boots, fails, or is stuck in its boot (`bounded`, `no-deadlock`): it waits for
//! every state that a thread can come to (fault p, upstream's issue 2664). One that fails leaves nothing behind: what it has
//! started is shut down, and the engine is torn down when the last of it has exited, and not before (`teardown-alone`, issue
//! 2662: a thread that has failed is exiting by itself while the shutdown is refused by it). A thread that fails after a restart
//! leaves its list (`capacity-adds-up`), and the restart returns.
//!
//! **Bounds.** One and two threads; the first fails, or is stuck until all calls have returned, or comes back at any moment; or
//! fails in its second script, with a restart and a shutdown at once. One failure is the limit. Every deadline at any moment. No
//! bound on preemptions.
//!
//! **Not covered.** Back-off and higher limits, which only repeat the first failure; they are native tests.

use forcekill::steps::runtime::RuntimeSteps;
use forcekill::{InitError, OwnedFlags};

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, config};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct BootFailure;

impl RuntimeRace for BootFailure {
    const NAME: &'static str = "boot-failure";
    const PROPERTIES: &'static [Property] = &[
        Property::Bounded,
        Property::NoDeadlock,
        Property::LegalTransitions,
        Property::TeardownAlone,
        Property::OneThreadPerIndex,
        Property::LateUnwindIsSafe,
        Property::CapacityAddsUp,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "boot-failure: an init failed, and the engine was torn down",
        "boot-failure: an init failed, and skipped the teardown",
        "boot-failure: an init went through",
        "a restart was complete",
    ];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] = &["fails", "stuck", "late", "fails-after-restart"];

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let acts = match Self::VARIANTS[variant] {
            "fails" => vec![Act::FailsBoot],
            "fails-after-restart" => vec![Act::Serves, Act::FailsBoot],
            _ => vec![Act::StuckBooting, Act::Serves],
        };
        let plan = Plan { acts: vec![acts], sees_threads: true, ..Plan::default() };
        let site = Site::<P, D>::new(scene, config(scene, php_threads, 0), plan);
        if Self::VARIANTS[variant] == "fails-after-restart" {
            return after_restart(&site);
        }
        let world = (Self::VARIANTS[variant] == "late").then(|| site.let_go_at_any_time());
        let init = scene.start(Role::Init, {
            let site = site.clone();
            move || init(&site)
        });
        for call in [init].into_iter().chain(world) {
            scene.join(call);
        }
        site.settle(&[]);
    }
}

fn init<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(site: &Site<P, D>) {
    let moments = BootFailure::MOMENTS;
    match site.process.init(site.config.clone()) {
        Ok(runtime) => {
            site.oracle().reached(moments[2]);
            site.scene.join(site.start(Role::Shutdown, &runtime, Site::shut_down));
        }
        Err(InitError::Boot { shut_down: forcekill::ShutDown::TornDown, .. }) => {
            site.oracle().reached(moments[0])
        }
        Err(_) => site.oracle().reached(moments[1]),
    }
}

/// A restart, after which the first thread's script does not boot; what is left is held against the list, and shut down.
fn after_restart<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(site: &Site<P, D>) {
    let runtime = site.init();
    let restarter = site.start(Role::Restarter(0), &runtime, Site::restart);
    site.scene.join(restarter);
    site.lists_settle(&runtime);
    site.clear_up(&runtime);
}
