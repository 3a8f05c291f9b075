//! Reading what the engine keeps for its threads, beside everything else that goes on.
//!
//! Upstream: `thread_metrics`, which `Shutdown` or the next `Init` frees beside whoever reads them.

use super::{NotRunning, Runtime};
use crate::engine::Engine;
use crate::platform::{Monitor, Platform};
use crate::steps::runtime::RuntimeSteps;

impl<E, P, S> Runtime<E, P, S>
where
    P: Platform,
    E: Engine<P>,
    S: RuntimeSteps<P, E::Flags>,
{
    /// Runs `read` while the engine's metrics are there: whoever reads is counted like a thread that lingers, so no teardown comes
    /// in between.
    ///
    /// May be called from any thread. It waits for nobody; but a shutdown waits for `read`, for as long as the teardown's limit, and
    /// skips the teardown then. So `read` should copy what it wants, and not block.
    ///
    /// # Errors
    /// If the runtime is not up, or a shutdown has begun: `read` is not run.
    pub fn read_metrics<R>(&self, read: impl FnOnce(&E) -> R) -> Result<R, NotRunning> {
        let shared = &self.0;
        let process = &shared.process;
        let counted = S::count_reader(&process.lingering);
        // After that: a shutdown that begins behind this look finds the reader counted.
        if !process.roster.with(|roster| roster.is_up(shared.generation)) {
            return Err(NotRunning);
        }
        let read = read(&process.engine);
        drop(counted);
        Ok(read)
    }
}
