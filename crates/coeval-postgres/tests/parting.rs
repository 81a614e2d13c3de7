//! Versions that showed something in one column part when a newer one comes for which it matters which of them wrote.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coeval_engine::How;
use coeval_postgres::PostgresBackend;
use coeval_store::Backend as _;
use common::shop::{Versions, migrate, open, rollback};
use common::{ask, fresh, session};
use tokio::task::JoinHandle;
use tokio_postgres::Client;

/// 2 moves `b` into an object; 3 computes `a` and what is in the object with one another, so that the object is there for 1 where `a` is.
const PARTED: Versions<'static> = (
    r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "a": "integer", "b": "integer", "_w": "string"}}"#,
    &[
        (2, &[r#"{"move_property": {"from": "b", "to": "x.h"}}"#]),
        (
            3,
            &[r#"{"transform": {"up": {"a": "coalesce(a, 0) + coalesce(x.h, 0)", "x.h": "x.h"},
                "down": {"a": "coalesce(a, 0) - coalesce(x.h, 0)", "x.h": "x.h"}, "schemas": {"a": "integer", "x.h": "integer"}}}"#],
        ),
        (4, &[r#"{"add_property": {"path": "note", "schema": "string", "value": "_w"}}"#]),
    ],
);

/// Clients that write rows of their own, and find what they wrote.
#[derive(Default)]
struct Clients {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<i64>>,
}

impl Clients {
    fn add(&mut self, url: &str, version: i64) {
        let (url, stop, first) = (url.to_owned(), Arc::clone(&self.stop), 1_000_000 * i64::try_from(self.tasks.len()).unwrap());
        let inner = move |round: i64| if version == 1 { round.to_string() } else { format!("'{{\"h\": {round}}}'") };
        let (name, read) = if version == 1 { ("b", "b") } else { ("x", "(x ->> 'h')::bigint") };
        let view = format!("shop_v{version}.item");
        self.tasks.push(tokio::spawn(async move {
            let client = session(&url).await;
            let mut round = 0;
            while !stop.load(Ordering::Relaxed) {
                round += 1;
                let (new, old) = (first + round, first + (round + 1) / 2);
                let row = format!("{new}, {}, {}, 'w'", 2 * round, inner(round));
                ask(&client, &format!("INSERT INTO {view} (id, a, {name}, _w) VALUES ({row})")).await;
                let found = ask(&client, &format!("SELECT a, {read}, _w FROM {view} WHERE id = {new}")).await;
                assert_eq!(found, format!("{}|{round}|w", 2 * round), "inserted at version {version}");
                ask(&client, &format!("UPDATE {view} SET a = -{round} WHERE id = {old}")).await;
                let found = ask(&client, &format!("SELECT a, {read} FROM {view} WHERE id = {old}")).await;
                assert_eq!(found, format!("-{round}|{}", old - first), "updated at version {version}");
            }
            round
        }));
    }

    /// Tells all to stop, after a while.
    async fn end(self) {
        tokio::time::sleep(Duration::from_millis(100)).await;
        self.stop.store(true, Ordering::Relaxed);
        for task in self.tasks {
            assert!(task.await.unwrap() > 20);
        }
    }
}

/// Returns the columns in which versions 1 and 2 show `a`, and what is not as it should be.
async fn columns(backend: &PostgresBackend, client: &Client) -> String {
    let sql =
        "SELECT string_agg(DISTINCT a.attname, ' ' ORDER BY a.attname) FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE r.ev_class IN ('shop_v1.item'::regclass, 'shop_w.item_v2'::regclass) AND d.refobjid = 'shop.item'::regclass
        AND a.attname LIKE 'a%'";
    let drift: Vec<String> = backend.drift().await.unwrap().iter().map(ToString::to_string).collect();
    format!("{}{}", ask(client, sql).await, drift.concat())
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_find_what_they_wrote_while_columns_part_and_are_one_again() {
    let url = fresh().await;
    let backend = open(&url, &[PARTED], 3);
    let watcher = session(&url).await;
    migrate(&backend, 2).await;
    assert_eq!(columns(&backend, &watcher).await, "a");
    let mut clients = Clients::default();
    for version in [1, 1, 2, 2] {
        clients.add(&url, version);
    }
    for round in 0..6 {
        migrate(&backend, 3).await;
        assert_eq!(columns(&backend, &watcher).await, "a a_v3");
        let how = How { warm: round % 3 == 2, ..How::quietly() };
        coeval_engine::rollback(&backend, Some(2), &how).await.unwrap();
        assert_eq!(columns(&backend, &watcher).await, "a");
    }
    clients.end().await;
    let differ = "SELECT count(*) FROM shop_v1.item one JOIN shop_v2.item two USING (id)
        WHERE one.a IS DISTINCT FROM two.a OR one.b IS DISTINCT FROM (two.x ->> 'h')::bigint";
    assert_eq!(ask(&watcher, differ).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_column_that_parted_versions_come_back_to_outlives_the_oldest_one() {
    let url = fresh().await;
    let backend = open(&url, &[PARTED], 3);
    let watcher = session(&url).await;
    migrate(&backend, 3).await;
    let mut clients = Clients::default();
    for version in [2, 2] {
        clients.add(&url, version);
    }
    coeval_engine::retire(&backend, 2, &How::quietly()).await.unwrap();
    for _ in 0..3 {
        rollback(&backend, 2).await;
        migrate(&backend, 3).await;
    }
    clients.end().await;
    let drift: Vec<String> = backend.drift().await.unwrap().iter().map(ToString::to_string).collect();
    assert_eq!(drift, [""; 0]);
    // What 3 makes of it.
    let differ = "SELECT count(*) FROM shop_v2.item two JOIN shop_v3.item three USING (id)
        WHERE three.a IS DISTINCT FROM coalesce(two.a, 0) + coalesce((two.x ->> 'h')::bigint, 0)";
    assert_eq!(ask(&watcher, differ).await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_who_have_less_than_the_tables_find_what_they_wrote_while_more_comes() {
    let url = fresh().await;
    let backend = open(&url, &[PARTED], 4);
    let watcher = session(&url).await;
    migrate(&backend, 3).await;
    let mut clients = Clients::default();
    for version in [1, 2, 2] {
        clients.add(&url, version);
    }
    let how = How { warm: true, ..How::quietly() };
    coeval_engine::rollback(&backend, Some(2), &how).await.unwrap();
    migrate(&backend, 4).await;
    rollback(&backend, 2).await;
    migrate(&backend, 4).await;
    clients.end().await;
    let differ = "SELECT count(*) FROM shop_v1.item one JOIN shop_v2.item two USING (id) JOIN shop_v4.item four USING (id)
        WHERE one.a IS DISTINCT FROM two.a OR one.b IS DISTINCT FROM (two.x ->> 'h')::bigint
        OR four.a IS DISTINCT FROM coalesce(two.a, 0) + coalesce((two.x ->> 'h')::bigint, 0) OR four.note IS DISTINCT FROM 'w'";
    assert_eq!(ask(&watcher, differ).await, "0");
}

/// What 2 shows in the column that it had before 3 came is repaired as before, and nothing is missed when 1 is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_condition_on_what_has_parted_is_repaired_as_before() {
    let check = r#"{"add_check": {"name": "sane", "expr": "a >= -9", "policy": {"repair": "-9"}}}"#;
    let second = [PARTED.1[0].1[0], check];
    let versions = [(2, &second[..]), PARTED.1[1]];
    let checked: Versions<'_> = (PARTED.0, &versions);
    let url = fresh().await;
    let backend = open(&url, &[checked], 3);
    let client = session(&url).await;
    migrate(&backend, 2).await;
    migrate(&backend, 3).await;
    let drifts = async || backend.drift().await.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(drifts().await, [""; 0]);
    ask(&client, "INSERT INTO shop_v1.item (id, a) VALUES (1, -100)").await;
    assert_eq!(ask(&client, "SELECT one.a, two.a FROM shop_v1.item one JOIN shop_v2.item two USING (id)").await, "-9|-9");
    coeval_engine::retire(&backend, 2, &How::quietly()).await.unwrap();
    assert_eq!(drifts().await, [""; 0]);
}
