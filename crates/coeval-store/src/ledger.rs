//! What happened to a store: entries that are only ever added, and what follows from them.
//!
//! Each entry has a number and is created only if no other entry has it. Whoever believes that the last entry is the fourth, and
//! creates the fifth, is told when somebody else already did.

mod entry;

pub use entry::{Action, Entry, Happened, Started, VersionId};

use crate::error::{Error, Result};
use crate::event::Tally;

/// The entries of a store, in order, and what they add up to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ledger {
    entries: Vec<Entry>,
}

impl Ledger {
    /// Takes entries in order.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where one is missing, or follows what it cannot follow.
    pub fn new(entries: Vec<Entry>) -> Result<Self> {
        let mut ledger = Self::default();
        for entry in entries {
            ledger.push(entry)?;
        }
        Ok(ledger)
    }

    /// Adds the next entry.
    ///
    /// # Errors
    /// As [`Ledger::new`].
    pub fn push(&mut self, entry: Entry) -> Result<()> {
        let unreadable =
            |reason: String| Error::Unreadable { what: format!("history entry {}", entry.number), reason, newer: false };
        let next = self.next();
        if entry.number != next {
            return Err(unreadable(format!("entry {next} is missing")));
        }
        match (&entry.happened, self.open()) {
            (Happened::Started(_) | Happened::Adopted { .. }, Some(open)) => {
                return Err(unreadable(format!("run {} was never ended", open.run)));
            }
            (Happened::Finished { run, .. } | Happened::Undone { run, .. }, open) if open.is_none_or(|open| open.run != *run) => {
                return Err(unreadable(format!("run {run} was never started")));
            }
            _ => {}
        }
        self.entries.push(entry);
        Ok(())
    }

    /// Returns the entries.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// Returns the number of the next entry.
    pub fn next(&self) -> u64 {
        self.entries.last().map_or(1, |last| last.number + 1)
    }

    /// Returns the run that was started and neither finished nor undone.
    pub fn open(&self) -> Option<&Started> {
        match &self.entries.last()?.happened {
            Happened::Started(started) => Some(started),
            _ => None,
        }
    }

    fn started(&self, run: &str) -> Option<&Started> {
        self.entries.iter().rev().find_map(|entry| match &entry.happened {
            Happened::Started(started) if started.run == run => Some(started),
            _ => None,
        })
    }

    /// Returns the version in force: what the last finished run came to. `None` before the first.
    pub fn in_force(&self) -> Option<u32> {
        self.entries.iter().rev().find_map(|entry| match &entry.happened {
            Happened::Finished { run, .. } => self.started(run).map(|started| started.to),
            Happened::Adopted { version, .. } => Some(*version),
            _ => None,
        })
    }

    /// Returns the oldest version that was not retired. What is being retired is not offered any more.
    pub fn oldest(&self) -> u32 {
        let before = self.entries.iter().filter_map(|entry| match &entry.happened {
            Happened::Started(Started { action: Action::Retire { before }, .. }) => Some(*before),
            _ => None,
        });
        before.max().unwrap_or(1)
    }

    /// Returns the newest version that clients may use. What is being rolled back is not offered any more, and what is being
    /// migrated to not yet.
    pub fn newest(&self) -> Option<u32> {
        let in_force = self.in_force()?;
        Some(self.open().map_or(in_force, |open| in_force.min(open.to)))
    }

    /// Returns the version of records of a model that carry none, where another tool's history said so.
    pub fn adopted(&self, model: &str) -> Option<u32> {
        self.entries.iter().rev().find_map(|entry| match &entry.happened {
            Happened::Adopted { models, .. } => models.iter().find(|(name, _)| name == model).map(|(_, version)| *version),
            _ => None,
        })
    }

    /// Returns the ids of the versions that this store came to, by number: the last said of each.
    pub fn versions(&self) -> Vec<VersionId> {
        let mut versions: Vec<VersionId> = Vec::new();
        for entry in &self.entries {
            let (Happened::Started(Started { versions: said, .. }) | Happened::Adopted { versions: said, .. }) = &entry.happened
            else {
                continue;
            };
            for version in said {
                match versions.iter_mut().find(|known| known.number == version.number) {
                    Some(known) => known.id.clone_from(&version.id),
                    None => versions.push(version.clone()),
                }
            }
        }
        versions
    }

    /// Returns what the last finished run counted for a model.
    pub fn tally(&self, model: &str) -> Option<Tally> {
        self.entries.iter().rev().find_map(|entry| match &entry.happened {
            Happened::Finished { run, tallies, .. } => {
                let started = self.started(run)?;
                let at = started.steps.iter().position(|step| step.model() == model)?;
                tallies.get(at).copied()
            }
            _ => None,
        })
    }
}
