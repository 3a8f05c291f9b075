//! Ends threads that are stuck in foreign code.
//!
//! A thread that runs scripts of a foreign engine (PHP, say) publishes itself in a [`Slot`]. Whoever needs it to stop
//! calls [`Slot::kill`] with the script run that it is after: the engine's interrupt flags are stored, the blocking
//! system call that the thread may be in is interrupted, and both are repeated until the run has ended. The answer is a
//! [`Verdict`].
//!
//! ```
//! # #[cfg(any(target_os = "linux", target_os = "freebsd"))] {
//! use std::io::{ErrorKind, Read};
//! use std::os::unix::net::UnixStream;
//! use std::sync::{Arc, mpsc};
//!
//! use forcekill::{InterruptFlags, Native, OwnedFlags, ResendPolicy, Slot, Verdict};
//!
//! let slot = Arc::new(Slot::<Native>::new(Native::default()));
//! let (dead_socket, _peer) = UnixStream::pair()?; // nobody will ever write to it
//! let (started, runs) = mpsc::channel();
//!
//! let thread = std::thread::spawn({
//!     let slot = Arc::clone(&slot);
//!     move || {
//!         let flags = OwnedFlags::new();
//!         slot.occupy(flags.clone(), |thread| {
//!             thread.run(|run| {
//!                 started.send(run).unwrap();
//!                 loop {
//!                     if flags.consume_interrupt() {
//!                         return "killed";
//!                     }
//!                     match (&dead_socket).read(&mut [0; 64]) {
//!                         Err(error) if error.kind() == ErrorKind::Interrupted => {}
//!                         _ => return "finished",
//!                     }
//!                 }
//!             })
//!         })
//!     }
//! });
//!
//! let run = runs.recv()?;
//! let verdict = slot.kill(run, &ResendPolicy::default());
//! assert!(matches!(verdict, Verdict::Ended(_)), "{verdict}");
//! assert_eq!(thread.join().unwrap(), "killed");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # A whole runtime
//! A [`Process`] has the engine and starts a [`Runtime`] in it, which keeps worker threads and regular threads serving: it
//! dispatches requests to them, replaces the ones that are used up, unhealthy or lost, restarts the workers and shuts down, each
//! within a bound that follows from its [`Config`], whatever a thread is stuck in.
//!
//! | to | see |
//! |---|---|
//! | run closures as scripts, in thirty lines | [`ClosureEngine`] |
//! | run another engine | [`Engine`] |
//! | say how many threads, which workers, how long | [`Config`] |
//! | watch what happens | [`Observer`], [`Notice`], [`Process::counts`] |
//! | know what a call waits for, and for how long | [`runtime`] |
//! | go on after a thread that cannot be ended | [`process`] |
//! | kill one script, without a runtime | [`Slot`] |
//! | restart and shut down threads of one's own | [`drain`](mod@drain) |
//!
//! # How it is built
//! Two seams: [`Platform`] is what the operating system must offer, [`engine`] what the engine must. The
//! code between them is the same on a real system and under the model checkers. The decisions that the proofs turn on
//! are the methods of [`Steps`](steps::Steps).

pub mod config;
pub mod drain;
pub mod engine;
mod kill;
pub mod leaver;
mod lingering;
pub mod observer;
mod occupy;
pub mod platform;
pub mod process;
pub mod roster;
pub mod runtime;
mod slot;
pub mod state;
pub mod steps;
pub mod thread;
mod wake;

pub use config::{Config, ConfigError, ValidConfig, ValidWorker, Worker};
pub use drain::{Drained, Fate, Limits, LimitsOverflow, drain, resume, shut_down};
pub use engine::{
    ClosureEngine, Engine, EngineError, ForeignFlags, InterruptFlags, On, OwnedFlags, Requests, Script,
    ScriptEnd, ThreadStorage,
};
pub use kill::{Effort, Verdict};
pub use lingering::{Lingering, Registration, StillLingering};
#[cfg(feature = "tracing")]
pub use observer::TracingObserver;
pub use observer::{Counters, Counts, Notice, Notices, Observer, Rejection};
pub use occupy::Occupied;
#[cfg(unix)]
pub use platform::unix::{KillSignal, SignalError};
pub use platform::{Native, NativeConfig, Obstacle, Platform, SpawnError, Wake};
pub use process::{InitError, Process, TeardownError};
pub use runtime::{IncompleteRestart, Rejected, RestartError, Restarted, Runtime, ScaleError, ShutDown};
pub use slot::{Occupant, PublicationId, RunId, Slot, SlotState};
pub use state::{IllegalTransition, State, States};
pub use thread::{Request, Thread};
pub use wake::{PolicyError, ResendPolicy};

/// The README's example is a test too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
