//! The whole runtime in virtual time: every decision from one number, faults included. See docs/SIMULATION.md.
//!
//! | file | what it is |
//! |---|---|
//! | [`scenario`] | what a run is made of: configurations, calls, what goes wrong, who runs when |
//! | [`draw`] | scenarios of a seed |
//! | `world`, `scheduler`, `run` | threads as coroutines, the virtual clock, who runs next |
//! | [`platform`], `kernel` | the world as a [`forcekill::Platform`]; its wake-ups |
//! | [`engine`], `script` | the simulated engine, and its scripts that are stuck in every way |
//! | `play`, `rest` | the callers; what must be true at rest |
//! | [`watch`] | properties, bounds, moments |
//! | [`designs`], [`campaign`] | whose steps; many runs on every core |
//! | [`shrink`], [`failure`], [`story`] | the shortest form of a failure, its file, and what a person reads |

pub mod campaign;
pub mod designs;
pub mod draw;
pub mod engine;
pub mod failure;
mod kernel;
pub mod moments;
pub mod platform;
mod play;
pub mod random;
mod recorder;
mod rest;
mod run;
pub mod scenario;
mod scheduler;
mod script;
pub mod shrink;
pub mod story;
pub mod watch;
mod world;

use std::sync::Arc;

use forcekill::steps::runtime::RuntimeSteps;

use crate::oracle::Violation;
use crate::scene::Role;
use crate::trace::Step;
use platform::{Sim, SimFlags};
use scenario::{Listed, Scenario, Turn};
use watch::Longest;
use world::{START_NS, World};

/// What is kept of a run beside its outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Keep {
    /// Every step, for a trace.
    pub steps: bool,
    /// The choices of the schedule, for a replay without its number.
    pub turns: bool,
}

/// What a run came to.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// What broke, if anything did.
    pub violation: Option<Violation>,
    /// A hash over everything that happened.
    pub hash: u64,
    /// How many steps there were.
    pub steps: u64,
    /// How much virtual time has passed, in nanoseconds.
    pub virtual_ns: u64,
    /// The longest of each kind of calls, in the order of [`watch::Bounded::ALL`].
    pub longest: [Longest; 4],
    /// The moments that were reached.
    pub reached: Vec<(&'static str, u64)>,
    /// How often each row of the table of states was taken.
    pub taken: Vec<u64>,
    /// What went wrong.
    pub met: Vec<Listed>,
    /// The choices of the schedule, if they were kept.
    pub turns: Vec<Turn>,
    /// The trace, if it was kept.
    pub trace: Vec<Step>,
}

/// Plays a scenario with the steps of a design.
pub fn play<S: RuntimeSteps<Sim, SimFlags>>(scenario: &Scenario, keep: Keep) -> Outcome {
    let mut world = World::new(scenario, keep.turns, keep.steps);
    let shared = Arc::new(scenario.clone());
    world.start(Role::Main, Box::new(move || rest::run(&play::Stand::<S>::new(shared))));
    let mut world = run::play(world);
    Outcome {
        violation: world.watch.violation().cloned(),
        hash: world.recorder.hash(),
        steps: world.steps,
        virtual_ns: world.clock_ns - START_NS,
        longest: world.watch.longest,
        reached: world.watch.reached().to_vec(),
        taken: std::mem::take(&mut world.watch.taken),
        met: std::mem::take(&mut world.quirks.met),
        turns: world.take_turns(),
        trace: world.recorder.take_steps(),
    }
}
