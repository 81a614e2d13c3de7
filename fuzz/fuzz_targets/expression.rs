#![no_main]
//! Compiling an expression never panics, its errors lie in the text, and what compiles evaluates to a value or an error.

use coeval_core::expr::{Compiled, Names, Scope};
use coeval_core::table::Tables;
use coeval_core::{Model, Value, json, schema};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

const MODEL: &str = r#"{"type": "model", "name": "m", "properties": {
    "s": {"type": "string", "required": true}, "t": "string", "n": {"type": "integer", "required": true},
    "x": "number", "f": "float", "b": "boolean", "d": "date", "at": "datetime", "j": "json",
    "l": {"type": "array", "items": {"type": "string"}}, "m": {"type": "map", "values": {"type": "integer"}},
    "o": {"type": "object", "properties": {"a": "string", "n": "integer"}},
    "e": {"type": "enum", "values": ["open", "done"]}}}"#;

fn model() -> &'static Model {
    static MODEL_ONCE: OnceLock<Model> = OnceLock::new();
    MODEL_ONCE.get_or_init(|| {
        let value = json::parse(MODEL.as_bytes()).expect("the model is JSON");
        Model::from_value(&value, &schema::no_shared_types).expect("the model is one")
    })
}

fuzz_target!(|source: &str| {
    let tables = Tables::new();
    let scope = Scope { names: Names::Record(&model().properties), tables: &tables, absent_is_null: true };
    match Compiled::compile(source, &scope) {
        Ok(compiled) => {
            let nulls = vec![&Value::Null; compiled.inputs().len()];
            if let Err(error) = compiled.eval(&nulls) {
                assert!(error.span.end <= source.len(), "the place lies in the text");
            }
        }
        Err(invalid) => {
            let span = invalid.span.unwrap_or(0..0);
            assert!(span.start <= span.end && span.end <= source.len(), "the place lies in the text");
            assert!(source.is_char_boundary(span.start) && source.is_char_boundary(span.end), "and between characters");
            assert!(!invalid.message.is_empty(), "an error says what is wrong");
        }
    }
});
