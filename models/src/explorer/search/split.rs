//! Splits a tree of choices into subtrees: breadth-first, so that they are of about one size.

use std::marker::PhantomData;

use crate::explorer::program::Program;
use crate::explorer::strategies::{Rule, Subtree};
use crate::explorer::view::{Strategy, Thread, Threads, View};

/// Splits the tree of a program into at least so many subtrees, if it has that many, in the order of the tree. Above the
/// subtrees everything is explored that is not asleep.
pub fn split<R: Rule>(program: &impl Program, at_least: usize) -> Vec<Subtree> {
    let mut level = vec![Subtree::default()];
    // A subtree without a choice is closed: it is not split any further, but still there to be counted.
    let mut closed = vec![false];
    while level.len() < at_least && closed.contains(&false) {
        let mut expansion = Expansion::<R> {
            level: level.into_iter().zip(closed).collect(),
            next: Vec::new(),
            at: None,
            depth: 0,
            rule: PhantomData,
        };
        program.run(&mut expansion);
        (level, closed) = expansion.next.into_iter().unzip();
    }
    level
}

/// A strategy that runs each subtree of a level to its root, and there takes note of its children.
struct Expansion<R> {
    level: Vec<(Subtree, bool)>,
    next: Vec<(Subtree, bool)>,
    at: Option<usize>,
    depth: usize,
    rule: PhantomData<R>,
}

impl<R: Rule> Expansion<R> {
    fn present(&self) -> &Subtree {
        &self.level[self.at.expect("an execution has begun")].0
    }

    fn close(&mut self) {
        self.next.push((self.present().clone(), true));
    }
}

impl<R: Rule> Strategy for Expansion<R> {
    fn begin(&mut self) -> bool {
        self.depth = 0;
        loop {
            let at = self.at.map_or(0, |at| at + 1);
            self.at = Some(at);
            match self.level.get(at) {
                None => return false,
                Some((_, true)) => self.close(),
                Some((_, false)) => return true,
            }
        }
    }

    fn known(&mut self) -> Option<Thread> {
        let given = self.present().prefix.get(self.depth).copied()?;
        self.depth += 1;
        Some(given)
    }

    fn choose(&mut self, view: &impl View) -> Option<Thread> {
        if let Some(given) = self.known() {
            return Some(given);
        }
        let Subtree { prefix, mut asleep } = self.present().clone();
        let awake = view.enabled().without(asleep);
        if awake.is_empty() {
            self.close();
        }
        for chosen in awake.iter() {
            let mut still = Threads::NONE;
            for sleeper in asleep.iter().filter(|&sleeper| R::stays_asleep(view, chosen, sleeper)) {
                still.insert(sleeper);
            }
            let prefix = prefix.iter().copied().chain([chosen]).collect();
            self.next.push((Subtree { prefix, asleep: still }, false));
            asleep.insert(chosen);
        }
        None
    }

    fn end(&mut self, _view: &impl View) {
        self.close();
    }
}
