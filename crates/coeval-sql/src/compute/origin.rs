//! Where the parts of an object come from that a recipe gives, as far as that tells whether they are there.

use coeval_core::expr::{Expr, ExprKind};
use coeval_core::history::{Function, Recipe};
use coeval_core::schema::{Property, Type};

/// What a part of a result is made of.
#[derive(Debug, Clone, Copy)]
pub(super) enum Origin<'o> {
    /// A property, as it is.
    Property(&'o Property),
    /// An expression.
    Expression(&'o Expr),
    /// Something of which nothing is known.
    Unknown,
}

impl<'o> Origin<'o> {
    /// Returns what a target of a recipe is made of, given what its inputs are.
    pub(super) fn of(recipe: &'o Recipe, target: usize, inputs: &'o [Property]) -> Self {
        match &recipe.function {
            Function::Identity => inputs.get(target).map_or(Self::Unknown, Self::Property),
            Function::Expressions(expressions) => {
                expressions.get(target).map_or(Self::Unknown, |(expression, _)| Self::Expression(expression.root()))
            }
            Function::Constant(_)
            | Function::Enum(_)
            | Function::Wrap
            | Function::Pick { .. }
            | Function::Keys(_)
            | Function::Native(_) => Self::Unknown,
        }
    }

    /// Returns what a member of an object is made of.
    pub(super) fn member(self, name: &str) -> Self {
        match self {
            Self::Property(property) => match &property.ty {
                Type::Object(properties) => properties.get(name).map_or(Self::Unknown, Self::Property),
                _ => Self::Unknown,
            },
            Self::Expression(expression) => match &expression.kind {
                ExprKind::Object(members) => {
                    members.iter().find(|(known, _)| known == name).map_or(Self::Unknown, |(_, member)| Self::Expression(member))
                }
                _ => Self::Unknown,
            },
            Self::Unknown => Self::Unknown,
        }
    }

    /// Returns whether it is there, and not null, wherever what it lies in is.
    pub(super) fn is_there(self) -> bool {
        match self {
            Self::Property(property) => property.required && !property.nullable && property.ty != Type::Json,
            Self::Expression(expression) => !expression.nullable,
            Self::Unknown => false,
        }
    }
}
