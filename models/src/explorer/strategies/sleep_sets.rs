//! Sleep sets with semantic commutation: the strategy that the project's claims rest on.
//!
//! At a state with sleep set Z every enabled thread outside Z is explored, one after the other. After a thread has been
//! explored it is asleep for its later siblings: what begins with it has been seen. Going down with a thread, a sleeper stays
//! asleep while its operation commutes with the one performed, in that very state (Godefroid 1996, with the conditional
//! independence of Katz and Peled); otherwise it wakes. A state whose enabled threads are all asleep is cut off.
//!
//! Every reachable state is still visited, so it does not matter how an operation blocks, or on what a predicate depends:
//! sleep sets leave out transitions alone.

use std::marker::PhantomData;

use super::{Commutation, Rule, Subtree, Tree, still_asleep};
use crate::explorer::view::{Strategy, Thread, Threads, View};

/// Depth-first search with sleep sets. The rule is a parameter for the sake of the soundness test, which seeds a wrong one.
#[derive(Debug)]
pub struct SleepSets<R = Commutation> {
    prefix: Vec<Thread>,
    path: Vec<Node>,
    depth: usize,
    /// Who is asleep at the next state that is new.
    asleep: Threads,
    started: bool,
    rule: PhantomData<R>,
}

/// A state on the path of the present execution.
#[derive(Debug)]
struct Node {
    chosen: Thread,
    left: Threads,
    /// Asleep when the state was entered, or explored since.
    asleep: Threads,
}

impl<R: Rule + Send> Tree for SleepSets<R> {
    type Rule = R;

    fn below(subtree: Subtree) -> Self {
        let Subtree { prefix, asleep } = subtree;
        Self { prefix, path: Vec::new(), depth: 0, asleep, started: false, rule: PhantomData }
    }
}

impl<R: Rule> Strategy for SleepSets<R> {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        if !self.started {
            self.started = true;
            return true;
        }
        while let Some(node) = self.path.last_mut() {
            node.asleep.insert(node.chosen);
            if let Some(next) = node.left.first() {
                node.left.remove(next);
                node.chosen = next;
                return true;
            }
            self.path.pop();
        }
        false
    }

    fn known(&mut self) -> Option<Thread> {
        let below = self.depth.checked_sub(self.prefix.len());
        let known = match below {
            None => self.prefix[self.depth],
            // The last node is where this execution leaves the one before: who stays asleep there must be looked at.
            Some(below) if below + 1 < self.path.len() => self.path[below].chosen,
            Some(_) => return None,
        };
        self.depth += 1;
        Some(known)
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let depth = self.depth;
        self.depth += 1;
        if depth < self.prefix.len() {
            return Some(self.prefix[depth]);
        }
        let depth = depth - self.prefix.len();
        if depth == self.path.len() {
            let mut left = view.enabled().without(self.asleep);
            let chosen = left.first()?;
            left.remove(chosen);
            self.path.push(Node { chosen, left, asleep: self.asleep });
        }
        let node = &self.path[depth];
        if depth + 1 == self.path.len() && !node.asleep.is_empty() {
            self.asleep = still_asleep::<R>(view, node.chosen, node.asleep);
        } else if depth + 1 == self.path.len() {
            self.asleep = Threads::NONE;
        }
        Some(node.chosen)
    }

    fn end(&mut self, _view: &impl View) {}
}
