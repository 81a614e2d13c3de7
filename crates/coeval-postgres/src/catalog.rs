//! What lies in a schema of the database, read from the server's catalogs.

use std::collections::BTreeMap;

use coeval_core::schema::Type;
use coeval_plan::found::{FoundColumn, FoundTable};
use coeval_store::Result;

use crate::database::Database;
use crate::error::During as _;

const COLUMNS: &str = "\
    SELECT c.relname::pg_catalog.text, a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod), \
           NOT a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attgenerated <> '' OR a.attidentity = 'a', \
           a.attidentity <> '', \
           ARRAY(SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = a.atttypid ORDER BY e.enumsortorder) \
      FROM pg_catalog.pg_class AS c \
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
      LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum \
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition \
     ORDER BY c.relname, a.attnum";

const INDEXES: &str = "\
    SELECT c.relname::pg_catalog.text, i.indisprimary, i.indisunique, \
           ARRAY(SELECT a.attname::pg_catalog.text FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k(n, o) \
                 JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.n \
                 WHERE k.o <= i.indnkeyatts ORDER BY k.o) \
      FROM pg_catalog.pg_index AS i \
      JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid \
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND i.indisvalid AND i.indexprs IS NULL AND i.indpred IS NULL \
     ORDER BY i.indexrelid";

const REFERENCES: &str = "\
    SELECT c.relname::pg_catalog.text, a.attname::pg_catalog.text, r.relname::pg_catalog.text \
      FROM pg_catalog.pg_constraint AS k \
      JOIN pg_catalog.pg_class AS c ON c.oid = k.conrelid \
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
      JOIN pg_catalog.pg_class AS r ON r.oid = k.confrelid \
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum = k.conkey[1] \
     WHERE n.nspname = $1 AND k.contype = 'f' AND pg_catalog.cardinality(k.conkey) = 1 \
     ORDER BY k.oid";

/// Returns the tables of a schema, by name, with what models can say of them.
///
/// # Errors
/// What the server answers.
pub async fn tables(database: &Database, schema: &str) -> Result<Vec<FoundTable>> {
    let doing = || format!("reading the tables of `{schema}`");
    let client = database.client().await?;
    let mut out: BTreeMap<String, FoundTable> = BTreeMap::new();
    for row in client.query(COLUMNS, &[&schema]).await.during(&doing())? {
        let name: String = row.get(0);
        let labels: Vec<String> = row.get(7);
        let native: String = row.get(2);
        let generated: bool = row.get(5);
        let identity: bool = row.get(6);
        let default: Option<String> = row.get(4);
        let column = FoundColumn {
            name: row.get(1),
            ty: if labels.is_empty() { property_type(&native) } else { Some(Type::Enum { values: labels }) },
            native,
            nullable: row.get(3),
            default: if identity { Some("identity".to_owned()) } else { default },
            generated: generated && !identity,
        };
        let table = out.entry(name.clone()).or_insert_with(|| FoundTable {
            schema: Some(schema.to_owned()),
            name,
            ..FoundTable::default()
        });
        table.columns.push(column);
    }
    for row in client.query(INDEXES, &[&schema]).await.during(&doing())? {
        let Some(table) = out.get_mut(&row.get::<_, String>(0)) else { continue };
        let columns: Vec<String> = row.get(3);
        match (row.get::<_, bool>(1), row.get::<_, bool>(2)) {
            (true, _) => table.key = columns,
            (false, true) => table.uniques.push(columns),
            (false, false) => table.indexes.push(columns),
        }
    }
    for row in client.query(REFERENCES, &[&schema]).await.during(&doing())? {
        if let Some(table) = out.get_mut(&row.get::<_, String>(0)) {
            table.references.push((row.get(1), row.get(2)));
        }
    }
    Ok(out.into_values().collect())
}

/// Returns whether there is a view of the name in a schema.
pub(crate) async fn has_view(database: &Database, schema: &str, name: &str) -> Result<bool> {
    let sql = "SELECT EXISTS (SELECT FROM pg_catalog.pg_views WHERE schemaname = $1 AND viewname = $2)";
    let client = database.client().await?;
    let row = client.query_one(sql, &[&schema, &name]).await.during("looking for a view")?;
    row.try_get(0).during("looking for a view")
}

/// The type of a property for a type of the server, as `format_type` prints it; `None` for what no property holds as it is.
fn property_type(native: &str) -> Option<Type> {
    let (name, arguments) = native.split_once('(').map_or((native, None), |(name, rest)| (name, rest.strip_suffix(')')));
    Some(match name {
        "text" | "character varying" | "citext" => Type::String,
        "bigint" | "integer" | "smallint" => Type::Integer,
        "numeric" => match arguments {
            None => Type::Number,
            Some(arguments) => {
                let (precision, scale) = arguments.split_once(',')?;
                let scale: i32 = scale.trim().parse().ok()?;
                Type::Decimal { precision: precision.trim().parse().ok()?, scale: u32::try_from(scale).ok()? }
            }
        },
        "double precision" => Type::Float,
        "boolean" => Type::Boolean,
        "date" => Type::Date,
        "time without time zone" => Type::Time,
        "timestamp with time zone" => Type::Datetime,
        "uuid" => Type::Uuid,
        "bytea" => Type::Bytes,
        "jsonb" => Type::Json,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_the_server_have_properties_or_none() {
        assert_eq!(property_type("numeric(9,2)"), Some(Type::Decimal { precision: 9, scale: 2 }));
        assert_eq!(property_type("character varying(20)"), Some(Type::String));
        for none in ["point", "text[]", "timestamp without time zone", "json", "numeric(3,-2)", "real", "money", "character(3)"] {
            assert_eq!(property_type(none), None, "{none}");
        }
    }
}
