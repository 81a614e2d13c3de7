//! Tests as tables: a source, and what it gives or what is wrong with it.

mod errors;
mod names;
mod operators;
mod random;
mod scalars;
mod structures;
mod target;

use super::*;
use crate::schema::{Model, no_shared_types};
use crate::table::{Table, Tables};
use crate::value;
use crate::value::Object;

/// A record's schema with a property of each kind.
fn model() -> Model {
    let model = value!({
        "name": "thing",
        "properties": {
            "id": {"type": "string", "required": true},
            "n": {"type": "integer", "required": true},
            "opt": {"type": "integer"},
            "maybe": {"type": "integer", "required": true, "nullable": true},
            "price": {"type": "number", "required": true},
            "size": {"type": "decimal", "precision": 6, "scale": 2, "required": true},
            "f": {"type": "float", "required": true},
            "done": {"type": "boolean", "required": true},
            "day": {"type": "date", "required": true},
            "at": {"type": "datetime", "required": true},
            "clock": {"type": "time", "required": true},
            "uid": {"type": "uuid", "required": true},
            "raw": {"type": "bytes", "required": true},
            "doc": {"type": "json", "required": true},
            "status": {"type": "enum", "values": ["open", "done", "closed"], "required": true},
            "owner": {"type": "ref", "model": "user", "required": true},
            "tags": {"type": "array", "items": {"type": "string"}, "required": true},
            "names": {"type": "map", "values": {"type": "string"}, "required": true},
            "address": {"type": "object", "required": true, "properties": {
                "city": {"type": "string", "required": true},
                "zip": {"type": "string"},
                "geo": {"type": "object", "properties": {"lat": {"type": "number", "required": true}}}
            }},
            "lines": {"type": "array", "required": true, "items": {"type": "object", "properties": {
                "sku": {"type": "string", "required": true}, "count": {"type": "integer"}
            }}},
            "shape": {"type": "union", "required": true, "of": ["string", {"type": "object", "properties": {
                "kind": {"type": "string", "required": true}
            }}]},
            "many": {"type": "union", "required": true, "of": ["string", {"type": "array", "items": "string"}]},
            "odd name": {"type": "string", "required": true},
            "case": {"type": "string", "required": true},
            "date": {"type": "string", "required": true},
            "position": {"type": "object", "required": true, "properties": {"end": {"type": "integer", "required": true}}},
            "user": {"type": "string", "required": true}
        }
    });
    Model::from_value(&model, &no_shared_types).expect("the model is valid")
}

/// A record of the model.
fn record() -> Value {
    value!({
        "id": "a1", "n": 7, "maybe": null, "price": 19.99, "size": 12.50, "f": 0.5, "done": true,
        "day": "2026-01-31", "at": "2026-01-31T23:30:00+02:00", "clock": "10:20:30.5",
        "uid": "0194F000-0000-7000-8000-00000000000a", "raw": "AQID",
        "doc": {"a": [1, "x", null], "b": 2.50, "c": true}, "status": "open", "owner": "u1",
        "tags": ["b", "a"], "names": {"en": "Tree", "de": "Baum"},
        "address": {"city": "Vilnius"},
        "lines": [{"sku": "x", "count": 2}, {"sku": "y"}],
        "shape": {"kind": "round"}, "many": ["p", "q"], "odd name": "odd", "case": "C", "date": "D", "position": {"end": 9}, "user": "ada"
    })
}

fn tables() -> Tables {
    let rows = value!({"de": {"name": "Germany", "code": 49}, "lt": {"name": "Lithuania", "code": 370, "note": "x"}});
    [Table::from_value("country", &rows).expect("the table is valid")].into_iter().collect()
}

/// Compiles against the model; absence reads as NULL.
fn compile(source: &str) -> Result<Compiled, Invalid> {
    let (model, tables) = (model(), tables());
    Compiled::compile(source, &Scope { names: Names::Record(&model.properties), tables: &tables, absent_is_null: true })
}

/// The value at a path, null where there is none.
fn at<'v>(record: &'v Value, path: &Path) -> &'v Value {
    let mut value = record;
    for segment in path.segments() {
        let crate::Segment::Name(name) = segment else { return &Value::Null };
        value = value.as_object().and_then(|object: &Object| object.get(name)).unwrap_or(&Value::Null);
    }
    value
}

/// The value of a source for the record, or the message of what goes wrong with the bytes it blames.
fn run(source: &str) -> Result<String, String> {
    let compiled = compile(source).map_err(|e| blame(source, &e.message, &e.span.unwrap_or(0..source.len())))?;
    let record = record();
    let inputs: Vec<&Value> = compiled
        .inputs()
        .iter()
        .map(|input| match input {
            Input::Property(path) => at(&record, path),
            Input::Key => &Value::Null,
        })
        .collect();
    compiled.eval(&inputs).map(|value| value.to_string()).map_err(|e| blame(source, &e.message, &e.span))
}

fn blame(source: &str, message: &str, span: &Range<usize>) -> String {
    format!("{message} ⟨{}⟩", &source[span.clone()])
}

/// Checks a table of sources and their values.
fn gives(cases: &[(&str, &str)]) {
    all(cases.iter().map(|(source, expected)| (*source, Ok((*expected).to_owned()))));
}

/// Checks a table of sources and what is wrong with them: the message, and the blamed bytes in brackets.
fn fails(cases: &[(&str, &str)]) {
    all(cases.iter().map(|(source, expected)| (*source, Err((*expected).to_owned()))));
}

fn all<'s>(cases: impl Iterator<Item = (&'s str, Result<String, String>)>) {
    let wrong: Vec<String> = cases
        .map(|(source, expected)| (source, run(source), expected))
        .filter(|(_, found, expected)| found != expected)
        .map(|(source, found, expected)| format!("{source}\n    found    {found:?}\n    expected {expected:?}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_example_of_each_function_gives_what_it_says() {
    for entry in FUNCTIONS {
        assert_eq!(run(entry.example).as_deref(), Ok(entry.result), "{}", entry.name);
    }
}
