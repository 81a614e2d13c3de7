//! Standalone migrations in a file: each at most once, also around what must not be in a transaction.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;
use std::sync::Arc;

use coeval_engine::{Error, How, Outcome, migrate, rollback};
use coeval_plan::SqlDialect;
use coeval_plan::standalone::{Check, Entry, Ordered, Standalone};
use coeval_sqlite::Sqlite;
use coeval_store::conformance::catalog::up_to;
use coeval_store::event::{Event, Observer};
use coeval_store::work::Stop;
use coeval_store::{Backend, Catalog};

use common::*;

fn migration(id: &str, up: &str, down: Option<&str>, check: Option<&str>) -> Standalone {
    Standalone {
        id: id.to_owned(),
        depends_on: Vec::new(),
        after: None,
        backend: None,
        up: vec![Entry::Sql(up.to_owned())],
        down: down.map(|down| Entry::Sql(down.to_owned())).into_iter().collect(),
        reversible: down.is_some(),
        checks: check.map(|sql| Check { sql: sql.to_owned(), expect_zero_rows: true }).into_iter().collect(),
        digest: id.to_owned(),
    }
}

fn open(path: &Path, migrations: Vec<Standalone>) -> Sqlite {
    let ordered = Ordered { dialect: SqlDialect::Sqlite, migrations };
    let catalog = Catalog { standalone: Some(ordered), ..up_to(1).unwrap() };
    Sqlite::new(database(path, &[]), "shop", Arc::new(catalog))
}

async fn applied(store: &Sqlite) -> Vec<String> {
    store.ledger().await.unwrap().standalone().into_iter().map(|(_, applied)| applied.id).collect()
}

/// Stops when a step whose words hold a text begins.
#[derive(Debug)]
struct At(&'static str, Stop);

impl Observer for At {
    fn event(&self, event: Event) {
        if let Event::StepStarted { what, .. } = event
            && what.contains(self.0)
        {
            self.1.stop();
        }
    }
}

const USERS: &str = "CREATE TABLE users (id INTEGER PRIMARY KEY); INSERT INTO users VALUES (1), (2);";

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_a_stop_is_not_done_again_and_is_undone_alone() {
    let (_folder, path) = fresh();
    let second = migration("second", "INSERT INTO users VALUES (3)", Some("DELETE FROM users WHERE id = 3"), None);
    let store = open(&path, vec![migration("users", USERS, Some("DROP TABLE users"), None), second]);
    for ends_well in [false, true] {
        let stop = Stop::default();
        let observer = At("`second`", stop.clone());
        let stopped = migrate(&store, None, false, &How { observer: &observer, stop, ..How::quietly() }).await.unwrap_err();
        assert!(matches!(stopped, Error::Open { .. }), "{stopped:?}");
        let mut outside = Outside::open(&path);
        assert_eq!(outside.run("SELECT count(*) FROM users"), "[(2,)]");
        assert!(applied(&store).await.is_empty());
        if ends_well {
            migrate(&store, None, false, &How::quietly()).await.unwrap();
            assert_eq!((outside.run("SELECT count(*) FROM users"), applied(&store).await.len()), ("[(3,)]".to_owned(), 2));
        } else {
            let undone = rollback(&store, None, &How::quietly()).await.unwrap();
            assert!(matches!(undone, Outcome::Undone { version: 0, .. }), "{undone:?}");
            assert!(outside.run("SELECT count(*) FROM users").contains("no such table"));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_executes_what_is_in_transactions_and_what_is_not() {
    let (_folder, path) = fresh();
    let parents = "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (parent INTEGER REFERENCES parent (id));";
    // With keys that are enforced, the row would be refused.
    let orphan = "PRAGMA foreign_keys = OFF; INSERT INTO child VALUES (7); VACUUM; CREATE TABLE after_vacuum (id INTEGER);";
    let back = "DELETE FROM child; DROP TABLE after_vacuum";
    let all = |check: &str| {
        let first = migration("parents", parents, Some("DROP TABLE child; DROP TABLE parent"), None);
        open(&path, vec![first, migration("orphan", orphan, Some(back), Some(check))])
    };
    // The check is asked when half of it cannot be rolled back any more: the way back is gone.
    let failed = migrate(&all("SELECT parent FROM child"), None, false, &How::quietly()).await.unwrap_err();
    assert!(
        matches!(&failed, Error::Undone { reason, .. } if reason.ends_with("`SELECT parent FROM child` gave 7")),
        "{failed:?}"
    );
    let mut outside = Outside::open(&path);
    let tables = "SELECT count(*) FROM sqlite_schema WHERE name IN ('parent', 'child', 'after_vacuum')";
    assert_eq!(outside.run(tables), "[(0,)]");
    let store = all("SELECT count(*) FROM parent");
    migrate(&store, None, false, &How::quietly()).await.unwrap();
    assert_eq!((outside.run(tables), outside.run("SELECT * FROM child")), ("[(3,)]".to_owned(), "[(7,)]".to_owned()));
    let nothing = migrate(&store, None, false, &How::quietly()).await.unwrap();
    assert_eq!(nothing, Outcome::Nothing { version: 1 });
    rollback(&store, Some(0), &How::quietly()).await.unwrap();
    assert_eq!((outside.run(tables), applied(&store).await.len()), ("[(0,)]".to_owned(), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_fails_in_a_transaction_leaves_nothing() {
    let (_folder, path) = fresh();
    let bad = migration("bad", "CREATE TABLE half (id INTEGER);\nINSERT INTO nowhere VALUES (1)", None, None);
    let failed = migrate(&open(&path, vec![bad]), None, false, &How::quietly()).await.unwrap_err();
    let Error::Undone { reason, .. } = &failed else { panic!("{failed:?}") };
    assert!(reason.ends_with("no such table: nowhere (`INSERT INTO nowhere VALUES (1)`)"), "{reason}");
    assert_eq!(Outside::open(&path).run("SELECT count(*) FROM sqlite_schema WHERE name = 'half'"), "[(0,)]");
}
