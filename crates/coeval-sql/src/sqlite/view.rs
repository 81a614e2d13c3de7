//! The views of a version: what its clients read.

use std::collections::BTreeSet;

use coeval_plan::table::{Table, View};

use super::Names;
use crate::condition::{Guard, guards};
use crate::dialect::Dialect;
use crate::literal::Unfit;
use crate::name::ident;

/// Renders a version's view of a table. `present` are the columns that the base table has.
///
/// # Errors
/// A condition that the database cannot compute.
pub fn create_view(table: &Table<'_>, view: &View, present: &BTreeSet<usize>, names: &Names) -> Result<String, Unfit> {
    let column = |at: usize| ident(&table.columns[at].name);
    let mut hiding: Vec<String> =
        view.hiding.iter().filter(|at| present.contains(at)).map(|at| format!("{} IS NOT 1", column(*at))).collect();
    hiding.extend(held(table, view, "", present)?.into_iter().map(|guard| format!("({}) IS NOT 0", guard.sql)));
    let condition = if hiding.is_empty() { String::new() } else { format!(" WHERE {}", hiding.join(" AND ")) };
    let carried: Vec<String> = view.carried.iter().map(|name| ident(name)).collect();
    let called: Vec<String> = view.entries.iter().map(|(name, _)| ident(name)).chain(carried.clone()).collect();
    let columns: Vec<String> = view.entries.iter().map(|(_, at)| column(*at)).chain(carried).collect();
    let (name, base) = (ident(&Names::view(view)), names.table());
    Ok(format!("CREATE VIEW {name} ({}) AS SELECT {} FROM {base}{condition}", called.join(", "), columns.join(", ")))
}

/// What a view's own clients are held to, as far as the columns are there.
pub(super) fn held(table: &Table<'_>, view: &View, row: &str, present: &BTreeSet<usize>) -> Result<Vec<Guard>, Unfit> {
    // Through it comes what breaks conditions still.
    if Names::is_mending(view) {
        return Ok(Vec::new());
    }
    let all = guards(table, view, row, Dialect::Sqlite)?.into_iter();
    Ok(all.filter(|guard| guard.columns.is_subset(present)).collect())
}
