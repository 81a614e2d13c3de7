//! What somebody changed by hand is named: what it should be, and what it is. And a warm rollback, after which nothing differs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;

use common::shop::{adopt, drifts, migrate, one, rollback};
use common::*;

const ITEM: &str = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
    "id": {"type": "string", "required": true},
    "name": {"type": "string", "required": true, "index": true},
    "price": "integer"}}"#;
const CHANGES: &[&[&str]] = &[
    &[r#"{"add_property": {"path": "kind", "schema": {"type": "string", "required": true}, "value": "'plain'"}}"#],
    &[
        r#"{"retype_property": {"path": "price", "schema": "string", "up": "cast(price as string) || '!'", "down": "cast(replace(price, '!', '') as integer)"}}"#,
        r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "name || '-'"}}"#,
    ],
];

fn run(path: &Path, sql: &str) -> String {
    let mut outside = Outside::open(path);
    outside.tell(&format!("db.executescript({sql:?}) and None"));
    outside.answer()
}

fn ask(path: &Path, sql: &str) -> String {
    let mut outside = Outside::open(path);
    outside.tell(&format!("run({sql:?})"));
    outside.answer()
}

#[tokio::test]
async fn nothing_is_told_of_what_is_as_it_should_be() {
    let (_folder, path) = fresh();
    let store = one(&path, ITEM, CHANGES, 3);
    for version in [1, 2, 3, 1, 3, 2] {
        if matches!(version, 1 | 2) && store.ledger_version().await > version {
            rollback(&store, version, false).await;
        } else {
            migrate(&store, version).await;
        }
        assert_eq!(drifts(&store).await, [""; 0], "version {version}");
    }
}

trait LedgerVersion {
    async fn ledger_version(&self) -> u32;
}

impl LedgerVersion for coeval_sqlite::Sqlite {
    async fn ledger_version(&self) -> u32 {
        use coeval_store::Backend as _;
        self.ledger().await.unwrap().in_force().unwrap_or_default()
    }
}

#[tokio::test]
async fn columns_indexes_views_and_triggers_are_named() {
    for (change, expected) in [
        ("ALTER TABLE item ADD COLUMN extra INT", "item: column `extra` is in no version: `INT`"),
        (
            "DROP INDEX item_name_idx",
            "item: index `item_name_idx` is missing: CREATE INDEX \"item_name_idx\" ON \"item\" (\"name\")",
        ),
        (
            "DROP INDEX item_name_idx; CREATE INDEX item_name_idx ON item (price)",
            "item: index `item_name_idx` is CREATE INDEX item_name_idx ON item (price) instead of CREATE INDEX \"item_name_idx\" ON \"item\" (\"name\")",
        ),
        (
            "DROP TRIGGER coeval_item_v1_insert",
            "item: trigger `coeval_item_v1_insert` is missing: a trigger of the version's view",
        ),
        (
            "DROP TRIGGER coeval_item_v1_delete; CREATE TRIGGER coeval_item_v1_delete INSTEAD OF DELETE ON item_v1 BEGIN SELECT 1; END",
            "item: trigger `coeval_item_v1_delete`, line 1 is `CREATE TRIGGER coeval_item_v1_delete INSTEAD OF DELETE ON item_v1 BEGIN SELECT 1; END` instead of `CREATE TRIGGER \"coeval_item_v1_delete\" INSTEAD OF DELETE ON \"item_v1\" BEGIN`",
        ),
        ("DROP VIEW item_v2", "item: view `item_v2` is missing: CREATE VIEW \"item_v2\""),
        ("DROP TABLE item", "item: table `item` is missing: a table"),
    ] {
        let (_folder, path) = fresh();
        let store = one(&path, ITEM, CHANGES, 3);
        migrate(&store, 3).await;
        assert_eq!(run(&path, change), "None", "{change}");
        let told = drifts(&store).await;
        assert!(told.len() == 1 && told[0].starts_with(expected), "{change}: {told:#?}");
    }
}

#[tokio::test]
async fn columns_of_another_shape_are_named_in_a_table_that_was_made_anew() {
    let (_folder, path) = fresh();
    let store = one(&path, ITEM, &[], 1);
    migrate(&store, 1).await;
    run(
        &path,
        "DROP VIEW item_v1; DROP TABLE item; CREATE TABLE item (id TEXT PRIMARY KEY NOT NULL, name INT DEFAULT 5, price INTEGER)",
    );
    let told = drifts(&store).await;
    for expected in [
        "item: column `name` is `INT` instead of `TEXT` NOT NULL",
        "item: default of column `name` is `5` instead of none",
        "item: index `item_name_idx` is missing: CREATE INDEX \"item_name_idx\" ON \"item\" (\"name\")",
    ] {
        assert!(told.iter().any(|told| told == expected), "{expected}: {told:#?}");
    }
    assert!(told.iter().any(|told| told.starts_with("item: check `item_name_check` is missing: ")), "{told:#?}");
    assert!(told.iter().any(|told| told.starts_with("item: view `item_v1` is missing: ")), "{told:#?}");
}

#[tokio::test]
async fn a_table_that_was_taken_over_is_compared_with_what_it_was() {
    let (_folder, path) = fresh();
    run(&path, "CREATE TABLE item (id INTEGER PRIMARY KEY, a TEXT NOT NULL, b TEXT DEFAULT 'x')");
    let store = adopt(&path, &[], 1).await;
    migrate(&store, 1).await;
    assert_eq!(drifts(&store).await, [""; 0]);
    run(&path, "ALTER TABLE item ADD COLUMN own TEXT");
    assert_eq!(drifts(&store).await, [""; 0], "it is somebody's own");
    run(&path, "DROP VIEW item_v1; DROP TABLE item; CREATE TABLE item (id INTEGER PRIMARY KEY, a TEXT, b INT)");
    let told = drifts(&store).await;
    for expected in [
        "item: column `a` is `TEXT` instead of `TEXT` NOT NULL",
        "item: column `b` is `INT` instead of `TEXT`",
        "item: default of column `b` is none instead of `'x'`",
    ] {
        assert!(told.iter().any(|told| told == expected), "{expected}: {told:#?}");
    }
}

#[tokio::test]
async fn a_warm_rollback_takes_views_only_and_they_come_back_at_once() {
    let (_folder, path) = fresh();
    let store = one(&path, ITEM, CHANGES, 3);
    migrate(&store, 2).await;
    run(&path, "INSERT INTO item_v1 VALUES ('a', 'Chair', 5)");
    migrate(&store, 3).await;
    let before = ask(&path, "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'coeval_%' ORDER BY type, name");
    run(&path, "UPDATE item_v3 SET slug = 'own' WHERE id = 'a'");
    rollback(&store, 2, true).await;
    assert_eq!(drifts(&store).await, [""; 0]);
    assert_eq!(ask(&path, "SELECT name FROM sqlite_schema WHERE type = 'view' ORDER BY name"), "[('item_v1',), ('item_v2',)]");
    run(
        &path,
        "UPDATE item_v1 SET price = 7; INSERT INTO item_v2 VALUES ('b', 'Desk', 8, 'odd'); INSERT INTO item_v1 VALUES ('c', 'Cup', 9)",
    );
    run(&path, "DELETE FROM item_v1 WHERE id = 'c'");
    migrate(&store, 3).await;
    assert_eq!(
        ask(&path, "SELECT type, name, sql FROM sqlite_schema WHERE name NOT LIKE 'coeval_%' ORDER BY type, name"),
        before
    );
    assert_eq!(
        ask(&path, "SELECT id, name, price, kind, slug FROM item_v3 ORDER BY id"),
        "[('a', 'Chair', '7!', 'plain', 'own'), ('b', 'Desk', '8!', 'odd', 'Desk-')]"
    );
    // What is warm outlives a retirement, and goes with a rollback as any other.
    rollback(&store, 2, true).await;
    coeval_engine::retire(&store, 2, &coeval_engine::How::quietly()).await.unwrap();
    assert_eq!(drifts(&store).await, [""; 0]);
    run(&path, "UPDATE item_v2 SET price = 11 WHERE id = 'a'");
    migrate(&store, 3).await;
    assert_eq!(ask(&path, "SELECT price, slug FROM item_v3 WHERE id = 'a'"), "[('11!', 'own')]");
    rollback(&store, 2, true).await;
    migrate(&store, 3).await;
    rollback(&store, 2, false).await;
    assert_eq!(drifts(&store).await, [""; 0]);
}

#[tokio::test]
async fn what_a_retirement_dropped_is_not_missed() {
    let (_folder, path) = fresh();
    let store = one(&path, ITEM, CHANGES, 3);
    migrate(&store, 3).await;
    run(&path, "INSERT INTO item_v1 VALUES ('a', 'Chair', 5)");
    coeval_engine::retire(&store, 3, &coeval_engine::How::quietly()).await.unwrap();
    assert_eq!(drifts(&store).await, [""; 0]);
    assert_eq!(ask(&path, "SELECT * FROM item_v3"), "[('a', 'Chair', '5!', 'plain', 'Chair-')]");
}

#[tokio::test]
async fn a_condition_that_nothing_holds_any_more_is_named() {
    let (_folder, path) = fresh();
    let checks: &[&[&str]] = &[
        &[r#"{"add_check": {"name": "dear", "expr": "price > 0"}}"#],
        &[r#"{"add_check": {"name": "sane", "expr": "price < 1000", "policy": {"repair": "999"}}}"#],
        &[r#"{"rename_property": {"from": "price", "to": "cost"}}"#],
        &[r#"{"rename_model": {"from": "item", "to": "thing"}}"#],
    ];
    let model = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
        "id": {"type": "string", "required": true}, "price": "integer"}}"#;
    let store = one(&path, model, checks, 5);
    migrate(&store, 1).await;
    run(&path, "INSERT INTO item_v1 VALUES ('a', 5)");
    for version in [2, 3, 4, 5] {
        migrate(&store, version).await;
        assert_eq!(drifts(&store).await, [""; 0], "version {version}");
    }
    run(&path, "INSERT INTO item_v2 VALUES ('b', 5000)");
    assert_eq!(ask(&path, "SELECT id, cost FROM item_v4 ORDER BY id"), "[('a', 5), ('b', 999)]");
    rollback(&store, 4, false).await;
    assert_eq!(drifts(&store).await, [""; 0]);
    rollback(&store, 3, false).await;
    assert_eq!(drifts(&store).await, [""; 0]);
    let names = ask(
        &path,
        "SELECT group_concat(name, ' ') FROM (SELECT name FROM sqlite_schema WHERE tbl_name = 'item' AND type = 'trigger' ORDER BY name)",
    );
    let names: Vec<&str> = names.trim_matches(|c: char| !c.is_alphanumeric()).split(' ').collect();
    for name in &names {
        let sql = ask(&path, &format!("SELECT sql FROM sqlite_schema WHERE name = '{name}'"));
        run(&path, &format!("DROP TRIGGER {name}"));
        let told = drifts(&store).await;
        assert_eq!(told.len(), 1, "{name}: {told:?}");
        assert!(told[0].contains(&format!("trigger `{name}` is missing")) && told[0].contains("that demands `"), "{told:?}");
        let sql = sql
            .trim_start_matches("[(")
            .trim_end_matches(",)]")
            .trim_matches(|c| c == '"' || c == '\'')
            .replace("\\n", "\n")
            .replace("\\'", "'");
        run(&path, &sql);
        assert_eq!(drifts(&store).await, [""; 0], "{sql}");
    }
    assert_eq!(names.len(), 4);
}
