//! The process and its engine: init, the teardown gate, and the latch.
//!
//! An engine such as PHP is started once for the whole process, and can only be torn down when none of its threads is left. A
//! thread that was abandoned may be left for ever. So the last step of a shutdown is a gate: a bounded wait for the lingering
//! count, then the teardown if the count has reached zero, otherwise a latch. Behind the latch every init returns
//! [`InitError::TeardownSkipped`] at once; when the last thread has exited after all, [`Process::complete_teardown`] makes up for
//! what was skipped, and takes the latch away.
//!
//! Upstream: `Init`, `go_frankenphp_can_teardown`, `teardownSkipped`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use crate::config::{Config, ConfigError, ValidConfig};
use crate::engine::{Engine, EngineError};
use crate::lingering::{Lingering, StillLingering};
use crate::observer::{Counts, Notice, Notices, Observer};
use crate::platform::{Answer, Monitor, Native, Platform};
use crate::roster::{Phase, Roster};
use crate::runtime::{Runtime, ShutDown};
use crate::steps::Sound;
use crate::steps::runtime::{NoInit, RuntimeSteps};

/// A process with an engine that can be started in it. One a process: an engine is. Clones are the same one.
pub struct Process<E, P = Native, S = Sound>(pub(crate) Arc<Inner<E, P, S>>)
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>;

pub(crate) struct Inner<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    pub(crate) platform: P,
    pub(crate) engine: E,
    pub(crate) roster: P::Monitor<Roster>,
    pub(crate) lingering: Lingering<P>,
    pub(crate) notices: Notices,
    steps: std::marker::PhantomData<fn() -> S>,
}

/// Why an init failed. Unless it says so, nothing is left behind, and it may be tried again.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InitError {
    /// The configuration makes no sense.
    Config(ConfigError),
    /// A runtime is up already, or is being started.
    Running,
    /// A shutdown was still under way when the boot limit had passed.
    StillStopping,
    /// An earlier shutdown has not torn the engine down, because threads had not exited. Upstream: `ErrTeardownSkipped`.
    TeardownSkipped,
    /// The engine cannot be started.
    Engine(EngineError),
    /// Not every thread has come to serve; those that were started have been shut down again.
    Boot {
        /// How many threads were ready.
        ready: usize,
        /// How many there were to be.
        threads: usize,
        /// How the shutdown went. If it skipped the teardown, no init may follow.
        shut_down: ShutDown,
    },
}

/// Why a teardown cannot be completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TeardownError {
    /// None was skipped, or somebody else is completing it.
    NothingSkipped,
    /// Threads have not exited yet.
    StillLingering(StillLingering),
}

impl<E, P, S> Process<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// A process whose engine has not been started. `observer` is told what happens; `()` looks away.
    pub fn new(platform: P, engine: E, observer: impl Observer) -> Self {
        let (roster, lingering) = (platform.monitor(Roster::new()), Lingering::new(&platform));
        let (notices, steps) = (Notices::new(observer), std::marker::PhantomData);
        Self(Arc::new(Inner { platform, engine, roster, lingering, notices, steps }))
    }

    /// Starts the engine and the threads, and waits until each of them serves. Where a shutdown is under way, waits for that
    /// first.
    ///
    /// May be called from any thread that is none of the engine's. Returns within [`ValidConfig::init_bound`] and the time of
    /// the engine's start-up.
    ///
    /// # Errors
    /// See [`InitError`]. Behind the latch it comes at once.
    ///
    /// Upstream: `Init`.
    pub fn init(&self, config: Config) -> Result<Runtime<E, P, S>, InitError> {
        let config = config.validated().map_err(InitError::Config)?;
        let inner = &self.0;
        let deadline = inner.platform.now().saturating_add(config.boot_limit());
        let generation = S::begin_init(&inner.roster, deadline)?;
        let panicked = |_| Err(EngineError { what: "it panicked when it was started".to_string() });
        let started = catch_unwind(AssertUnwindSafe(|| inner.engine.start_up())).unwrap_or_else(panicked);
        if let Err(error) = started {
            inner.roster.with(|roster| roster.set_phase(Phase::Down));
            return Err(InitError::Engine(error));
        }
        inner.engine.allocate_metrics(config.seats());
        Runtime::start(Arc::clone(inner), config, generation, deadline)
    }

    /// Tears the engine down after all, when the last thread has exited that a shutdown had left behind. After that an init may
    /// run again.
    ///
    /// May be called from any thread that is none of the engine's. Returns at once, but for the engine's own teardown.
    ///
    /// # Panics
    /// If the engine does; the latch stays, and the teardown may be tried again.
    ///
    /// # Errors
    /// If there is nothing to complete, or threads still linger.
    pub fn complete_teardown(&self) -> Result<(), TeardownError> {
        let inner = &self.0;
        // Nobody can come in behind the latch, so zero stays zero.
        let lingering = inner.lingering.count();
        let begun = inner.roster.with(|roster| {
            let begins = roster.phase() == Phase::TeardownSkipped && lingering == 0;
            if begins {
                roster.set_phase(Phase::Completing);
            }
            begins.then_some(()).ok_or(roster.phase())
        });
        match begun {
            Ok(()) => {
                inner.tear_down();
                inner.notices.tell(Notice::TeardownCompleted);
                Ok(())
            }
            Err(Phase::TeardownSkipped) => {
                Err(TeardownError::StillLingering(StillLingering { threads: lingering }))
            }
            Err(_) => Err(TeardownError::NothingSkipped),
        }
    }

    /// How many OS threads are registered with the engine, or about to be. May be called from any thread.
    pub fn lingering(&self) -> usize {
        self.0.lingering.count()
    }

    /// Waits until no OS thread of the engine's is left. May be called from any thread that is none of the engine's: after a skipped
    /// teardown, say, to complete it as soon as that can be done.
    ///
    /// # Errors
    /// If that takes longer than `within`.
    pub fn wait_none_lingering(&self, within: Duration) -> Result<(), StillLingering> {
        self.0.lingering.wait_none(self.0.platform.now().saturating_add(within))
    }

    /// How far the process is. May be called from any thread.
    pub fn phase(&self) -> Phase {
        self.0.roster.with(|roster| roster.phase())
    }

    /// Waits until `ready` answers. For whoever waits for the threads to be as they should; without a bound.
    pub fn wait_roster<R: Answer>(&self, ready: impl Fn(&Roster) -> Option<R>) -> R {
        self.0.roster.wait(|roster| ready(roster))
    }

    /// How often each thing has happened since the process was made, whatever was shut down meanwhile. May be called from any
    /// thread.
    pub fn counts(&self) -> Counts {
        self.0.notices.counts()
    }

    /// The engine.
    pub fn engine(&self) -> &E {
        &self.0.engine
    }
}

impl<E, P, S> Inner<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// The gate: waits for nobody to linger, and tears down or latches. The caller has begun a shutdown.
    pub(crate) fn end_shutdown(&self, config: &ValidConfig) -> ShutDown {
        S::before_gate(&self.roster);
        if S::frees_metrics_early() {
            self.engine.free_metrics();
        }
        let deadline = self.platform.now().saturating_add(config.teardown_limit());
        match S::may_tear_down(&self.lingering, deadline) {
            Ok(()) => {
                self.tear_down();
                self.notices.tell(Notice::TornDown);
                ShutDown::TornDown
            }
            Err(StillLingering { threads: lingering }) => {
                self.notices.tell(Notice::TeardownSkipped { lingering });
                S::end_shutdown(&self.roster, false);
                ShutDown::TeardownSkipped { lingering }
            }
        }
    }

    /// Whatever the engine makes of it, whoever waits for the end of the shutdown goes on.
    fn tear_down(&self) {
        let torn_down = catch_unwind(AssertUnwindSafe(|| {
            if !S::frees_metrics_early() {
                self.engine.free_metrics();
            }
            self.engine.tear_down();
        }));
        S::end_shutdown(&self.roster, torn_down.is_ok());
        if let Err(panic) = torn_down {
            // An engine that is half torn down must not be started: the latch is set.
            resume_unwind(panic);
        }
    }
}

impl<E, P, S> Clone for Process<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E, P, S> fmt::Debug for Process<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process").field("phase", &self.phase()).field("lingering", &self.lingering()).finish()
    }
}

impl From<NoInit> for InitError {
    fn from(why: NoInit) -> Self {
        match why {
            NoInit::Running => Self::Running,
            NoInit::StillStopping => Self::StillStopping,
            NoInit::TeardownSkipped => Self::TeardownSkipped,
        }
    }
}

impl fmt::Display for InitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Config(error) => error.fmt(f),
            Self::Running => write!(f, "a runtime is up already: shut it down first"),
            Self::StillStopping => {
                write!(f, "a shutdown was still under way when the boot limit had passed: try again")
            }
            Self::TeardownSkipped => write!(
                f,
                "a shutdown has not torn the engine down, because threads had not exited: complete the teardown when they \
                 have, or end the process"
            ),
            Self::Engine(error) => error.fmt(f),
            Self::Boot { ready, threads, shut_down } => {
                write!(f, "{ready} of {threads} threads were ready within the boot limit; {shut_down}")
            }
        }
    }
}

impl std::error::Error for InitError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Config(error) => Some(error),
            Self::Engine(error) => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for TeardownError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingSkipped => write!(f, "no teardown was skipped: there is nothing to complete"),
            Self::StillLingering(still) => {
                let (threads, have) =
                    if still.threads == 1 { ("thread has", "it has") } else { ("threads have", "they have") };
                write!(f, "{} {threads} not exited yet: try again when {have}", still.threads)
            }
        }
    }
}

impl std::error::Error for TeardownError {}
