//! The ledger: entries that are only ever added, each number once.

use super::{Case, Outcome, Suite, ensure, entry, open, refused, same, started};
use crate::error::Error;
use crate::ledger::{Action, Happened};

pub(super) const CASES: &[(&str, Case)] = &[
    ("ledger: empty at first", |suite| Box::pin(empty(suite))),
    ("ledger: entries come back in order, as they were", |suite| Box::pin(order(suite))),
    ("ledger: a number is taken once", |suite| Box::pin(once(suite))),
    ("ledger: of several that add the same entry, one wins", |suite| Box::pin(race(suite))),
    ("ledger: a number is not left out", |suite| Box::pin(gap(suite))),
    ("ledger: probing leaves nothing behind", |suite| Box::pin(probe(suite))),
];

async fn empty(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "ledger-empty", 2).await?;
    let ledger = backend.ledger().await?;
    ensure!(ledger.entries().is_empty() && ledger.in_force().is_none(), "a new store has a history");
    Ok(())
}

async fn order(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "ledger-order", 3).await?;
    let run = |n: u32| format!("run-{n}");
    let entries = [
        entry(1, started(&*backend, &run(1), Action::Migrate, 0, 1)),
        entry(2, Happened::Finished { run: run(1), tallies: vec![crate::event::Tally { seen: 3, ..Default::default() }] }),
        entry(3, started(&*backend, &run(2), Action::Migrate, 1, 3)),
        entry(4, Happened::Undoing { run: run(2), reason: "it \"failed\"\n".to_owned() }),
        entry(5, Happened::Undone { run: run(2), reason: "it \"failed\"\n".to_owned() }),
        entry(6, started(&*backend, &run(3), Action::Migrate, 1, 2)),
        entry(7, Happened::Finished { run: run(3), tallies: Vec::new() }),
        entry(8, started(&*backend, &run(4), Action::Retire { before: 2 }, 2, 2)),
        entry(9, Happened::Finished { run: run(4), tallies: Vec::new() }),
        entry(10, started(&*backend, &run(5), Action::Rollback, 2, 1)),
        entry(11, Happened::Finished { run: run(5), tallies: Vec::new() }),
    ];
    for entry in &entries {
        backend.append(entry).await?;
    }
    for backend in [&backend, &open(suite, "ledger-order", 3).await?] {
        let ledger = backend.ledger().await?;
        same!(ledger.entries(), entries, "the entries");
        same!((ledger.in_force(), ledger.oldest()), (Some(1), 2), "the versions in force and retired");
    }
    Ok(())
}

async fn once(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "ledger-once", 2).await?;
    let first = entry(1, started(&*backend, "a", Action::Migrate, 0, 1));
    backend.append(&first).await?;
    for again in [first.clone(), entry(1, started(&*backend, "b", Action::Migrate, 0, 2))] {
        refused!(backend.append(&again).await, Error::Conflict { .. }, "a number that is taken");
    }
    same!(backend.ledger().await?.entries(), [first], "the entries");
    Ok(())
}

async fn race(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "ledger-race", 2).await?;
    let entries: Vec<_> = (0..8).map(|n| entry(1, started(&*backend, &format!("r{n}"), Action::Migrate, 0, 1))).collect();
    let outcomes = futures::future::join_all(entries.iter().map(|entry| backend.append(entry))).await;
    let won: Vec<usize> = (0..8).filter(|n| outcomes[*n].is_ok()).collect();
    same!(won.len(), 1, "how many won");
    ensure!(
        outcomes.iter().all(|outcome| matches!(outcome, Ok(()) | Err(Error::Conflict { .. }))),
        "the others are told that they lost: {outcomes:?}"
    );
    same!(backend.ledger().await?.entries(), &entries[won[0]..=won[0]], "the entry");
    Ok(())
}

async fn gap(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "ledger-gap", 2).await?;
    // Whether it is refused at once or found later is the store's; nothing may be built on it.
    if backend.append(&entry(2, started(&*backend, "a", Action::Migrate, 0, 1))).await.is_ok() {
        refused!(backend.ledger().await, Error::Unreadable { .. }, "a history with a gap");
    }
    Ok(())
}

async fn probe(suite: &Suite<'_>) -> Outcome {
    let backend = open(suite, "ledger-probe", 2).await?;
    backend.probe().await?;
    ensure!(backend.ledger().await?.entries().is_empty(), "probing wrote into the history");
    let found = backend.records();
    super::bring(&*backend, 1).await?;
    let page = found.list(super::catalog::MODEL, 1, None, 10).await?;
    ensure!(page.records.is_empty() && page.hidden.is_empty(), "probing left a record");
    Ok(())
}
