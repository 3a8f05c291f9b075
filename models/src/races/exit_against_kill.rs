//! A thread exits while it is being killed, and another one gets its thread id at once.
//!
//! **Claim.** No wake reaches the thread that has the id next, and none is sent when nobody has it
//! (`wake-hits-its-thread`).
//!
//! **Bounds.** Two threads of the engine's, one after the other, of which the second is not in the slot; one killer with
//! two sends, or two and three killers with one attempt each.
//!
//! **Not covered.** A panic of the script: a checker cannot switch threads while one unwinds. The guards that clear the slot
//! run on that path as on any other, which the native tests show. A thread that ends without running its destructors (`pthread_exit` in foreign code): nothing can clear
//! its slot then. On Linux the wake answers `ESRCH` as long as nobody has the id.

use std::sync::Arc;

use forcekill::Slot;
use forcekill::steps::Steps;

use super::{Crew, Found, Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{Call, ModelFlags, Returned, Stage};

/// See the module.
pub struct ExitAgainstKill;

impl Race for ExitAgainstKill {
    const NAME: &'static str = "exit-against-kill";
    const PROPERTIES: &'static [Property] = &[Property::WakeHitsItsThread];
    const MOMENTS: &'static [&'static str] = &[
        "exit-against-kill: a kill hit the thread before its exit",
        "exit-against-kill: a kill came after the thread had left its slot",
        "exit-against-kill: a kill came when the next thread had the id",
    ];

    fn variants(_killers: usize) -> Vec<Variant> {
        Variant::all(&["exit"])
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        let slot = Arc::new(Slot::<P, F, D>::new(stage.clone()));
        let crew = Crew::default();
        stage.os_thread("php", {
            let (stage, crew, setting) = (stage.clone(), crew.clone(), setting.clone());
            move || {
                slot.occupy(F::allocate(&stage), |thread| {
                    thread.run(|run| {
                        crew.start(&stage, &setting, || {
                            let (stage, slot) = (stage.clone(), Arc::clone(&slot));
                            let setting = setting.clone();
                            move || {
                                let id_was_reused = setting.killers == 1 && stage.threads_started() == 2;
                                let gone = setting.strike(&slot, run) == Found::Nothing;
                                let [hit, left, reused] = Self::MOMENTS else {
                                    unreachable!("three moments")
                                };
                                stage.oracle().reached(match gone {
                                    true if id_was_reused => reused,
                                    true => left,
                                    false => hit,
                                });
                            }
                        });
                    });
                });
            }
        });
        stage.os_thread("innocent", {
            let stage = stage.clone();
            move || {
                if let Returned::Interrupted { .. } = stage.call(Call::Short) {
                    stage.oracle().violate(Property::WakeHitsItsThread, || {
                        "the thread that got the id next was interrupted".to_string()
                    });
                }
            }
        });
        crew.join_all(stage);
        stage.check_targets();
    }
}
