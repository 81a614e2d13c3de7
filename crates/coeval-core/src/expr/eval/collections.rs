//! Lists, maps, and functions over their elements.

use std::borrow::Cow;
use std::collections::HashSet;
use std::ops::Range;

use super::{Env, Frame, NULL, Outcome, error, eval, text, truth};
use crate::decode::found;
use crate::expr::EvalError;
use crate::expr::ast::{Expr, ExprKind};
use crate::value::{Object, Text, Value};

/// The items of a list.
pub(super) fn items(value: &Value) -> Outcome<&[Value]> {
    value.as_list().ok_or_else(|| format!("expected a list, found {}", found(value)))
}

/// The entries of a map.
pub(super) fn entries(value: &Value) -> Outcome<&Object> {
    value.as_object().ok_or_else(|| format!("expected a map, found {}", found(value)))
}

/// A map that is being made, with its keys hashed once there are many.
#[derive(Default)]
pub(super) struct Unique {
    object: Object,
    seen: HashSet<Box<str>>,
}

impl Unique {
    /// Adds an entry whose key must be new.
    pub(super) fn add(&mut self, key: &Value, value: Value) -> Outcome<()> {
        let key = match key {
            Value::String(key) => key,
            Value::Null => return Err("the key of a map must not be NULL".to_owned()),
            other => return Err(format!("the key of a map must be a string, found {}", found(other))),
        };
        if !self.seen.insert(key.as_str().into()) {
            return Err(format!("the key `{}` occurs twice", key.as_str()));
        }
        self.object.push(key.as_str().into(), value);
        Ok(())
    }

    pub(super) fn into_object(self) -> Object {
        self.object
    }
}

/// The item at a number from 1, or the value at a key; NULL where there is none.
pub(super) fn index<'e>(
    base: Cow<'e, Value>,
    index: &Value,
    env: &Env<'e>,
    span: &Range<usize>,
) -> Result<Cow<'e, Value>, EvalError> {
    let position = || index.as_i64().and_then(|n| n.checked_sub(1)).and_then(|n| usize::try_from(n).ok());
    env.charge(0, span)?;
    Ok(match base {
        Cow::Borrowed(Value::List(items)) => position().and_then(|at| items.get(at)).map_or(NULL, Cow::Borrowed),
        Cow::Owned(Value::List(mut items)) => match position() {
            Some(at) if at < items.len() => Cow::Owned(items.swap_remove(at)),
            _ => NULL,
        },
        Cow::Borrowed(Value::Object(object)) => index.as_str().and_then(|key| object.get(key)).map_or(NULL, Cow::Borrowed),
        Cow::Owned(Value::Object(mut object)) => index.as_str().and_then(|key| object.remove(key)).map_or(NULL, Cow::Owned),
        _ => NULL,
    })
}

/// The body of a lambda.
fn body(lambda: &Expr) -> Result<&Expr, EvalError> {
    match &lambda.kind {
        ExprKind::Lambda { body, .. } => Ok(body),
        _ => Err(error(&lambda.span, "expected a lambda")),
    }
}

pub(super) fn transform(list: &[Value], lambda: &Expr, env: &Env<'_>) -> Result<Value, EvalError> {
    let body = body(lambda)?;
    let mut results = Vec::with_capacity(list.len());
    for item in list {
        let frame = Frame { value: item, outer: env.frame };
        let inner = env.with(&frame);
        results.push(inner.own(eval(body, &inner)?, &lambda.span)?);
    }
    Ok(Value::List(results))
}

pub(super) fn filter(list: &[Value], lambda: &Expr, env: &Env<'_>) -> Result<Value, EvalError> {
    let body = body(lambda)?;
    let mut kept = Vec::new();
    for item in list {
        let frame = Frame { value: item, outer: env.frame };
        let inner = env.with(&frame);
        if truth(body, &inner)? == Some(true) {
            kept.push(env.own(Cow::Borrowed(item), &lambda.span)?);
        }
    }
    Ok(Value::List(kept))
}

pub(super) fn transform_values(map: &Object, lambda: &Expr, env: &Env<'_>) -> Result<Value, EvalError> {
    let body = body(lambda)?;
    let mut results = Object::new();
    for (name, value) in map {
        let key = Value::String(name.clone());
        let outer = Frame { value: &key, outer: env.frame };
        let frame = Frame { value, outer: Some(&outer) };
        let inner = env.with(&frame);
        let result = inner.own(eval(body, &inner)?, &lambda.span)?;
        env.charge(name.len(), &lambda.span)?;
        results.push(name.clone(), result);
    }
    Ok(Value::Object(results))
}

/// The keys, sorted by code point.
/// The entries in the order of their keys. Two maps that are equal may be written in different orders, and must not give
/// different values.
fn sorted(map: &Object) -> Vec<(&Text, &Value)> {
    let mut entries: Vec<(&Text, &Value)> = map.iter().map(|(key, value)| (key, value)).collect();
    entries.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
    entries
}

pub(super) fn keys(map: &Object) -> Value {
    Value::List(sorted(map).into_iter().map(|(key, _)| Value::from(key.as_str())).collect())
}

pub(super) fn values(map: &Object) -> Value {
    Value::List(sorted(map).into_iter().map(|(_, value)| value.clone()).collect())
}

pub(super) fn to_entries(map: &Object) -> Value {
    let entry = |(key, value): (&Text, &Value)| {
        let key = Value::from(key.as_str());
        Value::Object(Object::from_iter([("key".into(), key), ("value".into(), value.clone())]))
    };
    Value::List(sorted(map).into_iter().map(entry).collect())
}

pub(super) fn from_entries(list: &[Value]) -> Outcome<Value> {
    let mut map = Unique::default();
    for entry in list {
        let object = entry.as_object().ok_or_else(|| format!("expected an object {{key, value}}, found {}", found(entry)))?;
        let get = |name: &str| object.get(name).unwrap_or(&Value::Null);
        map.add(get("key"), get("value").clone())?;
    }
    Ok(Value::Object(map.into_object()))
}

/// The parts of a text; none for an empty text.
pub(super) fn split(text: &str, separator: &str) -> Vec<Value> {
    match (text, separator) {
        ("", _) => Vec::new(),
        (text, "") => vec![Value::from(text)],
        (text, separator) => text.split(separator).map(Value::from).collect(),
    }
}

/// The texts of the items with the separator between them.
pub(super) fn join(
    list: &[Value],
    of: &dyn Fn(&Value) -> Outcome<Value>,
    separator: &str,
    null: Option<&str>,
    limit: usize,
) -> Outcome<String> {
    let mut joined = String::new();
    let mut first = true;
    for item in list {
        let item = if *item == Value::Null { Value::Null } else { of(item)? };
        let part = match (&item, null) {
            (Value::Null, None) => continue,
            (Value::Null, Some(null)) => null,
            (item, _) => text::str(item)?,
        };
        if !first {
            joined.push_str(separator);
        }
        first = false;
        joined.push_str(part);
        if joined.len() > limit {
            return Err("the result is too long".to_owned());
        }
    }
    Ok(joined)
}
