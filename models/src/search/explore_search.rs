//! Searching with the explorer: the scenario on its runtime, watched by an oracle for each worker.

use std::cell::RefCell;
use std::sync::Arc;

use super::{Outcome, Steps};
use crate::explorer::replay::Replay;
use crate::explorer::search::{Found, Kind, Observer, Settings, Verdict, search};
use crate::explorer::view::{Thread, View};
use crate::explorer::{Coroutines, Program};
use crate::oracle::{Oracle, Violation};
use crate::property::Property;
use crate::subject::Play;

/// What a search came to, with the first failing execution of each property.
#[derive(Clone, Debug)]
pub struct Explored {
    /// Whether everything was explored.
    pub complete: bool,
    /// Executions that ended and that were cut off.
    pub executions: u64,
    /// The keys of the terminal states, if the settings asked for them.
    pub terminals: std::collections::BTreeSet<u64>,
    /// What broke, each with the choices of the first execution in which it did.
    pub failures: Vec<(Violation, Vec<Thread>)>,
}

thread_local! {
    /// The oracle of the part of the search that this worker is at.
    static ORACLE: RefCell<Option<Arc<Oracle>>> = const { RefCell::new(None) };
}

/// Searches a scenario for violations of these properties. What the executions reached is added to `oracle`.
pub fn explore(
    play: &Play,
    properties: &[Property],
    kind: Kind,
    settings: &Settings,
    stop_at_first: bool,
    oracle: &Oracle,
) -> Explored {
    let watched = properties.to_vec();
    // An earlier search on this thread watched for something else, and what is watched decides what is a step.
    ORACLE.set(None);
    let program = scenario(play, &watched);
    let found: Found<Watcher> = search(&program, kind, settings, || {
        let own = Arc::new(Oracle::watching(&watched).that_confirms());
        ORACLE.set(Some(Arc::clone(&own)));
        Watcher { oracle: own, failures: Vec::new(), stop_at_first }
    });
    oracle.take_in(&found.observer.oracle);
    Explored {
        complete: found.complete,
        executions: found.executions + found.cut_off,
        terminals: found.terminals,
        failures: found.observer.failures,
    }
}

/// Makes the choices of an earlier execution again.
pub fn replay(play: &Play, choices: &[Thread], oracle: &Arc<Oracle>) -> Outcome {
    ORACLE.set(Some(Arc::clone(oracle)));
    let program = scenario(play, &[]);
    let mut watcher = Watched {
        replay: Replay::new(choices.to_vec()),
        watcher: Watcher { oracle: Arc::clone(oracle), failures: Vec::new(), stop_at_first: true },
    };
    program.run(&mut watcher);
    match watcher.watcher.failures.into_iter().next() {
        Some((violation, _)) => {
            // How the scenario was made is known to the caller alone.
            let steps = Steps::Explore { is_lean: false, choices: choices.to_vec() };
            Outcome::Failed { violation, steps }
        }
        None => Outcome::Incomplete,
    }
}

/// The scenario as a program: each execution is watched by the oracle of its worker.
fn scenario<'a>(play: &'a Play, watched: &'a [Property]) -> Coroutines<impl Fn() + Sync + 'a> {
    Coroutines::new(move || {
        // While the tree is split nobody has put an oracle there.
        let oracle = ORACLE.with_borrow(Clone::clone);
        let oracle = oracle.unwrap_or_else(|| Arc::new(Oracle::watching(watched).that_confirms()));
        oracle.begin_execution();
        play(&oracle);
    })
}

/// Looks at every execution that ended.
struct Watcher {
    oracle: Arc<Oracle>,
    failures: Vec<(Violation, Vec<Thread>)>,
    stop_at_first: bool,
}

impl Watcher {
    /// What has just ended, judged.
    fn judge(&mut self, view: &impl View, choices: &[Thread]) -> Verdict {
        for thread in 0..view.threads() {
            if let Some(panic) = view.panicked(thread) {
                self.oracle.panicked(&panic);
            }
        }
        if !view.unfinished().is_empty() {
            self.oracle.deadlocked();
        }
        self.take_confirmed(choices)
    }

    /// What the execution has broken so far counts.
    fn take_confirmed(&mut self, choices: &[Thread]) -> Verdict {
        for violation in self.oracle.confirm() {
            if self.failures.iter().all(|(known, _)| known.property != violation.property) {
                self.failures.push((violation, choices.to_vec()));
            }
        }
        if self.stop_at_first && !self.failures.is_empty() { Verdict::Stop } else { Verdict::Continue }
    }
}

impl Observer for Watcher {
    fn ended(&mut self, view: &impl View, choices: &[Thread]) -> Verdict {
        self.judge(view, choices)
    }

    /// Its beginning has happened. Where states are remembered, it may be the only one in which this broke.
    fn cut_off(&mut self, choices: &[Thread]) -> Verdict {
        self.take_confirmed(choices)
    }

    fn merge(&mut self, later: Self) {
        self.oracle.take_in(&later.oracle);
        for (violation, choices) in later.failures {
            if self.failures.iter().all(|(known, _)| known.property != violation.property) {
                self.failures.push((violation, choices));
            }
        }
    }
}

/// A replay whose end is judged.
struct Watched {
    replay: Replay,
    watcher: Watcher,
}

impl crate::explorer::view::Strategy for Watched {
    fn begin(&mut self) -> bool {
        self.replay.begin()
    }

    /// A schedule that was cut off where its property had broken ends there again.
    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let chosen = self.replay.choose(view);
        if chosen.is_none() {
            self.watcher.cut_off(&[]);
        }
        chosen
    }

    fn end(&mut self, view: &impl View) {
        self.replay.end(view);
        self.watcher.judge(view, &[]);
    }
}
