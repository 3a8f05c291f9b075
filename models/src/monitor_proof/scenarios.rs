//! Two to four threads around one monitor, a scenario for each claim, generic over the monitor's steps.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::time::Duration;

use forcekill::steps::Sound;
use loom::thread::{self, JoinHandle};

use super::loom_condition::{BOTH, SLEPT, SPURIOUS, WOKE_TWO};
use super::stand::{AT_ONCE, IN_TIME, LATE_ANSWER, NO_ANSWER, Played, SLEPT_OFF, Stand};
use super::world::World;
use super::{Searched, search};
use crate::property::Property;

/// A scenario with somebody's steps: one execution of it.
pub(super) type Play = fn(&Arc<World>);

/// One thing to search.
#[derive(Debug)]
pub struct Scenario {
    /// What the proof calls it.
    pub name: &'static str,
    /// What reports and schedules call it, beside the models of other things.
    pub model: &'static str,
    /// What is claimed of it.
    pub properties: &'static [Property],
    /// What a search of it must have reached.
    pub moments: &'static [&'static str],
    /// The sets of waits that return for no reason, each of which is searched: a bit for each wait, the first the lowest.
    pub spurious_sets: Range<u32>,
    pub(super) sound: Play,
}

impl Scenario {
    /// Searches it for one property, with the library's own steps; gives up after `limit`.
    pub fn prove(&'static self, property: Property, limit: Duration) -> Searched {
        search(None, self, self.sound, &[property], limit)
    }

    /// Searches it once for all of its properties, which takes as long as for one: the executions are the same.
    pub fn prove_all(&'static self, limit: Duration) -> Searched {
        search(None, self, self.sound, self.properties, limit)
    }

    pub(super) fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }
}

const BEHIND: &str = "a wait slept between a change that it had seen and its notification";
const ROOM: &str = "a wait that took something woke another wait";
const TOLD: &str = "a wait that gave up woke another wait";
const REFUSED: &str = "a change came after the wait for it had given up";

const CLAIMS: &[Property] = &[Property::NoDeadlock, Property::Bounded];

macro_rules! scenarios {
    ($($name:literal $play:ident $spurious_sets:expr, [$($moment:ident)*];)*) => {
        pub(super) static SCENARIOS: &[Scenario] = &[$(Scenario {
            name: $name,
            model: concat!("monitor-", $name),
            properties: CLAIMS,
            moments: &[$($moment),*],
            spurious_sets: $spurious_sets,
            sound: $play::<Sound>,
        }),*];
    };
}

scenarios! {
    "one-change" one_change 0..8, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF];
    "hand-over" hand_over 0..8, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF BEHIND];
    "two-waiters" two_waiters 0..4, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF WOKE_TWO];
    // The same with the third wait returning for no reason: two halves that can be searched side by side.
    "two-waiters-third-wake" two_waiters 4..8, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF WOKE_TWO];
    "one-after-the-other" one_after_the_other 0..8, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF WOKE_TWO];
    "one-place" one_place 0..4, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF ROOM];
    "deadline" deadline 0..4, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF BOTH IN_TIME LATE_ANSWER NO_ANSWER];
    "deadline-alone" deadline_alone 0..8, [NO_ANSWER SPURIOUS SLEPT_OFF];
    "deadline-far-away" deadline_far_away 0..8, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF IN_TIME];
    "deadline-beside-a-waiter" deadline_beside_a_waiter 0..4, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF WOKE_TWO NO_ANSWER];
    "two-timed-takers" two_timed_takers 0..4,
        [AT_ONCE SLEPT SPURIOUS SLEPT_OFF WOKE_TWO BOTH IN_TIME LATE_ANSWER NO_ANSWER];
    "expiry-against-a-change" expiry_against_a_change 0..4,
        [AT_ONCE SLEPT SPURIOUS SLEPT_OFF BOTH IN_TIME LATE_ANSWER NO_ANSWER REFUSED];
    "expiry-tells-a-waiter" expiry_tells_a_waiter 0..4, [AT_ONCE SLEPT SPURIOUS SLEPT_OFF NO_ANSWER TOLD];
}

/// Starts a thread of a scenario.
fn start<R: Send + 'static>(name: &str, body: impl FnOnce() -> R + Send + 'static) -> JoinHandle<R> {
    thread::Builder::new().name(name.to_string()).spawn(body).expect("loom always starts a thread")
}

fn at_least(goal: u32) -> impl Fn(&mut u32) -> Option<u32> {
    move |value| (*value >= goal).then_some(*value)
}

fn take(value: &mut u32) -> Option<u32> {
    value.checked_sub(1).inspect(|less| *value = *less)
}

/// What a wait must answer.
fn check_answer<A: PartialEq + std::fmt::Debug>(world: &World, answer: A, expected: A) {
    world.check(answer == expected, || format!("a wait answered {answer:?} instead of {expected:?}"));
}

/// One waiter, one change: here a wake-up without an answer can only be one for no reason.
pub(super) fn one_change<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let changer = Arc::clone(&stand);
    let changer = start("changer", move || {
        changer.hand(7);
        changer.change(|value| *value = 1);
    });
    check_answer(world, stand.wait(at_least(1)).0, 1);
    stand.check_handed(7);
    changer.join().unwrap();
}

/// Changes twice, and hands over with the second.
fn start_two_changes<D: Played>(stand: &Arc<Stand<D>>) -> JoinHandle<()> {
    let stand = Arc::clone(stand);
    start("changer", move || {
        stand.change(|value| *value = 1);
        stand.hand(7);
        stand.change(|value| *value = 2);
    })
}

/// One waiter, two changes, the second of which is the one that it waits for.
pub(super) fn hand_over<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let changer = start_two_changes(&stand);
    let seen = AtomicU32::new(u32::MAX);
    let (answer, _) = stand.wait(|value| {
        if seen.swap(*value, SeqCst) == *value && !world.last_wait_was_spurious() {
            world.reached(BEHIND);
        }
        at_least(2)(value)
    });
    check_answer(world, answer, 2);
    stand.check_handed(7);
    changer.join().unwrap();
}

/// Two waiters, each for a change of its own.
pub(super) fn two_waiters<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let waiters = [("first", 1), ("second", 2)].map(|(name, goal)| {
        let (stand, world) = (Arc::clone(&stand), Arc::clone(world));
        start(name, move || {
            let (answer, _) = stand.wait(at_least(goal));
            world.check(answer >= goal, || format!("a wait for {goal} answered {answer}"));
        })
    });
    stand.change(|value| *value = 1);
    stand.change(|value| *value = 2);
    waiters.into_iter().for_each(|waiter| waiter.join().unwrap());
}

/// Two waiters; the change that the first waits for is made only once the second has got through.
pub(super) fn one_after_the_other<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let [first, second] = [("first", 2), ("second", 1)].map(|(name, goal)| {
        let (stand, world) = (Arc::clone(&stand), Arc::clone(world));
        start(name, move || check_answer(&world, stand.wait(at_least(goal)).0, goal))
    });
    stand.change(|value| *value = 1);
    second.join().unwrap();
    stand.change(|value| *value = 2);
    first.join().unwrap();
}

/// Two who take one each, and one who brings two where there is room for one: each waits for what the others' waits do.
pub(super) fn one_place<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::new(world);
    let takers = ["first taker", "second taker"].map(|name| {
        let (stand, world) = (Arc::clone(&stand), Arc::clone(world));
        start(name, move || check_answer(&world, stand.wait(take).0, 0))
    });
    for _ in 0..2 {
        let (_, looks) = stand.wait(|value| (*value == 0).then(|| *value = 1));
        if looks > 1 && !world.last_wait_was_spurious() {
            world.reached(ROOM);
        }
    }
    takers.into_iter().for_each(|taker| taker.join().unwrap());
}

/// The clock, which moves so many times.
fn start_clock<D: Played>(stand: &Arc<Stand<D>>, seconds: u32) -> JoinHandle<()> {
    let stand = Arc::clone(stand);
    start("clock", move || (0..seconds).for_each(|_| stand.tick()))
}

/// One change, one wait with a deadline, and the clock.
pub(super) fn deadline<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let changer = Arc::clone(&stand);
    let clock = start_clock(&stand, 1);
    let changer = start("changer", move || {
        changer.hand(7);
        changer.change(|value| *value = 1);
    });
    if stand.wait_until(Duration::from_secs(1), at_least(1)).is_some() {
        stand.check_handed(7);
    }
    changer.join().unwrap();
    clock.join().unwrap();
}

/// Nobody changes anything; the clock moves twice.
pub(super) fn deadline_alone<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let clock = start_clock(&stand, 2);
    check_answer(world, stand.wait_until(Duration::from_secs(2), at_least(1)), None);
    clock.join().unwrap();
}

/// The clock stands still: a wait with a deadline is notified as one without.
pub(super) fn deadline_far_away<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let changer = start_two_changes(&stand);
    check_answer(world, stand.wait_until(Duration::MAX, at_least(2)), Some(2));
    stand.check_handed(7);
    changer.join().unwrap();
}

/// One who gives up at the deadline, and one who does not: whoever leaves is counted out, and nobody else is.
pub(super) fn deadline_beside_a_waiter<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let (patient, clock) = (Arc::clone(&stand), Arc::clone(&stand));
    let patient = start("patient", {
        let world = Arc::clone(world);
        move || check_answer(&world, patient.wait(at_least(1)).0, 1)
    });
    let clock = start("clock", move || {
        clock.tick();
        clock.change(|value| *value = 1);
    });
    check_answer(world, stand.wait_until(Duration::from_secs(1), at_least(2)), None);
    patient.join().unwrap();
    clock.join().unwrap();
}

/// Two who would take the one thing that there is before the deadline: one of them has it, at the most.
pub(super) fn two_timed_takers<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let takers = ["first taker", "second taker"].map(|name| {
        let stand = Arc::clone(&stand);
        start(name, move || stand.wait_until(Duration::from_secs(1), take))
    });
    stand.change(|value| *value += 1);
    stand.tick();
    let taken = takers.into_iter().filter_map(|taker| taker.join().unwrap()).count();
    let left = stand.change(|value| *value);
    world.check(taken + left as usize == 1, || {
        format!("one thing was brought; {taken} were taken and {left} are left")
    });
}

/// One who gives up says so, and whoever comes later brings nothing: what is brought is taken, and nothing else is.
pub(super) fn expiry_against_a_change<D: Played>(world: &Arc<World>) {
    const OPEN: u32 = 0;
    const BROUGHT: u32 = 1;
    const GIVEN_UP: u32 = 2;
    let stand = Stand::<D>::with_deadlines(world);
    let changer = Arc::clone(&stand);
    let clock = start_clock(&stand, 1);
    let changer = start("changer", move || {
        changer.hand(7);
        changer.change(|value| {
            let is_open = *value == OPEN;
            if is_open {
                *value = BROUGHT;
            }
            is_open
        })
    });
    let answer = stand.wait_until_or(
        Duration::from_secs(1),
        |value| (*value == BROUGHT).then_some(*value),
        |value| *value = GIVEN_UP,
    );
    if answer.is_some() {
        stand.check_handed(7);
    }
    let is_brought = changer.join().unwrap();
    if !is_brought {
        world.reached(REFUSED);
    }
    world.check(answer.is_some() == is_brought, || {
        format!("the wait answered {answer:?}, and what it waited for was brought: {is_brought}")
    });
    clock.join().unwrap();
}

/// One who gives up at the deadline and thereby changes what another waits for.
pub(super) fn expiry_tells_a_waiter<D: Played>(world: &Arc<World>) {
    let stand = Stand::<D>::with_deadlines(world);
    let clock = start_clock(&stand, 1);
    let patient = start("patient", {
        let (stand, world) = (Arc::clone(&stand), Arc::clone(world));
        move || {
            let (answer, looks) = stand.wait(at_least(1));
            if looks > 1 && !world.last_wait_was_spurious() {
                world.reached(TOLD);
            }
            check_answer(&world, answer, 1);
            stand.check_handed(7);
        }
    });
    stand.hand(7);
    let answer = stand.wait_until_or(Duration::from_secs(1), at_least(2), |value| *value = 1);
    check_answer(world, answer, None);
    patient.join().unwrap();
    clock.join().unwrap();
}
