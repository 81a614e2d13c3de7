//! Steps: records in shards, each shard done once by whoever claims it.

use std::collections::BTreeSet;
use std::time::Duration;

use coeval_plan::RecordStep;
use tokio::time::Instant;

use super::convert::{Verdict, decide, eras};
use super::{Data, MemoryBackend, Place};
use crate::error::{Error, Result};
use crate::event::{Event, Failure, Tally};
use crate::work::{Mode, Work};

/// What is noted about a step of a run.
#[derive(Debug, Default)]
pub(super) struct Notes {
    undo: bool,
    shards: Vec<Shard>,
}

#[derive(Debug, Default)]
struct Shard {
    places: Vec<Place>,
    claim: Option<(String, Instant)>,
    done: Option<(Tally, Vec<Failure>)>,
}

/// Executes a step, or what is left of it.
pub(super) async fn execute(backend: &MemoryBackend, step: RecordStep<'_>, work: &Work<'_>) -> Result<Tally> {
    work.go_on()?;
    if let Mode::Try(sample) = work.mode {
        return attempt(backend, step, sample, work);
    }
    if work.undo {
        others_left(backend, work).await?;
    }
    prepare(backend, step, work)?;
    let mut mine = BTreeSet::new();
    loop {
        work.go_on()?;
        match claim(backend, work)? {
            Claim::Shard(index) => {
                mine.insert(index);
                shard(backend, step, index, work).await?;
            }
            Claim::Wait => tokio::time::sleep((work.pace.stale / 8).min(Duration::from_millis(50))).await,
            Claim::Done => return finish(backend, &mine, work),
        }
    }
}

fn name(work: &Work<'_>) -> (String, String) {
    (work.run.to_owned(), work.step.to_owned())
}

/// Waits until no other worker is at a step of this run that goes forward.
async fn others_left(backend: &MemoryBackend, work: &Work<'_>) -> Result<()> {
    loop {
        work.go_on()?;
        let busy = {
            let data = backend.data()?;
            let mut forward = data.steps.iter().filter(|((run, _), notes)| run == work.run && !notes.undo);
            forward.any(|(_, notes)| {
                notes.shards.iter().any(|shard| {
                    let alive = |(id, seen): &(String, Instant)| *id != work.worker.id && seen.elapsed() < work.pace.stale;
                    shard.done.is_none() && shard.claim.as_ref().is_some_and(alive)
                })
            })
        };
        if !busy {
            return Ok(());
        }
        tokio::time::sleep((work.pace.stale / 8).min(Duration::from_millis(50))).await;
    }
}

/// The places of all records that a step is about.
fn places(backend: &MemoryBackend, data: &Data, step: RecordStep<'_>) -> Result<Vec<Place>> {
    let firsts: Vec<u32> = eras(&backend.catalog, step)?.iter().map(|era| era.first).collect();
    let of = |place: &&Place| place.0 == step.model() && firsts.contains(&place.1);
    Ok(data.records.keys().filter(of).cloned().collect())
}

/// Cuts the records into shards, the first time.
fn prepare(backend: &MemoryBackend, step: RecordStep<'_>, work: &Work<'_>) -> Result<()> {
    let mut data = backend.data()?;
    if data.steps.contains_key(&name(work)) {
        return Ok(());
    }
    let places = places(backend, &data, step)?;
    let cut = |places: &[Place]| Shard { places: places.to_vec(), ..Shard::default() };
    let shards = places.chunks(work.pace.shard.get()).map(cut).collect();
    backend.change(|| data.steps.insert(name(work), Notes { undo: work.undo, shards }))?;
    Ok(())
}

enum Claim {
    Shard(usize),
    Wait,
    Done,
}

fn claim(backend: &MemoryBackend, work: &Work<'_>) -> Result<Claim> {
    let mut data = backend.data()?;
    let Some(notes) = data.steps.get_mut(&name(work)) else {
        return Err(Error::LockLost { by: None });
    };
    if notes.shards.iter().all(|shard| shard.done.is_some()) {
        return Ok(Claim::Done);
    }
    let free = |shard: &Shard| {
        let theirs = |(id, seen): &(String, Instant)| *id != work.worker.id && seen.elapsed() < work.pace.stale;
        shard.done.is_none() && !shard.claim.as_ref().is_some_and(theirs)
    };
    let Some(index) = notes.shards.iter().position(free) else { return Ok(Claim::Wait) };
    let shard = &mut notes.shards[index];
    backend.change(|| shard.claim = Some((work.worker.id.clone(), Instant::now())))?;
    Ok(Claim::Shard(index))
}

/// Does a shard, record by record; clients may come between.
async fn shard(backend: &MemoryBackend, step: RecordStep<'_>, index: usize, work: &Work<'_>) -> Result<()> {
    let places = {
        let data = backend.data()?;
        data.steps.get(&name(work)).map(|notes| notes.shards[index].places.clone()).unwrap_or_default()
    };
    let (mut tally, mut failures) = (Tally::default(), Vec::new());
    for place in &places {
        tokio::task::yield_now().await;
        work.go_on()?;
        record(backend, step, place, work, &mut tally, &mut failures)?;
        let mut data = backend.data()?;
        let shard = data.steps.get_mut(&name(work)).and_then(|notes| notes.shards.get_mut(index));
        match shard.map(|shard| &mut shard.claim) {
            Some(Some((id, seen))) if *id == work.worker.id => *seen = Instant::now(),
            // Somebody took this shard over; what was done is done, and the rest is theirs.
            _ => return Ok(()),
        }
    }
    let mut data = backend.data()?;
    let Some(notes) = data.steps.get_mut(&name(work)) else { return Err(Error::LockLost { by: None }) };
    backend.change(|| notes.shards[index].done = Some((tally, failures)))?;
    let so_far = notes.shards.iter().filter_map(|shard| shard.done.as_ref()).fold(Tally::default(), |sum, (t, _)| sum.plus(*t));
    let total = notes.shards.iter().map(|shard| shard.places.len() as u64).sum();
    work.observer.event(Event::Progress(Tally { total: Some(total), ..so_far }));
    Ok(())
}

/// Moves one record, its origin noted in the same breath.
fn record(
    backend: &MemoryBackend,
    step: RecordStep<'_>,
    place: &Place,
    work: &Work<'_>,
    tally: &mut Tally,
    failures: &mut Vec<Failure>,
) -> Result<()> {
    let mut data = backend.data()?;
    let Some(record) = data.records.get(place).cloned() else { return Ok(()) };
    let origin = data.origins.get(work.run).and_then(|origins| origins.get(place)).copied();
    let verdict = verdict(backend, step, place, &record.stored, origin, work)?;
    tally.seen += 1;
    match verdict {
        Verdict::Same => tally.unchanged += 1,
        Verdict::Becomes(stored, dropped) => {
            (tally.written, tally.dropped) = (tally.written + 1, tally.dropped + dropped);
            let from = record.stored.version;
            let by =
                if work.undo || matches!(step, RecordStep::Move { from, to, .. } if to < from) { "rollback" } else { "migrate" };
            backend.change(|| {
                data.replace(&backend.catalog, place, *stored, record.style, by);
                if !work.undo {
                    data.origins.entry(work.run.to_owned()).or_default().entry(place.clone()).or_insert(from);
                }
            })?;
        }
        Verdict::Goes => {
            (tally.written, tally.dropped) = (tally.written + 1, tally.dropped + 1);
            backend.change(|| data.records.remove(place))?;
        }
        Verdict::Stays { kind, reason } => {
            tally.quarantined += 1;
            let failure = failure(place, kind, reason);
            work.observer.event(Event::Failure(failure));
        }
        Verdict::Fails { kind, reason } => {
            tally.failed += 1;
            let failure = failure(place, kind, reason);
            work.observer.event(Event::Failure(failure.clone()));
            failures.push(failure);
        }
    }
    Ok(())
}

fn verdict(
    backend: &MemoryBackend,
    step: RecordStep<'_>,
    place: &Place,
    stored: &coeval_core::lens::Stored,
    origin: Option<u32>,
    work: &Work<'_>,
) -> Result<Verdict> {
    let eras = eras(&backend.catalog, step)?;
    let era = eras.into_iter().find(|era| era.first == place.1);
    Ok(era.map_or(Verdict::Same, |era| decide(era, stored, step, origin, work.undo, work.policy)))
}

fn failure(place: &Place, kind: &'static str, reason: String) -> Failure {
    Failure { model: place.0.clone(), key: place.2.to_string(), kind, reason }
}

/// Tells the failures of shards that others did, and adds everything up.
fn finish(backend: &MemoryBackend, mine: &BTreeSet<usize>, work: &Work<'_>) -> Result<Tally> {
    let data = backend.data()?;
    let Some(notes) = data.steps.get(&name(work)) else { return Err(Error::LockLost { by: None }) };
    let mut sum = Tally { total: Some(0), ..Tally::default() };
    for (index, shard) in notes.shards.iter().enumerate() {
        let Some((tally, failures)) = &shard.done else { continue };
        sum = sum.plus(Tally { total: Some(shard.places.len() as u64), ..*tally });
        if !mine.contains(&index) {
            for failure in failures {
                work.observer.event(Event::Failure(failure.clone()));
            }
        }
    }
    if sum.failed > 0 { Err(Error::Records { count: sum.failed }) } else { Ok(sum) }
}

/// Converts without writing: all records, or a sample spread over them.
fn attempt(backend: &MemoryBackend, step: RecordStep<'_>, sample: Option<u64>, work: &Work<'_>) -> Result<Tally> {
    let data = backend.data()?;
    let places = places(backend, &data, step)?;
    let wanted = sample.map_or(places.len(), |sample| usize::try_from(sample).unwrap_or(usize::MAX).min(places.len()));
    let mut tally = Tally { total: Some(wanted as u64), ..Tally::default() };
    for nth in 0..wanted {
        let place = &places[nth * places.len() / wanted];
        let Some(record) = data.records.get(place) else { continue };
        tally.seen += 1;
        match verdict(backend, step, place, &record.stored, None, work)? {
            Verdict::Same => tally.unchanged += 1,
            Verdict::Becomes(_, dropped) => (tally.written, tally.dropped) = (tally.written + 1, tally.dropped + dropped),
            Verdict::Goes => (tally.written, tally.dropped) = (tally.written + 1, tally.dropped + 1),
            Verdict::Stays { kind, reason } => {
                tally.quarantined += 1;
                work.observer.event(Event::Failure(failure(place, kind, reason)));
            }
            Verdict::Fails { kind, reason } => {
                tally.failed += 1;
                work.observer.event(Event::Failure(failure(place, kind, reason)));
            }
        }
    }
    work.observer.event(Event::Progress(tally));
    Ok(tally)
}
