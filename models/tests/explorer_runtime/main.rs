//! The explorer's own runtime, under a plain depth-first search: no interleaving is missed, and each thing that can happen to
//! a thread comes out as it should.

mod commuting;
mod dfs;
mod ends;
mod forgetting;
mod interleavings;
mod keys;
mod last_waits;
mod races;
mod resources;
