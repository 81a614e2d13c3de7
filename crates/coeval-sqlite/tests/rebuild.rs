//! Tables that are replaced: what stays as it was, letter for letter, and what is refused.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;
use std::sync::Arc;

use coeval_core::history::History;
use coeval_core::json;
use coeval_core::op::{Context, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_sqlite::catalog::{self, Text, quote};
use coeval_sqlite::rebuild::{Fill, rebuild};
use coeval_sqlite::{Absent, Database, ForeignKeys, How, Session, Sqlite};
use coeval_store::event::Unobserved;
use coeval_store::ledger::{Action, Entry, Happened, Started, VersionId};
use coeval_store::lock::Holder;
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};
use coeval_store::{Backend as _, Catalog, Era, Error, ModelEntry, Result, Step};

use common::*;

/// A database with everything that could be lost, written by another program.
const SHOP: &str = r#"
CREATE TABLE Maker (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE item ( -- as its author wrote it
  id INTEGER PRIMARY KEY AUTOINCREMENT, [Odd "Name"] TEXT NOT NULL COLLATE nocase, price REAL DEFAULT 1.5 CHECK (price >= 0),
  parent INT REFERENCES item(id) ON DELETE CASCADE, maker TEXT REFERENCES Maker(name) ON UPDATE CASCADE,
  cents INT AS (CAST(price * 100 AS INT)) STORED, UNIQUE (maker, [Odd "Name"]) ON CONFLICT REPLACE
);
CREATE INDEX item_price ON item(price) WHERE price > 1;
CREATE UNIQUE INDEX "item ""odd""" ON item(lower([Odd "Name"]), id DESC);
CREATE TABLE note (item INT NOT NULL REFERENCES ITEM ON DELETE CASCADE, text);
CREATE TABLE plain (a, b DEFAULT 'x''y');
CREATE TABLE pair (a TEXT, b TEXT, n INT, PRIMARY KEY (b, a)) WITHOUT ROWID;
CREATE TABLE log (what);
CREATE VIEW dear AS SELECT id, [Odd "Name"] AS name, price FROM item WHERE price > 10;
CREATE VIEW dearest AS SELECT * FROM dear ORDER BY price DESC LIMIT 1;
CREATE TRIGGER item_log AFTER INSERT ON item BEGIN INSERT INTO log VALUES ('item ' || new.id); END;
CREATE TRIGGER second AFTER INSERT ON item BEGIN INSERT INTO log VALUES ('second'); END;
CREATE TRIGGER note_log AFTER INSERT ON note BEGIN UPDATE item SET price = price + 1 WHERE id = new.item; END;
CREATE TRIGGER dear_add INSTEAD OF INSERT ON dear BEGIN INSERT INTO item ([Odd "Name"], price) VALUES (new.name, new.price); END;
CREATE VIRTUAL TABLE words USING fts5(text, content='note');
INSERT INTO Maker VALUES (1, 'a'), (2, 'b');
INSERT INTO item ([Odd "Name"], price, parent, maker) VALUES ('one', 1, NULL, 'a'), ('two', 20.25, 1, 'b'), ('three', 3, 2, NULL), ('gone', 4, 1, 'a');
DELETE FROM item WHERE [Odd "Name"] = 'gone';
INSERT INTO note VALUES (1, 'n'), (2, 'm');
INSERT INTO plain (rowid, a) VALUES (7, 1), (3, 'x'), (-2, x'00ff'), (9223372036854775807, NULL);
INSERT INTO pair VALUES ('a', 'b', 1), ('b', 'a', 2);
ANALYZE;
"#;

fn how(tables: &[&str]) -> How<'static> {
    let tables = tables.iter().map(|table| (*table).to_owned()).collect();
    How { doing: "trying".to_owned(), absent: Absent::Create, foreign_keys: ForeignKeys::Checked(tables), observer: &Unobserved }
}

fn shop(path: &Path) -> Database {
    let mut outside = Outside::open(path);
    outside.tell(&format!("db.executescript({SHOP:?}) and None"));
    assert_eq!(outside.answer(), "None");
    database(path, &[])
}

/// All of it: the schema's texts, and each row of each table with its rowid.
type Everything = (Vec<Text>, Vec<(String, Vec<String>)>);

fn everything(session: &Session<'_>) -> Result<Everything> {
    let texts = catalog::texts(session)?;
    let mut rows = Vec::new();
    for text in texts.iter().filter(|text| text.kind == "table") {
        let without_rowid = catalog::table(session, &text.name)?.unwrap().without_rowid;
        let of = |columns: &str| format!("SELECT {columns} FROM {} ORDER BY 1", quote(&text.name));
        let sql = if without_rowid { of("*") } else { of("rowid, *") };
        let row = |row: &rusqlite::Row<'_>| {
            (0..row.as_ref().column_count())
                .map(|n| Ok(format!("{:?}", row.get::<_, rusqlite::types::Value>(n)?)))
                .collect::<rusqlite::Result<Vec<_>>>()
        };
        let mut all: Vec<String> = session.rows(&sql, [], row)?.into_iter().map(|row| row.join(" ")).collect();
        if text.name.starts_with("sqlite_") {
            // SQLite's own rows change their places.
            all = all.into_iter().map(|row| row.split_once(' ').unwrap_or_default().1.to_owned()).collect();
            all.sort();
        }
        rows.push((text.name.clone(), all));
    }
    Ok((texts, rows))
}

fn same(columns: &[&str]) -> Vec<Fill> {
    columns.iter().map(|column| Fill { column: (*column).to_owned(), from: quote(column) }).collect()
}

const ITEM: [&str; 5] = ["id", "Odd \"Name\"", "price", "parent", "maker"];

fn text_of(session: &Session<'_>, table: &str) -> Result<String> {
    Ok(catalog::table(session, table)?.unwrap().sql)
}

/// A table that is replaced by itself is as it was, with all that belongs to it.
#[tokio::test]
async fn a_table_that_is_replaced_by_itself_is_as_it_was() {
    for (name, columns, rows) in [
        ("item", &ITEM[..], 3),
        ("ITEM", &ITEM, 3),
        ("Maker", &["id", "name"], 2),
        ("note", &["item", "text"], 2),
        ("plain", &["a", "b"], 4),
        ("pair", &["a", "b", "n"], 2),
        ("log", &["what"], 8),
    ] {
        let (_folder, path) = fresh();
        let database = shop(&path);
        let before = database.read("reading", everything).await.unwrap().unwrap();
        let fill = same(columns);
        let act = move |session: &Session<'_>| rebuild(session, name, &text_of(session, name)?, &fill);
        assert_eq!(database.transaction(&how(&[name]), act).await.unwrap(), rows, "{name}");
        let after = database.read("reading", everything).await.unwrap().unwrap();
        assert_eq!(after, before, "{name}");
        let mut outside = Outside::open(&path);
        assert_eq!(outside.run("PRAGMA integrity_check"), "[('ok',)]");
        assert_eq!(outside.run("PRAGMA foreign_key_check"), "[]");
    }
}

/// To another shape and back: the schema has the same texts, also of what another program wrote without quotes.
#[tokio::test]
async fn there_and_back_gives_the_same_schema_and_rows() {
    let (_folder, path) = fresh();
    let database = shop(&path);
    let before = database.read("reading", everything).await.unwrap().unwrap();
    let there = |session: &Session<'_>| {
        let sql = r#"CREATE TABLE "item" ("id" INTEGER PRIMARY KEY AUTOINCREMENT, "Odd ""Name""" TEXT, "price" TEXT, "parent" INT REFERENCES "item", "maker" TEXT, "stock" INT NOT NULL DEFAULT 0)"#;
        let mut fill = same(&ITEM);
        fill[2].from = "CAST(item.price AS TEXT) || ' EUR'".to_owned();
        rebuild(session, "item", sql, &fill)?;
        let price = session.row("SELECT price, stock FROM item WHERE id = 2", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
        assert_eq!(price, Some(("21.25 EUR".to_owned(), 0)));
        Ok(())
    };
    let item = before.0.iter().find(|text| text.kind == "table" && text.name == "item").unwrap().sql.clone().unwrap();
    database.transaction(&how(&["item"]), there).await.unwrap();
    let back = move |session: &Session<'_>| {
        let mut fill = same(&ITEM);
        fill[2].from = "CAST(replace(price, ' EUR', '') AS REAL)".to_owned();
        rebuild(session, "item", &item, &fill)
    };
    database.transaction(&how(&["item"]), back).await.unwrap();
    assert_eq!(database.read("reading", everything).await.unwrap().unwrap(), before);
    // And it all works as it did.
    let mut outside = Outside::open(&path);
    outside.run("PRAGMA foreign_keys = ON");
    assert_eq!(outside.run("INSERT INTO dear (name, price) VALUES ('new', 99)"), "[]");
    assert_eq!(outside.run("SELECT * FROM dearest"), "[(5, 'new', 99.0)]", "the key that was given last is not given again");
    assert_eq!(outside.run("INSERT INTO note VALUES (5, 'x')"), "[]");
    assert_eq!(outside.run("SELECT price, cents FROM item WHERE id = 5"), "[(100.0, 10000)]");
    assert_eq!(outside.run("DELETE FROM item WHERE id = 5"), "[]");
    assert_eq!(outside.run("SELECT count(*) FROM note"), "[(2,)]");
}

async fn refused(database: &Database, create: &'static str, fill: Vec<Fill>, expected: &str) {
    let before = database.read("reading", everything).await.unwrap().unwrap();
    let act = move |session: &Session<'_>| rebuild(session, "item", create, &fill);
    let error = database.transaction(&how(&["item"]), act).await.unwrap_err();
    let Error::Failed { reason, .. } = &error else { panic!("{error:?}") };
    assert_eq!(reason, expected);
    assert_eq!(database.read("reading", everything).await.unwrap().unwrap(), before, "after: {expected}");
}

#[tokio::test]
async fn what_does_not_fit_is_refused_and_nothing_changes() {
    let (_folder, path) = fresh();
    let database = shop(&path);
    let name = "Odd \"Name\"";
    for (create, columns, expected) in [
        (
            "CREATE TABLE item (id INTEGER PRIMARY KEY, x)",
            &["id"][..],
            "the index `item_price` does not fit the new table: no such column: price",
        ),
        ("CREATE TABLE other (id)", &["id"], "what was to make the table `item` did not"),
        ("CREATE VIEW item AS SELECT 1", &["id"], "what was to make the table `item` did not"),
        ("CREATE TABLE item (id", &["id"], "incomplete input"),
        (
            r#"CREATE TABLE item (id INTEGER PRIMARY KEY, "Odd ""Name""", price, parent CHECK (parent IS NULL))"#,
            &["id", name, "price", "parent"],
            "CHECK constraint failed: parent IS NULL",
        ),
        (
            r#"CREATE TABLE item (id INTEGER PRIMARY KEY, "Odd ""Name""" NOT NULL ON CONFLICT IGNORE, price)"#,
            &["id", "price"],
            "NOT NULL constraint failed: item.Odd \"Name\"",
        ),
        (
            r#"CREATE TABLE item (id INTEGER PRIMARY KEY, "Odd ""Name""", price); DROP TABLE log"#,
            &["id", name, "price"],
            "replacing the table `item` would change the table `log` too",
        ),
    ] {
        refused(&database, create, same(columns), expected).await;
    }
    // A value that two rows share is no reason to leave one out.
    let create = r#"CREATE TABLE item (id INTEGER PRIMARY KEY, "Odd ""Name""", price UNIQUE ON CONFLICT IGNORE)"#;
    let mut fill = same(&["id", name, "price"]);
    fill[2].from = "7".to_owned();
    refused(&database, create, fill, "UNIQUE constraint failed: item.price").await;
    // What lies above it must go before.
    let act = |session: &Session<'_>| session.batch("DROP INDEX item_price; DROP TRIGGER note_log");
    database.transaction(&how(&[]), act).await.unwrap();
    let create = r#"CREATE TABLE item (id INTEGER PRIMARY KEY, "Odd ""Name""")"#;
    refused(&database, create, same(&["id", name]), "a trigger of `dear`, or one that an INSERT of it sets off, would not fit the table `item` any more: no such column: price").await;
}

/// Keys that lead nowhere are found at the end, unless they did so before.
#[tokio::test]
async fn a_key_that_leads_nowhere_is_found() {
    let (_folder, path) = fresh();
    let database = shop(&path);
    let mut outside = Outside::open(&path);
    outside.run("INSERT INTO note VALUES (77, 'nowhere before')");
    let before = database.read("reading", everything).await.unwrap().unwrap();
    let lose = |session: &Session<'_>| {
        let create = text_of(session, "item")?;
        rebuild(session, "item", &create, &same(&ITEM))?;
        session.run("DELETE FROM item WHERE id = 2", [])
    };
    let error = database.transaction(&how(&["item"]), lose).await.unwrap_err();
    let expected = "foreign keys lead nowhere: row 3 of `item` to `item`, row 2 of `note` to `ITEM`";
    assert!(error.to_string().ends_with(expected), "{error}");
    let keep = |session: &Session<'_>| rebuild(session, "item", &text_of(session, "item")?, &same(&ITEM));
    database.transaction(&how(&["item"]), keep).await.unwrap();
    assert_eq!(database.read("reading", everything).await.unwrap().unwrap(), before);
    // A key that is new has to lead somewhere, too.
    let tie = |session: &Session<'_>| {
        let create = "CREATE TABLE plain (a REFERENCES item, b)";
        rebuild(session, "plain", create, &same(&["a", "b"]))
    };
    let error = database.transaction(&how(&["plain"]), tie).await.unwrap_err();
    assert!(
        error.to_string().contains("foreign keys lead nowhere: row -2 of `plain` to `item`, row 3 of `plain` to `item`"),
        "{error}"
    );
}

#[tokio::test]
async fn it_runs_only_where_it_can() {
    let (_folder, path) = fresh();
    let database = shop(&path);
    let act = |session: &Session<'_>| rebuild(session, "item", "", &[]);
    let enforced = How { foreign_keys: ForeignKeys::Enforced, ..how(&[]) };
    let error = database.transaction(&enforced, act).await.unwrap_err();
    assert!(
        error.to_string().ends_with("a table is replaced only within a group that checks foreign keys at its end"),
        "{error}"
    );
    for (table, expected) in [("words", "a module of SQLite keeps the table `words`"), ("dear", "there is no table `dear`")] {
        let act = move |session: &Session<'_>| rebuild(session, table, "", &[]);
        let error = database.transaction(&how(&[]), act).await.unwrap_err();
        assert!(error.to_string().ends_with(expected), "{error}");
    }
}

/// A view that was broken before is no reason not to go on, and stays as it is.
#[tokio::test]
async fn what_was_broken_before_does_not_hinder() {
    let (_folder, path) = fresh();
    let database = shop(&path);
    let mut outside = Outside::open(&path);
    assert_eq!(outside.run("CREATE VIEW bad AS SELECT missing FROM nowhere"), "[]");
    assert_eq!(outside.run("CREATE TRIGGER bad_log AFTER DELETE ON log BEGIN INSERT INTO nowhere VALUES (1); END"), "[]");
    let before = database.read("reading", everything).await.unwrap().unwrap();
    let act = |session: &Session<'_>| rebuild(session, "item", &text_of(session, "item")?, &same(&ITEM));
    database.transaction(&how(&["item"]), act).await.unwrap();
    assert_eq!(database.read("reading", everything).await.unwrap().unwrap(), before);
}

/// Three columns that every row has a value of, and one where a row has none.
#[tokio::test]
async fn one_copy_of_a_table_does_for_steps_that_ask_the_same_of_it() {
    let property = |name: &str| format!(r#""{name}": "string""#);
    let properties: Vec<String> = ["a", "b", "c", "d"].into_iter().map(property).collect();
    let model = format!(
        r#"{{"type": "model", "name": "item", "key": ["id"], "properties": {{"id": {{"type": "integer", "required": true}}, {}}}}}"#,
        properties.join(", ")
    );
    let model = Model::from_value(&json::parse(model.as_bytes()).unwrap(), &no_shared_types).unwrap();
    let (tables, rewrites) = (Tables::new(), Rewrites::new());
    let history = History::new(1, model, &[], &Context { tables: &tables, rewrites: &rewrites }).unwrap();
    let entry = ModelEntry { name: "item".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let versions = vec![VersionId { number: 1, id: "v1".to_owned() }];
    let catalog = Catalog { versions, models: vec![entry], ..Catalog::default() };
    let (_folder, path) = fresh();
    let store = Sqlite::new(database(&path, &[]), "shop", Arc::new(catalog));
    coeval_engine::migrate(&store, Some(1), false, &coeval_engine::How::quietly()).await.unwrap();
    let client = rusqlite::Connection::open(&path).unwrap();
    client.execute_batch("INSERT INTO item_v1 (id, a, b, d) VALUES (1, 'a', 'b', 'd')").unwrap();
    let asked = |column: &str| Step::SetNotNull { model: "item".to_owned(), column: column.to_owned() };
    let steps: Vec<Step> = ["a", "b", "c", "d"].into_iter().map(asked).collect();
    let started = Started {
        run: "second".to_owned(),
        action: Action::Migrate,
        from: 1,
        to: 1,
        steps: steps.clone(),
        policy: Policy::Reject,
        versions: Vec::new(),
    };
    let number = store.ledger().await.unwrap().next();
    let happened = Happened::Started(started);
    store.append(&Entry { number, at: String::new(), by: "test".to_owned(), happened }).await.unwrap();
    let worker = Holder { id: "t".to_owned(), name: "t".to_owned(), purpose: "test".to_owned(), since: String::new() };
    let (pace, stop) = (Pace::default(), Stop::default());
    let work = |step: &'static str, undo: bool| Work {
        run: "second",
        step,
        worker: &worker,
        lock: None,
        pace: &pace,
        policy: Policy::Reject,
        mode: Mode::Write,
        undo,
        observer: &Unobserved,
        stop: &stop,
    };
    let required = || -> String {
        let sql = "SELECT group_concat(name, '') FROM pragma_table_info('item') WHERE \"notnull\" AND name <> 'id'";
        client.query_row(sql, [], |row| row.get::<_, Option<String>>(0)).unwrap().unwrap_or_default()
    };
    assert_eq!(required(), "");
    store.execute(&steps[0], &work("0", false)).await.unwrap();
    assert_eq!(required(), "abd");
    store.execute(&steps[1], &work("1", false)).await.unwrap();
    assert!(matches!(store.execute(&steps[2], &work("2", false)).await, Err(Error::Records { count: 1 })));
    assert_eq!(required(), "abd");
    // Undone from the end, as runs are, none of it is left.
    for (index, name) in [(2, "undo-2"), (1, "undo-1"), (0, "undo-0")] {
        store.execute(&steps[index].reverse().unwrap(), &work(name, true)).await.unwrap();
    }
    assert_eq!(required(), "");
}
