//! What becomes of what older versions write and newer ones' conditions forbid: it is hidden there, or repaired. Old and new clients
//! write in plain SQL, and through coeval.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_engine::How;
use coeval_postgres::PostgresBackend;
use coeval_store::Backend as _;
use coeval_store::backend::Survey;
use coeval_store::records::{Change, Expect, Key};
use coeval_testkit::policies::{Act, PART, RELEASES, World};
use common::dump::dump;
use common::shop::{Versions, migrate, open, rollback};
use common::{Bench, Told, ask, fresh, session};
use tokio_postgres::Client;

/// 2 hides what has no size; 3 calls the size otherwise and keeps the code as a number; 4 demands less.
const HIDING: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "code": "string", "size": "integer"}}"#,
    &[
        (2, &[r#"{"add_check": {"name": "sized", "expr": "size > 0", "policy": "quarantine"}}"#]),
        (
            3,
            &[
                r#"{"rename_property": {"from": "size", "to": "length"}}"#,
                r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)"}}"#,
            ],
        ),
        (4, &[r#"{"remove_check": {"name": "sized"}}"#]),
    ],
);

/// What each version has, in the order of keys.
async fn shown(client: &Client, versions: &[u32]) -> Vec<String> {
    let mut out = Vec::new();
    for version in versions {
        let rows = ask(client, &format!("SELECT * FROM shop_v{version}.part ORDER BY id")).await;
        out.push(rows.replace('\n', " "));
    }
    out
}

/// The code of the error with which a statement is refused.
async fn refused(client: &Client, sql: &str) -> String {
    let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql} is taken"));
    error.code().unwrap().code().to_owned()
}

async fn put(backend: &PostgresBackend, id: u32, at: u32, document: &str) -> Result<(), String> {
    let change = Change::Put(document.to_owned());
    let key = Key(vec![id.to_string()]);
    let written = backend.records().write("part", Some(&key), at, &change, &Expect::Anything).await;
    written.map(drop).map_err(|error| error.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_condition_is_hidden_at_its_versions_only() {
    let url = fresh().await;
    let backend = open(&url, &[HIDING], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.part VALUES (1, '5', 2), (2, '6', 0), (3, '7', NULL)").await;
    let before = dump(&url);
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    let goal = coeval_engine::Goal::Migrate { to: Some(2), scan: false };
    let trial = coeval_engine::trial(&backend, goal, None, &how).await.unwrap().unwrap();
    assert_eq!((trial.tally().failed, trial.tally().quarantined), (0, 1));
    migrate(&backend, 2).await;
    coeval_engine::rollback(&backend, Some(1), &How::quietly()).await.unwrap();
    assert_eq!(dump(&url), before, "nothing is left of it");
    coeval_engine::migrate(&backend, Some(3), false, &how).await.unwrap();
    let named = told.failures();
    assert!(named.iter().all(|failure| failure.key == "2" && failure.kind == "quarantined"), "{named:?}");
    assert_eq!(named.len(), 2, "the trial and the run");
    assert_eq!(named[1].reason, "`sized` does not hold: size > 0");
    assert_eq!(shown(&client, &[1, 2, 3]).await, ["1|5|2 2|6|0 3|7|∅", "1|5|2 3|7|∅", "1|5|2 3|7|∅"]);
    // Older clients write what they like, newer ones what their versions admit.
    ask(&client, "INSERT INTO shop_v1.part VALUES (4, '8', -1)").await;
    ask(&client, "UPDATE shop_v1.part SET size = 0 WHERE id = 1").await;
    ask(&client, "UPDATE shop_v1.part SET size = 9 WHERE id = 2").await;
    assert_eq!(shown(&client, &[2, 3]).await, ["2|6|9 3|7|∅", "2|6|9 3|7|∅"]);
    for write in [
        "INSERT INTO shop_v2.part VALUES (5, '9', 0)",
        "UPDATE shop_v3.part SET length = -1",
        "INSERT INTO shop_v3.part VALUES (5, 9, 0)",
        "COPY shop_v2_copy.part FROM PROGRAM 'echo 5,9,0' WITH (FORMAT csv)",
        "INSERT INTO shop_v2.part VALUES (3, '7', 1) ON CONFLICT (id) DO UPDATE SET size = 0",
    ] {
        assert_eq!(refused(&client, write).await, "44000", "{write}");
    }
    assert_eq!(ask(&client, "UPDATE shop_v2.part SET code = '0' WHERE id = 4 RETURNING id").await, "", "it is not there");
    assert_eq!(ask(&client, "DELETE FROM shop_v3.part WHERE id = 4 RETURNING id").await, "");
    // A version that demands less shows it, and may write it.
    migrate(&backend, 4).await;
    ask(&client, "UPDATE shop_v4.part SET length = 0 WHERE id = 3").await;
    assert_eq!(shown(&client, &[2, 3, 4]).await, ["2|6|9", "2|6|9", "1|5|0 2|6|9 3|7|0 4|8|-1"]);
    rollback(&backend, 3).await;
    assert_eq!(shown(&client, &[2, 3]).await, ["2|6|9", "2|6|9"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_are_hidden_are_counted_and_healed() {
    let url = fresh().await;
    let backend = open(&url, &[HIDING], 3);
    migrate(&backend, 3).await;
    put(&backend, 1, 1, r#"{"id":1,"code":"5","size":0}"#).await.unwrap();
    put(&backend, 2, 3, r#"{"id":2,"code":6,"length":1}"#).await.unwrap();
    let records = backend.records();
    let hidden = records.get("part", &Key(vec!["1".to_owned()]), 2).await.unwrap_err().to_string();
    assert_eq!(hidden, "version 2 cannot show the record: `sized` does not hold: size > 0");
    let page = records.list("part", 3, None, 10).await.unwrap();
    assert_eq!((page.records.len(), page.hidden.len()), (1, 1));
    let found = backend.inspect("part", Survey::Laws, None, &Bench::new().work(None)).await.unwrap();
    assert_eq!(found.quarantined.into_iter().collect::<Vec<_>>(), [(2, 1), (3, 1)]);
    assert_eq!(found.problems, 0);
    for (id, at, document) in [
        (1, 2, r#"{"id":1,"code":"5","size":0}"#),
        (2, 3, r#"{"id":2,"code":6,"length":-5}"#),
        (3, 3, r#"{"id":3,"code":6,"length":0}"#),
        (3, 2, r#"{"id":3,"code":"6","size":0}"#),
    ] {
        let said = put(&backend, id, at, document).await.unwrap_err();
        assert!(said.contains("`sized` does not hold: size > 0"), "{said}");
    }
    let patch = Change::MergePatch(r#"{"code":"7"}"#.to_owned());
    let patched = records.write("part", Some(&Key(vec!["1".to_owned()])), 2, &patch, &Expect::Anything).await;
    assert!(patched.unwrap_err().to_string().contains("cannot show the record"));
    let client = session(&url).await;
    assert_eq!(shown(&client, &[1, 2, 3]).await, ["1|5|0 2|6|1", "2|6|1", "2|6|1"]);
    put(&backend, 1, 3, r#"{"id":1,"code":8,"length":3}"#).await.unwrap();
    assert_eq!(shown(&client, &[1, 2, 3]).await, ["1|8|3 2|6|1", "1|8|3 2|6|1", "1|8|3 2|6|1"]);
}

/// 2 repairs sizes; 3 keeps the code as a number, which it repairs; 4 calls the size otherwise; 5 demands nothing of it.
const MENDING: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "code": "string", "size": "number"}}"#,
    &[
        (
            2,
            &[
                r#"{"add_check": {"name": "sized", "expr": "size > 0", "policy": {"repair": "case when size = 0 then 1 else size * -1 end"}}}"#,
            ],
        ),
        (
            3,
            &[
                r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)"}}"#,
                r#"{"add_check": {"name": "small", "expr": "code < 1000 and code <> 13", "policy": {"repair": "code - 1000"}}}"#,
            ],
        ),
        (4, &[r#"{"rename_property": {"from": "size", "to": "length"}}"#]),
        (5, &[r#"{"remove_check": {"name": "sized"}}"#]),
    ],
);

#[tokio::test(flavor = "multi_thread")]
async fn what_breaks_a_condition_is_repaired_for_all_versions() {
    let url = fresh().await;
    let backend = open(&url, &[MENDING], 5);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.part VALUES (1, '5', 0), (2, '1006', -2.5), (3, '7', NULL), (4, '2013', 1), (5, '3', 3)")
        .await;
    let before = dump(&url);
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    let tried = coeval_engine::Goal::Migrate { to: Some(2), scan: false };
    let trial = coeval_engine::trial(&backend, tried, None, &how).await.unwrap().unwrap();
    assert_eq!((trial.tally().failed, trial.tally().written), (0, 2));
    let named: Vec<_> = told.failures().into_iter().map(|failure| (failure.key, failure.kind)).collect();
    assert_eq!(named, [("1".to_owned(), "repaired"), ("2".to_owned(), "repaired")]);
    // What cannot be repaired is named, and all of it is undone.
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    coeval_engine::migrate(&backend, Some(3), false, &how).await.unwrap_err();
    let hopeless: Vec<_> = told.failures().into_iter().filter(|failure| failure.kind == "rejected").collect();
    assert_eq!((hopeless.len(), hopeless[0].key.as_str()), (1, "4"), "{hopeless:?}");
    assert!(hopeless[0].reason.starts_with("`small` does not hold: code < 1000"), "{hopeless:?}");
    assert_eq!(dump(&url), before);
    ask(&client, "UPDATE shop_v1.part SET code = '2000' WHERE id = 4").await;
    assert_eq!(shown(&client, &[1]).await, ["1|5|1 2|1006|2.5 3|7|∅ 4|2000|1 5|3|3"], "a value that was repaired stays");
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    coeval_engine::migrate(&backend, Some(4), false, &how).await.unwrap_err();
    ask(&client, "UPDATE shop_v1.part SET code = '1900' WHERE id = 4").await;
    migrate(&backend, 4).await;
    let all = "1|5|1 2|6|2.5 3|7|∅ 4|900|1 5|3|3";
    assert_eq!(shown(&client, &[1, 2, 3, 4]).await, [all; 4]);
    old_writers_are_repaired(&client, &backend).await;
    assert_eq!(backend.drift().await.unwrap(), []);
    // A version that takes it back takes it back for all.
    migrate(&backend, 5).await;
    ask(&client, "UPDATE shop_v5.part SET length = -7 WHERE id = 5").await;
    ask(&client, "UPDATE shop_v1.part SET code = '1001' WHERE id = 5").await;
    assert_eq!(shown(&client, &[1, 5]).await[0].rsplit(' ').next(), Some("5|1|-7"));
    rollback(&backend, 4).await;
    assert_eq!(shown(&client, &[1, 4]).await[0].rsplit(' ').next(), Some("5|1|7"), "and is repaired where it comes back");
    rollback(&backend, 1).await;
    assert_eq!(dump(&url), before);
    migrate(&backend, 4).await;
    assert_eq!(shown(&client, &[4]).await[0].rsplit(' ').next(), Some("5|1|7"));
}

/// At four versions, of which the newest is the fourth.
async fn old_writers_are_repaired(client: &Client, backend: &PostgresBackend) {
    ask(client, "INSERT INTO shop_v1.part VALUES (6, '1007', -1), (7, '8', 2)").await;
    ask(client, "UPDATE shop_v1.part SET size = -3, code = '1003' WHERE id = 7").await;
    ask(client, "UPDATE shop_v2.part SET code = '1005' WHERE id = 5").await;
    ask(client, "COPY shop_v1_copy.part FROM PROGRAM 'echo 8,1008,0' WITH (FORMAT csv)").await;
    put(backend, 9, 1, r#"{"id":9,"code":"1009","size":-9}"#).await.unwrap();
    let all = "1|5|1 2|6|2.5 3|7|∅ 4|900|1 5|5|3 6|7|1 7|3|3 8|8|1 9|9|9";
    assert_eq!(shown(client, &[1, 2, 3, 4]).await, [all; 4]);
    // Newer clients are refused what older ones are forgiven.
    for (write, code) in [
        ("INSERT INTO shop_v2.part VALUES (10, '1', 0)", "44000"),
        ("UPDATE shop_v4.part SET length = -1 WHERE id = 1", "44000"),
        ("UPDATE shop_v4.part SET code = 1000 WHERE id = 1", "44000"),
        ("INSERT INTO shop_v1.part VALUES (10, '2013', 1)", "23514"),
        ("INSERT INTO shop_v2.part VALUES (10, '2000', 1)", "23514"),
    ] {
        assert_eq!(refused(client, write).await, code, "{write}");
    }
    for (at, document, said) in [
        (2, r#"{"id":1,"code":"5","size":0}"#, "`sized` does not hold: size > 0"),
        (4, r#"{"id":1,"code":1000,"length":1}"#, "`small` does not hold: code < 1000"),
        (1, r#"{"id":1,"code":"2000","size":1}"#, "what repairs it does not either"),
    ] {
        let refused = put(backend, 1, at, document).await.unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
    ask(client, "DELETE FROM shop_v4.part WHERE id > 5").await;
    ask(client, "UPDATE shop_v2.part SET code = '3' WHERE id = 5").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_without_rights_on_the_table_are_repaired_and_retired_versions_forgotten() {
    let url = fresh().await;
    let backend = open(&url, &[MENDING, HIDING_OTHER], 4);
    migrate(&backend, 4).await;
    let client = session(&url).await;
    let role = format!("writer_{}", ask(&client, "SELECT current_database()").await);
    ask(&client, &format!("CREATE ROLE {role}; GRANT USAGE ON SCHEMA shop_v1, shop_w TO {role}; GRANT SELECT, INSERT, UPDATE ON shop_v1.part TO {role}")).await;
    ask(&client, &format!("SET ROLE {role}; INSERT INTO shop_v1.part VALUES (1, '1001', -1); RESET ROLE")).await;
    assert_eq!(shown(&client, &[1, 2, 3, 4]).await, ["1|1|1"; 4]);
    ask(&client, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
    assert_eq!(ask(&client, "INSERT INTO shop_v1.box VALUES (1, '5', -1), (2, '6', 1)").await, "");
    assert_eq!(ask(&client, "SELECT id FROM shop_v4.box").await, "2");
    // The text that 2 has a condition on goes with it, and so does the condition; what 4 still shows keeps its own.
    assert_eq!(backend.drift().await.unwrap(), []);
    coeval_engine::retire(&backend, 4, &How::quietly()).await.unwrap();
    assert_eq!(ask(&client, "SELECT id FROM shop_v4.box ORDER BY 1").await, "1\n2");
    ask(&client, "INSERT INTO shop_v4.box VALUES (3, 7, -1)").await;
    assert_eq!(refused(&client, "INSERT INTO shop_v4.part VALUES (2, 1, -1)").await, "44000");
    assert_eq!(backend.drift().await.unwrap(), []);
}

/// Clients of all versions write, versions come and go, and what each shows is what a model says that knows nothing of tables.
#[tokio::test(flavor = "multi_thread")]
async fn whatever_is_written_every_version_shows_what_it_should() {
    for seed in 0..4 {
        let url = fresh().await;
        let backend = open(&url, &[(PART, RELEASES)], 4);
        migrate(&backend, 1).await;
        let (client, mut world, mut done) = (session(&url).await, World::new(seed), Vec::new());
        for _ in 0..60 {
            let (act, taken) = world.step();
            done.push(format!("{act:?} {taken}"));
            let was = match act {
                Act::Write { at, around: [before, after] } => {
                    client.simple_query(&format!("{before} shop_v{at}.part {after}")).await.is_ok()
                }
                Act::Come(to) => {
                    let force = backend.ledger().await.unwrap().in_force().unwrap();
                    if to < force {
                        coeval_engine::rollback(&backend, Some(to), &How::quietly()).await.is_ok()
                    } else {
                        coeval_engine::migrate(&backend, Some(to), false, &How::quietly()).await.is_ok()
                    }
                }
            };
            let versions: Vec<u32> = (1..=world.version).collect();
            let should: Vec<String> = versions.iter().map(|version| world.shown(*version)).collect();
            assert_eq!((was, shown(&client, &versions).await), (taken, should), "seed {seed}:\n{}", done.join("\n"));
        }
        assert_eq!(backend.drift().await.unwrap(), []);
        let found = backend.inspect("part", Survey::Laws, None, &Bench::new().work(None)).await.unwrap();
        let hidden = (1..=world.version).map(|version| (version, world.hidden(version) as u64)).filter(|(_, hidden)| *hidden > 0);
        assert_eq!((found.problems, found.quarantined.into_iter().collect::<Vec<_>>()), (0, hidden.collect()));
    }
}

/// 2 has a condition on a text that 3 makes a number.
const HIDING_OTHER: Versions<'static> = (
    r#"{"type": "model", "name": "box", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "code": "string", "size": "string"}}"#,
    &[
        (2, &[r#"{"add_check": {"name": "sized", "expr": "size <> '-1'", "policy": "quarantine"}}"#]),
        (
            3,
            &[
                r#"{"retype_property": {"path": "size", "schema": "integer", "up": "cast(size as integer)", "down": "cast(size as string)"}}"#,
            ],
        ),
    ],
);
