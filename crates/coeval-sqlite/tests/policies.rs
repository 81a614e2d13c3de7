//! What becomes of what older versions write and newer ones' conditions forbid: it is hidden there, or repaired. Old and new clients
//! write in plain SQL, and through coeval.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;
use std::sync::Arc;

use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_engine::{Goal, How, migrate, retire, rollback, trial};
use coeval_sqlite::Sqlite;
use coeval_store::backend::Survey;
use coeval_store::event::{Event, Failure, Unobserved};
use coeval_store::ledger::VersionId;
use coeval_store::lock::Holder;
use coeval_store::records::{Change, Expect, Key};
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};
use coeval_store::{Backend as _, Catalog, Era, ModelEntry};
use coeval_testkit::policies::{Act, PART, RELEASES, World};

use common::*;

/// A model from its first version, and the operations of later ones.
type Versions = (&'static str, &'static [(u32, &'static [&'static str])]);

const NUMBERED: &str = r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)"}}"#;

/// 2 hides what has no size; 3 calls the size otherwise and keeps the code as a number; 4 demands less.
const HIDING: Versions = (
    PART,
    &[
        (2, &[r#"{"add_check": {"name": "sized", "expr": "size > 0", "policy": "quarantine"}}"#]),
        (3, &[r#"{"rename_property": {"from": "size", "to": "length"}}"#, NUMBERED]),
        (4, &[r#"{"remove_check": {"name": "sized"}}"#]),
    ],
);

/// 2 repairs sizes; 3 keeps the code as a number, which it repairs; 4 calls the size otherwise; 5 demands nothing of it.
const MENDING: Versions = (
    PART,
    &[
        (
            2,
            &[
                r#"{"add_check": {"name": "sized", "expr": "size > 0", "policy": {"repair": "case when size = 0 then 1 else size * -1 end"}}}"#,
            ],
        ),
        (3, &[NUMBERED, r#"{"add_check": {"name": "small", "expr": "code < 1000", "policy": {"repair": "code - 1000"}}}"#]),
        (4, &[r#"{"rename_property": {"from": "size", "to": "length"}}"#]),
        (5, &[r#"{"remove_check": {"name": "sized"}}"#]),
    ],
);

/// 2 hides by a text that 3 makes a number.
const LOSING: Versions =
    (PART, &[(2, &[r#"{"add_check": {"name": "coded", "expr": "code <> '-1'", "policy": "quarantine"}}"#]), (3, &[NUMBERED])]);

fn store(path: &Path, (model, releases): Versions) -> Sqlite {
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let operation = |text: &&str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    let release = |(version, operations): &(u32, &[&str])| Release {
        version: *version,
        operations: operations.iter().map(operation).collect(),
        order: None,
    };
    let releases: Vec<Release> = releases.iter().map(release).collect();
    let head = releases.last().map_or(1, |release| release.version);
    let history = History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap();
    let entry = ModelEntry { name: "part".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let versions = (1..=head).map(|number| VersionId { number, id: format!("v{number}") }).collect();
    Sqlite::new(database(path, &[]), "shop", Arc::new(Catalog { versions, models: vec![entry], ..Catalog::default() }))
}

/// A client that knows nothing of coeval.
fn client(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}

fn run(client: &rusqlite::Connection, sql: &str) {
    client.execute_batch(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
}

fn refused(client: &rusqlite::Connection, sql: &str) -> String {
    client.execute_batch(sql).err().unwrap_or_else(|| panic!("{sql} is taken")).to_string()
}

/// What each version has, in the order of keys.
fn shown(client: &rusqlite::Connection, versions: &[u32]) -> Vec<String> {
    let one = |version: &u32| {
        let mut rows = client.prepare(&format!("SELECT * FROM part_v{version} ORDER BY id")).unwrap();
        let width = rows.column_count();
        let row = |row: &rusqlite::Row<'_>| {
            let text = |at: usize| match row.get_ref(at).unwrap() {
                rusqlite::types::ValueRef::Null => "∅".to_owned(),
                rusqlite::types::ValueRef::Integer(value) => value.to_string(),
                other => other.as_str().unwrap().to_owned(),
            };
            Ok((0..width).map(text).collect::<Vec<_>>().join("|"))
        };
        let rows = rows.query_map([], row).unwrap().map(Result::unwrap).collect::<Vec<_>>();
        rows.join(" ")
    };
    versions.iter().map(one).collect()
}

/// The whole schema, but for what coeval keeps of itself.
fn dump(client: &rusqlite::Connection) -> Vec<String> {
    let sql = "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND tbl_name LIKE '%part%' ORDER BY name";
    let mut rows = client.prepare(sql).unwrap();
    rows.query_map([], |row| row.get(0)).unwrap().map(Result::unwrap).collect()
}

async fn put(store: &Sqlite, id: u32, at: u32, document: &str) -> Result<(), String> {
    let change = Change::Put(document.to_owned());
    let written = store.records().write("part", Some(&Key(vec![id.to_string()])), at, &change, &Expect::Anything).await;
    written.map(drop).map_err(|error| error.to_string())
}

fn named(told: &Told) -> Vec<Failure> {
    let failure = |event: &Event| if let Event::Failure(failure) = event { Some(failure.clone()) } else { None };
    told.0.lock().unwrap().iter().filter_map(failure).collect()
}

async fn to(store: &Sqlite, version: u32) {
    migrate(store, Some(version), false, &How::quietly()).await.unwrap_or_else(|error| panic!("to {version}: {error:?}"));
}

async fn back(store: &Sqlite, version: u32) {
    rollback(store, Some(version), &How::quietly()).await.unwrap_or_else(|error| panic!("back to {version}: {error:?}"));
}

#[tokio::test]
async fn what_breaks_a_condition_is_hidden_at_its_versions_only() {
    let (_folder, path) = fresh();
    let store = store(&path, HIDING);
    to(&store, 1).await;
    let client = client(&path);
    run(&client, "INSERT INTO part_v1 VALUES (1, '5', 2), (2, '6', 0), (3, '7', NULL)");
    let before = dump(&client);
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    let tried = trial(&store, Goal::Migrate { to: Some(2), scan: false }, None, &how).await.unwrap().unwrap();
    assert_eq!((tried.tally().failed, tried.tally().quarantined), (0, 1));
    to(&store, 2).await;
    back(&store, 1).await;
    assert_eq!(dump(&client), before, "nothing is left of it");
    migrate(&store, Some(3), false, &how).await.unwrap();
    let named = named(&told);
    assert!(named.iter().all(|failure| failure.key == "2" && failure.kind == "quarantined"), "{named:?}");
    assert_eq!(named.len(), 2, "the trial and the run");
    assert_eq!(named[1].reason, "`sized` does not hold: size > 0");
    assert_eq!(shown(&client, &[1, 2, 3]), ["1|5|2 2|6|0 3|7|∅", "1|5|2 3|7|∅", "1|5|2 3|7|∅"]);
    // Older clients write what they like, newer ones what their versions admit.
    run(&client, "INSERT INTO part_v1 VALUES (4, '8', -1)");
    run(&client, "UPDATE part_v1 SET size = 0 WHERE id = 1");
    run(&client, "UPDATE part_v1 SET size = 9 WHERE id = 2");
    assert_eq!(shown(&client, &[2, 3]), ["2|6|9 3|7|∅", "2|6|9 3|7|∅"]);
    for write in [
        "INSERT INTO part_v2 VALUES (5, '9', 0)",
        "UPDATE part_v3 SET length = -1",
        "INSERT INTO part_v3 VALUES (5, 9, 0)",
        "INSERT OR REPLACE INTO part_v3 VALUES (3, 9, 0)",
    ] {
        let said = refused(&client, write);
        assert!(said.contains(": `sized` does not hold: size > 0"), "{write}: {said}");
    }
    run(&client, "UPDATE part_v2 SET code = '0' WHERE id = 4");
    run(&client, "DELETE FROM part_v3 WHERE id = 4");
    assert_eq!(store.drift().await.unwrap(), []);
    // A version that demands less shows it, and may write it.
    to(&store, 4).await;
    run(&client, "UPDATE part_v4 SET length = 0 WHERE id = 3");
    assert_eq!(shown(&client, &[2, 3, 4]), ["2|6|9", "2|6|9", "1|5|0 2|6|9 3|7|0 4|8|-1"]);
    back(&store, 3).await;
    assert_eq!(shown(&client, &[2, 3]), ["2|6|9", "2|6|9"]);
}

fn holder() -> Holder {
    let [id, name, purpose] = ["test", "test", "look"].map(str::to_owned);
    Holder { id, name, purpose, since: "2026-11-21T10:00:00Z".to_owned() }
}

#[tokio::test]
async fn records_that_are_hidden_are_counted_and_healed() {
    let (_folder, path) = fresh();
    let store = store(&path, HIDING);
    to(&store, 3).await;
    put(&store, 1, 1, r#"{"id":1,"code":"5","size":0}"#).await.unwrap();
    put(&store, 2, 3, r#"{"id":2,"code":6,"length":1}"#).await.unwrap();
    let records = store.records();
    let hidden = records.get("part", &Key(vec!["1".to_owned()]), 2).await.unwrap_err().to_string();
    assert_eq!(hidden, "version 2 cannot show the record: `sized` does not hold: size > 0");
    let page = records.list("part", 3, None, 10).await.unwrap();
    assert_eq!((page.records.len(), page.hidden.len()), (1, 1));
    let (worker, pace, stop) = (holder(), Pace::default(), Stop::default());
    let work = Work {
        run: "run",
        step: "0",
        worker: &worker,
        lock: None,
        pace: &pace,
        policy: Policy::Reject,
        mode: Mode::Write,
        undo: false,
        observer: &Unobserved,
        stop: &stop,
    };
    let found = store.inspect("part", Survey::Laws, None, &work).await.unwrap();
    assert_eq!(found.quarantined.into_iter().collect::<Vec<_>>(), [(2, 1), (3, 1)]);
    assert_eq!(found.problems, 0);
    for (id, at, document) in [
        (1, 2, r#"{"id":1,"code":"5","size":0}"#),
        (2, 3, r#"{"id":2,"code":6,"length":-5}"#),
        (3, 3, r#"{"id":3,"code":6,"length":0}"#),
        (3, 2, r#"{"id":3,"code":"6","size":0}"#),
    ] {
        let said = put(&store, id, at, document).await.unwrap_err();
        assert!(said.contains("`sized` does not hold: size > 0"), "{said}");
    }
    let patch = Change::MergePatch(r#"{"code":"7"}"#.to_owned());
    records.write("part", Some(&Key(vec!["1".to_owned()])), 2, &patch, &Expect::Anything).await.unwrap_err();
    let client = client(&path);
    assert_eq!(shown(&client, &[1, 2, 3]), ["1|5|0 2|6|1", "2|6|1", "2|6|1"]);
    put(&store, 1, 3, r#"{"id":1,"code":8,"length":3}"#).await.unwrap();
    assert_eq!(shown(&client, &[1, 2, 3]), ["1|8|3 2|6|1", "1|8|3 2|6|1", "1|8|3 2|6|1"]);
}

#[tokio::test]
async fn what_breaks_a_condition_is_repaired_for_all_versions() {
    let (_folder, path) = fresh();
    let store = store(&path, MENDING);
    to(&store, 1).await;
    let client = client(&path);
    run(&client, "INSERT INTO part_v1 VALUES (1, '5', 0), (2, '1006', -25), (3, '7', NULL), (4, '2013', 1), (5, '3', 3)");
    let before = dump(&client);
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    let tried = trial(&store, Goal::Migrate { to: Some(2), scan: false }, None, &how).await.unwrap().unwrap();
    assert_eq!((tried.tally().failed, tried.tally().written), (0, 2));
    let keys: Vec<_> = named(&told).into_iter().map(|failure| (failure.key, failure.kind)).collect();
    assert_eq!(keys, [("1".to_owned(), "repaired"), ("2".to_owned(), "repaired")]);
    // What cannot be repaired is named, and all of it is undone.
    let told = Told::default();
    migrate(&store, Some(3), false, &How { observer: &told, ..How::quietly() }).await.unwrap_err();
    let hopeless: Vec<_> = named(&told).into_iter().filter(|failure| failure.kind == "rejected").collect();
    assert_eq!((hopeless.len(), hopeless[0].key.as_str()), (1, "4"), "{hopeless:?}");
    assert!(hopeless[0].reason.starts_with("`small` does not hold: code < 1000"), "{hopeless:?}");
    assert_eq!(dump(&client), before);
    run(&client, "UPDATE part_v1 SET code = '1900' WHERE id = 4");
    to(&store, 4).await;
    let all = "1|5|1 2|6|25 3|7|∅ 4|900|1 5|3|3";
    assert_eq!(shown(&client, &[1, 2, 3, 4]), [all; 4]);
    old_writers_are_repaired(&client, &store).await;
    assert_eq!(store.drift().await.unwrap(), []);
    // A version that takes it back takes it back for all.
    to(&store, 5).await;
    run(&client, "UPDATE part_v5 SET length = -7, code = 1 WHERE id = 5");
    assert_eq!(
        shown(&client, &[1, 4, 5]),
        ["1|5|1 2|6|25 3|7|∅ 4|900|1 5|1|-7", "1|5|1 2|6|25 3|7|∅ 4|900|1", "1|5|1 2|6|25 3|7|∅ 4|900|1 5|1|-7"]
    );
    back(&store, 4).await;
    assert_eq!(shown(&client, &[1, 4])[0].rsplit(' ').next(), Some("5|1|7"), "and is repaired where it comes back");
    rollback(&store, Some(1), &How { warm: true, ..How::quietly() }).await.unwrap();
    run(&client, "UPDATE part_v1 SET size = -8 WHERE id = 5");
    assert_eq!(shown(&client, &[1])[0].rsplit(' ').next(), Some("5|1|8"), "what stays warm is kept");
    to(&store, 4).await;
    back(&store, 1).await;
    assert_eq!(dump(&client), before);
    to(&store, 4).await;
    assert_eq!(shown(&client, &[4])[0].rsplit(' ').next(), Some("5|1|8"));
}

/// At four versions, of which the newest is the fourth.
async fn old_writers_are_repaired(client: &rusqlite::Connection, store: &Sqlite) {
    run(client, "INSERT INTO part_v1 VALUES (6, '1007', -1), (7, '8', 2)");
    run(client, "UPDATE part_v1 SET size = -3, code = '1003' WHERE id = 7");
    run(client, "UPDATE part_v2 SET code = '1005' WHERE id = 5");
    put(store, 9, 1, r#"{"id":9,"code":"1009","size":-9}"#).await.unwrap();
    let all = "1|5|1 2|6|25 3|7|∅ 4|900|1 5|5|3 6|7|1 7|3|3 9|9|9";
    assert_eq!(shown(client, &[1, 2, 3, 4]), [all; 4]);
    // Newer clients are refused what older ones are forgiven.
    for (write, reason) in [
        ("INSERT INTO part_v2 VALUES (10, '1', 0)", "part_v2: `sized` does not hold: size > 0"),
        ("UPDATE part_v4 SET length = -1 WHERE id = 1", "part_v4: `sized` does not hold: size > 0"),
        ("UPDATE part_v4 SET code = 1000 WHERE id = 1", "part_v4: `small` does not hold: code < 1000"),
        ("INSERT INTO part_v1 VALUES (10, '2013', 1)", "what repairs it does not either: code < 1000"),
        ("INSERT INTO part_v2 VALUES (10, '2000', 1)", "what repairs it does not either: code < 1000"),
    ] {
        let said = refused(client, write);
        assert!(said.contains(reason), "{write}: {said}");
    }
    for (at, document, said) in [
        (2, r#"{"id":1,"code":"5","size":0}"#, "`sized` does not hold: size > 0"),
        (4, r#"{"id":1,"code":1000,"length":1}"#, "`small` does not hold: code < 1000"),
        (1, r#"{"id":1,"code":"2000","size":1}"#, "what repairs it does not either"),
    ] {
        let refused = put(store, 1, at, document).await.unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    run(client, "DELETE FROM part_v4 WHERE id > 5");
    run(client, "UPDATE part_v2 SET code = '3' WHERE id = 5");
}

#[tokio::test]
async fn what_only_retired_versions_could_tell_hides_no_more() {
    let (_folder, path) = fresh();
    let losing = store(&path, LOSING);
    to(&losing, 3).await;
    let client = client(&path);
    run(&client, "INSERT INTO part_v1 VALUES (1, '-1', 1), (2, '6', 1)");
    assert_eq!(shown(&client, &[1, 2, 3]), ["1|-1|1 2|6|1", "2|6|1", "2|6|1"]);
    retire(&losing, 3, &How::quietly()).await.unwrap();
    assert_eq!(shown(&client, &[3]), ["1|-1|1 2|6|1"]);
    put(&losing, 3, 3, r#"{"id":3,"code":-1,"size":0}"#).await.unwrap();
    assert_eq!(losing.drift().await.unwrap(), []);
}

#[tokio::test]
async fn what_is_still_shown_is_repaired_after_its_version_is_retired() {
    let (_folder, path) = fresh();
    let store = store(&path, MENDING);
    to(&store, 4).await;
    retire(&store, 3, &How::quietly()).await.unwrap();
    let client = client(&path);
    run(&client, "INSERT INTO part_v3 VALUES (1, 1, 1)");
    assert!(refused(&client, "UPDATE part_v4 SET length = 0").contains("`sized` does not hold"));
    // Somebody who has no version at all.
    run(&client, "UPDATE part SET size = -4");
    assert_eq!(shown(&client, &[3, 4]), ["1|1|4"; 2]);
    assert_eq!(store.drift().await.unwrap(), []);
}

/// Clients of all versions write, versions come and go, and what each shows is what a model says that knows nothing of tables.
#[tokio::test]
async fn whatever_is_written_every_version_shows_what_it_should() {
    for seed in 0..8 {
        let (_folder, path) = fresh();
        let store = store(&path, (PART, RELEASES));
        to(&store, 1).await;
        let (client, mut world, mut done) = (client(&path), World::new(seed), Vec::new());
        for _ in 0..80 {
            let (act, taken) = world.step();
            done.push(format!("{act:?} {taken}"));
            let was = match act {
                Act::Write { at, around: [before, after] } => {
                    client.execute_batch(&format!("{before} part_v{at} {after}")).is_ok()
                }
                Act::Come(to) if to < store.ledger().await.unwrap().in_force().unwrap() => {
                    rollback(&store, Some(to), &How::quietly()).await.is_ok()
                }
                Act::Come(to) => migrate(&store, Some(to), false, &How::quietly()).await.is_ok(),
            };
            let versions: Vec<u32> = (1..=world.version).collect();
            let should: Vec<String> = versions.iter().map(|version| world.shown(*version)).collect();
            assert_eq!((was, shown(&client, &versions)), (taken, should), "seed {seed}:\n{}", done.join("\n"));
        }
        assert_eq!(store.drift().await.unwrap(), []);
    }
}
