//! Where things are in a database.

use coeval_core::history::RecipeId;
use coeval_core::table::Table;
use coeval_plan::table::View;

use super::LOCAL;
use crate::compute::Helpers;
use crate::name::{fit, ident};

/// What the names begin with of triggers that repair, and of the views that they write through.
const REPAIR: &str = "coeval_repair_";

/// The names of what belongs to a table. SQLite has no schemas, so that views and tables share one space of names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    name: String,
    table: String,
    /// The column that the database numbers where it is left out.
    numbered: Option<String>,
}

impl Names {
    /// Returns the names for a base table that is called like its model.
    pub fn new(model: &str) -> Self {
        // In a statement of a trigger that is about a table of this name, the rows of the trigger could not be told from its own.
        let hides = ["old", "new"].into_iter().any(|row| model.eq_ignore_ascii_case(row));
        let table = if hides { fit(&format!("coeval_table_{model}")) } else { fit(model) };
        Self { name: model.to_owned(), table, numbered: None }
    }

    /// Returns the names for a base table that was there before.
    pub fn adopted(table: &str) -> Self {
        Self { name: table.to_owned(), table: table.to_owned(), numbered: None }
    }

    /// Returns the names for the base table of a model that is there since a version, where an older table is called like it.
    pub fn since(model: &str, version: u32) -> Self {
        Self { name: model.to_owned(), table: fit(&format!("coeval_table_{model}_{version}")), numbered: None }
    }

    /// Returns the same names, where the database numbers a column that is left out.
    #[must_use]
    pub fn numbering(&self, column: &str) -> Self {
        Self { numbered: Some(column.to_owned()), ..self.clone() }
    }

    /// Returns whether the database numbers a column that is left out.
    pub fn numbers(&self, column: &str) -> bool {
        self.numbered.as_deref() == Some(column)
    }

    /// Returns the base table's name as it is.
    pub fn base(&self) -> &str {
        &self.table
    }

    /// Returns the base table, quoted.
    pub fn table(&self) -> String {
        ident(&self.table)
    }

    /// Returns the table in which triggers calculate, as it is. It holds nothing between statements.
    pub fn scratch(&self) -> String {
        fit(&format!("coeval_w_{}", self.table))
    }

    /// Returns where the base table lies while no version has it, as it is.
    pub fn aside(&self) -> String {
        fit(&format!("coeval_aside_{}", self.table))
    }

    /// Returns a version's view, as it is.
    pub fn view(view: &View) -> String {
        fit(&format!("{}_v{}", view.name, view.version))
    }

    /// Returns the trigger for an event (`insert`, `update`, `delete`) on a version's view, as it is.
    pub fn trigger(view: &View, event: &str) -> String {
        fit(&format!("coeval_{}_{event}", Self::view(view)))
    }

    /// Returns the triggers that repair what breaks a constraint of a version, as they are: for inserts and updates of the base table.
    pub fn repair(&self, constraint: &str, at: u32) -> [String; 2] {
        ["insert", "update"].map(|event| fit(&format!("{REPAIR}{}_{constraint}_{at}_{event}", self.table)))
    }

    /// Returns a version's view once more, through which is written what repairs conditions. No client sees it.
    pub fn mending(view: &View) -> View {
        View { name: format!("{REPAIR}{}", view.name), ..view.clone() }
    }

    /// What all names of such views are like, as `GLOB` has it.
    pub const ALL_MENDING: &str = "coeval_repair_*";

    /// Returns whether it is such a view: no model is called like it.
    pub fn is_mending(view: &View) -> bool {
        view.name.starts_with(REPAIR)
    }

    /// Returns the check of a column, as it is.
    pub fn check(&self, column: &str) -> String {
        fit(&format!("{}_{column}_check", self.table))
    }

    /// Returns the foreign key of a column, as it is.
    pub fn foreign_key(&self, column: &str) -> String {
        fit(&format!("{}_{column}_fkey", self.name))
    }

    /// Returns the primary key's constraint, as it is.
    pub fn primary_key(&self) -> String {
        fit(&format!("{}_pkey", self.table))
    }
}

impl Helpers for Names {
    fn guard(&self, _recipe: RecipeId, _output: usize) -> Option<String> {
        None
    }

    fn lookup(&self, table: &Table) -> String {
        let digest: String = table.digest().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        ident(&fit(&format!("coeval_lookup_{}_{digest}", table.name())))
    }

    fn beyond(&self) -> Option<String> {
        Some(LOCAL.to_owned())
    }

    fn align(&self) -> Option<String> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_table_hides_the_rows_of_a_trigger() {
        for name in ["old", "NEW", "Old"] {
            assert_eq!(Names::new(name).base(), format!("coeval_table_{name}"));
        }
        assert_eq!(Names::new("older").base(), "older");
    }
}
