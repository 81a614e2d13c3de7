//! Literals: constants, intervals, lists, objects and maps.

use std::ops::Range;

use sqlparser::ast::{self as sql, DictionaryField, MapEntry, TypedString, ValueWithSpan};

use super::{Checker, node};
use crate::expr::ast::{Expr, ExprKind};
use crate::expr::interval::Interval;
use crate::expr::types::{ExprType, Typed};
use crate::invalid::Invalid;
use crate::number::Number;
use crate::value::Value;

impl Checker<'_> {
    pub(super) fn value(&mut self, value: &ValueWithSpan) -> Result<Expr, Invalid> {
        let span = self.source.range(value.span);
        let (constant, ty) = match &value.value {
            sql::Value::Null => (Value::Null, ExprType::Null),
            sql::Value::Boolean(value) => (Value::Bool(*value), ExprType::Boolean),
            sql::Value::SingleQuotedString(text) => (Value::from(text.as_str()), ExprType::String),
            sql::Value::Number(text, false) => return number(text, span),
            other => {
                let message = format!("expressions have no literals such as `{other}`");
                return Err(Invalid::new(message).span(span).help("write 'text', 1, 1.5, true, false or null"));
            }
        };
        let nullable = constant == Value::Null;
        Ok(node(ExprKind::Literal(constant), ty, nullable, span))
    }

    /// The negative of a number; a literal is negated at once, for the least integer has no positive.
    pub(super) fn negate(&mut self, inner: &sql::Expr) -> Result<Expr, Invalid> {
        if let sql::Expr::Value(ValueWithSpan { value: sql::Value::Number(text, false), span }) = inner {
            let span = self.source.with_token_before(&self.source.range(*span));
            return number(&format!("-{text}"), span);
        }
        let expr = self.lower(inner)?;
        let span = self.source.with_token_before(&expr.span);
        let expr = if expr.ty == ExprType::Interval { expr } else { self.numeric(expr)? };
        let (nullable, ty) = (expr.nullable, arithmetic_type(&expr.ty));
        Ok(node(ExprKind::Negate(Box::new(expr)), ty, nullable, span))
    }

    /// `date '2026-11-21'`: a cast of a string.
    pub(super) fn typed_string(&mut self, typed: &TypedString) -> Result<Expr, Invalid> {
        let literal = self.value(&typed.value)?;
        let span = self.source.with_token_before(&literal.span);
        if literal.ty != ExprType::String {
            return Err(Invalid::new("expected a string after a type's name").span(literal.span));
        }
        let ty = super::convert::named_type(&typed.data_type.to_string(), &span)?;
        let mut expr = self.convert(literal, &ty, true)?;
        expr.span = span;
        Ok(expr)
    }

    pub(super) fn interval(&mut self, interval: &sql::Interval) -> Result<Expr, Invalid> {
        let literal = self.lower(&interval.value)?;
        let span = self.source.with_token_before(&literal.span);
        let plain = interval.leading_precision.is_none()
            && interval.last_field.is_none()
            && interval.fractional_seconds_precision.is_none();
        let text = match (literal.literal_str(), &interval.leading_field) {
            (Some(text), None) if plain => text.to_owned(),
            (Some(text), Some(unit)) if plain => format!("{text} {unit}"),
            _ => {
                let invalid = Invalid::new("expected a string after `interval`").span(span);
                return Err(invalid.help("such as `interval '1 day'`; multiply it by a number of days"));
            }
        };
        let Some(interval) = Interval::parse(&text) else {
            let invalid = Invalid::new(format!("`{text}` is not an interval")).span(literal.span);
            return Err(invalid.help("such as '1 day', '2 months', '1 hour 30 minutes'"));
        };
        Ok(node(ExprKind::Interval(interval), ExprType::Interval, false, span))
    }

    pub(super) fn list(&mut self, items: &[sql::Expr]) -> Result<Expr, Invalid> {
        let items = items.iter().map(|item| self.lower(item)).collect::<Result<Vec<_>, _>>()?;
        let span = self.around(items.first(), items.last());
        let (items, item) = self.unify(items)?;
        Ok(node(ExprKind::List(items), ExprType::list(item.ty, item.nullable), false, span))
    }

    pub(super) fn object(&mut self, fields: &[DictionaryField]) -> Result<Expr, Invalid> {
        let mut entries: Vec<(String, Expr)> = Vec::with_capacity(fields.len());
        for field in fields {
            let value = self.lower(&field.value)?;
            no_interval(&value)?;
            if entries.iter().any(|(name, _)| *name == field.key.value) {
                let message = format!("the field `{}` occurs twice", field.key.value);
                return Err(Invalid::new(message).span(self.source.key_before(value.span.start)));
            }
            entries.push((field.key.value.clone(), value));
        }
        let span = match (entries.first(), entries.last()) {
            (Some((_, first)), Some((_, last))) => self.source.with_brackets(&super::hull(first, last), false),
            _ => 0..self.source.text.len(),
        };
        let typed = |(name, expr): &(String, Expr)| (name.clone(), Typed::new(expr.ty.clone(), expr.nullable));
        let ty = ExprType::Object(entries.iter().map(typed).collect());
        Ok(node(ExprKind::Object(entries), ty, false, span))
    }

    pub(super) fn map(&mut self, entries: &[MapEntry]) -> Result<Expr, Invalid> {
        let mut keys: Vec<Expr> = Vec::with_capacity(entries.len());
        let mut values = Vec::with_capacity(entries.len());
        for entry in entries {
            let key = self.lower(&entry.key)?;
            if !key.ty.is_text() {
                let message = format!("expected a string as a map's key, found {}", key.ty.a());
                return Err(Invalid::new(message).span(key.span).help("wrap it in `cast(… as string)`"));
            }
            if let Some(text) = key.literal_str()
                && keys.iter().any(|known| known.literal_str() == Some(text))
            {
                return Err(Invalid::new(format!("the key `{text}` occurs twice")).span(key.span));
            }
            keys.push(key);
            values.push(self.lower(&entry.value)?);
        }
        let span = match (keys.first(), values.last()) {
            (Some(first), Some(last)) => self.source.with_brackets(&super::hull(first, last), true),
            _ => 0..self.source.text.len(),
        };
        let (values, value) = self.unify(values)?;
        let entries = keys.into_iter().zip(values).collect();
        Ok(node(ExprKind::Map(entries), ExprType::map(value.ty, value.nullable), false, span))
    }

    /// The brackets around a list, with the word before them; the whole source where there is nothing in them.
    fn around(&self, first: Option<&Expr>, last: Option<&Expr>) -> Range<usize> {
        match (first, last) {
            (Some(first), Some(last)) => self.source.with_brackets(&super::hull(first, last), false),
            _ => 0..self.source.text.len(),
        }
    }
}

/// Refuses an interval where values go.
pub(super) fn no_interval(expr: &Expr) -> Result<(), Invalid> {
    if expr.ty == ExprType::Interval {
        let help = "add it to a date or a datetime";
        return Err(Invalid::new("an interval is no value of its own").span(expr.span.clone()).help(help));
    }
    Ok(())
}

/// The type of arithmetic on a number's type.
pub(super) fn arithmetic_type(ty: &ExprType) -> ExprType {
    if let ExprType::Decimal { .. } = ty { ExprType::Number } else { ty.clone() }
}

/// A number's literal: an integer where it is written as one and fits, else a number.
fn number(text: &str, span: Range<usize>) -> Result<Expr, Invalid> {
    let digits = text.trim_start_matches('-');
    let sign = if digits.len() < text.len() { "-" } else { "" };
    // SQL allows `.5`, `1.` and `007`; JSON does not.
    let (whole, rest) = digits.find(['.', 'e', 'E']).map_or((digits, ""), |at| digits.split_at(at));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let (fraction, power) = rest.find(['e', 'E']).map_or((rest, ""), |at| rest.split_at(at));
    let fraction = if fraction == "." { "" } else { fraction };
    let parsed = Number::parse(&format!("{sign}{whole}{fraction}{power}"));
    let Some((number, decimal)) = parsed.and_then(|n| n.to_decimal().map(|decimal| (n, decimal))) else {
        return Err(Invalid::new("this number is out of range").span(span));
    };
    // An exponent or a point makes a number, whatever its value.
    let (ty, number) = match number.to_i64() {
        Some(_) => (ExprType::Integer, Number::from(&decimal)),
        // What is written as 0.0 is stored as 0.0.
        None => (ExprType::Number, number),
    };
    Ok(node(ExprKind::Literal(Value::Number(number)), ty, false, span))
}
