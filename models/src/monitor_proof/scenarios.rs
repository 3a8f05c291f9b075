//! Two or three threads around one monitor, a scenario for each claim, generic over the monitor's steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use forcekill::platform::monitor::{CondvarMonitor, WaitSteps, Watched};
use forcekill::platform::{Answer, Monitor};
use forcekill::steps::Sound;
use loom::cell::UnsafeCell;
use loom::thread;

use super::loom_condition::{BOTH, LoomCondition, SLEPT, SPURIOUS, WOKE_TWO};
use super::world::World;

/// One thing to search.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What reports call it.
    pub name: &'static str,
    /// What must have been reached.
    pub moments: &'static [&'static str],
    /// The most preemptions of an execution; `None` for any number.
    pub preemption_bound: Option<usize>,
    /// How many of the waits, from the first on, are tried with and without a return for no reason.
    pub spurious_waits: u32,
    /// With the library's steps.
    pub sound: fn(&Arc<World>),
}

const AT_ONCE: &str = "an answer was there before the wait";
const SLEPT_OFF: &str = "a wait slept again after a return for no reason, or for another's";
const IN_TIME: &str = "a notification came before the deadline";
const LATE_ANSWER: &str = "a deadline passed and the answer was there";
const NO_ANSWER: &str = "a deadline passed without an answer";
const BEHIND: &str = "a wait slept between a change that it had seen and its notification";
const ROOM: &str = "a wait that took something woke another wait";

/// Every scenario.
pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "one-change",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF],
        preemption_bound: None,
        spurious_waits: 3,
        sound: one_change::<Sound>,
    },
    Scenario {
        name: "hand-over",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF, BEHIND],
        preemption_bound: None,
        spurious_waits: 3,
        sound: hand_over::<Sound>,
    },
    Scenario {
        name: "two-waiters",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF, WOKE_TWO],
        preemption_bound: None,
        spurious_waits: 3,
        sound: two_waiters::<Sound>,
    },
    Scenario {
        name: "one-after-the-other",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF, WOKE_TWO],
        preemption_bound: None,
        spurious_waits: 3,
        sound: one_after_the_other::<Sound>,
    },
    Scenario {
        name: "one-place",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF, ROOM],
        preemption_bound: None,
        spurious_waits: 2,
        sound: one_place::<Sound>,
    },
    Scenario {
        name: "deadline",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF, BOTH, IN_TIME, LATE_ANSWER, NO_ANSWER],
        preemption_bound: None,
        spurious_waits: 2,
        sound: deadline::<Sound>,
    },
    Scenario {
        name: "deadline-alone",
        moments: &[NO_ANSWER, SPURIOUS, SLEPT_OFF],
        preemption_bound: None,
        spurious_waits: 3,
        sound: deadline_alone::<Sound>,
    },
    Scenario {
        name: "deadline-far-away",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF, IN_TIME],
        preemption_bound: None,
        spurious_waits: 3,
        sound: deadline_far_away::<Sound>,
    },
    Scenario {
        name: "deadline-beside-a-waiter",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF, WOKE_TWO, NO_ANSWER],
        preemption_bound: None,
        spurious_waits: 2,
        sound: deadline_beside_a_waiter::<Sound>,
    },
    Scenario {
        name: "two-timed-takers",
        moments: &[AT_ONCE, SLEPT, SPURIOUS, SLEPT_OFF, WOKE_TWO, BOTH, IN_TIME, LATE_ANSWER, NO_ANSWER],
        preemption_bound: None,
        spurious_waits: 2,
        sound: two_timed_takers::<Sound>,
    },
];

/// Whose steps a scenario can be played with.
pub(super) trait Played: WaitSteps<u32, LoomCondition<Watched<u32>>> {}
impl<D: WaitSteps<u32, LoomCondition<Watched<u32>>>> Played for D {}

/// A monitor under watch.
struct Stand<D> {
    monitor: CondvarMonitor<u32, LoomCondition<Watched<u32>>, D>,
    /// Touched by every section: loom ends the execution if two are not ordered.
    touched: UnsafeCell<u32>,
    /// Written before a change, read after the wait for it.
    handed: UnsafeCell<u32>,
    world: Arc<World>,
}

// SAFETY: loom checks that accesses of the cells are ordered, and runs one thread at a time.
unsafe impl<D> Send for Stand<D> {}
// SAFETY: as above.
unsafe impl<D> Sync for Stand<D> {}

/// What the looks of one wait were.
#[derive(Default)]
struct Looks {
    made: AtomicU32,
    answered: AtomicBool,
    /// The clock's seconds at the last one.
    at: AtomicU64,
}

impl<D: Played> Stand<D> {
    fn new(world: &Arc<World>) -> Arc<Self> {
        Self::on(world, LoomCondition::new(Watched::new(0), Arc::clone(world)))
    }

    fn with_deadlines(world: &Arc<World>) -> Arc<Self> {
        Self::on(world, LoomCondition::with_deadlines(Watched::new(0), Arc::clone(world)))
    }

    fn on(world: &Arc<World>, condition: LoomCondition<Watched<u32>>) -> Arc<Self> {
        Arc::new(Self {
            monitor: CondvarMonitor::new(condition),
            touched: UnsafeCell::new(0),
            handed: UnsafeCell::new(0),
            world: Arc::clone(world),
        })
    }

    fn touch(&self) {
        // SAFETY: the pointer is valid inside the closure; loom ends the execution if any access is concurrent.
        self.touched.with_mut(|touched| unsafe { *touched += 1 });
    }

    fn change(&self, change: impl Fn(&mut u32)) {
        self.monitor.with(|value| {
            self.touch();
            change(value);
        });
    }

    /// Writes what is handed over, then makes the change.
    fn hand_over(&self, what: u32, change: impl Fn(&mut u32)) {
        // SAFETY: as in `touch`.
        self.handed.with_mut(|handed| unsafe { *handed = what });
        self.change(change);
    }

    fn assert_handed(&self, what: u32) {
        // SAFETY: the pointer is valid inside the closure; loom ends the execution if a write is concurrent.
        let handed = self.handed.with(|handed| unsafe { *handed });
        assert_eq!(handed, what, "what was done before the change is not seen after the wait for it");
    }

    fn look<R>(&self, looks: &Looks, value: &mut u32, ready: impl Fn(&mut u32) -> Option<R>) -> Option<R> {
        self.touch();
        let answer = ready(value);
        looks.made.fetch_add(1, SeqCst);
        looks.answered.store(answer.is_some(), SeqCst);
        looks.at.store(self.world.now().as_secs(), SeqCst);
        answer
    }

    /// Answers also how many looks it took.
    fn wait<R: Answer>(&self, ready: impl Fn(&mut u32) -> Option<R>) -> (R, u32) {
        let looks = Looks::default();
        let answer = self.monitor.wait(|value| self.look(&looks, value, &ready));
        assert!(looks.answered.load(SeqCst), "a wait returned although its last look had no answer");
        (answer, self.count(&looks))
    }

    fn wait_until(&self, deadline: Duration, ready: impl Fn(&mut u32) -> Option<u32>) -> Option<u32> {
        let looks = Looks::default();
        let answer = self.monitor.wait_until(deadline, |value| self.look(&looks, value, &ready));
        let made = self.count(&looks);
        let last_look = Duration::from_secs(looks.at.load(SeqCst));
        assert_eq!(answer.is_some(), looks.answered.load(SeqCst), "the answer is not that of the last look");
        if answer.is_none() {
            assert!(made > 0, "a wait gave up and never looked");
            assert!(last_look >= deadline, "a wait gave up and its last look was before the deadline");
            self.world.reached(NO_ANSWER);
        } else if made > 1 {
            self.world.reached(if last_look >= deadline { LATE_ANSWER } else { IN_TIME });
        }
        answer
    }

    fn count(&self, looks: &Looks) -> u32 {
        let made = looks.made.load(SeqCst);
        match made {
            0 | 2 => {}
            1 => self.world.reached(AT_ONCE),
            _ => self.world.reached(SLEPT_OFF),
        }
        made
    }
}

/// Runs the second on a thread of its own, the first on the main one.
fn beside(here: impl FnOnce(), there: impl FnOnce() + 'static) {
    let there = thread::spawn(there);
    here();
    there.join().unwrap();
}

fn at_least(goal: u32) -> impl Fn(&mut u32) -> Option<u32> {
    move |value| (*value >= goal).then_some(*value)
}

fn take(value: &mut u32) -> Option<u32> {
    value.checked_sub(1).inspect(|less| *value = *less)
}

/// One waiter, one change: here a wake-up without an answer can only be one for no reason.
pub(super) fn one_change<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let changer = Arc::clone(&stand);
    beside(
        || {
            assert_eq!(stand.wait(at_least(1)).0, 1);
            stand.assert_handed(7);
        },
        move || changer.hand_over(7, |value| *value = 1),
    );
}

/// One waiter, two changes, the second of which is the one that it waits for.
pub(super) fn hand_over<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let changer = Arc::clone(&stand);
    let seen = AtomicU32::new(u32::MAX);
    beside(
        || {
            let (answer, _) = stand.wait(|value| {
                if seen.swap(*value, SeqCst) == *value && !world.last_wait_was_spurious() {
                    world.reached(BEHIND);
                }
                at_least(2)(value)
            });
            assert_eq!(answer, 2);
            stand.assert_handed(7);
        },
        move || {
            changer.change(|value| *value = 1);
            changer.hand_over(7, |value| *value = 2);
        },
    );
}

/// Two waiters, each for a change of its own.
pub(super) fn two_waiters<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let waiters = [1, 2].map(|goal| {
        let stand = Arc::clone(&stand);
        thread::spawn(move || assert!(stand.wait(at_least(goal)).0 >= goal))
    });
    stand.change(|value| *value = 1);
    stand.change(|value| *value = 2);
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
}

/// Two waiters; the change that the first waits for is made only once the second has got through.
pub(super) fn one_after_the_other<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let [first, second] = [2, 1].map(|goal| {
        let stand = Arc::clone(&stand);
        thread::spawn(move || assert_eq!(stand.wait(at_least(goal)).0, goal))
    });
    stand.change(|value| *value = 1);
    second.join().unwrap();
    stand.change(|value| *value = 2);
    first.join().unwrap();
}

/// Two who take one each, and one who brings two where there is room for one: each waits for what the others' waits do.
pub(super) fn one_place<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let takers = [(); 2].map(|()| {
        let stand = Arc::clone(&stand);
        thread::spawn(move || assert_eq!(stand.wait(take).0, 0))
    });
    for _ in 0..2 {
        let (_, looks) = stand.wait(|value| (*value == 0).then(|| *value = 1));
        if looks > 1 {
            world.reached(ROOM);
        }
    }
    takers.into_iter().for_each(|taker| taker.join().unwrap());
}

/// One change, one wait with a deadline, and the clock.
pub(super) fn deadline<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let (changer, clock) = (Arc::clone(&stand), Arc::clone(&stand));
    let clock = thread::spawn(move || clock.monitor.condition().tick());
    beside(
        || {
            if stand.wait_until(Duration::from_secs(1), at_least(1)).is_some() {
                stand.assert_handed(7);
            }
        },
        move || changer.hand_over(7, |value| *value = 1),
    );
    clock.join().unwrap();
}

/// Nobody changes anything; the clock moves twice.
pub(super) fn deadline_alone<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let clock = Arc::clone(&stand);
    beside(
        || assert_eq!(stand.wait_until(Duration::from_secs(2), at_least(1)), None),
        move || {
            clock.monitor.condition().tick();
            clock.monitor.condition().tick();
        },
    );
}

/// The clock stands still: a wait with a deadline is notified as one without.
pub(super) fn deadline_far_away<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let changer = Arc::clone(&stand);
    beside(
        || {
            assert_eq!(stand.wait_until(Duration::MAX, at_least(2)), Some(2));
            stand.assert_handed(7);
        },
        move || {
            changer.change(|value| *value = 1);
            changer.hand_over(7, |value| *value = 2);
        },
    );
}

/// One who gives up at the deadline, and one who does not: whoever leaves is counted out, and nobody else is.
pub(super) fn deadline_beside_a_waiter<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let (patient, clock) = (Arc::clone(&stand), Arc::clone(&stand));
    let patient = thread::spawn(move || assert_eq!(patient.wait(at_least(1)).0, 1));
    let clock = thread::spawn(move || {
        clock.monitor.condition().tick();
        clock.change(|value| *value = 1);
    });
    assert_eq!(stand.wait_until(Duration::from_secs(1), at_least(2)), None);
    patient.join().unwrap();
    clock.join().unwrap();
}

/// Two who would take the one thing that there is before the deadline: one of them has it, at the most.
pub(super) fn two_timed_takers<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let takers = [(); 2].map(|()| {
        let stand = Arc::clone(&stand);
        thread::spawn(move || stand.wait_until(Duration::from_secs(1), take))
    });
    stand.change(|value| *value += 1);
    stand.monitor.condition().tick();
    let taken = takers.into_iter().filter_map(|taker| taker.join().unwrap()).count();
    let left = stand.monitor.with(|value| *value);
    assert_eq!(taken + left as usize, 1, "one thing was brought; {taken} were taken and {left} are left");
}
