//! A store in memory: the rules of a backend, told as plainly as they can be. Others are compared with it.
//!
//! It lives as long as something holds it. Several handles on one store ([`MemoryBackend::another`]) stand for several processes;
//! each can be made to fail or to die at a chosen change ([`MemoryBackend::strike`]).

mod convert;
mod fault;
mod inspect;
mod lock;
mod records;
mod step;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coeval_core::json::Style;
use coeval_core::lens::Stored;
use coeval_plan::{Capabilities, Step};

pub use fault::Fault;

use crate::backend::{Backend, Inspection, Survey};
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::event::Tally;
use crate::ledger::{Entry, Ledger};
use crate::lock::{Holder, Lock};
use crate::records::{Key, Records, Revision};
use crate::work::Work;
use fault::Process;

/// A record's place: its model, the first version of its era, and its key.
type Place = (String, u32, Key);

/// One process's handle on a store in memory.
#[derive(Debug)]
pub struct MemoryBackend {
    catalog: Arc<Catalog>,
    data: Arc<Mutex<Data>>,
    process: Arc<Process>,
}

/// What the store holds.
#[derive(Debug, Default)]
struct Data {
    records: BTreeMap<Place, Record>,
    revisions: BTreeMap<Place, Vec<(Revision, Record)>>,
    ledger: Vec<Entry>,
    unreadable: Option<Error>,
    lock: lock::Slot,
    steps: BTreeMap<(String, String), step::Notes>,
    /// At which version each record was that a run moved, by run.
    origins: BTreeMap<String, BTreeMap<Place, u32>>,
    /// Counts changes, so that each state of a record has a number of its own.
    states: u64,
}

#[derive(Debug, Clone)]
struct Record {
    stored: Stored,
    style: Style,
    state: u64,
}

impl MemoryBackend {
    /// Makes an empty store.
    pub fn new(catalog: Arc<Catalog>) -> Self {
        Self { catalog, data: Arc::default(), process: Arc::default() }
    }

    /// Returns another process's handle on the same store, with a catalog of its own.
    #[must_use]
    pub fn another(&self, catalog: Arc<Catalog>) -> Self {
        Self { catalog, data: Arc::clone(&self.data), process: Arc::default() }
    }

    /// Makes the `nth` change from now on, counted from 1, go wrong in this process.
    pub fn strike(&self, nth: u64, fault: Fault) {
        self.process.arm(nth, fault);
    }

    /// Returns how many changes this process made or tried to make.
    pub fn changes(&self) -> u64 {
        self.process.changes()
    }

    /// Makes the ledger unreadable, as another program that writes into it would; `None` mends it.
    pub fn spoil_ledger(&self, error: Option<Error>) {
        self.peek().unreadable = error;
    }

    /// Puts a record there as something outside does that knows nothing of this store: as it is, without a check.
    pub fn put_from_outside(&self, model: &str, key: &Key, stored: Stored) {
        let first = self.catalog.era(model, stored.version).map_or(1, |era| era.first);
        let mut data = self.peek();
        data.states += 1;
        let state = data.states;
        data.records.insert((model.to_owned(), first, key.clone()), Record { stored, style: Style::default(), state });
    }

    /// Returns all records as they are stored, and nothing that only runs know: what a test compares.
    pub fn snapshot(&self) -> Vec<(String, Key, Stored)> {
        let data = self.peek();
        data.records.iter().map(|((model, _, key), record)| (model.clone(), key.clone(), record.stored.clone())).collect()
    }

    /// Returns what is noted about runs, by run: nothing where all are over and tidied up.
    pub fn notes(&self) -> Vec<String> {
        let data = self.peek();
        let mut runs: Vec<String> = data.steps.keys().map(|(run, _)| run.clone()).chain(data.origins.keys().cloned()).collect();
        runs.dedup();
        runs
    }

    /// The data, whether the process lives or not.
    fn peek(&self) -> MutexGuard<'_, Data> {
        // A poisoned lock only means that a test panicked between two of its changes.
        self.data.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The data, for one who lives.
    fn data(&self) -> Result<MutexGuard<'_, Data>> {
        self.process.lives()?;
        Ok(self.peek())
    }

    /// Makes one change, unless the process is to fail or die at it.
    fn change<T>(&self, change: impl FnOnce() -> T) -> Result<T> {
        let dies = self.process.next()?;
        let out = change();
        if dies { Err(Error::Crashed) } else { Ok(out) }
    }

    fn ledger_of(data: &Data) -> Result<Ledger> {
        match &data.unreadable {
            Some(error) => Err(error.clone()),
            None => Ledger::new(data.ledger.clone()),
        }
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    fn name(&self) -> String {
        "memory:".to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            schema: false,
            transactions: true,
            conditional_delete: true,
            revisions: true,
            metadata: false,
            knows_writer: true,
            one_writer: false,
            archives_records: false,
        }
    }

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    async fn probe(&self) -> Result<()> {
        self.process.lives()
    }

    async fn ledger(&self) -> Result<Ledger> {
        Self::ledger_of(&*self.data()?)
    }

    async fn append(&self, entry: &Entry) -> Result<()> {
        let mut data = self.data()?;
        let mut ledger = Self::ledger_of(&data)?;
        if entry.number != ledger.next() {
            return Err(Error::Conflict { what: format!("history entry {}", entry.number) });
        }
        ledger.push(entry.clone())?;
        self.change(|| data.ledger.push(entry.clone()))
    }

    async fn lock(&self, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>> {
        lock::take(self, holder, stale)
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        Ok(self.data()?.lock.holder().cloned())
    }

    async fn execute(&self, step: &Step, work: &Work<'_>) -> Result<Tally> {
        let Some(step) = step.on_records() else { return Err(Error::no_tables(step)) };
        step::execute(self, step, work).await
    }

    async fn tidy(&self, run: &str) -> Result<()> {
        let mut data = self.data()?;
        self.change(|| {
            data.steps.retain(|(known, _), _| known != run);
            data.origins.remove(run);
        })
    }

    async fn inspect(&self, model: &str, survey: Survey, sample: Option<u64>, work: &Work<'_>) -> Result<Inspection> {
        inspect::inspect(self, model, survey, sample, work)
    }

    fn records(&self) -> &dyn Records {
        self
    }
}
