//! Results for people and for machines.

pub mod json;
pub mod table;
