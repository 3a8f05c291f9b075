//! A thread that spawns its successor and exits, against a teardown that waits for the lingering count: fault a.
//!
//! **Claim.** The engine is not torn down while a thread is registered with it, or is about to be (`teardown-alone`): the count
//! is never zero between a thread and the successor that it spawns.
//!
//! **Bounds.** One, two and three chains of a thread and its successor; one teardown, whose wait can give up at any moment. No
//! bound on preemptions.
//!
//! **Not covered.** Who may spawn a successor once the shutdown has begun: that is the runtime's to decide.

use std::sync::Arc;

use forcekill::platform::Monitor;
use forcekill::steps::Steps;
use forcekill::{Lingering, OwnedFlags, Thread};

use crate::lifecycles::LifecycleRace;
use crate::property::Property;
use crate::scene::{Role, Scene};

/// See the module.
pub struct LingeringAgainstTeardown;

/// The engine: whether it was torn down.
type Engine<P> = Arc<<P as forcekill::Platform>::Monitor<bool>>;

impl LifecycleRace for LingeringAgainstTeardown {
    const NAME: &'static str = "lingering-against-teardown";
    const PROPERTIES: &'static [Property] = &[Property::TeardownAlone, Property::NoDeadlock];
    const MOMENTS: &'static [&'static str] = &[
        "lingering-against-teardown: the engine was torn down",
        "lingering-against-teardown: threads lingered, and the teardown was skipped",
    ];
    const MOST_THREADS: usize = 3;
    const VARIANTS: &'static [&'static str] = &["successor"];

    fn play<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, php_threads: usize, _variant: usize) {
        let lingering = Lingering::new(scene);
        let engine: Engine<P> = Arc::new(scene.monitor(false));
        for index in 0..php_threads {
            let thread = Arc::new(Thread::<P, OwnedFlags, D>::new(scene.clone(), index));
            let (scene, count, engine) = (scene.clone(), lingering.clone(), Arc::clone(&engine));
            let first = {
                let (thread, scene) = (Arc::clone(&thread), scene.clone());
                move || {
                    scene.enter(Role::Php(index));
                    touch(&scene, &engine);
                    let (successor, its_engine) = (scene.clone(), Arc::clone(&engine));
                    let spawned = thread.spawn(&count, move || {
                        successor.enter(Role::Php(index));
                        touch(&successor, &its_engine);
                    });
                    spawned.expect("a scene refuses no thread");
                }
            };
            thread.spawn(&lingering, first).expect("a scene refuses no thread");
        }
        let teardown = scene.start(Role::Teardown, {
            let (scene, engine) = (scene.clone(), engine);
            move || {
                let torn_down = lingering.wait_none(std::time::Duration::ZERO).is_ok();
                if torn_down {
                    engine.with(|torn_down| *torn_down = true);
                }
                scene.oracle().reached(Self::MOMENTS[usize::from(!torn_down)]);
            }
        });
        scene.join(teardown);
        scene.join_spawned();
    }
}

/// A thread uses what the engine's teardown takes away.
fn touch<P: Scene>(scene: &P, engine: &Engine<P>) {
    if engine.with(|torn_down| *torn_down) {
        let what = || "a thread of the engine's runs after the engine was torn down".to_string();
        scene.oracle().violate(Property::TeardownAlone, what);
    }
}
