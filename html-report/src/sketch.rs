//! How a recorded execution becomes a [`Diagram`]: told step by step.

use std::collections::BTreeMap;

use crate::data::{Arrow, ArrowKind, Column, Diagram, Span, Step};

/// A drawing under way. Each step is told by [`Sketch::step`], and then what it did.
#[derive(Debug, Default)]
pub struct Sketch {
    diagram: Diagram,
    /// The step that started the thread with a number.
    spawned: BTreeMap<usize, usize>,
    /// Those who have begun, and not taken a step: which column, and which step has started it.
    begun: BTreeMap<usize, usize>,
    /// The last step that changed what a monitor holds.
    changed: BTreeMap<String, usize>,
}

impl Sketch {
    /// The next step: who takes it, what it does, when (where time is simulated), and where in the source.
    pub fn step(
        &mut self,
        thread: &str,
        what: impl Into<String>,
        time: Option<String>,
        source: Option<String>,
    ) -> &mut Self {
        let column = self.column(thread);
        self.diagram.steps.push(Step { column, what: what.into(), time, source });
        if let Some(from) = self.begun.remove(&column) {
            self.arrow(ArrowKind::Spawn, from, column, self.here());
        }
        self
    }

    /// The step was the start of a thread, which will begin with this number.
    pub fn spawns(&mut self, number: usize) -> &mut Self {
        self.spawned.insert(number, self.here());
        self
    }

    /// The thread that was started with this number is this one. No step: an arrow will lead to its first.
    pub fn begins(&mut self, thread: &str, number: usize) -> &mut Self {
        let column = self.column(thread);
        if let Some(&from) = self.spawned.get(&number) {
            self.begun.insert(column, from);
        }
        self
    }

    /// The step has brought a thread, its own or another, into this state.
    pub fn enters(&mut self, whose: &str, state: impl Into<String>) -> &mut Self {
        let whose = self.column(whose);
        let here = self.here();
        let states = &mut self.diagram.columns[whose].states;
        if let Some(last) = states.last_mut() {
            last.to = here;
        }
        states.push(Span { from: here, to: here, name: state.into() });
        self.arrow(ArrowKind::State, here, whose, here);
        self
    }

    /// The step has done something to another thread, at once.
    pub fn reaches(&mut self, kind: ArrowKind, whom: &str) -> &mut Self {
        let whom = self.column(whom);
        self.arrow(kind, self.here(), whom, self.here());
        self
    }

    /// The step has changed what this monitor holds.
    pub fn changes(&mut self, monitor: &str) -> &mut Self {
        self.changed.insert(monitor.to_string(), self.here());
        self
    }

    /// The step has ended a wait because of what this monitor holds: an arrow leads here from whoever changed it last. To be
    /// told before what the step has changed itself.
    pub fn sees(&mut self, monitor: &str) -> &mut Self {
        if let (Some(&from), Some(step)) = (self.changed.get(monitor), self.diagram.steps.last()) {
            self.arrow(ArrowKind::HandOver, from, step.column, self.here());
        }
        self
    }

    /// From the step on its thread is in a call, or asleep.
    pub fn blocks(&mut self) -> &mut Self {
        let here = self.here();
        if let Some(column) = self.current() {
            column.blocked.push(Span { from: here, to: here, name: "blocked".to_string() });
        }
        self
    }

    /// ... and with this step it is back.
    pub fn returns(&mut self) -> &mut Self {
        let here = self.here();
        if let Some(span) = self.current().and_then(|column| column.blocked.last_mut()) {
            span.to = here;
        }
        self
    }

    /// The drawing, without its heading. What has not ended lasts to the end.
    pub fn finish(mut self) -> Diagram {
        let end = self.diagram.steps.len();
        for column in &mut self.diagram.columns {
            let blocked = column.blocked.iter_mut().filter(|span| span.from == span.to);
            for span in column.states.last_mut().into_iter().chain(blocked) {
                span.to = end;
            }
        }
        self.diagram
    }

    /// The number of the step that was told last.
    fn here(&self) -> usize {
        self.diagram.steps.len().saturating_sub(1)
    }

    fn current(&mut self) -> Option<&mut Column> {
        let column = self.diagram.steps.last()?.column;
        self.diagram.columns.get_mut(column)
    }

    /// The number of a thread's column, which is made for it if there is none.
    fn column(&mut self, name: &str) -> usize {
        let columns = &mut self.diagram.columns;
        columns.iter().position(|column| column.name == name).unwrap_or_else(|| {
            columns.push(Column { name: name.to_string(), states: Vec::new(), blocked: Vec::new() });
            columns.len() - 1
        })
    }

    /// None from a thread to itself.
    fn arrow(&mut self, kind: ArrowKind, from: usize, to_column: usize, to: usize) {
        if self.diagram.steps.get(from).is_some_and(|step| step.column != to_column) {
            self.diagram.arrows.push(Arrow { kind, from, to_column, to });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_become_lanes_spans_and_arrows() {
        let mut sketch = Sketch::default();
        sketch.step("main", "starts php-1", None, None).spawns(7);
        sketch.begins("php-1", 7);
        sketch.step("php-1", "blocks", None, None).enters("php-1", "Ready").blocks();
        sketch.step("main", "asks", None, None).changes("php-1").enters("php-1", "Restarting");
        sketch.step("main", "wakes", None, None).reaches(ArrowKind::Wake, "php-1");
        sketch.step("php-1", "is back", None, None).returns().sees("php-1");
        let diagram = sketch.finish();
        let names: Vec<_> = diagram.columns.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["main", "php-1"]);
        let arrow = |kind, from, to_column, to| Arrow { kind, from, to_column, to };
        assert_eq!(
            diagram.arrows,
            [
                arrow(ArrowKind::Spawn, 0, 1, 1),
                arrow(ArrowKind::State, 2, 1, 2),
                arrow(ArrowKind::Wake, 3, 1, 3),
                arrow(ArrowKind::HandOver, 2, 1, 4),
            ]
        );
        let spans = |spans: &[Span]| -> Vec<_> { spans.iter().map(|span| (span.from, span.to)).collect() };
        assert_eq!(spans(&diagram.columns[1].states), [(1, 2), (2, 5)]);
        assert_eq!(spans(&diagram.columns[1].blocked), [(1, 4)]);
    }
}
