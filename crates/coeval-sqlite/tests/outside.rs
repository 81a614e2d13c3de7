//! Clients that know nothing of coeval: Python's SQLite, through the views of versions.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;
use std::sync::Arc;

use coeval_sqlite::{Sqlite, catalog as schema};
use coeval_store::Backend;
use coeval_store::conformance::catalog::tables_up_to;
use coeval_store::event::Unobserved;
use coeval_store::ledger::{Action, Entry, Happened, Started};
use coeval_store::lock::Holder;
use coeval_store::lower::{Aim, lower};
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};

use common::*;

fn at(path: &Path, version: u32) -> Sqlite {
    Sqlite::new(database(path, &[]), "shop", Arc::new(tables_up_to(version).unwrap()))
}

/// Does what a run does; `between` is called after each step.
async fn bring(store: &Sqlite, to: u32, mut between: impl FnMut()) {
    let ledger = store.ledger().await.unwrap();
    let from = ledger.in_force().unwrap_or_default();
    let action = if to < from { Action::Rollback } else { Action::Migrate };
    let aim = Aim { action, from, to, scan: false, warm: false };
    let steps = lower(store.catalog(), store.capabilities(), &ledger, aim).unwrap();
    let run = format!("run-{}", ledger.next());
    let versions = store.catalog().versions.clone();
    let started = Started { run: run.clone(), action, from, to, steps: steps.clone(), policy: Policy::Reject, versions };
    let entry = |number, happened| Entry { number, at: String::new(), by: "test".to_owned(), happened };
    store.append(&entry(ledger.next(), Happened::Started(started))).await.unwrap();
    let worker = Holder { id: run.clone(), name: run.clone(), purpose: "test".to_owned(), since: String::new() };
    for (number, step) in steps.iter().enumerate() {
        let (name, stop) = (number.to_string(), Stop::default());
        let work = Work {
            run: &run,
            step: &name,
            worker: &worker,
            lock: None,
            pace: &Pace::default(),
            policy: Policy::Reject,
            mode: Mode::Write,
            undo: false,
            observer: &Unobserved,
            stop: &stop,
        };
        store.execute(step, &work).await.unwrap_or_else(|error| panic!("{step}: {error}"));
        between();
    }
    store.append(&entry(ledger.next() + 1, Happened::Finished { run, tallies: Vec::new() })).await.unwrap();
}

fn ask(outside: &mut Outside, sql: &str) -> String {
    outside.tell(&format!("run({sql:?})"));
    outside.answer()
}

const A: &str = "INSERT INTO task_v1 (id, title, size, status, address, items) VALUES ('a', 'T', 105, 'doing', \
                 '{\"street\":\"S\",\"city\":\"C\"}', '[]')";

#[tokio::test]
async fn every_version_is_written_and_read() {
    let (_folder, path) = fresh();
    bring(&at(&path, 3), 3, || ()).await;
    let mut outside = Outside::open(&path);
    assert_eq!(ask(&mut outside, A), "[]");
    let third = "SELECT name, size, status, address, priority FROM task_v3 WHERE id = 'a'";
    assert_eq!(ask(&mut outside, third), r#"[('T', 10, 'open', '{"line":"S","city":"C"}', 'medium')]"#);
    // A write at the newest version that changes nothing of what the oldest knows better.
    assert_eq!(ask(&mut outside, "UPDATE task_v3 SET priority = 'high' WHERE id = 'a'"), "[]");
    assert_eq!(ask(&mut outside, "SELECT title, size, status FROM task_v1"), "[('T', 105, 'doing')]");
    assert_eq!(ask(&mut outside, "UPDATE task_v3 SET size = 7, status = 'done' WHERE id = 'a'"), "[]");
    assert_eq!(ask(&mut outside, "SELECT title, size, status FROM task_v1"), "[('T', 70, 'done')]");
    assert_eq!(ask(&mut outside, "UPDATE task_v2 SET id = 'b' WHERE id = 'a'"), "[]");
    assert_eq!(ask(&mut outside, "SELECT id, size FROM task_v1"), "[('b', 70)]");
    assert_eq!(ask(&mut outside, "DELETE FROM task_v2 WHERE id = 'b'"), "[]");
    assert_eq!(ask(&mut outside, "SELECT count(*) FROM task"), "[(0,)]");
}

#[tokio::test]
async fn what_views_cannot_do_is_as_documented() {
    let (_folder, path) = fresh();
    bring(&at(&path, 3), 3, || ()).await;
    let mut outside = Outside::open(&path);
    ask(&mut outside, A);
    let upsert = format!("{A} ON CONFLICT DO NOTHING");
    assert_eq!(ask(&mut outside, &upsert), "error: cannot UPSERT a view");
    let ignore = A.replace("INSERT", "INSERT OR IGNORE").replace("105", "9");
    assert_eq!(ask(&mut outside, &ignore), "[]");
    assert_eq!(ask(&mut outside, "SELECT size FROM task_v1"), "[(105,)]");
    assert_eq!(ask(&mut outside, A), "error: UNIQUE constraint failed: task.id");
    let replace = A.replace("INSERT", "INSERT OR REPLACE").replace("105", "9");
    assert_eq!(ask(&mut outside, "UPDATE task_v3 SET priority = 'high'"), "[]");
    assert_eq!(ask(&mut outside, &replace), "[]");
    // A replaced record is a new one: what only newer versions knew of the old one is gone.
    assert_eq!(ask(&mut outside, "SELECT size, priority FROM task_v3"), "[(0, 'medium')]");
    let returning = A.replace("'a'", "'r'") + " RETURNING id, note";
    assert_eq!(ask(&mut outside, &returning), "[('r', None)]");
    assert_eq!(ask(&mut outside, "SELECT changes(), last_insert_rowid()"), "[(0, 0)]");
}

#[tokio::test]
async fn what_a_version_does_not_admit_is_refused_by_name() {
    let (_folder, path) = fresh();
    bring(&at(&path, 3), 3, || ()).await;
    let mut outside = Outside::open(&path);
    ask(&mut outside, A);
    for (sql, said) in [
        ("INSERT INTO task_v2 (id) VALUES ('x')", "error: task_v2.name is required"),
        ("UPDATE task_v3 SET size = NULL", "error: task_v3.size must not be NULL"),
        ("UPDATE task_v1 SET status = 'open'", "error: task_v1.status must be one of todo, doing, done"),
        ("UPDATE task_v1 SET address = 'x'", "error: task_v1.address must be a JSON object"),
        ("UPDATE task_v1 SET size = 'many'", "error: task_v1.size must be of type integer"),
    ] {
        assert_eq!(ask(&mut outside, sql), said);
    }
    assert_eq!(ask(&mut outside, "SELECT size, status FROM task_v1"), "[(105, 'doing')]");
    assert_eq!(ask(&mut outside, "SELECT count(*) FROM coeval_w_task"), "[(0,)]");
}

#[tokio::test]
async fn clients_go_on_while_versions_come_and_go() {
    let (_folder, path) = fresh();
    bring(&at(&path, 1), 1, || ()).await;
    let mut outside = Outside::open(&path);
    ask(&mut outside, A);
    let store = at(&path, 3);
    let mut done = 0;
    for to in [3, 1, 2, 3, 1] {
        bring(&store, to, || {
            done += 1;
            assert_eq!(ask(&mut outside, &format!("UPDATE task_v1 SET size = {done} WHERE id = 'a'")), "[]");
            assert_eq!(ask(&mut outside, "SELECT size FROM task_v1"), format!("[({done},)]"));
        })
        .await;
    }
    assert!(done > 30, "{done} steps");
}

#[tokio::test]
async fn a_rollback_leaves_the_schema_as_it_was_to_the_letter() {
    let (_folder, path) = fresh();
    bring(&at(&path, 1), 1, || ()).await;
    let mut outside = Outside::open(&path);
    ask(&mut outside, A);
    let texts = || async { database(&path, &[]).read("reading", schema::texts).await.unwrap().unwrap() };
    let scratch = "SELECT sql FROM sqlite_schema WHERE name = 'coeval_w_task'";
    let store = at(&path, 5);
    let mut known = vec![(texts().await, ask(&mut outside, scratch))];
    for version in 2..=5 {
        bring(&store, version, || ()).await;
        known.push((texts().await, ask(&mut outside, scratch)));
    }
    for version in [4, 2, 3, 5, 1] {
        bring(&store, version, || ()).await;
        let (now, calculation) = (texts().await, ask(&mut outside, scratch));
        let (before, calculated) = &known[version as usize - 1];
        for (now, before) in now.iter().zip(before) {
            assert_eq!(now, before, "at version {version}");
        }
        assert_eq!((now.len(), &calculation), (before.len(), calculated), "at version {version}");
    }
    bring(&store, 0, || ()).await;
    assert_eq!(texts().await, [], "at none");
}
