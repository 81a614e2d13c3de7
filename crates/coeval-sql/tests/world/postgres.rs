//! In PostgreSQL: simple views, and BEFORE triggers on the base table.

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_core::Value;
use coeval_core::history::History;
use coeval_core::json;
use coeval_plan::table::{Ability, Table};
use coeval_sql::ident;
use coeval_sql::postgres::{self, Names};
use tokio_postgres::NoTls;

use crate::replay::{NEWEST, Replay, Views};

struct Database {
    runtime: tokio::runtime::Runtime,
    client: tokio_postgres::Client,
    names: Names,
    prefix: String,
}

fn no_keys(_: &str) -> Option<coeval_core::Type> {
    None
}

impl Database {
    fn open(prefix: &str) -> Self {
        let url = std::env::var("COEVAL_TEST_POSTGRES")
            .expect("COEVAL_TEST_POSTGRES is not set: run the tests with `testing/postgres COMMAND`, or set it to postgres://…");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let client = runtime.block_on(async {
            let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("PostgreSQL answers");
            tokio::spawn(connection);
            client
        });
        let mut own = Self { runtime, client, names: Names::new(prefix, "country"), prefix: prefix.to_owned() };
        let mut schemas = vec![own.names.schema.clone(), own.names.workings.clone()];
        schemas.extend((1..=NEWEST).map(|version| own.names.version_schema(version)));
        for schema in schemas {
            own.run(&format!("DROP SCHEMA IF EXISTS {schema} CASCADE"));
            own.run(&format!("CREATE SCHEMA {schema}"));
        }
        own
    }

    fn run(&mut self, sql: &str) {
        let shown = || sql.chars().take(300).collect::<String>();
        self.runtime.block_on(self.client.batch_execute(sql)).unwrap_or_else(|e| panic!("{}\n{e:?}", shown()));
    }

    fn create(&mut self, table: &Table<'_>, version: u32) {
        for statement in postgres::create_table(table, &table.columns_up_to(version), &self.names, &no_keys).unwrap() {
            self.run(&statement);
        }
        self.run(&format!("ALTER TABLE {} ADD COLUMN _w smallint", self.names.table));
    }

    /// Makes the triggers for the versions up to one, where they need any.
    fn trigger(&mut self, table: &Table<'_>, newest: u32) {
        let versions: Vec<u32> = (1..=newest).collect();
        let Some(triggers) = postgres::triggers(table, &versions, &versions, &self.names, &no_keys).unwrap() else { return };
        assert!(triggers.insert.len() + triggers.update.len() < 500_000, "what a session has to read stays small");
        for statement in triggers.helpers.iter().chain([&triggers.insert, &triggers.update]) {
            self.run(statement);
        }
        for statement in postgres::create_triggers(&triggers, &self.names, false) {
            self.run(&statement);
        }
    }

    fn view(&mut self, table: &Table<'_>, version: u32) {
        for statement in postgres::create_view(table, table.view(version).unwrap(), &self.names, &no_keys).unwrap() {
            self.run(&statement);
        }
    }

    fn name(&self, version: u32) -> String {
        format!("{}_v{version}.country", self.prefix)
    }
}

impl Views for Database {
    fn insert(&mut self, version: u32, key: &str, document: &Value) {
        let columns: Vec<String> = document.as_object().unwrap().iter().map(|(name, _)| ident(name.as_str())).collect();
        let (view, columns) = (self.name(version), columns.join(", "));
        let sql = format!(
            "INSERT INTO {view} (_id, {columns}) SELECT $1::text::uuid, {columns} FROM jsonb_populate_record(NULL::{view}, $2::text::jsonb)"
        );
        let done = self.runtime.block_on(self.client.execute(&sql, &[&key, &document.to_string()]));
        done.unwrap_or_else(|e| panic!("{key} at {version}: {e:?}"));
    }

    fn update(&mut self, version: u32, key: &str, name: &str, value: &Value) {
        let view = self.name(version);
        let name = ident(name);
        let sql = format!(
            "UPDATE {view} AS v SET {name} = (jsonb_populate_record(v, $2::text::jsonb)).{name} WHERE _id = $1::text::uuid"
        );
        let document = format!("{{{name}: {value}}}");
        let done = self.runtime.block_on(self.client.execute(&sql, &[&key, &document]));
        assert_eq!(done.unwrap_or_else(|e| panic!("{key}.{name} at {version}: {e:?}")), 1);
    }

    fn read(&mut self, version: u32) -> BTreeMap<String, Value> {
        let sql = format!("SELECT _id::text, (to_jsonb(v) - '_id')::text FROM {} AS v", self.name(version));
        let rows = self.runtime.block_on(self.client.query(&sql, &[])).unwrap();
        rows.iter().map(|row| (row.get(0), json::parse(row.get::<_, String>(1).as_bytes()).unwrap())).collect()
    }
}

fn table(history: &History) -> Table<'_> {
    let versions: Vec<u32> = (1..=NEWEST).collect();
    Table::new(history, &versions, Ability { knows_writer: false }).unwrap()
}

#[test]
fn every_release_is_read_at_every_version() {
    let mut replay = Replay::load(&(1..=NEWEST).collect::<Vec<_>>(), 5);
    let history = Arc::clone(&replay.history);
    let table = table(&history);
    let mut database = Database::open("world");
    database.create(&table, NEWEST);
    database.trigger(&table, NEWEST);
    for version in 1..=NEWEST {
        database.view(&table, version);
    }
    replay.insert(&mut database);
    replay.compare(&mut database);
    assert!(replay.update(&mut database) > 1000);
    replay.compare(&mut database);
}

#[test]
fn a_backfill_gives_what_a_birth_gives() {
    for first in 1..=NEWEST {
        let mut replay = Replay::load(&[first], 3);
        let history = Arc::clone(&replay.history);
        let early: Vec<u32> = (1..=first).collect();
        let early = Table::new(&history, &early, Ability { knows_writer: false }).unwrap();
        let table = table(&history);
        let mut database = Database::open("world_fill");
        database.create(&early, first);
        database.trigger(&early, first);
        database.view(&early, first);
        replay.insert(&mut database);
        let new: Vec<usize> = table.columns_up_to(NEWEST).into_iter().filter(|at| table.columns[*at].since > first).collect();
        for at in &new {
            database.run(&postgres::add_column(&table, *at, &database.names, &no_keys).unwrap());
        }
        // Not by triggers: what fills rows must be enough.
        for statement in postgres::drop_triggers(&database.names) {
            database.run(&statement);
        }
        if let Some(fill) = postgres::fill(&table, table.view(first).unwrap(), &new, &database.names, &no_keys).unwrap() {
            for statement in &fill.helpers {
                database.run(statement);
            }
            let sql = format!("UPDATE {} AS t SET {}", database.names.table, fill.set);
            database.run(&sql);
        }
        for version in (1..=NEWEST).filter(|version| *version != first) {
            database.view(&table, version);
        }
        replay.compare(&mut database);
    }
}
