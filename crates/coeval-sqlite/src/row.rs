//! Rows of a base table as total states of records, and back.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::Value;
use coeval_core::json;
use coeval_core::lens::State;
use coeval_core::number::Number;
use coeval_core::schema::Type;
use coeval_plan::table::{Column, Held, Known};
use coeval_sql::{Dialect, ident, literal};
use coeval_store::records::Key;
use coeval_store::{Error, Result};
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

use crate::condition;
use crate::layout::Layout;
use crate::statement::Session;

/// A row of a base table: the values of some columns, `None` for NULL.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Row {
    /// By the column's place in the table.
    pub(crate) values: Vec<Option<Value>>,
    /// The key, as literals.
    pub(crate) key: Vec<String>,
    /// A hash of all of it.
    pub(crate) state: String,
}

/// Reads one value of a column.
pub(crate) fn decode(value: ValueRef<'_>, column: &Column) -> std::result::Result<Option<Value>, String> {
    let wrong = |what: &str| Err(format!("column `{}` holds {what}", column.name));
    Ok(Some(match value {
        ValueRef::Null => return Ok(None),
        ValueRef::Integer(n) => match column.property.ty {
            Type::Boolean => Value::Bool(n != 0),
            _ => Value::from(n),
        },
        ValueRef::Real(x) => match Number::from_f64(x) {
            Some(number) => Value::Number(number),
            None => return wrong("a number that JSON has no text for"),
        },
        ValueRef::Text(bytes) => {
            let Ok(text) = std::str::from_utf8(bytes) else { return wrong("text that is not UTF-8") };
            match column.property.ty {
                _ if column.is_json() => match json::parse(bytes) {
                    Ok(value) => value,
                    Err(error) => return wrong(&format!("what is no JSON: {}", error.message)),
                },
                Type::Number | Type::Decimal { .. } => match Number::parse(text) {
                    Some(number) => Value::Number(number),
                    None => return wrong("what is no number"),
                },
                _ => Value::from(text),
            }
        }
        ValueRef::Blob(bytes) => Value::from(base64(bytes)),
    }))
}

/// Bytes as base 64, as values of the type `bytes` are written.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let all = chunk.iter().fold(0_u32, |all, byte| (all << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for at in 0..4 {
            let digit = DIGITS[(all >> (18 - 6 * at)) as usize & 63];
            out.push(if at <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

/// The columns of a base table that are read, in order.
pub(crate) fn column_list(layout: &Layout<'_>, present: &BTreeSet<usize>) -> String {
    present.iter().map(|at| ident(&layout.table.columns[*at].name)).collect::<Vec<_>>().join(", ")
}

/// Reads a row that was selected with [`column_list`].
pub(crate) fn read(
    layout: &Layout<'_>,
    present: &BTreeSet<usize>,
    row: &rusqlite::Row<'_>,
    session: &Session<'_>,
) -> Result<Row> {
    let mut values = vec![None; layout.table.columns.len()];
    let mut hash = Sha256::new();
    for (place, at) in present.iter().enumerate() {
        let value = row.get_ref(place).map_err(|error| session.error(&error))?;
        match value {
            ValueRef::Null => hash.update([0]),
            ValueRef::Integer(n) => hash.update([&[1], n.to_be_bytes().as_slice()].concat()),
            ValueRef::Real(x) => hash.update([&[2], x.to_bits().to_be_bytes().as_slice()].concat()),
            ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
                hash.update([3]);
                hash.update((bytes.len() as u64).to_be_bytes());
                hash.update(bytes);
            }
        }
        let bad = |reason| Error::BadRecord { key: layout.table.name.clone(), reason };
        values[*at] = decode(value, &layout.table.columns[*at]).map_err(bad)?;
    }
    let state = hash.finalize().iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let mut key = Vec::new();
    for at in layout.table.key() {
        key.push(encode(values[at].as_ref(), &layout.table.columns[at])?);
    }
    Ok(Row { values, key, state })
}

/// A value as a literal of a column.
///
/// # Errors
/// A value that no column of the type can hold.
pub(crate) fn encode(value: Option<&Value>, column: &Column) -> Result<String> {
    let Some(value) = value else { return Ok("NULL".to_owned()) };
    let ty = match column.held {
        Held::Hidden { .. } => &Type::Json,
        Held::Shown { .. } if column.is_json() => &Type::Json,
        Held::Shown { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => &column.property.ty,
    };
    if *ty == Type::Json && *value == Value::Null {
        // As JSON, which is another thing than no value.
        return Ok("'null'".to_owned());
    }
    literal(value, ty, Dialect::Sqlite).map_err(|unfit| Error::BadRecord { key: column.name.clone(), reason: unfit.to_string() })
}

/// The condition that a row has a key, given as literals.
pub(crate) fn is_key(layout: &Layout<'_>, literals: &[String]) -> String {
    let parts: Vec<String> =
        layout.key().into_iter().zip(literals).map(|(name, value)| format!("{} = {value}", ident(name))).collect();
    if parts.is_empty() { "0".to_owned() } else { parts.join(" AND ") }
}

/// The literals of a key as clients give it: a text for each property.
pub(crate) fn key_literals(layout: &Layout<'_>, key: &Key) -> Option<Vec<String>> {
    let columns = layout.table.key();
    if columns.len() != key.0.len() {
        return None;
    }
    let literal = |(at, text): (usize, &String)| {
        let column = &layout.table.columns[at];
        let value = match column.property.ty {
            Type::Integer | Type::Number | Type::Decimal { .. } | Type::Float => Value::Number(Number::parse(text)?),
            Type::Boolean => Value::Bool(text.parse().ok()?),
            _ => Value::from(text.as_str()),
        };
        let reference = |ty: &Type| matches!(ty, Type::Ref { model } if matches!(layout.key_type(model), Some(Type::Integer)));
        let value = if reference(&column.property.ty) { Value::Number(Number::parse(text)?) } else { value };
        encode(Some(&value), column).ok()
    };
    columns.into_iter().zip(&key.0).map(literal).collect()
}

/// The key of a row as clients see it.
pub(crate) fn key_of(layout: &Layout<'_>, row: &Row) -> Key {
    let text = |at: usize| match &row.values[at] {
        Some(Value::String(text)) => text.as_str().to_owned(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    Key(layout.table.key().into_iter().map(text).collect())
}

/// What a version shows of a row: its document, whether or not it is hidden.
pub(crate) fn document(layout: &Layout<'_>, row: &Row, version: u32) -> Result<Value> {
    Ok(layout.table.document(&row.values, layout.view(version)?))
}

/// Why a version cannot show a row; `None` where it can.
pub(crate) fn hidden(layout: &Layout<'_>, row: &Row, version: u32) -> Result<Option<String>> {
    let view = layout.view(version)?;
    let failed = view.hiding.iter().find(|at| row.values[**at] == Some(Value::Bool(true)));
    if failed.is_none() {
        return condition::hidden(layout, &row.values, version);
    }
    Ok(failed.map(|at| match layout.table.columns[*at].held {
        Held::Failed { node } | Held::Unfit { node, .. } => {
            let name = layout.table.scope().nodes[node].key.split('@').next().unwrap_or_default();
            format!("a conversion failed when `{name}` was computed")
        }
        Held::Shown { .. } | Held::Hidden { .. } | Held::Id => "a conversion failed".to_owned(),
    }))
}

/// The total state of a record: what the columns given say, and what follows from it. `kept` is what an archive has of the record
/// as `version` shows it.
///
/// # Errors
/// A version that does not exist.
pub(crate) fn state(
    layout: &Layout<'_>,
    row: &Row,
    known: &BTreeSet<usize>,
    version: u32,
    kept: Option<&Value>,
) -> Result<State> {
    let given = BTreeMap::new();
    let known = Known { values: &row.values, columns: known, kept, given: &given, extras: &[] };
    Ok(layout.table.state(&known, layout.view(version)?)?)
}

/// What a column holds of a state, as a literal.
///
/// # Errors
/// A value that no column of the type can hold, and one that a version cannot show without a column that says so.
pub(crate) fn column_of(layout: &Layout<'_>, state: &State, at: usize) -> Result<String> {
    column_after(layout, state, at, None).map(|literal| literal.unwrap_or_else(|| "NULL".to_owned()))
}

/// What a column of a row becomes by a state, as a literal; `None` where it holds that already.
///
/// # Errors
/// As [`column_of`].
pub(crate) fn column_after(layout: &Layout<'_>, state: &State, at: usize, before: Option<&Row>) -> Result<Option<String>> {
    let (column, value) = (&layout.table.columns[at], layout.table.held(state, at)?);
    if before.is_some_and(|row| row.values[at] == value) {
        return Ok(None);
    }
    if let Some(reason) = layout.table.lost(state, at) {
        return Err(Error::BadRecord { key: column.name.clone(), reason: format!("{reason}, and {NO_PLACE}") });
    }
    encode(value.as_ref(), column).map(Some)
}

/// Why a value is refused that a version could not show.
const NO_PLACE: &str = "no column would say that a version cannot show it";
