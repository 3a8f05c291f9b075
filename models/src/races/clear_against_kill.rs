//! A thread leaves while it is being killed.
//!
//! **Claim.** Whatever a killer does, and whenever the owner ends its run, clears its slot and frees its storage, or leaves
//! without ending its run, as a thread does that a bailout has thrown out (`unhealthy`): no flag
//! is touched after the free (`no-access-after-free`), and no wake is sent to the thread after its target was released or
//! its exit (`wake-hits-its-thread`).
//!
//! **Bounds.** One thread, one run, one publication; one killer with two sends, or two and three killers with one attempt each.
//!
//! **Not covered.** Storage that the engine frees without leaving (a crash of the engine); see `release_once` for panics.

use std::sync::Arc;

use forcekill::steps::Steps;
use forcekill::{RunId, Slot, ThreadStorage};

use super::{Crew, Found, Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{ModelFlags, Stage};

/// See the module.
pub struct ClearAgainstKill;

const HEALTHY: usize = 0;

impl Race for ClearAgainstKill {
    const NAME: &'static str = "clear-against-kill";
    const PROPERTIES: &'static [Property] = &[Property::NoAccessAfterFree, Property::WakeHitsItsThread];
    const MOMENTS: &'static [&'static str] = &[
        "clear-against-kill: a kill came before the clear",
        "clear-against-kill: a kill came after the clear",
        "clear-against-kill: the run ended between two sends",
    ];

    fn variants(_killers: usize) -> Vec<Variant> {
        Variant::all(&["healthy", "unhealthy"])
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        let slot = Arc::new(Slot::<P, F, D>::new(stage.clone()));
        let crew = Crew::default();
        stage.os_thread("php", {
            let (stage, crew, setting) = (stage.clone(), crew.clone(), setting.clone());
            move || {
                let start = |run: RunId| {
                    crew.start(&stage, &setting, || {
                        let (stage, slot, setting) = (stage.clone(), Arc::clone(&slot), setting.clone());
                        move || {
                            let [before, after, between] = Self::MOMENTS else {
                                unreachable!("three moments")
                            };
                            stage.oracle().reached(match setting.strike(&slot, run) {
                                Found::Nothing => after,
                                Found::EndedAfterOne => between,
                                Found::Hit => before,
                            });
                        }
                    });
                };
                if setting.variant == HEALTHY {
                    slot.occupy(F::allocate(&stage), |thread| thread.run(start));
                } else {
                    let storage = F::allocate(&stage);
                    // SAFETY: left below, before the storage is freed.
                    let publication = unsafe { slot.publish(storage.flags()) };
                    start(slot.begin_run(publication));
                    D::leave(&slot, publication, storage);
                }
            }
        });
        crew.join_all(stage);
        stage.check_targets();
    }
}
