//! What a search knows about the executions that it has seen: violations, moments, and, when asked, each step.
//!
//! All of it is kept in the standard library's types, which the model checkers do not see: watching adds no step to a
//! search. That is sound because nothing here decides what an execution does next, except a violation, which ends it.

use std::panic::Location;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Mutex, MutexGuard, PoisonError};

use forcekill::RunId;

use crate::property::Property;
use crate::scene::Role;
use crate::step::{Deed, Step};

/// The observer of one search.
#[derive(Debug, Default)]
pub struct Oracle {
    watched: Vec<Property>,
    trace_from: Option<u64>,
    goes_on: bool,
    confirms: bool,
    executions: AtomicU64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    /// The first of each property.
    violations: Vec<Violation>,
    /// Those of this execution, until it is known to have ended.
    fresh: Vec<Violation>,
    /// Who has begun and not ended, in this execution.
    alive: Vec<Role>,
    /// How often each row of the table of states was taken.
    taken: Vec<u64>,
    suspicion: Option<Violation>,
    progress: usize,
    aims: Vec<RunId>,
    moments: Vec<(&'static str, u64)>,
    steps: Vec<Step>,
}

/// A property that broke.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub property: Property,
    /// What happened, as a sentence without a full stop.
    pub what: String,
}

impl Oracle {
    /// An observer that looks at these properties alone: what breaks another one goes on.
    pub fn watching(properties: &[Property]) -> Self {
        Self { watched: properties.to_vec(), ..Self::default() }
    }

    /// The same, but each execution's steps are kept, from this execution on (counted from 1).
    pub fn tracing(properties: &[Property], from: u64) -> Self {
        Self { trace_from: Some(from), ..Self::watching(properties) }
    }

    /// Starts an execution: forgets the steps of the one before.
    pub fn begin_execution(&self) {
        self.executions.fetch_add(1, Relaxed);
        let mut seen = self.seen();
        seen.steps.clear();
        seen.suspicion = None;
        seen.progress = 0;
        seen.aims.clear();
        seen.alive.clear();
        seen.fresh.clear();
    }

    /// How many executions were begun.
    pub fn executions(&self) -> u64 {
        self.executions.load(Relaxed)
    }

    /// Whether violations of `property` end an execution.
    pub fn watches(&self, property: Property) -> bool {
        self.watched.contains(&property)
    }

    /// The same, but a violation does not end its execution: for an engine that can be stopped between two executions, and
    /// would print a panic.
    pub fn that_goes_on(self) -> Self {
        Self { goes_on: true, ..self }
    }

    /// The same, and what an execution breaks counts when [`Oracle::confirm`] is called at its end: for an engine that cuts
    /// executions off, and finds what they break elsewhere.
    pub fn that_confirms(self) -> Self {
        Self { goes_on: true, confirms: true, ..self }
    }

    /// Whether an execution has broken a property that is watched.
    pub fn is_violated(&self) -> bool {
        let seen = self.seen();
        !seen.violations.is_empty() || !seen.fresh.is_empty()
    }

    /// The execution has ended: what it has broken counts from now on. Answers that.
    pub fn confirm(&self) -> Vec<Violation> {
        let fresh = std::mem::take(&mut self.seen().fresh);
        for violation in &fresh {
            self.keep(violation.clone());
        }
        fresh
    }

    /// A thread has panicked, which no scenario means to do: a violation of the first watched property, because no claim can
    /// rest on a run that crashed.
    pub fn panicked(&self, message: &str) {
        if let Some(&property) = self.watched.first() {
            self.violate(property, || message.lines().next().unwrap_or_default().to_string());
        }
    }

    /// Adds what another oracle has seen.
    pub fn take_in(&self, other: &Self) {
        self.executions.fetch_add(other.executions(), Relaxed);
        let (moments, taken, violations) = (other.moments(), other.taken(), other.violations());
        for violation in violations {
            self.keep(violation);
        }
        for (moment, hits) in moments {
            self.reached_times(moment, hits);
        }
        for (row, hits) in taken.into_iter().enumerate() {
            self.took_times(row, hits);
        }
    }

    /// Breaks `property`, if it is watched: records it, and ends the execution by a panic, unless this oracle's go on. Only
    /// the first violation of each property is kept.
    ///
    /// # Panics
    /// If the property is watched; that is how an execution ends.
    pub fn violate(&self, property: Property, what: impl FnOnce() -> String) {
        if self.watches(property) {
            let violation = Violation { property, what: what() };
            let message = format!("{property}: {}", violation.what);
            match self.confirms {
                true => self.seen().fresh.push(violation),
                false => self.keep(violation),
            }
            if self.goes_on {
                return;
            }
            // Not `panic!`: no hook needs to run for what is no mistake of the program.
            std::panic::resume_unwind(Box::new(message));
        }
    }

    /// The same, and the execution goes on whatever the engine: for what breaks inside of code that catches panics.
    pub fn report(&self, property: Property, what: impl FnOnce() -> String) {
        if self.watches(property) {
            let violation = Violation { property, what: what() };
            match self.confirms {
                true => self.seen().fresh.push(violation),
                false => self.keep(violation),
            }
        }
    }

    /// Runs a piece of an oracle that the engine itself may end (loom ends an execution on conflicting accesses to a
    /// cell); if it does, this is the violation.
    pub fn suspecting<R>(&self, property: Property, what: &str, piece: impl FnOnce() -> R) -> R {
        self.seen().suspicion = Some(Violation { property, what: what.to_string() });
        let result = piece();
        self.seen().suspicion = None;
        result
    }

    /// The violation that ended the search, given that a panic did: `panic` is its message. A panic that nobody
    /// announced is a violation of the first watched property, because no claim can rest on a run that crashed.
    pub fn violation(&self, panic: &str) -> Violation {
        let mut seen = self.seen();
        let first = (!seen.violations.is_empty()).then(|| seen.violations.remove(0));
        let announced = first.or_else(|| seen.suspicion.take());
        announced.unwrap_or_else(|| Violation {
            property: self.watched.first().copied().unwrap_or(Property::NoDeadlock),
            what: panic.lines().next().unwrap_or_default().to_string(),
        })
    }

    /// The violations that this search has seen: the first of each property.
    pub fn violations(&self) -> Vec<Violation> {
        self.seen().violations.clone()
    }

    fn keep(&self, violation: Violation) {
        let mut seen = self.seen();
        if seen.violations.iter().all(|kept| kept.property != violation.property) {
            seen.violations.push(violation);
        }
    }

    /// A thread of a scene has begun.
    pub fn enters(&self, role: Role) {
        self.seen().alive.push(role);
    }

    /// It has come to its end.
    pub fn leaves(&self, role: Role) {
        self.seen().alive.retain(|alive| *alive != role);
    }

    /// Nothing can run any more, and not everybody has ended.
    pub fn deadlocked(&self) {
        let alive = self.seen().alive.clone();
        let names: Vec<_> = alive.iter().map(Role::to_string).collect();
        let what = format!("nothing can run any more, and these have not ended: {}", names.join(", "));
        for role in &alive {
            if let Some(property) = role.promises() {
                self.violate(property, || format!("{role} does not return: {what}"));
            }
        }
        self.violate(Property::NoDeadlock, || what);
    }

    /// A row of the table of states was taken, by its number.
    pub fn took(&self, row: usize) {
        self.took_times(row, 1);
    }

    fn took_times(&self, row: usize, hits: u64) {
        let mut seen = self.seen();
        if seen.taken.len() <= row {
            seen.taken.resize(row + 1, 0);
        }
        seen.taken[row] += hits;
    }

    /// How often each row of the table of states was taken. Shorter than the table if the last rows were not.
    pub fn taken(&self) -> Vec<u64> {
        self.seen().taken.clone()
    }

    /// Whether steps are kept.
    pub fn is_tracing(&self) -> bool {
        self.trace_from.is_some()
    }

    /// How far the race is, by its own count; for moments, and for judging what has happened already.
    pub fn progress(&self) -> usize {
        self.seen().progress
    }

    /// See [`Oracle::progress`].
    pub fn set_progress(&self, progress: usize) {
        self.seen().progress = progress;
    }

    /// Somebody is about to kill this run.
    pub fn aim(&self, run: RunId) {
        self.seen().aims.push(run);
    }

    /// Whether anybody ever meant to kill this run.
    pub fn was_aimed_at(&self, run: RunId) -> bool {
        self.seen().aims.contains(&run)
    }

    /// A moment that matters has been reached.
    pub fn reached(&self, moment: &'static str) {
        self.reached_times(moment, 1);
    }

    fn reached_times(&self, moment: &'static str, times: u64) {
        let mut seen = self.seen();
        match seen.moments.iter_mut().find(|(name, _)| *name == moment) {
            Some((_, hits)) => *hits += times,
            None => seen.moments.push((moment, times)),
        }
    }

    /// The moments that were reached, each with its hits.
    pub fn moments(&self) -> Vec<(&'static str, u64)> {
        self.seen().moments.clone()
    }

    /// Keeps a step, if steps are kept.
    pub fn step<D: Into<Deed>>(
        &self,
        at: &'static Location<'static>,
        thread: impl FnOnce() -> String,
        what: impl FnOnce() -> D,
    ) {
        if self.trace_from.is_some_and(|from| self.executions() >= from) && !self.is_violated() {
            let Deed { what, effects } = what().into();
            let step = Step { thread: thread(), what, at, effects };
            self.seen().steps.push(step);
        }
    }

    /// The steps of the latest execution.
    pub fn steps(&self) -> Vec<Step> {
        self.seen().steps.clone()
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
