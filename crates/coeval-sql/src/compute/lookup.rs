//! Tables that expressions look things up in, beside the table that is computed.

use std::collections::BTreeMap;

use coeval_core::expr::{Expr, ExprKind, ExprType};
use coeval_core::history::{Fill, Function, Scope};
use coeval_core::table::Table as LookupTable;
use coeval_core::{Object, Value};

use super::{Compute, is_large, local};
use crate::dialect::Dialect;
use crate::expr::Local;
use crate::literal;
use crate::name::string;

impl Compute<'_, '_> {
    /// Renders the tables, complete statements that change nothing where they were run before.
    pub(crate) fn lookups(&self) -> Result<Vec<String>, Local> {
        let mut found = BTreeMap::new();
        in_scope(self.table.scope(), &mut |table| {
            if is_large(table) {
                found.entry(self.helpers.lookup(table)).or_insert_with(|| table.clone());
            }
        });
        let mut out = Vec::new();
        for (name, table) in &found {
            match self.dialect {
                Dialect::Postgres => out.push(function(name, table)?),
                Dialect::Sqlite => out.extend(rows(name, table)?),
            }
        }
        Ok(out)
    }
}

/// A function of the key. It is no function of SQL, which would be put in the place of each call with the whole table.
fn function(name: &str, table: &LookupTable) -> Result<String, Local> {
    let rows: Object = table.iter().map(|(key, row)| (key.into(), row.clone())).collect();
    let constant = literal::of(&Value::Object(rows), &ExprType::Json, Dialect::Postgres).map_err(|unfit| local(unfit.0))?;
    Ok(format!(
        "CREATE OR REPLACE FUNCTION {name}(key pg_catalog.text) RETURNS pg_catalog.jsonb LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE AS \
         {tag}\nBEGIN\n  RETURN {constant} -> key;\nEND\n{tag}",
        tag = tag(&constant)
    ))
}

/// Marks around a body that it does not hold.
fn tag(body: &str) -> String {
    let mut tag = "$coeval$".to_owned();
    while body.contains(&tag) {
        tag.insert(1, '_');
    }
    tag
}

fn rows(name: &str, table: &LookupTable) -> Result<Vec<String>, Local> {
    let mut out =
        vec![format!("CREATE TABLE IF NOT EXISTS {name} (key TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL) WITHOUT ROWID")];
    let mut values = Vec::new();
    for (key, row) in table.iter() {
        let row = literal::of(row, &ExprType::Json, Dialect::Sqlite).map_err(|unfit| local(unfit.0))?;
        values.push(format!("({}, {row})", string(key, Dialect::Sqlite)));
    }
    for chunk in values.chunks(200) {
        out.push(format!("INSERT OR IGNORE INTO {name} (key, value) VALUES {}", chunk.join(", ")));
    }
    Ok(out)
}

/// Goes through the tables that the recipes of a scope read, and of those within it.
pub(crate) fn in_scope(scope: &Scope, each: &mut dyn FnMut(&LookupTable)) {
    for recipe in &scope.recipes {
        if let Function::Expressions(expressions) = &recipe.function {
            for (expression, _) in expressions {
                in_expression(expression.root(), each);
            }
        }
        for target in &recipe.targets {
            if let Fill::Expression(expression, _) = &target.fill {
                in_expression(expression.root(), each);
            }
        }
    }
    for node in &scope.nodes {
        if let Some(elements) = &node.elements {
            in_scope(elements, each);
        }
    }
}

fn in_expression(expression: &Expr, each: &mut dyn FnMut(&LookupTable)) {
    if let ExprKind::Table(table) = &expression.kind {
        each(table);
    }
    for child in expression.children() {
        in_expression(child, each);
    }
}
