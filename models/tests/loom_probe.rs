//! With the probe on, loom's searches come to the same verdicts, in more executions.

use std::sync::Arc;
use std::time::Duration;

use forcekill_models::cases::{self, Case, Defect, all_defects};
use forcekill_models::designs::Design;
use forcekill_models::oracle::Oracle;
use forcekill_models::property::Property;
use forcekill_models::protocol::Protocol;
use forcekill_models::prove::Engine;
use forcekill_models::races::{Setting, Variant};
use forcekill_models::schedule::Schedule;
use forcekill_models::search::Outcome;
use forcekill_models::search::loom_search::LoomSearch;
use forcekill_models::stage::Reads;
use forcekill_models::subject::AnyCase;

/// Searches every variant of a race with one killer, and counts the executions; a failure is a panic.
fn executions(case: &Case, property: Property, reads: Reads, probe: bool) -> u64 {
    let oracle = Arc::new(Oracle::watching(&[property]));
    for variant in (case.variants)(1) {
        let search = LoomSearch { bound: None, reads, probe, limit: Duration::from_secs(300), last: None };
        let outcome = search.run(case, &Setting::new(1, &variant), &variant, &oracle);
        let name = &variant.name;
        assert!(matches!(outcome, Outcome::Complete), "{} {name} {search:?}: {outcome:?}", case.model);
    }
    oracle.executions()
}

#[test]
fn a_race_that_is_proved_is_proved_with_the_probe() {
    for (model, property) in [
        ("clear-against-kill", Property::NoAccessAfterFree),
        ("clear-against-kill", Property::WakeHitsItsThread),
    ] {
        let case = cases::of(Design::Forcekill).iter().find(|case| case.model == model).unwrap();
        for reads in [Reads::Plain, Reads::ReadModifyWrite] {
            let [without, with] = [false, true].map(|probe| executions(case, property, reads, probe));
            println!("{model} {property} {reads:?}: {without} executions, {with} with the probe");
            assert!(with > without, "{model} {property} {reads:?}: the probe touches nothing");
        }
    }
}

/// A defect that is caught without the probe is caught with it, and the schedule says that it was on.
#[test]
fn a_defect_is_caught_with_the_probe_and_its_schedule_replays() {
    let mut caught_defects = 0;
    for defect in all_defects() {
        for caught in &defect.caught_by {
            let AnyCase::Slot(case) = caught.case.as_any() else { continue };
            let is_by_loom = caught.engines.all().contains(&Engine::Loom);
            if !is_by_loom || (case.model, caught.size) != ("clear-against-kill", 1) {
                continue;
            }
            let schedule = refute(defect, case, caught.property);
            let again: Schedule = schedule.to_string().parse().unwrap();
            assert!(schedule.to_string().contains("reads=rmw+probe,"), "{schedule}");
            assert_eq!(again.to_string(), schedule.to_string());
            let violation = again.replay().unwrap().violation;
            let violation = violation.unwrap_or_else(|| panic!("forcekill replay {schedule} breaks nothing"));
            println!("forcekill replay {schedule}: {}", violation.what);
            caught_defects += 1;
        }
    }
    assert!(caught_defects > 1, "no more than {caught_defects} defects were looked at");
}

/// The first failure of any variant.
fn refute(defect: &'static Defect, case: &'static Case, property: Property) -> Schedule {
    let search = |variant: Variant| {
        let oracle = Arc::new(Oracle::watching(&[property]));
        let (reads, limit) = (Reads::ReadModifyWrite, Duration::from_secs(300));
        let search = LoomSearch { bound: None, reads, probe: true, limit, last: None };
        let Outcome::Failed { steps, violation } =
            search.run(case, &Setting::new(1, &variant), &variant, &oracle)
        else {
            return None;
        };
        assert_eq!(violation.property, property, "{}", violation.what);
        let (protocol, case) = (Protocol::Defect(defect), AnyCase::Slot(case));
        Some(Schedule { protocol, property, case, size: 1, variant: variant.name, steps })
    };
    let found = (case.variants)(1).into_iter().find_map(search);
    found.unwrap_or_else(|| panic!("the probe hides {} from {}", defect.name, case.model))
}
