//! Versions that showed something in one column part when a newer one comes for which it matters which of them wrote.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use coeval_engine::How;
use coeval_plan::Step;
use coeval_postgres::PostgresBackend;
use coeval_store::Backend as _;
use common::adopted::{Changes, adopt};
use common::dump::{dump, similar};
use common::shop::{Versions, drift, migrate, open, rollback};
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
    format!("{}{}", ask(client, sql).await, drift(backend).await.concat())
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
    assert_eq!(drift(&backend).await, [""; 0]);
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

/// As [`PARTED`], of a table whose columns are narrower than coeval's.
const NARROW: Changes<'static> = ("item", &[PARTED.1[0].1, PARTED.1[1].1]);

#[tokio::test(flavor = "multi_thread")]
async fn columns_of_a_table_that_was_there_before_part_and_keep_their_types() {
    let url = fresh().await;
    let watcher = session(&url).await;
    ask(&watcher, "CREATE TABLE item (id int PRIMARY KEY, a smallint, b int, w varchar(20))").await;
    ask(&watcher, "INSERT INTO item VALUES (1, 2, 3, 'w'), (2, NULL, 1, NULL)").await;
    let was = dump(&url);
    let backend = adopt(&url, &[NARROW], 3).await;
    for to in [2, 3] {
        migrate(&backend, to).await;
        ask(&watcher, &format!("INSERT INTO shop_v1.item VALUES (1{to}, 5, 6, 'x')")).await;
        ask(&watcher, &format!("INSERT INTO shop_v2.item (id, a, x) VALUES (2{to}, 7, '{{\"h\": 8}}')")).await;
        ask(&watcher, &format!("UPDATE shop_v2.item SET a = {to} WHERE id = 1")).await;
        assert_eq!(drift(&backend).await, [""; 0]);
    }
    let shown = |version| format!("SELECT id, a FROM shop_v{version}.item ORDER BY id");
    assert_eq!(ask(&watcher, &shown(1)).await, "1|3\n2|∅\n12|5\n13|5\n22|7\n23|7");
    assert_eq!(ask(&watcher, &shown(2)).await, ask(&watcher, &shown(1)).await);
    assert_eq!(ask(&watcher, &shown(3)).await, "1|6\n2|1\n12|11\n13|11\n22|15\n23|15");
    coeval_engine::retire(&backend, 2, &How::quietly()).await.unwrap();
    ask(&watcher, "UPDATE shop_v3.item SET a = 20 WHERE id = 1").await;
    assert_eq!(ask(&watcher, "SELECT a FROM shop_v2.item WHERE id = 1").await, "17");
    let url = fresh().await;
    let watcher = session(&url).await;
    ask(&watcher, "CREATE TABLE item (id int PRIMARY KEY, a smallint, b int, w varchar(20))").await;
    let backend = adopt(&url, &[NARROW], 3).await;
    migrate(&backend, 3).await;
    for to in [2, 1, 0] {
        rollback(&backend, to).await;
    }
    similar(&dump(&url), &was, "everything is rolled back");
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_on_columns_that_part_are_rights_on_both() {
    let url = fresh().await;
    let backend = open(&url, &[PARTED], 3);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    let [few, none] = ["few", "none"].map(|what| format!("{what}_{}", url.rsplit_once("t_").unwrap().1));
    ask(&client, "INSERT INTO shop_v1.item (id, a, b) VALUES (1, 2, 3)").await;
    let set_up = format!(
        "CREATE ROLE {few}; CREATE ROLE {none}; GRANT USAGE ON SCHEMA shop_v1 TO {none};
         GRANT SELECT, UPDATE ON shop_v1.item TO {none};
         ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY; CREATE POLICY all_rows ON shop.item USING (true)"
    );
    ask(&client, &set_up).await;
    let forget = format!("DROP OWNED BY {few}, {none}; DROP ROLE {few}, {none}");
    if ask(&client, "SHOW server_version_num").await.parse::<i32>().unwrap() < 150_000 {
        // Nothing parts there that views would have to be read for with somebody's own rights.
        let refused = coeval_engine::migrate(&backend, Some(2), false, &How::quietly()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("before PostgreSQL 15 views get around it"), "{refused:?}");
        ask(&client, &forget).await;
        return;
    }
    migrate(&backend, 2).await;
    let columns = "SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute
        WHERE attrelid = 'shop.item'::regclass AND attnum > 0 AND NOT attisdropped";
    let columns = ask(&client, columns).await;
    let given = format!(
        "GRANT USAGE ON SCHEMA shop_v2, shop, shop_w TO {few}; GRANT SELECT, UPDATE ON shop_v2.item, shop_w.item_v2 TO {few};
         GRANT SELECT ({columns}), UPDATE ({columns}) ON shop.item TO {few}"
    );
    ask(&client, &given).await;
    for to in [3, 2, 3] {
        if to == 2 {
            rollback(&backend, 2).await
        } else {
            migrate(&backend, 3).await
        };
        for (role, version) in [(&none, 1), (&few, 2)] {
            ask(&client, &format!("SET ROLE {role}")).await;
            assert_eq!(ask(&client, &format!("SELECT a FROM shop_v{version}.item")).await, "2", "{role} at {to}");
            ask(&client, &format!("UPDATE shop_v{version}.item SET a = 2 WHERE id = 1; RESET ROLE")).await;
        }
    }
    rollback(&backend, 0).await;
    ask(&client, &forget).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_will_run_is_told_beforehand() {
    let url = fresh().await;
    let backend = open(&url, &[PARTED], 3);
    migrate(&backend, 2).await;
    let script = backend.script(&Step::CreateViews { from: 2, to: 3 }).await.unwrap();
    let begins = |statement: &String| statement.split(" AS SELECT ").next().unwrap().split("()").next().unwrap().to_owned();
    let told: Vec<String> = script.iter().map(begins).filter(|begins| begins.starts_with("CREATE ")).collect();
    // Of versions that are there, what is beneath the views of clients; then what looks at it.
    let expected = [
        r#"CREATE OR REPLACE VIEW "shop_w"."item_v2""#,
        r#"CREATE OR REPLACE VIEW "shop_w"."item_v3""#,
        r#"CREATE OR REPLACE VIEW "shop_v3"."item""#,
        r#"CREATE OR REPLACE FUNCTION "shop_w"."item_insert""#,
        r#"CREATE OR REPLACE FUNCTION "shop_w"."item_update""#,
    ];
    assert_eq!(told, expected, "{script:#?}");
}
