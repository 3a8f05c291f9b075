//! Races of whole lifecycles: what they have in common. Each is a file in `races/`.

use std::sync::Arc;

use forcekill::platform::Monitor;
use forcekill::steps::Steps;
use forcekill::{Drained, Fate, Limits, Lingering, OwnedFlags, State, Thread};

use crate::oracle::Oracle;
use crate::property::Property;
use crate::scene::{Php, Role, Scene, Script, Slots};

/// One race of lifecycles: what it is called, what it settles, and the scenario.
pub trait LifecycleRace: 'static {
    /// What commands and reports call it.
    const NAME: &'static str;
    /// What it settles.
    const PROPERTIES: &'static [Property];
    /// The moments that a run over all variants must have visited, or it has not seen the race.
    const MOMENTS: &'static [&'static str];
    /// The most PHP threads that it is searched with.
    const MOST_THREADS: usize;
    /// The choices beside the schedule: each is searched by itself, and a claim needs all.
    const VARIANTS: &'static [&'static str];

    /// The most PHP threads that a variant is searched with.
    fn most_threads_in(variant: usize) -> usize {
        let _ = variant;
        Self::MOST_THREADS
    }

    /// The same with `--deep`.
    fn deep_threads_in(variant: usize) -> usize {
        Self::most_threads_in(variant)
    }

    /// With up to so many PHP threads all kill slots are steps of the search; with more, those that a property can depend on.
    const ALL_SLOTS_UP_TO: usize = 0;

    /// Whose kill slots a property can depend on: the threads whose scripts wait for a wake.
    fn needed_slots(variant: usize) -> Slots {
        let _ = variant;
        Slots::None
    }

    /// Plays it once, as the main thread of an execution.
    fn play<P: Scene, D: Steps<P, OwnedFlags>>(scene: &P, php_threads: usize, variant: usize);
}

/// The threads of a race, and the count that they are in.
pub(crate) struct House<P: Scene, D: Steps<P, OwnedFlags>> {
    pub(crate) scene: P,
    pub(crate) lingering: Lingering<P>,
    pub(crate) threads: Vec<Php<P, D>>,
}

impl<P: Scene, D: Steps<P, OwnedFlags>> Clone for House<P, D> {
    fn clone(&self) -> Self {
        Self { scene: self.scene.clone(), lingering: self.lingering.clone(), threads: self.threads.clone() }
    }
}

impl<P: Scene, D: Steps<P, OwnedFlags>> House<P, D> {
    /// So many worker threads that serve. Where slots are steps of the search, each is in its script when this returns, so that
    /// there is something to kill.
    pub(crate) fn of_ready(scene: &P, php_threads: usize, script: impl Fn(usize) -> Script) -> Self {
        let lingering = Lingering::new(scene);
        let begun = Arc::new(scene.monitor(0));
        let start = |index| Php::start_ready(scene, (&lingering, &begun), index, script(index));
        let threads = (0..php_threads).map(start).collect();
        if scene.sees_slots() {
            begun.wait(|begun| (*begun as usize == php_threads).then_some(()));
        }
        Self { scene: scene.clone(), lingering, threads }
    }

    /// The library's threads.
    pub(crate) fn all(&self) -> Vec<Arc<Thread<P, OwnedFlags, D>>> {
        self.threads.iter().map(|php| Arc::clone(&php.thread)).collect()
    }

    /// A drain, and what is to be said of its outcome.
    pub(crate) fn drain(&self) -> Drained {
        let drained = forcekill::drain(&self.all(), &limits(&self.scene));
        self.judge_drained(&drained);
        drained
    }

    /// A restart: drains, and lets the threads go on.
    pub(crate) fn restart(&self) {
        let drained = self.drain();
        let resumed = forcekill::resume(&self.all(), &drained);
        let expected = drained.drained().count();
        if resumed < expected {
            self.oracle().reached("a shutdown took a thread that a restart had drained");
        }
    }

    /// The shutdown, by a thread of its own, when nobody else does anything any more.
    pub(crate) fn shut_down_alone(&self) {
        let house = self.clone();
        let shutdown = self.scene.start(Role::Shutdown, move || house.shut_down());
        self.scene.join(shutdown);
    }

    /// The shutdown of all threads.
    pub(crate) fn shut_down(&self) {
        let drained = forcekill::shut_down(&self.all(), &limits(&self.scene));
        self.judge_counts(&drained);
        for (index, fate) in drained.fates() {
            match fate {
                Fate::Drained => {}
                Fate::Abandoned => self.oracle().reached("a shutdown abandoned a thread"),
                Fate::Refused => {
                    self.oracle().reached("a shutdown found a thread that a restart had abandoned");
                }
                Fate::Busy => self.oracle().violate(Property::LateUnwindIsSafe, || {
                    format!("the shutdown is over, and {} was not told to exit", name(*index))
                }),
            }
        }
    }

    /// Everybody has returned: lets what is stuck come back, and holds what is left against the rules of a late unwind.
    pub(crate) fn settle(&self) {
        if self.threads.iter().any(Php::can_be_stuck) {
            self.scene.let_go();
        }
        self.scene.join_spawned();
        let lingering = self.lingering.count();
        if lingering != 0 {
            late(&self.scene, || format!("every thread has exited, and {lingering} are still counted"));
        }
        for php in &self.threads {
            let state = php.thread.state();
            if state != State::Done {
                late(&self.scene, || {
                    format!("{} has exited, and its state is {state}", name(php.thread.index()))
                });
            }
        }
    }

    /// One fate for each thread, and none that was drained is in a script.
    fn judge_drained(&self, drained: &Drained) {
        self.judge_counts(drained);
        for (index, fate) in drained.fates() {
            match fate {
                Fate::Drained => self.oracle().reached("a restart drained a thread"),
                Fate::Abandoned => self.oracle().reached("a restart abandoned a thread"),
                Fate::Busy => self.oracle().reached("a restart found a thread busy until the end"),
                Fate::Refused => self.oracle().reached("a restart was refused"),
            }
            let in_script = self.threads[*index].in_script.load(std::sync::atomic::Ordering::SeqCst);
            if *fate == Fate::Drained && in_script {
                self.oracle().violate(Property::RestartIsComplete, || {
                    format!("{} counts as drained, and its old script is still running", name(*index))
                });
            }
        }
    }

    fn judge_counts(&self, drained: &Drained) {
        let (fates, threads) = (drained.fates().len(), self.threads.len());
        if fates != threads {
            self.oracle().violate(Property::RestartIsComplete, || {
                format!("{threads} threads were to be drained, and the counts add up to {fates}")
            });
        }
    }

    pub(crate) fn oracle(&self) -> &Oracle {
        self.scene.oracle()
    }
}

/// The limits of a scene: time does not count, so one send does.
pub(crate) fn limits<P: Scene>(scene: &P) -> Limits {
    Limits::new(std::time::Duration::from_secs(1), scene.policy(1)).expect("they are short")
}

/// A thread that was given up on did not end as it should.
pub(crate) fn late<P: Scene>(scene: &P, what: impl FnOnce() -> String) {
    scene.oracle().violate(Property::LateUnwindIsSafe, what);
}

fn name(index: usize) -> String {
    Role::Php(index).to_string()
}
