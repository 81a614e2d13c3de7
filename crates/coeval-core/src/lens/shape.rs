//! Natural documents of a version: taken apart into cells, put together from them, and checked.

use super::calc::{render_elements, render_plain};
use super::cell::{Cell, Elements, Layout, State};
use super::reject::{join, path_of};
use super::write::birth;
use crate::history::{LineageId, Node, NodeId, Order, Scope, Shape, Time};
use crate::schema::{Property, Type, Violation};
use crate::value::{Object, Text, Value};

/// What a document says about the shown nodes.
pub(super) struct Taken {
    /// The cells of the shown nodes, elements not yet raised; the others are absent.
    pub(super) cells: Vec<Cell>,
    /// Undeclared properties by the object they lie in.
    pub(super) extras: Vec<(Option<LineageId>, Object)>,
    /// The order of keys, where it is not the schema's.
    pub(super) layout: Option<Layout>,
}

/// Takes a natural document apart. A record is an object; an element is any value.
pub(super) fn take_apart(scope: &Scope, order: &Order, document: &Value) -> Taken {
    let mut taken = Taken { cells: vec![Cell::Absent; scope.nodes.len()], extras: Vec::new(), layout: None };
    let mut layout = Layout::default();
    let mut irregular = false;
    if scope.element {
        if let Some(entry) = order.shape.entries.first() {
            take_value(scope, document, entry.node, entry.shape.as_ref(), &mut taken, &mut layout, &mut irregular);
        }
    } else if let Value::Object(object) = document {
        take_object(scope, object, None, None, &order.shape, &mut taken, &mut layout, &mut irregular);
    }
    taken.layout = irregular.then_some(layout);
    taken
}

fn take_value(
    scope: &Scope,
    value: &Value,
    node: NodeId,
    shape: Option<&Shape>,
    taken: &mut Taken,
    layout: &mut Layout,
    irregular: &mut bool,
) {
    match (shape, value) {
        (Some(shape), Value::Object(object)) => {
            taken.cells[node] = Cell::Value(Value::Object(Object::new()));
            take_object(scope, object, Some(node), scope.nodes[node].lineage, shape, taken, layout, irregular);
        }
        _ => taken.cells[node] = Cell::Value(value.clone()),
    }
}

#[allow(clippy::too_many_arguments, reason = "one recursive step over a document")]
fn take_object(
    scope: &Scope,
    object: &Object,
    container: Option<NodeId>,
    home: Option<LineageId>,
    shape: &Shape,
    taken: &mut Taken,
    layout: &mut Layout,
    irregular: &mut bool,
) {
    let mut extras = Object::new();
    let mut last = 0;
    for (name, value) in object {
        match shape.position(name) {
            Some(at) => {
                *irregular |= at < last || !extras.is_empty();
                last = at;
                let entry = &shape.entries[at];
                take_value(scope, value, entry.node, entry.shape.as_ref(), taken, layout, irregular);
            }
            None => extras.push(name.clone(), value.clone()),
        }
    }
    *irregular |= !extras.iter().map(|(name, _)| name.as_str()).is_sorted();
    *irregular |= object.iter().any(|(name, _)| name.raw().is_some());
    layout.orders.push((container, object.iter().map(|(name, _)| name.clone()).collect()));
    if !extras.is_empty() {
        taken.extras.push((home, extras));
    }
}

/// Puts the natural document of a version together.
pub(super) fn put_together(scope: &Scope, order: &Order, state: &State) -> Value {
    let layout = state.layouts.iter().find(|(t, _)| *t == order.time).map(|(_, layout)| layout);
    put_together_as(scope, order, state, Style::Written(layout))
}

/// As [`put_together`], with keys in the order of the schema.
pub(super) fn put_together_plain(scope: &Scope, order: &Order, state: &State) -> Value {
    put_together_as(scope, order, state, Style::Plain)
}

/// In which order the keys of a document stand.
#[derive(Debug, Clone, Copy)]
enum Style<'a> {
    /// In the order in which they were written, where that is known.
    Written(Option<&'a Layout>),
    /// In the order of the schema.
    Plain,
}

fn put_together_as(scope: &Scope, order: &Order, state: &State, style: Style<'_>) -> Value {
    if scope.element {
        return order.shape.entries.first().and_then(|entry| value_of(scope, order, entry, state, style)).unwrap_or(Value::Null);
    }
    Value::Object(object_of(scope, order, None, &order.shape, state, style))
}

/// The layouts as they would come back from the documents of their versions: without keys that are no longer there, and none
/// where the document is now written as its schema has it.
pub(super) fn settle(scope: &Scope, state: &State) -> Vec<(Time, Layout)> {
    let again = |(t, layout): &(Time, Layout)| {
        let order = scope.order(*t);
        let document = put_together(scope, &order, state);
        let text =
            layout.text.as_deref().filter(|text| crate::json::parse(text.as_bytes()).is_ok_and(|v| v.identical(&document)));
        let text = text.map(Box::from);
        let orders = take_apart(scope, &order, &document).layout.map(|layout| layout.orders);
        (orders.is_some() || text.is_some()).then(|| (*t, Layout { orders: orders.unwrap_or_default(), text }))
    };
    state.layouts.iter().filter_map(again).collect()
}

/// The natural value of an element at a moment.
pub(super) fn render_element(scope: &Scope, t: Time, state: &State) -> Value {
    put_together(scope, &scope.order(t), state)
}

fn value_of(scope: &Scope, order: &Order, entry: &crate::history::Entry, state: &State, style: Style<'_>) -> Option<Value> {
    match (&state.cells[entry.node], &entry.shape) {
        (Cell::Absent | Cell::Bad(_), _) => None,
        (Cell::Value(Value::Object(_)), Some(shape)) => {
            Some(Value::Object(object_of(scope, order, Some(entry.node), shape, state, style)))
        }
        (Cell::Value(value), _) => Some(value.clone()),
        (Cell::Elements(elements), _) => {
            let node = &scope.nodes[entry.node];
            Some(match style {
                Style::Written(_) => render_elements(node, elements, order.time),
                Style::Plain => render_plain(node, elements, order.time),
            })
        }
    }
}

fn object_of(scope: &Scope, order: &Order, container: Option<NodeId>, shape: &Shape, state: &State, style: Style<'_>) -> Object {
    let mut object: Object = shape
        .entries
        .iter()
        .filter_map(|entry| Some((entry.name.clone(), value_of(scope, order, entry, state, style)?)))
        .collect();
    let home = container.and_then(|node| scope.nodes[node].lineage);
    if let Some(extras) = state.extras_of(home)
        && is_open(scope, container, order.time)
    {
        // By name, so that their order does not depend on which of them some version hid.
        let mut shown: Vec<_> = extras.iter().filter(|(name, _)| shape.position(name).is_none()).collect();
        shown.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in shown {
            object.push(name.clone(), value.clone());
        }
    }
    let layout = match style {
        Style::Written(layout) => layout,
        Style::Plain => None,
    };
    match layout.and_then(|layout| layout.orders.iter().find(|(c, _)| *c == container)) {
        Some((_, names)) => reorder(object, names),
        None => object,
    }
}

/// Whether an object, or the whole record, admits undeclared properties at a moment.
pub(super) fn is_open(scope: &Scope, container: Option<NodeId>, t: Time) -> bool {
    match container {
        None => scope.admits_undeclared(t),
        Some(node) => match &scope.nodes[node].property(t).ty {
            Type::Object(properties) => properties.additional,
            _ => true,
        },
    }
}

fn reorder(object: Object, names: &[Text]) -> Object {
    let rank = |name: &Text| names.iter().position(|n| n == name).unwrap_or(names.len());
    let mut entries: Vec<(Text, Value)> = object.into_iter().collect();
    entries.sort_by_key(|(name, _)| rank(name));
    // The writer's own spelling of a key, escapes included.
    let spelled = |name: Text| names.get(rank(&name)).cloned().unwrap_or(name);
    entries.into_iter().map(|(name, value)| (spelled(name), value)).collect()
}

/// Turns the value of a list or map with operations beneath it into elements; anything else stays.
pub(super) fn raise(scope: &Scope, node: NodeId, t: Time, cell: Cell) -> Cell {
    let Some(elements) = &scope.nodes[node].elements else { return cell };
    match cell {
        Cell::Value(Value::List(items)) if is_list(&scope.nodes[node], t) => {
            let items = items.iter().enumerate().map(|(i, item)| birth(elements, t, item, &index_key(i)));
            Cell::Elements(Elements::List(items.collect()))
        }
        Cell::Value(Value::Object(object)) if !is_list(&scope.nodes[node], t) => {
            let values = object.iter().map(|(key, value)| (key.clone(), birth(elements, t, value, &Value::from(key.as_str()))));
            Cell::Elements(Elements::Map(values.collect()))
        }
        cell => cell,
    }
}

pub(super) fn is_list(node: &Node, t: Time) -> bool {
    matches!(node.property(t).ty, Type::Array { .. })
}

/// The key of the item at an index: its number from 1, as lists are counted in expressions.
pub(super) fn index_key(index: usize) -> Value {
    Value::from(i64::try_from(index).unwrap_or(i64::MAX).saturating_add(1))
}

/// Says why a cell does not fit its node's type, if it does not; absence is for [`check`] to judge.
pub(super) fn unfit(node: &Node, cell: &Cell, t: Time) -> Option<String> {
    match cell {
        Cell::Absent => None,
        Cell::Bad(reason) => Some(reason.to_string()),
        Cell::Value(value) => {
            let property = node.property(node.nearest(t));
            if fits(node, property, value) {
                return None;
            }
            let first = property.violations(value).into_iter().next();
            Some(first.map_or_else(
                || format!("{value} does not fit"),
                |v| if v.path.is_empty() { v.message } else { format!("{}: {}", v.path, v.message) },
            ))
        }
        Cell::Elements(elements) => {
            let scope = node.elements.as_deref()?;
            let t = node.nearest(t);
            let bad = |state: &State| check(scope, &scope.order(t), state).into_iter().next();
            let (place, violation) = elements.places().find_map(|(place, state)| Some((place, bad(state)?)))?;
            Some(format!("{}: {}", join(&place, &violation.path), violation.message))
        }
    }
}

fn fits(node: &Node, property: &Property, value: &Value) -> bool {
    match (node.lineage, value) {
        // What is in the object has nodes of its own.
        (Some(_), Value::Object(_)) => true,
        (Some(_), Value::Null) => property.nullable,
        (Some(_), _) => false,
        (None, value) => property.admits(value),
    }
}

/// Returns every shown node whose cell its version does not admit.
pub(super) fn check(scope: &Scope, order: &Order, state: &State) -> Vec<Violation> {
    let mut found = Vec::new();
    check_shape(scope, order.time, &order.shape, true, state, "", &mut found);
    found
}

fn check_shape(scope: &Scope, t: Time, shape: &Shape, present: bool, state: &State, path: &str, found: &mut Vec<Violation>) {
    for entry in &shape.entries {
        let node = &scope.nodes[entry.node];
        let cell = &state.cells[entry.node];
        let path = join(path, entry.name.as_str());
        let message = if !present {
            (!cell.is_absent()).then(|| "it has a value, and the object it lies in is not there".to_owned())
        } else if cell.is_absent() {
            node.property(t).required.then(|| "this property is required and missing".to_owned())
        } else if let (Cell::Elements(elements), Some(inner)) = (cell, &node.elements) {
            let order = inner.order(t);
            for (place, state) in elements.places() {
                check_shape(inner, t, &order.shape, true, state, &format!("{path}{place}"), found);
            }
            None
        } else {
            unfit(node, cell, t)
        };
        if let Some(message) = message {
            found.push(Violation { path: path.clone(), message });
        }
        if let Some(shape) = &entry.shape {
            check_shape(scope, t, shape, present && cell.is_present(), state, &path, found);
        }
    }
}

/// The paths of undeclared properties whose names a version claims for properties of its own.
pub(super) fn claimed(scope: &Scope, order: &Order, state: &State) -> Vec<String> {
    let mut found = Vec::new();
    claimed_in(scope, order, state, "", &mut found);
    found
}

fn claimed_in(scope: &Scope, order: &Order, state: &State, path: &str, found: &mut Vec<String>) {
    let t = order.time;
    for (home, object) in &state.extras {
        let container = order.shown.iter().copied().find(|n| home.is_some() && scope.nodes[*n].lineage == *home);
        if home.is_some() && container.is_none() {
            continue;
        }
        let children = scope.children(container, t);
        let names: Vec<&str> = children.iter().map(|child| scope.nodes[*child].place(t).name.as_str()).collect();
        let path = join(path, &container.map(|node| path_of(scope, node, t)).unwrap_or_default());
        let claimed = object.iter().filter(|(name, _)| names.contains(&name.as_str()));
        found.extend(claimed.map(|(name, _)| join(&path, name)));
    }
    for node in &order.shown {
        if let (Cell::Elements(elements), Some(inner)) = (&state.cells[*node], &scope.nodes[*node].elements) {
            let path = join(path, &path_of(scope, *node, t));
            for (place, state) in elements.places() {
                claimed_in(inner, &inner.order(t), state, &format!("{path}{place}"), found);
            }
        }
    }
}
