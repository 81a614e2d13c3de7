//! Every wrong reading of the rules fails the differential: within a bounded number of chains, or on a case that was found for it.
//! The right one does not.

use std::fs;
use std::path::PathBuf;

use coeval_core::json;
use coeval_core::mutant::{self, Mutant};
use coeval_core::value::Value;
use coeval_testkit::differential::{cases, replay};

/// How many chains may pass before a wrong reading is told from the right one.
const BOUND: u64 = 2000;

/// Those that take too many chains, and the case that tells them. Found by chain 60,982.
const FOUND: [(Mutant, &str); 1] = [(Mutant::GoneByState, "object_absent_here_implied_there")];

#[test]
fn wrong_readings_are_caught_by_random_chains() {
    let mut alive: Vec<Mutant> = Mutant::ALL.into_iter().filter(|wrong| FOUND.iter().all(|(found, _)| found != wrong)).collect();
    let mut chains = 0;
    cases(BOUND, 7, |_, case| {
        chains += 1;
        assert_eq!(replay(&case).err(), None, "the right reading fails");
        alive.retain(|wrong| {
            let caught = is_caught(*wrong, &case);
            if caught {
                println!("{wrong:?} is caught by chain {chains}");
            }
            !caught
        });
        !alive.is_empty()
    })
    .unwrap();
    assert_eq!(alive, [], "not caught by {BOUND} chains");
}

#[test]
fn wrong_readings_are_caught_by_the_cases_found_for_them() {
    for (wrong, name) in FOUND {
        let path: PathBuf = [env!("CARGO_MANIFEST_DIR"), "cases", &format!("{name}.json")].iter().collect();
        let case = json::parse(fs::read_to_string(path).unwrap().as_bytes()).unwrap();
        assert_eq!(replay(&case).err(), None, "the right reading fails {name}");
        assert!(is_caught(wrong, &case), "{wrong:?} passes {name}");
    }
}

fn is_caught(wrong: Mutant, case: &Value) -> bool {
    mutant::with(wrong, || replay(case)).is_err()
}
