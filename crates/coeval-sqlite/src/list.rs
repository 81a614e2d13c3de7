//! Pages of a model's records, in the order of their keys.

use coeval_core::{Object, Value, json};
use coeval_sql::ident;
use coeval_store::records::{Key, Page};
use coeval_store::{Error, Result};

use crate::records::{Asked, found};
use crate::row;
use crate::statement::Session;

/// Returns so many records after a place.
///
/// # Errors
/// A place in another list.
pub(crate) fn list(session: &Session<'_>, asked: &Asked, after: Option<&str>, limit: usize) -> Result<Page> {
    let layout = asked.layout(session)?;
    let present = layout.present(session)?;
    let after = after.map(|cursor| cursor_at(cursor, asked.at)).transpose()?;
    let mut page = Page { records: Vec::new(), hidden: Vec::new(), next: None };
    if present.is_empty() {
        return Ok(page);
    }
    let (columns, table) = (row::column_list(&layout, &present), layout.names.table());
    let key = layout.key().into_iter().map(ident).collect::<Vec<_>>().join(", ");
    let from = match &after {
        None => String::new(),
        Some(after) => {
            let literals = row::key_literals(&layout, after).ok_or_else(no_place)?;
            format!("WHERE ({key}) > ({})", literals.join(", "))
        }
    };
    let sql = format!("SELECT {columns} FROM {table} {from} ORDER BY {key} LIMIT {}", limit.saturating_add(1));
    let mut statement = session.connection().prepare(&sql).map_err(|error| session.error(&error))?;
    let mut rows = statement.query([]).map_err(|error| session.error(&error))?;
    let mut last = None;
    while let Some(next) = rows.next().map_err(|error| session.error(&error))? {
        if page.records.len() + page.hidden.len() == limit {
            page.next = last.map(|key| cursor(asked.at, &key));
            break;
        }
        let row = row::read(&layout, &present, next, session)?;
        let key = row::key_of(&layout, &row);
        match found(&layout, &row, asked.at) {
            Ok(found) => page.records.push(found),
            Err(Error::Refused(refused)) => page.hidden.push((key.to_string(), refused.to_string())),
            Err(other) => return Err(other),
        }
        last = Some(key);
    }
    Ok(page)
}

/// A cursor names the version, so that it means nothing at another one.
fn cursor(at: u32, key: &Key) -> String {
    let parts = Value::List(key.0.iter().map(|part| part.as_str().into()).collect());
    Value::from(Object::from_iter([("at".into(), i64::from(at).into()), ("after".into(), parts)])).to_string()
}

fn no_place() -> Error {
    Error::Unknown { message: "this is no place in a list".to_owned(), help: Some("begin the list anew".to_owned()) }
}

fn cursor_at(cursor: &str, at: u32) -> Result<Key> {
    let value = json::parse(cursor.as_bytes()).ok();
    let read = value.as_ref().and_then(Value::as_object).and_then(|object| {
        let parts = object.get("after")?.as_list()?.iter().map(|part| Some(part.as_str()?.to_owned()));
        Some((object.get("at")?.as_i64()?, Key(parts.collect::<Option<_>>()?)))
    });
    match read {
        None => Err(no_place()),
        Some((version, _)) if version != i64::from(at) => Err(Error::Unknown {
            message: format!("this place is in a list at version {version}, not {at}"),
            help: Some("begin the list anew".to_owned()),
        }),
        Some((_, key)) => Ok(key),
    }
}
