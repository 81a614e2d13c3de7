//! What is unique, indexed or refused while versions show it otherwise, and let go of it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use coeval_engine::{How, migrate, retire, rollback};
use coeval_sqlite::Sqlite;
use coeval_store::Backend as _;
use coeval_store::records::{Change, Expect, Key};
use coeval_testkit::unique::{CHECKED, CHECKED_RELEASES, ITEM, RELEASES};

use common::shop::one;
use common::*;

fn indexes(client: &rusqlite::Connection) -> String {
    let sql = "SELECT group_concat(substr(name, 6), ' ') FROM
        (SELECT name FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'item' AND sql IS NOT NULL ORDER BY name)";
    client.query_row(sql, [], |row| row.get(0)).unwrap()
}

fn refused(client: &rusqlite::Connection, sql: &str) -> String {
    client.execute_batch(sql).err().unwrap_or_else(|| panic!("{sql} is taken")).to_string()
}

async fn drift(store: &Sqlite) -> Vec<String> {
    store.drift().await.unwrap().iter().map(ToString::to_string).collect()
}

async fn put(store: &Sqlite, at: u32, document: &str) -> Result<(), String> {
    let (change, key) = (Change::Put(document.to_owned()), Key(vec!["9".to_owned()]));
    let written = store.records().write("item", Some(&key), at, &change, &Expect::Anything).await;
    written.map(drop).map_err(|error| error.to_string())
}

#[tokio::test]
async fn indexes_of_older_versions_stay_until_they_are_taken_back_or_retired() {
    let (_folder, path) = fresh();
    let store = one(&path, ITEM, &RELEASES, 5);
    let mut told = Vec::new();
    for version in 1..=5 {
        migrate(&store, Some(version), false, &How::quietly()).await.unwrap();
        assert_eq!(drift(&store).await, [""; 0], "at {version}");
        let client = rusqlite::Connection::open(&path).unwrap();
        told.push(indexes(&client));
        for older in 1..=version {
            let rows = format!("INSERT INTO item_v{older} (id, title) VALUES (1, 'twice'), (2, 'twice')");
            if version < 5 {
                assert!(refused(&client, &rows).contains("UNIQUE constraint failed: item.title"), "{older} of {version}");
            } else {
                client.execute_batch(&format!("{rows}; DELETE FROM item_v{older}")).unwrap();
            }
        }
        for older in 1..=version.min(3) {
            let rows = format!("INSERT INTO item_v{older} (id, code) VALUES (1, '7'), (2, '7')");
            assert!(refused(&client, &rows).contains("UNIQUE constraint failed: item.code"), "{older} of {version}");
        }
    }
    let both = "code_key code_v3_key kind_idx title_key";
    let expected = ["code_key kind_idx title_key", "code_key kind_idx title_key", both, both, "code_key code_v3_key kind_idx"];
    assert_eq!(told, expected);
    let client = rusqlite::Connection::open(&path).unwrap();
    for (version, expected) in (1..5).rev().zip(expected[..4].iter().rev()) {
        rollback(&store, Some(version), &How::quietly()).await.unwrap();
        assert_eq!(indexes(&client), *expected, "back to {version}");
        assert_eq!(drift(&store).await, [""; 0], "back to {version}");
    }
    migrate(&store, Some(4), false, &How::quietly()).await.unwrap();
    for (oldest, expected) in [(2, both), (3, "code_v3_key kind_idx title_key"), (4, "kind_idx title_key")] {
        retire(&store, oldest, &How::quietly()).await.unwrap();
        assert_eq!(indexes(&client), expected, "retired before {oldest}");
        assert_eq!(drift(&store).await, [""; 0], "retired before {oldest}");
    }
    migrate(&store, Some(5), false, &How::quietly()).await.unwrap();
    assert_eq!(indexes(&client), "kind_idx");
    rollback(&store, Some(4), &How::quietly()).await.unwrap();
    assert_eq!(indexes(&client), "kind_idx title_key");
    assert_eq!(drift(&store).await, [""; 0]);
}

#[tokio::test]
async fn conditions_stay_when_the_version_that_made_them_is_retired() {
    let (_folder, path) = fresh();
    let store = one(&path, ITEM, &RELEASES, 4);
    migrate(&store, Some(3), false, &How::quietly()).await.unwrap();
    let client = rusqlite::Connection::open(&path).unwrap();
    for oldest in [2, 3] {
        retire(&store, oldest, &How::quietly()).await.unwrap();
        for (title, name) in [("", "titled"), ("spam", "kept")] {
            let said = format!("`{name}` does not hold");
            let sql = format!("INSERT INTO item_v3 (id, title) VALUES (2, '{title}')");
            assert!(refused(&client, &sql).contains(&said), "{title:?}, retired before {oldest}");
            let refused = put(&store, 3, &format!(r#"{{"id": 9, "title": "{title}"}}"#)).await.unwrap_err();
            assert!(refused.contains(&said), "{refused}");
        }
        assert_eq!(drift(&store).await, [""; 0], "retired before {oldest}");
    }
    migrate(&store, Some(4), false, &How::quietly()).await.unwrap();
    client.execute_batch("INSERT INTO item_v4 (id, title) VALUES (4, ''); DELETE FROM item_v4").unwrap();
    rollback(&store, Some(3), &How::quietly()).await.unwrap();
    assert!(refused(&client, "INSERT INTO item_v3 (id, title) VALUES (5, '')").contains("`titled` does not hold"));
    assert_eq!(drift(&store).await, [""; 0]);
}

#[tokio::test]
async fn a_condition_on_what_is_retired_does_not_come_back() {
    let (_folder, path) = fresh();
    let store = one(&path, CHECKED, &CHECKED_RELEASES, 4);
    migrate(&store, Some(3), false, &How::quietly()).await.unwrap();
    retire(&store, 3, &How::quietly()).await.unwrap();
    migrate(&store, Some(4), false, &How::quietly()).await.unwrap();
    rollback(&store, Some(3), &How::quietly()).await.unwrap();
    assert_eq!(drift(&store).await, [""; 0]);
}
