//! A request that waits beside a place for one more thread, and the runtime's own scaler.
//!
//! **Claim.** It gets a thread, whoever had taken it before, and however late the scaler looks around (`requests-settle`,
//! `no-deadlock`): whoever waits too long asks the scaler, and so does a leaver that hands back what it has taken, because the
//! request's dispatcher has asked before, or saw it taken and will not. The scaler waits for nobody, and ends with its runtime
//! (`late-unwind-is-safe`).
//!
//! **Bounds.** One thread, stuck in a request until all calls have returned, and one that may be added. A second request: nobody is
//! there for it (`nobody-there`), or a thread was added before, and somebody takes it down meanwhile (`taken-down`). The dispatcher asks
//! the scaler at any moment, and waits for as long as it takes. The scaler's own clock goes when nobody else can go on, once before
//! each further step of the others. No bound on preemptions.
//!
//! **Not covered.** A scaler that looks around at any other moment: what it does then, others may call (`scale_down`, here at any
//! moment; `scale_up` in `restart-against-scaler`). That its pauses are what was configured is a native test. shuttle, which cannot say when
//! nobody else can go on; the simulation, whose clock moves in that way, is the second opinion.

use std::time::Duration;

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, WORKER, scalable};
use crate::scene::{Act, Plan, Role, Scene};

/// See the module.
pub struct HandedBackRequest;

impl RuntimeRace for HandedBackRequest {
    const NAME: &'static str = "handed-back-request";
    const PROPERTIES: &'static [Property] = &[
        Property::RequestsSettle,
        Property::NoWorkForLeavers,
        Property::NoDeadlock,
        Property::Bounded,
        Property::LegalTransitions,
        Property::LateUnwindIsSafe,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "a request was answered",
        "a request was handed back",
        "handed-back-request: a thread was taken a step down",
        "handed-back-request: no thread was idle",
        "the runtime's scaler added a thread",
        "the runtime's scaler looked around",
    ];
    const MOST_THREADS: usize = 1;
    const VARIANTS: &'static [&'static str] = &["nobody-there", "taken-down"];
    const HAS_OWN_SCALER: bool = true;

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let acts = vec![vec![Act::StuckServing, Act::Serves]];
        let config = scalable(scene, php_threads).scales_by_itself(true).max_wait(Duration::MAX);
        let site = Site::<P, D>::new(scene, config, Plan { acts, ..Plan::default() });
        let runtime = site.init();
        let dispatch = |nth: u32| {
            site.start(Role::Dispatcher(nth as usize), &runtime, move |site, runtime| {
                site.dispatch(runtime, 1 + nth);
            })
        };
        // It does not ask for another thread, which is somebody else's part.
        scene.patient(Some(Role::Dispatcher(0)));
        let stuck = dispatch(0);
        site.process.engine().wait_begun(1);
        let is_taken_down = Self::VARIANTS[variant] == "taken-down";
        if is_taken_down {
            let _ = runtime.scale_up(Some(WORKER));
            site.lists_settle(&runtime);
        }
        let mut calls = vec![dispatch(1)];
        if is_taken_down {
            calls.push(site.start(Role::Scaler, &runtime, |site, runtime| {
                let moment = if runtime.scale_down() > 0 { Self::MOMENTS[2] } else { Self::MOMENTS[3] };
                site.oracle().reached(moment);
            }));
        }
        for call in calls {
            scene.join(call);
        }
        site.process.engine().let_go();
        scene.join(stuck);
        site.clear_up(&runtime);
    }
}
