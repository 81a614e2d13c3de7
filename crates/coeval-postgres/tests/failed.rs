//! Values that could not be computed: what follows from them is no value either, whoever wrote, and comes back when they are mended.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;

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

async fn put(backend: &dyn Backend, at: u32, document: &str) -> Result<(), Error> {
    let change = Change::Put(document.to_owned());
    backend.records().write("part", None, at, &change, &Expect::Anything).await.map(drop)
}

/// What a version shows of a record, or that it hides it.
async fn shown(backend: &dyn Backend, id: i64, at: u32) -> String {
    match backend.records().get("part", &Key(vec![id.to_string()]), at).await {
        Ok(Some(found)) => found.text,
        Ok(None) => "none".to_owned(),
        Err(_) => "hidden".to_owned(),
    }
}

async fn agree(memory: &dyn Backend, postgres: &dyn Backend, ids: std::ops::RangeInclusive<i64>) {
    for id in ids {
        for at in 1..=4 {
            assert_eq!(shown(postgres, id, at).await, shown(memory, id, at).await, "record {id} at version {at}");
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
    assert_eq!(shown(&memory, 1, 3).await, "hidden");
    agree(&memory, &postgres, 1..=4).await;
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
        agree(&memory, &postgres, 1..=6).await;
    }
    ask(&client, "UPDATE shop_v1.part SET note = 'n' WHERE id = 5").await;
    put(&memory, 1, r#"{"id":5,"code":"z","note":"n"}"#).await.unwrap();
    agree(&memory, &postgres, 1..=6).await;
}
