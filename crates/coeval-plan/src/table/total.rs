//! Whether a value can always be computed, so that no row ever has to be hidden for want of it.

use coeval_core::Value;
use coeval_core::expr::{self, Expr, ExprKind, ExprType};
use coeval_core::history::{Fill, Function, NodeId, OnFail, Recipe, Scope, Source, Target, Tree, land};
use coeval_core::schema::{Property, Type};

/// Returns whether a node can fail to have a value without the write or the run being refused: where versions older than it write,
/// and, `after` its end, where newer ones do. A value that follows from one that can fail can fail itself; objects
/// and lists say nothing of what is in them.
pub(super) fn can_fail(scope: &Scope, node: NodeId, after: bool) -> bool {
    let fails = |(recipe, _): &(usize, usize)| {
        let recipe = &scope.recipes[*recipe];
        let leaf = |input: &Source| match input {
            Source::Tree(Tree::Leaf(read)) => Some(*read),
            Source::Tree(Tree::Object(..)) | Source::Key => None,
        };
        let own = recipe.targets.iter().enumerate().filter(|(_, target)| target.tree.node() == node);
        let goes_on = |target: &Target| matches!(target.tree, Tree::Leaf(_)) && !matches!(target.on_fail, OnFail::Fallback(_));
        let plain = |node: NodeId| scope.nodes[node].elements.is_none();
        if plain(node)
            && own.clone().any(|(_, target)| goes_on(target))
            && recipe.inputs.iter().filter_map(leaf).any(|read| plain(read) && can_fail(scope, read, after))
        {
            return true;
        }
        own.filter(|(_, target)| target.on_fail == OnFail::Quarantine).any(|(at, target)| {
            let always = match &recipe.function {
                Function::Constant(value) => {
                    let outcome = Ok(value.clone());
                    land(outcome, &target.property, target.fill.value(&[]), &OnFail::Reject).is_ok()
                }
                Function::Expressions(expressions) => {
                    // Where all that it reads is absent, it is not asked.
                    let absent =
                        !recipe.inputs.is_empty() && recipe.inputs.iter().all(|input| may_be_absent(scope, recipe, input));
                    gives_always(expressions[at].0.root(), absent, &target.property, &target.fill)
                }
                Function::Identity | Function::Wrap => !target.property.required || target.property.nullable,
                Function::Enum(_) | Function::Pick { .. } | Function::Keys(_) | Function::Native(_) => false,
            };
            !always
        })
    };
    let node = &scope.nodes[node];
    (if after { node.down } else { node.up }).as_ref().is_some_and(fails)
}

/// Whether an input may be absent.
fn may_be_absent(scope: &Scope, recipe: &Recipe, input: &Source) -> bool {
    match input {
        Source::Key => false,
        Source::Tree(tree) => {
            let node = &scope.nodes[tree.node()];
            let time = node.nearest(recipe.reads_at());
            !node.property(time).required || node.place(time).parent.is_some()
        }
    }
}

/// Whether an expression has a value that fits the property, whatever it reads.
fn gives_always(expression: &Expr, absent: bool, property: &Property, fill: &Fill) -> bool {
    let plain = ExprType::of(&property.ty) == expression.ty
        && match &property.ty {
            Type::String
            | Type::Integer
            | Type::Number
            | Type::Float
            | Type::Boolean
            | Type::Date
            | Type::Time
            | Type::Datetime
            | Type::Uuid
            | Type::Bytes
            | Type::Json => true,
            Type::Enum { values } => {
                matches!(&expression.kind, ExprKind::Literal(Value::String(text)) if values.iter().any(|v| v == text.as_str()))
            }
            Type::Decimal { .. }
            | Type::Object(_)
            | Type::Array { .. }
            | Type::Map { .. }
            | Type::Ref { .. }
            | Type::Union { .. } => false,
        };
    let presence = !(expression.nullable || absent) || !property.required || property.nullable || !matches!(fill, Fill::None);
    plain && presence && is_total(expression)
}

/// Whether an expression has a value, or NULL, for all inputs.
fn is_total(expression: &Expr) -> bool {
    let itself = match &expression.kind {
        ExprKind::Literal(_)
        | ExprKind::Input(_)
        | ExprKind::Param(_)
        | ExprKind::Not(_)
        | ExprKind::Is(..)
        | ExprKind::Compare(..)
        | ExprKind::And(_)
        | ExprKind::Or(_)
        | ExprKind::Concat(_)
        | ExprKind::Between { .. }
        | ExprKind::In { .. }
        | ExprKind::Case { .. }
        | ExprKind::Field(..)
        | ExprKind::Table(_) => true,
        ExprKind::Call(function, _) => {
            matches!(function, expr::Function::Coalesce | expr::Function::Nullif | expr::Function::Lookup)
        }
        ExprKind::Interval(_)
        | ExprKind::Negate(_)
        | ExprKind::Arithmetic(..)
        | ExprKind::Like { .. }
        | ExprKind::Cast(_)
        | ExprKind::Lambda { .. }
        | ExprKind::Pattern(_)
        | ExprKind::Index(..)
        | ExprKind::List(_)
        | ExprKind::Object(_)
        | ExprKind::Map(_) => false,
    };
    itself && expression.children().into_iter().all(is_total)
}
