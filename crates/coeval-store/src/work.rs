//! What a backend is given beside a step: for which run, how fast, and who wants to know.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::event::Observer;
use crate::lock::Lock;

/// How a run goes about its work.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pace {
    /// How many records are read, converted or written at the same time, in this process.
    pub concurrency: NonZeroUsize,
    /// How many shards are worked on at the same time, in this process; they share its concurrency.
    pub workers: NonZeroUsize,
    /// How many records a second are written at most, in this process.
    pub rate: Option<f64>,
    /// How many records a worker takes on at once.
    pub shard: NonZeroUsize,
    /// After how long without a sign of life a worker or a holder of the lock is taken for dead.
    pub stale: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        let some = |n: usize| NonZeroUsize::new(n).unwrap_or(NonZeroUsize::MIN);
        Self { concurrency: some(32), workers: some(2), rate: None, shard: some(5000), stale: Duration::from_secs(15) }
    }
}

/// What becomes of a record that the target version cannot show and whose operation says `reject`, or that is broken where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Policy {
    /// The run refuses, and what it did is undone.
    #[default]
    Reject,
    /// The record stays as it is, and is counted.
    Quarantine,
}

/// How much of the work is done for real.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Mode {
    /// All of it.
    #[default]
    Write,
    /// Every record is read and converted, none is written. At most this many, spread over the whole; all where it is `None`.
    Try(Option<u64>),
}

/// Tells work to stop, from any thread. Work that was stopped can be resumed.
#[derive(Debug, Clone, Default)]
pub struct Stop {
    told: Arc<AtomicBool>,
    whole: Option<Arc<Self>>,
}

impl Stop {
    /// Returns one for a part of the work: it stops with the whole, and can be stopped alone.
    #[must_use]
    pub fn part(&self) -> Self {
        Self { told: Arc::default(), whole: Some(Arc::new(self.clone())) }
    }

    /// Tells it to stop.
    pub fn stop(&self) {
        self.told.store(true, Ordering::Relaxed);
    }

    /// Returns whether it was told to.
    pub fn is_stopped(&self) -> bool {
        self.told.load(Ordering::Relaxed) || self.whole.as_ref().is_some_and(|whole| whole.is_stopped())
    }
}

/// For which run a step is executed, and how.
#[derive(Debug, Clone, Copy)]
pub struct Work<'w> {
    /// The run's id.
    pub run: &'w str,
    /// The step's name within the run, for what the backend notes about it: its index, or another where it is undone.
    pub step: &'w str,
    /// Who does it; for claims of shards.
    pub worker: &'w crate::lock::Holder,
    /// The run's lock, which is asked before every write; `None` for one who helps with a run that somebody else holds.
    pub lock: Option<&'w dyn Lock>,
    /// How fast.
    pub pace: &'w Pace,
    /// What becomes of records that are in the way.
    pub policy: Policy,
    /// Whether it is done for real.
    pub mode: Mode,
    /// Whether it undoes what the run did: records go back to where each came from.
    pub undo: bool,
    /// Who wants to know.
    pub observer: &'w dyn Observer,
    /// Whether it should stop.
    pub stop: &'w Stop,
}

impl Work<'_> {
    /// Returns whether the work may go on.
    ///
    /// # Errors
    /// [`crate::Error::Stopped`] and [`crate::Error::LockLost`].
    pub fn go_on(&self) -> crate::Result<()> {
        if self.stop.is_stopped() {
            return Err(crate::Error::Stopped);
        }
        if self.lock.is_some_and(|lock| !lock.holds()) {
            return Err(crate::Error::LockLost { by: None });
        }
        Ok(())
    }
}
