//! Every way out of a slot, while killers are at it.
//!
//! **Claim.** The wake target is released exactly once and not used afterwards (`wake-hits-its-thread`), and the flags are
//! not touched after the free (`no-access-after-free`): when the thread returns, when it cleared
//! its slot by itself before leaving, and when a second publication took its place.
//!
//! **Bounds.** One thread; one killer with two sends, or two and three killers with one attempt each.
//!
//! **Not covered.** Panics, see `exit_against_kill`. A thread that never leaves: its target lives as long as the slot does.

use std::sync::Arc;

use forcekill::steps::Steps;
use forcekill::{RunId, Slot, ThreadStorage};

use super::{Crew, Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{ModelFlags, Stage};

/// See the module.
pub struct ReleaseOnce;

const CLEARED: usize = 1;
const REPLACED: usize = 2;

impl Race for ReleaseOnce {
    const NAME: &'static str = "release-once";
    const PROPERTIES: &'static [Property] = &[Property::WakeHitsItsThread, Property::NoAccessAfterFree];
    const MOMENTS: &'static [&'static str] = &[
        "release-once: the thread returned",
        "release-once: it had cleared its slot before it left",
        "release-once: another publication had replaced it",
    ];

    fn variants(_killers: usize) -> Vec<Variant> {
        Variant::all(&["return", "cleared", "replaced"])
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        let slot = Arc::new(Slot::<P, F, D>::new(stage.clone()));
        let crew = Crew::default();
        stage.os_thread("php", {
            let (stage, crew, setting) = (stage.clone(), crew.clone(), setting.clone());
            move || {
                stage.oracle().reached(Self::MOMENTS[setting.variant]);
                let start = |run: RunId| {
                    crew.start(&stage, &setting, || {
                        let (slot, setting) = (Arc::clone(&slot), setting.clone());
                        move || {
                            setting.strike(&slot, run);
                        }
                    });
                };
                match setting.variant {
                    CLEARED => leave_by_hand(&slot, &stage, start, true),
                    REPLACED => leave_by_hand(&slot, &stage, start, false),
                    _ => slot.occupy(F::allocate(&stage), |thread| {
                        thread.run(start);
                    }),
                }
            }
        });
        crew.join_all(stage);
        stage.check_targets();
    }
}

/// With the calls that foreign code makes: the slot is cleared, or taken over by a second publication, before the first
/// one leaves it.
fn leave_by_hand<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(
    slot: &Slot<P, F, D>,
    stage: &P,
    start: impl FnOnce(RunId),
    clear: bool,
) {
    let (first, second) = (F::allocate(stage), F::allocate(stage));
    // SAFETY: `leave` below clears it, if it is still there by then, before it frees the storage.
    let publication = unsafe { slot.publish(first.flags()) };
    let run = slot.begin_run(publication);
    start(run);
    if clear {
        slot.clear(publication);
        D::leave(slot, publication, first);
        second.free();
    } else {
        // SAFETY: left below.
        let successor = unsafe { slot.publish(second.flags()) };
        let successors_run = slot.begin_run(successor);
        slot.end_run(publication, run);
        D::leave(slot, publication, first);
        if slot.current_run() != Some(successors_run) {
            stage.oracle().violate(Property::WakeHitsItsThread, || {
                "a publication that had been replaced took its successor out of the slot".to_string()
            });
        }
        D::leave(slot, successor, second);
    }
}
