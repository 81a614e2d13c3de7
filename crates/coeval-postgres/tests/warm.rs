//! A rollback that takes only the views away: what the newer versions need goes on being kept, and they are offered again at once.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_engine::{How, Outcome};
use coeval_plan::Step;
use coeval_postgres::PostgresBackend;
use coeval_store::Backend as _;
use coeval_store::ledger::Happened;
use common::dump::{dump, similar};
use common::shop::{ITEM, migrate, open, rollback};
use common::{ask, fresh, session};

async fn warm(backend: &PostgresBackend, to: u32) -> Outcome {
    let how = How { warm: true, ..How::quietly() };
    coeval_engine::rollback(backend, Some(to), &how).await.unwrap_or_else(|e| panic!("back to {to}: {e:?}"))
}

/// The steps of the last run.
async fn steps(backend: &PostgresBackend) -> Vec<Step> {
    let ledger = backend.ledger().await.unwrap();
    let started = ledger.entries().iter().rev().find_map(|entry| match &entry.happened {
        Happened::Started(started) => Some(started.steps.clone()),
        _ => None,
    });
    started.unwrap()
}

async fn drifts(backend: &PostgresBackend) -> Vec<String> {
    backend.drift().await.unwrap().iter().map(ToString::to_string).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn only_views_go_and_they_come_back_at_once() {
    let url = fresh().await;
    let client = session(&url).await;
    let backend = open(&url, &[ITEM], 3);
    migrate(&backend, 2).await;
    client
        .batch_execute(
            "INSERT INTO shop_v1.item VALUES (1, 'Chair', 19.99, 4, '{\"street\": \"S\"}'), (2, 'Desk', 5, NULL, '{}')",
        )
        .await
        .unwrap();
    let two = dump(&url);
    migrate(&backend, 3).await;
    let three = dump(&url);
    client.batch_execute("UPDATE shop_v3.item SET slug = 'own' WHERE id = 2").await.unwrap();
    let shown = "SELECT id, title, price, qty, slug FROM shop_v3.item ORDER BY id";
    assert_eq!(ask(&client, shown).await, "1|Chair|1999|4|Chair-\n2|Desk|500|0|own");
    warm(&backend, 2).await;
    assert!(matches!(steps(&backend).await.as_slice(), [Step::DropViews { from: 3, to: 2 }]), "{:?}", steps(&backend).await);
    assert_eq!(ask(&client, "SELECT to_regclass('shop_v3.item'), to_regclass('shop_v2.item') IS NOT NULL").await, "∅|t");
    assert_eq!(drifts(&backend).await, [""; 0]);
    // Clients of the older versions go on; what the newer one needs is kept with it.
    client.batch_execute("UPDATE shop_v1.item SET price = 20.5, qty = 7 WHERE id = 1").await.unwrap();
    client.batch_execute("UPDATE shop_v2.item SET title = 'Table' WHERE id = 2").await.unwrap();
    client
        .batch_execute(
            "INSERT INTO shop_v1.item (id, name, price, address) VALUES (3, 'Lamp', 3.3, '{\"street\": \"T\", \"city\": \"C\"}')",
        )
        .await
        .unwrap();
    client
        .batch_execute("INSERT INTO shop_v2.item (id, title, price, address, priority) VALUES (4, 'Rug', 4.4, '{}', 'low')")
        .await
        .unwrap();
    client.batch_execute("DELETE FROM shop_v2.item WHERE id = 4; INSERT INTO shop_v2.item (id, title, address, priority) VALUES (5, 'Cup', '{}', 'low')").await.unwrap();
    migrate(&backend, 3).await;
    assert!(matches!(steps(&backend).await.as_slice(), [Step::CreateViews { from: 2, to: 3 }]), "{:?}", steps(&backend).await);
    let now = "1|Chair|2050|7|Chair-\n2|Table|500|0|own\n3|Lamp|330|0|Lamp-\n5|Cup|∅|0|Cup-";
    assert_eq!(ask(&client, shown).await, now);
    assert_eq!(ask(&client, "SELECT address FROM shop_v3.item WHERE id = 3").await, r#"{"city": "C", "line": "T"}"#);
    similar(&dump(&url), &three, "there again");
    assert_eq!(drifts(&backend).await, [""; 0]);
    // Warm, and then as a rollback is.
    warm(&backend, 2).await;
    rollback(&backend, 1).await;
    migrate(&backend, 2).await;
    similar(&dump(&url), &two, "a rollback of what was warm leaves nothing");
    assert_eq!(drifts(&backend).await, [""; 0]);
    migrate(&backend, 3).await;
    assert_eq!(ask(&client, shown).await, now, "what was kept comes back");
}

#[tokio::test(flavor = "multi_thread")]
async fn older_versions_retire_while_a_newer_one_is_warm() {
    let url = fresh().await;
    let client = session(&url).await;
    let backend = open(&url, &[ITEM], 4);
    migrate(&backend, 4).await;
    client.batch_execute("INSERT INTO shop_v1.item VALUES (1, 'Chair', 19.99, 4, '{\"street\": \"S\"}')").await.unwrap();
    warm(&backend, 3).await;
    assert_eq!(drifts(&backend).await, [""; 0]);
    coeval_engine::retire(&backend, 2, &How::quietly()).await.unwrap_or_else(|e| panic!("{e:?}"));
    assert_eq!(drifts(&backend).await, [""; 0]);
    client.batch_execute("UPDATE shop_v2.item SET price = 7.25, priority = 'high' WHERE id = 1").await.unwrap();
    client
        .batch_execute(
            "INSERT INTO shop_v3.item (id, title, qty, priority, slug, address) VALUES (2, 'Desk', 1, 'low', 'd', '{}')",
        )
        .await
        .unwrap();
    migrate(&backend, 4).await;
    assert_eq!(
        ask(&client, "SELECT id, title, price, qty, slug FROM shop_v4.item ORDER BY id").await,
        "1|Chair|725|4|Chair-\n2|Desk|∅|1|d"
    );
    client
        .batch_execute("INSERT INTO shop_v4.item (id, title, qty, slug, address) VALUES (3, 'Cup', 2, 'c', '{}')")
        .await
        .unwrap();
    assert_eq!(ask(&client, "SELECT priority FROM shop_v2.item ORDER BY id").await, "high\nlow\nlow");
    assert_eq!(drifts(&backend).await, [""; 0]);
}
