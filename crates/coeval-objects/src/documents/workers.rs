//! The workers of one process: each takes a shard that nobody has, does it, notes that it is done, and takes the next.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use coeval_store::event::Event;
use coeval_store::lock::{Holder, Lock};
use coeval_store::{Error, Result};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::execute::Job;
use super::lease::{Lease, Patience, Taken, Watch, take};
use super::listing;
use super::shard::{Done, Shard};

/// How long a worker waits at first for a shard to become free.
const FIRST: Duration = Duration::from_millis(10);

/// What this process knows of the shards.
#[derive(Debug, Default)]
struct Board {
    shards: Vec<Shard>,
    /// How many there are, once all are listed.
    end: Option<u64>,
    done: HashMap<u64, Done>,
    /// Those that a worker of this process is at.
    mine: HashSet<u64>,
    /// Those that this process did, whose failures were told.
    told: HashSet<u64>,
    watch: Watch,
}

enum Next {
    /// Do this one.
    Shard(Shard, Lease),
    /// All that are free are taken.
    Wait,
    /// All are done.
    End,
}

/// Executes the step together with every other process that does, and returns what was done in all.
pub(super) async fn run(job: &Job<'_>) -> Result<Done> {
    let board = Mutex::new(Board::default());
    let workers = (0..job.work.pace.workers.get()).map(|number| worker(job, number, &board));
    let workers = futures::future::try_join_all(workers);
    futures::future::try_join(listing::part(job), workers).await?;
    let board = board.into_inner();
    let mut all = Done::default();
    for (number, done) in board.done {
        all.tally = all.tally.plus(done.tally);
        if !board.told.contains(&number) {
            for failure in done.failures {
                job.work.observer.event(Event::Failure(failure));
            }
        }
    }
    Ok(all)
}

async fn worker(job: &Job<'_>, number: usize, board: &Mutex<Board>) -> Result<()> {
    // Workers of one process hold leases of their own.
    let holder = Holder { id: format!("{}-{number}", job.work.worker.id), ..job.work.worker.clone() };
    let mut wait = FIRST;
    loop {
        job.work.go_on()?;
        // Listened for before looking, so that nothing that happens in between is missed.
        let news = job.news.notified();
        match next(job, &holder, board).await? {
            Next::End => return Ok(()),
            Next::Wait => {
                // What this process does is told at once; what others do is looked for now and then.
                let _ = timeout(wait, news).await;
                wait = (wait * 2).min(job.work.pace.stale / 8).max(FIRST);
            }
            Next::Shard(shard, lease) => {
                wait = FIRST;
                do_one(job, &shard, &lease, board).await?;
            }
        }
    }
}

async fn do_one(job: &Job<'_>, shard: &Shard, lease: &Lease, board: &Mutex<Board>) -> Result<()> {
    let done = match job.shard(shard, lease).await {
        // This worker was taken for dead; the shard is somebody else's now, and the run goes on.
        Err(Error::LockLost { .. }) if !lease.holds() && job.work.go_on().is_ok() => {
            board.lock().await.mine.remove(&shard.number);
            return Ok(());
        }
        done => done?,
    };
    // What was only looked at, since something is in the way, is not done: whoever carries the run on does it.
    let looked_at = job.is_failing();
    // Where two did it, what the first one noted counts.
    let noted = if looked_at || job.notes.set_done(shard.number, &done).await? {
        Some(done)
    } else {
        job.notes.done(shard.number).await?
    };
    {
        let mut board = board.lock().await;
        board.mine.remove(&shard.number);
        board.told.insert(shard.number);
        board.done.extend(noted.map(|done| (shard.number, done)));
    }
    job.news.notify_waiters();
    match lease.release().await {
        // Whoever took it over finds that it is done.
        Ok(()) | Err(Error::LockLost { .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

async fn next(job: &Job<'_>, holder: &Holder, board: &Mutex<Board>) -> Result<Next> {
    let mut board = board.lock().await;
    let board = &mut *board;
    if board.end.is_none_or(|end| (board.shards.len() as u64) < end) {
        let end = job.notes.end().await?;
        let known = board.shards.last().map_or(0, |shard| shard.number);
        board.shards.extend(job.notes.shards(known).await?);
        if let Some((shards, objects)) = end {
            board.end = Some(shards);
            job.total(objects);
        }
    }
    for shard in &board.shards {
        if board.done.contains_key(&shard.number) || board.mine.contains(&shard.number) {
            continue;
        }
        if let Some(done) = job.notes.done(shard.number).await? {
            job.tell(Some(done.tally));
            board.done.insert(shard.number, done);
            continue;
        }
        let claim = job.notes.claim(shard.number);
        let taken = take(&job.store.objects, &claim, holder, job.work.pace.stale, Patience::None, &mut board.watch).await?;
        let Taken::Held(lease) = taken else { continue };
        // It may have been done between the two looks.
        if let Some(done) = job.notes.done(shard.number).await? {
            board.done.insert(shard.number, done);
            lease.release().await.or_else(|error| if matches!(error, Error::LockLost { .. }) { Ok(()) } else { Err(error) })?;
            continue;
        }
        board.mine.insert(shard.number);
        return Ok(Next::Shard(shard.clone(), lease));
    }
    let all = board.end.is_some_and(|end| board.done.len() as u64 == end);
    Ok(if all { Next::End } else { Next::Wait })
}
