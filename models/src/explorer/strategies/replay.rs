//! One execution, by a list of choices that a search has printed.

use crate::explorer::view::{Strategy, Thread, View};

/// Makes these choices, once. Where they end, or do not fit the program, the execution is cut off.
#[derive(Debug)]
pub struct Replay<'a> {
    choices: &'a [Thread],
    depth: usize,
    begun: bool,
    key: Option<u64>,
}

impl<'a> Replay<'a> {
    /// Replays these choices.
    pub fn new(choices: &'a [Thread]) -> Self {
        Self { choices, depth: 0, begun: false, key: None }
    }

    /// The key of the terminal state; `None` if the choices did not lead to the end of an execution.
    pub fn terminal_key(&self) -> Option<u64> {
        self.key
    }
}

impl Strategy for Replay<'_> {
    fn begin(&mut self) -> bool {
        !std::mem::replace(&mut self.begun, true)
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let chosen = *self.choices.get(self.depth)?;
        self.depth += 1;
        view.enabled().contains(chosen).then_some(chosen)
    }

    fn end(&mut self, view: &impl View) {
        self.key = (self.depth == self.choices.len()).then(|| view.terminal_key());
    }
}
