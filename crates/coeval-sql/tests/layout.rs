//! Layouts of generated histories: what versions have stays as it is when newer ones come.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

use coeval_plan::demanded;
use coeval_plan::table::{Ability, Column, Table, View};
use coeval_testkit::laws::generate;
use coeval_testkit::rng::Rng;

/// What a table's columns are, whatever the rows of newer versions begin with.
fn known(columns: &[Column], up_to: u32) -> Vec<(&str, u32, String)> {
    let known = columns.iter().filter(|column| column.since <= up_to);
    known.map(|column| (column.name.as_str(), column.since, format!("{:?}", column.held))).collect()
}

fn shown<'t>(table: &'t Table<'_>, view: &View, newest: u32) -> Vec<(String, &'t str)> {
    view.entries_at(newest).into_iter().map(|(name, at)| (name, table.columns[at].name.as_str())).collect()
}

#[test]
fn newer_versions_change_no_column_of_older_ones() {
    let (mut compared, mut moved) = (0, 0);
    for seed in 0..1_500 {
        let Ok((history, newest)) = generate::history(&mut Rng::new(seed)) else { continue };
        let versions: Vec<u32> = (1..=newest).collect();
        for knows_writer in [true, false] {
            let tables: Result<Vec<Table<'_>>, _> =
                (1..=versions.len()).map(|count| Table::new(&history, &versions[..count], Ability { knows_writer })).collect();
            let Ok(tables) = tables else { continue };
            for pair in tables.windows(2) {
                let [old, new] = pair else { continue };
                let last = old.views.last().unwrap().version;
                assert_eq!(known(&old.columns, last), known(&new.columns, last), "seed {seed}, version {last}");
                for (before, after) in old.views.iter().zip(&new.views) {
                    for newest in before.version..=last {
                        let (was, is) = (shown(old, before, newest), shown(new, after, newest));
                        assert_eq!(was, is, "seed {seed}, version {} at {newest}", before.version);
                        compared += 1;
                    }
                    moved += after.moved.len() - before.moved.len();
                }
            }
        }
    }
    assert!(compared > 10_000 && moved > 10, "{compared} views were compared, {moved} properties moved");
}

#[test]
fn newer_versions_change_no_index_of_older_ones() {
    let (mut compared, mut kept) = (0, 0);
    for seed in 0..1_500 {
        let Ok((history, newest)) = generate::history_of(generate::indexed, &mut Rng::new(seed)) else { continue };
        let versions: Vec<u32> = (1..=newest).collect();
        for knows_writer in [true, false] {
            let tables: Result<Vec<Table<'_>>, _> =
                (1..=versions.len()).map(|count| Table::new(&history, &versions[..count], Ability { knows_writer })).collect();
            let Ok(tables) = tables else { continue };
            let Ok(all) = versions.iter().zip(&tables).map(|(at, table)| demanded(table, *at)).collect::<Result<Vec<_>, _>>()
            else {
                continue;
            };
            for (at, then) in versions.iter().zip(&all) {
                for later in &tables[*at as usize..] {
                    assert_eq!(demanded(later, *at).unwrap(), *then, "seed {seed}, version {at}");
                    compared += 1;
                }
            }
            let own = |at: &usize| {
                demanded(&Table::new(&history, &versions[at - 1..*at], Ability { knows_writer }).unwrap(), versions[at - 1])
            };
            kept += (1..versions.len()).filter(|at| own(at).unwrap().len() < all[at - 1].len()).count();
        }
    }
    assert!(compared > 5_000 && kept > 100, "{compared} were compared, {kept} versions have more than their own");
}
