//! Rows of a base table as total states of records, and back.

use std::collections::BTreeSet;

use coeval_core::Value;
use coeval_core::history::{Gate, NodeId, Scope, Time};
use coeval_core::json;
use coeval_core::lens::{Cell, Keep, State, Stored, recomputed};
use coeval_core::number::Number;
use coeval_core::schema::Type;
use coeval_core::value::Object;
use coeval_plan::table::{Column, Held};
use coeval_sql::{Dialect, ident, literal};
use coeval_store::records::Key;
use coeval_store::{Error, Result};
use rusqlite::types::ValueRef;
use sha2::{Digest, Sha256};

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
        Held::Shown { .. } | Held::Failed { .. } | Held::Id => &column.property.ty,
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
    let view = layout.view(version)?;
    let model = layout.table.model(view);
    let mut out = Object::new();
    for (name, at) in &view.entries {
        let column = &layout.table.columns[*at];
        if column.held == Held::Id && model.is_none_or(|model| model.properties.get(name).is_none()) {
            continue;
        }
        match &row.values[*at] {
            Some(value) => drop(out.insert(name.as_str(), value.clone())),
            None if !column.is_json() => {
                let property = model.and_then(|model| model.properties.get(name));
                if property.is_some_and(|property| property.required && property.nullable) {
                    out.insert(name.as_str(), Value::Null);
                }
            }
            None => {}
        }
    }
    Ok(Value::Object(out))
}

/// Why a version cannot show a row; `None` where it can.
pub(crate) fn hidden(layout: &Layout<'_>, row: &Row, version: u32) -> Result<Option<String>> {
    let view = layout.view(version)?;
    let failed = view.hiding.iter().find(|at| row.values[**at] == Some(Value::Bool(true)));
    Ok(failed.map(|at| match layout.table.columns[*at].held {
        Held::Failed { node } => {
            let name = layout.table.scope().nodes[node].key.split('@').next().unwrap_or_default();
            format!("a conversion failed when `{name}` was computed")
        }
        Held::Shown { .. } | Held::Hidden { .. } | Held::Id => "a conversion failed".to_owned(),
    }))
}

/// What a row says about a node, in the columns given.
fn cell(layout: &Layout<'_>, row: &Row, known: &BTreeSet<usize>, node: NodeId) -> Option<Cell> {
    let failed = layout.table.columns.iter().position(|column| column.held == Held::Failed { node });
    if failed.is_some_and(|at| known.contains(&at) && row.values[at] == Some(Value::Bool(true))) {
        return Some(Cell::Bad("a conversion failed when the record was written".into()));
    }
    let spot = layout.table.homes(node).iter().find(|spot| known.contains(&spot.column))?;
    let column = &layout.table.columns[spot.column];
    let mut value = row.values[spot.column].as_ref();
    for name in &spot.path {
        value = value.and_then(|value| value.as_object()?.get(name));
    }
    let is_object = layout.table.scope().nodes[node].lineage.is_some();
    Some(match value {
        Some(Value::Object(_)) if is_object => Cell::Value(Value::Object(Object::new())),
        Some(value) => Cell::Value(value.clone()),
        None if spot.path.is_empty() && !column.is_json() && column.property.required && column.property.nullable => {
            Cell::Value(Value::Null)
        }
        None => Cell::Absent,
    })
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
    let history = &layout.era.history;
    let shape = layout.era.shape(version).unwrap_or(version);
    let document = document(layout, row, version)?;
    let mut notes = None;
    let mut state = match kept {
        None => history.born(shape, &document)?,
        Some(kept) => {
            let mut with = document.clone();
            if let Value::Object(object) = &mut with {
                object.insert(coeval_core::lens::META, kept.clone());
            }
            let stored = Stored::from_value(with, shape)?;
            let state = history.state(&stored)?;
            notes = Some(stored.keep);
            state
        }
    };
    let scope = layout.table.scope();
    let (mut fixed, mut moved) = (BTreeSet::new(), BTreeSet::new());
    for node in 0..scope.nodes.len() {
        // Elements have states of their own, which a column of one shape does not tell.
        if scope.nodes[node].elements.is_some() {
            continue;
        }
        if let Some(cell) = cell(layout, row, known, node) {
            fixed.insert(node);
            if !cell.same(&state.cells[node]) {
                moved.insert(node);
            }
            state.cells[node] = cell;
        }
    }
    extras(layout, row, known, &mut state);
    let time = history.moment(shape).unwrap_or_default();
    follow(scope, time, &fixed, moved, notes.as_ref(), &mut state);
    Ok(state)
}

/// Computes anew what no column holds and follows from what moved: from nodes that are otherwise in their columns than in what
/// was computed, or was kept. The rest is what it was.
fn follow(
    scope: &Scope,
    time: Time,
    fixed: &BTreeSet<NodeId>,
    mut moved: BTreeSet<NodeId>,
    notes: Option<&Keep>,
    state: &mut State,
) {
    if moved.is_empty() {
        return;
    }
    let mut again = recomputed(scope, time, state, &Value::Null);
    let mut since = BTreeSet::new();
    for hidden in &scope.order(time).hidden {
        let node = hidden.node;
        let deps = || hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
        // A value of its own does not follow.
        let own = |notes: &Keep| notes.get(&scope.nodes[node].key).is_some_and(|entry| entry.of.is_none());
        if fixed.contains(&node) || !deps().any(|dep| moved.contains(&dep)) || hidden.sticky && notes.is_some_and(own) {
            continue;
        }
        if deps().any(|dep| since.contains(&dep)) {
            again = recomputed(scope, time, state, &Value::Null);
            since.clear();
        }
        if let Some(cell) = again[node].clone()
            && !cell.same(&state.cells[node])
        {
            state.cells[node] = cell;
            moved.insert(node);
            since.insert(node);
        }
    }
}

/// What is not declared in objects that the version does not show as they are.
fn extras(layout: &Layout<'_>, row: &Row, known: &BTreeSet<usize>, state: &mut State) {
    let scope = layout.table.scope();
    for at in known {
        let Held::Shown { time, .. } = layout.table.columns[*at].held else { continue };
        for node in 0..scope.nodes.len() {
            let Some(lineage) = scope.nodes[node].lineage else { continue };
            let Some(spot) = layout.table.homes(node).iter().find(|spot| spot.column == *at) else { continue };
            let mut value = row.values[*at].as_ref();
            for name in &spot.path {
                value = value.and_then(|value| value.as_object()?.get(name));
            }
            let Some(Value::Object(object)) = value else { continue };
            let declared: Vec<&str> =
                scope.children(Some(node), time).iter().map(|child| scope.nodes[*child].place(time).name.as_str()).collect();
            for (name, value) in object.iter().filter(|(name, _)| !declared.contains(&name.as_str())) {
                match state.extras.iter_mut().find(|(home, _)| *home == Some(lineage)) {
                    Some((_, object)) if object.get(name).is_some() => {}
                    Some((_, object)) => object.push(name.clone(), value.clone()),
                    None => state.extras.push((Some(lineage), [(name.clone(), value.clone())].into_iter().collect())),
                }
            }
        }
    }
}

/// What a column holds of a state, as a literal.
///
/// # Errors
/// A value that no column of the type can hold.
pub(crate) fn column_of(layout: &Layout<'_>, state: &State, at: usize) -> Result<String> {
    let column = &layout.table.columns[at];
    let native = |node: NodeId| match &state.cells[node] {
        Cell::Value(Value::Null) if !column.is_json() => None,
        Cell::Value(value) => Some(value.clone()),
        Cell::Absent | Cell::Bad(_) | Cell::Elements(_) => None,
    };
    let value = match column.held {
        Held::Id => None,
        Held::Failed { node } => matches!(state.cells[node], Cell::Bad(_)).then_some(Value::Bool(true)),
        Held::Hidden { node } => native(node),
        Held::Shown { node, .. } if !column.is_json() => native(node),
        Held::Shown { .. } => {
            // As the version that brought it shows it.
            let shape = layout.era.shape(column.since).unwrap_or(column.since);
            let shown = layout.era.history.sealed(state, shape)?;
            let view = layout.view(column.since)?;
            let name = view.entries.iter().find(|(_, column)| *column == at).map(|(name, _)| name.as_str());
            name.and_then(|name| shown.document.as_object()?.get(name).cloned())
        }
    };
    encode(value.as_ref(), column)
}
