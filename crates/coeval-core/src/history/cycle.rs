//! Finds values that would follow from an object they lie in: whether that object is there follows in turn from what lies in it.

use std::collections::HashSet;

use super::scope::{LineageId, NodeId, Scope};
use crate::invalid::Invalid;

impl Scope {
    /// Checks that no property follows from an object that it lies, or lay, in; beneath lists and maps too.
    pub(super) fn check_cycles(&self) -> Result<(), Invalid> {
        for recipe in &self.recipes {
            let objects: Vec<NodeId> = recipe.deps.iter().copied().filter(|dep| self.nodes[*dep].lineage.is_some()).collect();
            if objects.is_empty() {
                continue;
            }
            for target in &recipe.targets {
                let mut nodes = Vec::new();
                target.tree.nodes(&mut nodes);
                for node in nodes {
                    let around = self.lineages_around(node);
                    let cyclic = |object: &&NodeId| self.nodes[**object].lineage.is_some_and(|l| around.contains(&l));
                    if let Some(object) = objects.iter().find(cyclic) {
                        let (name, object) = (&self.nodes[node].key, &self.nodes[*object].key);
                        let invalid = Invalid::new(format!("`{name}` follows from `{object}`, and would lie in it or lay in it"));
                        return Err(invalid.help("let its value read properties of the object, not the object itself"));
                    }
                }
            }
        }
        self.nodes.iter().filter_map(|node| node.elements.as_deref()).try_for_each(Self::check_cycles)
    }

    /// The lineages of all objects that a node ever lay in.
    fn lineages_around(&self, node: NodeId) -> HashSet<LineageId> {
        let mut found = HashSet::new();
        let mut seen = HashSet::new();
        let mut open = vec![node];
        while let Some(node) = open.pop() {
            for (_, place) in &self.nodes[node].places {
                if let Some(parent) = place.parent
                    && seen.insert(parent)
                {
                    found.extend(self.nodes[parent].lineage);
                    open.push(parent);
                }
            }
        }
        found
    }
}
