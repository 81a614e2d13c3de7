//! What happens during a run, for whoever shows it.

use std::fmt::Debug;
use std::time::Duration;

use crate::lock::Holder;

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A run begins, or goes on where another one died.
    RunStarted {
        /// Its id.
        run: String,
        /// The version in force.
        from: u32,
        /// The version to come to.
        to: u32,
        /// Whether an earlier process had begun it.
        resumed: bool,
    },
    /// Somebody else holds the lock, and this one waits.
    Waiting {
        /// Who.
        holder: Holder,
    },
    /// The lock of somebody who did not show up was taken over.
    TakenOver {
        /// From whom.
        holder: Holder,
    },
    /// A step begins.
    StepStarted {
        /// Its index in the plan.
        step: usize,
        /// How many there are.
        steps: usize,
        /// What it does.
        what: String,
        /// Whether it undoes one.
        undo: bool,
    },
    /// How far a step is; told a few times a second at most.
    Progress(Tally),
    /// A record could not be dealt with.
    Failure(Failure),
    /// The store did not answer as it should, and is asked again.
    Retry {
        /// What was asked for.
        what: String,
        /// Why it did not work.
        reason: String,
        /// Which attempt failed, from 1.
        attempt: u32,
        /// How long until the next.
        wait: Duration,
    },
    /// A step is done.
    StepDone {
        /// Its index in the plan.
        step: usize,
        /// What it did.
        tally: Tally,
    },
    /// The run is over.
    RunDone {
        /// Its id.
        run: String,
        /// The version now in force.
        version: u32,
    },
    /// The run failed, and what it did is being undone.
    Undoing {
        /// Why.
        reason: String,
    },
}

/// Why a record could not be dealt with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The model.
    pub model: String,
    /// The record's key, or the object's where it has none.
    pub key: String,
    /// The kind: `rejected`, `quarantined`, `broken`, `claimed`, `unreadable`, `contradiction`, `unknown-version`.
    pub kind: &'static str,
    /// What is wrong, with its place.
    pub reason: String,
}

/// How many records were dealt with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Records that were looked at.
    pub seen: u64,
    /// Records that were written.
    pub written: u64,
    /// Records that were as they should be.
    pub unchanged: u64,
    /// Records that stay where they are since the target version cannot show them, as their operation wants it.
    pub quarantined: u64,
    /// Records that are in the way.
    pub failed: u64,
    /// Values that were dropped for good.
    pub dropped: u64,
    /// How many records there are in all, as far as it is known.
    pub total: Option<u64>,
    /// Writes that somebody else was faster than, and that were done anew.
    pub conflicts: u64,
}

impl Tally {
    /// Adds another one; what is unknown in one is unknown in the sum.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            seen: self.seen + other.seen,
            written: self.written + other.written,
            unchanged: self.unchanged + other.unchanged,
            quarantined: self.quarantined + other.quarantined,
            failed: self.failed + other.failed,
            dropped: self.dropped + other.dropped,
            total: self.total.zip(other.total).map(|(a, b)| a + b),
            conflicts: self.conflicts + other.conflicts,
        }
    }
}

/// Is told what happens; called from any thread.
pub trait Observer: Send + Sync + Debug {
    /// Takes an event; returns at once.
    fn event(&self, event: Event);
}

/// Listens to nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn event(&self, _: Event) {}
}
