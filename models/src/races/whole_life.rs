//! A thread's whole life, with everybody who may ask something of it: it is booted, changes its handler, serves, is restarted,
//! reboots, fails or dies, and is shut down, at any moment of it.
//!
//! **Claim.** Whatever the thread is doing when the shutdown comes, the calls return (`bounded`, `no-deadlock`), every state is
//! left by one who knew it (`legal-transitions`), and the thread ends, whenever it comes back, and is counted out once
//! (`late-unwind-is-safe`). Together the variants take every transition of the table.
//!
//! **Bounds.** One thread; a scaler that boots it and changes its handler once or twice, or an init that boots it; the shutdown;
//! and, in the variants that say so, a restart. Every deadline at any moment. No bound on preemptions.
//!
//! **Not covered.** What the runtime makes of a failed boot (back-off, limits) and whom it lets respawn. A scaler that gives up
//! waiting for a thread leaves it where it is: to the shutdown, here.

use std::sync::Arc;
use std::time::Duration;

use forcekill::state::Event;
use forcekill::steps::Steps;
use forcekill::{Lingering, OwnedFlags, Request, State, States, Thread};

use crate::lifecycles::{LifecycleRace, late, limits};
use crate::property::Property;
use crate::scene::{Career, Life, Role, Scene};

/// See the module.
pub struct WholeLife;

/// What a variant is made of.
struct Parts {
    career: Career,
    booted_by_init: bool,
    restart: bool,
    handlers: u32,
}

impl Parts {
    fn of(variant: usize) -> Self {
        let scaled = |career, handlers| Self { career, booted_by_init: false, restart: false, handlers };
        match WholeLife::VARIANTS[variant] {
            "worker" => scaled(Career::Worker, 1),
            "back-to-inactive" => scaled(Career::BackToInactive, 2),
            "fails-first-boot" => scaled(Career::FailsFirstBoot, 1),
            "fails-later-boot" => Self { restart: true, ..scaled(Career::FailsLaterBoot, 1) },
            "reboots" => scaled(Career::Reboots, 1),
            "dies-booting" => scaled(Career::DiesBooting, 0),
            "dies-starting" => scaled(Career::DiesStarting, 1),
            "dies-serving" => Self { restart: true, ..scaled(Career::DiesServing, 2) },
            "stuck-booting" => scaled(Career::StuckBooting, 0),
            "stuck-exiting" => scaled(Career::StuckExiting, 0),
            "init" => Self { booted_by_init: true, restart: true, ..scaled(Career::Worker, 0) },
            other => unreachable!("no variant is called {other}"),
        }
    }
}

impl LifecycleRace for WholeLife {
    const NAME: &'static str = "whole-life";
    const PROPERTIES: &'static [Property] =
        &[Property::NoDeadlock, Property::Bounded, Property::LegalTransitions, Property::LateUnwindIsSafe];
    const MOMENTS: &'static [&'static str] = &[
        "whole-life: the shutdown came before the boot",
        "whole-life: the shutdown gave up on the thread",
        "whole-life: the thread exited in time",
    ];
    const MOST_THREADS: usize = 1;
    const VARIANTS: &'static [&'static str] = &[
        "worker",
        "back-to-inactive",
        "fails-first-boot",
        "fails-later-boot",
        "reboots",
        "dies-booting",
        "dies-starting",
        "dies-serving",
        "stuck-booting",
        "stuck-exiting",
        "init",
    ];

    fn play<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, _php_threads: usize, variant: usize) {
        let parts = Parts::of(variant);
        let lingering = Lingering::new(scene);
        let thread = Arc::new(Thread::<P, OwnedFlags, D>::new(scene.clone(), 0));
        let life = Life { thread, lingering, career: parts.career };
        if parts.booted_by_init {
            life.thread.change(Event::Boot).expect("nobody else knows the thread yet");
            life.boot(scene);
        }
        let scaler = (!parts.booted_by_init).then(|| {
            let (life, stage) = (life.clone(), scene.clone());
            scene.start(Role::Scaler, move || scale(&stage, &life, parts.handlers))
        });
        let restart = parts.restart.then(|| {
            let (life, stage) = (life.clone(), scene.clone());
            scene.start(Role::Restarter(0), move || {
                let threads = [Arc::clone(&life.thread)];
                let drained = forcekill::drain(&threads, &limits(&stage));
                forcekill::resume(&threads, &drained);
            })
        });
        let shutdown = scene.start(Role::Shutdown, {
            let (life, stage) = (life.clone(), scene.clone());
            move || shut_down(&stage, &life)
        });
        for call in scaler.into_iter().chain(restart).chain([shutdown]) {
            scene.join(call);
        }
        settle(scene, &life);
    }
}

/// Boots the thread, and gives it so many handlers.
fn scale<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, life: &Life<P, D>, handlers: u32) {
    let thread = &life.thread;
    if thread.change(Event::RequestBoot).is_err() || thread.change(Event::Boot).is_err() {
        scene.oracle().reached(WholeLife::MOMENTS[0]);
        return;
    }
    life.boot(scene);
    let detached = States::GONE.with(State::TransitionInProgress).with(State::ShuttingDown);
    for _ in 0..handlers {
        if thread.request(Event::RequestTransition, Duration::ZERO) != Request::Taken {
            return;
        }
        let state = thread.wait_for_until(detached, Duration::ZERO);
        if state != Some(State::TransitionInProgress) || thread.change(Event::CompleteTransition).is_err() {
            return;
        }
    }
}

fn shut_down<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, life: &Life<P, D>) {
    let drained = forcekill::shut_down(&[Arc::clone(&life.thread)], &limits(scene));
    let in_time = drained.drained().next().is_some();
    scene.oracle().reached(WholeLife::MOMENTS[1 + usize::from(in_time)]);
}

/// Everybody has returned: what is stuck comes back, and the thread must end.
fn settle<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, life: &Life<P, D>) {
    scene.let_go();
    scene.join_spawned();
    let (lingering, state) = (life.lingering.count(), life.thread.state());
    if lingering != 0 {
        late(scene, || format!("every thread has exited, and {lingering} are still counted"));
    }
    if state != State::Done {
        late(scene, || format!("the thread has exited, and its state is {state}"));
    }
    let recycle = scene.start(Role::Shutdown, {
        let thread = Arc::clone(&life.thread);
        move || {
            let _ = thread.change(Event::Recycle);
        }
    });
    scene.join(recycle);
}
