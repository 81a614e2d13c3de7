//! A database that was there before, from `import` to `rollback`, through the command line: SQLite, and PostgreSQL.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::path::Path;
use std::process::Command;

use common::{World, text};

const TABLES: &str = "
CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE staff (id INTEGER PRIMARY KEY, name TEXT NOT NULL, pay INTEGER NOT NULL CHECK (pay >= 0), mood TEXT NOT NULL DEFAULT 'ok',
                    team INTEGER REFERENCES team (id), point NUMERIC(5,-2),
                    loud TEXT GENERATED ALWAYS AS (name || '!') STORED);
INSERT INTO team VALUES (1, 'red');
INSERT INTO staff (id, name, pay, team) VALUES (1, 'Ada', 10, 1), (2, 'Bob', 20, NULL);
";

/// What differs between the two.
struct Store<'w> {
    world: &'w World,
    url: String,
    /// A view of a version.
    view: &'static dyn Fn(u32, &str) -> String,
    sql: &'w dyn Fn(&str) -> String,
}

impl Store<'_> {
    fn says(&self, arguments: &[&str], code: i32) -> String {
        let output = self.world.run(arguments, b"");
        let (out, errors) = (text(&output.stdout), text(&output.stderr));
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {out}{errors}");
        out.replace(&self.url, "URL")
    }

    fn view(&self, version: u32) -> String {
        (self.view)(version, "staff")
    }

    /// What runs stands in the frozen version, each step in the words of the plan, with the way back; and stays as it is.
    fn frozen_steps(&self) {
        let path = "models/staff.yaml";
        let written = text(&self.world.read(path));
        let (_, migrate) = written.rsplit_once("\nmigrate:\n").unwrap();
        let (up, down) = migrate.split_once("    downgrade:\n").unwrap();
        let names = |steps: &str| -> Vec<String> {
            steps.lines().filter_map(|line| line.strip_prefix("      - ")?.split(':').next().map(str::to_owned)).collect()
        };
        for step in ["add_column", "rebuild_triggers", "backfill", "add_check", "watch_columns"] {
            assert!(names(up).iter().any(|name| name == step), "{step}: {migrate}");
        }
        for step in ["archive", "drop_column", "rebuild_triggers"] {
            assert!(names(down).iter().any(|name| name == step), "{step}: {migrate}");
        }
        let json = self.says(&["plan", "--format", "json"], 0);
        let planned = json.matches("\"phase\":").count() + json.matches("\"phase\" :").count();
        // That versions are offered is the backend's, and in no frozen version.
        assert_eq!(planned, names(up).len() + 1, "{migrate}{json}");
        self.world.write(path, written.replacen("- backfill:", "- backfill_other:", 1));
        let output = self.world.run(&["plan"], b"");
        assert!(text(&output.stderr).contains("this frozen version was edited"), "{}", text(&output.stderr));
        self.world.write(path, written);
    }

    /// Takes the tables over, makes a second version, goes back and forth, and finds what somebody changes.
    fn whole_way(&self, drop_trigger: &str, drifted: &str, lock: &str) {
        self.world.write("coeval.yaml", format!("name: shop\nbackends: {{default: \"{}\"}}\n", self.url));
        let import = self.says(&["import", &self.url], 0);
        assert!(import.starts_with("read 2 tables; wrote 2 drafts\n  staff: models/staff.yaml\n"), "{import}");
        assert!(import.contains("    left as it is: check"), "{import}");
        self.says(&["freeze"], 0);
        self.says(&["migrate"], 0);
        assert!(self.says(&["verify"], 0).contains("staff: 2 records, no problem"));
        assert_eq!(
            (self.sql)(&format!("SELECT id, name, pay, mood, team FROM {} ORDER BY id", self.view(1))),
            "1|Ada|10|ok|1\n2|Bob|20|ok|"
        );
        let draft = text(&self.world.read("models/staff.yaml"));
        let pay = draft.lines().find(|line| line.starts_with("  pay:")).unwrap();
        let operation = "operations:\n  - retype_property: {path: pay, schema: {type: string, required: true}, up: cast(pay as string), down: cast(pay as integer)}\nproperties:\n";
        // The frozen document is the last one of the file; the draft is before it.
        let (head, frozen) = draft.split_once("---").unwrap();
        let head = head.replacen(pay, "  pay: {type: string, required: true}", 1).replacen("properties:\n", operation, 1);
        self.world.write("models/staff.yaml", format!("{head}---{frozen}"));
        self.says(&["freeze"], 0);
        self.frozen_steps();
        let plan = self.says(&["plan"], 0);
        assert!(plan.contains("  writes     a write of `pay` of `staff` at version 1 computes 1 value\n"), "{plan}");
        assert!(plan.contains("  writes     a write of `pay` of `staff` at version 2 computes 1 value\n"), "{plan}");
        assert!(plan.contains(lock), "{plan}");
        let json = self.says(&["plan", "--format", "json"], 0);
        assert!(json.contains("\"computes\": 1"), "{json}");
        self.says(&["migrate"], 0);
        assert_eq!(
            (self.sql)(&format!("UPDATE {} SET pay = '11' WHERE id = 1; SELECT pay FROM staff ORDER BY id", self.view(2))),
            "11\n20"
        );
        // What the database computes is there at all versions, and nobody writes it.
        let renamed =
            format!("UPDATE {} SET name = 'Ida' WHERE id = 1; SELECT loud FROM {} WHERE id = 1", self.view(2), self.view(1));
        assert_eq!((self.sql)(&renamed), "Ida!");
        let renamed =
            format!("UPDATE {} SET name = 'Ada' WHERE id = 1; SELECT loud FROM {} WHERE id = 1", self.view(1), self.view(2));
        assert_eq!((self.sql)(&renamed), "Ada!");
        self.says(&["rollback", "--warm"], 0);
        assert_eq!((self.sql)(&format!("UPDATE {} SET pay = 12 WHERE id = 1; SELECT 1", self.view(1))), "1");
        self.says(&["migrate"], 0);
        assert_eq!((self.sql)(&format!("SELECT pay FROM {} ORDER BY id", self.view(2))), "12\n20");
        self.says(&["verify"], 0);
        (self.sql)(drop_trigger);
        let told = self.says(&["verify"], 1);
        assert!(told.contains(drifted), "{told}");
        let json = self.says(&["verify", "--format", "json"], 1);
        assert!(json.contains("\"drift\":\"trigger `") && json.contains("\"found\":null"), "{json}");
        self.says(&["rollback", "--to", "1"], 0);
        self.says(&["migrate"], 0);
        self.says(&["verify"], 0);
    }
}

fn python(path: &Path, sql: &str) -> String {
    let script = "
import sqlite3, sys
db = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2].split(';'):
    for row in db.execute(statement): print('|'.join('' if v is None else str(v) for v in row))";
    let done = Command::new("python3").args(["-c", script]).arg(path).arg(sql).output().unwrap();
    assert!(done.status.success(), "{sql}: {}", text(&done.stderr));
    text(&done.stdout).trim_end().to_owned()
}

#[test]
fn a_database_of_sqlite_from_import_to_rollback() {
    let world = World::new();
    let path = world.path().join("shop.db");
    let sql = |sql: &str| python(&path, sql);
    sql(TABLES);
    let store =
        Store { world: &world, url: "sqlite:shop.db".to_owned(), view: &|version, name| format!("{name}_v{version}"), sql: &sql };
    store.whole_way(
        "DROP TRIGGER coeval_staff_v2_insert",
        "default: staff: trigger `coeval_staff_v2_insert` is missing: a trigger of the version's view\n",
        "             holds the write lock batch by batch, writes every row, in batches\n",
    );
}

#[test]
fn a_database_of_postgresql_from_import_to_rollback() {
    let variable =
        |name: &str| std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this with `testing/postgres`"));
    let (server, folder) = (variable("COEVAL_TEST_POSTGRES"), variable("COEVAL_TEST_POSTGRES_BIN"));
    let own = Path::new(&folder).join("psql");
    let program = if own.exists() { own } else { "psql".into() };
    let psql = |url: &str, sql: &str| {
        let done =
            Command::new(&program).args(["--no-psqlrc", "-qAt", "-v", "ON_ERROR_STOP=1", "-d", url, "-c", sql]).output().unwrap();
        assert!(done.status.success(), "{sql}: {}", text(&done.stderr));
        text(&done.stdout).trim_end().to_owned()
    };
    let name = format!("cli_{}", uuid::Uuid::now_v7().simple());
    psql(&server, &format!("CREATE DATABASE {name}"));
    let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
    let sql = |sql: &str| psql(&url, sql);
    sql(&TABLES.replace("NUMERIC(5,-2)", "point"));
    let world = World::new();
    let store = Store { world: &world, url: url.clone(), view: &|version, name| format!("shop_v{version}.{name}"), sql: &sql };
    store.whole_way(
        "DROP TRIGGER zz_coeval_update ON staff",
        "default: staff: trigger `zz_coeval_update` is missing: BEFORE UPDATE OF ",
        "             SHARE ROW EXCLUSIVE\n",
    );
}
