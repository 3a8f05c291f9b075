//! A restart and the shutdown, at once, over threads that are in their scripts.
//!
//! **Claim.** Both calls return whatever the threads do (`bounded`, `no-deadlock`); every state is left by one who knew it,
//! along the table (`legal-transitions`); a restart counts every thread once, and none that it counts as drained is still in its
//! old script (`restart-is-complete`); every thread that was abandoned exits whenever it comes back, and is counted out once
//! (`late-unwind-is-safe`).
//!
//! **Bounds.** One, two and three PHP threads, each in a script that ends when it is told to, at any moment; that only a kill
//! ends; or that does not end before both calls have returned. One restart, one shutdown, one send a kill, every deadline at any
//! moment. No bound on preemptions. With three threads, the kill slots of those whose scripts wait for no wake are left out of
//! the search (see [`Slots`]).
//!
//! **Not covered.** The details of the kill (`lost_wake_up` and the other races of the slot). Weak memory: all of it is in
//! critical sections. Deadlines that depend on each other: here the second of two may pass before the first.

use forcekill::OwnedFlags;
use forcekill::steps::Steps;

use crate::lifecycles::{House, LifecycleRace};
use crate::property::Property;
use crate::scene::{Role, Scene, Script, Slots};

/// See the module.
pub struct RestartAgainstShutdown;

impl LifecycleRace for RestartAgainstShutdown {
    const NAME: &'static str = "restart-against-shutdown";
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
        "a restart was refused",
        "a shutdown took a thread that a restart had drained",
        "a shutdown abandoned a thread",
        "a shutdown found a thread that a restart had abandoned",
    ];
    const MOST_THREADS: usize = 3;
    const VARIANTS: &'static [&'static str] = &["at-any-time", "in-callback", "killable", "never"];

    const ALL_SLOTS_UP_TO: usize = 2;

    fn needed_slots(variant: usize) -> Slots {
        if Self::VARIANTS[variant] == "killable" { Slots::First } else { Slots::None }
    }

    fn play<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let script = [Script::AtAnyTime, Script::InCallback, Script::Killable, Script::Never][variant];
        // The first is in that script; the others end theirs when they are told to.
        let of_index = |index| if index == 0 { script } else { Script::AtAnyTime };
        let house = House::<P, D>::of_ready(scene, php_threads, of_index);
        let restarter = scene.start(Role::Restarter(0), {
            let house = house.clone();
            move || house.restart()
        });
        let shutdown = scene.start(Role::Shutdown, {
            let house = house.clone();
            move || house.shut_down()
        });
        scene.join(restarter);
        scene.join(shutdown);
        house.settle();
    }
}
