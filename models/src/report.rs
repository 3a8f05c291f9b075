//! Results for people and for machines.

pub mod html;
pub mod json;
pub mod proofs;
pub mod table;
