//! Records: reading and writing at every version in force.

use coeval_core::json;
use coeval_core::lens::Refused;

use super::catalog::{LABEL, MODEL, first, second, third};
use super::{Case, Outcome, Suite, bring, ensure, get, key, open, open_at, put, refused, same, text};
use crate::error::Error;
use crate::ledger::Action;
use crate::records::{Change, Expect};

pub(super) const CASES: &[(&str, Case)] = &[
    ("records: what is written at one version is read at every other", |suite| Box::pin(every(suite))),
    ("records: a write at one version leaves what it does not see", |suite| Box::pin(unseen(suite))),
    ("records: writing back what was read changes nothing", |suite| Box::pin(no_op(suite))),
    ("records: patches at every version", |suite| Box::pin(patches(suite))),
    ("records: a write depends on what it expects", |suite| Box::pin(expectations(suite))),
    ("records: deleted and created anew, nothing comes back", |suite| Box::pin(anew(suite))),
    ("records: what does not fit is refused and changes nothing", |suite| Box::pin(unfit(suite))),
    ("records: the key is the document's", |suite| Box::pin(keys(suite))),
    ("records: only versions in force can be used", |suite| Box::pin(live(suite))),
    ("records: writers that meet do not lose each other's changes", |suite| Box::pin(meeting(suite))),
    ("records: every write adds a revision", |suite| Box::pin(revisions(suite))),
];

async fn every(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-every", 3).await?;
    for (at, written) in [(1, first("a")), (2, second("b")), (3, third("c"))] {
        let id = ["a", "b", "c"][at as usize - 1];
        let done = put(&*backend, id, at, &written).await?;
        ensure!(done.created && done.changed && done.key == key(id), "a new record: {done:?}");
        same!(text(&*backend, id, at).await?, written, "read back at version {at}");
    }
    for (at, read) in [(2, second("a")), (3, third("a"))] {
        same!(text(&*backend, "a", at).await?, read, "written at 1, read at {at}");
    }
    same!(text(&*backend, "b", 3).await?, third("b"), "written at 2, read at 3");
    let down =
        third("c").replace("\"size\":10", "\"size\":100").replace("\"open\"", "\"todo\"").replace("\"line\"", "\"street\"");
    same!(text(&*backend, "c", 2).await?, down.replace(",\"unit\":\"piece\"", ""), "written at 3, read at 2");
    same!(get(&*backend, "none", 2).await?, None, "a record that is not there");
    Ok(())
}

async fn unseen(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-unseen", 3).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    let newer = third("a").replace("medium", "high").replace("\"unit\":\"piece\"},", "\"unit\":\"box\"},");
    put(&*backend, "a", 3, &newer).await?;
    // The note, the exact size and `doing` are not seen at 3, and nothing that they depend on was changed.
    same!(text(&*backend, "a", 1).await?, first("a"), "the older version after a newer one wrote");
    put(&*backend, "a", 1, &first("a").replace("\"size\":105", "\"size\":777")).await?;
    same!(text(&*backend, "a", 3).await?, newer.replace("\"size\":10,", "\"size\":77,"), "the newer after the older wrote");
    put(&*backend, "a", 3, &newer.replace("\"size\":10,", "\"size\":3,")).await?;
    same!(text(&*backend, "a", 1).await?, first("a").replace("\"size\":105", "\"size\":30"), "what was kept with another value");
    Ok(())
}

async fn no_op(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-no-op", 3).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    let before = get(&*backend, "a", 1).await?;
    for at in 1..=3 {
        let read = text(&*backend, "a", at).await?;
        let reordered = json::parse(read.as_bytes()).map_err(|e| super::Broken(e.message))?;
        for same in [read.to_string(), json::Style::Indented(2).write(&reordered)] {
            let done = put(&*backend, "a", at, &same).await?;
            ensure!(!done.created && !done.changed, "at version {at}: {done:?}");
        }
        let empty = Change::MergePatch("{}".to_owned());
        let done = backend.records().write(MODEL, Some(&key("a")), at, &empty, &Expect::Present).await?;
        ensure!(!done.changed, "an empty patch at version {at} changed something");
    }
    same!(get(&*backend, "a", 1).await?, before, "the record, its state included");
    Ok(())
}

async fn patches(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-patches", 3).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    let merge = |text: &str| Change::MergePatch(text.to_owned());
    let json = |text: &str| Change::JsonPatch(text.to_owned());
    let patches = [
        (1, merge(r#"{"title":"B","address":{"city":"D"}}"#)),
        (2, json(r#"[{"op":"test","path":"/name","value":"B"},{"op":"replace","path":"/priority","value":"low"}]"#)),
        (3, json(r#"[{"op":"remove","path":"/items/0"},{"op":"replace","path":"/items/0/count","value":9}]"#)),
        (3, merge(r#"{"size":11}"#)),
    ];
    for (at, change) in patches {
        let done = backend.records().write(MODEL, Some(&key("a")), at, &change, &Expect::Present).await?;
        ensure!(done.changed && !done.created, "{change:?}: {done:?}");
    }
    let expected = r#"{"id":"a","title":"B","size":110,"status":"doing","note":{"x":1.50},"address":{"street":"S","city":"D"},"items":[{"sku":"y","count":9}]}"#;
    same!(text(&*backend, "a", 1).await?, expected, "after all of them, at version 1");
    let wrong = json(r#"[{"op":"test","path":"/title","value":"A"}]"#);
    let outcome = backend.records().write(MODEL, Some(&key("a")), 1, &wrong, &Expect::Anything).await;
    refused!(outcome, Error::Refused(Refused::Patch(_)), "a test that does not hold");
    let absent = backend.records().write(MODEL, Some(&key("none")), 1, &merge("{}"), &Expect::Anything).await;
    refused!(absent, Error::Unknown { .. }, "a patch of nothing");
    Ok(())
}

async fn expectations(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-expect", 2).await?;
    let records = backend.records();
    let a = key("a");
    let write = |text: String, expect: Expect| {
        let a = a.clone();
        async move { records.write(MODEL, Some(&a), 1, &Change::Put(text), &expect).await }
    };
    refused!(write(first("a"), Expect::Present).await, Error::Conflict { .. }, "to be there, where nothing is");
    refused!(records.delete(MODEL, &a, 1, &Expect::Present).await, Error::Conflict { .. }, "to be there, where nothing is");
    let made = write(first("a"), Expect::Absent).await?;
    refused!(write(first("a"), Expect::Absent).await, Error::Conflict { .. }, "not to be there, where it is");
    let found = get(&*backend, "a", 2).await?.map(|found| found.state);
    same!(found.as_ref(), Some(&made.state), "the state that was written, and the one that is read at another version");
    let changed = write(first("a").replace("105", "106"), Expect::Unchanged(made.state.clone())).await?;
    ensure!(changed.changed && changed.state != made.state, "a new state: {changed:?}");
    let stale = Expect::Unchanged(made.state);
    refused!(write(first("a").replace("105", "107"), stale.clone()).await, Error::Conflict { .. }, "a state that is gone");
    refused!(records.delete(MODEL, &a, 2, &stale).await, Error::Conflict { .. }, "a state that is gone");
    same!(text(&*backend, "a", 1).await?, first("a").replace("105", "106"), "the record after what was refused");
    ensure!(records.delete(MODEL, &a, 2, &Expect::Unchanged(changed.state)).await?, "it was there");
    ensure!(!records.delete(MODEL, &a, 2, &Expect::Anything).await?, "it is gone");
    same!(get(&*backend, "a", 1).await?, None, "what was deleted");
    Ok(())
}

async fn anew(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-anew", 3).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    put(&*backend, "a", 3, &third("a").replace("medium", "high")).await?;
    backend.records().delete(MODEL, &key("a"), 2, &Expect::Present).await?;
    put(&*backend, "a", 3, &third("a")).await?;
    let read = text(&*backend, "a", 1).await?;
    ensure!(!read.contains("note") && read.contains("\"size\":100") && read.contains("\"todo\""), "something came back: {read}");
    Ok(())
}

async fn unfit(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-unfit", 5).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    let cases = [
        (1, first("a").replace("105", "\"large\""), "a wrong type"),
        (1, first("a").replace("\"title\"", "\"name\""), "a name of another version"),
        (2, first("a"), "a document of another version"),
        (3, third("a").replace("open", "doing"), "a value of another version"),
        (1, first("a").replace("\"size\"", "\"code\":\"x1\",\"size\""), "what a newer version could not show and rejects"),
    ];
    for (at, text, what) in cases {
        let refusal = put(&*backend, "a", at, &text).await;
        refused!(refusal, Error::Refused(Refused::Invalid { .. } | Refused::Rejected { .. }), "{what}");
    }
    refused!(put(&*backend, "a", 1, "{\"id\":").await, Error::BadRecord { .. }, "what is no JSON");
    same!(text(&*backend, "a", 1).await?, first("a"), "the record after all that");
    // What a newer version's operation lets into quarantine is written, and hidden there.
    put(&*backend, "a", 1, &first("a").replace("\"size\"", "\"rank\":\"x1\",\"size\"")).await?;
    refused!(get(&*backend, "a", 5).await, Error::Refused(Refused::Quarantined { version: 5, .. }), "a hidden record");
    let patch = Change::MergePatch("{\"size\":1}".to_owned());
    let patched = backend.records().write(MODEL, Some(&key("a")), 5, &patch, &Expect::Anything).await;
    refused!(patched, Error::Refused(_), "a patch of a hidden record");
    put(&*backend, "a", 5, &third("a").replace("\"size\"", "\"rank\":7,\"size\"")).await?;
    ensure!(text(&*backend, "a", 1).await?.contains("\"rank\":\"7\""), "a whole document heals it");
    Ok(())
}

async fn keys(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-keys", 2).await?;
    let records = backend.records();
    for id in ["a", "a b", "ü/ö", "100%", "..", "a\"b", "A"] {
        let text = first(&id.replace('"', "\\\""));
        let done = records.write(MODEL, None, 1, &Change::Put(text.clone()), &Expect::Absent).await?;
        same!(done.key, key(id), "the key of the document");
        same!(super::text(&*backend, id, 1).await?, text, "the record {id}");
    }
    let patch = records.write(MODEL, None, 1, &Change::MergePatch("{}".to_owned()), &Expect::Anything).await;
    refused!(patch, Error::BadRecord { .. }, "a patch of no record in particular");
    refused!(put(&*backend, "b", 1, &first("a")).await, Error::BadRecord { .. }, "a document with another key");
    let moving = Change::MergePatch("{\"id\":\"z\"}".to_owned());
    let moved = records.write(MODEL, Some(&key("a")), 2, &moving, &Expect::Anything).await;
    refused!(moved, Error::BadRecord { .. }, "a change of the key");
    Ok(())
}

async fn live(suite: &Suite<'_>) -> Outcome {
    let case = "records-live";
    let backend = open(suite, case, 3).await?;
    refused!(get(&*backend, "a", 1).await, Error::Unknown { .. }, "a version of a store that has none");
    bring(&*backend, 2).await?;
    put(&*backend, "a", 2, &second("a")).await?;
    for at in [0, 3, 9] {
        refused!(get(&*backend, "a", at).await, Error::Unknown { .. }, "version {at}, which is not in force");
        refused!(put(&*backend, "a", at, &third("a")).await, Error::Unknown { .. }, "version {at}, which is not in force");
        refused!(backend.records().list(MODEL, at, None, 9).await, Error::Unknown { .. }, "version {at}, not in force");
        let delete = backend.records().delete(MODEL, &key("a"), at, &Expect::Anything).await;
        refused!(delete, Error::Unknown { .. }, "version {at}, which is not in force");
    }
    refused!(backend.records().get("other", &key("a"), 1).await, Error::Unknown { .. }, "a model that is not there");
    refused!(backend.records().get(LABEL, &key("a"), 1).await, Error::Unknown { .. }, "a model that begins later");
    same!(backend.records().get(LABEL, &key("a"), 2).await?, None, "a model that is there");
    // A version that is being migrated to, or back from, is not offered.
    super::begin(&*backend, "up", Action::Migrate, 2, 3).await?;
    refused!(get(&*backend, "a", 3).await, Error::Unknown { .. }, "a version that is being migrated to");
    super::finish(&*backend, "up").await?;
    same!(text(&*backend, "a", 3).await?, third("a"), "a version in force");
    super::begin(&*backend, "down", Action::Rollback, 3, 2).await?;
    refused!(get(&*backend, "a", 3).await, Error::Unknown { .. }, "a version that is being rolled back");
    super::finish(&*backend, "down").await?;
    super::begin(&*backend, "retire", Action::Retire { before: 2 }, 2, 2).await?;
    refused!(get(&*backend, "a", 1).await, Error::Unknown { .. }, "a version that is being retired");
    same!(text(&*backend, "a", 2).await?, second("a"), "the version that stays");
    Ok(())
}

async fn meeting(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-meeting", 3).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    // Each sets a property of its own; a lost update would leave one as it was.
    let patches =
        [(1, r#"{"title":"B"}"#), (2, r#"{"priority":"low"}"#), (3, r#"{"size":20}"#), (1, r#"{"address":{"city":"D"}}"#)];
    let writes = patches.map(|(at, patch)| {
        let backend = &backend;
        async move {
            let change = Change::MergePatch(patch.to_owned());
            backend.records().write(MODEL, Some(&key("a")), at, &change, &Expect::Anything).await
        }
    });
    for outcome in futures::future::join_all(writes).await {
        ensure!(outcome?.changed, "a change was lost");
    }
    let read = text(&*backend, "a", 2).await?;
    for part in ["\"name\":\"B\"", "\"priority\":\"low\"", "\"size\":200", "\"city\":\"D\""] {
        ensure!(read.contains(part), "{part} is not in {read}");
    }
    let change = |text: String| Change::Put(text);
    let made = futures::future::join_all((0..8).map(|n| {
        let (backend, change) = (&backend, change(first("new").replace("105", &n.to_string())));
        async move { backend.records().write(MODEL, Some(&key("new")), 1, &change, &Expect::Absent).await }
    }));
    let made = made.await;
    same!(made.iter().filter(|outcome| outcome.is_ok()).count(), 1, "how many of several made the same record");
    Ok(())
}

async fn revisions(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "records-revisions", 3).await?;
    if !backend.capabilities().revisions {
        return Ok(());
    }
    put(&*backend, "a", 1, &first("a")).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    put(&*backend, "a", 3, &third("a").replace("\"size\":10,", "\"size\":3,")).await?;
    let revisions = backend.records().revisions(MODEL, &key("a")).await?;
    same!(revisions.iter().map(|r| (r.stored, r.current)).collect::<Vec<_>>(), [(3, true), (1, false)], "the revisions");
    ensure!(revisions[0].id > revisions[1].id, "newer ones sort after older ones");
    for (revision, read) in [(1, second("a")), (0, second("a").replace("105", "30"))] {
        let found = backend.records().revision(MODEL, &key("a"), &revisions[revision].id, 2).await?;
        same!(found.map(|found| found.text), Some(read), "revision {revision} at version 2");
    }
    same!(backend.records().revision(MODEL, &key("a"), "none", 2).await?, None, "a revision that is not there");
    Ok(())
}
