//! Expressions that the detector writes: literals, casts, names.

use coeval_core::{Path, Property, Type, Value, json};

/// Returns a value as an expression; `None` where no literal says it.
pub fn literal(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => "null".to_owned(),
        Value::Bool(value) => value.to_string(),
        Value::Number(number) => number.to_string(),
        Value::String(text) => format!("'{}'", text.replace('\'', "''")),
        Value::List(_) | Value::Object(_) => return None,
    })
}

/// Returns an expression to stand where a person must say what an old record has: right in type, and plain to see.
pub(super) fn sample(property: &Property) -> String {
    if let Some(text) = property.default.as_ref().and_then(literal) {
        return text;
    }
    match &property.ty {
        Type::String => "''".to_owned(),
        Type::Integer | Type::Number | Type::Float | Type::Decimal { .. } => "0".to_owned(),
        Type::Boolean => "false".to_owned(),
        Type::Date => "cast('1970-01-01' as date)".to_owned(),
        Type::Time => "cast('00:00:00' as time)".to_owned(),
        Type::Datetime => "cast('1970-01-01T00:00:00Z' as datetime)".to_owned(),
        Type::Uuid => "cast('00000000-0000-0000-0000-000000000000' as uuid)".to_owned(),
        Type::Enum { values } => {
            values.first().map_or_else(|| "''".to_owned(), |value| format!("'{}'", value.replace('\'', "''")))
        }
        Type::Bytes
        | Type::Json
        | Type::Object(_)
        | Type::Array { .. }
        | Type::Map { .. }
        | Type::Ref { .. }
        | Type::Union { .. } => "…".to_owned(),
    }
}

/// As [`sample`], as a value; `None` for types without a plain one.
pub(super) fn sample_value(property: &Property) -> Option<Value> {
    let value = property.default.clone().or_else(|| match &property.ty {
        Type::String => Some("".into()),
        Type::Integer | Type::Number | Type::Float | Type::Decimal { .. } => Some(0.into()),
        Type::Boolean => Some(false.into()),
        Type::Enum { values } => values.first().map(|value| value.as_str().into()),
        Type::Date
        | Type::Time
        | Type::Datetime
        | Type::Uuid
        | Type::Bytes
        | Type::Json
        | Type::Object(_)
        | Type::Array { .. }
        | Type::Map { .. }
        | Type::Ref { .. }
        | Type::Union { .. } => None,
    });
    value.filter(|value| property.violations(value).is_empty())
}

/// Returns the name by which an expression calls a property: its path within the record or the element it lies in.
pub(super) fn name(path: &Path) -> String {
    let (_, inner) = path.split_element();
    if inner.is_root() {
        return "value".to_owned();
    }
    let plain = |name: &str| {
        let word = name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        word && !name.starts_with(|c: char| c.is_ascii_digit()) && !RESERVED.contains(&name)
    };
    let names = inner.segments().iter().map(|segment| match segment {
        coeval_core::Segment::Name(name) if plain(name) => name.clone(),
        coeval_core::Segment::Name(name) => format!("\"{}\"", name.replace('"', "\"\"")),
        _ => String::new(),
    });
    names.collect::<Vec<_>>().join(".")
}

/// Words of SQL that a property may be called and an expression must quote.
const RESERVED: &[&str] = &[
    "all",
    "and",
    "any",
    "array",
    "as",
    "asc",
    "between",
    "both",
    "by",
    "case",
    "cast",
    "check",
    "collate",
    "column",
    "constraint",
    "create",
    "cross",
    "current_date",
    "current_time",
    "current_timestamp",
    "default",
    "desc",
    "distinct",
    "else",
    "end",
    "except",
    "exists",
    "false",
    "fetch",
    "for",
    "foreign",
    "from",
    "full",
    "group",
    "having",
    "in",
    "inner",
    "interval",
    "into",
    "is",
    "join",
    "left",
    "like",
    "limit",
    "not",
    "null",
    "offset",
    "on",
    "or",
    "order",
    "outer",
    "primary",
    "references",
    "right",
    "select",
    "some",
    "table",
    "then",
    "to",
    "true",
    "union",
    "unique",
    "user",
    "using",
    "when",
    "where",
    "with",
];

/// How a value of one type becomes one of another; `None` where only a person can say.
pub(super) fn cast(from: &Type, to: &Type, name: &str) -> Option<String> {
    let scalar = |ty: &Type| {
        !matches!(
            ty,
            Type::Object(_) | Type::Array { .. } | Type::Map { .. } | Type::Union { .. } | Type::Json | Type::Ref { .. }
        )
    };
    if !scalar(from) || !scalar(to) {
        return None;
    }
    let number = |ty: &Type| matches!(ty, Type::Integer | Type::Number | Type::Float | Type::Decimal { .. });
    Some(match (from, to) {
        (Type::Boolean, to) if number(to) => format!("case when {name} then 1 else 0 end"),
        (from, Type::Boolean) if number(from) => format!("{name} <> 0"),
        (Type::Enum { .. }, Type::String) | (Type::String, Type::Enum { .. }) | (Type::Enum { .. }, Type::Enum { .. }) => {
            name.to_owned()
        }
        (from, to) if std::mem::discriminant(from) == std::mem::discriminant(to) && !matches!(to, Type::Decimal { .. }) => {
            name.to_owned()
        }
        (_, Type::Decimal { precision, scale }) => format!("cast({name} as decimal({precision}, {scale}))"),
        (_, Type::Enum { .. }) => format!("cast({name} as string)"),
        (_, to) => format!("cast({name} as {})", to.name()),
    })
}

/// A value shortened for a sentence.
pub(super) fn shown(value: &Value) -> String {
    let mut text = String::new();
    json::write(value, &mut text);
    text
}
