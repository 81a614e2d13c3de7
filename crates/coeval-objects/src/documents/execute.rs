//! Executes a step: every object of a model is read, converted, and written on the condition that nobody else wrote it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use coeval_core::document::Format;
use coeval_plan::RecordStep;
use coeval_store::event::{Event, Failure, Tally};
use coeval_store::lock::Lock;
use coeval_store::objects::{Condition, Object};
use coeval_store::work::{Mode, Policy, Work};
use coeval_store::{Catalog, Error, Result};
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};

use super::convert::{Converted, Goal, Order, Subject, convert};
use super::limit::Limiter;
use super::listing::{self, Sample};
use super::shard::{Done, Notes, Shard};
use super::workers;
use super::{Documents, Place, STAMP, barrier, revision};

/// How many bytes of objects are in memory at the same time, in units that a semaphore counts.
const UNIT: u64 = 64 << 10;
const UNITS: u32 = 1024;

/// How often progress is told at most.
const TOLD: Duration = Duration::from_millis(200);

/// A step, with all that executing it takes.
pub(super) struct Job<'w> {
    pub(super) store: &'w Documents,
    pub(super) work: &'w Work<'w>,
    pub(super) notes: Notes,
    place: Arc<Place>,
    catalog: Arc<Catalog>,
    /// A version of the era that the records are of.
    version: u32,
    format: Arc<Format>,
    goal: Goal,
    limiter: Limiter,
    memory: Arc<Semaphore>,
    /// How many records may be under way: all shards of this process share them, so that the last one has them for itself.
    turns: Semaphore,
    /// Told to the workers of this process: a shard was listed, or is done.
    pub(super) news: Notify,
    /// Set where a record is in the way: the rest is only looked at, since all will be undone.
    failing: AtomicBool,
    progress: Mutex<(Tally, Option<Instant>)>,
}

pub(super) async fn execute(store: &Documents, step: RecordStep<'_>, work: &Work<'_>) -> Result<Tally> {
    let Some(job) = Job::new(store, step, work).await? else { return Ok(Tally::default()) };
    let done = match work.mode {
        Mode::Try(sample) => {
            let keys: BoxStream<'_, Result<String>> = match sample {
                None => listing::keys(&job, None),
                Some(count) => futures::stream::iter(Sample::of(&job, count).await?.into_iter().map(Ok)).boxed(),
            };
            job.objects(keys, None).await?
        }
        Mode::Write => {
            if work.undo {
                barrier::close(&job).await?;
            }
            workers::run(&job).await?
        }
    };
    job.tell(None);
    // A trial is told what it found; a run is stopped by it.
    if done.tally.failed > 0 && work.mode == Mode::Write {
        return Err(Error::Records { count: done.tally.failed });
    }
    Ok(done.tally)
}

impl<'w> Job<'w> {
    /// Returns `None` where there is nothing to do: the model is at neither version of the step.
    pub(super) async fn new(store: &'w Documents, step: RecordStep<'_>, work: &'w Work<'w>) -> Result<Option<Self>> {
        let place = store.place(step.model())?;
        let ledger = store.read_ledger().await?;
        let retiring = if let RecordStep::Forget { before, .. } = step { before } else { 1 };
        let oldest = ledger.oldest().max(retiring);
        let catalog = store.live(oldest);
        let entry = catalog.model(step.model())?;
        let (era, version) = match step {
            RecordStep::Move { from, to, .. } => {
                let Some(version) = [to, from].into_iter().find(|version| entry.era(*version).is_some()) else {
                    return Ok(None);
                };
                (catalog.era(step.model(), version)?, version)
            }
            RecordStep::Forget { to, .. } => match entry.era(to) {
                Some(era) => (era, to),
                None => return Ok(None),
            },
        };
        let shape = |version: u32| {
            let shape = era.shape(place.stored_at(version, oldest));
            shape.unwrap_or(era.first)
        };
        let goal = match step {
            RecordStep::Move { from, to, .. } if work.undo => Goal::Undo { at: shape(from), home: shape(to) },
            RecordStep::Move { from, to, .. } => Goal::Move { home: shape(from), to: shape(to) },
            // What is pinned to a version that retires is pinned to the oldest that stays.
            RecordStep::Forget { to, .. } => Goal::Forget { to: shape(to) },
        };
        Ok(Some(Self {
            store,
            work,
            notes: Notes::new(&store.objects, work.run, work.step),
            place: Arc::new(place.clone()),
            version,
            catalog: Arc::clone(&catalog),
            format: Arc::new(place.format(&ledger)),
            goal,
            limiter: Limiter::new(work.pace.rate),
            memory: Arc::new(Semaphore::new(UNITS as usize)),
            turns: Semaphore::new(work.pace.concurrency.get()),
            news: Notify::new(),
            failing: AtomicBool::new(false),
            progress: Mutex::default(),
        }))
    }

    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    /// Does a shard, as long as its lease is held.
    pub(super) async fn shard(&self, shard: &Shard, lease: &dyn Lock) -> Result<Done> {
        let keys = listing::keys(self, shard.after.as_deref());
        let within = keys.try_take_while(|key| futures::future::ready(Ok(*key <= shard.last)));
        self.objects(within.boxed(), Some(lease)).await
    }

    /// Does some objects, several at the same time.
    async fn objects(&self, keys: BoxStream<'_, Result<String>>, lease: Option<&dyn Lock>) -> Result<Done> {
        let each = keys.map(|key| async {
            // The semaphore is never closed.
            let _turn = self.turns.acquire().await;
            self.object(key?, lease).await
        });
        let each = each.buffer_unordered(self.work.pace.concurrency.get());
        let mut done = Done::default();
        let mut each = std::pin::pin!(each);
        while let Some(mut one) = each.try_next().await? {
            for failure in &one.failures {
                self.work.observer.event(Event::Failure(failure.clone()));
            }
            done.tally = done.tally.plus(one.tally);
            done.failures.append(&mut one.failures);
            self.tell(Some(one.tally));
        }
        Ok(done)
    }

    /// Adds to what is told of the progress, and tells it if it is time; without a tally, in any case.
    pub(super) fn tell(&self, tally: Option<Tally>) {
        let told = {
            let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
            let total = progress.0.total;
            progress.0 = progress.0.plus(tally.unwrap_or_default());
            progress.0.total = total;
            let due = tally.is_none() || progress.1.is_none_or(|told| told.elapsed() >= TOLD);
            if due {
                progress.1 = Some(Instant::now());
            }
            due.then_some(progress.0)
        };
        if let Some(tally) = told {
            self.work.observer.event(Event::Progress(tally));
        }
    }

    /// Whether a record is in the way, so that the rest is only looked at.
    pub(super) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed) && !self.work.undo
    }

    /// Notes how many records there are.
    pub(super) fn total(&self, objects: u64) {
        if !self.place.template.lines {
            self.progress.lock().unwrap_or_else(PoisonError::into_inner).0.total = Some(objects);
        }
    }

    /// Does one object.
    async fn object(&self, key: String, lease: Option<&dyn Lock>) -> Result<Done> {
        let mut conflicts = 0_u32;
        loop {
            self.go_on(lease)?;
            let Some((object, mut converted, _memory)) = self.read(&key).await? else { return Ok(Done::default()) };
            converted.tally.conflicts = u64::from(conflicts);
            if converted.tally.failed > 0 {
                self.failing.store(true, Ordering::Relaxed);
            }
            let done = |tally: Tally, failures: Vec<Failure>| Ok(Done { tally, failures });
            let Some(bytes) = converted.bytes.take() else { return done(converted.tally, converted.failures) };
            if self.work.mode != Mode::Write {
                return done(converted.tally, converted.failures);
            }
            if self.is_failing() {
                let tally = Tally { written: 0, dropped: 0, ..converted.tally };
                return done(tally, converted.failures);
            }
            self.limiter.wait().await;
            match self.write(&key, &object, bytes, converted.version, lease).await {
                Ok(()) => return done(converted.tally, converted.failures),
                Err(Error::Conflict { .. }) => {
                    conflicts += 1;
                    if conflicts.is_multiple_of(16) {
                        let (what, reason) = (format!("writing {key}"), "others write it all the time".to_owned());
                        self.work.observer.event(Event::Retry { what, reason, attempt: conflicts, wait: Duration::ZERO });
                    }
                    sleep(Duration::from_millis(u64::from(conflicts.min(6)).pow(3))).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Refuses to go on where the run or its shard belongs to somebody else by now.
    fn go_on(&self, lease: Option<&dyn Lock>) -> Result<()> {
        self.work.go_on()?;
        if lease.is_some_and(|lease| !lease.holds()) { Err(Error::LockLost { by: None }) } else { Ok(()) }
    }

    async fn write(
        &self,
        key: &str,
        object: &Object,
        bytes: Vec<u8>,
        version: Option<u32>,
        lease: Option<&dyn Lock>,
    ) -> Result<()> {
        let mut attributes = object.attributes.clone();
        let mut bytes = bytes;
        if self.place.revisions {
            let by = match self.goal {
                Goal::Move { home, to } if to < home => "rollback",
                Goal::Move { .. } => "migrate",
                Goal::Undo { .. } => "undo",
                Goal::Forget { .. } => "retire",
            };
            bytes = revision::record(self.store, &self.place, key, Some(object), bytes, by).await?;
        }
        if let Some(version) = version.filter(|_| self.store.objects.capabilities().metadata) {
            attributes.metadata.insert(STAMP.to_owned(), version.to_string());
        }
        // The last look before the write: a process that slept through its lease must not write. A write that is repeated may
        // take minutes; it is asked again and again, and before the write is, since both may wake up at once.
        let condition = Condition::Unchanged(object.token.clone());
        let write = self.store.objects.put(key, Bytes::from(bytes), &attributes, &condition);
        tokio::pin!(write);
        loop {
            self.go_on(lease)?;
            tokio::select! {
                biased;
                () = sleep(self.work.pace.stale / 16) => {}
                written = &mut write => return written.map(drop),
            }
        }
    }

    /// Reads an object and converts it, on another thread where there is one. What is returned beside them is its share of the memory.
    async fn read(&self, key: &str) -> Result<Option<(Object, Converted, Option<OwnedSemaphorePermit>)>> {
        let (place, catalog, format) = (Arc::clone(&self.place), Arc::clone(&self.catalog), Arc::clone(&self.format));
        let (key, objects, memory) = (key.to_owned(), Arc::clone(&self.store.objects), Arc::clone(&self.memory));
        // What cannot go back stays, and is told: somebody else edited it since.
        let policy = if self.work.undo { Policy::Quarantine } else { self.work.policy };
        let (goal, version, run) = (self.goal, self.version, self.work.run.to_owned());
        let read = tokio::spawn(async move {
            let Some(object) = objects.get(&key).await? else { return Ok(None) };
            let units = u32::try_from(object.bytes.len() as u64 / UNIT + 1).unwrap_or(UNITS).min(UNITS);
            // The semaphore is never closed.
            let share = memory.acquire_many_owned(units).await.ok();
            let era = catalog.era(&place.model, version)?;
            let subject = Subject { model: &place.model, template: &place.template, format: &format, era, catalog: &catalog };
            let order = Order { goal, policy, run: &run };
            let converted = convert(&subject, &order, &key, &object.bytes, stamp(&object));
            Ok(Some((object, converted, share)))
        });
        read.await.map_err(|error| Error::failed("converting a record", error.to_string()))?
    }
}

/// Returns the version that an object's metadata says.
pub(super) fn stamp(object: &Object) -> Option<u32> {
    object.attributes.metadata.get(STAMP)?.parse().ok()
}
