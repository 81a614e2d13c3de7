//! The backend: a catalog's records in the tables of one database.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coeval_plan::{Capabilities, Step};
use coeval_store::backend::{Drift, Inspection, Survey};
use coeval_store::event::Tally;
use coeval_store::ledger::{Entry, Ledger};
use coeval_store::lock::{Holder, Lock};
use coeval_store::records::Records;
use coeval_store::work::Work;
use coeval_store::{Backend, Catalog, Result};

use crate::layout::Layout;
use crate::state::State;
use crate::{adopted, drift, execute, inspect, script, standalone};

/// Records in PostgreSQL: a base table a model, and for each version a schema of views.
///
/// The tables of the deployment `shop` are in the schema `shop`, the views of its version 3 in `shop_v3`; what these need is in
/// `shop_w`.
#[derive(Debug)]
pub struct PostgresBackend {
    state: State,
    catalog: Arc<Catalog>,
    known: Mutex<Ledger>,
    /// The catalog with the versions before one retired, as it was last needed.
    living: Mutex<Option<(u32, Arc<Catalog>)>>,
}

impl PostgresBackend {
    /// Takes a database, with the models of a manifest. Nothing is asked yet.
    pub fn new(state: State, catalog: Arc<Catalog>) -> Self {
        Self { state, catalog, known: Mutex::default(), living: Mutex::default() }
    }

    /// Returns what is noted beside the records.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The oldest version that was not retired, as far as the history was read.
    fn oldest(&self) -> u32 {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).oldest()
    }

    /// Returns the catalog without the versions that were retired, once the history was read: these refuse nothing any more.
    pub(crate) fn living(&self) -> Arc<Catalog> {
        let oldest = self.oldest();
        if oldest <= 1 {
            return Arc::clone(&self.catalog);
        }
        let mut living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        match &*living {
            Some((before, catalog)) if *before == oldest => Arc::clone(catalog),
            Some(_) | None => {
                let made = Arc::new(self.catalog.retire(oldest));
                *living = Some((oldest, Arc::clone(&made)));
                made
            }
        }
    }

    /// Returns where the records of a model at a version lie, once the history was read.
    pub(crate) fn layout(&self, model: &str, version: u32) -> Result<Layout<'_>> {
        Layout::at(&self.catalog, self.state.deployment(), self.oldest(), model, version)
    }

    /// Returns the numbers of the manifest's versions that something holds for, oldest first.
    pub(crate) fn catalog_versions(&self, wanted: impl Fn(u32) -> bool) -> Vec<u32> {
        self.catalog.versions.iter().map(|version| version.number).filter(|version| wanted(*version)).collect()
    }

    /// Returns where all records lie, era by era.
    pub(crate) fn layouts(&self) -> Vec<Layout<'_>> {
        Layout::all(&self.catalog, self.state.deployment(), self.oldest())
    }
}

#[async_trait]
impl Backend for PostgresBackend {
    fn name(&self) -> String {
        self.state.database().name().to_owned()
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            schema: true,
            transactions: true,
            conditional_delete: true,
            revisions: false,
            metadata: false,
            knows_writer: false,
            one_writer: false,
            archives_records: false,
        }
    }

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    async fn probe(&self) -> Result<()> {
        self.state.probe().await
    }

    async fn ledger(&self) -> Result<Ledger> {
        // Entries are only ever added, so that only the new ones are read.
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let ledger = self.state.ledger(&known).await?;
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone_from(&ledger);
        Ok(ledger)
    }

    async fn append(&self, entry: &Entry) -> Result<()> {
        self.state.append(entry).await
    }

    async fn lock(&self, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>> {
        self.state.lock(holder, stale).await
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        self.state.holder().await
    }

    async fn room(&self, from: u32, to: u32) -> Result<()> {
        for layout in self.layouts() {
            if layout.era.first <= to && layout.era.end.is_none_or(|end| end > from) {
                let last = layout.era.end.map_or(to, |end| to.min(end.saturating_sub(1)));
                adopted::room(self, &layout, &layout.table(last)?, from).await?;
            }
        }
        Ok(())
    }

    async fn execute(&self, step: &Step, work: &Work<'_>) -> Result<Tally> {
        execute::execute(self, step, work).await
    }

    async fn execute_next(&self, steps: &[Step], work: &Work<'_>) -> Result<Vec<Tally>> {
        execute::execute_next(self, steps, work).await
    }

    async fn script(&self, step: &Step) -> Result<Vec<String>> {
        script::script(self, step).await
    }

    async fn remarks(&self, step: &Step) -> Result<Vec<String>> {
        script::remarks(self, step).await
    }

    async fn drift(&self) -> Result<Vec<Drift>> {
        drift::find(self).await
    }

    async fn tidy(&self, run: &str) -> Result<()> {
        self.state.tidy(run).await
    }

    async fn begun(&self, run: &str, step: &str) -> Result<bool> {
        standalone::begun(&self.state, run, step).await
    }

    async fn inspect(&self, model: &str, survey: Survey, sample: Option<u64>, work: &Work<'_>) -> Result<Inspection> {
        inspect::inspect(self, model, survey, sample, work).await
    }

    fn records(&self) -> &dyn Records {
        self
    }
}
