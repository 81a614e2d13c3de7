//! Every wrong reading of the rules fails the differential within a bounded number of chains, and the right one does not.

use coeval_core::mutant::{self, Mutant};
use coeval_core::value::Value;
use coeval_testkit::differential::{cases, replay};

/// How many chains may pass before a wrong reading is told from the right one.
const BOUND: u64 = 4000;

#[test]
fn every_wrong_reading_is_caught() {
    let mut alive = Mutant::ALL.to_vec();
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

fn is_caught(wrong: Mutant, case: &Value) -> bool {
    mutant::with(wrong, || replay(case)).is_err()
}
