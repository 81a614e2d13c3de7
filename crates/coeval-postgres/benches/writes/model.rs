//! The history of a benchmark: so many versions, and a property that so many of them converted.

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;

const ITEM: &str = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
    "id": {"type": "integer", "required": true}, "price": "integer", "qty": "integer", "name": "string", "note": "string",
    "city": "string", "street": "string", "active": "boolean"}}"#;

/// How long a history is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    /// How many versions there are.
    pub(crate) versions: u32,
    /// How many nodes the group of `price` has.
    pub(crate) members: u32,
}

/// Returns a history: the first versions convert `price`, the others rename `note` there and back.
pub(crate) fn history(shape: Shape) -> History {
    let parse = |text: &str| json::parse(text.as_bytes()).expect("JSON");
    let model = Model::from_value(&parse(ITEM), &no_shared_types).expect("a model");
    let mut name = ("note", "remark");
    let releases = (2..=shape.versions).map(|version| {
        let operation = if version <= shape.members {
            r#"{"retype_property": {"path": "price", "schema": "integer", "up": "price + 1", "down": "price - 1"}}"#.to_owned()
        } else {
            let text = format!(r#"{{"rename_property": {{"from": "{}", "to": "{}"}}}}"#, name.0, name.1);
            name = (name.1, name.0);
            text
        };
        Release { version, operations: vec![Operation::from_value(&parse(&operation)).expect("an operation")], order: None }
    });
    // An odd number of renames would leave the other name.
    let mut releases: Vec<Release> = releases.collect();
    if name.0 != "note"
        && let Some(last) = releases.last_mut()
    {
        last.operations.push(
            Operation::from_value(&parse(r#"{"rename_property": {"from": "remark", "to": "note"}}"#)).expect("an operation"),
        );
    }
    History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).expect("a history")
}
