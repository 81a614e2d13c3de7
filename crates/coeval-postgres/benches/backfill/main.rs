//! How fast a column is backfilled, beside a plain UPDATE in batches and a change of the type in place; and a hundred migrations.
//!
//! `testing/postgres cargo bench -p coeval-postgres --bench backfill` prints the table of `docs/performance.md`; `-- 100000` takes so
//! many rows. All are measured in one run; compare them with one another.

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a measurement prints figures")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_engine::{How, migrate};
use coeval_postgres::{PostgresBackend, State, open};
use coeval_store::event::{Event, Observer};
use coeval_store::ledger::VersionId;
use coeval_store::{Catalog, Era, ModelEntry};
use tokio_postgres::{Client, NoTls};

const ITEM: &str = r#"{"type": "model", "name": "item", "key": ["id"], "additional": false, "properties": {
    "id": {"type": "integer", "required": true}, "n": {"type": "integer", "required": true}, "note": "string"}}"#;
const RETYPE: &str = r#"{"retype_property": {"path": "n", "schema": {"type": "string", "required": true},
    "up": "cast(n as string)", "down": "cast(n as integer)"}}"#;

#[tokio::main]
async fn main() {
    let rows: u64 = std::env::args().skip(1).find_map(|argument| argument.parse().ok()).unwrap_or(1_000_000);
    let url = std::env::var("COEVAL_TEST_POSTGRES").expect("run it with `testing/postgres`");
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    println!("{rows} rows, integer to text\n\n| | s | k rows/s | × plain |\n|---|---|---|---|");
    let plain = plain(&client, rows).await;
    report("plain UPDATE in batches of 20,000", rows, plain, plain);
    let (backfill, whole) = coeval(&client, &url, rows).await;
    report("backfill of coeval, its triggers in place", rows, backfill, plain);
    report("the whole migration: columns, triggers, backfill, checks, views", rows, whole, plain);
    let again = self::plain(&client, rows).await;
    report("plain UPDATE once more", rows, again, plain);
    let in_place = in_place(&client, rows).await;
    report("ALTER TYPE in place, the table locked", rows, in_place, plain);
    println!("\na hundred migrations of one table each, pending, in one deployment: {:.2} s", hundred(&url).await);
}

fn report(what: &str, rows: u64, seconds: f64, plain: f64) {
    println!("| {what} | {seconds:.2} | {:.0} | {:.2} |", rows as f64 / seconds / 1000.0, plain / seconds);
}

async fn batch(client: &Client, text: &str) {
    client.batch_execute(text).await.unwrap_or_else(|e| panic!("{e:?}: {text}"));
}

async fn timed(client: &Client, text: &str) -> f64 {
    let begin = Instant::now();
    batch(client, text).await;
    begin.elapsed().as_secs_f64()
}

async fn table(client: &Client, rows: u64) {
    batch(
        client,
        "DROP TABLE IF EXISTS plain; CREATE TABLE plain (id bigint PRIMARY KEY, n bigint NOT NULL, note text, n2 text)",
    )
    .await;
    batch(client, &format!("INSERT INTO plain SELECT i, i * 7, 'a note' FROM generate_series(1, {rows}) AS i")).await;
    batch(client, "VACUUM ANALYZE plain").await;
}

async fn plain(client: &Client, rows: u64) -> f64 {
    table(client, rows).await;
    let begin = Instant::now();
    for first in (0..rows).step_by(20_000) {
        batch(client, &format!("UPDATE plain SET n2 = n::text WHERE id > {first} AND id <= {}", first + 20_000)).await;
    }
    begin.elapsed().as_secs_f64()
}

async fn in_place(client: &Client, rows: u64) -> f64 {
    table(client, rows).await;
    timed(client, "ALTER TABLE plain ALTER COLUMN n TYPE text USING n::text").await
}

/// When steps began and ended.
#[derive(Debug, Default)]
struct Watch(Mutex<Vec<(Instant, String)>>);

impl Observer for Watch {
    fn event(&self, event: Event) {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::StepStarted { what, .. } => seen.push((Instant::now(), what)),
            Event::StepDone { .. } => seen.push((Instant::now(), "done".to_owned())),
            _ => {}
        }
    }
}

fn backend(url: &str, deployment: &str, models: Vec<ModelEntry>, versions: u32) -> PostgresBackend {
    let id = |number: u32| VersionId { number, id: format!("0193c1a0-0000-7000-8000-{number:012}") };
    let catalog = Catalog { versions: (1..=versions).map(id).collect(), models, ..Catalog::default() };
    let database = open(url, &BTreeMap::new()).expect("an address");
    PostgresBackend::new(State::new(Arc::new(database), deployment), Arc::new(catalog))
}

fn entry(name: &str, releases: &[(u32, &str)]) -> ModelEntry {
    let parse = |text: &str| json::parse(text.as_bytes()).expect("JSON");
    let model = Model::from_value(&parse(&ITEM.replace("\"item\"", &format!("\"{name}\""))), &no_shared_types).expect("a model");
    let releases: Vec<Release> = releases
        .iter()
        .map(|(version, operation)| Release {
            version: *version,
            operations: vec![Operation::from_value(&parse(operation)).expect("an operation")],
            order: None,
        })
        .collect();
    let history = History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() });
    ModelEntry { name: name.to_owned(), eras: vec![Era { first: 1, end: None, history: history.expect("a history") }] }
}

async fn coeval(client: &Client, url: &str, rows: u64) -> (f64, f64) {
    migrate(&backend(url, "bench", vec![entry("item", &[])], 1), None, false, &How::quietly()).await.expect("version 1");
    batch(client, &format!("INSERT INTO bench_v1.item SELECT i, i * 7, 'a note' FROM generate_series(1, {rows}) AS i")).await;
    batch(client, "VACUUM ANALYZE bench.item").await;
    let watch = Watch::default();
    let how = How { observer: &watch, ..How::quietly() };
    let begin = Instant::now();
    migrate(&backend(url, "bench", vec![entry("item", &[(2, RETYPE)])], 2), None, false, &how).await.expect("version 2");
    let whole = begin.elapsed().as_secs_f64();
    let seen = watch.0.lock().unwrap_or_else(PoisonError::into_inner);
    let at = seen.iter().position(|(_, what)| what.starts_with("backfill")).expect("a backfill");
    ((seen[at + 1].0 - seen[at].0).as_secs_f64(), whole)
}

/// A hundred models, each changed by one version, from version 1 to 101.
async fn hundred(url: &str) -> f64 {
    let name = |n: u32| format!("m{n}");
    let firsts = (0..100).map(|n| entry(&name(n), &[])).collect();
    migrate(&backend(url, "hundred", firsts, 1), None, false, &How::quietly()).await.expect("version 1");
    let add = r#"{"add_property": {"path": "extra", "schema": {"type": "string", "required": true}, "value": "'x'"}}"#;
    let changed = (0..100).map(|n| entry(&name(n), &[(n + 2, add)])).collect();
    let begin = Instant::now();
    migrate(&backend(url, "hundred", changed, 101), None, false, &How::quietly()).await.expect("version 101");
    begin.elapsed().as_secs_f64()
}
