//! The hash over a run, and its trace where one is asked for.

use std::panic::Location;

use super::random;
use crate::oracle::Violation;
use crate::scene::Role;
use crate::trace::{Broken, Change, Kind, Step};

/// Keeps what a run did.
#[derive(Debug)]
pub(super) struct Recorder {
    hash: u64,
    steps: Option<Vec<Step>>,
}

impl Recorder {
    pub(super) fn new(is_traced: bool) -> Self {
        Self { hash: 0, steps: is_traced.then(Vec::new) }
    }

    /// Something happened: two runs of the same hash have done the same.
    pub(super) fn mix(&mut self, what: u64) {
        self.hash = random::mix(self.hash ^ what);
    }

    pub(super) fn hash(&self) -> u64 {
        self.hash
    }

    pub(super) fn is_traced(&self) -> bool {
        self.steps.is_some()
    }

    pub(super) fn keep(
        &mut self,
        at_ns: u64,
        role: Role,
        kind: Kind,
        what: String,
        source: Option<&'static Location<'static>>,
    ) {
        let Some(steps) = &mut self.steps else { return };
        let source = source.map(|place| format!("{}:{}", place.file().replace('\\', "/"), place.line()));
        let actor = if kind == Kind::Clock { "clock".to_string() } else { role.to_string() };
        steps.push(Step { at_ns, actor, kind, what, toward: None, states: vec![], source, broke: None });
    }

    /// The step that was kept last was done to somebody.
    pub(super) fn toward(&mut self, whom: Role) {
        if let Some(step) = self.steps.as_mut().and_then(|steps| steps.last_mut()) {
            step.toward = Some(whom.to_string());
        }
    }

    /// It changed a state.
    pub(super) fn changed(&mut self, change: Change) {
        if let Some(step) = self.steps.as_mut().and_then(|steps| steps.last_mut()) {
            step.states.push(change);
        }
    }

    /// It broke something.
    pub(super) fn broke(&mut self, violation: &Violation) {
        if let Some(step) = self.steps.as_mut().and_then(|steps| steps.last_mut()) {
            let (property, what) = (violation.property.id().to_string(), violation.what.clone());
            step.broke = Some(Broken { property, what });
        }
    }

    pub(super) fn take_steps(&mut self) -> Vec<Step> {
        self.steps.take().unwrap_or_default()
    }
}
