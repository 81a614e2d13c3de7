//! The functions of recipes give what the reference gives.

use std::sync::Arc;

use coeval_core::expr::ExprType;
use coeval_core::history::Function;
use coeval_core::{Property, Type, Value, value};
use coeval_sql::{Dialect, ident, render_function};

use crate::database::{Database, Postgres, Sqlite, comparable, read};
use crate::differential::rows;
use crate::model::{columns, compile};

fn strings(pairs: &[(&str, &str)]) -> std::collections::BTreeMap<String, String> {
    pairs.iter().map(|(from, to)| ((*from).to_owned(), (*to).to_owned())).collect()
}

fn expression(source: &str) -> Function {
    Function::Expressions(vec![(Arc::new(compile(source).expect("an expression")), vec![0])])
}

/// A function, the column that it reads, and the type of its target.
fn cases() -> Vec<(&'static str, Function, &'static str, Type)> {
    let list = |ty: Type| Type::Array { items: Box::new(Property::new(ty).nullable()), key: None };
    let pick = |last: bool, empty: Option<Value>| Function::Pick { last, empty };
    vec![
        ("constant", Function::Constant(Some(value!("x"))), "s", Type::String),
        ("no constant", Function::Constant(None), "s", Type::Integer),
        ("identity", Function::Identity, "at", Type::Datetime),
        ("identity of an integer", Function::Identity, "n", Type::Number),
        ("identity as json", Function::Identity, "n", Type::Json),
        ("expression", expression("price * 100"), "price", Type::Number),
        ("expression of an integer for a number", expression("n + 1"), "n", Type::Number),
        ("expression of a text for a date", expression("date '2026-11-21'"), "s", Type::Date),
        ("enum", Function::Enum(strings(&[("open", "o'pen"), ("done", "d")])), "status", Type::String),
        ("wrap", Function::Wrap, "s", list(Type::String)),
        ("wrap of a number", Function::Wrap, "price", list(Type::Number)),
        ("wrap of a datetime", Function::Wrap, "at", list(Type::Datetime)),
        ("first", pick(false, None), "tags", Type::String),
        ("last or x", pick(true, Some(value!("x"))), "tags", Type::String),
        ("last number or 1.5", pick(true, Some(value!(1.5))), "prices", Type::Number),
        ("first integer", pick(false, Some(value!(7))), "nums", Type::Integer),
        ("keys", Function::Keys(strings(&[("en", "english"), ("z", "zulu")])), "names", columns_type("names")),
        ("keys swapped", Function::Keys(strings(&[("a", "z"), ("z", "a")])), "names", columns_type("names")),
        ("a key that is taken", Function::Keys(strings(&[("en", "a")])), "names", columns_type("names")),
    ]
}

fn columns_type(name: &str) -> Type {
    columns().into_iter().find(|(column, _)| column == name).expect("a column").1.ty
}

fn check(database: &dyn Database) -> usize {
    let rows = rows(7, 80);
    database.fill(&rows);
    let mut compared = 0;
    for (name, function, column, target) in cases() {
        let at = columns().iter().position(|(known, _)| known == column).expect("a column");
        let input = format!("thing.{}", ident(column));
        let property = Property::new(target.clone());
        let source = Property::new(columns_type(column));
        let rendered = match render_function(&function, &[input], &[&source], &[&property], database.dialect()) {
            Ok(rendered) => rendered,
            Err(local) => {
                assert!(name.contains("key") && database.dialect() == Dialect::Sqlite, "{name}: {local}");
                continue;
            }
        };
        assert_eq!(rendered.len(), 1, "{name}");
        compared += 1;
        let ty = ExprType::of(&target);
        for (row, found) in rows.iter().zip(database.values(&rendered[0].sql, &ty, rows.len())) {
            // A column's NULL is absence or null, and both give NULL.
            let value = Some(&row[at]).filter(|value| **value != Value::Null);
            let expected = function.run(&[value], 1).remove(0);
            match (expected, found) {
                (Ok(expected), Ok(found)) => {
                    let expected = expected.unwrap_or(Value::Null);
                    let found = found.map_or(Value::Null, |text| read(&text, &ty));
                    assert_eq!(comparable(&expected, &ty), comparable(&found, &ty), "{name} of {}", row[at]);
                }
                (Err(_), Err(_)) => assert!(rendered[0].fallible, "{name}"),
                (Ok(expected), Err(said)) if said.contains("for SQLite") => assert!(rendered[0].fallible, "{name}: {expected:?}"),
                (expected, found) => panic!("{name} of {}: expected {expected:?}, found {found:?}", row[at]),
            }
        }
    }
    compared
}

#[test]
fn sqlite_agrees_on_functions() {
    assert!(check(&Sqlite::open()) >= 15);
}

#[test]
fn postgres_agrees_on_functions() {
    assert!(check(&Postgres::open()) >= 18);
}

#[test]
fn code_is_local() {
    let code = Function::Native(Arc::new(|_: &[Option<&Value>]| Ok(vec![None])));
    let target = Property::new(Type::String);
    for dialect in [Dialect::Postgres, Dialect::Sqlite] {
        assert!(render_function(&code, &["x".to_owned()], &[&target], &[&target], dialect).is_err());
    }
}
