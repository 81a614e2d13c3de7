//! Values that follow from nothing: a column's default is enough for them, whoever writes.

use std::collections::BTreeMap;

use coeval_core::Value;
use coeval_core::history::{Hidden, HiddenRule, NodeId, Order, RecipeId, Scope, Time, land};

use super::face::Face;

/// What a property begins with; the inner `None` is absence.
type Constant = Option<Option<Value>>;

/// The values that properties at the top always begin with where a version hides them.
pub(super) struct Constants<'s> {
    scope: &'s Scope,
    /// Of properties that all versions show in one shape, a moment at which it is shown. Columns may have others in several shapes.
    steady: BTreeMap<NodeId, Option<Time>>,
    known: BTreeMap<(NodeId, RecipeId), Constant>,
}

impl<'s> Constants<'s> {
    pub(super) fn new(scope: &'s Scope, faces: &[Face<'_>]) -> Self {
        let mut shapes: BTreeMap<NodeId, (&str, Option<Time>)> = BTreeMap::new();
        for face in faces {
            for entry in &face.entries {
                let has_elements = entry.nodes.iter().any(|node| scope.nodes[*node].elements.is_some());
                let first = (entry.signature.as_str(), Some(face.time).filter(|_| !has_elements));
                let known = shapes.entry(entry.node).or_insert(first);
                if known.0 != entry.signature {
                    known.1 = None;
                }
            }
        }
        let steady = shapes.into_iter().map(|(node, (_, time))| (node, time)).collect();
        Self { scope, steady, known: BTreeMap::new() }
    }

    /// Returns the value that a property begins with where the version of an order hides it; `None` where it follows from something,
    /// cannot be given, or has several shapes. The inner `None` is absence.
    #[allow(clippy::option_option, reason = "unknown, absent, or a value")]
    pub(super) fn of(&mut self, order: &Order, node: NodeId) -> Constant {
        let hidden: &Hidden = &order.hidden[order.index[node]?];
        let HiddenRule::Recipe(id, output) = hidden.rule else { return None };
        // The top of the target's tree comes first; what lies in it has the same recipe.
        if !hidden.sticky || !hidden.deps.is_empty() || hidden.gate.is_some() || output != 0 {
            return None;
        }
        let (scope, steady) = (self.scope, &self.steady);
        self.known.entry((node, id)).or_insert_with(|| begin(scope, steady, node, id)).clone()
    }
}

fn begin(scope: &Scope, steady: &BTreeMap<NodeId, Option<Time>>, node: NodeId, id: RecipeId) -> Constant {
    let recipe = &scope.recipes[id];
    let [target] = recipe.targets.as_slice() else { return None };
    let in_one_shape = |time: &Option<Time>| time.is_some_and(|time| scope.tree(node, time) == target.tree);
    if recipe.reads_key() || !steady.get(&node).is_none_or(in_one_shape) {
        return None;
    }
    let outcome = recipe.function.run(&[], 1).into_iter().next()?;
    land(outcome, &target.property, target.fill.value(&[]), &target.on_fail).ok()
}
