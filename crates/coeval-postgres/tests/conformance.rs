//! What every backend must do, of which the ledger and the lock.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coeval_plan::{Capabilities, Step};
use coeval_postgres::State;
use coeval_store::backend::{Inspection, Survey};
use coeval_store::conformance::{Suite, cases};
use coeval_store::event::Tally;
use coeval_store::ledger::{Entry, Ledger};
use coeval_store::lock::{Holder, Lock};
use coeval_store::records::Records;
use coeval_store::work::Work;
use coeval_store::{Backend, Catalog, Error, Result};
use common::{fresh, state};

/// The cases that concern the ledger and the lock alone.
const CASES: [&str; 11] = [
    "ledger: empty at first",
    "ledger: entries come back in order, as they were",
    "ledger: a number is taken once",
    "ledger: of several that add the same entry, one wins",
    "ledger: a number is not left out",
    "lock: one holder at a time, who is named",
    "lock: the fencing token grows",
    "lock: of several that take it at once, one gets it",
    "lock: a living holder keeps it",
    "lock: taken over from a dead holder",
    "lock: a holder that wakes up late knows that it lost it",
];

/// A store that keeps a history and a lock, and no records.
#[derive(Debug)]
struct Without {
    state: State,
    catalog: Arc<Catalog>,
}

fn no_records<T>() -> Result<T> {
    Err(Error::failed("a store without records", "this is not about records"))
}

#[async_trait]
impl Backend for Without {
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
        }
    }

    fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    async fn probe(&self) -> Result<()> {
        self.state.probe().await
    }

    async fn ledger(&self) -> Result<Ledger> {
        self.state.ledger(&Ledger::default()).await
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

    async fn execute(&self, _: &Step, _: &Work<'_>) -> Result<Tally> {
        no_records()
    }

    async fn tidy(&self, run: &str) -> Result<()> {
        self.state.tidy(run).await
    }

    async fn inspect(&self, _: &str, _: Survey, _: Option<u64>, _: &Work<'_>) -> Result<Inspection> {
        no_records()
    }

    fn records(&self) -> &dyn Records {
        panic!("this is not about records")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_and_the_lock_do_what_every_backend_must() {
    let url = fresh().await;
    let open = |name: String, catalog| -> coeval_store::conformance::Opening<'_> {
        let backend = Without { state: state(&url, &name), catalog };
        Box::pin(async move { Ok(Box::new(backend) as Box<dyn Backend>) })
    };
    let suite = Suite { open: &open, stale: Duration::from_millis(800) };
    let mut broken = Vec::new();
    for wanted in CASES {
        let (_, case) = cases().into_iter().find(|(name, _)| *name == wanted).unwrap();
        if let Err(error) = case(&suite).await {
            broken.push(format!("{wanted}: {error}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
