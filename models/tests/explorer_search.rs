//! The search around the strategies of the explorer: workers, limits, the first failure, and what a schedule is worth.

use std::collections::BTreeSet;
use std::time::Instant;

use forcekill_models::explorer::program::Program;
use forcekill_models::explorer::random_programs::Change::{Add, Max, Read, Set};
use forcekill_models::explorer::random_programs::Object::{Flag, Lock, Monitor};
use forcekill_models::explorer::random_programs::Predicate::{AtLeast, Is};
use forcekill_models::explorer::random_programs::brute_force::{enumerate, fewest_preemptions};
use forcekill_models::explorer::random_programs::interpreter::Interpreter;
use forcekill_models::explorer::random_programs::{
    SmallProgram, acquire, generate, join, load, release, spawn, store, wait, wait_until, with,
};
use forcekill_models::explorer::search::{Found, Kind, Observer, Settings, Verdict, search};
use forcekill_models::explorer::strategies::replay::Replay;
use forcekill_models::explorer::view::{Thread, View};

/// Stops at the first terminal state that is wanted, and remembers the schedules before it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wanted<'a> {
    wanted: &'a BTreeSet<u64>,
    schedules: Vec<Vec<Thread>>,
}

impl Observer for Wanted<'_> {
    fn ended(&mut self, view: &impl View, choices: &[Thread]) -> Verdict {
        self.schedules.push(choices.to_vec());
        if self.wanted.contains(&view.terminal_key()) { Verdict::Stop } else { Verdict::Continue }
    }

    fn merge(&mut self, later: Self) {
        self.schedules.extend(later.schedules);
    }
}

fn run<'a>(
    program: &SmallProgram,
    kind: Kind,
    settings: &Settings,
    wanted: &'a BTreeSet<u64>,
) -> Found<Wanted<'a>> {
    search(&Interpreter::new(program), kind, settings, || Wanted { wanted, schedules: Vec::new() })
}

const EXHAUSTIVE: [Kind; 5] =
    [Kind::Plain, Kind::SleepSets, Kind::Persistent, Kind::SourceSets, Kind::Bounded { most: usize::MAX }];

/// Three threads add to a counter behind a lock, each with a load of a flag before; main stores the flag.
fn counter() -> SmallProgram {
    let adder = [load(1), acquire(2), with(0, Add(0, 1)).tells(), release(2)];
    SmallProgram::new(
        &[Monitor((0, 0)), Flag(false), Lock],
        &[&[spawn(1), spawn(2), store(1, true), join(1), join(2), with(0, Read).tells()], &adder, &adder],
    )
}

/// Two workers that announce themselves, run until they are told to stop or have had enough, and leave; main asks them to stop
/// and waits for them, but not for ever. The first part of the value counts who runs, the second is the request.
fn drain(workers: usize) -> SmallProgram {
    let worker = [
        with(0, Add(0, 1)),
        with(1, Add(0, 1)).tells(),
        wait_until(0, AtLeast(1, 1), Read),
        with(1, Max(1, 1)),
        with(0, Add(0, 3)),
    ];
    let mut main: Vec<_> = (1..=workers).map(spawn).collect();
    main.extend([with(0, Set(1, 1)).tells(), wait_until(0, Is(0, 0), Read).tells(), with(1, Read).tells()]);
    let mut bodies = vec![&main[..]];
    bodies.resize(workers + 1, &worker[..]);
    SmallProgram::new(&[Monitor((0, 0)), Monitor((0, 0))], &bodies)
}

/// One hands over to the next, which hands over to the third: hardly anything is concurrent.
fn relay() -> SmallProgram {
    SmallProgram::new(
        &[Monitor((0, 0)), Monitor((0, 0))],
        &[
            &[spawn(1), spawn(2), with(0, Set(0, 1)), wait(0, Is(0, 3), Set(0, 0)), with(1, Read).tells()],
            &[with(1, Add(0, 1)), wait(0, Is(0, 1), Set(0, 2)), with(1, Add(0, 1)).tells()],
            &[with(1, Add(0, 1)), wait(0, Is(0, 2), Set(0, 3)), with(1, Add(0, 1)).tells()],
        ],
    )
}

#[test]
fn the_number_of_workers_changes_nothing() {
    let random = Kind::Random { seed: 7, executions: 100 };
    let mut programs = vec![counter(), relay()];
    programs.extend((0..60).map(generate::program));
    for program in programs {
        let Some(everything) = enumerate(&program, 4_000).filter(|it| it.executions < 5_000) else {
            continue;
        };
        // Once without a failure, once with each terminal state as the failure.
        let one = |key: &u64| BTreeSet::from([*key]);
        let failures = everything.terminals.iter().take(5).map(one).chain([BTreeSet::new()]);
        for wanted in failures {
            for kind in EXHAUSTIVE.into_iter().chain([random]) {
                let by = |workers| {
                    let settings = Settings { workers, subtrees: 32, terminals: true, ..Settings::default() };
                    run(&program, kind, &settings, &wanted)
                };
                let alone = by(1);
                for workers in 2..=4 {
                    assert_eq!(format!("{alone:?}"), format!("{:?}", by(workers)), "{kind:?}\n{program}");
                }
            }
        }
    }
}

#[test]
fn every_terminal_state_is_found_as_a_failure_and_its_schedule_replays() {
    for seed in 0..400 {
        let program = generate::program(seed);
        let Some(everything) = enumerate(&program, 2_000).filter(|it| it.executions < 2_000) else {
            continue;
        };
        for &key in everything.terminals.iter().take(4) {
            let wanted = BTreeSet::from([key]);
            for kind in EXHAUSTIVE {
                let found = run(&program, kind, &Settings { workers: 1, ..Settings::default() }, &wanted);
                let choices = found.failure.expect("brute force has found it");
                let mut replay = Replay::new(&choices);
                Interpreter::new(&program).run(&mut replay);
                assert_eq!(replay.terminal_key(), Some(key), "seed {seed}, {kind:?}: {choices:?}\n{program}");
            }
        }
    }
}

#[test]
fn the_bounded_search_finds_a_failure_with_the_fewest_preemptions() {
    let (mut compared, mut most) = (0, 0);
    for seed in 0..1_500 {
        let program = generate::program(seed);
        let Some(everything) = enumerate(&program, 2_000) else { continue };
        for &key in everything.terminals.iter().take(3) {
            let wanted = BTreeSet::from([key]);
            let expected = fewest_preemptions(&program, &wanted);
            let found = run(&program, Kind::Bounded { most: usize::MAX }, &Settings::default(), &wanted);
            assert!(found.failure.is_some(), "seed {seed}\n{program}");
            assert_eq!(found.preemptions, expected, "seed {seed}\n{program}");
            compared += 1;
            most = most.max(expected.unwrap_or(0));
        }
    }
    println!("{compared} terminal states, up to {most} preemptions");
    assert!(compared > 1_000 && most >= 3, "{compared} terminal states, up to {most} preemptions");
}

#[test]
fn a_bound_that_leaves_something_out_is_not_complete() {
    let none = BTreeSet::new();
    let all = run(&counter(), Kind::Bounded { most: usize::MAX }, &Settings::default(), &none);
    let needed = all.preemptions.expect("the bound that it got to");
    let less = run(&counter(), Kind::Bounded { most: needed - 1 }, &Settings::default(), &none);
    assert!(all.complete && !less.complete, "{needed} preemptions");
}

#[test]
fn a_limit_ends_the_search_incomplete() {
    let none = BTreeSet::new();
    let settings = Settings { workers: 1, most_executions: 10, ..Settings::default() };
    let found = run(&drain(2), Kind::SleepSets, &settings, &none);
    assert!(!found.complete && found.executions <= 10, "{} executions", found.executions);
}

/// Counts nothing and goes on.
struct Nothing;

impl Observer for Nothing {
    fn ended(&mut self, _view: &impl View, _choices: &[Thread]) -> Verdict {
        Verdict::Continue
    }

    fn merge(&mut self, _later: Self) {}
}

/// What the reductions save, on programs that look like what they are for; `--nocapture` shows the table.
#[test]
fn reductions_visit_fewer_executions_and_every_terminal_state() {
    for (name, program) in [("relay", relay()), ("counter", counter()), ("drain of two", drain(2))] {
        let everything = enumerate(&program, usize::MAX).expect("no limit");
        println!("{name}: {} schedules, {} states, {} terminal", everything.executions, everything.states, {
            everything.terminals.len()
        });
        let mut fewest = u64::MAX;
        for kind in EXHAUSTIVE {
            if kind == Kind::Plain && everything.executions > 1_000_000 {
                continue;
            }
            let started = Instant::now();
            let settings = Settings { workers: 1, terminals: true, ..Settings::default() };
            let found = search(&Interpreter::new(&program), kind, &settings, || Nothing);
            let (executions, cut_off) = (found.executions, found.cut_off);
            println!("  {kind:?}: {executions} executions, {cut_off} cut off, {:?}", started.elapsed());
            assert!(found.complete);
            assert_eq!(found.terminals, everything.terminals, "{name}, {kind:?}");
            assert!(executions <= everything.executions, "{name}, {kind:?}");
            fewest = fewest.min(executions);
        }
        assert!(fewest * 2 < everything.executions, "{name}: {fewest} of {}", everything.executions);
    }
}

/// A search that is too large for plain depth-first search, as a measure of speed.
#[test]
fn three_threads_that_drain_are_searched_in_full() {
    let program = drain(3);
    let everything = enumerate(&program, usize::MAX).expect("no limit");
    println!(
        "drain of three: {} schedules, {} terminal states",
        everything.executions,
        everything.terminals.len()
    );
    for workers in [1, 2] {
        let started = Instant::now();
        let settings = Settings { workers, terminals: true, ..Settings::default() };
        let found = search(&Interpreter::new(&program), Kind::SleepSets, &settings, || Nothing);
        let (executions, cut_off, seconds) =
            (found.executions, found.cut_off, started.elapsed().as_secs_f64());
        let a_second = (executions + cut_off) as f64 / seconds;
        println!(
            "  {workers} workers: {executions} and {cut_off} cut off in {seconds:.3} s, {a_second:.0} a second"
        );
        assert!(found.complete);
        assert_eq!(found.terminals, everything.terminals);
    }
}
