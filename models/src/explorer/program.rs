//! What is searched: a program that can be executed again and again.

use super::view::Strategy;

/// A program whose executions a strategy steers.
pub trait Program: Sync {
    /// While `strategy.begin()`: one execution, which asks `strategy.choose(view)` before each step, and tells
    /// `strategy.end(view)` when nothing is enabled any more, unless the strategy has cut it off.
    fn run<S: Strategy>(&self, strategy: &mut S);
}
