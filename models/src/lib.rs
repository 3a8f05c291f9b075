//! The proofs of `forcekill`.
pub mod cases;
pub mod defects;
pub mod designs;
pub mod oracle;
pub mod property;
pub mod races;
pub mod search;
pub mod stage;
