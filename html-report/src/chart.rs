//! The drawing beside the steps: lanes, coloured by state, and arrows between them. Everything that it shows stands in the
//! table's text too, so it is hidden from those who are read to.

use maud::{Markup, html};

use crate::data::{Arrow, ArrowKind, Column, Diagram, Span};

/// The height of a line of the table, which the style sheet fixes.
const ROW: usize = 24;
const LANE: usize = 116;
const MARGIN: usize = 14;
const KINDS: [(ArrowKind, &str, &str); 5] = [
    (ArrowKind::Wake, "wake", "wake"),
    (ArrowKind::Kill, "kill", "kill: a flag raised"),
    (ArrowKind::State, "state", "another's state changed"),
    (ArrowKind::HandOver, "hand-over", "hand-over: a wait ends"),
    (ArrowKind::Spawn, "spawn", "thread started"),
];

fn lane(column: usize) -> usize {
    MARGIN + column * LANE
}

fn line(step: usize) -> usize {
    step * ROW + ROW / 2
}

fn width(diagram: &Diagram) -> usize {
    diagram.columns.len() * LANE + MARGIN
}

/// The names of the threads.
pub(crate) fn heads(diagram: &Diagram) -> Markup {
    let width = width(diagram);
    html! {
        svg width=(width) height=(ROW) viewBox={ "0 0 " (width) " " (ROW) } aria-hidden="true" {
            @for (number, column) in diagram.columns.iter().enumerate() {
                text.head x=(lane(number) - 5) y="16" { (column.name) }
            }
        }
    }
}

/// The lanes, the steps and the arrows.
pub(crate) fn lanes(diagram: &Diagram) -> Markup {
    let (width, height) = (width(diagram), (diagram.steps.len() + 1) * ROW);
    html! {
        svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } aria-hidden="true" {
            @for (number, column) in diagram.columns.iter().enumerate() { (lane_of(diagram, number, column)) }
            @for arrow in &diagram.arrows { (draw(diagram, arrow)) }
            @for (number, column) in diagram.columns.iter().enumerate() {
                @for span in &column.states { text.label x=(lane(number) + 9) y=(line(span.from) + 15) { (span.name) } }
            }
            @for (number, step) in diagram.steps.iter().enumerate() {
                circle.step cx=(lane(step.column)) cy=(line(number)) r="3.5" {}
            }
            @if let Some(last) = diagram.steps.last() {
                @let (x, y) = (lane(last.column), line(diagram.steps.len()));
                path.broken d={ "M" (x - 6) " " (y - 6) "l12 12m0 -12l-12 12" } {}
            }
        }
    }
}

fn lane_of(diagram: &Diagram, number: usize, column: &Column) -> Markup {
    let own = diagram.steps.iter().enumerate().filter(|(_, step)| step.column == number).map(|(at, _)| at);
    let begun = column.states.first().map(|span| span.from);
    let first = own.clone().next().into_iter().chain(begun).min().unwrap_or(0);
    let last = diagram.steps.len();
    let x = lane(number);
    html! {
        line.life x1=(x) y1=(line(first)) x2=(x) y2=(line(last)) {}
        @for span in &column.states {
            rect.state.{ "state-" (span.name) } x=(x - 5) y=(line(span.from)) width="10" height=(length(span)) {}
        }
        @for span in &column.blocked { rect.blocked x=(x - 2) y=(line(span.from)) width="4" height=(length(span)) {} }
    }
}

fn length(span: &Span) -> usize {
    (line(span.to) - line(span.from)).max(2)
}

/// Straight to the other lane if it happens at once; otherwise down, from one step to the other.
fn draw(diagram: &Diagram, arrow: &Arrow) -> Markup {
    let from = diagram.steps[arrow.from].column;
    let (x1, y1) = (lane(from) as f64, line(arrow.from) as f64);
    let (x2, y2) = (lane(arrow.to_column) as f64, line(arrow.to) as f64);
    let (dx, dy) = (x2 - x1, y2 - y1);
    let length = dx.hypot(dy).max(1.0);
    // Ends at the rim of the lane, where its head can be seen.
    let (x1, y1) = (x1 + dx / length * 5.0, y1 + dy / length * 5.0);
    let (x2, y2) = (x2 - dx / length * 6.0, y2 - dy / length * 6.0);
    let (ux, uy) = (dx / length * 7.0, dy / length * 7.0);
    let head = format!(
        "M{x2:.1} {y2:.1}L{:.1} {:.1}L{:.1} {:.1}Z",
        x2 - ux - uy * 0.55,
        y2 - uy + ux * 0.55,
        x2 - ux + uy * 0.55,
        y2 - uy - ux * 0.55,
    );
    let line = format!("M{x1:.1} {y1:.1}L{:.1} {:.1}", x2 - ux, y2 - uy);
    html! { g.arrow.(class(arrow.kind)) { path d=(line) {} path.tip d=(head) {} } }
}

fn class(kind: ArrowKind) -> &'static str {
    KINDS.iter().find(|(of, ..)| *of == kind).map_or("", |(_, class, _)| class)
}

/// What the arrows and lanes mean.
pub(crate) fn legend() -> Markup {
    html! {
        ul.key {
            @for (_, class, name) in KINDS { li {
                svg width="34" height="12" aria-hidden="true" {
                    g.arrow.(class) { path d="M2 6L25 6" {} path.tip d="M32 6L25 2.2L25 9.8Z" {} }
                }
                (name)
            } }
            li { svg width="12" height="12" aria-hidden="true" { rect.state.state-Ready x="1" y="0" width="10" height="12" {} } "state, by colour" }
            li { svg width="12" height="12" aria-hidden="true" { line.life x1="6" y1="0" x2="6" y2="12" {} rect.blocked x="4" y="0" width="4" height="12" {} } "in a call, or asleep" }
        }
    }
}
