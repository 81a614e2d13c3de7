//! Steps: records moved there and back, by one or several, once or again.

use coeval_core::lens::Refused;

use super::catalog::{LABEL, MODEL, first, second, third};
use super::{
    Broken, Case, How, Outcome, Suite, Told, all, bring, ensure, get, holder, key, moving, open, open_at, put, refused, same,
};
use crate::Step;
use crate::backend::{Backend, Survey};
use crate::error::Error;
use crate::event::Tally;
use crate::records::Expect;
use crate::work::{Mode, Policy};

pub(super) const CASES: &[(&str, Case)] = &[
    ("steps: there and back, every byte comes back", |suite| Box::pin(back(suite))),
    ("steps: again changes nothing", |suite| Box::pin(again(suite))),
    ("steps: several workers do each record once", |suite| Box::pin(shared(suite))),
    ("steps: stopped and resumed", |suite| Box::pin(resumed(suite))),
    ("steps: undone, records are where each came from", |suite| Box::pin(undone(suite))),
    ("steps: records in the way are all named, and can be undone", |suite| Box::pin(rejected(suite))),
    ("steps: records in the way can be left", |suite| Box::pin(left(suite))),
    ("steps: a trial finds the same and writes nothing", |suite| Box::pin(tried(suite))),
    ("steps: what only retired versions could see is dropped", |suite| Box::pin(forgotten(suite))),
    ("steps: a writer in between is not lost", |suite| Box::pin(between(suite))),
];

/// Whether the store has a schema: then its steps are those on tables, and no record is at one version.
async fn has_schema(suite: &Suite<'_>) -> Result<bool, Broken> {
    Ok(open(suite, "steps-kind", 1).await?.capabilities().schema)
}

async fn stored(backend: &dyn Backend, suite: &Suite<'_>) -> Result<Vec<(u32, u64)>, Broken> {
    let (told, how) = (Told::default(), How::new(suite, "none"));
    let found = backend.inspect(MODEL, Survey::Count, None, &how.work(&told)).await?;
    Ok(found.stored.into_iter().filter(|(_, count)| *count > 0).collect())
}

/// Five records: one has the shape of version 2, the others that of version 1.
async fn five(suite: &Suite<'_>, case: &str, up_to: u32) -> Result<Box<dyn Backend>, Broken> {
    let backend = open_at(suite, case, up_to).await?;
    for id in ["a", "b", "c", "d"] {
        put(&*backend, id, 1, &first(id)).await?;
    }
    put(&*backend, "e", 2, &second("e").replace("medium", "high")).await?;
    Ok(backend)
}

async fn reads(backend: &dyn Backend) -> Result<Vec<(String, String)>, Broken> {
    let mut out = Vec::new();
    for at in 1..=3 {
        out.extend(all(backend, at, 100).await?.0.into_iter().map(|found| (format!("{} at {at}", found.key), found.text)));
    }
    Ok(out)
}

async fn back(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let backend = five(suite, "steps-back", 3).await?;
    let before = reads(&*backend).await?;
    for (n, (from, to)) in [(1, 3), (3, 1), (1, 2), (2, 3), (3, 2)].into_iter().enumerate() {
        let run = format!("run-{n}");
        let (tally, failures) = How::new(suite, &run).execute(&*backend, &moving(from, to)).await;
        let tally = tally?;
        let all = tally.seen == 5 && tally.written + tally.unchanged == 5 && tally.failed + tally.quarantined == 0;
        ensure!(all && failures.is_empty(), "{from} to {to}: {tally:?}, {failures:?}");
        same!(stored(&*backend, suite).await?, [(to, 5)], "where the records are after {from} to {to}");
        same!(reads(&*backend).await?, before, "what is read after {from} to {to}");
        backend.tidy(&run).await?;
    }
    let empty = How::new(suite, "empty").execute(&*backend, &Step::MoveRecords { model: LABEL.to_owned(), from: 2, to: 3 }).await;
    same!(empty.0?.seen, 0, "a model without records");
    Ok(())
}

async fn again(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let backend = five(suite, "steps-again", 3).await?;
    let how = How::new(suite, "run");
    how.execute(&*backend, &moving(1, 3)).await.0?;
    let before = all(&*backend, 1, 100).await?;
    // The same step of the same run, and of another one; and after what the first noted was tidied up.
    how.execute(&*backend, &moving(1, 3)).await.0?;
    let tally = How::new(suite, "other").execute(&*backend, &moving(1, 3)).await.0?;
    same!((tally.written, tally.unchanged), (0, 5), "what another run found to do");
    backend.tidy("run").await?;
    let tally = how.execute(&*backend, &moving(1, 3)).await.0?;
    same!(tally.written, 0, "what was left to do");
    same!(all(&*backend, 1, 100).await?, before, "the records, their states included");
    Ok(())
}

async fn shared(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let case = "steps-shared";
    let backend = open_at(suite, case, 3).await?;
    for n in 0..20 {
        put(&*backend, &format!("r{n}"), 1, &first(&format!("r{n}"))).await?;
    }
    let other = open(suite, case, 3).await?;
    let workers: Vec<How<'_>> = (0..4).map(|n| How { worker: holder(&format!("w{n}")), ..How::new(suite, "run") }).collect();
    let step = moving(1, 3);
    let work = workers.iter().enumerate().map(|(n, how)| how.execute(if n % 2 == 0 { &*backend } else { &*other }, &step));
    let mut tallies: Vec<Tally> = Vec::new();
    for (outcome, failures) in futures::future::join_all(work).await {
        ensure!(failures.is_empty(), "{failures:?}");
        tallies.push(Tally { conflicts: 0, ..outcome? });
    }
    for tally in tallies {
        same!((tally.seen, tally.written), (20, 20), "what each is told of the whole");
    }
    same!(stored(&*backend, suite).await?, [(3, 20)], "where the records are");
    if backend.capabilities().revisions {
        for n in 0..20 {
            let revisions = backend.records().revisions(MODEL, &key(&format!("r{n}"))).await?;
            same!(revisions.len(), 2, "how often r{n} was written");
        }
    }
    Ok(())
}

async fn resumed(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let backend = five(suite, "steps-resumed", 3).await?;
    let before = reads(&*backend).await?;
    let stopped = How::new(suite, "run");
    stopped.stop.stop();
    refused!(stopped.execute(&*backend, &moving(1, 3)).await.0, Error::Stopped, "a step that is told to stop");
    // Another worker goes on.
    let how = How { worker: holder("w2"), ..How::new(suite, "run") };
    how.execute(&*backend, &moving(1, 3)).await.0?;
    same!(stored(&*backend, suite).await?, [(3, 5)], "where the records are");
    same!(reads(&*backend).await?, before, "what is read");
    Ok(())
}

async fn undone(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let backend = five(suite, "steps-undone", 3).await?;
    let before = (reads(&*backend).await?, stored(&*backend, suite).await?);
    let how = How::new(suite, "run");
    how.execute(&*backend, &moving(1, 3)).await.0?;
    same!(stored(&*backend, suite).await?, [(3, 5)], "where the records are");
    let undo = How { step: "undo-0", undo: true, ..How::new(suite, "run") };
    for _ in 0..2 {
        undo.execute(&*backend, &moving(3, 1)).await.0?;
        same!((reads(&*backend).await?, stored(&*backend, suite).await?), before, "what is read, and where the records are");
    }
    Ok(())
}

/// Two records that version 5 rejects, written before it was frozen.
async fn clashing(suite: &Suite<'_>, case: &str) -> Result<Box<dyn Backend>, Broken> {
    let old = five(suite, case, 3).await?;
    for id in ["x", "y"] {
        put(&*old, id, 1, &first(id).replace("\"size\"", "\"code\":\"none\",\"size\"")).await?;
    }
    put(&*old, "z", 1, &first("z").replace("\"size\"", "\"rank\":\"none\",\"size\"")).await?;
    Ok(open(suite, case, 5).await?)
}

async fn rejected(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let backend = clashing(suite, "steps-rejected").await?;
    let before = (reads(&*backend).await?, stored(&*backend, suite).await?);
    let how = How::new(suite, "run");
    let (outcome, failures) = how.execute(&*backend, &moving(3, 5)).await;
    refused!(outcome, Error::Records { count: 2 }, "records in the way");
    let named: Vec<_> = failures.iter().map(|f| (f.model.as_str(), f.key.as_str(), f.kind)).collect();
    same!(named, [(MODEL, "x", "rejected"), (MODEL, "y", "rejected"), (MODEL, "z", "quarantined")], "who is named");
    ensure!(failures.iter().all(|f| f.reason.contains("none")), "with the reason: {failures:?}");
    let undo = How { step: "undo-0", undo: true, ..How::new(suite, "run") };
    undo.execute(&*backend, &moving(5, 3)).await.0?;
    same!((reads(&*backend).await?, stored(&*backend, suite).await?), before, "what is read, and where the records are");
    Ok(())
}

async fn left(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let backend = clashing(suite, "steps-left").await?;
    let how = How { policy: Policy::Quarantine, ..How::new(suite, "run") };
    let (outcome, failures) = how.execute(&*backend, &moving(3, 5)).await;
    let tally = outcome?;
    same!((tally.seen, tally.written, tally.quarantined, tally.failed), (8, 5, 3, 0), "what was done");
    same!(failures.len(), 3, "how many are named");
    same!(stored(&*backend, suite).await?, [(1, 3), (5, 5)], "where the records are");
    bring(&*backend, 5).await?;
    refused!(get(&*backend, "x", 5).await, Error::Refused(Refused::Quarantined { .. }), "a record that was left");
    ensure!(get(&*backend, "x", 1).await?.is_some(), "it is there where it was");
    Ok(())
}

async fn tried(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let backend = clashing(suite, "steps-tried").await?;
    let before = all(&*backend, 1, 100).await?;
    let how = How { mode: Mode::Try(None), ..How::new(suite, "run") };
    let (outcome, failures) = how.execute(&*backend, &moving(3, 5)).await;
    let tally = outcome?;
    same!((tally.seen, tally.written, tally.failed, tally.quarantined), (8, 5, 2, 1), "what would be done");
    same!(failures.len(), 3, "how many are named");
    let sample = How { mode: Mode::Try(Some(3)), ..How::new(suite, "run") };
    same!(sample.execute(&*backend, &moving(3, 5)).await.0?.seen, 3, "a sample of three");
    same!(all(&*backend, 1, 100).await?, before, "the records, their states included");
    same!(stored(&*backend, suite).await?, [(1, 7), (2, 1)], "where the records are");
    Ok(())
}

async fn forgotten(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let backend = five(suite, "steps-forgotten", 3).await?;
    How::new(suite, "up").execute(&*backend, &moving(1, 3)).await.0?;
    put(&*backend, "new", 1, &first("new")).await?;
    let shown = |reads: Vec<(String, String)>| reads.into_iter().filter(|(key, _)| !key.ends_with(" at 1")).collect::<Vec<_>>();
    let before = shown(reads(&*backend).await?);
    let step = Step::ForgetRecords { model: MODEL.to_owned(), before: 2, to: 3 };
    let trial = How { mode: Mode::Try(None), ..How::new(suite, "retire") };
    let would = trial.execute(&*backend, &step).await.0?;
    ensure!(would.dropped > 0, "the notes of version 1 would be dropped: {would:?}");
    same!(shown(reads(&*backend).await?), before, "what is read after a trial");
    let next = backend.ledger().await?.next();
    let retire = crate::ledger::Action::Retire { before: 2 };
    backend.append(&super::entry(next, super::started(&*backend, "retire", retire, 3, 3))).await?;
    let did = How::new(suite, "retire").execute(&*backend, &step).await.0?;
    same!((did.dropped, did.written), (would.dropped, would.written), "what was done, and what was foretold");
    let mut after = Vec::new();
    for at in 2..=3 {
        after.extend(all(&*backend, at, 100).await?.0.into_iter().map(|found| (format!("{} at {at}", found.key), found.text)));
    }
    same!(after, before, "what is read at the versions that stay");
    ensure!(stored(&*backend, suite).await?.iter().all(|(version, _)| *version >= 2), "a record is at a version that is gone");
    let again = How::new(suite, "retire-again").execute(&*backend, &step).await.0?;
    same!((again.dropped, again.written), (0, 0), "what is left to drop");
    Ok(())
}

async fn between(suite: &Suite<'_>) -> Outcome {
    if has_schema(suite).await? {
        return Ok(());
    }
    let case = "steps-between";
    let backend = open_at(suite, case, 3).await?;
    for n in 0..12 {
        put(&*backend, &format!("r{n}"), 1, &first(&format!("r{n}"))).await?;
    }
    let client = async {
        for n in 0..12 {
            let id = format!("r{n}");
            let (at, text) =
                if n % 2 == 0 { (1, first(&id).replace("105", "777")) } else { (3, third(&id).replace("medium", "high")) };
            put(&*backend, &id, at, &text).await?;
            tokio::task::yield_now().await;
        }
        backend.records().delete(MODEL, &key("r0"), 2, &Expect::Anything).await?;
        put(&*backend, "late", 1, &first("late")).await
    };
    let (how, step) = (How::new(suite, "run"), moving(1, 3));
    let (written, (outcome, failures)) = futures::future::join(client, how.execute(&*backend, &step)).await;
    written?;
    outcome?;
    ensure!(failures.is_empty(), "{failures:?}");
    for n in 1..12 {
        let id = format!("r{n}");
        let (at, part) = if n % 2 == 0 { (2, "\"size\":777") } else { (2, "\"priority\":\"high\"") };
        let read = super::text(&*backend, &id, at).await?;
        ensure!(read.contains(part), "{part} of {id} is lost: {read}");
    }
    same!(get(&*backend, "r0", 3).await?, None, "what was deleted");
    ensure!(get(&*backend, "late", 3).await?.is_some(), "what was created");
    Ok(())
}
