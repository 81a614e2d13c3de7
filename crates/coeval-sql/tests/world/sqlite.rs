//! In SQLite: views with INSTEAD OF triggers.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use coeval_core::schema::Type;
use coeval_core::{Object, Value, json};
use coeval_plan::table::{Ability, Held, Table};
use coeval_sql::sqlite::{Names, create_view, scratch_columns, triggers};
use coeval_sql::{Dialect, column_type, ident, literal};
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use crate::replay::{NEWEST, Replay, Views};

struct Database {
    connection: Connection,
    /// The types of what each version shows.
    types: BTreeMap<u32, BTreeMap<String, Type>>,
}

fn no_keys(_: &str) -> Option<Type> {
    None
}

impl Database {
    fn open(table: &Table<'_>) -> Self {
        let connection = Connection::open_in_memory().unwrap();
        let names = Names::new("country");
        let present: BTreeSet<usize> = (0..table.columns.len()).collect();
        let columns: Vec<String> = table
            .columns
            .iter()
            .map(|column| match column.held {
                Held::Hidden { .. } => format!("{} TEXT", ident(&column.name)),
                Held::Shown { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => {
                    format!("{} {}", ident(&column.name), column_type(&column.property.ty, &no_keys, Dialect::Sqlite))
                }
            })
            .collect();
        let mut statements = vec![
            format!("CREATE TABLE {} ({}, PRIMARY KEY (_id))", names.table(), columns.join(", ")),
            "CREATE TABLE coeval_keep (base TEXT, key TEXT)".to_owned(),
        ];
        let (mut slots, mut made) = (BTreeSet::new(), Vec::new());
        for view in &table.views {
            statements.push(create_view(table, view, &present, &names).unwrap());
            let writing = triggers(table, view, &present, &names, &no_keys).unwrap();
            assert_eq!(writing.local, []);
            slots.extend(writing.scratch);
            statements.extend(writing.lookups);
            made.extend(writing.statements);
        }
        let bytes: usize = made.iter().map(String::len).sum();
        assert!(bytes < 2_000_000, "what a connection has to read stays small: {bytes}");
        let scratch = scratch_columns(table, &present, &slots, &no_keys);
        statements.push(format!("CREATE TABLE {} ({})", ident(&names.scratch()), scratch.join(", ")));
        for statement in statements.iter().chain(&made) {
            connection.execute_batch(statement).unwrap_or_else(|e| panic!("{}\n{e}", &statement[..statement.len().min(300)]));
        }
        let types = table.views.iter().map(|view| {
            let of = |(name, at): &(String, usize)| (name.clone(), table.columns[*at].property.ty.clone());
            (view.version, view.entries.iter().map(of).collect())
        });
        Self { connection, types: types.collect() }
    }

    fn run(&self, sql: &str, about: &str) {
        let done = self.connection.execute_batch(sql);
        done.unwrap_or_else(|e| panic!("{about}: {e}"));
    }

    fn literal(&self, version: u32, name: &str, value: &Value) -> String {
        literal(value, &self.types[&version][name], Dialect::Sqlite).unwrap()
    }
}

impl Views for Database {
    fn insert(&mut self, version: u32, key: &str, document: &Value) {
        let (mut columns, mut values) = (vec!["_id".to_owned()], vec![format!("'{key}'")]);
        for (name, value) in document.as_object().unwrap() {
            columns.push(ident(name.as_str()));
            values.push(self.literal(version, name.as_str(), value));
        }
        let sql = format!("INSERT INTO country_v{version} ({}) VALUES ({})", columns.join(", "), values.join(", "));
        self.run(&sql, &format!("{key} at {version}"));
    }

    fn update(&mut self, version: u32, key: &str, name: &str, value: &Value) {
        let value = self.literal(version, name, value);
        let sql = format!("UPDATE country_v{version} SET {} = {value} WHERE _id = '{key}'", ident(name));
        self.run(&sql, &format!("{key}.{name} at {version}"));
    }

    fn read(&mut self, version: u32) -> BTreeMap<String, Value> {
        let types = &self.types[&version];
        let mut statement = self.connection.prepare(&format!("SELECT * FROM country_v{version}")).unwrap();
        let names: Vec<String> = statement.column_names().into_iter().map(str::to_owned).collect();
        let mut rows = statement.query([]).unwrap();
        let mut out = BTreeMap::new();
        while let Some(row) = rows.next().unwrap() {
            let (mut key, mut object) = (String::new(), Object::new());
            for (at, name) in names.iter().enumerate() {
                let value = match (row.get_ref(at).unwrap(), &types[name]) {
                    (ValueRef::Text(text), _) if name == "_id" => {
                        key = String::from_utf8(text.to_vec()).unwrap();
                        continue;
                    }
                    (ValueRef::Null, _) => Value::Null,
                    (ValueRef::Integer(n), Type::Boolean) => Value::Bool(n == 1),
                    (ValueRef::Integer(n), _) => n.into(),
                    (ValueRef::Text(text), Type::String | Type::Enum { .. }) => std::str::from_utf8(text).unwrap().into(),
                    (ValueRef::Text(text), _) => json::parse(text).unwrap(),
                    (other, ty) => panic!("{name}: {other:?} as {ty:?}"),
                };
                object.insert(name.as_str(), value);
            }
            out.insert(key, Value::Object(object));
        }
        out
    }
}

#[test]
fn every_release_is_read_at_every_version() {
    let mut replay = Replay::load(&(1..=NEWEST).collect::<Vec<_>>(), 5);
    let history = Arc::clone(&replay.history);
    let versions: Vec<u32> = (1..=NEWEST).collect();
    let table = Table::new(&history, &versions, Ability { knows_writer: true }).unwrap();
    let mut database = Database::open(&table);
    replay.insert(&mut database);
    replay.compare(&mut database);
    assert!(replay.update(&mut database) > 1000);
    replay.compare(&mut database);
}
