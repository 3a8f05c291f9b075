//! Sequences of operations that proptest makes up, by several callers at once, with a schedule of its own for each.
//!
//! **Claim.** Whatever is called in whatever order, and whatever goes wrong meanwhile, no property breaks, and in the end everything
//! settles. **Bounds.** Up to 12 calls by up to 3 callers, runtimes of up to 4 threads.

use forcekill_models::sim::Keep;
use forcekill_models::sim::designs::Simulated;
use forcekill_models::sim::scenario::{
    Call, Listed, Op, Policy, Quirk, Quirks, Scenario, Schedule, Shape, Site,
};
use proptest::prelude::*;

fn calls() -> impl Strategy<Value = Call> {
    prop_oneof![
        4 => any::<bool>().prop_map(|worker| Call::Dispatch { worker }),
        3 => Just(Call::Restart),
        2 => (0..2u32).prop_map(Call::Init),
        2 => Just(Call::ShutDown),
        1 => any::<bool>().prop_map(|worker| Call::ScaleUp { worker }),
        1 => Just(Call::ScaleDown),
        1 => Just(Call::CompleteTeardown),
        1 => Just(Call::LetGo),
    ]
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let pauses = prop_oneof![Just(0), Just(1), Just(20), Just(6_000)];
    let op = (0..3u32, pauses, calls()).prop_map(|(caller, pause_ms, call)| Op { caller, pause_ms, call });
    prop::collection::vec(op, 0..12).prop_map(|mut ops| {
        ops.insert(0, Op { caller: 0, pause_ms: 0, call: Call::Init(0) });
        ops
    })
}

fn shapes() -> impl Strategy<Value = Shape> {
    let times = (prop_oneof![Just(1u32), Just(500)], prop_oneof![Just(10u32), Just(1_000)]);
    (0..3u32, 0..2u32, 0..2u32, 0..3u32, times, any::<bool>(), 0..3u32).prop_map(
        |(workers, regular, extra, quarantined, (grace_ms, kill_ms), scales, max_requests)| Shape {
            workers,
            regular: if workers == 0 { regular.max(1) } else { regular },
            extra,
            quarantined,
            grace_ms,
            kill_ms,
            boot_ms: 1_000,
            teardown_ms: 100,
            max_wait_ms: 1_000,
            idle_ms: 50,
            scales,
            max_requests,
            max_queue: 0,
            max_failures: 2,
        },
    )
}

fn faults() -> impl Strategy<Value = Vec<Listed>> {
    let stuck = prop_oneof![Just(None), Just(Some(30u32)), Just(Some(8_000))];
    let request = stuck.prop_flat_map(|ms| {
        prop_oneof![
            Just(Quirk::Hangs(ms)),
            Just(Quirk::Blocks(ms)),
            Just(Quirk::Loops(ms)),
            Just(Quirk::LoopsBlindly(ms)),
            Just(Quirk::Retries(u32::MAX, ms)),
            Just(Quirk::BlocksAgain(ms)),
            Just(Quirk::HostCallback(ms)),
            Just(Quirk::Unhealthy),
            Just(Quirk::DiesWithLock),
            Just(Quirk::Panics),
        ]
    });
    let fault = prop_oneof![
        4 => request.prop_map(|quirk| (Site::Request, quirk)),
        1 => Just((Site::Boot, Quirk::Fails)),
        1 => Just((Site::Boot, Quirk::Unhealthy)),
        1 => Just((Site::Spawn, Quirk::Fails)),
        1 => Just((Site::StartThread, Quirk::Fails)),
        1 => Just((Site::Free, Quirk::HangsWithLock(Some(2_000)))),
        1 => Just((Site::Notice, Quirk::Panics)),
        1 => Just((Site::Wake, Quirk::QueueFull)),
    ];
    prop::collection::vec((fault, 0..6u32), 0..8).prop_map(|faults| {
        faults.into_iter().map(|((site, quirk), nth)| Listed { site, nth, quirk }).collect()
    })
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let policies = prop_oneof![Just(Policy::Calm), Just(Policy::Switches(2)), Just(Policy::Priorities(20))];
    (any::<u64>(), policies, prop_oneof![Just(0u32), Just(100)])
        .prop_map(|(seed, policy, jump_one_in)| Schedule::Drawn { seed, policy, jump_one_in })
}

fn scenarios() -> impl Strategy<Value = Scenario> {
    (prop::collection::vec(shapes(), 2), ops(), faults(), schedules()).prop_map(
        |(shapes, ops, faults, schedule)| Scenario {
            seed: 0,
            shapes,
            ops,
            quirks: Quirks::Listed(faults),
            schedule,
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_sequence_of_operations_breaks_anything(scenario in scenarios()) {
        let ours: Simulated = "forcekill".parse().expect("it is there");
        let outcome = ours.play(&scenario, Keep::default());
        prop_assert!(outcome.violation.is_none(), "{:?}", outcome.violation);
        prop_assert!(outcome.steps > 0);
    }
}

/// The strategies would find something: the same sequences break a design whose restart waits for ever.
#[test]
fn the_same_strategies_find_a_historic_design() {
    let historic: Simulated = "merged-2365".parse().expect("it is there");
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let found = runner.run(&scenarios(), |scenario| {
        let outcome = historic.play(&scenario, Keep::default());
        prop_assert!(outcome.violation.is_none());
        Ok(())
    });
    let Err(proptest::test_runner::TestError::Fail(_, shortest)) = found else {
        panic!("nothing breaks {historic}: {found:?}");
    };
    assert!(shortest.ops.len() <= 6, "{shortest:?}");
}
