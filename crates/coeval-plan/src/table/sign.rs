//! Signs: columns that say that versions cannot show a row, since something could not be computed or is not where they need it.

use coeval_core::history::{NodeId, Scope, Time};
use coeval_core::lens::{Cell, State, unfit};

use super::{Held, Table, elements_signature};

/// What a version of a moment demands of a node, beside that it could be computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Demand {
    /// The object that it lies in: where that is not there, neither is the node.
    pub within: Option<NodeId>,
    /// Whether it is there wherever the object is.
    pub required: bool,
}

impl Demand {
    /// Returns what a version of a moment demands of a node.
    pub fn of(scope: &Scope, node: NodeId, time: Time) -> Self {
        let node = &scope.nodes[node];
        let property = node.property(time);
        Self { within: node.place(time).parent, required: property.required && !property.nullable }
    }
}

impl Table<'_> {
    /// Returns the column that says that a node could not be computed.
    pub fn failed(&self, node: NodeId) -> Option<usize> {
        (0..self.columns.len()).find(|at| self.columns[*at].held == Held::Failed { node } && !self.is_gone(*at))
    }

    /// Returns the column that says that what a moment needs of a node does not fit.
    pub fn unfit(&self, node: NodeId, time: Time) -> Option<usize> {
        let scope = self.scope();
        let mut wanted = None;
        let mut says = |at: &usize| match self.columns[*at].held {
            Held::Unfit { node: own, time: other } if own == node => {
                other == time || need(scope, node, other) == *wanted.get_or_insert_with(|| need(scope, node, time))
            }
            Held::Shown { .. } | Held::Hidden { .. } | Held::Failed { .. } | Held::Unfit { .. } | Held::Id => false,
        };
        (0..self.columns.len()).find(|at| !self.is_gone(*at) && says(at))
    }

    /// Returns the columns that say that elements in a column could not be computed.
    pub fn signs(&self, at: usize) -> Vec<usize> {
        let listed = |node: &NodeId| self.scope().nodes[*node].elements.is_some();
        self.nodes_in(at).into_iter().filter(listed).filter_map(|node| self.unfit(node, self.time_of(at, node))).collect()
    }

    /// Returns whether a column says that versions cannot show a row.
    pub fn is_sign(&self, at: usize) -> bool {
        matches!(self.columns[at].held, Held::Failed { .. } | Held::Unfit { .. })
    }

    /// Returns the columns that say that a row has no value in a column, whatever the column demands.
    pub fn signs_of(&self, at: usize) -> Vec<usize> {
        let Held::Shown { node, time } = self.columns[at].held else { return Vec::new() };
        let misplaced = self.unfit(node, time).filter(|_| self.scope().nodes[node].places.len() > 1);
        self.failed(node).into_iter().chain(misplaced).collect()
    }

    /// Returns why what a version of a moment needs of a node does not fit, though it did not fail itself.
    pub fn misfit(&self, state: &State, node: NodeId, time: Time) -> Option<String> {
        let scope = self.scope();
        let demand = Demand::of(scope, node, time);
        let is_there = demand.within.is_none_or(|within| state.cells[within].is_present());
        match &state.cells[node] {
            Cell::Bad(_) => None,
            Cell::Absent => (is_there && demand.required).then(|| "this property is required and missing".to_owned()),
            _ if !is_there => Some("it has a value, and the object it lies in is not there".to_owned()),
            cell @ Cell::Elements(_) => unfit(scope, node, time, cell),
            Cell::Value(_) => None,
        }
    }

    /// Returns why versions that show a column cannot show the record, where no column says that.
    pub fn lost(&self, state: &State, at: usize) -> Option<String> {
        self.missing(state, at).into_iter().find_map(|(sign, reason)| sign.is_none().then_some(reason))
    }

    /// Returns why versions that show a column cannot show the record, each reason with the column that says so.
    pub fn missing(&self, state: &State, at: usize) -> Vec<(Option<usize>, String)> {
        let Held::Shown { .. } = self.columns[at].held else { return Vec::new() };
        let missing = |node: NodeId| {
            let time = self.time_of(at, node);
            let (sign, reason) = match &state.cells[node] {
                Cell::Bad(reason) => (self.failed(node), reason.to_string()),
                cell => {
                    let reason = self.misfit(state, node, time)?;
                    let sign = self.unfit(node, time);
                    if matches!(cell, Cell::Value(_)) && sign.is_none() {
                        // What lies in an object goes with it.
                        return None;
                    }
                    (sign, reason)
                }
            };
            let name = self.scope().nodes[node].key.split('@').next().unwrap_or_default();
            Some((sign, format!("{name}: {reason}")))
        };
        self.nodes_in(at).into_iter().filter_map(missing).collect()
    }
}

/// What tells moments from one another as to what they need of a node: the shape of its elements, and the object that it lies in.
pub(super) fn need(scope: &Scope, node: NodeId, time: Time) -> (Option<String>, Option<NodeId>) {
    (elements_signature(scope, node, time), scope.nodes[node].place(time).parent)
}
