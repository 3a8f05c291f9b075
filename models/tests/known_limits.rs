//! What an engine cannot see, or sees that is not there: kept as tests, so that the day on which one changes is noticed.

use std::sync::Arc;
use std::time::Duration;

use forcekill_models::cases;
use forcekill_models::designs::Design;
use forcekill_models::oracle::Oracle;
use forcekill_models::property::Property;
use forcekill_models::races::Setting;
use forcekill_models::search::Outcome;
use forcekill_models::search::loom_search::LoomSearch;
use forcekill_models::stage::Reads;

/// With plain loads loom lets a script that clears `timed_out`, and has blocked since, overwrite what a killer stores
/// afterwards: modification order is not the order of time. So a number of sends of two killers is claimed with loads as
/// read-modify-writes alone. If this fails, loom has changed, and `bounds::loom_reads` should use both again.
#[test]
fn plain_loads_do_not_know_that_a_blocked_thread_has_made_its_stores() {
    let case = cases::of(Design::Forcekill).iter().find(|case| case.model == "lost-wake-up").unwrap();
    let variant = (case.variants)(2).into_iter().find(|variant| variant.name == "clears-timed-out").unwrap();
    let oracle = Arc::new(Oracle::watching(&[Property::NoLostKill]));
    let limit = Duration::from_secs(60);
    let search = LoomSearch { bound: Some(2), reads: Reads::Plain, probe: false, limit, last: None };
    let setting = Setting { spare_sends: 0, ..Setting::new(2, &variant) };
    let outcome = search.run(case, &setting, &variant, &oracle);
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
}

/// A second killer costs a send more: its wake can come while the first is between its two stores, so that a script which
/// clears `timed_out` swallows both kills. Sequentially consistent, and found at three preemptions; with no send to spare it
/// must be found again.
#[test]
fn a_second_killer_can_cost_a_send() {
    let case = cases::of(Design::Forcekill).iter().find(|case| case.model == "lost-wake-up").unwrap();
    let variant = (case.variants)(2).into_iter().find(|variant| variant.name == "clears-timed-out").unwrap();
    let oracle = Arc::new(Oracle::watching(&[Property::NoLostKill]));
    let limit = Duration::from_secs(120);
    let search =
        LoomSearch { bound: Some(3), reads: Reads::ReadModifyWrite, probe: false, limit, last: None };
    let setting = Setting { spare_sends: 0, ..Setting::new(2, &variant) };
    let outcome = search.run(case, &setting, &variant, &oracle);
    assert!(matches!(outcome, Outcome::Failed { .. }), "{outcome:?}");
}
