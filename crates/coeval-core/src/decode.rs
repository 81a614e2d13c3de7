//! Reading what people write (models, operations) out of values, with the place of what is wrong.

use crate::invalid::{Invalid, nearest};
use crate::path::Path;
use crate::value::{Object, Value};

/// Returns the object that `value` is, or says what is expected.
pub fn object<'a>(value: &'a Value, what: &str) -> Result<&'a Object, Invalid> {
    value.as_object().ok_or_else(|| Invalid::new(format!("expected {what}, a mapping, found {}", found(value))))
}

/// Refuses keys that are not known, naming the nearest known one.
pub fn known_keys(object: &Object, known: &[&str]) -> Result<(), Invalid> {
    for (key, _) in object {
        if !known.contains(&key.as_str()) {
            let invalid = Invalid::new(format!("unknown key `{}`", key.as_str())).key(key.as_str());
            return Err(match nearest(key, known.iter().copied()) {
                Some(near) => invalid.help(format!("did you mean `{near}`?")),
                None => invalid.help(format!("known here: {}", known.join(", "))),
            });
        }
    }
    Ok(())
}

/// Returns the value at `key`, or says that it is missing.
pub fn required<'a>(object: &'a Object, key: &str) -> Result<&'a Value, Invalid> {
    object.get(key).ok_or_else(|| Invalid::new(format!("`{key}` is missing")))
}

/// Returns the string at `key`.
pub fn string<'a>(object: &'a Object, key: &str) -> Result<&'a str, Invalid> {
    text(required(object, key)?).map_err(|e| e.beneath(key))
}

/// Returns the string at `key`, where there is one.
pub fn optional_string<'a>(object: &'a Object, key: &str) -> Result<Option<&'a str>, Invalid> {
    object.get(key).map(|v| text(v).map_err(|e| e.beneath(key))).transpose()
}

/// Returns the boolean at `key`; `false` where there is none.
pub fn flag(object: &Object, key: &str) -> Result<bool, Invalid> {
    match object.get(key) {
        None => Ok(false),
        Some(Value::Bool(value)) => Ok(*value),
        Some(value) => Err(Invalid::new(format!("expected true or false, found {}", found(value))).beneath(key)),
    }
}

/// Returns the path at `key`.
pub fn path(object: &Object, key: &str) -> Result<Path, Invalid> {
    Path::parse(string(object, key)?).map_err(|e| e.beneath(key))
}

/// Returns the list of strings at `key`; empty where there is none.
pub fn strings(object: &Object, key: &str) -> Result<Vec<String>, Invalid> {
    let Some(value) = object.get(key) else { return Ok(Vec::new()) };
    let items = value.as_list().ok_or_else(|| Invalid::new(format!("expected a list, found {}", found(value))).beneath(key))?;
    items
        .iter()
        .enumerate()
        .map(|(i, item)| text(item).map(str::to_owned).map_err(|e| e.beneath(&i.to_string()).beneath(key)))
        .collect()
}

/// Returns the list of paths at `key`.
pub fn paths(object: &Object, key: &str) -> Result<Vec<Path>, Invalid> {
    let texts = strings(object, key)?;
    texts.iter().enumerate().map(|(i, text)| Path::parse(text).map_err(|e| e.beneath(&i.to_string()).beneath(key))).collect()
}

/// Returns the string that `value` is.
pub fn text(value: &Value) -> Result<&str, Invalid> {
    value.as_str().ok_or_else(|| Invalid::new(format!("expected a string, found {}", found(value))))
}

/// Says what a value is, shortened, for messages.
pub fn found(value: &Value) -> String {
    let text = value.to_string();
    match value {
        Value::Object(_) => "a mapping".to_owned(),
        Value::List(_) => "a list".to_owned(),
        Value::Null => "nothing".to_owned(),
        _ if text.chars().count() > 40 => format!("{}…", text.chars().take(40).collect::<String>()),
        _ => text,
    }
}
