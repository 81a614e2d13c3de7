//! Versions side by side: what plain SQL writes at one, the others read.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_postgres::PostgresBackend;
use common::shop::{ITEM, Versions, migrate, open, rollback};
use common::{ask, fresh, session};

#[tokio::test(flavor = "multi_thread")]
async fn what_one_version_writes_the_others_read() {
    let url = fresh().await;
    let backend = open(&url, &[ITEM], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, r#"INSERT INTO shop_v1.item VALUES (1, 'Chair', 19.991, NULL, '{"street": "S", "city": "C", "x": 1}')"#).await;
    migrate(&backend, 3).await;
    assert_eq!(
        ask(&client, "SELECT * FROM shop_v3.item").await,
        r#"1|Chair|1999|0|{"x": 1, "city": "C", "line": "S"}|medium|Chair-"#
    );
    ask(&client, r#"INSERT INTO shop_v3.item VALUES (2, 'Desk', 2050, 7, '{"line": "L"}', 'high', 'desk')"#).await;
    ask(&client, "INSERT INTO shop_v2.item (id, title, price, address, priority) VALUES (3, 'Lamp', 5, '{}', 'low')").await;
    assert_eq!(
        ask(&client, "SELECT id, name, price::float8, qty, address FROM shop_v1.item ORDER BY id").await,
        "1|Chair|19.991|∅|{\"x\": 1, \"city\": \"C\", \"street\": \"S\"}\n2|Desk|20.5|7|{\"street\": \"L\"}\n3|Lamp|5|∅|{}"
    );
    ask(&client, "UPDATE shop_v1.item SET price = 3 WHERE id = 2; UPDATE shop_v3.item SET price = 250 WHERE id = 3").await;
    assert_eq!(
        ask(&client, "SELECT id, price, qty, priority, slug FROM shop_v3.item ORDER BY id").await,
        "1|1999|0|medium|Chair-\n2|300|7|high|desk\n3|250|0|low|Lamp-"
    );
    ask(&client, "UPDATE shop_v3.item SET slug = 'own' WHERE id = 1").await;
    rollback(&backend, 1).await;
    assert_eq!(
        ask(&client, "SELECT id, name, price::float8, qty FROM shop_v1.item ORDER BY id").await,
        "1|Chair|19.991|∅\n2|Desk|3|7\n3|Lamp|2.5|∅"
    );
    ask(&client, "UPDATE shop_v1.item SET name = 'Lamps' WHERE id = 3").await;
    migrate(&backend, 4).await;
    assert_eq!(
        ask(&client, "SELECT id, title, price, qty, slug FROM shop_v4.item ORDER BY id").await,
        "1|Chair|1999|0|own\n2|Desk|300|7|desk\n3|Lamps|250|0|Lamps-"
    );
    assert_eq!(ask(&client, "SELECT id, priority FROM shop_v2.item ORDER BY id").await, "1|medium\n2|high\n3|low");
    ask(&client, "INSERT INTO shop_v4.item (id, title, qty, address, slug) VALUES (4, 'Sofa', 1, '{}', 'sofa')").await;
    ask(&client, "INSERT INTO shop_v1.item (id, name, address) VALUES (5, 'Rug', '{}')").await;
    assert_eq!(ask(&client, "SELECT id, priority FROM shop_v3.item WHERE id > 3 ORDER BY id").await, "4|low\n5|medium");
}

/// Cents instead of dollars, both required.
const PRICED: Versions<'static> = (
    r#"{"type": "model", "name": "order", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "price": {"type": "number", "required": true}}}"#,
    &[(
        2,
        &[r#"{"transform": {"up": {"cents": "cast(price * 100 as integer)"}, "down": {"price": "cents / 100.0"},
            "schemas": {"cents": {"type": "integer", "required": true}}}}"#],
    )],
);

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_is_missing_is_named_as_its_own_version_knows_it() {
    let url = fresh().await;
    let backend = open(&url, &[PRICED], 2);
    migrate(&backend, 2).await;
    let client = session(&url).await;
    for (sql, column) in [
        ("INSERT INTO shop_v1.order (id) VALUES (1)", "price"),
        ("INSERT INTO shop_v2.order (id) VALUES (1)", "cents"),
        ("INSERT INTO shop_v2.order VALUES (1, 5); UPDATE shop_v2.order SET cents = NULL", "cents"),
        ("INSERT INTO shop_v2.order VALUES (1, 5); UPDATE shop_v1.order SET price = NULL", "price"),
    ] {
        let error = client.batch_execute(sql).await.unwrap_err();
        let said = error.as_db_error().unwrap();
        assert_eq!((said.code().code(), said.column()), ("23502", Some(column)), "{sql}: {said:?}");
        let message = format!("null value in column \"{column}\" of relation \"order\" violates not-null constraint");
        assert_eq!(said.message(), message, "{sql}");
    }
}

/// 2 adds an object, for which old records have the same; 4 changes what is in it.
const FITTED: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}}}"#,
    &[
        (
            2,
            &[
                r#"{"add_property": {"path": "size", "schema": {"type": "object", "properties": {"width": {"type": "string", "default": "1"},
                "unit": "string"}}, "value": "{'width': '7'}"}}"#,
            ],
        ),
        (3, &[r#"{"add_property": {"path": "note", "schema": "string"}}"#]),
        (
            4,
            &[r#"{"retype_property": {"path": "size.width", "schema": "integer", "up": "cast(size.width as integer)",
                "down": "cast(size.width as string)"}}"#],
        ),
    ],
);

/// Brings the store from one version to another.
async fn bring(backend: &PostgresBackend, from: u32, to: u32) -> u32 {
    if to < from {
        rollback(backend, to).await
    } else {
        migrate(backend, to).await
    };
    to
}

/// What a record begins with at a version becomes something to compute, which it was not for those that are there.
#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_changes_an_object_leaves_alone_who_wrote_it_before() {
    for way in [&[2, 3, 4][..], &[3, 4], &[4], &[2, 4], &[4, 3, 4], &[4, 2, 3, 4]] {
        let url = fresh().await;
        let backend = open(&url, &[FITTED], 4);
        let client = session(&url).await;
        let mut at = 0;
        for version in way {
            at = bring(&backend, at, *version).await;
            for writer in 1..=at {
                ask(&client, &format!("INSERT INTO shop_v{writer}.part (id) VALUES ({})", 100 * at + writer)).await;
                if writer > 1 {
                    let width = if writer == 4 { "3" } else { "\"3\"" };
                    ask(
                        &client,
                        &format!(
                            r#"INSERT INTO shop_v{writer}.part (id, size) VALUES ({}, '{{"width": {width}}}')"#,
                            100 * at + 10 + writer
                        ),
                    )
                    .await;
                }
            }
            for reader in 2..=at {
                let sql = format!("SELECT id, size ->> 'width' FROM shop_v{reader}.part WHERE id / 100 = {at} ORDER BY id");
                let mut wanted = vec![format!("{}|7", 100 * at + 1)];
                wanted.extend((2..=at).map(|writer| format!("{}|∅", 100 * at + writer)));
                wanted.extend((2..=at).map(|writer| format!("{}|3", 100 * at + 10 + writer)));
                assert_eq!(ask(&client, &sql).await, wanted.join("\n"), "{way:?}, at {at}, read by {reader}");
            }
            ask(&client, "DELETE FROM shop_v1.part").await;
        }
    }
}

/// 2 and 3 each add what follows from what was there.
const FOLLOWING: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "a": "string"}}"#,
    &[
        (2, &[r#"{"add_property": {"path": "b", "schema": "string", "value": "a || 'b'"}}"#]),
        (3, &[r#"{"add_property": {"path": "c", "schema": "string", "value": "b || 'c'"}}"#]),
    ],
);

#[tokio::test(flavor = "multi_thread")]
async fn what_several_rollbacks_kept_comes_back_at_once() {
    let url = fresh().await;
    let backend = open(&url, &[FOLLOWING], 3);
    migrate(&backend, 3).await;
    let client = session(&url).await;
    ask(
        &client,
        "INSERT INTO shop_v3.part VALUES (1, 'a', 'B', 'C'), (2, 'a', 'B', 'Bc'), (3, 'a', 'ab', 'C'), (4, 'a', 'ab', 'abc')",
    )
    .await;
    let all = "1|a|B|C\n2|a|B|Bc\n3|a|ab|C\n4|a|ab|abc";
    for way in [&[2, 1, 3][..], &[1, 3], &[2, 3], &[2, 1, 2, 3], &[1, 2, 1, 3]] {
        let mut at = 3;
        for version in way {
            at = bring(&backend, at, *version).await;
        }
        assert_eq!(ask(&client, "SELECT * FROM shop_v3.part ORDER BY id").await, all, "{way:?}");
    }
}
