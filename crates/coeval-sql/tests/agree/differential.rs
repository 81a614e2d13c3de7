//! The same values from the reference evaluator and from each database.

use std::collections::BTreeSet;

use coeval_core::expr::{Compiled, Expr, ExprKind, ExprType, FUNCTIONS, Input};
use coeval_core::{Object, Value};
use coeval_sql::{Dialect, ident, render, render_with_failure};

use crate::corpus::CORPUS;
use crate::database::{Database, Postgres, Row, Sqlite, comparable, read};
use crate::model::{columns, compile, path_names, value_of};
use crate::random::{Random, expression};

const ROWS: usize = 60;

/// What was compared.
#[derive(Default)]
pub(crate) struct Tally {
    pub(crate) expressions: usize,
    pub(crate) values: usize,
    errors: usize,
    limits: usize,
    conditions: usize,
    functions: BTreeSet<&'static str>,
    pub(crate) wrong: Vec<String>,
}

pub(crate) fn rows(seed: u64, count: usize) -> Vec<Row> {
    let mut random = Random(seed);
    let columns = columns();
    // The first has nothing but NULL.
    let nulls = columns.iter().map(|_| Value::Null).collect();
    std::iter::once(nulls)
        .chain((1..count).map(|_| columns.iter().map(|(name, _)| value_of(name, &mut random)).collect()))
        .collect()
}

/// The column, or the part of one, that an input reads.
fn input_of(input: &Input, row: &Row) -> Value {
    let Input::Property(path) = input else { return Value::Null };
    let names = path_names(path);
    let at = columns().iter().position(|(name, _)| *name == names[0]).expect("a column");
    names[1..].iter().fold(row[at].clone(), |value, name| {
        value.as_object().and_then(|object: &Object| object.get(name)).cloned().unwrap_or(Value::Null)
    })
}

fn text_of(input: &Input, ty: &coeval_core::Type, dialect: Dialect) -> Option<String> {
    let Input::Property(path) = input else { return None };
    let names = path_names(path);
    let column = format!("thing.{}", ident(&names[0]));
    let [_, rest @ ..] = names.as_slice() else { return None };
    if rest.is_empty() {
        return Some(column);
    }
    let json = rest.iter().fold(column, |json, name| match dialect {
        Dialect::Postgres => format!("({json} -> '{name}')"),
        Dialect::Sqlite => format!("({json} -> '$.{name}')"),
    });
    coeval_sql::from_json(&json, ty, dialect)
}

fn type_of(input: &Input) -> coeval_core::Type {
    let Input::Property(path) = input else { return coeval_core::Type::String };
    let model = crate::model::model();
    let segments = path.segments();
    let coeval_core::Segment::Name(first) = &segments[0] else { panic!("a name") };
    model.properties.get(first).and_then(|p| p.at(&segments[1..])).expect("a property").ty.clone()
}

fn functions(e: &Expr, found: &mut BTreeSet<&'static str>) {
    if let ExprKind::Call(function, _) = &e.kind
        && !e.is_constant()
    {
        found.insert(function.name());
    }
    e.children().into_iter().for_each(|child| functions(child, found));
}

fn has_interval(ty: &ExprType) -> bool {
    *ty == ExprType::Interval
}

pub(crate) fn compare(database: &dyn Database, source: &str, compiled: &Compiled, rows: &[Row], tally: &mut Tally) -> bool {
    let dialect = database.dialect();
    let root = compiled.root();
    if has_interval(&root.ty) || root.ty == ExprType::Null {
        return false;
    }
    let texts: Option<Vec<String>> = compiled.inputs().iter().map(|input| text_of(input, &type_of(input), dialect)).collect();
    let Some(texts) = texts else { return false };
    let Ok(rendered) = render(compiled, &texts, dialect) else { return false };
    tally.expressions += 1;
    functions(root, &mut tally.functions);
    let results = database.values(&rendered.sql, &root.ty, rows.len());
    if let Ok((_, condition)) = render_with_failure(compiled, &texts, dialect) {
        tally.conditions += usize::from(condition.is_some());
        let condition = condition.unwrap_or_else(|| if dialect == Dialect::Sqlite { "0" } else { "false" }.to_owned());
        let told = database.values(&condition, &ExprType::Boolean, rows.len());
        for (row, (told, found)) in rows.iter().zip(told.iter().zip(&results)) {
            let told = told.as_ref().map(|text| text.as_deref().map(|text| matches!(text, "1" | "true")));
            if told != Ok(Some(found.is_err())) {
                let values: Vec<String> = compiled.inputs().iter().map(|input| input_of(input, row).to_string()).collect();
                tally
                    .wrong
                    .push(format!("{source}\n    on {}\n    told {told:?}, gives {found:?}\n    {condition}", values.join(", ")));
                break;
            }
        }
    }
    for (row, found) in rows.iter().zip(results) {
        let values: Vec<Value> = compiled.inputs().iter().map(|input| input_of(input, row)).collect();
        let expected = compiled.eval(&values.iter().collect::<Vec<_>>());
        tally.values += 1;
        let problem = match (&expected, &found) {
            (_, Err(said)) if said.starts_with("cannot be prepared") => Some(said.clone()),
            (Err(_), Err(said)) => {
                tally.errors += 1;
                (!rendered.fallible).then(|| format!("was said never to fail: {said}"))
            }
            // What a dialect has no room for is an error there, and says so.
            (Ok(_), Err(said)) if limited(said, dialect) => {
                tally.limits += 1;
                (!rendered.fallible).then(|| format!("was said never to fail: {said}"))
            }
            (Ok(value), Ok(found)) => {
                let found = found.as_deref().map_or(Value::Null, |text| read(text, &root.ty));
                let (value, found) = (comparable(value, &root.ty), comparable(&found, &root.ty));
                (value != found).then(|| format!("expected {value}, found {found}"))
            }
            (Ok(value), Err(said)) => Some(format!("expected {value}, failed: {said}")),
            (Err(why), Ok(found)) => Some(format!("should fail ({why}), found {found:?}")),
        };
        if let Some(problem) = problem {
            let shown: Vec<String> = values.iter().map(ToString::to_string).collect();
            tally.wrong.push(format!("{source}\n    on {}\n    {problem}\n    {}", shown.join(", "), rendered.sql));
            break;
        }
    }
    true
}

fn limited(said: &str, dialect: Dialect) -> bool {
    match dialect {
        Dialect::Sqlite => said.contains("for SQLite") || said.contains("by SQLite"),
        Dialect::Postgres => said.contains("for PostgreSQL") || said.contains("underflow"),
    }
}

fn check(database: &dyn Database) -> Tally {
    let rows = rows(0x2545_f491_4f6c_dd1d, ROWS);
    database.fill(&rows);
    let mut tally = Tally::default();
    for source in CORPUS {
        match compile(source) {
            Ok(compiled) => drop(compare(database, source, &compiled, &rows, &mut tally)),
            Err(e) => tally.wrong.push(format!("{source}: {}", e.message)),
        }
    }
    for entry in FUNCTIONS {
        let compiled = compile(entry.example).unwrap_or_else(|e| panic!("{}: {}", entry.example, e.message));
        compare(database, entry.example, &compiled, &rows, &mut tally);
    }
    tally
}

fn check_random(database: &dyn Database, wanted: usize) -> Tally {
    let rows = rows(0x9e37_79b9_7f4a_7c15, ROWS / 2);
    database.fill(&rows);
    let mut tally = Tally::default();
    let mut random = Random(0x0123_4567_89ab_cdef);
    for round in 0..2_000_000 {
        if tally.expressions >= wanted {
            break;
        }
        let source = expression(&mut random, 1 + round % 4);
        let Ok(compiled) = compile(&source) else { continue };
        if compiled.is_constant() && random.below(10) > 0 {
            continue;
        }
        compare(database, &source, &compiled, &rows, &mut tally);
    }
    tally
}

fn assert_agree(name: &str, tally: &Tally, expressions: usize, errors: usize) {
    let shown: Vec<&str> = tally.wrong.iter().take(40).map(String::as_str).collect();
    assert!(tally.wrong.is_empty(), "{} of {} disagree:\n{}", tally.wrong.len(), tally.expressions, shown.join("\n"));
    assert!(tally.expressions >= expressions, "{name}: only {} expressions were compared", tally.expressions);
    assert!(tally.conditions >= 30, "{name}: only {} conditions of failure were compared", tally.conditions);
    assert!(tally.errors >= errors, "{name}: only {} errors were compared", tally.errors);
}

#[test]
fn sqlite_agrees_on_what_people_write() {
    assert_agree("SQLite", &check(&Sqlite::open()), 305, 800);
}

#[test]
fn postgres_agrees_on_what_people_write() {
    assert_agree("PostgreSQL", &check(&Postgres::open()), 340, 1_000);
}

#[test]
fn sqlite_agrees_on_random_expressions() {
    assert_agree("SQLite", &check_random(&Sqlite::open(), 1_500), 1_500, 500);
}

#[test]
fn postgres_agrees_on_random_expressions() {
    assert_agree("PostgreSQL", &check_random(&Postgres::open(), 1_500), 1_500, 500);
}
