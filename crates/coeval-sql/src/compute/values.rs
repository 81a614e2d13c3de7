//! The values that something is computed from.

use std::collections::BTreeMap;

use coeval_core::history::{NodeId, Time};

/// The values of nodes that something is computed from, as SQL.
pub(crate) trait Values {
    /// Returns the value of a node, native or JSON as [`Compute::is_json`] says.
    fn value(&self, node: NodeId) -> String;

    /// Returns a list or map as it is in the shape of a moment, where that is known and has not to be made of the value.
    fn shaped(&self, _node: NodeId, _to: Time) -> Option<String> {
        None
    }

    /// Returns what a list or map was before it was written, in the shape that [`Values::value`] has and in that of a moment: its
    /// elements that go on keep what they have in that shape alone.
    fn before(&self, _node: NodeId, _to: Time) -> Option<(String, String)> {
        None
    }

    /// Returns whether a node has no value since it could not be computed, as a condition that is never NULL; `None` where that cannot be.
    fn failed(&self, _node: NodeId) -> Option<String> {
        None
    }

    /// Returns whether a write computed the node anew; `None` for what it wrote itself. The elements of a list or map that is computed
    /// are new, whatever was there before.
    fn is_new(&self, _node: NodeId) -> Option<String> {
        None
    }
}

/// Values given one by one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Given(pub(crate) BTreeMap<NodeId, String>);

impl Values for Given {
    fn value(&self, node: NodeId) -> String {
        self.0.get(&node).cloned().unwrap_or_else(|| "NULL".to_owned())
    }
}

/// Values, some of which could not be computed.
pub(crate) struct Partial<'v> {
    pub(crate) values: &'v dyn Values,
    /// When that is so, as conditions that are never NULL.
    pub(crate) failed: &'v dyn Fn(NodeId) -> Option<String>,
}

impl Values for Partial<'_> {
    fn value(&self, node: NodeId) -> String {
        self.values.value(node)
    }

    fn shaped(&self, node: NodeId, to: Time) -> Option<String> {
        self.values.shaped(node, to)
    }

    fn before(&self, node: NodeId, to: Time) -> Option<(String, String)> {
        self.values.before(node, to)
    }

    fn failed(&self, node: NodeId) -> Option<String> {
        (self.failed)(node)
    }

    fn is_new(&self, node: NodeId) -> Option<String> {
        self.values.is_new(node)
    }
}
