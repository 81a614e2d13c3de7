//! A table is replaced by one of another shape, with its rows: what `ALTER TABLE` has no words for.
//!
//! The table is set aside under another name, the new one is made under its own, the rows are copied, and the old one is dropped with
//! its indexes and triggers, which are made anew from their texts. As a rule, setting a table aside makes everything that refers
//! to it follow; here it does not, since SQLite is told to rename as it did of old, and foreign keys are off. The usual way
//! around, to make the new one under another name and rename it, would leave another text of the table in the schema than the
//! one it was made with, and going back would not give the same schema.
//!
//! What else the schema holds is proved to be the same afterwards, letter for letter, and to compile where it did before.

use std::collections::BTreeMap;

use coeval_store::Result;

use crate::catalog::{Table, TableKind, compiles, quote, table};
use crate::error::said;
use crate::statement::Session;

/// What fills a column of the new table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fill {
    /// The column of the new table.
    pub column: String,
    /// An expression over the columns of the old one.
    pub from: String,
}

/// A row of the schema: type, name, table, text.
type Object = (String, String, String, Option<String>);

/// Replaces a table by what `create` makes, which must have the same name, and fills its columns; one that is not named gets its
/// default. Rows keep their rowids, and the table its indexes and triggers; keys that lead to it go on doing so. Returns how many
/// rows there are.
///
/// It must run in a group with [`crate::ForeignKeys::Checked`], which proves that no key leads nowhere that did not before.
///
/// # Errors
/// What does not fit the new table; nothing may be kept of the group then. Indexes, triggers and views that are not to be as they
/// were must be dropped before.
pub fn rebuild(session: &Session<'_>, name: &str, create: &str, fill: &[Fill]) -> Result<u64> {
    let on = |pragma: &str| session.row(pragma, [], |row| row.get::<_, i64>(0)).map(|value| value != Some(0));
    if session.connection().is_autocommit() || on("PRAGMA foreign_keys")? {
        return Err(session.failed("a table is replaced only within a group that checks foreign keys at its end", None));
    }
    let missing = || session.failed(format!("there is no table `{name}`"), None);
    let old = table(session, name)?.ok_or_else(missing)?;
    if old.kind != TableKind::Ordinary {
        return Err(session.failed(format!("a module of SQLite keeps the table `{name}`"), None));
    }
    let (before, broken_before) = (objects(session)?, broken(session)?);
    let sequence = sequence(session, &old.name)?;
    let aside = aside(&old.name, &before);

    session.batch("PRAGMA legacy_alter_table = ON")?;
    session.batch(&format!("ALTER TABLE {} RENAME TO {}", quote(&old.name), quote(&aside)))?;
    session.batch("PRAGMA legacy_alter_table = OFF")?;
    session.batch(create)?;
    let new = table(session, name)?.filter(|new| new.kind == TableKind::Ordinary);
    let new = new.ok_or_else(|| session.failed(format!("what was to make the table `{name}` did not"), None))?;
    let rows = copy(session, &old, &new, &aside, fill)?;
    if let (Some(sequence), true) = (sequence, new.autoincrement) {
        session.run("DELETE FROM sqlite_sequence WHERE name = ?1", [&new.name])?;
        session.run("INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)", (&new.name, sequence))?;
    }
    session.batch(&format!("DROP TABLE {}", quote(&aside)))?;
    let dependent = |kind: &str, table: &str| (kind == "index" || kind == "trigger") && table == old.name;
    for (kind, what, table, sql) in &before {
        if let (true, Some(sql)) = (dependent(kind, table), sql) {
            let made = session.connection().execute_batch(sql);
            let reason = |error: rusqlite::Error| format!("the {kind} `{what}` does not fit the new table: {}", said(&error).0);
            made.map_err(|error| session.failed(reason(error), Some("Drop it before, or make it fit.")))?;
        }
    }
    prove(session, &old.name, &new.name, &before, &broken_before)?;
    Ok(rows)
}

/// Reads the schema in the order in which it was made.
fn objects(session: &Session<'_>) -> Result<Vec<Object>> {
    let sql = "SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY rowid";
    session.rows(sql, [], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))
}

/// Returns the largest key that the table ever gave, where it remembers it.
fn sequence(session: &Session<'_>, table: &str) -> Result<Option<i64>> {
    let there = "SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'";
    if session.row(there, [], |_| Ok(()))?.is_none() {
        return Ok(None);
    }
    session.row("SELECT seq FROM sqlite_sequence WHERE name = ?1", [table], |row| row.get(0))
}

/// Finds a name that nothing has.
fn aside(name: &str, taken: &[Object]) -> String {
    let mut out = format!("coeval_old_{name}");
    while taken.iter().any(|(_, taken, ..)| taken.eq_ignore_ascii_case(&out)) {
        out.push('_');
    }
    out
}

fn copy(session: &Session<'_>, old: &Table, new: &Table, aside: &str, fill: &[Fill]) -> Result<u64> {
    let mut into: Vec<String> = fill.iter().map(|fill| quote(&fill.column)).collect();
    let mut from: Vec<&str> = fill.iter().map(|fill| fill.from.as_str()).collect();
    let is_filled = |column: &String| fill.iter().any(|fill| fill.column.eq_ignore_ascii_case(column));
    if !old.without_rowid && !new.without_rowid && !new.rowid.as_ref().is_some_and(is_filled) {
        let nameless = || session.failed(format!("the rowids of `{}` have no name left", old.name), None);
        into.push(rowid(new).ok_or_else(nameless)?.to_owned());
        from.push(rowid(old).ok_or_else(nameless)?);
    }
    // `OR ABORT` stands above what the table's constraints say: no row is left out or replaced silently.
    let (into, from) = (into.join(", "), from.join(", "));
    let (target, source, alias) = (quote(&new.name), quote(aside), quote(&old.name));
    let rows = session.run(&format!("INSERT OR ABORT INTO {target} ({into}) SELECT {from} FROM {source} AS {alias}"), [])?;
    Ok(rows as u64)
}

/// Returns a name of the rowid that no column has.
fn rowid(table: &Table) -> Option<&'static str> {
    let is_column = |name: &str| table.columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
    ["rowid", "_rowid_", "oid"].into_iter().find(|name| !is_column(name))
}

/// Proves that nothing else is otherwise than before.
fn prove(session: &Session<'_>, old: &str, new: &str, before: &[Object], broken_before: &BTreeMap<String, String>) -> Result<()> {
    // The table itself, and the indexes that its constraints make.
    let own = |(kind, _, table, sql): &Object| {
        (table == old || table == new) && (kind == "table" || (kind == "index" && sql.is_none()))
    };
    let rest = |mut objects: Vec<Object>| {
        objects.retain(|object| !own(object));
        objects.sort();
        objects
    };
    let renamed = |(kind, name, table, sql): &Object| {
        let table = if table == old { new.to_owned() } else { table.clone() };
        (kind.clone(), name.clone(), table, sql.clone())
    };
    let expected = rest(before.iter().map(renamed).collect());
    let found = rest(objects(session)?);
    if expected != found {
        let other = found.iter().chain(&expected).find(|object| !(expected.contains(object) && found.contains(object)));
        let what = other.map_or_else(|| "something".to_owned(), |(kind, name, ..)| format!("the {kind} `{name}`"));
        return Err(session.failed(format!("replacing the table `{old}` would change {what} too"), None));
    }
    let is_new = |what: &&String| !broken_before.contains_key(*what);
    let broken = broken(session)?;
    if let Some(what) = broken.keys().find(is_new) {
        let reason = format!("{what} would not fit the table `{old}` any more: {}", broken[what]);
        return Err(session.failed(reason, Some("Drop it before, and make it anew afterwards.")));
    }
    Ok(())
}

/// Returns the views and triggers that do not compile, as people call them, each with the reason. A trigger compiles with the
/// statements that set it off.
fn broken(session: &Session<'_>) -> Result<BTreeMap<String, String>> {
    let mut out = BTreeMap::new();
    for view in session.rows("SELECT name FROM sqlite_schema WHERE type = 'view'", [], |row| row.get::<_, String>(0))? {
        if let Some(reason) = compiles(session, &format!("SELECT * FROM {}", quote(&view)))? {
            out.insert(format!("the view `{view}`"), reason);
        }
    }
    let with_triggers = "SELECT DISTINCT tbl_name FROM sqlite_schema WHERE type = 'trigger'";
    for table in session.rows(with_triggers, [], |row| row.get::<_, String>(0))? {
        let name = quote(&table);
        let mut statements =
            vec![("an INSERT", format!("INSERT INTO {name} DEFAULT VALUES")), ("a DELETE", format!("DELETE FROM {name}"))];
        // Of a view that is broken the columns cannot be told; it is told itself.
        let columns = session.connection().prepare(&format!("SELECT name FROM pragma_table_xinfo({name}) WHERE hidden = 0"));
        let columns =
            columns.and_then(|mut found| found.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>());
        if let Ok(columns) = columns {
            let set: Vec<String> = columns.iter().map(|column| format!("{0} = {0}", quote(column))).collect();
            statements.push(("an UPDATE", format!("UPDATE {name} SET {}", set.join(", "))));
        }
        for (statement, sql) in statements {
            if let Some(reason) = compiles(session, &sql)? {
                out.insert(format!("a trigger of `{table}`, or one that {statement} of it sets off,"), reason);
            }
        }
    }
    Ok(out)
}
