//! One self-contained page of results: plain data in, one document out.
//!
//! A crate of its own, because it knows nothing of searches and simulations: both turn what they found into a [`Page`], and
//! it takes seconds to build, not minutes.
//!
//! The page has no script and asks nothing of anybody: its own content security policy refuses every request. What does not
//! fit a narrow screen scrolls inside its own box, and what is long is folded. Links open what they lead to, where it is
//! folded (browsers do that by themselves since 2022 to 2025).

mod chart;
mod data;
mod diagram;
mod page;
mod sketch;
mod states;
mod tables;

pub use data::{
    Arrow, ArrowKind, Cell, Column, Coverage, Defect, Diagram, Fact, Moment, Page, Proofs, PropertyRow,
    Search, Span, Step, Taken, Verdict,
};
pub use page::render;
pub use sketch::Sketch;
