//! Lists: what a version shows, in parts.

use super::catalog::{MODEL, first, second};
use super::{Case, Outcome, Suite, all, ensure, get, key, open_at, put, refused, same};
use crate::error::Error;
use crate::records::Expect;

pub(super) const CASES: &[(&str, Case)] = &[
    ("list: what it shows is what reading one by one shows", |suite| Box::pin(points(suite))),
    ("list: records that a version cannot show are told apart", |suite| Box::pin(hidden(suite))),
    ("list: a place belongs to one version", |suite| Box::pin(cursors(suite))),
    ("list: a place holds while records come and go", |suite| Box::pin(changes(suite))),
];

async fn points(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "list-points", 3).await?;
    // One name begins with another, and order is not that of writing.
    let ids = ["b", "a", "ab", "a-b", "10", "9", "ü", "a/b"];
    for (n, id) in ids.iter().enumerate() {
        let text = if n % 2 == 0 { first(id) } else { second(id) };
        put(&*backend, id, if n % 2 == 0 { 1 } else { 2 }, &text).await?;
    }
    let mut orders = Vec::new();
    for at in 1..=3 {
        for limit in [1, 3, 8, 100] {
            let (shown, hidden) = all(&*backend, at, limit).await?;
            ensure!(hidden.is_empty(), "nothing is hidden at version {at}: {hidden:?}");
            for found in &shown {
                same!(get(&*backend, &found.key.0[0], at).await?.as_ref(), Some(found), "at version {at}");
            }
            let mut keys: Vec<&str> = shown.iter().map(|found| found.key.0[0].as_str()).collect();
            orders.push(keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>());
            keys.sort_unstable();
            let mut expected = ids;
            expected.sort_unstable();
            same!(keys, expected, "the keys at version {at}, {limit} at a time");
        }
    }
    ensure!(
        orders.windows(2).all(|pair| pair[0] == pair[1]),
        "the order depends on the version, or the size of parts: {orders:?}"
    );
    let empty = open_at(suite, "list-empty", 1).await?;
    same!(all(&*empty, 1, 10).await?, (Vec::new(), Vec::new()), "an empty store");
    Ok(())
}

async fn hidden(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "list-hidden", 5).await?;
    for id in ["a", "b", "c"] {
        let rank = if id == "b" { "\"x\"" } else { "\"7\"" };
        put(&*backend, id, 1, &first(id).replace("\"size\"", &format!("\"rank\":{rank},\"size\""))).await?;
    }
    for (at, limit, expected) in [(5, 2, 1), (5, 10, 1), (3, 2, 0), (1, 10, 0)] {
        let (shown, hidden) = all(&*backend, at, limit).await?;
        same!((shown.len(), hidden.len()), (3 - expected, expected), "shown and hidden at version {at}");
        ensure!(hidden.iter().all(|key| key == "b"), "which one is hidden: {hidden:?}");
    }
    Ok(())
}

async fn cursors(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "list-cursors", 3).await?;
    for id in ["a", "b", "c"] {
        put(&*backend, id, 1, &first(id)).await?;
    }
    let records = backend.records();
    let next = records.list(MODEL, 1, None, 2).await?.next;
    ensure!(next.is_some(), "two of three, and no place for the third");
    refused!(records.list(MODEL, 2, next.as_deref(), 2).await, Error::Unknown { .. }, "a place of version 1 at version 2");
    refused!(records.list(MODEL, 1, Some("anything"), 2).await, Error::Unknown { .. }, "a place that is none");
    same!(records.list(MODEL, 1, next.as_deref(), 2).await?.records.len(), 1, "the rest at version 1");
    Ok(())
}

async fn changes(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "list-changes", 2).await?;
    for id in ["a", "b", "c", "d", "e"] {
        put(&*backend, id, 1, &first(id)).await?;
    }
    let records = backend.records();
    let page = records.list(MODEL, 1, None, 2).await?;
    let seen: Vec<_> = page.records.iter().map(|found| found.key.clone()).collect();
    // The last one seen goes, which must not lose the place; another version writes, which must not move anything.
    records.delete(MODEL, &seen[1], 1, &Expect::Present).await?;
    put(&*backend, &seen[0].0[0], 2, &second(&seen[0].0[0]).replace("medium", "high")).await?;
    let (mut rest, mut after) = (Vec::new(), page.next);
    while let Some(cursor) = after {
        let page = records.list(MODEL, 1, Some(&cursor), 2).await?;
        rest.extend(page.records.into_iter().map(|found| found.key));
        after = page.next;
    }
    let expected: Vec<_> = ["a", "b", "c", "d", "e"].map(key).into_iter().filter(|key| !seen.contains(key)).collect();
    rest.sort();
    same!(rest, expected, "the records after the first two");
    Ok(())
}
