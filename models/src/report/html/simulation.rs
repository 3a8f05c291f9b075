//! The page of `simulate --html`, and a simulated run as a drawing.

use forcekill::state::TRANSITIONS;
use forcekill_html_report::{ArrowKind, Coverage, Diagram, Fact, Moment, Page, Sketch, Taken};

use crate::report::table::thousands;
use crate::sim::campaign::Sum;
use crate::sim::watch::Bounded;
use crate::trace::{Kind, Step};

/// What was asked, and what came of it.
#[derive(Clone, Debug)]
pub struct Simulation<'a> {
    /// The command that makes the same runs.
    pub command: String,
    /// What they came to.
    pub sum: &'a Sum,
    /// How long they took.
    pub seconds: f64,
    /// What is not as claimed, a line each.
    pub shortcomings: &'a [String],
    /// The moments that had to be reached; those that were, if it is empty.
    pub moments: &'a [&'static str],
    /// Those that failed, shrunk.
    pub failures: Vec<Failure<'a>>,
}

/// A run that failed, in its shortest form.
#[derive(Clone, Debug)]
pub struct Failure<'a> {
    /// The design, or the defect.
    pub design: &'a str,
    /// The number that it was found by.
    pub seed: u64,
    /// The property that breaks.
    pub property: &'a str,
    /// What happens.
    pub what: &'a str,
    /// The command that plays it again.
    pub again: String,
    /// What was done.
    pub trace: &'a [Step],
}

/// The page.
pub fn page(simulation: &Simulation<'_>) -> String {
    let page = Page {
        title: "forcekill: what the simulation found".to_string(),
        command: simulation.command.clone(),
        shortcomings: simulation.shortcomings.to_vec(),
        facts: facts(simulation.sum, simulation.seconds),
        counterexamples: simulation.failures.iter().map(failed).collect(),
        coverage: Some(coverage(simulation.sum)),
        reached: reached(simulation),
        ..Page::default()
    };
    forcekill_html_report::render(&page)
}

fn facts(sum: &Sum, seconds: f64) -> Vec<Fact> {
    let mut facts = vec![
        ("runs".to_string(), thousands(sum.runs)),
        ("virtual hours".to_string(), format!("{:.1}", sum.virtual_ns as f64 / 3.6e12)),
        ("steps".to_string(), thousands(sum.steps)),
        ("seconds".to_string(), format!("{seconds:.1}")),
    ];
    for (call, longest) in Bounded::ALL.into_iter().zip(sum.longest) {
        let [took, bound] = [longest.took_ns, longest.bound_ns].map(|ns| thousands(ns / 1_000_000));
        facts.push((format!("ms, the longest {} and its bound", call.name()), format!("{took} of {bound}")));
    }
    facts.into_iter().map(|(name, value)| Fact { name, value }).collect()
}

fn coverage(sum: &Sum) -> Coverage {
    let hits = |row: usize| sum.taken.get(row).copied().unwrap_or_default();
    let rows = TRANSITIONS.iter().enumerate().map(|(number, row)| Taken { row, hits: hits(number) });
    Coverage { rows: rows.collect(), note: String::new(), is_claimed: false }
}

fn reached(simulation: &Simulation<'_>) -> Vec<Moment> {
    let found = &simulation.sum.reached;
    let hits_of = |moment: &str| found.iter().find(|(name, _)| *name == moment).map_or(0, |(_, hits)| *hits);
    let moments: Vec<_> = match simulation.moments {
        [] => found.clone(),
        moments => moments.iter().map(|&moment| (moment, hits_of(moment))).collect(),
    };
    let moment = |(name, hits): (&str, u64)| Moment {
        model: "whole runtime".to_string(),
        name: name.to_string(),
        hits: vec![("sim".to_string(), hits)],
    };
    moments.into_iter().map(moment).collect()
}

fn failed(failure: &Failure<'_>) -> Diagram {
    let Failure { design, seed, property, what, again, trace } = failure;
    let mut diagram = diagram(trace);
    diagram.id = format!("{design}-{property}-{seed}");
    diagram.title = format!("{design} breaks {property} with the seed {seed}, shrunk");
    (diagram.property, diagram.what, diagram.again) = (property.to_string(), what.to_string(), again.clone());
    diagram
}

/// The drawing of a trace up to what breaks, without its heading. What changes nothing is left out.
pub fn diagram(trace: &[Step]) -> Diagram {
    let end = trace.iter().position(|step| step.broke.is_some()).unwrap_or(trace.len());
    let mut sketch = Sketch::default();
    for (number, step) in trace[..end].iter().enumerate().filter(|(_, step)| step.tells()) {
        let time = format!("{} ms", thousands(step.at_ns / 1_000_000));
        sketch.step(&step.actor, &step.what, Some(time), step.source.clone());
        for change in &step.states {
            sketch.enters(&change.thread, &change.to);
        }
        if let Some(whom) = &step.toward {
            match step.kind {
                Kind::Wake => sketch.reaches(ArrowKind::Wake, whom),
                Kind::Kill => sketch.reaches(ArrowKind::Kill, whom),
                Kind::Spawn => sketch.spawns(number).begins(whom, number),
                _ => &mut sketch,
            };
        }
    }
    sketch.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::trace::{Broken, Change};

    fn step(actor: &str, kind: Kind, what: &str) -> Step {
        let (actor, what) = (actor.to_string(), what.to_string());
        let source = Some("src/thread.rs:1".to_string());
        Step { at_ns: 2_000_000, actor, kind, what, toward: None, states: Vec::new(), source, broke: None }
    }

    #[test]
    fn a_trace_becomes_a_drawing_up_to_what_breaks() {
        let broken = Broken { property: "bounded".to_string(), what: "it does not return".to_string() };
        let change =
            Change { thread: "php-1".to_string(), from: "Ready".to_string(), to: "Restarting".to_string() };
        let toward = Some("php-1".to_string());
        let trace = [
            Step { states: vec![change], toward: toward.clone(), ..step("restart", Kind::Section, "asks") },
            step("restart", Kind::Section, "sees nothing new"),
            Step { toward, ..step("restart", Kind::Wake, "wakes php-1") },
            Step { broke: Some(broken), ..step("world", Kind::Judge, "bounded breaks") },
            step("php-1", Kind::Engine, "after the end"),
        ];
        let diagram = diagram(&trace);
        let said: Vec<_> = diagram.steps.iter().map(|step| step.what.as_str()).collect();
        assert_eq!(said, ["asks", "wakes php-1"]);
        assert_eq!(diagram.steps[0].time.as_deref(), Some("2 ms"));
        let kinds: Vec<_> = diagram.arrows.iter().map(|arrow| arrow.kind).collect();
        assert_eq!(kinds, [ArrowKind::State, ArrowKind::Wake]);
        assert_eq!(diagram.columns[1].states[0].name, "Restarting");
    }
}
