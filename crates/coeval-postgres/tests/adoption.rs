//! Tables that were there before: taken over as they are, with all versions over them, and left as they were.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use coeval_plan::found::take;
use coeval_postgres::{PostgresBackend, catalog};
use coeval_store::Backend as _;
use coeval_store::records::{Change, Expect, Key};
use common::adopted::{Changes, adopt, imported};
use common::dump::{dump, similar};
use common::shop::{migrate, rollback};
use common::{ask, fresh, open_with, session};
use tokio_postgres::Client;

/// Where the rows of all tables of `public` lie, and which tables these are.
async fn files(client: &Client) -> String {
    let sql = "SELECT relname, oid, pg_relation_filenode(oid) FROM pg_class
               WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY 1";
    ask(client, sql).await
}

async fn run(client: &Client, sql: &str) {
    client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
}

async fn refused(client: &Client, sql: &str) -> String {
    let error = client.batch_execute(sql).await.err().unwrap_or_else(|| panic!("it is taken: {sql}"));
    let said = error.as_db_error().unwrap_or_else(|| panic!("{sql}: {error:?}"));
    format!("{} {}", said.code().code(), said.message())
}

const STAFF: &str = "
CREATE TYPE mood AS ENUM ('sad', 'ok', 'happy');
CREATE DOMAIN email AS text CHECK (VALUE LIKE '%@%');
CREATE TABLE team (id serial PRIMARY KEY, name varchar(40) NOT NULL UNIQUE);
COMMENT ON TABLE team IS 'Who works together.';
CREATE TABLE staff (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    mail email,
    mood mood NOT NULL DEFAULT 'ok',
    team int REFERENCES team,
    pay numeric(9,2) NOT NULL,
    rate numeric,
    since timestamptz NOT NULL DEFAULT now(),
    seen timestamp,
    born date,
    wakes time,
    tags text[],
    facts jsonb,
    raw json,
    face bytea,
    token uuid DEFAULT gen_random_uuid(),
    size smallint,
    weight double precision,
    here boolean DEFAULT false,
    shout text GENERATED ALWAYS AS (upper(name)) STORED,
    CHECK (pay >= 0),
    UNIQUE (team, name)
);
COMMENT ON COLUMN staff.pay IS 'In euros.';
CREATE INDEX staff_born ON staff (born);
CREATE INDEX staff_lower ON staff (lower(name));
CREATE UNIQUE INDEX staff_here ON staff (name) WHERE here;
CREATE VIEW paid AS SELECT id, name, pay FROM staff WHERE pay > 0;
CREATE FUNCTION trimmed() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN NEW.name := btrim(NEW.name); RETURN NEW; END $$;
CREATE TRIGGER trimmed BEFORE INSERT OR UPDATE ON staff FOR EACH ROW EXECUTE FUNCTION trimmed();
INSERT INTO team (name) VALUES ('red'), ('blue');
INSERT INTO staff (name, mail, team, pay, born, tags, facts, face, here)
VALUES ('Ada ', 'ada@x', 1, 10.50, '1815-12-10', '{a,b}', '{\"a\": 1}', '\\x00ff', true), ('Bob', NULL, 2, 20, NULL, NULL, NULL, NULL, NULL);
";

const STAFF_CHANGES: Changes<'static> = (
    "staff",
    &[
        &[
            r#"{"rename_property": {"from": "name", "to": "full_name"}}"#,
            r#"{"retype_property": {"path": "pay", "schema": {"type": "integer", "required": true}, "up": "cast(round(pay * 100) as integer)", "down": "cast(pay as decimal(9,2)) / 100"}}"#,
            r#"{"add_property": {"path": "grade", "schema": {"type": "string", "required": true}, "value": "'new'"}}"#,
            r#"{"map_enum": {"path": "mood", "values": ["low", "ok", "happy"], "up": {"sad": "low"}, "down": {"low": "sad"}}}"#,
        ],
        &[r#"{"remove_property": {"path": "here", "value": "true"}}"#],
    ],
);

#[tokio::test(flavor = "multi_thread")]
async fn a_table_is_taken_over_as_it_is_and_left_as_it_was() {
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, STAFF).await;
    let (was, lay, rows) = (dump(&url), files(&client).await, ask(&client, "SELECT * FROM staff ORDER BY id").await);
    migrate(&adopt(&url, &[], 1).await, 1).await;
    assert_eq!(files(&client).await, lay, "no table is written anew");
    assert_eq!(ask(&client, "SELECT * FROM staff ORDER BY id").await, rows);
    // The database makes keys and defaults as before, and refuses what it refused.
    let insert = "INSERT INTO shop_v1.staff (name, team, pay) VALUES ('Cy', 1, 5) RETURNING id, mood, here, since IS NOT NULL, token IS NOT NULL";
    assert_eq!(ask(&client, insert).await, "3|ok|f|t|t");
    assert_eq!(ask(&client, "INSERT INTO shop_v1.team (name) VALUES ('green') RETURNING id").await, "3");
    for (sql, said) in [
        ("INSERT INTO shop_v1.staff (id, name, pay) VALUES (9, 'X', 1)", "428C9"),
        ("INSERT INTO shop_v1.staff (name, pay) VALUES ('X', -1)", "23514"),
        ("INSERT INTO shop_v1.staff (name, pay, mail) VALUES ('X', 1, 'none')", "23514"),
        ("INSERT INTO shop_v1.staff (name, pay, team) VALUES ('X', 1, 77)", "23503"),
        ("INSERT INTO shop_v1.staff (name, pay, mood) VALUES ('X', 1, 'odd')", "22P02"),
    ] {
        let found = refused(&client, sql).await;
        assert!(found.starts_with(said), "{sql}: {found}");
    }
    assert_eq!(ask(&client, "SELECT obj_description('shop_v1.team'::regclass)").await, "Who works together.");
    assert_eq!(ask(&client, "SELECT col_description('shop_v1.staff'::regclass, 6)").await, "In euros.");
    let backend = adopt(&url, &[STAFF_CHANGES], 3).await;
    migrate(&backend, 3).await;
    assert_eq!(files(&client).await, lay, "nor by later versions");
    let shown = "SELECT full_name, pay, grade, mood FROM shop_v2.staff ORDER BY id";
    assert_eq!(ask(&client, shown).await, "Ada|1050|new|ok\nBob|2000|new|ok\nCy|500|new|ok");
    // Old clients write to the table itself, and see what newer ones write.
    run(&client, "UPDATE staff SET pay = 11, mood = 'sad' WHERE id = 1").await;
    assert_eq!(ask(&client, "SELECT pay, mood FROM shop_v2.staff WHERE id = 1").await, "1100|low");
    run(&client, "UPDATE shop_v3.staff SET pay = 1234, mood = 'happy' WHERE id = 1").await;
    assert_eq!(ask(&client, "SELECT name, pay, mood FROM staff WHERE id = 1").await, "Ada|12.34|happy");
    run(&client, "INSERT INTO staff (name, pay, mood) VALUES (' Dee ', 7, 'sad')").await;
    assert_eq!(
        ask(&client, "SELECT full_name, pay, grade, mood FROM shop_v3.staff WHERE id > 3").await.split('|').nth(1),
        Some("700")
    );
    run(&client, "DELETE FROM staff WHERE name = 'Dee'").await;
    run(&client, "INSERT INTO shop_v3.staff (full_name, pay, grade) VALUES ('Eve', 100, 'top')").await;
    assert_eq!(ask(&client, "SELECT name, pay, mood, here, shout FROM staff WHERE name = 'Eve'").await, "Eve|1.00|ok|t|EVE");
    assert_eq!(ask(&client, "SELECT count(*) FROM paid").await, "4");
    assert_eq!(drifts(&backend).await, "");
    for version in [2, 1] {
        rollback(&backend, version).await;
        run(&client, "INSERT INTO staff (name, pay) VALUES ('Fay', 1); DELETE FROM staff WHERE name = 'Fay'").await;
    }
    rollback(&backend, 0).await;
    similar(&dump(&url), &was, "everything is rolled back");
    assert_eq!(files(&client).await, lay);
    assert_eq!(
        ask(&client, "SELECT name, pay, mood, here FROM staff ORDER BY id").await,
        "Ada|12.34|happy|t\nBob|20.00|ok|∅\nCy|5.00|ok|f\nEve|1.00|ok|t"
    );
}

async fn drifts(backend: &PostgresBackend) -> String {
    backend.drift().await.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[tokio::test(flavor = "multi_thread")]
async fn records_of_a_table_that_was_taken_over_are_written_as_others_are() {
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, STAFF).await;
    let backend = adopt(&url, &[STAFF_CHANGES], 2).await;
    migrate(&backend, 2).await;
    let key = |id: &str| Key(vec![id.to_owned()]);
    let put = |version, text: &'static str| {
        let (backend, change) = (&backend, Change::Put(text.to_owned()));
        async move { backend.records().write("staff", None, version, &change, &Expect::Anything).await.map(|written| written.key) }
    };
    // A key that the database numbers may be said, and what it fills in may be left out.
    assert_eq!(put(1, r#"{"id": 7, "name": "Gus", "pay": 1.5, "mood": "sad"}"#).await.unwrap(), key("7"));
    assert_eq!(put(2, r#"{"id": 8, "full_name": "Hal", "pay": 250, "grade": "x", "mood": "low"}"#).await.unwrap(), key("8"));
    let change = Change::MergePatch(r#"{"pay": 2.5, "mood": "happy"}"#.to_owned());
    backend.records().write("staff", Some(&key("7")), 1, &change, &Expect::Present).await.unwrap();
    let rows = "SELECT id, name, pay, mood, since IS NULL, full_name IS NULL FROM (SELECT *, name AS full_name FROM staff) AS s WHERE id > 6 ORDER BY id";
    assert_eq!(ask(&client, rows).await, "7|Gus|2.50|happy|f|f\n8|Hal|2.50|sad|f|f");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_carried_over_is_said() {
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, STAFF).await;
    run(
        &client,
        &format!(
            "CREATE ROLE {0}; GRANT SELECT (name), REFERENCES (name) ON staff TO {0}; GRANT TRUNCATE ON staff TO {0}",
            role(&url)
        ),
    )
    .await;
    run(&client, "ALTER TABLE team ENABLE ROW LEVEL SECURITY").await;
    let found = imported(&url).await;
    let left = |at: usize| found[at].as_ref().unwrap().left.join("\n").replace(&role(&url), "someone");
    assert_eq!(
        left(0),
        "column `since`: the database fills it in (now()); a version that converts it has to be given a value
column `seen`: no type of a property holds a `timestamp without time zone`; the versions show it in SQL as it is
column `tags`: no type of a property holds a `text[]`; the versions show it in SQL as it is
column `raw`: no type of a property holds a `json`; the versions show it in SQL as it is
column `shout`: the database computes it; the versions show it, and nobody writes it
check `staff_pay_check` stays in the table: CHECK ((pay >= (0)::numeric))
index `staff_here` stays in the table: CREATE UNIQUE INDEX staff_here ON public.staff USING btree (name) WHERE here
index `staff_lower` stays in the table: CREATE INDEX staff_lower ON public.staff USING btree (lower(name))
trigger `trimmed` stays on the table
view `paid` goes on reading the table
the right TRUNCATE of someone stays one on the table
the right REFERENCES (name) of someone stays one on the table"
    );
    let guarded =
        "row-level security guards it, and holds through the versions; their clients need their rights on the table too";
    if server_version(&client).await >= 150_000 {
        assert_eq!(left(1), guarded);
    }
}

async fn server_version(client: &Client) -> i32 {
    ask(client, "SHOW server_version_num").await.parse().unwrap()
}

/// A name of a role that no other test has: roles are the server's.
fn role(url: &str) -> String {
    format!("r_{}", url.rsplit_once("t_").unwrap().1)
}

#[tokio::test(flavor = "multi_thread")]
async fn rows_without_a_key_are_given_one_and_lose_it_again() {
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, "CREATE TABLE log (at timestamptz NOT NULL DEFAULT now(), what text, n int) WITH (fillfactor = 60)").await;
    run(&client, "INSERT INTO log (what, n) SELECT 'same', i % 10 FROM generate_series(1, 30000) i").await;
    let (was, lay) = (dump(&url), files(&client).await);
    let changes: Changes<'_> = (
        "log",
        &[&[
            r#"{"retype_property": {"path": "n", "schema": "string", "up": "cast(n as string) || '!'", "down": "cast(replace(n, '!', '') as integer)"}}"#,
        ]],
    );
    let backend = adopt(&url, &[changes], 2).await;
    migrate(&backend, 1).await;
    assert_eq!(files(&client).await, lay);
    let keys = "SELECT count(*), count(DISTINCT _id) FROM";
    assert_eq!(ask(&client, &format!("{keys} log")).await, "30000|30000");
    run(&client, "INSERT INTO log (what, n) VALUES ('new', 3)").await;
    migrate(&backend, 2).await;
    assert_eq!(ask(&client, &format!("{keys} shop_v2.log WHERE n LIKE '_!'")).await, "30001|30001");
    run(&client, "UPDATE log SET n = 12 WHERE what = 'new'; UPDATE shop_v2.log SET n = '7!' WHERE n = '1!'").await;
    assert_eq!(ask(&client, "SELECT n FROM shop_v2.log WHERE what = 'new'").await, "12!");
    assert_eq!(ask(&client, "SELECT count(*) FROM log WHERE n = 7").await, "6000");
    rollback(&backend, 0).await;
    similar(&dump(&url), &was, "everything is rolled back");
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_of_every_kind_are_taken_and_backfilled() {
    let url = fresh().await;
    let client = session(&url).await;
    let tables = [
        ("a", "id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
        ("b", "id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY"),
        ("c", "id bigserial PRIMARY KEY"),
        ("d", "id uuid DEFAULT gen_random_uuid() PRIMARY KEY"),
        ("e", "x int DEFAULT (random() * 1e9)::int, y text DEFAULT md5(random()::text), PRIMARY KEY (y, x)"),
        ("f", "code text NOT NULL DEFAULT md5(random()::text) UNIQUE"),
    ];
    let change: &[&[&str]] = &[&[
        r#"{"retype_property": {"path": "v", "schema": {"type": "string", "required": true}, "up": "cast(v as string)", "down": "cast(v as integer)"}}"#,
    ]];
    for (name, key) in tables {
        run(
            &client,
            &format!("CREATE TABLE {name} ({key}, v int NOT NULL); INSERT INTO {name} (v) SELECT generate_series(1, 2500)"),
        )
        .await;
    }
    let (was, lay) = (dump(&url), files(&client).await);
    let changes: Vec<Changes<'_>> = tables.iter().map(|(name, _)| (*name, change)).collect();
    let backend = adopt(&url, &changes, 2).await;
    migrate(&backend, 1).await;
    migrate(&backend, 2).await;
    for (name, _) in tables {
        let sql = format!("SELECT count(*), sum(v::int) FROM shop_v2.{name}");
        assert_eq!(ask(&client, &sql).await, "2500|3126250", "{name}");
        let sql = format!("INSERT INTO shop_v2.{name} (v) VALUES ('77777')");
        run(&client, &sql).await;
        assert_eq!(ask(&client, &format!("SELECT count(*) FROM {name} WHERE v = 77777")).await, "1", "{name}");
    }
    assert_eq!(files(&client).await, lay);
    rollback(&backend, 0).await;
    similar(&dump(&url), &was, "everything is rolled back");
}

#[tokio::test(flavor = "multi_thread")]
async fn indexes_and_references_of_later_versions_go_with_them() {
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, "CREATE SCHEMA \"Odd Schema\"; CREATE TABLE team (id int PRIMARY KEY, name text UNIQUE)").await;
    run(&client, "CREATE TABLE item (id int PRIMARY KEY, code text NOT NULL UNIQUE, kind text DEFAULT 'k', team int)").await;
    run(&client, "INSERT INTO team VALUES (1, 'red'); INSERT INTO item VALUES (1, 'a', 'x', 1), (2, 'b', 'y', NULL)").await;
    let was = dump(&url);
    let changes: Changes<'_> = (
        "item",
        &[
            &[
                r#"{"add_index": {"properties": ["kind"]}}"#,
                r#"{"add_unique": {"properties": ["kind", "team"]}}"#,
                r#"{"add_property": {"path": "lead", "schema": {"type": "ref", "model": "team"}}}"#,
                r#"{"add_reference": {"property": "lead", "model": "team"}}"#,
            ],
            &[r#"{"remove_property": {"path": "code", "value": "'gone ' || cast(id as string)"}}"#],
        ],
    );
    let backend = adopt(&url, &[changes], 3).await;
    migrate(&backend, 2).await;
    let middle = dump(&url);
    assert!(middle.contains("item_kind_team_key"), "{middle}");
    migrate(&backend, 3).await;
    run(&client, "INSERT INTO shop_v3.item (id, lead) VALUES (3, 1)").await;
    assert_eq!(ask(&client, "SELECT code, kind FROM shop_v1.item WHERE id = 3").await, "gone 3|k");
    assert!(refused(&client, "INSERT INTO shop_v3.item (id, lead) VALUES (4, 7)").await.starts_with("23503"));
    assert_eq!(drifts(&backend).await, "");
    rollback(&backend, 2).await;
    similar(&dump(&url), &middle, "back at version 2");
    rollback(&backend, 0).await;
    similar(&dump(&url), &was, "everything is rolled back");
}

#[tokio::test(flavor = "multi_thread")]
async fn retiring_drops_what_only_old_versions_showed_and_never_the_table() {
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, "CREATE TABLE item (id serial PRIMARY KEY, n int NOT NULL, own point); INSERT INTO item (n) VALUES (5)").await;
    let change: &[&[&str]] = &[&[
        r#"{"retype_property": {"path": "n", "schema": {"type": "string", "required": true}, "up": "cast(n as string)", "down": "cast(n as integer)"}}"#,
    ]];
    let backend = adopt(&url, &[("item", change)], 2).await;
    migrate(&backend, 2).await;
    coeval_engine::retire(&backend, 2, &coeval_engine::How::quietly()).await.unwrap_or_else(|e| panic!("{e:?}"));
    run(&client, "INSERT INTO shop_v2.item (n) VALUES ('6')").await;
    assert_eq!(ask(&client, "SELECT id, n FROM shop_v2.item ORDER BY id").await, "1|5\n2|6");
    assert_eq!(drifts(&backend).await, "");
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_names_are_taken_as_they_are() {
    let url = fresh().await;
    let client = session(&url).await;
    run(&client, r#"CREATE TABLE "Mixed""Case" ("Id" int PRIMARY KEY, "select" text, "Ünïcode" text, "it's" int)"#).await;
    run(&client, r#"INSERT INTO "Mixed""Case" VALUES (1, 'a', 'b', 5)"#).await;
    let was = dump(&url);
    let changes: Changes<'_> = (
        "Mixed\"Case",
        &[&[
            r#"{"rename_property": {"from": "select", "to": "from"}}"#,
            r#"{"retype_property": {"path": "Ünïcode", "schema": "integer", "up": "length(Ünïcode)", "down": "cast(Ünïcode as string)"}}"#,
        ]],
    );
    let taken = imported(&url).await.remove(0).unwrap();
    assert_eq!(taken.model.options.get("table").and_then(|table| table.as_str()), Some("public.Mixed\"Case"));
    let backend = adopt(&url, &[changes], 2).await;
    migrate(&backend, 2).await;
    assert_eq!(ask(&client, r#"SELECT "Id", "from", "Ünïcode", "it's" FROM shop_v2."Mixed""Case""#).await, "1|a|1|5");
    run(&client, r#"UPDATE "Mixed""Case" SET "Ünïcode" = 'four'"#).await;
    assert_eq!(ask(&client, r#"SELECT "Ünïcode" FROM shop_v2."Mixed""Case""#).await, "4");
    rollback(&backend, 0).await;
    similar(&dump(&url), &was, "everything is rolled back");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_versions_cannot_lie_over_is_refused_with_the_reason() {
    let url = fresh().await;
    let client = session(&url).await;
    run(
        &client,
        "CREATE TABLE parted (id int PRIMARY KEY) PARTITION BY RANGE (id); CREATE TABLE part PARTITION OF parted DEFAULT",
    )
    .await;
    run(&client, "CREATE TABLE parent (id int PRIMARY KEY); CREATE TABLE child (id int PRIMARY KEY) INHERITS (parent)").await;
    run(&client, "CREATE TABLE odd (id point, n int); CREATE TABLE taken (_id int)").await;
    let found = catalog::tables(&open_with(&url, &[]).unwrap(), "public").await.unwrap();
    let said: Vec<String> = found
        .iter()
        .map(|table| format!("{}: {}", table.name, take(table, &[]).map_or_else(|e| e, |t| t.left.join("; "))))
        .collect();
    assert_eq!(
        said,
        [
            "child: it inherits from a table, or another inherits from it, so that a row may be in several",
            "odd: it has no primary key: `migrate` gives every row one, in a new column `_id`; column `id`: no type of a property holds a `point`; the versions show it in SQL as it is",
            "parent: it inherits from a table, or another inherits from it, so that a row may be in several",
            "parted: it is partitioned, and rules and triggers of versions cannot be added to its parts one by one",
            "taken: it has no primary key, and the column `_id`, which rows would be given for one, is another one",
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rights_and_policies_hold_through_versions() {
    let url = fresh().await;
    let client = session(&url).await;
    let name = role(&url);
    run(&client, &format!("CREATE ROLE {name}; CREATE TABLE note (id serial PRIMARY KEY, owner text NOT NULL, n int); CREATE TABLE plain (id serial PRIMARY KEY, n int); CREATE TABLE closed (id int PRIMARY KEY)")).await;
    run(&client, &format!("GRANT USAGE ON SCHEMA public TO {name}; GRANT SELECT, INSERT, UPDATE ON note, plain TO {name}; GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO {name}")).await;
    run(&client, "INSERT INTO note (owner, n) VALUES (current_user, 1); INSERT INTO plain (n) VALUES (1)").await;
    if server_version(&client).await >= 150_000 {
        run(&client, "ALTER TABLE note ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON note USING (owner = current_user)").await;
    }
    let change: &[&[&str]] = &[&[
        r#"{"retype_property": {"path": "n", "schema": "string", "up": "cast(n as string)", "down": "cast(n as integer)"}}"#,
    ]];
    let was = dump(&url);
    let backend = adopt(&url, &[("note", change), ("plain", change)], 2).await;
    migrate(&backend, 2).await;
    let theirs = session(&url).await;
    run(&theirs, &format!("SET ROLE {name}")).await;
    for version in [1, 2] {
        let (note, plain) = (format!("shop_v{version}.note"), format!("shop_v{version}.plain"));
        run(&theirs, &format!("INSERT INTO {note} (owner, n) VALUES (current_user, '{version}0'); UPDATE {note} SET n = '5' WHERE n = '{version}0'")).await;
        assert_eq!(ask(&theirs, &format!("SELECT count(*) FROM {note} WHERE owner = current_user")).await, version.to_string());
        if server_version(&client).await >= 150_000 {
            assert_eq!(ask(&theirs, &format!("SELECT count(*) FROM {note}")).await, version.to_string());
            assert!(refused(&theirs, &format!("INSERT INTO {note} (owner, n) VALUES ('other', '1')")).await.starts_with("42501"));
        }
        run(&theirs, &format!("INSERT INTO {plain} (n) VALUES ('{version}')")).await;
        assert!(refused(&theirs, &format!("DELETE FROM {plain}")).await.starts_with("42501"));
        assert!(refused(&theirs, &format!("SELECT * FROM shop_v{version}.closed")).await.starts_with("42501"));
    }
    drop(theirs);
    rollback(&backend, 0).await;
    similar(&dump(&url), &was, "everything is rolled back");
}

#[tokio::test(flavor = "multi_thread")]
async fn views_that_are_replaced_go_on_guarding_rows() {
    let url = fresh().await;
    let client = session(&url).await;
    if server_version(&client).await < 150_000 {
        return;
    }
    run(&client, "CREATE TABLE note (id int PRIMARY KEY, n int); ALTER TABLE note ENABLE ROW LEVEL SECURITY").await;
    // 1 cannot show what is no number at 2, and 3 has a condition that goes with what 2 shows.
    let changes: &[&[&str]] = &[
        &[
            r#"{"retype_property": {"path": "n", "schema": "string", "up": "cast(n as string)", "down": "cast(n as integer)", "on_fail": "quarantine"}}"#,
            r#"{"add_check": {"name": "said", "expr": "n <> 'no'", "policy": "quarantine"}}"#,
        ],
        &[r#"{"retype_property": {"path": "n", "schema": "integer", "up": "length(n)", "down": "'none'"}}"#],
    ];
    let backend = adopt(&url, &[("note", changes)], 3).await;
    migrate(&backend, 1).await;
    migrate(&backend, 3).await;
    let guarded = "SELECT count(*) FROM pg_class WHERE relkind = 'v' AND relnamespace::regnamespace::text LIKE 'shop_%' AND relname LIKE '%note%'
        AND NOT coalesce(reloptions @> '{security_invoker=true}', false)";
    assert_eq!(ask(&client, guarded).await, "0");
    coeval_engine::retire(&backend, 3, &coeval_engine::How::quietly()).await.unwrap();
    assert_eq!(ask(&client, guarded).await, "0");
}
