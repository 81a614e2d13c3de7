//! What a rollback leaves: nothing that was not there before the migration, as `pg_dump` tells it.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use common::dump::{dump, similar};
use common::shop::{ITEM, Versions, migrate, open, rollback};
use common::{fresh, session};

async fn comes_back(models: &[Versions<'_>], head: u32, insert: &str) {
    let url = fresh().await;
    let client = session(&url).await;
    client.batch_execute("CREATE SCHEMA IF NOT EXISTS other; CREATE TABLE other.t (a int)").await.unwrap();
    let nothing = dump(&url);
    migrate(&open(&url, models, 1), 1).await;
    client.batch_execute(insert).await.unwrap();
    let mut dumps = vec![nothing, dump(&url)];
    for version in 2..=head {
        migrate(&open(&url, models, version), version).await;
        dumps.push(dump(&url));
    }
    let backend = open(&url, models, head);
    for version in (0..head).rev() {
        rollback(&backend, version).await;
        similar(&dump(&url), &dumps[version as usize], &format!("rolled back to {version}"));
    }
    // At once what came one by one, and back at once.
    migrate(&backend, head).await;
    rollback(&backend, 1).await;
    similar(&dump(&url), &dumps[1], "there and back at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_leaves_what_was_there_before() {
    let insert = "INSERT INTO shop_v1.item VALUES (1, 'Chair', 19.991, NULL, '{\"street\": \"S\"}')";
    comes_back(&[ITEM], 4, insert).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_does_with_indexes_references_and_quarantines() {
    let parts: Versions<'_> = (
        r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
            "id": {"type": "integer", "required": true},
            "code": "string",
            "kind": {"type": "enum", "values": ["a", "b", "c"], "required": true}}}"#,
        &[
            (
                2,
                &[
                    r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)", "on_fail": "quarantine"}}"#,
                ],
            ),
            (3, &[r#"{"map_enum": {"path": "kind", "values": ["x", "c"], "up": {"a": "x", "b": "x"}, "down": {"x": "a"}}}"#]),
            (4, &[r#"{"add_property": {"path": "item", "schema": {"type": "ref", "model": "item"}}}"#]),
        ],
    );
    let insert = "INSERT INTO shop_v1.part VALUES (1, 'none', 'b'), (2, '7', 'c')";
    comes_back(&[parts, ITEM], 4, insert).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_database_does_not_take_is_refused_before_anything_is_touched() {
    let name: Versions<'_> = (
        r#"{"type": "model", "name": "name", "key": ["id"], "properties": {
            "id": {"type": "integer", "required": true}, "text": {"type": "string", "required": true}}}"#,
        &[(
            2,
            &[
                r#"{"add_property": {"path": "size", "schema": "integer", "value": "1"}}"#,
                r#"{"transform": {"up": {"word": "replace(text, '-', ' ')"}, "down": {"text": "replace(word, ' ', '-')"}, "schemas": {"word": {"type": "string", "required": true}}}}"#,
            ],
        )],
    );
    let url = fresh().await;
    let backend = open(&url, &[name], 2);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    client.batch_execute("INSERT INTO shop_v1.name VALUES (1, 'a-b')").await.unwrap();
    // A server that has no such function: every computation is tried before anything else is done.
    let rename = |from: &str, to: &str| format!("UPDATE pg_catalog.pg_proc SET proname = '{to}' WHERE proname = '{from}'");
    client.batch_execute(&rename("replace", "no_more_replace")).await.unwrap();
    let before = dump(&url);
    let told = common::Told::default();
    let how = coeval_engine::How { observer: &told, ..coeval_engine::How::quietly() };
    let error = coeval_engine::migrate(&backend, Some(2), false, &how).await.unwrap_err();
    let said = format!("{error:?}");
    assert!(said.contains("PostgreSQL does not take it: function") && said.contains("replace"), "{said}");
    similar(&dump(&url), &before, "refused");
    let tally = told.failures();
    assert!(tally.is_empty(), "no record was looked at: {tally:?}");
    client.batch_execute(&rename("no_more_replace", "replace")).await.unwrap();
    migrate(&backend, 2).await;
    let row = client.query_one("SELECT word FROM shop_v2.name", &[]).await.unwrap();
    assert_eq!(row.get::<_, String>(0), "a b");
}
