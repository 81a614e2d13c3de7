//! The laws on fixed cases and on generated histories. `cargo run --release --package coeval-testkit --bin soak` runs more.

use std::fs;

use coeval_core::schema::Model;
use coeval_testkit::laws::generate::{Aim, Counts, play};
use coeval_testkit::laws::run::replay;
use coeval_testkit::laws::scenario::{Scenario, cases};
use coeval_testkit::laws::shrink::{caught, shrink};

/// Plays so many scenarios and fails with the smallest form of the first that breaks a law.
fn hold(aim: Aim, chains: u64) -> Counts {
    let mut counts = Counts::default();
    for seed in 0..chains {
        let mut scenario = Scenario::new(Model::new("thing"));
        if let Err(failure) = caught(|| play(seed, aim, &mut scenario, &mut counts)) {
            let (scenario, failure) = shrink(&scenario, failure);
            panic!("seed {seed}, {aim:?}: {failure}\n{}", scenario.to_text());
        }
    }
    counts
}

#[test]
fn cases_that_once_failed_hold() {
    for file in cases() {
        let text = fs::read_to_string(&file).expect("a case");
        let scenario = Scenario::from_text(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        match replay(&scenario) {
            Ok(folds) => assert!(folds, "{}: the history does not fold", file.display()),
            Err(failure) => panic!("{}: {failure}", file.display()),
        }
    }
}

#[test]
fn every_law_holds_on_random_chains() {
    let counts = hold(Aim::Any, 1500);
    for name in ["add_property", "retype_property", "transform", "move_property", "map_enum", "wrap_list", "require_property"] {
        let applied = counts.operations.get(name).map_or(0, |(applied, _)| *applied);
        assert!(applied > 0, "no {name} was applied");
    }
    assert!(counts.beneath > 0 && counts.kept > 0 && counts.reads.1 > 0);
}

#[test]
fn l7_a_former_value_that_is_written_back_is_fresh() {
    hold(Aim::Former, 400);
}

#[test]
fn l10_the_cut_into_versions_does_not_matter() {
    hold(Aim::Cuts, 400);
}

#[test]
fn l14_a_group_that_changes_in_part_is_computed_as_one() {
    hold(Aim::Partial, 400);
}

#[test]
fn l15_a_value_of_its_own_stays_when_its_source_changes() {
    hold(Aim::Pinned, 400);
}

#[test]
fn l16_an_edit_from_outside_is_a_write() {
    hold(Aim::Outside, 400);
}

#[test]
fn retiring_changes_nothing_at_a_version_that_lives() {
    hold(Aim::Retire, 1000);
}
