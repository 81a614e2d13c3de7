//! Deployments of models that a test writes down, or takes over from a database.

use std::path::Path;
use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_engine::{How, Outcome};
use coeval_plan::found::take;
use coeval_sqlite::{Sqlite, found};
use coeval_store::Backend as _;
use coeval_store::Catalog;
use coeval_store::catalog::{Era, ModelEntry};
use coeval_store::ledger::VersionId;

use super::database;

/// What later versions make of a table: its name, and the operations of versions from 2 on.
pub(crate) type Changes<'c> = (&'c str, &'c [&'c [&'c str]]);

/// Opens a deployment of models, which have changes up to a version.
pub(crate) fn open(path: &Path, models: Vec<Model>, changes: &[Changes<'_>], head: u32) -> Sqlite {
    let entry = |model: Model| {
        let name = model.name.clone();
        let changes = changes.iter().find(|(table, _)| *table == name).map(|(_, changes)| *changes).unwrap_or_default();
        let operation = |text: &&str| {
            Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap_or_else(|e| panic!("{text}: {e:?}"))
        };
        let releases: Vec<Release> = (2..=head)
            .zip(changes)
            .map(|(version, operations)| Release { version, operations: operations.iter().map(operation).collect(), order: None })
            .collect();
        let context = Context { tables: &Tables::new(), rewrites: &Rewrites::new() };
        ModelEntry {
            name,
            eras: vec![Era { first: 1, end: None, history: History::new(1, model, &releases, &context).unwrap() }],
        }
    };
    let id = |number: u32| VersionId { number, id: format!("0193c1a0-0000-7000-8000-{number:012}") };
    let models = models.into_iter().map(entry).collect();
    let catalog = Catalog { versions: (1..=head).map(id).collect(), models, ..Catalog::default() };
    Sqlite::new(database(path, &[]), "shop", Arc::new(catalog))
}

/// Opens a deployment of one model.
pub(crate) fn one(path: &Path, model: &str, changes: &[&[&str]], head: u32) -> Sqlite {
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let name = model.name.clone();
    open(path, vec![model], &[(&name, changes)], head)
}

/// Opens a deployment of all tables of a database that can be taken over.
pub(crate) async fn adopt(path: &Path, changes: &[Changes<'_>], head: u32) -> Sqlite {
    let found = found::tables(&database(path, &[])).await.unwrap();
    let names: Vec<&str> = found.iter().map(|table| table.name.as_str()).collect();
    let models = found.iter().filter_map(|table| take(table, &names).ok()).map(|taken| taken.model).collect();
    open(path, models, changes, head)
}

pub(crate) async fn migrate(store: &Sqlite, to: u32) -> Outcome {
    coeval_engine::migrate(store, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"))
}

pub(crate) async fn rollback(store: &Sqlite, to: u32, warm: bool) -> Outcome {
    let how = How { warm, ..How::quietly() };
    coeval_engine::rollback(store, Some(to), &how).await.unwrap_or_else(|e| panic!("back to {to}: {e:?}"))
}

/// What `verify` tells of the schema.
pub(crate) async fn drifts(store: &Sqlite) -> Vec<String> {
    store.drift().await.unwrap().iter().map(ToString::to_string).collect()
}
