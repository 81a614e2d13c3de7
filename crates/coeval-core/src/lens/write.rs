//! Birth and write: rules R1 and R2 on total states.

use std::collections::HashMap;

use super::align::{Alignment, align};
use super::calc::{Units, calc};
use super::cell::{Cell, Elements, State};
use super::reject::Lists;
use super::shape::{index_key, is_list, raise, render_element, settle, take_apart, unfit};
use crate::history::{Gate, HiddenRule, LineageId, Node, NodeId, Order, Scope, Time};
use crate::mutant::{self, Mutant};
use crate::schema::Type;
use crate::value::{Object, Text, Value};

/// How the lists of a new document continue those of the old one, by JSON pointer, where the writer said so.
pub(crate) type Hints = HashMap<String, Alignment>;

/// R1: the state of a record, or an element, that is born at a moment with a natural value.
pub(super) fn birth(scope: &Scope, t: Time, value: &Value, key: &Value) -> State {
    let order = scope.order(t);
    let taken = take_apart(scope, &order, value);
    let mut state = State { cells: taken.cells, extras: taken.extras, layouts: Vec::new() };
    // How a value was written that was computed on the way to another version cannot be kept: no version shows it.
    state.layouts.extend(taken.layout.filter(|_| scope.is_exposed(t)).map(|layout| (t, layout)));
    for node in &order.shown {
        let cell = std::mem::replace(&mut state.cells[*node], Cell::Absent);
        state.cells[*node] = raise(scope, *node, t, cell);
    }
    let mut units = Units::new();
    for hidden in &order.hidden {
        state.cells[hidden.node] = calc(scope, hidden, &state.cells, &mut units, key);
    }
    state
}

/// The key or number of an element before and after a write: an item of a list may move.
#[derive(Debug, Clone, Copy)]
pub(super) struct Keys<'a> {
    pub(super) before: &'a Value,
    pub(super) after: &'a Value,
}

impl<'a> Keys<'a> {
    /// The key of what does not move.
    pub(super) const fn same(key: &'a Value) -> Self {
        Self { before: key, after: key }
    }

    fn differ(self) -> bool {
        self.before != self.after
    }
}

/// R2: the state after a write of a natural value at a moment; `None` where it changes nothing.
pub(super) fn write(
    scope: &Scope,
    t: Time,
    old: &State,
    value: &Value,
    keys: Keys<'_>,
    pointer: &str,
    lists: &Lists<'_>,
) -> Option<State> {
    let order = scope.order(t);
    let taken = take_apart(scope, &order, value);
    let mut state = old.clone();
    let mut dirty = vec![false; scope.nodes.len()];
    for (node, cell) in order.shown.iter().zip(order.shown.iter().map(|n| &taken.cells[*n])) {
        if let Some(changed) = rewrite(scope, &order, *node, &old.cells[*node], cell, pointer, lists) {
            state.cells[*node] = changed;
            dirty[*node] = true;
        }
        dirty[*node] |= mutant::is(Mutant::NoDifference);
    }
    let extras = extras_after(scope, &order, old, &state, taken.extras);
    if !dirty.contains(&true) && extras.is_none() && !(keys.differ() && scope.reads_key()) {
        return None;
    }
    if let Some(extras) = extras {
        state.extras = extras;
    }
    state.layouts.retain(|(time, _)| *time != t);
    state.layouts.extend(taken.layout.map(|layout| (t, layout)));
    propagate(scope, &order, old, &mut state, &mut dirty, keys);
    state.layouts = settle(scope, &state);
    Some(state)
}

/// Recomputes the hidden nodes that a change reaches, in order.
fn propagate(scope: &Scope, order: &Order, old: &State, state: &mut State, dirty: &mut [bool], keys: Keys<'_>) {
    let (mut before, mut after) = (Units::new(), Units::new());
    for hidden in &order.hidden {
        let gate = hidden.gate.as_ref();
        let moved = keys.differ() && matches!(hidden.rule, HiddenRule::Recipe(recipe, _) if scope.recipes[recipe].reads_key());
        let touched = moved || hidden.deps.iter().copied().chain(gate.into_iter().flat_map(Gate::deps)).any(|dep| dirty[dep]);
        let node = hidden.node;
        let pinned = hidden.sticky && !old.cells[node].same(&calc(scope, hidden, &old.cells, &mut before, keys.before));
        if pinned {
            // A value of its own goes only with the object that it lies in.
            if gate.is_some_and(|gate| was_deleted(gate, old, state)) {
                state.cells[node] = Cell::Absent;
                dirty[node] = true;
            }
        } else if touched {
            let computed = calc(scope, hidden, &state.cells, &mut after, keys.after);
            if mutant::is(Mutant::PartialUnit) && computed.same(&calc(scope, hidden, &old.cells, &mut before, keys.before)) {
                continue;
            }
            state.cells[node] = computed;
            dirty[node] = true;
        }
    }
}

fn was_deleted(gate: &Gate, old: &State, new: &State) -> bool {
    let was = |object: NodeId| old.cells[object].is_present() || mutant::is(Mutant::GoneByState);
    gate.anchor.is_some_and(|object| was(object) && !new.cells[object].is_present())
}

/// The new cell of a shown node, if what was written differs in meaning from what it held.
fn rewrite(scope: &Scope, order: &Order, node: NodeId, old: &Cell, new: &Cell, pointer: &str, lists: &Lists<'_>) -> Option<Cell> {
    let Some(elements) = &scope.nodes[node].elements else {
        return (!is_equal(&scope.nodes[node], old, new, order.time)).then(|| new.clone());
    };
    let t = order.time;
    let was = old;
    match (old, new) {
        (Cell::Elements(Elements::List(old)), Cell::Value(Value::List(new))) => {
            let here = pointer_to(scope, node, t, pointer);
            let Type::Array { key, .. } = &scope.nodes[node].property(t).ty else { return None };
            let before: Vec<Value> = old.iter().map(|state| render_element(elements, t, state)).collect();
            let alignment = match lists.hints.and_then(|hints| hints.get(&here)) {
                Some(hint) if hint.len() == new.len() && key.is_none() => hint.clone(),
                _ => align(&before, new, key.as_deref()),
            };
            lists.used.borrow_mut().insert(here.clone(), alignment.clone());
            let mut changed = old.len() != new.len();
            let items = new.iter().enumerate().map(|(i, item)| {
                let key = index_key(i);
                changed |= alignment[i] != Some(i);
                let Some((at, from)) = alignment[i].and_then(|at| Some((at, old.get(at)?))) else {
                    return birth(elements, t, item, &key);
                };
                let keys = Keys { before: &index_key(at), after: &key };
                let written = write(elements, t, from, item, keys, &format!("{here}/{i}"), lists);
                changed |= written.is_some();
                written.unwrap_or_else(|| from.clone())
            });
            let items = items.collect();
            let items = Cell::Elements(Elements::List(items));
            // Equal items that changed places changed nothing.
            (changed && !items.identical(was)).then_some(items)
        }
        (Cell::Elements(Elements::Map(old)), Cell::Value(Value::Object(new))) if !is_list(&scope.nodes[node], t) => {
            let here = pointer_to(scope, node, t, pointer);
            let by_key: HashMap<&str, &State> = old.iter().map(|(key, state)| (key.as_str(), state)).collect();
            let mut changed = old.len() != new.len();
            let values = new.iter().map(|(name, value)| {
                let key = Value::from(name.as_str());
                let state = match by_key.get(name.as_str()) {
                    None => {
                        changed = true;
                        birth(elements, t, value, &key)
                    }
                    Some(from) => {
                        let at = format!("{here}/{}", crate::invalid::escape_token(name));
                        let written = write(elements, t, from, value, Keys::same(&key), &at, lists);
                        changed |= written.is_some();
                        written.unwrap_or_else(|| (*from).clone())
                    }
                };
                (name.clone(), state)
            });
            let values: Vec<(Text, State)> = values.collect();
            changed.then_some(Cell::Elements(Elements::Map(values)))
        }
        (old, new) => {
            let same = match (old, new) {
                (Cell::Elements(_), _) => false,
                (old, new) => is_equal(&scope.nodes[node], old, new, t),
            };
            (!same).then(|| raise(scope, node, t, new.clone()))
        }
    }
}

/// Whether a write leaves a cell as it is: the values are equal, and the old one is no less valid (`1e2` equals 100 and is no
/// integer).
fn is_equal(node: &Node, old: &Cell, new: &Cell, t: Time) -> bool {
    old.same(new) && (old.identical(new) || unfit(node, old, t).is_some() == unfit(node, new, t).is_some())
}

/// The JSON pointer of a node at a moment, from the top of its scope at `prefix`.
pub(super) fn pointer_to(scope: &Scope, node: NodeId, t: Time, prefix: &str) -> String {
    let mut names = Vec::new();
    let mut at = Some(node);
    while let Some(node) = at {
        let place = scope.nodes[node].place(t);
        if !place.name.is_empty() {
            names.push(crate::invalid::escape_token(&place.name));
        }
        at = place.parent;
    }
    names.iter().rev().fold(prefix.to_owned(), |pointer, name| format!("{pointer}/{name}"))
}

/// The undeclared properties after a write, if they differ. What the writer could not see stays, unless its object went.
fn extras_after(
    scope: &Scope,
    order: &Order,
    old: &State,
    new: &State,
    written: Vec<(Option<LineageId>, Object)>,
) -> Option<Vec<(Option<LineageId>, Object)>> {
    if old.extras.is_empty() && written.is_empty() {
        return None;
    }
    let mut extras: Vec<(Option<LineageId>, Object)> = Vec::new();
    for (home, object) in &old.extras {
        let container = order.shown.iter().copied().find(|node| home.is_some() && scope.nodes[*node].lineage == *home);
        if container.is_some_and(|node| old.cells[node].is_present() && !new.cells[node].is_present()) {
            continue;
        }
        let visible = home.is_none() || container.is_some_and(|node| new.cells[node].is_present());
        let open = visible && super::shape::is_open(scope, container, order.time);
        let shape = shape_of(order, container);
        let hidden: Object = object
            .iter()
            .filter(|(name, _)| !open || shape.is_some_and(|shape| shape.position(name).is_some()))
            .cloned()
            .collect();
        if !hidden.is_empty() {
            extras.push((*home, hidden));
        }
    }
    for (home, object) in written {
        match extras.iter_mut().find(|(h, _)| *h == home) {
            Some((_, known)) => {
                for (name, value) in object {
                    known.insert(name, value);
                }
            }
            None => extras.push((home, object)),
        }
    }
    let sorted = |extras: &[(Option<LineageId>, Object)]| {
        let mut extras = extras.to_vec();
        extras.sort_by_key(|(home, _)| *home);
        extras
    };
    (sorted(&extras) != sorted(&old.extras)).then_some(extras)
}

fn shape_of(order: &Order, container: Option<NodeId>) -> Option<&crate::history::Shape> {
    fn find(shape: &crate::history::Shape, node: NodeId) -> Option<&crate::history::Shape> {
        shape.entries.iter().find_map(|entry| {
            let inner = entry.shape.as_ref()?;
            if entry.node == node { Some(inner) } else { find(inner, node) }
        })
    }
    match container {
        None => Some(&order.shape),
        Some(node) => find(&order.shape, node),
    }
}
