//! One program under one strategy, compared with brute force.

use std::collections::BTreeSet;
use std::fmt;

use forcekill_models::explorer::random_programs::brute_force::{Everything, enumerate};
use forcekill_models::explorer::random_programs::generate;
use forcekill_models::explorer::random_programs::interpreter::Interpreter;
use forcekill_models::explorer::random_programs::{SmallProgram, Violation};
use forcekill_models::explorer::search::{
    Found, Kind, Observer, Settings, Verdict, search, search_persistent, search_tree,
};
use forcekill_models::explorer::strategies::Tree;
use forcekill_models::explorer::strategies::mistakes::{
    BlockedLeftOut, ChildrenLeftOut, ClassicBacktracking, CutOffsLeftOut, DisabledLeftOut, JoiningLeftOut,
    JudgedByValues, JudgedByValuesWithCare, LatestStepsOnly, NeverVerified, NeverWoken, ShortKeys,
};
use forcekill_models::explorer::strategies::persistent::Closure;
use forcekill_models::explorer::strategies::sleep_sets::SleepSets;
use forcekill_models::explorer::strategies::source_sets::SourceSets;
use forcekill_models::explorer::view::{Thread, View};

/// Programs with more schedules than this are left out: plain depth-first search visits every one.
const MOST_EXECUTIONS: u64 = 1_500;
const MOST_STATES: usize = 4_000;

/// What a strategy must preserve.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Outcomes {
    terminals: BTreeSet<u64>,
    deadlocks: BTreeSet<u64>,
    violations: BTreeSet<Violation>,
}

/// Collects the keys of deadlocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Deadlocks(BTreeSet<u64>);

impl Observer for Deadlocks {
    fn ended(&mut self, view: &impl View, _choices: &[Thread]) -> Verdict {
        if !view.unfinished().is_empty() {
            self.0.insert(view.terminal_key());
        }
        Verdict::Continue
    }

    fn merge(&mut self, later: Self) {
        self.0.extend(later.0);
    }
}

/// A strategy under test.
#[derive(Clone, Copy, Debug)]
pub enum Tested {
    /// A sound strategy, and how many workers share the search.
    Sound(Kind, usize),
    NeverWoken,
    BlockedLeftOut,
    LatestStepsOnly,
    CutOffsLeftOut,
    JudgedByValues,
    JudgedByValuesWithCare,
    ClassicBacktracking,
    JoiningLeftOut,
    ChildrenLeftOut,
    DisabledLeftOut,
    NeverVerified,
    ShortKeys,
}

pub const SOUND: [Tested; 10] = [
    Tested::Sound(Kind::Plain, 1),
    Tested::Sound(Kind::SleepSets, 1),
    Tested::Sound(Kind::SourceSets, 1),
    Tested::Sound(Kind::Bounded { most: usize::MAX }, 1),
    Tested::Sound(Kind::Persistent, 1),
    Tested::Sound(Kind::Remembering, 1),
    Tested::Sound(Kind::SleepSets, 2),
    Tested::Sound(Kind::Persistent, 2),
    Tested::Sound(Kind::Remembering, 2),
    Tested::Sound(Kind::SourceSets, 2),
];

impl Tested {
    fn run(self, program: &SmallProgram) -> (Outcomes, Found<Deadlocks>) {
        let interpreter = Interpreter::new(program);
        let found = match self {
            Self::Sound(kind, workers) => {
                let subtrees = if workers == 1 { 1 } else { 8 };
                let settings = Settings { workers, subtrees, terminals: true, ..Settings::default() };
                search(&interpreter, kind, &settings, Deadlocks::default)
            }
            Self::NeverWoken => whole::<SleepSets<NeverWoken>>(&interpreter),
            Self::BlockedLeftOut => whole::<SourceSets<BlockedLeftOut>>(&interpreter),
            Self::LatestStepsOnly => whole::<SourceSets<LatestStepsOnly>>(&interpreter),
            Self::CutOffsLeftOut => whole::<SourceSets<CutOffsLeftOut>>(&interpreter),
            Self::JudgedByValues => whole::<SourceSets<JudgedByValues>>(&interpreter),
            Self::JudgedByValuesWithCare => whole::<SourceSets<JudgedByValuesWithCare>>(&interpreter),
            Self::ClassicBacktracking => whole::<SourceSets<ClassicBacktracking>>(&interpreter),
            Self::JoiningLeftOut => persistent::<JoiningLeftOut>(&interpreter),
            Self::ChildrenLeftOut => persistent::<ChildrenLeftOut>(&interpreter),
            Self::DisabledLeftOut => persistent::<DisabledLeftOut>(&interpreter),
            Self::NeverVerified => persistent::<NeverVerified>(&interpreter),
            Self::ShortKeys => persistent::<ShortKeys>(&interpreter),
        };
        assert!(found.complete, "{self:?} did not finish");
        let outcomes = Outcomes {
            terminals: found.terminals.clone(),
            deadlocks: found.observer.0.clone(),
            violations: interpreter.violations(),
        };
        (outcomes, found)
    }
}

/// Searches the tree in one piece.
fn whole<T: Tree>(interpreter: &Interpreter<'_>) -> Found<Deadlocks> {
    let settings = Settings { workers: 1, subtrees: 1, terminals: true, ..Settings::default() };
    search_tree::<T, _, _>(interpreter, &settings, Deadlocks::default)
}

/// The same with persistent sets.
fn persistent<C: Closure>(interpreter: &Interpreter<'_>) -> Found<Deadlocks> {
    let settings = Settings { workers: 1, subtrees: 1, terminals: true, ..Settings::default() };
    search_persistent::<C, _, _>(interpreter, &settings, Deadlocks::default)
}

/// What a strategy got wrong.
#[derive(Clone, Debug)]
pub struct Mismatch {
    tested: Tested,
    found: Outcomes,
    expected: Outcomes,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { tested, found, expected } = self;
        let count = |it: &Outcomes| (it.terminals.len(), it.deadlocks.len(), it.violations.len());
        write!(f, "{tested:?} found {:?} terminal states, deadlocks and violations, ", count(found))?;
        write!(f, "brute force {:?}", count(expected))
    }
}

/// Everything that a program can do, if that is little enough.
pub fn reference(program: &SmallProgram) -> Option<Everything> {
    enumerate(program, MOST_STATES).filter(|everything| everything.executions <= MOST_EXECUTIONS)
}

pub fn check(program: &SmallProgram, everything: &Everything, tested: Tested) -> Result<(), Box<Mismatch>> {
    let Everything { terminals, deadlocks, violations, .. } = everything.clone();
    let expected = Outcomes { terminals, deadlocks, violations };
    let (found, counts) = tested.run(program);
    if let Tested::Sound(Kind::Plain, _) = tested {
        assert_eq!(
            counts.executions, everything.executions,
            "plain depth-first search visits every schedule once"
        );
    }
    if found == expected { Ok(()) } else { Err(Box::new(Mismatch { tested, found, expected })) }
}

/// Leaves out lines, one after the other, as long as the mismatch stays.
pub fn shrink(program: &SmallProgram, tested: Tested) -> SmallProgram {
    let fails = |program: &SmallProgram| {
        reference(program).is_some_and(|everything| check(program, &everything, tested).is_err())
    };
    let mut smallest = program.clone();
    loop {
        let smaller = generate::smaller(&smallest).find(fails);
        match smaller {
            Some(smaller) => smallest = smaller,
            None => return smallest,
        }
    }
}
