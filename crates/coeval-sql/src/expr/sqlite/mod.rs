//! Expressions in SQLite.
//!
//! SQLite raises an error almost nowhere: a cast of what is no number gives zero, an integer that overflows becomes a real number. So
//! each text here tests for what the language refuses, and raises an error itself.

mod call;
mod cast;
mod json;
mod map;
mod number;
mod stack;
mod temporal;

use std::cell::RefCell;

use coeval_core::expr::{Comparison, Expr, ExprKind, ExprType, Test};

use super::postgres::escapes_end;
use super::shared::{self, Names};
use super::{Beside, Local, Sql};
use crate::Dialect;
use crate::literal;
use crate::name::string;

pub(in crate::expr) use cast::unreadable;
pub(crate) use json::{from_json, to_json};
pub(in crate::expr) use map::rename_keys;
pub(crate) use map::value_of;
pub(in crate::expr) use number::crowded;
pub(crate) use number::is_decimal;
pub(crate) use stack::fits;

/// Makes the text of an expression.
pub(crate) struct Sqlite<'a> {
    inputs: &'a [String],
    beside: Beside<'a>,
    /// What the parameters of the lambdas around stand for, the innermost last: items as the text of JSON.
    params: RefCell<Vec<String>>,
    names: Names,
}

/// A text literal.
pub(in crate::expr) fn text(value: &str) -> String {
    string(value, Dialect::Sqlite)
}

/// An expression that raises an error with the message: that of a path that is none.
pub(in crate::expr) fn raise(message: &str) -> String {
    format!("json_extract('{{}}', {})", text(&format!("coeval: {message}")))
}

impl<'a> Sqlite<'a> {
    pub(crate) fn new(inputs: &'a [String], beside: Beside<'a>) -> Self {
        Self { inputs, beside, params: RefCell::default(), names: Names::default() }
    }

    /// The text of an expression, of the column type of its type.
    pub(crate) fn expr(&self, e: &Expr) -> Sql {
        match shared::constant(e) {
            Some(Ok(value)) => return literal::of(&value, &e.ty, Dialect::Sqlite).map_err(|unfit| Local::new(unfit.0, &e.span)),
            Some(Err(message)) => return Ok(raise(&message)),
            None => {}
        }
        shared::check_null(e, Dialect::Sqlite)?;
        let local = |reason: &str| Err(Local::new(reason, &e.span));
        match &e.kind {
            ExprKind::Literal(value) => literal::of(value, &e.ty, Dialect::Sqlite).map_err(|unfit| Local::new(unfit.0, &e.span)),
            ExprKind::Interval(_) => local("an interval is no value of a column"),
            ExprKind::Input(index) => self.input(*index, e),
            ExprKind::Param(index) => self.param(*index, e),
            ExprKind::Not(inner) => Ok(format!("(NOT {})", self.expr(inner)?)),
            ExprKind::Negate(inner) => self.negate(inner, e),
            ExprKind::Is(inner, test) => {
                let test = match test {
                    Test::Null => "NULL",
                    Test::True => "1",
                    Test::False => "0",
                };
                Ok(format!("({} IS {test})", self.expr(inner)?))
            }
            ExprKind::Arithmetic(op, a, b) => self.arithmetic(e, *op, a, b),
            ExprKind::Compare(op, a, b) => {
                let (left, right) = (self.expr(a)?, self.expr(b)?);
                self.compare(*op, &a.ty, &left, &right, e)
            }
            ExprKind::And(parts) => self.logic(parts, false),
            ExprKind::Or(parts) => self.logic(parts, true),
            ExprKind::Concat(parts) if shared::is_json(&e.ty) => self.concat_lists(parts),
            ExprKind::Concat(parts) => Ok(format!("({})", self.all(parts)?.join(" || "))),
            ExprKind::Between { value, low, high } => {
                if shared::may_fail(high, Dialect::Sqlite) {
                    return local("the upper bound of `between` may fail, and SQL does not always compute it");
                }
                let texts = [self.expr(value)?, self.expr(low)?, self.expr(high)?];
                self.bind(&[&texts[0]], |names| {
                    let above = self.compare(Comparison::LessOrEqual, &value.ty, &texts[1], &names[0], e)?;
                    let below = self.compare(Comparison::LessOrEqual, &value.ty, &names[0], &texts[2], e)?;
                    Ok(format!("({above} AND {below})"))
                })
            }
            ExprKind::In { value, list } => {
                self.comparable(&value.ty, true, e)?;
                if list.iter().skip(1).any(|item| shared::may_fail(item, Dialect::Sqlite)) {
                    return local("an item of `in` may fail, and SQL does not say which ones it computes");
                }
                Ok(format!("({} IN ({}))", binary(&self.expr(value)?, &value.ty), self.all(list)?.join(", ")))
            }
            ExprKind::Like { value, pattern } => match shared::text(pattern) {
                Some(literal) if escapes_end(&literal) => Ok(format!("({} GLOB {})", self.expr(value)?, text(&glob(&literal)))),
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
            ExprKind::List(items) => self.list(items, e),
            ExprKind::Object(fields) => self.object(fields),
            ExprKind::Map(entries) => self.map(entries),
        }
    }

    fn all(&self, list: &[Expr]) -> Result<Vec<String>, Local> {
        list.iter().map(|e| self.expr(e)).collect()
    }

    fn input(&self, index: usize, e: &Expr) -> Sql {
        let sql = self.inputs.get(index).ok_or_else(|| Local::new("the text of an input is missing", &e.span))?;
        // JSON's null is SQL's NULL.
        Ok(if e.ty == ExprType::Json { format!("nullif({sql}, 'null')") } else { sql.clone() })
    }

    fn param(&self, index: usize, e: &Expr) -> Sql {
        let params = self.params.borrow();
        match params.len().checked_sub(index + 1).map(|at| &params[at]) {
            Some(sql) => from_json(sql, &e.ty).ok_or_else(|| Local::new(format!("{} out of JSON", e.ty.a()), &e.span)),
            None => Err(Local::new("a parameter is missing", &e.span)),
        }
    }

    /// Makes the text of a lambda's body, its parameters standing for the texts.
    fn body<'e>(&self, lambda: &'e Expr, params: Vec<String>) -> Result<(String, &'e Expr), Local> {
        let ExprKind::Lambda { body, .. } = &lambda.kind else { return Err(Local::new("expected a lambda", &lambda.span)) };
        let outside = self.params.borrow().len();
        self.params.borrow_mut().extend(params);
        let sql = self.expr(body);
        self.params.borrow_mut().truncate(outside);
        Ok((sql?, body))
    }

    /// A subselect that reads no table is not merged into the one around it.
    pub(super) fn bind(&self, values: &[&str], make: impl FnOnce(&[String]) -> Sql) -> Sql {
        self.names.bind(values, "", make)
    }

    /// Refuses what is not equal, or not ordered, as its texts are.
    #[allow(clippy::unused_self, reason = "reads as the other steps")]
    fn comparable(&self, ty: &ExprType, equality: bool, e: &Expr) -> Result<(), Local> {
        if shared::is_json(ty) {
            return Err(Local::new("SQLite does not compare JSON by meaning", &e.span));
        }
        match ty {
            ExprType::Bytes | ExprType::Ref(_) if !equality => {
                Err(Local::new(format!("the order of {} is that of their texts", ty.a()), &e.span))
            }
            _ => Ok(()),
        }
    }

    fn compare(&self, op: Comparison, ty: &ExprType, a: &str, b: &str, e: &Expr) -> Sql {
        let symbol = match op {
            Comparison::Equal => "=",
            Comparison::NotEqual => "<>",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
            Comparison::Distinct => "IS NOT",
        };
        let equality = matches!(op, Comparison::Equal | Comparison::NotEqual | Comparison::Distinct);
        self.comparable(ty, equality, e)?;
        match ty {
            ExprType::Number | ExprType::Decimal { .. } if !equality => self.compare_numbers(symbol, a, b),
            // A fraction comes before the `Z` that ends the text without one.
            ExprType::Datetime if !equality => Ok(format!("(rtrim({a}, 'Z') {symbol} rtrim({b}, 'Z'))")),
            ty => Ok(format!("({} {symbol} {b})", binary(a, ty))),
        }
    }

    /// `and` and `or`: in the order in which they are written where a later part may fail.
    fn logic(&self, parts: &[Expr], or: bool) -> Sql {
        let (word, test) = if or { (" OR ", "1") } else { (" AND ", "0") };
        if !parts.iter().skip(1).any(|part| shared::may_fail(part, Dialect::Sqlite)) {
            return Ok(format!("({})", self.all(parts)?.join(word)));
        }
        let Some((last, rest)) = parts.split_last() else { return Ok(u8::from(!or).to_string()) };
        let mut sql = self.expr(last)?;
        for part in rest.iter().rev() {
            let first = self.expr(part)?;
            sql = self.bind(&[&first], |names| {
                let first = &names[0];
                Ok(format!("(CASE WHEN {first} IS {test} THEN {test} ELSE {first}{word}{sql} END)"))
            })?;
        }
        Ok(sql)
    }

    fn case(&self, operand: Option<&Expr>, branches: &[(Expr, Expr)], otherwise: Option<&Expr>, e: &Expr) -> Sql {
        let mut words = vec!["(CASE".to_owned()];
        if let Some(operand) = operand {
            self.comparable(&operand.ty, true, e)?;
            words.push(binary(&self.expr(operand)?, &operand.ty));
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

/// A text that is compared by code point, whatever its column says.
fn binary(sql: &str, ty: &ExprType) -> String {
    if ty.is_text() { format!("({sql} COLLATE BINARY)") } else { sql.to_owned() }
}

/// The pattern of `like` as one of GLOB, which tells upper from lower case.
fn glob(pattern: &str) -> String {
    let mut glob = String::new();
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        match c {
            '%' => glob.push('*'),
            '_' => glob.push('?'),
            c => {
                let c = if c == '\\' { chars.next().unwrap_or(c) } else { c };
                if matches!(c, '*' | '?' | '[') { glob.extend(['[', c, ']']) } else { glob.push(c) }
            }
        }
    }
    glob
}
