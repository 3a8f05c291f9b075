//! Random cases. Moments fall on the edges of the schedule as often as anywhere else: exactly at a send, one nanosecond
//! before it, one after it.

use std::time::Duration;

use forcekill::Obstacle;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::case::{Case, Schedule};
use crate::script::{Exit, Script};
use crate::world::System;

/// Schedules of 1 to some 300 sends, with pauses of nanoseconds or of seconds.
pub fn schedule() -> impl Strategy<Value = Schedule> {
    let first_pause = prop_oneof![1..100_u64, 1_000..10_000_000_u64, 1_000_000_000..3_000_000_000_u64];
    let extra = prop_oneof![Just(0_u64), 0..1_000_000_u64];
    (first_pause, 1..=64_u64, extra, 1..=300_u64, any::<u64>()).prop_map(
        |(first, times, extra, most, cut)| {
            // A bound of whole pauses, or one that cuts the last.
            let within = first * most + if cut % 2 == 0 { 0 } else { cut % first };
            Schedule {
                within: Duration::from_nanos(within),
                first_pause: Duration::from_nanos(first),
                longest_pause: Duration::from_nanos(first * times + extra),
            }
        },
    )
}

/// A moment in the course of a kill, or a little after it.
fn moment(schedule: Schedule) -> impl Strategy<Value = Duration> {
    let mut edges = schedule.send_times();
    edges.push(schedule.within);
    let at_an_edge = (any::<Index>(), -1..=1_i64).prop_map(move |(edge, aside)| {
        let edge = *edge.get(&edges);
        let one = Duration::from_nanos(1);
        match aside {
            -1 => edge.saturating_sub(one),
            0 => edge,
            _ => edge + one,
        }
    });
    let within = schedule.within.as_nanos() as u64;
    prop_oneof![at_an_edge, (0..=within + within / 4).prop_map(Duration::from_nanos)]
}

/// How long wake-ups take: no time, less than the first pause, or several pauses.
fn latency(schedule: Schedule) -> impl Strategy<Value = Duration> {
    let first = schedule.first_pause.as_nanos() as u64;
    prop_oneof![3 => Just(0), 3 => 0..=first, 1 => 0..=first.saturating_mul(5)].prop_map(Duration::from_nanos)
}

fn system(schedule: Schedule) -> impl Strategy<Value = System> {
    let obstacles = vec![Obstacle::FlagsOnly, Obstacle::HandlerNotInstalled { errno: 22 }];
    prop_oneof![
        6 => Just(System::Delivers),
        1 => select(obstacles).prop_map(System::NoTarget),
        2 => moment(schedule).prop_map(System::QueueFullUntil),
        2 => moment(schedule).prop_map(System::HandlerReplacedFrom),
        1 => Just(System::SignalBlocked),
        1 => (1..130).prop_map(|errno| System::Refuses { errno }),
        1 => moment(schedule).prop_map(System::ThreadGoneFrom),
    ]
}

fn script(schedule: Schedule) -> impl Strategy<Value = Script> {
    let deaf = prop_oneof![2 => Just(Duration::ZERO), 3 => moment(schedule)];
    let few = || prop_oneof![2 => Just(0_u32), 2 => 1..4_u32, 1 => 0..40_u32];
    let moments = || prop_oneof![vec(moment(schedule), 0..2), vec(moment(schedule), 0..8)];
    let ends = proptest::option::weighted(0.3, moment(schedule));
    let sends = schedule.send_times().len() as u32;
    let in_gap = proptest::option::weighted(0.2, prop_oneof![Just(sends), 1..=sends]);
    let stays_deaf = proptest::bool::weighted(0.15);
    (deaf, stays_deaf, few(), few(), moments(), moments(), (ends, in_gap), exit()).prop_map(
        |(
            deaf_until,
            ignores_wakes,
            retries,
            blocks_again,
            clears,
            looks,
            (ends_by_itself, ends_in_gap),
            exit,
        )| Script {
            deaf_until,
            ignores_wakes,
            retries,
            blocks_again,
            clears,
            looks,
            ends_by_itself,
            ends_in_gap,
            exit,
        },
    )
}

fn exit() -> impl Strategy<Value = Exit> {
    select(vec![Exit::NextRun, Exit::Idle, Exit::Leaves, Exit::Republished])
}

fn start() -> impl Strategy<Value = Duration> {
    prop_oneof![Just(Duration::ZERO), (0..u64::from(u32::MAX)).prop_map(Duration::from_micros)]
}

/// Any case.
pub fn case() -> impl Strategy<Value = Case> {
    (start(), schedule()).prop_flat_map(|(start, schedule)| {
        (system(schedule), latency(schedule), script(schedule))
            .prop_map(move |(system, latency, script)| Case { start, schedule, system, latency, script })
    })
}

/// A case in which the thread can be interrupted, all but a first wake-up at the worst moment, together with `k`: how
/// many wake-ups of the others come to nothing. The schedule has room for `k + 2` sends that are not cut short.
pub fn interruptible() -> impl Strategy<Value = (Case, u32)> {
    let with_room = schedule().prop_filter("room for two sends and a spare", |s| s.send_times().len() >= 3);
    (start(), with_room).prop_flat_map(|(start, schedule)| {
        let spare = (schedule.send_times().len() - 3) as u32;
        let first = schedule.first_pause.as_nanos() as u64;
        (0..=spare.min(12)).prop_flat_map(move |k| {
            let split = (0..=k, 0..=k).prop_map(move |(a, b)| (a.min(b), a.max(b)));
            (split, 0..first, 0..=first, vec(moment(schedule), k as usize), exit()).prop_map(
                move |((retries, upper), latency, brink, mut clears, exit)| {
                    clears.truncate((k - upper) as usize);
                    let latency = Duration::from_nanos(latency);
                    let script = Script {
                        // By the second wake-up at the latest it is in its call.
                        deaf_until: Duration::from_nanos(brink) + latency,
                        ignores_wakes: false,
                        retries,
                        blocks_again: upper - retries,
                        clears,
                        looks: vec![],
                        ends_by_itself: None,
                        ends_in_gap: None,
                        exit,
                    };
                    let system = System::Delivers;
                    (Case { start, schedule, system, latency, script }, k)
                },
            )
        })
    })
}
