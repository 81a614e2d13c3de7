//! Whether a value can always be computed, so that no row ever has to be hidden for want of it.

use coeval_core::Value;
use coeval_core::expr::{self, Expr, ExprKind, ExprType};
use coeval_core::history::{Fill, Function, NodeId, OnFail, Recipe, Scope, Source, land};
use coeval_core::schema::{Property, Type};

/// Returns whether a node can fail to have a value without the write or the run being refused: where versions older than it write,
/// and, `after` its end, where newer ones do. What follows from a node that can fail can fail itself.
pub(super) fn can_fail(scope: &Scope, node: NodeId, after: bool) -> bool {
    let fails = |(recipe, _): &(usize, usize)| {
        let recipe = &scope.recipes[*recipe];
        let reads = recipe.inputs.iter().filter_map(|input| match input {
            Source::Tree(tree) => Some(tree),
            Source::Key => None,
        });
        let passed_on = || {
            reads.clone().any(|tree| {
                let mut nodes = Vec::new();
                tree.nodes(&mut nodes);
                nodes.into_iter().any(|read| can_fail(scope, read, after))
            })
        };
        let own = recipe.targets.iter().enumerate().filter(|(_, target)| target.tree.node() == node);
        if own.clone().any(|(_, target)| !matches!(target.on_fail, OnFail::Fallback(_))) && passed_on() {
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
