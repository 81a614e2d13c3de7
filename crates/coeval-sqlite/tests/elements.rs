//! Operations beneath lists: what other programs write through views, what a rollback keeps of items, and items that a version cannot
//! show.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;
use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_engine::{How, migrate, rollback};
use coeval_sqlite::Sqlite;
use coeval_store::ledger::VersionId;
use coeval_store::records::{Change, Expect, Key};
use coeval_store::{Backend, Catalog, Era, Error, ModelEntry};

use common::*;

/// A store of orders with lines; `releases` are what versions after the first do.
fn open(path: &Path, lines: &str, releases: &[&str]) -> Sqlite {
    let model = format!(
        r#"{{"type": "model", "name": "order", "key": ["id"], "properties": {{"id": {{"type": "integer", "required": true}}, "lines": {lines}}}}}"#
    );
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let operation = |text: &&str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    let releases: Vec<Release> =
        (2..).zip(releases).map(|(version, text)| Release { version, operations: vec![operation(text)], order: None }).collect();
    let newest = 1 + u32::try_from(releases.len()).unwrap();
    let history = History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap();
    let entry = ModelEntry { name: "order".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let versions = (1..=newest).map(|number| VersionId { number, id: format!("v{number}") }).collect();
    Sqlite::new(database(path, &[]), "shop", Arc::new(Catalog { versions, models: vec![entry], ..Catalog::default() }))
}

async fn put(store: &Sqlite, at: u32, lines: &str) -> Result<(), Error> {
    let change = Change::Put(format!(r#"{{"id":1,"lines":{lines}}}"#));
    store.records().write("order", Some(&Key(vec!["1".to_owned()])), at, &change, &Expect::Anything).await.map(drop)
}

async fn lines(store: &Sqlite, at: u32) -> String {
    let found = store.records().get("order", &Key(vec!["1".to_owned()]), at).await.unwrap().unwrap();
    let document = json::parse(found.text.as_bytes()).unwrap();
    document.as_object().unwrap().get("lines").unwrap().to_string()
}

const ITEM: &str = r#"{"type": "object", "properties": {"key": {"type": "string", "required": true}, "value": "string"}}"#;

/// The names are those that SQLite's own functions have for the columns of their rows.
#[tokio::test]
async fn a_program_that_changes_one_item_leaves_what_it_does_not_see() {
    let (_folder, path) = fresh();
    let rename = r#"{"rename_property": {"from": "lines[].value", "to": "lines[].type"}}"#;
    let add = r#"{"add_property": {"path": "lines[].fullkey", "schema": "string"}}"#;
    let store = open(&path, &format!(r#"{{"type": "array", "items": {ITEM}}}"#), &[add, rename]);
    migrate(&store, None, false, &How::quietly()).await.unwrap();
    put(&store, 3, r#"[{"key":"a","type":"x","fullkey":"1"},{"key":"b","type":"y","fullkey":"2"}]"#).await.unwrap();
    let mut program = Outside::open(&path);
    let sql = r#"UPDATE order_v1 SET lines = '[{"key":"b","value":"y"},{"key":"a","value":"x","note":{"n":1}}]'"#;
    assert_eq!(program.run(sql), "[]");
    assert_eq!(lines(&store, 3).await, r#"[{"key":"b","type":"y","fullkey":"2"},{"note":{"n":1},"key":"a","type":"x"}]"#);
    let sql = r#"UPDATE order_v1 SET lines = '[{"key":"b","value":"z"},{"key":"a","value":"x","note":{"n":1}}]'"#;
    assert_eq!(program.run(sql), "[]");
    let after = lines(&store, 2).await;
    assert_eq!(after, r#"[{"key":"b","value":"z","fullkey":"2"},{"note":{"n":1},"key":"a","value":"x"}]"#);
}

/// As documents do: what is equal goes on in the order in which most of it stands, and what changed between two that go on is the same.
#[tokio::test]
async fn items_go_on_where_others_come_and_go_in_the_same_write() {
    let (_folder, path) = fresh();
    let add = r#"{"add_property": {"path": "lines[].colour", "schema": "string"}}"#;
    let store = open(&path, &format!(r#"{{"type": "array", "items": {ITEM}}}"#), &[add]);
    migrate(&store, None, false, &How::quietly()).await.unwrap();
    let mut program = Outside::open(&path);
    let all = r#"[{"key":"a","colour":"1"},{"key":"b","value":"x","colour":"2"},{"key":"c","colour":"3"},{"key":"a","colour":"4"},{"key":"c","colour":"5"}]"#;
    for (written, after) in [
        // One comes, one changes, one goes.
        (
            r#"[{"key":"new"},{"key":"a"},{"key":"b","value":"y"},{"key":"c"},{"key":"a"}]"#,
            r#"[{"key":"new"},{"key":"a","colour":"1"},{"key":"b","value":"y","colour":"2"},{"key":"c","colour":"3"},{"key":"a","colour":"4"}]"#,
        ),
        // Of those that are equal the first ones go.
        (
            r#"[{"key":"b","value":"z"},{"key":"a"},{"key":"c"}]"#,
            r#"[{"key":"b","value":"z"},{"key":"a","colour":"4"},{"key":"c","colour":"5"}]"#,
        ),
        // One moves to the end.
        (
            r#"[{"key":"a"},{"key":"c"},{"key":"a"},{"key":"c"},{"key":"b","value":"x"}]"#,
            r#"[{"key":"a","colour":"1"},{"key":"c","colour":"3"},{"key":"a","colour":"4"},{"key":"c","colour":"5"},{"key":"b","value":"x","colour":"2"}]"#,
        ),
    ] {
        put(&store, 2, all).await.unwrap();
        assert_eq!(program.run(&format!("UPDATE order_v1 SET lines = '{written}'")), "[]");
        assert_eq!(lines(&store, 2).await, after);
    }
}

#[tokio::test]
async fn what_only_a_newer_version_knew_of_items_comes_back_with_it() {
    let add = r#"{"add_property": {"path": "lines[].colour", "schema": "string"}}"#;
    let all = r#"[{"key":"a","value":"x","colour":"red"},{"key":"b","colour":"blue"},{"key":"c","colour":"green"}]"#;
    for (key, after) in [
        // By the key an item is the same, whatever else changed in it.
        (r#", "key": "key""#, r#"[{"key":"c","colour":"green"},{"key":"a","value":"z","colour":"red"},{"key":"d"}]"#),
        (r"", r#"[{"key":"c","colour":"green"},{"key":"a","value":"z"},{"key":"d"}]"#),
    ] {
        let (_folder, path) = fresh();
        let store = open(&path, &format!(r#"{{"type": "array", "items": {ITEM}{key}}}"#), &[add]);
        migrate(&store, None, false, &How::quietly()).await.unwrap();
        put(&store, 2, all).await.unwrap();
        rollback(&store, Some(1), &How::quietly()).await.unwrap();
        migrate(&store, None, false, &How::quietly()).await.unwrap();
        assert_eq!(lines(&store, 2).await, all);
        rollback(&store, Some(1), &How::quietly()).await.unwrap();
        put(&store, 1, r#"[{"key":"c"},{"key":"a","value":"z"},{"key":"d"}]"#).await.unwrap();
        migrate(&store, None, false, &How::quietly()).await.unwrap();
        assert_eq!(lines(&store, 2).await, after);
    }
}

#[tokio::test]
async fn an_item_that_a_version_cannot_show_hides_its_record() {
    let (_folder, path) = fresh();
    let retype = r#"{"retype_property": {"path": "lines[]", "schema": "integer", "up": "cast(value as integer)", "down": "cast(value as string)", "on_fail": "quarantine"}}"#;
    let store = open(&path, r#"{"type": "array", "items": {"type": "string"}}"#, &[retype]);
    migrate(&store, Some(1), false, &How::quietly()).await.unwrap();
    put(&store, 1, r#"["1","many"]"#).await.unwrap();
    migrate(&store, None, false, &How::quietly()).await.unwrap();
    let key = Key(vec!["1".to_owned()]);
    let hidden = store.records().get("order", &key, 2).await.unwrap_err().to_string();
    assert!(hidden.contains("a conversion failed when `lines` was computed"), "{hidden}");
    let mut program = Outside::open(&path);
    assert_eq!(program.run("SELECT count(*) FROM order_v2"), "[(0,)]");
    assert_eq!(lines(&store, 1).await, r#"["1","many"]"#);
    for mended in [r#"["1","2"]"#, r#"["1","3"]"#] {
        put(&store, 1, mended).await.unwrap();
        assert_eq!(lines(&store, 2).await, mended.replace('"', ""));
    }
    put(&store, 1, r#"["1","many"]"#).await.unwrap();
    store.records().get("order", &key, 2).await.unwrap_err();
    // A rollback and a migration know it again.
    rollback(&store, Some(1), &How::quietly()).await.unwrap();
    assert_eq!(lines(&store, 1).await, r#"["1","many"]"#);
    migrate(&store, None, false, &How::quietly()).await.unwrap();
    store.records().get("order", &key, 2).await.unwrap_err();
    put(&store, 1, r#"["1"]"#).await.unwrap();
    assert_eq!(lines(&store, 2).await, "[1]");
    let refused = program.run(r#"UPDATE order_v1 SET lines = '["1","many"]'"#);
    assert!(refused.contains("write this record with coeval"), "{refused}");
    assert_eq!(lines(&store, 2).await, "[1]");
}
