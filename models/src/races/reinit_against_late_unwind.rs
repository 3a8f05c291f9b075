//! A shutdown that may leave a stuck thread behind, an init beside it, the thread's late return, and the completion of what was
//! skipped.
//!
//! **Claim.** Once a shutdown has skipped the teardown, every init is refused (`latch-holds`), and at once (`bounded`); no init
//! starts an engine that was not torn down, or is about to be. The thread that comes back, at any moment, finds its engine and
//! its metrics (`late-unwind-is-safe`, `metrics-alive`), and is counted out once. When it has gone the teardown is completed by
//! one of those who try, alone (`teardown-alone`), and only then does an init go through.
//!
//! **Bounds.** One and two threads, of which the first is stuck; one shutdown, one init beside it, one completion beside both;
//! the return at any moment or after all calls. Every deadline at any moment. No bound on preemptions.
//!
//! **Not covered.** Two inits at once: the first one's phase refuses the second.

use forcekill::steps::runtime::RuntimeSteps;
use forcekill::{InitError, OwnedFlags};

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, config};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct ReinitAgainstLateUnwind;

impl RuntimeRace for ReinitAgainstLateUnwind {
    const NAME: &'static str = "reinit-against-late-unwind";
    const PROPERTIES: &'static [Property] = &[
        Property::LatchHolds,
        Property::MetricsAlive,
        Property::LateUnwindIsSafe,
        Property::TeardownAlone,
        Property::OneThreadPerIndex,
        Property::Bounded,
        Property::NoDeadlock,
        Property::LegalTransitions,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "a shutdown skipped the teardown",
        "a shutdown tore the engine down",
        "reinit-against-late-unwind: an init was refused behind the latch",
        "reinit-against-late-unwind: an init went through",
        "reinit-against-late-unwind: a teardown was completed",
    ];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] = &["never", "late"];

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let acts = vec![vec![Act::Stuck, Act::Serves]];
        let plan = Plan { acts, sees_threads: true, ..Plan::default() };
        let site = Site::<P, D>::new(scene, config(scene, php_threads, 0), plan);
        let runtime = site.init();
        let shutdown = site.start(Role::Shutdown, &runtime, Site::shut_down);
        let init = site.start(Role::Init, &runtime, |site, _| init_again(site));
        let world = (variant == 1).then(|| site.let_go_at_any_time());
        for call in [shutdown, init].into_iter().chain(world) {
            scene.join(call);
        }
        site.settle(&[&runtime]);
    }
}

/// An init beside the shutdown. If it goes through, its runtime is shut down again.
fn init_again<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(site: &Site<P, D>) {
    let moments = ReinitAgainstLateUnwind::MOMENTS;
    match site.process.init(site.config.clone()) {
        Ok(again) => {
            site.oracle().reached(moments[3]);
            site.scene.join(site.start(Role::Shutdown, &again, Site::shut_down));
        }
        Err(InitError::TeardownSkipped) => {
            site.oracle().reached(moments[2]);
            if site.process.complete_teardown().is_ok() {
                site.oracle().reached(moments[4]);
            }
        }
        Err(_) => {}
    }
}
