//! The views of a version: what its clients read.

use coeval_plan::table::{Table, View};

use super::Names;
use crate::name::ident;

/// Renders a version's view of a table.
pub fn create_view(table: &Table<'_>, view: &View, names: &Names) -> String {
    let column = |at: usize| ident(&table.columns[at].name);
    let hiding: Vec<String> = view.hiding.iter().map(|at| format!("{} IS NOT 1", column(*at))).collect();
    let condition = if hiding.is_empty() { String::new() } else { format!(" WHERE {}", hiding.join(" AND ")) };
    let called: Vec<String> = view.entries.iter().map(|(name, _)| ident(name)).collect();
    let columns: Vec<String> = view.entries.iter().map(|(_, at)| column(*at)).collect();
    let (name, base) = (ident(&Names::view(view)), names.table());
    format!("CREATE VIEW {name} ({}) AS SELECT {} FROM {base}{condition}", called.join(", "), columns.join(", "))
}
