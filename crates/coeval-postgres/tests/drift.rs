//! What somebody changed by hand is named: what it should be, and what it is.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_postgres::PostgresBackend;
use coeval_store::Backend as _;
use common::shop::{ITEM, Versions, migrate, open};
use common::{fresh, session};
use tokio_postgres::Client;

const PART: Versions<'static> = (
    r#"{"type": "model", "name": "part", "key": ["id"], "properties": {
        "id": {"type": "integer", "required": true},
        "code": {"type": "string", "required": true, "unique": true},
        "kind": {"type": "enum", "values": ["a", "b"], "required": true},
        "item": {"type": "ref", "model": "item"}},
        "constraints": [{"reference": "item", "model": "item"}]}"#,
    &[(2, &[r#"{"add_property": {"path": "size", "schema": {"type": "integer", "required": true}, "value": "7"}}"#])],
);

async fn ready() -> (PostgresBackend, Client) {
    let url = fresh().await;
    let backend = open(&url, &[ITEM, PART], 4);
    migrate(&backend, 4).await;
    (backend, session(&url).await)
}

async fn told(backend: &PostgresBackend) -> Vec<String> {
    backend.drift().await.unwrap().iter().map(ToString::to_string).collect()
}

/// Changes something, and compares what is told of it.
async fn found(client: &Client, backend: &PostgresBackend, change: &str, expected: &[&str]) {
    client.batch_execute(change).await.unwrap_or_else(|e| panic!("{change}: {e:?}"));
    assert_eq!(told(backend).await, expected, "{change}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_told_of_what_is_as_it_should_be() {
    let url = fresh().await;
    for version in 1..=4 {
        let backend = open(&url, &[ITEM, PART], version);
        migrate(&backend, version).await;
        assert_eq!(told(&backend).await, [""; 0], "version {version}");
    }
    let backend = open(&url, &[ITEM, PART], 4);
    let client = session(&url).await;
    // What people add for themselves is theirs.
    let own = "CREATE INDEX mine ON shop.item (title); CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';
               CREATE TRIGGER mine AFTER INSERT ON shop.item FOR EACH ROW EXECUTE FUNCTION f()";
    let own = own.replace("(title)", "(price)");
    found(&client, &backend, &own, &[]).await;
    for version in (1..=3).rev() {
        coeval_engine::rollback(&backend, Some(version), &coeval_engine::How::quietly()).await.unwrap();
        assert_eq!(told(&backend).await, [""; 0], "back at version {version}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_are_named() {
    let (backend, client) = ready().await;
    found(&client, &backend, "ALTER TABLE shop.item ADD COLUMN extra int", &["item: column `extra` is in no version: `integer`"])
        .await;
    found(
        &client,
        &backend,
        "ALTER TABLE shop.item DROP COLUMN extra; ALTER TABLE shop.part ALTER size DROP NOT NULL",
        &["part: column `size` is `bigint` instead of `bigint` NOT NULL"],
    )
    .await;
    found(
        &client,
        &backend,
        "ALTER TABLE shop.part ALTER size SET NOT NULL, ALTER size SET DEFAULT 9",
        &["part: default of column `size` is `9` instead of `'7'::bigint`"],
    )
    .await;
    found(
        &client,
        &backend,
        "ALTER TABLE shop.part ALTER size DROP DEFAULT",
        &["part: default of column `size` is none instead of `'7'::bigint`"],
    )
    .await;
    let retyped = "ALTER TABLE shop.part ALTER size SET DEFAULT 7; DROP SCHEMA shop_v4_copy, shop_v3_copy, shop_v2_copy CASCADE; DROP SCHEMA shop_v2, shop_v3, shop_v4 CASCADE; ALTER TABLE shop.part ALTER size TYPE int";
    client.batch_execute(retyped).await.unwrap();
    let all = told(&backend).await;
    assert!(all.contains(&"part: column `size` is `integer` NOT NULL instead of `bigint` NOT NULL".to_owned()), "{all:#?}");
    assert!(all.contains(&"part: view `shop_v3.part` is missing: a view of version 3".to_owned()), "{all:#?}");
    assert!(all.contains(&"part: view `shop_v3_copy.part` is missing: the view of version 3 for COPY".to_owned()), "{all:#?}");
    client.batch_execute("ALTER TABLE shop.part DROP COLUMN size").await.unwrap();
    let all = told(&backend).await;
    assert!(all.contains(&"part: column `size` is missing: `bigint` NOT NULL".to_owned()), "{all:#?}");
    client.batch_execute("DROP TABLE shop.part CASCADE").await.unwrap();
    let all = told(&backend).await;
    assert_eq!(
        all.iter().filter(|told| told.starts_with("part:")).collect::<Vec<_>>(),
        ["part: table `shop.part` is missing: a table"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn views_triggers_and_functions_are_named() {
    let (backend, client) = ready().await;
    let update = "BEFORE UPDATE OF price, qty, address, title, price_v3, qty_v3, address_v3, slug FOR EACH ROW EXECUTE FUNCTION shop_w.item_update()";
    let all = "ALTER TABLE shop.item DISABLE TRIGGER zz_coeval_update";
    client.batch_execute(all).await.unwrap();
    let [disabled] = told(&backend).await.try_into().unwrap();
    assert!(
        disabled.starts_with("item: trigger `zz_coeval_update` is BEFORE UPDATE OF ")
            && disabled.contains(", disabled instead of BEFORE UPDATE OF"),
        "{disabled} {update}"
    );
    client.batch_execute("DROP TRIGGER zz_coeval_update ON shop.item").await.unwrap();
    let [missing] = told(&backend).await.try_into().unwrap();
    assert!(missing.starts_with("item: trigger `zz_coeval_update` is missing: BEFORE UPDATE OF "), "{missing}");
    let (backend, client) = ready().await;
    let replaced = "CREATE OR REPLACE FUNCTION shop_w.item_insert() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'";
    client.batch_execute(replaced).await.unwrap();
    let [other] = told(&backend).await.try_into().unwrap();
    assert!(other.starts_with("item: function `shop_w.item_insert()`, line 1 is `BEGIN RETURN NEW; END` instead of"), "{other}");
    let (backend, client) = ready().await;
    client
        .batch_execute("CREATE OR REPLACE VIEW shop_v4.part AS SELECT id, code, kind, item, size FROM shop.part WHERE id > 0")
        .await
        .unwrap();
    let [view] = told(&backend).await.try_into().unwrap();
    // Some servers say whose a column is where there is only one table.
    let view = view.replace(" part.", " ").replace("(part.", "(");
    let wanted = "SELECT id, code, kind, item, size FROM shop.part";
    assert_eq!(view, format!("part: view `shop_v4.part` is {wanted} WHERE (id > 0) instead of {wanted}"));
    let back = "CREATE OR REPLACE VIEW shop_v4.part AS SELECT id, code, kind, item, size FROM shop.part";
    let bare = format!("{back}; ALTER VIEW shop_v1.part ALTER COLUMN code SET DEFAULT 'x'");
    found(&client, &backend, &bare, &["part: view `shop_v1.part`: default of column `code` is in no version: `'x'::text`"]).await;
    let copy = "ALTER VIEW shop_v1.part ALTER COLUMN code DROP DEFAULT; DROP TRIGGER copy ON shop_v2_copy.part";
    let expected = "part: view `shop_v2_copy.part`: trigger `copy` is missing: INSTEAD OF INSERT FOR EACH ROW EXECUTE FUNCTION shop_w.part_v2_copy()";
    found(&client, &backend, copy, &[expected]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_and_indexes_are_named() {
    let (backend, client) = ready().await;
    let missing = "ALTER TABLE shop.part DROP CONSTRAINT part_kind_check";
    let check = "CHECK (((kind COLLATE \"C\") = ANY (ARRAY['a'::text, 'b'::text])))";
    found(&client, &backend, missing, &[&format!("part: constraint `part_kind_check` is missing: {check}")]).await;
    let unproved = "ALTER TABLE shop.part ADD CONSTRAINT part_kind_check CHECK (kind COLLATE \"C\" IN ('a', 'b')) NOT VALID";
    found(&client, &backend, unproved, &[&format!("part: constraint `part_kind_check` is {check} NOT VALID instead of {check}")])
        .await;
    client.batch_execute("ALTER TABLE shop.part VALIDATE CONSTRAINT part_kind_check").await.unwrap();
    let other = "ALTER TABLE shop.part ADD CONSTRAINT mine CHECK (id > 0)";
    found(&client, &backend, other, &["part: constraint `mine` is in no version: CHECK ((id > 0))"]).await;
    let reference = "ALTER TABLE shop.part DROP CONSTRAINT mine, DROP CONSTRAINT part_item_fkey";
    found(
        &client,
        &backend,
        reference,
        &["part: constraint `part_item_fkey` is missing: FOREIGN KEY (item) REFERENCES shop.item"],
    )
    .await;
    let again = "ALTER TABLE shop.part ADD CONSTRAINT part_item_fkey FOREIGN KEY (item) REFERENCES shop.item (id) NOT VALID";
    found(&client, &backend, again, &["part: constraint `part_item_fkey` is FOREIGN KEY (item) REFERENCES shop.item NOT VALID instead of FOREIGN KEY (item) REFERENCES shop.item"]).await;
    client.batch_execute("ALTER TABLE shop.part VALIDATE CONSTRAINT part_item_fkey").await.unwrap();
    found(&client, &backend, "DROP INDEX shop.part_code_key", &["part: index `part_code_key` is missing: UNIQUE btree (code)"])
        .await;
    let plain = "CREATE INDEX part_code_key ON shop.part (code)";
    found(&client, &backend, plain, &["part: index `part_code_key` is btree (code) instead of UNIQUE btree (code)"]).await;
    let invalid = "DROP INDEX shop.part_code_key; CREATE UNIQUE INDEX part_code_key ON shop.part (code);
                   UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'shop.part_code_key'::regclass";
    found(
        &client,
        &backend,
        invalid,
        &["part: index `part_code_key` is UNIQUE btree (code), invalid instead of UNIQUE btree (code)"],
    )
    .await;
}
