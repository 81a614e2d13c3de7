//! The trait of all backends.

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::time::Duration;

use async_trait::async_trait;
use coeval_plan::found::Difference;
use coeval_plan::{Capabilities, Step};

use crate::catalog::Catalog;
use crate::error::Result;
use crate::event::Tally;
use crate::ledger::{Entry, Ledger};
use crate::lock::{Holder, Lock};
use crate::records::Records;
use crate::work::Work;

/// How closely a store is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survey {
    /// Records are counted, by the version they are stored at.
    Count,
    /// And read at every live version: what does not fit is told.
    Verify,
    /// And the laws are checked on each: there and back, writing back what was read.
    Laws,
}

/// What was found out about the records of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// How many records there are.
    pub records: u64,
    /// How many are stored at each version.
    pub stored: BTreeMap<u32, u64>,
    /// How many each live version cannot show.
    pub quarantined: BTreeMap<u32, u64>,
    /// How many laws were checked, and held.
    pub laws: u64,
    /// How many problems were told to the observer.
    pub problems: u64,
}

/// A difference between the schema of a store and what it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drift {
    /// The model.
    pub model: String,
    /// What differs, what it should be, and what it is.
    pub difference: Difference,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.model, self.difference)
    }
}

/// A store of records of some models, opened with their [`Catalog`].
#[async_trait]
pub trait Backend: Debug + Send + Sync {
    /// Returns how people call it: its address without secrets.
    fn name(&self) -> String;

    /// Returns what it can do.
    fn capabilities(&self) -> Capabilities;

    /// Returns the models that it was opened with.
    fn catalog(&self) -> &Catalog;

    /// Tries whether the store is fit for coordination: whether exactly one of several that write at once is told that it won.
    ///
    /// # Errors
    /// [`crate::Error::Unsupported`] with the reason.
    async fn probe(&self) -> Result<()>;

    /// Reads what happened to the store.
    ///
    /// # Errors
    /// [`crate::Error::Unreadable`]; nothing may be written then.
    async fn ledger(&self) -> Result<Ledger>;

    /// Adds an entry, if no other entry has its number.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] where one has.
    async fn append(&self, entry: &Entry) -> Result<()>;

    /// Takes the lock, if nobody holds it or its holder has not shown up for `stale`. Does not wait for a living holder; to find
    /// out whether one lives takes up to `stale`.
    ///
    /// # Errors
    /// [`crate::Error::Locked`].
    async fn lock(&self, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>>;

    /// Returns who holds the lock, dead or alive.
    async fn holder(&self) -> Result<Option<Holder>>;

    /// Looks whether what the store has of its own leaves room for what versions need, before a run begins that brings it from one to a
    /// later one. Nothing is changed.
    ///
    /// # Errors
    /// What is in the way.
    async fn room(&self, _from: u32, _to: u32) -> Result<()> {
        Ok(())
    }

    /// Executes a step, or what is left of it. Several processes may execute the same step of one run at the same time; all come
    /// back when it is done, with what was done in all.
    ///
    /// A step that undoes ([`Work::undo`]) first waits until no other worker is at a step of the same run that is not undone: one
    /// that has not shown up for `stale` is not.
    ///
    /// # Errors
    /// [`crate::Error::Records`] where records are in the way, after all of them were told to the observer. Where nothing is
    /// written ([`crate::work::Mode::Try`]) it is no error: the tally counts them.
    async fn execute(&self, step: &Step, work: &Work<'_>) -> Result<Tally>;

    /// Executes the first of the steps that are left, and with it those next to it that the backend does at one go, as changes of
    /// one table are. Returns a tally for each step that was executed, in order, so at least one. The work's step is the first.
    ///
    /// # Errors
    /// As [`Backend::execute`]; none of the steps need have come to its end.
    async fn execute_next(&self, steps: &[Step], work: &Work<'_>) -> Result<Vec<Tally>> {
        match steps.first() {
            Some(step) => Ok(vec![self.execute(step, work).await?]),
            None => Ok(Vec::new()),
        }
    }

    /// Returns whether anything of a step of a run may have been done that is still there. Asked for
    /// [`Step::Standalone`] only, which is done at most once, so that what was not begun is not undone.
    ///
    /// # Errors
    /// What cannot be read.
    async fn begun(&self, _run: &str, _step: &str) -> Result<bool> {
        Ok(true)
    }

    /// Returns the statements that a step would execute now, as text for people; none where the store has no such language.
    ///
    /// # Errors
    /// What cannot be rendered.
    async fn script(&self, _step: &Step) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Returns what people should know of how the store does a step, in words; none where the step says it all.
    ///
    /// # Errors
    /// What cannot be rendered.
    async fn remarks(&self, _step: &Step) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Compares the schema of the store with what the versions that it came to make of it; nothing where it has no schema.
    ///
    /// # Errors
    /// What keeps it from being read.
    async fn drift(&self) -> Result<Vec<Drift>> {
        Ok(Vec::new())
    }

    /// Removes what was noted about a run that is over, beside the ledger.
    async fn tidy(&self, run: &str) -> Result<()>;

    /// Looks at the records of a model, without a change. Problems are told to the observer as failures.
    async fn inspect(&self, model: &str, survey: Survey, sample: Option<u64>, work: &Work<'_>) -> Result<Inspection>;

    /// Returns the records, to read and write.
    fn records(&self) -> &dyn Records;
}
