//! What happened to a store: entries that are only ever added, and what follows from them.
//!
//! Each entry has a number and is created only if no other entry has it. Whoever believes that the last entry is the fourth, and
//! creates the fifth, is told when somebody else already did.

mod entry;

pub use entry::{Action, Entry, Happened, Started, VersionId};

use coeval_plan::Step;
use coeval_plan::standalone::Applied;

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
            (Happened::Finished { run, .. } | Happened::Undoing { run, .. } | Happened::Undone { run, .. }, open)
                if open.is_none_or(|open| open.run != *run) =>
            {
                return Err(unreadable(format!("run {run} was never started")));
            }
            (Happened::Finished { run, .. } | Happened::Undoing { run, .. }, _) if self.undoing().is_some() => {
                return Err(unreadable(format!("run {run} is being undone")));
            }
            (
                Happened::Started(_)
                | Happened::Finished { .. }
                | Happened::Undoing { .. }
                | Happened::Undone { .. }
                | Happened::Adopted { .. },
                _,
            ) => {}
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
            Happened::Undoing { run, .. } => self.started(run),
            Happened::Finished { .. } | Happened::Undone { .. } | Happened::Adopted { .. } => None,
        }
    }

    /// Returns why the open run is being undone; `None` where it is not.
    pub fn undoing(&self) -> Option<&str> {
        match &self.entries.last()?.happened {
            Happened::Undoing { reason, .. } => Some(reason),
            _ => None,
        }
    }

    fn started(&self, run: &str) -> Option<&Started> {
        self.entries.iter().rev().find_map(|entry| match &entry.happened {
            Happened::Started(started) if started.run == run => Some(started),
            _ => None,
        })
    }

    fn was_undone(&self, run: &str) -> bool {
        self.entries.iter().any(|entry| matches!(&entry.happened, Happened::Undone { run: undone, .. } if undone == run))
    }

    /// Returns the version in force: what the last finished run came to. `None` before the first.
    pub fn in_force(&self) -> Option<u32> {
        let last = self.entries.iter().rev().find_map(|entry| match &entry.happened {
            Happened::Finished { run, .. } => self.started(run).map(|started| started.to),
            Happened::Adopted { version, .. } => Some(*version),
            _ => None,
        });
        // A rollback of the first migration leads to none.
        last.filter(|version| *version > 0)
    }

    /// Returns the version that the tables of a store were made for: that of the last migration, until a rollback that takes
    /// more away than views.
    pub fn made(&self) -> u32 {
        self.entries.iter().fold(0, |made, entry| match &entry.happened {
            Happened::Finished { run, .. } => match self.started(run) {
                Some(Started { action: Action::Migrate, to, .. }) => made.max(*to),
                Some(Started { action: Action::Rollback, to, steps, .. }) if is_warm(steps) => made.max(*to),
                // It took back standalone migrations, and no version.
                Some(Started { action: Action::Rollback, from, to, .. }) if from == to => made,
                Some(Started { action: Action::Rollback, to, .. }) => *to,
                Some(Started { action: Action::Retire { .. }, .. }) | None => made,
            },
            Happened::Adopted { version, .. } => made.max(*version),
            Happened::Started(_) | Happened::Undoing { .. } | Happened::Undone { .. } => made,
        })
    }

    /// Returns the standalone migrations that are applied, in the order in which they were, each with the run that did: those of
    /// finished migrations, without those that a finished rollback took back.
    pub fn standalone(&self) -> Vec<(&Started, Applied)> {
        let mut out: Vec<(&Started, Applied)> = Vec::new();
        for started in self.finished() {
            for step in &started.steps {
                let Step::Standalone { id, digest, back, .. } = step else { continue };
                out.retain(|(_, applied)| applied.id != *id);
                if !back {
                    out.push((started, Applied { id: id.clone(), digest: digest.clone() }));
                }
            }
        }
        out
    }

    /// Returns the runs that came to their end, oldest first.
    pub fn finished(&self) -> impl DoubleEndedIterator<Item = &Started> {
        self.entries.iter().filter_map(|entry| match &entry.happened {
            Happened::Finished { run, .. } => self.started(run),
            Happened::Started(_) | Happened::Undoing { .. } | Happened::Undone { .. } | Happened::Adopted { .. } => None,
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

    /// Returns without an error if clients may use a version.
    ///
    /// # Errors
    /// [`Error::Unknown`]: the store has not come to it, or it was retired.
    pub fn admit(&self, version: u32) -> Result<()> {
        let unknown = |message: String, help: String| Err(Error::Unknown { message, help: Some(help) });
        match self.newest() {
            None | Some(0) => unknown(
                format!("the store has not come to version {version}"),
                "no version is in force yet: migrate it".to_owned(),
            ),
            Some(newest) if version > newest => {
                let help = format!("the newest version that clients may use is {newest}; migrate it");
                unknown(format!("the store has not come to version {version}"), help)
            }
            Some(_) if version < self.oldest() => {
                unknown(format!("version {version} was retired"), format!("the oldest version is {}", self.oldest()))
            }
            Some(_) => Ok(()),
        }
    }

    /// Returns the version of records of a model that carry none, where another tool's history said so.
    pub fn adopted(&self, model: &str) -> Option<u32> {
        self.entries.iter().rev().find_map(|entry| match &entry.happened {
            Happened::Adopted { models, .. } => models.iter().find(|(name, _)| name == model).map(|(_, version)| *version),
            _ => None,
        })
    }

    /// Returns the ids of the versions that this store came to, by number: the last said of each. What a run that was undone would
    /// have come to has left no trace in any record, and is not among them.
    pub fn versions(&self) -> Vec<VersionId> {
        let mut versions: Vec<VersionId> = Vec::new();
        for entry in &self.entries {
            let (said, up_to) = match &entry.happened {
                Happened::Started(started) if self.was_undone(&started.run) => (&started.versions, started.from),
                Happened::Started(Started { versions, .. }) | Happened::Adopted { versions, .. } => (versions, u32::MAX),
                Happened::Finished { .. } | Happened::Undoing { .. } | Happened::Undone { .. } => continue,
            };
            for version in said.iter().filter(|version| version.number <= up_to) {
                match versions.iter_mut().find(|known| known.number == version.number) {
                    Some(known) => known.id.clone_from(&version.id),
                    None => versions.push(version.clone()),
                }
            }
        }
        versions
    }

    /// Returns what the last finished run that did something for a model counted in all of its steps. Acts on a schema have no count
    /// of records, and leave that of the others as it is.
    pub fn tally(&self, model: &str) -> Option<Tally> {
        self.entries.iter().rev().find_map(|entry| match &entry.happened {
            Happened::Finished { run, tallies, .. } => {
                let steps = self.started(run)?.steps.iter().zip(tallies);
                let of_model = steps.filter(|(step, _)| step.model() == model).map(|(_, tally)| *tally);
                let add = |sum: Tally, next: Tally| {
                    let total = sum.total.zip(next.total).map(|(a, b)| a + b).or(sum.total).or(next.total);
                    Tally { total, ..sum.plus(next) }
                };
                of_model.reduce(add)
            }
            Happened::Started(_) | Happened::Adopted { .. } | Happened::Undoing { .. } | Happened::Undone { .. } => None,
        })
    }
}

/// Whether a rollback only takes versions away from clients.
fn is_warm(steps: &[Step]) -> bool {
    !steps.is_empty() && steps.iter().all(|step| matches!(step, Step::DropViews { .. }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::work::Policy;

    #[test]
    fn the_tally_of_a_model_is_that_of_all_its_steps() {
        let add = |model: &str| Step::DropNotNull { model: model.to_owned(), column: "a".to_owned() };
        let started = Started {
            run: "r".to_owned(),
            action: Action::Migrate,
            from: 1,
            to: 2,
            steps: vec![add("order"), add("order"), add("item"), add("order")],
            policy: Policy::Quarantine,
            versions: Vec::new(),
        };
        let counted = |seen, total| Tally { seen, written: seen, total, ..Tally::default() };
        let tallies = vec![Tally::default(), counted(7, Some(7)), counted(100, None), counted(3, None)];
        let entry = |number, happened| Entry { number, at: String::new(), by: "test".to_owned(), happened };
        let happened = [Happened::Started(started), Happened::Finished { run: "r".to_owned(), tallies }];
        let ledger = Ledger::new((1..).zip(happened).map(|(number, happened)| entry(number, happened)).collect()).unwrap();
        assert_eq!(ledger.tally("order"), Some(counted(10, Some(7))));
        assert_eq!(ledger.tally("item"), Some(counted(100, None)));
        assert_eq!(ledger.tally("unknown"), None);
    }
}
