//! Standalone migrations, from the texts of their files to what is run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::collections::BTreeSet;

use coeval_core::Value;
use coeval_engine::standalone::standalone;
use coeval_manifest::migration_file::Migration;
use coeval_manifest::migration_order::order;
use coeval_manifest::{Diagnostic, Source};
use coeval_plan::SqlDialect::{MySql, Postgres, Sqlite};
use coeval_plan::standalone::{Act, Applied, Check, Refusal, Run, Standalone, Transaction, back, forward};

/// The example of `ContractSpec`'s documentation on migrations (lssm.tech), with the indentation that its text lost.
const CONTRACTSPEC: &str = "\
migrationId: add-email-verified
version: 2025-11-13-001
dependencies: []
up:
  - sql: |
      ALTER TABLE users
      ADD COLUMN email_verified BOOLEAN DEFAULT FALSE NOT NULL;
  - sql: |
      CREATE INDEX idx_users_email_verified
      ON users(email_verified);
down:
  - sql: |
      DROP INDEX idx_users_email_verified;
  - sql: |
      ALTER TABLE users
      DROP COLUMN email_verified;
validation:
  - sql: |
      SELECT COUNT(*) FROM users
      WHERE email_verified IS NULL;
    expectZeroRows: true
";

fn ordered(text: &str) -> Result<Vec<Standalone>, Vec<Diagnostic>> {
    let migrations = Migration::read(&Source::new("migrations/m.yaml", text))?;
    Ok(order(&migrations)?.into_iter().map(|index| standalone(&migrations[index])).collect())
}

fn applied(migrations: &[Standalone]) -> Vec<Applied> {
    migrations.iter().map(|m| Applied { id: m.id.clone(), digest: m.digest.clone() }).collect()
}

fn undo(ids: &[&str]) -> BTreeSet<String> {
    ids.iter().map(|id| (*id).to_owned()).collect()
}

fn sql(run: &Run) -> Vec<&str> {
    let mut out = Vec::new();
    for act in &run.acts {
        if let Act::Sql { text, .. } = act {
            out.push(text.as_str());
        }
    }
    out
}

#[test]
fn the_example_of_contractspec_runs_and_is_undone() {
    let migrations = ordered(CONTRACTSPEC).unwrap();
    let runs = forward(&migrations, &[], Postgres).unwrap();
    assert_eq!(runs.len(), 1);
    let either = |text: &str| Act::Sql { text: text.to_owned(), transaction: Transaction::Either };
    let check = Check { sql: "SELECT COUNT(*) FROM users\nWHERE email_verified IS NULL;\n".to_owned(), expect_zero_rows: true };
    assert_eq!(
        runs[0].acts,
        [
            either("ALTER TABLE users\nADD COLUMN email_verified BOOLEAN DEFAULT FALSE NOT NULL"),
            either("CREATE INDEX idx_users_email_verified\nON users(email_verified)"),
            Act::Check(check),
        ]
    );
    let done = applied(&migrations);
    assert_eq!(forward(&migrations, &done, Postgres).unwrap(), [], "applied once");
    let runs = back(&migrations, &done, &undo(&["add-email-verified"]), Postgres).unwrap();
    assert_eq!(sql(&runs[0]), ["DROP INDEX idx_users_email_verified", "ALTER TABLE users\nDROP COLUMN email_verified"]);
}

fn one(id: &str, depends: &str, rest: &str) -> String {
    format!("---\nid: {id}\nversion: 1\ndepends_on: [{depends}]\nup: [{{sql: up {id}}}]\n{rest}\n")
}

fn both(id: &str, depends: &str) -> String {
    one(id, depends, &format!("down: [{{sql: down {id}}}]"))
}

#[test]
fn dependencies_come_first_and_are_undone_last() {
    let migrations = ordered(&[both("a", "c"), both("b", ""), both("c", "b")].concat()).unwrap();
    let runs = forward(&migrations, &[], Sqlite).unwrap();
    assert_eq!(runs.iter().flat_map(sql).collect::<Vec<_>>(), ["up b", "up c", "up a"]);
    let done = applied(&migrations);
    let runs = forward(&migrations, &done[..2], Sqlite).unwrap();
    assert_eq!(runs.iter().flat_map(sql).collect::<Vec<_>>(), ["up a"]);
    let runs = back(&migrations, &done, &undo(&["a", "c"]), Sqlite).unwrap();
    assert_eq!(runs.iter().flat_map(sql).collect::<Vec<_>>(), ["down a", "down c"]);
    let refused = back(&migrations, &done, &undo(&["c"]), Sqlite).unwrap_err();
    assert_eq!(refused, Refusal::StillNeeded { id: "c".to_owned(), by: "a".to_owned() });
}

#[test]
fn circles_and_missing_dependencies_are_named() {
    let message = |text: &str| ordered(text).unwrap_err()[0].message.clone();
    let circle = [both("a", "b"), both("b", "a")].concat();
    assert_eq!(message(&circle), "migrations depend on each other in a circle: a → b → a");
    assert_eq!(message(&both("a", "b")), "`a` depends on `b`, which does not exist");
    let mut migrations = ordered(&[both("a", ""), both("b", "a")].concat()).unwrap();
    migrations.reverse();
    let refused = forward(&migrations, &[], Postgres).unwrap_err();
    assert_eq!(refused.to_string(), "`b` depends on `a`, which does not run before it");
}

#[test]
fn what_cannot_be_undone_is_refused_before_anything_is() {
    let migrations = ordered(&[one("a", "", "reversible: false"), both("b", "a")].concat()).unwrap();
    let done = applied(&migrations);
    let refusal = |known: &[Standalone], done: &[Applied], ids: &[&str]| back(known, done, &undo(ids), Postgres).unwrap_err();
    assert_eq!(refusal(&migrations, &done, &["a", "b"]), Refusal::NotReversible { id: "a".to_owned() });
    assert_eq!(refusal(&migrations, &done[..1], &["b"]), Refusal::NotApplied { id: "b".to_owned() });
    assert_eq!(refusal(&migrations[..1], &done, &["b"]), Refusal::Gone { id: "b".to_owned() });
    let mut edited = migrations.clone();
    "other".clone_into(&mut edited[1].digest);
    assert_eq!(refusal(&edited, &done, &["b"]), Refusal::Edited { id: "b".to_owned() });
    assert_eq!(forward(&edited, &done, Postgres).unwrap_err(), Refusal::Edited { id: "b".to_owned() });
}

#[test]
fn entries_of_every_kind_become_acts() {
    let text = "id: a\nafter: 3\nbackend: main\nmodel: user\nup:\n  - sql: |\n      BEGIN; INSERT INTO a VALUES (';'); COMMIT; -- done;\n      \
                CREATE INDEX CONCURRENTLY i ON a (b)\n  - update: {where: age < 0, set: {age: \"null\"}}\n  - exec: [python, fix.py]\n  \
                - operations: [{rename_property: {from: a, to: b}}]\nreversible: false\n";
    let run = forward(&ordered(text).unwrap(), &[], Postgres).unwrap().remove(0);
    assert_eq!((run.after, run.backend.as_deref()), (Some(3), Some("main")));
    assert_eq!(sql(&run), ["BEGIN", "INSERT INTO a VALUES (';')", "COMMIT", "CREATE INDEX CONCURRENTLY i ON a (b)"]);
    let mode = |act: &Act| match act {
        Act::Sql { transaction, .. } => Some(*transaction),
        Act::Operations { .. } | Act::Update(_) | Act::Exec(_) | Act::Check(_) => None,
    };
    let modes: Vec<_> = run.acts.iter().filter_map(mode).collect();
    assert_eq!(modes, [Transaction::Controls, Transaction::Either, Transaction::Controls, Transaction::Outside]);
    let [.., Act::Update(update), Act::Exec(exec), Act::Operations { model, operations }] = run.acts.as_slice() else {
        panic!("{:?}", run.acts)
    };
    assert_eq!((update.model.as_str(), update.filter.as_deref(), update.set.len()), ("user", Some("age < 0"), 1));
    assert_eq!((exec.model.as_deref(), exec.command.len(), model.as_str(), operations.len()), (Some("user"), 2, "user", 1));
}

#[test]
fn sql_that_cannot_be_cut_is_refused() {
    let of = |sql: &str, dialect| {
        let text = format!("id: a\nup:\n  - sql: |\n      {sql}\nreversible: false\n");
        forward(&ordered(&text).unwrap(), &[], dialect).map(|runs| runs[0].acts.len())
    };
    assert_eq!(
        of("SELECT 'a; DROP TABLE b", Postgres).unwrap_err(),
        Refusal::Unclosed { id: "a".to_owned(), text: "'a; DROP TABLE b".to_owned() }
    );
    assert_eq!(
        of("\\i other.sql", Postgres).unwrap_err(),
        Refusal::ClientCommand { id: "a".to_owned(), command: "\\i other.sql".to_owned() }
    );
    assert_eq!(of("DELIMITER //\n      SELECT 1; //", MySql), Ok(1));
}

#[test]
fn a_check_holds_on_no_row_or_one_zero() {
    let check = |expect_zero_rows| Check { sql: String::new(), expect_zero_rows };
    let (zero, one, null) = (Value::from(0), Value::from(1), Value::Null);
    for (rows, holds) in [
        (vec![], true),
        (vec![vec![zero.clone()]], true),
        (vec![vec![one]], false),
        (vec![vec![null]], false),
        (vec![vec![zero.clone(), zero.clone()]], false),
        (vec![vec![zero.clone()], vec![zero]], false),
    ] {
        assert_eq!(check(true).holds(&rows), holds, "{rows:?}");
        assert!(check(false).holds(&rows));
    }
}
