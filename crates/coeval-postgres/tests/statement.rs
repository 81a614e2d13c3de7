//! Statements that change tables, while others hold what they need.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::time::{Duration, Instant};

use coeval_postgres::statement::{Group, transact};
use coeval_postgres::{Index, State, create_index};
use coeval_store::Error;
use common::{Bench, fresh, open_with, session};
use tokio::time::sleep;
use tokio_postgres::Client;

/// A database with a table, and somebody's session beside.
async fn shop(options: &[(&str, &str)]) -> (State, Client, String) {
    let url = fresh().await;
    let other = session(&format!("{url}?application_name=reporting")).await;
    let tables = "CREATE TABLE public.item (id int PRIMARY KEY, name text); CREATE TABLE public.purchase (id int);
                  INSERT INTO public.item SELECT n, 'n' || n FROM generate_series(1, 100) n";
    other.batch_execute(tables).await.unwrap();
    (State::new(open_with(&url, options).unwrap(), "shop"), other, url)
}

fn adding_a_column() -> [String; 2] {
    ["LOCK TABLE ONLY public.item IN ACCESS EXCLUSIVE MODE".to_owned(), "ALTER TABLE public.item ADD COLUMN price int".to_owned()]
}

fn group(statements: &[String]) -> Group<'_> {
    Group { what: "adding a column to item", statements, raw: false }
}

async fn count(client: &Client, sql: &str) -> i64 {
    client.query_one(sql, &[]).await.unwrap().get(0)
}

async fn has_price(client: &Client) -> bool {
    count(client, "SELECT count(*) FROM pg_attribute WHERE attrelid = 'public.item'::regclass AND attname = 'price'").await == 1
}

/// Waits until something is so.
async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let begin = Instant::now();
    while !is_so().await {
        assert!(begin.elapsed() < Duration::from_secs(60), "{what} never came about");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_somebody_holds_for_a_while_is_waited_for_and_its_holder_named() {
    let (state, other, url) = shop(&[]).await;
    let pid: i32 = other.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    other.batch_execute("BEGIN; SELECT count(*) FROM public.item").await.unwrap();
    let bench = Bench::new();
    let (statements, work) = (adding_a_column(), bench.work(None));
    let group = group(&statements);
    let reader = session(&url).await;
    let told = format!("item is locked by session {pid} (reporting, user coeval, idle in transaction for ");
    let letting_go = async {
        // Readers go on while the lock is asked for again and again: each wait is over long before the holder lets go.
        let mut reads = 0;
        until("the holder's name", async || {
            reader.query("SELECT count(*) FROM public.item", &[]).await.unwrap();
            reads += 1;
            reads >= 20 && bench.told.retries().iter().filter(|retry| retry.contains(&told)).count() >= 2
        })
        .await;
        assert!(!has_price(&reader).await);
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (done, ()) = futures::join!(transact(&state, &group, &work), letting_go);
    done.unwrap();
    assert!(has_price(&reader).await);
    for retry in bench.told.retries() {
        // Where the machine is busy, an attempt may be over before anybody looked.
        let unseen = retry.contains("nobody was seen to hold it");
        assert!(unseen || retry.contains(&told) && retry.contains("SELECT count(*) FROM public.item"), "{retry}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_that_is_never_let_go_is_given_up_and_its_holder_named() {
    // On a busy machine an attempt may be over before anybody looked, so that there are several.
    let (state, other, url) = shop(&[("lock_patience", "6")]).await;
    let pid: i32 = other.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    other.batch_execute("BEGIN; UPDATE public.item SET name = 'x' WHERE id = 1").await.unwrap();
    let bench = Bench::new();
    let statements = adding_a_column();
    let error = transact(&state, &group(&statements), &bench.work(None)).await.unwrap_err();
    let Error::Failed { what, reason, help } = error else { panic!("{error:?}") };
    assert_eq!(what, "adding a column to item");
    assert!(reason.contains("gave up after") && reason.contains(&format!("session {pid} (reporting")), "{reason}");
    assert!(help.unwrap().contains(&format!("pg_terminate_backend({pid})")));
    assert!(!has_price(&session(&url).await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deadlock_ends_in_another_attempt() {
    // The server looks for deadlocks before the wait is over, which it should not; the other one does not look.
    let (_, other, url) = shop(&[]).await;
    let hasty = format!("{url}?options=-c%20deadlock_timeout=100ms");
    let state = State::new(open_with(&hasty, &[("lock_timeout", "5")]).unwrap(), "shop");
    let bench = Bench::new();
    // Both wait for each other for certain: the second lock is asked for when the other one waits for the first.
    let waits = "DO $$ BEGIN WHILE NOT EXISTS (SELECT FROM pg_catalog.pg_locks
                     WHERE relation = 'public.item'::regclass AND NOT granted AND pid <> pg_catalog.pg_backend_pid())
                 AND EXISTS (SELECT FROM pg_catalog.pg_locks WHERE relation = 'public.purchase'::regclass)
                 LOOP PERFORM pg_catalog.pg_sleep(0.01); END LOOP; END $$";
    let statements = [
        "LOCK TABLE public.item IN ACCESS EXCLUSIVE MODE".to_owned(),
        waits.to_owned(),
        "LOCK TABLE public.purchase IN ACCESS EXCLUSIVE MODE".to_owned(),
        "ALTER TABLE public.item ADD COLUMN price int".to_owned(),
    ];
    other.batch_execute("SET deadlock_timeout = '1min'; BEGIN; LOCK TABLE public.purchase").await.unwrap();
    let crossing = async {
        let held =
            "SELECT count(*) FROM pg_locks WHERE relation = 'public.item'::regclass AND granted AND mode = 'AccessExclusiveLock'";
        until("the first lock", async || count(&other, held).await == 1).await;
        other.batch_execute("LOCK TABLE public.item; COMMIT").await.unwrap();
    };
    let (group, work) = (group(&statements), bench.work(None));
    let (done, ()) = futures::join!(transact(&state, &group, &work), crossing);
    done.unwrap();
    let retries = bench.told.retries();
    assert!(retries.iter().any(|retry| retry.contains("deadlock detected (40P01)")), "{retries:?}");
    assert!(has_price(&session(&url).await).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_refuses_is_said_with_the_statement_and_undone() {
    let (state, other, _) = shop(&[]).await;
    let bench = Bench::new();
    let statements =
        ["ALTER TABLE public.item ADD COLUMN price int".to_owned(), "ALTER TABLE public.item ADD COLUMN name int".to_owned()];
    let error = transact(&state, &group(&statements), &bench.work(None)).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("column \"name\" of relation \"item\" already exists (42701)"), "{text}");
    assert!(text.contains("(`ALTER TABLE public.item ADD COLUMN name int`)"), "{text}");
    assert!(!has_price(&other).await);
    assert!(bench.told.retries().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_is_ended_when_the_work_is_to_stop() {
    let (state, _, _) = shop(&[]).await;
    let bench = Bench::new();
    // Longer than any test may take: it ends only if it is ended.
    let statements = ["SELECT pg_catalog.pg_sleep(3600)".to_owned()];
    let stopping = async {
        sleep(Duration::from_millis(300)).await;
        bench.stop.stop();
    };
    let (group, work) = (group(&statements), bench.work(None));
    let (outcome, ()) = futures::join!(transact(&state, &group, &work), stopping);
    assert!(matches!(outcome, Err(Error::Stopped)), "{outcome:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_of_a_transaction_end_with_it() {
    let (state, _, _) = shop(&[("connections", "1")]).await;
    let bench = Bench::new();
    let settings =
        "DO $$ BEGIN IF current_setting('lock_timeout') <> '200ms' OR current_setting('search_path') NOT LIKE 'pg_catalog%'
                    THEN RAISE 'not set'; END IF; END $$";
    transact(&state, &group(&[settings.to_owned()]), &bench.work(None)).await.unwrap();
    // The same connection, afterwards.
    let path =
        "DO $$ BEGIN IF current_setting('search_path') LIKE 'pg_catalog%' THEN RAISE 'still set'; END IF; END $$".to_owned();
    let own = Group { what: "looking", statements: &[path], raw: true };
    transact(&state, &own, &bench.work(None)).await.unwrap();
}

const BY_NAME: Index<'static> = Index {
    what: "indexing item by name",
    schema: "public",
    name: "item_name",
    statement: "CREATE UNIQUE INDEX CONCURRENTLY item_name ON public.item (name)",
};

async fn indexes(client: &Client, valid: bool) -> i64 {
    let sql =
        format!("SELECT count(*) FROM pg_index WHERE indexrelid = to_regclass('public.item_name') AND indisvalid = {valid}");
    count(client, &sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_made_once() {
    let (state, other, _) = shop(&[]).await;
    let bench = Bench::new();
    create_index(&state, &BY_NAME, &bench.work(None)).await.unwrap();
    create_index(&state, &BY_NAME, &bench.work(None)).await.unwrap();
    assert_eq!(indexes(&other, true).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_cannot_be_made_leaves_nothing_behind() {
    let (state, other, _) = shop(&[]).await;
    other.batch_execute("UPDATE public.item SET name = 'n1' WHERE id = 2").await.unwrap();
    let bench = Bench::new();
    let error = create_index(&state, &BY_NAME, &bench.work(None)).await.unwrap_err();
    assert!(error.to_string().contains("Key (name)=(n1) is duplicated"), "{error}");
    assert_eq!((indexes(&other, true).await, indexes(&other, false).await), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_index_is_replaced() {
    let (state, other, _) = shop(&[]).await;
    other.batch_execute("UPDATE public.item SET name = 'n1' WHERE id = 2").await.unwrap();
    other.batch_execute(BY_NAME.statement).await.unwrap_err();
    assert_eq!(indexes(&other, false).await, 1);
    other.batch_execute("UPDATE public.item SET name = 'n2' WHERE id = 2").await.unwrap();
    let bench = Bench::new();
    create_index(&state, &BY_NAME, &bench.work(None)).await.unwrap();
    assert_eq!((indexes(&other, true).await, indexes(&other, false).await), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_that_waits_for_a_transaction_says_for_whom_and_gives_up() {
    let (state, other, url) = shop(&[("lock_patience", "1.5")]).await;
    let pid: i32 = other.query_one("SELECT pg_backend_pid()", &[]).await.unwrap().get(0);
    other.batch_execute("BEGIN; UPDATE public.item SET name = 'x' WHERE id = 1").await.unwrap();
    let bench = Bench::new();
    let outcome = tokio::time::timeout(Duration::from_secs(30), create_index(&state, &BY_NAME, &bench.work(None))).await;
    let error = outcome.unwrap().unwrap_err();
    let named = format!("session {pid} (reporting");
    assert!(error.to_string().contains(&named) && error.to_string().contains("gave up"), "{error}");
    assert!(bench.told.retries().iter().all(|retry| retry.contains(&named)) && !bench.told.retries().is_empty());
    other.batch_execute("COMMIT").await.unwrap();
    // Whoever kept it from being made kept it from being removed; that was said, and the next attempt finds it.
    let Error::Failed { help, .. } = error else { panic!("{error:?}") };
    assert!(help.unwrap().contains("The invalid index `item_name` is still there"));
    create_index(&state, &BY_NAME, &bench.work(None)).await.unwrap();
    let look = session(&url).await;
    assert_eq!((indexes(&look, true).await, indexes(&look, false).await), (1, 0));
}
