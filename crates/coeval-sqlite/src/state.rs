//! What coeval keeps beside the records: tables whose names begin with `coeval_`.
//!
//! They are made by the first write that needs them. `coeval_layout` says how the others look, so that a release that does not know
//! a newer layout stops before it does harm. They are plain tables: a program with an older SQLite that has the file open must
//! be able to read its schema, so none is `STRICT`.

use coeval_core::json;
use coeval_core::{Object, Value};
use coeval_store::event::Tally;
use coeval_store::ledger::{Entry, Ledger};
use coeval_store::{Error, Result};

use crate::statement::Session;

/// The layout that this release makes and knows.
const LAYOUT: i64 = 1;

/// What people call the tables in errors.
const TABLES: &str = "the tables `coeval_…`";

const CREATE: &str = "
CREATE TABLE coeval_layout (version INTEGER NOT NULL);
CREATE TABLE coeval_history (
  deployment TEXT NOT NULL, number INTEGER NOT NULL, entry TEXT NOT NULL,
  PRIMARY KEY (deployment, number)
) WITHOUT ROWID;
CREATE TABLE coeval_lock (
  deployment TEXT NOT NULL PRIMARY KEY, fence INTEGER NOT NULL, beat INTEGER NOT NULL, holder TEXT
) WITHOUT ROWID;
CREATE TABLE coeval_cursor (
  deployment TEXT NOT NULL, run TEXT NOT NULL, step TEXT NOT NULL, position TEXT, counts TEXT NOT NULL, done INTEGER NOT NULL,
  PRIMARY KEY (deployment, run, step)
) WITHOUT ROWID;
CREATE TABLE coeval_keep (
  base TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, keep TEXT NOT NULL,
  PRIMARY KEY (base, key, version)
) WITHOUT ROWID;
";

/// Returns whether the tables are there.
///
/// # Errors
/// [`Error::Unreadable`] where they are a newer release's, or somebody else's.
pub(crate) fn is_there(session: &Session<'_>) -> Result<bool> {
    let of_name = "SELECT count(*) FROM sqlite_schema WHERE type = 'table' AND name = 'coeval_layout'";
    if session.row(of_name, [], |row| row.get::<_, i64>(0))? != Some(1) {
        return Ok(false);
    }
    let unreadable = |reason: String, newer: bool| session.during().unreadable(TABLES, reason, newer);
    let versions = session.connection().prepare("SELECT version FROM coeval_layout");
    let versions = versions.and_then(|mut found| found.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<i64>>>());
    match versions.as_deref() {
        Ok([LAYOUT]) => Ok(true),
        Ok([newer]) if *newer > LAYOUT => {
            Err(unreadable(format!("their layout is {newer}, this release knows {LAYOUT}; use the newer release"), true))
        }
        Ok(_) => Err(unreadable("`coeval_layout` does not say one layout that this release knows".to_owned(), false)),
        Err(error) if crate::error::is_busy(error) => Err(session.error(error)),
        Err(error) => Err(unreadable(format!("`coeval_layout`: {error}"), false)),
    }
}

/// Makes the tables where they are not there.
pub(crate) fn ensure(session: &Session<'_>) -> Result<()> {
    if is_there(session)? {
        return Ok(());
    }
    session.batch(CREATE)?;
    session.run("INSERT INTO coeval_layout VALUES (?1)", [LAYOUT])?;
    Ok(())
}

/// Reads what happened.
///
/// # Errors
/// [`Error::Unreadable`] for anything that is not an entry as this release knows it.
pub(crate) fn ledger(session: &Session<'_>, deployment: &str) -> Result<Ledger> {
    if !is_there(session)? {
        return Ok(Ledger::default());
    }
    let sql = "SELECT number, entry FROM coeval_history WHERE deployment = ?1 ORDER BY number";
    let rows = session.rows(sql, [deployment], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let mut ledger = Ledger::default();
    for (number, text) in rows {
        let entry = Entry::read(text.as_bytes(), &format!("history entry {number}"))?;
        if i64::try_from(entry.number) != Ok(number) {
            let reason = format!("it says that it is entry {}", entry.number);
            return Err(session.during().unreadable(&format!("history entry {number}"), reason, false));
        }
        ledger.push(entry)?;
    }
    Ok(ledger)
}

/// Adds an entry.
///
/// # Errors
/// [`Error::Conflict`] where it is not the next one.
pub(crate) fn append(session: &Session<'_>, deployment: &str, entry: &Entry) -> Result<()> {
    ensure(session)?;
    let mut ledger = ledger(session, deployment)?;
    if entry.number != ledger.next() {
        return Err(Error::Conflict { what: format!("history entry {}", entry.number) });
    }
    ledger.push(entry.clone())?;
    let number = i64::try_from(entry.number).unwrap_or(i64::MAX);
    let text = json::Style::Indented(2).write(&entry.to_value());
    session.run("INSERT INTO coeval_history VALUES (?1, ?2, ?3)", (deployment, number, text))?;
    Ok(())
}

/// Forgets how far the steps of a run are.
pub(crate) fn tidy(session: &Session<'_>, deployment: &str, run: &str) -> Result<()> {
    if is_there(session)? {
        session.run("DELETE FROM coeval_cursor WHERE deployment = ?1 AND run = ?2", (deployment, run))?;
    }
    Ok(())
}

/// How far a step of a run is.
#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The key of the last row that was done, as literals.
    pub(crate) position: Option<Vec<String>>,
    /// What was done.
    pub(crate) tally: Tally,
    /// Whether it is over.
    pub(crate) done: bool,
}

/// Reads how far a step of a run is.
pub(crate) fn cursor(session: &Session<'_>, deployment: &str, run: &str, step: &str) -> Result<Cursor> {
    let sql = "SELECT position, counts, done FROM coeval_cursor WHERE deployment = ?1 AND run = ?2 AND step = ?3";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, Option<String>>(0)?, row.get::<_, String>(1)?, row.get::<_, bool>(2)?));
    let Some((position, counts, done)) = session.row(sql, (deployment, run, step), read)? else { return Ok(Cursor::default()) };
    let unreadable = |reason: String| session.during().unreadable("`coeval_cursor`", reason, false);
    let counts = json::parse(counts.as_bytes()).map_err(|e| unreadable(e.message))?;
    let tally = Tally::read(counts.as_object().unwrap_or(&Object::new())).map_err(|e| unreadable(e.message))?;
    let texts = |text: String| {
        let value = json::parse(text.as_bytes()).map_err(|e| unreadable(e.message))?;
        let texts = value.as_list().unwrap_or_default().iter().map(|part| Some(part.as_str()?.to_owned())).collect();
        let texts: Option<Vec<String>> = texts;
        texts.ok_or_else(|| unreadable("a place that is none".to_owned()))
    };
    Ok(Cursor { position: position.map(texts).transpose()?, tally, done })
}

/// Notes how far a step of a run is.
pub(crate) fn note(
    session: &Session<'_>,
    deployment: &str,
    (run, step): (&str, &str),
    position: Option<&[String]>,
    tally: &Tally,
    done: bool,
) -> Result<()> {
    let position = position.map(|parts| Value::List(parts.iter().map(|part| part.as_str().into()).collect()).to_string());
    let mut counts = Object::new();
    tally.write(&mut counts);
    let sql = "INSERT OR REPLACE INTO coeval_cursor VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
    session.run(sql, (deployment, run, step, position, Value::Object(counts).to_string(), done))?;
    Ok(())
}
