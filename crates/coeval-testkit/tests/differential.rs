//! The kernel and the executable model of the rules agree: on new random chains at each seed, and on every case that once failed.

use std::fs;
use std::path::PathBuf;

use coeval_core::json;
use coeval_testkit::differential::{cases, replay, retire, run, tell};

#[test]
fn the_kernel_and_the_model_agree_on_random_chains() {
    let summary = run(2000, 1, 2).unwrap();
    if let Some(failure) = summary.shortest {
        panic!("{} of 2000 chains failed; the shortest:\n{}\n\n{}", summary.failed, failure.report, failure.line);
    }
    assert!(summary.counts.kept > 1000 && summary.counts.quarantined > 1000, "the chains hide little: {}", summary.counts);
}

#[test]
fn cases_that_once_failed_pass() {
    let folder: PathBuf = [env!("CARGO_MANIFEST_DIR"), "cases"].iter().collect();
    let mut replayed = 0;
    for file in fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let case = json::parse(fs::read_to_string(&path).unwrap().as_bytes()).unwrap();
        if let Err(message) = replay(&case) {
            panic!("{}\n{}\n{message}", path.display(), tell(&case));
        }
        replayed += 1;
    }
    assert!(replayed > 0, "no case was found");
}

#[test]
fn retiring_changes_nothing_at_a_version_that_lives() {
    let (mut lost, mut parted) = (0, 0);
    cases(2000, 3, |_, case| {
        match retire(&case) {
            Ok(counts) => (lost, parted) = (lost + counts.0, parted + counts.1),
            Err(message) => panic!("{}\n{message}", tell(&case)),
        }
        true
    })
    .unwrap();
    assert!(lost > 1000 && parted * 100 < lost, "{lost} records lost something, a later write made a difference for {parted}");
}
