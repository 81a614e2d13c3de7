//! Elements of lists and maps, put together from columns that have them in the shapes of different moments.

use std::collections::BTreeSet;

use coeval_core::history::{Gate, NodeId, Order, Scope, Time};
use coeval_core::lens::{Cell, Elements, State, recomputed, rendered};
use coeval_core::value::Value;

/// A list or map, or an element, as a column tells it in the shape of a moment.
#[derive(Debug, Clone)]
pub(super) struct Told<T = Cell> {
    pub(super) time: Time,
    pub(super) cell: T,
    /// Whether something could not be computed of it: what is absent then may be that.
    pub(super) partial: bool,
}

/// The elements of a list or map: as `own` has them for a version of the moment `base` that shows them, partial or not, and as columns
/// tell them in the shapes of other moments. Where `base` is `None`, the version does not show them, and the columns tell which there
/// are.
pub(super) fn merged(scope: &Scope, node: NodeId, base: Option<(Time, bool)>, own: Cell, told: Vec<Told>) -> Cell {
    let mut told = told.into_iter();
    let (base, mut own) = match base {
        Some(base) => (base, own),
        None => match told.next() {
            Some(first) => ((first.time, first.partial), continued(scope, node, first.time, own, first.cell)),
            None => return own,
        },
    };
    let Some(within) = &scope.nodes[node].elements else { return own };
    let told: Vec<Told> = told.collect();
    let of = |told: &Told, state: &State| Told { time: told.time, cell: state.clone(), partial: told.partial };
    match &mut own {
        Cell::Elements(Elements::List(items)) => {
            let count = items.len();
            for (at, item) in items.iter_mut().enumerate() {
                let same = |told: &Told| match &told.cell {
                    Cell::Elements(Elements::List(items)) if items.len() == count => Some(of(told, &items[at])),
                    Cell::Elements(_) | Cell::Absent | Cell::Bad(_) | Cell::Value(_) => None,
                };
                let number = i64::try_from(at).unwrap_or(i64::MAX).saturating_add(1);
                merge(within, base, item, &told.iter().filter_map(same).collect::<Vec<_>>(), &Value::from(number));
            }
        }
        Cell::Elements(Elements::Map(values)) => {
            for (key, value) in values {
                let same = |told: &Told| match &told.cell {
                    Cell::Elements(Elements::Map(values)) => {
                        values.iter().find(|(known, _)| known == key).map(|(_, value)| of(told, value))
                    }
                    Cell::Elements(_) | Cell::Absent | Cell::Bad(_) | Cell::Value(_) => None,
                };
                merge(within, base, value, &told.iter().filter_map(same).collect::<Vec<_>>(), &Value::from(key.as_str()));
            }
        }
        Cell::Absent | Cell::Bad(_) | Cell::Value(_) => {}
    }
    own
}

/// The elements that a column tells, each with what is known of it beside, where one of them is the same.
fn continued(scope: &Scope, node: NodeId, time: Time, own: Cell, told: Cell) -> Cell {
    let (was, now) = (rendered(scope, node, time, &own), rendered(scope, node, time, &told));
    match (own, told) {
        (Cell::Elements(Elements::List(own)), Cell::Elements(Elements::List(mut told))) => {
            let (Some(Value::List(was)), Some(Value::List(now))) = (was, now) else {
                return Cell::Elements(Elements::List(told));
            };
            let mut left: Vec<Option<State>> = own.into_iter().map(Some).collect();
            let mut found = vec![None; told.len()];
            let in_place = (0..now.len().min(was.len())).filter(|at| was[*at] == now[*at]);
            for at in in_place {
                found[at] = left[at].take();
            }
            for (at, value) in now.iter().enumerate() {
                if found[at].is_none() {
                    found[at] =
                        (0..was.len()).find(|own| left[*own].is_some() && was[*own] == *value).and_then(|own| left[own].take());
                }
            }
            for (item, found) in told.iter_mut().zip(found) {
                *item = found.unwrap_or_else(|| item.clone());
            }
            Cell::Elements(Elements::List(told))
        }
        (Cell::Elements(Elements::Map(own)), Cell::Elements(Elements::Map(mut told))) => {
            let at = |value: &Option<Value>, key: &str| value.as_ref().and_then(|value| value.as_object()?.get(key).cloned());
            for (key, value) in &mut told {
                let known = own.iter().find(|(known, _)| known == key).filter(|_| at(&was, key) == at(&now, key));
                if let Some((_, known)) = known {
                    *value = known.clone();
                }
            }
            Cell::Elements(Elements::Map(told))
        }
        (_, told) => told,
    }
}

/// Adds to an element what columns tell of it in the shapes of other moments, and computes anew what follows from that.
fn merge(scope: &Scope, (base, partial): (Time, bool), own: &mut State, told: &[Told<State>], key: &Value) {
    let order = scope.order(base);
    let was = own.clone();
    let mut fixed: BTreeSet<NodeId> = order.shown.iter().copied().collect();
    let mut moved = BTreeSet::new();
    // What one column has as absent could not be computed, where another one tells so from which it was computed.
    let bad = |node: NodeId| {
        let whole = told.iter().filter(|told| !told.partial).map(|told| &told.cell);
        let mut all = Some(&was).filter(|_| !partial).into_iter().chain(whole);
        all.find_map(|state| Some(&state.cells[node]).filter(|cell| matches!(cell, Cell::Bad(_))).cloned())
    };
    for node in 0..scope.nodes.len() {
        let told: Vec<Told> = told
            .iter()
            .filter(|told| scope.order(told.time).shown.contains(&node))
            .map(|told| Told { time: told.time, cell: told.cell.cells[node].clone(), partial: told.partial })
            .collect();
        let here = order.shown.contains(&node);
        let cell = match told.first() {
            Some(_) if scope.nodes[node].elements.is_some() => {
                merged(scope, node, here.then_some((base, partial)), was.cells[node].clone(), told)
            }
            Some(first) if !here && first.partial && first.cell.is_absent() => bad(node).unwrap_or(Cell::Absent),
            Some(first) if !here => first.cell.clone(),
            Some(_) | None if here && partial && was.cells[node].is_absent() => match bad(node) {
                Some(bad) => bad,
                None => continue,
            },
            Some(_) | None => continue,
        };
        fixed.insert(node);
        if !cell.same(&was.cells[node]) {
            own.cells[node] = cell;
            moved.insert(node);
        }
    }
    for (home, object) in told.iter().flat_map(|told| &told.cell.extras) {
        for (name, value) in object {
            match own.extras.iter_mut().find(|(known, _)| known == home) {
                Some((_, known)) if known.get(name).is_some() => {}
                Some((_, known)) => known.push(name.clone(), value.clone()),
                None => own.extras.push((*home, [(name.clone(), value.clone())].into_iter().collect())),
            }
        }
    }
    follow(scope, &order, &was, own, &fixed, moved, key);
}

/// Computes anew what no column tells and follows from what moved, unless it had a value of its own.
fn follow(
    scope: &Scope,
    order: &Order,
    was: &State,
    own: &mut State,
    fixed: &BTreeSet<NodeId>,
    mut moved: BTreeSet<NodeId>,
    key: &Value,
) {
    if moved.is_empty() {
        return;
    }
    let before = recomputed(scope, order.time, was, key);
    for hidden in &order.hidden {
        let node = hidden.node;
        let pinned = || hidden.sticky && before[node].as_ref().is_some_and(|before| !before.same(&was.cells[node]));
        let mut deps = hidden.deps.iter().copied().chain(hidden.gate.iter().flat_map(Gate::deps));
        if fixed.contains(&node) || !deps.any(|dep| moved.contains(&dep)) || pinned() {
            continue;
        }
        let again = recomputed(scope, order.time, own, key)[node].clone();
        if let Some(cell) = again.filter(|cell| !cell.same(&own.cells[node])) {
            own.cells[node] = cell;
            moved.insert(node);
        }
    }
}
