//! Writing down the choices of an execution, and making them again.

use super::view::{Strategy, Thread, View};

/// A strategy that keeps the choices of the latest execution of another.
#[derive(Clone, Debug, Default)]
pub struct Recorder<S> {
    /// The strategy that chooses.
    pub strategy: S,
    choices: Vec<Thread>,
}

impl<S> Recorder<S> {
    /// Records what `strategy` chooses.
    pub fn new(strategy: S) -> Self {
        Self { strategy, choices: Vec::new() }
    }

    /// The choices of the latest execution, in order.
    pub fn choices(&self) -> &[Thread] {
        &self.choices
    }
}

impl<S: Strategy> Strategy for Recorder<S> {
    fn begin(&mut self) -> bool {
        let begins = self.strategy.begin();
        if begins {
            self.choices.clear();
        }
        begins
    }

    fn known(&mut self) -> Option<Thread> {
        let choice = self.strategy.known()?;
        self.choices.push(choice);
        Some(choice)
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let choice = self.strategy.choose(view)?;
        self.choices.push(choice);
        Some(choice)
    }

    fn end(&mut self, view: &impl View) {
        self.strategy.end(view);
    }
}

/// A strategy that makes given choices, in one execution. Where one cannot be made, because the choices are of another
/// program, or where there are none left, it cuts the execution off.
#[derive(Clone, Debug)]
pub struct Replay {
    choices: Vec<Thread>,
    made: Option<usize>,
    end: Option<u64>,
}

impl Replay {
    /// Makes these choices.
    pub fn new(choices: Vec<Thread>) -> Self {
        Self { choices, made: None, end: None }
    }

    /// How many choices were made.
    pub fn made(&self) -> usize {
        self.made.unwrap_or(0)
    }

    /// The terminal key of the execution, if it was played to its end.
    pub fn terminal_key(&self) -> Option<u64> {
        self.end
    }
}

impl Strategy for Replay {
    fn begin(&mut self) -> bool {
        let begins = self.made.is_none();
        self.made.get_or_insert(0);
        begins
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let made = self.made();
        let choice = *self.choices.get(made)?;
        view.enabled().contains(choice).then_some(())?;
        self.made = Some(made + 1);
        Some(choice)
    }

    fn end(&mut self, view: &impl View) {
        self.end = Some(view.terminal_key());
    }
}
