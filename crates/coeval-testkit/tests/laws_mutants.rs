//! Every wrong reading of the rules breaks a law on generated histories, so that the laws would notice one.

use coeval_core::mutant::{self, Mutant};
use coeval_core::schema::Model;
use coeval_testkit::laws::generate::{Aim, Counts, play};
use coeval_testkit::laws::scenario::Scenario;
use coeval_testkit::laws::shrink::caught;

/// How many chains may pass before a wrong reading breaks a law.
const BOUND: u64 = 6000;

/// Objects that are gone at one version and implied at another are too rare; the differential has a case for it.
const RARE: [Mutant; 1] = [Mutant::GoneByState];

#[test]
fn wrong_readings_break_laws() {
    // What retiring leaves as it is, it leaves so under a wrong reading too.
    let aims: Vec<Aim> = Aim::ALL.into_iter().filter(|aim| *aim != Aim::Retire).collect();
    let mut alive = Vec::new();
    for wrong in Mutant::ALL.into_iter().filter(|wrong| !RARE.contains(wrong)) {
        let found = (0..BOUND).find_map(|i| {
            let aim = aims[usize::try_from(i).unwrap() % aims.len()];
            let play = || play(i, aim, &mut Scenario::new(Model::new("thing")), &mut Counts::default());
            mutant::with(wrong, || caught(play)).err().map(|failure| (i, failure.law))
        });
        match found {
            Some((chain, law)) => println!("{wrong:?} breaks {law} on chain {chain}"),
            None => alive.push(wrong),
        }
    }
    assert_eq!(alive, [], "they break no law on {BOUND} chains");
}
