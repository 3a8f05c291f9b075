//! A monitor under watch: every section that a scenario makes goes through here, and is judged.

use std::panic::Location;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use forcekill::platform::monitor::{CondvarMonitor, WaitSteps, Watched};
use forcekill::platform::{Answer, Monitor};
use loom::cell::UnsafeCell;

use super::loom_condition::LoomCondition;
use super::world::World;

pub(super) const AT_ONCE: &str = "an answer was there before the wait";
pub(super) const SLEPT_OFF: &str = "a wait slept again after a return for no reason, or for another's";
pub(super) const IN_TIME: &str = "a notification came before the deadline";
pub(super) const LATE_ANSWER: &str = "a deadline passed and the answer was there";
pub(super) const NO_ANSWER: &str = "a deadline passed without an answer";

/// Whose steps a scenario can be played with.
pub(super) trait Played: WaitSteps<u32, LoomCondition<Watched<u32>>> {}
impl<D: WaitSteps<u32, LoomCondition<Watched<u32>>>> Played for D {}

/// A monitor, and what watches it.
pub(super) struct Stand<D> {
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
struct Looks {
    /// Where the scenario waits.
    asked: &'static Location<'static>,
    made: AtomicU32,
    answered: AtomicBool,
    /// The clock's seconds at the last one.
    at: AtomicU64,
    /// The value that the last one left.
    left: AtomicU32,
    /// How often the wait gave up.
    expired: AtomicU32,
}

impl Looks {
    /// Those of a wait that the caller's caller makes.
    #[track_caller]
    fn here() -> Self {
        let (made, left, expired) = (AtomicU32::new(0), AtomicU32::new(0), AtomicU32::new(0));
        let (answered, at) = (AtomicBool::new(false), AtomicU64::new(0));
        Self { asked: Location::caller(), made, answered, at, left, expired }
    }
}

impl<D: Played> Stand<D> {
    pub(super) fn new(world: &Arc<World>) -> Arc<Self> {
        Self::on(world, LoomCondition::new(Watched::new(0), Arc::clone(world)))
    }

    pub(super) fn with_deadlines(world: &Arc<World>) -> Arc<Self> {
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

    /// Moves the clock.
    pub(super) fn tick(&self) {
        self.monitor.condition().tick();
    }

    #[track_caller]
    pub(super) fn change<R: Answer>(&self, change: impl Fn(&mut u32) -> R) -> R {
        let at = Location::caller();
        self.monitor.with(|value| {
            self.touch();
            let before = *value;
            let answer = change(value);
            self.world.step_at(at, || format!("changes {before} to {value}"));
            answer
        })
    }

    /// Writes what the next change hands over.
    pub(super) fn hand(&self, what: u32) {
        // SAFETY: as in `touch`.
        self.handed.with_mut(|handed| unsafe { *handed = what });
    }

    /// Called after the wait for the change: what was done before it must be seen.
    pub(super) fn check_handed(&self, what: u32) {
        // SAFETY: the pointer is valid inside the closure; loom ends the execution if a write is concurrent.
        let handed = self.handed.with(|handed| unsafe { *handed });
        let not_seen = "what was done before the change is not seen after the wait for it";
        self.world.check(handed == what, || not_seen.to_string());
    }

    /// Answers also how many looks it took.
    #[track_caller]
    pub(super) fn wait<R: Answer>(&self, ready: impl Fn(&mut u32) -> Option<R>) -> (R, u32) {
        let looks = Looks::here();
        let answer = self.monitor.wait(|value| self.look(&looks, value, &ready));
        self.world.check(looks.answered.load(SeqCst), || {
            "a wait returned although its last look had no answer".to_string()
        });
        (answer, self.count(&looks))
    }

    #[track_caller]
    pub(super) fn wait_until(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut u32) -> Option<u32>,
    ) -> Option<u32> {
        let looks = Looks::here();
        let answer = self.monitor.wait_until(deadline, |value| self.look(&looks, value, &ready));
        self.judge(&looks, deadline, answer.is_none());
        answer
    }

    /// Answers `None` if the wait gave up, and made the change `expired`.
    #[track_caller]
    pub(super) fn wait_until_or(
        &self,
        deadline: Duration,
        ready: impl Fn(&mut u32) -> Option<u32>,
        expired: impl Fn(&mut u32),
    ) -> Option<u32> {
        let looks = Looks::here();
        let answer = self.monitor.wait_until_or(
            deadline,
            |value| self.look(&looks, value, &ready).map(Some),
            |value| {
                self.expire(&looks, value, &expired);
                None
            },
        );
        let times = looks.expired.load(SeqCst);
        self.world.check(times == u32::from(answer.is_none()), || {
            format!("a wait answered {answer:?} and gave up {times} times")
        });
        self.judge(&looks, deadline, answer.is_none());
        answer
    }

    fn look<R>(&self, looks: &Looks, value: &mut u32, ready: impl Fn(&mut u32) -> Option<R>) -> Option<R> {
        self.touch();
        let found = *value;
        let answer = ready(value);
        looks.made.fetch_add(1, SeqCst);
        looks.answered.store(answer.is_some(), SeqCst);
        looks.at.store(self.world.now().as_secs(), SeqCst);
        looks.left.store(*value, SeqCst);
        self.world.step_at(looks.asked, || match answer {
            Some(_) => format!("looks at {found}, has its answer and leaves {value}"),
            None => format!("looks at {found}, which is no answer"),
        });
        answer
    }

    fn expire(&self, looks: &Looks, value: &mut u32, expired: impl Fn(&mut u32)) {
        self.touch();
        let found = *value;
        expired(value);
        looks.expired.fetch_add(1, SeqCst);
        self.world.step_at(looks.asked, || format!("gives up and changes {found} to {value}"));
        let looked_at = looks.left.load(SeqCst);
        self.world.check(found == looked_at, || {
            format!("a wait gave up when the value was {found}, and its last look was at {looked_at}")
        });
    }

    /// The wait with the deadline has returned.
    fn judge(&self, looks: &Looks, deadline: Duration, gave_up: bool) {
        let made = self.count(looks);
        let last_look = Duration::from_secs(looks.at.load(SeqCst));
        self.world.check(gave_up != looks.answered.load(SeqCst), || {
            "the answer is not that of the last look".to_string()
        });
        if gave_up {
            self.world.check(made > 0, || "a wait gave up and never looked".to_string());
            self.world.check(last_look >= deadline, || {
                "a wait gave up and its last look was before the deadline".to_string()
            });
            self.world.reached(NO_ANSWER);
        } else if made > 1 {
            self.world.reached(if last_look >= deadline { LATE_ANSWER } else { IN_TIME });
        }
    }

    fn count(&self, looks: &Looks) -> u32 {
        let made = looks.made.load(SeqCst);
        match made {
            1 if looks.answered.load(SeqCst) => self.world.reached(AT_ONCE),
            0..=2 => {}
            3.. => self.world.reached(SLEPT_OFF),
        }
        made
    }
}
