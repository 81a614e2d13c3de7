//! Reading a stored document: its natural shape and what it keeps become the values of the nodes that are asked for.
//!
//! A [`Lens`] says which hidden nodes that takes, worked out once for each pair of versions. Renames, moves and whole versions
//! that do not touch a property leave no trace in it; what remains is the groups on the property's own way.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::calc::{Units, calc};
use super::cell::{Cell, Elements, State};
use super::keep::{Entry, Item, Keep};
use super::shape::{index_key, is_list, raise, settle, take_apart, unfit};
use crate::history::{Cuts, Gate, Hidden, HiddenRule, LineageId, NodeId, Order, Scope, Time};
use crate::mutant::{self, Mutant};
use crate::schema::Type;
use crate::value::{Object, Value};

/// Why there is no value where a failed conversion was kept.
const FAILED: &str = "a conversion failed when the record was written";

/// The way from the documents of one moment to the values of another.
#[derive(Debug)]
pub struct Lens {
    /// What the stored moment shows and how the rest follows.
    pub(crate) stored: Arc<Order>,
    /// What the requested moment shows.
    pub(crate) requested: Arc<Order>,
    /// The places in `stored.hidden` that are needed, in order.
    pub(crate) program: Vec<usize>,
}

impl Lens {
    /// Composes the lens from one moment to another.
    pub(crate) fn new(scope: &Scope, stored: Time, requested: Time) -> Self {
        let (stored, requested) = (scope.order(stored), scope.order(requested));
        let mut needed = HashSet::new();
        let mut open: Vec<NodeId> = requested.shown.clone();
        while let Some(node) = open.pop() {
            if let Some(at) = stored.index[node]
                && needed.insert(at)
            {
                let hidden = &stored.hidden[at];
                open.extend(&hidden.deps);
                open.extend(hidden.gate.iter().flat_map(Gate::deps));
            }
        }
        let mut program: Vec<usize> = needed.into_iter().collect();
        program.sort_unstable();
        Self { stored, requested, program }
    }

    /// Returns how many hidden nodes the lens computes.
    pub fn steps(&self) -> usize {
        self.program.len()
    }
}

/// The value of every node (`expand` of R5).
pub(super) fn expand(scope: &Scope, t: Time, document: &Value, keep: &Keep, cuts: &Cuts, key: &Value) -> State {
    let order = scope.order(t);
    let all: Vec<usize> = (0..order.hidden.len()).collect();
    let mut state = look(scope, &order, &all, document, keep, cuts, key);
    state.layouts = settle(scope, &state);
    state
}

/// The values of the shown nodes and of the hidden ones at the given places of the order.
pub(super) fn look(
    scope: &Scope,
    order: &Order,
    program: &[usize],
    document: &Value,
    keep: &Keep,
    cuts: &Cuts,
    key: &Value,
) -> State {
    let t = order.time;
    let entries: HashMap<&str, &Entry> = keep.entries.iter().map(|(key, entry)| (key.as_str(), entry)).collect();
    let taken = take_apart(scope, order, document);
    let mut state = State { cells: taken.cells, extras: taken.extras, layouts: layouts_of(scope, keep, cuts) };
    if let Some(layout) = taken.layout.filter(|_| scope.is_exposed(t)) {
        state.layouts.retain(|(time, _)| *time != t);
        state.layouts.push((t, layout));
    }
    for node in &order.shown {
        let entry = entries.get(scope.nodes[*node].key.as_str());
        if entry.is_some_and(|entry| entry.bad) && matches!(state.cells[*node], Cell::Absent | Cell::Value(Value::Null)) {
            state.cells[*node] = Cell::Bad(FAILED.into());
        } else if scope.nodes[*node].elements.is_some() {
            let cell = std::mem::replace(&mut state.cells[*node], Cell::Absent);
            let items = entry.map_or(&[][..], |entry| &entry.items);
            state.cells[*node] = raise_kept(scope, *node, t, cell, items, cuts, false);
        }
    }
    take_extras(scope, order, keep, &mut state);
    let mut effects = Effects::default();
    let mut units = Units::new();
    for at in program {
        let hidden = &order.hidden[*at];
        let entry = entries.get(scope.nodes[hidden.node].key.as_str()).copied();
        if !entries.is_empty() {
            effects.add(scope, hidden, order, entry);
        }
        let kept = entry.and_then(|entry| {
            kept_cell(scope, order, hidden, entry, &state.cells, cuts, || {
                effects.fingerprint(scope, hidden.node, &state.cells, t, key)
            })
        });
        state.cells[hidden.node] = kept.unwrap_or_else(|| calc(scope, hidden, &state.cells, &mut units, key));
    }
    state
}

/// The kept value of a hidden node, if it still holds: a one-way value always does, unless the object it lies in went; a
/// two-way one while the stored version shows what it was kept with.
fn kept_cell(
    scope: &Scope,
    order: &Order,
    hidden: &Hidden,
    entry: &Entry,
    cells: &[Cell],
    cuts: &Cuts,
    fingerprint: impl Fn() -> String,
) -> Option<Cell> {
    if hidden.sticky && entry.of.is_none() {
        let gone = |gate: &Gate| gate.anchor.is_some_and(|object| !cells[object].is_present());
        if entry.within && hidden.gate.as_ref().is_some_and(gone) {
            return Some(Cell::Absent);
        }
    } else if entry.of.as_deref() != Some(&fingerprint()) {
        return None;
    }
    if entry.bad {
        return Some(Cell::Bad(FAILED.into()));
    }
    let Some(value) = &entry.value else { return Some(Cell::Absent) };
    let t = scope.nodes[hidden.node].nearest(order.time);
    Some(raise_kept(scope, hidden.node, t, Cell::Value(value.clone()), &entry.items, cuts, true))
}

/// The shown nodes from which each hidden node would be computed (`eff` of R3).
#[derive(Default)]
pub(super) struct Effects(HashMap<NodeId, Effect>);

/// What one node would be computed from.
#[derive(Default)]
struct Effect {
    shown: BTreeSet<NodeId>,
    /// Whether the key or number of the element counts too.
    key: bool,
}

impl Effects {
    /// Adds a hidden node whose dependencies were added before.
    pub(super) fn add(&mut self, scope: &Scope, hidden: &Hidden, order: &Order, entry: Option<&Entry>) {
        let edge = hidden.gate.as_ref().and_then(|gate| gate.anchor);
        let effect = match entry {
            Some(entry) if hidden.sticky && entry.of.is_none() => {
                Effect { shown: edge.into_iter().filter(|_| entry.within).collect(), key: false }
            }
            _ => {
                let key = matches!(hidden.rule, HiddenRule::Recipe(recipe, _) if scope.recipes[recipe].reads_key());
                let mut effect = Effect { shown: BTreeSet::new(), key };
                for dep in hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps)) {
                    match order.index[dep] {
                        None => drop(effect.shown.insert(dep)),
                        Some(_) => {
                            if let Some(behind) = self.0.get(&dep) {
                                effect.shown.extend(&behind.shown);
                                effect.key |= behind.key;
                            }
                        }
                    }
                }
                effect
            }
        };
        self.0.insert(hidden.node, effect);
    }

    /// The fingerprint of what a node would be computed from: the first 32 hexadecimal digits of the SHA-256 of those values.
    pub(super) fn fingerprint(&self, scope: &Scope, node: NodeId, cells: &[Cell], t: Time, key: &Value) -> String {
        let mut shown = Object::new();
        if mutant::is(Mutant::NoFingerprint) {
            return String::new();
        }
        let effect = self.0.get(&node);
        if effect.is_some_and(|effect| effect.key) {
            shown.push("key".into(), key.clone());
        }
        for source in effect.into_iter().flat_map(|effect| &effect.shown) {
            let node = &scope.nodes[*source];
            let value = match &cells[*source] {
                Cell::Absent => continue,
                Cell::Bad(_) => Value::List(vec!["bad".into()]),
                // A number may equal one that fits and not fit itself, such as 100.0 where an integer is wanted.
                cell @ Cell::Value(value) if unfit(node, cell, t).is_some() => Value::List(vec!["unfit".into(), value.clone()]),
                Cell::Value(value) => value.clone(),
                Cell::Elements(elements) => super::calc::render_elements(node, elements, t),
            };
            shown.push(node.key.as_str().into(), value);
        }
        digest(&Value::Object(shown))
    }
}

/// The first 32 hexadecimal digits of a value's digest.
pub(super) fn digest(value: &Value) -> String {
    let mut digest = value.digest();
    digest.truncate(32);
    digest
}

/// Elements with what was kept of each: matched by index where the list is coeval's own, else by key or equal content.
fn raise_kept(scope: &Scope, node: NodeId, t: Time, cell: Cell, items: &[Item], cuts: &Cuts, own: bool) -> Cell {
    let Some(elements) = &scope.nodes[node].elements else { return cell };
    if items.is_empty() {
        return raise(scope, node, t, cell);
    }
    let nothing = Keep::default();
    let grow = |value: &Value, keep: Option<&Keep>, key: &Value| expand(elements, t, value, keep.unwrap_or(&nothing), cuts, key);
    match cell {
        Cell::Value(Value::List(values)) if is_list(&scope.nodes[node], t) => {
            let key = match &scope.nodes[node].property(t).ty {
                Type::Array { key, .. } => key.as_deref(),
                _ => None,
            };
            let matched = match_items(&values, items, key, own);
            let states = values.iter().enumerate().map(|(i, value)| grow(value, matched[i], &index_key(i)));
            Cell::Elements(Elements::List(states.collect()))
        }
        Cell::Value(Value::Object(object)) if !is_list(&scope.nodes[node], t) => {
            let kept: HashMap<&str, &Keep> = items.iter().filter_map(|item| Some((item.at.as_str()?, &item.keep))).collect();
            let states = object
                .iter()
                .map(|(name, value)| (name.clone(), grow(value, kept.get(name.as_str()).copied(), &Value::from(name.as_str()))));
            Cell::Elements(Elements::Map(states.collect()))
        }
        cell => raise(scope, node, t, cell),
    }
}

/// For each present item, what was kept of it.
fn match_items<'a>(values: &[Value], items: &'a [Item], key: Option<&str>, own: bool) -> Vec<Option<&'a Keep>> {
    let mut matched: Vec<Option<&Keep>> = vec![None; values.len()];
    let mut left: Vec<&Item> = Vec::new();
    let prints: Vec<String> = if own { Vec::new() } else { values.iter().map(digest).collect() };
    let key_of = |value: &Value| key.and_then(|key| value.as_object().and_then(|object| object.get(key)).cloned());
    for item in items {
        let at = item.at.as_i64().and_then(|at| usize::try_from(at).ok()).filter(|at| *at < values.len());
        let here = at.filter(|at| {
            own || (item.key.is_some() && item.key == key_of(&values[*at]))
                || (item.key.is_none() && item.of.as_deref() == Some(prints[*at].as_str()))
        });
        match here {
            Some(at) => matched[at] = Some(&item.keep),
            None => left.push(item),
        }
    }
    for item in left {
        let found = (0..values.len()).find(|i| {
            matched[*i].is_none()
                && match &item.key {
                    Some(key) => key_of(&values[*i]).as_ref() == Some(key),
                    None => prints.get(*i).is_some_and(|print| item.of.as_deref() == Some(print)),
                }
        });
        if let Some(at) = found {
            matched[at] = Some(&item.keep);
        }
    }
    matched
}

fn layouts_of(scope: &Scope, keep: &Keep, cuts: &Cuts) -> Vec<(Time, super::cell::Layout)> {
    let node_of = |key: &str| {
        if key.is_empty() { Some(None) } else { scope.nodes.iter().position(|node| node.key == key).map(Some) }
    };
    keep.layouts
        .iter()
        .filter_map(|(version, layout)| {
            let orders = layout.orders.iter().filter_map(|(key, names)| Some((node_of(key)?, names.clone())));
            let text = layout.text.as_ref().map(|text| Box::from(text.as_str()));
            Some((cuts.time(*version)?, super::cell::Layout { orders: orders.collect(), text }))
        })
        .collect()
}

/// Adds the undeclared properties that the stored version does not show, as long as their object is there.
fn take_extras(scope: &Scope, order: &Order, keep: &Keep, state: &mut State) {
    let dying = keep.extras.iter().map(|kept| (kept, true));
    for ((key, object), within) in dying.chain(keep.apart.iter().map(|kept| (kept, false))) {
        let home: Option<Option<LineageId>> =
            if key.is_empty() { Some(None) } else { scope.nodes.iter().find(|node| node.key == *key).map(|node| node.lineage) };
        let Some(home) = home else { continue };
        let container = order.shown.iter().copied().find(|n| home.is_some() && scope.nodes[*n].lineage == home);
        if within && container.is_some_and(|node| !state.cells[node].is_present()) {
            continue;
        }
        match state.extras.iter_mut().find(|(h, _)| *h == home) {
            Some((_, known)) => {
                for (name, value) in object.iter().filter(|(name, _)| known.get(name).is_none()).cloned().collect::<Vec<_>>() {
                    known.push(name, value);
                }
            }
            None => state.extras.push((home, object.clone())),
        }
    }
}
