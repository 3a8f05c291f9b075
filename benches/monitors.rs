//! The forms that a monitor could have, each in the three situations that matter: nobody waits, somebody waits for something
//! else, and two threads that take turns.

use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Instant;

use forcekill::platform::monitor::{Condition, CondvarMonitor, WaitSteps, Watched};
use forcekill::platform::{Monitor, StdCondition};
use forcekill::steps::Sound;

use crate::futex::FutexCondition;

/// Notifies whether somebody waits or not.
pub struct AlwaysNotify;

impl<T, C: Condition<Watched<T>>> WaitSteps<T, C> for AlwaysNotify {
    #[inline]
    fn announce(condition: &C, state: C::Guard<'_>) {
        drop(state);
        condition.notify_all();
    }
}

/// Notifies, if somebody waits, with the lock still held: whoever is woken may find it so, and sleep again.
pub struct NotifyLocked;

impl<T, C: Condition<Watched<T>>> WaitSteps<T, C> for NotifyLocked {
    #[inline]
    fn announce(condition: &C, state: C::Guard<'_>) {
        if state.waiters > 0 {
            condition.notify_all();
        }
    }
}

/// The names of the forms, in the order of [`operations`].
pub const FORMS: [&str; 4] = ["std (the library's)", "notifying locked", "always notifying", "on futexes"];

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Situation {
    /// A change; nobody waits.
    NobodyWaits,
    /// A change; one thread waits for another one, and goes back to sleep each time that it is woken. Most changes come before it
    /// has: their notification is a system call that finds nobody asleep.
    OneWaitsForSomethingElse,
    /// Two hand-overs: to a thread that waits, and back.
    ThereAndBack,
}

impl Situation {
    /// Every situation.
    pub const ALL: [Self; 3] = [Self::NobodyWaits, Self::OneWaitsForSomethingElse, Self::ThereAndBack];

    /// For tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::NobodyWaits => "with, nobody waits",
            Self::OneWaitsForSomethingElse => "with, one waits for something else",
            Self::ThereAndBack => "hand over, there and back",
        }
    }
}

/// The operation of a situation, in every form. Dropping one ends its second thread.
pub fn operations(situation: Situation) -> Vec<Box<dyn FnMut()>> {
    fn std() -> StdCondition<Watched<u64>> {
        StdCondition::new(Watched::new(0), Instant::now())
    }
    vec![
        operation::<_, Sound>(situation, std()),
        operation::<_, NotifyLocked>(situation, std()),
        operation::<_, AlwaysNotify>(situation, std()),
        operation::<_, Sound>(situation, FutexCondition::new(Watched::new(0))),
    ]
}

/// Says to the second thread that it is over.
const OVER: u64 = u64::MAX;

struct Partner<C, D>
where
    C: Condition<Watched<u64>> + 'static,
    D: WaitSteps<u64, C>,
{
    monitor: Arc<CondvarMonitor<u64, C, D>>,
    thread: Option<JoinHandle<()>>,
}

impl<C, D> Partner<C, D>
where
    C: Condition<Watched<u64>> + 'static,
    D: WaitSteps<u64, C>,
{
    fn start(condition: C, body: fn(&CondvarMonitor<u64, C, D>)) -> Self {
        let monitor = Arc::new(CondvarMonitor::new(condition));
        let thread = thread::spawn({
            let monitor = Arc::clone(&monitor);
            move || body(&monitor)
        });
        Self { monitor, thread: Some(thread) }
    }
}

impl<C, D> Drop for Partner<C, D>
where
    C: Condition<Watched<u64>> + 'static,
    D: WaitSteps<u64, C>,
{
    fn drop(&mut self) {
        self.monitor.with(|value| *value = OVER);
        let Some(joined) = self.thread.take().map(JoinHandle::join) else { return };
        if !thread::panicking() {
            joined.expect("the partner leaves in peace");
        }
    }
}

fn operation<C, D>(situation: Situation, condition: C) -> Box<dyn FnMut()>
where
    C: Condition<Watched<u64>> + 'static,
    D: WaitSteps<u64, C>,
{
    let body: fn(&CondvarMonitor<u64, C, D>) = match situation {
        Situation::NobodyWaits => |_| {},
        Situation::OneWaitsForSomethingElse => |monitor| monitor.wait(|value| (*value == OVER).then_some(())),
        Situation::ThereAndBack => |monitor| while monitor.wait(|value| take_turn(value, 1)) != OVER {},
    };
    let partner = Partner::start(condition, body);
    while situation == Situation::OneWaitsForSomethingElse && partner.monitor.condition().lock().waiters == 0
    {
        thread::yield_now();
    }
    match situation {
        Situation::ThereAndBack => Box::new(move || {
            // The first waits until the partner has answered the one before.
            partner.monitor.wait(|value| take_turn(value, 0));
        }),
        Situation::NobodyWaits | Situation::OneWaitsForSomethingElse => {
            Box::new(move || partner.monitor.with(|value| *value += 1))
        }
    }
}

/// Counts on if it is the turn of those numbers that leave `rest` when divided by two.
fn take_turn(value: &mut u64, rest: u64) -> Option<u64> {
    if *value != OVER && *value % 2 != rest {
        return None;
    }
    if *value != OVER {
        *value += 1;
    }
    Some(*value)
}
