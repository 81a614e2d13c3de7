//! Where things are in a database.

use coeval_core::history::RecipeId;
use coeval_core::table::Table;
use coeval_plan::table::View;

use crate::compute::Helpers;
use crate::name::{fit, ident};

/// Where the things of a table are, quoted and with their schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Names {
    deployment: String,
    name: String,
    /// The schema of base tables.
    pub schema: String,
    /// The schema of functions and inner views.
    pub workings: String,
    /// The base table.
    pub table: String,
}

impl Names {
    /// Returns the names of a table that coeval made for a deployment.
    pub fn new(deployment: &str, table: &str) -> Self {
        Self::adopted(deployment, table, deployment, table)
    }

    /// Returns the names of a table that was there before, in a schema of its own.
    pub fn adopted(deployment: &str, name: &str, schema: &str, table: &str) -> Self {
        let schema = ident(&fit(schema));
        Self {
            deployment: deployment.to_owned(),
            name: name.to_owned(),
            workings: ident(&fit(&format!("{deployment}_w"))),
            table: format!("{schema}.{}", ident(&fit(table))),
            schema,
        }
    }

    /// Returns the same names with another base table, named whole.
    #[must_use]
    pub fn on(&self, table: &str) -> Self {
        Self { table: table.to_owned(), ..self.clone() }
    }

    fn working(&self, what: &str) -> String {
        format!("{}.{}", self.workings, ident(&fit(&format!("{}_{what}", self.name))))
    }

    /// Returns the function for inserts.
    pub fn insert(&self) -> String {
        self.working("insert")
    }

    /// Returns the function for updates.
    pub fn update(&self) -> String {
        self.working("update")
    }

    /// Returns the function that repairs what breaks a constraint.
    pub fn repair(&self, constraint: &str) -> String {
        self.working(&format!("repair_{constraint}"))
    }

    /// Returns the trigger that calls it, without a schema.
    pub fn repair_trigger(constraint: &str) -> String {
        ident(&fit(&format!("zz_coeval_repair_{constraint}")))
    }

    /// Returns the function that says whether a computation fails.
    pub fn guard(&self, recipe: usize, output: usize) -> String {
        self.working(&format!("fails_{recipe}_{output}"))
    }

    /// Returns the function that says which item of a list each item of another one continues.
    pub fn align(&self) -> String {
        self.working("align")
    }

    /// Returns the function that refuses a write, given what the database cannot compute.
    pub fn beyond(&self) -> String {
        self.working("beyond")
    }

    /// Returns the function that looks a key up in a table.
    pub fn lookup(&self, table: &Table) -> String {
        let digest: String = table.digest().chars().filter(char::is_ascii_alphanumeric).take(12).collect();
        self.working(&format!("lookup_{}_{digest}", table.name()))
    }

    /// Returns the schema of a version's views.
    pub fn version_schema(&self, version: u32) -> String {
        ident(&fit(&format!("{}_v{version}", self.deployment)))
    }

    /// Returns the schema of the views of a version that take COPY.
    pub fn copy_schema(&self, version: u32) -> String {
        ident(&fit(&format!("{}_v{version}_copy", self.deployment)))
    }

    /// Returns a version's view.
    pub fn view(&self, view: &View) -> String {
        format!("{}.{}", self.version_schema(view.version), ident(&fit(&view.name)))
    }

    /// Returns the view beneath a version's view that says which version it is.
    pub fn inner(&self, view: &View) -> String {
        self.working(&format!("v{}", view.version))
    }

    /// Returns a version's view that takes COPY.
    pub fn copy(&self, view: &View) -> String {
        format!("{}.{}", self.copy_schema(view.version), ident(&fit(&view.name)))
    }

    /// Returns the function behind the view that takes COPY.
    pub fn copy_function(&self, view: &View) -> String {
        self.working(&format!("v{}_copy", view.version))
    }

    /// Returns the name of a constraint or an index of the table, without a schema.
    pub fn constraint(&self, what: &str) -> String {
        ident(&fit(&format!("{}_{what}", self.name)))
    }
}

impl Helpers for Names {
    fn guard(&self, recipe: RecipeId, output: usize) -> Option<String> {
        Some(Names::guard(self, recipe, output))
    }

    fn lookup(&self, table: &Table) -> String {
        Names::lookup(self, table)
    }

    fn beyond(&self) -> Option<String> {
        Some(Names::beyond(self))
    }

    fn align(&self) -> Option<String> {
        Some(Names::align(self))
    }
}
