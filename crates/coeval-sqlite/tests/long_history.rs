//! A hundred versions of ten tables, all live at once: each version's view has the columns of its model.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::sync::Arc;

use coeval_core::Type;
use coeval_engine::{How, migrate};
use coeval_sqlite::Sqlite;
use coeval_store::Backend as _;
use coeval_store::records::{Change, Expect, Key};
use coeval_testkit::long_history::{catalog, document};
use coeval_testkit::rng::Rng;
use rusqlite::Connection;

use common::{Outside, database, fresh};

const MODELS: usize = 10;
const VERSIONS: u32 = 100;

#[tokio::test]
async fn a_hundred_versions_of_ten_tables_are_live_at_once() {
    let (_folder, path) = fresh();
    let store = Sqlite::new(database(&path, &[]), "long", Arc::new(catalog(7, MODELS, VERSIONS)));
    // In deployments of several versions, so that later ones find what earlier ones made.
    for to in [1, 10, 40, VERSIONS] {
        migrate(&store, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"));
    }
    let client = Connection::open(&path).unwrap();
    let columns = |view: &str| -> Vec<(String, String)> {
        let mut statement = client.prepare("SELECT name, type FROM pragma_table_info(?1) ORDER BY cid").unwrap();
        let rows = statement.query_map([view], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
        rows.collect::<rusqlite::Result<_>>().unwrap()
    };
    let mut rng = Rng::new(3);
    for entry in &store.catalog().models {
        let history = &entry.eras[0].history;
        for version in 1..=VERSIONS {
            let model = history.model(version).unwrap();
            let wanted: Vec<(String, String)> =
                model.properties.iter().map(|(name, property)| (name.to_owned(), native(&property.ty).to_owned())).collect();
            assert_eq!(columns(&format!("{}_v{version}", model.name)), wanted, "{} at {version}", model.name);
        }
        // What is born at any version is read at every other one as the core reads it.
        let versions: Vec<u32> = history.versions().collect();
        for (id, version) in (1_i64..).zip(versions.iter().copied()) {
            let born = document(&mut rng, history.model(version).unwrap(), id);
            let key = Key(vec![id.to_string()]);
            let change = Change::Put(born.to_string());
            let written = store.records().write(&entry.name, Some(&key), version, &change, &Expect::Absent).await;
            written.unwrap_or_else(|e| panic!("{} at {version}: {e:?}: {born}", entry.name));
            let stored = history.create(version, born).unwrap();
            for at in versions.iter().copied() {
                let found = store.records().get(&entry.name, &key, at).await.unwrap().unwrap();
                let expected = history.read(&stored, at).unwrap();
                let read = coeval_core::json::parse(found.text.as_bytes()).unwrap();
                assert_eq!(read, expected, "{} born at {version}, read at {at}", entry.name);
            }
        }
    }
    // A program with an older parser can still read all of it.
    let mut outside = Outside::open(&path);
    for entry in &store.catalog().models {
        let count = entry.eras[0].history.versions().count();
        assert_eq!(outside.run(&format!("SELECT count(*) FROM {}_v{VERSIONS}", entry.name)), format!("[({count},)]"));
    }
}

fn native(ty: &Type) -> &'static str {
    match ty {
        Type::Integer | Type::Boolean => "INTEGER",
        Type::Number | Type::String => "TEXT",
        other => panic!("the generator makes no {}", other.name()),
    }
}
