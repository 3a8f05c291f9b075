//! The kill under virtual time.
//!
//! The library's own code runs here against a world of one thread of execution: the clock moves only when the killer
//! waits, the killed thread is a [`Script`](script::Script) of what it does at which moment, and the system does what
//! [`System`](world::System) says. So a bound is a number that is compared for equality, not a feeling, and five
//! seconds of schedule cost microseconds.
//!
//! | file | what it is |
//! |---|---|
//! | [`world`] | the clock, the moments that are due, the trace, the system's faults |
//! | [`platform`] | the world as a [`forcekill::Platform`] |
//! | [`script`] | the killed thread |
//! | [`case`] | one kill from the first attempt to the verdict |
//! | [`expected`] | what must come of it, computed without the library |
//! | [`strategies`] | random cases, mostly at the edges |
//!
//! Not covered, because nothing runs beside anything: races (several killers, the owner beside a killer, memory
//! orderings; the models search those) and real signals (the native tests send those).

pub mod case;
pub mod expected;
pub mod platform;
pub mod script;
pub mod strategies;
pub mod world;
