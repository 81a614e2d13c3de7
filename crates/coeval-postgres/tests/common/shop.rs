//! A shop's model over some versions, and what clients do to it in plain SQL.

use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_engine::{How, Outcome};
use coeval_postgres::PostgresBackend;
use coeval_store::Backend as _;
use coeval_store::catalog::{Catalog, Era, ModelEntry};
use coeval_store::ledger::VersionId;

use super::state;

/// A model from its first version, and the operations of later ones.
pub(crate) type Versions<'v> = (&'v str, &'v [(u32, &'v [&'v str])]);

fn era(first: u32, end: Option<u32>, (model, releases): Versions<'_>, head: u32) -> (String, Era) {
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let name = model.name.clone();
    let operation =
        |text: &&str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    let releases: Vec<Release> = releases
        .iter()
        .filter(|(version, _)| *version <= head)
        .map(|(version, operations)| Release {
            version: *version,
            operations: operations.iter().map(operation).collect(),
            order: None,
        })
        .collect();
    let history = History::new(first, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap();
    (name, Era { first, end, history })
}

/// Returns the catalog of models that are all there from version 1 on, up to a version.
pub(crate) fn catalog(models: &[Versions<'_>], head: u32) -> Catalog {
    let entry = |versions: &Versions<'_>| {
        let (name, era) = era(1, None, *versions, head);
        ModelEntry { name, eras: vec![era] }
    };
    let id = |number: u32| VersionId { number, id: format!("0193c1a0-0000-7000-8000-{number:012}") };
    Catalog { versions: (1..=head).map(id).collect(), models: models.iter().map(entry).collect(), ..Catalog::default() }
}

/// Opens a deployment.
pub(crate) fn open(url: &str, models: &[Versions<'_>], head: u32) -> PostgresBackend {
    PostgresBackend::new(state(url, "shop"), Arc::new(catalog(models, head)))
}

/// Migrates to a version.
pub(crate) async fn migrate(backend: &PostgresBackend, to: u32) -> Outcome {
    coeval_engine::migrate(backend, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"))
}

/// Rolls back to a version.
pub(crate) async fn rollback(backend: &PostgresBackend, to: u32) -> Outcome {
    coeval_engine::rollback(backend, Some(to), &How::quietly()).await.unwrap_or_else(|e| panic!("back to {to}: {e:?}"))
}

/// What `verify` says.
pub(crate) async fn drift(backend: &PostgresBackend) -> Vec<String> {
    backend.drift().await.unwrap().iter().map(ToString::to_string).collect()
}

/// An item: 2 adds and renames; 3 converts, requires, and renames in an object; 4 removes.
pub(crate) const ITEM: Versions<'static> = (
    r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true},
        "name": {"type": "string", "required": true},
        "price": "number",
        "qty": "integer",
        "address": {"type": "object", "required": true, "properties": {"street": "string", "city": "string"}}}}"#,
    &[
        (
            2,
            &[
                r#"{"add_property": {"path": "priority", "schema": {"type": "string", "required": true}, "value": "'medium'"}}"#,
                r#"{"rename_property": {"from": "name", "to": "title"}}"#,
            ],
        ),
        (
            3,
            &[
                r#"{"retype_property": {"path": "price", "schema": "integer", "up": "cast(round(price * 100) as integer)", "down": "cast(price as number) / 100"}}"#,
                r#"{"require_property": {"path": "qty", "value": "0"}}"#,
                r#"{"rename_property": {"from": "address.street", "to": "address.line"}}"#,
                r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "title || '-'"}}"#,
            ],
        ),
        (4, &[r#"{"remove_property": {"path": "priority", "value": "'low'"}}"#]),
    ],
);
