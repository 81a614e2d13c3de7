//! Nine real releases of a data set, each in plain SQL through the view of its own version: all nine versions show, in plain SQL and
//! as records, what the core shows; also where the versions come one after the other, go, and come back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use coeval_core::value::Object;
use coeval_core::{Type, Value, json};
use coeval_engine::{How, migrate, rollback};
use coeval_objects::documents::Documents;
use coeval_sql::{Dialect, ident, literal};
use coeval_sqlite::Sqlite;
use coeval_store::objects::MemoryObjects;
use coeval_testkit::world_countries::{Lines, Replay, key_of, records, same};
use rusqlite::Connection;
use rusqlite::types::ValueRef;
use tempfile::TempDir;

use common::{database, fresh};

const NEWEST: u32 = 9;

/// The store, the core, and a client.
struct World {
    replay: Replay,
    store: Sqlite,
    client: Connection,
    _folder: TempDir,
}

impl World {
    /// A deployment that has version 1. `COEVAL_WORLD=all` takes every record of every release.
    async fn open(every: usize) -> Self {
        let all = std::env::var("COEVAL_WORLD").is_ok_and(|value| value == "all");
        let replay = Replay::load(if all { 1 } else { every });
        let (folder, path) = fresh();
        let store = Sqlite::new(database(&path, &[]), "world", Arc::clone(&replay.catalog));
        migrate(&store, Some(1), false, &How::quietly()).await.unwrap();
        Self { replay, store, client: open(&path), _folder: folder }
    }

    async fn bring(&self, to: u32) {
        migrate(&self.store, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"));
    }

    async fn back(&self, to: u32) {
        rollback(&self.store, Some(to), &How::quietly()).await.unwrap_or_else(|e| panic!("back to {to}: {e:?}"));
    }

    fn run(&self, sql: &str, about: &str) {
        assert_eq!(self.client.execute_batch(sql), Ok(()), "{about}");
    }

    fn publish(&mut self, version: u32) {
        let types = self.replay.types(version);
        self.run("BEGIN", "a transaction");
        for (key, mut document) in self.replay.publish(version) {
            if let Value::Object(object) = &mut document {
                object.insert("_id", key.as_str().into());
            }
            self.run(&insert(version, &document, &types), &key);
        }
        self.run("COMMIT", "the transaction");
    }

    fn edit(&mut self, times: usize, newest: u32) {
        self.run("BEGIN", "a transaction");
        for _ in 0..times {
            let (version, key, name, value) = self.replay.edit(newest);
            let value = literal(&value, &self.replay.types(version)[&name], Dialect::Sqlite).unwrap();
            let sql = format!("UPDATE country_v{version} SET {} = {value} WHERE _id = '{key}'", ident(&name));
            self.run(&sql, &format!("{key}.{name} at {version}"));
        }
        self.run("COMMIT", "the transaction");
    }

    /// What a version shows in plain SQL.
    fn plain(&self, version: u32) -> BTreeMap<String, Value> {
        let key = |object: &mut Object| object.remove("_id").and_then(|key| key.as_str().map(str::to_owned)).unwrap();
        plain(&self.client, version, &self.replay.types(version), key)
    }

    async fn compare(&self, versions: impl IntoIterator<Item = u32>, what: &str) {
        for version in versions {
            self.replay.compare(version, &self.plain(version), what);
            self.replay.compare(version, &records(&self.store, version).await, what);
        }
    }
}

fn open(path: &Path) -> Connection {
    let client = Connection::open(path).unwrap();
    client.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
    client
}

fn insert(version: u32, document: &Value, types: &BTreeMap<String, Type>) -> String {
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    for (name, value) in document.as_object().unwrap() {
        columns.push(ident(name.as_str()));
        values.push(literal(value, &types[name.as_str()], Dialect::Sqlite).unwrap());
    }
    format!("INSERT INTO country_v{version} ({}) VALUES ({})", columns.join(", "), values.join(", "))
}

/// What a version shows in plain SQL, by key.
fn plain(
    client: &Connection,
    version: u32,
    types: &BTreeMap<String, Type>,
    key: impl Fn(&mut Object) -> String,
) -> BTreeMap<String, Value> {
    let mut statement = client.prepare(&format!("SELECT * FROM country_v{version}")).unwrap();
    let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
    let row = |row: &rusqlite::Row<'_>| {
        let mut object = Object::new();
        for (at, name) in names.iter().enumerate() {
            object.insert(name.as_str(), value(row.get_ref(at)?, &types[name]));
        }
        Ok((key(&mut object), Value::Object(object)))
    };
    statement.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap()
}

fn value(value: ValueRef<'_>, ty: &Type) -> Value {
    match (value, ty) {
        (ValueRef::Null, _) => Value::Null,
        (ValueRef::Integer(n), Type::Boolean) => Value::Bool(n == 1),
        (ValueRef::Integer(n), _) => n.into(),
        (ValueRef::Text(text), Type::String | Type::Enum { .. } | Type::Uuid) => std::str::from_utf8(text).unwrap().into(),
        (ValueRef::Text(text), _) => json::parse(text).unwrap(),
        (other, ty) => panic!("{other:?} as {ty:?}"),
    }
}

#[tokio::test]
async fn every_release_is_read_at_every_version() {
    let mut world = World::open(10).await;
    world.bring(NEWEST).await;
    for version in 1..=NEWEST {
        world.publish(version);
    }
    world.compare(1..=NEWEST, "as published").await;
    world.edit(500, NEWEST);
    world.compare(1..=NEWEST, "edited").await;
}

#[tokio::test]
async fn versions_that_come_one_by_one_go_and_come_back_show_the_same() {
    let mut world = World::open(50).await;
    for version in 1..=NEWEST {
        world.bring(version).await;
        world.publish(version);
        world.compare([1, version], &format!("when {version} was published")).await;
    }
    world.edit(150, NEWEST);
    world.compare(1..=NEWEST, "edited").await;
    world.back(1).await;
    world.compare([1], "rolled back").await;
    world.bring(NEWEST).await;
    world.compare([1, 5, NEWEST], "come back").await;
    world.back(4).await;
    world.edit(150, 4);
    world.compare([2, 4], "edited while versions are gone").await;
    world.bring(7).await;
    world.compare([5, 7], "some come back").await;
    world.bring(NEWEST).await;
    world.compare(1..=NEWEST, "all come back").await;
}

#[tokio::test]
async fn every_record_is_what_the_document_store_gives() {
    let lines = Lines::load();
    let documents = Documents::open(Arc::new(MemoryObjects::new()), Arc::clone(&lines.catalog)).unwrap();
    migrate(&documents, None, false, &How::quietly()).await.unwrap();
    lines.write(&documents).await;
    let (_folder, path) = fresh();
    let store = Sqlite::new(database(&path, &[]), "world", Arc::clone(&lines.catalog));
    migrate(&store, None, false, &How::quietly()).await.unwrap();
    let client = open(&path);
    client.execute_batch("BEGIN").unwrap();
    for (version, release) in (1..).zip(&lines.releases) {
        let types = lines.types(version);
        for document in release {
            assert_eq!(client.execute_batch(&insert(version, document, &types)), Ok(()), "{document} at {version}");
        }
    }
    client.execute_batch("COMMIT").unwrap();
    for version in 1..=NEWEST {
        let rows = plain(&client, version, &lines.types(version), |object| key_of(object));
        same(&documents, &store, version, &rows).await;
    }
}
