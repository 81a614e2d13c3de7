//! Rules that people demand of records: what violates them is counted and named before anything is done, and refused afterwards.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_engine::How;
use coeval_store::Backend as _;
use common::shop::{Versions, migrate, open, rollback};
use common::{Told, ask, fresh, session};
use tokio_postgres::Client;

/// 2 demands a condition on what there is, 3 calls a property otherwise and demands one on what it computes, 4 demands less.
const PART: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true},
        "code": "string",
        "size": "number",
        "box": {"type": "object", "properties": {"width": "integer"}}}}"#,
    &[
        (2, &[r#"{"add_check": {"name": "sized", "expr": "size > 0 and coalesce(box.width, 1) < 100"}}"#]),
        (
            3,
            &[
                r#"{"rename_property": {"from": "size", "to": "length"}}"#,
                r#"{"retype_property": {"path": "code", "schema": "integer", "up": "cast(code as integer)", "down": "cast(code as string)"}}"#,
                r#"{"add_check": {"name": "small", "expr": "code < 1000"}}"#,
            ],
        ),
        (4, &[r#"{"remove_check": {"name": "sized"}}"#]),
    ],
);

/// Returns the code of the error with which a statement is refused.
async fn refused(client: &Client, sql: &str) -> String {
    let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql} is taken"));
    error.code().unwrap().code().to_owned()
}

const COLUMNS: &str = "SELECT string_agg(column_name, ',' ORDER BY ordinal_position) FROM information_schema.columns
    WHERE table_schema = 'shop' AND table_name = 'part'";
const RULES: &str = "SELECT conname, convalidated FROM pg_constraint WHERE conrelid = 'shop.part'::regclass AND contype = 'c'
    AND conname NOT LIKE '%\\_check' ORDER BY 1";

#[tokio::test(flavor = "multi_thread")]
async fn what_violates_a_condition_is_named_before_anything_is_done() {
    let url = fresh().await;
    let backend = open(&url, &[PART], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    let rows = "INSERT INTO shop_v1.part VALUES (1, '5', 2, '{\"width\": 7}'), (2, NULL, NULL, NULL), (3, '6', -1, '{}'), (4, '7', 3, '{\"width\": 500}')";
    ask(&client, rows).await;
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    let before = ask(&client, COLUMNS).await;
    coeval_engine::migrate(&backend, Some(3), false, &how).await.unwrap_err();
    let named = told.failures();
    assert_eq!(named.iter().map(|failure| failure.key.as_str()).collect::<Vec<_>>(), ["3", "4"], "{named:?}");
    assert!(named.iter().all(|failure| failure.reason.starts_with("`sized` does not hold: size > 0")), "{named:?}");
    assert_eq!((ask(&client, COLUMNS).await, ask(&client, RULES).await), (before, String::new()));
    // A trial says the same, and does nothing.
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    let goal = coeval_engine::Goal::Migrate { to: Some(2), scan: false };
    let trial = coeval_engine::trial(&backend, goal, None, &how).await.unwrap().unwrap();
    assert_eq!((trial.tally().failed, told.failures().len()), (2, 2));
    assert_eq!(backend.ledger().await.unwrap().in_force(), Some(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_condition_holds_for_all_versions_until_one_takes_it_back() {
    let url = fresh().await;
    let backend = open(&url, &[PART], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(&client, "INSERT INTO shop_v1.part VALUES (1, '5', 2, NULL)").await;
    migrate(&backend, 2).await;
    assert_eq!(ask(&client, RULES).await, "part_sized|t");
    assert_eq!(refused(&client, "UPDATE shop_v1.part SET size = 0").await, "23514");
    assert_eq!(refused(&client, "INSERT INTO shop_v2.part VALUES (2, '5', 1, '{\"width\": 100}')").await, "23514");
    ask(&client, "INSERT INTO shop_v2.part VALUES (2, '12', NULL, NULL)").await;
    migrate(&backend, 3).await;
    assert_eq!(ask(&client, RULES).await, "part_sized|t\npart_small|t");
    assert_eq!(backend.drift().await.unwrap(), []);
    assert_eq!(refused(&client, "UPDATE shop_v3.part SET length = -1").await, "23514");
    assert_eq!(refused(&client, "UPDATE shop_v1.part SET code = '1000'").await, "23514");
    migrate(&backend, 4).await;
    assert_eq!(ask(&client, RULES).await, "part_small|t");
    ask(&client, "UPDATE shop_v1.part SET size = 0 WHERE id = 1").await;
    // Back again, what violates the older versions' rule is in the way, and named.
    let told = Told::default();
    let how = How { observer: &told, ..How::quietly() };
    coeval_engine::rollback(&backend, Some(3), &how).await.unwrap_err();
    assert_eq!(told.failures().iter().map(|failure| failure.key.clone()).collect::<Vec<_>>(), ["1"]);
    ask(&client, "UPDATE shop_v1.part SET size = 1 WHERE id = 1").await;
    rollback(&backend, 3).await;
    rollback(&backend, 1).await;
    assert_eq!(ask(&client, RULES).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_table_does_not_keep_is_refused_before_anything_is_done() {
    for (operation, said) in [
        (r#"{"add_check": {"name": "sized", "expr": "size > id", "policy": {"repair": "1"}}}"#, "reads not just one property"),
        (r#"{"add_check": {"name": "wide", "expr": "box.width > 0", "policy": {"repair": "1"}}}"#, "reads not just one property"),
        (r#"{"add_check": {"name": "sized", "expr": "size > 0", "policy": {"repair": "'one'"}}}"#, "no value of `size`"),
        (r#"{"add_check": {"name": "low", "expr": "id < 100", "policy": {"repair": "1"}}}"#, "part of the key"),
        (r#"{"add_check": {"name": "low", "expr": "code <> 'x'", "policy": {"repair": "lower(code)"}}}"#, "locale"),
        (r#"{"add_check": {"name": "low", "expr": "lower(code) = code", "policy": "quarantine"}}"#, "locale"),
        (r#"{"add_unique": {"properties": ["code"], "policy": "quarantine"}}"#, "breaks uniqueness: say `policy: reject`"),
        (r#"{"add_reference": {"property": "code", "model": "part", "policy": {"repair": "'1'"}}}"#, "breaks a reference"),
        (r#"{"add_index": {"properties": ["box.width"]}}"#, "is about `box.width`"),
        (
            r#"{"add_property": {"path": "tags", "schema": {"type": "array", "items": {"type": "string", "index": true}}}}"#,
            "`tags[]`",
        ),
        (r#"{"add_check": {"name": "low", "expr": "lower(code) = code"}}"#, "locale"),
    ] {
        let url = fresh().await;
        let operations = [operation];
        let releases = [(2, operations.as_slice())];
        let backend = open(&url, &[(PART.0, &releases)], 2);
        migrate(&open(&url, &[(PART.0, &[])], 1), 1).await;
        let client = session(&url).await;
        let before = ask(&client, COLUMNS).await;
        let error = coeval_engine::migrate(&backend, Some(2), false, &How::quietly()).await.unwrap_err();
        assert!(format!("{error:?}").contains(said), "{operation}: {error:?}");
        assert_eq!((ask(&client, COLUMNS).await, ask(&client, RULES).await), (before, String::new()));
    }
}

/// Two models of which one is called like the other and the beginning of a property.
const SHORT: Versions<'static> = (
    r#"{"type": "model", "name": "a", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "b_c": "string"}}"#,
    &[(2, &[r#"{"add_unique": {"properties": ["b_c"]}}"#])],
);
const LONG: Versions<'static> = (
    r#"{"type": "model", "name": "a_b", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}, "c": "string"}}"#,
    &[(2, &[r#"{"add_unique": {"properties": ["c"]}}"#])],
);

#[tokio::test(flavor = "multi_thread")]
async fn an_index_of_another_table_is_not_taken_for_ones_own() {
    let url = fresh().await;
    migrate(&open(&url, &[SHORT, LONG], 2), 1).await;
    let backend = open(&url, &[SHORT, LONG], 2);
    let outcome = coeval_engine::migrate(&backend, Some(2), false, &How::quietly()).await;
    let told = format!("{outcome:?}");
    assert!(told.contains("there is an index `a_b_c_key` of the table shop.a already"), "{told}");
    let client = session(&url).await;
    let indexes = "SELECT count(*) FROM pg_indexes WHERE schemaname = 'shop' AND indexname NOT LIKE '%pkey'";
    assert_eq!(ask(&client, indexes).await, "0", "all of it is undone");
    assert_eq!(ask(&client, "SELECT to_regnamespace('shop_v2')").await, "∅");
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_that_versions_require_are_proved_together() {
    const COUNTED: Versions<'static> = (
        r#"{"type": "model", "name": "item", "key": ["id"], "properties": {"id": {"type": "integer", "required": true}}}"#,
        &[
            (2, &[r#"{"add_property": {"path": "a", "schema": {"type": "boolean", "required": true}, "value": "id > 0"}}"#]),
            (3, &[r#"{"add_property": {"path": "b", "schema": {"type": "boolean", "required": true}, "value": "not a"}}"#]),
            (4, &[r#"{"add_property": {"path": "c", "schema": {"type": "boolean", "required": true}, "value": "not b"}}"#]),
        ],
    );
    let url = fresh().await;
    let client = session(&url).await;
    let backend = open(&url, &[COUNTED], 4);
    migrate(&backend, 1).await;
    ask(&client, "INSERT INTO shop_v1.item SELECT generate_series(1, 100)").await;
    let noted = "CREATE TABLE public.noted (at serial, tag text, said text);
        CREATE FUNCTION public.note() RETURNS event_trigger LANGUAGE plpgsql AS
        $$ BEGIN INSERT INTO public.noted (tag, said) VALUES (tg_tag, current_query()); END $$;
        CREATE EVENT TRIGGER note ON ddl_command_end WHEN tag IN ('ALTER TABLE') EXECUTE FUNCTION public.note()";
    ask(&client, noted).await;
    migrate(&backend, 4).await;
    let checks = "SELECT count(*) FROM public.noted WHERE said LIKE '%VALIDATE CONSTRAINT%'";
    assert_eq!(ask(&client, checks).await, "1", "{}", ask(&client, "SELECT string_agg(said, '; ') FROM public.noted").await);
    let required = "SELECT string_agg(attname || attnotnull, ' ' ORDER BY attnum) FROM pg_attribute
        WHERE attrelid = 'shop.item'::regclass AND attname IN ('a', 'b', 'c')";
    assert_eq!(ask(&client, required).await, "atrue btrue ctrue");
    assert_eq!(
        ask(&client, "SELECT count(*) FROM pg_constraint WHERE conrelid = 'shop.item'::regclass AND contype = 'c'").await,
        "0"
    );
    ask(&client, "DROP EVENT TRIGGER note").await;
    rollback(&backend, 1).await;
    assert_eq!(backend.drift().await.unwrap(), []);
}
