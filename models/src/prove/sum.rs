//! What the searches of one property by one design come to together: a cell of the table of proofs.

use super::outcome::{Cell, Verdict};
use super::task::Engine;
use crate::schedule::Schedule;
use crate::search::Steps;

/// What several searches say together. The weakest of them decides, so that nothing is named that is not there.
#[derive(Clone, Copy, Debug)]
pub enum Sum<'a> {
    /// None was made.
    Empty,
    /// All of them were searched in full.
    Proved {
        /// How many there are.
        searches: usize,
        /// The most preemptions up to which every race is searched in every size; `None` for any number. What shuttle
        /// searches up to a bound does not count where the explorer has searched the same race without one: both play
        /// interleavings, and loom alone plays more.
        bound: Option<usize>,
    },
    /// Some were not searched in full; none failed.
    Held {
        /// How many were not.
        held: usize,
        /// How many there are.
        searches: usize,
    },
    /// One failed, or more.
    Refuted(Counterexample<'a>),
}

/// A failing execution, and the search that found it.
#[derive(Clone, Copy, Debug)]
pub struct Counterexample<'a> {
    /// The search.
    pub cell: &'a Cell,
    /// The execution.
    pub schedule: &'a Schedule,
    /// What broke.
    pub what: &'a str,
}

impl<'a> Sum<'a> {
    /// The sum of these searches, all of one property and one design.
    pub fn of(cells: &[&'a Cell]) -> Self {
        let searches = cells.len();
        let held = cells.iter().filter(|cell| cell.verdict == Verdict::Held).count();
        match (searches, shortest(cells), held) {
            (0, ..) => Self::Empty,
            (_, Some(shortest), _) => Self::Refuted(shortest),
            (_, None, 0) => Self::Proved { searches, bound: weakest_bound(cells) },
            (_, None, held) => Self::Held { held, searches },
        }
    }
}

/// The counterexample with the fewest steps, of those that were found; the first of several.
fn shortest<'a>(cells: &[&'a Cell]) -> Option<Counterexample<'a>> {
    let found = cells.iter().filter_map(|&cell| {
        let (schedule, what) = cell.refutation.as_ref()?;
        Some(Counterexample { cell, schedule, what })
    });
    found.min_by_key(|found| (steps(found.schedule), found.cell.size))
}

/// How many steps a schedule has, as its engine counts them. loom does not tell, so that any other is preferred.
fn steps(schedule: &Schedule) -> usize {
    match &schedule.steps {
        Steps::Explore { choices, .. } | Steps::Shuttle { choices, .. } => choices.len(),
        Steps::Loom { .. } => usize::MAX,
    }
}

fn weakest_bound(cells: &[&Cell]) -> Option<usize> {
    let is_full =
        |cell: &Cell| cell.engine == Engine::Explore && !cell.cross_check && cell.preemption_bound.is_none();
    let explored_in_full = |cell: &Cell| {
        cells.iter().any(|other| {
            let is_same = (other.case.model(), other.size) == (cell.case.model(), cell.size);
            is_same && is_full(other)
        })
    };
    let counts = |cell: &&&Cell| cell.engine != Engine::Shuttle || !explored_in_full(cell);
    cells.iter().filter(counts).filter_map(|cell| cell.preemption_bound).min()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::designs::Design;
    use crate::property::Property;
    use crate::protocol::Protocol;

    /// A search of `no-lost-kill` that was `proved`.
    fn cell(engine: Engine, size: usize, preemption_bound: Option<usize>) -> Cell {
        let protocol = Protocol::Design(Design::Pr2365);
        Cell {
            protocol,
            property: Property::NoLostKill,
            case: protocol.case("lost-wake-up").expect("a race of the pull request's"),
            size,
            engine,
            cross_check: false,
            verdict: Verdict::Proved,
            preemption_bound,
            executions: 1,
            seconds: 0.0,
            refutation: None,
        }
    }

    fn held(cell: Cell) -> Cell {
        Cell { verdict: Verdict::Held, ..cell }
    }

    fn refuted(cell: Cell, steps: &str) -> Cell {
        let (engine, size) = (cell.engine.name(), cell.size);
        let word = format!("fk1:{engine}:pr-2365:no-lost-kill:lost-wake-up:{size}:interruptible:{steps}");
        let refutation = Some((word.parse().expect("a schedule"), format!("broke by {steps}")));
        Cell { verdict: Verdict::Refuted, refutation, ..cell }
    }

    fn sum(cells: &[Cell]) -> String {
        match Sum::of(&cells.iter().collect::<Vec<_>>()) {
            Sum::Empty => "empty".to_string(),
            Sum::Proved { searches, bound } => format!("proved in {searches}, {bound:?}"),
            Sum::Held { held, searches } => format!("held in {held} of {searches}"),
            Sum::Refuted(shortest) => {
                assert_eq!(shortest.schedule.size, shortest.cell.size);
                shortest.what.to_string()
            }
        }
    }

    #[test]
    fn no_search_is_no_proof() {
        assert_eq!(sum(&[]), "empty");
    }

    #[test]
    fn the_weakest_verdict_wins_wherever_it_stands() {
        let proved = || cell(Engine::Explore, 1, None);
        let held = || held(cell(Engine::Shuttle, 3, Some(2)));
        let refuted = || refuted(cell(Engine::Explore, 2, None), "run=0*3");
        assert_eq!(sum(&[proved(), proved()]), "proved in 2, None");
        assert_eq!(sum(&[proved(), held(), proved()]), "held in 1 of 3");
        assert_eq!(sum(&[held(), proved(), held()]), "held in 2 of 3");
        assert_eq!(sum(&[proved(), held(), refuted()]), "broke by run=0*3");
        assert_eq!(sum(&[refuted(), held(), proved()]), "broke by run=0*3");
    }

    #[test]
    fn the_weakest_bound_is_stated() {
        let loom = |size, bound| cell(Engine::Loom, size, bound);
        assert_eq!(sum(&[loom(1, None), loom(2, None)]), "proved in 2, None");
        assert_eq!(sum(&[loom(1, None), loom(2, Some(3)), loom(3, Some(1))]), "proved in 3, Some(1)");
        assert_eq!(sum(&[loom(1, Some(0)), loom(2, None)]), "proved in 2, Some(0)");
    }

    /// shuttle plays nothing that the explorer does not; loom does.
    #[test]
    fn the_explorer_lifts_the_bound_of_shuttle_in_the_same_size_and_of_nobody_else() {
        let (shuttle, explore) = (cell(Engine::Shuttle, 2, Some(1)), cell(Engine::Explore, 2, None));
        assert_eq!(sum(&[shuttle.clone(), explore.clone()]), "proved in 2, None");
        assert_eq!(sum(&[cell(Engine::Shuttle, 3, Some(1)), explore.clone()]), "proved in 2, Some(1)");
        assert_eq!(sum(&[cell(Engine::Loom, 2, Some(2)), shuttle.clone(), explore]), "proved in 3, Some(2)");
        let elsewhere = Protocol::Design(Design::Pr2365).case("flag-order").expect("another race");
        let explore = Cell { case: elsewhere, ..cell(Engine::Explore, 2, None) };
        assert_eq!(sum(&[shuttle, explore]), "proved in 2, Some(1)");
    }

    #[test]
    fn the_shortest_counterexample_is_shown_and_looms_last() {
        let loom = || refuted(cell(Engine::Loom, 1, None), "bound=none,reads=rmw,execution=1");
        let shuttle = || refuted(cell(Engine::Shuttle, 1, Some(2)), "pad=0,run=0*9");
        let explore = || refuted(cell(Engine::Explore, 2, None), "run=0*4+1*4");
        assert_eq!(sum(&[loom(), shuttle(), explore()]), "broke by run=0*4+1*4");
        assert_eq!(sum(&[explore(), shuttle(), loom()]), "broke by run=0*4+1*4");
        assert_eq!(sum(&[loom(), shuttle()]), "broke by pad=0,run=0*9");
        assert_eq!(sum(&[loom()]), "broke by bound=none,reads=rmw,execution=1");
        let smaller = refuted(cell(Engine::Explore, 1, None), "run=1*8");
        assert_eq!(sum(&[explore(), smaller]), "broke by run=1*8", "as short, and smaller");
    }
}
