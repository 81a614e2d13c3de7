//! What differs between the tables of a deployment and what its versions make of them.

use std::collections::BTreeMap;

use coeval_plan::found::{Expected, FoundTable, drift};
use coeval_plan::table::{Held, MARKER};
use coeval_sql::{Dialect, column_type, fit};
use coeval_store::backend::Drift;
use coeval_store::{Backend as _, Result};

use crate::backend::PostgresBackend;
use crate::catalog;
use crate::constraint::is_required;

/// Compares every table with the versions that the store came to, column by column, and looks for the views of live versions.
pub(crate) async fn find(backend: &PostgresBackend) -> Result<Vec<Drift>> {
    let ledger = backend.ledger().await?;
    let (made, newest) = (ledger.made(), ledger.newest().unwrap_or_default());
    let deployment = backend.state().deployment();
    let mut schemas: BTreeMap<String, Vec<FoundTable>> = BTreeMap::new();
    let mut out = Vec::new();
    for layout in backend.layouts() {
        let (first, end) = (layout.era.first, layout.era.end.unwrap_or(u32::MAX));
        if first > made || end <= ledger.oldest() {
            continue;
        }
        let mut say = |what: String| out.push(Drift { model: layout.entry.name.clone(), what });
        let table = layout.table(made.min(end - 1))?;
        let (schema, name) = match &layout.adopted {
            Some((schema, name)) => (schema.clone(), name.clone()),
            None => (fit(deployment), fit(&layout.table_name)),
        };
        if !schemas.contains_key(&schema) {
            schemas.insert(schema.clone(), catalog::tables(backend.state().database(), &schema).await?);
        }
        let Some(found) = schemas[&schema].iter().find(|found| found.name == name) else {
            say(format!("the table `{schema}.{name}` is missing"));
            continue;
        };
        let keys = |model: &str| layout.key_type(model);
        let mut expected: Vec<Expected> = table
            .columns_up_to(made)
            .into_iter()
            .map(|at| {
                let column = &table.columns[at];
                let native = match column.held {
                    Held::Hidden { .. } => "jsonb".to_owned(),
                    Held::Shown { .. } | Held::Failed { .. } | Held::Id => {
                        native(&column_type(&column.property.ty, &keys, Dialect::Postgres))
                    }
                };
                Expected { name: column.name.clone(), native, nullable: !is_required(&table, at) && !column.key }
            })
            .collect();
        if layout.whole(made.min(end - 1))?.views.iter().any(|view| view.marked) {
            expected.push(Expected { name: MARKER.to_owned(), native: "integer".to_owned(), nullable: true });
        }
        // A table that was there before keeps its own types, and whatever no version shows.
        let told = drift(&expected, found).into_iter().filter(|what| layout.adopted.is_none() || what.ends_with("is missing"));
        told.for_each(&mut say);
        for view in table.views.iter().filter(|view| view.version <= newest) {
            let schema = fit(&format!("{deployment}_v{}", view.version));
            if !catalog::has_view(backend.state().database(), &schema, &fit(&view.name)).await? {
                say(format!("the view `{schema}.{}` is missing", view.name));
            }
        }
    }
    Ok(out)
}

/// A type as the server prints it.
fn native(ty: &str) -> String {
    ty.strip_prefix("pg_catalog.").unwrap_or(ty).to_owned()
}
