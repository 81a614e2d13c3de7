//! The laws about where a write reaches: L3 footprint, L7 freshness, L14 coherence and L15 independence, node by node.

use coeval_core::history::{Gate, Hidden, HiddenRule, NodeId, Scope, Time};
use coeval_core::lens::{Cell, Elements, State, recomputed};
use coeval_core::schema::Type;
use coeval_core::value::Value;

use super::run::Failure;

/// Checks a write at a moment, from the state before to the state after.
///
/// # Errors
/// The law that does not hold.
pub(super) fn check(
    scope: &Scope,
    t: Time,
    before: &State,
    after: &State,
    key_before: &Value,
    key_after: &Value,
) -> Result<(), Failure> {
    let order = scope.order(t);
    let (old, new) = (recomputed(scope, t, before, key_before), recomputed(scope, t, after, key_after));
    let mut dirty = vec![false; scope.nodes.len()];
    for node in &order.shown {
        // What a write does not change keeps its text, so that an equal value with another text is a changed one (`1e2` for 100).
        dirty[*node] = !before.cells[*node].identical(&after.cells[*node]);
        if dirty[*node] {
            check_elements(scope, *node, t, &before.cells[*node], &after.cells[*node])?;
        }
    }
    let mut reached = dirty.clone();
    for hidden in &order.hidden {
        let node = hidden.node;
        reached[node] = sources(hidden).any(|source| reached[source]);
        let moved = key_before != key_after && reads_key(scope, hidden);
        reached[node] |= moved;
        let touched = moved || sources(hidden).any(|source| dirty[source]);
        let (was, is) = (&before.cells[node], &after.cells[node]);
        let (Some(old), Some(new)) = (&old[node], &new[node]) else { continue };
        let say = |law, wanted: &Cell| {
            let key = &scope.nodes[node].key;
            Err(Failure::new(law, format!("at moment {t}, {key} was {was:?}, is {is:?} and should be {wanted:?}")))
        };
        if !reached[node] && !was.identical(is) {
            return say("L3", was);
        }
        if !is_one_way(scope, hidden) {
            if touched && !is.same(new) {
                return say("L14", new);
            }
            if !touched && !was.identical(is) {
                return say("L3", was);
            }
            dirty[node] = touched;
        } else if !was.same(old) {
            if deleted(hidden, before, after) {
                dirty[node] = true;
                if !is.is_absent() {
                    return say("L15", &Cell::Absent);
                }
            } else if !was.identical(is) {
                return say("L15", was);
            }
        } else if touched {
            dirty[node] = true;
            if !is.same(new) {
                return say("L14", new);
            }
        }
    }
    Ok(())
}

/// Whether a value stays when it differs from its recipe's: by the history, whatever the order of evaluation says.
fn is_one_way(scope: &Scope, hidden: &Hidden) -> bool {
    matches!(hidden.rule, HiddenRule::Recipe(recipe, _) if scope.recipes[recipe].sticky)
}

fn reads_key(scope: &Scope, hidden: &Hidden) -> bool {
    matches!(hidden.rule, HiddenRule::Recipe(recipe, _) if scope.recipes[recipe].reads_key())
}

fn sources(hidden: &Hidden) -> impl Iterator<Item = NodeId> + '_ {
    hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps))
}

fn deleted(hidden: &Hidden, before: &State, after: &State) -> bool {
    let edge = hidden.gate.as_ref().and_then(|gate| gate.anchor);
    edge.is_some_and(|edge| before.cells[edge].is_present() && !after.cells[edge].is_present())
}

/// The same within the elements of which it is certain which continues which: those of a map, and of a list with a key.
fn check_elements(scope: &Scope, node: NodeId, t: Time, before: &Cell, after: &Cell) -> Result<(), Failure> {
    let Some(elements) = scope.nodes[node].elements.as_deref() else { return Ok(()) };
    match (before, after) {
        (Cell::Elements(Elements::Map(old)), Cell::Elements(Elements::Map(new))) => {
            for (name, after) in new {
                if let Some((_, before)) = old.iter().find(|(other, _)| other == name) {
                    let key = Value::from(name.as_str());
                    check(elements, t, before, after, &key, &key)?;
                }
            }
        }
        (Cell::Elements(Elements::List(old)), Cell::Elements(Elements::List(new))) => {
            let Some(key) = key_node(scope, node, t) else { return Ok(()) };
            for (i, after) in new.iter().enumerate() {
                let same = |state: &State| state.cells[key].same(&after.cells[key]);
                if new.iter().filter(|state| same(state)).count() > 1 || after.cells[key].is_absent() {
                    continue;
                }
                let mut matching = old.iter().enumerate().filter(|(_, state)| same(state));
                if let (Some((j, before)), None) = (matching.next(), matching.next()) {
                    check(elements, t, before, after, &index(j), &index(i))?;
                }
            }
        }
        _ => {}
    }
    Ok(())
}

fn index(at: usize) -> Value {
    Value::from(i64::try_from(at).unwrap_or_default() + 1)
}

/// The node of the declared key among the nodes of a list's items.
fn key_node(scope: &Scope, list: NodeId, t: Time) -> Option<NodeId> {
    let Type::Array { key: Some(name), .. } = &scope.nodes[list].property(t).ty else { return None };
    let elements = scope.nodes[list].elements.as_deref()?;
    let order = elements.order(t);
    order.shape.entries.first()?.shape.as_ref()?.entries.iter().find(|e| e.name.as_str() == name).map(|e| e.node)
}

/// Whether an edit from outside may lose what was kept of an item: it changed a list without a key that has operations beneath
/// it, and of the items that coeval did not write only their content is known.
pub(super) fn loses_items(scope: &Scope, t: Time, before: &State, after: &State) -> bool {
    let order = scope.order(t);
    order.shown.iter().any(|node| {
        let (old, new) = (&before.cells[*node], &after.cells[*node]);
        let Some(elements) = scope.nodes[*node].elements.as_deref() else { return false };
        if old.same(new) {
            return false;
        }
        match (old, new) {
            (Cell::Elements(Elements::List(_)), _) => key_node(scope, *node, t).is_none() || has_lists(elements),
            (Cell::Elements(Elements::Map(_)), _) => has_lists(elements),
            _ => false,
        }
    })
}

/// Whether operations lie beneath a list or map.
pub(super) fn has_lists(scope: &Scope) -> bool {
    scope.nodes.iter().any(|node| node.elements.is_some())
}
