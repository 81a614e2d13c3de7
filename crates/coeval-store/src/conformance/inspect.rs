//! Looking at a store without changing it.

use super::catalog::{LABEL, MODEL, first, second};
use super::{Case, How, Outcome, Suite, Told, all, ensure, get, open_at, put, refused, same};
use crate::backend::Survey;
use crate::error::Error;

pub(super) const CASES: &[(&str, Case)] = &[
    ("inspect: records are counted by the version they are stored at", |suite| Box::pin(counts(suite))),
    ("inspect: what a version cannot show is counted, and no problem", |suite| Box::pin(quarantine(suite))),
    ("inspect: the laws hold, and nothing changes", |suite| Box::pin(laws(suite))),
];

async fn counts(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "inspect-counts", 4).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    put(&*backend, "b", 2, &second("b")).await?;
    put(&*backend, "c", 2, &second("c")).await?;
    put(&*backend, "d", 4, &super::catalog::third("d")).await?;
    let told = Told::default();
    let how = How::new(suite, "none");
    let found = backend.inspect(MODEL, Survey::Count, None, &how.work(&told)).await?;
    // Version 4 leaves the model alone: its records have the shape of 3.
    same!(found.records, 4, "how many records");
    if backend.capabilities().schema {
        same!(found.stored.len(), 0, "a table keeps no record at one version");
    } else {
        same!(found.stored.into_iter().collect::<Vec<_>>(), [(1, 1), (2, 2), (3, 1)], "at which versions");
    }
    same!(backend.inspect(LABEL, Survey::Verify, None, &how.work(&told)).await?.records, 0, "a model without records");
    refused!(backend.inspect("other", Survey::Count, None, &how.work(&told)).await, Error::Unknown { .. }, "no such model");
    ensure!(told.failures().is_empty(), "counting told problems: {:?}", told.failures());
    Ok(())
}

async fn quarantine(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "inspect-quarantine", 5).await?;
    put(&*backend, "a", 1, &first("a").replace("\"size\"", "\"rank\":\"x\",\"size\"")).await?;
    put(&*backend, "b", 1, &first("b").replace("\"size\"", "\"rank\":\"1\",\"size\"")).await?;
    let told = Told::default();
    let how = How::new(suite, "none");
    let found = backend.inspect(MODEL, Survey::Verify, None, &how.work(&told)).await?;
    let hidden = |version: u32| found.quarantined.get(&version).copied().unwrap_or_default();
    same!([hidden(1), hidden(2), hidden(3), hidden(5)], [0, 0, 0, 1], "how many are hidden at versions 1, 2, 3 and 5");
    same!(found.problems, 0, "how many problems");
    Ok(())
}

async fn laws(suite: &Suite<'_>) -> Outcome {
    let backend = open_at(suite, "inspect-laws", 3).await?;
    put(&*backend, "a", 1, &first("a")).await?;
    put(&*backend, "a", 3, &super::catalog::third("a").replace("medium", "high")).await?;
    put(&*backend, "b", 2, &second("b")).await?;
    let before = (all(&*backend, 1, 9).await?, get(&*backend, "a", 3).await?);
    let told = Told::default();
    let how = How::new(suite, "none");
    let found = backend.inspect(MODEL, Survey::Laws, None, &how.work(&told)).await?;
    ensure!(found.laws > 0 && found.problems == 0, "{found:?}, {:?}", told.failures());
    same!((all(&*backend, 1, 9).await?, get(&*backend, "a", 3).await?), before, "the records afterwards");
    Ok(())
}
