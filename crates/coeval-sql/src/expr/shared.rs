//! What the renderers share.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;

use coeval_core::Value;
use coeval_core::expr::{Expr, ExprKind, ExprType, Function};

use super::{Local, Sql};
use crate::Dialect;

/// Names that no column has.
#[derive(Debug, Default)]
pub(super) struct Names {
    last: Cell<usize>,
    /// The texts that have names beneath them, as what is made of these and where they come from.
    bound: RefCell<HashMap<String, (String, String)>>,
}

impl Names {
    /// A new name, in quotation marks.
    pub(super) fn fresh(&self) -> String {
        self.last.set(self.last.get() + 1);
        format!("\"@{}\"", self.last.get())
    }

    /// Gives texts that are long to compute a name, so that they can be used several times and are computed once.
    ///
    /// `barrier` is what keeps the planner from putting the texts back in the place of the names.
    pub(super) fn bind(&self, values: &[&str], barrier: &str, make: impl FnOnce(&[String]) -> Sql) -> Sql {
        let mut bound = Vec::new();
        let mut names = Vec::with_capacity(values.len());
        for value in values {
            if is_short(value) {
                names.push((*value).to_owned());
            } else {
                let name = self.fresh();
                bound.push((*value, name.clone()));
                names.push(name);
            }
        }
        let made = make(&names)?;
        let known = self.bound.borrow();
        let inner = match bound.as_slice() {
            [] => return Ok(made),
            // One beneath the other takes less of a parser's stack than one within the other.
            [(value, name)] if known.contains_key(*value) => {
                let (made, from) = &known[*value];
                format!("SELECT {made} AS {name} FROM {from} LIMIT 1 OFFSET 0")
            }
            bound => {
                let bound: Vec<String> = bound.iter().map(|(value, name)| format!("{value} AS {name}")).collect();
                format!("SELECT {}{barrier}", bound.join(", "))
            }
        };
        drop(known);
        let from = format!("({inner}) AS {}", self.fresh());
        let text = format!("(SELECT {made} FROM {from})");
        self.bound.borrow_mut().insert(text.clone(), (made, from));
        Ok(text)
    }
}

/// Whether the text is a name or a short literal.
fn is_short(sql: &str) -> bool {
    sql.len() <= 80 && !sql.contains('(')
}

/// Refuses a text that SQLite's parser could not read.
pub(super) fn check_depth(sql: &str, root: &Expr) -> Result<(), Local> {
    if super::sqlite::fits(sql) { Ok(()) } else { Err(Local::new(TOO_DEEP, &root.span)) }
}

/// Why an expression is local that SQLite's parser could not read.
pub(crate) const TOO_DEEP: &str = "it is nested too deeply for SQLite's parser";

/// The value of an integer that is spelled out.
pub(super) fn integer(expr: &Expr) -> Option<i64> {
    constant(expr)?.ok()?.as_i64()
}

/// The value of a text that is spelled out.
pub(super) fn text(expr: &Expr) -> Option<String> {
    constant(expr)?.ok()?.as_str().map(str::to_owned)
}

/// What an expression gives that reads nothing, or why it fails.
pub(super) fn constant(expr: &Expr) -> Option<Result<Value, String>> {
    let value = match &expr.kind {
        ExprKind::Lambda { .. } | ExprKind::Pattern(_) | ExprKind::Table(_) => false,
        _ => expr.ty != ExprType::Interval && expr.is_constant(),
    };
    value.then(|| expr.eval_constant().map_err(|e| e.message))
}

/// Whether a cast changes nothing but how a value is represented.
pub(super) fn keeps(from: &ExprType, to: &ExprType) -> bool {
    use ExprType as T;
    match (from, to) {
        (_, T::Json)
        | (T::Null, _)
        | (T::Integer | T::Decimal { .. }, T::Number)
        | (T::Enum(_), T::String | T::Enum(_))
        | (T::String | T::Integer, T::Ref(_)) => true,
        (T::List(a), T::List(b)) | (T::Map(a), T::Map(b)) => keeps(&a.ty, &b.ty),
        (from, to) => from == to,
    }
}

fn is_decimal(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Number | ExprType::Decimal { .. })
}

/// Refuses a part that may fail beside one that is NULL always: a planner would not compute it.
pub(super) fn check_null(e: &Expr, dialect: Dialect) -> Result<(), Local> {
    let strict = match &e.kind {
        ExprKind::Call(function, _) => !matches!(function, Function::Coalesce),
        ExprKind::Arithmetic(..)
        | ExprKind::Compare(..)
        | ExprKind::Concat(_)
        | ExprKind::In { .. }
        | ExprKind::Between { .. } => true,
        _ => false,
    };
    let children = e.children();
    let null = || children.iter().any(|child| constant(child) == Some(Ok(Value::Null)));
    if strict && children.iter().any(|child| may_fail(child, dialect)) && null() {
        return Err(Local::new("a part that may fail beside one that is NULL always", &e.span));
    }
    // The separator decides alone in SQL, after all parts here.
    if let ExprKind::Call(Function::ConcatWs, args) = &e.kind
        && args[0].nullable
        && args.iter().skip(1).any(|part| may_fail(part, dialect))
    {
        return Err(Local::new("a part that may fail after a separator that may be NULL", &e.span));
    }
    // Here all arguments are computed up to the first NULL; there a NULL may stand in the way of an earlier one that fails.
    let guarded = match &e.kind {
        ExprKind::Call(Function::Nullif, args) => args[0].nullable && may_fail(&args[1], dialect),
        ExprKind::Call(
            Function::Substring
            | Function::Lpad
            | Function::Round
            | Function::SplitPart
            | Function::ArrayToString
            | Function::StringToArray,
            args,
        ) => args.iter().enumerate().any(|(i, arg)| may_fail(arg, dialect) && args[i + 1..].iter().any(|later| later.nullable)),
        _ => false,
    };
    if guarded {
        return Err(Local::new("a part that may fail beside one that may be NULL", &e.span));
    }
    Ok(())
}

/// Whether a time or datetime is in the one form that columns have, so that its text in JSON is the one that the language gives.
pub(super) fn is_canonical(e: &Expr) -> bool {
    if !matches!(e.ty, ExprType::Time | ExprType::Datetime) {
        return true;
    }
    match &e.kind {
        ExprKind::Cast(inner) => matches!(inner.ty, ExprType::Date | ExprType::Datetime),
        ExprKind::Call(Function::Coalesce, args) => args.iter().all(is_canonical),
        ExprKind::Call(Function::Nullif, args) => is_canonical(&args[0]),
        ExprKind::Case { branches, otherwise, .. } => {
            branches.iter().all(|(_, result)| is_canonical(result)) && otherwise.as_deref().is_none_or(is_canonical)
        }
        ExprKind::Field(..) | ExprKind::Index(..) | ExprKind::Param(_) | ExprKind::Literal(_) => false,
        _ => true,
    }
}

/// Whether values of the type are kept as JSON.
pub(super) fn is_json(ty: &ExprType) -> bool {
    matches!(ty, ExprType::Json | ExprType::Union { .. } | ExprType::List(_) | ExprType::Map(_) | ExprType::Object(_))
}

/// Whether a string cannot be cast to something else without reading it.
pub(super) fn cast_fails(from: &ExprType, to: &ExprType) -> bool {
    use ExprType as T;
    if keeps(from, to) {
        return false;
    }
    match (from, to) {
        (T::Json | T::Union { .. } | T::List(_) | T::Map(_) | T::Object(_) | T::Ref(_), _) => true,
        (_, T::String)
        | (T::Boolean, T::Integer)
        | (T::Integer, T::Boolean | T::Float)
        | (T::Date, T::Datetime)
        | (T::Datetime, T::Date | T::Time) => false,
        (_, _) => true,
    }
}

/// Whether the text of an expression may raise an error for some values.
pub(super) fn may_fail(expr: &Expr, dialect: Dialect) -> bool {
    if let Some(value) = constant(expr) {
        return value.is_err();
    }
    if expr.children().into_iter().any(|child| may_fail(child, dialect)) {
        return true;
    }
    match &expr.kind {
        ExprKind::Arithmetic(..) | ExprKind::Negate(_) => true,
        ExprKind::Cast(inner) => cast_fails(&inner.ty, &expr.ty),
        ExprKind::Map(entries) => entries.iter().any(|(key, _)| text(key).is_none()),
        ExprKind::Field(base, _) | ExprKind::Index(base, _) if dialect == Dialect::Postgres => !is_json(&base.ty),
        // A number is not read with an exponent, nor at a key that is written with an escape.
        ExprKind::Field(base, _) => !is_json(&base.ty) || is_decimal(&expr.ty),
        ExprKind::Index(base, index) => {
            !is_json(&base.ty) || is_decimal(&expr.ty) || index.ty != ExprType::Integer && text(index).is_none()
        }
        ExprKind::Call(function, args) => call_fails(*function, args, dialect),
        ExprKind::Literal(_)
        | ExprKind::Interval(_)
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
        | ExprKind::Like { .. }
        | ExprKind::Case { .. }
        | ExprKind::Lambda { .. }
        | ExprKind::Pattern(_)
        | ExprKind::List(_)
        | ExprKind::Object(_)
        | ExprKind::Table(_) => false,
    }
}

pub(super) fn call_fails(function: Function, args: &[Expr], dialect: Dialect) -> bool {
    match function {
        Function::Substring => args.get(2).is_some_and(|count| integer(count).is_none_or(|count| count < 0)),
        Function::SplitPart => dialect == Dialect::Sqlite || integer(&args[2]).is_none_or(|number| number == 0),
        Function::Lpad => integer(&args[1]).is_none(),
        Function::Abs | Function::Round | Function::Floor | Function::Ceil => {
            dialect == Dialect::Sqlite || args[0].ty != ExprType::Float
        }
        Function::Mod
        | Function::Power
        | Function::ToTimestamp
        | Function::MapFromEntries
        | Function::ListTransform
        | Function::ListFilter
        | Function::TransformValues
        | Function::MapKeys
        | Function::MapValues
        | Function::MapEntries
        | Function::Cardinality
        | Function::ArrayToString => true,
        Function::StringToArray => dialect == Dialect::Sqlite,
        Function::Coalesce
        | Function::Nullif
        | Function::Lower
        | Function::Upper
        | Function::Trim
        | Function::Ltrim
        | Function::Rtrim
        | Function::Length
        | Function::Position
        | Function::Replace
        | Function::ConcatWs
        | Function::RegexpReplace
        | Function::StartsWith
        | Function::Extract
        | Function::DateTrunc
        | Function::JsonKind
        | Function::Lookup => false,
    }
}
