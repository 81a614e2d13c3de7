//! Base tables and their columns.

use coeval_core::{Type, Value};
use coeval_plan::table::{Column, Held, Table};

use super::Names;
use crate::compute::json;
use crate::dialect::Dialect;
use crate::literal::{Unfit, literal};
use crate::name::{ident, string};
use crate::types::{KeyType, column_type, facet_check};

/// Renders the creation of a base table with some columns.
///
/// # Errors
/// A default that no column can hold.
pub fn create_table(table: &Table<'_>, columns: &[usize], names: &Names, keys: KeyType<'_>) -> Result<Vec<String>, Unfit> {
    let mut lines = Vec::new();
    for at in columns {
        let column = &table.columns[*at];
        let mut line = format!("  {}", definition(column, &type_of(column, keys))?);
        if column.is_never_null() && !is_hiding(table, column) {
            line.push_str(" NOT NULL");
        }
        lines.push(line);
        if let Some(check) = column_check(column) {
            lines.push(format!("  CONSTRAINT {} CHECK ({check})", names.constraint(&format!("{}_check", column.name))));
        }
    }
    let key: Vec<String> = table.key().iter().map(|at| ident(&table.columns[*at].name)).collect();
    if !key.is_empty() {
        lines.push(format!("  CONSTRAINT {} PRIMARY KEY ({})", names.constraint("pkey"), key.join(", ")));
    }
    Ok(vec![
        format!("CREATE SCHEMA IF NOT EXISTS {}", names.schema),
        format!("CREATE TABLE {} (\n{}\n)", names.table, lines.join(",\n")),
    ])
}

/// Renders the addition of a column, beside what there is: it is filled later, unless it begins with a constant.
///
/// # Errors
/// A default that no column can hold.
pub fn add_column(table: &Table<'_>, at: usize, names: &Names, keys: KeyType<'_>) -> Result<String, Unfit> {
    add_column_as(table, at, names, &type_of(&table.columns[at], keys))
}

/// Renders the same, with a type of its own: a column that shows what one of a table shows that was there before has that one's.
///
/// # Errors
/// As [`add_column`].
pub fn add_column_as(table: &Table<'_>, at: usize, names: &Names, ty: &str) -> Result<String, Unfit> {
    let column = &table.columns[at];
    let mut text = format!("ALTER TABLE {} ADD COLUMN {}", names.table, definition(column, ty)?);
    if column.is_never_null() && matches!(column.constant, Some(Some(_))) && !is_hiding(table, column) {
        text.push_str(" NOT NULL");
    }
    Ok(text)
}

fn type_of(column: &Column, keys: KeyType<'_>) -> String {
    match column.held {
        Held::Hidden { .. } => "pg_catalog.jsonb".to_owned(),
        Held::Shown { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => {
            column_type(&column.property.ty, keys, Dialect::Postgres)
        }
    }
}

fn definition(column: &Column, ty: &str) -> Result<String, Unfit> {
    let default = column_default(column)?.map(|default| format!(" DEFAULT {default}")).unwrap_or_default();
    Ok(format!("{} {ty}{default}", ident(&column.name)))
}

/// Returns the default of a column in the base table: what rows begin with that are born where it is not shown.
///
/// # Errors
/// A default that no column can hold.
pub fn column_default(column: &Column) -> Result<Option<String>, Unfit> {
    match (&column.held, &column.constant) {
        (Held::Id, _) => Ok(Some("pg_catalog.gen_random_uuid()".to_owned())),
        (_, Some(Some(Value::Null))) if column.is_json() => Ok(Some(json::null(Dialect::Postgres).to_owned())),
        (_, Some(Some(Value::Null))) => Ok(None),
        // An object may have more than what is declared.
        (_, Some(Some(value))) if column.is_json() => literal(value, &Type::Json, Dialect::Postgres).map(Some),
        (_, Some(Some(value))) => default_of(value, &column.property.ty).map(Some),
        (_, _) => Ok(None),
    }
}

/// A value as a default. That of an enumeration takes the column's type, which is the database's own where the table was there before.
pub(super) fn default_of(value: &Value, ty: &Type) -> Result<String, Unfit> {
    match (ty, value) {
        (Type::Enum { values }, Value::String(text)) if values.iter().any(|known| known.as_str() == text.as_str()) => {
            Ok(string(text.as_str(), Dialect::Postgres))
        }
        (ty, value) => literal(value, ty, Dialect::Postgres),
    }
}

/// What every value of a column fulfils, where its type does not say so.
pub fn column_check(column: &Column) -> Option<String> {
    match column.held {
        Held::Shown { .. } => {
            let name = ident(&column.name);
            let check = facet_check(&name, &column.property, Dialect::Postgres)?;
            let null = column.is_json() && column.property.nullable;
            Some(if null { format!("{name} = {} OR {check}", json::null(Dialect::Postgres)) } else { check })
        }
        Held::Hidden { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => None,
    }
}

/// Whether a row is hidden rather than refused where the column has no value.
pub fn is_hiding(table: &Table<'_>, column: &Column) -> bool {
    let at = table.columns.iter().position(|known| known.name == column.name);
    at.is_some_and(|at| !table.signs_of(at).is_empty())
}
