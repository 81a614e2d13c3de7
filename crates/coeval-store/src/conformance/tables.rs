//! Tables: what a run does to a store with a schema, seen by its clients. A store without one has nothing to show here.

use coeval_core::lens::Refused;

use super::catalog::{MODEL, first, second, third};
use super::{Broken, Case, How, Outcome, Suite, all, begin, bring, carry_out, ensure, finish, get, holder, open, open_at, put};
use super::{refused, same, text};
use crate::Step;
use crate::backend::Backend;
use crate::error::Error;
use crate::ledger::{Action, Happened};
use crate::lower::{Aim, lower};
use crate::work::Mode;

pub(super) const CASES: &[(&str, Case)] = &[
    ("tables: older clients go on while newer versions come", |suite| Box::pin(older(suite))),
    ("tables: rolled back and migrated again, what only newer versions knew is there", |suite| Box::pin(again(suite))),
    ("tables: what was kept belongs to the values it was kept with", |suite| Box::pin(fresh(suite))),
    ("tables: a run that never finished is undone", |suite| Box::pin(undone(suite))),
    ("tables: steps are done again with the same result", |suite| Box::pin(repeated(suite))),
    ("tables: stopped and resumed", |suite| Box::pin(resumed(suite))),
    ("tables: records in the way are all named, and nothing is left of the run", |suite| Box::pin(rejected(suite))),
    ("tables: a trial names the same records and writes nothing", |suite| Box::pin(tried(suite))),
    ("tables: what only retired versions could see is dropped", |suite| Box::pin(retired(suite))),
];

/// The store of a case at a version; `None` where it has no schema.
async fn at(suite: &Suite<'_>, case: &str, version: u32, up_to: u32) -> Result<Option<Box<dyn Backend>>, Broken> {
    let backend = open(suite, case, version).await?;
    if !backend.capabilities().schema {
        return Ok(None);
    }
    bring(&*backend, version).await?;
    Ok(Some(open(suite, case, up_to).await?))
}

async fn reads(backend: &dyn Backend, versions: std::ops::RangeInclusive<u32>) -> Result<Vec<(String, String)>, Broken> {
    let mut out = Vec::new();
    for version in versions {
        out.extend(all(backend, version, 100).await?.0.into_iter().map(|f| (format!("{} at {version}", f.key), f.text)));
    }
    Ok(out)
}

async fn steps(backend: &dyn Backend) -> Result<Vec<Step>, Broken> {
    Ok(backend.ledger().await?.open().map(|open| open.steps.clone()).unwrap_or_default())
}

async fn older(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = at(suite, "tables-older", 1, 3).await? else { return Ok(()) };
    for id in ["a", "b", "c"] {
        put(&*backend, id, 1, &first(id)).await?;
    }
    begin(&*backend, "up", Action::Migrate, 1, 3).await?;
    // Between any two steps a client of version 1 creates, changes, reads and deletes.
    for (at, step) in steps(&*backend).await?.iter().enumerate() {
        let name = at.to_string();
        let how = How { step: &name, ..How::new(suite, "up") };
        how.execute(&*backend, step).await.0?;
        let id = format!("n{at}");
        put(&*backend, &id, 1, &first(&id)).await?;
        put(&*backend, &id, 1, &first(&id).replace("105", "117")).await?;
        put(&*backend, "a", 1, &first("a").replace("105", &(200 + at).to_string())).await?;
        same!(text(&*backend, &id, 1).await?, first(&id).replace("105", "117"), "after step {at}, {step}");
        if at > 0 {
            let gone = super::key(&format!("n{}", at - 1));
            backend.records().delete(MODEL, &gone, 1, &crate::records::Expect::Present).await?;
        }
    }
    let last = steps(&*backend).await?.len() - 1;
    let number = backend.ledger().await?.next();
    backend.append(&super::entry(number, Happened::Finished { run: "up".to_owned(), tallies: Vec::new() })).await?;
    for id in ["b", "c"] {
        same!(text(&*backend, id, 2).await?, second(id), "{id} at version 2");
        same!(text(&*backend, id, 3).await?, third(id), "{id} at version 3");
    }
    let id = format!("n{last}");
    same!(text(&*backend, &id, 3).await?, third(&id).replace("\"size\":10", "\"size\":11"), "the last record created");
    let size = format!("\"size\":{}", (200 + last) / 10);
    same!(text(&*backend, "a", 3).await?, third("a").replace("\"size\":10", &size), "a record that was changed all the time");
    Ok(())
}

async fn again(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = at(suite, "tables-again", 3, 3).await? else { return Ok(()) };
    put(&*backend, "a", 1, &first("a")).await?;
    put(&*backend, "b", 3, &third("b").replace("medium", "high").replace("\"size\":10", "\"size\":33")).await?;
    put(&*backend, "c", 3, &third("c").replace("medium", "low")).await?;
    let before = reads(&*backend, 1..=3).await?;
    for to in [2, 3, 1, 3, 1, 2, 3] {
        bring(&*backend, to).await?;
        let shown = |(key, _): &&(String, String)| (1..=to).any(|version| key.ends_with(&format!(" at {version}")));
        let expected: Vec<_> = before.iter().filter(shown).cloned().collect();
        same!(reads(&*backend, 1..=to).await?, expected, "what is read at version {to}");
        refused!(get(&*backend, "a", to + 1).await, Error::Unknown { .. }, "a version that is not in force");
    }
    // Down to nothing and up again, the records are there.
    bring(&*backend, 0).await?;
    bring(&*backend, 3).await?;
    same!(reads(&*backend, 1..=1).await?.len(), 3, "the records after everything was taken back");
    Ok(())
}

async fn fresh(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = at(suite, "tables-fresh", 3, 3).await? else { return Ok(()) };
    put(&*backend, "a", 3, &third("a").replace("medium", "high")).await?;
    put(&*backend, "b", 3, &third("b").replace("medium", "high")).await?;
    put(&*backend, "c", 3, &third("c").replace("medium", "high")).await?;
    bring(&*backend, 1).await?;
    let read = text(&*backend, "a", 1).await?.to_string();
    put(&*backend, "a", 1, &read.replace("\"size\":100", "\"size\":999")).await?;
    backend.records().delete(MODEL, &super::key("b"), 1, &crate::records::Expect::Present).await?;
    put(&*backend, "b", 1, &first("b")).await?;
    bring(&*backend, 3).await?;
    let third = |id: &str| third(id).replace("medium", "high");
    same!(text(&*backend, "a", 3).await?, third("a").replace("\"size\":10", "\"size\":99"), "changed while rolled back");
    same!(text(&*backend, "b", 3).await?, super::catalog::third("b"), "deleted and created anew while rolled back");
    same!(text(&*backend, "c", 3).await?, third("c"), "left alone");
    Ok(())
}

async fn undone(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = at(suite, "tables-undone", 1, 3).await? else { return Ok(()) };
    for id in ["a", "b"] {
        put(&*backend, id, 1, &first(id)).await?;
    }
    let before = reads(&*backend, 1..=1).await?;
    begin(&*backend, "up", Action::Migrate, 1, 3).await?;
    let steps = steps(&*backend).await?;
    // From wherever it came to; one more step each time.
    for reached in 0..=steps.len() {
        for (at, step) in steps[..reached].iter().enumerate() {
            let name = at.to_string();
            How { step: &name, ..How::new(suite, "up") }.execute(&*backend, step).await.0?;
        }
        for (at, step) in steps.iter().enumerate().rev() {
            let name = format!("undo-{at}");
            let reverse = step.reverse().ok_or_else(|| Broken(format!("{step} has no reverse")))?;
            let how = How { step: &name, undo: true, ..How::new(suite, "up") };
            how.execute(&*backend, &reverse).await.0?;
        }
        same!(reads(&*backend, 1..=1).await?, before, "undone after {reached} steps");
        put(&*backend, "a", 1, &first("a").replace("105", &reached.to_string())).await?;
        put(&*backend, "a", 1, &first("a")).await?;
        // What was noted about steps that were undone is not about the next attempt.
        backend.tidy("up").await?;
    }
    carry_out(&*backend, "up").await?;
    Ok(())
}

async fn repeated(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = at(suite, "tables-repeated", 1, 3).await? else { return Ok(()) };
    put(&*backend, "a", 1, &first("a")).await?;
    for (run, action, from, to) in
        [("up", Action::Migrate, 1, 3), ("down", Action::Rollback, 3, 1), ("again", Action::Migrate, 1, 3)]
    {
        begin(&*backend, run, action, from, to).await?;
        for (at, step) in steps(&*backend).await?.iter().enumerate() {
            for worker in ["w1", "w2"] {
                let name = at.to_string();
                let how = How { step: &name, worker: holder(worker), ..How::new(suite, run) };
                let (outcome, failures) = how.execute(&*backend, step).await;
                ensure!(outcome.is_ok() && failures.is_empty(), "{step}, by {worker}: {outcome:?}, {failures:?}");
            }
        }
        let number = backend.ledger().await?.next();
        backend.append(&super::entry(number, Happened::Finished { run: run.to_owned(), tallies: Vec::new() })).await?;
        same!(text(&*backend, "a", 1).await?, first("a"), "after {run}");
        backend.tidy(run).await?;
    }
    same!(text(&*backend, "a", 3).await?, third("a"), "at version 3");
    Ok(())
}

async fn resumed(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = at(suite, "tables-resumed", 1, 3).await? else { return Ok(()) };
    for n in 0..20 {
        let id = format!("r{n}");
        put(&*backend, &id, 1, &first(&id)).await?;
    }
    begin(&*backend, "up", Action::Migrate, 1, 3).await?;
    let first_step = steps(&*backend).await?.into_iter().next().ok_or_else(|| Broken("there is nothing to do".to_owned()))?;
    let stopped = How::new(suite, "up");
    stopped.stop.stop();
    refused!(stopped.execute(&*backend, &first_step).await.0, Error::Stopped, "a step that is told to stop");
    // Another process goes on.
    let other = open(suite, "tables-resumed", 3).await?;
    finish(&*other, "up").await?;
    for n in 0..20 {
        let id = format!("r{n}");
        same!(text(&*backend, &id, 3).await?, third(&id), "{id} at version 3");
    }
    Ok(())
}

/// Records of version 3, of which version 5 rejects two and cannot show one.
async fn clashing(suite: &Suite<'_>, case: &str) -> Result<Option<Box<dyn Backend>>, Broken> {
    let Some(backend) = at(suite, case, 3, 3).await? else { return Ok(None) };
    for id in ["a", "b"] {
        put(&*backend, id, 1, &first(id)).await?;
    }
    for id in ["x", "y"] {
        put(&*backend, id, 1, &first(id).replace("\"size\"", "\"code\":\"none\",\"size\"")).await?;
    }
    put(&*backend, "z", 1, &first("z").replace("\"size\"", "\"rank\":\"none\",\"size\"")).await?;
    Ok(Some(open(suite, case, 5).await?))
}

async fn rejected(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = clashing(suite, "tables-rejected").await? else { return Ok(()) };
    let before = reads(&*backend, 1..=3).await?;
    begin(&*backend, "up", Action::Migrate, 3, 5).await?;
    let steps = steps(&*backend).await?;
    let mut failed = None;
    for (at, step) in steps.iter().enumerate() {
        let name = at.to_string();
        let (outcome, failures) = How { step: &name, ..How::new(suite, "up") }.execute(&*backend, step).await;
        if let Err(error) = outcome {
            failed = Some((error, failures));
            break;
        }
    }
    let Some((error, failures)) = failed else { return Err(Broken("nothing was in the way".to_owned())) };
    ensure!(matches!(error, Error::Records { count: 2 }), "records in the way: {error:?}");
    let named: Vec<_> = failures.iter().map(|f| (f.model.as_str(), f.key.as_str(), f.kind)).collect();
    same!(named, [(MODEL, "x", "rejected"), (MODEL, "y", "rejected"), (MODEL, "z", "quarantined")], "who is named");
    ensure!(failures.iter().all(|f| f.reason.contains("none")), "with the reason: {failures:?}");
    for (at, step) in steps.iter().enumerate().rev() {
        let name = format!("undo-{at}");
        let reverse = step.reverse().ok_or_else(|| Broken(format!("{step} has no reverse")))?;
        let how = How { step: &name, undo: true, ..How::new(suite, "up") };
        how.execute(&*backend, &reverse).await.0?;
    }
    same!(reads(&*backend, 1..=3).await?, before, "what is read after it was undone");
    let number = backend.ledger().await?.next();
    let reason = "records in the way".to_owned();
    backend.append(&super::entry(number, Happened::Undoing { run: "up".to_owned(), reason })).await?;
    backend
        .append(&super::entry(number + 1, Happened::Undone { run: "up".to_owned(), reason: "records in the way".to_owned() }))
        .await?;
    backend.tidy("up").await?;
    // Without those two there is a way, and the record that the operation lets into quarantine is hidden.
    for id in ["x", "y"] {
        backend.records().delete(MODEL, &super::key(id), 3, &crate::records::Expect::Present).await?;
    }
    bring(&*backend, 5).await?;
    refused!(get(&*backend, "z", 5).await, Error::Refused(Refused::Quarantined { version: 5, .. }), "a hidden record");
    same!(text(&*backend, "z", 1).await?, first("z").replace("\"size\"", "\"rank\":\"none\",\"size\""), "where it is shown");
    Ok(())
}

async fn tried(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = clashing(suite, "tables-tried").await? else { return Ok(()) };
    let before = all(&*backend, 1, 100).await?;
    let aim = Aim { action: Action::Migrate, from: 3, to: 5, scan: false, warm: false };
    let lowered = lower(backend.catalog(), backend.capabilities(), &backend.ledger().await?, aim)?;
    let (mut named, mut failed, mut quarantined) = (Vec::new(), 0, 0);
    for (at, step) in lowered.iter().enumerate() {
        let name = at.to_string();
        let how = How { step: &name, mode: Mode::Try(None), ..How::new(suite, "try") };
        let (outcome, failures) = how.execute(&*backend, step).await;
        let tally = outcome?;
        failed += tally.failed;
        quarantined += tally.quarantined;
        named.extend(failures.into_iter().map(|failure| failure.key));
    }
    same!((failed, quarantined), (2, 1), "what would be in the way");
    named.sort();
    same!(named, ["x", "y", "z"], "who is named");
    same!(all(&*backend, 1, 100).await?, before, "the records, their states included");
    Ok(())
}

async fn retired(suite: &Suite<'_>) -> Outcome {
    let Some(backend) = at(suite, "tables-retired", 3, 3).await? else { return Ok(()) };
    put(&*backend, "a", 1, &first("a")).await?;
    put(&*backend, "b", 3, &third("b")).await?;
    let before = reads(&*backend, 2..=3).await?;
    begin(&*backend, "retire", Action::Retire { before: 2 }, 3, 3).await?;
    finish(&*backend, "retire").await?;
    same!(reads(&*backend, 2..=3).await?, before, "what is read at the versions that stay");
    refused!(get(&*backend, "a", 1).await, Error::Unknown { .. }, "a version that is gone");
    put(&*backend, "a", 2, &second("a").replace("105", "250")).await?;
    same!(text(&*backend, "a", 3).await?, third("a").replace("\"size\":10", "\"size\":25"), "written at 2, read at 3");
    put(&*backend, "new", 3, &third("new")).await?;
    ensure!(text(&*backend, "new", 2).await?.contains("\"size\":100"), "a new record at version 2");
    let empty = open_at(suite, "tables-empty", 3).await?;
    same!(all(&*empty, 3, 10).await?, (Vec::new(), Vec::new()), "an empty table");
    Ok(())
}
