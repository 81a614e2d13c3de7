//! The ledger and the lock, where others are about.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::time::Duration;

use coeval_postgres::statement::{Group, transact};
use coeval_store::Error;
use coeval_store::ledger::{Entry, Happened, Ledger};
use common::{Bench, fresh, holder, session, state};

fn entry(number: u64, source: &str) -> Entry {
    let happened = Happened::Adopted { version: 1, models: Vec::new(), source: source.to_owned(), versions: Vec::new() };
    Entry { number, at: "2026-11-21T10:00:00Z".to_owned(), by: "test".to_owned(), happened }
}

async fn read(state: &coeval_postgres::State) -> coeval_store::Result<Vec<Entry>> {
    Ok(state.ledger(&Ledger::default()).await?.entries().to_vec())
}

#[tokio::test]
async fn nothing_is_made_before_the_first_write() {
    let url = fresh().await;
    let shop = state(&url, "shop");
    shop.probe().await.unwrap();
    assert_eq!(read(&shop).await.unwrap(), []);
    assert_eq!(shop.holder().await.unwrap(), None);
    shop.tidy("run").await.unwrap();
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname = 'coeval'";
    assert_eq!(session(&url).await.query_one(sql, &[]).await.unwrap().get::<_, i64>(0), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn several_that_make_the_tables_at_once_all_find_them() {
    let url = fresh().await;
    let states: Vec<_> = (0..8).map(|n| state(&url, &format!("d{n}"))).collect();
    let entries: Vec<_> = (0..8).map(|n| entry(1, &n.to_string())).collect();
    let appends = states.iter().zip(&entries).map(|(state, entry)| state.append(entry));
    for outcome in futures::future::join_all(appends).await {
        outcome.unwrap();
    }
    for (state, entry) in states.iter().zip(&entries) {
        assert_eq!(read(state).await.unwrap(), std::slice::from_ref(entry));
    }
}

#[tokio::test]
async fn deployments_share_a_database_and_nothing_in_it() {
    let url = fresh().await;
    let (shop, library) = (state(&url, "shop"), state(&url, "library"));
    shop.append(&entry(1, "a")).await.unwrap();
    library.append(&entry(1, "b")).await.unwrap();
    shop.append(&entry(2, "c")).await.unwrap();
    assert_eq!(read(&library).await.unwrap(), [entry(1, "b")]);
    let stale = Duration::from_secs(5);
    let one = shop.lock(&holder("a"), stale).await.unwrap();
    let other = library.lock(&holder("b"), stale).await.unwrap();
    one.release().await.unwrap();
    assert!(other.holds());
    assert_eq!(library.holder().await.unwrap(), Some(holder("b")));
    other.release().await.unwrap();
    // What is known already is not read again.
    let known = Ledger::new(vec![entry(1, "a")]).unwrap();
    assert_eq!(shop.ledger(&known).await.unwrap().entries(), [entry(1, "a"), entry(2, "c")]);
}

#[tokio::test]
async fn what_a_newer_release_made_is_left_alone() {
    let url = fresh().await;
    let shop = state(&url, "shop");
    shop.append(&entry(1, "a")).await.unwrap();
    let admin = session(&url).await;
    admin.batch_execute("UPDATE coeval.layout SET version = 2").await.unwrap();
    let newer = |error: Error| {
        assert!(matches!(&error, Error::Unreadable { newer: true, reason, .. } if reason.contains("layout is 2")), "{error:?}");
    };
    newer(shop.probe().await.unwrap_err());
    newer(read(&shop).await.unwrap_err());
    newer(shop.append(&entry(2, "b")).await.unwrap_err());
    newer(shop.lock(&holder("a"), Duration::from_secs(1)).await.unwrap_err());
    newer(shop.holder().await.unwrap_err());
    newer(shop.tidy("run").await.unwrap_err());
    let count = admin.query_one("SELECT count(*) FROM coeval.history", &[]).await.unwrap();
    assert_eq!(count.get::<_, i64>(0), 1);
}

#[tokio::test]
async fn an_entry_that_somebody_changed_is_not_read() {
    let url = fresh().await;
    let shop = state(&url, "shop");
    shop.append(&entry(1, "a")).await.unwrap();
    shop.append(&entry(2, "b")).await.unwrap();
    let admin = session(&url).await;
    let set = |entry: &str| format!("UPDATE coeval.history SET entry = {entry} WHERE number = 2");
    for (change, reason, newer) in [
        (set("'{\"format\": 99}'"), "its format is 99", true),
        (set("'[]'"), "does not say its format", false),
        (set("(SELECT entry FROM coeval.history WHERE number = 1)"), "it says that it is entry 1", false),
        ("UPDATE coeval.history SET number = number + 1 WHERE number = 2".to_owned(), "it says that it is entry 1", false),
        ("DELETE FROM coeval.history WHERE number = 1".to_owned(), "it says that it is entry 1", false),
    ] {
        admin.batch_execute(&change).await.unwrap();
        let error = read(&shop).await.unwrap_err();
        let Error::Unreadable { reason: said, newer: found, what } = &error else { panic!("{change}: {error:?}") };
        assert!(said.contains(reason) && *found == newer && what.contains("coeval.history"), "{change}: {error:?}");
    }
}

#[tokio::test]
async fn a_history_with_a_gap_is_not_read() {
    let url = fresh().await;
    let shop = state(&url, "shop");
    for number in 1..=3 {
        shop.append(&entry(number, "a")).await.unwrap();
    }
    session(&url).await.batch_execute("DELETE FROM coeval.history WHERE number = 2").await.unwrap();
    let error = read(&shop).await.unwrap_err();
    assert!(matches!(&error, Error::Unreadable { reason, .. } if reason == "entry 2 is missing"), "{error:?}");
}

#[tokio::test]
async fn the_search_path_of_a_role_leads_nowhere_else() {
    let url = fresh().await;
    let admin = session(&url).await;
    let decoys = "CREATE SCHEMA decoy; CREATE TABLE decoy.history (x int); CREATE TABLE decoy.layout (version text);
                  CREATE TABLE public.lock (x int)";
    admin.batch_execute(decoys).await.unwrap();
    let shop = state(&format!("{url}?options=-c%20search_path=decoy"), "shop");
    shop.append(&entry(1, "a")).await.unwrap();
    assert_eq!(read(&shop).await.unwrap(), [entry(1, "a")]);
    shop.lock(&holder("a"), Duration::from_secs(5)).await.unwrap().release().await.unwrap();
}

#[tokio::test]
async fn a_holder_that_is_alone_takes_its_own_lock_again() {
    let url = fresh().await;
    let shop = state(&url, "shop");
    let stale = Duration::from_secs(60);
    let first = shop.lock(&holder("a"), stale).await.unwrap();
    let fence = first.fence();
    drop(first);
    let again = shop.lock(&holder("a"), stale).await.unwrap();
    assert!(again.fence() > fence && again.previous().is_none());
}

#[tokio::test]
async fn a_clock_that_was_set_back_keeps_no_dead_holder_alive() {
    let url = fresh().await;
    let shop = state(&url, "shop");
    let stale = Duration::from_millis(400);
    drop(shop.lock(&holder("a"), stale).await.unwrap());
    let admin = session(&url).await;
    admin.batch_execute("UPDATE coeval.lock SET seen = clock_timestamp() + interval '1 hour'").await.unwrap();
    let refused = shop.lock(&holder("b"), stale).await;
    assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
    tokio::time::sleep(stale).await;
    let lock = shop.lock(&holder("b"), stale).await.unwrap();
    assert_eq!(lock.previous(), Some(&holder("a")));
}

#[tokio::test]
async fn a_lock_goes_on_when_its_connection_is_lost() {
    let url = fresh().await;
    let name = format!("lock-{}", uuid::Uuid::now_v7());
    let shop = state(&format!("{url}?application_name={name}"), "shop");
    let stale = Duration::from_secs(2);
    let lock = shop.lock(&holder("a"), stale).await.unwrap();
    let admin = session(&url).await;
    let kill = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = $1";
    for _ in 0..6 {
        tokio::time::sleep(stale / 4).await;
        admin.execute(kill, &[&name]).await.unwrap();
    }
    assert!(lock.holds());
    assert!(matches!(state(&url, "shop").lock(&holder("b"), stale).await, Err(Error::Locked { .. })));
    lock.release().await.unwrap();
}

#[tokio::test]
async fn what_a_holder_does_who_lost_the_lock_is_never_committed() {
    let url = fresh().await;
    let shop = state(&url, "shop");
    let admin = session(&url).await;
    admin.batch_execute("CREATE TABLE item (id int)").await.unwrap();
    let stale = Duration::from_secs(60);
    let lock = shop.lock(&holder("a"), stale).await.unwrap();
    let bench = Bench::new();
    let statements = ["ALTER TABLE public.item ADD COLUMN name text".to_owned()];
    let group = Group { what: "adding a column", statements: &statements, raw: false };
    // Somebody took it over, and the holder has not noticed.
    admin.batch_execute("UPDATE coeval.lock SET fence = fence + 1").await.unwrap();
    assert!(lock.holds());
    let refused = transact(&shop, &group, &bench.work(Some(&*lock))).await;
    assert!(matches!(refused, Err(Error::LockLost { .. })), "{refused:?}");
    let columns = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'item'::regclass AND attnum > 0";
    assert_eq!(admin.query_one(columns, &[]).await.unwrap().get::<_, i64>(0), 1);
    assert!(matches!(lock.release().await, Err(Error::LockLost { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_is_not_taken_over_while_a_transaction_holds_on_to_it() {
    let url = fresh().await;
    let shop = state(&url, "shop");
    let stale = Duration::from_millis(800);
    let lock = shop.lock(&holder("a"), stale).await.unwrap();
    let bench = Bench::new();
    let statements = ["SELECT pg_catalog.pg_sleep(3)".to_owned()];
    let group = Group { what: "sleeping", statements: &statements, raw: false };
    let work = bench.work(Some(&*lock));
    let sleeping = transact(&shop, &group, &work);
    let other = state(&url, "shop");
    let taking = async {
        tokio::time::sleep(stale).await;
        // The holder is taken for dead, though its transaction goes on.
        let admin = session(&url).await;
        admin.batch_execute("UPDATE coeval.lock SET seen = seen - interval '1 hour'").await.unwrap();
        other.lock(&holder("b"), Duration::from_millis(100)).await.map(|_| ())
    };
    let (slept, taken) = futures::join!(sleeping, taking);
    slept.unwrap();
    assert!(matches!(taken, Err(Error::Locked { .. })), "{taken:?}");
    assert!(lock.holds(), "renewing it waited for the transaction");
    lock.release().await.unwrap();
}
