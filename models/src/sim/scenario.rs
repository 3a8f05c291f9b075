//! What a run is made of: the configuration, the calls, what goes wrong, and who runs when.
//!
//! Everything is drawn from one number, or listed. A list is what a failure is shrunk to, and what is kept in a file.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A whole run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// The number that it was drawn from.
    pub seed: u64,
    /// The configurations that an init can ask for.
    pub shapes: Vec<Shape>,
    /// What is called, in the order of each caller.
    pub ops: Vec<Op>,
    /// What goes wrong.
    pub quirks: Quirks,
    /// Who runs when.
    pub schedule: Schedule,
}

/// A configuration of the runtime.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shape {
    /// Threads of the worker.
    pub workers: u32,
    /// Threads of no worker.
    pub regular: u32,
    /// How many more there may be.
    pub extra: u32,
    /// How many abandoned threads may be replaced.
    pub quarantined: u32,
    /// How long threads have to come back by themselves, in milliseconds.
    pub grace_ms: u32,
    /// How long they are killed after that.
    pub kill_ms: u32,
    /// How long an init waits for its threads.
    pub boot_ms: u32,
    /// How long a shutdown waits for threads that linger.
    pub teardown_ms: u32,
    /// How long a request may wait for a thread.
    pub max_wait_ms: u32,
    /// How long a scaled thread may be idle.
    pub idle_ms: u32,
    /// Whether the runtime scales by itself.
    pub scales: bool,
    /// After how many requests an OS thread is replaced; 0 is never.
    pub max_requests: u32,
    /// How many requests may wait; 0 is any number.
    pub max_queue: u32,
    /// After how many failed boots a thread is given up.
    pub max_failures: u32,
}

/// One call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Op {
    /// Who calls; callers run beside each other.
    pub caller: u32,
    /// How long the caller waits before, in milliseconds.
    pub pause_ms: u32,
    /// What.
    pub call: Call,
}

/// What can be called.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Call {
    /// An init with the configuration of this number.
    Init(u32),
    /// A request to the worker, or to a regular thread, by a thread of its own.
    Dispatch {
        /// Whether it is for the worker.
        worker: bool,
    },
    /// A restart of the workers.
    Restart,
    /// One thread more.
    ScaleUp {
        /// Whether for the worker.
        worker: bool,
    },
    /// Idle threads less.
    ScaleDown,
    /// The shutdown.
    ShutDown,
    /// Completes a teardown that was skipped.
    CompleteTeardown,
    /// No call: everything that is stuck comes back.
    LetGo,
}

/// Where something can go wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Site {
    /// The engine's start-up.
    StartUp,
    /// Its teardown.
    TearDown,
    /// A thread's registration with the engine.
    StartThread,
    /// A thread's storage is freed.
    Free,
    /// A worker's script boots.
    Boot,
    /// A script serves a request.
    Request,
    /// The system is asked for an OS thread.
    Spawn,
    /// A thread makes itself ready to be woken.
    Capture,
    /// A wake-up.
    Wake,
    /// The observer is told something.
    Notice,
    /// The drain hook.
    Hook,
    /// A thread sleeps in a monitor.
    Sleep,
}

impl Site {
    /// Every site.
    pub const ALL: [Self; 12] = [
        Self::StartUp,
        Self::TearDown,
        Self::StartThread,
        Self::Free,
        Self::Boot,
        Self::Request,
        Self::Spawn,
        Self::Capture,
        Self::Wake,
        Self::Notice,
        Self::Hook,
        Self::Sleep,
    ];
}

/// What can go wrong. Times are in milliseconds; no time is until everything is let go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quirk {
    /// It is refused, or ends with an error.
    Fails,
    /// It panics.
    Panics,
    /// It takes so long.
    Takes(u32),
    /// It is stuck in a call that nothing interrupts.
    Hangs(Option<u32>),
    /// The same, and holds the engine's lock.
    HangsWithLock(Option<u32>),
    /// The script ends, and its OS thread is not healthy.
    Unhealthy,
    /// The same, and it leaves the engine's lock taken.
    DiesWithLock,
    /// The script loops in the VM.
    Loops(Option<u32>),
    /// The same, and never looks at its flags.
    LoopsBlindly(Option<u32>),
    /// The script is in a call that a wake-up interrupts.
    Blocks(Option<u32>),
    /// The same, and the call is retried so many times.
    Retries(u32, Option<u32>),
    /// The script is blocked in a callback of the host's, which the drain hook ends.
    HostCallback(Option<u32>),
    /// The script is in a call that a wake-up interrupts, and blocks again in a shutdown function.
    BlocksAgain(Option<u32>),
    /// The same call, and the script clears `timed_out` before it.
    ClearsTimedOut(Option<u32>),
    /// The queue of signals is full.
    QueueFull,
    /// The handler was replaced.
    HandlerReplaced,
    /// The system refuses with an error.
    Refused,
    /// It arrives so much later.
    Late(u32),
    /// It arrives twice.
    Twice,
    /// It returns for no reason.
    Spurious,
}

/// What goes wrong in a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Quirks {
    /// Drawn at each site, with so many in 1,000 in the order of [`Site::ALL`].
    Drawn {
        /// How often.
        per_mille: Vec<u32>,
    },
    /// These alone.
    Listed(Vec<Listed>),
}

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Listed {
    /// Where.
    pub site: Site,
    /// The how manieth time, counted from 0.
    pub nth: u32,
    /// What.
    pub quirk: Quirk,
}

/// Who runs when. Where nothing else is said, a thread runs until it waits, and then the one that has waited longest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Drawn.
    Drawn {
        /// From this number.
        seed: u64,
        /// How.
        policy: Policy,
        /// How often the clock moves although somebody can run: once in so many steps; 0 is never.
        jump_one_in: u32,
    },
    /// At these steps something else happens.
    Listed(Vec<Turn>),
}

/// How a schedule is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Policy {
    /// Nobody is interrupted.
    Calm,
    /// At one step in so many somebody else goes on; 1 is at every step.
    Switches(u32),
    /// The thread of the highest priority runs; one step in so many takes it away from the one that runs.
    Priorities(u32),
}

/// A choice of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// At which decision of the run, counted from 1.
    pub step: u64,
    /// What happens.
    pub choice: Choice,
}

/// What a schedule can choose.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// This thread goes on.
    Run(u32),
    /// The clock moves by so many nanoseconds.
    Jump(u64),
}

/// Where quirks come from while a run plays.
#[derive(Debug)]
pub(super) struct Source {
    seed: u64,
    quirks: Quirks,
    listed: BTreeMap<(Site, u32), Quirk>,
    counts: [u32; Site::ALL.len()],
    pub(super) met: Vec<Listed>,
    is_off: bool,
}

impl Source {
    pub(super) fn new(scenario: &Scenario) -> Self {
        let listed = match &scenario.quirks {
            Quirks::Drawn { .. } => BTreeMap::new(),
            Quirks::Listed(list) => {
                list.iter().map(|listed| ((listed.site, listed.nth), listed.quirk)).collect()
            }
        };
        let (seed, quirks) = (scenario.seed, scenario.quirks.clone());
        Self { seed, quirks, listed, counts: [0; Site::ALL.len()], met: Vec::new(), is_off: false }
    }

    /// From now on nothing goes wrong.
    pub(super) fn turn_off(&mut self) {
        self.is_off = true;
    }

    /// What goes wrong here and now, if anything does.
    pub(super) fn meet(&mut self, site: Site) -> Option<Quirk> {
        let number = site as usize;
        let nth = self.counts[number];
        self.counts[number] += 1;
        if self.is_off {
            return None;
        }
        let quirk = match &self.quirks {
            Quirks::Listed(_) => self.listed.get(&(site, nth)).copied(),
            Quirks::Drawn { per_mille } => {
                let per_mille = u64::from(per_mille.get(number).copied().unwrap_or(0));
                let mut random = super::random::Random::of(self.seed, 1 + number as u64, u64::from(nth));
                (random.below(1000) < per_mille).then(|| super::draw::quirk(site, &mut random))
            }
        }?;
        self.met.push(Listed { site, nth, quirk });
        Some(quirk)
    }
}
