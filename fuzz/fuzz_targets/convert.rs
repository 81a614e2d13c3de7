#![no_main]
//! A record that is valid at a version comes back from every other byte for byte; one that is not is refused, never a panic.

use coeval_core::history::{History, Release};
use coeval_core::lens::Stored;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::table::Tables;
use coeval_core::{Model, json, schema};
use libfuzzer_sys::fuzz_target;
use std::sync::OnceLock;

const MODEL: &str = r#"{"type": "model", "name": "m", "properties": {
    "a": {"type": "string", "required": true}, "ab": "integer", "n": {"type": "number", "nullable": true},
    "o": {"type": "object", "required": true, "properties": {"x": "string", "y": {"type": "integer", "required": true}}},
    "l": {"type": "array", "items": {"type": "object", "properties": {"p": {"type": "number", "required": true}, "q": "string"}}},
    "t": {"type": "map", "values": {"type": "string"}}, "e": {"type": "enum", "values": ["todo", "doing", "done"]}}}"#;

const OPERATIONS: &[&str] = &[
    r#"{"rename_property": {"from": "a", "to": "b"}}"#,
    r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "lower(b)"}}"#,
    r#"{"move_property": {"from": "o.x", "to": "x"}}"#,
    r#"{"retype_property": {"path": "o.y", "schema": {"type": "integer", "required": true}, "up": "o.y / 10",
        "down": "o.y * 10", "on_fail": "quarantine"}}"#,
    r#"{"retype_property": {"path": "l[].p", "schema": {"type": "integer", "required": true},
        "up": "cast(floor(p) as integer)", "down": "p", "on_fail": "quarantine"}}"#,
    r#"{"transform": {"up": {"t{}": "{'v': value}"}, "down": {"t{}": "value.v"},
        "schemas": {"t{}": {"type": "object", "properties": {"v": {"type": "string", "required": true}}}}}}"#,
    r#"{"map_enum": {"path": "e", "values": ["open", "done"], "up": {"todo": "open", "doing": "open"}, "down": {"open": "todo"}}}"#,
    r#"{"wrap_list": {"path": "ab"}}"#,
    r#"{"require_property": {"path": "n", "value": "0"}}"#,
    r#"{"remove_property": {"path": "slug", "value": "'gone'"}}"#,
];

fn history() -> &'static History {
    static HISTORY: OnceLock<History> = OnceLock::new();
    HISTORY.get_or_init(|| {
        let value = json::parse(MODEL.as_bytes()).expect("the model is JSON");
        let model = Model::from_value(&value, &schema::no_shared_types).expect("the model is one");
        let releases: Vec<Release> = (2..)
            .zip(OPERATIONS)
            .map(|(version, text)| {
                let value = json::parse(text.as_bytes()).expect("an operation is JSON");
                let operation = Operation::from_value(&value).expect("an operation can be read");
                Release { version, operations: vec![operation], order: None }
            })
            .collect();
        let (tables, rewrites) = (Tables::new(), Rewrites::new());
        History::new(1, model, &releases, &Context { tables: &tables, rewrites: &rewrites }).expect("the history folds")
    })
}

fuzz_target!(|text: &[u8]| {
    let Ok(parsed) = json::parse_document(text) else { return };
    let history = history();
    let newest = history.newest();
    for from in [1, 4, newest] {
        let Ok(stored) = Stored::from_value(parsed.value.clone(), from) else { continue };
        let plain = stored.keep.is_empty() && stored.version == from;
        for to in 1..=newest {
            let Ok(there) = history.migrate(&stored, to) else { continue };
            let written = there.to_value(true).to_string();
            let value = json::parse(written.as_bytes()).expect("what is written can be read");
            let again = Stored::from_value(value, to).expect("and its notes too");
            let back = history.migrate(&again, from).expect("what could be shown where it was stored still can");
            if plain {
                assert_eq!(back.to_value(false).to_string(), parsed.value.to_string(), "{from} → {to} → {from}");
            }
        }
    }
});
