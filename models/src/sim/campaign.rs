//! Many runs: the seeds from one number on, on every core, and what they came to together.

use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};

use super::designs::Simulated;
use super::draw::{self, Wish};
use super::scenario::Scenario;
use super::watch::Longest;
use super::{Keep, Outcome};
use crate::oracle::Violation;

/// What is to be run.
#[derive(Clone, Copy, Debug)]
pub struct Campaign {
    /// Whose steps.
    pub simulated: Simulated,
    /// The first seed.
    pub seed: u64,
    /// How many seeds.
    pub runs: u64,
    /// Every so manieth of them, and which: a share that several machines can split.
    pub shard: (u64, u64),
    /// What each run is to be.
    pub wish: Wish,
    /// How many failures are looked for. They are the first ones, by their seeds, however the cores share the runs.
    pub most_failures: usize,
}

/// A run that failed.
#[derive(Clone, Debug)]
pub struct Failed {
    /// What it was.
    pub scenario: Scenario,
    /// What broke.
    pub violation: Violation,
    /// How many runs had been begun by then.
    pub after_runs: u64,
}

/// What the runs came to together.
#[derive(Clone, Debug, Default)]
pub struct Sum {
    /// How many there were.
    pub runs: u64,
    /// Their virtual time.
    pub virtual_ns: u128,
    /// Their steps.
    pub steps: u64,
    /// The longest of each kind of calls.
    pub longest: [Longest; 4],
    /// Every moment, and how often it was reached.
    pub reached: Vec<(&'static str, u64)>,
    /// How often each row of the table of states was taken.
    pub taken: Vec<u64>,
    /// Those that failed, by their seeds.
    pub failed: Vec<Failed>,
}

impl Campaign {
    /// Plays every run on `cores` OS threads; `told` hears of each outcome, and may ask for steps to be kept.
    pub fn run(&self, cores: usize, keep: Keep, told: impl Fn(&Scenario, &Outcome) + Sync) -> Sum {
        let (next, stops, sum) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::new(Sum::default()));
        std::thread::scope(|scope| {
            for _ in 0..cores {
                scope.spawn(|| {
                    // A seed that was taken is played: so that all before a failure have been.
                    while !stops.load(Relaxed)
                        && let Some(seed) = self.next_seed(&next)
                    {
                        let scenario = draw::scenario(seed, self.wish);
                        let outcome = self.simulated.play(&scenario, keep);
                        told(&scenario, &outcome);
                        let mut sum = sum.lock().unwrap_or_else(PoisonError::into_inner);
                        sum.add(scenario, &outcome);
                        stops.store(sum.failed.len() >= self.most_failures, Relaxed);
                    }
                });
            }
        });
        let mut sum = sum.into_inner().unwrap_or_else(PoisonError::into_inner);
        sum.reached.sort_unstable();
        sum.failed.sort_by_key(|failed| failed.scenario.seed.wrapping_sub(self.seed));
        sum.failed.truncate(self.most_failures);
        sum
    }

    /// How many runs this shard has.
    pub fn share(&self) -> u64 {
        let (nth, of) = self.shard;
        (self.runs + of - nth) / of
    }

    fn next_seed(&self, next: &AtomicU64) -> Option<u64> {
        let (nth, of) = self.shard;
        let number = next.fetch_add(1, Relaxed);
        (number < self.share()).then(|| self.seed.wrapping_add(number * of + nth - 1))
    }
}

impl Sum {
    fn add(&mut self, scenario: Scenario, outcome: &Outcome) {
        self.runs += 1;
        self.virtual_ns += u128::from(outcome.virtual_ns);
        self.steps += outcome.steps;
        for (known, longest) in self.longest.iter_mut().zip(outcome.longest) {
            if longest.took_ns > known.took_ns || known.bound_ns == 0 {
                *known = longest;
            }
        }
        for &(moment, hits) in &outcome.reached {
            match self.reached.iter_mut().find(|(name, _)| *name == moment) {
                Some((_, all)) => *all += hits,
                None => self.reached.push((moment, hits)),
            }
        }
        self.taken.resize(self.taken.len().max(outcome.taken.len()), 0);
        for (all, hits) in self.taken.iter_mut().zip(&outcome.taken) {
            *all += hits;
        }
        if let Some(violation) = &outcome.violation {
            self.failed.push(Failed { scenario, violation: violation.clone(), after_runs: self.runs });
        }
    }
}
