//! What lies in a schema of the database, read from the server's catalogs.

use std::collections::BTreeMap;

use coeval_core::schema::Type;
use coeval_core::{Value, json};
use coeval_plan::found::{FoundColumn, FoundTable};
use coeval_store::Result;

use crate::database::Database;
use crate::error::During as _;

const TABLES: &str = "\
    SELECT c.relname::pg_catalog.text, pg_catalog.obj_description(c.oid, 'pg_class'), \
           CASE WHEN c.relkind = 'p' THEN 'it is partitioned, and rules and triggers of versions cannot be added to its parts one by one' \
                WHEN c.relkind = 'f' THEN 'it is a foreign table, whose rows are on another server' \
                WHEN EXISTS (SELECT FROM pg_catalog.pg_inherits AS h WHERE c.oid IN (h.inhrelid, h.inhparent)) \
                THEN 'it inherits from a table, or another inherits from it, so that a row may be in several' \
                WHEN pg_catalog.strpos(n.nspname, '.') > 0 THEN 'the name of its schema has a dot in it' END \
      FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition \
     ORDER BY c.relname";

/// A column of a domain has the type beneath it: what the domain demands, the database sees to.
const COLUMNS: &str = "\
    SELECT c.relname::pg_catalog.text, a.attname::pg_catalog.text, pg_catalog.format_type(a.atttypid, a.atttypmod), \
           NOT (a.attnotnull OR t.typnotnull), pg_catalog.pg_get_expr(d.adbin, d.adrelid), \
           a.attgenerated <> '', a.attidentity <> '', \
           ARRAY(SELECT e.enumlabel::pg_catalog.text FROM pg_catalog.pg_enum AS e WHERE e.enumtypid = b.id ORDER BY e.enumsortorder), \
           pg_catalog.format_type(b.id, b.modifier), pg_catalog.col_description(c.oid, a.attnum) \
      FROM pg_catalog.pg_class AS c \
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
      JOIN pg_catalog.pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped \
      JOIN pg_catalog.pg_type AS t ON t.oid = a.atttypid \
      LEFT JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = c.oid AND d.adnum = a.attnum \
     CROSS JOIN LATERAL ( \
           WITH RECURSIVE base (id, modifier) AS ( \
                SELECT a.atttypid, a.atttypmod UNION ALL \
                SELECT o.typbasetype, o.typtypmod FROM base JOIN pg_catalog.pg_type AS o ON o.oid = base.id WHERE o.typtype = 'd') \
           SELECT base.id, base.modifier FROM base JOIN pg_catalog.pg_type AS o ON o.oid = base.id WHERE o.typtype <> 'd') AS b \
     WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition \
     ORDER BY c.relname, a.attnum";

/// What of a table is no column, key or plain index: it stays beneath the versions.
const STAYS: &str = "\
    WITH t AS (SELECT c.oid, c.relname, c.relowner, c.relacl, c.relrowsecurity FROM pg_catalog.pg_class AS c \
                 JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
                WHERE n.nspname = $1 AND c.relkind IN ('r', 'p', 'f') AND NOT c.relispartition), \
    said (relname, nth, what) AS ( \
    SELECT t.relname, 1, pg_catalog.format('%s `%s` stays in the table: %s', \
                  CASE k.contype WHEN 'c' THEN 'check' WHEN 'x' THEN 'exclusion' ELSE 'reference' END, k.conname, pg_catalog.pg_get_constraintdef(k.oid)) \
      FROM t JOIN pg_catalog.pg_constraint AS k ON k.conrelid = t.oid \
     WHERE k.contype IN ('c', 'x') OR k.contype = 'f' AND pg_catalog.cardinality(k.conkey) > 1 \
    UNION ALL \
    SELECT t.relname, 2, pg_catalog.format('index `%s` stays in the table: %s', x.relname, pg_catalog.pg_get_indexdef(i.indexrelid)) \
      FROM t JOIN pg_catalog.pg_index AS i ON i.indrelid = t.oid JOIN pg_catalog.pg_class AS x ON x.oid = i.indexrelid \
     WHERE (i.indexprs IS NOT NULL OR i.indpred IS NOT NULL OR NOT i.indisvalid) AND NOT i.indisexclusion \
    UNION ALL \
    SELECT t.relname, 3, pg_catalog.format('trigger `%s` stays on the table', g.tgname) \
      FROM t JOIN pg_catalog.pg_trigger AS g ON g.tgrelid = t.oid WHERE NOT g.tgisinternal \
    UNION ALL \
    SELECT t.relname, 3, pg_catalog.format('rule `%s` stays on the table', r.rulename) \
      FROM t JOIN pg_catalog.pg_rewrite AS r ON r.ev_class = t.oid \
    UNION ALL \
    SELECT DISTINCT t.relname, 4, pg_catalog.format('view `%s` goes on reading the table', r.ev_class::pg_catalog.regclass) \
      FROM t JOIN pg_catalog.pg_depend AS d ON d.refobjid = t.oid AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass \
      JOIN pg_catalog.pg_rewrite AS r ON r.oid = d.objid AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass \
     WHERE r.ev_class <> t.oid \
    UNION ALL \
    SELECT t.relname, 5, CASE WHEN pg_catalog.current_setting('server_version_num')::int4 < 150000 \
                  THEN 'row-level security guards it, which views get around before PostgreSQL 15: `migrate` refuses' \
                  ELSE 'row-level security guards it, and holds through the versions; their clients need their rights on the table too' END \
      FROM t WHERE t.relrowsecurity \
    UNION ALL \
    SELECT t.relname, 6, pg_catalog.format('the right %s of %s stays one on the table', a.privilege_type, \
                  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::pg_catalog.text END) \
      FROM t, pg_catalog.aclexplode(t.relacl) AS a \
     WHERE a.grantee <> t.relowner AND a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE') \
    UNION ALL \
    SELECT t.relname, 7, pg_catalog.format('the right %s (%s) of %s stays one on the table', a.privilege_type, o.attname, \
                  CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::pg_catalog.text END) \
      FROM t JOIN pg_catalog.pg_attribute AS o ON o.attrelid = t.oid AND o.attnum > 0 AND NOT o.attisdropped, \
           pg_catalog.aclexplode(o.attacl) AS a \
     WHERE a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE')) \
    SELECT relname::pg_catalog.text, what FROM said ORDER BY relname, nth, what";

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

/// What stands for the default of a column that the database numbers.
pub(crate) const IDENTITY: &str = "identity";

/// Returns the tables of a schema, by name, with what models can say of them.
///
/// # Errors
/// What the server answers.
pub async fn tables(database: &Database, schema: &str) -> Result<Vec<FoundTable>> {
    let doing = || format!("reading the tables of `{schema}`");
    let client = database.client().await?;
    let mut out: BTreeMap<String, FoundTable> = BTreeMap::new();
    for row in client.query(TABLES, &[&schema]).await.during(&doing())? {
        let name: String = row.get(0);
        let table = FoundTable {
            schema: Some(schema.to_owned()),
            name: name.clone(),
            comment: row.get(1),
            cannot: row.get(2),
            keyless: true,
            carries: true,
            ..FoundTable::default()
        };
        out.insert(name, table);
    }
    for row in client.query(COLUMNS, &[&schema]).await.during(&doing())? {
        let Some(table) = out.get_mut(&row.get::<_, String>(0)) else { continue };
        let labels: Vec<String> = row.get(7);
        let default: Option<String> = row.get(4);
        let generated: bool = row.get(5);
        let ty = if labels.is_empty() { property_type(&row.get::<_, String>(8)) } else { Some(Type::Enum { values: labels }) };
        table.columns.push(FoundColumn {
            name: row.get(1),
            native: row.get(2),
            nullable: row.get(3),
            value: default.as_ref().filter(|_| !generated).zip(ty.as_ref()).and_then(|(default, ty)| constant(default, ty)),
            default: if row.get(6) { Some(IDENTITY.to_owned()) } else { default },
            generated,
            ty,
            comment: row.get(9),
        });
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
    for row in client.query(STAYS, &[&schema]).await.during(&doing())? {
        if let Some(table) = out.get_mut(&row.get::<_, String>(0)) {
            table.stays.push(row.get(1));
        }
    }
    Ok(out.into_values().collect())
}

/// The value of a default that is always the same, as `pg_get_expr` prints it: `'ok'::text`, `0`, `false`.
fn constant(default: &str, ty: &Type) -> Option<Value> {
    let text = match default.strip_prefix('\'') {
        None => default.to_owned(),
        Some(rest) => {
            let (within, cast) = rest.rsplit_once('\'')?;
            let plain = cast.is_empty()
                || cast.strip_prefix("::").is_some_and(|ty| !ty.contains(['(', ')', ' ']) || ty.ends_with("varying"));
            // What is left of a quotation mark that is no pair ended the text before.
            let halves = within.replace("''", "");
            if !plain || halves.contains('\'') {
                return None;
            }
            within.replace("''", "'")
        }
    };
    let quoted = default.starts_with('\'');
    let value = match ty {
        Type::String | Type::Enum { .. } | Type::Uuid | Type::Date => Value::from(quoted.then_some(text.as_str())?),
        Type::Integer | Type::Number | Type::Decimal { .. } | Type::Float | Type::Boolean => json::parse(text.as_bytes()).ok()?,
        Type::Json => json::parse(quoted.then_some(text.as_str())?.as_bytes()).ok()?,
        // The others have several forms of one value.
        Type::Time
        | Type::Datetime
        | Type::Bytes
        | Type::Object(_)
        | Type::Array { .. }
        | Type::Map { .. }
        | Type::Union { .. }
        | Type::Ref { .. } => return None,
    };
    ty.admits(&value).then_some(value)
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
    fn defaults_that_are_always_the_same_are_values() {
        let of = |default: &str, ty: &Type| constant(default, ty).map(|value| value.to_string());
        assert_eq!(of("'it''s'::text", &Type::String).as_deref(), Some("\"it's\""));
        assert_eq!(of("'a'::character varying", &Type::String).as_deref(), Some("\"a\""));
        assert_eq!(of("'-1'::integer", &Type::Integer).as_deref(), Some("-1"));
        assert_eq!(of("1.50", &Type::Decimal { precision: 9, scale: 2 }).as_deref(), Some("1.50"));
        assert_eq!(of("false", &Type::Boolean).as_deref(), Some("false"));
        assert_eq!(of("'{\"a\": 1}'::jsonb", &Type::Json).as_deref(), Some("{\"a\":1}"));
        for (default, ty) in [
            ("now()", Type::Datetime),
            ("nextval('s'::regclass)", Type::Integer),
            ("('a'::text || 'b'::text)", Type::String),
            ("'a'::text || 'b'::text", Type::String),
            ("CURRENT_USER", Type::String),
            ("'x'::mood", Type::Enum { values: vec!["y".to_owned()] }),
            ("NULL::text", Type::String),
        ] {
            assert_eq!(of(default, &ty), None, "{default}");
        }
    }

    #[test]
    fn types_of_the_server_have_properties_or_none() {
        assert_eq!(property_type("numeric(9,2)"), Some(Type::Decimal { precision: 9, scale: 2 }));
        assert_eq!(property_type("character varying(20)"), Some(Type::String));
        for none in ["point", "text[]", "timestamp without time zone", "json", "numeric(3,-2)", "real", "money", "character(3)"] {
            assert_eq!(property_type(none), None, "{none}");
        }
    }
}
