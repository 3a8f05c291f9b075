//! The steps of the present execution, what happens before what, and which pairs race.

use super::{Detection, Race};
use crate::explorer::view::{Announcement, MOST_THREADS, Thread, Threads, View};

/// For each thread, the number of the latest of its steps that is known to happen before, counted from 1; 0 for none.
/// Steps are numbered through the whole execution.
type Clock = [u16; MOST_THREADS];

/// The steps of one execution.
#[derive(Debug, Default)]
pub struct Trace {
    events: Vec<Event>,
    threads: Vec<Local>,
    /// The threads as they were when they were created.
    births: Vec<Local>,
}

/// A step that was performed.
#[derive(Clone, Debug)]
pub struct Event {
    /// Who performed it.
    pub thread: Thread,
    /// What it did.
    pub what: Announcement,
    /// Its number, counted from 1.
    pub number: usize,
    /// What [`Detection::note`] noted. Nothing in the sound detection.
    pub noted: Threads,
    /// What happens before it, and itself.
    clock: Clock,
    /// The latest step that happens before it, counted from 1.
    after: usize,
}

/// An operation that is announced.
#[derive(Clone, Debug)]
pub struct Pending {
    /// By whom.
    pub thread: Thread,
    /// What it is.
    pub what: Announcement,
    /// The number of the latest step of that thread so far, or of the step of its creation: it was announced then.
    pub since: usize,
    /// What happens before it whenever it is performed.
    clock: Clock,
}

/// What is known of a thread.
#[derive(Clone, Debug)]
struct Local {
    /// What happens before whatever it does next, but for joins.
    clock: Clock,
    /// Its latest step, or that of its creation, counted from 1.
    latest: usize,
}

impl Trace {
    /// Forgets all but so many steps: the next execution repeats these.
    pub fn truncate(&mut self, steps: usize) {
        self.events.truncate(steps);
        // Births are in the order of the steps, and so are their numbers.
        self.births.truncate(self.births.partition_point(|birth| birth.latest <= steps));
        self.threads.clone_from(&self.births);
        for Event { thread, clock, number, .. } in &self.events {
            self.threads[*thread] = Local { clock: *clock, latest: *number };
        }
    }

    /// The thread of the step at this position, if there is one.
    pub fn thread_of(&self, position: usize) -> Option<Thread> {
        self.events.get(position).map(|event| event.thread)
    }

    /// Takes note of the threads that were created since the last step. What a thread does happens after all that its creator
    /// did before; what others did in the same step is known through joins alone.
    pub fn notice_births(&mut self, view: &impl View) {
        for thread in self.threads.len()..view.threads() {
            let clock = view.creator(thread).map_or([0; MOST_THREADS], |creator| self.threads[creator].clock);
            self.threads.push(Local { clock, latest: self.events.len() });
            self.births.push(Local { clock, latest: self.events.len() });
        }
    }

    /// The announced operation of a thread, if it has one.
    pub fn pending(&self, view: &impl View, thread: Thread) -> Option<Pending> {
        let what = view.announced(thread)?;
        let local = &self.threads[thread];
        let mut clock = local.clock;
        for joined in view.joined(thread).iter() {
            merge(&mut clock, &self.threads[joined].clock);
        }
        Some(Pending { thread, what, since: local.latest, clock })
    }

    /// Adds a step: what was announced is performed.
    ///
    /// # Panics
    /// If the execution has more than 65,534 steps.
    pub fn perform<D: Detection>(&mut self, pending: Pending, noted: Threads) {
        let mut clock = pending.clock;
        for (at, event) in self.events.iter().enumerate().rev() {
            if !knows(&clock, at, event) && D::depends(&self.events[at..], &pending) {
                merge(&mut clock, &event.clock);
            }
        }
        let after = clock.iter().copied().max().unwrap_or(0).into();
        let Pending { thread, what, .. } = pending;
        let number = self.events.len() + 1;
        clock[thread] = u16::try_from(number).expect("an execution has fewer than 65,536 steps");
        self.threads[thread] = Local { clock, latest: number };
        self.events.push(Event { thread, what, number, noted, clock, after });
    }

    /// Calls `found` for each race of an announced operation with a step from `first` on, the step's position first. With
    /// `every`, a step races even if another one that conflicts with both is between the two.
    pub fn races<D: Detection>(
        &self,
        pending: &Pending,
        first: usize,
        every: bool,
        mut found: impl FnMut(usize, Race),
    ) {
        let &Pending { thread, clock, .. } = pending;
        let mut between = clock;
        for (at, event) in self.events.iter().enumerate().skip(first).rev() {
            if knows(&clock, at, event) || !D::depends(&self.events[at..], pending) {
                continue;
            }
            let immediate = !knows(&between, at, event);
            merge(&mut between, &event.clock);
            if immediate || every {
                found(at, Race { thread, initials: self.initials::<D>(at, pending) });
            }
        }
    }

    /// Who can begin what leads to the announced operation from the state before the step at `earlier`, without that step:
    /// the threads whose first step in it has no step of it before it. What it consists of is every later step that does not
    /// happen after `earlier`, and the announced operation at its end.
    fn initials<D: Detection>(&self, earlier: usize, pending: &Pending) -> Threads {
        let first = &self.events[earlier];
        let mut initials = Threads::NONE;
        let latest = pending.clock.iter().copied().max().unwrap_or(0);
        let mut own = usize::from(latest) <= earlier;
        for (at, event) in self.events.iter().enumerate().skip(earlier + 1) {
            if knows(&event.clock, earlier, first) {
                continue;
            }
            if event.after <= earlier {
                initials.insert(event.thread);
            }
            own &= !D::depends(&self.events[at..], pending);
        }
        if own {
            initials.insert(pending.thread);
        }
        initials
    }
}

/// Whether the step at this position happens before whatever has the clock.
fn knows(clock: &Clock, at: usize, event: &Event) -> bool {
    usize::from(clock[event.thread]) > at
}

fn merge(clock: &mut Clock, other: &Clock) {
    for (mine, theirs) in clock.iter_mut().zip(other) {
        *mine = (*mine).max(*theirs);
    }
}
