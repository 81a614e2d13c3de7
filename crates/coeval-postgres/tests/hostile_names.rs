//! Names, values, defaults, literals and tables that break what is put together carelessly: every version writes and reads them in
//! plain SQL, they come, go and come back, and what belongs to others stays as it is.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;

use coeval_core::json;
use coeval_core::{Type, Value};
use coeval_engine::{How, migrate, retire, rollback};
use coeval_postgres::PostgresBackend;
use coeval_sql::{Dialect, fit, ident, literal};
use coeval_store::records::{Change, Expect, Key};
use coeval_store::{Backend as _, Catalog};
use coeval_testkit::hostile::{self, Hostile, Records};
use tokio_postgres::{Client, SimpleQueryMessage};

use common::{fresh, session, state};

/// What others have in the database.
const OTHERS: &str = r#"
CREATE SCHEMA "other; --";
CREATE TABLE other (a text, "b""; --" text);
INSERT INTO other VALUES ('x', 'y');
CREATE VIEW "other; --"."other'view" AS SELECT a FROM other;
CREATE INDEX "other'index" ON other (a);
CREATE FUNCTION other_trigger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
CREATE TRIGGER "other`trigger" BEFORE INSERT ON other FOR EACH ROW EXECUTE FUNCTION other_trigger();
"#;

struct World<'m> {
    models: &'m [Hostile],
    deployment: &'m str,
    catalog: Arc<Catalog>,
    store: PostgresBackend,
    client: Client,
}

impl<'m> World<'m> {
    async fn open(models: &'m [Hostile], deployment: &'m str) -> Self {
        let (catalog, url) = (hostile::catalog(models), fresh().await);
        let store = PostgresBackend::new(state(&url, deployment), Arc::clone(&catalog));
        let client = session(&url).await;
        client.batch_execute(OTHERS).await.unwrap();
        Self { models, deployment, catalog, store, client }
    }

    fn types(&self, model: usize, version: u32) -> Vec<(String, Type)> {
        let model = self.catalog.models[model].eras[0].history.model(version).unwrap();
        model.properties.iter().map(|(name, property)| (name.to_owned(), property.ty.clone())).collect()
    }

    fn view(&self, model: usize, version: u32) -> String {
        let schema = ident(&fit(&format!("{}_v{version}", self.deployment)));
        format!("{schema}.{}", ident(&fit(&self.models[model].name)))
    }

    async fn run(&self, sql: &str) {
        self.client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    async fn insert(&self, model: usize, version: u32, document: &Value) {
        let types = self.types(model, version);
        let ty = |name: &str| types.iter().find(|(known, _)| known == name).map(|(_, ty)| ty).unwrap();
        let pairs = document
            .as_object()
            .unwrap()
            .iter()
            .map(|(name, value)| (ident(&fit(name.as_str())), literal(value, ty(name.as_str()), Dialect::Postgres).unwrap()));
        let (names, values): (Vec<String>, Vec<String>) = pairs.unzip();
        let view = self.view(model, version);
        self.run(&format!("INSERT INTO {view} ({}) VALUES ({})", names.join(", "), values.join(", "))).await;
    }

    async fn set(&self, model: usize, version: u32, key: &Value, name: &str, value: &Value) {
        let types = self.types(model, version);
        let ty = types.iter().find(|(known, _)| known == name).map(|(_, ty)| ty).unwrap();
        let [value, key] = [(value, ty), (key, &Type::String)].map(|(value, ty)| literal(value, ty, Dialect::Postgres).unwrap());
        let key_name = ident(&fit(&self.models[model].key()));
        let (view, name) = (self.view(model, version), ident(&fit(name)));
        self.run(&format!("UPDATE {view} SET {name} = {value} WHERE {key_name} = {key}")).await;
    }

    async fn plain(&self, model: usize, version: u32) -> Vec<Value> {
        let members = self
            .types(model, version)
            .into_iter()
            .map(|(name, _)| format!("{}, {}", coeval_sql::string(&name, Dialect::Postgres), ident(&fit(&name))));
        let members: Vec<String> = members.collect();
        let sql = format!("SELECT jsonb_build_object({})::text FROM {}", members.join(", "), self.view(model, version));
        let rows = self.client.query(&sql, &[]).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        hostile::sorted(rows.iter().map(|row| json::parse(row.get::<_, String>(0).as_bytes()).unwrap()).collect())
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
                assert_eq!(self.plain(model, version).await, expected, "{name:?} in plain SQL at {version}, {what}");
                assert_eq!(self.listed(model, version).await, expected, "{name:?} as records at {version}, {what}");
            }
        }
    }

    async fn ask(&self, sql: &str) -> Vec<String> {
        let messages = self.client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        let row = |message: &SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|at| row.get(at).unwrap_or("∅")).collect::<Vec<_>>().join("|"))
            }
            _ => None,
        };
        messages.iter().filter_map(row).collect()
    }

    /// What the database holds that is not coeval's.
    async fn others(&self) -> Vec<String> {
        self.ask(
            "SELECT c.oid, c.relname, c.relkind FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname IN ('public', 'other; --') ORDER BY c.oid;
             SELECT p.oid, p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = 'public';
             SELECT tgname FROM pg_trigger WHERE tgrelid = 'other'::regclass; SELECT * FROM other",
        )
        .await
    }

    /// The relations, columns and constraints of the deployment.
    async fn schema(&self) -> Vec<String> {
        self.ask(
            "SELECT n.nspname, c.relname, c.relkind, a.attname, a.atttypid::regtype, a.attnotnull
             FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
             WHERE n.nspname NOT IN ('public', 'coeval', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%' ORDER BY 1, 2, 4;
             SELECT conrelid::regclass, conname, pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace, 'coeval'::regnamespace) ORDER BY 1, 2",
        )
        .await
    }
}

async fn bring(store: &PostgresBackend, to: u32) {
    migrate(store, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"));
}

/// All that clients and runs do, on models of these names in one database.
async fn live(names: &[&str], deployment: &str) {
    let models: Vec<Hostile> = names.iter().enumerate().map(|(n, name)| Hostile::new(n, name)).collect();
    let world = World::open(&models, deployment).await;
    let others = world.others().await;
    let catalog = Arc::clone(&world.catalog);
    let mut records: Vec<Records<'_>> =
        catalog.models.iter().map(|entry| Records { history: &entry.eras[0].history, all: Vec::new() }).collect();
    let mut schemas = Vec::new();
    for version in 1..=3 {
        bring(&world.store, version).await;
        schemas.push(world.schema().await);
        for (at, model) in models.iter().enumerate() {
            for n in [version, version + 3] {
                let document = model.document(version, n as usize);
                world.insert(at, version, &document).await;
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
                world.set(at, version, &key, name.as_str(), value).await;
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
        assert_eq!(world.schema().await, schemas[to as usize - 1], "rolled back to {to}");
        world.compare(&records, 1..=to, "rolled back").await;
    }
    bring(&world.store, 3).await;
    world.compare(&records, 1..=3, "come back").await;
    retire(&world.store, 3, &How::quietly()).await.unwrap_or_else(|e| panic!("retire: {e:?}"));
    world.compare(&records, 3..=3, "retired").await;
    assert_eq!(world.others().await, others);
}

#[tokio::test(flavor = "multi_thread")]
async fn names_and_values_of_all_kinds_are_only_names_and_values() {
    live(&hostile::part(0), "Group-äöü").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_are_the_second_part() {
    live(&hostile::part(1), "select").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_are_the_third_part() {
    live(&hostile::part(2), "coeval_x").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn so_are_the_fourth_part() {
    live(&hostile::part(3), "-").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_names_that_begin_alike_are_told_apart() {
    let long = |end: &str| format!("{}{end}", "ä".repeat(40));
    let just = |end: &str| format!("{}{end}", "x".repeat(61));
    let names = [long("a"), long("b"), long("A"), just(""), just("a"), just("ab"), just("abc"), "👩".repeat(20)];
    live(&names.iter().map(String::as_str).collect::<Vec<_>>(), &"d".repeat(62)).await;
}
