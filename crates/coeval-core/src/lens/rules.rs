//! The rules one by one, on total states and without validation: what the tests of the laws compare stored documents with.

use super::calc::{Units, calc, render_elements};
use super::cell::{Cell, State};
use super::reject::Lists;
use super::shape::{self, raise};
use super::write::{self, Keys};
use super::{Refused, Stored};
use crate::history::{History, NodeId, Scope, Time};
use crate::value::Value;

impl History {
    /// Returns the moment in the sequence of operations that a version shows; `None` before the first.
    pub fn moment(&self, version: u32) -> Option<Time> {
        self.cuts.time(version)
    }

    /// Returns the state of a record that is born at a version (R1).
    ///
    /// # Errors
    /// A version that does not exist.
    pub fn born(&self, version: u32, document: &Value) -> Result<State, Refused> {
        Ok(write::birth(&self.scope, self.time(version)?, document, &Value::Null))
    }

    /// Returns the state after a write at a version (R2); `None` where the write changes nothing.
    ///
    /// # Errors
    /// A version that does not exist.
    pub fn written(&self, state: &State, version: u32, document: &Value) -> Result<Option<State>, Refused> {
        Ok(write::write(&self.scope, self.time(version)?, state, document, Keys::same(&Value::Null), "", &Lists::default()))
    }

    /// Returns the state as a stored document of a version (R3).
    ///
    /// # Errors
    /// A version that does not exist.
    pub fn sealed(&self, state: &State, version: u32) -> Result<Stored, Refused> {
        self.compress(version, state)
    }
}

/// Returns for each node what its recipe gives from the rest of the state, for a reader at a moment; `None` for what that
/// moment shows.
pub fn recomputed(scope: &Scope, time: Time, state: &State, key: &Value) -> Vec<Option<Cell>> {
    let order = scope.order(time);
    let mut units = Units::new();
    let mut cells = vec![None; scope.nodes.len()];
    for hidden in &order.hidden {
        cells[hidden.node] = Some(calc(scope, hidden, &state.cells, &mut units, key));
    }
    cells
}

/// Returns what a node holds that has a value at a moment of its life: of a list or map with operations beneath it the elements, each
/// as if it were born there.
pub fn raised(scope: &Scope, node: NodeId, time: Time, value: &Value) -> Cell {
    raise(scope, node, scope.nodes[node].nearest(time), Cell::Value(value.clone()))
}

/// Returns the value of what a node holds, as a moment of its life has it; `None` where there is none.
pub fn rendered(scope: &Scope, node: NodeId, time: Time, cell: &Cell) -> Option<Value> {
    let node = &scope.nodes[node];
    match cell {
        Cell::Absent | Cell::Bad(_) => None,
        Cell::Value(value) => Some(value.clone()),
        Cell::Elements(elements) => Some(render_elements(node, elements, node.nearest(time))),
    }
}

/// Says why a version of a moment cannot show what a node holds, if it cannot; absence aside.
pub fn unfit(scope: &Scope, node: NodeId, time: Time, cell: &Cell) -> Option<String> {
    shape::unfit(&scope.nodes[node], cell, time)
}
