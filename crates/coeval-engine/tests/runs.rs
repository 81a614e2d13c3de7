//! What runs do, where nothing goes wrong, and what they refuse.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::sync::Arc;

use coeval_engine::{Error, Goal, Outcome, Refusal, adopt, migrate, retire, rollback, status, survey, trial};
use coeval_store::backend::Survey;
use coeval_store::conformance::catalog::{self, MODEL, first, third};
use coeval_store::ledger::{Action, Happened};
use coeval_store::work::Policy;
use coeval_store::{Backend, Error as StoreError, MemoryBackend};
use common::{Told, another, done, how, key, laid, lay, put, snapshot, store};

fn refusal<T: std::fmt::Debug>(result: Result<T, Error>) -> &'static str {
    match result {
        Err(Error::Refused(refusal)) => {
            assert!(!refusal.help().is_empty() && !refusal.to_string().is_empty());
            refusal.code()
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn there_and_back_gives_the_same_bytes() {
    let store = laid(5);
    let before = snapshot(&store);
    done(&store, 3).await;
    let at_3 = snapshot(&store);
    assert_ne!(at_3, before);
    done(&store, 5).await;
    let outcome = rollback(&store, None, &how()).await.unwrap();
    assert!(
        matches!(&outcome, Outcome::Done(done) if (done.from, done.to) == (5, 3) && done.tally().written == 10),
        "{outcome:?}"
    );
    assert_eq!(snapshot(&store), at_3);
    // The first migration began with no version in force; what lay there is at version 1.
    rollback(&store, None, &how()).await.unwrap();
    assert_eq!(snapshot(&store), before);
    assert_eq!(status(&store).await.unwrap().in_force, Some(1));
    done(&store, 3).await;
    assert_eq!(snapshot(&store), at_3);
    assert!(store.notes().is_empty(), "nothing is left of runs that are over");
}

#[tokio::test(start_paused = true)]
async fn what_is_done_is_not_done_again() {
    let store = laid(3);
    done(&store, 3).await;
    let (before, changes) = (snapshot(&store), store.changes());
    assert_eq!(migrate(&store, None, false, &how()).await.unwrap(), Outcome::Nothing { version: 3 });
    assert_eq!(store.changes(), changes, "not even the lock was taken");
    // A client of an older version writes; that is nothing to migrate, unless it is asked for.
    put(&store, "r1", 1, &first("r1").replace("105", "7")).await;
    assert_eq!(migrate(&store, None, false, &how()).await.unwrap(), Outcome::Nothing { version: 3 });
    let outcome = migrate(&store, None, true, &how()).await.unwrap();
    assert!(matches!(&outcome, Outcome::Done(done) if done.tally().written == 1 && done.tally().seen == 10), "{outcome:?}");
    assert_eq!(snapshot(&store).len(), before.len());
    assert_eq!(status(&store).await.unwrap().in_force, Some(3));
}

#[tokio::test(start_paused = true)]
async fn what_would_not_be_right_is_refused_and_nothing_is_written() {
    let store = laid(5);
    assert_eq!(refusal(rollback(&store, None, &how()).await), "nothing-in-force");
    assert_eq!(refusal(retire(&store, 2, &how()).await), "nothing-in-force");
    assert_eq!(refusal(migrate(&store, Some(6), false, &how()).await), "no-version");
    done(&store, 3).await;
    let changes = store.changes();
    assert_eq!(refusal(migrate(&store, Some(2), false, &how()).await), "newer");
    assert_eq!(refusal(rollback(&store, Some(4), &how()).await), "older");
    assert_eq!(refusal(rollback(&store, Some(9), &how()).await), "no-version");
    assert_eq!(refusal(retire(&store, 4, &how()).await), "older");
    assert_eq!(refusal(migrate(&another(&store, 2), None, false, &how()).await), "store-newer");
    // Somebody else's version 3.
    let mut theirs = catalog::up_to(5).unwrap();
    theirs.versions[2].id = "0193c1a0-0000-7000-8000-0000000000ff".to_owned();
    let theirs = store.another(Arc::new(theirs));
    assert_eq!(refusal(migrate(&theirs, None, false, &how()).await), "other-version");
    assert!(matches!(status(&theirs).await.unwrap().refusal, Some(Refusal::OtherVersion { number: 3, .. })));
    assert_eq!(theirs.changes(), 0);
    for newer in [false, true] {
        let what = "history entry 2".to_owned();
        store.spoil_ledger(Some(StoreError::Unreadable { what, reason: "it is cut off".to_owned(), newer }));
        for goal in [Goal::Migrate { to: None, scan: true }, Goal::Rollback { to: None }, Goal::Retire { before: 2 }] {
            let outcome = coeval_engine::run(&store, goal, &how()).await;
            assert!(matches!(outcome, Err(Error::Store(StoreError::Unreadable { .. }))), "{outcome:?}");
        }
        store.spoil_ledger(None);
    }
    assert_eq!(store.changes(), changes);
    let empty = MemoryBackend::new(Arc::default());
    assert_eq!(refusal(migrate(&empty, None, false, &how()).await), "no-version");
}

#[tokio::test(start_paused = true)]
async fn records_in_the_way_are_named_and_everything_is_undone() {
    let store = laid(5);
    done(&store, 3).await;
    lay(&store, "bad", &first("bad").replace("\"size\"", "\"code\":\"none\",\"size\""));
    let before = snapshot(&store);
    let told = Told::default();
    let outcome = migrate(&store, None, false, &coeval_engine::How { observer: &told, ..how() }).await;
    let Err(Error::Undone { failure: Some(failure), .. }) = &outcome else { panic!("{outcome:?}") };
    assert!(matches!(**failure, StoreError::Records { count: 1 }));
    assert_eq!(told.failures(), ["bad"]);
    assert_eq!(snapshot(&store), before);
    let now = status(&store).await.unwrap();
    assert_eq!((now.in_force, now.open.is_none()), (Some(3), true));
    assert!(store.notes().is_empty());
    // A run that was undone says nothing about which version 5 it was.
    assert!(now.ledger.versions().iter().all(|version| version.number <= 3));
    let how = coeval_engine::How { policy: Policy::Quarantine, ..how() };
    let outcome = migrate(&store, None, false, &how).await.unwrap();
    assert!(matches!(&outcome, Outcome::Done(done) if done.tally().quarantined == 1), "{outcome:?}");
}

#[tokio::test(start_paused = true)]
async fn a_trial_writes_nothing() {
    let store = laid(5);
    lay(&store, "bad", &first("bad").replace("\"size\"", "\"code\":\"none\",\"size\""));
    let told = Told::default();
    let how = coeval_engine::How { observer: &told, ..how() };
    let goal = Goal::Migrate { to: None, scan: false };
    let found = trial(&store, goal, None, &how).await.unwrap().unwrap();
    assert_eq!((found.tally().seen, found.tally().written, found.tally().failed), (11, 10, 1));
    assert_eq!((found.plan.from, found.plan.to, found.plan.versions.len()), (0, 5, 5));
    assert_eq!(told.failures(), ["bad"]);
    assert_eq!(trial(&store, goal, Some(4), &how).await.unwrap().unwrap().tally().seen, 4);
    assert_eq!(store.changes(), 0);
    let class = found.plan.steps[0].class.unwrap().to_string();
    assert_eq!(class, "compatible for neither, some values fail");
}

#[tokio::test(start_paused = true)]
async fn retiring_drops_what_only_retired_versions_could_see() {
    let store = laid(3);
    done(&store, 3).await;
    put(&store, "late", 1, &first("late")).await;
    let goal = Goal::Retire { before: 2 };
    let would = trial(&store, goal, None, &how()).await.unwrap().unwrap().tally();
    assert!(would.dropped > 10, "{would:?}");
    let outcome = retire(&store, 2, &how()).await.unwrap();
    assert!(matches!(&outcome, Outcome::Done(done) if done.tally().dropped == would.dropped), "{outcome:?}");
    assert_eq!(retire(&store, 2, &how()).await.unwrap(), Outcome::Nothing { version: 3 });
    let now = status(&store).await.unwrap();
    assert_eq!((now.oldest, now.newest, now.in_force), (2, Some(3), Some(3)));
    assert!(store.records().get(MODEL, &key("r1"), 1).await.is_err());
    assert_eq!(store.records().get(MODEL, &key("late"), 3).await.unwrap().unwrap().text, third("late"));
    assert_eq!(refusal(rollback(&store, Some(1), &how()).await), "retired");
    rollback(&store, None, &how()).await.unwrap();
    assert_eq!(status(&store).await.unwrap().in_force, Some(2));
}

#[tokio::test(start_paused = true)]
async fn records_are_surveyed() {
    let store = laid(5);
    done(&store, 5).await;
    put(&store, "odd", 1, &first("odd").replace("\"size\"", "\"rank\":\"none\",\"size\"")).await;
    let found = survey(&store, Survey::Laws, None, &how()).await.unwrap();
    let tasks = &found[0].found;
    assert_eq!((found[0].model.as_str(), tasks.records, tasks.problems, tasks.quarantined.get(&5)), (MODEL, 11, 0, Some(&1)));
    assert!(tasks.laws > 50, "{tasks:?}");
}

#[tokio::test(start_paused = true)]
async fn a_store_that_another_tool_migrated_is_adopted() {
    let store = store(3);
    lay(&store, "a", &first("a"));
    assert_eq!(refusal(adopt(&store, &[(MODEL.to_owned(), 7)], "s3verless", &how()).await), "no-version");
    assert_eq!(adopt(&store, &[(MODEL.to_owned(), 1)], "s3verless", &how()).await.unwrap(), 1);
    let now = status(&store).await.unwrap();
    assert_eq!((now.in_force, now.ledger.adopted(MODEL), now.pending.len()), (Some(1), Some(1), 2));
    assert_eq!(refusal(adopt(&store, &[(MODEL.to_owned(), 1)], "s3verless", &how()).await), "has-history");
    done(&store, 3).await;
    assert_eq!(store.records().get(MODEL, &key("a"), 3).await.unwrap().unwrap().text, third("a"));
}

#[tokio::test(start_paused = true)]
async fn the_ledger_tells_what_happened() {
    let store = laid(3);
    done(&store, 3).await;
    rollback(&store, Some(2), &how()).await.unwrap();
    let ledger = store.ledger().await.unwrap();
    let events: Vec<String> = ledger
        .entries()
        .iter()
        .map(|entry| match &entry.happened {
            Happened::Started(started) => {
                assert_eq!(started.versions.len(), 3);
                let (Action::Migrate | Action::Rollback) = started.action else { panic!("{started:?}") };
                format!("{} {}-{}", started.action.name(), started.from, started.to)
            }
            Happened::Finished { tallies, .. } => format!("finished {}", tallies[0].written),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(events, ["migrate 0-3", "finished 10", "rollback 3-2", "finished 10"]);
    assert_eq!(ledger.tally(MODEL).map(|tally| tally.seen), Some(10));
}
