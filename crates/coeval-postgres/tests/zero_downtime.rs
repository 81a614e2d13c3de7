//! Clients go on while versions come and go: plain SQL on connections of their own, and none of their statements fails.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use coeval_engine::How;
use coeval_store::Backend as _;
use common::shop::{ITEM, Versions, migrate, open, rollback};
use common::{ask, fresh, open_with, session};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// Clients that go on until they are told to stop.
#[derive(Default)]
struct Clients {
    stop: Arc<AtomicBool>,
    statements: Arc<AtomicU64>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Clients {
    /// Adds a client of a version. Every other one prepares its statements.
    fn add(&mut self, url: &str, version: u32, nth: u32) {
        let (url, stop, statements) = (url.to_owned(), Arc::clone(&self.stop), Arc::clone(&self.statements));
        self.tasks.push(tokio::spawn(async move {
            let mut failed = Vec::new();
            let client = session(&url).await;
            let view = format!("shop_v{version}.item");
            let (name, extra, values) = match version {
                1 => ("name", "", ""),
                2 => ("title", ", priority", ", 'high'"),
                3 => ("title", ", priority, slug", ", 'high', 'own'"),
                _ => ("title", ", slug", ", 'own'"),
            };
            let base = i64::from(version) * 1_000_000 + i64::from(nth) * 10_000;
            let mut round: i64 = 0;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let (id, shared) = (base + round % 5000, round % 50);
                let row = format!("{id}, 'n{round}', {}, {}, '{{}}'{values}", round % 90, round % 7);
                let texts = [
                    format!("SELECT * FROM {view} WHERE id = {shared}"),
                    format!("INSERT INTO {view} (id, {name}, price, qty, address{extra}) VALUES ({row}) ON CONFLICT (id) DO UPDATE SET price = excluded.price RETURNING *"),
                    format!("UPDATE {view} SET price = {}, {name} = 's{round}' WHERE id = {shared} RETURNING *", round % 900),
                    format!("BEGIN; UPDATE {view} SET qty = {} WHERE id = {id}; UPDATE {view} SET price = price + 1 WHERE id = {id}; COMMIT", round % 9),
                    format!("DELETE FROM {view} WHERE id = {}", base + (round + 2500) % 5000),
                ];
                for text in texts {
                    statements.fetch_add(1, Ordering::Relaxed);
                    let done = if nth.is_multiple_of(2) && !text.starts_with("BEGIN") {
                        match client.prepare(&text).await {
                            Ok(prepared) => client.query(&prepared, &[]).await.map(|_| ()),
                            Err(error) => Err(error),
                        }
                    } else {
                        client.batch_execute(&text).await
                    };
                    if let Err(error) = done {
                        failed.push(format!("version {version}: {text}: {error:?}"));
                        // A transaction that failed is over.
                        let _ = client.batch_execute("ROLLBACK").await;
                    }
                }
            }
            failed
        }));
    }

    /// Tells all to stop; returns how many statements there were. None may have failed.
    async fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            let failed = task.await.unwrap();
            assert!(failed.is_empty(), "{} statements failed: {:#?}", failed.len(), &failed[..failed.len().min(5)]);
        }
        self.statements.load(Ordering::Relaxed)
    }
}

/// Returns the rows in which versions contradict each other.
async fn incoherent(client: &Client) -> String {
    let sql = "SELECT a.id, a.name, b.title, a.price, c.price, a.qty, c.qty, c.address
        FROM shop_v1.item a FULL JOIN shop_v2.item b USING (id) FULL JOIN shop_v3.item c USING (id)
        WHERE a.name IS DISTINCT FROM b.title OR b.title IS DISTINCT FROM c.title OR a.price IS DISTINCT FROM b.price
        OR round(a.price * 100) IS DISTINCT FROM c.price OR coalesce(a.qty, 0) IS DISTINCT FROM c.qty
        OR a.address -> 'street' IS DISTINCT FROM c.address -> 'line' OR b.priority IS NULL OR c.slug IS NULL LIMIT 5";
    ask(client, sql).await
}

async fn seed(client: &Client, rows: u32) {
    let sql = format!(
        "INSERT INTO shop_v1.item SELECT g, 'n' || g, g % 100, nullif(g % 3, 0), '{{\"street\": \"s\"}}' FROM generate_series(0, {rows}) g"
    );
    client.batch_execute(&sql).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_versions_come_go_and_come_again() {
    let url = fresh().await;
    let backend = open(&url, &[ITEM], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    seed(&client, 20_000).await;
    let mut clients = Clients::default();
    for nth in 0..4 {
        clients.add(&url, 1, nth);
    }
    migrate(&backend, 2).await;
    clients.add(&url, 2, 0);
    clients.add(&url, 2, 1);
    for _ in 0..12 {
        migrate(&backend, 3).await;
        assert_eq!(incoherent(&client).await, "");
        rollback(&backend, 2).await;
    }
    migrate(&backend, 3).await;
    clients.add(&url, 3, 0);
    clients.add(&url, 3, 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    let statements = clients.end().await;
    assert!(statements > 1000, "{statements} statements");
    assert_eq!(incoherent(&client).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_old_versions_are_retired() {
    for _ in 0..2 {
        let url = fresh().await;
        let backend = open(&url, &[ITEM], 4);
        migrate(&backend, 1).await;
        let client = session(&url).await;
        seed(&client, 5000).await;
        // Several versions that wait, in one deployment.
        migrate(&backend, 4).await;
        let mut newest = Clients::default();
        newest.add(&url, 4, 0);
        newest.add(&url, 4, 1);
        for before in 2..=4 {
            let mut others = Clients::default();
            for version in before..4 {
                others.add(&url, version, 0);
                others.add(&url, version, 1);
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
            coeval_engine::retire(&backend, before, &How::quietly()).await.unwrap();
            tokio::time::sleep(Duration::from_millis(200)).await;
            let statements = others.end().await;
            assert!(before == 4 || statements > 50, "{statements} statements");
            let wrong = "SELECT * FROM shop_v2.item b FULL JOIN shop_v3.item c USING (id) WHERE b.title IS DISTINCT FROM c.title
                OR round(b.price * 100) IS DISTINCT FROM c.price OR coalesce(b.qty, 0) IS DISTINCT FROM c.qty LIMIT 5";
            if before == 2 {
                assert_eq!(ask(&client, wrong).await, "");
            }
            let there = "SELECT string_agg(schema_name, ' ' ORDER BY schema_name) FROM information_schema.schemata WHERE schema_name ~ '^shop_v[0-9]$'";
            let live: Vec<String> = (before..=4).map(|version| format!("shop_v{version}")).collect();
            assert_eq!(ask(&client, there).await, live.join(" "));
        }
        let statements = newest.end().await;
        assert!(statements > 100, "{statements} statements");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_path_and_qualified_names_give_the_same() {
    let url = fresh().await;
    migrate(&open(&url, &[ITEM], 4), 3).await;
    let client = session(&url).await;
    ask(&client, "SET search_path = shop_v3, public; INSERT INTO item (id, title, price, qty, address, priority, slug) VALUES (1, 'a', 150, 1, '{}', 'low', 's')").await;
    ask(&client, "SET search_path = public; INSERT INTO shop_v3.item (id, title, price, qty, address, priority, slug) VALUES (2, 'a', 150, 1, '{}', 'low', 's')").await;
    ask(&client, "SET search_path = ''; INSERT INTO shop_v1.item (id, name, price, address) VALUES (3, 'a', 1.5, '{}')").await;
    assert_eq!(ask(&client, "SELECT id, trim_scale(price) FROM shop_v1.item ORDER BY id").await, "1|1.5\n2|1.5\n3|1.5");
    assert_eq!(ask(&client, "SELECT id, price, qty FROM shop_v3.item ORDER BY id").await, "1|150|1\n2|150|1\n3|150|0");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_newer_client_wrote_an_older_one_leaves_alone() {
    let url = fresh().await;
    let backend = open(&url, &[ITEM], 4);
    migrate(&backend, 3).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v3.item VALUES (1, 'a', 150, 1, '{}', 'high', 's')").await;
    ask(&client, "UPDATE shop_v1.item SET name = 'b', price = 7 WHERE id = 1").await;
    assert_eq!(ask(&client, "SELECT * FROM shop_v3.item").await, "1|b|700|1|{}|high|s");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_stands_in_the_way_is_named_and_waited_for_no_longer_than_the_patience() {
    let url = fresh().await;
    migrate(&open(&url, &[ITEM], 4), 1).await;
    let reader = session(&url).await;
    reader.batch_execute("BEGIN; SELECT * FROM shop_v1.item").await.unwrap();
    let database = open_with(&url, &[("lock_patience", "3")]).unwrap();
    let state = coeval_postgres::State::new(database, "shop");
    let backend = coeval_postgres::PostgresBackend::new(state, Arc::new(common::shop::catalog(&[ITEM], 4)));
    let began = Instant::now();
    let writer = session(&url).await;
    let how = How::quietly();
    let (outcome, slowest) = tokio::join!(coeval_engine::migrate(&backend, Some(2), false, &how), async {
        let mut slowest = Duration::ZERO;
        for id in 0..40 {
            let begin = Instant::now();
            let sql = format!("INSERT INTO shop_v1.item (id, name, address) VALUES ({id}, 'a', '{{}}')");
            writer.batch_execute(&sql).await.unwrap();
            slowest = slowest.max(begin.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        slowest
    });
    let error = outcome.unwrap_err();
    assert!(format!("{error:?}").contains("idle in transaction"), "{error:?}");
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
    assert!(slowest < Duration::from_secs(1), "a client waited for {slowest:?}");
    reader.batch_execute("COMMIT").await.unwrap();
    let ledger = backend.ledger().await.unwrap();
    assert_eq!((ledger.in_force(), ledger.open().is_none()), (Some(1), true), "the run was undone");
    migrate(&backend, 2).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn records_in_the_way_are_named_and_nothing_changes() {
    let url = fresh().await;
    let parts: Versions<'_> = (
        r#"{"type": "model", "name": "part", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "code": "string"}}"#,
        &[(
            2,
            &[
                r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)"}}"#,
            ],
        )],
    );
    let backend = open(&url, &[parts], 2);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.part SELECT g, CASE WHEN g IN (77, 2999) THEN 'x' || g ELSE g::text END FROM generate_series(1, 3000) g").await;
    let told = common::Told::default();
    let how = How { observer: &told, ..How::quietly() };
    let outcome = coeval_engine::migrate(&backend, Some(2), false, &how).await;
    assert!(outcome.is_err());
    let named = told.failures();
    assert_eq!(named.iter().map(|failure| failure.key.as_str()).collect::<Vec<_>>(), ["77", "2999"], "{named:?}");
    assert!(named[0].reason.contains("x77"), "{named:?}");
    let columns =
        "SELECT string_agg(column_name, ',') FROM information_schema.columns WHERE table_schema = 'shop' AND table_name = 'part'";
    assert_eq!(ask(&client, columns).await, "id,code");
    ask(&client, "UPDATE shop_v1.part SET code = '5' WHERE id IN (77, 2999)").await;
    migrate(&backend, 2).await;
    // A write that the newer version could not show is refused.
    let refused = client.batch_execute("UPDATE shop_v1.part SET code = 'x' WHERE id = 1").await.unwrap_err();
    assert_eq!(refused.code().unwrap().code(), "22P02", "{refused:?}");
}
