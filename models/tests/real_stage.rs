//! The scenarios of the models on the real operating system: the same functions, with real threads, the real signal and
//! calls that really block. It shows that the models play what the library does; it proves nothing that a search does not.

#![cfg(unix)]

use std::sync::Arc;

use forcekill::steps::Sound;
use forcekill_models::oracle::Oracle;
use forcekill_models::races::clear_against_kill::ClearAgainstKill;
use forcekill_models::races::exit_against_kill::ExitAgainstKill;
use forcekill_models::races::flag_order::FlagOrder;
use forcekill_models::races::kill_against_next_run::KillAgainstNextRun;
use forcekill_models::races::lost_wake_up::LostWakeUp;
use forcekill_models::races::release_once::ReleaseOnce;
use forcekill_models::races::republish_against_kill::RepublishAgainstKill;
use forcekill_models::races::{Race, Setting};
use forcekill_models::stage::{Monitored, RealStage};

/// Plays every variant of a race so many times, with one, two and three killers; a violation panics.
fn play<R: Race>(times: usize) {
    for killers in 1..=3 {
        for variant in R::variants(killers) {
            for _ in 0..times {
                let oracle = Arc::new(Oracle::watching(R::PROPERTIES));
                oracle.begin_execution();
                let stage = RealStage::new(Arc::clone(&oracle)).expect("pipes");
                R::play::<RealStage, Monitored<RealStage>, Sound>(&stage, &Setting::new(killers, &variant));
                assert!(!oracle.is_violated(), "{} {killers} {}", R::NAME, variant.name);
            }
        }
    }
}

#[test]
fn clear_against_kill() {
    play::<ClearAgainstKill>(300);
}

#[test]
fn republish_against_kill() {
    play::<RepublishAgainstKill>(300);
}

#[test]
fn exit_against_kill() {
    play::<ExitAgainstKill>(300);
}

#[test]
fn kill_against_next_run() {
    play::<KillAgainstNextRun>(300);
}

#[test]
fn flag_order() {
    play::<FlagOrder>(100);
}

#[test]
fn release_once() {
    play::<ReleaseOnce>(300);
}

#[test]
fn lost_wake_up() {
    play::<LostWakeUp>(20);
}
