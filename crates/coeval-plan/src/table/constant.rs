//! Values that follow from nothing: a column's default is enough for them, whoever writes.

use std::collections::BTreeMap;

use coeval_core::Value;
use coeval_core::history::{Hidden, HiddenRule, NodeId, Order, RecipeId, Scope, Time, land};

use super::face::{Face, is_json};

/// What a property begins with; the inner `None` is absence.
type Constant = Option<Option<Value>>;

/// The values that properties at the top always begin with where a version hides them. Versions are told by their numbers in the
/// list of faces: what is true as far as some versions go stays so whatever later ones do.
pub(super) struct Constants<'s> {
    scope: &'s Scope,
    shapes: BTreeMap<NodeId, Shapes<'s>>,
    known: BTreeMap<(NodeId, RecipeId, bool), Constant>,
}

/// In which shapes versions show a property.
struct Shapes<'s> {
    signature: &'s str,
    /// A moment at which it is shown, unless the columns that it lies in may have others.
    time: Option<Time>,
    /// The first version that shows it.
    shown: usize,
    /// The first version that shows it in another shape than the first one.
    changed: Option<usize>,
}

impl<'s> Constants<'s> {
    pub(super) fn new(scope: &'s Scope, faces: &'s [Face<'_>]) -> Self {
        let mut shapes: BTreeMap<NodeId, Shapes<'s>> = BTreeMap::new();
        for (at, face) in faces.iter().enumerate() {
            for entry in &face.entries {
                let has_elements = entry.nodes.iter().any(|node| scope.nodes[*node].elements.is_some());
                let time = Some(face.time).filter(|_| !has_elements);
                let known =
                    shapes.entry(entry.node).or_insert(Shapes { signature: &entry.signature, time, shown: at, changed: None });
                if known.signature != entry.signature {
                    known.changed.get_or_insert(at);
                }
            }
        }
        Self { scope, shapes, known: BTreeMap::new() }
    }

    /// Returns the value that a property begins with where the version of an order hides it, as far as versions up to one go; `None`
    /// where it follows from something, cannot be given, or has several shapes. The inner `None` is absence.
    #[allow(clippy::option_option, reason = "unknown, absent, or a value")]
    pub(super) fn of(&mut self, order: &Order, node: NodeId, up_to: usize) -> Constant {
        let hidden: &Hidden = &order.hidden[order.index[node]?];
        let HiddenRule::Recipe(id, output) = hidden.rule else { return None };
        // The top of the target's tree comes first; what lies in it has the same recipe.
        if !hidden.sticky || !hidden.deps.is_empty() || hidden.gate.is_some() || output != 0 {
            return None;
        }
        let shapes = self.shapes.get(&node).filter(|shapes| shapes.shown <= up_to);
        if shapes.is_some_and(|shapes| shapes.changed.is_some_and(|changed| changed <= up_to)) {
            return None;
        }
        let (scope, time) = (self.scope, shapes.map(|shapes| shapes.time));
        self.known.entry((node, id, time.is_some())).or_insert_with(|| begin(scope, time, node, id)).clone()
    }

    /// Returns the first version, from one on, as far as which a property does not begin with a value for the version of an order.
    pub(super) fn end(&mut self, order: &Order, node: NodeId, from: usize) -> Option<usize> {
        let shapes = self.shapes.get(&node);
        let turns = [Some(from), shapes.map(|shapes| shapes.shown), shapes.and_then(|shapes| shapes.changed)];
        turns.into_iter().flatten().filter(|turn| *turn >= from).find(|turn| self.of(order, node, *turn).is_none())
    }
}

/// What a recipe gives to a property; the outer time is where some version shows it.
#[allow(clippy::option_option, reason = "shown nowhere, in several shapes, or at a moment")]
fn begin(scope: &Scope, time: Option<Option<Time>>, node: NodeId, id: RecipeId) -> Constant {
    let recipe = &scope.recipes[id];
    let [target] = recipe.targets.as_slice() else { return None };
    let in_one_shape = |time: Option<Time>| time.is_some_and(|time| scope.tree(node, time) == target.tree);
    if recipe.reads_key() || !time.is_none_or(in_one_shape) {
        return None;
    }
    let outcome = recipe.function.run(&[], 1).into_iter().next()?;
    land(outcome, &target.property, target.fill.value(&[]), &target.on_fail).ok()
}

/// Whether a property at the top begins without a value where the version of an order hides it, whatever else a row holds: it follows from
/// nothing, or from one that begins without.
pub(super) fn begins_with_nothing(scope: &Scope, order: &Order, node: NodeId) -> bool {
    let Some(hidden) = order.index[node].map(|at| &order.hidden[at]) else { return false };
    let HiddenRule::Recipe(id, 0) = hidden.rule else { return false };
    let recipe = &scope.recipes[id];
    let [target] = recipe.targets.as_slice() else { return false };
    if hidden.gate.is_some() || recipe.reads_key() {
        return false;
    }
    let outcome = match hidden.deps.as_slice() {
        [] => recipe.function.run(&[], 1).into_iter().next(),
        [source] if recipe.is_single() && begins_with_nothing(scope, order, *source) => Some(Ok(None)),
        [..] => None,
    };
    let begins = outcome.map(|outcome| land(outcome, &target.property, target.fill.value(&[None]), &target.on_fail));
    // A JSON null is a value as any other.
    matches!(begins, Some(Ok(None))) || matches!(begins, Some(Ok(Some(Value::Null)))) && !is_json(&target.property.ty)
}
