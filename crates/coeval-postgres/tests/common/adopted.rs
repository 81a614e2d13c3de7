//! Tables that were there before, taken over.

use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::Model;
use coeval_core::table::Tables;
use coeval_plan::found::{Taken, take};
use coeval_postgres::{PostgresBackend, catalog};
use coeval_store::catalog::{Catalog, Era, ModelEntry};
use coeval_store::ledger::VersionId;

use super::{open_with, state};

/// What later versions make of a table: its name, and the operations of versions from 2 on.
pub(crate) type Changes<'c> = (&'c str, &'c [&'c [&'c str]]);

/// Returns what `import` makes of the tables of `public`.
pub(crate) async fn imported(url: &str) -> Vec<Result<Taken, String>> {
    let found = catalog::tables(&open_with(url, &[]).unwrap(), "public").await.unwrap();
    let names: Vec<&str> = found.iter().map(|table| table.name.as_str()).collect();
    found.iter().map(|table| take(table, &names)).collect()
}

/// Opens a deployment of all tables of `public`, which has changes up to a version.
pub(crate) async fn adopt(url: &str, changes: &[Changes<'_>], head: u32) -> PostgresBackend {
    adopt_as(url, changes, head, |_| {}).await
}

/// As [`adopt`], of models that somebody changed before they were frozen.
pub(crate) async fn adopt_as(url: &str, changes: &[Changes<'_>], head: u32, change: impl Fn(&mut Model)) -> PostgresBackend {
    let mut models = Vec::new();
    for mut taken in imported(url).await.into_iter().flatten() {
        change(&mut taken.model);
        let name = taken.model.name.clone();
        let changes = changes.iter().find(|(table, _)| *table == name).map(|(_, changes)| *changes).unwrap_or_default();
        let operation = |text: &&str| {
            Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap_or_else(|e| panic!("{text}: {e:?}"))
        };
        let releases: Vec<Release> = (2..=head)
            .zip(changes)
            .map(|(version, operations)| Release { version, operations: operations.iter().map(operation).collect(), order: None })
            .collect();
        let context = Context { tables: &Tables::new(), rewrites: &Rewrites::new() };
        let history = History::new(1, taken.model, &releases, &context).unwrap();
        models.push(ModelEntry { name, eras: vec![Era { first: 1, end: None, history }] });
    }
    let id = |number: u32| VersionId { number, id: format!("0193c1a0-0000-7000-8000-{number:012}") };
    let catalog = Catalog { versions: (1..=head).map(id).collect(), models, ..Catalog::default() };
    PostgresBackend::new(state(url, "shop"), Arc::new(catalog))
}
