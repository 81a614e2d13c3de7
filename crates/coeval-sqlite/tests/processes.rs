//! Other programs that use the same file at the same time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::time::{Duration, Instant};

use coeval_sqlite::{Absent, ForeignKeys, How, Session};
use coeval_store::event::Event;
use coeval_store::{Error, Result};

use common::*;

fn how(observer: &Told) -> How<'_> {
    How { doing: "adding a row".to_owned(), absent: Absent::Create, foreign_keys: ForeignKeys::Enforced, observer }
}

fn add(session: &Session<'_>) -> Result<usize> {
    session.run("INSERT INTO t VALUES (1)", [])
}

fn is_retry(event: &Event) -> bool {
    matches!(event, Event::Retry { what, reason, .. }
        if what.starts_with("adding a row in ") && reason == "another program is writing to it")
}

/// In every journal mode, and whether the journal is yet to be switched or not.
const MODES: [(&str, &str); 3] = [("delete", "keep"), ("delete", "wal"), ("wal", "wal")];

#[tokio::test]
async fn a_writer_that_ends_is_waited_for() {
    for (mode, journal) in MODES {
        let (_folder, path) = fresh();
        let mut outside = Outside::open(&path);
        outside.run(&format!("PRAGMA journal_mode = {mode}"));
        assert_eq!(outside.run("CREATE TABLE t (x)"), "[]");
        assert_eq!((outside.run("BEGIN IMMEDIATE"), outside.run("INSERT INTO t VALUES (0)")), ("[]".into(), "[]".into()));
        outside.tell("__import__('time').sleep(1.2), run('COMMIT')");
        let (told, begin) = (Told::default(), Instant::now());
        let database = database(&path, &[("journal", journal)]);
        assert_eq!(database.transaction(&how(&told), add).await.unwrap(), 1);
        assert!(begin.elapsed() > Duration::from_secs(1), "it was waited for");
        assert_eq!(outside.answer(), "(None, [])");
        assert_eq!(outside.run("SELECT count(*) FROM t"), "[(2,)]");
        let told = told.0.into_inner().unwrap();
        assert!(!told.is_empty() && told.iter().all(is_retry), "{told:?}");
    }
}

#[tokio::test]
async fn a_writer_that_never_ends_is_not_waited_for_longer_than_said() {
    for (mode, journal) in MODES {
        let (folder, path) = fresh();
        let mut outside = Outside::open(&path);
        outside.run(&format!("PRAGMA journal_mode = {mode}"));
        assert_eq!((outside.run("CREATE TABLE t (x)"), outside.run("BEGIN IMMEDIATE")), ("[]".into(), "[]".into()));
        let (told, begin) = (Told::default(), Instant::now());
        let database = database(&path, &[("journal", journal), ("busy_timeout", "1.5")]);
        let error = database.transaction(&how(&told), add).await.unwrap_err();
        let waited = begin.elapsed();
        assert!(waited >= Duration::from_millis(1500), "{waited:?}");
        assert!(matches!(error, Error::Transient { ambiguous: false, .. }), "{error:?}");
        let said = said(folder.path(), &error);
        // How long it is on a busy machine, nobody knows; it is what was waited, and not the time of an attempt.
        let held = said.strip_prefix("adding a row in DIR/shop.db: another program has held its write lock for ");
        let held = held.and_then(|held| held.strip_suffix(" s; let that one end, or wait longer with the option `busy_timeout`"));
        assert!(held.is_some_and(|held| held.parse::<f64>().unwrap() >= 1.5), "{said}");
        let told = told.0.into_inner().unwrap();
        assert!(told.len() >= 2 && told.iter().all(is_retry), "{told:?}");
        // And then it goes on as if nothing had been.
        assert_eq!(outside.run("ROLLBACK"), "[]");
        assert_eq!(database.transaction(&how(&Told::default()), add).await.unwrap(), 1);
    }
}

/// Without a write-ahead log a reader keeps the end of a transaction waiting.
#[tokio::test]
async fn a_reader_that_never_ends_is_not_waited_for_longer_than_said() {
    let (folder, path) = fresh();
    let mut outside = Outside::open(&path);
    assert_eq!((outside.run("CREATE TABLE t (x)"), outside.run("BEGIN")), ("[]".into(), "[]".into()));
    assert_eq!(outside.run("SELECT count(*) FROM t"), "[(0,)]");
    let database = database(&path, &[("journal", "keep"), ("busy_timeout", "1")]);
    let error = database.transaction(&how(&Told::default()), add).await.unwrap_err();
    let expected = "adding a row in DIR/shop.db: another program has been reading it for 1.0 s; let that one end, or wait longer with the option `busy_timeout`";
    assert_eq!(said(folder.path(), &error), expected);
    assert_eq!(outside.run("COMMIT"), "[]");
    assert_eq!(outside.run("SELECT count(*) FROM t"), "[(0,)]", "nothing was changed");
    assert_eq!(database.transaction(&how(&Told::default()), add).await.unwrap(), 1);
}

/// With one, neither waits for the other.
#[tokio::test]
async fn readers_and_a_writer_do_not_wait_for_each_other() {
    let (_folder, path) = fresh();
    let database = database(&path, &[("busy_timeout", "0")]);
    database.transaction(&how(&Told::default()), |session| session.batch("CREATE TABLE t (x)")).await.unwrap();
    let mut outside = Outside::open(&path);
    assert_eq!((outside.run("BEGIN"), outside.run("SELECT count(*) FROM t")), ("[]".into(), "[(0,)]".into()));
    assert_eq!(database.transaction(&how(&Told::default()), add).await.unwrap(), 1);
    assert_eq!(outside.run("SELECT count(*) FROM t"), "[(0,)]", "what it sees is of one moment");
    assert_eq!((outside.run("COMMIT"), outside.run("BEGIN IMMEDIATE")), ("[]".into(), "[]".into()));
    assert_eq!(outside.run("INSERT INTO t VALUES (2)"), "[]");
    let count = |session: &Session<'_>| session.row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0));
    assert_eq!(database.read("counting", count).await.unwrap(), Some(Some(1)));
}

/// Several of our own and several outside count together: no increment is lost, and none is refused.
#[tokio::test(flavor = "multi_thread")]
async fn many_that_write_at_once_lose_nothing() {
    const EACH: usize = 60;
    let (_folder, path) = fresh();
    let one = database(&path, &[]);
    let make = "CREATE TABLE t (x); INSERT INTO t VALUES (0)";
    one.transaction(&how(&Told::default()), move |session| session.batch(make)).await.unwrap();
    let mut outside: Vec<Outside> = (0..2).map(|_| Outside::open(&path)).collect();
    for client in &mut outside {
        client.tell(&format!("len([run('UPDATE t SET x = x + 1') for _ in range({EACH})])"));
    }
    let tasks = (0..4).map(|n| {
        // Two share one database object, two have their own.
        let database = if n < 2 { one.clone() } else { database(&path, &[]) };
        async move {
            for _ in 0..EACH {
                let add = |session: &Session<'_>| {
                    let x = session.row("SELECT x FROM t", [], |row| row.get::<_, i64>(0))?;
                    session.run("UPDATE t SET x = ?1", [x.unwrap_or_default() + 1])
                };
                database.transaction(&how(&Told::default()), add).await.unwrap();
            }
        }
    });
    futures::future::join_all(tasks).await;
    for client in &mut outside {
        assert_eq!(client.answer(), EACH.to_string());
    }
    assert_eq!(outside[0].run("SELECT x FROM t"), format!("[({},)]", EACH * 6));
}
