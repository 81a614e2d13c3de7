//! The rules one by one, on total states and without validation: what the tests of the laws compare stored documents with.

use super::calc::{Units, calc};
use super::cell::{Cell, State};
use super::reject::Lists;
use super::write::{self, Keys};
use super::{Refused, Stored};
use crate::history::{History, Scope, Time};
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
