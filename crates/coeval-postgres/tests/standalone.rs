//! Standalone migrations on a server: each at most once, all of a deployment or nothing, by people's own names.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use coeval_engine::standalone::standalone;
use coeval_engine::{Error, How, Outcome, Refusal};
use coeval_manifest::Source;
use coeval_manifest::migration_file::Migration;
use coeval_manifest::migration_order::order;
use coeval_plan::SqlDialect;
use coeval_plan::standalone::Ordered;
use coeval_postgres::PostgresBackend;
use coeval_store::event::{Event, Observer};
use coeval_store::work::Stop;
use coeval_store::{Backend as _, Catalog};
use common::shop::{ITEM, catalog};
use common::{ask, fresh, session, state};
use tokio_postgres::Client;

const USERS: &str = "
id: create-users
version: 1
up: [{sql: \"CREATE TABLE users (id int PRIMARY KEY); INSERT INTO users SELECT generate_series(1, 3)\"}]
down: [{sql: DROP TABLE users}]
";
/// The example of `ContractSpec`'s documentation on migrations (lssm.tech), with the indentation that its text lost.
const CONTRACTSPEC: &str = "
migrationId: add-email-verified
version: 2025-11-13-001
dependencies: []
up:
  - sql: |
      ALTER TABLE users
      ADD COLUMN email_verified BOOLEAN DEFAULT FALSE NOT NULL;
  - sql: |
      CREATE INDEX idx_users_email_verified
      ON users(email_verified);
down:
  - sql: |
      DROP INDEX idx_users_email_verified;
  - sql: |
      ALTER TABLE users
      DROP COLUMN email_verified;
validation:
  - sql: |
      SELECT COUNT(*) FROM users
      WHERE email_verified IS NULL;
    expectZeroRows: true
";
const DEPENDS: &str = "
id: verify-some
version: 0
depends_on: [add-email-verified]
up: [{sql: UPDATE users SET email_verified = true WHERE id > 1}]
down: [{sql: UPDATE users SET email_verified = false}]
";

fn backend(url: &str, head: u32, texts: &[&str]) -> PostgresBackend {
    let text = texts.iter().map(|text| format!("---\n{}\n", text.trim())).collect::<Vec<_>>().concat();
    let migrations = Migration::read(&Source::new("migrations/m.yaml", text)).unwrap();
    let migrations = order(&migrations).unwrap().into_iter().map(|at| standalone(&migrations[at])).collect();
    let ordered = Ordered { dialect: SqlDialect::Postgres, migrations };
    PostgresBackend::new(state(url, "shop"), Arc::new(Catalog { standalone: Some(ordered), ..catalog(&[ITEM], head) }))
}

/// Everything that is in the database beside what coeval notes.
async fn schema(client: &Client) -> String {
    let sql = "SELECT c.oid::regclass, c.relkind, a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_class c
               JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
               AND NOT a.attisdropped WHERE n.nspname !~ '^(pg_|information_schema|coeval)' ORDER BY 1, 3";
    ask(client, sql).await
}

async fn migrate(backend: &PostgresBackend, how: &How<'_>) -> coeval_engine::Result<Outcome> {
    coeval_engine::migrate(backend, None, false, how).await
}

async fn well(backend: &PostgresBackend) -> Outcome {
    migrate(backend, &How::quietly()).await.unwrap_or_else(|e| panic!("{e:?}"))
}

async fn applied(backend: &PostgresBackend) -> Vec<String> {
    backend.ledger().await.unwrap().standalone().into_iter().map(|(_, applied)| applied.id).collect()
}

fn refusal(error: Error) -> String {
    match error {
        Error::Refused(refusal @ Refusal::Standalone(_)) => refusal.to_string(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_example_of_contractspec_with_one_that_depends_on_it() {
    let url = fresh().await;
    let client = session(&url).await;
    let before = schema(&client).await;
    let all = backend(&url, 1, &[DEPENDS, CONTRACTSPEC, USERS]);
    well(&all).await;
    assert_eq!(applied(&all).await, ["create-users", "add-email-verified", "verify-some"]);
    assert_eq!(ask(&client, "SELECT id, email_verified FROM public.users ORDER BY id").await, "1|f\n2|t\n3|t");
    assert!(matches!(well(&all).await, Outcome::Nothing { version: 1 }), "each is applied once");
    // Rolled back by itself, and then with the version.
    let other = "id: other\nup: [{sql: CREATE TABLE other (id int)}]\ndown: [{sql: DROP TABLE other}]";
    let more = backend(&url, 1, &[DEPENDS, CONTRACTSPEC, USERS, other]);
    let mid = schema(&client).await;
    well(&more).await;
    coeval_engine::rollback(&more, None, &How::quietly()).await.unwrap();
    assert_eq!((applied(&more).await.len(), schema(&client).await), (3, mid));
    coeval_engine::rollback(&all, Some(0), &How::quietly()).await.unwrap();
    assert_eq!(applied(&all).await, [""; 0]);
    assert!(!schema(&client).await.contains("users"), "{}", schema(&client).await);
    assert!(!before.contains("users"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_that_fails_undoes_the_deployment() {
    let url = fresh().await;
    let client = session(&url).await;
    well(&backend(&url, 1, &[USERS])).await;
    let before = schema(&client).await;
    let bad = "id: bad\nafter: 2\nup: [{sql: CREATE TABLE audit AS SELECT * FROM users}]\ndown: [{sql: DROP TABLE audit}]\n\
               validation: [{sql: SELECT count(*) FROM audit}]";
    let all = backend(&url, 2, &[USERS, CONTRACTSPEC, bad]);
    let failed = migrate(&all, &How::quietly()).await.unwrap_err();
    let Error::Undone { reason, .. } = &failed else { panic!("{failed:?}") };
    assert!(reason.ends_with("a check does not hold: `SELECT count(*) FROM audit` gave 3"), "{reason}");
    assert_eq!(applied(&all).await, ["create-users"]);
    assert_eq!((schema(&client).await, all.ledger().await.unwrap().in_force()), (before, Some(1)));
    // One that cannot be undone has not taken effect where it fails.
    let bad = "id: bad\nup: [{sql: \"INSERT INTO users VALUES (4); INSERT INTO users VALUES (4)\"}]\nreversible: false";
    let failed = migrate(&backend(&url, 2, &[USERS, bad]), &How::quietly()).await.unwrap_err();
    assert!(matches!(&failed, Error::Undone { reason, .. } if reason.contains("(`INSERT INTO users VALUES (4)`)")), "{failed:?}");
    assert_eq!(ask(&client, "SELECT count(*) FROM users").await, "3");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_runs_where_one_is_wrong() {
    let url = fresh().await;
    let client = session(&url).await;
    let before = schema(&client).await;
    for (text, reason) in [
        (
            "id: a\nup: [{sql: \"BEGIN; SELECT 1; COMMIT\"}]\nreversible: false",
            "`a` has what cannot be executed on a database: BEGIN",
        ),
        (
            "id: a\nup: [{exec: [python, a.py], model: item}]\nreversible: false",
            "`a` has what cannot be executed on a database: a program",
        ),
        ("id: a\nup: [{sql: SELECT 'a}]\nreversible: false", "has a quote that is never closed"),
    ] {
        let found = refusal(migrate(&backend(&url, 1, &[USERS, text]), &How::quietly()).await.unwrap_err());
        assert!(found.contains(reason), "{found}");
    }
    assert_eq!(schema(&client).await, before);
    well(&backend(&url, 1, &[USERS])).await;
    let edited = USERS.replace("(1, 3)", "(1, 4)");
    let found = refusal(migrate(&backend(&url, 2, &[&edited]), &How::quietly()).await.unwrap_err());
    assert_eq!(found, "the migration `create-users` was edited after it was applied");
    assert_eq!(backend(&url, 2, &[]).ledger().await.unwrap().in_force(), Some(1));
}

/// Does something when a step whose words hold a text begins.
struct At<F>(&'static str, F);

impl<F> std::fmt::Debug for At<F> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}

impl<F: Fn() + Send + Sync> Observer for At<F> {
    fn event(&self, event: Event) {
        if let Event::StepStarted { what, .. } = event
            && what.contains(self.0)
        {
            (self.1)();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_before_a_stop_is_not_done_again() {
    let url = fresh().await;
    let client = session(&url).await;
    let second = "id: second\ndepends_on: [create-users]\nup: [{sql: INSERT INTO users VALUES (9)}]\ndown: [{sql: DELETE FROM users WHERE id = 9}]";
    let all = backend(&url, 1, &[USERS, second]);
    let stop = Stop::default();
    let observer = At("`second`", || stop.stop());
    let how = How { observer: &observer, stop: stop.clone(), ..How::quietly() };
    let stopped = migrate(&all, &how).await.unwrap_err();
    assert!(matches!(stopped, Error::Open { .. }), "{stopped:?}");
    assert_eq!((ask(&client, "SELECT count(*) FROM users").await, applied(&all).await.len()), ("3".to_owned(), 0));
    // It would fail if it were executed again.
    well(&all).await;
    assert_eq!((ask(&client, "SELECT count(*) FROM users").await, applied(&all).await.len()), ("4".to_owned(), 2));
    // And of an open run only what was done is undone.
    coeval_engine::rollback(&all, Some(0), &How::quietly()).await.unwrap();
    let stop = Stop::default();
    let observer = At("`second`", || stop.stop());
    let how = How { observer: &observer, stop: stop.clone(), ..How::quietly() };
    migrate(&all, &how).await.unwrap_err();
    let undone = coeval_engine::rollback(&all, None, &How::quietly()).await.unwrap();
    assert!(matches!(undone, Outcome::Undone { version: 0, .. }), "{undone:?}");
    assert!(!schema(&client).await.contains("users"));
}

#[tokio::test(flavor = "multi_thread")]
async fn statements_outside_of_transactions_run_one_by_one() {
    let url = fresh().await;
    let client = session(&url).await;
    let index = "id: index\ndepends_on: [create-users]\nup:\n  - sql: |\n      ALTER TABLE users ADD age int;\n      \
                 CREATE INDEX CONCURRENTLY by_age ON users (age);\n      CREATE UNIQUE INDEX CONCURRENTLY once ON users ((id / 2));\n\
                 down:\n  - sql: |\n      DROP INDEX CONCURRENTLY once;\n      DROP INDEX by_age;\n      ALTER TABLE users DROP age\n";
    well(&backend(&url, 1, &[USERS])).await;
    let before = schema(&client).await;
    // Two values are the same, which is found out when half of it is done.
    let failed = migrate(&backend(&url, 1, &[USERS, index]), &How::quietly()).await.unwrap_err();
    assert!(matches!(&failed, Error::Undone { reason, .. } if reason.contains("once")), "{failed:?}");
    assert_eq!(schema(&client).await, before, "also what the server left behind");
    ask(&client, "DELETE FROM users WHERE id = 3").await;
    let all = backend(&url, 1, &[USERS, index]);
    well(&all).await;
    assert!(schema(&client).await.contains("once"));
    coeval_engine::rollback(&all, None, &How::quietly()).await.unwrap();
    assert_eq!(schema(&client).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_are_found_as_the_user_finds_them_and_settings_end_with_it() {
    let url = fresh().await;
    let client = session(&url).await;
    assert_eq!(ask(&client, "SELECT current_user").await, "coeval", "the first of the names that `$user` finds is coeval's own");
    let database = ask(&client, "SELECT current_database()").await;
    ask(&client, &format!("CREATE SCHEMA app; CREATE SCHEMA other; ALTER DATABASE {database} SET search_path = app")).await;
    let sets = "id: sets\nversion: 0\nup: [{sql: \"SET search_path = other; CREATE TABLE there (id int)\"}]\ndown: [{sql: DROP TABLE other.there}]";
    well(&backend(&url, 1, &[sets, USERS])).await;
    assert_eq!(ask(&client, "SELECT to_regclass('other.there'), to_regclass('app.users')").await, "other.there|app.users");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_a_client_holds_is_waited_for_in_moments() {
    let url = fresh().await;
    let client = session(&url).await;
    well(&backend(&url, 1, &[USERS])).await;
    client.batch_execute("BEGIN; SELECT * FROM users").await.unwrap();
    let retries = Arc::new(Mutex::new(Vec::new()));
    let heard = Retries(Arc::clone(&retries));
    let how = How { observer: &heard, ..How::quietly() };
    let all = backend(&url, 1, &[USERS, CONTRACTSPEC]);
    let (done, ()) = tokio::join!(migrate(&all, &how), async {
        while retries.lock().unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        client.batch_execute("COMMIT").await.unwrap();
    });
    done.unwrap();
    assert!(retries.lock().unwrap()[0].contains("SELECT * FROM users"), "{retries:?}");
    assert_eq!(applied(&all).await.len(), 2);
}

#[derive(Debug)]
struct Retries(Arc<Mutex<Vec<String>>>);

impl Observer for Retries {
    fn event(&self, event: Event) {
        if let Event::Retry { reason, .. } = event {
            self.0.lock().unwrap().push(reason);
        }
    }
}
