//! The decisions of the runtime, each one step with its sound form as the default. See [`Steps`] for those of a slot and of a
//! lifecycle.
//!
//! | step | sound form | what breaks otherwise |
//! |---|---|---|
//! | [`begin_init`](RuntimeSteps::begin_init) | waits for a shutdown that is under way; never past the latch | a second engine is started over one that was not torn down |
//! | [`wait_booted`](RuntimeSteps::wait_booted) | with a deadline, for every state that ends the wait | init waits for a thread that is gone |
//! | [`admit`](RuntimeSteps::admit) | asked by each OS thread before it touches the engine, and before a script starts | a thread enters an engine that was torn down; a restart misses a script |
//! | [`looks_first`](RuntimeSteps::looks_first) | at its pool's queue, before it waits to be told | a request that came before its thread is lost |
//! | [`begin_request`](RuntimeSteps::begin_request) | in the section that finds the thread unasked | a leaver serves |
//! | [`hand_back`](RuntimeSteps::hand_back) | puts it where others find it, and tells them | the request is lost |
//! | [`ask_again`](RuntimeSteps::ask_again) | asks the scaler for whoever takes it now | the request waits in vain beside a place for one more thread |
//! | [`lose`](RuntimeSteps::lose) | settles what an abandoned thread has taken | its dispatcher waits for ever |
//! | [`abandon`](RuntimeSteps::abandon) | out of every list, and a fresh thread in its place, in one section | capacity is lost for good |
//! | [`depart`](RuntimeSteps::depart) | the seat is freed by its own life, on every path | capacity is lost for good |
//! | [`reboots`](RuntimeSteps::reboots) | only a thread that nobody has asked | a successor starts past the shutdown |
//! | [`is_complete`](RuntimeSteps::is_complete) | counts those that were busy, too | `Ok` while an old script runs |
//! | [`begin_shutdown`](RuntimeSteps::begin_shutdown) | before any thread is asked | a thread is started behind the shutdown's back |
//! | [`may_tear_down`](RuntimeSteps::may_tear_down) | a bounded wait for nobody to linger | a late thread runs in an engine that is gone |
//! | [`before_gate`](RuntimeSteps::before_gate) | lets nobody in yet | an init starts an engine that is about to be torn down |
//! | [`frees_metrics_early`](RuntimeSteps::frees_metrics_early) | never: with the teardown | a late callback counts in freed memory |
//! | [`count_reader`](RuntimeSteps::count_reader) | before the look whether the runtime is up, until it has read | metrics are freed under whoever reads them |
//! | [`end_shutdown`](RuntimeSteps::end_shutdown) | latches in the section that lets init in again | an init slips in between |

use std::time::Duration;

use super::{Sound, Steps};
use crate::engine::InterruptFlags;
use crate::lingering::{Lingering, Registration, StillLingering};
use crate::platform::{Monitor, Platform};
use crate::roster::{Claim, Life, Phase, Pool, Roster, Rules};
use crate::runtime::Waiting;
use crate::state::{Event, State, States};
use crate::thread::Thread;

/// Why an init may not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NoInit {
    /// A runtime is up, or about to be.
    Running,
    /// A shutdown, or the completion of a teardown, was still under way at the deadline.
    StillStopping,
    /// The latch.
    TeardownSkipped,
}

/// The decisions of a runtime.
pub trait RuntimeSteps<P, F>: Steps<P, F>
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
    /// An init begins, if it may; answers its number.
    ///
    /// # Errors
    /// If it may not.
    fn begin_init(roster: &P::Monitor<Roster>, deadline: Duration) -> Result<u32, NoInit> {
        let may_begin = |roster: &mut Roster| match roster.phase() {
            Phase::Down => roster.begin_init().map(Ok),
            Phase::TeardownSkipped => Some(Err(NoInit::TeardownSkipped)),
            Phase::Starting | Phase::Up => Some(Err(NoInit::Running)),
            Phase::Stopping | Phase::Completing => None,
        };
        roster.wait_until_or(deadline, may_begin, |_| Err(NoInit::StillStopping))
    }

    /// Waits until a thread has booted, or will not; `None` if the deadline passed first.
    fn wait_booted(thread: &Thread<P, F, Self>, deadline: Duration) -> Option<State> {
        // One that has rebooted already has served, too.
        let booted = States::STABLE.with(State::Rebooting).with(State::RebootReady);
        let failed = booted.with(State::ShuttingDown).with(State::Abandoned).with(State::Done);
        thread.wait_for_until(failed, deadline)
    }

    /// What the calling OS thread is to serve; `None` if it is to exit.
    fn admit(roster: &P::Monitor<Roster>, generation: u32, life: Life) -> Option<Pool> {
        roster.with(|roster| roster.admit(generation, life))
    }

    /// Whether a thread that is ready for a request looks for one before it waits to be told of one: what came before it served its
    /// pool was announced to others alone, or to nobody.
    fn looks_first() -> bool {
        true
    }

    /// Whether the thread may serve the request that it has taken.
    fn begin_request(thread: &Thread<P, F, Self>) -> bool {
        thread.with(|lifecycle| lifecycle.begin_request())
    }

    /// A leaver hands back what it has taken; whether somebody else may find it now.
    fn hand_back<Q: Send, A: Send>(waiting: &mut Waiting<Q, A>, id: u64, life: Life) -> bool {
        waiting.hand_back(id, life)
    }

    /// A request of this pool was handed back, and others find it now: asks the scaler for a thread. The request's dispatcher has
    /// asked before, or saw it taken and will not, and the scaler may have looked while it was taken.
    fn ask_again(roster: &P::Monitor<Roster>, pool: Pool) {
        roster.with(|roster| roster.stall(pool));
    }

    /// Settles what an abandoned thread has taken.
    fn lose<Q: Send, A: Send>(waiting: &mut Waiting<Q, A>, life: Life) {
        waiting.lose(life);
    }

    /// A restart has abandoned this thread. Answers what it has served, if it has not left already, and what was claimed in its
    /// place.
    fn abandon(
        roster: &P::Monitor<Roster>,
        generation: u32,
        life: Life,
        rules: &Rules,
    ) -> (Option<Pool>, Vec<Claim>) {
        roster.with(|roster| (roster.quarantine(generation, life), roster.fill(generation, rules)))
    }

    /// The calling OS thread is about to end. Answers whether it had been abandoned, and what was claimed because there is room
    /// again.
    fn depart(roster: &P::Monitor<Roster>, generation: u32, life: Life, rules: &Rules) -> (bool, Vec<Claim>) {
        roster.with(|roster| (roster.depart(generation, life), roster.fill(generation, rules)))
    }

    /// The calling thread's OS thread is to be replaced; `false` if somebody has asked something of it before.
    fn reboots(thread: &Thread<P, F, Self>) -> bool {
        thread.changes(Event::RequestReboot)
    }

    /// Whether a restart has restarted everything.
    fn is_complete(abandoned: usize, busy: usize) -> bool {
        abandoned == 0 && busy == 0
    }

    /// A shutdown begins, if the runtime is up.
    fn begin_shutdown(roster: &P::Monitor<Roster>, generation: u32) -> bool {
        roster.with(|roster| {
            let is_up = roster.is_up(generation);
            if is_up {
                roster.set_phase(Phase::Stopping);
            }
            is_up
        })
    }

    /// The teardown gate: whether nothing lingers.
    ///
    /// # Errors
    /// If something still did at the deadline.
    fn may_tear_down(lingering: &Lingering<P>, deadline: Duration) -> Result<(), StillLingering> {
        lingering.wait_none(deadline)
    }

    /// What a shutdown does when every thread has exited or was abandoned, before the gate.
    fn before_gate(roster: &P::Monitor<Roster>) {
        let _ = roster;
    }

    /// Whether metrics are freed before the gate.
    fn frees_metrics_early() -> bool {
        false
    }

    /// Whoever is about to read metrics is counted, until what is answered is dropped.
    fn count_reader(lingering: &Lingering<P>) -> Option<Registration<P>> {
        Some(lingering.register())
    }

    /// The last step of a shutdown: whoever waits for an init goes on, or finds the latch.
    fn end_shutdown(roster: &P::Monitor<Roster>, torn_down: bool) {
        let phase = if torn_down { Phase::Down } else { Phase::TeardownSkipped };
        roster.with(|roster| roster.set_phase(phase));
    }
}

impl<P, F> RuntimeSteps<P, F> for Sound
where
    P: Platform,
    F: InterruptFlags<Flag = P::Flag>,
{
}
