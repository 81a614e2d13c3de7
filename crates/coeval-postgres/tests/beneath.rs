//! What clients rely on without naming it: functions that look things up beneath their views, and the defaults of their version.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::fmt::Write as _;
use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::{Table, Tables};
use coeval_engine::How;
use coeval_postgres::PostgresBackend;
use coeval_store::catalog::{Catalog, Era, ModelEntry};
use coeval_store::ledger::VersionId;
use common::shop::{Versions, drift, migrate, open, rollback};
use common::{ask, fresh, session, state};
use futures::{SinkExt as _, pin_mut};
use tokio_postgres::Client;

/// Opens a deployment whose version 2 looks the name of a land up by its code, and the code by the name; both tables are large.
fn atlas(url: &str) -> PostgresBackend {
    let table = |name: &str, row: fn(u32) -> String| {
        let rows: Vec<String> = (0..20).map(row).collect();
        Table::from_value(name, &json::parse(format!("{{{}}}", rows.join(", ")).as_bytes()).unwrap()).unwrap()
    };
    let by_code = table("land", |n| format!(r#""c{n}": {{"name": "Land {n}"}}"#));
    let by_name = table("code", |n| format!(r#""Land {n}": {{"code": "c{n}"}}"#));
    let tables: Tables = [by_code, by_name].into_iter().collect();
    let model = r#"{"type": "model", "name": "place", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "code": "string"}}"#;
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let operation = r#"{"transform": {"up": {"land": "lookup('land', code).name"}, "down": {"code": "lookup('code', land).code"}, "schemas": {"land": "string"}}}"#;
    let operations = vec![Operation::from_value(&json::parse(operation.as_bytes()).unwrap()).unwrap()];
    let releases = [Release { version: 2, operations, order: None }];
    let history = History::new(1, model, &releases, &Context { tables: &tables, rewrites: &Rewrites::new() }).unwrap();
    let models = vec![ModelEntry { name: "place".to_owned(), eras: vec![Era { first: 1, end: None, history }] }];
    let id = |number: u32| VersionId { number, id: format!("0193c1a0-0000-7000-8000-{number:012}") };
    let catalog = Catalog { versions: (1..=2).map(id).collect(), models, ..Catalog::default() };
    PostgresBackend::new(state(url, "shop"), Arc::new(catalog))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_up_needs_no_rights_beneath_the_views() {
    for strict in [false, true] {
        let url = fresh().await;
        let backend = atlas(&url);
        let client = session(&url).await;
        if strict {
            // Where functions are nobody's but their owner's, unless it is said.
            ask(&client, "ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC").await;
        }
        migrate(&backend, 1).await;
        let role = format!("clerk_{}", uuid::Uuid::now_v7().simple());
        let given = format!(
            "CREATE ROLE {role}; GRANT USAGE ON SCHEMA shop_v1 TO {role}; GRANT SELECT, INSERT, UPDATE ON shop_v1.place TO {role}"
        );
        ask(&client, &given).await;
        ask(&client, "INSERT INTO shop_v1.place VALUES (1, 'c1'), (2, 'none')").await;
        migrate(&backend, 2).await;
        // Otherwise there would be nothing to have rights on.
        let functions = "SELECT count(*) FROM pg_proc WHERE pronamespace = to_regnamespace('shop_w') AND proname LIKE '%lookup%'";
        assert_eq!(ask(&client, functions).await, "2");
        ask(&client, &format!("SET ROLE {role}")).await;
        for sql in [
            "INSERT INTO shop_v1.place VALUES (3, 'c3'), (4, NULL)",
            "INSERT INTO shop_v2.place VALUES (5, 'Land 5')",
            "UPDATE shop_v1.place SET code = 'c19' WHERE id = 1",
            "UPDATE shop_v2.place SET land = 'Land 4' WHERE id = 4",
        ] {
            ask(&client, sql).await;
        }
        let both = "SELECT id, code, land FROM shop_v1.place JOIN shop_v2.place USING (id) ORDER BY id";
        assert_eq!(ask(&client, both).await, "1|c19|Land 19\n2|none|∅\n3|c3|Land 3\n4|c4|Land 4\n5|c5|Land 5");
        ask(&client, &format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")).await;
        rollback(&backend, 1).await;
        assert_eq!(ask(&client, functions).await, "0");
        migrate(&backend, 2).await;
        assert_eq!(ask(&client, "SELECT land FROM shop_v2.place WHERE id = 5").await, "Land 5");
        rollback(&backend, 0).await;
        assert_eq!(ask(&client, "SELECT to_regnamespace('shop_w')").await, "∅");
    }
}

/// 2 has another type and another default for `n`, adds what has a default of its own, and renames; 3 only has another default.
const STOCK: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "name": {"type": "string", "required": true},
        "kind": {"type": "string", "required": true, "default": "k"}, "n": {"type": "integer", "default": 3}, "plain": "integer"}}"#,
    &[
        (
            2,
            &[
                r#"{"rename_property": {"from": "kind", "to": "sort"}}"#,
                r#"{"retype_property": {"path": "n", "schema": {"type": "string", "default": "9"}, "up": "cast(n as string)", "down": "cast(n as integer)"}}"#,
                r#"{"add_property": {"path": "size", "schema": {"type": "integer", "default": 7}, "value": "1"}}"#,
            ],
        ),
        (3, &[r#"{"set_default": {"path": "sort", "default": "s"}}"#, r#"{"set_default": {"path": "size"}}"#]),
    ],
);

async fn copy(client: &Client, into: &str, text: &'static str) {
    let sink = client.copy_in(&format!("COPY {into} FROM STDIN")).await.unwrap_or_else(|e| panic!("{into}: {e:?}"));
    pin_mut!(sink);
    sink.send(bytes::Bytes::from_static(text.as_bytes())).await.unwrap();
    sink.finish().await.unwrap_or_else(|e| panic!("{into}: {e:?}"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_is_that_of_the_version_that_writes() {
    let url = fresh().await;
    let backend = open(&url, &[STOCK], 3);
    let client = session(&url).await;
    migrate(&backend, 1).await;
    ask(&client, "INSERT INTO shop_v1.part (id, name) VALUES (1, 'a')").await;
    let mut newest = String::new();
    for round in 0..2 {
        migrate(&backend, 3).await;
        // Left out, given as DEFAULT, in many rows, and by COPY; what is given as NULL is NULL.
        for sql in [
            "INSERT INTO shop_v1.part (id, name) VALUES (11, 'a')",
            "INSERT INTO shop_v2.part (id, name) VALUES (21, 'a')",
            "INSERT INTO shop_v3.part (id, name) VALUES (31, 'a')",
            "INSERT INTO shop_v1.part VALUES (12, 'a', DEFAULT, DEFAULT, DEFAULT)",
            "INSERT INTO shop_v2.part (id, name, sort, n, size) VALUES (22, 'a', DEFAULT, DEFAULT, DEFAULT), (23, 'a', 'x', NULL, NULL)",
            "INSERT INTO shop_v3.part (id, name, sort, n, size) VALUES (32, 'a', DEFAULT, DEFAULT, DEFAULT)",
            "INSERT INTO shop_v1.part SELECT id, 'b', 'x', 5, 5 FROM generate_series(13, 14) id",
            "UPDATE shop_v1.part SET kind = DEFAULT, n = DEFAULT, plain = DEFAULT WHERE id = 13",
            "UPDATE shop_v2.part SET sort = DEFAULT, n = DEFAULT, size = DEFAULT WHERE id = 14",
            "INSERT INTO shop_v3.part (id, name, sort, n, size) VALUES (33, 'b', 'x', '5', 5), (34, 'b', 'x', '5', 5)",
            "UPDATE shop_v3.part SET (sort, n, size) = (DEFAULT, DEFAULT, DEFAULT) WHERE id = 33",
            "INSERT INTO shop_v2.part (id, name) VALUES (34, 'a') ON CONFLICT (id) DO UPDATE SET n = DEFAULT, size = excluded.size",
        ] {
            ask(&client, sql).await;
        }
        copy(&client, "shop_v1_copy.part (id, name)", "15\ta\n").await;
        copy(&client, "shop_v2_copy.part (id, name)", "25\ta\n").await;
        copy(&client, "shop_v2_copy.part (id, name, n)", "26\ta\t\\N\n").await;
        copy(&client, "shop_v3_copy.part (id, name)", "35\ta\n").await;
        let mut expected = String::new();
        for (id, rest) in [
            (1, "a|k|3|∅|1"),
            (11, "a|k|3|∅|1"),
            (12, "a|k|3|∅|1"),
            (13, "b|k|3|∅|1"),
            (14, "b|k|9|5|7"),
            (15, "a|k|3|∅|1"),
            (21, "a|k|9|∅|7"),
            (22, "a|k|9|∅|7"),
            (23, "a|x|∅|∅|∅"),
            (25, "a|k|9|∅|7"),
            (26, "a|k|∅|∅|7"),
            (31, "a|s|9|∅|∅"),
            (32, "a|s|9|∅|∅"),
            (33, "b|s|9|∅|∅"),
            (34, "b|x|9|∅|7"),
            (35, "a|s|9|∅|∅"),
        ] {
            let _ = writeln!(expected, "{id}|{rest}");
        }
        let all =
            "SELECT v1.id, v1.name, kind, v1.n, v1.plain, size FROM shop_v1.part v1 JOIN shop_v2.part v2 USING (id) ORDER BY id";
        assert_eq!(ask(&client, all).await, expected.trim_end(), "round {round}");
        let differ = "SELECT count(*) FROM shop_v1.part v1 JOIN shop_v2.part v2 USING (id) JOIN shop_v3.part v3 USING (id)
            WHERE (v1.name, kind, v1.n::text, v1.plain) IS DISTINCT FROM (v2.name, v2.sort, v2.n, v2.plain)
            OR (v2.name, v2.sort, v2.n, v2.plain, v2.size) IS DISTINCT FROM (v3.name, v3.sort, v3.n, v3.plain, v3.size)";
        assert_eq!(ask(&client, differ).await, "0");
        newest = ask(&client, "SELECT * FROM shop_v3.part ORDER BY id").await;
        if round == 0 {
            rollback(&backend, 1).await;
            migrate(&backend, 3).await;
            assert_eq!(ask(&client, "SELECT * FROM shop_v3.part ORDER BY id").await, newest);
            ask(&client, "DELETE FROM shop_v1.part WHERE id > 1").await;
            rollback(&backend, 1).await;
        }
    }
    coeval_engine::retire(&backend, 3, &How::quietly()).await.unwrap();
    assert_eq!(ask(&client, "SELECT * FROM shop_v3.part ORDER BY id").await, newest);
    assert_eq!(drift(&backend).await, [""; 0]);
}
