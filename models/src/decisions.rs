//! The decisions of the protocol, and what each design has chosen: what docs/DESIGNS.md is generated from.
//!
//! A decision is a step of [`Steps`](forcekill::steps::Steps) or [`RuntimeSteps`](forcekill::steps::runtime::RuntimeSteps). What
//! its sound form is and what breaks otherwise stands in the library, in the tables of those two modules; what turns on it is
//! what the races say of the [defects](crate::cases::all_defects) that break it; what the other designs choose stands here. A
//! test holds it against the steps that [`designs`](crate::designs) and [`lifecycle_designs`](crate::lifecycle_designs) override.

use std::collections::BTreeSet;

use crate::cases::all_defects;
use crate::property::Property;

pub mod page;
mod steps;

pub use steps::{Step, runtime_steps, steps};

/// One decision.
#[derive(Clone, Copy, Debug)]
pub struct Decision {
    /// The step.
    pub step: &'static str,
    /// Where upstream decides it: functions and fields.
    pub upstream: &'static str,
    /// What the pull request does.
    pub pr_2365: Chosen,
    /// What was merged of it.
    pub merged_2365: Chosen,
    /// What the July attempt does.
    pub attempt_2573: Chosen,
    /// The defects in which it is broken, alone or with others.
    pub defects: &'static [&'static str],
    /// What turns on it beside that: where its broken form would be another step's too, or is outside what a search sees.
    pub also: &'static [Property],
}

/// What a design has chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The models play it with the library's step.
    AsForcekill,
    /// Something else, in a few words that say where in upstream.
    Otherwise(&'static str),
}

use Chosen::{AsForcekill, Otherwise};

impl Decision {
    /// A decision in which upstream's designs are no different.
    const fn same(step: &'static str, upstream: &'static str, defects: &'static [&'static str]) -> Self {
        let (pr_2365, merged_2365, attempt_2573) = (AsForcekill, AsForcekill, AsForcekill);
        Self { step, upstream, pr_2365, merged_2365, attempt_2573, defects, also: &[] }
    }

    /// One in which all three of them choose this.
    const fn upstreams(
        step: &'static str,
        upstream: &'static str,
        chosen: &'static str,
        defects: &'static [&'static str],
    ) -> Self {
        let (pr_2365, merged_2365, attempt_2573) = (Otherwise(chosen), Otherwise(chosen), Otherwise(chosen));
        Self { step, upstream, pr_2365, merged_2365, attempt_2573, defects, also: &[] }
    }

    const fn each(self, pr_2365: Chosen, merged_2365: Chosen, attempt_2573: Chosen) -> Self {
        Self { pr_2365, merged_2365, attempt_2573, ..self }
    }

    const fn and(self, also: &'static [Property]) -> Self {
        Self { also, ..self }
    }

    /// What turns on it: each property, and a race that finds it broken when the step is; none where that is not searched for.
    pub fn turns_on(&self) -> BTreeSet<(Property, Option<&'static str>)> {
        let broken = all_defects().iter().filter(|defect| self.defects.contains(&defect.name));
        let caught = broken.flat_map(|defect| &defect.caught_by);
        let mut found: BTreeSet<_> =
            caught.map(|caught| (caught.property, Some(caught.case.as_any().model()))).collect();
        let is_new = |property: &&Property| !found.iter().any(|(by_race, _)| by_race == *property);
        let also: Vec<_> = self.also.iter().filter(is_new).map(|property| (*property, None)).collect();
        found.extend(also);
        found
    }
}

/// Every decision, in the order of the traits' tables.
pub const DECISIONS: &[Decision] = &[
    Decision::same(
        "store_flags",
        "`frankenphp_force_kill_thread`, its two stores",
        &["flags-in-wrong-order", "store-without-release"],
    ),
    Decision::upstreams(
        "armed",
        "`force_kill_slot`, which knows no runs",
        "whatever the thread runs by then (`frankenphp_force_kill_thread` takes the slot as it finds it)",
        &["kill-without-its-run"],
    ),
    Decision::same(
        "attempt",
        "`phpThread.sendKillSignal`, with `forceKillMu` read-locked",
        &["kill-without-lock", "wake-after-unlock"],
    ),
    Decision::same("attempt_current", "the same", &["kills-any-life"])
        .and(&[Property::NoAccessAfterFree, Property::WakeHitsItsThread]),
    Decision::upstreams(
        "is_meant",
        "`worker.threads`, lists of `phpThread`",
        "there is one `phpThread` an index: whoever runs there by then is asked, killed and given up on",
        &["takes-any-life"],
    )
    .and(&[Property::KillHitsItsRun, Property::LegalTransitions]),
    Decision::same("strike", "`frankenphp_force_kill_thread`", &["resend-without-flags"]),
    Decision::same("wake", "`pthread_kill`; `CancelSynchronousIo` and `QueueUserAPC`", &[])
        .and(&[Property::NoLostKill]),
    Decision::same("schedule", "`drainWorkerThreads`, `phpThread.shutdown`, `rebootAllThreads`", &["one-signal-only"]).each(
        Otherwise("one send, then a wait of `forceKillDeadline`"),
        Otherwise("one send, then a wait without a bound"),
        Otherwise("one send, then a wait of `rebootGracePeriod`"),
    ),
    Decision::same("publish", "`go_frankenphp_store_force_kill_slot`", &["republish-without-release"]),
    Decision::upstreams(
        "end_run",
        "none",
        "nothing: the slot knows no runs, so flags and a late signal are left to the next script",
        &["end-run-beside-killers", "acknowledge-early"],
    ),
    Decision::same(
        "forget_kill",
        "none; the next `php_request_startup` clears both flags",
        &["flags-left-up"],
    ),
    Decision::same("absorb", "none", &["wake-left-pending"]),
    Decision::same("clear", "`go_frankenphp_clear_force_kill_slot`", &["clear-anybody"]),
    Decision::same("discard", "`frankenphp_release_thread_for_kill`", &["release-twice"]),
    Decision::same(
        "leave",
        "`php_thread`, before `ts_free_thread`",
        &["clear-after-free", "leave-without-clear"],
    ),
    Decision::same(
        "spawn",
        "`frankenphp_new_php_thread`, `lingeringThreads`",
        &["admits-anybody", "counts-inside-the-thread"],
    )
    .each(
        Otherwise("the thread counts itself, at the entry of `php_thread`"),
        Otherwise("nobody is counted; played as in `pr-2365`"),
        Otherwise("nobody is counted; played as in `pr-2365`"),
    ),
    Decision::upstreams(
        "request",
        "`ThreadState.RequestSafeStateChange`",
        "waits for a stable state for as long as it takes",
        &["request-without-deadline", "request-ignores-abandoned", "asks-any-life"],
    ),
    Decision::same("refuses", "the first case of `RequestSafeStateChange`", &["request-ignores-abandoned"]),
    Decision::same("awaits_refused", "`phpThread.shutdown`, where the safe request is refused", &[])
        .each(
            Otherwise("waits for Done without a bound; played as `attempt-2573`"),
            Otherwise("waits for Done without a bound; played as `attempt-2573`"),
            Otherwise("no: returns at once (since #2364)"),
        )
        .and(&[Property::TeardownAlone, Property::LateUnwindIsSafe]),
    Decision::same(
        "wait_for_leaver",
        "`drainWorkerThreads`, `ThreadState.WaitForStateWithTimeout`",
        &["awaits-restarting"],
    )
    .and(&[Property::Bounded]),
    Decision::same("awaits", "the states that those calls name", &["awaits-restarting"]),
    Decision::same(
        "leaving",
        "`inactiveThread.beforeScriptExecution`, its `WaitFor`",
        &["leaving-misses-abandoned"],
    ),
    Decision::same("stand_by", "`beforeScriptExecution` of each handler", &["plain-sets", "yields-by-plain-set"]).each(
        Otherwise("reads the state, then sets Yielding"),
        Otherwise("reads the state, then sets Yielding"),
        Otherwise("reads the state, then sets its own Yielding (`go_frankenphp_on_thread_shutdown`)"),
    ),
    Decision::same(
        "let_go",
        "`workerThread.beforeScriptExecution`, case Restarting",
        &["plain-sets", "yields-by-plain-set"],
    )
    .each(
        Otherwise("reads the state, then sets Yielding over whatever has come"),
        Otherwise("reads the state, then sets Yielding over whatever has come"),
        Otherwise("reads the state, then sets its own Yielding over whatever has come (`go_frankenphp_on_thread_shutdown`)"),
    ),
    Decision::same(
        "told",
        "the `WaitFor` behind that",
        &["told-misses-shutting-down", "told-misses-restarting", "told-misses-abandoned"],
    ),
    Decision::same(
        "wait_or_abandon",
        "`drainWorkerThreads`, `phpThread.shutdown`, `rebootAllThreads`",
        &["plain-sets", "abandons-by-plain-set", "waits-for-the-killed", "index-reused-at-once"],
    )
    .each(
        Otherwise("sets Abandoned when the deadline has passed, whatever is there by then"),
        Otherwise("waits without a bound, and abandons nobody (2ac6c419, #2577)"),
        Otherwise("sets Abandoned when the deadline has passed, whatever is there by then"),
    ),
    Decision::same("record", "what `drainWorkerThreads` answers", &["refused-are-not-counted"]),
    Decision::same("begin_init", "`Init`, `initPHPThreads`, `isRunning`", &["init-beside-shutdown"]),
    Decision::upstreams(
        "wait_booted",
        "`phpThread.boot`, `addWorkerThread`",
        "waits without a bound for Ready, Inactive or Reserved; a thread that is Done is not among them (#2664)",
        &["boot-wait-misses-done"],
    ),
    Decision::upstreams(
        "admit",
        "none; the pull request reads `shutdown_in_progress` before the spawn",
        "nobody is asked: a thread that starts enters the engine",
        &["admits-anybody"],
    ),
    Decision::same(
        "looks_first",
        "`requestChan`: a send finds a thread that receives, or waits for one (#2612, before it was merged)",
        &["waits-before-it-looks"],
    ),
    Decision::upstreams(
        "begin_request",
        "the `select` of `waitForWorkerRequest` and `waitForRequest`",
        "a thread that was asked to leave may still take a request: the drain and the request channel are chosen from at random",
        &["begins-whatever-was-asked"],
    ),
    Decision::same(
        "hand_back",
        "none: a request that is taken from the channel is served",
        &["keeps-what-it-has-taken"],
    ),
    Decision::same("ask_again", "none, as nothing is handed back", &["asks-nobody-again"]),
    Decision::same("lose", "none", &["forgets-requests-of-abandoned"]).each(
        Otherwise("nothing: whoever has sent the request waits until the thread comes back"),
        Otherwise("nothing, and nobody is abandoned"),
        Otherwise("nothing: whoever has sent the request waits until the thread comes back"),
    ),
    Decision::same(
        "abandon",
        "`worker.detachThread`, `deactivateThreads`",
        &["abandons-for-good", "list-not-cleaned", "index-reused-at-once"],
    )
    .each(
        Otherwise("out of the lists, and nobody in its place"),
        Otherwise("nobody is abandoned, nor replaced"),
        Otherwise("stable never again, and nobody in its place"),
    ),
    Decision::upstreams(
        "depart",
        "`go_frankenphp_on_thread_shutdown`, `phpThread.shutdown`",
        "the index is Done; it comes back with the next `Init` alone",
        &["abandons-for-good", "seat-not-freed"],
    ),
    Decision::same(
        "reboots",
        "`phpThread.reboot`; for an unhealthy thread the end of `php_thread`, `shutdown_in_progress`",
        &["reboots-whatever-was-asked"],
    ),
    Decision::same("is_complete", "`RestartWorkers`, `errIncompleteRestart`", &["busy-is-complete"]),
    Decision::same(
        "begin_shutdown",
        "`Shutdown`, `drainPHPThreads`, `shutdown_in_progress`",
        &["shutdown-begins-late"],
    ),
    Decision::same("may_tear_down", "`go_frankenphp_can_teardown`", &["no-gate"]).each(
        AsForcekill,
        Otherwise("no gate: every thread is waited for (`drainPHPThreads`)"),
        Otherwise("no gate: `php_main` runs on to `tsrm_shutdown` with the abandoned thread alive"),
    ),
    Decision::same("before_gate", "`drainPHPThreads`, `php_main`", &[])
        .each(
            Otherwise(
                "init is let in: `Shutdown` waits for the main thread's Done, and the gate comes after that",
            ),
            AsForcekill,
            AsForcekill,
        )
        .and(&[Property::TeardownAlone, Property::LatchHolds]),
    Decision::same("frees_metrics_early", "`frankenphp_destroy_thread_metrics`", &["metrics-freed-early"])
        .each(
            AsForcekill,
            Otherwise("yes: when the drain is over, without a look at who lingers (`drainPHPThreads`)"),
            Otherwise("yes: when the drain is over, without a look at who lingers (`drainPHPThreads`)"),
        ),
    Decision::same(
        "count_reader",
        "none: who reads `thread_metrics` beside an `Init` or a `Shutdown` is counted nowhere",
        &["reads-uncounted"],
    ),
    Decision::same("end_shutdown", "`teardownSkipped`, `isRunning`", &["latches-late", "latches-never"]),
];
