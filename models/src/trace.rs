//! The recorded trace of one run: plain data, one step after the other, that serialises to JSON lines.
//!
//! A file of traces holds for each run a [`Line::Run`], its [`Line::Step`]s and a [`Line::End`]. What a report needs is all here:
//! who did what at which virtual time, toward whom, which states changed, where in the source, and what broke.

use serde::{Deserialize, Serialize};

/// One line of a file of traces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case")]
pub enum Line {
    /// A run begins.
    Run(Run),
    /// It takes a step.
    Step(Step),
    /// It is over.
    End(End),
}

/// What was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The design, or the defect.
    pub design: String,
    /// The number that everything was drawn from.
    pub seed: u64,
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// The number that everything was drawn from.
    pub seed: u64,
    /// A hash over every step, in hexadecimal digits: equal traces have equal hashes.
    pub hash: String,
    /// What broke, if anything did.
    pub broke: Option<Broken>,
}

/// A property that broke.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Broken {
    /// Its id in the contract.
    pub property: String,
    /// What happened, as a sentence without a full stop.
    pub what: String,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// The virtual time since the start of the run, in nanoseconds.
    pub at_ns: u64,
    /// Who took it: `php-1`, `caller-1`, `request-3`, `scaler`, `clock`, `at rest`.
    pub actor: String,
    /// Of which kind it is.
    pub kind: Kind,
    /// What was done, as a phrase.
    pub what: String,
    /// Whom it was done to, where that is another actor: the end of an arrow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub toward: Option<String>,
    /// The states that it changed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub states: Vec<Change>,
    /// Where in the source, as `src/thread.rs:206`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// What broke at this step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broke: Option<Broken>,
}

/// A change of state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The thread whose state it is: `php-1`.
    pub thread: String,
    /// The state that was left.
    pub from: String,
    /// The state that was entered.
    pub to: String,
}

/// The kinds of steps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// A call of the runtime's begins.
    Call,
    /// A call returns.
    Return,
    /// A critical section.
    Section,
    /// A wait begins.
    Wait,
    /// A kill: the flags of another thread were stored.
    Kill,
    /// A wake-up of another thread.
    Wake,
    /// An OS thread is started.
    Spawn,
    /// An OS thread has ended.
    Exit,
    /// The engine, or a script of its, does something.
    Engine,
    /// The clock moves although somebody could run.
    Clock,
    /// Something goes wrong that may go wrong.
    Fault,
    /// The library tells something.
    Notice,
    /// The reference model looks.
    Judge,
}

impl Step {
    /// Whether a reader of the story needs it: sections and waits that change no state can be left out.
    pub fn tells(&self) -> bool {
        let is_quiet = matches!(self.kind, Kind::Section | Kind::Wait | Kind::Notice);
        self.broke.is_some() || !self.states.is_empty() || !is_quiet
    }
}
