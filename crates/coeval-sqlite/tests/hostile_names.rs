//! Names, values, defaults, literals and tables that break what is put together carelessly: every version writes and reads them in
//! plain SQL, they come, go and come back, and what belongs to others stays as it is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;
use std::sync::Arc;

use coeval_core::json;
use coeval_core::op::{Context, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_core::value::Object;
use coeval_core::{Type, Value};
use coeval_engine::{How, migrate, retire, rollback};
use coeval_sql::{Dialect, fit, ident, literal};
use coeval_sqlite::Sqlite;
use coeval_store::ledger::VersionId;
use coeval_store::records::{Change, Expect, Key};
use coeval_store::{Backend as _, Catalog, Era, ModelEntry};
use coeval_testkit::hostile::{self, Hostile, Records};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use common::{database, fresh};

/// What others have in the database.
const OTHERS: &str = r#"
CREATE TABLE other (a TEXT, "b""; --" TEXT);
INSERT INTO other VALUES ('x', 'y');
CREATE VIEW "other view" AS SELECT a FROM other;
CREATE INDEX "other'index" ON other (a);
CREATE TRIGGER "other`trigger" AFTER INSERT ON other BEGIN UPDATE other SET a = 'z' WHERE a = 'never'; END;
"#;

struct World<'m> {
    models: &'m [Hostile],
    catalog: Arc<Catalog>,
    store: Sqlite,
    client: Connection,
}

impl<'m> World<'m> {
    fn open(models: &'m [Hostile], path: &Path) -> Self {
        let catalog = hostile::catalog(models);
        let store = Sqlite::new(database(path, &[]), "shop", Arc::clone(&catalog));
        let client = Connection::open(path).unwrap();
        client.busy_timeout(std::time::Duration::from_secs(30)).unwrap();
        client.execute_batch(OTHERS).unwrap();
        Self { models, catalog, store, client }
    }

    fn types(&self, model: usize, version: u32) -> Vec<(String, Type)> {
        let model = self.catalog.models[model].eras[0].history.model(version).unwrap();
        model.properties.iter().map(|(name, property)| (name.to_owned(), property.ty.clone())).collect()
    }

    fn view(&self, model: usize, version: u32) -> String {
        ident(&fit(&format!("{}_v{version}", self.models[model].name)))
    }

    fn run(&self, sql: &str) {
        assert_eq!(self.client.execute_batch(sql), Ok(()), "{sql}");
    }

    fn insert(&self, model: usize, version: u32, document: &Value) {
        let types = self.types(model, version);
        let ty = |name: &str| types.iter().find(|(known, _)| known == name).map(|(_, ty)| ty).unwrap();
        let pairs = document
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (ident(name.as_str()), literal(value, ty(name.as_str()), Dialect::Sqlite).unwrap()));
        let (names, values): (Vec<String>, Vec<String>) = pairs.unzip();
        self.run(&format!("INSERT INTO {} ({}) VALUES ({})", self.view(model, version), names.join(", "), values.join(", ")));
    }

    fn set(&self, model: usize, version: u32, key: &Value, name: &str, value: &Value) {
        let types = self.types(model, version);
        let ty = types.iter().find(|(known, _)| known == name).map(|(_, ty)| ty).unwrap();
        let [value, key] = [(value, ty), (key, &Type::String)].map(|(value, ty)| literal(value, ty, Dialect::Sqlite).unwrap());
        let key_name = ident(&self.models[model].key());
        self.run(&format!("UPDATE {} SET {} = {value} WHERE {key_name} = {key}", self.view(model, version), ident(name)));
    }

    fn plain(&self, model: usize, version: u32) -> Vec<Value> {
        let types = self.types(model, version);
        let names: Vec<String> = types.iter().map(|(name, _)| ident(name)).collect();
        let sql = format!("SELECT {} FROM {}", names.join(", "), self.view(model, version));
        let mut statement = self.client.prepare(&sql).unwrap_or_else(|e| panic!("{sql}: {e}"));
        let row = |row: &rusqlite::Row<'_>| {
            let mut object = Object::new();
            for (at, (name, ty)) in types.iter().enumerate() {
                object.insert(
                    name.as_str(),
                    match (row.get_ref(at)?, ty) {
                        (ValueRef::Integer(n), _) => n.into(),
                        (ValueRef::Text(text), Type::String | Type::Enum { .. }) => std::str::from_utf8(text).unwrap().into(),
                        (ValueRef::Text(text), _) => json::parse(text).unwrap(),
                        (other, ty) => panic!("{name:?}: {other:?} as {ty:?}"),
                    },
                );
            }
            Ok(Value::Object(object))
        };
        hostile::sorted(statement.query_map([], row).unwrap().collect::<rusqlite::Result<_>>().unwrap())
    }

    async fn listed(&self, model: usize, version: u32) -> Vec<Value> {
        let page = self.store.records().list(&self.models[model].name, version, None, 100).await.unwrap();
        assert_eq!((page.hidden, page.next), (vec![], None));
        hostile::sorted(page.records.iter().map(|found| json::parse(found.text.as_bytes()).unwrap()).collect())
    }

    async fn compare(&self, records: &[Records<'_>], versions: std::ops::RangeInclusive<u32>, what: &str) {
        for version in versions {
            for (model, records) in records.iter().enumerate() {
                let expected = records.read(version);
                let name = &self.models[model].name;
                assert_eq!(self.plain(model, version), expected, "{name:?} in plain SQL at {version}, {what}");
                assert_eq!(self.listed(model, version).await, expected, "{name:?} as records at {version}, {what}");
            }
        }
    }

    /// What the database holds that is not coeval's.
    fn others(&self) -> Vec<(String, String)> {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE name LIKE 'other%' ORDER BY name";
        let mut statement = self.client.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        let mut out: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>().unwrap();
        let count: i64 = self.client.query_row("SELECT count(*) FROM other WHERE a = 'x'", [], |row| row.get(0)).unwrap();
        out.push(("rows".to_owned(), count.to_string()));
        out
    }

    fn schema(&self) -> Vec<(String, String, String)> {
        let sql =
            "SELECT type, name, coalesce(sql, '') FROM sqlite_schema WHERE name NOT LIKE 'coeval\\_%' ESCAPE '\\' ORDER BY 1, 2";
        let mut statement = self.client.prepare(sql).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    }
}

async fn bring(store: &Sqlite, to: u32) {
    migrate(store, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"));
}

/// All that clients and runs do, on models of these names in one database.
async fn live(names: &[&str]) {
    let models: Vec<Hostile> = names.iter().enumerate().map(|(n, name)| Hostile::new(n, name)).collect();
    let (_folder, path) = fresh();
    let world = World::open(&models, &path);
    let others = world.others();
    let catalog = Arc::clone(&world.catalog);
    let mut records: Vec<Records<'_>> =
        catalog.models.iter().map(|entry| Records { history: &entry.eras[0].history, all: Vec::new() }).collect();
    let mut schemas = Vec::new();
    for version in 1..=3 {
        bring(&world.store, version).await;
        schemas.push(world.schema());
        for (at, model) in models.iter().enumerate() {
            for n in [version, version + 3] {
                let document = model.document(version, n as usize);
                world.insert(at, version, &document);
                records[at].insert(version, &document);
            }
        }
        world.compare(&records, 1..=version, "inserted").await;
    }
    // Every property of one record through every version.
    for (at, model) in models.iter().enumerate() {
        for version in 1..=3 {
            let document = model.document(version, 8 + version as usize);
            let key = records[at].history.read(&records[at].all[0], version).unwrap();
            let key = key.as_object().unwrap().get(&model.key()).unwrap().clone();
            for (name, value) in document.as_object().unwrap().iter().filter(|(name, _)| name.as_str() != model.key()) {
                world.set(at, version, &key, name.as_str(), value);
                records[at].set(0, version, name.as_str(), value);
            }
        }
    }
    world.compare(&records, 1..=3, "updated").await;
    // The same through coeval.
    for (at, model) in models.iter().enumerate() {
        for version in 1..=3 {
            let document = model.document(version, 20 + version as usize);
            let key = Key(vec![document.as_object().unwrap().get(&model.key()).unwrap().as_str().unwrap().to_owned()]);
            let change = Change::Put(document.to_string());
            let written = world.store.records().write(&model.name, Some(&key), version, &change, &Expect::Absent).await;
            written.unwrap_or_else(|e| panic!("{:?} at {version}: {e:?}", model.name));
            records[at].insert(version, &document);
        }
    }
    world.compare(&records, 1..=3, "written").await;
    for to in [2, 1] {
        rollback(&world.store, Some(to), &How::quietly()).await.unwrap_or_else(|e| panic!("back to {to}: {e:?}"));
        assert_eq!(world.schema(), schemas[to as usize - 1], "rolled back to {to}");
        world.compare(&records, 1..=to, "rolled back").await;
    }
    bring(&world.store, 3).await;
    world.compare(&records, 1..=3, "come back").await;
    retire(&world.store, 3, &How::quietly()).await.unwrap_or_else(|e| panic!("retire: {e:?}"));
    world.compare(&records, 3..=3, "retired").await;
    assert_eq!(world.others(), others);
    let check: String = world.client.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(check, "ok");
}

/// Names that are one to SQLite, and so cannot be in one database.
fn is_one(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b)
}

/// A part of the names, in few databases, so that names meet each other.
async fn part(n: usize) {
    let mut left = hostile::part(n);
    // No column of a view can be called so.
    left.retain(|name| *name != "true");
    while !left.is_empty() {
        let mut now: Vec<&str> = Vec::new();
        left.retain(|name| {
            let free = now.len() < 4 && !now.iter().any(|other| is_one(other, name));
            if free {
                now.push(name);
            }
            !free
        });
        live(&now).await;
    }
}

#[tokio::test]
async fn names_and_values_of_all_kinds_are_only_names_and_values() {
    part(0).await;
}

#[tokio::test]
async fn so_are_the_second_part() {
    part(1).await;
}

#[tokio::test]
async fn so_are_the_third_part() {
    part(2).await;
}

#[tokio::test]
async fn so_are_the_fourth_part() {
    part(3).await;
}

#[tokio::test]
async fn long_names_that_begin_alike_are_told_apart() {
    let long = |end: &str| format!("{}{end}", "ä".repeat(40));
    let just = |end: &str| format!("{}{end}", "x".repeat(61));
    let names = [long("a"), long("b"), just(""), just("a"), just("ab"), "👩".repeat(20)];
    live(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
}

fn model(text: &str) -> ModelEntry {
    let value = json::parse(text.as_bytes()).unwrap();
    let model = Model::from_value(&value, &no_shared_types).unwrap();
    let (tables, rewrites) = (Tables::new(), Rewrites::new());
    let name = model.name.clone();
    let history = coeval_core::history::History::new(1, model, &[], &Context { tables: &tables, rewrites: &rewrites }).unwrap();
    ModelEntry { name, eras: vec![Era { first: 1, end: None, history }] }
}

fn plain(name: &str, property: &str) -> ModelEntry {
    let [name, property] = [name, property].map(|text| Value::from(text).to_string());
    model(&format!(
        r#"{{"type": "model", "name": {name}, "key": ["id"], "properties": {{"id": {{"type": "integer", "required": true}}, {property}: "string"}}}}"#
    ))
}

/// Tries to bring models to version 1; the error.
async fn refusal(models: Vec<ModelEntry>) -> String {
    let (_folder, path) = fresh();
    let versions = vec![VersionId { number: 1, id: "v1".to_owned() }];
    let catalog = Catalog { versions, models, ..Catalog::default() };
    let store = Sqlite::new(database(&path, &[]), "shop", Arc::new(catalog));
    let client = Connection::open(&path).unwrap();
    client.execute_batch(OTHERS).unwrap();
    let error = migrate(&store, Some(1), false, &How::quietly()).await.expect_err("it is refused");
    let left =
        "SELECT count(*) FROM sqlite_schema WHERE name NOT LIKE 'other%' AND name NOT LIKE 'coeval%' AND name NOT LIKE 'sqlite%'";
    assert_eq!(client.query_row(left, [], |row| row.get::<_, i64>(0)), Ok(0), "nothing is left of it: {error:?}");
    format!("{error:?}")
}

#[tokio::test]
async fn what_sqlite_cannot_tell_apart_or_hold_is_refused_by_name() {
    let cases: Vec<(&str, Vec<ModelEntry>, &[&str])> = vec![
        ("two models", vec![plain("Item", "a"), plain("item", "a")], &["`Item`", "`item`"]),
        ("a model like a view", vec![plain("item", "a"), plain("Item_V1", "a")], &["Item_V1"]),
        ("coeval's own", vec![plain("coeval_keep", "a")], &["coeval_keep"]),
        ("coeval's own to be", vec![plain("item", "a"), plain("Coeval_w_item", "a")], &["Coeval_w_item"]),
        ("SQLite's own", vec![plain("sqlite_x", "a")], &["sqlite_x"]),
        ("two properties", vec![plain("item", "ID")], &["`ID`", "`item`"]),
        ("no name of a column", vec![plain("item", "True")], &["`item`", "`True`"]),
        ("NUL in a model", vec![plain("it\0em", "a")], &["it\\0em"]),
        ("NUL in a property", vec![plain("item", "a\0b")], &["a\\0b"]),
    ];
    let mut wrong = Vec::new();
    for (what, models, named) in cases {
        let said = refusal(models).await.replace("\\\\", "\\");
        if !named.iter().all(|name| said.contains(name)) {
            wrong.push(format!("{what}: {said}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
