//! How fast a column is backfilled, beside a plain UPDATE in batches and a change of the type in place; what writers wait meanwhile, and
//! what is written for them; and a hundred migrations.
//!
//! `testing/postgres cargo bench -p coeval-postgres --bench backfill` prints the table of `docs/performance.md`; `-- 100000` takes so
//! many rows. All are measured in one run; compare them with one another.

#![allow(clippy::print_stdout, clippy::cast_precision_loss, reason = "a measurement prints figures")]

mod bulk;
mod reshape;
mod writers;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_engine::{How, migrate};
use coeval_postgres::{PostgresBackend, State, open};
use coeval_store::event::{Event, Observer};
use coeval_store::ledger::VersionId;
use coeval_store::work::{Pace, Stop};
use coeval_store::{Catalog, Era, ModelEntry};
use tokio_postgres::{Client, NoTls};

use crate::writers::{PACE, WRITERS, Writers, quantile};

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
    let (backfill, whole) = coeval(&client, &url, "bench", rows).await;
    report("backfill of coeval, its triggers in place", rows, backfill, plain);
    report("the whole migration: columns, triggers, backfill, checks, views", rows, whole, plain);
    let again = self::plain(&client, rows).await;
    report("plain UPDATE once more", rows, again, plain);
    let in_place = in_place(&client, rows).await;
    report("ALTER TYPE in place, the table locked", rows, in_place, plain);
    match reshape::whole(&client, &url, rows).await {
        Some(reshape) => report("the whole migration of reshape, its batches of 1,000", rows, reshape, plain),
        None => println!("| reshape is not installed | | | |"),
    }
    amplification(&client, &url, rows).await;
    bulk::report(&client, rows).await;
    waits(&client, &url, rows).await;
    println!("\n| a hundred pending versions in one deployment | s |\n|---|---|");
    println!("| of one table, to which each adds an optional column | {:.2} |", of_one(&url, "one", OPTIONAL).await);
    println!("| of one table, to which each adds a required column with a value | {:.2} |", of_one(&url, "valued", ADD).await);
    println!(
        "| of one table, to which each adds a required column that is computed | {:.2} |",
        of_one(&url, "computed", COMPUTED).await
    );
    println!("| of ten tables, each of which gets ten columns: 1,000 views | {:.2} |", several(&url, 10).await);
    println!("| of a hundred tables, each of which gets one column: 10,000 views | {:.2} |", several(&url, 100).await);
}

/// What the server writes for updates of single rows: through the old version while a backfill for the new one is under way, through both
/// when they are live, and to a plain table.
async fn amplification(client: &Client, url: &str, rows: u64) {
    table(client, rows).await;
    println!("\n| updates of single rows | bytes of WAL each | × plain |\n|---|---|---|");
    let plain = logged(client, "plain", rows).await;
    println!("| plain table | {plain:.0} | 1.00 |");
    let bytes = during(client, url, rows).await;
    println!("| the old version, during the backfill for the new one | {bytes:.0} | {:.2} |", bytes / plain);
    for view in ["bench_v1.item", "bench_v2.item"] {
        // Another value for each version: in the newer one it is a text.
        let bytes = logged(client, view, rows).await;
        println!("| {view}, two versions live | {bytes:.0} | {:.2} |", bytes / plain);
    }
}

/// The bytes of WAL for an update while a backfill is under way, which is so slow that next to nothing of them is its own.
async fn during(client: &Client, url: &str, rows: u64) -> f64 {
    first(client, url, "during", rows).await;
    let (watch, stop) = (Watch::default(), Stop::default());
    let pace = Pace { rate: Some(1.0), ..Pace::default() };
    let how = How { observer: &watch, pace, stop: stop.clone(), ..How::quietly() };
    let newer = backend(url, "during", vec![entry("item", &[(2, RETYPE)])], 2);
    let begun = || {
        let seen = watch.0.lock().unwrap_or_else(PoisonError::into_inner);
        seen.iter().any(|(_, what)| what.starts_with("backfill"))
    };
    let measured = async {
        while !begun() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        let bytes = logged(client, "during_v1.item", rows).await;
        stop.stop();
        bytes
    };
    let (run, bytes) = tokio::join!(migrate(&newer, None, false, &how), measured);
    run.expect_err("it was stopped in its backfill");
    bytes
}

/// The bytes of WAL for an update of a row, pages that were not changed since the last checkpoint left out.
async fn logged(client: &Client, table: &str, rows: u64) -> f64 {
    let updates = rows.min(20_000);
    let body = format!(
        "DO $$ BEGIN FOR i IN 1..{updates} LOOP UPDATE {table} SET n = (i * 7 + 1)::text::{} WHERE id = i; END LOOP; END $$",
        if table.ends_with("v2.item") { "text" } else { "bigint" }
    );
    batch(client, "VACUUM").await;
    // Once before the measurement, so that the pages were logged whole.
    batch(client, &body.replace("i * 7 + 1", "i * 7 + 2")).await;
    let before = client.query_one("SELECT pg_catalog.pg_current_wal_insert_lsn()::text", &[]).await.expect("a place");
    batch(client, &body).await;
    let sql = "SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_insert_lsn(), $1::text::pg_catalog.pg_lsn)::float8";
    let bytes: f64 = client.query_one(sql, &[&before.get::<_, String>(0)]).await.expect("a length").get(0);
    bytes / updates as f64
}

/// How long writers wait: alone, beside a plain UPDATE in batches, and beside a migration.
async fn waits(client: &Client, url: &str, rows: u64) {
    let each = 1000 / PACE.as_millis();
    println!(
        "\n| {WRITERS} writers, {each} updates a second each | writes | p50, ms | p99, ms | longest, ms |\n|---|---|---|---|---|"
    );
    let told = |what: &str, took: &[Duration]| {
        let [half, most, all] = [0.5, 0.99, 1.0].map(|part| quantile(took, part));
        println!("| {what} | {} | {half:.1} | {most:.1} | {all:.1} |", took.len());
    };
    table(client, rows).await;
    let writers = Writers::start(url, "plain", rows);
    tokio::time::sleep(Duration::from_secs(5)).await;
    told("nothing else going on", &writers.stop().await);
    let writers = Writers::start(url, "plain", rows);
    update(client, rows).await;
    told("beside a plain UPDATE in batches", &writers.stop().await);
    first(client, url, "waits", rows).await;
    let writers = Writers::start(url, "waits_v1.item", rows);
    second(url, "waits").await;
    told("beside the whole migration, through the old version", &writers.stop().await);
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
    update(client, rows).await
}

async fn update(client: &Client, rows: u64) -> f64 {
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

/// Makes a deployment at version 1, and its rows.
async fn first(client: &Client, url: &str, deployment: &str, rows: u64) {
    migrate(&backend(url, deployment, vec![entry("item", &[])], 1), None, false, &How::quietly()).await.expect("version 1");
    let fill = format!("INSERT INTO {deployment}_v1.item SELECT i, i * 7, 'a note' FROM generate_series(1, {rows}) AS i");
    batch(client, &fill).await;
    batch(client, &format!("VACUUM ANALYZE {deployment}.item")).await;
}

/// Migrates it to version 2, and returns how long the backfill took, and all of it.
async fn second(url: &str, deployment: &str) -> (f64, f64) {
    let watch = Watch::default();
    let how = How { observer: &watch, ..How::quietly() };
    let begin = Instant::now();
    let newer = backend(url, deployment, vec![entry("item", &[(2, RETYPE)])], 2);
    migrate(&newer, None, false, &how).await.expect("version 2");
    let whole = begin.elapsed().as_secs_f64();
    let seen = watch.0.lock().unwrap_or_else(PoisonError::into_inner);
    let at = seen.iter().position(|(_, what)| what.starts_with("backfill")).expect("a backfill");
    ((seen[at + 1].0 - seen[at].0).as_secs_f64(), whole)
}

async fn coeval(client: &Client, url: &str, deployment: &str, rows: u64) -> (f64, f64) {
    first(client, url, deployment, rows).await;
    second(url, deployment).await
}

const ADD: &str = r#"{"add_property": {"path": "extra", "schema": {"type": "string", "required": true}, "value": "'x'"}}"#;

const COMPUTED: &str =
    r#"{"add_property": {"path": "extra", "schema": {"type": "boolean", "required": true}, "value": "id > 0"}}"#;

const OPTIONAL: &str = r#"{"add_property": {"path": "extra", "schema": "string"}}"#;

/// A hundred releases, from version 2 on, each with an operation on a property of its own.
fn releases(operation: &str, versions: impl Iterator<Item = u32>) -> Vec<(u32, String)> {
    versions.map(|version| (version, operation.replace("extra", &format!("extra{version}")))).collect()
}

fn changed(name: &str, releases: &[(u32, String)]) -> ModelEntry {
    let releases: Vec<(u32, &str)> = releases.iter().map(|(version, operation)| (*version, operation.as_str())).collect();
    entry(name, &releases)
}

/// One model from version 1 to 101.
async fn of_one(url: &str, deployment: &str, operation: &str) -> f64 {
    pending(url, deployment, vec![entry("item", &[])], vec![changed("item", &releases(operation, 2..=101))]).await
}

/// Some models from version 1 to 101, each of which changes one of them.
async fn several(url: &str, models: u32) -> f64 {
    let name = |n: u32| format!("m{n}");
    let firsts = (0..models).map(|n| entry(&name(n), &[])).collect();
    let turn = |n: u32| (2..=101).filter(move |version| version % models == n);
    let last = (0..models).map(|n| changed(&name(n), &releases(ADD, turn(n)))).collect();
    pending(url, &format!("several{models}"), firsts, last).await
}

/// Migrates from version 1 to 101; returns how many seconds it took.
async fn pending(url: &str, deployment: &str, first: Vec<ModelEntry>, last: Vec<ModelEntry>) -> f64 {
    migrate(&backend(url, deployment, first, 1), None, false, &How::quietly()).await.expect("version 1");
    let last = backend(url, deployment, last, 101);
    let begin = Instant::now();
    migrate(&last, None, false, &How::quietly()).await.expect("version 101");
    begin.elapsed().as_secs_f64()
}
