//! R3: a state as a stored document. The natural shape of a version, and of the rest only what could not be computed again.

use std::collections::HashMap;

use super::calc::{Units, calc, render_elements};
use super::cell::{Cell, Elements, State};
use super::keep::{Entry, Item, Keep, StoredLayout};
use super::shape::{index_key, is_open, put_together, settle};
use super::view::{Effects, digest};
use crate::history::{Cuts, Node, NodeId, Order, Scope, Time};
use crate::mutant::{self, Mutant};
use crate::schema::Type;
use crate::value::{Object, Text, Value};

/// Returns the natural document of a moment, and what is kept beside it.
pub(super) fn compress(scope: &Scope, t: Time, state: &State, cuts: &Cuts, key: &Value) -> (Value, Keep) {
    let order = scope.order(t);
    let document = put_together(scope, &order, state);
    let mut keep = Keep::default();
    for node in &order.shown {
        let entry = match &state.cells[*node] {
            Cell::Elements(elements) => {
                Entry { items: keep_items(&scope.nodes[*node], elements, t, cuts, false), shown: true, ..Entry::default() }
            }
            // In what is kept of a list, an item may be one that its own version cannot show.
            Cell::Bad(_) => Entry { bad: true, shown: true, ..Entry::default() },
            Cell::Absent | Cell::Value(_) => continue,
        };
        if entry.bad || !entry.items.is_empty() {
            keep.entries.push((scope.nodes[*node].key.clone(), entry));
        }
    }
    keep_hidden(scope, &order, state, cuts, key, &mut keep);
    keep_extras(scope, &order, state, &mut keep);
    keep.layouts = keep_layouts(scope, t, state, cuts);
    (document, keep)
}

fn keep_hidden(scope: &Scope, order: &Order, state: &State, cuts: &Cuts, key: &Value, keep: &mut Keep) {
    let mut units = Units::new();
    let first = keep.entries.len();
    let mut kept: HashMap<NodeId, usize> = HashMap::new();
    for hidden in &order.hidden {
        let node = hidden.node;
        let cell = &state.cells[node];
        // Every node before this one in the order holds its own value, so what is computed here is what a reader would compute.
        let computed = calc(scope, hidden, &state.cells, &mut units, key);
        if computed.identical(cell) {
            continue;
        }
        let mut entry = Entry::default();
        // A one-way value that only is written differently still follows, so it is kept like that of a group.
        let follows = !hidden.sticky || computed.same(cell);
        entry.of = follows.then(String::new);
        match cell {
            Cell::Absent => {}
            Cell::Bad(_) => entry.bad = true,
            Cell::Value(value) => entry.value = Some(value.clone()),
            Cell::Elements(elements) => {
                let t = scope.nodes[node].nearest(order.time);
                entry.value = Some(render_elements(&scope.nodes[node], elements, t));
                entry.items = keep_items(&scope.nodes[node], elements, t, cuts, true);
            }
        }
        let far = || !hidden.sticky && hidden.deps.iter().any(|dep| order.index[*dep].is_some());
        if mutant::is(Mutant::NoAbsence) && cell.is_absent() || mutant::is(Mutant::OneHop) && far() {
            continue;
        }
        let edge = hidden.gate.as_ref().and_then(|gate| gate.anchor);
        entry.within = !follows && edge.is_some_and(|edge| state.cells[edge].is_present());
        kept.insert(node, keep.entries.len());
        keep.entries.push((scope.nodes[node].key.clone(), entry));
    }
    if keep.entries.len() == first {
        return;
    }
    // Fingerprints last: they leave out what lies behind one-way values that are kept.
    let mut effects = Effects::default();
    for hidden in &order.hidden {
        let at = kept.get(&hidden.node).copied();
        effects.add(scope, hidden, order, at.map(|at| &keep.entries[at].1));
        if let Some(at) = at.filter(|at| keep.entries[*at].1.of.is_some()) {
            keep.entries[at].1.of = Some(effects.fingerprint(scope, hidden.node, &state.cells, order.time, key));
        }
    }
}

fn keep_items(node: &Node, elements: &Elements, t: Time, cuts: &Cuts, own: bool) -> Vec<Item> {
    let Some(scope) = &node.elements else { return Vec::new() };
    let key_name = match &node.property(t).ty {
        Type::Array { key, .. } => key.as_deref(),
        _ => None,
    };
    let mut items = Vec::new();
    match elements {
        Elements::List(states) => {
            for (i, state) in states.iter().enumerate() {
                let (value, keep) = compress(scope, t, state, cuts, &index_key(i));
                if keep.is_empty() {
                    continue;
                }
                let key = key_name.filter(|_| !own).and_then(|key| value.as_object()?.get(key).cloned());
                let of = (!own && key.is_none()).then(|| digest(&value));
                items.push(Item { at: Value::from(i64::try_from(i).unwrap_or(i64::MAX)), of, key, keep });
            }
        }
        Elements::Map(states) => {
            for (name, state) in states {
                let (_, keep) = compress(scope, t, state, cuts, &Value::from(name.as_str()));
                if !keep.is_empty() {
                    items.push(Item { at: Value::String(name.clone()), of: None, key: None, keep });
                }
            }
        }
    }
    items
}

/// The undeclared properties that the natural document does not hold.
fn keep_extras(scope: &Scope, order: &Order, state: &State, keep: &mut Keep) {
    for (home, object) in &state.extras {
        let container = order.shown.iter().copied().find(|n| home.is_some() && scope.nodes[*n].lineage == *home);
        let shown = home.is_none() || container.is_some_and(|node| state.cells[node].is_present());
        let names: Option<Vec<&str>> = (shown && is_open(scope, container, order.time)).then(|| {
            let children = scope.children(container, order.time);
            children.iter().map(|c| scope.nodes[*c].place(order.time).name.as_str()).collect()
        });
        let hidden: Object = object
            .iter()
            .filter(|(name, _)| names.as_ref().is_none_or(|names| names.contains(&name.as_str())))
            .cloned()
            .collect();
        let hidden = by_name(hidden);
        if hidden.is_empty() {
            continue;
        }
        let key = match home {
            None => String::new(),
            Some(_) => scope.nodes.iter().find(|n| n.lineage == *home).map(|n| n.key.clone()).unwrap_or_default(),
        };
        // What lies in an object goes with it, unless it was not there already.
        let apart = container.is_some() && !shown;
        if apart { keep.apart.push((key, hidden)) } else { keep.extras.push((key, hidden)) }
    }
    keep.extras.sort_by(|a, b| a.0.cmp(&b.0));
    keep.apart.sort_by(|a, b| a.0.cmp(&b.0));
}

/// What no version shows has no order of its own.
fn by_name(object: Object) -> Object {
    let mut entries: Vec<(Text, Value)> = object.into_iter().collect();
    entries.sort_by(|a, b| a.0.as_str().cmp(b.0.as_str()));
    entries.into_iter().collect()
}

/// The orders of keys of other versions that rendering them would not give.
fn keep_layouts(scope: &Scope, t: Time, state: &State, cuts: &Cuts) -> Vec<(u32, StoredLayout)> {
    let mut layouts: Vec<(u32, StoredLayout)> = settle(scope, state)
        .iter()
        .filter(|(time, _)| *time != t)
        .filter_map(|(time, layout)| {
            let name = |node: &Option<NodeId>| node.map_or_else(String::new, |node| scope.nodes[node].key.clone());
            let orders = layout.orders.iter().map(|(node, names)| (name(node), names.clone())).collect();
            let text = layout.text.as_deref().map(Text::from);
            Some((cuts.version(*time)?, StoredLayout { orders, text }))
        })
        .collect();
    layouts.sort_by_key(|(version, _)| *version);
    layouts
}
