//! One kill, from the first attempt to the verdict.

use std::sync::Arc;
use std::time::Duration;

use forcekill::{PolicyError, ResendPolicy, Slot, Verdict};

use crate::script::{Script, ScriptedThread};
use crate::world::{Actor, Entry, Event, System, Thread, World};

/// Everything that decides how a kill goes. Its `Debug` form is what a failure prints, and is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// What the clock shows when the kill starts.
    pub start: Duration,
    /// When the kill is sent again.
    pub schedule: Schedule,
    /// How the system treats wake-ups.
    pub system: System,
    /// How long a wake-up takes to arrive.
    pub latency: Duration,
    /// What the thread does.
    pub script: Script,
}

/// What a re-send policy is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// All pauses together.
    pub within: Duration,
    /// The first pause.
    pub first_pause: Duration,
    /// No pause is longer.
    pub longest_pause: Duration,
}

/// What came of a case. Times count from the start of the kill.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What the kill said.
    pub verdict: Verdict,
    /// When it returned.
    pub returned_at: Duration,
    /// When the run ended, if it did.
    pub ended_at: Option<Duration>,
    /// Everything that happened until the kill returned.
    pub trace: Vec<Entry>,
    /// Both flags when the kill returned, `timed_out` first.
    pub flags_up: (bool, bool),
    /// What a second kill of the same run said, and how many entries it left in the trace.
    pub again: Option<(Verdict, usize)>,
    /// Wake targets that nobody has released after the thread has left.
    pub leaked_targets: i32,
}

impl Schedule {
    /// The library's policy.
    ///
    /// # Errors
    /// If the library refuses it.
    pub fn policy(&self) -> Result<ResendPolicy, PolicyError> {
        ResendPolicy::new(self.within, self.first_pause, self.longest_pause)
    }
}

impl Case {
    /// Plays the case with the library's own kill.
    ///
    /// # Panics
    /// If the library refuses the schedule, or breaks what it owes to the platform.
    pub fn play(&self) -> Outcome {
        let policy = self.schedule.policy().expect("the schedule makes sense");
        let world = World::new(self.start, self.system, self.latency);
        let slot = Arc::new(Slot::<World, _>::new(world.clone()));
        let (thread, run) = ScriptedThread::boot(&world, &slot, &self.script);
        thread.schedule();
        let thread = Arc::new(thread);
        let in_the_world: Arc<dyn Thread> = thread.clone();
        world.inhabit(&in_the_world);
        // What the script does at the very start comes before the kill.
        world.settle();

        world.acts(Actor::Killer);
        let verdict = slot.kill(run, &policy);
        let (returned_at, trace) = (world.elapsed(), world.trace());
        let ended_at = trace.iter().find(|(_, _, event)| *event == Event::RunEnded).map(|(at, ..)| *at);
        let flags_up = thread.flags_up();
        let again = verdict.is_over().then(|| {
            let verdict = slot.kill(run, &policy);
            (verdict, world.trace().len() - trace.len())
        });
        thread.leave();
        let leaked_targets = world.living_targets();
        Outcome { verdict, returned_at, ended_at, trace, flags_up, again, leaked_targets }
    }
}

impl Outcome {
    /// The attempts, each as its time and what the killer did in it: everything since it last waited.
    pub fn attempts(&self) -> Vec<(Duration, Vec<Event>)> {
        let mut attempts = vec![];
        let mut done = vec![];
        for &(at, actor, event) in &self.trace {
            match (actor, event) {
                (Actor::Killer, Event::Waits) => attempts.push((at, std::mem::take(&mut done))),
                (Actor::Killer, event) => done.push(event),
                (Actor::Thread, _) => {}
            }
        }
        if let (false, Some((at, ..))) = (done.is_empty(), self.trace.last()) {
            // The last one was followed by no wait: its thread was gone.
            attempts.push((*at, done));
        }
        attempts
    }
}
