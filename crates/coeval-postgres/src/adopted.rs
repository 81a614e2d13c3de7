//! What a table was like when it was taken over: what a rollback leaves, and what `verify` compares it with. And a key for the rows
//! of one that has none.

use std::collections::BTreeMap;

use coeval_plan::found::FoundTable;
use coeval_plan::table::{Own, Table, View};
use coeval_sql::postgres::{Names, ViewDefault};
use coeval_sql::{fit, ident};
use coeval_store::{Error, Result};
use tokio_postgres::types::Type;

use crate::backend::PostgresBackend;
use crate::catalog::IDENTITY;
use crate::constraint;
use crate::error::During as _;
use crate::execute::Job;
use crate::layout::Layout;
use crate::table::{lock, text};

/// A column as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Native {
    /// Its type as the server prints it.
    pub(crate) kind: String,
    pub(crate) nullable: bool,
    /// The expression of its default, where it has one that `ALTER TABLE` may set.
    pub(crate) default: Option<String>,
    /// Whether the database numbers it.
    pub(crate) identity: bool,
}

const TABLE: &str = "\
CREATE TABLE IF NOT EXISTS coeval.adopted (
    deployment text NOT NULL,
    schema_name text NOT NULL,
    table_name text NOT NULL,
    column_name text NOT NULL,
    native text NOT NULL,
    nullable bool NOT NULL,
    default_expression text,
    PRIMARY KEY (deployment, schema_name, table_name, column_name)
)";

fn of(deployment: &str, (schema, name): (&str, &str)) -> String {
    format!("deployment = {} AND schema_name = {} AND table_name = {}", text(deployment), text(schema), text(name))
}

/// The default of a column as the server prints it here: names are qualified where they have to be, which depends on the session.
fn default_of((schema, name): (&str, &str), column: &str) -> String {
    let table = text(&format!("{}.{}", ident(schema), ident(name)));
    format!(
        "(SELECT pg_catalog.pg_get_expr(d.adbin, d.adrelid) FROM pg_catalog.pg_attrdef d \
         JOIN pg_catalog.pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum \
         WHERE d.adrelid = pg_catalog.to_regclass({table}) AND a.attname = {})",
        text(column)
    )
}

/// Renders the note of what a table is like.
pub(crate) fn note(deployment: &str, place: (&str, &str), found: &FoundTable) -> Vec<String> {
    let mut out = vec![TABLE.to_owned(), format!("DELETE FROM coeval.adopted WHERE {}", of(deployment, place))];
    for column in &found.columns {
        let settable = column.default.as_ref().filter(|default| *default != IDENTITY && !column.generated);
        out.push(format!(
            "INSERT INTO coeval.adopted VALUES ({}, {}, {}, {}, {}, {}, {})",
            text(deployment),
            text(place.0),
            text(place.1),
            text(&column.name),
            text(&column.native),
            column.nullable,
            settable.map_or_else(|| "NULL".to_owned(), |_| default_of(place, &column.name))
        ));
    }
    out
}

/// Renders that a table is not taken over any more.
pub(crate) fn forget(deployment: &str, place: (&str, &str)) -> Vec<String> {
    vec![TABLE.to_owned(), format!("DELETE FROM coeval.adopted WHERE {}", of(deployment, place))]
}

/// Returns the columns that the table of a layout had when it was taken over, by name; none where it was not.
pub(crate) async fn known(backend: &PostgresBackend, layout: &Layout<'_>) -> Result<BTreeMap<String, Native>> {
    let Some((schema, name)) = &layout.adopted else { return Ok(BTreeMap::new()) };
    let doing = format!("reading what `{schema}.{name}` was like");
    let client = backend.state().database().client().await?;
    let there = "SELECT pg_catalog.to_regclass('coeval.adopted') IS NOT NULL";
    if !client.query_typed_one(there, &[]).await.during(&doing)?.try_get::<_, bool>(0).during(&doing)? {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT column_name, native, nullable, default_expression, EXISTS (SELECT FROM pg_catalog.pg_attribute
                   WHERE attrelid = pg_catalog.to_regclass(pg_catalog.format('%I.%I', schema_name, table_name))
                   AND attname = column_name AND attidentity <> '')
               FROM coeval.adopted WHERE deployment = $1 AND schema_name = $2 AND table_name = $3";
    let deployment = backend.state().deployment();
    let rows = client.query_typed(sql, &[(&deployment, Type::TEXT), (&schema, Type::TEXT), (&name, Type::TEXT)]).await;
    let column = |row: &tokio_postgres::Row| -> Result<(String, Native), tokio_postgres::Error> {
        Ok((
            row.try_get(0)?,
            Native { kind: row.try_get(1)?, nullable: row.try_get(2)?, default: row.try_get(3)?, identity: row.try_get(4)? },
        ))
    };
    rows.during(&doing)?.iter().map(column).collect::<Result<_, _>>().during(&doing)
}

/// Refuses versions for which a table that was there before leaves no room.
pub(crate) async fn room(backend: &PostgresBackend, layout: &Layout<'_>, table: &Table<'_>, from: u32) -> Result<()> {
    let Some((schema, name)) = &layout.adopted else { return Ok(()) };
    let what = format!("the table `{schema}.{name}`");
    let sql = "SELECT attname::text FROM pg_catalog.pg_attribute
               WHERE attrelid = pg_catalog.to_regclass($1) AND attnum > 0 AND NOT attisdropped";
    let client = backend.state().database().client().await?;
    let rows = client.query_typed(sql, &[(&layout.names.table.as_str(), Type::TEXT)]).await.during(&what)?;
    let there: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().during(&what)?;
    let known: Vec<String> = known(backend, layout).await?.into_keys().collect();
    // Taken over by a program that noted nothing: what is its own is not known.
    if there.is_empty() || known.is_empty() && from >= layout.era.first {
        return Ok(());
    }
    let before = if known.is_empty() { &there } else { &known };
    let own = Own { there: &there, before, alike: |one, other| one == other };
    table.room(&own).map_err(|unsuitable| Error::Failed { what, reason: unsuitable.message, help: Some(unsuitable.help) })
}

/// What fills in a column of a view as the table does by itself: for `SET … = DEFAULT`, and for COPY, which comes with all columns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filled {
    /// The column's name in the view, not quoted.
    pub(crate) column: String,
    /// The expression.
    pub(crate) value: String,
    /// Whether it fills in a number that plain writes may not give, but COPY may.
    pub(crate) identity: bool,
}

/// Returns what fills in columns of a view for which its version has no value.
pub(crate) fn filled(
    table: &Table<'_>,
    view: &View,
    names: &Names,
    own: &[ViewDefault],
    native: &BTreeMap<String, Native>,
) -> Vec<Filled> {
    let first = table.history.versions().next().unwrap_or_default();
    let one = |(name, at): &(String, usize)| {
        let (column, name) = (&table.columns[*at], fit(name));
        if column.since > first || own.iter().any(|default| default.fills && default.column == name) {
            return None;
        }
        let native = native.get(&column.name)?;
        let value = if native.identity {
            let sequence = format!("pg_catalog.pg_get_serial_sequence({}, {})", text(names.table.as_str()), text(&column.name));
            format!("pg_catalog.nextval({sequence}::pg_catalog.regclass)")
        } else {
            native.default.clone()?
        };
        Some(Filled { column: name, value, identity: native.identity })
    };
    view.entries.iter().filter_map(one).collect()
}

/// Returns the type that a column is to have which shows what one of a table's own does.
pub(crate) fn kind<'n>(table: &Table<'_>, at: usize, native: &'n BTreeMap<String, Native>) -> Option<&'n str> {
    let like = table.alike(at, |other| native.contains_key(&table.columns[other].name))?;
    native.get(&table.columns[like].name).map(|native| native.kind.as_str())
}

/// How many pages of a table are gone through at once.
const PAGES: i64 = 500;
/// How many rows are looked for at once that were moved meanwhile.
const MOVED: u32 = 5000;

/// Gives every row of a table a key, in a column of its own: rows that are inserted from now on at once, those that are there page
/// by page.
pub(crate) async fn identify(job: &Job<'_>, column: &str) -> Result<()> {
    let layout = job.layout()?;
    let (table, quoted) = (&layout.names.table, ident(column));
    if constraint::is_not_null(job, table, column).await? == Some(true) {
        return Ok(());
    }
    let statements = [
        lock(table),
        // With the default at once, the table would be written anew while everybody waits.
        format!("ALTER TABLE {table} ADD COLUMN IF NOT EXISTS {quoted} uuid"),
        format!("ALTER TABLE {table} ALTER COLUMN {quoted} SET DEFAULT pg_catalog.gen_random_uuid()"),
    ];
    job.transact(&statements).await?;
    let pages = format!("SELECT pg_catalog.pg_relation_size({}) / pg_catalog.current_setting('block_size')::int8", text(table));
    let pages = job.ask::<i64>(&pages).await?.unwrap_or_default();
    let set = format!("UPDATE {table} SET {quoted} = DEFAULT");
    for first in (0..=pages).step_by(usize::try_from(PAGES).unwrap_or(1)) {
        job.work.go_on()?;
        let end = first + PAGES;
        let range = format!("ctid >= '({first},0)'::tid AND ctid < '({end},0)'::tid");
        job.transact(&[format!("{set} WHERE {range} AND {quoted} IS NULL")]).await?;
    }
    // A row that was updated meanwhile is somewhere else.
    let left = format!("SELECT EXISTS (SELECT FROM {table} WHERE {quoted} IS NULL)");
    while job.ask::<bool>(&left).await? == Some(true) {
        job.work.go_on()?;
        let moved = format!("SELECT ctid FROM {table} WHERE {quoted} IS NULL LIMIT {MOVED}");
        job.transact(&[format!("{set} WHERE ctid = ANY (ARRAY({moved})) AND {quoted} IS NULL")]).await?;
    }
    let index = fit(&format!("{}_{column}_key", layout.table_name));
    constraint::create_index(job, &index, &[column.to_owned()], true).await?;
    constraint::require(job, &layout, &[column.to_owned()]).await
}
