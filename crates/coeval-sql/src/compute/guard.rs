//! Functions that say whether a computation fails, where its operation does not refuse what cannot be computed. A statement of
//! SQL cannot go on after an error; a block of PL/pgSQL can.

use coeval_core::history::{Function, OnFail, Source};

use super::{Compute, is_json};
use crate::expr::Local;
use crate::types::column_type;

impl Compute<'_, '_> {
    /// Renders the functions for PostgreSQL.
    pub(crate) fn guards(&self) -> Result<Vec<String>, Local> {
        let Some(guard) = self.guard else { return Ok(Vec::new()) };
        let mut out = Vec::new();
        for (id, recipe) in self.scope().recipes.iter().enumerate() {
            for (at, target) in recipe.targets.iter().enumerate() {
                if target.on_fail == OnFail::Reject || matches!(recipe.function, Function::Constant(_) | Function::Native(_)) {
                    continue;
                }
                let property = |source: &Source| match source {
                    Source::Tree(tree) => Some(self.property(tree.node(), recipe.reads_at()).clone()),
                    Source::Key => None,
                };
                let Some(types) = recipe.inputs.iter().map(property).collect::<Option<Vec<_>>>() else { continue };
                let names: Vec<String> = (0..types.len()).map(|i| format!("i{i}")).collect();
                let (sql, _) = self.apply(&recipe.function, at, &names, &types, &target.property)?;
                let arguments = types.iter().zip(&names).map(|(property, name)| {
                    let ty = if is_json(&property.ty) {
                        "pg_catalog.jsonb".to_owned()
                    } else {
                        column_type(&property.ty, self.keys, self.dialect)
                    };
                    format!("{name} {ty}")
                });
                let arguments: Vec<String> = arguments.collect();
                let (name, arguments) = (guard(id, at), arguments.join(", "));
                out.push(format!(
                    "CREATE OR REPLACE FUNCTION {name}({arguments}) RETURNS pg_catalog.bool LANGUAGE plpgsql IMMUTABLE AS $coeval$\nBEGIN\n  PERFORM {sql};\n  RETURN FALSE;\nEXCEPTION WHEN data_exception OR raise_exception THEN\n  RETURN TRUE;\nEND\n$coeval$"
                ));
            }
        }
        Ok(out)
    }
}
