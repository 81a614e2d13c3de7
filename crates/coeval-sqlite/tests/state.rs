//! The history and the lock: what every backend must do, and what is a file's own.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use coeval_sqlite::{Absent, ForeignKeys, How, Sqlite};
use coeval_store::backend::{Inspection, Survey};
use coeval_store::conformance::{Opening, Suite, cases};
use coeval_store::event::{Tally, Unobserved};
use coeval_store::ledger::{Entry, Happened, Ledger};
use coeval_store::lock::{Holder, Lock};
use coeval_store::records::Records;
use coeval_store::work::Work;
use coeval_store::{Backend, Capabilities, Catalog, Error, MemoryBackend, Result, Step};

use common::*;

/// A store whose history and lock lie in SQLite, and whose records lie in memory.
#[derive(Debug)]
struct State(Sqlite, MemoryBackend);

#[async_trait]
impl Backend for State {
    fn name(&self) -> String {
        self.0.name()
    }
    fn capabilities(&self) -> Capabilities {
        self.1.capabilities()
    }
    fn catalog(&self) -> &Catalog {
        self.0.catalog()
    }
    async fn probe(&self) -> Result<()> {
        self.0.probe().await
    }
    async fn ledger(&self) -> Result<Ledger> {
        self.0.ledger().await
    }
    async fn append(&self, entry: &Entry) -> Result<()> {
        self.1.append(entry).await?;
        self.0.append(entry).await
    }
    async fn lock(&self, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>> {
        self.0.lock(holder, stale).await
    }
    async fn holder(&self) -> Result<Option<Holder>> {
        self.0.holder().await
    }
    async fn execute(&self, step: &Step, work: &Work<'_>) -> Result<Tally> {
        self.1.execute(step, work).await
    }
    async fn tidy(&self, run: &str) -> Result<()> {
        self.0.tidy(run).await
    }
    async fn inspect(&self, model: &str, survey: Survey, sample: Option<u64>, work: &Work<'_>) -> Result<Inspection> {
        self.1.inspect(model, survey, sample, work).await
    }
    fn records(&self) -> &dyn Records {
        &self.1
    }
}

/// The cases about the history and the lock; the others are about records.
const CASES: [&str; 12] = [
    "ledger: empty at first",
    "ledger: entries come back in order, as they were",
    "ledger: a number is taken once",
    "ledger: of several that add the same entry, one wins",
    "ledger: a number is not left out",
    "ledger: probing leaves nothing behind",
    "lock: one holder at a time, who is named",
    "lock: the fencing token grows",
    "lock: of several that take it at once, one gets it",
    "lock: a living holder keeps it",
    "lock: taken over from a dead holder",
    "lock: a holder that wakes up late knows that it lost it",
];

#[tokio::test(flavor = "multi_thread")]
async fn sqlite_keeps_history_and_lock_as_every_backend_must() {
    let folder = tempfile::tempdir().unwrap();
    let open = |name: String, catalog: Arc<Catalog>| -> Opening<'_> {
        let database = database(&folder.path().join(name), &[]);
        Box::pin(async move {
            let memory = MemoryBackend::new(Arc::clone(&catalog));
            Ok(Box::new(State(Sqlite::new(database, "shop", catalog), memory)) as Box<dyn Backend>)
        })
    };
    let suite = Suite { open: &open, stale: Duration::from_millis(400) };
    let mut broken = Vec::new();
    for name in CASES {
        let (_, case) = cases().into_iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("no case {name}"));
        if let Err(error) = case(&suite).await {
            broken.push(format!("{name}: {error}"));
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

fn holder(id: &str) -> Holder {
    Holder { id: id.to_owned(), name: format!("test {id}"), purpose: "test".to_owned(), since: String::new() }
}

fn adopted(number: u64) -> Entry {
    let happened = Happened::Adopted { version: 1, models: Vec::new(), source: "test".to_owned(), versions: Vec::new() };
    Entry { number, at: "2026-11-21T10:00:00Z".to_owned(), by: "test".to_owned(), happened }
}

fn how(observer: &dyn coeval_store::event::Observer) -> How<'_> {
    How { doing: "trying".to_owned(), absent: Absent::Refuse, foreign_keys: ForeignKeys::Enforced, observer }
}

#[tokio::test]
async fn deployments_in_one_file_do_not_know_each_other() {
    let (_folder, path) = fresh();
    let [shop, blog] = ["shop", "blog"].map(|name| Sqlite::new(database(&path, &[]), name, Arc::default()));
    shop.append(&adopted(1)).await.unwrap();
    assert!(blog.ledger().await.unwrap().entries().is_empty());
    blog.append(&adopted(1)).await.unwrap();
    let held = shop.lock(&holder("a"), Duration::from_secs(9)).await.unwrap();
    blog.lock(&holder("b"), Duration::from_secs(9)).await.unwrap().release().await.unwrap();
    assert_eq!(shop.holder().await.unwrap(), Some(holder("a")));
    held.release().await.unwrap();
}

#[tokio::test]
async fn a_layout_that_is_not_known_is_refused_and_left_alone() {
    for (change, newer, reason) in [
        ("UPDATE coeval_layout SET version = 2", true, "their layout is 2, this release knows 1; use the newer release"),
        ("DELETE FROM coeval_layout", false, "`coeval_layout` does not say one layout that this release knows"),
        ("ALTER TABLE coeval_layout RENAME version TO other", false, "`coeval_layout`: no such column: version"),
    ] {
        let (folder, path) = fresh();
        let store = store(&path, &[]);
        store.append(&adopted(1)).await.unwrap();
        assert_eq!(Outside::open(&path).run(change), "[]");
        let before = Outside::open(&path).run("SELECT * FROM coeval_lock, coeval_history");
        let errors = [
            store.ledger().await.unwrap_err(),
            store.append(&adopted(2)).await.unwrap_err(),
            store.lock(&holder("a"), Duration::from_secs(1)).await.unwrap_err(),
            store.probe().await.unwrap_err(),
        ];
        for error in errors {
            assert!(matches!(&error, Error::Unreadable { newer: found, .. } if *found == newer), "{error:?}");
            let said = said(folder.path(), &error);
            assert!(said.starts_with(&format!("the tables `coeval_…` in DIR/shop.db cannot be read: {reason}")), "{said}");
        }
        assert_eq!(Outside::open(&path).run("SELECT * FROM coeval_lock, coeval_history"), before);
    }
}

#[tokio::test]
async fn a_history_that_somebody_spoilt_is_refused() {
    for change in [
        "UPDATE coeval_history SET entry = 'x' WHERE number = 1",
        "UPDATE coeval_history SET number = 7 WHERE number = 1",
        "DELETE FROM coeval_history WHERE number = 1",
        "UPDATE coeval_history SET entry = x'00ff' WHERE number = 2",
    ] {
        let (_folder, path) = fresh();
        let store = store(&path, &[]);
        store.append(&adopted(1)).await.unwrap();
        store.append(&adopted(2)).await.unwrap();
        assert_eq!(Outside::open(&path).run(change), "[]");
        for error in [store.ledger().await.unwrap_err(), store.append(&adopted(3)).await.unwrap_err()] {
            assert!(matches!(error, Error::Unreadable { .. }), "{change}: {error:?}");
        }
    }
}

#[tokio::test]
async fn what_a_run_noted_goes_with_it() {
    let (_folder, path) = fresh();
    let store = store(&path, &[]);
    store.append(&adopted(1)).await.unwrap();
    let mut outside = Outside::open(&path);
    for run in ["('shop', 'a', '0', NULL, '{}', 0)", "('shop', 'b', '0', NULL, '{}', 0)", "('blog', 'a', '0', NULL, '{}', 0)"] {
        assert_eq!(outside.run(&format!("INSERT INTO coeval_cursor VALUES {run}")), "[]");
    }
    store.tidy("a").await.unwrap();
    assert_eq!(outside.run("SELECT deployment, run FROM coeval_cursor"), "[('blog', 'a'), ('shop', 'b')]");
}

#[tokio::test]
async fn nothing_is_written_under_a_lock_that_was_lost() {
    let (_folder, path) = fresh();
    let (old, new) = (store(&path, &[]), store(&path, &[]));
    let stale = Duration::from_millis(200);
    let lost = old.lock(&holder("a"), stale).await.unwrap();
    let fence = lost.fence();
    drop(lost);
    let lock = loop {
        if let Ok(lock) = new.lock(&holder("b"), stale).await {
            break lock;
        }
    };
    assert_eq!(lock.previous(), Some(&holder("a")));
    let make = |session: &coeval_sqlite::Session<'_>| session.batch("CREATE TABLE t (x)");
    let Err(Error::LockLost { by }) = old.transaction(&how(&Unobserved), Some(fence), make).await else {
        panic!("the lock was lost")
    };
    assert_eq!(by.map(|by| *by), Some(holder("b")));
    new.transaction(&how(&Unobserved), Some(lock.fence()), make).await.unwrap();
    lock.release().await.unwrap();
    assert!(matches!(new.transaction(&how(&Unobserved), Some(lock.fence()), make).await, Err(Error::LockLost { by: None })));
}

/// A group of statements that takes longer than a holder may be silent: nobody else can write meanwhile, and its end is a sign of life.
#[tokio::test(flavor = "multi_thread")]
async fn a_long_group_does_not_cost_the_lock() {
    let (_folder, path) = fresh();
    let (ours, theirs) = (store(&path, &[]), store(&path, &[]));
    let stale = Duration::from_millis(400);
    let lock = ours.lock(&holder("a"), stale).await.unwrap();
    let long = move |session: &coeval_sqlite::Session<'_>| {
        session.batch("CREATE TABLE t (x)")?;
        std::thread::sleep(stale * 4);
        Ok(())
    };
    let us = how(&Unobserved);
    let other = holder("b");
    let (done, refused) = tokio::join!(ours.transaction(&us, Some(lock.fence()), long), theirs.lock(&other, stale));
    done.unwrap();
    assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    assert!(lock.holds());
    lock.release().await.unwrap();
}
