//! The laws on records in SQLite: generated histories, clients and runs, beside the same on the core alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::sync::Arc;

use coeval_core::value::{Object, Value};
use coeval_core::{Model, json};
use coeval_plan::table::{Ability, is_json};
use coeval_sql::ident;
use coeval_sqlite::{Session, Sqlite};
use coeval_store::event::Unobserved;
use coeval_store::ledger::{Action, Entry, Happened, Started};
use coeval_store::lock::Holder;
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};
use coeval_store::{Backend, Catalog, lower};
use coeval_testkit::laws::generate::Aim;
use coeval_testkit::laws::tables::{self, cases_hold, catalog, hold, scenario, unfit};

use common::*;
use rusqlite::types::ValueRef;

/// A database in memory for each scenario.
struct Memory;

impl tables::Database for Memory {
    type Store = Sqlite;

    const ABILITY: Ability = Ability { knows_writer: true };

    const ALIKE: &[(&str, &str)] = &[("+02:00", "moment"), ("7AAA-", "UUID")];

    async fn at_newest(&self, _: u64, catalog: Catalog, newest: u32) -> Result<Sqlite, String> {
        let database = coeval_sqlite::open("sqlite::memory:", &options(&[])).unwrap();
        let store = Sqlite::new(database, "laws", Arc::new(catalog));
        bring(&store, newest).await?;
        Ok(store)
    }

    async fn rows(&self, store: &Sqlite, _: u64, model: &Model, version: u32) -> Result<Vec<Object>, String> {
        let sql = format!("SELECT * FROM {}", ident(&format!("{}_v{version}", model.name)));
        let properties = model.properties.clone();
        let read = move |session: &Session<'_>| {
            session.rows(&sql, [], |row| {
                let names: Vec<String> = row.as_ref().column_names().into_iter().map(str::to_owned).collect();
                let mut object = Object::new();
                for (at, name) in names.iter().enumerate() {
                    let is_json = properties.iter().any(|(own, property)| own == name && is_json(&property.ty));
                    let value = match row.get_ref(at)? {
                        ValueRef::Null => Value::Null,
                        ValueRef::Integer(number) => Value::from(number),
                        ValueRef::Text(text) if is_json => json::parse(text).unwrap(),
                        ValueRef::Text(text) => Value::from(std::str::from_utf8(text).unwrap()),
                        ValueRef::Real(_) | ValueRef::Blob(_) => Value::Bool(true),
                    };
                    object.push(name.as_str().into(), value);
                }
                Ok(object)
            })
        };
        let rows = store.database().read("reading a view", read).await.map_err(|error| error.to_string())?;
        rows.ok_or_else(|| "there is no database".to_owned())
    }
}

async fn bring(store: &Sqlite, to: u32) -> Result<(), String> {
    let aim = lower::Aim { action: Action::Migrate, from: 0, to, scan: false, warm: false };
    let ledger = store.ledger().await.map_err(|e| e.to_string())?;
    let steps = lower::lower(store.catalog(), store.capabilities(), &ledger, aim).map_err(|e| e.to_string())?;
    let run = "first".to_owned();
    let started = Started {
        run: run.clone(),
        action: Action::Migrate,
        from: 0,
        to,
        steps: steps.clone(),
        policy: Policy::Quarantine,
        versions: Vec::new(),
    };
    let entry = |number, happened| Entry { number, at: String::new(), by: "test".to_owned(), happened };
    store.append(&entry(1, Happened::Started(started))).await.map_err(|e| e.to_string())?;
    let worker = Holder { id: run.clone(), name: run.clone(), purpose: "test".to_owned(), since: String::new() };
    for (at, step) in steps.iter().enumerate() {
        let (name, stop) = (at.to_string(), Stop::default());
        let work = Work {
            run: &run,
            step: &name,
            worker: &worker,
            lock: None,
            pace: &Pace::default(),
            policy: Policy::Quarantine,
            mode: Mode::Write,
            undo: false,
            observer: &Unobserved,
            stop: &stop,
        };
        store.execute(step, &work).await.map_err(|error| format!("{step}: {error}"))?;
    }
    store.append(&entry(2, Happened::Finished { run, tallies: Vec::new() })).await.map_err(|e| e.to_string())
}

#[tokio::test]
async fn cases_that_once_failed_hold() {
    cases_hold(&Memory, 20).await;
}

#[tokio::test]
async fn every_law_holds_in_sqlite() {
    hold(&Memory, Aim::Any, 300, 100).await;
}

#[tokio::test]
async fn l7_a_former_value_that_is_written_back_is_fresh() {
    hold(&Memory, Aim::Former, 100, 20).await;
}

#[tokio::test]
async fn l14_a_group_that_changes_in_part_is_computed_as_one() {
    hold(&Memory, Aim::Partial, 100, 20).await;
}

#[tokio::test]
async fn l15_a_value_of_its_own_stays_when_its_source_changes() {
    hold(&Memory, Aim::Pinned, 60, 12).await;
}

#[tokio::test]
async fn what_retires_changes_nothing_at_a_version_that_lives() {
    hold(&Memory, Aim::Retire, 100, 20).await;
}

/// The parser of an older SQLite has a small stack, and a trigger that it cannot read makes the whole database unreadable.
#[tokio::test]
async fn programs_with_an_older_sqlite_read_every_schema() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = 0;
    for seed in 0..60 {
        let scenario = scenario(seed, Aim::Any);
        let history = scenario.history().unwrap();
        if unfit(&Memory, &history, scenario.newest(), "").is_some() {
            continue;
        }
        let path = folder.path().join(format!("{seed}.db"));
        let store = Sqlite::new(database(&path, &[]), "laws", Arc::new(catalog(history, scenario.newest())));
        bring(&store, scenario.newest()).await.unwrap_or_else(|error| panic!("{error}\n{}", scenario.to_text()));
        let mut outside = Outside::open(&path);
        for version in 1..=scenario.newest() {
            outside.tell(&format!("run('SELECT count(*) FROM thing_v{version}')"));
            assert_eq!(outside.answer(), "[(0,)]", "seed {seed}\n{}", scenario.to_text());
        }
        made += 1;
    }
    assert!(made > 15, "only {made}");
}
