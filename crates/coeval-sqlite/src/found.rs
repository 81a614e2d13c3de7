//! The tables of a database with what models can say of them.

use coeval_core::schema::Type;
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
    let tables = read.map(|schema| schema.tables).unwrap_or_default();
    Ok(tables.iter().filter(|table| table.kind == TableKind::Ordinary).map(found).collect())
}

fn found(table: &Table) -> FoundTable {
    let columns = table.columns.iter().map(|column| {
        let is_key = table.primary_key.contains(&column.name);
        FoundColumn {
            name: column.name.clone(),
            ty: property_type(&column.kind),
            native: column.kind.clone(),
            // A key may be null in old tables; coeval's never is.
            nullable: !column.not_null && !is_key,
            default: column.default.clone(),
            generated: column.generated.is_some(),
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
    }
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
    fn what_affinity_would_change_has_no_type() {
        assert_eq!(property_type("varchar(20)"), Some(Type::String));
        for none in ["NUMERIC", "DECIMAL(9, 2)", "", "POINT"] {
            assert_eq!(property_type(none), None, "{none}");
        }
    }
}
