//! What a database tells of its tables, indexes, views and triggers.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use coeval_sqlite::catalog::{self, Check, Column, ForeignKey, Generated, IndexColumn, Origin, Schema, TableKind};
use coeval_store::Backend as _;
use common::*;

const SCHEMA: &str = r#"
CREATE TABLE maker (name TEXT, land TEXT, PRIMARY KEY (land, name)) WITHOUT ROWID;
CREATE TABLE item (
  id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(20) NOT NULL DEFAULT 'it''s' COLLATE nocase UNIQUE,
  price NUMERIC(10, 2) DEFAULT (1 + 1) CONSTRAINT positive CHECK (price >= 0), "maker name" TEXT, land TEXT, untyped,
  cents AS (price * 100), whole INT GENERATED ALWAYS AS (CAST(price AS INT)) STORED,
  FOREIGN KEY ("maker name", land) REFERENCES maker(name, land) ON UPDATE CASCADE ON DELETE SET NULL, CHECK (id <> 13)
);
CREATE TABLE child (item INT REFERENCES Item) ;
CREATE TABLE code (code TEXT PRIMARY KEY, n INT NOT NULL) STRICT;
CREATE TABLE descending (id INTEGER PRIMARY KEY DESC);
CREATE INDEX dear ON item (price DESC, lower(name)) WHERE price > 10;
CREATE VIEW v AS SELECT id, name AS title, price * 2 AS twice FROM item;
CREATE VIEW broken AS SELECT missing FROM item;
CREATE TRIGGER t INSTEAD OF DELETE ON v BEGIN DELETE FROM item WHERE id = old.id; END;
CREATE VIRTUAL TABLE words USING fts5(text);
"#;

async fn schema() -> Schema {
    let (_folder, path) = fresh();
    let mut outside = Outside::open(&path);
    outside.tell(&format!("db.executescript({SCHEMA:?}) and None"));
    assert_eq!(outside.answer(), "None");
    // What is coeval's own is not told.
    let store = store(&path, &[]);
    store
        .lock(
            &coeval_store::lock::Holder { id: "a".to_owned(), name: String::new(), purpose: String::new(), since: String::new() },
            std::time::Duration::from_secs(9),
        )
        .await
        .unwrap();
    store.database().read("reading", catalog::read).await.unwrap().unwrap()
}

fn column(name: &str, kind: &str) -> Column {
    Column { name: name.to_owned(), kind: kind.to_owned(), not_null: false, default: None, generated: None, collation: None }
}

#[tokio::test]
async fn tables_are_told_with_all_that_they_have() {
    let schema = schema().await;
    let names: Vec<&str> =
        schema.tables.iter().filter(|table| table.kind == TableKind::Ordinary).map(|table| table.name.as_str()).collect();
    assert_eq!(names, ["child", "code", "descending", "item", "maker"]);
    let item = schema.tables.iter().find(|table| table.name == "item").unwrap();
    let computed = |expression: &str, stored| Some(Generated { expression: Some(expression.to_owned()), stored });
    let expected = [
        column("id", "INTEGER"),
        Column {
            not_null: true,
            default: Some("'it''s'".to_owned()),
            collation: Some("nocase".to_owned()),
            ..column("name", "VARCHAR(20)")
        },
        Column { default: Some("1 + 1".to_owned()), ..column("price", "NUMERIC(10, 2)") },
        column("maker name", "TEXT"),
        column("land", "TEXT"),
        column("untyped", ""),
        Column { generated: computed("price * 100", false), ..column("cents", "") },
        Column { generated: computed("CAST(price AS INT)", true), ..column("whole", "INT") },
    ];
    assert_eq!(item.columns, expected);
    assert_eq!((&item.primary_key[..], item.rowid.as_deref()), (&["id".to_owned()][..], Some("id")));
    assert!(item.autoincrement && !item.without_rowid && !item.strict);
    let key = ForeignKey {
        table: "maker".to_owned(),
        columns: vec![("maker name".to_owned(), Some("name".to_owned())), ("land".to_owned(), Some("land".to_owned()))],
        on_update: "CASCADE".to_owned(),
        on_delete: "SET NULL".to_owned(),
    };
    assert_eq!(item.foreign_keys, [key]);
    let check = |name: Option<&str>, expression: &str| Check { name: name.map(str::to_owned), expression: expression.to_owned() };
    assert_eq!(item.checks, [check(Some("positive"), "price >= 0"), check(None, "id <> 13")]);
    let part = |name: Option<&str>, descending, collation: &str| IndexColumn {
        name: name.map(str::to_owned),
        descending,
        collation: collation.to_owned(),
    };
    let [dear, unique] = &item.indexes[..] else { panic!("{:?}", item.indexes) };
    assert_eq!((dear.name.as_str(), dear.unique, dear.origin, dear.partial), ("dear", false, Origin::Statement, true));
    assert_eq!(dear.columns, [part(Some("price"), true, "BINARY"), part(None, false, "BINARY")]);
    assert!(dear.sql.as_ref().unwrap().starts_with("CREATE INDEX dear"));
    assert_eq!((unique.unique, unique.origin, unique.partial, &unique.sql), (true, Origin::Unique, false, &None));
    assert_eq!(unique.columns, [part(Some("name"), false, "nocase")]);
}

#[tokio::test]
async fn keys_are_told_in_their_order_and_with_what_they_are() {
    let schema = schema().await;
    let of = |name: &str| schema.tables.iter().find(|table| table.name == name).unwrap();
    assert_eq!((&of("maker").primary_key[..], of("maker").without_rowid), (&["land".to_owned(), "name".to_owned()][..], true));
    assert_eq!((of("code").rowid.as_deref(), of("code").strict), (None, true));
    // One of SQLite's oddities: this one is no name of the rowid.
    assert_eq!(of("descending").rowid, None);
    assert_eq!(of("child").foreign_keys[0].columns, [("item".to_owned(), None)]);
    assert_eq!(of("words").kind, TableKind::Virtual);
    assert_eq!(of("words_data").kind, TableKind::Shadow);
}

#[tokio::test]
async fn views_and_triggers_are_told_and_what_is_broken() {
    let schema = schema().await;
    let [broken, v] = &schema.views[..] else { panic!("{:?}", schema.views) };
    assert_eq!((broken.broken.as_deref(), broken.columns.len()), (Some("no such column: missing"), 0));
    let columns: Vec<_> = v.columns.iter().map(|column| (column.name.as_str(), column.kind.as_str())).collect();
    assert_eq!(columns, [("id", "INTEGER"), ("title", "VARCHAR(20)"), ("twice", "")]);
    assert_eq!(v.broken, None);
    let [trigger] = &schema.triggers[..] else { panic!("{:?}", schema.triggers) };
    assert_eq!((trigger.name.as_str(), trigger.table.as_str()), ("t", "v"));
    assert!(trigger.sql.starts_with("CREATE TRIGGER t INSTEAD OF DELETE ON v"));
}
