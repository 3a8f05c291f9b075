//! Two restarts at once, then the shutdown.
//!
//! **Claim.** Both restarts return; one that finds a thread in the other's hands waits for it within its limits, and does not
//! kill it, abandon it or let it go on in the other's place (`bounded`, `no-deadlock`, `legal-transitions`); each counts every
//! thread once (`restart-is-complete`); afterwards the shutdown ends every thread (`late-unwind-is-safe`).
//!
//! **Bounds.** One and two PHP threads, in scripts that end at any moment, or that do not end before all calls have returned.
//! Every deadline at any moment. No bound on preemptions.
//!
//! **Not covered.** More than two restarts: a third can only wait for the same states.

use forcekill::OwnedFlags;
use forcekill::steps::Steps;

use crate::lifecycles::{House, LifecycleRace};
use crate::property::Property;
use crate::scene::{Role, Scene, Script};

/// See the module.
pub struct TwoRestarts;

impl LifecycleRace for TwoRestarts {
    const NAME: &'static str = "two-restarts";
    const PROPERTIES: &'static [Property] = &[
        Property::NoDeadlock,
        Property::Bounded,
        Property::LegalTransitions,
        Property::RestartIsComplete,
        Property::LateUnwindIsSafe,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "a restart drained a thread",
        "a restart abandoned a thread",
        "a restart found a thread busy until the end",
    ];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] = &["at-any-time", "never"];

    fn play<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let script = [Script::AtAnyTime, Script::Never][variant];
        let of_index = |index| if index == 0 { script } else { Script::AtAnyTime };
        let house = House::<P, D>::of_ready(scene, php_threads, of_index);
        let restarts = [0, 1].map(|nth| {
            let house = house.clone();
            scene.start(Role::Restarter(nth), move || house.restart())
        });
        for restart in restarts {
            scene.join(restart);
        }
        house.shut_down_alone();
        house.settle();
    }
}
