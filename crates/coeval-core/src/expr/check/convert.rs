//! Conversions: what a cast may do, what happens without one, and the common type of several expressions.

use std::ops::Range;

use sqlparser::ast as sql;

use super::literal::no_interval;
use super::{Checker, node};
use crate::expr::ast::{Expr, ExprKind};
use crate::expr::eval::cast::cast_value;
use crate::expr::types::{ExprType, Typed};
use crate::invalid::{Invalid, nearest};

/// The names of types in casts: ours first, then PostgreSQL's spellings.
const TYPE_NAMES: &[(&str, ExprType)] = &[
    ("integer", ExprType::Integer),
    ("string", ExprType::String),
    ("number", ExprType::Number),
    ("float", ExprType::Float),
    ("boolean", ExprType::Boolean),
    ("date", ExprType::Date),
    ("time", ExprType::Time),
    ("datetime", ExprType::Datetime),
    ("uuid", ExprType::Uuid),
    ("json", ExprType::Json),
    ("bytes", ExprType::Bytes),
    ("bigint", ExprType::Integer),
    ("int", ExprType::Integer),
    ("int8", ExprType::Integer),
    ("text", ExprType::String),
    ("varchar", ExprType::String),
    ("character varying", ExprType::String),
    ("numeric", ExprType::Number),
    ("decimal", ExprType::Number),
    ("double precision", ExprType::Float),
    ("float8", ExprType::Float),
    ("bool", ExprType::Boolean),
    ("timestamptz", ExprType::Datetime),
    ("timestamp with time zone", ExprType::Datetime),
    ("jsonb", ExprType::Json),
];

/// The type that a cast names.
pub(super) fn named_type(text: &str, span: &Range<usize>) -> Result<ExprType, Invalid> {
    let name = text.to_lowercase();
    if let Some((_, ty)) = TYPE_NAMES.iter().find(|(known, _)| *known == name) {
        return Ok(ty.clone());
    }
    if let Some(digits) = name.strip_prefix("decimal(").or_else(|| name.strip_prefix("numeric(")) {
        let (precision, scale) = digits.trim_end_matches(')').split_once(',').unwrap_or((digits.trim_end_matches(')'), "0"));
        if let (Ok(precision), Ok(scale)) = (precision.trim().parse::<u32>(), scale.trim().parse::<u32>())
            && (1..=1000).contains(&precision)
            && scale <= precision
        {
            return Ok(ExprType::Decimal { precision, scale });
        }
        let invalid = Invalid::new(format!("`{text}` is not a decimal's size")).span(span.clone());
        return Err(invalid.help("the precision counts all digits, from 1 to 1000, and not fewer than the scale"));
    }
    let invalid = Invalid::new(format!("unknown type `{text}`")).span(span.clone());
    Err(match nearest(&name, TYPE_NAMES.iter().map(|(known, _)| *known)) {
        _ if name.starts_with("timestamp") => invalid.help("a moment has a zone here: write `datetime`"),
        Some(near) => invalid.help(format!("did you mean `{near}`?")),
        None => {
            let names: Vec<&str> = TYPE_NAMES.iter().take(11).map(|(known, _)| *known).collect();
            invalid.help(format!("known types: {}, decimal(precision, scale)", names.join(", ")))
        }
    })
}

/// Whether a cast from one type to the other exists.
pub(in crate::expr) fn cast_exists(from: &ExprType, to: &ExprType) -> bool {
    use ExprType as T;
    match (from, to) {
        (T::Interval, _) | (_, T::Interval) => from == to,
        (a, b) if a == b => true,
        (T::Null, _) | (_, T::Json) | (T::Boolean, T::Integer) | (T::Integer, T::Boolean) => true,
        (T::Json | T::Union { .. }, to) => to.is_scalar(),
        (T::List(a), T::List(b)) | (T::Map(a), T::Map(b)) => cast_exists(&a.ty, &b.ty),
        (T::Object(a), T::Object(b)) => a
            .iter()
            .all(|(name, field)| b.iter().find(|(n, _)| n == name).is_some_and(|(_, other)| cast_exists(&field.ty, &other.ty))),
        (from, T::String) => from.is_scalar(),
        (T::String | T::Enum(_) | T::Ref(_), to) => to.is_scalar(),
        (from, T::Ref(_)) => matches!(from, T::Integer),
        (a, b) if a.is_numeric() && b.is_numeric() => true,
        (T::Date, T::Datetime) | (T::Datetime, T::Date | T::Time) => true,
        _ => false,
    }
}

impl Checker<'_> {
    pub(super) fn cast(&mut self, inner: &sql::Expr, data_type: &sql::DataType, infix: bool) -> Result<Expr, Invalid> {
        let expr = self.lower(inner)?;
        let call = self.source.with_brackets(&expr.span, true);
        let name = if infix {
            self.source.type_after(expr.span.end)
        } else {
            self.source.after_word(expr.span.end, call.end.saturating_sub(1))
        };
        let ty = named_type(&data_type.to_string(), &name)?;
        let span = if infix { expr.span.start..name.end } else { call };
        if !cast_exists(&expr.ty, &ty) {
            let message = format!("{} cannot be cast to {}", expr.ty.a(), ty.a());
            return Err(Invalid::new(message).span(span).help(cast_help(&expr.ty, &ty)));
        }
        let nullable = expr.nullable;
        Ok(node(ExprKind::Cast(Box::new(expr)), ty, nullable, span))
    }

    /// Makes an expression one of the type, by a conversion that is known to exist.
    #[allow(clippy::unused_self, reason = "reads as the other steps of the checker")]
    pub(super) fn convert(&self, expr: Expr, ty: &ExprType, check_literal: bool) -> Result<Expr, Invalid> {
        if expr.ty == *ty {
            return Ok(expr);
        }
        if check_literal
            && let (Some(text), ExprKind::Literal(value)) = (expr.literal_str(), &expr.kind)
            && *ty != ExprType::Json
        {
            if let ExprType::Enum(values) = ty {
                return match enum_value(text, values, &expr.span) {
                    None => Ok(Expr { ty: ty.clone(), ..expr }),
                    Some(invalid) => Err(invalid),
                };
            }
            return match cast_value(value, &expr.ty, ty) {
                Ok(value) => Ok(node(ExprKind::Literal(value), ty.clone(), false, expr.span)),
                Err(message) => Err(Invalid::new(message).span(expr.span)),
            };
        }
        let (span, nullable) = (expr.span.clone(), expr.nullable);
        Ok(node(ExprKind::Cast(Box::new(expr)), ty.clone(), nullable, span))
    }

    /// Gives several expressions their common type.
    pub(super) fn unify(&self, exprs: Vec<Expr>) -> Result<(Vec<Expr>, Typed), Invalid> {
        use ExprType as T;
        let mut ty = ExprType::Null;
        for expr in exprs.iter().filter(|expr| expr.literal_str().is_none()) {
            no_interval(expr)?;
            ty = ty.common(&expr.ty).ok_or_else(|| no_common_type(&ty, expr))?;
        }
        for expr in &exprs {
            let Some(text) = expr.literal_str() else { continue };
            ty = match ty {
                ExprType::Enum(values) if values.iter().any(|v| v == text) => ExprType::Enum(values),
                ExprType::Null | ExprType::String | ExprType::Enum(_) => ExprType::String,
                ty @ (ExprType::Json | ExprType::Ref(_)) => ty,
                // What the literal spells is checked when it is converted.
                ty if matches!(ty, T::Date | T::Time | T::Datetime | T::Uuid | T::Bytes) => ty,
                ty => return Err(no_common_type(&ty, expr)),
            };
        }
        let nullable = exprs.iter().any(|expr| expr.nullable);
        let exprs = exprs.into_iter().map(|expr| self.convert(expr, &ty, true)).collect::<Result<_, _>>()?;
        Ok((exprs, Typed::new(ty, nullable)))
    }

    /// Demands a truth value.
    pub(super) fn boolean(&self, expr: Expr) -> Result<Expr, Invalid> {
        match expr.ty {
            ExprType::Boolean => Ok(expr),
            ExprType::Null => self.convert(expr, &ExprType::Boolean, true),
            ref ty => {
                let message = format!("expected a condition, found {}", ty.a());
                Err(Invalid::new(message).span(expr.span).help("a condition is a boolean: compare it with something"))
            }
        }
    }

    /// Demands a number.
    pub(super) fn numeric(&self, expr: Expr) -> Result<Expr, Invalid> {
        match expr.ty {
            ExprType::Null => self.convert(expr, &ExprType::Integer, true),
            ref ty if ty.is_numeric() => Ok(expr),
            ref ty => Err(Invalid::new(format!("expected a number, found {}", ty.a()))
                .help(cast_help(ty, &ExprType::Number))
                .span(expr.span)),
        }
    }
}

/// What is wrong with a literal where a value of the enum is meant.
pub(in crate::expr) fn enum_value(text: &str, values: &[String], span: &Range<usize>) -> Option<Invalid> {
    if values.iter().any(|value| value == text) {
        return None;
    }
    let invalid = Invalid::new(format!("`{text}` is not one of the enum's values")).span(span.clone());
    let known = values.iter().map(String::as_str);
    Some(match nearest(text, known.clone()) {
        Some(near) => invalid.help(format!("did you mean `{near}`?")),
        None => invalid.help(format!("the values are {}", known.take(20).collect::<Vec<_>>().join(", "))),
    })
}

fn no_common_type(ty: &ExprType, expr: &Expr) -> Invalid {
    let message = format!("{} and {} have no common type", ty.a(), expr.ty.a());
    Invalid::new(message).span(expr.span.clone()).help(cast_help(&expr.ty, ty))
}

/// How to get from one type to the other.
pub(in crate::expr) fn cast_help(from: &ExprType, to: &ExprType) -> String {
    if cast_exists(from, to) {
        return format!("wrap it in `cast(… as {to})`");
    }
    match (from, to) {
        (ExprType::Float | ExprType::Number | ExprType::Decimal { .. }, ExprType::Boolean) => "write `x <> 0`".to_owned(),
        (ExprType::List(_), _) => "take an item with `l[1]`, or join the items with `array_to_string`".to_owned(),
        (ExprType::Object(_), _) => "take a field with `x.field`".to_owned(),
        (ExprType::Map(_), _) => "take a value with `m['key']`".to_owned(),
        _ => format!("no cast leads from {from} to {to}"),
    }
}
