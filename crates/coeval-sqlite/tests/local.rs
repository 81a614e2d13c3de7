//! Letters whose case SQLite does not know: plain SQL goes on with those that it does know, and leaves alone what it does not touch.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;

use coeval_engine::Goal;
use coeval_sqlite::Sqlite;
use coeval_store::Backend as _;
use coeval_store::records::{Change, Expect, Key};
use common::shop::{migrate, one, rollback};
use common::*;

/// 2 follows the case of letters, both ways; 3 takes apart what 2 made, and changes what is a value of its own in two steps, so that a link
/// of a chain is computed on the way.
const PERSON: &str = r#"{"type": "model", "name": "person", "key": ["id"], "properties": {
    "id": {"type": "integer", "required": true}, "name": {"type": "string", "required": true}, "email": "string", "note": "string"}}"#;
const CHANGES: [&[&str]; 2] = [
    &[
        r#"{"transform": {"up": {"contact": "upper(email)"}, "down": {"email": "lower(contact)"}, "schemas": {"contact": "string"}}}"#,
        r#"{"add_property": {"path": "handle", "schema": {"type": "string", "required": true}, "value": "lower(name)"}}"#,
    ],
    &[
        r#"{"transform": {"up": {"domain": "split_part(contact, '@', 2)", "user": "split_part(contact, '@', 1)"},
            "down": {"contact": "upper(\"user\") || '@' || domain"}, "schemas": {"domain": "string", "user": "string"}}}"#,
        r#"{"retype_property": {"path": "handle", "schema": {"type": "string", "required": true}, "up": "upper(handle)",
            "down": "lower(handle)"}}"#,
        r#"{"retype_property": {"path": "handle", "schema": {"type": "string", "required": true}, "up": "'@' || handle",
            "down": "substring(handle from 2)"}}"#,
    ],
];

async fn put(store: &Sqlite, id: i64, at: u32, document: &str) {
    let (key, change) = (Key(vec![id.to_string()]), Change::Put(document.to_owned()));
    store.records().write("person", Some(&key), at, &change, &Expect::Anything).await.unwrap();
}

async fn get(store: &Sqlite, id: i64, at: u32) -> String {
    store.records().get("person", &Key(vec![id.to_string()]), at).await.unwrap().unwrap().text
}

async fn people(path: &Path, up_to: u32) -> Sqlite {
    let store = one(path, PERSON, &CHANGES, 3);
    migrate(&store, 1).await;
    let mut program = Outside::open(path);
    let sql = "INSERT INTO person_v1 VALUES (1, 'Ada', 'ada@x.org', NULL), (2, 'Zoë', 'zoë@x.org', 'a')";
    assert_eq!(program.run(sql), "[]");
    migrate(&store, up_to).await;
    store
}

#[tokio::test]
async fn plain_sql_goes_on_with_letters_of_ascii_and_leaves_others_alone() {
    let (_folder, path) = fresh();
    let store = people(&path, 3).await;
    let mut program = Outside::open(&path);
    let all = "SELECT id, name, email, note FROM person_v1 ORDER BY id";
    let newest = r#"SELECT id, name, handle, "user", domain FROM person_v3 ORDER BY id"#;
    assert_eq!(program.run(newest), "[(1, 'Ada', '@ADA', 'ADA', 'X.ORG'), (2, 'Zoë', '@ZOË', 'ZOË', 'X.ORG')]");
    // What does not touch it.
    assert_eq!(program.run("UPDATE person_v1 SET note = 'b' WHERE id = 2"), "[]");
    assert_eq!(program.run("UPDATE person_v2 SET note = 'c' WHERE id = 2"), "[]");
    assert_eq!(program.run("UPDATE person_v3 SET note = 'd' WHERE id = 2"), "[]");
    assert_eq!(program.run(newest), "[(1, 'Ada', '@ADA', 'ADA', 'X.ORG'), (2, 'Zoë', '@ZOË', 'ZOË', 'X.ORG')]");
    assert_eq!(program.run(all), "[(1, 'Ada', 'ada@x.org', None), (2, 'Zoë', 'zoë@x.org', 'd')]");
    // What SQLite can tell.
    assert_eq!(program.run("UPDATE person_v1 SET email = 'Eva@y.org', name = 'Eva' WHERE id = 1"), "[]");
    assert_eq!(program.run("INSERT INTO person_v1 (id, name, email) VALUES (3, 'Bob', 'bob@x.org')"), "[]");
    assert_eq!(program.run("INSERT INTO person_v2 (id, name, contact, handle) VALUES (4, 'Émile', 'E@X.ORG', 'em')"), "[]");
    assert_eq!(program.run("UPDATE person_v3 SET \"user\" = 'eve' WHERE id = 4"), "[]");
    let rows = "[(1, 'Eva', '@EVA', 'EVA', 'Y.ORG'), (2, 'Zoë', '@ZOË', 'ZOË', 'X.ORG'), (3, 'Bob', '@BOB', 'BOB', 'X.ORG'), \
                (4, 'Émile', '@EM', 'eve', 'X.ORG')]";
    assert_eq!(program.run(newest), rows);
    // A value of its own stays where its source changes, whatever that was.
    put(&store, 2, 3, r#"{"id":2,"name":"Zoë","handle":"@OWN","user":"ZOË","domain":"X.ORG"}"#).await;
    assert_eq!(program.run("UPDATE person_v2 SET contact = 'Z@X.ORG' WHERE id = 2"), "[]");
    assert_eq!(program.run("SELECT handle, \"user\" FROM person_v3 WHERE id = 2"), "[('@OWN', 'Z')]");
}

#[tokio::test]
async fn what_sqlite_cannot_tell_is_refused_and_written_with_coeval() {
    let (_folder, path) = fresh();
    let store = people(&path, 3).await;
    let mut program = Outside::open(&path);
    // What is before it differs between releases.
    let refused = |function: &str, said: String| {
        let why = format!("'coeval: SQLite cannot compute `{function}` of letters beyond ASCII'");
        assert!(said.starts_with("error: ") && said.ends_with(&why), "{said}");
    };
    let sql = "INSERT INTO person_v1 (id, name) VALUES (5, 'Émile')";
    refused("lower", program.run(sql));
    let sql = "UPDATE person_v1 SET email = 'zoé@x.org' WHERE id = 2";
    refused("upper", program.run(sql));
    // Whether its handle follows is not known.
    let sql = "UPDATE person_v1 SET name = 'Zoe' WHERE id = 2";
    refused("upper", program.run(sql));
    assert_eq!(program.run("SELECT name, handle FROM person_v3 WHERE id = 2"), "[('Zoë', '@ZOË')]");
    put(&store, 5, 1, r#"{"id":5,"name":"Émile","email":"ÉM@x.org"}"#).await;
    put(&store, 2, 1, r#"{"id":2,"name":"Zoe","email":"zoé@x.org"}"#).await;
    assert_eq!(get(&store, 5, 3).await, r#"{"id":5,"name":"Émile","handle":"@ÉMILE","domain":"X.ORG","user":"ÉM"}"#);
    assert_eq!(program.run("SELECT handle, \"user\" FROM person_v3 WHERE id = 2"), "[('@ZOE', 'ZOÉ')]");
    rollback(&store, 1, false).await;
    migrate(&store, 3).await;
    assert_eq!(program.run("SELECT handle, \"user\" FROM person_v3 WHERE id = 5"), "[('@ÉMILE', 'ÉM')]");
}

#[tokio::test]
async fn the_plan_says_which_writes_are_refused() {
    let (_folder, path) = fresh();
    let store = people(&path, 1).await;
    let goal = Goal::Migrate { to: Some(2), scan: false };
    let plan = coeval_engine::plan(store.catalog(), store.capabilities(), &store.ledger().await.unwrap(), goal).unwrap().unwrap();
    let mut said = Vec::new();
    for planned in &plan.steps {
        said.extend(store.remarks(&planned.step).await.unwrap());
    }
    let wanted = ["contact", "email", "handle"].map(|name| {
        format!("refuses writes in plain SQL that `{name}` follows from, where letters beyond ASCII change their case")
    });
    assert_eq!(said, wanted);
}
