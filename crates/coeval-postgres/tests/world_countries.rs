//! Nine real releases of a data set, each in plain SQL through the view of its own version: all nine versions show, in plain SQL and
//! as records, what the core shows; also where the versions come one after the other, go, and come back.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_core::value::Object;
use coeval_core::{Value, json};
use coeval_engine::{How, migrate, rollback};
use coeval_objects::documents::Documents;
use coeval_postgres::PostgresBackend;
use coeval_sql::ident;
use coeval_store::objects::MemoryObjects;
use coeval_testkit::world_countries::{Lines, Replay, key_of, records, same};
use tokio_postgres::Client;

use common::{fresh, session, state};

const NEWEST: u32 = 9;

/// The store, the core, and a client.
struct World {
    replay: Replay,
    store: PostgresBackend,
    client: Client,
}

impl World {
    /// A deployment that has version 1. `COEVAL_WORLD=all` takes every record of every release.
    async fn open(every: usize) -> Self {
        let all = std::env::var("COEVAL_WORLD").is_ok_and(|value| value == "all");
        let (replay, url) = (Replay::load(if all { 1 } else { every }), fresh().await);
        let store = PostgresBackend::new(state(&url, "world"), Arc::clone(&replay.catalog));
        migrate(&store, Some(1), false, &How::quietly()).await.unwrap();
        Self { replay, store, client: session(&url).await }
    }

    async fn bring(&self, to: u32) {
        migrate(&self.store, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"));
    }

    async fn back(&self, to: u32) {
        rollback(&self.store, Some(to), &How::quietly()).await.unwrap_or_else(|e| panic!("back to {to}: {e:?}"));
    }

    async fn publish(&mut self, version: u32) {
        for (key, mut document) in self.replay.publish(version) {
            if let Value::Object(object) = &mut document {
                object.insert("_id", key.as_str().into());
            }
            insert(&self.client, version, &document).await;
        }
    }

    async fn edit(&mut self, times: usize, newest: u32) {
        for _ in 0..times {
            let (version, key, name, value) = self.replay.edit(newest);
            let (view, name) = (format!("world_v{version}.country"), ident(&name));
            let set = format!("{name} = (jsonb_populate_record(v, $2::text::jsonb)).{name}");
            let sql = format!("UPDATE {view} AS v SET {set} WHERE _id = $1::text::uuid");
            let done = self.client.execute(&sql, &[&key, &format!("{{{name}: {value}}}")]).await;
            assert_eq!(done.unwrap_or_else(|e| panic!("{key}.{name} at {version}: {e:?}")), 1);
        }
    }

    /// What a version shows in plain SQL.
    async fn plain(&self, version: u32) -> BTreeMap<String, Value> {
        let key = |object: &mut Object| object.remove("_id").and_then(|key| key.as_str().map(str::to_owned)).unwrap();
        plain(&self.client, version, key).await
    }

    async fn compare(&self, versions: impl IntoIterator<Item = u32>, what: &str) {
        for version in versions {
            self.replay.compare(version, &self.plain(version).await, what);
            self.replay.compare(version, &records(&self.store, version).await, what);
        }
    }
}

async fn insert(client: &Client, version: u32, document: &Value) {
    let view = format!("world_v{version}.country");
    let names: Vec<String> = document.as_object().unwrap().iter().map(|(name, _)| ident(name.as_str())).collect();
    let names = names.join(", ");
    let values = format!("SELECT {names} FROM jsonb_populate_record(NULL::{view}, $1::text::jsonb)");
    let done = client.execute(&format!("INSERT INTO {view} ({names}) {values}"), &[&document.to_string()]).await;
    done.unwrap_or_else(|e| panic!("{document} at {version}: {e:?}"));
}

/// What a version shows in plain SQL, by key.
async fn plain(client: &Client, version: u32, key: impl Fn(&mut Object) -> String) -> BTreeMap<String, Value> {
    let rows = client.query(&format!("SELECT to_jsonb(v)::text FROM world_v{version}.country AS v"), &[]).await.unwrap();
    let document = |text: &str| match json::parse(text.as_bytes()) {
        Ok(Value::Object(mut object)) => (key(&mut object), Value::Object(object)),
        other => panic!("{text}: {other:?}"),
    };
    rows.iter().map(|row| document(row.get(0))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_release_is_read_at_every_version() {
    let mut world = World::open(10).await;
    world.bring(NEWEST).await;
    for version in 1..=NEWEST {
        world.publish(version).await;
    }
    world.compare(1..=NEWEST, "as published").await;
    world.edit(500, NEWEST).await;
    world.compare(1..=NEWEST, "edited").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_that_come_one_by_one_go_and_come_back_show_the_same() {
    let mut world = World::open(50).await;
    for version in 1..=NEWEST {
        world.bring(version).await;
        world.publish(version).await;
        world.compare([1, version], &format!("when {version} was published")).await;
    }
    world.edit(150, NEWEST).await;
    world.compare(1..=NEWEST, "edited").await;
    world.back(1).await;
    world.compare([1], "rolled back").await;
    world.bring(NEWEST).await;
    world.compare([1, 5, NEWEST], "come back").await;
    world.back(4).await;
    world.edit(150, 4).await;
    world.compare([2, 4], "edited while versions are gone").await;
    world.bring(7).await;
    world.compare([5, 7], "some come back").await;
    world.bring(NEWEST).await;
    world.compare(1..=NEWEST, "all come back").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_is_what_the_document_store_gives() {
    let lines = Lines::load();
    let documents = Documents::open(Arc::new(MemoryObjects::new()), Arc::clone(&lines.catalog)).unwrap();
    migrate(&documents, None, false, &How::quietly()).await.unwrap();
    lines.write(&documents).await;
    let url = fresh().await;
    let store = PostgresBackend::new(state(&url, "world"), Arc::clone(&lines.catalog));
    migrate(&store, None, false, &How::quietly()).await.unwrap();
    let client = session(&url).await;
    for (version, release) in (1..).zip(&lines.releases) {
        for document in release {
            insert(&client, version, document).await;
        }
    }
    for version in 1..=NEWEST {
        let rows = plain(&client, version, |object| key_of(object)).await;
        same(&documents, &store, version, &rows).await;
    }
}
