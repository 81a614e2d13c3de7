//! Tables that were there before: taken over as they are, with all versions over them, and left as they were.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::path::Path;

use coeval_plan::found::take;
use coeval_sqlite::{catalog, found};
use common::shop::{Changes, adopt, drifts, migrate, rollback};
use common::*;

fn ask(outside: &mut Outside, sql: &str) -> String {
    outside.tell(&format!("run({sql:?})"));
    outside.answer()
}

fn run(outside: &mut Outside, sql: &str) {
    outside.tell(&format!("db.executescript({sql:?}) and None"));
    assert_eq!(outside.answer(), "None", "{sql}");
}

/// Everything that the schema says, letter for letter.
async fn texts(path: &Path) -> Vec<catalog::Text> {
    let read = database(path, &[]).read("reading", catalog::texts).await.unwrap();
    read.unwrap().into_iter().filter(|text| !catalog::is_state(&text.table)).collect()
}

const SHOP: &str = "
CREATE TABLE team (id INTEGER PRIMARY KEY AUTOINCREMENT, name VARCHAR(40) NOT NULL COLLATE NOCASE UNIQUE);
CREATE TABLE staff (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL, -- as people say it
    mood TEXT NOT NULL DEFAULT 'ok',
    team INTEGER REFERENCES team (id),
    pay  INTEGER NOT NULL CHECK (pay >= 0),
    rate NUMERIC,
    since TEXT DEFAULT CURRENT_TIMESTAMP,
    here BOOLEAN NOT NULL DEFAULT 0,
    shout TEXT GENERATED ALWAYS AS (upper(name)) VIRTUAL,
    CHECK (length(name) > 0)
);
CREATE INDEX staff_pay ON staff (pay);
CREATE INDEX staff_lower ON staff (lower(name));
CREATE UNIQUE INDEX staff_here ON staff (name) WHERE here;
CREATE TABLE code (a TEXT, b INTEGER, n INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE firm (k TEXT PRIMARY KEY NOT NULL, n INTEGER, f REAL, x BLOB) STRICT;
CREATE TABLE \"Odd \"\"Name\" (\"Id\" INTEGER PRIMARY KEY, \"select\" TEXT, \"it's\" INTEGER);
CREATE TABLE log (what TEXT);
CREATE TABLE named (name TEXT NOT NULL UNIQUE, n INTEGER);
CREATE VIEW paid AS SELECT id, name, pay FROM staff WHERE pay > 0;
CREATE TRIGGER noted AFTER INSERT ON staff BEGIN INSERT INTO log VALUES (new.name); END;
INSERT INTO team (name) VALUES ('red'), ('blue');
INSERT INTO staff (name, team, pay) VALUES ('Ada', 1, 10), ('Bob', NULL, 20);
INSERT INTO code VALUES ('x', 1, 5), ('x', 2, 6); INSERT INTO firm VALUES ('k', 1, 1.5, x'00ff');
INSERT INTO \"Odd \"\"Name\" VALUES (1, 'a', 5); INSERT INTO named VALUES ('one', 1);
";

const CONVERT: &str = r#"{"retype_property": {"path": "n", "schema": "string", "up": "cast(n as string) || '!'", "down": "cast(replace(n, '!', '') as integer)"}}"#;
const CHANGES: &[Changes<'static>] = &[
    (
        "staff",
        &[
            &[
                r#"{"rename_property": {"from": "name", "to": "full_name"}}"#,
                r#"{"retype_property": {"path": "pay", "schema": {"type": "string", "required": true}, "up": "cast(pay as string)", "down": "cast(pay as integer)"}}"#,
                r#"{"add_property": {"path": "grade", "schema": {"type": "string", "required": true}, "value": "'new'"}}"#,
            ],
            &[r#"{"remove_property": {"path": "mood", "value": "'gone'"}}"#],
        ],
    ),
    ("code", &[&[CONVERT]]),
    ("firm", &[&[CONVERT]]),
    ("named", &[&[CONVERT]]),
    ("Odd \"Name", &[&[r#"{"rename_property": {"from": "select", "to": "from"}}"#]]),
];

#[tokio::test]
async fn tables_are_taken_over_as_they_are_and_left_as_they_were() {
    let (_folder, path) = fresh();
    let mut outside = Outside::open(&path);
    run(&mut outside, SHOP);
    let was = texts(&path).await;
    let store = adopt(&path, CHANGES, 3).await;
    migrate(&store, 1).await;
    assert_eq!(drifts(&store).await, [""; 0]);
    // Keys are numbered as before, and defaults are given.
    assert_eq!(ask(&mut outside, "INSERT INTO staff_v1 (name, pay) VALUES ('Cy', 5)"), "[]");
    assert_eq!(ask(&mut outside, "INSERT INTO team_v1 (name) VALUES ('green')"), "[]");
    assert_eq!(
        ask(&mut outside, "SELECT id, mood, here, since, shout FROM staff WHERE name = 'Cy'"),
        "[(3, 'ok', 0, None, 'CY')]"
    );
    assert_eq!(ask(&mut outside, "SELECT what FROM log"), "[('Ada',), ('Bob',), ('Cy',)]");
    for (sql, said) in [
        ("INSERT INTO staff_v1 (name, pay) VALUES ('X', -1)", "error: CHECK constraint failed: pay >= 0"),
        ("INSERT INTO team_v1 (name) VALUES ('RED')", "error: UNIQUE constraint failed: team.name"),
        ("INSERT INTO firm_v1 (n) VALUES (1)", "error: firm_v1.k is required"),
        ("INSERT INTO code_v1 (a, n) VALUES ('x', 1)", "error: code_v1.b is required"),
    ] {
        assert_eq!(ask(&mut outside, sql), said);
    }
    migrate(&store, 3).await;
    assert_eq!(drifts(&store).await, [""; 0]);
    let shown = "SELECT full_name, pay, grade FROM staff_v2 ORDER BY id";
    assert_eq!(ask(&mut outside, shown), "[('Ada', '10', 'new'), ('Bob', '20', 'new'), ('Cy', '5', 'new')]");
    assert_eq!(ask(&mut outside, "UPDATE staff_v1 SET pay = 11, mood = 'sad' WHERE id = 1"), "[]");
    assert_eq!(ask(&mut outside, "UPDATE staff_v3 SET pay = '21' WHERE id = 2"), "[]");
    assert_eq!(ask(&mut outside, "INSERT INTO staff_v3 (full_name, pay, grade) VALUES ('Dee', '7', 'top')"), "[]");
    let now = "[('Ada', 11, 'sad', 0), ('Bob', 21, 'ok', 0), ('Cy', 5, 'ok', 0), ('Dee', 7, 'gone', 0)]";
    assert_eq!(ask(&mut outside, "SELECT name, pay, mood, here FROM staff ORDER BY id"), now);
    assert_eq!(
        ask(&mut outside, "INSERT INTO staff_v3 (full_name, pay) VALUES ('Eve', '7')"),
        "error: staff_v3.grade is required"
    );
    assert_eq!(ask(&mut outside, "SELECT a, b, n FROM code_v2"), "[('x', 1, '5!'), ('x', 2, '6!')]");
    assert_eq!(ask(&mut outside, "UPDATE code_v2 SET n = '9!' WHERE b = 2"), "[]");
    assert_eq!(ask(&mut outside, "SELECT n FROM code ORDER BY b"), "[(5,), (9,)]");
    assert_eq!(ask(&mut outside, "SELECT k, n, f, hex(x) FROM firm_v2"), "[('k', '1!', 1.5, '00FF')]");
    assert_eq!(ask(&mut outside, "UPDATE named_v2 SET n = '3!'"), "[]");
    assert_eq!(ask(&mut outside, "SELECT * FROM named_v1"), "[('one', 3)]");
    assert_eq!(ask(&mut outside, "SELECT \"Id\", \"from\", \"it's\" FROM \"Odd \"\"Name_v2\""), "[(1, 'a', 5)]");
    assert_eq!(ask(&mut outside, "SELECT count(*) FROM paid"), "[(4,)]");
    rollback(&store, 2, false).await;
    rollback(&store, 1, false).await;
    assert_eq!(drifts(&store).await, [""; 0]);
    migrate(&store, 3).await;
    assert_eq!(ask(&mut outside, "SELECT grade FROM staff_v3 WHERE full_name = 'Dee'"), "[('top',)]");
    rollback(&store, 0, false).await;
    assert_eq!(texts(&path).await, was);
    assert_eq!(ask(&mut outside, "SELECT name, pay, mood, here FROM staff ORDER BY id"), now);
}

#[tokio::test]
async fn what_is_not_carried_over_is_said() {
    let (_folder, path) = fresh();
    let mut outside = Outside::open(&path);
    run(&mut outside, SHOP);
    let found = found::tables(&database(&path, &[])).await.unwrap();
    let said = |name: &str| {
        let table = found.iter().find(|table| table.name == name).unwrap();
        take(table, &["team"]).map_or_else(|reason| vec![reason], |taken| taken.left)
    };
    assert_eq!(
        said("staff"),
        [
            "column `rate`: no type of a property holds a `NUMERIC`; the versions do not show it",
            "column `shout`: the database computes it; the versions show it, and nobody writes it",
            "default of column `since` (CURRENT_TIMESTAMP) is not given to rows that are inserted through versions",
            "check stays in the table: pay >= 0",
            "check stays in the table: length(name) > 0",
            "index `staff_here` stays in the table: CREATE UNIQUE INDEX staff_here ON staff (name) WHERE here",
            "index `staff_lower` stays in the table: CREATE INDEX staff_lower ON staff (lower(name))",
            "trigger `noted` stays on the table",
        ]
    );
    assert_eq!(said("team"), ["column `name` goes on being compared as NOCASE says, in the table and its indexes"]);
    assert_eq!(said("log"), ["it has no primary key, which tells its rows apart"]);
    assert_eq!(said("named"), ["it has no primary key: `name`, of which no two rows have the same, is taken for one"]);
}

#[tokio::test]
async fn what_the_database_computes_is_there_at_every_version_and_nobody_writes_it() {
    let (_folder, path) = fresh();
    let mut outside = Outside::open(&path);
    run(&mut outside, SHOP);
    let store = adopt(&path, CHANGES, 3).await;
    migrate(&store, 3).await;
    assert_eq!(ask(&mut outside, "UPDATE staff_v3 SET full_name = 'Ida' WHERE id = 1"), "[]");
    assert_eq!(ask(&mut outside, "INSERT INTO staff_v1 (name, pay) VALUES ('Cy', 5)"), "[]");
    for version in 1..=3 {
        let shown = format!("SELECT shout FROM staff_v{version} ORDER BY id");
        assert_eq!(ask(&mut outside, &shown), "[('IDA',), ('BOB',), ('CY',)]");
        let said = format!("error: staff_v{version}: the database computes `shout`, and nobody writes it");
        assert_eq!(ask(&mut outside, &format!("UPDATE staff_v{version} SET shout = 'x' WHERE id = 1")), said);
    }
    let said = "error: staff_v1: the database computes `shout`, and nobody writes it";
    assert_eq!(ask(&mut outside, "INSERT INTO staff_v1 (name, pay, shout) VALUES ('Dee', 5, 'x')"), said);
    assert_eq!(drifts(&store).await, [""; 0]);
}

/// What the table has of its own is not taken for a property that a later version adds.
#[tokio::test]
async fn a_property_of_the_name_of_a_column_that_no_property_stands_for() {
    const RATED: &[Changes<'static>] = &[(
        "staff",
        &[
            // What versions show beside is beside them still.
            &[r#"{"add_property": {"path": "shout", "schema": "string"}}"#],
            &[r#"{"add_property": {"path": "rate", "schema": "string"}}"#],
        ],
    )];
    let (_folder, path) = fresh();
    let mut outside = Outside::open(&path);
    run(&mut outside, SHOP);
    run(&mut outside, "UPDATE staff SET rate = 1.5");
    let store = adopt(&path, RATED, 3).await;
    migrate(&store, 2).await;
    assert_eq!(ask(&mut outside, "UPDATE staff_v2 SET shout = 'own' WHERE id = 1"), "[]");
    assert_eq!(
        ask(&mut outside, "SELECT v1.shout, v2.shout FROM staff_v1 v1 JOIN staff_v2 v2 USING (id)"),
        "[('ADA', 'own'), ('BOB', None)]"
    );
    let refused = coeval_engine::migrate(&store, Some(3), false, &coeval_engine::How::quietly()).await.unwrap_err().to_string();
    assert!(refused.contains("the table `staff`: there is a column `rate` already, which no property stands for"), "{refused}");
    assert_eq!(ask(&mut outside, "SELECT rate FROM staff"), "[(1.5,), (1.5,)]");
    assert_eq!(drifts(&store).await, [""; 0]);
}

#[tokio::test]
async fn retiring_drops_what_only_old_versions_showed_and_never_the_table() {
    let (_folder, path) = fresh();
    let mut outside = Outside::open(&path);
    run(&mut outside, "CREATE TABLE item (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO item VALUES (1, 5)");
    let store = adopt(&path, &[("item", &[&[CONVERT]])], 2).await;
    migrate(&store, 2).await;
    coeval_engine::retire(&store, 2, &coeval_engine::How::quietly()).await.unwrap();
    assert_eq!(ask(&mut outside, "SELECT id, n FROM item_v2"), "[(1, '5!')]");
    assert_eq!(ask(&mut outside, "INSERT INTO item_v2 (n) VALUES ('6!')"), "[]");
    assert_eq!(ask(&mut outside, "SELECT id, n FROM item_v2"), "[(1, '5!'), (2, '6!')]");
    assert_eq!(drifts(&store).await, [""; 0]);
}

#[tokio::test]
async fn what_a_collation_holds_for_equal_is_written_all_the_same() {
    const CHANGED: &[Changes<'static>] = &[(
        "tag",
        &[&[
            r#"{"retype_property": {"path": "name", "schema": "string", "up": "name || '!'", "down": "replace(name, '!', '')"}}"#,
            r#"{"add_property": {"path": "mark", "schema": "string", "value": "other || '?'"}}"#,
        ]],
    )];
    let (_folder, path) = fresh();
    let mut outside = Outside::open(&path);
    let table = "CREATE TABLE tag (id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE, other TEXT COLLATE NOCASE)";
    run(&mut outside, &format!("{table}; INSERT INTO tag VALUES (1, 'ada', 'x')"));
    let store = adopt(&path, CHANGED, 2).await;
    migrate(&store, 2).await;
    run(&mut outside, "UPDATE tag_v1 SET name = 'ADA', other = 'X' WHERE id = 1");
    assert_eq!(ask(&mut outside, "SELECT name, mark FROM tag_v2"), "[('ADA!', 'X?')]");
    run(&mut outside, "UPDATE tag_v2 SET name = 'Ada!' WHERE id = 1");
    assert_eq!(ask(&mut outside, "SELECT name FROM tag_v1"), "[('Ada',)]");
}
