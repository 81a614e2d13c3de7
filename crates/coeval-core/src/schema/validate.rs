//! Whether a value fits a property, and if not, where and why.

use chrono::{DateTime, NaiveDate, NaiveTime};

use super::{Model, Properties, Property, Type};
use crate::number::Number;
use crate::path::{Path, Segment};
use crate::value::{Object, Value};

/// One place where a record does not fit its schema.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{message}", place(.path))]
pub struct Violation {
    /// Where in the record, with indices and keys: `items[2].price`; empty where it is about the whole of it.
    pub path: String,
    /// What is wrong.
    pub message: String,
}

fn place(path: &str) -> String {
    if path.is_empty() { String::new() } else { format!("{path}: ") }
}

impl Model {
    /// Returns every place where a record's document does not fit the model.
    pub fn violations(&self, document: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        match document {
            Value::Object(object) => self.properties.check(object, "", &mut found),
            other => found.push(Violation {
                path: String::new(),
                message: format!("a record is a JSON object, this is {}", describe(other)),
            }),
        }
        found
    }
}

impl Property {
    /// Returns every place where a value that is there does not fit.
    pub fn violations(&self, value: &Value) -> Vec<Violation> {
        let mut found = Vec::new();
        self.check(value, "", &mut found);
        found
    }

    /// Returns whether a value that is there fits.
    pub fn admits(&self, value: &Value) -> bool {
        match value {
            Value::Null => self.nullable || matches!(self.ty, Type::Json),
            value => self.ty.admits(value),
        }
    }

    fn check(&self, value: &Value, path: &str, found: &mut Vec<Violation>) {
        if *value == Value::Null {
            if !self.admits(value) {
                found.push(Violation { path: path.to_owned(), message: "null is not allowed here".to_owned() });
            }
            return;
        }
        match (&self.ty, value) {
            (Type::Object(properties), Value::Object(object)) => properties.check(object, path, found),
            (Type::Array { items, .. }, Value::List(list)) => {
                for (i, item) in list.iter().enumerate() {
                    items.check(item, &format!("{path}[{i}]"), found);
                }
            }
            (Type::Map { values }, Value::Object(object)) => {
                for (key, value) in object {
                    values.check(value, &format!("{path}{{{}}}", key.as_str()), found);
                }
            }
            (Type::Union { of, tag }, value) => match alternative(of, tag.as_deref(), value) {
                Some(property) => property.check(value, path, found),
                None => found.push(Violation {
                    path: path.to_owned(),
                    message: format!("{} is none of the union's types", describe(value)),
                }),
            },
            (ty, value) if ty.admits(value) => {}
            (ty, value) => found.push(Violation { path: path.to_owned(), message: ty.complaint(value) }),
        }
    }
}

/// The alternative of a union that a value belongs to.
fn alternative<'a>(of: &'a [Property], tag: Option<&str>, value: &Value) -> Option<&'a Property> {
    let Some(tag) = tag else { return of.iter().find(|p| p.ty.json_kind() == Some(value.kind())) };
    let name = value.as_object()?.get(tag)?.as_str()?;
    of.iter().find(|p| {
        let Type::Object(properties) = &p.ty else { return false };
        properties.get(tag).is_some_and(|p| matches!(&p.ty, Type::Enum { values } if values.iter().any(|v| v == name)))
    })
}

impl Properties {
    fn check(&self, object: &Object, path: &str, found: &mut Vec<Violation>) {
        let beneath = |name: &str| {
            let name = Path::from(vec![Segment::Name(name.to_owned())]);
            if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
        };
        for (name, value) in object {
            match self.get(name) {
                Some(property) => property.check(value, &beneath(name), found),
                None if self.additional || (path.is_empty() && name.as_str() == "_coeval") => {}
                None => found.push(Violation {
                    path: beneath(name),
                    message: "this property is not declared, and the object says `additional: false`".to_owned(),
                }),
            }
        }
        for (name, property) in self.iter() {
            if property.required && object.get(name).is_none() {
                found.push(Violation { path: beneath(name), message: "this property is required and missing".to_owned() });
            }
        }
    }

    fn admit(&self, object: &Object) -> bool {
        let declared = object.iter().all(|(name, value)| match self.get(name) {
            Some(property) => property.admits(value),
            None => self.additional,
        });
        declared && self.iter().all(|(name, property)| !property.required || object.get(name).is_some())
    }
}

impl Type {
    /// Returns whether the value is one of the type's; null is none of any but `json`.
    pub fn admits(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Json, _)
            | (Self::String, Value::String(_))
            | (Self::Number, Value::Number(_))
            | (Self::Boolean, Value::Bool(_))
            | (Self::Ref { .. }, Value::String(_) | Value::Number(_)) => true,
            (Self::Integer, Value::Number(number)) => number.to_i64().is_some(),
            (Self::Float, Value::Number(number)) => number.to_f64().is_some(),
            (Self::Decimal { precision, scale }, Value::Number(number)) => fits(number, *precision, *scale),
            (Self::Date, Value::String(text)) => is_date(text),
            (Self::Time, Value::String(text)) => is_time(text),
            (Self::Datetime, Value::String(text)) => is_datetime(text),
            (Self::Uuid, Value::String(text)) => is_uuid(text),
            (Self::Bytes, Value::String(text)) => is_base64(text),
            (Self::Enum { values }, Value::String(text)) => values.iter().any(|v| v == text.as_str()),
            (Self::Object(properties), Value::Object(object)) => properties.admit(object),
            (Self::Array { items, .. }, Value::List(list)) => list.iter().all(|item| items.admits(item)),
            (Self::Map { values }, Value::Object(object)) => object.iter().all(|(_, value)| values.admits(value)),
            (Self::Union { of, tag }, value) => alternative(of, tag.as_deref(), value).is_some_and(|p| p.admits(value)),
            _ => false,
        }
    }

    /// Says why a value is none of the type's.
    fn complaint(&self, value: &Value) -> String {
        let found = describe(value);
        match (self, value) {
            (Self::Integer, Value::Number(_)) => {
                format!("{found} is not an integer of 64 bits (from {} to {}, without fraction or exponent)", i64::MIN, i64::MAX)
            }
            (Self::Float, Value::Number(_)) => format!("{found} is out of the range of a double-precision number"),
            (Self::Decimal { precision, scale }, Value::Number(_)) => {
                format!("{found} does not fit decimal({precision}, {scale})")
            }
            (Self::Enum { values }, Value::String(_)) => format!("{found} is not one of {}", values.join(", ")),
            (ty, _) => format!("expected {}, found {found}", ty.expectation()),
        }
    }

    fn expectation(&self) -> String {
        match self {
            Self::Date => "a date such as \"2026-11-21\"".to_owned(),
            Self::Time => "a time such as \"10:00:00\"".to_owned(),
            Self::Datetime => "a datetime with zone such as \"2026-11-21T10:00:00Z\"".to_owned(),
            Self::Bytes => "bytes in base 64".to_owned(),
            Self::Enum { values } => format!("one of {}", values.join(", ")),
            Self::Ref { model } => format!("the key of a {model}"),
            ty => {
                format!("{} {}", if matches!(ty.name().as_bytes()[0], b'a' | b'e' | b'i' | b'o') { "an" } else { "a" }, ty.name())
            }
        }
    }
}

/// Names a value in a message: its kind and the beginning of its text.
fn describe(value: &Value) -> String {
    let text = value.to_string();
    let short = if text.chars().count() > 60 { format!("{}…", text.chars().take(60).collect::<String>()) } else { text };
    match value {
        Value::Null | Value::Bool(_) => short,
        value => format!("the {} {short}", value.kind()),
    }
}

/// Whether the number has at most `scale` digits after the point and `precision - scale` before it.
fn fits(number: &Number, precision: u32, scale: u32) -> bool {
    let canonical = number.canonical();
    let digits = canonical.trim_start_matches('-');
    let (mantissa, power) = digits.split_once('e').unwrap_or((digits, "0"));
    let (Ok(length), Ok(power)) = (i64::try_from(mantissa.len()), power.parse::<i64>()) else { return false };
    canonical == "0" || (power >= -i64::from(scale) && length + power <= i64::from(precision - scale))
}

/// Whether the text is a calendar day, `YYYY-MM-DD`.
pub(crate) fn is_date(text: &str) -> bool {
    text.len() == 10 && NaiveDate::parse_from_str(text, "%Y-%m-%d").is_ok()
}

/// Whether the text is a time of day, `HH:MM:SS` with or without a fraction of at most nine digits.
pub(crate) fn is_time(text: &str) -> bool {
    let shape = text.len() >= 8 && text.as_bytes()[2] == b':' && text.as_bytes()[5] == b':' && text.len() <= 18;
    shape && text.is_ascii() && !text.ends_with('.') && NaiveTime::parse_from_str(text, "%H:%M:%S%.f").is_ok()
}

/// Whether the text is a moment with zone as in RFC 3339.
pub(crate) fn is_datetime(text: &str) -> bool {
    DateTime::parse_from_rfc3339(text).is_ok()
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, b)| if matches!(i, 8 | 13 | 18 | 23) { b == b'-' } else { b.is_ascii_hexdigit() })
}

fn is_base64(text: &str) -> bool {
    let body = text.trim_end_matches('=');
    text.len().is_multiple_of(4)
        && text.len() - body.len() <= 2
        && body.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/'))
}
