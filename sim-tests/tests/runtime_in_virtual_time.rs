//! The whole runtime in virtual time, of many seeds.
//!
//! **Claims.** No property breaks, whatever goes wrong; every call returns within its bound; the same seed does the same, on any
//! machine and in any build; every historic design and every defect breaks something, and its failure shrinks to something a
//! person reads.
//!
//! **Bounds.** A few thousand runs; `forcekill simulate` plays more. **Not covered:** see docs/SIMULATION.md.

use std::time::Duration;

use forcekill_models::sim::campaign::{Campaign, Sum};
use forcekill_models::sim::designs::{self, Simulated};
use forcekill_models::sim::draw::{self, Faults, Wish};
use forcekill_models::sim::{Keep, random, shrink, story};

const SHORT: Wish = Wish { threads: 4, faults: Faults::Some, hours: None };

fn ours() -> Simulated {
    "forcekill".parse().expect("it is there")
}

fn campaign(simulated: Simulated, seed: u64, runs: u64, wish: Wish) -> Sum {
    let campaign = Campaign { simulated, seed, runs, shard: (1, 1), wish, most_failures: 1 };
    campaign.run(2, Keep::default(), |_, _| {})
}

fn assert_clean(sum: &Sum, wish: Wish) {
    if let Some(failed) = sum.failed.first() {
        panic!(
            "{}: {}\nagain: forcekill simulate --seed {} --runs 1 --threads {} --faults {}",
            failed.violation.property,
            failed.violation.what,
            failed.scenario.seed,
            wish.threads,
            wish.faults.name(),
        );
    }
    for longest in sum.longest {
        assert!(longest.took_ns <= longest.bound_ns, "{longest:?}");
    }
}

#[test]
fn lives_with_faults_break_nothing() {
    for (seed, faults) in [(1_000_000, Faults::None), (2_000_000, Faults::Some), (3_000_000, Faults::Many)] {
        let wish = Wish { faults, ..SHORT };
        let sum = campaign(ours(), seed, 2_000, wish);
        assert_clean(&sum, wish);
        assert_eq!(sum.runs, 2_000);
    }
}

#[test]
fn lives_of_dozens_of_threads_break_nothing() {
    let wish = Wish { threads: 256, ..SHORT };
    let sum = campaign(ours(), 4_000_000, 200, wish);
    assert_clean(&sum, wish);
}

#[test]
fn hours_of_load_with_64_threads_break_nothing() {
    let wish = Wish { threads: 64, faults: Faults::Some, hours: Some(1) };
    let sum = campaign(ours(), 0, 1, wish);
    assert_clean(&sum, wish);
    assert!(sum.virtual_ns >= 3_600 * 1_000_000_000, "{} ns", sum.virtual_ns);
    let answered = sum.reached.iter().find(|(moment, _)| *moment == "a request was answered");
    assert!(answered.is_some_and(|(_, hits)| *hits > 2_000), "{answered:?}");
}

/// What 300 seeds did, as one number: it is the same in every build and on every machine. A change of the library's steps or of
/// the simulation changes it; then the number that the failure prints is the new one.
const FINGERPRINT: u64 = 0x444A_AFBE_D2EE_7287;

#[test]
fn the_same_seed_does_the_same_everywhere() {
    let mut fingerprint = 0;
    for seed in 0..300 {
        let faults = Faults::ALL[seed as usize % 3];
        let scenario = draw::scenario(seed, Wish { faults, ..SHORT });
        let outcome = ours().play(&scenario, Keep::default());
        let again = ours().play(&scenario, Keep { steps: true, turns: true });
        assert_eq!(
            outcome.hash, again.hash,
            "seed {seed}: a run that is watched differs from one that is not"
        );
        fingerprint = random::mix(fingerprint ^ outcome.hash);
    }
    assert_eq!(fingerprint, FINGERPRINT, "what 300 seeds do has changed");
}

/// The same bytes, not only the same hash; with the other core busy.
#[test]
fn the_same_seed_leaves_the_same_trace() {
    let trace = |seed| {
        let outcome = ours().play(&draw::scenario(seed, SHORT), Keep { steps: true, turns: false });
        outcome.trace.iter().map(|step| format!("{step:?}\n")).collect::<String>()
    };
    for seed in 0..20 {
        let beside = std::thread::spawn(move || trace(seed));
        let here = trace(seed);
        assert!(!here.is_empty());
        assert_eq!(here, beside.join().expect("it plays"), "seed {seed}");
    }
}

#[test]
fn each_other_design_is_found_and_shrunk_to_twenty_steps() {
    for simulated in
        designs::ALL.iter().copied().filter(|simulated| simulated.is_design && simulated.name != "forcekill")
    {
        let sum = campaign(simulated, 0, 20_000, SHORT);
        let failed = sum.failed.first().unwrap_or_else(|| panic!("nothing breaks {simulated}"));
        let shrunk = shrink::shrink(simulated, &failed.scenario, Duration::from_secs(20));
        let outcome = simulated.play(&shrunk.scenario, Keep { steps: true, turns: false });
        let broken = outcome.violation.expect("a shrunk failure fails");
        assert_eq!(broken.property, failed.violation.property, "{simulated}");
        let (decisions, steps) = (shrink::decisions(&shrunk.scenario), story::of(&outcome.trace).len());
        assert!(decisions <= 20 && steps <= 20, "{simulated}: {decisions} decisions, {steps} steps");
    }
}

#[test]
fn what_cannot_be_parsed_is_refused() {
    for name in ["", "pr-1", "Forcekill"] {
        let error = name.parse::<Simulated>().expect_err("there is no such design");
        assert!(error.contains("unknown design") && !error.contains('\n'), "{error}");
    }
    assert!("some".parse::<Faults>().is_ok() && "few".parse::<Faults>().is_err());
}
