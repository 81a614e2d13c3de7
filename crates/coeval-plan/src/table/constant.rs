//! Values that follow from nothing: a column's default is enough for them, whoever writes.

use coeval_core::Value;
use coeval_core::history::{Hidden, HiddenRule, NodeId, Order, Scope, land};

use super::face::Face;

/// Returns the value that a property at the top always begins with where a version hides it; `None` where it follows from
/// something, cannot be given, or has other shapes too. The inner `None` is absence.
#[allow(clippy::option_option, reason = "unknown, absent, or a value")]
pub(super) fn constant(scope: &Scope, order: &Order, node: NodeId, faces: &[Face<'_>]) -> Option<Option<Value>> {
    let hidden: &Hidden = &order.hidden[order.index[node]?];
    let HiddenRule::Recipe(recipe, output) = &hidden.rule else { return None };
    let recipe = &scope.recipes[*recipe];
    if !hidden.sticky || !hidden.deps.is_empty() || hidden.gate.is_some() || recipe.reads_key() || recipe.targets.len() != 1 {
        return None;
    }
    // The top of the target's tree comes first; what lies in it has the same recipe.
    if *output != 0 {
        return None;
    }
    let target = &recipe.targets[0];
    // Columns may have it in another shape, and its elements too.
    let has_elements = |node: &NodeId| scope.nodes[*node].elements.is_some();
    let alike = |face: &Face<'_>| {
        face.entries
            .iter()
            .filter(|entry| entry.node == node)
            .all(|entry| scope.tree(node, face.time) == target.tree && !entry.nodes.iter().any(has_elements))
    };
    if !faces.iter().all(alike) {
        return None;
    }
    let outcome = recipe.function.run(&[], 1).into_iter().next()?;
    land(outcome, &target.property, target.fill.value(&[]), &target.on_fail).ok()
}
