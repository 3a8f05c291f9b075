//! What can be searched: something that executes under the control of a strategy.

use super::view::Strategy;

/// A program whose schedules can be searched.
pub trait Program: Sync {
    /// While `strategy.begin()` { one execution, asking `strategy.choose(view)` before each step; `strategy.end(view)` unless
    /// it was cut off }.
    fn run<S: Strategy>(&self, strategy: &mut S);
}
