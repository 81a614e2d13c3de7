//! The worked example of the design as SQL: a strict group, a group in which null is ambiguous, a constant, and an object whose
//! shape changes.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_plan::table::{Ability, Table};
use coeval_sql::postgres::{self, Names};

const ITEM: &str = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
    "id": {"type": "integer", "required": true},
    "name": {"type": "string", "required": true},
    "price": "number",
    "qty": "integer",
    "address": {"type": "object", "required": true, "properties": {"street": "string", "city": "string"}}}}"#;

const RELEASES: &[&[&str]] = &[
    &[
        r#"{"add_property": {"path": "priority", "schema": {"type": "string", "required": true}, "value": "'medium'"}}"#,
        r#"{"rename_property": {"from": "name", "to": "title"}}"#,
    ],
    &[
        r#"{"retype_property": {"path": "price", "schema": "integer", "up": "cast(round(price * 100) as integer)", "down": "cast(price as number) / 100"}}"#,
        r#"{"require_property": {"path": "qty", "value": "0"}}"#,
        r#"{"rename_property": {"from": "address.street", "to": "address.line"}}"#,
        r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "title || '-'"}}"#,
    ],
];

fn history() -> History {
    let model = Model::from_value(&json::parse(ITEM.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let operation = |text: &&str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    let releases: Vec<Release> = (2..)
        .zip(RELEASES)
        .map(|(version, operations)| Release { version, operations: operations.iter().map(operation).collect(), order: None })
        .collect();
    History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap()
}

#[test]
fn the_worked_example_in_postgresql() {
    let history = history();
    let table = Table::new(&history, &[1, 2, 3], Ability { knows_writer: false }).unwrap();
    let names = Names::new("shop", "item");
    let keys = |_: &str| None;
    let mut out = Vec::new();
    out.extend(postgres::create_table(&table, &table.columns_up_to(1), &names, &keys).unwrap());
    out.push(format!("CREATE SCHEMA {}", names.workings));
    for at in table.columns_up_to(3) {
        if table.columns[at].since > 1 {
            out.push(postgres::add_column(&table, at, &names, &keys).unwrap());
        }
    }
    out.push(format!("ALTER TABLE {} ADD COLUMN _w integer", names.table));
    let triggers = postgres::triggers(&table, &[1, 2, 3], &[1, 2, 3], &names, &keys).unwrap().unwrap();
    out.extend(triggers.helpers.clone());
    out.extend([triggers.insert.clone(), triggers.update.clone()]);
    out.extend(postgres::create_triggers(&triggers, &names, false));
    let new: Vec<usize> = table.columns_up_to(3).into_iter().filter(|at| table.columns[*at].since > 1).collect();
    let fill = postgres::fill(&table, table.view(1).unwrap(), &new, &names, &keys).unwrap().unwrap();
    out.push(format!("UPDATE {} AS t SET {}", names.table, fill.set));
    for view in &table.views {
        out.push(format!("CREATE SCHEMA {}", names.version_schema(view.version)));
        out.extend(postgres::create_view(&table, view, &names, &keys).unwrap());
        out.push(format!("CREATE SCHEMA {}", names.copy_schema(view.version)));
        out.extend(postgres::copy_view(&table, view, &names, &keys).unwrap());
    }
    let text = format!("{};\n", out.join(";\n\n"));
    insta::assert_snapshot!(text);
}
