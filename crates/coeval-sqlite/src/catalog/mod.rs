//! What a database holds beside rows: tables, indexes, views and triggers, as it tells it itself.

mod text;

use coeval_store::Result;
use rusqlite::Row;

use crate::statement::Session;

/// What the names of tables begin with in which coeval keeps its own state.
const STATE: &str = "coeval_";

/// What a database holds beside rows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables, by name; neither SQLite's own nor coeval's.
    pub tables: Vec<Table>,
    /// The views, by name.
    pub views: Vec<View>,
    /// The triggers, by name.
    pub triggers: Vec<Trigger>,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Its name.
    pub name: String,
    /// The text that made it.
    pub sql: String,
    /// Whether a module of SQLite keeps it, or it belongs to such a one.
    pub kind: TableKind,
    /// Its columns, in order; none where its module is not there.
    pub columns: Vec<Column>,
    /// The columns of its primary key, in the key's order.
    pub primary_key: Vec<String>,
    /// The column that is another name of the rowid.
    pub rowid: Option<String>,
    /// Whether it has no rowids.
    pub without_rowid: bool,
    /// Whether keys of rows that were deleted are not given again.
    pub autoincrement: bool,
    /// Whether values must be of their column's type.
    pub strict: bool,
    /// Its indexes, by name, with those that its constraints made.
    pub indexes: Vec<Index>,
    /// Its foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// Its checks, in the order of the text.
    pub checks: Vec<Check>,
}

/// What kind of table it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableKind {
    /// An ordinary one.
    Ordinary,
    /// One that a module keeps.
    Virtual,
    /// One in which a module keeps what a virtual one shows.
    Shadow,
}

/// A column of a table or a view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type as it was written, also none.
    pub kind: String,
    /// Whether it says `NOT NULL`.
    pub not_null: bool,
    /// The text of its default.
    pub default: Option<String>,
    /// How it is computed, where it is.
    pub generated: Option<Generated>,
    /// How its values are compared, where it says so.
    pub collation: Option<String>,
}

/// How a column is computed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The expression; `None` for a hidden column of a virtual table.
    pub expression: Option<String>,
    /// Whether its values are stored.
    pub stored: bool,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its name.
    pub name: String,
    /// Whether no two rows may have the same values.
    pub unique: bool,
    /// What made it.
    pub origin: Origin,
    /// Whether it is of some rows only.
    pub partial: bool,
    /// What it is of, in order.
    pub columns: Vec<IndexColumn>,
    /// The text that made it; `None` where a constraint of the table did.
    pub sql: Option<String>,
}

/// What made an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// `CREATE INDEX`.
    Statement,
    /// A `UNIQUE` of the table.
    Unique,
    /// The table's primary key.
    PrimaryKey,
}

/// A part of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexColumn {
    /// The column; `None` for an expression, which the index's text says.
    pub name: Option<String>,
    /// Whether larger values come first.
    pub descending: bool,
    /// How values are compared.
    pub collation: String,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// The table that it leads to, which need not be there.
    pub table: String,
    /// The columns, each with the one that it leads to; `None` for that of the other table's primary key.
    pub columns: Vec<(String, Option<String>)>,
    /// What follows when what it leads to changes: `CASCADE`, `NO ACTION` …
    pub on_update: String,
    /// What follows when what it leads to is deleted.
    pub on_delete: String,
}

/// A check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Its name, where it has one.
    pub name: Option<String>,
    /// Its expression, as it was written.
    pub expression: String,
}

/// A view.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct View {
    /// Its name.
    pub name: String,
    /// The text that made it.
    pub sql: String,
    /// Its columns; none where it is broken.
    pub columns: Vec<Column>,
    /// Why it cannot be read.
    pub broken: Option<String>,
}

/// A trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// The table or view that it is on.
    pub table: String,
    /// The text that made it.
    pub sql: String,
}

/// What SQLite keeps of an object of its schema: two schemas are the same where all of these are.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Text {
    /// `table`, `index`, `view` or `trigger`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// The table or view that it belongs to, or itself.
    pub table: String,
    /// The text that made it; `None` for an index that a constraint made.
    pub sql: Option<String>,
}

/// Returns whether a table is one of coeval's own.
pub fn is_state(table: &str) -> bool {
    table.get(..STATE.len()).is_some_and(|start| start.eq_ignore_ascii_case(STATE))
}

/// Reads what SQLite keeps of each object, by kind and name, without what is coeval's own.
///
/// # Errors
/// What SQLite says.
pub fn texts(session: &Session<'_>) -> Result<Vec<Text>> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name";
    let read = |row: &Row<'_>| Ok(Text { kind: row.get(0)?, name: row.get(1)?, table: row.get(2)?, sql: row.get(3)? });
    let mut out = session.rows(sql, [], read)?;
    out.retain(|text| !is_state(&text.table));
    Ok(out)
}

/// Reads what a database holds beside rows.
///
/// # Errors
/// What SQLite says.
pub fn read(session: &Session<'_>) -> Result<Schema> {
    let mut out = Schema::default();
    for Text { kind, name, table, sql } in texts(session)? {
        let sql = sql.unwrap_or_default();
        match kind.as_str() {
            "table" if !name.starts_with("sqlite_") => out.tables.push(table_of(session, name, sql)?),
            "view" => out.views.push(view(session, name, sql)?),
            "trigger" => out.triggers.push(Trigger { name, table, sql }),
            // Indexes are told with their tables, and other kinds there are none.
            _ => {}
        }
    }
    Ok(out)
}

fn table_of(session: &Session<'_>, name: String, sql: String) -> Result<Table> {
    let listed = "SELECT type, wr, strict FROM pragma_table_list WHERE schema = 'main' AND name = ?1";
    let read = |row: &Row<'_>| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, bool>(2)?));
    let (kind, without_rowid, strict) = session.row(listed, [&name], read)?.unwrap_or_default();
    let kind = match kind.as_str() {
        "virtual" => TableKind::Virtual,
        "shadow" => TableKind::Shadow,
        _ => TableKind::Ordinary,
    };
    let said = if kind == TableKind::Virtual { text::Said::default() } else { text::read(&sql) };
    let (columns, primary_key) = match columns(session, &name, &said) {
        // Its module may be another program's.
        Err(_) if kind == TableKind::Virtual => <_>::default(),
        columns => columns?,
    };
    let indexes = indexes(session, &name)?;
    let keyed = indexes.iter().any(|index| index.origin == Origin::PrimaryKey);
    let rowid = match primary_key.as_slice() {
        [column] if !without_rowid && !keyed && kind != TableKind::Virtual => Some(column.clone()),
        _ => None,
    };
    let checks = said.checks.into_iter().map(|(name, expression)| Check { name, expression }).collect();
    let foreign_keys = foreign_keys(session, &name)?;
    let autoincrement = said.autoincrement;
    Ok(Table {
        name,
        sql,
        kind,
        columns,
        primary_key,
        rowid,
        without_rowid,
        autoincrement,
        strict,
        indexes,
        foreign_keys,
        checks,
    })
}

/// Reads a table by its name.
///
/// # Errors
/// What SQLite says.
pub fn table(session: &Session<'_>, name: &str) -> Result<Option<Table>> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE nocase";
    let found = session.row(sql, [name], |row| Ok((row.get(0)?, row.get(1)?)))?;
    found.map(|(name, sql)| table_of(session, name, sql)).transpose()
}

type Columns = (Vec<Column>, Vec<String>);

fn columns(session: &Session<'_>, table: &str, said: &text::Said) -> Result<Columns> {
    let find = |pairs: &[(String, String)], name: &str| {
        pairs.iter().find(|(column, _)| column.eq_ignore_ascii_case(name)).map(|(_, text)| text.clone())
    };
    let sql = "SELECT name, type, \"notnull\", dflt_value, hidden, pk FROM pragma_table_xinfo(?1) ORDER BY cid";
    let read = |row: &Row<'_>| {
        let name: String = row.get(0)?;
        let generated = match row.get(4)? {
            0_i64 => None,
            hidden => Some(Generated { expression: find(&said.generated, &name), stored: hidden == 3 }),
        };
        let collation = find(&said.collations, &name);
        let (kind, not_null, default) = (row.get(1)?, row.get(2)?, row.get(3)?);
        Ok((row.get::<_, i64>(5)?, Column { name, kind, not_null, default, generated, collation }))
    };
    let found = session.rows(sql, [table], read)?;
    let mut key: Vec<_> = found.iter().filter(|(place, _)| *place > 0).map(|(place, column)| (*place, &column.name)).collect();
    key.sort_unstable();
    let key = key.into_iter().map(|(_, name)| name.clone()).collect();
    Ok((found.into_iter().map(|(_, column)| column).collect(), key))
}

fn indexes(session: &Session<'_>, table: &str) -> Result<Vec<Index>> {
    let sql = "SELECT name, \"unique\", origin, partial, (SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = i.name)
               FROM pragma_index_list(?1) i ORDER BY name";
    let read = |row: &Row<'_>| {
        let origin = match row.get::<_, String>(2)?.as_str() {
            "pk" => Origin::PrimaryKey,
            "u" => Origin::Unique,
            _ => Origin::Statement,
        };
        let (name, unique, partial, sql) = (row.get(0)?, row.get(1)?, row.get(3)?, row.get(4)?);
        Ok(Index { name, unique, origin, partial, columns: Vec::new(), sql })
    };
    let mut out = session.rows(sql, [table], read)?;
    for index in &mut out {
        let sql = "SELECT name, \"desc\", coll FROM pragma_index_xinfo(?1) WHERE key ORDER BY seqno";
        let read = |row: &Row<'_>| Ok(IndexColumn { name: row.get(0)?, descending: row.get(1)?, collation: row.get(2)? });
        index.columns = session.rows(sql, [&index.name], read)?;
    }
    Ok(out)
}

fn foreign_keys(session: &Session<'_>, table: &str) -> Result<Vec<ForeignKey>> {
    let sql =
        "SELECT id, \"table\", \"from\", \"to\", on_update, on_delete FROM pragma_foreign_key_list(?1) ORDER BY id DESC, seq";
    let read = |row: &Row<'_>| {
        let columns = vec![(row.get(2)?, row.get(3)?)];
        Ok((row.get::<_, i64>(0)?, ForeignKey { table: row.get(1)?, columns, on_update: row.get(4)?, on_delete: row.get(5)? }))
    };
    let mut out: Vec<(i64, ForeignKey)> = Vec::new();
    for (id, key) in session.rows(sql, [table], read)? {
        match out.last_mut() {
            Some((last, known)) if *last == id => known.columns.extend(key.columns),
            _ => out.push((id, key)),
        }
    }
    Ok(out.into_iter().map(|(_, key)| key).collect())
}

fn view(session: &Session<'_>, name: String, sql: String) -> Result<View> {
    let broken = compiles(session, &format!("SELECT * FROM {}", quote(&name)))?;
    let columns = match broken {
        Some(_) => Vec::new(),
        None => columns(session, &name, &text::Said::default())?.0,
    };
    Ok(View { name, sql, columns, broken })
}

/// Returns why a statement cannot be run as the schema is; `None` where it can.
pub(crate) fn compiles(session: &Session<'_>, sql: &str) -> Result<Option<String>> {
    match session.connection().prepare(sql) {
        Ok(_) => Ok(None),
        Err(rusqlite::Error::SqlInputError { msg, .. }) => Ok(Some(msg)),
        Err(rusqlite::Error::SqliteFailure(error, Some(message))) if error.extended_code == rusqlite::ffi::SQLITE_ERROR => {
            Ok(Some(message))
        }
        Err(error) => Err(session.error(&error)),
    }
}

/// Returns a name as it can stand in a statement, whatever is in it.
pub fn quote(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
