//! Functions that say whether a computation fails, where its operation does not refuse what cannot be computed. A statement of
//! SQL cannot go on after an error; a block of PL/pgSQL can.

use coeval_core::history::{Function, OnFail, Source};

use super::{Bound, Compute, Failing, Inputs, is_json};
use crate::expr::Local;
use crate::name::{body, plpgsql};
use crate::postgres::{HINT, LOCAL};
use crate::types::column_type;

impl Compute<'_, '_> {
    /// Renders all functions that computations may call in PostgreSQL; later ones may call earlier ones.
    pub(crate) fn helping(&self) -> Result<Vec<String>, Local> {
        let mut out = self.lookups()?;
        out.extend(self.refusal());
        out.extend(self.alignment());
        out.extend(self.guards()?);
        Ok(out)
    }

    /// Renders the function that refuses a write. What it raises is none of the errors that say that a computation fails.
    fn refusal(&self) -> Option<String> {
        let name = self.helpers.beyond().filter(|_| self.partly)?;
        Some(format!(
            "CREATE OR REPLACE FUNCTION {name}(what pg_catalog.text) RETURNS pg_catalog.text LANGUAGE plpgsql AS {}",
            body(&format!(
                "\nBEGIN\n  RAISE EXCEPTION USING ERRCODE = '0A000', MESSAGE = '{LOCAL} ' || what, HINT = '{HINT}';\nEND\n"
            ))
        ))
    }

    /// Renders the function that aligns items as documents do: equal items along a longest common subsequence, then those that moved, then
    /// those that changed in part. Numbers of old items from 0 on, by the places of new ones.
    fn alignment(&self) -> Option<String> {
        let name = self.helpers.align()?;
        Some(format!(
            "CREATE OR REPLACE FUNCTION {name}(was pg_catalog.jsonb, now pg_catalog.jsonb) RETURNS pg_catalog.int4[] IMMUTABLE PARALLEL SAFE \
             LANGUAGE plpgsql AS {}",
            body(include_str!("../postgres/align.sql"))
        ))
    }

    /// Renders the functions for PostgreSQL.
    fn guards(&self) -> Result<Vec<String>, Local> {
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
                let inputs = Inputs { seen: names.clone(), types: types.clone(), absent: None, bound: Bound::new(self, "i") };
                let Ok(Failing::Unknown) = self.failing(recipe, at, &inputs) else { continue };
                let sql = self.apply(&recipe.function, at, &names, &types, &target.property)?.sql;
                let Some(name) = self.helpers.guard(id, at) else { continue };
                let arguments = types.iter().zip(&names).map(|(property, name)| {
                    let ty = if is_json(&property.ty) {
                        "pg_catalog.jsonb".to_owned()
                    } else {
                        column_type(&property.ty, self.keys, self.dialect)
                    };
                    format!("{name} {ty}")
                });
                let arguments: Vec<String> = arguments.collect();
                let arguments = arguments.join(", ");
                out.push(format!(
                    "CREATE OR REPLACE FUNCTION {name}({arguments}) RETURNS pg_catalog.bool IMMUTABLE {}",
                    plpgsql(&format!(
                        "\nBEGIN\n  PERFORM {sql};\n  RETURN FALSE;\nEXCEPTION WHEN data_exception OR raise_exception THEN\n  RETURN TRUE;\nEND\n"
                    ))
                ));
            }
        }
        Ok(out)
    }
}
