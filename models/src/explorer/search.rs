//! Runs a strategy over a program, on all cores if the strategy walks a tree, and says what was found.
//!
//! The tree of choices is split into a number of subtrees that does not depend on the number of workers, and what the subtrees
//! found is merged in their order; so the result does not depend on the number of workers either, unless a limit ends the search.

mod passes;
mod split;
mod watched;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

pub use passes::search_persistent;
pub use split::split;
use watched::Watched;

use super::program::Program;
use super::strategies::Tree;
use super::strategies::bounded::Bounded;
use super::strategies::persistent::{Remembering, Sound};
use super::strategies::plain::Plain;
use super::strategies::random::Random;
use super::strategies::sleep_sets::SleepSets;
use super::strategies::source_sets::SourceSets;
use super::view::{Strategy, Thread, View};

/// Looks at every execution that ended. Each subtree has one of its own; they are merged in the order of the subtrees.
pub trait Observer: Send {
    /// An execution has ended, by these choices.
    fn ended(&mut self, view: &impl View, choices: &[Thread]) -> Verdict;

    /// An execution is cut off after these choices. What follows is no part of the search.
    fn cut_off(&mut self, choices: &[Thread]) -> Verdict {
        let _ = choices;
        Verdict::Continue
    }

    /// Takes in what the observer of a later part of the search saw.
    fn merge(&mut self, later: Self);
}

/// Whether the search shall go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The execution was as it should be, or what failed was noted and the search shall go on.
    Continue,
    /// The execution failed, and the search is to stop at it.
    Stop,
}

/// Which strategy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// [`Plain`].
    Plain,
    /// [`SleepSets`].
    SleepSets,
    /// [`Persistent`](super::strategies::persistent::Persistent) beneath sleep sets.
    Persistent,
    /// The same, and states that were entered before are left out: [`Remembering`]. The counts depend on the number of workers, who
    /// share what they have seen; the terminal states do not.
    Remembering,
    /// [`SourceSets`].
    SourceSets,
    /// [`Bounded`], with at most so many preemptions. By one worker: what it has seen is shared by the whole search.
    Bounded {
        /// `usize::MAX` for as many as it takes to explore everything.
        most: usize,
    },
    /// [`Random`].
    Random {
        /// The same seed makes the same choices.
        seed: u64,
        /// How many executions.
        executions: u64,
    },
}

/// How a search is run.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many threads share the search.
    pub workers: usize,
    /// Into how many subtrees the tree is split, at least, if it is large enough.
    pub subtrees: usize,
    /// Whether the keys of the terminal states are collected.
    pub terminals: bool,
    /// The search ends, incomplete, when about so many executions were begun.
    pub most_executions: u64,
    /// The search ends, incomplete, after this time.
    pub most_time: Duration,
}

impl Default for Settings {
    /// All cores, no limits, terminal states not collected.
    fn default() -> Self {
        let workers = thread::available_parallelism().map_or(1, usize::from);
        Self { workers, subtrees: 256, terminals: false, most_executions: u64::MAX, most_time: Duration::MAX }
    }
}

/// What a search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found<O> {
    /// Whether everything was explored.
    pub complete: bool,
    /// Executions that ended.
    pub executions: u64,
    /// Executions that were cut off, because all that could follow is seen elsewhere.
    pub cut_off: u64,
    /// Executions that ended in a deadlock.
    pub deadlocks: u64,
    /// The keys of the terminal states, if they were asked for.
    pub terminals: BTreeSet<u64>,
    /// The choices of the first execution at which the observer stopped the search: first in the order of the tree.
    pub failure: Option<Vec<Thread>>,
    /// With [`Kind::Bounded`], the number of preemptions that the search got to: at a failure, those of the counterexample.
    pub preemptions: Option<usize>,
    /// With [`Kind::Persistent`], how often the tree was walked: the counts are those of the last time. Otherwise 1.
    pub passes: u32,
    /// The observer.
    pub observer: O,
}

/// Searches a program by a strategy.
pub fn search<P: Program, O: Observer>(
    program: &P,
    kind: Kind,
    settings: &Settings,
    observer: impl Fn() -> O + Sync,
) -> Found<O> {
    match kind {
        Kind::Plain => search_tree::<Plain, _, _>(program, settings, observer),
        Kind::SleepSets => search_tree::<SleepSets, _, _>(program, settings, observer),
        Kind::Persistent => search_persistent::<Sound, _, _>(program, settings, observer),
        Kind::Remembering => search_persistent::<Remembering, _, _>(program, settings, observer),
        Kind::SourceSets => search_tree::<SourceSets, _, _>(program, settings, observer),
        Kind::Bounded { most } => {
            let shared = Shared::new(settings);
            let mut watched = Watched::new(Bounded::new(most), observer(), &shared, 0);
            program.run(&mut watched);
            let (bounded, mut found) = watched.found();
            found.complete &= bounded.complete();
            found.preemptions = Some(bounded.bound());
            found
        }
        Kind::Random { seed, executions } => {
            // A part has a seed of its own, so that the choices do not depend on which worker takes it.
            let part = |number: u64| {
                let (rest, size) = (executions % RANDOM_PARTS, executions / RANDOM_PARTS);
                Random::new(seed.wrapping_add(number << 32), size + u64::from(number < rest))
            };
            let mut found = search_parts(program, settings, observer, RANDOM_PARTS as usize, |number| {
                part(number as u64)
            });
            found.complete = false;
            found
        }
    }
}

const RANDOM_PARTS: u64 = 64;

/// Searches a program by a strategy that walks a tree.
pub fn search_tree<T: Tree, P: Program, O: Observer>(
    program: &P,
    settings: &Settings,
    observer: impl Fn() -> O + Sync,
) -> Found<O> {
    let subtrees = split::<T::Rule>(program, settings.subtrees);
    search_parts(program, settings, observer, subtrees.len(), |number| T::below(subtrees[number].clone()))
}

/// What the workers share.
struct Shared {
    /// The next part that nobody has taken.
    next: AtomicUsize,
    /// The lowest part in which a failure was found: only lower ones are still of interest.
    failed: AtomicUsize,
    executions: AtomicU64,
    most_executions: u64,
    ends_at: Option<Instant>,
    terminals: bool,
}

impl Shared {
    fn new(settings: &Settings) -> Self {
        Self {
            next: AtomicUsize::new(0),
            failed: AtomicUsize::new(usize::MAX),
            executions: AtomicU64::new(0),
            most_executions: settings.most_executions,
            ends_at: Instant::now().checked_add(settings.most_time),
            terminals: settings.terminals,
        }
    }
}

/// Searches `count` parts, each by a strategy of its own, and merges what they found in their order.
fn search_parts<S: Strategy + Send, P: Program, O: Observer>(
    program: &P,
    settings: &Settings,
    observer: impl Fn() -> O + Sync,
    count: usize,
    part: impl Fn(usize) -> S + Sync,
) -> Found<O> {
    let parts = run_parts(program, settings, observer, count, part);
    merge(parts.into_iter().map(|(_, found)| found)).expect("a tree has at least one subtree")
}

/// Searches `count` parts, each by a strategy of its own; the strategies and what they found, in the order of the parts.
fn run_parts<S: Strategy + Send, P: Program, O: Observer>(
    program: &P,
    settings: &Settings,
    observer: impl Fn() -> O + Sync,
    count: usize,
    part: impl Fn(usize) -> S + Sync,
) -> Vec<(S, Found<O>)> {
    let shared = Shared::new(settings);
    let work = || {
        let mut done = Vec::new();
        loop {
            let number = shared.next.fetch_add(1, Ordering::Relaxed);
            if number >= count || number > shared.failed.load(Ordering::Relaxed) {
                return done;
            }
            let mut watched = Watched::new(part(number), observer(), &shared, number);
            program.run(&mut watched);
            done.push((number, watched.found()));
        }
    };
    let mut all = if settings.workers <= 1 {
        work()
    } else {
        thread::scope(|scope| {
            let workers: Vec<_> = (0..settings.workers).map(|_| scope.spawn(work)).collect();
            let done = workers.into_iter().map(|worker| worker.join());
            done.flat_map(|done| done.unwrap_or_else(|panic| std::panic::resume_unwind(panic))).collect()
        })
    };
    all.sort_unstable_by_key(|&(number, _)| number);
    all.into_iter().map(|(_, part)| part).collect()
}

/// Merges up to and including the first part that failed: what workers found beyond it is a matter of chance.
fn merge<O: Observer>(parts: impl Iterator<Item = Found<O>>) -> Option<Found<O>> {
    let mut whole: Option<Found<O>> = None;
    for part in parts {
        let Some(so_far) = &mut whole else {
            whole = Some(part);
            continue;
        };
        if so_far.failure.is_some() {
            break;
        }
        so_far.complete &= part.complete;
        so_far.executions += part.executions;
        so_far.cut_off += part.cut_off;
        so_far.deadlocks += part.deadlocks;
        so_far.terminals.extend(part.terminals);
        so_far.failure = part.failure;
        so_far.observer.merge(part.observer);
    }
    whole
}
