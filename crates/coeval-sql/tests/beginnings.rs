//! What a row begins with where a version hides a property.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_plan::table::{Ability, Held, Table};
use coeval_sql::postgres::{self, Names};

fn history(releases: &[&str]) -> History {
    let model = r#"{"type": "model", "name": "thing", "key": ["id"], "properties": {"id": {"type": "string", "required": true}, "f": "string"}}"#;
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let operation = |text: &&str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    let releases: Vec<Release> =
        (2..).zip(releases).map(|(version, text)| Release { version, operations: vec![operation(text)], order: None }).collect();
    History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap()
}

#[test]
fn rows_without_a_marker_keep_what_their_version_wrote() {
    let history = history(&[
        r#"{"add_property": {"path": "h", "schema": "string"}}"#,
        r#"{"retype_property": {"path": "h", "schema": {"type": "array", "items": "string"}, "up": "string_to_array(h, ' ')", "down": "array_to_string(h, ' ')"}}"#,
    ]);
    let table = Table::new(&history, &[1, 2, 3], Ability { knows_writer: false }).unwrap();
    let marked: Vec<bool> = table.views.iter().map(|view| view.marked).collect();
    assert_eq!(marked, [false, false, true]);
    let triggers = postgres::triggers(&table, &[1, 2, 3], &[1, 2, 3], &Names::new("shop", "thing"), &|_| None).unwrap().unwrap();
    // Versions 1 and 2 are not told apart: the column is as version 2 wrote it, or as it begins.
    let (_, unmarked) = triggers.insert.rsplit_once("ELSE\n").unwrap();
    assert!(!unmarked.contains("NEW.\"h\" :="), "{unmarked}");
    assert!(unmarked.contains("NEW.\"h_v3\" :="), "{unmarked}");
}

#[test]
fn a_value_of_what_may_be_absent_may_be_none() {
    let history = history(&[
        r#"{"add_property": {"path": "e", "schema": {"type": "string", "required": true}, "value": "coalesce(f || '!', 'none')"}}"#,
    ]);
    let table = Table::new(&history, &[1, 2], Ability { knows_writer: false }).unwrap();
    // An expression is not asked where all that it reads is absent.
    assert!(table.columns.iter().any(|column| matches!(column.held, Held::Failed { .. })));
}
