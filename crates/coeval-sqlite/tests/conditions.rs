//! Conditions that people demand of records: what violates them is named first, and refused afterwards, at every version.
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
use coeval_store::event::Event;
use coeval_store::ledger::VersionId;
use coeval_store::records::{Change, Expect, Key};
use coeval_store::{Backend, Catalog, Era, Error, ModelEntry};

use common::*;

const PART: &str = r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
    "id": {"type": "integer", "required": true}, "size": "number", "box": {"type": "object", "properties": {"width": "integer"}}}}"#;
const RELEASES: &[&[&str]] = &[
    &[r#"{"add_check": {"name": "sized", "expr": "size > 0 and coalesce(box.width, 1) < 100"}}"#],
    &[r#"{"rename_property": {"from": "size", "to": "length"}}"#],
    &[r#"{"remove_check": {"name": "sized"}}"#],
];

fn open(path: &Path) -> Sqlite {
    let model = Model::from_value(&json::parse(PART.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let operation = |text: &&str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    let releases: Vec<Release> = (2..)
        .zip(RELEASES)
        .map(|(version, operations)| Release { version, operations: operations.iter().map(operation).collect(), order: None })
        .collect();
    let history = History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap();
    let entry = ModelEntry { name: "part".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let versions = (1..=4).map(|number| VersionId { number, id: format!("v{number}") }).collect();
    Sqlite::new(database(path, &[]), "shop", Arc::new(Catalog { versions, models: vec![entry], ..Catalog::default() }))
}

async fn put(store: &Sqlite, id: i64, at: u32, document: &str) -> Result<(), Error> {
    let change = Change::Put(document.to_owned());
    store.records().write("part", Some(&Key(vec![id.to_string()])), at, &change, &Expect::Anything).await.map(drop)
}

fn named(told: &Told) -> Vec<(String, String)> {
    let failure = |event: &Event| match event {
        Event::Failure(failure) => Some((failure.key.clone(), failure.reason.clone())),
        _ => None,
    };
    told.0.lock().unwrap().iter().filter_map(failure).collect()
}

#[tokio::test]
async fn a_condition_is_proved_and_then_held_at_every_version() {
    let (_folder, path) = fresh();
    let store = open(&path);
    migrate(&store, Some(1), false, &How::quietly()).await.unwrap();
    put(&store, 1, 1, r#"{"id":1,"size":2,"box":{"width":500}}"#).await.unwrap();
    put(&store, 2, 1, r#"{"id":2}"#).await.unwrap();
    let told = Told::default();
    migrate(&store, Some(2), false, &How { observer: &told, ..How::quietly() }).await.unwrap_err();
    let reason = "`sized` does not hold: size > 0 and coalesce(box.width, 1) < 100".to_owned();
    assert_eq!(named(&told), [("1".to_owned(), reason)]);
    put(&store, 1, 1, r#"{"id":1,"size":2,"box":{"width":5}}"#).await.unwrap();
    migrate(&store, Some(3), false, &How::quietly()).await.unwrap();
    for (at, document) in
        [(1, r#"{"id":1,"size":0}"#), (2, r#"{"id":1,"size":1,"box":{"width":100}}"#), (3, r#"{"id":1,"length":-1}"#)]
    {
        let refused = put(&store, 1, at, document).await.unwrap_err();
        assert!(refused.to_string().contains("`sized` does not hold"), "{refused}");
    }
    let new = put(&store, 3, 3, r#"{"id":3,"length":0}"#).await.unwrap_err();
    assert!(new.to_string().contains("`sized` does not hold"), "{new}");
    put(&store, 3, 3, r#"{"id":3,"length":7}"#).await.unwrap();
    // A version without it takes it back for all.
    migrate(&store, Some(4), false, &How::quietly()).await.unwrap();
    put(&store, 1, 1, r#"{"id":1,"size":0}"#).await.unwrap();
    let told = Told::default();
    rollback(&store, Some(3), &How { observer: &told, ..How::quietly() }).await.unwrap_err();
    assert_eq!(named(&told).len(), 1, "what is in the way of going back is named");
    put(&store, 1, 1, r#"{"id":1,"size":1}"#).await.unwrap();
    rollback(&store, Some(1), &How::quietly()).await.unwrap();
    put(&store, 1, 1, r#"{"id":1,"size":0}"#).await.unwrap();
}
