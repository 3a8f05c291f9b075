//! Every failure that a simulation has ever found is played again, for ever: each file of `sim-tests/failures/` breaks the property
//! that it names, with the design or defect that it names; where it names `forcekill`, it was mended, and breaks nothing any more.

use std::path::PathBuf;

use forcekill_models::sim::designs;
use forcekill_models::sim::failure::Failure;
use forcekill_models::sim::shrink;

fn files() -> Vec<(PathBuf, Failure)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("failures");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    paths.sort();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).expect("it can be read");
        let failure = Failure::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        (path, failure)
    };
    paths.into_iter().map(read).collect()
}

#[test]
fn each_kept_failure_does_what_it_did() {
    let files = files();
    assert!(!files.is_empty());
    for (path, failure) in files {
        let replayed = failure.replay().expect("its design is known");
        let is_ours = failure.design == "forcekill";
        assert_eq!(replayed.again, !is_ours, "forcekill replay {}", path.display());
    }
}

#[test]
fn every_historic_design_has_a_kept_failure_of_at_most_twenty_steps() {
    let files = files();
    for design in designs::ALL.iter().filter(|design| design.is_design && design.name != "forcekill") {
        let kept: Vec<_> = files.iter().filter(|(_, failure)| failure.design == design.name).collect();
        assert!(!kept.is_empty(), "no failure of {design} is kept");
        for (path, failure) in kept {
            let steps = failure.replay().expect("its design is known").story.len();
            assert!(
                steps <= 20 && shrink::decisions(&failure.scenario) <= 20,
                "{}: {steps} steps",
                path.display()
            );
        }
    }
}

#[test]
fn a_failure_reads_back_and_what_is_none_is_refused() {
    let (_, failure) = files().remove(0);
    assert_eq!(Failure::parse(&failure.text()), Ok(failure.clone()));
    let foreign = failure.text().replace("forcekill-simulation-1", "forcekill-simulation-9");
    for text in ["", "{", "{}", "not a failure", &foreign] {
        let error = Failure::parse(text).expect_err("it is none");
        assert!(!error.contains('\n'), "{error}");
    }
}
