//! Searching with loom: all interleavings and all values that weak memory allows, up to its known blind spots.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::{Outcome, Steps, quiet};
use crate::cases::Case;
use crate::oracle::Oracle;
use crate::races::{Setting, Variant};
use crate::stage::{LoomBackend, Model, Probe, Reads};

/// How loom is to search.
#[derive(Clone, Copy, Debug)]
pub struct LoomSearch {
    /// The preemption bound; `None` searches them all.
    pub bound: Option<usize>,
    /// How loads are made.
    pub reads: Reads,
    /// Whether the sections of locks and monitors touch a [`Probe`].
    pub probe: bool,
    /// When to give up, with [`Outcome::Incomplete`].
    pub limit: Duration,
    /// The last execution to play, for replaying that one.
    pub last: Option<u64>,
}

/// No limit on the time.
pub const NO_LIMIT: Duration = Duration::from_secs(u32::MAX as u64);

/// A scenario has a few dozen choices; a run away from that is a mistake in it.
const MOST_BRANCHES: usize = 20_000;
const EXECUTIONS_BETWEEN_LOOKS_AT_THE_CLOCK: usize = 1_000;

impl LoomSearch {
    /// Searches one variant of a case. The same search finds the same failure at the same execution, so that running it
    /// again is how a failure is replayed.
    pub fn run(&self, case: &Case, setting: &Setting, variant: &Variant, oracle: &Arc<Oracle>) -> Outcome {
        let started = Instant::now();
        let before = oracle.executions();
        let mut builder = self.builder();
        builder.max_duration = Some(self.limit);
        builder.checkpoint_interval = EXECUTIONS_BETWEEN_LOOKS_AT_THE_CLOCK;
        if let Some(last) = self.last {
            // loom asks before an execution, and then does not play it.
            builder.max_permutations = usize::try_from(last).ok().map(|last| last.saturating_add(1));
            builder.checkpoint_interval = 1;
        }
        let searched = quiet::catch(|| builder.check(self.execution(case, setting, variant, oracle)));
        match searched {
            Err(panic) => Outcome::Failed {
                violation: oracle.violation(&panic),
                steps: Steps::Loom {
                    bound: self.bound,
                    rmw_reads: self.reads == Reads::ReadModifyWrite,
                    probe: self.probe,
                    execution: oracle.executions() - before,
                },
            },
            Ok(()) if started.elapsed() >= self.limit => Outcome::Incomplete,
            Ok(()) => Outcome::Complete,
        }
    }

    fn execution(
        &self,
        case: &Case,
        setting: &Setting,
        variant: &Variant,
        oracle: &Arc<Oracle>,
    ) -> impl Fn() + Send + Sync + 'static {
        let (play, setting, expiry) = (case.loom, setting.clone(), variant.expiry);
        let (oracle, reads, probe) = (Arc::clone(oracle), self.reads, self.probe);
        move || {
            oracle.begin_execution();
            let backend = LoomBackend { reads, probe: Probe::new(probe) };
            play(&Model::new(backend, Arc::clone(&oracle), expiry), &setting);
        }
    }

    fn builder(&self) -> loom::model::Builder {
        let mut builder = loom::model::Builder::new();
        builder.preemption_bound = self.bound;
        builder.max_branches = MOST_BRANCHES;
        builder
    }
}
