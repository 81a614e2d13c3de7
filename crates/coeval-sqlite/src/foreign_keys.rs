//! Foreign keys that lead nowhere: found before and after tables are replaced, since nothing enforces them in between.

use std::collections::{BTreeMap, BTreeSet};

use coeval_store::Result;

use crate::statement::Session;

/// How many are named in an error.
const NAMED: usize = 5;

/// A row whose key leads nowhere: its table, its rowid where it has one, and the table where its key leads.
type Violation = (String, Option<i64>, String);

/// Returns the tables that are there: those given, and those whose keys lead to them.
pub(crate) fn affected(session: &Session<'_>, tables: &[String]) -> Result<BTreeSet<String>> {
    let present = session.rows("SELECT name FROM sqlite_schema WHERE type = 'table'", [], |row| row.get::<_, String>(0))?;
    let is_given = |name: &str| tables.iter().any(|table| table.eq_ignore_ascii_case(name));
    let mut out = BTreeSet::new();
    for name in present {
        let parents =
            session.rows("SELECT \"table\" FROM pragma_foreign_key_list(?1)", [&name], |row| row.get::<_, String>(0))?;
        if is_given(&name) || parents.iter().any(|parent| is_given(parent)) {
            out.insert(name);
        }
    }
    Ok(out)
}

/// Returns the rows whose keys lead nowhere, and how many keys of each do. A key that cannot be checked counts as one of its table.
pub(crate) fn violations(session: &Session<'_>, tables: &BTreeSet<String>) -> Result<BTreeMap<Violation, u64>> {
    let mut out = BTreeMap::new();
    for table in tables {
        let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get(2)?));
        let found = || -> rusqlite::Result<Vec<Violation>> {
            let mut statement =
                session.connection().prepare("SELECT \"table\", rowid, parent FROM pragma_foreign_key_check(?1)")?;
            statement.query_map([table], read)?.collect()
        };
        match found() {
            Ok(found) => found.into_iter().for_each(|violation| *out.entry(violation).or_default() += 1),
            // Where a key leads to columns that are not unique, writes to the table fail anyway.
            Err(rusqlite::Error::SqliteFailure(_, Some(message))) if message.starts_with("foreign key mismatch") => {
                *out.entry((table.clone(), None, message)).or_default() += 1;
            }
            Err(error) => return Err(session.error(&error)),
        }
    }
    Ok(out)
}

/// Returns without an error if nothing leads nowhere that did not before.
pub(crate) fn compare(session: &Session<'_>, before: &BTreeMap<Violation, u64>, after: &BTreeMap<Violation, u64>) -> Result<()> {
    let is_new = |(violation, count): &(&Violation, &u64)| before.get(violation).is_none_or(|known| known < count);
    let new: Vec<String> = after.iter().filter(is_new).map(|(violation, _)| told(violation)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let more = if new.len() > NAMED { format!(", and {} more", new.len() - NAMED) } else { String::new() };
    let reason = format!("foreign keys lead nowhere: {}{more}", new[..new.len().min(NAMED)].join(", "));
    Err(session
        .failed(reason, Some("Add the rows that they lead to, or change the keys, and run it again: nothing was changed.")))
}

fn told((table, row, parent): &Violation) -> String {
    match row {
        Some(row) => format!("row {row} of `{table}` to `{parent}`"),
        None if parent.starts_with("foreign key mismatch") => parent.clone(),
        None => format!("a row of `{table}` to `{parent}`"),
    }
}
