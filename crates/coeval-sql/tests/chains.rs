//! Long chains of operations: texts that grow with them, and not with all ways that lead through them.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_plan::table::{Ability, Table};
use coeval_sql::{postgres, sqlite};

/// A number is split into two and put together again, and each may fail.
fn history(releases: u32) -> History {
    let model = r#"{"type": "model", "name": "thing", "key": ["id"], "properties": {"id": {"type": "string", "required": true}, "n": "string"}}"#;
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let split = r#"{"transform": {"up": {"a": "cast(n as integer)", "b": "cast(n as integer) + 1"}, "down": {"n": "cast(a as string)"},
        "schemas": {"a": "integer", "b": "integer"}, "on_fail": "quarantine"}}"#;
    let merge = r#"{"transform": {"up": {"n": "cast(a + b as string)"}, "down": {"a": "cast(n as integer)", "b": "cast(n as integer)"},
        "schemas": {"n": "string"}, "on_fail": "quarantine"}}"#;
    let operation = |text: &str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    let releases: Vec<Release> = (2..=releases)
        .map(|version| {
            let text = if version % 2 == 0 { split } else { merge };
            Release { version, operations: vec![operation(text)], order: None }
        })
        .collect();
    History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap()
}

/// The length of the text for one version in a history of so many.
fn lengths(last: u32) -> [usize; 3] {
    let history = history(last);
    let versions: Vec<u32> = (1..=last).collect();
    let table = Table::new(&history, &versions, Ability { knows_writer: false }).unwrap();
    let names = postgres::Names::new("shop", "thing");
    let triggers = postgres::triggers(&table, &versions, &versions, &names, &|_| None).unwrap().unwrap();
    let columns: Vec<usize> = (0..table.columns.len()).filter(|at| table.columns[*at].since > 1).collect();
    let fill = postgres::fill(&table, &table.views[0], &columns, &names, &|_| None).unwrap().unwrap();
    let table = Table::new(&history, &versions, Ability { knows_writer: true }).unwrap();
    let present = (0..table.columns.len()).collect();
    let writing = sqlite::triggers(&table, &table.views[0], &present, &sqlite::Names::new("thing"), &|_| None).unwrap();
    [triggers.update.len() / versions.len(), fill.set.len(), writing.statements.iter().map(String::len).sum()]
}

#[test]
fn what_may_fail_all_along_is_told_in_a_text_as_long_as_the_chain() {
    let (short, long) = (lengths(11), lengths(41));
    for (short, long) in short.into_iter().zip(long) {
        assert!(long < short * 6, "{short} bytes of 11 versions, and {long} of 41");
    }
}
