//! What the renderers share.

use std::cell::Cell;

use coeval_core::Value;
use coeval_core::expr::{Expr, ExprKind, ExprType, Function};

use super::{Local, Sql};
use crate::Dialect;

/// How deep parentheses and `CASE` may be nested together: the parser of SQLite 3.40 has a stack of fixed size, and a trigger that it
/// cannot read makes the whole database unreadable to it. Measured within a `CASE` of a trigger's `UPDATE`: 17 are read, 18 are not.
const DEPTH_LIMIT: usize = 16;

/// Names that no column has.
#[derive(Debug, Default)]
pub(super) struct Names(Cell<usize>);

impl Names {
    /// A new name, in quotation marks.
    pub(super) fn fresh(&self) -> String {
        self.0.set(self.0.get() + 1);
        format!("\"@{}\"", self.0.get())
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
                bound.push(format!("{value} AS {name}"));
                names.push(name);
            }
        }
        let made = make(&names)?;
        if bound.is_empty() {
            return Ok(made);
        }
        Ok(format!("(SELECT {made} FROM (SELECT {}{barrier}) AS {})", bound.join(", "), self.fresh()))
    }
}

/// Whether the text is a name or a short literal.
fn is_short(sql: &str) -> bool {
    sql.len() <= 80 && !sql.contains('(')
}

/// Refuses a text that SQLite's parser could not read.
pub(super) fn check_depth(sql: &str, root: &Expr) -> Result<(), Local> {
    if depth(sql) > DEPTH_LIMIT {
        return Err(Local::new("the expression is nested too deeply for SQLite's parser", &root.span));
    }
    Ok(())
}

/// How deep parentheses and `CASE` are nested.
pub(crate) fn depth(sql: &str) -> usize {
    let (mut depth, mut deepest, mut quote, mut word) = (0_usize, 0, None, String::new());
    for c in sql.chars().chain([' ']) {
        if quote.is_none() && c.is_ascii_alphabetic() {
            word.push(c);
            continue;
        }
        match (quote, c) {
            (Some(open), c) if open == c => quote = None,
            (None, '\'' | '"') => quote = Some(c),
            (None, '(') => depth += 1,
            (None, ')') => depth = depth.saturating_sub(1),
            _ => {}
        }
        match word.as_str() {
            "CASE" => depth += 1,
            "END" => depth = depth.saturating_sub(1),
            _ => {}
        }
        word.clear();
        deepest = deepest.max(depth);
    }
    deepest
}

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
