//! Columns: values survive being written and read, checks admit them and nothing else, and JSON comes out as coeval writes it.

use coeval_core::expr::ExprType;
use coeval_core::{Property, Type, Value, value};
use coeval_sql::{Dialect, column_type, facet_check, from_json, ident, literal, string, to_json};

use crate::database::{Database, Postgres, Sqlite, comparable, read};
use crate::differential::rows;
use crate::model::columns;

/// Each value as JSON, and from JSON again.
fn round_trip(database: &dyn Database) -> usize {
    let rows = rows(11, 80);
    database.fill(&rows);
    let dialect = database.dialect();
    let mut compared = 0;
    for (at, (name, property)) in columns().iter().enumerate() {
        let column = format!("thing.{}", ident(name));
        let ty = ExprType::of(&property.ty);
        for (row, found) in rows.iter().zip(database.values(&column, &ty, rows.len())) {
            let found = found.expect("a column").map_or(Value::Null, |text| read(&text, &ty));
            assert_eq!(comparable(&row[at], &ty), comparable(&found, &ty), "{name} on {dialect:?}");
        }
        let check = facet_check(&column, property, dialect).unwrap_or_else(|| "true".to_owned());
        for found in database.values(&check, &ExprType::Boolean, rows.len()) {
            let found = found.expect("a condition");
            assert!(
                found.as_deref().is_none_or(|text| text == "1" || text == "true"),
                "{name} on {dialect:?}: {check} gives {found:?}"
            );
        }
        let Some(json) = to_json(&column, &property.ty, dialect) else {
            assert!(dialect == Dialect::Sqlite && matches!(property.ty, Type::Bytes | Type::Float), "{name}");
            continue;
        };
        compared += 1;
        for (row, found) in rows.iter().zip(database.values(&json, &ExprType::Json, rows.len())) {
            let found = found.expect("JSON").map_or(Value::Null, |text| read(&text, &ExprType::Json));
            assert_eq!(row[at], found, "{name} on {dialect:?}: {json}");
        }
        let back = from_json(&json, &property.ty, dialect).expect("what is written is read");
        for (row, found) in rows.iter().zip(database.values(&back, &ty, rows.len())) {
            let found = found.expect("a value").map_or(Value::Null, |text| read(&text, &ty));
            assert_eq!(comparable(&row[at], &ty), comparable(&found, &ty), "{name} on {dialect:?}: {back}");
        }
    }
    compared
}

#[test]
fn sqlite_keeps_values() {
    assert_eq!(round_trip(&Sqlite::open()), columns().len() - 2);
}

#[test]
fn postgres_keeps_values() {
    assert_eq!(round_trip(&Postgres::open()), columns().len());
}

/// What the check of a type must refuse, as SQL.
const REFUSED: &[(&str, &[&str])] = &[
    ("s", &["1", "x'00'", "'a' || char(0)"]),
    ("n", &["'1'", "1.5", "'x'", "9223372036854775808"]),
    (
        "price",
        &[
            "'1.50'", "'01'", "'-0'", "'1e3'", "'.5'", "'5.'", "''", "'-'", "'1.2.3'", "'1-2'", "'--1'", "1", "1.5", "'NaN'",
            "' 1'",
        ],
    ),
    ("size", &["'10000'", "'0.001'", "'-12345.5'", "'1.50'"]),
    ("f", &["'1'", "1", "1e999"]),
    ("done", &["2", "-1", "'true'", "'1'"]),
    ("day", &["'2024-02-30'", "'2026-1-01'", "'2026-01-01 '", "'x'", "20260101", "'20260-01-1'"]),
    (
        "at",
        &[
            "'2026-01-01T00:00:00'",
            "'2026-01-01 00:00:00Z'",
            "'2026-01-01T00:00:00.50Z'",
            "'2026-01-01T24:00:00Z'",
            "'2026-02-30T00:00:00Z'",
            "'2026-01-01T00:00:00+02:00'",
            "'2026-01-01T00:00:00.Z'",
            "'2026-01-01T00:00:00.1x2Z'",
        ],
    ),
    ("clock", &["'24:00:00'", "'1:00:00'", "'10:20'", "'10:20:30.'", "'10:20:30.50'", "'10:20:60'"]),
    ("uid", &["'0194F000-0000-7000-8000-00000000000a'", "'0194f000'", "x'00'"]),
    ("raw", &["'x'", "1"]),
    ("doc", &["'{'", "'x'", "1"]),
    ("status", &["'Open'", "''", "1"]),
    ("tags", &["'{}'", "'x'", "'null'", "'1'"]),
    ("address", &["'[]'", "'\"x\"'", "'{'"]),
];

#[test]
fn sqlite_refuses_what_is_no_value_of_a_type() {
    let database = rusqlite::Connection::open_in_memory().expect("SQLite opens");
    let columns = columns();
    for (name, refused) in REFUSED {
        let property = &columns.iter().find(|(column, _)| column == name).expect("a column").1;
        for value in *refused {
            // Without a column there is no affinity that would make another value of it.
            let sql =
                format!("SELECT {} FROM (SELECT {value} AS x)", facet_check("x", property, Dialect::Sqlite).expect("a check"));
            let holds: Option<bool> = database.query_row(&sql, [], |row| row.get(0)).unwrap_or_else(|e| panic!("{sql}: {e}"));
            assert_eq!(holds, Some(false), "{name} must not be {value}: {sql}");
        }
    }
}

#[test]
fn names_of_types() {
    let key = |model: &str| (model == "user").then_some(Type::Integer);
    let decimal = Type::Decimal { precision: 6, scale: 2 };
    let of = |name: &str| Type::Ref { model: name.to_owned() };
    for (ty, postgres, sqlite) in [
        (Type::String, "pg_catalog.text", "TEXT"),
        (Type::Integer, "bigint", "INTEGER"),
        (Type::Number, "numeric", "TEXT"),
        (decimal, "numeric(6,2)", "TEXT"),
        (Type::Float, "double precision", "REAL"),
        (Type::Boolean, "boolean", "INTEGER"),
        (Type::Datetime, "timestamp with time zone", "TEXT"),
        (Type::Bytes, "pg_catalog.bytea", "BLOB"),
        (Type::Json, "pg_catalog.jsonb", "TEXT"),
        (of("user"), "bigint", "INTEGER"),
        (of("other"), "pg_catalog.text", "TEXT"),
    ] {
        assert_eq!(column_type(&ty, &key, Dialect::Postgres), postgres);
        assert_eq!(column_type(&ty, &key, Dialect::Sqlite), sqlite);
    }
}

#[test]
fn what_fits_no_column_is_refused() {
    let both = [Dialect::Postgres, Dialect::Sqlite];
    for dialect in both {
        for (value, ty) in [
            (Value::from("a\0b"), Type::String),
            (Value::List(vec![Value::from("a\0b")]), Type::Json),
            (value!(1.5), Type::Integer),
            (value!("2026-02-30"), Type::Date),
            (value!("23:59:60"), Type::Time),
            (value!("AB=="), Type::Bytes),
            (crate::model::number("1e20000"), Type::Number),
        ] {
            assert!(literal(&value, &ty, dialect).is_err(), "{value} as {} on {dialect:?}", ty.name());
        }
    }
    for (value, ty) in [
        (value!("0000-01-01"), Type::Date),
        (value!("10:20:30.1234567"), Type::Time),
        (value!("2026-01-01T00:00:00.123456789Z"), Type::Datetime),
    ] {
        assert!(literal(&value, &ty, Dialect::Postgres).is_err(), "{value}");
        assert!(literal(&value, &ty, Dialect::Sqlite).is_ok(), "{value}");
    }
}

/// Names and strings of every kind of character come back as they were.
fn hostile(database: &dyn Database) {
    let dialect = database.dialect();
    database.fill(&rows(1, 1));
    for text in
        ["", "'", "''", "\\", "\\'", "'; drop table thing; --", "\"", "né🙂", "a\nb", "$$", "%s", "\\x41", "E'x'", "/*", "--"]
    {
        let found = database.values(&string(text, dialect), &ExprType::String, 1).remove(0);
        assert_eq!(found, Ok(Some(text.to_owned())), "{dialect:?}");
        if !text.is_empty() {
            let named = format!("(SELECT {0} FROM (SELECT {1} AS {0}) AS x)", ident(text), string("v", dialect));
            let found = database.values(&named, &ExprType::String, 1).remove(0);
            assert_eq!(found, Ok(Some("v".to_owned())), "{dialect:?}: {text}");
        }
    }
    for property in [
        Property::new(Type::Enum { values: vec!["it's".to_owned(), "\\".to_owned()] }),
        Property::new(Type::Enum { values: vec![] }),
    ] {
        let check = facet_check(&string("it's", dialect), &property, dialect).expect("a check");
        let found = database.values(&check, &ExprType::Boolean, 1).remove(0).expect("a condition").expect("a truth value");
        let expected =
            if matches!(&property.ty, Type::Enum { values } if values.is_empty()) { ["0", "false"] } else { ["1", "true"] };
        assert!(expected.contains(&found.as_str()), "{check} gives {found}");
    }
}

#[test]
fn names_and_strings_are_safe_in_sqlite() {
    hostile(&Sqlite::open());
}

#[test]
fn names_and_strings_are_safe_in_postgres() {
    hostile(&Postgres::open());
}
