//! What is unique, indexed or refused at versions that show it in columns of their own.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coeval_engine::How;
use coeval_store::Backend as _;
use coeval_store::records::{Change, Expect, Key};
use coeval_testkit::unique::{self, CHECKED_RELEASES, RELEASES};
use common::adopted::adopt;
use common::shop::{Versions, drift, migrate, open, rollback};
use common::{ask, fresh, session};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

const TITLED: Versions<'static> = (unique::ITEM, &[(2, RELEASES[0]), (3, RELEASES[1]), (4, RELEASES[2]), (5, RELEASES[3])]);

async fn indexes(client: &Client) -> String {
    let sql = "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index
        WHERE indrelid = 'shop.item'::regclass AND NOT indisprimary";
    ask(client, sql).await.replace("shop.item_", "")
}

async fn refused(client: &Client, sql: &str) -> SqlState {
    let error = client.batch_execute(sql).await.err().unwrap_or_else(|| panic!("{sql} is taken"));
    error.code().unwrap_or_else(|| panic!("{error}")).clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_unique_stays_so_at_every_moment_and_conflicts_are_named_at_every_version() {
    let url = fresh().await;
    let backend = open(&url, &[TITLED], 2);
    let watcher = session(&url).await;
    migrate(&backend, 1).await;
    ask(&watcher, "INSERT INTO shop_v1.item (id, title, code, kind) VALUES (1, 'one', '1', 'a'), (2, 'two', '2', 'b')").await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = Vec::new();
    for nth in 0..3 {
        let (url, stop) = (url.clone(), Arc::clone(&stop));
        tasks.push(tokio::spawn(async move {
            let client = session(&url).await;
            let mut round: u32 = 0;
            while !stop.load(Ordering::Relaxed) {
                let (own, id) = (format!("own {nth}"), 10 + nth);
                let upsert = format!(
                    "INSERT INTO shop_v1.item AS t (id, title, times) VALUES ({id}, '{own}', 1)
                     ON CONFLICT (title) DO UPDATE SET times = t.times + 1"
                );
                ask(&client, &upsert).await;
                round += 1;
                assert_eq!(
                    ask(&client, &format!("SELECT times FROM shop_v1.item WHERE title = '{own}'")).await,
                    round.to_string()
                );
                let twice = format!("INSERT INTO shop_v1.item (id, title) VALUES ({}, 'one')", 1_000 + round);
                assert_eq!(refused(&client, &twice).await, SqlState::UNIQUE_VIOLATION);
            }
            round
        }));
    }
    for _ in 0..4 {
        migrate(&backend, 2).await;
        let upsert =
            "INSERT INTO shop_v2.item (id, title, code) VALUES (1, 'one', '1') ON CONFLICT (title) DO UPDATE SET kind = 'c'";
        ask(&watcher, upsert).await;
        assert_eq!(refused(&watcher, "UPDATE shop_v2.item SET title = 'one' WHERE id = 2").await, SqlState::UNIQUE_VIOLATION);
        assert_eq!(indexes(&watcher).await, "code_key kind_idx title_key title_v2_key");
        assert_eq!(drift(&backend).await, [""; 0]);
        rollback(&backend, 1).await;
        assert_eq!(indexes(&watcher).await, "code_key kind_idx title_key");
    }
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        assert!(task.await.unwrap() > 10);
    }
    assert_eq!(drift(&backend).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_of_older_versions_stay_until_they_are_taken_back_or_retired() {
    let url = fresh().await;
    let backend = open(&url, &[TITLED], 5);
    let watcher = session(&url).await;
    let mut told = Vec::new();
    for version in 1..=5 {
        migrate(&backend, version).await;
        assert_eq!(drift(&backend).await, [""; 0], "at {version}");
        told.push(indexes(&watcher).await);
        if version < 5 {
            for older in 1..=version {
                let upsert = format!(
                    "INSERT INTO shop_v{older}.item (id, title) VALUES ({older}, 'of {older}') ON CONFLICT (title) DO NOTHING"
                );
                ask(&watcher, &upsert).await;
            }
        }
        for older in 1..=version.min(3) {
            let code = if older == 3 { "7" } else { "'7'" };
            let upsert = format!(
                "INSERT INTO shop_v{older}.item (id, code) VALUES ({}, {code}) ON CONFLICT (code) DO UPDATE SET kind = 'd'",
                7 + older
            );
            ask(&watcher, &upsert).await;
        }
    }
    let all = "code_key code_v3_key kind_idx title_key title_v2_key";
    let expected =
        ["code_key kind_idx title_key", "code_key kind_idx title_key title_v2_key", all, all, "code_key code_v3_key kind_idx"];
    assert_eq!(told, expected);
    for (version, expected) in (1..5).rev().zip(expected[..4].iter().rev()) {
        rollback(&backend, version).await;
        assert_eq!(indexes(&watcher).await, *expected, "back to {version}");
        assert_eq!(drift(&backend).await, [""; 0], "back to {version}");
    }
    migrate(&backend, 4).await;
    for (oldest, expected) in [
        (2, "code_key code_v3_key kind_idx title_v2_key"),
        (3, "code_v3_key kind_idx title_v2_key"),
        (4, "kind_idx title_v2_key"),
    ] {
        coeval_engine::retire(&backend, oldest, &How::quietly()).await.unwrap();
        assert_eq!(indexes(&watcher).await, expected, "retired before {oldest}");
        assert_eq!(drift(&backend).await, [""; 0], "retired before {oldest}");
    }
    migrate(&backend, 5).await;
    assert_eq!(indexes(&watcher).await, "kind_idx");
    rollback(&backend, 4).await;
    assert_eq!(indexes(&watcher).await, "kind_idx title_v2_key");
    assert_eq!(drift(&backend).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn conditions_stay_when_the_version_that_made_them_is_retired() {
    let url = fresh().await;
    let backend = open(&url, &[TITLED], 4);
    let watcher = session(&url).await;
    migrate(&backend, 3).await;
    ask(&watcher, "INSERT INTO shop_v1.item (id, title) VALUES (1, 'one')").await;
    for oldest in [2, 3] {
        coeval_engine::retire(&backend, oldest, &How::quietly()).await.unwrap();
        let empty = format!("INSERT INTO shop_v3.item (id, title) VALUES (2{oldest}, '')");
        assert_eq!(refused(&watcher, &empty).await, SqlState::CHECK_VIOLATION, "retired before {oldest}");
        let spam = format!("INSERT INTO shop_v3.item (id, title) VALUES (3{oldest}, 'spam')");
        assert_eq!(refused(&watcher, &spam).await, SqlState::WITH_CHECK_OPTION_VIOLATION, "retired before {oldest}");
        assert_eq!(drift(&backend).await, [""; 0], "retired before {oldest}");
    }
    migrate(&backend, 4).await;
    ask(&watcher, "INSERT INTO shop_v4.item (id, title) VALUES (4, '')").await;
    ask(&watcher, "DELETE FROM shop_v4.item WHERE id = 4").await;
    rollback(&backend, 3).await;
    assert_eq!(refused(&watcher, "INSERT INTO shop_v3.item (id, title) VALUES (5, '')").await, SqlState::CHECK_VIOLATION);
    assert_eq!(drift(&backend).await, [""; 0]);
}

const CHECKED: Versions<'static> =
    (unique::CHECKED, &[(2, CHECKED_RELEASES[0]), (3, CHECKED_RELEASES[1]), (4, CHECKED_RELEASES[2])]);

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_on_what_is_retired_does_not_come_back() {
    let url = fresh().await;
    let backend = open(&url, &[CHECKED], 4);
    migrate(&backend, 3).await;
    coeval_engine::retire(&backend, 3, &How::quietly()).await.unwrap();
    migrate(&backend, 4).await;
    rollback(&backend, 3).await;
    assert_eq!(drift(&backend).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_was_there_before_keeps_its_own_indexes_until_their_columns_go() {
    let url = fresh().await;
    let client = session(&url).await;
    ask(&client, "CREATE TABLE users (id int PRIMARY KEY, email text UNIQUE, name text)").await;
    let backend = adopt(&url, &[("users", &[&[r#"{"remove_property": {"path": "email"}}"#]])], 2).await;
    migrate(&backend, 2).await;
    let twice = "INSERT INTO shop_v1.users VALUES (1, 'a'), (2, 'a')";
    assert_eq!(refused(&client, twice).await, SqlState::UNIQUE_VIOLATION);
    coeval_engine::retire(&backend, 2, &How::quietly()).await.unwrap();
    assert_eq!(drift(&backend).await, [""; 0]);
}

/// 2 adds something to the items of a list.
const TAGGED: Versions<'static> = (
    r#"{"type": "model", "name": "item", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "name": "string",
        "tags": {"type": "array", "items": {"type": "object", "properties": {"sku": "string"}}}}}"#,
    &[(2, &[r#"{"add_property": {"path": "tags[].x", "schema": "integer", "value": "1"}}"#])],
);

#[tokio::test(flavor = "multi_thread")]
async fn patches_and_lists_are_written_before_and_after_a_version_that_changes_items() {
    let url = fresh().await;
    let client = session(&url).await;
    let backend = open(&url, &[TAGGED], 2);
    let role = format!("lister_{}", url.rsplit_once("t_").unwrap().1);
    let patch = async |text: &str| {
        let (key, change) = (Key(vec!["1".to_owned()]), Change::JsonPatch(text.to_owned()));
        backend.records().write("item", Some(&key), 1, &change, &Expect::Present).await.unwrap();
    };
    for to in [1, 2, 1] {
        if to == 1 && backend.ledger().await.unwrap().in_force() == Some(2) {
            rollback(&backend, 1).await
        } else {
            migrate(&backend, to).await
        };
        if to == 1 {
            ask(
                &client,
                "DELETE FROM shop_v1.item; INSERT INTO shop_v1.item VALUES (1, 'a', '[{\"sku\": \"p\"}, {\"sku\": \"p\"}]')",
            )
            .await;
        }
        patch(r#"[{"op": "replace", "path": "/name", "value": "b"}]"#).await;
        patch(r#"[{"op": "move", "from": "/tags/1", "path": "/tags/0"}]"#).await;
        patch(r#"[{"op": "add", "path": "/tags/-", "value": {"sku": "q"}}]"#).await;
        if to == 2 {
            // Whoever may write at a version may go on, whatever newer ones make of it.
            let granted = format!(
                "CREATE ROLE {role}; GRANT USAGE ON SCHEMA shop_v1 TO {role}; GRANT SELECT, UPDATE ON shop_v1.item TO {role}"
            );
            ask(&client, &granted).await;
            ask(&client, &format!("SET ROLE {role}; UPDATE shop_v1.item SET tags = tags || '[{{\"sku\": \"r\"}}]'; RESET ROLE"))
                .await;
            ask(&client, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
            let tags = ask(&client, "SELECT tags FROM shop_v2.item").await;
            assert_eq!(tags.matches(r#""x": 1"#).count(), 5, "{tags}");
        }
    }
}
