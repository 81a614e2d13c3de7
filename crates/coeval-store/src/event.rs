//! What happens during a run, for whoever shows it.

use std::fmt::Debug;
use std::time::Duration;

use coeval_core::decode::required;
use coeval_core::{Invalid, Object};

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
    /// The kind: `rejected`, `quarantined`, `repaired`, `broken`, `claimed`, `unreadable`, `contradiction`, `unknown-version`.
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
    /// Returns the counts with their names, as they are written down; not the total, which is only known under way.
    pub const fn counts(&self) -> [(&'static str, u64); 7] {
        [
            ("seen", self.seen),
            ("written", self.written),
            ("unchanged", self.unchanged),
            ("quarantined", self.quarantined),
            ("failed", self.failed),
            ("dropped", self.dropped),
            ("conflicts", self.conflicts),
        ]
    }

    /// Adds the counts to an object.
    pub fn write(&self, out: &mut Object) {
        for (name, count) in self.counts() {
            out.insert(name, i64::try_from(count).unwrap_or(i64::MAX).into());
        }
    }

    /// Reads what [`Tally::write`] wrote.
    ///
    /// # Errors
    /// A count that is missing, or none.
    pub fn read(object: &Object) -> Result<Self, Invalid> {
        let count = |name: &str| {
            let number = required(object, name)?.as_i64().and_then(|n| u64::try_from(n).ok());
            number.ok_or_else(|| Invalid::new("expected a count").beneath(name))
        };
        Ok(Self {
            seen: count("seen")?,
            written: count("written")?,
            unchanged: count("unchanged")?,
            quarantined: count("quarantined")?,
            failed: count("failed")?,
            dropped: count("dropped")?,
            total: None,
            conflicts: count("conflicts")?,
        })
    }

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
