//! Patches as the laws see them: what a merge patch must give, by its own definition, and what a move within a list must keep.

use coeval_core::history::{History, Scope, Time};
use coeval_core::lens::{Cell, Elements, Refused, State, Stored};
use coeval_core::patch::{Change, Patch};
use coeval_core::schema::{Properties, Property, Type};
use coeval_core::value::{Object, Value};

use super::run::Failure;

/// How a client writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Write<'a> {
    /// The whole document.
    Put,
    /// A merge patch.
    Merge(&'a Value),
    /// A JSON patch.
    Json(&'a Patch),
}

impl Write<'_> {
    /// Carries the write out on a stored document.
    pub(super) fn perform(
        self,
        history: &History,
        stored: &Stored,
        at: u32,
        document: &Value,
    ) -> Result<Option<Stored>, Refused> {
        match self {
            Self::Put => history.put(stored, at, document),
            Self::Merge(patch) => history.merge_patch(stored, at, patch),
            Self::Json(patch) => history.json_patch(stored, at, patch),
        }
    }
}

/// Returns a document with a merge patch (RFC 7396); `None` where its null could mean null as well as absence.
pub(super) fn merged(document: &Value, patch: &Value, schema: Option<&Property>) -> Option<Value> {
    let properties = match schema.map(|property| &property.ty) {
        Some(Type::Object(properties)) => Some(properties),
        _ => None,
    };
    let values = match schema.map(|property| &property.ty) {
        Some(Type::Map { values }) => Some(Property { required: false, ..(**values).clone() }),
        _ => None,
    };
    let Value::Object(patch) = patch else { return Some(patch.clone()) };
    let mut out = if let Value::Object(object) = document { object.clone() } else { Object::new() };
    for (name, value) in patch {
        let property = properties.and_then(|properties| properties.get(name)).or(values.as_ref());
        if *value != Value::Null {
            let inner = merged(out.get(name).unwrap_or(&Value::Null), value, property)?;
            out.insert(name.as_str(), inner);
            continue;
        }
        match property {
            Some(property) if property.nullable && !property.required => return None,
            Some(property) if property.nullable => drop(out.insert(name.as_str(), Value::Null)),
            _ => drop(out.remove(name)),
        }
    }
    Some(out.into())
}

/// As [`merged`], for a record.
pub(super) fn merged_record(document: &Value, patch: &Value, properties: &Properties) -> Option<Value> {
    merged(document, patch, Some(&Property::new(Type::Object(properties.clone()))))
}

/// Checks that an item that a JSON patch moves within a list takes with it what the writer cannot see.
pub(super) fn check_move(scope: &Scope, t: Time, patch: &Patch, before: &State, after: &State) -> Result<(), Failure> {
    let [Change::Move { from, path }] = patch.0.as_slice() else { return Ok(()) };
    let place = |pointer: &str| {
        let (name, index) = pointer.strip_prefix('/')?.split_once('/')?;
        Some((name.replace("~1", "/").replace("~0", "~"), index.parse::<usize>().ok()?))
    };
    let (Some((list, from)), Some((other, to))) = (place(from), place(path)) else { return Ok(()) };
    let order = scope.order(t);
    let Some(entry) = order.shape.position(&list).filter(|_| list == other).map(|at| &order.shape.entries[at]) else {
        return Ok(());
    };
    let node = &scope.nodes[entry.node];
    let keyed = matches!(&node.property(t).ty, Type::Array { key: Some(_), .. });
    let (Cell::Elements(Elements::List(old)), Cell::Elements(Elements::List(new))) =
        (&before.cells[entry.node], &after.cells[entry.node])
    else {
        return Ok(());
    };
    if keyed || node.elements.as_deref().is_none_or(Scope::reads_key) || from >= old.len() || to >= old.len() {
        return Ok(());
    }
    let mut wanted = old.clone();
    let item = wanted.remove(from);
    wanted.insert(to, item);
    if wanted.len() == new.len() && wanted.iter().zip(new).all(|(a, b)| a.same(b)) {
        return Ok(());
    }
    Err(Failure::new("L2", format!("an item of {list} is moved from {from} to {to}: {old:?} becomes {new:?}")))
}
