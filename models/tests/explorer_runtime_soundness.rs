//! Small programs played on the explorer's runtime, under every strategy: as many terminal states and deadlocks as brute force
//! finds, and the same violations. `FORCEKILL_SEED` and `FORCEKILL_PROGRAMS` as in `explorer_soundness`.

use std::collections::BTreeSet;
use std::time::Duration;

use forcekill_models::explorer::random_programs::brute_force::enumerate;
use forcekill_models::explorer::random_programs::play::{Playground, play};
use forcekill_models::explorer::random_programs::{Object, Value, generate};
use forcekill_models::explorer::search::{Kind, Observer, Settings, Verdict, search};
use forcekill_models::explorer::view::{Thread, View};
use forcekill_models::explorer::{Coroutines, Flag, Joiner, Lock, Monitor, spawn};

#[derive(Clone)]
struct Runtime;

impl Playground for Runtime {
    type Monitor = Monitor<Value>;
    type Flag = Flag;
    type Lock = Lock<()>;
    type Joiner = Joiner<()>;

    fn monitor(&self, value: Value) -> Self::Monitor {
        Monitor::new(value)
    }

    fn flag(&self, value: bool) -> Self::Flag {
        Flag::new(value)
    }

    fn lock(&self) -> Self::Lock {
        Lock::new(())
    }

    fn start(&self, body: impl FnOnce() + Send + 'static) -> Self::Joiner {
        spawn(body)
    }

    fn join(&self, joiner: Self::Joiner) {
        // A panic of that thread is an outcome of its own.
        drop(joiner.join());
    }

    fn deadline(&self) -> Duration {
        Duration::from_secs(1)
    }
}

#[derive(Default)]
struct Seen {
    deadlocks: BTreeSet<u64>,
    violations: BTreeSet<String>,
}

impl Observer for Seen {
    fn ended(&mut self, view: &impl View, _choices: &[Thread]) -> Verdict {
        if !view.unfinished().is_empty() {
            self.deadlocks.insert(view.terminal_key());
        }
        self.violations.extend((0..view.threads()).filter_map(|thread| view.panicked(thread)));
        Verdict::Continue
    }

    fn merge(&mut self, later: Self) {
        self.deadlocks.extend(later.deadlocks);
        self.violations.extend(later.violations);
    }
}

#[test]
fn the_runtime_finds_what_brute_force_finds() {
    let number =
        |name: &str, default| std::env::var(name).map_or(default, |it| it.parse().expect("a number"));
    let first: u64 = number("FORCEKILL_SEED", 0);
    let mut checked = 0;
    for seed in first..first + number("FORCEKILL_PROGRAMS", 1_000) {
        let program = generate::program(seed);
        let everything = enumerate(&program, 4_000).filter(|it| it.executions <= 1_500);
        let Some(everything) = everything.filter(|_| program.is_playable()) else { continue };
        let expected: BTreeSet<_> = everything.violations.iter().map(ToString::to_string).collect();
        let mut plain = None;
        for kind in [Kind::Plain, Kind::SleepSets, Kind::SourceSets, Kind::Bounded { most: usize::MAX }] {
            let settings = Settings { workers: 1, subtrees: 1, terminals: true, ..Settings::default() };
            let scenario = Coroutines::new(|| play(&program, &Runtime));
            let found = search(&scenario, kind, &settings, Seen::default);
            assert!(found.complete, "seed {seed}, {kind:?}");
            assert_eq!(found.observer.violations, expected, "seed {seed}, {kind:?}\n{program}");
            let keys = (found.terminals, found.observer.deadlocks);
            let counts = (keys.0.len(), keys.1.len());
            // The key of a lock tells who had it in which order, so that there are more of them.
            if !program.objects.contains(&Object::Lock) {
                let known = (everything.terminals.len(), everything.deadlocks.len());
                assert_eq!(counts, known, "seed {seed}, {kind:?}\n{program}");
            }
            let plain = plain.get_or_insert_with(|| keys.clone());
            assert!(
                *plain == keys,
                "seed {seed}, {kind:?}: {counts:?}, plain {:?}\n{program}",
                plain.0.len()
            );
        }
        checked += 1;
    }
    println!("{checked} programs");
    assert!(checked > 0, "every program was too large");
}
