//! Retirement: versions whose clients are gone, and the nodes that nobody can see any more.
//!
//! A node is *dead* when it had ended by the moment of the oldest version that lives. No recipe of a live one reads it: what is
//! computed for a live version lies at its moment or later, or is computed from what does (rule N5). Only whether a live object
//! is there may have followed from it; [`crate::lens`] says what becomes of that.

use super::History;
use super::scope::{LineageId, NodeId, Scope, Time};

impl History {
    /// Ends the life of every version below `before`: clients can neither read nor write at them any more. A document that is
    /// stored at one still loads, and moves to a live one.
    ///
    /// Only forgets what the nodes of those versions hold where a document is written ([`History::forget`], or any write).
    #[must_use]
    pub fn retire(mut self, before: u32) -> Self {
        self.before = self.before.max(before);
        if let Some(floor) = self.cuts.time(self.before) {
            self.scope.retire(floor);
            let times: Vec<Time> = self.cuts.times().filter(|t| *t >= floor).collect();
            self.scope.expose(&times);
        }
        self
    }

    /// Returns the oldest version that clients may use; those before the model's first are not there at all.
    pub fn oldest(&self) -> u32 {
        self.cuts.versions().next().unwrap_or_default().max(self.before)
    }

    /// Returns whether clients may use a version no more.
    pub fn is_retired(&self, version: u32) -> bool {
        version < self.before && self.cuts.time(version).is_some()
    }
}

impl Scope {
    /// Sets the moment of the oldest version that lives, in what lies beneath lists and maps too.
    fn retire(&mut self, floor: Time) {
        self.floor = floor;
        for elements in self.nodes.iter_mut().filter_map(|node| node.elements.as_deref_mut()) {
            elements.retire(floor);
        }
    }

    /// Returns whether no live version shows a node, and none that is still to come.
    pub fn is_dead(&self, node: NodeId) -> bool {
        self.nodes[node].end <= self.floor
    }

    /// Returns whether there are moments that no client can see any more.
    pub(crate) fn has_past(&self) -> bool {
        self.floor > 0
    }

    /// Returns whether no node of an object's lineage lives.
    pub(crate) fn is_dead_lineage(&self, lineage: LineageId) -> bool {
        let mut nodes = (0..self.nodes.len()).filter(|node| self.nodes[*node].lineage == Some(lineage));
        nodes.all(|node| self.is_dead(node))
    }

    /// Returns whether a moment lies before every live version.
    pub(crate) fn is_past(&self, t: Time) -> bool {
        t < self.floor
    }
}
