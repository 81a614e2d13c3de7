//! What a change means for clients that do not know it, and whether it loses anything: computed by running it, never declared.

use std::collections::HashSet;
use std::fmt;

use crate::history::{History, Release};
use crate::invalid::Invalid;
use crate::lens::Stored;
use crate::op::{Context, Operation};
use crate::sample;
use crate::schema::{Model, Properties, Property, Type};
use crate::value::{Object, Value};

/// How many sample documents are tried each way.
const SAMPLES: usize = 400;
/// How many texts of operations are tried.
const WORDS: usize = 24;

/// What a change means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Class {
    /// Whether clients of the older version can read what newer ones write, as it stands.
    pub readers: bool,
    /// Whether what clients of the older version write does for newer ones, as it stands and with the newer defaults.
    pub writers: bool,
    /// What becomes of documents of the older version at the newer.
    pub up: Way,
    /// What becomes of documents of the newer version at the older.
    pub down: Way,
}

/// What becomes of documents one way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// Each can be told again from what it becomes.
    Lossless,
    /// Some cannot; what is lost is kept beside the record.
    Lossy,
    /// Some cannot be converted, and are refused or in quarantine.
    Partial,
}

impl Class {
    /// The class of a change that nothing can tell: a model that begins, an index.
    pub const NEUTRAL: Self = Self { readers: true, writers: true, up: Way::Lossless, down: Way::Lossless };

    /// Says for whom the change is compatible.
    pub fn compatibility(&self) -> &'static str {
        match (self.readers, self.writers) {
            (true, true) => "compatible for readers and writers",
            (true, false) => "compatible for readers",
            (false, true) => "compatible for writers",
            (false, false) => "compatible for neither",
        }
    }

    /// Says what is lost.
    pub fn loss(&self) -> &'static str {
        match (self.up, self.down) {
            (Way::Lossless, Way::Lossless) => "lossless",
            (Way::Lossy, Way::Lossless) => "lossy upward",
            (Way::Lossless, Way::Lossy) => "lossy downward",
            (Way::Lossy, Way::Lossy) => "lossy",
            (Way::Partial, Way::Lossless | Way::Lossy) => "some values fail upward",
            (Way::Lossless | Way::Lossy, Way::Partial) => "some values fail downward",
            (Way::Partial, Way::Partial) => "some values fail",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.compatibility(), self.loss())
    }
}

/// Classifies one operation on a model.
///
/// # Errors
/// Why the operation does not fit the model.
pub fn operation(before: &Model, operation: &Operation, context: &Context<'_>) -> Result<Class, Invalid> {
    match operation {
        // There is no document on the one side.
        Operation::AddModel(_) => return Ok(Class::NEUTRAL),
        Operation::RemoveModel(_) => return Ok(Class { readers: false, writers: false, up: Way::Lossy, down: Way::Lossless }),
        _ => {}
    }
    let release = Release { version: 2, operations: vec![operation.clone()], order: None };
    let history = History::new(1, before.clone(), &[release], context).map_err(|fault| *fault.invalid)?;
    Ok(between(&history, 1, 2, &words([operation])).unwrap_or(Class::NEUTRAL))
}

/// Returns the texts that operations speak of: the keys they rename, the values they compare with.
pub fn words<'a>(operations: impl IntoIterator<Item = &'a Operation>) -> Vec<String> {
    let mut out = Vec::new();
    for operation in operations {
        collect(&operation.to_value(), &mut out);
    }
    let mut seen = HashSet::new();
    out.retain(|word: &String| word.len() <= 40 && seen.insert(word.clone()));
    out.truncate(WORDS);
    out
}

fn collect(value: &Value, out: &mut Vec<String>) {
    match value {
        Value::String(text) if text.contains('\'') => {
            // An expression: every second part stands between quotation marks.
            out.extend(text.as_str().split('\'').skip(1).step_by(2).map(str::to_owned));
        }
        Value::String(text) => out.push(text.as_str().to_owned()),
        Value::List(items) => items.iter().for_each(|item| collect(item, out)),
        Value::Object(object) => {
            for (key, value) in object {
                // The fields of an operation, not their names.
                if value.as_str().is_some() {
                    out.push(key.as_str().to_owned());
                }
                collect(value, out);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// Classifies all that lies between two versions; `None` where one of them does not have the model. `words` are those of the
/// operations between them.
pub fn between(history: &History, older: u32, newer: u32, words: &[String]) -> Option<Class> {
    let (before, after) = (history.model(older)?, history.model(newer)?);
    let at_older = sample::documents(before, words, SAMPLES);
    let at_newer = sample::documents(after, words, SAMPLES);
    let readers = holds(&before.properties, &after.properties, false)
        && at_newer.iter().all(|document| reads_as_it_stands(history, document, newer, older));
    let writers = holds(&after.properties, &before.properties, true)
        && at_older.iter().all(|document| reads_as_it_stands(history, document, older, newer));
    Some(Class { readers, writers, up: way(history, &at_older, older, newer), down: way(history, &at_newer, newer, older) })
}

/// Converts each document and back, without what is kept beside it.
fn way(history: &History, documents: &[Value], from: u32, to: u32) -> Way {
    let one = |document: &Value| -> Way {
        let Ok(stored) = history.create(from, document.clone()) else { return Way::Partial };
        let Ok(moved) = history.migrate(&stored, to) else { return Way::Partial };
        match history.migrate(&Stored::plain(to, moved.document), from) {
            Ok(back) if back.document == stored.document => Way::Lossless,
            _ => Way::Lossy,
        }
    };
    documents.iter().map(one).max().unwrap_or(Way::Lossless)
}

/// Whether a client of `to` that is handed a document of `from` as it stands sees what it would have read.
fn reads_as_it_stands(history: &History, document: &Value, from: u32, to: u32) -> bool {
    let Ok(stored) = history.create(from, document.clone()) else { return false };
    let (Ok(read), Some(model)) = (history.read(&stored, to), history.model(to)) else { return false };
    let mut as_it_stands = stored.document;
    history.normalise(to, &mut as_it_stands);
    declared(&model.properties, &as_it_stands) == declared(&model.properties, &read)
}

/// The part of a document that a version declares.
fn declared(properties: &Properties, document: &Value) -> Value {
    let Value::Object(object) = document else { return document.clone() };
    let shown = object.iter().filter_map(|(name, value)| {
        let property = properties.get(name)?;
        Some((name.clone(), declared_value(property, value)))
    });
    shown.collect::<Object>().into()
}

fn declared_value(property: &Property, value: &Value) -> Value {
    match (&property.ty, value) {
        (Type::Object(properties), Value::Object(_)) => declared(properties, value),
        (Type::Array { items, .. }, Value::List(list)) => {
            Value::List(list.iter().map(|item| declared_value(items, item)).collect())
        }
        (Type::Map { values }, Value::Object(map)) => {
            map.iter().map(|(key, value)| (key.clone(), declared_value(values, value))).collect::<Object>().into()
        }
        _ => value.clone(),
    }
}

/// Whether every document that fits `narrow` fits `wide` as it stands; `filled` where the defaults of `wide` are filled in.
/// Properties that neither declares do not count.
fn holds(wide: &Properties, narrow: &Properties, filled: bool) -> bool {
    let declared = narrow.iter().all(|(name, property)| match wide.get(name) {
        Some(other) => holds_property(other, property, filled),
        None => wide.additional,
    });
    let there = |name: &str| narrow.get(name).is_some_and(|property| property.required);
    let supplied =
        wide.iter().all(|(name, property)| !property.required || there(name) || (filled && property.default.is_some()));
    declared && supplied && (wide.additional || !narrow.additional)
}

fn holds_property(wide: &Property, narrow: &Property, filled: bool) -> bool {
    (wide.nullable || !narrow.nullable || wide.ty == Type::Json) && holds_type(&wide.ty, &narrow.ty, filled)
}

fn holds_type(wide: &Type, narrow: &Type, filled: bool) -> bool {
    match (wide, narrow) {
        (Type::Json, _)
        | (Type::Float, Type::Integer | Type::Decimal { .. })
        | (Type::Ref { .. }, Type::Ref { .. } | Type::String | Type::Integer) => true,
        (wide, Type::Union { of, tag: None }) => of.iter().all(|p| holds_type(wide, &p.ty, filled)),
        (Type::Union { of, tag: None }, narrow) => of.iter().any(|p| holds_type(&p.ty, narrow, filled)),
        (Type::String, other) => matches!(other.json_kind(), Some("string")),
        (Type::Number, other) => matches!(other.json_kind(), Some("number")),
        (Type::Decimal { precision, scale }, Type::Decimal { precision: p, scale: s }) => {
            scale >= s && precision - scale >= p - s
        }
        // 64 bits have at most 19 digits.
        (Type::Decimal { precision, scale }, Type::Integer) => precision - scale >= 19,
        (Type::Enum { values: wide }, Type::Enum { values: narrow }) => narrow.iter().all(|value| wide.contains(value)),
        (Type::Object(wide), Type::Object(narrow)) => holds(wide, narrow, filled),
        (Type::Array { items: wide, .. }, Type::Array { items: narrow, .. })
        | (Type::Map { values: wide }, Type::Map { values: narrow }) => holds_property(wide, narrow, filled),
        (wide, narrow) => wide == narrow,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json;
    use crate::op::Rewrites;
    use crate::schema::no_shared_types;
    use crate::table::Tables;

    fn class(properties: &str, op: &str) -> String {
        let properties = json::parse(properties.as_bytes()).unwrap();
        let model: Object =
            [("type".into(), "model".into()), ("name".into(), "example".into()), ("properties".into(), properties)]
                .into_iter()
                .collect();
        let model = Model::from_value(&model.into(), &no_shared_types).unwrap();
        let op = Operation::from_value(&json::parse(op.as_bytes()).unwrap()).unwrap();
        let (tables, rewrites) = (Tables::new(), Rewrites::new());
        operation(&model, &op, &Context { tables: &tables, rewrites: &rewrites }).unwrap().to_string()
    }

    #[test]
    fn classes_are_what_happens() {
        let a = r#"{"a": {"type": "string", "required": true}, "b": "string"}"#;
        let n = r#"{"n": {"type": "integer", "required": true}}"#;
        let e = r#"{"e": {"type": "enum", "values": ["x", "y"]}}"#;
        let cases = [
            (a, r#"{"rename_property": {"from": "a", "to": "c"}}"#, "compatible for neither, lossless"),
            (a, r#"{"rename_property": {"from": "b", "to": "c"}}"#, "compatible for neither, lossless"),
            (a, r#"{"add_property": {"path": "c", "schema": "string"}}"#, "compatible for readers and writers, lossy downward"),
            (
                a,
                r#"{"add_property": {"path": "c", "schema": {"type": "string", "required": true}, "value": "'x'"}}"#,
                "compatible for readers, lossy downward",
            ),
            (a, r#"{"remove_property": {"path": "b"}}"#, "compatible for readers and writers, lossy upward"),
            (a, r#"{"remove_property": {"path": "a", "value": "'x'"}}"#, "compatible for writers, lossy upward"),
            (a, r#"{"relax_property": {"path": "a", "value": "'x'"}}"#, "compatible for writers, lossy downward"),
            (a, r#"{"require_property": {"path": "b", "value": "'x'"}}"#, "compatible for readers, lossy upward"),
            (
                n,
                r#"{"retype_property": {"path": "n", "schema": {"type": "number", "required": true}, "up": "n", "down": "cast(n as integer)", "on_fail": {"down": {"fallback": 0}}}}"#,
                "compatible for writers, lossy downward",
            ),
            (
                n,
                r#"{"retype_property": {"path": "n", "schema": {"type": "string", "required": true}, "up": "cast(n as string)", "down": "cast(n as integer)"}}"#,
                "compatible for neither, some values fail downward",
            ),
            (
                e,
                r#"{"map_enum": {"path": "e", "values": ["x", "y", "z"], "down": {"z": "y"}}}"#,
                "compatible for writers, lossy downward",
            ),
            (
                r#"{"m": {"type": "map", "values": "string"}}"#,
                r#"{"map_keys": {"path": "m", "keys": {"de": "deu"}}}"#,
                // An older record that holds `deu` already has no place for `de`.
                "compatible for neither, some values fail",
            ),
        ];
        for (properties, op, expected) in cases {
            assert_eq!(class(properties, op), expected, "{op}");
        }
    }

    #[test]
    fn every_example_has_a_class() {
        for (name, example) in Operation::ALL {
            let op = format!("{{\"{name}\": {}}}", example.operation);
            // The one needs code, the other an index.
            if !["rewrite", "remove_index"].contains(name) {
                class(example.properties, &op);
            }
        }
    }
}
