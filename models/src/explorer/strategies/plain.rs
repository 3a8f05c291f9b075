//! Plain depth-first search: every enabled thread at every state. The reference that the reductions are held against.

use super::{NoSleep, Subtree, Tree};
use crate::explorer::view::{Strategy, Thread, Threads, View};

/// Every schedule, depth-first, lowest thread first.
#[derive(Debug)]
pub struct Plain {
    prefix: Vec<Thread>,
    path: Vec<Node>,
    depth: usize,
    started: bool,
}

/// A state on the path of the present execution.
#[derive(Debug)]
struct Node {
    chosen: Thread,
    left: Threads,
}

impl Tree for Plain {
    type Rule = NoSleep;

    fn below(subtree: Subtree) -> Self {
        Self { prefix: subtree.prefix, path: Vec::new(), depth: 0, started: false }
    }
}

impl Strategy for Plain {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        if !self.started {
            self.started = true;
            return true;
        }
        while let Some(node) = self.path.last_mut() {
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
        let known = match self.depth.checked_sub(self.prefix.len()) {
            None => self.prefix[self.depth],
            Some(below) => self.path.get(below)?.chosen,
        };
        self.depth += 1;
        Some(known)
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        if let Some(known) = self.known() {
            return Some(known);
        }
        self.depth += 1;
        let mut left = view.enabled();
        let chosen = left.first()?;
        left.remove(chosen);
        self.path.push(Node { chosen, left });
        Some(chosen)
    }

    fn end(&mut self, _view: &impl View) {}
}
