//! The state diagram, made from the table of transitions that the library enforces.

pub mod meanings;
pub mod page;

use std::fmt::Write;

use forcekill::state::{Actor, State, States, TRANSITIONS, Transition};

/// A language that diagrams are drawn from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A Mermaid state diagram, which GitHub draws.
    Mermaid,
    /// A Graphviz digraph.
    Dot,
}

/// The diagram of every declared transition.
pub fn draw(format: Format) -> String {
    match format {
        Format::Mermaid => mermaid(),
        Format::Dot => dot(),
    }
}

/// One arrow: everything that leads from one state to another.
struct Edge {
    from: State,
    to: State,
    rows: Vec<&'static Transition>,
}

impl Edge {
    /// What stands beside it: each event, and who makes it.
    fn label(&self, line_break: &str) -> String {
        let labels = self.rows.iter().map(|row| format!("{:?} ({})", row.event, actors(row)));
        labels.collect::<Vec<_>>().join(line_break)
    }
}

/// The arrows, in the order of the table.
fn edges() -> Vec<Edge> {
    let mut edges: Vec<Edge> = Vec::new();
    for row in TRANSITIONS {
        match edges.iter_mut().find(|edge| (edge.from, edge.to) == (row.from, row.to)) {
            Some(edge) => edge.rows.push(row),
            None => edges.push(Edge { from: row.from, to: row.to, rows: vec![row] }),
        }
    }
    edges
}

/// Who makes a transition, as the diagram names them.
fn actors(row: &Transition) -> String {
    let names = row.by.iter().map(|actor| match actor {
        Actor::PhpThread => "PHP thread",
        Actor::Init => "init",
        Actor::Scaler => "scaler",
        Actor::Restarter => "restarter",
        Actor::Shutdown => "shutdown",
    });
    names.collect::<Vec<_>>().join(", ")
}

fn mermaid() -> String {
    let mut text = "stateDiagram-v2\n    classDef stable stroke-width:4px\n".to_string();
    let stable = States::STABLE.iter().map(|state| state.to_string()).collect::<Vec<_>>().join(", ");
    line(&mut text, &format!("class {stable} stable"));
    line(&mut text, &format!("[*] --> {}", State::Reserved));
    for edge in edges() {
        line(&mut text, &format!("{} --> {} : {}", edge.from, edge.to, edge.label("<br/>")));
    }
    text
}

fn dot() -> String {
    let mut text = "digraph states {\n".to_string();
    line(&mut text, "node [shape=box, style=rounded];");
    for state in State::ALL {
        let mark = if state.is_stable() { " [peripheries=2]" } else { "" };
        line(&mut text, &format!("{state}{mark};"));
    }
    for edge in edges() {
        line(&mut text, &format!("{} -> {} [label=\"{}\"];", edge.from, edge.to, edge.label("\\n")));
    }
    text + "}\n"
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "    {line}").expect("a string takes any text");
}
