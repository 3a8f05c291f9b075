//! The VM looks at its flags while killers store them.
//!
//! **Claim.** Whoever sees `vm_interrupt` sees `timed_out` (`flags-in-order`), under weak memory too: with the check of PHP's
//! VM (`zend_interrupt_helper`: load, store, load) and with the library's own for engines in Rust (load, swap, load).
//!
//! **Bounds.** One thread that looks twice and one killer with two sends, or one that looks once and two or three killers
//! with one attempt each.
//!
//! **Not covered.** An interrupt that PHP's check takes down unseen: its store overwrites a `vm_interrupt` that is newer than
//! the one that it has loaded, and may then read an older `timed_out`. That kill is lost and the next send finds the thread;
//! see `lost_wake_up`. loom treats sequential consistency as acquire and release, which is all that is needed here. shuttle
//! knows no weak memory: it sees the order of the stores, not their orderings.

use std::sync::Arc;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};

use forcekill::platform::Flag;
use forcekill::steps::Steps;
use forcekill::{InterruptFlags, Slot, ThreadStorage};

use super::{Crew, Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{ModelFlags, Stage};

/// See the module.
pub struct FlagOrder;

const PHP: usize = 0;

impl Race for FlagOrder {
    const NAME: &'static str = "flag-order";
    const PROPERTIES: &'static [Property] = &[Property::FlagsInOrder];
    const MOMENTS: &'static [&'static str] = &[
        "flag-order: the VM saw no interrupt",
        "flag-order: PHP's check saw the interrupt",
        "flag-order: the library's check saw the interrupt",
    ];

    fn variants(_killers: usize) -> Vec<Variant> {
        Variant::all(&["php", "rust"])
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        let slot = Arc::new(Slot::<P, F, D>::new(stage.clone()));
        let crew = Crew::default();
        stage.os_thread("php", {
            let (stage, setting) = (stage.clone(), setting.clone());
            move || {
                let storage = F::allocate(&stage);
                let flags = storage.flags();
                slot.occupy(storage, |thread| {
                    thread.run(|run| {
                        crew.start(&stage, &setting, || {
                            let (slot, setting) = (Arc::clone(&slot), setting.clone());
                            move || {
                                setting.strike(&slot, run);
                            }
                        });
                        // What a second look could find, one killer shows.
                        for _ in 0..if setting.killers == 1 { 2 } else { 1 } {
                            look(&stage, &flags, setting.variant);
                        }
                        // The end of the run takes the flags down, which is no part of this race.
                        crew.join_all(&stage);
                    });
                });
            }
        });
    }
}

fn look<P: Stage, F: ModelFlags<P>>(stage: &P, flags: &F, variant: usize) {
    let [none, php, rust] = FlagOrder::MOMENTS else { unreachable!("three moments") };
    let (interrupted, reason) = if variant == PHP {
        check_like_php(flags)
    } else {
        // This thread alone takes the flag down, so what it sees here the check below sees too. Relaxed, so that the
        // look lends the check no order.
        (flags.vm_interrupt().load(Relaxed), flags.consume_interrupt())
    };
    stage.oracle().reached(match (interrupted, variant) {
        (false, _) => none,
        (true, PHP) => php,
        (true, _) => rust,
    });
    if interrupted && !reason {
        stage
            .oracle()
            .violate(Property::FlagsInOrder, || "the VM saw vm_interrupt and not timed_out".to_string());
    }
}

/// Whether the VM was interrupted, and whether it knows why.
fn check_like_php<F: InterruptFlags>(flags: &F) -> (bool, bool) {
    let interrupted = flags.vm_interrupt().load(SeqCst);
    if interrupted {
        flags.vm_interrupt().store(false, SeqCst);
    }
    (interrupted, interrupted && flags.timed_out().load(SeqCst))
}
