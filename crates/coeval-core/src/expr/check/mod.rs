//! From the parser's tree to typed expressions: names resolved, types known, conversions explicit.

mod access;
mod call;
mod condition;
mod convert;
mod literal;
mod names;
mod operator;
mod special;

use std::ops::Range;

use sqlparser::ast::{self as sql, BinaryOperator, CastKind, Spanned as _, UnaryOperator};
use sqlparser::keywords::Keyword;

pub(super) use convert::{cast_help, enum_value};

use super::ast::{Comparison, Expr, ExprKind, Test};
use super::parse::{self, DEPTH_LIMIT};
use super::source::Source;
use super::types::{ExprType, Typed};
use super::{Input, Scope};
use crate::invalid::Invalid;

/// Checks an expression; returns what it reads too.
pub(super) fn check(text: &str, scope: &Scope<'_>) -> Result<(Expr, Vec<Input>), Invalid> {
    let (source, tree) = parse::parse(text)?;
    let mut checker = Checker { source: &source, scope, inputs: Vec::new(), params: Vec::new(), present: Vec::new(), depth: 0 };
    let root = checker.lower(&tree)?;
    if root.ty == ExprType::Interval {
        let help = "add it to a date or a datetime";
        return Err(Invalid::new("an interval is no value of its own").span(root.span).help(help));
    }
    Ok((root, checker.inputs))
}

struct Checker<'a> {
    source: &'a Source<'a>,
    scope: &'a Scope<'a>,
    inputs: Vec<Input>,
    /// The parameters of the enclosing lambdas.
    params: Vec<(String, Typed)>,
    /// The inputs that a condition has shown not to be NULL.
    present: Vec<usize>,
    depth: usize,
}

/// A node before its children's details are known.
fn node(kind: ExprKind, ty: ExprType, nullable: bool, span: Range<usize>) -> Expr {
    Expr { kind, ty, nullable, span }
}

/// The bytes from the first expression to the last.
fn hull(first: &Expr, last: &Expr) -> Range<usize> {
    first.span.start.min(last.span.start)..first.span.end.max(last.span.end)
}

impl Checker<'_> {
    fn lower(&mut self, tree: &sql::Expr) -> Result<Expr, Invalid> {
        if self.depth == DEPTH_LIMIT {
            return Err(parse::too_deep(self.span(tree)));
        }
        self.depth += 1;
        let expr = self.lower_kind(tree);
        self.depth -= 1;
        expr
    }

    fn lower_kind(&mut self, tree: &sql::Expr) -> Result<Expr, Invalid> {
        match tree {
            sql::Expr::Nested(inner) => self.nested(inner),
            sql::Expr::Identifier(_) | sql::Expr::CompoundIdentifier(_) | sql::Expr::CompoundFieldAccess { .. } => {
                self.access(tree)
            }
            sql::Expr::Value(value) => self.value(value),
            sql::Expr::TypedString(typed) => self.typed_string(typed),
            sql::Expr::Interval(interval) => self.interval(interval),
            sql::Expr::Array(array) => self.list(&array.elem),
            sql::Expr::Dictionary(fields) => self.object(fields),
            sql::Expr::Map(map) => self.map(&map.entries),
            sql::Expr::UnaryOp { op, expr } => self.unary(*op, expr),
            sql::Expr::BinaryOp { op, .. } => self.binary(op, tree),
            sql::Expr::IsDistinctFrom(a, b) => self.comparison(Comparison::Distinct, a, b),
            sql::Expr::IsNotDistinctFrom(a, b) => self.comparison(Comparison::Distinct, a, b).map(negated),
            sql::Expr::IsNull(e) | sql::Expr::IsUnknown(e) => self.test(e, Test::Null),
            sql::Expr::IsNotNull(e) | sql::Expr::IsNotUnknown(e) => self.test(e, Test::Null).map(negated),
            sql::Expr::IsTrue(e) => self.test(e, Test::True),
            sql::Expr::IsNotTrue(e) => self.test(e, Test::True).map(negated),
            sql::Expr::IsFalse(e) => self.test(e, Test::False),
            sql::Expr::IsNotFalse(e) => self.test(e, Test::False).map(negated),
            sql::Expr::Between { expr, negated: not, low, high } => self.between(expr, low, high, *not),
            sql::Expr::InList { expr, list, negated: not } => self.in_list(expr, list, *not),
            sql::Expr::Like { any: false, expr, pattern, escape_char: None, negated: not } => self.like(expr, pattern, *not),
            sql::Expr::Case { operand, conditions, else_result, .. } => {
                self.case(tree, operand.as_deref(), conditions, else_result.as_deref())
            }
            sql::Expr::Cast { kind: CastKind::Cast | CastKind::DoubleColon, expr, data_type, format: None } => {
                self.cast(expr, data_type, matches!(tree, sql::Expr::Cast { kind: CastKind::DoubleColon, .. }))
            }
            sql::Expr::Function(function) => self.function(function),
            sql::Expr::Extract { .. } | sql::Expr::Position { .. } | sql::Expr::Substring { .. } | sql::Expr::Trim { .. } => {
                self.special(tree)
            }
            _ => Err(self.refused(tree)),
        }
    }

    /// The place of a node of the parser's; the whole source where it does not say.
    fn span(&self, tree: &sql::Expr) -> Range<usize> {
        let span = tree.span();
        if span.start.line == 0 { 0..self.source.text.len() } else { self.source.balanced(self.source.range(span)) }
    }

    fn nested(&mut self, inner: &sql::Expr) -> Result<Expr, Invalid> {
        let mut expr = self.lower(inner)?;
        expr.span = self.source.with_brackets(&expr.span, false);
        Ok(expr)
    }

    /// What is SQL, but not in the language.
    fn refused(&self, tree: &sql::Expr) -> Invalid {
        let span = self.span(tree);
        let (what, help) = match tree {
            sql::Expr::Subquery(_) | sql::Expr::Exists { .. } | sql::Expr::InSubquery { .. } => {
                return parse::no_subqueries(span);
            }
            sql::Expr::ILike { .. } => ("`ilike`", Some("write `lower(x) like lower(pattern)`")),
            sql::Expr::Like { .. } => ("`like … escape` and `like any`", Some("the escape character is `\\`")),
            sql::Expr::SimilarTo { .. } | sql::Expr::RLike { .. } => ("patterns but those of `like`", None),
            sql::Expr::Lambda(_) => ("functions as values", Some("a lambda is the argument of a function that takes one")),
            sql::Expr::Tuple(_) => ("tuples", Some("a list is written `[a, b]`")),
            sql::Expr::AtTimeZone { .. } => ("`at time zone`", Some("dates and times are taken in UTC")),
            sql::Expr::Wildcard(_) | sql::Expr::QualifiedWildcard(..) => ("`*` for all properties", None),
            sql::Expr::Collate { .. } => ("`collate`", Some("texts are compared by code point")),
            sql::Expr::AnyOp { .. } | sql::Expr::AllOp { .. } => ("`any` and `all`", Some("write `x in (a, b)`")),
            _ => ("this", None),
        };
        Invalid::new(format!("expressions do not have {what}"))
            .span(span)
            .help(help.map_or_else(parse::what_exists, str::to_owned))
    }

    fn unary(&mut self, op: UnaryOperator, inner: &sql::Expr) -> Result<Expr, Invalid> {
        match op {
            UnaryOperator::Not => {
                let expr = self.lower(inner)?;
                let span = self.source.with_token_before(&expr.span);
                let expr = self.boolean(expr)?;
                let nullable = expr.nullable;
                Ok(node(ExprKind::Not(Box::new(expr)), ExprType::Boolean, nullable, span))
            }
            UnaryOperator::Minus => self.negate(inner),
            UnaryOperator::Plus => {
                let expr = self.lower(inner)?;
                let span = self.source.with_token_before(&expr.span);
                let mut expr = self.numeric(expr)?;
                expr.span = span;
                Ok(expr)
            }
            _ => Err(Self::no_operator(&op.to_string(), self.span(inner))),
        }
    }

    fn no_operator(op: &str, span: Range<usize>) -> Invalid {
        let help = match op {
            "^" => "write `power(a, b)`".to_owned(),
            "~" | "~*" | "!~" | "!~*" => "write `like`, or `regexp_replace`".to_owned(),
            _ => parse::what_exists(),
        };
        Invalid::new(format!("expressions have no operator `{op}`")).span(span).help(help)
    }

    fn binary(&mut self, op: &BinaryOperator, tree: &sql::Expr) -> Result<Expr, Invalid> {
        let sql::Expr::BinaryOp { left, right, .. } = tree else { return Err(self.refused(tree)) };
        let comparison = match op {
            BinaryOperator::Eq => Comparison::Equal,
            BinaryOperator::NotEq => Comparison::NotEqual,
            BinaryOperator::Lt => Comparison::Less,
            BinaryOperator::LtEq => Comparison::LessOrEqual,
            BinaryOperator::Gt => Comparison::Greater,
            BinaryOperator::GtEq => Comparison::GreaterOrEqual,
            BinaryOperator::And | BinaryOperator::Or | BinaryOperator::StringConcat => return self.chain(op, tree),
            _ => return self.arithmetic(op, left, right),
        };
        self.comparison(comparison, left, right)
    }

    fn test(&mut self, inner: &sql::Expr, test: Test) -> Result<Expr, Invalid> {
        let expr = self.lower(inner)?;
        let words = [Keyword::IS, Keyword::NOT, Keyword::NULL, Keyword::TRUE, Keyword::FALSE, Keyword::UNKNOWN, Keyword::NOTNULL];
        let span = self.source.with_words_after(&expr.span, &words);
        let expr = if test == Test::Null { expr } else { self.boolean(expr)? };
        Ok(node(ExprKind::Is(Box::new(expr), test), ExprType::Boolean, false, span))
    }
}

/// The logical negation of a condition, in its place.
fn negated(expr: Expr) -> Expr {
    let (nullable, span) = (expr.nullable, expr.span.clone());
    node(ExprKind::Not(Box::new(expr)), ExprType::Boolean, nullable, span)
}
