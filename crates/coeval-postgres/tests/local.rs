//! Expressions that PostgreSQL cannot compute: backfills stream them through the engine, writes in plain SQL that would need them are
//! refused, and records that are written with coeval are as they are everywhere.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use coeval_core::{Value, json};
use coeval_engine::{Goal, How, Plan};
use coeval_postgres::PostgresBackend;
use coeval_store::event::{Event, Observer};
use coeval_store::memory::MemoryBackend;
use coeval_store::records::{Change, Expect, Key};
use coeval_store::work::{Pace, Stop};
use coeval_store::{Backend, Error, Step};
use common::shop::{Versions, catalog, migrate, open, rollback};
use common::{Told, ask, fresh, session};
use tokio_postgres::Client;

/// 2 converts letters, which PostgreSQL does by the database's locale, and follows them; 3 converts what 2 made, and items of a list.
const PERSON: Versions<'static> = (
    r#"{"type": "model", "name": "person", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true},
        "name": {"type": "string", "required": true},
        "email": "string",
        "size": "number",
        "note": "string",
        "tags": {"type": "array", "items": {"type": "object", "properties": {"label": "string", "n": "integer"}}}}}"#,
    &[
        (
            2,
            &[
                r#"{"transform": {"up": {"contact": "upper(email)"}, "down": {"email": "lower(contact)"}, "schemas": {"contact": "string"}}}"#,
                r#"{"add_property": {"path": "handle", "schema": {"type": "string", "required": true}, "value": "lower(name)"}}"#,
                r#"{"retype_property": {"path": "size", "schema": "integer", "up": "cast(round(size * 100) as integer)", "down": "cast(size as number) / 100"}}"#,
            ],
        ),
        (
            3,
            &[
                r#"{"transform": {"up": {"domain": "split_part(contact, '@', 2)", "user": "split_part(contact, '@', 1)"}, "down": {"contact": "upper(\"user\") || '@' || domain"}, "schemas": {"domain": "string", "user": "string"}}}"#,
                r#"{"transform": {"up": {"tags[].name": "upper(label)"}, "down": {"tags[].label": "lower(name)"}, "schemas": {"tags[].name": "string"}}}"#,
                r#"{"add_property": {"path": "tags[].seen", "schema": "boolean"}}"#,
            ],
        ),
    ],
);

/// 2 makes what PostgreSQL's regular expressions would make otherwise.
const POST: Versions<'static> = (
    r#"{"type": "model", "name": "post", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true}, "title": {"type": "string", "required": true}, "email": "string",
        "size": "number", "note": "string"}}"#,
    &[(
        2,
        &[
            r#"{"transform": {"up": {"contact": "regexp_replace(email, '@.*?$', '')"}, "down": {"email": "regexp_replace(contact, '.*?$', '\\&@x')"}, "schemas": {"contact": "string"}}}"#,
            r#"{"add_property": {"path": "slug", "schema": {"type": "string", "required": true}, "value": "regexp_replace(title, '(?:[^a-z]{2}|[^a-z])+', '-')"}}"#,
            r#"{"retype_property": {"path": "size", "schema": "integer", "up": "cast(round(size * 100) as integer)", "down": "cast(size as number) / 100"}}"#,
        ],
    )],
);

/// Says with which code and message a statement is refused.
async fn refused(client: &Client, sql: &str) -> (String, String) {
    let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql} is taken"));
    let said = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    (said.code().code().to_owned(), said.message().to_owned())
}

fn key(id: i64) -> Key {
    Key(vec![id.to_string()])
}

async fn put(backend: &dyn Backend, id: i64, at: u32, document: &str) -> Result<(), Error> {
    let change = Change::Put(document.to_owned());
    backend.records().write("person", Some(&key(id)), at, &change, &Expect::Anything).await.map(drop)
}

async fn patch(backend: &dyn Backend, id: i64, at: u32, document: &str) -> Result<(), Error> {
    let change = Change::MergePatch(document.to_owned());
    backend.records().write("person", Some(&key(id)), at, &change, &Expect::Anything).await.map(drop)
}

async fn get(backend: &dyn Backend, id: i64, at: u32) -> Result<Value, String> {
    let found = backend.records().get("person", &key(id), at).await.map_err(|e| e.to_string())?;
    Ok(found.map_or(Value::Null, |found| json::parse(found.text.as_bytes()).unwrap()))
}

/// The two stores show the same records at all versions.
async fn agree(memory: &dyn Backend, postgres: &dyn Backend, versions: std::ops::RangeInclusive<u32>) {
    for at in versions {
        for id in 1..=6 {
            assert_eq!(get(postgres, id, at).await, get(memory, id, at).await, "record {id} at version {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_as_they_are_in_memory() {
    let url = fresh().await;
    let memory = MemoryBackend::new(Arc::new(catalog(&[PERSON], 3)));
    let postgres = open(&url, &[PERSON], 3);
    let both: [&dyn Backend; 2] = [&memory, &postgres];
    for to in 1..=3 {
        for backend in both {
            coeval_engine::migrate(backend, Some(to), false, &How::quietly()).await.unwrap_or_else(|e| panic!("to {to}: {e:?}"));
            if to == 1 {
                put(
                    backend,
                    1,
                    1,
                    r#"{"id":1,"name":"ÄNNE","email":"Änne@x.org","size":1.25,"tags":[{"label":"Red","n":1},{"n":2}]}"#,
                )
                .await
                .unwrap();
                put(backend, 2, 1, r#"{"id":2,"name":"bo","tags":[]}"#).await.unwrap();
                put(backend, 3, 1, r#"{"id":3,"name":"Cy","email":"c@y"}"#).await.unwrap();
            }
            if to == 2 {
                put(backend, 4, 1, r#"{"id":4,"name":"Di","email":"Di@x","size":2}"#).await.unwrap();
                put(backend, 5, 2, r#"{"id":5,"name":"Ed","contact":"ED@X","handle":"own","size":7}"#).await.unwrap();
                patch(backend, 3, 2, r#"{"contact":"C@Z","handle":"c"}"#).await.unwrap();
                patch(backend, 2, 1, r#"{"email":"bO@q"}"#).await.unwrap();
            }
        }
        agree(&memory, &postgres, 1..=to).await;
    }
    for backend in both {
        patch(backend, 1, 3, r#"{"tags":[{"name":"RED","n":1,"seen":true},{"n":2,"name":"TWO","seen":false}]}"#).await.unwrap();
        patch(backend, 1, 1, r#"{"tags":[{"label":"red","n":9},{"label":"two","n":2}]}"#).await.unwrap();
        patch(backend, 3, 1, r#"{"name":"Cyril"}"#).await.unwrap();
        patch(backend, 4, 1, r#"{"name":"DIANA","size":3.5}"#).await.unwrap();
        put(backend, 6, 3, r#"{"id":6,"name":"Flo","handle":"f","size":1,"domain":"D","user":"U","tags":[{"name":"A"}]}"#)
            .await
            .unwrap();
        put(backend, 5, 1, r#"{"id":5,"name":"Ed"}"#).await.unwrap();
    }
    agree(&memory, &postgres, 1..=3).await;
    // And back, and there again: what only the newer versions knew is kept.
    for to in [1, 3] {
        for backend in both {
            let done = if to == 1 {
                coeval_engine::rollback(backend, Some(1), &How::quietly()).await
            } else {
                patch(backend, 3, 1, r#"{"email":"new@x"}"#).await.unwrap();
                coeval_engine::migrate(backend, Some(3), false, &How::quietly()).await
            };
            done.unwrap_or_else(|e| panic!("to {to}: {e:?}"));
        }
        agree(&memory, &postgres, 1..=to).await;
    }
    let client = session(&url).await;
    assert_eq!(
        ask(&client, "SELECT id, name, email, size::float8 FROM shop_v1.person ORDER BY id").await.lines().next().unwrap(),
        "1|ÄNNE|Änne@x.org|1.25"
    );
    assert_eq!(ask(&client, "SELECT handle FROM shop_v2.person WHERE id = 1").await, "änne");
    assert_eq!(ask(&client, "SELECT count(*) FROM shop.person WHERE _w IS NOT NULL").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_writes_are_refused_only_where_something_has_to_be_computed() {
    let url = fresh().await;
    let backend = open(&url, &[POST], 2);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.post (id, title, email, size) VALUES (1, 'ann b', 'ann@x', 1), (2, 'bob', NULL, NULL)")
        .await;
    migrate(&backend, 2).await;
    assert_eq!(ask(&client, "SELECT id, contact, slug, size FROM shop_v2.post ORDER BY id").await, "1|ann|ann-b|100\n2|∅|bob|∅");
    for sql in [
        "INSERT INTO shop_v1.post (id, title) VALUES (3, 'Cy')",
        "INSERT INTO shop_v2.post (id, title, slug, contact) VALUES (3, 'Cy', 'cy', 'cy')",
        "UPDATE shop_v1.post SET email = 'a@b' WHERE id = 1",
        "UPDATE shop_v2.post SET contact = 'a' WHERE id = 1",
        "UPDATE shop_v1.post SET title = 'Anna' WHERE id = 1",
    ] {
        let (code, message) = refused(&client, sql).await;
        assert_eq!(code, "0A000", "{sql}");
        assert!(message.starts_with("PostgreSQL cannot compute `"), "{message}");
    }
    // What does not touch what is computed from passes, and so does what leaves it as it is.
    for sql in [
        "UPDATE shop_v1.post SET note = 'n', size = 2.5 WHERE id = 1",
        "UPDATE shop_v1.post SET email = email, title = title WHERE id = 1",
        "UPDATE shop_v2.post SET slug = 'own', size = 300 WHERE id = 1",
        "DELETE FROM shop_v1.post WHERE id = 2",
    ] {
        ask(&client, sql).await;
    }
    assert_eq!(ask(&client, "SELECT title, email, size::float8, note FROM shop_v1.post").await, "ann b|ann@x|3|n");
    assert_eq!(ask(&client, "SELECT contact, slug, size FROM shop_v2.post").await, "ann|own|300");
    // The marker cannot be written through a view.
    let (code, _) = refused(&client, "UPDATE shop_v1.post SET _w = -1, email = 'x'").await;
    assert_eq!(code, "42703");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_of_ascii_are_changed_by_the_database() {
    let url = fresh().await;
    let backend = open(&url, &[PERSON], 3);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.person (id, name, email) VALUES (1, 'Ann', 'Ann@x'), (2, 'ÄNNE', 'änne@x')").await;
    migrate(&backend, 3).await;
    // Old and new clients write on, whatever the database's locale says of letters.
    for sql in [
        r#"INSERT INTO shop_v1.person (id, name, email, tags) VALUES (3, 'CY', 'cY@Q', '[{"label": "Red", "n": 1}]')"#,
        "INSERT INTO shop_v1.person (id, name) VALUES (4, 'Di')",
        "INSERT INTO shop_v2.person (id, name, handle, contact) VALUES (5, 'Ed', 'ed', 'ED@X')",
        r#"INSERT INTO shop_v3.person (id, name, handle, "user", domain) VALUES (6, 'Flo', 'f', 'U', 'D')"#,
        "UPDATE shop_v1.person SET email = 'Bo@I', name = 'BO' WHERE id = 1",
        "UPDATE shop_v1.person SET note = 'n' WHERE id = 2",
    ] {
        ask(&client, sql).await;
    }
    let wide = r#"SELECT id, name, handle, "user", domain, tags FROM shop_v3.person ORDER BY id"#;
    assert_eq!(
        ask(&client, wide).await,
        r#"1|BO|bo|BO|I|∅
2|ÄNNE|änne|ÄNNE|X|∅
3|CY|cy|CY|Q|[{"n": 1, "name": "RED"}]
4|Di|di|∅|∅|∅
5|Ed|ed|ED|X|∅
6|Flo|f|U|D|∅"#
    );
    assert_eq!(ask(&client, "SELECT id, email FROM shop_v1.person WHERE id > 4 ORDER BY id").await, "5|ed@x\n6|u@d");
    // Others are computed by coeval, and refused elsewhere.
    for (sql, function) in [
        ("INSERT INTO shop_v1.person (id, name) VALUES (7, 'Zoë')", "lower"),
        ("UPDATE shop_v1.person SET email = 'straße' WHERE id = 1", "upper"),
        (r#"UPDATE shop_v3.person SET tags = '[{"name": "GRÜN"}]' WHERE id = 1"#, "lower"),
    ] {
        let said = refused(&client, sql).await;
        let message = format!("PostgreSQL cannot compute `{function}` of letters beyond ASCII");
        assert_eq!(said, ("0A000".to_owned(), message), "{sql}");
    }
    put(&backend, 7, 1, r#"{"id":7,"name":"ZOË","email":"straße@x"}"#).await.unwrap();
    assert_eq!(ask(&client, r#"SELECT handle, "user" FROM shop_v3.person WHERE id = 7"#).await, "zoë|STRASSE");
    rollback(&backend, 1).await;
    assert_eq!(ask(&client, "SELECT pg_catalog.count(*) FROM pg_catalog.pg_proc WHERE proname LIKE '%beyond'").await, "0");
}

/// What a plan says beside its steps.
async fn remarks(model: Versions<'static>) -> (Vec<String>, Plan) {
    let url = fresh().await;
    let backend = open(&url, &[model], 2);
    migrate(&backend, 1).await;
    let ledger = backend.ledger().await.unwrap();
    let goal = Goal::Migrate { to: Some(2), scan: false };
    let plan = coeval_engine::plan(backend.catalog(), backend.capabilities(), &ledger, goal).unwrap().unwrap();
    let mut said = Vec::new();
    for planned in &plan.steps {
        for remark in backend.remarks(&planned.step).await.unwrap() {
            said.push(format!("{}: {remark}", planned.step));
        }
    }
    (said, plan)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plan_says_what_streams_and_why() {
    let (said, plan) = remarks(POST).await;
    let [little, several] = ["the pattern takes as little as it can", "the pattern can be read in several ways"]
        .map(|reason| format!("PostgreSQL may find something else: {reason}"));
    let (triggers, fill) = (
        "rebuild the triggers of `post` up to version 2",
        "backfill `title_v2`, `size_v2`, `contact`, `slug`, `slug_failed` of `post`",
    );
    assert_eq!(
        said,
        [
            format!("{triggers}: refuses writes in plain SQL that `contact` follows from: {little}"),
            format!("{triggers}: refuses writes in plain SQL that `email` follows from: {little}"),
            format!("{triggers}: refuses writes in plain SQL that `slug` follows from: {several}"),
            format!("{fill}: streams `contact` through coeval: {little}"),
            format!("{fill}: streams `slug` through coeval: {several}"),
        ]
    );
    assert!(plan.steps.iter().any(|planned| matches!(planned.step, Step::Backfill { .. })));
    let (said, _) = remarks(PERSON).await;
    let letters = "where letters beyond ASCII change their case";
    assert_eq!(
        said[..3],
        ["contact", "email", "handle"].map(|name| format!(
            "rebuild the triggers of `person` up to version 2: refuses writes in plain SQL that `{name}` follows from, {letters}"
        ))
    );
}

/// Stops when it is told of progress.
#[derive(Debug)]
struct Stopping(Stop);

impl Observer for Stopping {
    fn event(&self, event: Event) {
        if matches!(event, Event::Progress(_)) {
            self.0.stop();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_that_is_stopped_goes_on_where_it_was() {
    let url = fresh().await;
    let backend = open(&url, &[PERSON], 2);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.person (id, name, email) SELECT g, 'N' || g, 'A' || g FROM generate_series(1, 2500) g")
        .await;
    let stop = Stop::default();
    let stopping = Stopping(stop.clone());
    let how = How { observer: &stopping, stop, pace: Pace { rate: Some(1000.0), ..Pace::default() }, ..How::quietly() };
    coeval_engine::migrate(&backend, Some(2), false, &how).await.unwrap_err();
    let filled = "SELECT count(*) FROM shop.person WHERE contact IS NOT NULL";
    assert_eq!(ask(&client, filled).await, "1000");
    migrate(&backend, 2).await;
    let wrong = "SELECT count(*) FROM shop_v2.person AS b JOIN shop_v1.person AS a USING (id)
                 WHERE b.contact IS DISTINCT FROM upper(a.email) OR b.handle IS DISTINCT FROM lower(a.name)";
    assert_eq!((ask(&client, filled).await.as_str(), ask(&client, wrong).await.as_str()), ("2500", "0"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_while_a_backfill_streams_is_not_lost() {
    let url = fresh().await;
    let backend = Arc::new(open(&url, &[PERSON], 2));
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.person (id, name, email) SELECT g, 'N' || g, 'A' || g FROM generate_series(1, 3000) g")
        .await;
    let done = Arc::new(AtomicBool::new(false));
    let writers = (0..3_i64).map(|nth| {
        let (url, done) = (url.clone(), Arc::clone(&done));
        tokio::spawn(async move {
            let backend = open(&url, &[PERSON], 2);
            let plain = session(&url).await;
            let (mut round, mut wrote) = (0, std::collections::BTreeMap::new());
            while !done.load(Ordering::Relaxed) {
                round += 1;
                // A number of its own for each writer.
                let id = (round * 97 % 1000) * 3 + nth;
                if id == 0 {
                    continue;
                }
                let email = format!("W{nth}x{round}");
                patch(&backend, id, 1, &format!(r#"{{"email":"{email}"}}"#)).await.unwrap_or_else(|e| panic!("{id}: {e:?}"));
                wrote.insert(id, email);
                plain.batch_execute(&format!("UPDATE shop_v1.person SET note = 'r{round}' WHERE id = {id}")).await.unwrap();
            }
            wrote
        })
    });
    let writers: Vec<_> = writers.collect();
    let how = How { pace: Pace { rate: Some(1500.0), ..Pace::default() }, ..How::quietly() };
    coeval_engine::migrate(backend.as_ref(), Some(2), false, &how).await.unwrap();
    done.store(true, Ordering::Relaxed);
    let mut count = 0;
    for writer in writers {
        for (id, email) in writer.await.unwrap() {
            count += 1;
            assert_eq!(ask(&client, &format!("SELECT email FROM shop_v1.person WHERE id = {id}")).await, email);
        }
    }
    assert!(count > 10, "only {count} records were written");
    let wrong = "SELECT count(*) FROM shop_v2.person AS b JOIN shop_v1.person AS a USING (id) WHERE b.contact IS DISTINCT FROM upper(a.email)";
    assert_eq!(ask(&client, wrong).await, "0");
}

/// `code` is read as a number after its letters were made small; what is none has no value.
fn parts(policy: &'static str) -> PostgresParts {
    let operation = format!(
        r#"{{"transform": {{"up": {{"number": "cast(lower(code) as integer)"}}, "down": {{"code": "cast(number as string)"}}, "schemas": {{"number": {{"type": "integer", "required": true}}}}{policy}}}}}"#
    );
    PostgresParts { operation }
}

struct PostgresParts {
    operation: String,
}

impl PostgresParts {
    fn open(&self, url: &str) -> PostgresBackend {
        const PART: &str = r#"{"type": "model", "name": "part", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "code": {"type": "string", "required": true}}}"#;
        open(url, &[(PART, &[(2, &[&self.operation])])], 2)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_computed_are_named_or_hidden() {
    let url = fresh().await;
    let backend = parts("").open(&url);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.part SELECT g, CASE WHEN g IN (7, 1205) THEN 'x' || g ELSE g::text END FROM generate_series(1, 1300) g").await;
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    coeval_engine::migrate(&backend, Some(2), false, &how).await.unwrap_err();
    let named = told.failures();
    assert_eq!(named.iter().map(|failure| failure.key.as_str()).collect::<Vec<_>>(), ["7", "1205"], "{named:?}");
    assert!(named.iter().all(|failure| failure.kind == "rejected" && failure.reason.contains('x')), "{named:?}");
    assert_eq!(ask(&client, "SELECT count(*) FROM shop_v1.part").await, "1300");

    let url = fresh().await;
    let backend = parts(r#", "on_fail": "quarantine""#).open(&url);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.part VALUES (1, '1'), (2, 'x')").await;
    migrate(&backend, 2).await;
    assert_eq!(ask(&client, "SELECT id, number FROM shop_v2.part").await, "1|1");
    assert_eq!(ask(&client, "SELECT id, code FROM shop_v1.part ORDER BY id").await, "1|1\n2|x");
    let change = Change::Put(r#"{"id":2,"number":5}"#.to_owned());
    backend.records().write("part", Some(&key(2)), 2, &change, &Expect::Anything).await.unwrap();
    assert_eq!(ask(&client, "SELECT id, number FROM shop_v2.part ORDER BY id").await, "1|1\n2|5");

    let url = fresh().await;
    let backend = parts(r#", "on_fail": {"fallback": 0}"#).open(&url);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.part VALUES (1, '1'), (2, 'x')").await;
    migrate(&backend, 2).await;
    assert_eq!(ask(&client, "SELECT id, number FROM shop_v2.part ORDER BY id").await, "1|1\n2|0");
    rollback(&backend, 1).await;
    assert_eq!(ask(&client, "SELECT id, code FROM shop_v1.part ORDER BY id").await, "1|1\n2|x");
}

#[tokio::test(flavor = "multi_thread")]
async fn patterns_that_are_read_in_one_way_are_computed_by_plain_writes() {
    const CARD: Versions<'static> = (
        r#"{"type": "model", "name": "card", "key": ["id"], "properties": {
            "id": {"type": "integer", "required": true}, "phone": {"type": "string", "required": true}, "name": "string"}}"#,
        &[(
            2,
            &[
                r#"{"retype_property": {"path": "phone", "schema": {"type": "string", "required": true}, "up": "regexp_replace(phone, '[^0-9]+', '', 'g')", "down": "regexp_replace(phone, '^(\\d{3})(\\d+)$', '\\1-\\2')"}}"#,
                r#"{"add_property": {"path": "slug", "schema": "string", "value": "regexp_replace(regexp_replace(name, '^\\s+|\\s+$', '', 'g'), '\\W+', '-', 'g')"}}"#,
            ],
        )],
    );
    let url = fresh().await;
    let backend = open(&url, &[CARD], 2);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.card VALUES (1, '(030) 12-34', ' Ännchen  von Tharau '), (2, '', NULL)").await;
    migrate(&backend, 2).await;
    for sql in [
        "INSERT INTO shop_v1.card VALUES (3, '0 30/5', 'a.b')",
        "INSERT INTO shop_v2.card (id, phone, name) VALUES (4, '0301234', 'x')",
        "UPDATE shop_v2.card SET phone = '0309' WHERE id = 2",
        "UPDATE shop_v1.card SET name = E'\\tneu\\n' WHERE id = 2",
    ] {
        ask(&client, sql).await;
    }
    let older = "1|(030) 12-34| Ännchen  von Tharau \n2|030-9|\tneu\n\n3|0 30/5|a.b\n4|030-1234|x";
    assert_eq!(ask(&client, "SELECT id, phone, name FROM shop_v1.card ORDER BY id").await, older);
    let newer = "1|0301234|Ännchen-von-Tharau\n2|0309|neu\n3|0305|a-b\n4|0301234|∅";
    assert_eq!(ask(&client, "SELECT id, phone, slug FROM shop_v2.card ORDER BY id").await, newer);
}
