//! The tables of a database with what models can say of them.

use coeval_core::schema::Type;
use coeval_core::{Value, json};
use coeval_plan::found::{FoundColumn, FoundTable};
use coeval_store::Result;

use crate::catalog::{self, Origin, Table, TableKind};
use crate::database::Database;

/// Returns the tables of a database, by name; none where there is no file.
///
/// # Errors
/// What SQLite says.
pub async fn tables(database: &Database) -> Result<Vec<FoundTable>> {
    let read = database.read("reading the tables", catalog::read).await?;
    let (tables, triggers) = read.map(|schema| (schema.tables, schema.triggers)).unwrap_or_default();
    let mut out: Vec<FoundTable> = tables.iter().filter(|table| table.kind == TableKind::Ordinary).map(found).collect();
    for table in &mut out {
        let own = triggers.iter().filter(|trigger| trigger.table.eq_ignore_ascii_case(&table.name));
        table.stays.extend(own.map(|trigger| format!("trigger `{}` stays on the table", trigger.name)));
    }
    Ok(out)
}

pub(crate) fn found(table: &Table) -> FoundTable {
    let columns = table.columns.iter().map(|column| {
        let is_key = table.primary_key.contains(&column.name);
        let ty = property_type(&column.kind);
        let generated = column.generated.is_some();
        let value = column.default.as_ref().zip(ty.as_ref()).and_then(|(default, ty)| constant(default, ty));
        FoundColumn {
            name: column.name.clone(),
            ty,
            native: column.kind.clone(),
            // A key may be null in old tables; coeval's never is.
            nullable: !column.not_null && !is_key,
            // A view cannot tell what is left out from what is NULL: what is not always the same is not filled in.
            default: column.default.clone().filter(|_| value.is_some()),
            value,
            generated,
            comment: None,
        }
    });
    let of = |unique: bool| -> Vec<Vec<String>> {
        let plain =
            table.indexes.iter().filter(|index| !index.partial && index.origin != Origin::PrimaryKey && index.unique == unique);
        plain.filter_map(|index| index.columns.iter().map(|column| column.name.clone()).collect()).collect()
    };
    let references = table.foreign_keys.iter().filter_map(|key| match key.columns.as_slice() {
        [(own, _)] => Some((own.clone(), key.table.clone())),
        _ => None,
    });
    FoundTable {
        schema: None,
        name: table.name.clone(),
        columns: columns.collect(),
        key: table.primary_key.clone(),
        uniques: of(true),
        indexes: of(false),
        references: references.collect(),
        stays: stays(table),
        ..FoundTable::default()
    }
}

/// What of a table is no column, key or plain index: it stays beneath the versions.
fn stays(table: &Table) -> Vec<String> {
    let mut out = Vec::new();
    for column in table.columns.iter().filter(|column| column.generated.is_none()) {
        let name = &column.name;
        if let Some(default) = column.default.as_ref().filter(|default| {
            let ty = property_type(&column.kind);
            !default.eq_ignore_ascii_case("null") && ty.is_some_and(|ty| constant(default, &ty).is_none())
        }) {
            out.push(format!("default of column `{name}` ({default}) is not given to rows that are inserted through versions"));
        }
        if let Some(collation) = column.collation.as_ref().filter(|collation| !collation.eq_ignore_ascii_case("binary")) {
            out.push(format!("column `{name}` goes on being compared as {collation} says, in the table and its indexes"));
        }
    }
    let checks = table.checks.iter().map(|check| {
        let name = check.name.as_ref().map(|name| format!(" `{name}`")).unwrap_or_default();
        format!("check{name} stays in the table: {}", check.expression)
    });
    out.extend(checks);
    let odd = table.indexes.iter().filter(|index| index.partial || index.columns.iter().any(|column| column.name.is_none()));
    out.extend(
        odd.map(|index| {
            format!("index `{}` stays in the table: {}", index.name, index.sql.as_deref().unwrap_or("a constraint's"))
        }),
    );
    let long = table.foreign_keys.iter().filter(|key| key.columns.len() > 1);
    out.extend(long.map(|key| {
        let own: Vec<&str> = key.columns.iter().map(|(own, _)| own.as_str()).collect();
        format!("reference ({}) to `{}` stays in the table", own.join(", "), key.table)
    }));
    out
}

/// The value of a default that is always the same, as it was written.
fn constant(default: &str, ty: &Type) -> Option<Value> {
    let quoted = default.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let value = match ty {
        Type::String => {
            let text = quoted.filter(|within| !within.replace("''", "").contains('\''))?;
            Value::from(text.replace("''", "'").as_str())
        }
        Type::Boolean => Value::Bool(match default.to_ascii_lowercase().as_str() {
            "0" | "false" => false,
            "1" | "true" => true,
            _ => return None,
        }),
        Type::Integer | Type::Float => json::parse(default.as_bytes()).ok()?,
        Type::Json => json::parse(quoted?.replace("''", "'").as_bytes()).ok()?,
        // No declared type is one of these.
        Type::Number
        | Type::Decimal { .. }
        | Type::Date
        | Type::Time
        | Type::Datetime
        | Type::Uuid
        | Type::Bytes
        | Type::Enum { .. }
        | Type::Object(_)
        | Type::Array { .. }
        | Type::Map { .. }
        | Type::Union { .. }
        | Type::Ref { .. } => return None,
    };
    ty.admits(&value).then_some(value)
}

/// The type of a property for a declared type. SQLite keeps any value in any column; what a declaration promises is taken at its
/// word, and `verify` reads the values.
fn property_type(declared: &str) -> Option<Type> {
    let name = declared.split('(').next().unwrap_or_default().trim().to_ascii_uppercase();
    Some(match name.as_str() {
        "INTEGER" | "INT" | "BIGINT" | "SMALLINT" | "TINYINT" | "MEDIUMINT" => Type::Integer,
        "TEXT" | "VARCHAR" | "CHARACTER VARYING" | "NVARCHAR" | "CLOB" | "DATE" | "DATETIME" | "TIMESTAMP" | "TIME" => {
            Type::String
        }
        "REAL" | "DOUBLE" | "DOUBLE PRECISION" | "FLOAT" => Type::Float,
        "BOOLEAN" | "BOOL" => Type::Boolean,
        "BLOB" => Type::Bytes,
        "JSON" => Type::Json,
        // Affinity makes doubles of decimals, and a column without a type holds anything.
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_that_are_always_the_same_are_values() {
        assert_eq!(constant("'it''s'", &Type::String), Some(Value::from("it's")));
        assert_eq!(constant("7", &Type::Integer), Some(Value::from(7)));
        assert_eq!(constant("TRUE", &Type::Boolean), Some(Value::Bool(true)));
        for none in ["CURRENT_TIMESTAMP", "'a' || 'b'", "(random())", "NULL", "\"a\""] {
            assert_eq!(constant(none, &Type::String), None, "{none}");
        }
    }

    #[test]
    fn what_affinity_would_change_has_no_type() {
        assert_eq!(property_type("varchar(20)"), Some(Type::String));
        for none in ["NUMERIC", "DECIMAL(9, 2)", "", "POINT"] {
            assert_eq!(property_type(none), None, "{none}");
        }
    }
}
