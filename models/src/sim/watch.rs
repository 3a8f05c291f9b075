//! What is watched in every run: violations, moments, states, and calls with their bounds.

use forcekill::State;
use forcekill::state::TRANSITIONS;

use super::scheduler::ThreadId;
use super::world::{SimThread, Wait, World};
use super::{engine::StorageRecord, kernel::TargetLife};
use crate::oracle::Violation;
use crate::property::Property;
use crate::scene::Role;
use crate::trace::{Change, Kind};

/// Calls that have a bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Bounded {
    /// `Process::init`.
    Init,
    /// `Runtime::restart_workers`.
    Restart,
    /// The part of a restart or shutdown that brings the threads to a stop.
    Drain,
    /// `Runtime::shut_down`.
    ShutDown,
}

impl Bounded {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::Init, Self::Restart, Self::Drain, Self::ShutDown];

    /// The name in reports.
    pub fn name(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Restart => "restart",
            Self::Drain => "drain",
            Self::ShutDown => "shutdown",
        }
    }
}

/// The longest of a kind of calls that a run has seen, and the bound that it had, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Longest {
    /// How long it took, without what the schedule and the engine's own calls cost it.
    pub took_ns: u64,
    /// How long it might take by its configuration.
    pub bound_ns: u64,
}

/// A call that has not returned.
#[derive(Clone, Copy, Debug)]
pub(super) struct CallWatch {
    pub(super) what: Bounded,
    started_ns: u64,
    held_ns: u64,
    bound_ns: u64,
    drain_bound_ns: u64,
    /// What is not the library's time: the engine's own calls, and the hook.
    pub(super) elsewhere_ns: u64,
    /// Since when it is in one of those, and how long it had been held by then.
    elsewhere_since: Option<(u64, u64)>,
    is_drained: bool,
}

/// A thread of the library's, as far as its lifecycle shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) index: usize,
    pub(super) state: State,
    /// The state that its own OS thread saw last.
    pub(super) own: State,
    /// When somebody asked something of it last.
    asked_ns: u64,
}

#[derive(Debug, Default)]
pub(super) struct Watch {
    violation: Option<Violation>,
    reached: Vec<(&'static str, u64)>,
    pub(super) taken: Vec<u64>,
    pub(super) targets: Vec<TargetLife>,
    pub(super) records: Vec<Record>,
    pub(super) storages: Vec<StorageRecord>,
    /// Where the records of the runtime begin that is up or was last.
    pub(super) first_record: usize,
    pub(super) longest: [Longest; 4],
    calling: Vec<ThreadId>,
}

impl Watch {
    pub(super) fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    pub(super) fn reach(&mut self, moment: &'static str) {
        match self.reached.iter_mut().find(|(name, _)| *name == moment) {
            Some((_, hits)) => *hits += 1,
            None => self.reached.push((moment, 1)),
        }
    }

    pub(super) fn reached(&self) -> &[(&'static str, u64)] {
        &self.reached
    }

    /// The record of an index in the runtime that is up or was last.
    pub(super) fn record_of(&self, index: usize) -> Option<usize> {
        let number = self.first_record + index;
        self.records.get(number).filter(|record| record.index == index).map(|_| number)
    }
}

impl World {
    /// A property broke: the first ends the run.
    pub(super) fn violate(&mut self, property: Property, what: impl FnOnce() -> String) {
        if self.unwinding || self.watch.violation.is_some() {
            return;
        }
        let violation = Violation { property, what: what() };
        self.record(Kind::Judge, || format!("{property} breaks"));
        self.recorder.broke(&violation);
        self.watch.violation = Some(violation);
    }

    /// A lifecycle's monitor was made; answers its record.
    pub(super) fn new_record(&mut self, state: State) -> usize {
        let number = self.watch.records.len();
        let index = number - self.watch.first_record;
        self.watch.records.push(Record { index, state, own: state, asked_ns: 0 });
        number
    }

    /// A section of a thread's lifecycle has left `left` and entered `entered`, or looked only.
    pub(super) fn lifecycle_section(&mut self, number: usize, left: State, entered: State) {
        if self.unwinding {
            return;
        }
        let role = self.role();
        let clock_ns = self.clock_ns;
        let record = &mut self.watch.records[number];
        record.state = entered;
        if left.is_stable() && left != entered {
            record.asked_ns = clock_ns;
        }
        if role == Role::Php(record.index) {
            record.own = entered;
        }
        let index = record.index;
        if left == entered {
            self.record(Kind::Section, || format!("sees that {} is {entered}", Role::Php(index)));
            return;
        }
        self.recorder.mix((left as u64) << 8 | entered as u64);
        self.record(Kind::Section, || format!("{}: {left} → {entered}", Role::Php(index)));
        if self.recorder.is_traced() {
            let thread = Role::Php(index).to_string();
            self.recorder.changed(Change { thread, from: left.to_string(), to: entered.to_string() });
            if role != Role::Php(index) {
                self.recorder.toward(Role::Php(index));
            }
        }
        if entered == State::Abandoned {
            self.judge_abandonment(number, left);
        }
        let is_row = |row: &forcekill::state::Transition| {
            (row.from, row.to) == (left, entered) && row.by.contains(&role.actor())
        };
        match TRANSITIONS.iter().position(is_row) {
            Some(row) => {
                let taken = &mut self.watch.taken;
                taken.resize(TRANSITIONS.len(), 0);
                taken[row] += 1;
            }
            None => self.violate(Property::LegalTransitions, || {
                format!(
                    "{role} made {} {entered}, which was {left}: that is no transition of its",
                    Role::Php(index)
                )
            }),
        }
    }

    /// Somebody has given up on a thread: it must be in its script, or on its way, and the script one that a few sends do not end.
    fn judge_abandonment(&mut self, number: usize, left: State) {
        let Record { index, asked_ns, .. } = self.watch.records[number];
        let waits_for_orders = |id: &ThreadId| {
            let is_of_index = self.threads[*id as usize].role == Role::Php(index);
            is_of_index && matches!(self.waits(*id), Some(Wait::Object(_)))
        };
        let was_asked = matches!(left, State::Restarting | State::ShuttingDown);
        if was_asked && self.live.iter().any(waits_for_orders) {
            let name = Role::Php(index);
            self.violate(Property::LateUnwindIsSafe, || {
                format!("{name} is abandoned, and only waits to be told")
            });
        }
        let of_index = |thread: &&SimThread| thread.role == Role::Php(index) && thread.signals.run != 0;
        let mut live = self.live.iter().rev().map(|id| &self.threads[*id as usize]);
        let Some(thread) = live.find(of_index) else { return };
        let effort = thread.signals.effort;
        let is_killable = self.engine.killable.contains(&thread.signals.run);
        let was_held = thread.held_ns != effort.held_ns || self.is_caller_late();
        // Where the run was there before the kill, every send was for it.
        let had_all = effort.good_sends > 0 && effort.began_ns < asked_ns && self.engine.most_sends >= 4;
        if is_killable && (had_all || effort.good_sends >= 3) && !effort.is_spoilt && !was_held {
            let sends = effort.good_sends;
            self.violate(Property::NoLostKill, || {
                format!(
                    "{} is abandoned in a call that a wake-up interrupts; the system took {sends} of them",
                    Role::Php(index)
                )
            });
        }
    }

    /// Whether the schedule has held the current caller up, or the engine has: then it had no time for all its sends.
    fn is_caller_late(&self) -> bool {
        let Some(thread) = self.running.map(|running| &self.threads[running as usize]) else { return false };
        thread.call.is_some_and(|call| call.held_ns != thread.held_ns || call.elsewhere_ns > 0)
    }

    /// The current thread calls something that has a bound.
    pub(super) fn call_begins(&mut self, what: Bounded, bound_ns: u64, drain_bound_ns: u64) {
        let started_ns = self.clock_ns;
        let running = self.running.expect("a thread calls");
        let thread = self.current();
        let held_ns = thread.held_ns;
        thread.call = Some(CallWatch {
            what,
            started_ns,
            held_ns,
            bound_ns,
            drain_bound_ns,
            elsewhere_ns: 0,
            elsewhere_since: None,
            is_drained: false,
        });
        self.watch.calling.push(running);
    }

    /// It has returned; answers how long that took, without what others cost it.
    pub(super) fn call_ends(&mut self) -> u64 {
        let running = self.running.expect("a thread calls");
        self.watch.calling.retain(|calling| *calling != running);
        let Some(call) = self.threads[running as usize].call.take() else { return 0 };
        let took_ns = self.took(running, &call);
        self.note_longest(call.what, Longest { took_ns, bound_ns: call.bound_ns });
        took_ns
    }

    /// A restart or shutdown has told the first thread's fate: it has brought its threads to a stop.
    pub(super) fn drain_ends(&mut self) {
        let Some(running) = self.running else { return };
        let Some(mut call) = self.threads[running as usize].call.filter(|call| !call.is_drained) else {
            return;
        };
        let longest = Longest { took_ns: self.took(running, &call), bound_ns: call.drain_bound_ns };
        call.is_drained = true;
        self.threads[running as usize].call = Some(call);
        if call.what != Bounded::Init {
            self.note_longest(Bounded::Drain, longest);
        }
    }

    fn note_longest(&mut self, what: Bounded, longest: Longest) {
        let known = &mut self.watch.longest[what as usize];
        if longest.took_ns >= known.took_ns {
            *known = longest;
        }
        if longest.took_ns > longest.bound_ns {
            let role = self.role();
            self.violate(Property::Bounded, || over_bound(role, what, longest));
        }
    }

    /// Whoever is in a call must not have been for longer than it may.
    pub(super) fn watch_bounds(&mut self) {
        for nth in 0..self.watch.calling.len() {
            let thread = self.watch.calling[nth];
            let Some(call) = self.threads[thread as usize].call else { continue };
            let longest = Longest { took_ns: self.took(thread, &call), bound_ns: call.bound_ns };
            if longest.took_ns > longest.bound_ns {
                let role = self.threads[thread as usize].role;
                self.violate(Property::Bounded, || over_bound(role, call.what, longest));
            }
        }
    }

    fn took(&self, thread: ThreadId, call: &CallWatch) -> u64 {
        let held_ns = self.threads[thread as usize].held_ns;
        let here = call.elsewhere_since.map_or(0, |(since_ns, held_then_ns)| {
            (self.clock_ns - since_ns).saturating_sub(held_ns - held_then_ns)
        });
        (self.clock_ns - call.started_ns).saturating_sub(held_ns - call.held_ns + call.elsewhere_ns + here)
    }

    /// The current thread is in a call of the engine's own from now on, whose time is not the library's.
    pub(super) fn elsewhere(&mut self, begins: bool) {
        let clock_ns = self.clock_ns;
        let thread = self.current();
        let held_ns = thread.held_ns;
        let Some(call) = &mut thread.call else { return };
        match call.elsewhere_since.take() {
            None if begins => call.elsewhere_since = Some((clock_ns, held_ns)),
            Some((since_ns, held_then_ns)) if !begins => {
                call.elsewhere_ns += (clock_ns - since_ns).saturating_sub(held_ns - held_then_ns);
            }
            since => call.elsewhere_since = since,
        }
    }

    /// Nobody can run, and no deadline will come.
    pub(super) fn deadlocked(&mut self) {
        let left = self.live.clone();
        if left.is_empty() {
            return;
        }
        let role = |id: &ThreadId| self.threads[*id as usize].role;
        let names: Vec<_> = left.iter().map(|id| role(id).to_string()).collect();
        let calls = left.iter().map(role).find_map(|role| role.promises().map(|property| (role, property)));
        let names = names.join(", ");
        match calls {
            Some((role, property)) => self.violate(property, || {
                format!("{role} does not return: nothing can run any more, and these have not ended: {names}")
            }),
            None => self.violate(Property::NoDeadlock, || {
                format!("nothing can run any more, and these have not ended: {names}")
            }),
        }
    }

    /// Threads go on and on, and no time passes.
    pub(super) fn never_rests(&mut self) {
        self.violate(Property::NoDeadlock, || "threads run on and on, and no time passes".to_string());
    }
}

fn over_bound(role: Role, what: Bounded, longest: Longest) -> String {
    let ms = |ns: u64| ns / 1_000_000;
    let (name, took, bound) = (what.name(), ms(longest.took_ns), ms(longest.bound_ns));
    format!("the {name} of {role} has taken {took} ms, and its bound is {bound} ms")
}
