//! The views of a version: what its clients read.

use std::collections::BTreeSet;

use coeval_plan::table::{Table, View};

use super::Names;
use crate::name::ident;

/// Renders a version's view of a table. `present` are the columns that the base table has.
pub fn create_view(table: &Table<'_>, view: &View, present: &BTreeSet<usize>, names: &Names) -> String {
    let column = |at: usize| ident(&table.columns[at].name);
    let hiding: Vec<String> =
        view.hiding.iter().filter(|at| present.contains(at)).map(|at| format!("{} IS NOT 1", column(*at))).collect();
    let condition = if hiding.is_empty() { String::new() } else { format!(" WHERE {}", hiding.join(" AND ")) };
    let called: Vec<String> = view.entries.iter().map(|(name, _)| ident(name)).collect();
    let columns: Vec<String> = view.entries.iter().map(|(_, at)| column(*at)).collect();
    let (name, base) = (ident(&Names::view(view)), names.table());
    format!("CREATE VIEW {name} ({}) AS SELECT {} FROM {base}{condition}", called.join(", "), columns.join(", "))
}
