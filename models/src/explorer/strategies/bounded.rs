//! State hashing with preemption bounds 0, 1, 2 and so on: a counterexample that it finds has the fewest preemptions.
//!
//! A switch away from a thread that could have gone on is a preemption; a thread that is blocked, has finished, or could go on
//! only because its timed wait would time out is left for free. All that can be reached with n preemptions is explored before
//! anything that needs n + 1: the preempting choices that a state offers are put aside for the next bound (Musuvathi and
//! Qadeer 2007). So the first visit of a state is one with the fewest preemptions, and a later visit can be cut off.
//!
//! What a state allows with no preemption depends on the thread that ran last if that one could go on, so it is part of the key.
//! States are told apart by a hash: a collision, however unlikely, would hide a state. It is not what claims rest on.

use std::collections::HashSet;
use std::mem;

use crate::explorer::view::{Strategy, Thread, Threads, View};

/// The search, from no preemption to a greatest number of them.
#[derive(Debug)]
pub struct Bounded {
    bound: usize,
    most: usize,
    /// What is to be explored at this bound: choices, the last of which is a preemption.
    now: Vec<Box<[u8]>>,
    /// The same for the next bound.
    next: Vec<Box<[u8]>>,
    seen: HashSet<u128>,
    /// The choices of the present execution. The first `prefix` of them are given, the rest are those of `path`.
    choices: Vec<u8>,
    prefix: usize,
    /// For each choice after the prefix, its siblings that are to be explored.
    path: Vec<Threads>,
    depth: usize,
    started: bool,
    complete: bool,
}

impl Bounded {
    /// At most so many preemptions; `usize::MAX` for as many as it takes to explore everything.
    pub fn new(most: usize) -> Self {
        Self {
            bound: 0,
            most,
            now: Vec::new(),
            next: Vec::new(),
            seen: HashSet::new(),
            choices: Vec::new(),
            prefix: 0,
            path: Vec::new(),
            depth: 0,
            started: false,
            complete: false,
        }
    }

    /// The present number of preemptions: at a violation, that of the counterexample.
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// Whether everything was explored: a greater bound would change nothing.
    pub fn complete(&self) -> bool {
        self.complete
    }

    /// Takes up the next prefix that was put aside; raises the bound if there is none left at this one.
    fn next_prefix(&mut self) -> bool {
        if self.now.is_empty() {
            if self.next.is_empty() {
                self.complete = true;
                return false;
            }
            if self.bound == self.most {
                return false;
            }
            self.bound += 1;
            self.now = mem::take(&mut self.next);
            self.now.reverse();
        }
        let Some(prefix) = self.now.pop() else { return false };
        self.prefix = prefix.len();
        self.choices.clear();
        self.choices.extend_from_slice(&prefix);
        true
    }

    /// Whether this state was visited before, by a visit that allowed as much.
    fn seen_before(&mut self, view: &impl View, going_on: Option<Thread>) -> bool {
        let key = view.state_key();
        if self.seen.contains(&key) {
            return true;
        }
        let key = match going_on {
            None => key,
            Some(thread) => {
                (key ^ u128::from(view.name(thread))).wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(29)
            }
        };
        !self.seen.insert(key)
    }
}

impl Strategy for Bounded {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        if !self.started {
            self.started = true;
            return true;
        }
        while let Some(mut left) = self.path.pop() {
            self.choices.truncate(self.prefix + self.path.len());
            if let Some(next) = left.first() {
                left.remove(next);
                self.path.push(left);
                self.choices.push(next as u8);
                return true;
            }
        }
        self.next_prefix()
    }

    fn known(&mut self) -> Option<Thread> {
        let known = self.choices.get(self.depth).copied()?;
        self.depth += 1;
        Some(known.into())
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        if let Some(known) = self.known() {
            return Some(known);
        }
        let depth = self.depth;
        self.depth += 1;
        let enabled = view.enabled();
        let last = depth.checked_sub(1).map(|before| Thread::from(self.choices[before]));
        let going_on = last.filter(|&last| enabled.without(view.would_time_out()).contains(last));
        if self.seen_before(view, going_on) {
            return None;
        }
        let mut free = going_on.map_or(enabled, Threads::only);
        for preempting in enabled.without(free).iter() {
            self.next.push(self.choices.iter().copied().chain([preempting as u8]).collect());
        }
        let chosen = free.first()?;
        free.remove(chosen);
        self.path.push(free);
        self.choices.push(chosen as u8);
        Some(chosen)
    }

    fn end(&mut self, _view: &impl View) {}
}
