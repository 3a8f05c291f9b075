//! A thread publishes itself anew while a kill of its earlier publication is under way: after a reboot of the engine, with
//! fresh storage.
//!
//! **Claim.** A kill that was armed for a run of the first publication touches neither freed flags
//! (`no-access-after-free`) nor the second publication's run (`kill-hits-its-run`); the first wake target is released
//! once and never used again, whether the slot was cleared in between or the new publication replaced the old
//! (`wake-hits-its-thread`). A killer that asks for the current run kills that one and no other.
//!
//! **Bounds.** One thread, two publications with one run each; one killer with two sends, or two and three killers with one
//! attempt each. In `reboot` and `replace` killers are armed for the first run; in `current`, which has one killer
//! alone, it takes the run that it finds.
//!
//! **Not covered.** Two threads that fight over one slot: a slot has one index and an index one live thread, which is the
//! property `one-thread-per-index`.

use std::sync::Arc;

use forcekill::steps::Steps;
use forcekill::{InterruptFlags, RunId, Slot, ThreadStorage};

use super::{Crew, Found, Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{ModelFlags, Stage};

/// See the module.
pub struct RepublishAgainstKill;

const REBOOT: usize = 0;
const REPLACE: usize = 1;

impl Race for RepublishAgainstKill {
    const NAME: &'static str = "republish-against-kill";
    const PROPERTIES: &'static [Property] =
        &[Property::NoAccessAfterFree, Property::WakeHitsItsThread, Property::KillHitsItsRun];
    const MOMENTS: &'static [&'static str] = &[
        "republish-against-kill: a kill hit the first publication",
        "republish-against-kill: a kill found the second publication and left it alone",
        "republish-against-kill: the current run was the second publication's",
    ];

    fn variants(killers: usize) -> Vec<Variant> {
        let all = ["reboot", "replace", "current"];
        Variant::all(if killers == 1 { &all } else { &all[..2] })
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        let slot = Arc::new(Slot::<P, F, D>::new(stage.clone()));
        let crew = Crew::default();
        stage.os_thread("php", {
            let (stage, crew, setting) = (stage.clone(), crew.clone(), setting.clone());
            move || match setting.variant {
                REPLACE => replace(&slot, &stage, |run| start_killers(&crew, &stage, &slot, &setting, run)),
                _ => reboot(&slot, &stage, |run| start_killers(&crew, &stage, &slot, &setting, run)),
            }
        });
        crew.join_all(stage);
        stage.check_targets();
    }
}

/// The thread leaves the slot and enters it again.
fn reboot<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(
    slot: &Slot<P, F, D>,
    stage: &P,
    first: impl FnOnce(RunId),
) {
    slot.occupy(F::allocate(stage), |thread| thread.run(first));
    let storage = F::allocate(stage);
    let flags = storage.flags();
    slot.occupy(storage, |thread| thread.run(|run| look(stage, &flags, run)));
}

/// The thread publishes itself over its own earlier publication.
fn replace<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(
    slot: &Slot<P, F, D>,
    stage: &P,
    first: impl FnOnce(RunId),
) {
    let (old, new) = (F::allocate(stage), F::allocate(stage));
    // SAFETY: the publication below replaces this one before the old storage is freed.
    let publication = unsafe { slot.publish(old.flags()) };
    first(slot.begin_run(publication));
    // SAFETY: cleared below, by `leave`.
    let publication = unsafe { slot.publish(new.flags()) };
    old.free();
    let run = slot.begin_run(publication);
    look(stage, &new.flags(), run);
    slot.end_run(publication, run);
    D::leave(slot, publication, new);
}

/// The second run looks at its flags once, as a VM does.
fn look<P: Stage, F: InterruptFlags<Flag = P::Flag>>(stage: &P, flags: &F, run: RunId) {
    stage.user_mode();
    if flags.consume_interrupt() && !stage.oracle().was_aimed_at(run) {
        stage.oracle().violate(Property::KillHitsItsRun, || {
            "a kill that was armed for the first publication's run ended the second's".to_string()
        });
    }
}

fn start_killers<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(
    crew: &Crew<P>,
    stage: &P,
    slot: &Arc<Slot<P, F, D>>,
    setting: &Setting,
    first: RunId,
) {
    crew.start(stage, setting, || {
        let (stage, slot, setting) = (stage.clone(), Arc::clone(slot), setting.clone());
        move || {
            let run = match setting.variant {
                REBOOT | REPLACE => Some(first),
                _ => slot.current_run(),
            };
            let Some(run) = run else { return };
            stage.oracle().aim(run);
            let found = setting.strike(&slot, run);
            let [hit, left_alone, second] = RepublishAgainstKill::MOMENTS else {
                unreachable!("three moments")
            };
            stage.oracle().reached(match found {
                _ if run != first => second,
                Found::Nothing => left_alone,
                _ => hit,
            });
        }
    });
}
