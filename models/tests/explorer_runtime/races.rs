//! The races of the proofs on the explorer's objects.

use std::sync::Arc;

use forcekill_models::cases::{self, Case, CaughtIn};
use forcekill_models::designs::Design;
use forcekill_models::explorer::{Coroutines, Program, ShuttleProgram};
use forcekill_models::oracle::Oracle;
use forcekill_models::property::Property;
use forcekill_models::races::Setting;
use forcekill_models::stage::{ExploreBackend, Model};

use crate::dfs::Dfs;

/// Plays one variant of a case on both runtimes, which must agree; answers what was searched, and the violation if there is
/// one.
fn search(case: &Case, property: Property, variant: usize, limit: u64) -> (Dfs, Option<String>) {
    let oracle = Arc::new(Oracle::watching(&[property]).that_goes_on());
    let variant = &(case.variants)(1)[variant];
    let setting = Setting::new(1, variant);
    let play = || {
        oracle.begin_execution();
        let model = Model::new(ExploreBackend, Arc::clone(&oracle), variant.expiry);
        (case.explorer)(&model, &setting);
    };
    let search = |program: &dyn Fn(&mut Dfs)| {
        let mut dfs = Dfs { limit: Some(limit), ..Dfs::default() };
        program(&mut dfs);
        (dfs, oracle.is_violated().then(|| oracle.violation("").what))
    };
    let own = search(&|dfs| Coroutines::new(play).run(dfs));
    let shuttle = search(&|dfs| ShuttleProgram::new(play).run(dfs));
    assert_eq!(own, shuttle, "the explorer's runtime, and shuttle's");
    own
}

#[test]
fn clear_after_free_is_found() {
    let defect = cases::all_defects().iter().find(|defect| defect.name == "clear-after-free").unwrap();
    let caught = &defect.caught_by[0];
    let CaughtIn::Slot(case) = &caught.case else { panic!("a race of the slot") };
    let found = [0, 1].map(|variant| search(case, caught.property, variant, u64::MAX).1);
    let expected = "a flag was accessed after its storage was freed".to_string();
    assert_eq!(
        found,
        [None, Some(expected)],
        "a run that has ended is waited for, one that was thrown out is not"
    );
}

#[test]
fn the_sound_protocol_never_touches_freed_storage() {
    let case = cases::of(Design::Forcekill).iter().find(|case| case.model == "clear-against-kill").unwrap();
    for variant in 0..(case.variants)(1).len() {
        let (dfs, violated) = search(case, Property::NoAccessAfterFree, variant, u64::MAX);
        assert_eq!(violated, None);
        assert!(dfs.panics.is_empty() && dfs.deadlocks.is_empty(), "{:?} {:?}", dfs.panics, dfs.deadlocks);
        println!("variant {variant}: {} executions", dfs.executions);
    }
}

/// Every race can be played, to its end, by every defect and by the design itself.
#[test]
fn every_race_can_be_played() {
    let caught = cases::all_defects().iter().flat_map(|defect| &defect.caught_by);
    let caught = caught.filter_map(|caught| match &caught.case {
        CaughtIn::Slot(case) => Some(case),
        _ => None,
    });
    let all = caught.chain(cases::of(Design::Forcekill));
    for case in all {
        for (property, variant) in case
            .properties
            .iter()
            .flat_map(|property| (0..(case.variants)(1).len()).map(move |v| (*property, v)))
        {
            let (dfs, _) = search(case, property, variant, 200);
            assert!(dfs.executions > 0 && dfs.panics.is_empty(), "{}: {:?}", case.model, dfs.panics);
        }
    }
}
