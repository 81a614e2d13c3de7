//! Equality and order of two values of one type, neither of them NULL.

use std::cmp::Ordering;

use super::{Outcome, numeric, temporal, text};
use crate::expr::types::ExprType;
use crate::value::Value;

/// Whether the two are equal: moments by instant, floats by their double, everything else as values.
pub(super) fn equal(ty: &ExprType, a: &Value, b: &Value) -> Outcome<bool> {
    match ty {
        ExprType::Datetime | ExprType::Time | ExprType::Float | ExprType::Uuid => Ok(order(ty, a, b)? == Ordering::Equal),
        _ => Ok(a == b),
    }
}

/// The order of the two: texts by code point, false before true.
pub(super) fn order(ty: &ExprType, a: &Value, b: &Value) -> Outcome<Ordering> {
    match ty {
        ExprType::Integer => Ok(numeric::integer(a)?.cmp(&numeric::integer(b)?)),
        ExprType::Number | ExprType::Decimal { .. } => Ok(numeric::decimal(a)?.cmp(&numeric::decimal(b)?)),
        ExprType::Float => Ok(numeric::float(a)?.total_cmp(&numeric::float(b)?)),
        ExprType::Datetime => Ok(temporal::datetime(a)?.cmp(&temporal::datetime(b)?)),
        ExprType::Time => Ok(temporal::time(a)?.cmp(&temporal::time(b)?)),
        ExprType::Uuid => Ok(text::str(a)?.to_ascii_lowercase().cmp(&text::str(b)?.to_ascii_lowercase())),
        ExprType::Boolean => match (a, b) {
            (Value::Bool(a), Value::Bool(b)) => Ok(a.cmp(b)),
            _ => Err("expected true or false".to_owned()),
        },
        _ => Ok(text::str(a)?.cmp(text::str(b)?)),
    }
}
