//! What a page is made from.

use forcekill::state::Transition;

/// A whole page. What is empty is left out of it.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The heading.
    pub title: String,
    /// The command that the page is of.
    pub command: String,
    /// What is not as claimed, a line each.
    pub shortcomings: Vec<String>,
    /// The numbers at the top.
    pub facts: Vec<Fact>,
    /// The properties by designs.
    pub proofs: Option<Proofs>,
    /// The counterexamples of the designs, or the failures of a simulation.
    pub counterexamples: Vec<Diagram>,
    /// The states and transitions that were taken.
    pub coverage: Option<Coverage>,
    /// The deliberately broken steps.
    pub defects: Vec<Defect>,
    /// What refutes each of them.
    pub defect_diagrams: Vec<Diagram>,
    /// The moments that the run must have visited.
    pub reached: Vec<Moment>,
}

/// A number and what it counts.
#[derive(Clone, Debug)]
pub struct Fact {
    /// What is counted.
    pub name: String,
    /// The number, as it is printed.
    pub value: String,
}

/// Properties by designs.
#[derive(Clone, Debug)]
pub struct Proofs {
    /// The columns.
    pub designs: Vec<String>,
    /// The rows.
    pub rows: Vec<PropertyRow>,
    /// What the words in the cells mean.
    pub legend: String,
}

/// A property, and what was found.
#[derive(Clone, Debug)]
pub struct PropertyRow {
    /// Its id.
    pub property: String,
    /// What it says.
    pub statement: String,
    /// What the searches of each design come to, in the order of the designs.
    pub cells: Vec<Cell>,
    /// Every search of it.
    pub searches: Vec<Search>,
}

/// Race, size and engine: what one search of each design found.
#[derive(Clone, Debug)]
pub struct Search {
    /// The race.
    pub model: String,
    /// Its size.
    pub size: String,
    /// The engine.
    pub engine: String,
    /// One for each design.
    pub cells: Vec<Cell>,
}

/// A verdict.
#[derive(Clone, Debug)]
pub struct Cell {
    /// The verdict itself.
    pub verdict: Verdict,
    /// The verdict in words, with its bound.
    pub text: String,
    /// The id of the diagram that shows why.
    pub diagram: Option<String>,
}

/// What a cell says at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Searched in full.
    Proved,
    /// Not in full, and nothing failed.
    Held,
    /// Something failed.
    Refuted,
    /// Nobody has looked.
    Empty,
}

/// How often each transition was taken.
#[derive(Clone, Debug)]
pub struct Coverage {
    /// Each row of the table of states.
    pub rows: Vec<Taken>,
    /// What else a reader must know of them; may be empty.
    pub note: String,
    /// Whether the run claims to take every row, so that what was not taken is a shortcoming.
    pub is_claimed: bool,
}

/// A transition and how often it was taken.
#[derive(Clone, Debug)]
pub struct Taken {
    /// The row of the table.
    pub row: &'static Transition,
    /// How often.
    pub hits: u64,
}

/// A deliberately broken step, and a search that was to refute it.
#[derive(Clone, Debug)]
pub struct Defect {
    /// What is broken.
    pub name: String,
    /// The property that must break.
    pub property: String,
    /// The race.
    pub model: String,
    /// Its size.
    pub size: String,
    /// The engines that have refuted it, each with the execution that did.
    pub caught_by: Vec<String>,
    /// Those that were to, and have not.
    pub missed_by: Vec<String>,
    /// The id of the diagram that shows it.
    pub diagram: Option<String>,
}

/// A moment that a run must have visited.
#[derive(Clone, Debug)]
pub struct Moment {
    /// The race, or where else it belongs.
    pub model: String,
    /// The moment.
    pub name: String,
    /// The engine, and how often it was there.
    pub hits: Vec<(String, u64)>,
}

/// An execution in space and time: a column a thread, a line a step.
#[derive(Clone, Debug, Default)]
pub struct Diagram {
    /// Unique on its page; letters, digits and hyphens.
    pub id: String,
    /// The heading.
    pub title: String,
    /// The property that broke.
    pub property: String,
    /// How it broke.
    pub what: String,
    /// The command that plays it again.
    pub again: String,
    /// Who took part.
    pub columns: Vec<Column>,
    /// What they did, in this order.
    pub steps: Vec<Step>,
    /// What led from one to another.
    pub arrows: Vec<Arrow>,
}

/// A thread.
#[derive(Clone, Debug)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// The states that it was in, as far as they are known.
    pub states: Vec<Span>,
    /// When it was in a call, or asleep.
    pub blocked: Vec<Span>,
}

/// Something that lasts.
#[derive(Clone, Debug)]
pub struct Span {
    /// The step that began it.
    pub from: usize,
    /// The step that ended it, or the last.
    pub to: usize,
    /// What it is: the name of a state, which has a colour.
    pub name: String,
}

/// One line.
#[derive(Clone, Debug)]
pub struct Step {
    /// The number of the thread's column.
    pub column: usize,
    /// What it did.
    pub what: String,
    /// When, where time is simulated.
    pub time: Option<String>,
    /// The file and line of the source that did it.
    pub source: Option<String>,
}

/// What led from one thread to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrow {
    /// What it is.
    pub kind: ArrowKind,
    /// The step that it begins at.
    pub from: usize,
    /// The column that it leads to.
    pub to_column: usize,
    /// The step of that column that it leads to; `from` for what happens at once.
    pub to: usize,
}

/// A kind of arrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ArrowKind {
    /// A wake is sent.
    Wake,
    /// A flag is raised.
    Kill,
    /// Another's state is changed.
    State,
    /// A wait has ended by what another did.
    HandOver,
    /// A thread is started.
    Spawn,
}
