//! Before a step is undone, nobody may be at it any more.

use coeval_store::Result;
use coeval_store::lock::Lock;

use super::execute::Job;
use super::lease::{Lease, Patience, Taken, Watch, take};
use super::shard::{Done, Notes};

/// Waits until no worker of any process is at the forward step any more, and lets none begin: what was not listed never will be,
/// and what was not done counts as done. One that was silent for too long does not count; it knows that, should it wake up.
pub(super) async fn close(job: &Job<'_>) -> Result<()> {
    let Some(own) = job.work.step.strip_prefix("undo-") else { return Ok(()) };
    // A helper that finds a step done goes on with the next one, so all are closed before the first is undone.
    let ledger = job.store.read_ledger().await?;
    let steps = ledger.open().map_or(0, |open| open.steps.len());
    for step in (0..steps).map(|step| step.to_string()).filter(|step| step != own) {
        close_step(job, &step).await?;
    }
    close_step(job, own).await
}

async fn close_step(job: &Job<'_>, step: &str) -> Result<()> {
    let notes = Notes::new(&job.store.objects, job.work.run, step);
    let end = if let Some((shards, _)) = notes.end().await? {
        shards
    } else {
        let lease = wait_for(job, &notes.listing()).await?;
        let shards = notes.shards(0).await?;
        let number = shards.last().map_or(0, |shard| shard.number);
        notes.set_end(number, shards.iter().map(|shard| shard.count).sum()).await?;
        lease.release().await?;
        number
    };
    for number in 1..=end {
        if notes.done(number).await?.is_some() {
            continue;
        }
        let lease = wait_for(job, &notes.claim(number)).await?;
        notes.set_done(number, &Done::default()).await?;
        lease.release().await?;
    }
    Ok(())
}

async fn wait_for(job: &Job<'_>, key: &str) -> Result<Lease> {
    let mut watch = Watch::default();
    loop {
        job.work.go_on()?;
        let (worker, stale) = (job.work.worker, job.work.pace.stale);
        match take(&job.store.objects, key, worker, stale, Patience::UntilKnown, &mut watch).await? {
            Taken::Held(lease) => return Ok(lease),
            Taken::By(_) => tokio::time::sleep(stale / 8).await,
        }
    }
}
