//! The models of the cases: `task` over five versions, and `label`, which lives from the second to the third.
//!
//! 2 renames, adds and removes; 3 converts with loss, maps an enum and reaches into an object and a list; 4 leaves `task` alone; 5
//! converts what not every text can be converted to, once rejecting and once not.

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;

use crate::catalog::{Catalog, Era, ModelEntry};
use crate::error::{Error, Result};
use crate::ledger::VersionId;

/// The model that the cases are about.
pub const MODEL: &str = "task";
/// The model that is there from version 2 on and gone at version 4.
pub const LABEL: &str = "label";

const TASK: &str = r#"{"type": "model", "name": "task", "key": ["id"], "revisions": true, "objects": "tasks/{id}.json", "properties": {
    "id": {"type": "string", "required": true},
    "title": {"type": "string", "required": true},
    "size": {"type": "integer", "required": true},
    "status": {"type": "enum", "values": ["todo", "doing", "done"], "required": true},
    "note": "json",
    "address": {"type": "object", "required": true, "properties": {"street": "string", "city": "string"}},
    "items": {"type": "array", "required": true, "items": {"type": "object", "key": "sku", "required": true, "properties": {
        "sku": {"type": "string", "required": true}, "count": {"type": "integer", "required": true}}}},
    "code": "string",
    "rank": "string"}}"#;

const LABELS: &str = r#"{"type": "model", "name": "label", "key": ["id"], "objects": "labels/{id}.json", "properties": {
    "id": {"type": "string", "required": true}, "color": "string"}}"#;

const TASKS: &[(u32, &[&str])] = &[
    (
        2,
        &[
            r#"{"rename_property": {"from": "title", "to": "name"}}"#,
            r#"{"add_property": {"path": "priority", "schema": {"type": "string", "required": true}, "value": "'medium'"}}"#,
            r#"{"remove_property": {"path": "note"}}"#,
        ],
    ),
    (
        3,
        &[
            r#"{"retype_property": {"path": "size", "schema": {"type": "integer", "required": true}, "up": "size / 10", "down": "size * 10"}}"#,
            r#"{"map_enum": {"path": "status", "values": ["open", "done"], "up": {"todo": "open", "doing": "open"}, "down": {"open": "todo"}}}"#,
            r#"{"rename_property": {"from": "address.street", "to": "address.line"}}"#,
            r#"{"add_property": {"path": "items[].unit", "schema": {"type": "string", "required": true}, "value": "'piece'"}}"#,
        ],
    ),
    (
        5,
        &[
            r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)"}}"#,
            r#"{"retype_property": {"path": "rank", "schema": "integer", "up": "cast(rank as integer)", "down": "cast(rank as string)", "on_fail": "quarantine"}}"#,
        ],
    ),
];

/// A record of version 1 that loses something on every way.
pub fn first(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","title":"Título \u00e9","size":105,"status":"doing","note":{{"x":1.50}},"address":{{"street":"S","city":"C"}},"items":[{{"sku":"x","count":2}},{{"sku":"y","count":1}}]}}"#
    )
}

/// The same record as version 2 reads it.
pub fn second(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"Título \u00e9","size":105,"status":"doing","address":{{"street":"S","city":"C"}},"items":[{{"sku":"x","count":2}},{{"sku":"y","count":1}}],"priority":"medium"}}"#
    )
}

/// The same record as version 3 reads it.
pub fn third(id: &str) -> String {
    format!(
        r#"{{"id":"{id}","name":"Título \u00e9","size":10,"status":"open","address":{{"line":"S","city":"C"}},"items":[{{"sku":"x","count":2,"unit":"piece"}},{{"sku":"y","count":1,"unit":"piece"}}],"priority":"medium"}}"#
    )
}

/// Returns the catalog with the versions up to one, at most 5.
///
/// # Errors
/// None, unless the core's operations changed.
pub fn up_to(version: u32) -> Result<Catalog> {
    made(version, true)
}

/// As [`up_to`], for stores with a schema: nothing changes in the items of a list.
///
/// # Errors
/// As [`up_to`].
pub fn tables_up_to(version: u32) -> Result<Catalog> {
    made(version, false)
}

fn made(version: u32, items: bool) -> Result<Catalog> {
    let id = |number: u32| VersionId { number, id: format!("0193c1a0-0000-7000-8000-00000000000{number}") };
    let mut models = vec![ModelEntry { name: MODEL.to_owned(), eras: vec![era(1, None, TASK, TASKS, version, items)?] }];
    if version >= 2 {
        let end = (version >= 4).then_some(4);
        models.push(ModelEntry { name: LABEL.to_owned(), eras: vec![era(2, end, LABELS, &[], version, items)?] });
    }
    Ok(Catalog { versions: (1..=version).map(id).collect(), models, ..Catalog::default() })
}

fn era(first: u32, end: Option<u32>, model: &str, releases: &[(u32, &[&str])], up_to: u32, items: bool) -> Result<Era> {
    let broken = |reason: String| Error::failed("the catalog of the cases", reason);
    let model = json::parse(model.as_bytes()).map_err(|e| broken(e.message))?;
    let model = Model::from_value(&model, &no_shared_types).map_err(|e| broken(e.message))?;
    let operation = |text: &&str| {
        let value = json::parse(text.as_bytes()).map_err(|e| broken(e.message))?;
        Operation::from_value(&value).map_err(|e| broken(format!("{text}: {}", e.message)))
    };
    let releases = releases.iter().filter(|(version, _)| *version <= up_to).map(|(version, operations)| {
        let operations =
            operations.iter().filter(|text| items || !text.contains("items[]")).map(operation).collect::<Result<_>>()?;
        Ok(Release { version: *version, operations, order: None })
    });
    let releases = releases.collect::<Result<Vec<_>>>()?;
    let context = Context { tables: &Tables::new(), rewrites: &Rewrites::new() };
    let history = History::new(first, model, &releases, &context).map_err(|fault| broken(fault.to_string()))?;
    Ok(Era { first, end, history })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_what_versions_read() {
        let catalog = up_to(5).expect("it compiles");
        let history = &catalog.era(MODEL, 1).expect("it is there").history;
        let stored = history.create(1, json::parse(first("a").as_bytes()).expect("JSON")).expect("it fits");
        for (version, text) in [(1, first("a")), (2, second("a")), (3, third("a")), (5, third("a"))] {
            assert_eq!(history.read(&stored, version).expect("it is shown").to_string(), text);
        }
    }
}
