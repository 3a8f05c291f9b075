//! A kill arrives when the run that it was armed for is over, and the next one has begun on the same thread.
//!
//! **Claim.** The second run neither sees an interrupt nor has a call interrupted by a wake of the first, and a run that is
//! said to have ended can be killed no more (`kill-hits-its-run`).
//!
//! **Bounds.** One thread, one publication, two runs; one killer with two sends, or two and three killers with one attempt each. In
//! `php` the engine takes both flags down when a run starts, as `php_request_startup` does; in `plain` it does not.
//!
//! **Not covered.** A script that ignores the end of its run and goes on.

use std::sync::Arc;

use forcekill::platform::Flag;
use forcekill::steps::Steps;
use forcekill::{InterruptFlags, Slot, ThreadStorage};

use super::{Crew, Found, Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{Call, ModelFlags, Returned, Stage, WAKE_WAS_PENDING};

/// See the module.
pub struct KillAgainstNextRun;

const PHP: usize = 0;

impl Race for KillAgainstNextRun {
    const NAME: &'static str = "kill-against-next-run";
    const PROPERTIES: &'static [Property] = &[Property::KillHitsItsRun];
    const MOMENTS: &'static [&'static str] = &[
        "kill-against-next-run: a kill hit its run",
        "kill-against-next-run: a kill came when the next run had begun",
        WAKE_WAS_PENDING,
    ];

    fn variants(_killers: usize) -> Vec<Variant> {
        Variant::all(&["php", "plain"])
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        let slot = Arc::new(Slot::<P, F, D>::new(stage.clone()));
        let crew = Crew::default();
        stage.os_thread("php", {
            let (stage, crew, setting) = (stage.clone(), crew.clone(), setting.clone());
            move || {
                let storage = F::allocate(&stage);
                let flags = storage.flags();
                slot.occupy(storage, |thread| {
                    thread.run(|run| {
                        crew.start(&stage, &setting, || {
                            let (stage, slot) = (stage.clone(), Arc::clone(&slot));
                            let setting = setting.clone();
                            move || {
                                let found = setting.strike(&slot, run);
                                let current = if setting.killers == 1 { slot.current_run() } else { None };
                                if found == Found::EndedAfterOne && current == Some(run) {
                                    stage.oracle().violate(Property::KillHitsItsRun, || {
                                        "a run was said to have ended and could still be killed".to_string()
                                    });
                                }
                                if found != Found::Nothing {
                                    stage.oracle().reached(Self::MOMENTS[0]);
                                } else if current.is_some_and(|current| current != run) {
                                    stage.oracle().reached(Self::MOMENTS[1]);
                                }
                            }
                        });
                    });
                    thread.run(|_| {
                        if setting.variant == PHP {
                            start_up(&flags);
                        }
                        innocent(&stage, &flags);
                    });
                });
            }
        });
        crew.join_all(stage);
    }
}

/// What `php_request_startup` does to the flags.
fn start_up<F: InterruptFlags>(flags: &F) {
    use std::sync::atomic::Ordering::SeqCst;
    flags.timed_out().store(false, SeqCst);
    flags.vm_interrupt().store(false, SeqCst);
}

/// The second run: one call, and a look at the flags after it.
fn innocent<P: Stage, F: InterruptFlags<Flag = P::Flag>>(stage: &P, flags: &F) {
    if let Returned::Interrupted { .. } = stage.call(Call::Short) {
        stage.oracle().violate(Property::KillHitsItsRun, || {
            "a wake for the first run interrupted a call of the second".to_string()
        });
    }
    if flags.consume_interrupt() {
        stage.oracle().violate(Property::KillHitsItsRun, || {
            "a kill that was armed for the first run ended the second".to_string()
        });
    }
}
