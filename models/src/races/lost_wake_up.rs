//! A wake lands where it interrupts nothing: the five arrival points of glibc's bug 12683, against every kind of call.
//!
//! **Claim.** A thread that can be interrupted ends within the number of sends that [`Kind::needs`] states, plus one for each
//! other killer, wherever the first wake lands (the other's wake can come between this one's two stores, and a script that
//! clears `timed_out` then swallows both: `tests/known_limits.rs` keeps that); a thread that cannot be ended gets the verdict
//! `Unkillable` after every send of the design's schedule; and `Ended` is never said of a run that goes on
//! (`no-lost-kill`).
//!
//! **Bounds.** One thread, one run, one call after another; one killer, whose pauses last until the thread cannot move, and
//! none, one or two others that make one attempt each, at any time. The number of sends that a kind needs is exact:
//! `reached` says that it was needed. `slow_machine` has the pause that was too short.
//!
//! **Not covered.** Weak memory with several killers: a number of sends can only be claimed where a store that is made later
//! is seen later, which a thread that blocks in the kernel sees to and C++'s abstract machine does not. With one killer loom
//! searches that too. A wake that the system refuses (see the native tests). A VM loop that never calls anything: it checks
//! its flags at its next opcode and needs no wake.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use forcekill::platform::Flag;
use forcekill::steps::Steps;
use forcekill::{InterruptFlags, Slot, ThreadStorage, Verdict};

use super::slow_machine::SlowMachine;
use super::{Crew, Race, Setting, Variant};
use crate::property::Property;
use crate::stage::{Call, Expiry, ModelFlags, Returned, Stage};

/// See the module.
pub struct LostWakeUp;

/// How the script is stuck.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// In a call that a wake interrupts.
    Interruptible,
    /// In a call that has moved some bytes: a wake makes it return their count.
    SideEffects,
    /// In a call that PHP retries once when it is interrupted (`fgets` on a pipe).
    RetriesOnce,
    /// In a loop that takes `timed_out` down before each call (`set_time_limit`).
    ClearsTimedOut,
    /// In a call, and in another one in its shutdown function, after the kill was consumed.
    BlocksAgain,
    /// In a call that is retried for ever.
    RetriesForEver,
    /// In a call that no wake interrupts.
    Uninterruptible,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::Interruptible,
        Self::SideEffects,
        Self::RetriesOnce,
        Self::ClearsTimedOut,
        Self::BlocksAgain,
        Self::RetriesForEver,
        Self::Uninterruptible,
    ];

    /// The kind, for schedules and reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Interruptible => "interruptible",
            Self::SideEffects => "side-effects",
            Self::RetriesOnce => "retries-once",
            Self::ClearsTimedOut => "clears-timed-out",
            Self::BlocksAgain => "blocks-again",
            Self::RetriesForEver => "retries-for-ever",
            Self::Uninterruptible => "uninterruptible",
        }
    }

    /// How many sends end it, at the most, if every pause is long enough; `None` if no number does.
    pub fn needs(self) -> Option<u32> {
        match self {
            Self::Interruptible | Self::SideEffects | Self::ClearsTimedOut => Some(2),
            Self::RetriesOnce | Self::BlocksAgain => Some(3),
            Self::RetriesForEver | Self::Uninterruptible => None,
        }
    }

    /// The moment that this kind needed all the sends that it may need.
    fn needed_all(self) -> &'static str {
        match self {
            Self::Interruptible => "lost-wake-up: an interruptible call needed 2 sends",
            Self::SideEffects => "lost-wake-up: a call with side effects needed 2 sends",
            Self::RetriesOnce => "lost-wake-up: a call that retries once needed 3 sends",
            Self::ClearsTimedOut => "lost-wake-up: a script that clears timed_out needed 2 sends",
            Self::BlocksAgain => "lost-wake-up: a script that blocks again needed 3 sends",
            Self::RetriesForEver => "lost-wake-up: a call that retries for ever got its verdict",
            Self::Uninterruptible => "lost-wake-up: an uninterruptible call got its verdict",
        }
    }
}

/// What a kind that cannot be ended is sent before the verdict.
pub(super) const SENDS_IN_VAIN: u32 = 3;

impl Race for LostWakeUp {
    const NAME: &'static str = "lost-wake-up";
    const PROPERTIES: &'static [Property] = &[Property::NoLostKill];
    const MOMENTS: &'static [&'static str] = &[
        "lost-wake-up: the wake arrived before the check",
        "lost-wake-up: the wake arrived between the check and the call",
        "lost-wake-up: the wake arrived as the call began",
        "lost-wake-up: the wake arrived in a blocked call",
        "lost-wake-up: the wake arrived in a blocked call with side effects",
        "lost-wake-up: the wake arrived after the call",
        "lost-wake-up: an interruptible call needed 2 sends",
        "lost-wake-up: a call with side effects needed 2 sends",
        "lost-wake-up: a call that retries once needed 3 sends",
        "lost-wake-up: a script that clears timed_out needed 2 sends",
        "lost-wake-up: a script that blocks again needed 3 sends",
        "lost-wake-up: a call that retries for ever got its verdict",
        "lost-wake-up: an uninterruptible call got its verdict",
    ];

    fn variants(_killers: usize) -> Vec<Variant> {
        let kinds = Kind::ALL.iter().enumerate();
        let variant = |(number, kind): (usize, &Kind)| Variant {
            name: kind.name().to_string(),
            number,
            expiry: Expiry::WhenStuck { early: None },
        };
        kinds.map(variant).collect()
    }

    fn play<P: Stage, F: ModelFlags<P>, D: Steps<P, F>>(stage: &P, setting: &Setting) {
        let kind = Kind::ALL[setting.variant];
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
                                let sends =
                                    kind.needs().map_or(SENDS_IN_VAIN, |needs| needs + setting.spare_sends);
                                let policy = match kind.needs() {
                                    Some(_) => stage.policy(sends),
                                    None => stage.policy_in_vain(sends),
                                };
                                let verdict = slot.kill(run, &policy);
                                let planned = D::schedule(&policy).sends();
                                judge(&stage, kind, &verdict, (planned, setting.killers == 1));
                            }
                        });
                        run_script(&stage, &flags, kind);
                        stage.oracle().set_progress(1);
                    });
                    // Leaving is no part of this race, and searching it would double the choices.
                    crew.join_all(&stage);
                });
            }
        });
    }
}

/// Holds the verdict against what the kind of call allows.
fn judge<P: Stage>(stage: &P, kind: Kind, verdict: &Verdict, (sends, alone): (u32, bool)) {
    let lost = |what: String| stage.oracle().violate(Property::NoLostKill, || what);
    match (verdict, kind.needs()) {
        (Verdict::Ended(_), _) if stage.oracle().progress() == 0 => {
            lost("the verdict was Ended and the script was still running".to_string());
        }
        (Verdict::Ended(effort), Some(needs)) if effort.sends == needs => {
            stage.oracle().reached(kind.needed_all());
        }
        (Verdict::Ended(effort), Some(needs)) if effort.sends > needs => {
            stage.oracle().reached(SlowMachine::MOMENTS[0]);
        }
        (Verdict::AlreadyGone, _) if alone => {
            lost("the verdict was AlreadyGone, and nobody else had ended the run".to_string());
        }
        // Another killer ended it, or gave up and let the call go.
        (Verdict::Ended(_) | Verdict::AlreadyGone, _) => {}
        (Verdict::Unkillable(effort), None) if effort.sends == sends || stage.is_timed() => {
            stage.oracle().reached(kind.needed_all());
        }
        (verdict, _) => {
            lost(format!("the kill of a script in a call of kind {} was lost: {verdict}", kind.name()))
        }
    }
    if !verdict.is_over() {
        stage.let_go();
    }
}

/// The script, then its shutdown function.
fn run_script<P: Stage, F: InterruptFlags<Flag = P::Flag>>(stage: &P, flags: &F, kind: Kind) {
    let killed = run_until_killed(stage, flags, kind);
    if killed && kind == Kind::BlocksAgain {
        run_until_killed(stage, flags, Kind::Interruptible);
    }
}

/// A loop of one call, with the VM's check before and after it. Answers whether a kill ended it.
fn run_until_killed<P: Stage, F: InterruptFlags<Flag = P::Flag>>(stage: &P, flags: &F, kind: Kind) -> bool {
    let [before_check, between, as_it_began, in_blocked, in_side_effects, after, ..] = LostWakeUp::MOMENTS
    else {
        unreachable!("the arrival points are listed first")
    };
    if kind == Kind::Interruptible {
        // A call that returns by itself comes first, so that a wake can arrive after one.
        stage.call(Call::Short);
        handle(stage, after);
        if flags.consume_interrupt() {
            return true;
        }
    }
    loop {
        if kind == Kind::ClearsTimedOut {
            flags.timed_out().store(false, SeqCst);
        }
        handle(stage, before_check);
        if flags.consume_interrupt() {
            return true;
        }
        handle(stage, between);
        match make_call(stage, kind) {
            Returned::Done if stage.was_let_go() => return false,
            Returned::Done => {}
            Returned::Interrupted { blocked: true } => stage.oracle().reached(in_blocked),
            Returned::Interrupted { blocked: false } => stage.oracle().reached(as_it_began),
            Returned::Partly => stage.oracle().reached(in_side_effects),
        }
        handle(stage, after);
        if flags.consume_interrupt() {
            return true;
        }
    }
}

fn handle<P: Stage>(stage: &P, arrival: &'static str) {
    if stage.user_mode() {
        stage.oracle().reached(arrival);
    }
}

fn make_call<P: Stage>(stage: &P, kind: Kind) -> Returned {
    match kind {
        Kind::Interruptible | Kind::ClearsTimedOut | Kind::BlocksAgain => stage.call(Call::Interruptible),
        Kind::SideEffects => stage.call(Call::WithSideEffects),
        Kind::Uninterruptible => stage.call(Call::Uninterruptible),
        Kind::RetriesOnce => match stage.call(Call::Interruptible) {
            Returned::Interrupted { .. } => stage.call(Call::Interruptible),
            returned => returned,
        },
        Kind::RetriesForEver => loop {
            if let returned @ Returned::Done = stage.call(Call::Interruptible) {
                return returned;
            }
        },
    }
}
