//! A whole runtime whose first thread is stuck, in each of the ways that a script or the engine can be, while it is restarted and
//! shut down: fault e, and upstream's list of kinds.
//!
//! **Claim.** Whatever it is, both calls return (`bounded`, `no-deadlock`), the other threads are restarted (`restart-is-complete`,
//! `capacity-adds-up`), and the engine is torn down when the thread has left it and not before (`teardown-alone`,
//! `late-unwind-is-safe`, `metrics-alive`). A thread that died with the engine's lock held, or holds it in `ts_free_thread`, holds
//! up its successor and everybody who comes or goes, but no call.
//!
//! **Kinds.** A call that a kill interrupts; one that is begun again whenever it was (`EINTR`); one after which the script blocks
//! again in a shutdown function, with the flags as they are or cleared; a script that dies with the engine's lock held; a free that
//! is stuck with it. Loops in the VM are the first kind if they look at the interrupt, and otherwise a call that nothing interrupts,
//! which the other races have, as they have callbacks of the host's and boots. And two other systems: one that wakes nobody, and
//! Windows, where a cancel that finds no call is lost, and a wait that is not alertable is ended by nothing.
//!
//! **Bounds.** One and two threads. Where a kill matters, kill slots are steps, and a restart with one attempt comes before the
//! shutdown; where the lock does, both come at once. Every deadline at any moment, but in a shutdown that comes second. No bound on
//! preemptions.
//!
//! **Not covered.** At which instruction a signal comes: that is the slot's races and the simulation.

use forcekill::OwnedFlags;
use forcekill::steps::runtime::RuntimeSteps;

use crate::property::Property;
use crate::runtimes::{RuntimeRace, Site, config};
use crate::scene::{Act, Plan, Role, Scene, Slots, Wakes};

/// See the module.
pub struct KindsOfStuck;

/// The variants in which a kill matters come first.
const KILLED: usize = 7;

impl RuntimeRace for KindsOfStuck {
    const NAME: &'static str = "kinds-of-stuck";
    const PROPERTIES: &'static [Property] = &[
        Property::Bounded,
        Property::NoDeadlock,
        Property::RestartIsComplete,
        Property::CapacityAddsUp,
        Property::LegalTransitions,
        Property::TeardownAlone,
        Property::OneThreadPerIndex,
        Property::MetricsAlive,
        Property::LateUnwindIsSafe,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "a restart was complete",
        "a restart was incomplete",
        "a script was killed in its call",
        "a thread came to a lock that is never given back",
        "a thread could not be made ready to be woken",
        "a cancel found nothing to cancel",
    ];
    const MOST_THREADS: usize = 2;
    const VARIANTS: &'static [&'static str] = &[
        "killable",
        "retries",
        "blocks-again",
        "clears-flags",
        "without-wake-ups",
        "synchronous-io",
        "not-alertable",
        "dies-locked",
        "freeing-locked",
    ];

    fn needed_slots(variant: usize) -> Slots {
        if variant < KILLED { Slots::All } else { Slots::None }
    }

    fn play<P: Scene, D: RuntimeSteps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize) {
        let act = [
            Act::Killable,
            Act::Retries,
            Act::BlocksAgain,
            Act::ClearsFlags,
            Act::Killable,
            Act::Killable,
            Act::Stuck,
            Act::DiesLocked,
            Act::StuckFreeingLocked,
        ][variant];
        let locks = variant >= KILLED;
        let plan = Plan {
            acts: vec![vec![act, Act::Serves]],
            sees_threads: true,
            sees_scripts: !locks,
            locks,
            ..Plan::default()
        };
        scene.wakes(match Self::VARIANTS[variant] {
            "without-wake-ups" => Wakes::Never,
            "synchronous-io" | "not-alertable" => Wakes::Cancel,
            _ => Wakes::Signal,
        });
        let site = Site::<P, D>::new(scene, config(scene, php_threads, 1), plan);
        // One may die with the lock before the others have come: then the init gives up.
        let runtime = match locks.then(|| site.process.init(site.config.clone())) {
            None => site.init(),
            Some(Ok(runtime)) => runtime,
            Some(Err(_)) => return site.settle(&[]),
        };
        let restarter = site.start(Role::Restarter(0), &runtime, Site::restart);
        if locks {
            let shutdown = site.start(Role::Shutdown, &runtime, Site::shut_down);
            scene.join(restarter);
            scene.join(shutdown);
            site.settle(&[&runtime]);
        } else {
            scene.join(restarter);
            site.process.engine().let_go();
            site.comes_to_rest(&runtime, php_threads as u32, true);
            site.clear_up(&runtime);
        }
    }
}
