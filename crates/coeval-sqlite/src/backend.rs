//! A store in SQLite.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use coeval_store::backend::{Drift, Inspection, Survey};
use coeval_store::event::{Observer, Tally, Unobserved};
use coeval_store::ledger::{Entry, Ledger};
use coeval_store::lock::{Holder, Lock};
use coeval_store::records::Records;
use coeval_store::work::Work;
use coeval_store::{Backend, Capabilities, Catalog, Result, Step};

use crate::database::Database;
use crate::execute::last;
use crate::layout::Layout;
use crate::lock::{self, Own};
use crate::standalone;
use crate::state;
use crate::statement::{Absent, ForeignKeys, How, Session};
use crate::{adopted, drift, execute, inspect, layout, remark};

/// A deployment's records in an SQLite database.
#[derive(Debug)]
pub struct Sqlite {
    pub(crate) database: Database,
    /// The manifest's name: several can share a database, each with a history of its own.
    pub(crate) deployment: Arc<str>,
    pub(crate) catalog: Arc<Catalog>,
    own: Own,
    /// The catalog with the versions before one retired, as it was last needed.
    pub(crate) retired: Arc<Retired>,
}

/// A catalog with the versions before one retired, kept from one request to the next.
#[derive(Debug, Default)]
pub(crate) struct Retired(Mutex<Option<(u32, Arc<Catalog>)>>);

impl Retired {
    /// Returns a catalog with the versions before one retired.
    pub(crate) fn catalog(&self, catalog: &Arc<Catalog>, oldest: u32) -> Arc<Catalog> {
        if oldest <= 1 {
            return Arc::clone(catalog);
        }
        // Nothing can panic while it is held but the fold itself, which leaves it as it was.
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*known {
            Some((before, catalog)) if *before == oldest => Arc::clone(catalog),
            Some(_) | None => {
                let made = Arc::new(catalog.retire(oldest));
                *known = Some((oldest, Arc::clone(&made)));
                made
            }
        }
    }
}

impl Sqlite {
    /// Makes one. Nothing is read yet.
    pub fn new(database: Database, deployment: &str, catalog: Arc<Catalog>) -> Self {
        Self { database, deployment: deployment.into(), catalog, own: Own::default(), retired: Arc::default() }
    }

    /// Returns the database.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Runs a group of statements under the lock that has this fencing token, where it is given: if the lock was lost, nothing is
    /// written. It counts as a sign of life.
    ///
    /// # Errors
    /// As [`Database::transaction`], and [`coeval_store::Error::LockLost`].
    pub async fn transaction<T, A>(&self, how: &How<'_>, fence: Option<u64>, act: A) -> Result<T>
    where
        T: Send + 'static,
        A: FnOnce(&Session<'_>) -> Result<T> + Send + 'static,
    {
        let Some(fence) = fence else { return self.database.transaction(how, act).await };
        let deployment = Arc::clone(&self.deployment);
        let done = self.database.transaction(how, move |session| {
            lock::show_up(session, &deployment, fence)?;
            let out = act(session)?;
            // Until here nobody could take the lock over, since nobody could write.
            Ok((out, lock::Moment::now()))
        });
        let (out, at) = done.await?;
        self.own.showed_up(fence, at);
        Ok(out)
    }
}

#[async_trait]
impl Backend for Sqlite {
    fn name(&self) -> String {
        self.database.name()
    }

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    async fn probe(&self) -> Result<()> {
        layout::admit(&self.catalog)?;
        let how = How { absent: Absent::Create, ..enforced("trying to write", &Unobserved) };
        let write = |session: &Session<'_>| {
            state::is_there(session)?;
            session.batch("SAVEPOINT probe; CREATE TABLE coeval_probe (x); ROLLBACK TO probe; RELEASE probe")
        };
        self.database.transaction(&how, write).await
    }

    async fn room(&self, from: u32, to: u32) -> Result<()> {
        let catalog = Arc::clone(&self.catalog);
        let look = move |session: &Session<'_>| {
            for entry in &catalog.models {
                for era in entry.eras.iter().filter(|era| era.first <= to && era.end.is_none_or(|end| end > from)) {
                    adopted::room(session, &Layout::new(&catalog, entry, era, last(era, to))?, from)?;
                }
            }
            Ok(())
        };
        self.database.read("looking at tables that were there before", look).await.map(Option::unwrap_or_default)
    }

    async fn ledger(&self) -> Result<Ledger> {
        let deployment = Arc::clone(&self.deployment);
        let ledger = self.database.read("reading the history", move |session| state::ledger(session, &deployment)).await?;
        Ok(ledger.unwrap_or_default())
    }

    async fn append(&self, entry: &Entry) -> Result<()> {
        let (deployment, entry) = (Arc::clone(&self.deployment), entry.clone());
        let how = How { absent: Absent::Create, ..enforced("writing the history", &Unobserved) };
        self.database.transaction(&how, move |session| state::append(session, &deployment, &entry)).await
    }

    async fn lock(&self, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>> {
        lock::take(&self.database, &self.deployment, &self.own, holder, stale).await
    }

    async fn holder(&self) -> Result<Option<Holder>> {
        lock::holder(&self.database, &self.deployment).await
    }

    async fn tidy(&self, run: &str) -> Result<()> {
        let (deployment, run) = (Arc::clone(&self.deployment), run.to_owned());
        if self.database.read("reading what a run left", state::is_there).await? != Some(true) {
            return Ok(());
        }
        let how = enforced("tidying up after a run", &Unobserved);
        self.database.transaction(&how, move |session| state::tidy(session, &deployment, &run)).await
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            schema: true,
            transactions: true,
            conditional_delete: true,
            revisions: false,
            metadata: false,
            knows_writer: true,
            one_writer: true,
            archives_records: true,
        }
    }

    async fn execute(&self, step: &Step, work: &Work<'_>) -> Result<Tally> {
        execute::execute(self, step, work).await
    }

    async fn begun(&self, run: &str, step: &str) -> Result<bool> {
        Ok(standalone::read(self, run, step).await?.is_some())
    }

    async fn remarks(&self, step: &Step) -> Result<Vec<String>> {
        remark::remarks(self, step).await
    }

    async fn drift(&self) -> Result<Vec<Drift>> {
        drift::find(self).await
    }

    async fn inspect(&self, model: &str, survey: Survey, sample: Option<u64>, work: &Work<'_>) -> Result<Inspection> {
        inspect::inspect(self, model, survey, sample, work).await
    }

    fn records(&self) -> &dyn Records {
        self
    }
}

fn enforced<'h>(doing: &str, observer: &'h dyn Observer) -> How<'h> {
    How { doing: doing.to_owned(), absent: Absent::Refuse, foreign_keys: ForeignKeys::Enforced, observer }
}
