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

    /// Freezes the draft with another property list, by some operations.
    fn changes(&self, properties: &str, operations: &str) {
        let path = "models/staff.yaml";
        let text = text(&self.world.read(path));
        let (_, frozen) = text.split_once("---").unwrap();
        let draft = format!("type: model\nname: staff\nkey: [id]\noperations:\n{operations}properties:\n{properties}---{frozen}");
        self.world.write(path, draft);
        self.says(&["freeze"], 0);
    }

    /// Several versions that are brought at once are computed from what there is, and change none of it.
    fn several_at_once(&self) {
        self.world.write("coeval.yaml", format!("name: shop\nbackends: {{default: \"{}\"}}\n", self.url));
        let id = "  id: {type: integer, required: true}\n";
        self.world.write(
            "models/staff.yaml",
            format!("type: model\nname: staff\nkey: [id]\nproperties:\n{id}  pay: {{type: number}}\n"),
        );
        self.says(&["freeze"], 0);
        self.says(&["migrate"], 0);
        (self.sql)(&format!("INSERT INTO {} (id, pay) VALUES (1, 19.999), (2, NULL)", self.view(1)));
        let to_integer =
            "  - retype_property: {path: pay, schema: {type: integer}, up: cast(round(pay) as integer), down: pay}\n";
        self.changes(&format!("{id}  pay: {{type: integer}}\n"), to_integer);
        let added = "  - add_property: {path: tens, schema: {type: integer}, value: pay / 10}\n";
        self.changes(&format!("{id}  pay: {{type: integer}}\n  tens: {{type: integer}}\n"), added);
        let to_text =
            "  - retype_property: {path: tens, schema: {type: string}, up: cast(tens as string), down: cast(tens as integer)}\n";
        self.changes(&format!("{id}  pay: {{type: integer}}\n  tens: {{type: string}}\n"), to_text);
        let read = |version: u32, columns: &str| (self.sql)(&format!("SELECT {columns} FROM {} ORDER BY id", self.view(version)));
        let all = || {
            assert_eq!(read(1, "id, pay"), "1|19.999\n2|");
            assert_eq!(read(2, "id, pay"), "1|20\n2|");
            assert_eq!(read(3, "id, pay, tens"), "1|20|2\n2||");
            assert_eq!(read(4, "id, pay, tens"), "1|20|2\n2||");
        };
        let plan = self.says(&["plan"], 0);
        assert_eq!(plan.matches("rebuild the triggers of `staff`").count(), 1, "{plan}");
        self.says(&["migrate"], 0);
        all();
        self.says(&["rollback", "--to", "1"], 0);
        assert_eq!(read(1, "id, pay"), "1|19.999\n2|");
        self.says(&["migrate", "--to", "2"], 0);
        self.says(&["migrate"], 0);
        all();
        self.says(&["rollback", "--to", "3"], 0);
        self.says(&["rollback", "--to", "1"], 0);
        self.says(&["migrate"], 0);
        all();
        self.says(&["verify"], 0);
    }
    /// What a version cannot show, those that follow from it cannot either; and what an older one cannot show is no fault of the newer one.
    fn what_a_version_cannot_show(&self) {
        self.world.write("coeval.yaml", format!("name: shop\nbackends: {{default: \"{}\"}}\n", self.url));
        let id = "  id: {type: integer, required: true}\n";
        let pay = |ty: &str| format!("{id}  pay: {{type: {ty}, required: true}}\n");
        let retype = |ty: &str, up: &str, down: &str| {
            format!(
                "  - retype_property: {{path: pay, schema: {{type: {ty}, required: true}}, up: {up}, down: {down}, on_fail: quarantine}}\n"
            )
        };
        let integer = "cast(pay as integer)";
        let string = "cast(pay as string)";
        let draft = format!("type: model\nname: staff\nkey: [id]\nproperties:\n{}", pay("integer"));
        self.world.write("models/staff.yaml", draft);
        self.says(&["freeze"], 0);
        self.says(&["migrate"], 0);
        (self.sql)(&format!("INSERT INTO {} (id, pay) VALUES (1, 10)", self.view(1)));
        self.changes(&pay("string"), &retype("string", string, integer));
        self.says(&["migrate"], 0);
        let read = |version: u32| (self.sql)(&format!("SELECT id, pay FROM {} ORDER BY id", self.view(version)));
        // Version 1 has no value of this one.
        (self.sql)(&format!("INSERT INTO {} (id, pay) VALUES (2, 'many')", self.view(2)));
        assert_eq!((read(1).as_str(), read(2).as_str()), ("1|10", "1|10\n2|many"));
        let output = self.world.run(&["rollback", "--to", "1"], b"");
        let told = text(&output.stdout) + &text(&output.stderr);
        assert!(!output.status.success() && told.contains("no value"), "{told}");
        // Nothing was taken from anybody.
        assert_eq!((read(1).as_str(), read(2).as_str()), ("1|10", "1|10\n2|many"));
        (self.sql)(&format!("UPDATE {} SET pay = '20' WHERE id = 2", self.view(2)));
        self.says(&["rollback", "--to", "1"], 0);
        assert_eq!(read(1), "1|10\n2|20");
        self.says(&["migrate"], 0);
        (self.sql)(&format!("UPDATE {} SET pay = 'many' WHERE id = 2", self.view(2)));
        self.changes(&pay("integer"), &retype("integer", integer, string));
        self.says(&["migrate"], 0);
        assert_eq!((read(2).as_str(), read(3).as_str()), ("1|10\n2|many", "1|10"));
        self.changes(&pay("string"), &retype("string", string, integer));
        self.says(&["migrate"], 0);
        assert_eq!((read(1).as_str(), read(2).as_str()), ("1|10", "1|10\n2|many"));
        assert_eq!((read(3).as_str(), read(4).as_str()), ("1|10", "1|10"));
        self.says(&["verify"], 0);
    }
    /// What a version demands of a column of its own is demanded again when a later one is taken back, and not when it goes itself.
    fn what_is_demanded_of_a_column_that_goes(&self) {
        self.world.write("coeval.yaml", format!("name: shop\nbackends: {{default: \"{}\"}}\n", self.url));
        let id = "  id: {type: integer, required: true}\n";
        self.world.write("models/staff.yaml", format!("type: model\nname: staff\nkey: [id]\nproperties:\n{id}"));
        self.says(&["freeze"], 0);
        self.says(&["migrate"], 0);
        let integer = "{type: integer, required: true, default: 5}";
        self.changes(
            &format!("{id}  pay: {integer}\n"),
            &format!("  - add_property: {{path: pay, schema: {integer}, value: 5}}\n"),
        );
        let string = "{type: string, required: true, default: '5'}";
        let retype = format!(
            "  - retype_property: {{path: pay, schema: {string}, up: cast(pay as string), down: cast(pay as integer), on_fail: quarantine}}\n"
        );
        self.changes(&format!("{id}  pay: {string}\n"), &retype);
        self.says(&["migrate"], 0);
        (self.sql)(&format!("INSERT INTO {} (id) VALUES (1)", self.view(1)));
        (self.sql)(&format!("INSERT INTO {} (id, pay) VALUES (2, 'many')", self.view(3)));
        let read = |version: u32, columns: &str| (self.sql)(&format!("SELECT {columns} FROM {} ORDER BY id", self.view(version)));
        assert_eq!((read(2, "id, pay").as_str(), read(3, "id, pay").as_str()), ("1|5", "1|5\n2|many"));
        self.says(&["rollback", "--to", "2"], 3);
        self.says(&["rollback", "--to", "1"], 0);
        assert_eq!(read(1, "id"), "1\n2");
        self.says(&["migrate"], 0);
        assert_eq!((read(2, "id, pay").as_str(), read(3, "id, pay").as_str()), ("1|5", "1|5\n2|many"));
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

fn on_sqlite(test: &dyn Fn(&Store<'_>)) {
    let world = World::new();
    let path = world.path().join("shop.db");
    let sql = |sql: &str| python(&path, sql);
    test(&Store {
        world: &world,
        url: "sqlite:shop.db".to_owned(),
        view: &|version, name| format!("{name}_v{version}"),
        sql: &sql,
    });
}

fn on_postgres(test: &dyn Fn(&Store<'_>)) {
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
    let world = World::new();
    test(&Store { world: &world, url: url.clone(), view: &|version, name| format!("shop_v{version}.{name}"), sql: &sql });
}

#[test]
fn a_database_of_sqlite_from_import_to_rollback() {
    on_sqlite(&|store| {
        (store.sql)(TABLES);
        store.whole_way(
            "DROP TRIGGER coeval_staff_v2_insert",
            "default: staff: trigger `coeval_staff_v2_insert` is missing: a trigger of the version's view\n",
            "             holds the write lock batch by batch, writes every row, in batches\n",
        );
    });
}

#[test]
fn a_database_of_postgresql_from_import_to_rollback() {
    on_postgres(&|store| {
        (store.sql)(&TABLES.replace("NUMERIC(5,-2)", "point"));
        store.whole_way(
            "DROP TRIGGER zz_coeval_update ON staff",
            "default: staff: trigger `zz_coeval_update` is missing: BEFORE UPDATE OF ",
            "             SHARE ROW EXCLUSIVE\n",
        );
    });
}

#[test]
fn several_versions_at_once_in_sqlite() {
    on_sqlite(&|store| store.several_at_once());
}

#[test]
fn several_versions_at_once_in_postgresql() {
    on_postgres(&|store| store.several_at_once());
}

#[test]
fn what_a_version_cannot_show_in_sqlite() {
    on_sqlite(&|store| store.what_a_version_cannot_show());
}

#[test]
fn what_a_version_cannot_show_in_postgresql() {
    on_postgres(&|store| store.what_a_version_cannot_show());
}

#[test]
fn what_is_demanded_of_a_column_that_goes_in_sqlite() {
    on_sqlite(&|store| store.what_is_demanded_of_a_column_that_goes());
}

#[test]
fn what_is_demanded_of_a_column_that_goes_in_postgresql() {
    on_postgres(&|store| store.what_is_demanded_of_a_column_that_goes());
}
