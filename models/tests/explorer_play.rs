//! Small programs played on real threads do nothing that brute force does not know of: so the two mean the same by a program.

use std::collections::BTreeSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Sender, channel};
use std::thread;
use std::time::Duration;

use forcekill::platform::{StdLock, StdMonitor};
use forcekill::{Native, NativeConfig, Platform};
use forcekill_models::explorer::random_programs::brute_force::enumerate;
use forcekill_models::explorer::random_programs::play::{Playground, play};
use forcekill_models::explorer::random_programs::{Value, generate};

/// Real threads, which send the message of the panic that they end with.
#[derive(Clone)]
struct RealThreads {
    platform: Native,
    messages: Sender<String>,
}

impl RealThreads {
    fn watch(&self, body: impl FnOnce()) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(body)) {
            let message = panic.downcast::<String>().expect("a message with arguments");
            self.messages.send(*message).expect("the test listens to the end");
        }
    }
}

impl Playground for RealThreads {
    type Monitor = StdMonitor<Value>;
    type Flag = AtomicBool;
    type Lock = StdLock<()>;
    type Joiner = thread::JoinHandle<()>;

    fn monitor(&self, value: Value) -> Self::Monitor {
        self.platform.monitor(value)
    }

    fn flag(&self, value: bool) -> Self::Flag {
        AtomicBool::new(value)
    }

    fn lock(&self) -> Self::Lock {
        self.platform.lock(())
    }

    fn start(&self, body: impl FnOnce() + Send + 'static) -> Self::Joiner {
        let this = self.clone();
        thread::spawn(move || this.watch(body))
    }

    fn join(&self, joiner: Self::Joiner) {
        joiner.join().expect("its panic was caught");
    }

    fn deadline(&self) -> Duration {
        self.platform.now() + Duration::from_micros(200)
    }
}

#[test]
fn real_threads_do_nothing_that_brute_force_does_not_know_of() {
    let (mut played, mut failed) = (0, 0);
    for seed in 0..2_000 {
        let program = generate::program(seed);
        if !program.is_playable() {
            continue;
        }
        // One that can deadlock would never end here.
        let Some(everything) = enumerate(&program, 4_000).filter(|it| it.deadlocks.is_empty()) else {
            continue;
        };
        let known: BTreeSet<_> = everything.violations.iter().map(ToString::to_string).collect();
        let (messages, received) = channel();
        let ground = RealThreads { platform: Native::new(NativeConfig::FlagsOnly), messages };
        ground.watch(|| play(&program, &ground));
        drop(ground);
        // The channel closes when the last thread has ended.
        for message in received {
            assert!(known.contains(&message), "seed {seed}: {message}\n{program}");
            failed += 1;
        }
        played += 1;
    }
    println!("{played} programs, {failed} assertions failed");
    assert!(played > 500 && failed > 50, "{played} programs, {failed} assertions failed");
}
