//! A drain whose caller never lets the threads go on, then the shutdown: upstream's issue 2251, where a thread that was left in
//! Yielding could not be shut down.
//!
//! **Claim.** The shutdown takes threads that were drained and not resumed, and ends them (`no-deadlock`, `bounded`,
//! `late-unwind-is-safe`), along the table (`legal-transitions`).
//!
//! **Bounds.** One, two and three PHP threads, in scripts that end at any moment, or that do not end before both calls have
//! returned; one drain, then one shutdown; every deadline at any moment. No bound on preemptions.
//!
//! **Not covered.** A drain and a shutdown at once: that is `restart_against_shutdown`.

use forcekill::OwnedFlags;
use forcekill::steps::Steps;

use crate::lifecycles::{House, LifecycleRace};
use crate::property::Property;
use crate::scene::{Role, Scene, Script};

/// See the module.
pub struct DrainThenShutdown;

impl LifecycleRace for DrainThenShutdown {
    const NAME: &'static str = "drain-then-shutdown";
    const PROPERTIES: &'static [Property] =
        &[Property::NoDeadlock, Property::Bounded, Property::LegalTransitions, Property::LateUnwindIsSafe];
    const MOMENTS: &'static [&'static str] =
        &["drain-then-shutdown: the drain left a thread Yielding", "a shutdown abandoned a thread"];
    const MOST_THREADS: usize = 3;
    const VARIANTS: &'static [&'static str] = &["at-any-time", "never"];

    fn play<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let script = [Script::AtAnyTime, Script::Never][variant];
        let of_index = |index| if index == 0 { script } else { Script::AtAnyTime };
        let house = House::<P, D>::of_ready(scene, php_threads, of_index);
        let drain = scene.start(Role::Restarter(0), {
            let house = house.clone();
            move || {
                if house.drain().drained().next().is_some() {
                    house.oracle().reached(Self::MOMENTS[0]);
                }
            }
        });
        scene.join(drain);
        house.shut_down_alone();
        house.settle();
    }
}
