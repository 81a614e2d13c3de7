//! A hundred versions of ten tables, all live at once: each version's view has the columns of its model.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_core::Type;
use coeval_engine::{How, migrate};
use coeval_postgres::PostgresBackend;
use coeval_store::Backend as _;
use coeval_store::records::{Change, Expect, Key};
use coeval_testkit::long_history::{catalog, document};
use coeval_testkit::rng::Rng;

use crate::common::{fresh, session, state};

const MODELS: usize = 10;
const VERSIONS: u32 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_versions_of_ten_tables_are_live_at_once() {
    let url = fresh().await;
    let store = PostgresBackend::new(state(&url, "long"), Arc::new(catalog(7, MODELS, VERSIONS)));
    // In deployments of several versions, so that later ones find what earlier ones made.
    for to in [1, 10, 40, VERSIONS] {
        migrate(&store, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"));
    }
    let client = session(&url).await;
    let rows = client
        .query(
            "SELECT table_schema::text, table_name::text, column_name::text, data_type::text FROM information_schema.columns
             WHERE table_schema LIKE 'long\\_v%' AND table_schema NOT LIKE '%copy' ORDER BY ordinal_position",
            &[],
        )
        .await
        .unwrap();
    let mut found: BTreeMap<(String, String), Vec<(String, String)>> = BTreeMap::new();
    for row in rows {
        found.entry((row.get(0), row.get(1))).or_default().push((row.get(2), row.get(3)));
    }
    assert_eq!(found.len(), MODELS * usize::try_from(VERSIONS).unwrap());
    let mut rng = Rng::new(3);
    for entry in &store.catalog().models {
        let history = &entry.eras[0].history;
        for version in 1..=VERSIONS {
            let model = history.model(version).unwrap();
            let wanted: Vec<(String, String)> =
                model.properties.iter().map(|(name, property)| (name.to_owned(), native(&property.ty).to_owned())).collect();
            assert_eq!(found[&(format!("long_v{version}"), model.name.clone())], wanted, "{} at {version}", model.name);
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
}

fn native(ty: &Type) -> &'static str {
    match ty {
        Type::Integer => "bigint",
        Type::Number => "numeric",
        Type::Boolean => "boolean",
        Type::String => "text",
        other => panic!("the generator makes no {}", other.name()),
    }
}
