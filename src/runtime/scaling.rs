//! Scaling: a thread more where requests wait too long, a thread less where one is idle.
//!
//! A scaler waits for no thread. It claims a seat, and either boots a thread there or asks an inactive one for a transition; the
//! thread takes up what it is to serve by itself, whenever it gets to it. So a thread that is slow, or stuck, holds up neither
//! the scaler nor anybody who wants to look at the lists. Upstream's scaler holds `scalingMu` while it waits for a thread's boot.
//!
//! An abandoned or exited thread needs no cleanup here: it has left the one list that there is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::queue::Queue;
use super::{Runtime, Shared};
use crate::engine::Engine;
use crate::observer::Notice;
use crate::platform::{Mark, Monitor, Platform};
use crate::roster::{Claim, NoPlace, Pool, Roster};
use crate::state::Event;
use crate::steps::runtime::RuntimeSteps;

/// Why no thread was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScaleError {
    /// There is no worker of that name.
    NoSuchWorker,
    /// There is no place.
    NoPlace(NoPlace),
    /// The thread that was picked was taken by a restart or shutdown meanwhile, or the system refuses threads.
    NotStarted,
}

impl<E, P, S> Runtime<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// Adds a thread to the worker of this name, or to the regular threads; answers its index. The thread may still be booting
    /// when this returns.
    ///
    /// A runtime that may have more threads than it starts with does this by itself, when a request waits for longer than
    /// [`stall_after`](crate::Config::stall_after). May be called from any thread; waits for nobody.
    ///
    /// # Errors
    /// If there is no place for one, or it cannot be started.
    pub fn scale_up(&self, worker: Option<&str>) -> Result<usize, ScaleError> {
        let pool = self.0.pool_of(worker).ok_or(ScaleError::NoSuchWorker)?;
        self.0.scale_up(pool)
    }

    /// Takes threads that a scaler added and that have been idle for [`idle_after`](crate::Config::idle_after) a step down: one
    /// that serves becomes inactive, one that is inactive exits. Answers how many.
    ///
    /// A runtime that may have more threads than it starts with does this by itself. May be called from any thread; waits for
    /// nobody.
    pub fn scale_down(&self) -> usize {
        self.0.scale_down()
    }
}

/// What ends a wait of the scaler.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Turn {
    Stalled(Pool),
    Stop,
}

impl<E, P, S> Shared<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// Whether there can be more threads than at the start, and nobody else sees to that.
    pub(super) fn has_scaler(&self) -> bool {
        self.config.scales_by_itself() && self.config.max_threads() > self.config.threads()
    }

    /// Starts the thread that scales, if there is anything to. It is counted like the threads that it may start, so that no
    /// teardown comes between.
    pub(super) fn start_scaler(self: &Arc<Self>) {
        if !self.has_scaler() {
            return;
        }
        let registration = self.process.lingering.register();
        let shared = Arc::clone(self);
        let spawned = self.process.platform.spawn(move || {
            shared.keep_scaling();
            drop(shared);
            drop(registration);
        });
        if let Err(error) = spawned {
            // The runtime serves on with the threads that it has.
            self.process.notices.tell(Notice::ScalerNotStarted { error });
        }
    }

    fn keep_scaling(self: &Arc<Self>) {
        let turn = |roster: &mut Roster| match roster.is_up(self.generation) {
            true => roster.take_stalled().map(Turn::Stalled),
            false => Some(Turn::Stop),
        };
        // The pools in which requests wait too long. Each request asks once, and two that ask at once are one: so the scaler
        // goes on, a thread at a time, until none waits.
        let mut short = Vec::new();
        let mut round = self.next_round(&short);
        loop {
            // All else that it has seen makes no difference from here on.
            self.process.platform.forgets(Mark::NOTHING, || ("scales", self.generation, short.clone()));
            match self.process.roster.wait_until(round, turn) {
                Some(Turn::Stop) => return,
                Some(Turn::Stalled(pool)) => {
                    // Without a place for one more, requests wait on.
                    let _ = self.scale_up(pool);
                    if !short.contains(&pool) {
                        short.push(pool);
                        round = round.min(self.next_round(&short));
                    }
                }
                None => {}
            }
            // Looked at each time: requests that stall again and again must not keep idle threads where they are.
            if self.process.platform.now() >= round {
                self.scale_down();
                self.fill_up();
                short.retain(|pool| self.has_waiting(*pool));
                for pool in &short {
                    let _ = self.scale_up(*pool);
                }
                round = self.next_round(&short);
            }
        }
    }

    /// When the scaler looks around next: sooner while requests wait.
    fn next_round(&self, short: &[Pool]) -> Duration {
        let idle_after = self.config.idle_after();
        let pause = if short.is_empty() { idle_after } else { idle_after.min(self.config.stall_after()) };
        self.process.platform.now().saturating_add(pause)
    }

    fn has_waiting(&self, pool: Pool) -> bool {
        pool.number().and_then(|number| self.queues.get(number)).is_some_and(Queue::has_waiting)
    }

    /// Whoever is missing, because a spawn failed or the quarantine was full, gets another chance.
    fn fill_up(self: &Arc<Self>) {
        let claims = self.process.roster.with(|roster| roster.fill(self.generation, &self.rules));
        for claim in claims {
            self.act_on(claim);
        }
    }

    fn scale_up(self: &Arc<Self>, pool: Pool) -> Result<usize, ScaleError> {
        let claim = self.process.roster.with(|roster| roster.claim(self.generation, pool, &self.rules));
        let claim: Claim = claim.map_err(ScaleError::NoPlace)?;
        let life = self.act_on(claim).ok_or(ScaleError::NotStarted)?;
        self.process.notices.tell(Notice::ScaledUp { thread: life.thread, worker: self.name_of(pool) });
        Ok(life.thread)
    }

    fn scale_down(self: &Arc<Self>) -> usize {
        let scaled = self.process.roster.with(|roster| match roster.is_up(self.generation) {
            true => roster.members().into_iter().filter(|member| member.scaled).collect::<Vec<_>>(),
            false => Vec::new(),
        });
        let platform = &self.process.platform;
        let (idle, now) = (self.config.idle_after(), platform.now());
        let (mark, mut taken) = (platform.mark(), 0);
        for member in scaled {
            let (life, thread) = (member.life, &self.threads[member.life.thread]);
            platform.forgets(mark, || ("looks at", life, taken));
            if thread.idle_for().is_none_or(|idle_for| idle_for < idle) {
                continue;
            }
            let ask = |event| thread.with(|lifecycle| lifecycle.ask_idle(life.nth, event, idle, now));
            let asked = match member.pool {
                Pool::Inactive => ask(Event::RequestShutdown),
                Pool::Regular | Pool::Worker(_) => {
                    let retires = self.process.roster.with(|roster| roster.retire(self.generation, life));
                    let asked = retires && ask(Event::RequestTransition);
                    if retires && !asked {
                        self.process.roster.with(|roster| roster.unclaim(self.generation, life));
                    }
                    asked
                }
            };
            if asked {
                taken += 1;
                self.process.notices.tell(Notice::ScaledDown { thread: life.thread });
            }
        }
        taken
    }
}

impl fmt::Display for ScaleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchWorker => write!(f, "there is no such worker"),
            Self::NoPlace(NoPlace::NotRunning) => write!(f, "the runtime is not up"),
            Self::NoPlace(NoPlace::PoolFull) => write!(f, "the worker has as many threads as it may"),
            Self::NoPlace(NoPlace::RuntimeFull) => write!(f, "there are as many threads as there may be"),
            Self::NoPlace(NoPlace::QuarantineFull) => {
                write!(f, "every index that is left waits for an abandoned thread to exit")
            }
            Self::NotStarted => write!(f, "the thread could not be started: try again"),
        }
    }
}

impl std::error::Error for ScaleError {}
