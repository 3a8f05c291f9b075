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

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        let depth = self.depth;
        self.depth += 1;
        if depth < self.prefix.len() {
            return Some(self.prefix[depth]);
        }
        let depth = depth - self.prefix.len();
        if depth == self.path.len() {
            let mut left = view.enabled();
            let chosen = left.first()?;
            left.remove(chosen);
            self.path.push(Node { chosen, left });
        }
        Some(self.path[depth].chosen)
    }

    fn end(&mut self, _view: &impl View) {}
}
