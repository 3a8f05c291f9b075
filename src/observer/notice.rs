//! The list of what a runtime tells.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::drain::Call;
use crate::engine::EngineError;
use crate::platform::SpawnError;
use crate::state::IllegalTransition;
use crate::steps::Attempt;

/// Declares [`Notice`] and, from the same lines, its counters.
macro_rules! notices {
    ($(
        $(#[$doc:meta])+
        $counter:ident: $kind:ident $({ $( $(#[$field_doc:meta])+ $field:ident: $type:ty, )+ })?;
    )+) => {
        /// Something that has happened in a runtime. A thread is named by its index, a worker by its name; a regular thread
        /// has no worker.
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub enum Notice {
            $( $(#[$doc])+ $kind $({ $( $(#[$field_doc])+ $field: $type, )+ })?, )+
        }

        counters! { $( $counter: $kind, )+ }
    };
}

notices! {
    /// The start is complete: every thread is ready.
    initialised: Initialised {
        /// How many threads there are.
        threads: usize,
    };
    /// The start has failed; the threads that were started are shut down next.
    init_failed: InitFailed {
        /// How many threads were ready.
        ready: usize,
        /// How many there were to be.
        threads: usize,
    };
    /// A thread is ready to serve.
    booted: Booted {
        /// The thread.
        thread: usize,
        /// Its worker.
        worker: Option<Arc<str>>,
    };
    /// A script has ended before it was ready to serve.
    boot_failed: BootFailed {
        /// The thread.
        thread: usize,
        /// Its worker.
        worker: Option<Arc<str>>,
        /// How many times in a row, this one included.
        consecutive: u32,
    };
    /// A script has failed to boot so often that its thread exits instead of trying again.
    gave_up_booting: GaveUpBooting {
        /// The thread.
        thread: usize,
        /// Its worker.
        worker: Option<Arc<str>>,
    };
    /// The grace period is over, and the thread's run is killed: the first of its sends.
    killed: Killed {
        /// The thread.
        thread: usize,
    };
    /// One attempt of a kill was made, the first included.
    sent: Sent {
        /// The thread.
        thread: usize,
        /// Which one, counted from 1.
        nth: u32,
        /// What it came to.
        wake: Attempt,
    };
    /// A thread has let go of its script for a restart, or has exited for a shutdown.
    drained: Drained {
        /// The thread.
        thread: usize,
    };
    /// A restart has left a thread alone that could not be asked within the grace period: it may run its old script on.
    busy: Busy {
        /// The thread.
        thread: usize,
    };
    /// A thread did not come back within the limits. It exits if it ever does.
    abandoned: Abandoned {
        /// The thread.
        thread: usize,
        /// What it did not come back for.
        call: Call,
    };
    /// A fresh thread serves in the place of an abandoned one, whose index is in quarantine until it exits.
    replaced: Replaced {
        /// The abandoned thread.
        abandoned: usize,
        /// The one in its place.
        by: usize,
    };
    /// An abandoned thread is not replaced for now: as many as there may be are in quarantine already, or the system refuses
    /// threads (then [`Notice::SpawnFailed`] was told before), or a shutdown has begun.
    quarantine_full: QuarantineFull {
        /// The abandoned thread.
        abandoned: usize,
    };
    /// An abandoned thread has exited after all; its index can be used again.
    came_back: CameBack {
        /// The thread.
        thread: usize,
    };
    /// An OS thread has ended in a way in which it could not serve on, and a fresh one takes its index.
    respawned: Respawned {
        /// The thread.
        thread: usize,
    };
    /// A thread has served `max_requests`, and a fresh OS thread serves in its place.
    rebooted: Rebooted {
        /// The thread.
        thread: usize,
    };
    /// The system has refused to start an OS thread.
    spawn_failed: SpawnFailed {
        /// The thread that it was for.
        thread: usize,
        /// The refusal.
        error: SpawnError,
    };
    /// The engine has refused an OS thread.
    start_refused: StartRefused {
        /// The thread.
        thread: usize,
        /// What the engine says.
        error: EngineError,
    };
    /// An OS thread ends in a state in which none should: a mistake of the library or of whoever changes states by hand.
    ended_illegally: EndedIllegally {
        /// The thread.
        thread: usize,
        /// What the table of states says.
        error: IllegalTransition,
    };
    /// The system has refused the thread that scales: the runtime serves on with the threads that it has.
    scaler_not_started: ScalerNotStarted {
        /// The refusal.
        error: SpawnError,
    };
    /// The scaler has added a thread.
    scaled_up: ScaledUp {
        /// The thread.
        thread: usize,
        /// Its worker.
        worker: Option<Arc<str>>,
    };
    /// The scaler has taken an idle thread away.
    scaled_down: ScaledDown {
        /// The thread.
        thread: usize,
    };
    /// A restart is over.
    restarted: Restarted {
        /// How many threads run their new scripts.
        restarted: usize,
        /// How many were given up.
        abandoned: usize,
    };
    /// A request was turned away.
    request_rejected: RequestRejected {
        /// Why.
        reason: Rejection,
    };
    /// A thread that is to leave has handed back the request that it had taken, for another to serve.
    handed_back: HandedBack {
        /// The thread.
        thread: usize,
    };
    /// A shutdown is through with the threads: each has exited, or was abandoned. The gate before the teardown comes next.
    shut_down: ShutDown;
    /// The engine was torn down in the shutdown.
    torn_down: TornDown;
    /// The shutdown has left the teardown out, because threads had not exited: the engine cannot be started again before
    /// [`Process::complete_teardown`](crate::Process::complete_teardown).
    teardown_skipped: TeardownSkipped {
        /// How many threads had not exited.
        lingering: usize,
    };
    /// The last thread that a skipped teardown was for has exited, and the engine was torn down after all.
    teardown_completed: TeardownCompleted;
}

/// Why a request was turned away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Rejection {
    /// The runtime is being shut down, or is.
    ShuttingDown,
    /// There is no worker of that name.
    NoSuchWorker,
    /// As many requests as there may be are waiting already.
    QueueFull,
    /// It has waited as long as it may.
    WaitedTooLong,
    /// The thread that served it did not come back within its limits.
    Lost,
    /// Its script has ended without a response.
    Unanswered,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ShuttingDown => "the runtime is shutting down",
            Self::NoSuchWorker => "there is no such worker",
            Self::QueueFull => "the queue is full",
            Self::WaitedTooLong => "it waited too long",
            Self::Lost => "the thread that served it was abandoned",
            Self::Unanswered => "its script ended without a response",
        })
    }
}

/// One notice of each kind.
#[cfg(test)]
pub(super) fn examples() -> Vec<Notice> {
    use crate::platform::Wake;
    use crate::state::{Event, State};

    let worker = || Some(Arc::from("shop"));
    vec![
        Notice::Initialised { threads: 4 },
        Notice::InitFailed { ready: 2, threads: 4 },
        Notice::Booted { thread: 3, worker: worker() },
        Notice::BootFailed { thread: 3, worker: worker(), consecutive: 2 },
        Notice::GaveUpBooting { thread: 3, worker: worker() },
        Notice::Killed { thread: 3 },
        Notice::Sent { thread: 3, nth: 1, wake: Attempt::Made(Wake::Sent) },
        Notice::Drained { thread: 3 },
        Notice::Busy { thread: 3 },
        Notice::Abandoned { thread: 3, call: Call::Restart },
        Notice::Replaced { abandoned: 3, by: 5 },
        Notice::QuarantineFull { abandoned: 3 },
        Notice::CameBack { thread: 3 },
        Notice::Respawned { thread: 3 },
        Notice::Rebooted { thread: 3 },
        Notice::SpawnFailed { thread: 3, error: SpawnError { errno: Some(11) } },
        Notice::StartRefused { thread: 3, error: EngineError { what: "no memory".to_string() } },
        Notice::EndedIllegally {
            thread: 3,
            error: IllegalTransition { event: Event::Exit, state: State::Yielding },
        },
        Notice::ScalerNotStarted { error: SpawnError { errno: Some(11) } },
        Notice::ScaledUp { thread: 3, worker: None },
        Notice::ScaledDown { thread: 3 },
        Notice::Restarted { restarted: 3, abandoned: 1 },
        Notice::RequestRejected { reason: Rejection::QueueFull },
        Notice::HandedBack { thread: 3 },
        Notice::ShutDown,
        Notice::TornDown,
        Notice::TeardownSkipped { lingering: 1 },
        Notice::TeardownCompleted,
    ]
}
