//! The strategies of the explorer, held against brute force on random small programs: the same terminal states, deadlocks and
//! violations, whatever a strategy leaves out. And the same test held against strategies with a mistake, which it must catch.
//!
//! `FORCEKILL_PROGRAMS=1000000` runs so many programs, `FORCEKILL_SEED=77` begins with that seed: so
//! `FORCEKILL_SEED=77 FORCEKILL_PROGRAMS=1` replays one program.

use std::collections::BTreeSet;
use std::fmt;

use forcekill_models::explorer::random_programs::brute_force::{Everything, enumerate};
use forcekill_models::explorer::random_programs::generate;
use forcekill_models::explorer::random_programs::interpreter::Interpreter;
use forcekill_models::explorer::random_programs::{SmallProgram, Violation};
use forcekill_models::explorer::search::{Found, Kind, Observer, Settings, Verdict, search, search_tree};
use forcekill_models::explorer::strategies::mistakes::{
    BlockedLeftOut, ClassicBacktracking, JudgedByValues, JudgedByValuesWithCare, NeverWoken,
};
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
enum Tested {
    Sound(Kind, usize),
    NeverWoken,
    BlockedLeftOut,
    JudgedByValues,
    JudgedByValuesWithCare,
    ClassicBacktracking,
}

const SOUND: [Tested; 6] = [
    Tested::Sound(Kind::Plain, 1),
    Tested::Sound(Kind::SleepSets, 1),
    Tested::Sound(Kind::SourceSets, 1),
    Tested::Sound(Kind::Bounded { most: usize::MAX }, 1),
    Tested::Sound(Kind::SleepSets, 2),
    Tested::Sound(Kind::SourceSets, 2),
];

impl Tested {
    fn run(self, program: &SmallProgram) -> (Outcomes, Found<Deadlocks>) {
        let interpreter = Interpreter::new(program);
        let whole = Settings { workers: 1, subtrees: 1, terminals: true, ..Settings::default() };
        let split = |workers| {
            if workers == 1 { whole.clone() } else { Settings { workers, subtrees: 8, ..whole.clone() } }
        };
        let found = match self {
            Self::Sound(kind, workers) => search(&interpreter, kind, &split(workers), Deadlocks::default),
            Self::NeverWoken => {
                search_tree::<SleepSets<NeverWoken>, _, _>(&interpreter, &whole, Deadlocks::default)
            }
            Self::BlockedLeftOut => {
                search_tree::<SourceSets<BlockedLeftOut>, _, _>(&interpreter, &whole, Deadlocks::default)
            }
            Self::JudgedByValues => {
                search_tree::<SourceSets<JudgedByValues>, _, _>(&interpreter, &whole, Deadlocks::default)
            }
            Self::JudgedByValuesWithCare => search_tree::<SourceSets<JudgedByValuesWithCare>, _, _>(
                &interpreter,
                &whole,
                Deadlocks::default,
            ),
            Self::ClassicBacktracking => {
                search_tree::<SourceSets<ClassicBacktracking>, _, _>(&interpreter, &whole, Deadlocks::default)
            }
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

/// What a strategy got wrong.
#[derive(Clone, Debug)]
struct Mismatch {
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
fn reference(program: &SmallProgram) -> Option<Everything> {
    enumerate(program, MOST_STATES).filter(|everything| everything.executions <= MOST_EXECUTIONS)
}

fn check(program: &SmallProgram, everything: &Everything, tested: Tested) -> Result<(), Box<Mismatch>> {
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
fn shrink(program: &SmallProgram, tested: Tested) -> SmallProgram {
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

fn from_environment(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |it| it.parse().expect("a number"))
}

/// The seeds to test: as many as asked for.
fn seeds(default: u64) -> std::ops::Range<u64> {
    let first = from_environment("FORCEKILL_SEED", 0);
    first..first + from_environment("FORCEKILL_PROGRAMS", default)
}

/// The rarest of the seeded mistakes shows in one program of about 6,600.
const PROGRAMS: u64 = 10_000;

/// How many programs did what.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    checked: u64,
    violating: u64,
    deadlocking: u64,
}

/// Checks one program under every sound strategy.
fn check_seed(seed: u64, tally: &mut Tally) {
    let program = generate::program(seed);
    let Some(everything) = reference(&program) else { return };
    for tested in SOUND {
        if let Err(mismatch) = check(&program, &everything, tested) {
            panic!(
                "{mismatch}\nseed {seed}:\n{program}\nthe smallest part that fails:\n{}\nreplay: FORCEKILL_SEED={seed} \
                 FORCEKILL_PROGRAMS=1 cargo test -p forcekill-models --test explorer_soundness every_strategy",
                shrink(&program, tested)
            );
        }
    }
    tally.checked += 1;
    tally.violating += u64::from(!everything.violations.is_empty());
    tally.deadlocking += u64::from(!everything.deadlocks.is_empty());
}

#[test]
fn every_strategy_finds_what_brute_force_finds() {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let tallies: Vec<_> = std::thread::scope(|scope| {
        let worker = |first| {
            let mut tally = Tally::default();
            seeds(PROGRAMS).skip(first).step_by(cores).for_each(|seed| check_seed(seed, &mut tally));
            tally
        };
        let workers: Vec<_> = (0..cores).map(|first| scope.spawn(move || worker(first))).collect();
        let join = |worker: std::thread::ScopedJoinHandle<'_, _>| {
            worker.join().expect("the mismatch is printed above")
        };
        workers.into_iter().map(join).collect()
    });
    let sum = |of: fn(&Tally) -> u64| tallies.iter().map(of).sum::<u64>();
    let (checked, violating) = (sum(|it| it.checked), sum(|it| it.violating));
    println!("{checked} programs, {violating} with violations, {} with deadlocks", sum(|it| it.deadlocking));
    assert!(checked > 0, "every program was too large");
}

/// Runs the same test over a strategy with a mistake, until it is caught.
fn assert_caught(tested: Tested) {
    let mut checked = 0;
    for seed in seeds(PROGRAMS) {
        let program = generate::program(seed);
        let Some(everything) = reference(&program) else { continue };
        checked += 1;
        if let Err(mismatch) = check(&program, &everything, tested) {
            println!("{mismatch}\nafter {checked} programs, seed {seed}:\n{}", shrink(&program, tested));
            return;
        }
    }
    panic!("{tested:?} was not caught by {checked} programs");
}

#[test]
fn sleepers_that_are_never_woken_are_caught() {
    assert_caught(Tested::NeverWoken);
}

#[test]
fn races_left_out_for_blocked_operations_are_caught() {
    assert_caught(Tested::BlockedLeftOut);
}

#[test]
fn dependence_judged_by_values_is_caught() {
    assert_caught(Tested::JudgedByValues);
}

#[test]
fn dependence_judged_by_values_with_care_is_caught() {
    assert_caught(Tested::JudgedByValuesWithCare);
}

#[test]
fn classic_backtracking_with_sleep_sets_is_caught() {
    assert_caught(Tested::ClassicBacktracking);
}
