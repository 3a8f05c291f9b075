//! The proofs of `forcekill`.
pub mod cases;
pub mod defects;
pub mod designs;
pub mod explain;
pub mod explorer;
pub mod lifecycles;
pub mod monitor_proof;
pub mod oracle;
pub mod property;
pub mod protocol;
pub mod prove;
pub mod races;
pub mod report;
pub mod scene;
pub mod schedule;
pub mod search;
pub mod stage;
