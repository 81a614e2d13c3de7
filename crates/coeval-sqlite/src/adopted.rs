//! Tables that were there before: taken over as they are, and never replaced.

use std::collections::BTreeMap;

use coeval_plan::table::Own;
use coeval_plan::{ColumnSpec, Holds};
use coeval_sql::ident;
use coeval_sql::sqlite::Names;
use coeval_store::{Error, Result};

use crate::catalog::{self, TableKind};
use crate::layout::Layout;
use crate::state;
use crate::statement::Session;

const TABLE: &str = "CREATE TABLE IF NOT EXISTS coeval_adopted (\
    base TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, required INTEGER NOT NULL, value TEXT, PRIMARY KEY (base, name))";

/// A column as it was when its table was taken over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Native {
    /// Its type as it was written.
    pub(crate) kind: String,
    pub(crate) not_null: bool,
    /// The text of its default.
    pub(crate) default: Option<String>,
}

/// Takes over a table as it is: every column of the version must be in it.
pub(crate) fn adopt(session: &Session<'_>, layout: &Layout<'_>, columns: &[ColumnSpec]) -> Result<()> {
    let base = layout.names.base();
    let what = || format!("taking over the table `{base}`");
    let failed = |reason: String, help: Option<&str>| Error::Failed { what: what(), reason, help: help.map(str::to_owned) };
    let Some(found) = catalog::table(session, base)? else { return Err(failed("there is no such table".to_owned(), None)) };
    if found.kind != TableKind::Ordinary {
        return Err(failed("a module of SQLite keeps it".to_owned(), None));
    }
    if columns.iter().any(|column| column.holds == Holds::Id) {
        let help = "Say in the model what tells its rows apart, with `key:`.";
        return Err(failed("the model has no key".to_owned(), Some(help)));
    }
    let there = |name: &str| found.columns.iter().any(|own| own.name == name);
    let missing: Vec<String> =
        columns.iter().filter(|column| !there(&column.name)).map(|column| format!("`{}`", column.name)).collect();
    if !missing.is_empty() {
        let help = "The first version of a model that takes a table over has the table's columns; later versions add others.";
        return Err(failed(format!("it has no column {}", missing.join(", ")), Some(help)));
    }
    state::ensure(session)?;
    session.batch(TABLE)?;
    session.run("DELETE FROM coeval_adopted WHERE base = ?1", [base])?;
    for column in &found.columns {
        let values = (base, &column.name, &column.kind, column.not_null, &column.default);
        session.run("INSERT INTO coeval_adopted (base, name, kind, required, value) VALUES (?1, ?2, ?3, ?4, ?5)", values)?;
    }
    Ok(())
}

/// Returns the name of the column of a name that a table had when it was taken over.
pub(crate) fn own(session: &Session<'_>, layout: &Layout<'_>, column: &str) -> Result<Option<String>> {
    Ok(known(session, layout)?.into_keys().find(|own| own.eq_ignore_ascii_case(column)))
}

/// Refuses versions for which a table that was there before leaves no room.
pub(crate) fn room(session: &Session<'_>, layout: &Layout<'_>, from: u32) -> Result<()> {
    let base = layout.names.base();
    let Some(found) = catalog::table(session, base)?.filter(|_| layout.table.is_adopted()) else { return Ok(()) };
    let there: Vec<String> = found.columns.into_iter().map(|column| column.name).collect();
    let known: Vec<String> = known(session, layout)?.into_keys().collect();
    // Taken over by a program that noted nothing: what is its own is not known.
    if known.is_empty() && from >= layout.era.first {
        return Ok(());
    }
    let before = if known.is_empty() { &there } else { &known };
    let own = Own { there: &there, before, alike: str::eq_ignore_ascii_case };
    let what = format!("the table `{base}`");
    layout.table.room(&own).map_err(|unsuitable| Error::Failed { what, reason: unsuitable.message, help: Some(unsuitable.help) })
}

/// Leaves a table as it was; what is coeval's beside it goes.
pub(crate) fn leave(session: &Session<'_>, layout: &Layout<'_>) -> Result<()> {
    let base = layout.names.base();
    session.batch(&format!("DROP TABLE IF EXISTS {}", ident(&layout.names.scratch())))?;
    session.batch(TABLE)?;
    session.run("DELETE FROM coeval_adopted WHERE base = ?1", [base])?;
    Ok(())
}

/// Returns the columns that a table had when it was taken over, by name; none where it was not.
pub(crate) fn known(session: &Session<'_>, layout: &Layout<'_>) -> Result<BTreeMap<String, Native>> {
    let there = "SELECT 1 FROM sqlite_schema WHERE name = 'coeval_adopted'";
    if !layout.table.is_adopted() || session.row(there, [], |_| Ok(()))?.is_none() {
        return Ok(BTreeMap::new());
    }
    let sql = "SELECT name, kind, required, value FROM coeval_adopted WHERE base = ?1";
    let column =
        |row: &rusqlite::Row<'_>| Ok((row.get(0)?, Native { kind: row.get(1)?, not_null: row.get(2)?, default: row.get(3)? }));
    Ok(session.rows(sql, [layout.names.base()], column)?.into_iter().collect())
}

/// Returns the names of a table with the key that SQLite numbers where a program leaves it out, as it did before.
pub(crate) fn names(session: &Session<'_>, layout: &Layout<'_>) -> Result<Names> {
    if !layout.table.is_adopted() {
        return Ok(layout.names.clone());
    }
    let rowid = catalog::table(session, layout.names.base())?.and_then(|table| table.rowid);
    Ok(rowid.map_or_else(|| layout.names.clone(), |rowid| layout.names.numbering(&rowid)))
}
