//! Addresses, options, and files that are no databases: what opens, and what a person reads of the rest.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use coeval_sqlite::{Absent, ForeignKeys, How, open};
use coeval_store::event::Unobserved;
use coeval_store::{Backend as _, Error, Result};

use common::*;

fn how() -> How<'static> {
    How { doing: "trying".to_owned(), absent: Absent::Create, foreign_keys: ForeignKeys::Enforced, observer: &Unobserved }
}

async fn write(path: &Path) -> Result<()> {
    database(path, &[]).transaction(&how(), |session| session.batch("CREATE TABLE t (x)")).await
}

#[test]
fn addresses_open() {
    let here = std::env::current_dir().unwrap();
    for (url, name) in [
        ("sqlite:shop.db", format!("sqlite:{}/shop.db", here.display())),
        ("sqlite:data/my shop%20.db", format!("sqlite:{}/data/my shop%20.db", here.display())),
        ("sqlite:/no/such/folder/x", "sqlite:/no/such/folder/x".to_owned()),
        ("sqlite:///no/such/folder/x", "sqlite:/no/such/folder/x".to_owned()),
        ("sqlite::memory:", "sqlite::memory:".to_owned()),
    ] {
        assert_eq!(open(url, &options(&[])).unwrap().name(), name);
    }
}

#[test]
fn what_makes_no_sense_is_said() {
    for (url, pairs, expected) in [
        (
            "shop.db",
            &[][..],
            "opening shop.db: it is no address of an SQLite database | Write `sqlite:PATH` for a file, or `sqlite::memory:`.",
        ),
        ("sqlite:", &[], "opening sqlite:: the path is missing | Write `sqlite:PATH` for a file, or `sqlite::memory:`."),
        (
            "sqlite://shop.db",
            &[],
            "opening sqlite://shop.db: it names another machine | Write `sqlite:PATH` for a path that starts at the current folder, `sqlite:///PATH` for an absolute one.",
        ),
        ("sqlite:shop.db?mode=ro", &[], "opening sqlite:shop.db?mode=ro: it holds `?` | Give options beside the address."),
        (
            "sqlite:x",
            &[("busy_timout", "1")],
            "opening sqlite:x: there is no option `busy_timout` | Did you mean `busy_timeout`?",
        ),
        (
            "sqlite:x",
            &[("region", "1")],
            "opening sqlite:x: there is no option `region` | The options of `sqlite:` are busy_timeout, journal.",
        ),
        (
            "sqlite:x",
            &[("busy_timeout", "-1")],
            "opening sqlite:x: the option `busy_timeout` is no number of seconds between 0 and 86400",
        ),
        (
            "sqlite:x",
            &[("busy_timeout", "NaN")],
            "opening sqlite:x: the option `busy_timeout` is no number of seconds between 0 and 86400",
        ),
        ("sqlite:x", &[("journal", "delete")], "opening sqlite:x: the option `journal` is neither `wal` nor `keep`"),
    ] {
        let error = open(url, &options(pairs)).unwrap_err();
        assert_eq!(said(Path::new("/no"), &error), expected);
    }
}

#[tokio::test]
async fn reading_makes_no_file() {
    let (folder, path) = fresh();
    let store = store(&path, &[]);
    assert!(store.ledger().await.unwrap().entries().is_empty());
    assert_eq!(store.holder().await.unwrap(), None);
    store.tidy("run").await.unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    let refused = How { absent: Absent::Refuse, ..how() };
    let error = store.transaction(&refused, None, |_| Ok(())).await.unwrap_err();
    assert_eq!(said(folder.path(), &error), "opening DIR/shop.db: there is no such file | `coeval migrate` makes it.");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn reading_changes_no_byte_of_somebody_elses_database() {
    let (_folder, path) = fresh();
    assert_eq!(Outside::open(&path).run("CREATE TABLE t (x)"), "[]");
    let before = fs::read(&path).unwrap();
    let store = store(&path, &[]);
    assert!(store.ledger().await.unwrap().entries().is_empty());
    assert_eq!(store.holder().await.unwrap(), None);
    drop(store);
    assert!(fs::read(&path).unwrap() == before);
}

#[tokio::test]
async fn the_first_write_makes_the_file_and_brings_the_journal() {
    for (pairs, mode) in [(&[][..], "[('wal',)]"), (&[("journal", "keep")], "[('delete',)]")] {
        let (_folder, path) = fresh();
        let store = store(&path, pairs);
        store.probe().await.unwrap();
        let mut outside = Outside::open(&path);
        assert_eq!(outside.run("PRAGMA journal_mode"), mode);
        assert_eq!(outside.run("SELECT count(*) FROM sqlite_schema"), "[(0,)]", "probing leaves nothing behind");
    }
}

#[tokio::test]
async fn a_database_in_memory_is_shared_by_clones_and_by_nobody_else() {
    let one = open("sqlite::memory:", &options(&[])).unwrap();
    one.transaction(&how(), |session| session.batch("CREATE TABLE t (x); INSERT INTO t VALUES (7)")).await.unwrap();
    let found = one.clone().read("reading", |session| session.row("SELECT x FROM t", [], |row| row.get::<_, i64>(0))).await;
    assert_eq!(found.unwrap(), Some(Some(7)));
    let other = open("sqlite::memory:", &options(&[])).unwrap();
    assert!(other.read("reading", |session| session.batch("SELECT x FROM t")).await.is_err());
}

/// A group that panics is undone, and the connection is not lost, with which a database in memory would be.
#[tokio::test]
async fn a_panic_within_a_group_undoes_it() {
    let (_folder, path) = fresh();
    for database in [open("sqlite::memory:", &options(&[])).unwrap(), database(&path, &[])] {
        database.transaction(&how(), |session| session.batch("CREATE TABLE t (x)")).await.unwrap();
        let checked = How { foreign_keys: ForeignKeys::Checked(Vec::new()), ..how() };
        let act = |session: &coeval_sqlite::Session<'_>| -> Result<()> {
            session.batch("INSERT INTO t VALUES (1)")?;
            panic!("as the test wants");
        };
        assert!(database.transaction(&checked, act).await.is_err());
        let read = |session: &coeval_sqlite::Session<'_>| {
            let keys = session.row("PRAGMA foreign_keys", [], |row| row.get::<_, i64>(0))?;
            Ok((session.row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0))?, keys))
        };
        assert_eq!(database.transaction(&how(), read).await.unwrap(), (Some(0), Some(1)));
    }
}

#[tokio::test]
async fn what_is_no_database_is_said() {
    let (folder, path) = fresh();
    let at = |name: &str| folder.path().join(name);
    fs::write(
        at("text.txt"),
        "This is no database, and long enough to be taken for one if nobody looks at its first bytes. ".repeat(9),
    )
    .unwrap();
    fs::create_dir(at("folder")).unwrap();
    let wrong_file = "it is no SQLite database | Give the path of an SQLite database, or one where no file is yet.";
    for (name, expected) in [
        ("text.txt", format!("DIR/text.txt: {wrong_file}")),
        ("folder", "DIR/folder: it is a folder | Give the path of a file in it: `sqlite:FOLDER/NAME.db`.".to_owned()),
        ("no/such/x.db", "DIR/no/such/x.db: there is no folder DIR/no/such | Make it: `mkdir -p DIR/no/such`.".to_owned()),
        ("text.txt/x.db", "DIR/text.txt/x.db: a file lies where a folder should be".to_owned()),
    ] {
        for error in [store(&at(name), &[]).ledger().await.unwrap_err(), write(&at(name)).await.unwrap_err()] {
            let said = said(folder.path(), &error);
            assert!(said.ends_with(&expected), "{said}");
            assert!(!matches!(error, Error::Transient { .. }), "{error:?}");
        }
    }
    // Nothing was made beside them.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    // A file without a byte is a database without a table.
    fs::write(&path, "").unwrap();
    assert!(store(&path, &[]).ledger().await.unwrap().entries().is_empty());
    write(&path).await.unwrap();
}

#[tokio::test]
async fn a_damaged_database_is_said() {
    let (folder, path) = fresh();
    let database = database(&path, &[("journal", "keep")]);
    let fill = "CREATE TABLE t (x); WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                INSERT INTO t SELECT hex(randomblob(40)) FROM n";
    database.transaction(&how(), move |session| session.batch(fill)).await.unwrap();
    drop(database);
    let mut bytes = fs::read(&path).unwrap();
    let end = bytes.len();
    bytes[4096..end].fill(0x5a);
    fs::write(&path, bytes).unwrap();
    let database = common::database(&path, &[]);
    let error = database.read("counting", |session| session.row("SELECT sum(x) FROM t", [], |_| Ok(()))).await.unwrap_err();
    let said = said(folder.path(), &error);
    assert!(said.starts_with("counting in DIR/shop.db: the database is damaged: "), "{said}");
    assert!(said.ends_with(" | Bring it back from a backup, or save what can be read with `sqlite3 FILE .recover`."), "{said}");
}

/// A file that another one took the place of is opened anew.
#[tokio::test]
async fn a_file_that_was_replaced_is_opened_anew() {
    let (folder, path) = fresh();
    let database = database(&path, &[]);
    let make = "CREATE TABLE t (x); INSERT INTO t VALUES (1)";
    database.transaction(&how(), move |session| session.batch(make)).await.unwrap();
    let other = folder.path().join("other.db");
    let mut outside = Outside::open(&other);
    assert_eq!((outside.run("CREATE TABLE t (x)"), outside.run("INSERT INTO t VALUES (2)")), ("[]".to_owned(), "[]".to_owned()));
    drop(outside);
    let read = |session: &coeval_sqlite::Session<'_>| session.row("SELECT x FROM t", [], |row| row.get::<_, i64>(0));
    assert_eq!(database.read("reading", read).await.unwrap(), Some(Some(1)));
    for beside in ["-wal", "-shm"] {
        fs::remove_file(format!("{}{beside}", path.display())).unwrap();
    }
    fs::rename(&other, &path).unwrap();
    assert_eq!(database.read("reading", read).await.unwrap(), Some(Some(2)));
    fs::remove_file(&path).unwrap();
    assert_eq!(database.read("reading", read).await.unwrap(), None);
}

/// Runs one test of this program in another process, with a shell around it that `prepare`s what surrounds it.
fn within(prepare: &str, test: &str, folder: &Path) {
    let script = format!("{prepare}\nexec \"$0\" --exact \"$1\" --nocapture");
    let mut shell = Command::new("unshare");
    shell.args(["--mount", "--map-root-user", "sh", "-ec", &script]).arg(std::env::current_exe().unwrap()).arg(test);
    let output: Output = shell
        .env("COEVAL_TEST_FOLDER", folder)
        .output()
        .expect("`unshare` makes a file system for the test; it is part of util-linux");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
}

/// Returns the folder if this process is the inner one.
fn inner() -> Option<std::path::PathBuf> {
    std::env::var_os("COEVAL_TEST_FOLDER").map(Into::into)
}

const PERMISSION: &str =
    "The database and its folder must be writable: SQLite makes files beside it, also to read what others write.";

/// On a read-only file system a database can be read, and not written.
#[tokio::test]
async fn a_read_only_file_system() {
    let Some(folder) = inner() else {
        let folder = tempfile::tempdir().unwrap();
        for (name, journal) in [("plain.db", "keep"), ("wal.db", "wal")] {
            store(&folder.path().join(name), &[("journal", journal)])
                .lock(&holder("a"), std::time::Duration::from_secs(9))
                .await
                .unwrap();
        }
        let mount =
            "mount --bind \"$COEVAL_TEST_FOLDER\" \"$COEVAL_TEST_FOLDER\"; mount -o remount,bind,ro \"$COEVAL_TEST_FOLDER\"";
        return within(mount, "a_read_only_file_system", folder.path());
    };
    for name in ["plain.db", "wal.db"] {
        let store = store(&folder.join(name), &[]);
        assert_eq!(store.holder().await.unwrap(), Some(holder("a")));
        let error = store.probe().await.unwrap_err();
        assert_eq!(said(&folder, &error), format!("trying to write in DIR/{name}: it is read-only | {PERMISSION}"));
    }
    let opened = "its file, or one that SQLite keeps beside it, cannot be opened";
    let error = store(&folder.join("new.db"), &[]).probe().await.unwrap_err();
    assert_eq!(said(&folder, &error), format!("opening DIR/new.db: {opened} | {PERMISSION}"));
}

#[tokio::test]
async fn no_permission() {
    let Some(folder) = inner() else {
        let (folder, path) = fresh();
        write(&path).await.unwrap();
        let prepare = "chmod 444 \"$COEVAL_TEST_FOLDER\"/shop.db\nset -- \"$1\"\nexec setpriv --bounding-set=-all --inh-caps=-all \
                       --reuid=0 --no-new-privs \"$0\" --exact \"$1\" --nocapture";
        return within(prepare, "no_permission", folder.path());
    };
    let error = store(&folder.join("shop.db"), &[]).probe().await.unwrap_err();
    assert_eq!(said(&folder, &error), format!("trying to write in DIR/shop.db: it is read-only | {PERMISSION}"));
}

/// On a file system of 256 kB in memory: what does not fit says so, and nothing is changed.
#[tokio::test]
async fn a_full_disk() {
    let Some(folder) = inner() else {
        let folder = tempfile::tempdir().unwrap();
        return within("mount -t tmpfs -o size=256k tmpfs \"$COEVAL_TEST_FOLDER\"", "a_full_disk", folder.path());
    };
    let database = database(&folder.join("shop.db"), &[]);
    database.transaction(&how(), |session| session.batch("CREATE TABLE t (x)")).await.unwrap();
    let fill = "INSERT INTO t VALUES (zeroblob(1000000))";
    let error = database.transaction(&how(), move |session| session.batch(fill)).await.unwrap_err();
    let expected = "trying in DIR/shop.db: the disk is full | Make room and run it again: the database is as it was.";
    assert_eq!(said(&folder, &error), expected);
    let count = |session: &coeval_sqlite::Session<'_>| session.row("SELECT count(*) FROM t", [], |row| row.get::<_, i64>(0));
    assert_eq!(database.read("counting", count).await.unwrap(), Some(Some(0)));
}

fn holder(id: &str) -> coeval_store::lock::Holder {
    coeval_store::lock::Holder { id: id.to_owned(), name: id.to_owned(), purpose: "test".to_owned(), since: String::new() }
}
