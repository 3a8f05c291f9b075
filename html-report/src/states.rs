//! The coverage of the state diagram, drawn on the diagram. The states have fixed places; arrows into the two states in which
//! everything ends stand in the states that they leave, because drawn they would cover the rest.

use forcekill::State;
use forcekill::state::{Actor, TRANSITIONS};
use maud::{Markup, html};

use crate::data::{Coverage, Taken};
use crate::tables::thousands;

const WIDTH: f64 = 1120.0;
const HEIGHT: f64 = 762.0;
/// Of a box, half.
const HALF_WIDTH: f64 = 80.0;
const HALF_HEIGHT: f64 = 22.0;
/// The height of a line in a box.
const LINE: f64 = 15.0;

/// The middle of a state's box.
fn place(state: State) -> (f64, f64) {
    match state {
        State::Reserved => (120.0, 50.0),
        State::BootRequested => (390.0, 50.0),
        State::Booting => (680.0, 50.0),
        State::TransitionComplete => (680.0, 205.0),
        State::TransitionInProgress => (395.0, 205.0),
        State::TransitionRequested => (395.0, 345.0),
        State::Inactive => (190.0, 445.0),
        State::Ready => (680.0, 445.0),
        State::RebootReady => (980.0, 285.0),
        State::Rebooting => (980.0, 445.0),
        State::Restarting => (540.0, 585.0),
        State::Yielding => (310.0, 585.0),
        State::ShuttingDown => (430.0, 705.0),
        State::Abandoned => (770.0, 705.0),
        State::Done => (120.0, 705.0),
    }
}

/// How far the middle of an arrow is moved from the straight line, so that it leads around what is there.
fn bend(from: State, to: State) -> (f64, f64) {
    match (from, to) {
        (State::Reserved, State::Booting) => (0.0, 44.0),
        (State::Booting, State::Inactive) => (-132.0, -64.0),
        (State::TransitionComplete, State::Inactive) => (-10.0, -48.0),
        (State::TransitionComplete, State::ShuttingDown) => (240.0, 60.0),
        (State::Ready, State::ShuttingDown) => (100.0, 50.0),
        (State::Inactive, State::ShuttingDown) => (-150.0, 40.0),
        (State::Inactive, State::Restarting) => (0.0, -14.0),
        (State::Yielding, State::Ready) => (0.0, -14.0),
        (State::Done, State::Reserved) => (-72.0, 0.0),
        (State::Abandoned, State::Done) => (0.0, 42.0),
        (State::Ready, State::Restarting) => (18.0, 12.0),
        (State::RebootReady, State::Ready) => (0.0, 14.0),
        _ => (0.0, 0.0),
    }
}

/// Half the height of a state's box, which holds a line for each arrow that is written in it.
fn half_height(state: State) -> f64 {
    let ends = [State::Done, State::Abandoned].into_iter();
    let written = ends.filter(|&end| {
        TRANSITIONS.iter().any(|row| (row.from, row.to) == (state, end)) && is_written(state, end)
    });
    HALF_HEIGHT + written.count() as f64 * LINE / 2.0
}

/// Whether an arrow is written in the state that it leaves.
fn is_written(from: State, to: State) -> bool {
    let near = match to {
        State::Done => matches!(from, State::ShuttingDown | State::Abandoned),
        State::Abandoned => matches!(from, State::ShuttingDown | State::Restarting),
        _ => true,
    };
    !near
}

/// The diagram, and its numbers as a table.
pub(crate) fn section(coverage: &Coverage) -> Markup {
    let taken = coverage.rows.iter().filter(|taken| taken.hits > 0).count();
    html! {
        section id="states" {
            h2 { "States" }
            p {
                (taken) " of " (coverage.rows.len()) " transitions taken"
                (coverage.note) ". The numbers say how often; a dashed arrow was never taken. In the states with a bold rim a thread stays until it is asked to leave."
            }
            div.scroll role="region" aria-label="The state diagram" tabindex="0" { (drawing(coverage)) }
            details {
                summary { h3 { "Every transition in numbers" } }
                div.scroll role="region" aria-label="Transitions" tabindex="0" { (table(coverage)) }
            }
        }
    }
}

fn table(coverage: &Coverage) -> Markup {
    html! {
        table {
            thead { tr { @for head in ["from", "event", "to", "by", "taken"] { th scope="col" { (head) } } } }
            tbody { @for Taken { row, hits } in &coverage.rows { tr {
                th scope="row" { (row.from) }
                td { (format!("{:?}", row.event)) }
                td { (row.to) }
                td { (actors(row.by)) }
                td.refuted[*hits == 0 && coverage.is_claimed] { (thousands(*hits)) }
            } } }
        }
    }
}

fn actors(by: &[Actor]) -> String {
    let names = by.iter().map(|actor| match actor {
        Actor::PhpThread => "PHP thread",
        Actor::Init => "init",
        Actor::Scaler => "scaler",
        Actor::Restarter => "restarter",
        Actor::Shutdown => "shutdown",
    });
    names.collect::<Vec<_>>().join(", ")
}

fn drawing(coverage: &Coverage) -> Markup {
    let edges = edges(coverage);
    let (written, arrows): (Vec<_>, Vec<_>) = edges.iter().partition(|edge| is_written(edge.from, edge.to));
    html! {
        svg.map.claimed[coverage.is_claimed] width=(WIDTH) height=(HEIGHT) viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" aria-label="States and transitions; the table below has the same numbers" {
            @for edge in &arrows { (arrow(edge)) }
            @for state in State::ALL { (state_box(state, &edges)) }
            @for state in State::ALL {
                @for (number, edge) in written.iter().filter(|edge| edge.from == state).enumerate() { (line_in(edge, number)) }
            }
        }
    }
}

/// Everything that leads from one state to another.
struct Edge<'a> {
    from: State,
    to: State,
    rows: Vec<&'a Taken>,
}

impl Edge<'_> {
    fn hits(&self) -> u64 {
        self.rows.iter().map(|taken| taken.hits).sum()
    }

    fn events(&self) -> String {
        self.rows.iter().map(|taken| format!("{:?}", taken.row.event)).collect::<Vec<_>>().join(", ")
    }

    fn title(&self) -> String {
        let line = |taken: &&Taken| {
            format!("{:?} by {}: {}", taken.row.event, actors(taken.row.by), thousands(taken.hits))
        };
        format!("{} → {}\n{}", self.from, self.to, self.rows.iter().map(line).collect::<Vec<_>>().join("\n"))
    }

    fn class(&self) -> &'static str {
        match (self.hits(), self.to) {
            (0, _) => "missing",
            (_, State::Abandoned) => "abandon",
            (_, State::Done | State::Reserved) => "end",
            (_, State::Restarting | State::Yielding | State::ShuttingDown | State::Rebooting) => "retreat",
            _ => "",
        }
    }
}

fn edges(coverage: &Coverage) -> Vec<Edge<'_>> {
    let mut edges: Vec<Edge<'_>> = Vec::new();
    for taken in &coverage.rows {
        match edges.iter_mut().find(|edge| (edge.from, edge.to) == (taken.row.from, taken.row.to)) {
            Some(edge) => edge.rows.push(taken),
            None => edges.push(Edge { from: taken.row.from, to: taken.row.to, rows: vec![taken] }),
        }
    }
    edges
}

/// A state, and how often it was entered.
fn state_box(state: State, edges: &[Edge<'_>]) -> Markup {
    let (x, y) = place(state);
    let half = half_height(state);
    let top = y - half;
    let entered: u64 = edges.iter().filter(|edge| edge.to == state).map(Edge::hits).sum();
    html! {
        g.{ "state-" (state) }.missing[entered == 0] {
            title { (state) ": entered " (thousands(entered)) " times" }
            rect.box.stable[state.is_stable()] x=(x - HALF_WIDTH) y=(top) width=(HALF_WIDTH * 2.0) height=(half * 2.0) rx="9" {}
            text.name x=(x) y=(top + 20.0) { (state) }
            text.visits x=(x) y=(top + 36.0) { (short(entered)) }
        }
    }
}

/// An arrow that is written, not drawn.
fn line_in(edge: &Edge<'_>, number: usize) -> Markup {
    let (x, y) = place(edge.from);
    let y = y - half_height(edge.from) + 2.0 * HALF_HEIGHT + 8.0 + number as f64 * LINE;
    html! { g.edge.written.(edge.class()) {
        title { (edge.title()) }
        text.hits x=(x) y=(y) { "→ " (edge.to) " " (short(edge.hits())) }
    } }
}

fn arrow(edge: &Edge<'_>) -> Markup {
    let ((x1, y1), (x2, y2), (bx, by)) = (place(edge.from), place(edge.to), bend(edge.from, edge.to));
    let control = ((x1 + x2) / 2.0 + 2.0 * bx, (y1 + y2) / 2.0 + 2.0 * by);
    let at = |t: f64| {
        let (a, b, c) = ((1.0 - t) * (1.0 - t), 2.0 * t * (1.0 - t), t * t);
        (a * x1 + b * control.0 + c * x2, a * y1 + b * control.1 + c * y2)
    };
    let is_inside = |(x, y): (f64, f64), state: State| {
        let (cx, cy) = place(state);
        (x - cx).abs() <= HALF_WIDTH + 3.0 && (y - cy).abs() <= half_height(state) + 3.0
    };
    let moments = || (0..=400).map(|step| f64::from(step) / 400.0);
    let start = moments().find(|&t| !is_inside(at(t), edge.from)).unwrap_or(0.0);
    let end = moments().rev().find(|&t| !is_inside(at(t), edge.to)).unwrap_or(1.0);
    let points = (0..=24).map(|step| at(start + (end - start) * f64::from(step) / 24.0));
    let points: Vec<_> = points.map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    let ((tx, ty), (px, py)) = (at(end), at(end - 0.02));
    let length = (tx - px).hypot(ty - py).max(0.001);
    let (ux, uy) = ((tx - px) / length * 9.0, (ty - py) / length * 9.0);
    let (left, right) = ((tx - ux - uy * 0.5, ty - uy + ux * 0.5), (tx - ux + uy * 0.5, ty - uy - ux * 0.5));
    let tip = format!("M{tx:.1} {ty:.1}L{:.1} {:.1}L{:.1} {:.1}Z", left.0, left.1, right.0, right.1);
    let (label_x, label_y) = at(start + (end - start) * label_place(edge.from, edge.to));
    html! { g.edge.(edge.class()) {
        title { (edge.title()) }
        path d={ "M" (points.join("L")) } stroke-width=(format!("{:.1}", thickness(edge.hits()))) {}
        path.tip d=(tip) {}
        text.hits x=(format!("{label_x:.0}")) y=(format!("{:.0}", label_y - 2.0)) { (edge.events()) }
        text.hits x=(format!("{label_x:.0}")) y=(format!("{:.0}", label_y + 10.0)) { (short(edge.hits())) }
    } }
}

/// How far along an arrow its words stand.
fn label_place(from: State, to: State) -> f64 {
    match (from, to) {
        (State::Inactive, State::Restarting) => 0.32,
        (State::Yielding, State::Ready) => 0.72,
        (State::TransitionComplete, State::ShuttingDown) => 0.24,
        (State::Ready, State::ShuttingDown) => 0.28,
        (State::TransitionComplete, State::Inactive) => 0.3,
        _ => 0.5,
    }
}

/// More for more hits, by their order of magnitude.
fn thickness(hits: u64) -> f64 {
    1.2 + f64::from(hits.max(1).ilog10()) * 0.35
}

/// A number in at most four characters and a letter.
fn short(number: u64) -> String {
    match number {
        0..=9_999 => thousands(number),
        10_000..=999_999 => format!("{}k", number / 1_000),
        1_000_000..=9_999_999 => format!("{:.1}M", number as f64 / 1e6),
        _ => format!("{}M", number / 1_000_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_states_share_a_place() {
        for (number, &one) in State::ALL.iter().enumerate() {
            for &other in &State::ALL[..number] {
                let ((x1, y1), (x2, y2)) = (place(one), place(other));
                let heights = half_height(one) + half_height(other);
                let apart = (x1 - x2).abs() > 2.0 * HALF_WIDTH || (y1 - y2).abs() > heights;
                assert!(apart, "{one} and {other}");
            }
        }
    }

    #[test]
    fn numbers_are_short() {
        let numbers = [0, 9_999, 10_000, 999_999, 1_240_000, 123_456_789];
        assert_eq!(numbers.map(short), ["0", "9,999", "10k", "999k", "1.2M", "123M"]);
    }
}
