//! A restart lists a thread; before it has come to it, the thread exits, and its index is given to another.
//!
//! **Claim.** What was meant for the thread that was listed does not reach the one that has followed it: the next life of the index
//! is not killed (`kill-hits-its-run`), nor asked or given up on (`legal-transitions`). The restart learns that
//! its thread is gone, and returns (`bounded`, `no-deadlock`); the shutdown ends whoever is there then (`late-unwind-is-safe`).
//!
//! **Bounds.** One index with two lives. The first serves, and is taken away by a scaler or dies in its script, asked or not; the second
//! serves until it is told to leave. The restart; then the shutdown. Every deadline at any moment. All kill slots are steps. No bound on
//! preemptions.
//!
//! **Not covered.** What becomes of the lists, and who is put in the place of a thread that was given up: `abandoned_capacity`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::time::Duration;

use forcekill::drain::drain_leavers;
use forcekill::leaver::Leaver;
use forcekill::platform::Monitor;
use forcekill::state::Event;
use forcekill::steps::Steps;
use forcekill::thread::{Lifecycle, Told};
use forcekill::{Fate, InterruptFlags as _, Lingering, OwnedFlags, State, Thread};

use crate::lifecycles::{LifecycleRace, late, limits};
use crate::property::Property;
use crate::scene::{Role, Scene, Slots};

/// See the module.
pub struct RestartAgainstNextLife;

/// The index, with what the race wants to know about it.
struct Index<P: Scene, D: Steps<P, OwnedFlags>> {
    scene: P,
    thread: Arc<Thread<P, OwnedFlags, D>>,
    lingering: Lingering<P>,
    /// The second life's.
    flags: OwnedFlags,
    /// Whether the second life has come to its script. No step of the search: it only judges.
    begun: Arc<AtomicBool>,
    dies: bool,
    /// Whether threads are let in: 1 until the shutdown begins, then 0.
    is_up: Arc<P::Monitor<u32>>,
}

impl<P: Scene, D: Steps<P, OwnedFlags>> Clone for Index<P, D> {
    fn clone(&self) -> Self {
        let (scene, thread, lingering) =
            (self.scene.clone(), Arc::clone(&self.thread), self.lingering.clone());
        let (flags, begun, dies) = (self.flags.clone(), Arc::clone(&self.begun), self.dies);
        Self { scene, thread, lingering, flags, begun, dies, is_up: Arc::clone(&self.is_up) }
    }
}

impl LifecycleRace for RestartAgainstNextLife {
    const NAME: &'static str = "restart-against-next-life";
    const PROPERTIES: &'static [Property] = &[
        Property::KillHitsItsRun,
        Property::LegalTransitions,
        Property::NoDeadlock,
        Property::Bounded,
        Property::LateUnwindIsSafe,
    ];
    const MOMENTS: &'static [&'static str] = &[
        "restart-against-next-life: the restart found its thread gone",
        "restart-against-next-life: the restart drained the thread that it meant",
        "restart-against-next-life: the next life was in its script before the restart had returned",
    ];
    const MOST_THREADS: usize = 1;
    const VARIANTS: &'static [&'static str] = &["taken-away", "dies"];
    const ALL_SLOTS_UP_TO: usize = 1;

    fn needed_slots(_variant: usize) -> Slots {
        Slots::All
    }

    fn play<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, _php_threads: usize, variant: usize) {
        let dies = Self::VARIANTS[variant] == "dies";
        let index = Index::<P, D>::with_first_life(scene, dies);
        let restart = {
            let index = index.clone();
            scene.start(Role::Restarter(0), move || index.restart())
        };
        let scaler = (!dies).then(|| {
            let thread = Arc::clone(&index.thread);
            scene.start(Role::Scaler, move || {
                // As a scaler does, which means the thread that it has listed.
                let ask = |lifecycle: &mut Lifecycle| {
                    lifecycle.ask_idle(1, Event::RequestShutdown, Duration::ZERO, Duration::ZERO)
                };
                thread.with(ask);
            })
        });
        for call in scaler.into_iter().chain([restart]) {
            scene.join(call);
        }
        let shutdown = {
            let index = index.clone();
            scene.start(Role::Shutdown, move || {
                index.is_up.with(|is_up| *is_up = 0);
                let _ = forcekill::shut_down(&[Arc::clone(&index.thread)], &limits(&index.scene));
            })
        };
        scene.join(shutdown);
        index.settle();
    }
}

impl<P: Scene, D: Steps<P, OwnedFlags>> Index<P, D> {
    /// The first life, Ready.
    fn with_first_life(scene: &P, dies: bool) -> Self {
        let (thread, lingering) = (Arc::new(Thread::new(scene.clone(), 0)), Lingering::new(scene));
        let (flags, begun) = (OwnedFlags::new(), Arc::default());
        let is_up = Arc::new(scene.monitor(1));
        let index = Self { scene: scene.clone(), thread, lingering, flags, begun, dies, is_up };
        index.thread.boot(1);
        scene.place(&index.thread, State::Ready);
        index.spawn(Self::first_life);
        index
    }

    fn spawn(&self, life: fn(&Self)) {
        let index = self.clone();
        let spawned = self.thread.spawn(&self.lingering, move || {
            index.scene.enter(Role::Php(0));
            life(&index);
        });
        spawned.expect("a scene refuses no thread");
    }

    fn first_life(&self) {
        self.thread.slot().occupy(OwnedFlags::new(), |occupied| {
            occupied.run(|_| ());
            // It dies wherever it is then: asked, or not.
            while !self.dies && self.thread.stand_by() == Told::GoOn {
                occupied.run(|_| ());
            }
        });
        self.exit();
        // As a runtime does for whoever is missing.
        if self.thread.change(Event::Recycle).is_ok() && self.thread.boot(2) {
            self.spawn(Self::next_life);
        }
    }

    fn next_life(&self) {
        // As a runtime's admission: nobody is let in behind a shutdown that has found the index without a thread.
        if self.is_up.with(|is_up| *is_up) == 0 {
            let _ = self.thread.fail_start();
            return;
        }
        // If these are not declared any more, the shutdown has given up on the thread; that is told where it waits.
        let _ = self.thread.change(Event::Start);
        let _ = self.thread.change(Event::Serve);
        self.thread.slot().occupy(self.flags.clone(), |occupied| {
            loop {
                occupied.run(|_| {
                    self.begun.store(true, SeqCst);
                    self.thread.wait_to_leave();
                });
                if self.thread.let_go() != Told::GoOn {
                    break;
                }
            }
        });
        self.exit();
    }

    fn exit(&self) {
        if let Err(error) = self.thread.exit() {
            self.violate(Property::LegalTransitions, || format!("the thread exits, and {error}"));
        }
    }

    /// A restart that means the first life.
    fn restart(&self) {
        let leavers = [Leaver::of_life(&self.thread, 1)];
        let drained = drain_leavers(&leavers, &limits(&self.scene), &());
        let moments = RestartAgainstNextLife::MOMENTS;
        match drained.fate_of(0) {
            Some(Fate::Refused) => self.scene.oracle().reached(moments[0]),
            Some(Fate::Drained) => self.scene.oracle().reached(moments[1]),
            _ => {}
        }
        forcekill::resume(&leavers, &drained);
        if self.begun.load(SeqCst) {
            self.scene.oracle().reached(moments[2]);
        }
        // Nobody else kills or gives up before the shutdown, which has not begun.
        if self.flags.timed_out().load(SeqCst) {
            self.violate(Property::KillHitsItsRun, || {
                "the restart means the first life of php-1, and has killed the second".to_string()
            });
        }
        let (life, state) = self.thread.with(|lifecycle| (lifecycle.life(), lifecycle.state()));
        let asked = [State::Restarting, State::Yielding, State::Abandoned];
        if life == 2 && asked.contains(&state) {
            self.violate(Property::LegalTransitions, || {
                format!("the restart means the first life of php-1, and the second is {state}")
            });
        }
    }

    /// Everybody has returned.
    fn settle(&self) {
        self.scene.join_spawned();
        let (lingering, state) = (self.lingering.count(), self.thread.state());
        if lingering != 0 {
            late(&self.scene, || format!("every thread has exited, and {lingering} are still counted"));
        }
        if state != State::Done {
            late(&self.scene, || format!("the thread has exited, and its state is {state}"));
        }
    }

    fn violate(&self, property: Property, what: impl FnOnce() -> String) {
        self.scene.oracle().violate(property, what);
    }
}
