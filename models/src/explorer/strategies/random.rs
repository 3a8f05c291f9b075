//! Random choices: no proof, but a way into programs that are too large to search.

use fastrand::Rng;

use crate::explorer::view::{Strategy, Thread, View};

/// A number of executions with uniformly random choices.
#[derive(Debug)]
pub struct Random {
    rng: Rng,
    left: u64,
}

impl Random {
    /// So many executions; the same seed gives the same choices.
    pub fn new(seed: u64, executions: u64) -> Self {
        Self { rng: Rng::with_seed(seed), left: executions }
    }
}

impl Strategy for Random {
    fn begin(&mut self) -> bool {
        let more = self.left > 0;
        self.left = self.left.saturating_sub(1);
        more
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let enabled = view.enabled();
        enabled.iter().nth(self.rng.usize(..enabled.len()))
    }

    fn end(&mut self, _view: &impl View) {}
}
