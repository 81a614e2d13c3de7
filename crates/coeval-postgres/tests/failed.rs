//! Values that could not be computed: what follows from them is no value either, whoever wrote, and comes back when they are mended.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::ops::RangeInclusive;
use std::sync::Arc;

use coeval_core::Value;
use coeval_core::json;
use coeval_engine::How;
use coeval_store::memory::MemoryBackend;
use coeval_store::records::{Change, Expect, Key};
use coeval_store::work::Policy;
use coeval_store::{Backend, Error};
use common::shop::{Versions, catalog, open};
use common::{ask, fresh, session};

/// 2 reads a text as a number, or hides the record; 3 tells whether it is large, and what is said of it; 4 has a way out.
const PART: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "code": "string",
        "note": "string"}}"#,
    &[
        (
            2,
            &[
                r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)",
                "on_fail": "quarantine"}}"#,
            ],
        ),
        (
            3,
            &[
                r#"{"retype_property": {"path": "code", "schema": "boolean", "up": "code > 5", "down": "case when code then 9 else 1 end"}}"#,
                r#"{"add_property": {"path": "said", "schema": "string", "value": "case when code then 'large' else 'small' end"}}"#,
            ],
        ),
        (
            4,
            &[r#"{"retype_property": {"path": "code", "schema": "string", "up": "case when code then 'yes' else 'no' end",
                "down": "code = 'yes'", "on_fail": {"fallback": "unknown"}}}"#],
        ),
    ],
);

async fn write(backend: &dyn Backend, model: &str, at: u32, document: &str) -> Result<(), Error> {
    let change = Change::Put(document.to_owned());
    backend.records().write(model, None, at, &change, &Expect::Anything).await.map(drop)
}

async fn put(backend: &dyn Backend, at: u32, document: &str) -> Result<(), Error> {
    write(backend, "part", at, document).await
}

/// What a version shows of a record, or that it hides it.
async fn shown(backend: &dyn Backend, model: &str, id: i64, at: u32) -> String {
    match backend.records().get(model, &Key(vec![id.to_string()]), at).await {
        // As a database has them: names in an order of its own.
        Ok(Some(found)) => json::parse(found.text.as_bytes()).map(|value| sorted(&value).to_string()).unwrap(),
        Ok(None) => "none".to_owned(),
        Err(_) => "hidden".to_owned(),
    }
}

fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut members: Vec<_> = object.iter().map(|(name, value)| (name.clone(), sorted(value))).collect();
            members.sort_by(|(a, _), (b, _)| a.as_str().cmp(b.as_str()));
            Value::Object(members.into_iter().collect())
        }
        Value::List(items) => Value::List(items.iter().map(sorted).collect()),
        other => other.clone(),
    }
}

async fn agree(memory: &dyn Backend, postgres: &dyn Backend, model: &str, ids: RangeInclusive<i64>, newest: u32) {
    for id in ids {
        for at in 1..=newest {
            assert_eq!(shown(postgres, model, id, at).await, shown(memory, model, id, at).await, "record {id} at version {at}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_follows_from_what_failed_is_not_made_of_nothing() {
    let url = fresh().await;
    let memory = MemoryBackend::new(Arc::new(catalog(&[PART], 4)));
    let postgres = open(&url, &[PART], 4);
    let both: [&dyn Backend; 2] = [&memory, &postgres];
    let how = How { policy: Policy::Quarantine, ..How::quietly() };
    let first = [r#"{"id":1,"code":"x"}"#, r#"{"id":2,"code":"7"}"#, r#"{"id":3}"#, r#"{"id":4,"code":"2"}"#];
    for backend in both {
        coeval_engine::migrate(backend, Some(1), false, &how).await.unwrap();
        for document in first {
            put(backend, 1, document).await.unwrap();
        }
        coeval_engine::migrate(backend, Some(4), false, &how).await.unwrap();
    }
    assert_eq!(shown(&memory, "part", 1, 3).await, "hidden");
    agree(&memory, &postgres, "part", 1..=4, 4).await;
    // Plain SQL through the old version, and the same with coeval elsewhere.
    let client = session(&url).await;
    for (sql, document) in [
        ("INSERT INTO shop_v1.part (id, code) VALUES (5, 'z')", r#"{"id":5,"code":"z"}"#),
        ("INSERT INTO shop_v1.part (id) VALUES (6)", r#"{"id":6}"#),
        ("UPDATE shop_v1.part SET code = 'w' WHERE id = 2", r#"{"id":2,"code":"w"}"#),
        ("UPDATE shop_v1.part SET code = '8' WHERE id = 1", r#"{"id":1,"code":"8"}"#),
        ("UPDATE shop_v1.part SET code = NULL WHERE id = 4", r#"{"id":4}"#),
    ] {
        ask(&client, sql).await;
        put(&memory, 1, document).await.unwrap();
        agree(&memory, &postgres, "part", 1..=6, 4).await;
    }
    ask(&client, "UPDATE shop_v1.part SET note = 'n' WHERE id = 5").await;
    put(&memory, 1, r#"{"id":5,"code":"z","note":"n"}"#).await.unwrap();
    agree(&memory, &postgres, "part", 1..=6, 4).await;
}

/// 2 reads the items of a list and a part of an object as numbers, or hides the record; 3 tells of the object what it is.
const CRATE: Versions<'static> = (
    r#"{"type": "model", "name": "crate", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "note": "string",
        "lines": {"type": "array", "items": {"type": "object", "properties": {"count": "string", "name": "string"}}},
        "size": {"type": "object", "properties": {"width": "string", "unit": "string"}}}}"#,
    &[
        (
            2,
            &[
                r#"{"retype_property": {"path": "lines[].count", "schema": "integer", "up": "cast(count as integer)",
                "down": "cast(count as string)", "on_fail": "quarantine"}}"#,
                r#"{"retype_property": {"path": "size.width", "schema": "integer", "up": "cast(size.width as integer)",
                "down": "cast(size.width as string)", "on_fail": "quarantine"}}"#,
                r#"{"add_property": {"path": "lines[].colour", "schema": "string"}}"#,
            ],
        ),
        (
            3,
            &[r#"{"transform": {"up": {"label": "cast(size.width as string) || coalesce(size.unit, '')"},
                "down": {"size": "{'width': length(label), 'unit': label}"}, "schemas": {"label": "string"}}}"#],
        ),
    ],
);

#[tokio::test(flavor = "multi_thread")]
async fn an_item_and_a_part_of_an_object_that_failed_hide_their_record() {
    let url = fresh().await;
    let memory = MemoryBackend::new(Arc::new(catalog(&[CRATE], 3)));
    let postgres = open(&url, &[CRATE], 3);
    let both: [&dyn Backend; 2] = [&memory, &postgres];
    let how = How { policy: Policy::Quarantine, ..How::quietly() };
    let good = r#"{"id":1,"lines":[{"count":"1","name":"a"},{"count":"2"}],"size":{"width":"3","unit":"m"}}"#;
    let item = r#"{"id":2,"lines":[{"count":"1","name":"a"},{"count":"many"}],"size":{"width":"3","unit":"m"}}"#;
    let part = r#"{"id":3,"lines":[{"count":"1"}],"size":{"width":"wide","unit":"m"}}"#;
    for backend in both {
        coeval_engine::migrate(backend, Some(1), false, &how).await.unwrap();
        for document in [good, item, part, r#"{"id":4}"#] {
            write(backend, "crate", 1, document).await.unwrap();
        }
        coeval_engine::migrate(backend, None, false, &how).await.unwrap();
    }
    assert_eq!(shown(&memory, "crate", 2, 2).await, "hidden");
    assert_eq!(shown(&memory, "crate", 3, 3).await, "hidden");
    agree(&memory, &postgres, "crate", 1..=4, 3).await;
    for (at, document) in [
        (1, item.replace("\"id\":2", "\"id\":1")),
        (1, good.replace("\"id\":1", "\"id\":2")),
        (1, part.replace("\"id\":3", "\"id\":4")),
        (2, r#"{"id":2,"lines":[{"count":5,"name":"b","colour":"red"}],"size":{"width":8}}"#.to_owned()),
        (1, r#"{"id":2,"lines":[{"count":"5","name":"b"},{"count":"few"}],"size":{"width":"8"}}"#.to_owned()),
        (1, r#"{"id":2,"lines":[{"count":"5","name":"b"}],"size":{"width":"8"}}"#.to_owned()),
        (3, r#"{"id":3,"label":"12"}"#.to_owned()),
    ] {
        for backend in both {
            write(backend, "crate", at, &document).await.unwrap();
        }
        agree(&memory, &postgres, "crate", 1..=4, 3).await;
    }
    for backend in both {
        coeval_engine::rollback(backend, Some(1), &how).await.unwrap();
        coeval_engine::migrate(backend, None, false, &how).await.unwrap();
    }
    agree(&memory, &postgres, "crate", 1..=4, 3).await;
    // Plain SQL beside what could not be converted.
    let client = session(&url).await;
    ask(&client, "UPDATE shop_v1.crate SET note = 'n'").await;
    for backend in [&memory] {
        for id in 1..=4 {
            let text = shown(backend, "crate", id, 1).await;
            let text = text.replacen('{', "{\"note\":\"n\",", 1);
            write(backend, "crate", 1, &text).await.unwrap();
        }
    }
    agree(&memory, &postgres, "crate", 1..=4, 3).await;
}

/// 2 reads a required text as a required number, or hides the record.
const ORDER: Versions<'static> = (
    r#"{"type": "model", "name": "order", "key": ["id"], "properties": {"id": {"type": "integer", "required": true},
        "code": {"type": "string", "required": true}, "note": "string"}}"#,
    &[(
        2,
        &[
            r#"{"retype_property": {"path": "code", "schema": {"type": "integer", "required": true}, "up": "cast(code as integer)",
            "down": "cast(code as string)", "on_fail": "quarantine"}}"#,
        ],
    )],
);

#[tokio::test(flavor = "multi_thread")]
async fn null_is_refused_where_a_version_requires_a_value_though_older_ones_may_have_none_for_it() {
    let url = fresh().await;
    let store = open(&url, &[ORDER], 2);
    coeval_engine::migrate(&store, None, false, &How::quietly()).await.unwrap();
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.order (id, code) VALUES (1, 'x'), (2, '2')").await;
    for sql in [
        "INSERT INTO shop_v2.order (id, code) VALUES (3, NULL)",
        "INSERT INTO shop_v2.order (id) VALUES (3)",
        "UPDATE shop_v2.order SET code = NULL WHERE id = 2",
        "INSERT INTO shop_v1.order (id, code) VALUES (3, NULL)",
        "UPDATE shop_v1.order SET code = NULL WHERE id = 1",
    ] {
        let refused = client.batch_execute(sql).await.unwrap_err();
        assert_eq!(refused.code().map(tokio_postgres::error::SqlState::code), Some("23502"), "{sql}: {refused:?}");
    }
    // What the newer version cannot show, an older one may go on to change.
    ask(&client, "UPDATE shop_v1.order SET note = 'n' WHERE id = 1").await;
    ask(&client, "UPDATE shop_v1.order SET code = 'y' WHERE id = 1").await;
}
