//! Claim: a thread whose spawn the system refuses is counted out again, its body is dropped without being run, and its state
//! is as it was.
//!
//! Within: the simulated platform, which refuses every thread. Not covered: a real system that refuses; the native tests
//! have one.

use std::sync::Arc;
use std::time::Duration;

use forcekill::steps::Sound;
use forcekill::{Lingering, State, Thread};
use forcekill_sim_tests::platform::SimFlags;
use forcekill_sim_tests::world::{System, World};

#[test]
fn a_thread_that_is_refused_is_counted_out_and_its_body_dropped() {
    let world = World::new(Duration::ZERO, System::Delivers, Duration::ZERO);
    let lingering = Lingering::new(&world);
    let thread = Thread::<World, SimFlags, Sound>::new(world, 0);
    let given = Arc::new(());
    let body = Arc::clone(&given);
    let refused = thread.spawn(&lingering, move || unreachable!("{body:?} is run"));
    assert!(refused.is_err(), "this world has one thread alone");
    assert_eq!((lingering.count(), Arc::strong_count(&given)), (0, 1));
    assert_eq!(lingering.wait_none(Duration::ZERO), Ok(()));
    assert_eq!(thread.state(), State::Reserved);
}
