//! The script and the kinds of call of `lost_wake_up`, on a machine that is slow for a moment: one pause of the killer, any
//! one of them, ends before the thread has moved.
//!
//! **Claim.** One send more than [`Kind::needs`](super::lost_wake_up::Kind::needs) says is enough (`no-lost-kill`).
//!
//! **Bounds.** One thread, one run; one killer; one early pause, and every other one lasts until the thread cannot move.
//!
//! **Not covered.** Two early pauses: each costs one send more, which a policy has to spare.

use forcekill::steps::Steps;

use super::lost_wake_up::{Kind, LostWakeUp, SENDS_IN_VAIN};
use super::{Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{Expiry, ModelFlags, Stage};

/// See the module.
pub struct SlowMachine;

impl Race for SlowMachine {
    const NAME: &'static str = "slow-machine";
    const PROPERTIES: &'static [Property] = &[Property::NoLostKill];
    const MOMENTS: &'static [&'static str] = &["slow-machine: the early pause cost a send more"];

    fn variants(_killers: usize) -> Vec<Variant> {
        let kinds = Kind::ALL.iter().enumerate();
        let each = kinds.flat_map(|(number, kind)| {
            // A pause after the last send that could be needed has nothing left to lose.
            (0..kind.needs().unwrap_or(SENDS_IN_VAIN)).map(move |early| Variant {
                name: format!("{}-early-{early}", kind.name()),
                number,
                expiry: Expiry::WhenStuck { early: Some(early) },
            })
        });
        each.collect()
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        LostWakeUp::play::<P, F, D>(stage, setting);
    }
}
