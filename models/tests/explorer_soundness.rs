//! The strategies of the explorer, held against brute force on random small programs: the same terminal states, deadlocks and
//! violations, whatever a strategy leaves out. And the same test held against strategies with a mistake, which it must catch.
//!
//! `FORCEKILL_PROGRAMS=1000000` runs so many programs, `FORCEKILL_SEED=77` begins with that seed: so
//! `FORCEKILL_SEED=77 FORCEKILL_PROGRAMS=1` replays one program.

mod soundness;

use forcekill_models::explorer::random_programs::Change::{Add, Read, Set, Swap};
use forcekill_models::explorer::random_programs::Object::{Lock, Monitor};
use forcekill_models::explorer::random_programs::Predicate::Is;
use forcekill_models::explorer::random_programs::{
    SmallProgram, acquire, generate, join, release, spawn, wait, wait_until, with,
};
use soundness::{SOUND, Tested, check, reference, shrink};

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
/// So many are held against brute force under every sound strategy, unless the environment asks for more.
const COMPARED: u64 = 4_000;

/// How many programs did what.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    checked: u64,
    violating: u64,
    deadlocking: u64,
}

/// What makes a program of a seed.
type Generate = fn(u64) -> SmallProgram;

/// Checks one program under every sound strategy.
fn check_seed(seed: u64, generate: Generate, tally: &mut Tally) {
    let program = generate(seed);
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
    check_seeds(generate::program);
}

#[test]
fn every_strategy_finds_what_brute_force_finds_of_threads_that_keep_apart() {
    check_seeds(generate::apart);
}

fn check_seeds(generate: Generate) {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let tallies: Vec<_> = std::thread::scope(|scope| {
        let worker = |first| {
            let mut tally = Tally::default();
            seeds(COMPARED)
                .skip(first)
                .step_by(cores)
                .for_each(|seed| check_seed(seed, generate, &mut tally));
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
    assert_caught_by(generate::program, tested);
}

fn assert_caught_by(generate: Generate, tested: Tested) {
    let mut checked = 0;
    for seed in 0..PROGRAMS {
        let program = generate(seed);
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
fn races_with_the_latest_steps_only_are_caught() {
    assert_caught(Tested::LatestStepsOnly);
}

#[test]
fn races_left_out_where_an_execution_is_cut_off_are_caught() {
    assert_caught(Tested::CutOffsLeftOut);
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

#[test]
fn joining_threads_left_out_are_caught() {
    assert_caught(Tested::JoiningLeftOut);
    assert_caught_by(generate::apart, Tested::JoiningLeftOut);
}

#[test]
fn children_left_out_are_caught() {
    assert_caught(Tested::ChildrenLeftOut);
    assert_caught_by(generate::apart, Tested::ChildrenLeftOut);
}

#[test]
fn disabled_threads_left_out_are_caught() {
    assert_caught(Tested::DisabledLeftOut);
    assert_caught_by(generate::apart, Tested::DisabledLeftOut);
}

#[test]
fn footprints_that_are_never_verified_are_caught() {
    assert_caught(Tested::NeverVerified);
    assert_caught_by(generate::apart, Tested::NeverVerified);
}

#[test]
fn states_taken_for_others_are_caught() {
    assert_caught(Tested::ShortKeys);
}

/// What a mistake gets wrong, the smallest program that was found; and no sound strategy does.
fn assert_told_apart(program: &SmallProgram, mistaken: Tested) {
    let everything = reference(program).expect("a small program");
    assert!(check(program, &everything, mistaken).is_err(), "{mistaken:?} gets it right:\n{program}");
    for sound in SOUND {
        let mismatch = check(program, &everything, sound).err();
        assert!(mismatch.is_none(), "{}\n{program}", mismatch.unwrap());
    }
}

/// Two settings of one value: the second must wake the first.
#[test]
fn never_woken_loses_the_other_order() {
    let program =
        SmallProgram::new(&[Monitor((0, 0))], &[&[spawn(1), with(0, Set(0, 1))], &[with(0, Set(0, 2))]]);
    assert_told_apart(&program, Tested::NeverWoken);
}

/// The main thread takes the lock for good, so the other thread's acquisition is never performed: only a look at what is
/// still announced at the end shows that it could have come first.
#[test]
fn an_acquisition_that_is_never_performed_races() {
    let program = SmallProgram::new(&[Lock], &[&[spawn(1), acquire(0)], &[acquire(0)]]);
    assert_told_apart(&program, Tested::BlockedLeftOut);
}

/// Two equal settings commute wherever both are enabled, but only without either of them can the wait be satisfied.
#[test]
fn equal_settings_commute_and_yet_disable_a_wait() {
    let program = SmallProgram::new(
        &[Monitor((1, 1))],
        &[&[spawn(1), spawn(2), with(0, Set(0, 2))], &[with(0, Set(0, 2))], &[wait(0, Is(0, 1), Set(0, 0))]],
    );
    assert_told_apart(&program, Tested::JudgedByValues);
}

/// Found by random programs alone: one in 6,600.
#[test]
fn values_on_which_operations_commute_depend_on_the_order_of_others() {
    let program = SmallProgram::new(
        &[Monitor((1, 0))],
        &[
            &[spawn(1), spawn(3), with(0, Swap), with(0, Add(0, 2))],
            &[spawn(2)],
            &[wait_until(0, Is(0, 1), Set(1, 2))],
            &[with(0, Set(0, 0)).tells(), with(0, Add(0, 1))],
        ],
    );
    assert_told_apart(&program, Tested::JudgedByValuesWithCare);
}

/// The thread of the later operation is asleep where classic backtracking adds it, and nobody adds the one that would wake it.
#[test]
fn classic_backtracking_adds_a_thread_that_is_asleep() {
    let program = SmallProgram::new(
        &[Monitor((0, 0)), Monitor((0, 1))],
        &[
            &[spawn(1), with(1, Set(0, 2))],
            &[spawn(2), with(0, Read).tells(), with(1, Add(1, 2)).tells()],
            &[with(0, Add(1, 1)).tells(), with(1, Read).tells(), with(0, Swap).tells()],
        ],
    );
    assert_told_apart(&program, Tested::ClassicBacktracking);
}

/// The acquisition that is performed after the release races with the acquisition before it too, which had disabled it.
#[test]
fn an_acquisition_races_with_the_one_before_the_release() {
    let program = SmallProgram::new(&[Lock], &[&[spawn(1), acquire(0), release(0)], &[acquire(0)]]);
    assert_told_apart(&program, Tested::LatestStepsOnly);
}

/// What is blocked where an execution is cut off must have been looked at, for the continuation is explored elsewhere in
/// another order.
#[test]
fn an_execution_that_is_cut_off_has_races_of_its_own() {
    let program = SmallProgram::new(
        &[Monitor((1, 0)), Lock],
        &[
            &[spawn(3), spawn(2), spawn(1), acquire(1)],
            &[acquire(1), release(1)],
            &[acquire(1), with(0, Add(0, 2))],
            &[with(0, Add(0, 1)).tells()],
        ],
    );
    assert_told_apart(&program, Tested::CutOffsLeftOut);
}

/// The main thread waits in a join, has announced nothing, and uses afterwards what another thread is about to use.
#[test]
fn who_waits_in_a_join_may_use_the_object_later() {
    let program = SmallProgram::new(
        &[Monitor((0, 0)), Monitor((0, 0))],
        &[
            &[spawn(1), spawn(2), join(2), with(0, Add(0, 1)).tells()],
            &[with(0, Read).tells()],
            &[with(1, Add(0, 1))],
        ],
    );
    assert_told_apart(&program, Tested::JoiningLeftOut);
}

/// The third thread does not exist yet, but the main thread will create it.
#[test]
fn a_thread_that_is_not_created_yet_may_use_the_object() {
    let program = SmallProgram::new(
        &[Monitor((0, 0)), Monitor((0, 0))],
        &[
            &[spawn(1), with(1, Add(0, 1)), spawn(2)],
            &[with(0, Set(0, 1)).tells(), with(1, Add(0, 1))],
            &[with(0, Set(0, 2)).tells()],
        ],
    );
    assert_told_apart(&program, Tested::ChildrenLeftOut);
}

/// The second thread waits for what the third one does: until then it is a member that is disabled.
#[test]
fn who_can_enable_a_member_is_a_member() {
    let program = SmallProgram::new(
        &[Monitor((0, 0)), Monitor((0, 0))],
        &[
            &[spawn(1), spawn(2), with(0, Set(0, 1)).tells()],
            &[wait(1, Is(0, 1), Read), with(0, Set(0, 2)).tells()],
            &[with(1, Set(0, 1))],
        ],
    );
    assert_told_apart(&program, Tested::DisabledLeftOut);
}
