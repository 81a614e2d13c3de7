//! Expressions: a typed subset of SQL's scalar expressions, PostgreSQL-flavoured.
//!
//! A text is parsed, checked against the schema and lowered to a typed [`Expr`], and evaluated on values. NULL is SQL's: neither absence nor an error; JSON's null is the same NULL. The same value always gives the same
//! result, and equal values give equal ones: datetimes are taken in UTC, texts compared by code point, numbers computed exactly.

mod ast;
mod check;
mod dialect;
mod eval;
mod function;
mod interval;
mod parse;
mod pattern;
mod source;
mod target;
mod types;

#[cfg(test)]
mod tests;

use std::ops::Range;

pub use ast::{Arithmetic, Comparison, Expr, ExprKind, Test};
pub use function::{Entry, FUNCTIONS, Function, Param};
pub use interval::Interval;
pub use pattern::{Pattern, ReplacementPart, replacement_parts};
pub use types::{ExprType, Typed};

use crate::invalid::Invalid;
use crate::path::Path;
use crate::schema::{Properties, Property};
use crate::table::Tables;
use crate::value::Value;

/// What the names in an expression stand for.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    /// The names of properties.
    pub names: Names<'a>,
    /// The tables for `lookup`.
    pub tables: &'a Tables,
    /// Whether an input that is absent reads as NULL (one of several inputs); otherwise expressions never see absence.
    pub absent_is_null: bool,
}

/// What the names of properties stand for.
#[derive(Debug, Clone, Copy)]
pub enum Names<'a> {
    /// A record's properties.
    Record(&'a Properties),
    /// An item of a list or a value of a map: `value`, and its properties by name where it is an object.
    Element {
        /// The element.
        element: &'a Property,
        /// What `key` is.
        key: KeyKind,
    },
}

/// What `key` is in an element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeyKind {
    /// The number of an item of a list, from 1.
    Index,
    /// The key of a value of a map.
    Name,
}

/// Something that an expression reads.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Input {
    /// The property at a path, relative to the record or to the element; the empty path is the element itself.
    Property(Path),
    /// The element's key or number.
    Key,
}

/// A checked expression with its source.
#[derive(Debug, Clone, PartialEq)]
pub struct Compiled {
    source: String,
    root: Expr,
    inputs: Vec<Input>,
}

/// Why an expression has no value for its inputs.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    /// What went wrong.
    pub message: String,
    /// The bytes of the source that could not be computed.
    pub span: Range<usize>,
}

impl Compiled {
    /// Parses and checks an expression.
    ///
    /// # Errors
    /// What is not an expression, unknown names and wrong types, with the bytes of `source` that are wrong.
    pub fn compile(source: &str, scope: &Scope<'_>) -> Result<Self, Invalid> {
        let (root, inputs) = check::check(source, scope)?;
        Ok(Self { source: source.to_owned(), root, inputs })
    }

    /// Returns the text as written.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the typed expression.
    pub fn root(&self) -> &Expr {
        &self.root
    }

    /// Returns what it reads, each once, in the order of first use.
    pub fn inputs(&self) -> &[Input] {
        &self.inputs
    }

    /// Returns whether it reads nothing, so that its value is always the same.
    pub fn is_constant(&self) -> bool {
        self.inputs.is_empty()
    }

    /// Returns its value for values parallel to [`Compiled::inputs`], absence already turned into null.
    ///
    /// # Errors
    /// Overflow, division by zero, a cast of what does not spell the type, a result of more than 64 MiB.
    pub fn eval(&self, inputs: &[&Value]) -> Result<Value, EvalError> {
        eval::evaluate(&self.root, inputs)
    }

    /// Checks that its values may be stored in a property.
    ///
    /// Precisions, the values of enums and the keys of references are left to the property's own check, unless they are
    /// spelled out.
    ///
    /// # Errors
    /// A type that needs a cast, NULL where a value is required, a literal that the property does not take.
    pub fn check_target(&self, target: &Property) -> Result<(), Invalid> {
        target::check_target(&self.root, target)
    }
}

impl Expr {
    /// Returns the value of an expression that is constant, a part of another one perhaps.
    ///
    /// # Errors
    /// As [`Compiled::eval`]; and where it is not constant after all.
    pub fn eval_constant(&self) -> Result<Value, EvalError> {
        eval::evaluate(self, &[])
    }
}
