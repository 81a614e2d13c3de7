//! Clients with connections of their own that read and write all the time, while versions come, go, come again and are retired: no
//! statement of theirs fails.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use coeval_engine::How;
use common::shop::{drifts, migrate, one, rollback};
use common::*;

const ITEM: &str = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
    "id": {"type": "integer", "required": true}, "name": {"type": "string", "required": true},
    "price": {"type": "integer", "required": true}, "qty": "integer", "tags": {"type": "array", "items": {"type": "object", "properties": {"n": "integer"}}}}}"#;
const CHANGES: &[&[&str]] = &[
    &[
        r#"{"rename_property": {"from": "name", "to": "title"}}"#,
        r#"{"retype_property": {"path": "price", "schema": {"type": "string", "required": true}, "up": "cast(price as string)", "down": "cast(price as integer)"}}"#,
        r#"{"rename_property": {"from": "tags[].n", "to": "tags[].number"}}"#,
    ],
    &[
        r#"{"require_property": {"path": "qty", "value": "0"}}"#,
        r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "title || '-' || price"}}"#,
        r#"{"retype_property": {"path": "tags[].number", "schema": "string", "up": "cast(value.number as string)", "down": "cast(value.number as integer)"}}"#,
    ],
];

/// Clients that go on until they are told to end.
#[derive(Default)]
struct Clients {
    stop: Arc<AtomicBool>,
    statements: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Clients {
    fn add(&mut self, path: &Path, version: u32, nth: u32) {
        let (stop, statements) = (Arc::clone(&self.stop), Arc::clone(&self.statements));
        let client = rusqlite::Connection::open(path).unwrap();
        client.busy_timeout(Duration::from_secs(60)).unwrap();
        self.threads.push(std::thread::spawn(move || {
            let mut failed = Vec::new();
            let view = format!("item_v{version}");
            let (name, tag, own) = match version {
                1 => ("name", "{\"n\": 7}", ""),
                2 => ("title", "{\"number\": 7}", ""),
                _ => ("title", "{\"number\": \"7\"}", ", slug"),
            };
            let base = i64::from(version) * 1_000_000 + i64::from(nth) * 10_000;
            let mut round: i64 = 0;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let (id, shared) = (base + round, round % 20);
                let slug = if own.is_empty() { "" } else { ", 'own'" };
                let texts = [
                    format!("SELECT * FROM {view} WHERE id = {shared}"),
                    format!("INSERT INTO {view} (id, {name}, price, qty, tags{own}) VALUES ({id}, 'n{round}', {}, 3, '[{tag}]'{slug})", round % 90),
                    format!("UPDATE {view} SET price = {}, {name} = 's{round}' WHERE id = {shared}", round % 900),
                    format!("BEGIN IMMEDIATE; UPDATE {view} SET qty = {} WHERE id = {id}; UPDATE {view} SET tags = '[{tag}, {tag}]' WHERE id = {shared}; COMMIT", round % 9),
                    format!("DELETE FROM {view} WHERE id = {}", id - 5),
                ];
                for text in texts {
                    statements.fetch_add(1, Ordering::Relaxed);
                    if let Err(error) = client.execute_batch(&text) {
                        failed.push(format!("version {version}: {text}: {error}"));
                        if !client.is_autocommit() {
                            client.execute_batch("ROLLBACK").unwrap();
                        }
                    }
                }
                // The others' turn: one at a time writes.
                std::thread::sleep(Duration::from_millis(2));
            }
            failed
        }));
    }

    /// Tells all to stop; returns how many statements there were. None may have failed.
    fn end(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads {
            let failed = thread.join().unwrap();
            assert!(failed.is_empty(), "{} statements failed: {:#?}", failed.len(), &failed[..failed.len().min(5)]);
        }
        self.statements.load(Ordering::Relaxed)
    }
}

/// Returns how many rows there are, and in how many versions contradict each other.
fn told(path: &Path) -> (i64, i64) {
    let client = rusqlite::Connection::open(path).unwrap();
    let wrong = "a.name IS NOT b.title OR b.title IS NOT c.title OR a.price IS NOT CAST(b.price AS INTEGER) OR b.price IS NOT c.price
        OR coalesce(a.qty, 0) IS NOT c.qty OR json_array_length(a.tags) IS NOT json_array_length(c.tags)
        OR a.tags ->> '$[0].n' IS NOT CAST(c.tags ->> '$[0].number' AS INTEGER) OR c.slug IS NULL OR b.id IS NULL OR c.id IS NULL";
    let sql = format!(
        "SELECT count(*), coalesce(sum({wrong}), 0) FROM item_v1 a LEFT JOIN item_v2 b USING (id) LEFT JOIN item_v3 c USING (id)"
    );
    client.query_row(&sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_notices_that_versions_come_go_come_again_and_are_retired() {
    let (_folder, path) = fresh();
    let store = one(&path, ITEM, CHANGES, 3);
    migrate(&store, 1).await;
    let client = rusqlite::Connection::open(&path).unwrap();
    client.busy_timeout(Duration::from_secs(60)).unwrap();
    let seed = "WITH RECURSIVE g(g) AS (SELECT 0 UNION ALL SELECT g + 1 FROM g WHERE g < 3000)
        INSERT INTO item_v1 SELECT g, 'n' || g, g % 100, nullif(g % 3, 0), '[{\"n\": 1}]' FROM g";
    client.execute_batch(seed).unwrap();
    let (mut oldest, mut others) = (Clients::default(), Clients::default());
    oldest.add(&path, 1, 0);
    oldest.add(&path, 1, 1);
    migrate(&store, 2).await;
    others.add(&path, 2, 0);
    others.add(&path, 2, 1);
    for _ in 0..6 {
        migrate(&store, 3).await;
        tokio::time::sleep(Duration::from_millis(50)).await;
        rollback(&store, 2, false).await;
    }
    migrate(&store, 3).await;
    others.add(&path, 3, 0);
    tokio::time::sleep(Duration::from_millis(300)).await;
    let statements = oldest.end();
    assert!(statements > 200, "{statements} statements");
    // Nobody writes at version 1 any more, and all three are seen once more as one.
    for before in 2..=3 {
        if before == 3 {
            let statements = std::mem::take(&mut others).end();
            assert!(statements > 200, "{statements} statements");
            others.add(&path, 3, 2);
        } else {
            let (rows, wrong) = told(&path);
            assert!(rows > 2000 && wrong == 0, "{wrong} of {rows}");
        }
        coeval_engine::retire(&store, before, &How::quietly()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(others.end() > 20);
    assert_eq!(drifts(&store).await, [""; 0]);
}
