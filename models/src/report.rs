//! Results for people and for machines.

pub mod json;
pub mod proofs;
pub mod table;
