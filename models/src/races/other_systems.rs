//! The kill where a wake is not a signal: Windows' cancel and APC, and a system without any wake-up.
//!
//! **Claim.** On Windows a thread in synchronous I/O ends within two sends, wherever the first cancel lands, and one that waits
//! alertably at the first, because an APC is not lost; a wait that neither ends gets the verdict that no wake-up is possible
//! here, after every send of the schedule. Without wake-ups the verdict says so, and nothing was sent (`no-lost-kill`). Each
//! other killer may cost one send more, as in `lost_wake_up`.
//!
//! **Bounds.** One thread, one run, one call after another; one killer, whose pauses last until the thread cannot move, and
//! none, one or two others that make one attempt each, at any time.
//!
//! **Not covered.** Restart and shutdown over such threads, whose bounds are `kinds_of_stuck`'s. An APC that runs in the middle of
//! a call which then goes on is `retries-for-ever` in `lost_wake_up`.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use forcekill::steps::Steps;
use forcekill::{InterruptFlags, Obstacle, Slot, ThreadStorage, Verdict};

use super::lost_wake_up::SENDS_IN_VAIN;
use super::{Crew, Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{Call, Expiry, ModelFlags, Returned, Stage, System};

/// See the module.
pub struct OtherSystems;

/// The system, and what the script is stuck in.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    system: System,
    call: Call,
    /// How many sends end it, at the most; or why none does.
    needs: Result<u32, Obstacle>,
    /// The moment that all of them were needed, or that the verdict came.
    settled: &'static str,
}

const KINDS: [Kind; 4] = [
    Kind {
        name: "synchronous-io",
        system: System::Windows,
        call: Call::SynchronousIo,
        needs: Ok(2),
        settled: "other-systems: synchronous I/O needed 2 sends",
    },
    Kind {
        name: "alertable-wait",
        system: System::Windows,
        call: Call::Interruptible,
        needs: Ok(1),
        settled: "other-systems: an alertable wait needed 1 send",
    },
    Kind {
        name: "not-alertable",
        system: System::Windows,
        call: Call::Uninterruptible,
        needs: Err(Obstacle::NotAlertable),
        settled: "other-systems: a wait that is not alertable got its verdict",
    },
    Kind {
        name: "without-wake-ups",
        system: System::WithoutWake,
        call: Call::Interruptible,
        needs: Err(Obstacle::FlagsOnly),
        settled: "other-systems: a thread that cannot be woken got its verdict",
    },
];

/// An APC was queued before the wait that it ended had begun.
const BEFORE_THE_WAIT: &str = "other-systems: the APC came before the wait";
/// The cancel found the I/O blocked.
const IN_THE_IO: &str = "other-systems: the cancel came in blocked I/O";

impl Race for OtherSystems {
    const NAME: &'static str = "other-systems";
    const PROPERTIES: &'static [Property] = &[Property::NoLostKill];
    const MOMENTS: &'static [&'static str] =
        &[KINDS[0].settled, KINDS[1].settled, KINDS[2].settled, KINDS[3].settled, BEFORE_THE_WAIT, IN_THE_IO];

    fn variants(_killers: usize) -> Vec<Variant> {
        let variant = |(number, kind): (usize, &Kind)| Variant {
            name: kind.name.to_string(),
            number,
            expiry: Expiry::WhenStuck { early: None },
        };
        KINDS.iter().enumerate().map(variant).collect()
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        let kind = KINDS[setting.variant];
        stage.simulate(kind.system);
        let slot = Arc::new(Slot::<P, F, D>::new(stage.clone()));
        let crew = Crew::default();
        stage.os_thread("php", {
            let (stage, setting) = (stage.clone(), setting.clone());
            move || {
                let storage = F::allocate(&stage);
                let flags = storage.flags();
                slot.occupy(storage, |thread| {
                    thread.run(|run| {
                        let first = AtomicBool::new(true);
                        crew.start(&stage, &setting, || {
                            let (stage, slot) = (stage.clone(), Arc::clone(&slot));
                            let is_stray = !first.swap(false, SeqCst);
                            move || {
                                if is_stray {
                                    let _ = slot.attempt(run, 1);
                                    return;
                                }
                                let needs = kind.needs.map(|needs| needs + setting.spare_sends);
                                let policy = stage.policy(needs.unwrap_or(SENDS_IN_VAIN));
                                let verdict = slot.kill(run, &policy);
                                let planned = D::schedule(&policy).sends();
                                judge(&stage, kind, &verdict, (planned, setting.killers == 1));
                            }
                        });
                        run_until_killed(&stage, &flags, kind);
                        stage.oracle().set_progress(1);
                    });
                    // Leaving is no part of this race, and searching it would double the choices.
                    crew.join_all(&stage);
                });
            }
        });
    }
}

/// Holds the verdict against what the kind allows.
fn judge<P: Stage>(stage: &P, kind: Kind, verdict: &Verdict, (planned, alone): (u32, bool)) {
    let lost = |what: &str| {
        stage.oracle().violate(Property::NoLostKill, || format!("{what}, in {}: {verdict}", kind.name));
    };
    match (verdict, kind.needs) {
        (Verdict::Ended(_), _) if stage.oracle().progress() == 0 => {
            lost("Ended was said of a run that goes on")
        }
        (Verdict::AlreadyGone, _) if alone => lost("nobody else had ended the run"),
        (Verdict::Ended(effort), Ok(needs)) if effort.sends == needs => stage.oracle().reached(kind.settled),
        // Another killer ended it; or the script saw the flags before it made its call.
        (Verdict::Ended(_) | Verdict::AlreadyGone, _) => {}
        (Verdict::NoWakeUp { obstacle, effort }, Err(why))
            if *obstacle == why
                && effort.attempts == planned
                && effort.sends == if why == Obstacle::FlagsOnly { 0 } else { planned } =>
        {
            stage.oracle().reached(kind.settled);
        }
        _ => lost("the kill was lost"),
    }
    if !verdict.is_over() {
        stage.let_go();
    }
}

/// A loop of one call, with the VM's check before and after it.
fn run_until_killed<P: Stage, F: InterruptFlags<Flag = P::Flag>>(stage: &P, flags: &F, kind: Kind) {
    while !flags.consume_interrupt() {
        match stage.call(kind.call) {
            Returned::Done if stage.was_let_go() => return,
            Returned::Interrupted { blocked: false } => stage.oracle().reached(BEFORE_THE_WAIT),
            Returned::Interrupted { blocked: true } if kind.call == Call::SynchronousIo => {
                stage.oracle().reached(IN_THE_IO);
            }
            _ => {}
        }
    }
}
