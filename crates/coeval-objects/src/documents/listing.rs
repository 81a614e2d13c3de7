//! The objects of a model: listed, sampled, and parted into shards.

use coeval_store::Result;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use rand::RngExt;
use tokio::time::sleep;

use super::execute::Job;
use super::lease::{Patience, Taken, Watch, take};
use super::shard::Shard;
use coeval_store::lock::Lock;

/// Lists the keys of a model's objects that come after one.
pub(super) fn keys<'j>(job: &'j Job<'_>, after: Option<&str>) -> BoxStream<'j, Result<String>> {
    let template = &job.place().template;
    let listed = job.store.objects.list(template.prefix(), after);
    listed.map_ok(|listed| listed.key).try_filter(|key| futures::future::ready(template.matches(key))).fuse().boxed()
}

/// Some keys, each as likely as any other.
pub(super) struct Sample;

impl Sample {
    /// Draws a sample in one pass, without knowing how many there are (Vitter's algorithm R).
    pub(super) async fn of(job: &Job<'_>, count: u64) -> Result<Vec<String>> {
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let mut sample: Vec<String> = Vec::new();
        let mut seen = 0;
        let mut keys = keys(job, None);
        while let Some(key) = keys.try_next().await? {
            seen += 1;
            if sample.len() < count {
                sample.push(key);
            } else {
                let at = rand::rng().random_range(0..seen);
                if at < count {
                    sample[at] = key;
                }
            }
        }
        Ok(sample)
    }
}

/// Parts the objects into shards, or waits until somebody else has.
pub(super) async fn part(job: &Job<'_>) -> Result<()> {
    let mut watch = Watch::default();
    let (objects, stale) = (&job.store.objects, job.work.pace.stale);
    loop {
        job.work.go_on()?;
        if job.notes.end().await?.is_some() {
            return Ok(());
        }
        match take(objects, &job.notes.listing(), job.work.worker, stale, Patience::None, &mut watch).await? {
            Taken::By(_) => sleep(stale / 8).await,
            Taken::Held(lease) => {
                let ended = write_down(job, &lease).await?;
                lease.release().await.or_else(|error| if ended { Ok(()) } else { Err(error) })?;
            }
        }
    }
}

/// Writes shards down, from where an earlier one came to; whether it came to the end.
async fn write_down(job: &Job<'_>, lease: &dyn Lock) -> Result<bool> {
    let before = job.notes.shards(0).await?;
    let mut objects: u64 = before.iter().map(|shard| shard.count).sum();
    let mut number = before.last().map_or(0, |shard| shard.number);
    let mut after = before.into_iter().next_back().map(|shard| shard.last);
    let mut keys = keys(job, after.as_deref());
    let most = job.work.pace.shard.get() as u64;
    loop {
        // The first shards are small, since nobody can begin before the first is listed.
        let full = most.min((most / 16).max(1) << number.min(4));
        let mut count = 0;
        let mut last = None;
        while count < full
            && let Some(key) = keys.try_next().await?
        {
            count += 1;
            last = Some(key);
        }
        if !lease.holds() {
            return Ok(false);
        }
        let Some(last) = last else { break };
        number += 1;
        objects += count;
        let shard = Shard { number, after: after.replace(last.clone()), last, count };
        if !job.notes.add(&shard).await? {
            // Somebody took this one for dead, and goes on in its place.
            return Ok(false);
        }
        job.news.notify_waiters();
    }
    job.notes.set_end(number, objects).await?;
    job.news.notify_waiters();
    Ok(true)
}
