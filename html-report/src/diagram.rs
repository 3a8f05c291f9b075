//! Counterexamples: a drawing in space and time, with its steps beside it as a table.

use maud::{Markup, html};

use crate::chart;
use crate::data::{Diagram, Step};
use crate::tables::counted;

/// All of them; each can be folded, and `open` says how it starts.
pub(crate) fn section(id: &str, heading: &str, open: bool, diagrams: &[Diagram]) -> Markup {
    html! {
        @if !diagrams.is_empty() {
            section id=(id) {
                h2 { (heading) }
                p { "Threads are columns, and time goes down. A step is a critical section, a wake or an access; the last column names the line of the source that took it." }
                (chart::legend())
                @for diagram in diagrams { (one(diagram, open)) }
            }
        }
    }
}

fn one(diagram: &Diagram, open: bool) -> Markup {
    html! {
        details.diagram open[open] {
            summary { h3 { (diagram.title) } span.count { (counted(diagram.steps.len(), "step")) } }
            figure.target id=(diagram.id) {
                figcaption {
                    p { strong { code { (diagram.property) } " breaks: " } (diagram.what) "." }
                    p.again { "Again: " code { (diagram.again) } }
                }
                div.scroll role="region" aria-label={ "Steps of " (diagram.title) } tabindex="0" { (steps(diagram)) }
            }
        }
    }
}

fn steps(diagram: &Diagram) -> Markup {
    let is_timed = diagram.steps.iter().any(|step| step.time.is_some());
    html! {
        table.steps {
            thead { tr {
                th.lanes scope="col" { (chart::heads(diagram)) }
                th scope="col" { "#" }
                @if is_timed { th scope="col" { "time" } }
                th scope="col" { "thread" }
                th scope="col" { "step" }
                th scope="col" { "source" }
            } }
            tbody {
                @for (number, step) in diagram.steps.iter().enumerate() {
                    tr {
                        @if number == 0 { td.lanes rowspan=(diagram.steps.len() + 1) { (chart::lanes(diagram)) } }
                        (row(diagram, number, step, is_timed))
                    }
                }
                tr.broken {
                    td { "✗" }
                    @if is_timed { td {} }
                    td colspan="3" { code { (diagram.property) } ": " (diagram.what) }
                }
            }
        }
    }
}

fn row(diagram: &Diagram, number: usize, step: &Step, is_timed: bool) -> Markup {
    html! {
        td.number { (number + 1) }
        @if is_timed { td.number { (step.time.as_deref().unwrap_or_default()) } }
        td { (diagram.columns[step.column].name) }
        td.what title=(step.what) { (step.what) }
        td.source { @if let Some(source) = &step.source { code { (source) } } }
    }
}
