//! What SQLite cannot compute of a version, for people to read before anything runs.

use std::collections::{BTreeMap, BTreeSet};

use coeval_plan::Step;
use coeval_sql::sqlite::triggers;
use coeval_store::{Backend as _, Error, Result};

use crate::backend::Sqlite;
use crate::execute::last;
use crate::layout::Layout;

/// Returns which writes in plain SQL are refused from the step on, and why.
pub(crate) async fn remarks(backend: &Sqlite, step: &Step) -> Result<Vec<String>> {
    let Step::RebuildTriggers { model, to, .. } = step else { return Ok(Vec::new()) };
    let oldest = backend.ledger().await?.oldest();
    let catalog = backend.catalog();
    let entry = catalog.model(model)?;
    let Some(era) = entry.eras.iter().rev().find(|era| era.first <= *to) else { return Ok(Vec::new()) };
    let layout = Layout::new(catalog, entry, era, last(era, *to))?;
    let present: BTreeSet<usize> = (0..layout.table.columns.len()).collect();
    let keys = |model: &str| layout.key_type(model);
    let name = |node: usize| layout.table.scope().nodes[node].key.split('@').next().unwrap_or_default().to_owned();
    let (mut local, mut partly) = (BTreeMap::new(), BTreeSet::new());
    for view in layout.table.views.iter().filter(|view| view.version >= oldest) {
        let writing = triggers(&layout.table, view, &present, &layout.names, &keys);
        let writing = writing.map_err(|unfit| Error::failed(step.to_string(), unfit.to_string()))?;
        for (node, reason) in writing.local {
            local.entry(name(node)).or_insert(reason.reason);
        }
        partly.extend(writing.partly.into_iter().map(name));
    }
    partly.retain(|name| !local.contains_key(name));
    let refused = local.iter().map(|(name, reason)| format!("refuses writes in plain SQL that `{name}` follows from: {reason}"));
    let letters = |name: &String| {
        format!("refuses writes in plain SQL that `{name}` follows from, where letters beyond ASCII change their case")
    };
    Ok(refused.chain(partly.iter().map(letters)).collect())
}
