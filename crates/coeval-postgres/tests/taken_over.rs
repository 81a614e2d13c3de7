//! What tables that were there before have of their own, as it is through every version: defaults, and collations, for which the server
//! has to know those of ICU.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_store::Backend as _;
use common::adopted::{Changes, adopt};
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
