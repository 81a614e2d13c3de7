//! What there is to say of a table or a view, in words that two of them can be compared by, whatever they are called.

use std::collections::BTreeMap;

use deadpool_postgres::Transaction;
use tokio_postgres::Error;
use tokio_postgres::types::Type;

/// What something is, by what it is called: ``column `price` ``.
pub(crate) type Facts = BTreeMap<String, String>;

const FACTS: &str = "\
    SELECT pg_catalog.format('column `%s`', a.attname), pg_catalog.format('`%s`', pg_catalog.format_type(a.atttypid, a.atttypmod)) || \
           CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END \
      FROM pg_catalog.pg_attribute AS a WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped \
    UNION ALL \
    SELECT pg_catalog.format('default of column `%s`', a.attname), pg_catalog.format('`%s`', pg_catalog.pg_get_expr(d.adbin, d.adrelid)) \
      FROM pg_catalog.pg_attribute AS a JOIN pg_catalog.pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum \
     WHERE a.attrelid = $1::pg_catalog.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = '' \
    UNION ALL \
    SELECT pg_catalog.format('constraint `%s`', k.conname), pg_catalog.pg_get_constraintdef(k.oid) \
      FROM pg_catalog.pg_constraint AS k WHERE k.conrelid = $1::pg_catalog.oid AND k.contype IN ('c', 'p', 'u', 'x') \
    UNION ALL \
    SELECT pg_catalog.format('constraint `%s`', k.conname), pg_catalog.format('FOREIGN KEY (%s) REFERENCES %s.%s%s', \
           (SELECT pg_catalog.string_agg(a.attname, ', ' ORDER BY o.n) \
              FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS o(at, n) \
              JOIN pg_catalog.pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = o.at), \
           n.nspname, c.relname, CASE WHEN k.convalidated THEN '' ELSE ' NOT VALID' END) \
      FROM pg_catalog.pg_constraint AS k JOIN pg_catalog.pg_class AS c ON c.oid = k.confrelid \
      JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE k.conrelid = $1::pg_catalog.oid AND k.contype = 'f' \
    UNION ALL \
    SELECT pg_catalog.format('index `%s`', c.relname), CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END || \
           pg_catalog.regexp_replace(pg_catalog.pg_get_indexdef(i.indexrelid), '^.*? USING ', '') || \
           CASE WHEN i.indisvalid THEN '' ELSE ', invalid' END \
      FROM pg_catalog.pg_index AS i JOIN pg_catalog.pg_class AS c ON c.oid = i.indexrelid \
     WHERE i.indrelid = $1::pg_catalog.oid \
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint AS k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x')) \
    UNION ALL \
    SELECT pg_catalog.format('trigger `%s`', g.tgname), \
           pg_catalog.regexp_replace(pg_catalog.pg_get_triggerdef(g.oid), '^.*? (BEFORE|AFTER|INSTEAD OF) (.*?) ON .* FOR EACH', '\\1 \\2 FOR EACH') || \
           CASE g.tgenabled WHEN 'O' THEN '' WHEN 'D' THEN ', disabled' ELSE ', enabled for replicas' END \
      FROM pg_catalog.pg_trigger AS g WHERE g.tgrelid = $1::pg_catalog.oid AND NOT g.tgisinternal \
    UNION ALL \
    SELECT 'definition', pg_catalog.regexp_replace(pg_catalog.btrim(pg_catalog.pg_get_viewdef(c.oid), E' ;\\n'), '\\s+', ' ', 'g') \
      FROM pg_catalog.pg_class AS c WHERE c.oid = $1::pg_catalog.oid AND c.relkind = 'v' \
    UNION ALL \
    SELECT 'rights', 'those of who asks' \
      FROM pg_catalog.pg_class AS c WHERE c.oid = $1::pg_catalog.oid AND c.relkind = 'v' AND c.reloptions @> '{security_invoker=true}' \
    UNION ALL \
    SELECT 'check option', 'its own clients write what it shows' \
      FROM pg_catalog.pg_class AS c WHERE c.oid = $1::pg_catalog.oid AND c.relkind = 'v' AND c.reloptions @> '{check_option=local}'";

/// Returns what there is to say of a table or a view, by its quoted name; `None` where there is none.
pub(crate) async fn of(transaction: &Transaction<'_>, relation: &str) -> Result<Option<Facts>, Error> {
    let find = "SELECT pg_catalog.to_regclass($1)::pg_catalog.oid";
    let oid: Option<u32> = transaction.query_typed_one(find, &[(&relation, Type::TEXT)]).await?.try_get(0)?;
    let Some(oid) = oid else { return Ok(None) };
    let rows = transaction.query_typed(FACTS, &[(&oid, Type::OID)]).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect::<Result<_, _>>().map(Some)
}

/// Returns the body of a function without arguments; `None` where there is none.
pub(crate) async fn body(transaction: &Transaction<'_>, function: &str) -> Result<Option<String>, Error> {
    let sql = "SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = pg_catalog.to_regprocedure($1)";
    let row = transaction.query_typed_opt(sql, &[(&format!("{function}()"), Type::TEXT)]).await?;
    row.map(|row| row.try_get(0)).transpose()
}
