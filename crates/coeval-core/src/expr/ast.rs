//! Typed expressions: what a text means once its names and types are known.

use std::ops::Range;
use std::sync::Arc;

use super::function::Function;
use super::interval::Interval;
use super::pattern::Pattern;
use super::types::ExprType;
use crate::table::Table;
use crate::value::Value;

/// A typed expression.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// What values it gives.
    pub ty: ExprType,
    /// Whether it may give NULL.
    pub nullable: bool,
    /// The bytes of the source that spell it.
    pub span: Range<usize>,
}

/// What an expression computes.
///
/// Conversions are all there as [`ExprKind::Cast`], those that the text leaves implicit too: the operands of arithmetic have one
/// type, and so have the results of a `case`.
#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Literal(Value),
    /// A constant span of time.
    Interval(Interval),
    /// What the caller gives: an index into [`super::Compiled::inputs`].
    Input(usize),
    /// A parameter of an enclosing lambda, counted outwards: 0 is the last one of the innermost.
    Param(usize),
    /// The logical negation.
    Not(Box<Expr>),
    /// The arithmetic negation.
    Negate(Box<Expr>),
    /// A test that never gives NULL.
    Is(Box<Expr>, Test),
    /// Arithmetic on two numbers of one type, or on a moment and an interval.
    Arithmetic(Arithmetic, Box<Expr>, Box<Expr>),
    /// A comparison of two values of one type.
    Compare(Comparison, Box<Expr>, Box<Expr>),
    /// Whether all hold; false before NULL.
    And(Vec<Expr>),
    /// Whether one holds; true before NULL.
    Or(Vec<Expr>),
    /// Strings or lists one after the other.
    Concat(Vec<Expr>),
    /// `low <= value and value <= high`, the value evaluated once.
    Between {
        /// What is compared.
        value: Box<Expr>,
        /// The least that holds.
        low: Box<Expr>,
        /// The greatest that holds.
        high: Box<Expr>,
    },
    /// Whether the value equals one of the list; NULL where it equals none and one is NULL.
    In {
        /// What is compared.
        value: Box<Expr>,
        /// What it is compared with.
        list: Vec<Expr>,
    },
    /// Whether the text fits the pattern, in which `%` stands for any characters, `_` for one and `\` takes the next as it is.
    Like {
        /// The text.
        value: Box<Expr>,
        /// The pattern.
        pattern: Box<Expr>,
    },
    /// The first result whose condition holds.
    Case {
        /// What is compared with each condition; the conditions are truth values where there is none.
        operand: Option<Box<Expr>>,
        /// Conditions and results.
        branches: Vec<(Expr, Expr)>,
        /// The result where no condition holds; NULL where there is none.
        otherwise: Option<Box<Expr>>,
    },
    /// The value converted to the type of this node.
    Cast(Box<Expr>),
    /// A function.
    Call(Function, Vec<Expr>),
    /// The function passed to a function: an expression with parameters.
    Lambda {
        /// How many parameters it has.
        params: usize,
        /// What it computes.
        body: Box<Expr>,
    },
    /// The pattern passed to a function.
    Pattern(Pattern),
    /// A field of an object, or of a JSON object.
    Field(Box<Expr>, String),
    /// An item of a list by number from 1, or a value of a map by key.
    Index(Box<Expr>, Box<Expr>),
    /// A list.
    List(Vec<Expr>),
    /// An object.
    Object(Vec<(String, Expr)>),
    /// A map.
    Map(Vec<(Expr, Expr)>),
    /// The table passed to `lookup`.
    Table(Arc<Table>),
}

/// A test that never gives NULL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Test {
    /// Whether it is NULL.
    Null,
    /// Whether it is true, and not NULL.
    True,
    /// Whether it is false, and not NULL.
    False,
}

/// An arithmetic operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arithmetic {
    /// `+`
    Add,
    /// `-`
    Subtract,
    /// `*`
    Multiply,
    /// `/`, truncating between integers.
    Divide,
    /// `%`, with the sign of the dividend.
    Modulo,
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `<>`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `is distinct from`: as `<>`, but two NULLs are equal, and NULL is distinct from everything else.
    Distinct,
}

impl Expr {
    /// Returns the string that the expression spells out.
    pub fn literal_str(&self) -> Option<&str> {
        match &self.kind {
            ExprKind::Literal(value) if self.ty == ExprType::String => value.as_str(),
            _ => None,
        }
    }

    /// Returns whether it reads neither an input nor a parameter of a lambda around it, so that its value is always the same.
    pub fn is_constant(&self) -> bool {
        self.reads_nothing_beyond(0)
    }

    /// Whether it reads no input, and no parameter but the innermost `params`.
    fn reads_nothing_beyond(&self, params: usize) -> bool {
        match &self.kind {
            ExprKind::Input(_) => false,
            ExprKind::Param(index) => *index < params,
            ExprKind::Lambda { params: more, body } => body.reads_nothing_beyond(params + more),
            _ => self.children().into_iter().all(|child| child.reads_nothing_beyond(params)),
        }
    }

    /// Returns the expressions directly beneath this one, in the order in which they are written.
    pub fn children(&self) -> Vec<&Self> {
        match &self.kind {
            ExprKind::Literal(_)
            | ExprKind::Interval(_)
            | ExprKind::Input(_)
            | ExprKind::Param(_)
            | ExprKind::Pattern(_)
            | ExprKind::Table(_) => Vec::new(),
            ExprKind::Not(e) | ExprKind::Negate(e) | ExprKind::Is(e, _) | ExprKind::Cast(e) | ExprKind::Field(e, _) => vec![e],
            ExprKind::Lambda { body, .. } => vec![body],
            ExprKind::Arithmetic(_, a, b) | ExprKind::Compare(_, a, b) | ExprKind::Index(a, b) => vec![a, b],
            ExprKind::Like { value, pattern } => vec![value, pattern],
            ExprKind::And(list)
            | ExprKind::Or(list)
            | ExprKind::Concat(list)
            | ExprKind::List(list)
            | ExprKind::Call(_, list) => list.iter().collect(),
            ExprKind::Between { value, low, high } => vec![value, low, high],
            ExprKind::In { value, list } => std::iter::once(&**value).chain(list).collect(),
            ExprKind::Case { operand, branches, otherwise } => {
                let branches = branches.iter().flat_map(|(condition, result)| [condition, result]);
                operand.as_deref().into_iter().chain(branches).chain(otherwise.as_deref()).collect()
            }
            ExprKind::Object(fields) => fields.iter().map(|(_, e)| e).collect(),
            ExprKind::Map(entries) => entries.iter().flat_map(|(key, value)| [key, value]).collect(),
        }
    }
}
