//! Casts. Equal values give equal results: a datetime's text is that of UTC, a number's is without trailing zeros.

use bigdecimal::{BigDecimal, Zero};

use super::{Outcome, numeric, temporal, text};
use crate::decode::found;
use crate::expr::types::ExprType;
use crate::number::Number;
use crate::schema::Type;
use crate::value::{Object, Value};

/// Whether a value of one type is one of the other as it stands.
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

/// Converts a value that is not NULL; the message says why it cannot be.
pub(in crate::expr) fn cast_value(value: &Value, from: &ExprType, to: &ExprType) -> Outcome<Value> {
    use ExprType as T;
    if *value == Value::Null {
        return Ok(Value::Null);
    }
    let invalid = || format!("{} is not {}", shown(value), to.a());
    match (from, to) {
        (from, to) if keeps(from, to) => Ok(value.clone()),
        (T::Json | T::Union { .. }, to) => from_json(value, to),
        (T::Ref(_), to) => match value {
            Value::Number(_) => cast_value(value, &T::Number, to),
            _ => cast_value(value, &T::String, to),
        },
        (T::List(a), T::List(b)) => {
            let items = value.as_list().ok_or_else(invalid)?;
            items.iter().map(|item| cast_value(item, &a.ty, &b.ty)).collect::<Outcome<Vec<_>>>().map(Value::List)
        }
        (T::Map(a), T::Map(b)) => {
            let map = value.as_object().ok_or_else(invalid)?;
            let cast = |(key, value): &(_, Value)| {
                let key: &crate::value::Text = key;
                Ok((key.clone(), cast_value(value, &a.ty, &b.ty)?))
            };
            map.iter().map(cast).collect::<Outcome<Object>>().map(Value::Object)
        }
        (T::Object(a), T::Object(b)) => {
            let object = value.as_object().ok_or_else(invalid)?;
            let field = |fields: &[(String, crate::expr::Typed)], name: &str| {
                fields.iter().find(|(field, _)| field == name).map(|(_, typed)| typed.ty.clone())
            };
            let cast = |(key, value): &(crate::value::Text, Value)| match (field(a, key), field(b, key)) {
                (Some(from), Some(to)) => Ok((key.clone(), cast_value(value, &from, &to)?)),
                _ => Ok((key.clone(), value.clone())),
            };
            object.iter().map(cast).collect::<Outcome<Object>>().map(Value::Object)
        }
        (from, T::String) => to_text(value, from),
        (T::String | T::Enum(_), to) => from_text(text::str(value)?, to).ok_or_else(invalid)?,
        (T::Boolean, T::Integer) => value.as_bool().map(|b| Value::from(i64::from(b))).ok_or_else(invalid),
        (T::Integer, T::Boolean) => Ok(Value::Bool(numeric::integer(value)? != 0)),
        (from, to) if from.is_numeric() => to_number(&exact(value, from)?, to),
        (T::Date, T::Datetime) => temporal::from_datetime(temporal::date(value)?.and_time(chrono::NaiveTime::MIN)),
        (T::Datetime, T::Date) => temporal::from_date(temporal::datetime(value)?.date_naive()),
        (T::Datetime, T::Time) => Ok(temporal::from_time(temporal::datetime(value)?.time())),
        _ => Err(invalid()),
    }
}

/// A text in quotation marks, anything else as it is, both shortened.
fn shown(value: &Value) -> String {
    found(value)
}

/// The decimal of a number; of a float, the shortest that reads back as it.
fn exact(value: &Value, from: &ExprType) -> Outcome<BigDecimal> {
    if *from == ExprType::Float {
        numeric::decimal(&numeric::from_float(numeric::float(value)?)?)
    } else {
        numeric::decimal(value)
    }
}

fn to_number(decimal: &BigDecimal, to: &ExprType) -> Outcome<Value> {
    match to {
        ExprType::Integer => numeric::to_integer(decimal).map(Value::from),
        ExprType::Number => numeric::from_decimal(decimal),
        ExprType::Decimal { precision, scale } => {
            let value = numeric::from_decimal(&numeric::round(decimal, i64::from(*scale)))?;
            let ty = Type::Decimal { precision: *precision, scale: *scale };
            if ty.admits(&value) { Ok(value) } else { Err(format!("{} does not fit {to}", shown(&value))) }
        }
        ExprType::Float => {
            let nearest = Number::from(decimal).to_f64().filter(|x| *x != 0.0 || decimal.is_zero());
            nearest.ok_or_else(|| "the number is out of range".to_owned()).and_then(numeric::from_float)
        }
        _ => Err(format!("a number is not {}", to.a())),
    }
}

/// The one text of a scalar.
pub(super) fn to_text(value: &Value, from: &ExprType) -> Outcome<Value> {
    Ok(match (from, value) {
        (ExprType::Datetime, _) => return temporal::from_datetime(temporal::datetime(value)?.naive_utc()),
        (ExprType::Time, _) => temporal::from_time(temporal::time(value)?),
        (ExprType::Uuid, Value::String(text)) => Value::from(text.to_ascii_lowercase()),
        (ExprType::Float, _) => Value::from(numeric::from_float(numeric::float(value)?)?.to_string()),
        (_, Value::Bool(value)) => Value::from(if *value { "true" } else { "false" }),
        (_, Value::Number(_)) => Value::from(numeric::from_decimal(&numeric::decimal(value)?)?.to_string()),
        (_, Value::String(text)) => Value::from(text.as_str()),
        _ => return Err(format!("{} has no text", shown(value))),
    })
}

/// Reads a text as a type's value, spaces around it aside; `None` where it spells none.
fn from_text(source: &str, to: &ExprType) -> Option<Outcome<Value>> {
    let text = source.trim_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let admitted = |ty: Type, value: Value| ty.admits(&value).then_some(value);
    Some(Ok(match to {
        ExprType::Integer => {
            let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
            let plain = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
            return plain.then(|| text.parse().map(|n: i64| Value::from(n)).map_err(|_| "integer overflow".to_owned()));
        }
        ty if ty.is_numeric() => return Some(to_number(&decimal(text)?, to)),
        ExprType::Boolean => Value::Bool(boolean(text)?),
        ExprType::Date => admitted(Type::Date, text.into())?,
        ExprType::Time => admitted(Type::Time, text.into())?,
        ExprType::Datetime => admitted(Type::Datetime, text.into())?,
        ExprType::Uuid => admitted(Type::Uuid, text.to_ascii_lowercase().into())?,
        ExprType::Bytes => admitted(Type::Bytes, source.into())?,
        _ => return None,
    }))
}

/// Reads a decimal as SQL writes them: `+1`, `.5`, `1.` and leading zeros too.
fn decimal(text: &str) -> Option<BigDecimal> {
    let (sign, rest) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (if text.starts_with('-') { "-" } else { "" }, rest),
        None => ("", text),
    };
    let (mantissa, power) = rest.find(['e', 'E']).map_or((rest, ""), |at| rest.split_at(at));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Number::parse(&format!("{sign}{whole}{point}{fraction}{power}"))?.to_decimal()
}

/// Reads a truth value as PostgreSQL does: a beginning of `true`, `false`, `yes`, `no` or of `on`, `off`, or `1`, `0`.
fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "t" | "tr" | "tru" | "true" | "y" | "ye" | "yes" | "on" | "1" => Some(true),
        "f" | "fa" | "fal" | "fals" | "false" | "n" | "no" | "of" | "off" | "0" => Some(false),
        _ => None,
    }
}

/// Takes a scalar out of JSON; its kind must be that of the type.
fn from_json(value: &Value, to: &ExprType) -> Outcome<Value> {
    let from = match (value, to) {
        (Value::String(_), to) if !to.is_numeric() && *to != ExprType::Boolean => ExprType::String,
        (Value::Number(_), to) if to.is_numeric() || matches!(to, ExprType::Ref(_)) => ExprType::Number,
        (Value::Bool(_), ExprType::Boolean) => ExprType::Boolean,
        _ => return Err(format!("expected {}, found the JSON {} {}", to.a(), value.kind(), shown(value))),
    };
    if let ExprType::Enum(values) = to
        && !values.iter().any(|known| Some(known.as_str()) == value.as_str())
    {
        return Err(format!("{} is not one of the enum's values", shown(value)));
    }
    if from == *to || matches!(to, ExprType::Ref(_) | ExprType::Enum(_)) {
        return Ok(value.clone());
    }
    cast_value(value, &from, to)
}
