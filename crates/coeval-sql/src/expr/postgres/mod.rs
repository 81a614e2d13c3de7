//! Expressions in PostgreSQL.

mod call;
mod cast;
mod json;
mod number;
mod pattern;
mod temporal;

use std::cell::RefCell;

use coeval_core::expr::{Comparison, Expr, ExprKind, ExprType, Test};

use super::shared::{self, Names};
use super::{Beside, Local, Sql};
use crate::Dialect;
use crate::literal;
use crate::name::string;
use crate::types::postgres_type;

pub(in crate::expr) use cast::unreadable;
pub(crate) use json::{from_json, to_json};
pub(in crate::expr) use number::inverse;
pub(in crate::expr) use temporal::interval_of;

/// Keeps the planner from merging a subselect.
const BARRIER: &str = " OFFSET 0";

/// The collation that compares by code point.
pub(super) const C: &str = "COLLATE pg_catalog.\"C\"";

/// Makes the text of an expression.
pub(crate) struct Postgres<'a> {
    inputs: &'a [String],
    beside: Beside<'a>,
    /// The parameters of the lambdas around, the innermost last.
    params: RefCell<Vec<Param>>,
    names: Names,
}

/// What a parameter of a lambda stands for.
#[derive(Debug, Clone)]
enum Param {
    /// The key of a map, a text.
    Key(String),
    /// An item or a value, as `jsonb`.
    Json(String),
}

/// A text literal.
pub(in crate::expr) fn text(value: &str) -> String {
    format!("{}::pg_catalog.text", string(value, Dialect::Postgres))
}

/// A call of a function of PostgreSQL's own.
pub(super) fn call(name: &str, args: &[&str]) -> String {
    format!("pg_catalog.{name}({})", args.join(", "))
}

/// An expression of the type that raises an error with the message. It is not computed before it is reached: what reads a moment is
/// not constant to the planner.
pub(in crate::expr) fn raise(message: &str, ty: &ExprType) -> String {
    let failing = format!("(({}::timestamp with time zone)::pg_catalog.text)", text(&format!("coeval: {message}")));
    // No cast leads from NULL's type; a text is as good as any.
    format!("({failing}::{})", postgres_type(ty))
}

/// A value of a column's type whose computation raises an error, where it is asked for.
pub(crate) fn refused(message: &str, ty: &str) -> String {
    format!("({}::{ty})", raise(message, &ExprType::String))
}

impl<'a> Postgres<'a> {
    pub(crate) fn new(inputs: &'a [String], beside: Beside<'a>) -> Self {
        Self { inputs, beside, params: RefCell::default(), names: Names::default() }
    }

    /// The text of an expression, of the column type of its type.
    pub(crate) fn expr(&self, e: &Expr) -> Sql {
        match shared::constant(e) {
            Some(Ok(value)) => {
                return literal::of(&value, &e.ty, Dialect::Postgres).map_err(|unfit| Local::new(unfit.0, &e.span));
            }
            Some(Err(message)) => return Ok(raise(&message, &e.ty)),
            None => {}
        }
        shared::check_null(e, Dialect::Postgres)?;
        let local = |reason: &str| Err(Local::new(reason, &e.span));
        match &e.kind {
            ExprKind::Literal(value) => {
                literal::of(value, &e.ty, Dialect::Postgres).map_err(|unfit| Local::new(unfit.0, &e.span))
            }
            ExprKind::Interval(_) => local("an interval is no value of a column"),
            ExprKind::Input(index) => self.input(*index, e),
            ExprKind::Param(index) => self.param(*index, e),
            ExprKind::Not(inner) => Ok(format!("(NOT {})", self.expr(inner)?)),
            ExprKind::Negate(inner) => Ok(format!("(- {})", self.expr(inner)?)),
            ExprKind::Is(inner, test) => {
                let test = match test {
                    Test::Null => "NULL",
                    Test::True => "TRUE",
                    Test::False => "FALSE",
                };
                Ok(format!("({} IS {test})", self.expr(inner)?))
            }
            ExprKind::Arithmetic(op, a, b) => self.arithmetic(e, *op, a, b),
            ExprKind::Compare(op, a, b) => {
                self.ordered(*op, &a.ty, e)?;
                Ok(compare(*op, &a.ty, &self.expr(a)?, &self.expr(b)?))
            }
            ExprKind::And(parts) => self.logic(parts, false),
            ExprKind::Or(parts) => self.logic(parts, true),
            ExprKind::Concat(parts) => Ok(format!("({})", self.all(parts)?.join(" || "))),
            ExprKind::Between { value, low, high } => {
                self.ordered(Comparison::Less, &value.ty, e)?;
                if shared::may_fail(high, Dialect::Postgres) {
                    return local("the upper bound of `between` may fail, and SQL does not always compute it");
                }
                let value = collated(&self.expr(value)?, &value.ty);
                Ok(format!("({value} BETWEEN {} AND {})", self.expr(low)?, self.expr(high)?))
            }
            ExprKind::In { value, list } => {
                if list.iter().skip(1).any(|item| shared::may_fail(item, Dialect::Postgres)) {
                    return local("an item of `in` may fail, and SQL does not say which ones it computes");
                }
                let value = collated(&self.expr(value)?, &value.ty);
                Ok(format!("({value} IN ({}))", self.all(list)?.join(", ")))
            }
            ExprKind::Like { value, pattern } => match shared::text(pattern) {
                Some(literal) if escapes_end(&literal) => Ok(format!("({} {C} LIKE {})", self.expr(value)?, self.expr(pattern)?)),
                Some(_) => local("a pattern that ends with `\\`"),
                None => local("a pattern of `like` that is computed may end with `\\`"),
            },
            ExprKind::Case { operand, branches, otherwise } => self.case(operand.as_deref(), branches, otherwise.as_deref(), e),
            ExprKind::Cast(inner) => {
                if e.ty == ExprType::Json && !shared::is_canonical(inner) {
                    return local("a moment of which the text is not known to be the one that a column has");
                }
                let sql = self.expr(inner)?;
                self.cast(&sql, &inner.ty, &e.ty, e)
            }
            ExprKind::Call(function, args) => self.call(*function, args, e),
            ExprKind::Lambda { .. } | ExprKind::Pattern(_) | ExprKind::Table(_) => {
                local("this is only the argument of a function")
            }
            ExprKind::Field(base, name) => self.field(base, name, e),
            ExprKind::Index(base, index) => self.index(base, index, e),
            ExprKind::List(items) => self.list(items),
            ExprKind::Object(fields) => self.object(fields),
            ExprKind::Map(entries) => self.map(entries, e),
        }
    }

    fn all(&self, list: &[Expr]) -> Result<Vec<String>, Local> {
        list.iter().map(|e| self.expr(e)).collect()
    }

    fn input(&self, index: usize, e: &Expr) -> Sql {
        let sql = self.inputs.get(index).ok_or_else(|| Local::new("the text of an input is missing", &e.span))?;
        // JSON's null is SQL's NULL.
        Ok(if e.ty == ExprType::Json { format!("NULLIF({sql}, 'null'::pg_catalog.jsonb)") } else { sql.clone() })
    }

    fn param(&self, index: usize, e: &Expr) -> Sql {
        let params = self.params.borrow();
        match params.len().checked_sub(index + 1).map(|at| &params[at]) {
            Some(Param::Key(sql)) => Ok(sql.clone()),
            Some(Param::Json(sql)) => Ok(from_json(sql, &e.ty)),
            None => Err(Local::new("a parameter is missing", &e.span)),
        }
    }

    /// Makes the text of a lambda's body, its parameters standing for the texts.
    fn body<'e>(&self, lambda: &'e Expr, params: Vec<Param>) -> Result<(String, &'e ExprType), Local> {
        let ExprKind::Lambda { body, .. } = &lambda.kind else { return Err(Local::new("expected a lambda", &lambda.span)) };
        let outside = self.params.borrow().len();
        self.params.borrow_mut().extend(params);
        let sql = self.expr(body);
        self.params.borrow_mut().truncate(outside);
        Ok((sql?, &body.ty))
    }

    pub(super) fn bind(&self, values: &[&str], make: impl FnOnce(&[String]) -> Sql) -> Sql {
        self.names.bind(values, BARRIER, make)
    }

    /// Refuses an order that is not PostgreSQL's.
    #[allow(clippy::unused_self, reason = "reads as the other steps")]
    fn ordered(&self, op: Comparison, ty: &ExprType, e: &Expr) -> Result<(), Local> {
        let equality = matches!(op, Comparison::Equal | Comparison::NotEqual | Comparison::Distinct);
        match ty {
            ExprType::Bytes | ExprType::Ref(_) if !equality => {
                Err(Local::new(format!("the order of {} is that of their texts", ty.a()), &e.span))
            }
            _ => Ok(()),
        }
    }

    /// `and` and `or`: in the order in which they are written where a later part may fail.
    fn logic(&self, parts: &[Expr], or: bool) -> Sql {
        let word = if or { " OR " } else { " AND " };
        if !parts.iter().skip(1).any(|part| shared::may_fail(part, Dialect::Postgres)) {
            return Ok(format!("({})", self.all(parts)?.join(word)));
        }
        let Some((last, rest)) = parts.split_last() else { return Ok((!or).to_string()) };
        let test = if or { "TRUE" } else { "FALSE" };
        let mut sql = self.expr(last)?;
        for part in rest.iter().rev() {
            let first = self.expr(part)?;
            sql = self.bind(&[&first], |names| {
                let [first] = names else { return Ok(String::new()) };
                Ok(format!("(CASE WHEN {first} IS {test} THEN {test} ELSE {first}{word}{sql} END)"))
            })?;
        }
        Ok(sql)
    }

    fn case(&self, operand: Option<&Expr>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>, e: &Expr) -> Sql {
        let mut words = vec!["(CASE".to_owned()];
        if let Some(operand) = operand {
            self.ordered(Comparison::Equal, &operand.ty, e)?;
            words.push(collated(&self.expr(operand)?, &operand.ty));
        }
        for (condition, result) in branches {
            words.push(format!("WHEN {} THEN {}", self.expr(condition)?, self.expr(result)?));
        }
        if let Some(otherwise) = otherwise {
            words.push(format!("ELSE {}", self.expr(otherwise)?));
        }
        Ok(format!("{} END)", words.join(" ")))
    }
}

/// Whether each `\` of the pattern has a character to escape.
pub(in crate::expr) fn escapes_end(pattern: &str) -> bool {
    pattern.bytes().rev().take_while(|b| *b == b'\\').count() % 2 == 0
}

/// A text that is compared by code point; anything else as it is.
pub(super) fn collated(sql: &str, ty: &ExprType) -> String {
    if ty.is_text() { format!("({sql} {C})") } else { sql.to_owned() }
}

fn compare(op: Comparison, ty: &ExprType, a: &str, b: &str) -> String {
    let op = match op {
        Comparison::Equal => "=",
        Comparison::NotEqual => "<>",
        Comparison::Less => "<",
        Comparison::LessOrEqual => "<=",
        Comparison::Greater => ">",
        Comparison::GreaterOrEqual => ">=",
        Comparison::Distinct => "IS DISTINCT FROM",
    };
    format!("({} {op} {b})", collated(a, ty))
}
