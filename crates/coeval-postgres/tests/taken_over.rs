//! What tables that were there before have of their own, as it is through every version: defaults, and collations, for which the server
//! has to know those of ICU.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_core::Value;
use coeval_engine::How;
use coeval_store::Backend as _;
use common::adopted::{Changes, adopt, adopt_as};
use common::shop::{migrate, rollback};
use common::{ask, fresh, session};
use tokio_postgres::Client;

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

#[tokio::test]
async fn what_the_table_fills_in_by_itself_it_does_for_copy_and_set_default_too() {
    const CHANGED: &[Changes<'static>] = &[(
        "staff",
        &[
            &[
                r#"{"rename_property": {"from": "name", "to": "full_name"}}"#,
                r#"{"retype_property": {"path": "here", "schema": "string", "up": "cast(here as string)", "down": "cast(here as boolean)"}}"#,
            ],
            &[r#"{"remove_property": {"path": "since", "value": "datetime '2020-01-01T00:00:00Z'"}}"#],
        ],
    )];
    let url = fresh().await;
    let client = session(&url).await;
    run(
        &client,
        "CREATE TABLE team (id serial PRIMARY KEY, name text NOT NULL);
         CREATE TABLE staff (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL,
            since timestamptz NOT NULL DEFAULT now(), token uuid DEFAULT gen_random_uuid(), here boolean DEFAULT (1 = 1))",
    )
    .await;
    let backend = adopt(&url, CHANGED, 3).await;
    migrate(&backend, 1).await;
    let copy = async |what: &str, rows: &str| ask(&client, &format!("COPY {what} FROM PROGRAM '{rows}'")).await;
    copy("shop_v1_copy.team (name)", "echo red; echo blue").await;
    copy("shop_v1_copy.staff (name)", "echo Ada").await;
    migrate(&backend, 2).await;
    copy("shop_v1_copy.staff (name)", "echo Bob").await;
    copy("shop_v2_copy.staff (full_name)", "echo Cy").await;
    copy("shop_v2_copy.staff (full_name, id)", "printf \"Di\\t70\"").await;
    run(&client, "INSERT INTO shop_v1.staff (name) VALUES ('Ed'); INSERT INTO shop_v2.team (name) VALUES ('green')").await;
    assert_eq!(ask(&client, "SELECT id, name FROM shop_v2.team ORDER BY id").await, "1|red\n2|blue\n3|green");
    let seen = "SELECT id, name, since IS NOT NULL, token IS NOT NULL, here FROM shop_v1.staff ORDER BY id";
    // What only newer versions know begins with nothing there, and older ones see that.
    assert_eq!(ask(&client, seen).await, "1|Ada|t|t|t\n2|Bob|t|t|t\n3|Cy|t|t|∅\n4|Ed|t|t|t\n70|Di|t|t|∅");
    let reset = "UPDATE shop_v1.staff SET token = NULL, here = false; UPDATE shop_v1.staff SET token = DEFAULT, here = DEFAULT WHERE id < 3";
    run(&client, reset).await;
    let seen = "SELECT id, token IS NOT NULL, here FROM shop_v2.staff ORDER BY id";
    assert_eq!(ask(&client, seen).await, "1|t|true\n2|t|true\n3|f|false\n4|f|false\n70|f|false");
    assert_eq!(backend.drift().await.unwrap(), []);
    rollback(&backend, 1).await;
    copy("shop_v1_copy.staff (name)", "echo Flo").await;
    assert_eq!(ask(&client, "SELECT id, token IS NOT NULL, here FROM shop_v1.staff WHERE name = 'Flo'").await, "5|t|t");
    // Where the table begins with what versions begin with that do not show it, those that do go on as before.
    migrate(&backend, 3).await;
    run(&client, "INSERT INTO shop_v1.staff (name) VALUES ('Gil'); INSERT INTO shop_v3.staff (full_name) VALUES ('Hal')").await;
    copy("shop_v2_copy.staff (full_name)", "echo Ida").await;
    let seen = "SELECT name, since > '2021-01-01', here FROM shop_v1.staff WHERE name IN ('Gil', 'Hal', 'Ida') ORDER BY name";
    assert_eq!(ask(&client, seen).await, "Gil|t|t\nHal|f|∅\nIda|t|∅");
    assert_eq!(backend.drift().await.unwrap(), []);
}

/// Columns that no property stands for: those that the database computes, and those of other types.
#[tokio::test]
async fn versions_carry_columns_along_that_no_property_stands_for() {
    const CHANGED: &[Changes<'static>] = &[(
        "post",
        &[
            &[
                r#"{"retype_property": {"path": "n", "schema": "string", "up": "cast(n as string)", "down": "cast(n as integer)"}}"#,
                r#"{"rename_property": {"from": "title", "to": "heading"}}"#,
            ],
            &[r#"{"add_property": {"path": "found", "schema": "string"}}"#],
        ],
    )];
    let url = fresh().await;
    let client = session(&url).await;
    run(
        &client,
        "CREATE TABLE post (id bigint PRIMARY KEY, title text NOT NULL, n integer, tags text[] NOT NULL, raw json DEFAULT '{}',
            seen timestamp, found tsvector GENERATED ALWAYS AS (to_tsvector('simple', title)) STORED,
            loud text GENERATED ALWAYS AS (title || '!') STORED);
         INSERT INTO post VALUES (1, 'one', 1, '{a,b}', '[ 1 ]', '2020-01-01 00:00');
         CREATE ROLE reader; CREATE ROLE tagger;
         GRANT SELECT (id, loud) ON post TO reader; GRANT SELECT (id, tags), UPDATE (tags) ON post TO tagger",
    )
    .await;
    let before =
        ask(&client, "SELECT column_name, data_type, is_generated FROM information_schema.columns WHERE table_name = 'post'")
            .await;
    let backend = adopt(&url, CHANGED, 3).await;
    migrate(&backend, 2).await;
    for view in ["shop_v1.post", "shop_v2.post"] {
        let seen = format!("SELECT tags, raw, seen, loud, found FROM {view} WHERE id = 1");
        assert_eq!(ask(&client, &seen).await, "{a,b}|[ 1 ]|2020-01-01 00:00:00|one!|'one':1");
    }
    // They are written as the table is, with its defaults, and through any version.
    run(&client, "INSERT INTO shop_v2.post (id, heading, n, tags) VALUES (2, 'two', '2', '{}')").await;
    run(&client, "UPDATE shop_v1.post SET tags = tags || '{c}', n = n + 1; UPDATE shop_v2.post SET heading = 'uno' WHERE id = 1")
        .await;
    assert_eq!(
        ask(&client, "SELECT id, n, tags, raw, loud FROM shop_v2.post ORDER BY id").await,
        "1|2|{a,b,c}|[ 1 ]|uno!\n2|3|{c}|{}|two!"
    );
    let refused = client.batch_execute("UPDATE shop_v2.post SET loud = 'x'").await.unwrap_err();
    assert!(refused.as_db_error().unwrap().message().contains("can only be updated to DEFAULT"), "{refused:?}");
    let missing = client.batch_execute("INSERT INTO shop_v1.post (id, title) VALUES (9, 'nine')").await.unwrap_err();
    assert!(missing.as_db_error().unwrap().message().contains("null value in column \"tags\""), "{missing:?}");
    // Who might see a column sees it, at every version, and no other.
    run(&client, "GRANT USAGE ON SCHEMA shop_v1, shop_v2 TO reader, tagger; SET ROLE reader").await;
    assert_eq!(ask(&client, "SELECT id, loud FROM shop_v2.post ORDER BY id").await, "1|uno!\n2|two!");
    client.batch_execute("SELECT tags FROM shop_v1.post").await.unwrap_err();
    run(&client, "SET ROLE tagger; UPDATE shop_v2.post SET tags = '{d}' WHERE id = 2; RESET ROLE").await;
    assert_eq!(backend.drift().await.unwrap(), []);
    // A property of the name of one stands for itself.
    migrate(&backend, 3).await;
    run(&client, "UPDATE shop_v3.post SET found = 'here' WHERE id = 2").await;
    assert_eq!(ask(&client, "SELECT found, tags FROM shop_v3.post WHERE id = 2").await, "here|{d}");
    assert_eq!(ask(&client, "SELECT found, tags FROM shop_v1.post WHERE id = 2").await, "'two':1|{d}");
    assert_eq!(backend.drift().await.unwrap(), []);
    rollback(&backend, 0).await;
    let after =
        ask(&client, "SELECT column_name, data_type, is_generated FROM information_schema.columns WHERE table_name = 'post'")
            .await;
    assert_eq!(after, before);
}

/// What the table has of its own is not taken for a property that a later version adds, and what it does not have is told.
#[tokio::test]
async fn columns_that_no_property_stands_for_are_neither_taken_nor_made_up() {
    const TAGGED: &[Changes<'static>] = &[("post", &[&[r#"{"add_property": {"path": "tags", "schema": "string"}}"#]])];
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, "CREATE TABLE post (id bigint PRIMARY KEY, tags text[]); INSERT INTO post VALUES (1, '{a}')").await;
    let refused = async |carries: &[&str], to: u32| {
        let said = || Value::List(carries.iter().map(|name| Value::from(*name)).collect());
        let backend = adopt_as(&url, TAGGED, 2, |model| {
            model.options.remove("carries");
            if !carries.is_empty() {
                model.options.insert("carries", said());
            }
        })
        .await;
        coeval_engine::migrate(&backend, Some(to), false, &How::quietly()).await.unwrap_err().to_string()
    };
    let said = refused(&["tags", "more"], 1).await;
    assert!(said.contains("the table `public.post`: there is no column `more`, which the model carries along"), "{said}");
    let said = refused(&[], 2).await;
    assert!(said.contains("the table `public.post`: there is a column `tags` already, which no property stands for"), "{said}");
    // No run began, so that none is undone.
    assert_eq!(ask(&client, "SELECT count(*) FROM coeval.history").await, "0");
    assert_eq!(ask(&client, "SELECT tags FROM post").await, "{a}");
    // Nor where it was taken over already.
    let backend = adopt_as(&url, &[], 1, |model| drop(model.options.remove("carries"))).await;
    migrate(&backend, 1).await;
    let said = refused(&[], 2).await;
    assert!(said.contains("there is a column `tags` already"), "{said}");
    assert_eq!(ask(&client, "SELECT tags FROM post").await, "{a}");
}

#[tokio::test]
async fn a_column_of_the_name_that_coeval_needs_itself_is_told() {
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, "CREATE TABLE post (id bigint PRIMARY KEY, _w integer); INSERT INTO post VALUES (1, 5)").await;
    let backend = adopt(&url, &[], 1).await;
    let said = coeval_engine::migrate(&backend, None, false, &How::quietly()).await.unwrap_err().to_string();
    assert!(said.contains("the table `public.post`: there is a column `_w`, a name that coeval needs"), "{said}");
    assert_eq!(ask(&client, "SELECT _w FROM post").await, "5");
}

#[tokio::test]
async fn what_a_collation_holds_for_equal_is_written_all_the_same() {
    const CHANGED: &[Changes<'static>] = &[(
        "tag",
        &[&[
            r#"{"retype_property": {"path": "name", "schema": "string", "up": "replace(name, 'a', 'a!')", "down": "replace(name, '!', '')"}}"#,
            r#"{"add_property": {"path": "mark", "schema": "string", "value": "other || '?'"}}"#,
        ]],
    )];
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, "CREATE COLLATION loose (provider = icu, locale = 'und-u-ks-level2', deterministic = false)").await;
    run(&client, "CREATE TABLE tag (id integer PRIMARY KEY, name text COLLATE loose, other varchar(9) COLLATE loose)").await;
    run(&client, "INSERT INTO tag VALUES (1, 'Bea', 'x')").await;
    let backend = adopt(&url, CHANGED, 2).await;
    migrate(&backend, 2).await;
    run(&client, "UPDATE shop_v1.tag SET name = 'BEa', other = 'X' WHERE id = 1").await;
    assert_eq!(ask(&client, "SELECT name, mark FROM shop_v2.tag").await, "BEa!|X?");
    run(&client, "UPDATE shop_v2.tag SET name = 'beA!' WHERE id = 1").await;
    assert_eq!(ask(&client, "SELECT name FROM shop_v1.tag").await, "beA");
    // What is kept and comes back is told from what is computed in the same way.
    rollback(&backend, 1).await;
    migrate(&backend, 2).await;
    assert_eq!(ask(&client, "SELECT name, mark FROM shop_v2.tag").await, "beA!|X?");
}
