//! What is easily got wrong where many versions write one table, in plain SQL.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use common::shop::{ITEM, migrate, open};
use common::{ask, fresh, session};
use futures::{SinkExt as _, pin_mut};
use tokio_postgres::Client;

/// Returns the code of the error with which a statement is refused.
async fn refused(client: &Client, sql: &str) -> String {
    let error = client.simple_query(sql).await.err().unwrap_or_else(|| panic!("{sql} is taken"));
    error.code().unwrap().code().to_owned()
}

async fn shop() -> Client {
    let url = fresh().await;
    migrate(&open(&url, &[ITEM], 4), 3).await;
    session(&url).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_default_of_another_version_does_not_shine_through() {
    let client = shop().await;
    // Version 2 declares none for `priority`, which it requires; what version 1 leaves out has the operation's value.
    assert_eq!(refused(&client, "INSERT INTO shop_v2.item (id, title, address) VALUES (1, 'a', '{}')").await, "23502");
    let explicit = "INSERT INTO shop_v2.item (id, title, address, priority) VALUES (1, 'a', '{}', DEFAULT)";
    assert_eq!(refused(&client, explicit).await, "23502");
    ask(&client, "INSERT INTO shop_v1.item (id, name, address) VALUES (1, 'a', '{}')").await;
    assert_eq!(ask(&client, "SELECT priority FROM shop_v2.item").await, "medium");
    assert_eq!(refused(&client, "UPDATE shop_v2.item SET priority = DEFAULT").await, "23502");
    assert_eq!(refused(&client, "UPDATE shop_v2.item SET priority = NULL").await, "23502");
}

#[tokio::test(flavor = "multi_thread")]
async fn null_is_refused_only_where_a_value_is_required() {
    let client = shop().await;
    assert_eq!(
        refused(&client, "INSERT INTO shop_v3.item VALUES (1, 'a', NULL, NULL, '{}', 'low', 's')").await,
        "23502",
        "version 3 requires qty"
    );
    ask(&client, "INSERT INTO shop_v3.item VALUES (1, 'a', NULL, 5, '{}', 'low', 's')").await;
    ask(&client, "INSERT INTO shop_v1.item VALUES (2, 'b', NULL, NULL, '{}')").await;
    assert_eq!(ask(&client, "SELECT id, price, qty FROM shop_v3.item ORDER BY id").await, "1|∅|5\n2|∅|0");
    ask(&client, "UPDATE shop_v1.item SET qty = NULL WHERE id = 1").await;
    assert_eq!(ask(&client, "SELECT qty FROM shop_v3.item WHERE id = 1").await, "0");
    assert_eq!(refused(&client, "UPDATE shop_v3.item SET qty = NULL WHERE id = 1").await, "23502");
}

#[tokio::test(flavor = "multi_thread")]
async fn upserts_see_what_is_computed() {
    let client = shop().await;
    let upsert = |price: &str| {
        format!(
            "INSERT INTO shop_v1.item (id, name, price, address) VALUES (1, 'a', {price}, '{{}}')
             ON CONFLICT (id) DO UPDATE SET price = excluded.price RETURNING price"
        )
    };
    assert_eq!(ask(&client, &upsert("1.5")).await, "1.5");
    assert_eq!(ask(&client, &upsert("2.5")).await, "2.5");
    assert_eq!(ask(&client, "SELECT price FROM shop_v3.item").await, "250");
    let newer = "INSERT INTO shop_v3.item VALUES (1, 'x', 900, 1, '{}', 'low', 's')
                 ON CONFLICT (id) DO UPDATE SET price = excluded.price, qty = excluded.qty RETURNING title, price, qty";
    assert_eq!(ask(&client, newer).await, "a|900|1");
    assert_eq!(ask(&client, "SELECT price::float8, qty FROM shop_v1.item").await, "9|1");
    ask(&client, "INSERT INTO shop_v3.item VALUES (1, 'x', 1, 1, '{}', 'low', 's') ON CONFLICT DO NOTHING").await;
    assert_eq!(ask(&client, "SELECT price FROM shop_v3.item").await, "900");
}

#[tokio::test(flavor = "multi_thread")]
async fn merge_goes_through_a_view_where_the_server_can() {
    let client = shop().await;
    ask(&client, "INSERT INTO shop_v1.item VALUES (1, 'a', 1, 1, '{}')").await;
    let merge = "MERGE INTO shop_v3.item t USING (VALUES (1, 700), (2, 800)) s (id, price) ON t.id = s.id
        WHEN MATCHED THEN UPDATE SET price = s.price
        WHEN NOT MATCHED THEN INSERT (id, title, price, qty, address, priority, slug) VALUES (s.id, 'm', s.price, 0, '{}', 'low', 's')";
    let version: u32 = ask(&client, "SELECT current_setting('server_version_num')").await.parse().unwrap();
    if version >= 170_000 {
        ask(&client, merge).await;
        assert_eq!(ask(&client, "SELECT id, price::float8 FROM shop_v1.item ORDER BY id").await, "1|7\n2|8");
    } else {
        // Documented: before 17 the server refuses it for every view.
        let code = if version >= 150_000 { "0A000" } else { "42601" };
        assert_eq!(refused(&client, merge).await, code);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn copy_goes_into_the_twin() {
    let client = shop().await;
    let sink =
        client.copy_in("COPY shop_v3_copy.item (id, title, price, qty, address, priority, slug) FROM STDIN").await.unwrap();
    pin_mut!(sink);
    sink.send(bytes::Bytes::from("1\tChair\t1950\t2\t{\"line\": \"L\"}\tlow\ts\n2\tDesk\t\\N\t0\t{}\thigh\td\n")).await.unwrap();
    assert_eq!(sink.finish().await.unwrap(), 2);
    assert_eq!(
        ask(&client, "SELECT id, name, price::float8, qty, address FROM shop_v1.item ORDER BY id").await,
        "1|Chair|19.5|2|{\"street\": \"L\"}\n2|Desk|∅|0|{}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn equal_values_are_no_change_however_they_are_written() {
    let client = shop().await;
    ask(&client, "INSERT INTO shop_v1.item VALUES (1, 'a', 19.991, NULL, '{}')").await;
    // Written back at version 3, nothing of version 1 is lost.
    ask(&client, "UPDATE shop_v3.item SET price = price, title = title, qty = qty, slug = 'own'").await;
    assert_eq!(ask(&client, "SELECT price, qty FROM shop_v1.item").await, "19.991|∅");
    ask(&client, "UPDATE shop_v1.item SET price = 19.9910").await;
    assert_eq!(ask(&client, "SELECT price FROM shop_v3.item").await, "1999");
    ask(&client, "UPDATE shop_v1.item SET price = -0.0; UPDATE shop_v1.item SET price = 0.00").await;
    assert_eq!(ask(&client, "SELECT price FROM shop_v3.item").await, "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_sides_that_one_statement_changes_the_newest_wins() {
    let client = shop().await;
    ask(&client, "INSERT INTO shop_v1.item VALUES (1, 'a', 1, 1, '{}')").await;
    ask(&client, "UPDATE shop.item SET price = 5, price_v3 = 700 WHERE id = 1").await;
    assert_eq!(ask(&client, "SELECT price::float8 FROM shop_v1.item").await, "7");
    assert_eq!(ask(&client, "SELECT price FROM shop_v3.item").await, "700");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_other_triggers_change_is_seen() {
    let url = fresh().await;
    let backend = open(&url, &[ITEM], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    ask(
        &client,
        "CREATE FUNCTION public.round_up() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.price := ceil(NEW.price); RETURN NEW; END $$;
         CREATE TRIGGER a_round BEFORE INSERT OR UPDATE ON shop.item FOR EACH ROW EXECUTE FUNCTION public.round_up()",
    )
    .await;
    ask(&client, "INSERT INTO shop_v1.item VALUES (1, 'a', 1.5, 1, '{}')").await;
    migrate(&backend, 3).await;
    assert_eq!(ask(&client, "SELECT price FROM shop_v3.item").await, "200");
    // The statement names another column than the one that the trigger changes.
    ask(&client, "ALTER TABLE shop.item DISABLE TRIGGER a_round; UPDATE shop_v1.item SET price = 2.5; ALTER TABLE shop.item ENABLE TRIGGER a_round").await;
    ask(&client, "UPDATE shop_v1.item SET qty = 9").await;
    assert_eq!(ask(&client, "SELECT price::float8 FROM shop_v1.item").await, "3");
    assert_eq!(ask(&client, "SELECT price, qty FROM shop_v3.item").await, "300|9");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_may_change_its_path_between_writes() {
    let client = shop().await;
    for id in 0..6 {
        let (path, name) = if id % 2 == 0 { ("shop_v1", "name") } else { ("shop_v2", "title") };
        let more = if id % 2 == 0 { ("", "") } else { (", priority", ", 'low'") };
        ask(
            &client,
            &format!(
                "SET search_path = {path}; INSERT INTO item (id, {name}, price, address{}) VALUES ({id}, 'n', 1.25, '{{}}'{})",
                more.0, more.1
            ),
        )
        .await;
    }
    assert_eq!(ask(&client, "SELECT count(*), min(price), max(price) FROM shop_v3.item").await, "6|125|125");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_use_a_version_may_use_the_next_and_nothing_beneath() {
    let url = fresh().await;
    let backend = open(&url, &[ITEM], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    let role = format!("clerk_{}", uuid::Uuid::now_v7().simple());
    ask(
        &client,
        &format!(
            "CREATE ROLE {role}; GRANT USAGE ON SCHEMA shop_v1 TO {role}; GRANT SELECT, INSERT, UPDATE ON shop_v1.item TO {role}"
        ),
    )
    .await;
    migrate(&backend, 3).await;
    ask(&client, &format!("SET ROLE {role}")).await;
    ask(
        &client,
        "INSERT INTO shop_v3.item VALUES (1, 'a', 150, 1, '{}', 'low', 's'); UPDATE shop_v1.item SET name = 'b', price = 2",
    )
    .await;
    assert_eq!(ask(&client, "SELECT title, price FROM shop_v3.item").await, "b|200");
    assert_eq!(refused(&client, "DELETE FROM shop_v3.item").await, "42501");
    assert_eq!(refused(&client, "SELECT * FROM shop.item").await, "42501");
    ask(&client, "RESET ROLE").await;
    ask(&client, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_on_a_column_is_one_on_what_becomes_of_it() {
    let url = fresh().await;
    let backend = open(&url, &[ITEM], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    let role = format!("clerk_{}", uuid::Uuid::now_v7().simple());
    ask(
        &client,
        &format!(
            "CREATE ROLE {role}; GRANT USAGE ON SCHEMA shop_v1 TO {role};
             GRANT SELECT (id, name, price), UPDATE (name, price) ON shop_v1.item TO {role};
             INSERT INTO shop_v1.item VALUES (1, 'a', 1, 1, '{{}}')"
        ),
    )
    .await;
    migrate(&backend, 3).await;
    ask(&client, &format!("SET ROLE {role}")).await;
    // Another name for it, and another type.
    ask(&client, "UPDATE shop_v3.item SET title = 'b', price = 250").await;
    assert_eq!(ask(&client, "SELECT id, title, price FROM shop_v3.item").await, "1|b|250");
    assert_eq!(ask(&client, "SELECT name, price FROM shop_v1.item").await, "b|2.50");
    for other in ["SELECT qty FROM shop_v3.item", "SELECT * FROM shop_v3.item", "UPDATE shop_v3.item SET qty = 2"] {
        assert_eq!(refused(&client, other).await, "42501", "{other}");
    }
    ask(&client, "RESET ROLE").await;
    ask(&client, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn views_do_not_get_around_row_level_security() {
    let url = fresh().await;
    let backend = open(&url, &[ITEM], 4);
    migrate(&backend, 1).await;
    let client = session(&url).await;
    let role = format!("clerk_{}", uuid::Uuid::now_v7().simple());
    ask(&client, "INSERT INTO shop_v1.item VALUES (1, 'mine', 1, 1, '{}'), (2, 'yours', 1, 1, '{}')").await;
    ask(
        &client,
        &format!(
            "CREATE ROLE {role}; GRANT USAGE ON SCHEMA shop_v1, shop TO {role}; GRANT SELECT ON shop_v1.item, shop.item TO {role};
             ALTER TABLE shop.item ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON shop.item USING (name = 'mine')"
        ),
    )
    .await;
    if ask(&client, "SHOW server_version_num").await.parse::<i32>().unwrap() < 150_000 {
        let refused = coeval_engine::migrate(&backend, Some(2), false, &coeval_engine::How::quietly()).await.unwrap_err();
        assert!(format!("{refused:?}").contains("before PostgreSQL 15 views get around it"), "{refused:?}");
    } else {
        migrate(&backend, 2).await;
        ask(&client, &format!("SET ROLE {role}")).await;
        assert_eq!(ask(&client, "SELECT title FROM shop_v2.item").await, "mine");
        ask(&client, "RESET ROLE").await;
    }
    ask(&client, &format!("DROP OWNED BY {role}; DROP ROLE {role}")).await;
}
