//! Runs over tables, by processes of their own: killed in a backfill and carried on, several at once, and as fast as they may be; in
//! PostgreSQL and in SQLite, while clients write in plain SQL.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Output};
use std::time::{Duration, Instant};

use coeval_core::Value;
use coeval_core::json;
use common::World;
use common::postgres::{connect, tell};
use tokio::runtime::Runtime;
use tokio_postgres::Client;

const FIRST: &str = "type: model\nname: item\nkey: [id]\nproperties:\n  id: {type: integer, required: true}\n  title: {type: string, required: true}\n  price: {type: integer, required: true}\n";
const SECOND: &str = "type: model\nname: item\nkey: [id]\nproperties:\n  id: {type: integer, required: true}\n  name: {type: string, required: true}\n  price: {type: string, required: true}\n  slug: {type: string, required: true}\noperations:\n  - rename_property: {from: title, to: name}\n  - retype_property: {path: price, schema: {type: string, required: true}, up: cast(price + 1000 as string), down: cast(price as integer) - 1000}\n  - add_property: {path: slug, schema: {type: string, required: true}, value: \"name || '-'\"}\n";

/// Where the records lie, as a client without coeval has it.
enum Place {
    Postgres { client: Client, runtime: Runtime },
    Sqlite(rusqlite::Connection),
}

/// A deployment with a manifest of two versions.
struct Shop {
    place: Place,
    world: World,
}

fn done(output: &Output) -> String {
    assert!(output.status.success(), "{}{}", common::text(&output.stdout), common::text(&output.stderr));
    common::text(&output.stdout)
}

impl Shop {
    fn new(address: &str, place: Place, world: World) -> Self {
        world.write("coeval.yaml", format!("name: shop\nbackends:\n  default: {{url: \"{address}\"}}\n"));
        world.write("models/item.yaml", FIRST);
        done(&world.run(&["freeze"], b""));
        let frozen = common::text(&world.read("models/item.yaml")).replacen(FIRST, SECOND, 1);
        world.write("models/item.yaml", frozen);
        done(&world.run(&["freeze"], b""));
        Self { place, world }
    }

    /// One in a database of its own on the server that all tests share.
    fn postgres() -> Self {
        let server = std::env::var("COEVAL_TEST_POSTGRES").expect("run this with `testing/postgres cargo nextest run …`");
        let runtime = Runtime::new().unwrap();
        let name = format!("t_{}", uuid::Uuid::now_v7().simple());
        let url = format!("{}/{name}", server.rsplit_once('/').unwrap().0);
        let client = runtime.block_on(async {
            tell(&connect(&server).await, &format!("CREATE DATABASE {name}")).await;
            connect(&url).await
        });
        Self::new(&url, Place::Postgres { client, runtime }, World::new())
    }

    fn sqlite() -> Self {
        let world = World::new();
        let path: PathBuf = world.path().join("shop.db");
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.busy_timeout(Duration::from_secs(60)).unwrap();
        Self::new(&format!("sqlite:{}", path.display()), Place::Sqlite(connection), world)
    }

    /// Does what a client does; a row a line, columns parted by `|`.
    fn ask(&self, sql: &str) -> String {
        match &self.place {
            Place::Postgres { client, runtime, .. } => runtime.block_on(tell(client, sql)),
            Place::Sqlite(connection) => {
                let mut statement = connection.prepare(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
                let columns = statement.column_count();
                let text = |row: &rusqlite::Row<'_>, at: usize| {
                    use rusqlite::types::ValueRef;
                    match row.get_ref(at).unwrap() {
                        ValueRef::Null => "∅".to_owned(),
                        ValueRef::Integer(number) => number.to_string(),
                        ValueRef::Real(number) => number.to_string(),
                        ValueRef::Text(text) | ValueRef::Blob(text) => common::text(text),
                    }
                };
                let rows = statement.query_map([], |row| Ok((0..columns).map(|at| text(row, at)).collect::<Vec<_>>().join("|")));
                let rows: Result<Vec<String>, _> = rows.unwrap().collect();
                rows.unwrap_or_else(|error| panic!("{sql}: {error}")).join("\n")
            }
        }
    }

    fn is_postgres(&self) -> bool {
        matches!(self.place, Place::Postgres { .. })
    }

    fn view(&self, version: u32) -> String {
        if self.is_postgres() { format!("shop_v{version}.item") } else { format!("item_v{version}") }
    }

    fn is_offered(&self, version: u32) -> bool {
        let sql = if self.is_postgres() {
            format!("SELECT count(*) FROM pg_namespace WHERE nspname = 'shop_v{version}'")
        } else {
            format!("SELECT count(*) FROM sqlite_schema WHERE name = 'item_v{version}'")
        };
        self.ask(&sql) == "1"
    }

    /// Comes to the first version and makes records 1 to `count`, each of which costs its number.
    fn fill(&self, count: u32) {
        done(&self.world.run(&["migrate", "--to", "1"], b""));
        let numbers = if self.is_postgres() {
            format!("generate_series(1, {count}) AS n (i)")
        } else {
            format!("(WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count}) SELECT i FROM n)")
        };
        self.ask(&format!("INSERT INTO {} (id, title, price) SELECT i, 't' || i, i FROM {numbers}", self.view(1)));
    }

    /// How many records are not as they should be: every one costs its number, by one more where somebody raised it.
    fn wrong(&self, raised: &[u32]) -> String {
        let raised =
            if raised.is_empty() { "0".to_owned() } else { raised.iter().map(u32::to_string).collect::<Vec<_>>().join(", ") };
        let price = format!("(id + CASE WHEN id IN ({raised}) THEN 1 ELSE 0 END)");
        let older = format!("SELECT count(*) FROM {} WHERE price <> {price} OR title <> 't' || id", self.view(1));
        if !self.is_offered(2) {
            return self.ask(&older);
        }
        let newer = format!(
            "SELECT count(*) FROM {} WHERE price <> CAST({price} + 1000 AS text) OR name <> 't' || id OR slug <> 't' || id || '-' OR slug IS NULL",
            self.view(2)
        );
        format!("{}|{}", self.ask(&older), self.ask(&newer)).replace("0|0", "0")
    }

    fn runner(&self, arguments: &[&str]) -> Runner {
        let mut child = self.world.command(&[arguments, &["--format", "json"]].concat()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Runner { child, lines }
    }

    /// Returns how many rows the note of the step that is going on counts, and the place in it.
    fn cursor(&self) -> (u64, String) {
        let sql = if self.is_postgres() {
            "SELECT counts->>'seen', position->>0 FROM coeval.cursor WHERE NOT done"
        } else {
            "SELECT json_extract(counts, '$.seen'), json_extract(position, '$[0]') FROM coeval_cursor WHERE NOT done"
        };
        let line = self.ask(sql);
        let (seen, place) = line.split_once('|').unwrap_or_else(|| panic!("no step is going on: {line}"));
        (seen.parse().unwrap(), place.to_owned())
    }

    /// What happened, one word an entry.
    fn history(&self) -> Vec<String> {
        let table = if self.is_postgres() { "coeval.history" } else { "coeval_history" };
        let entries = self.ask(&format!("SELECT replace(CAST(entry AS text), '\n', ' ') FROM {table} ORDER BY number"));
        let kind = |line: &str| {
            let value = json::parse(line.as_bytes()).unwrap();
            value.as_object().and_then(|object| object.get("event")).and_then(Value::as_str).unwrap_or(line).to_owned()
        };
        entries.lines().map(kind).collect()
    }
}

/// A process that runs something.
struct Runner {
    child: Child,
    lines: BufReader<ChildStdout>,
}

impl Runner {
    /// Returns the next thing that it tells; `None` when it is over.
    fn event(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        (!line.is_empty()).then(|| json::parse(line.as_bytes()).unwrap_or_else(|_| panic!("{line}")))
    }

    /// Waits until it tells that it has dealt with so many records of a step.
    fn until(&mut self, count: u64) {
        while let Some(event) = self.event() {
            if records(&event).is_some_and(|records| records >= count) {
                return;
            }
        }
        panic!("it ended before it came to {count} records");
    }

    /// Waits for its end; what it told until then, and what it said.
    fn end(mut self) -> (Vec<Value>, Output) {
        let events = std::iter::from_fn(|| self.event()).collect();
        (events, self.child.wait_with_output().unwrap())
    }
}

fn is(event: &Value, name: &str) -> bool {
    event.as_object().and_then(|object| object.get("event")).and_then(Value::as_str) == Some(name)
}

/// How many records of a step were dealt with, if that is what is told.
fn records(event: &Value) -> Option<u64> {
    let told = is(event, "progress") || is(event, "step-done");
    told.then(|| event.as_object()?.get("records")?.as_i64()?.try_into().ok()).flatten()
}

fn killed_in_a_backfill(shop: &Shop, count: u32, rate: &str) {
    shop.fill(count);
    let mut runner = shop.runner(&["migrate", "--rate", rate]);
    runner.until(u64::from(count) / 4);
    runner.child.kill().unwrap();
    drop(runner.end());
    let (seen, place) = shop.cursor();
    assert!(seen >= u64::from(count) / 4 && seen < u64::from(count), "{seen}");
    assert_eq!(place.trim_matches('\'').parse::<u64>().unwrap(), seen);
    // The new version is not offered, and whoever asks is told why.
    let status = shop.world.run(&["status"], b"");
    let said = format!("{}{}", common::text(&status.stdout), common::text(&status.stderr));
    assert!(status.status.code() == Some(1) && said.contains("version 1 is in force"), "{said}");
    assert!(said.contains("from version 1 to 2 is open") && said.contains("resumes it"), "{said}");
    assert!(!shop.is_offered(2));
    assert_eq!(shop.wrong(&[]), "0");
    // Clients go on, before and behind the place.
    let view = shop.view(1);
    let last = count - 5;
    shop.ask(&format!("UPDATE {view} SET price = price + 1 WHERE id IN (5, {last})"));
    shop.ask(&format!("DELETE FROM {view} WHERE id IN (7, {})", count - 7));
    shop.ask(&format!("INSERT INTO {view} (id, title, price) VALUES (0, 't0', 0), ({0}, 't{0}', {0})", count + 1000));
    let written = "SELECT md5(string_agg(xmin::text, ',' ORDER BY id)) FROM shop.item WHERE id BETWEEN 10 AND ";
    let before = shop.is_postgres().then(|| shop.ask(&format!("{written} {place}")));
    // On a busy machine this one may be late to say that it lives.
    let (events, output) = shop.runner(&["migrate", "--lock-stale", "2", "--wait"]).end();
    assert!(output.status.success(), "{events:?}{}", common::text(&output.stderr));
    assert!(events.iter().any(|event| is(event, "taken-over")), "{events:?}");
    let resumed =
        events.iter().find(|event| is(event, "run-started")).and_then(|event| event.as_object()?.get("resumed").cloned());
    assert_eq!(resumed, Some(Value::Bool(true)));
    // It began behind what was done, and did the rest once: one record more than there were, and one less.
    let told: Vec<u64> = events.iter().filter_map(records).filter(|records| *records > 0).collect();
    assert!(told.first().is_some_and(|first| *first > seen), "{seen}: {told:?}");
    assert_eq!(told.iter().max(), Some(&u64::from(count)), "{told:?}");
    if let Some(before) = before {
        assert_eq!(shop.ask(&format!("{written} {place}")), before, "rows were written again");
    }
    assert_eq!(shop.wrong(&[5, last]), "0");
    assert_eq!(shop.ask(&format!("SELECT count(*) FROM {}", shop.view(2))), count.to_string());
    assert_eq!(shop.history(), ["started", "finished", "started", "finished"]);
    done(&shop.world.run(&["status"], b""));
    done(&shop.world.run(&["verify"], b""));
}

#[test]
fn a_backfill_in_postgresql_that_is_killed_goes_on_where_it_was() {
    killed_in_a_backfill(&Shop::postgres(), 60_000, "20000");
}

#[test]
fn a_backfill_in_sqlite_that_is_killed_goes_on_where_it_was() {
    killed_in_a_backfill(&Shop::sqlite(), 20_000, "5000");
}

/// There and back, killed at any moment; what clients see is right after each kill.
fn killed_again_and_again(shop: &Shop) {
    shop.fill(300);
    let (mut up, mut kills, mut reached) = (true, 0, 0);
    while kills < 15 {
        let goal: &[&str] = if up { &["migrate", "--to", "2"] } else { &["rollback", "--to", "1"] };
        let mut runner = shop.runner(&[goal, &["--lock-stale", "0.4", "--wait"]].concat());
        // Every fourth one lives.
        if kills % 4 != 3 || reached > kills {
            while runner.event().is_some_and(|event| !is(&event, "run-started")) {}
            std::thread::sleep(Duration::from_millis(rand::random_range(0..200)));
            runner.child.kill().unwrap();
        }
        let (events, output) = runner.end();
        let code = output.status.code();
        match code {
            None => kills += 1,
            Some(0) => (up, reached) = (!up, reached + 1),
            // A rollback that was begun comes to its end before anything else.
            Some(3) => up = !up,
            // A machine that is busy lets so short a lock go stale; the next one carries on what was left.
            Some(5) if events.iter().any(|event| format!("{event}").contains("lock-lost")) => {}
            Some(_) => panic!("{code:?}: {events:?} {}", common::text(&output.stderr)),
        }
        let raised: Vec<u32> = (1..=kills).collect();
        if code.is_none() {
            shop.ask(&format!("UPDATE {} SET price = price + 1 WHERE id = {kills}", shop.view(1)));
        }
        assert_eq!(shop.wrong(&raised), "0", "after {kills} kills");
    }
    let end = ["--lock-stale", "2", "--wait"];
    while !shop.world.run(&[&["migrate", "--to", "2"], &end[..]].concat(), b"").status.success() {
        done(&shop.world.run(&[&["rollback", "--to", "1"], &end[..]].concat(), b""));
    }
    assert!(shop.is_offered(2));
    assert_eq!(shop.wrong(&(1..=kills).collect::<Vec<u32>>()), "0");
    assert_eq!(shop.ask(&format!("SELECT count(*) FROM {}", shop.view(2))), "300");
    done(&shop.world.run(&["verify"], b""));
}

#[test]
fn runs_in_sqlite_that_are_killed_again_and_again_show_nothing_wrong() {
    killed_again_and_again(&Shop::sqlite());
}

#[test]
fn runs_in_postgresql_that_are_killed_again_and_again_show_nothing_wrong() {
    killed_again_and_again(&Shop::postgres());
}

fn two_at_once(shop: &Shop) {
    // All begin at the same moment, where there is nothing at all; one does it.
    let runners: Vec<Runner> = (0..4).map(|_| shop.runner(&["migrate", "--to", "1", "--wait"])).collect();
    for runner in runners {
        done(&runner.end().1);
    }
    assert_eq!(shop.history(), ["started", "finished"]);
    shop.fill(2000);
    let mut first = shop.runner(&["migrate", "--rate", "200"]);
    first.until(1);
    let (second, back) = (shop.runner(&["migrate"]), shop.runner(&["rollback"]));
    let mut third = shop.runner(&["migrate", "--wait"]);
    // Whoever does not wait is told for whom.
    for refused in [second, back] {
        let (events, output) = refused.end();
        let said = format!("{events:?}{}", common::text(&output.stderr));
        let named = format!("process {} holds the lock since", first.child.id());
        assert!(output.status.code() == Some(3) && said.contains(&named), "{said}");
    }
    let waiting = third.event().unwrap();
    assert!(is(&waiting, "waiting"), "{waiting}");
    shop.ask(&format!("UPDATE {} SET price = price + 1 WHERE id IN (1, 1999)", shop.view(1)));
    done(&first.end().1);
    let (events, output) = third.end();
    done(&output);
    assert!(!events.iter().any(|event| is(event, "run-started")), "{events:?}");
    assert_eq!(shop.history(), ["started", "finished", "started", "finished"]);
    assert_eq!(shop.wrong(&[1, 1999]), "0");
    // And back, two at once.
    let both = [shop.runner(&["rollback", "--to", "1", "--wait"]), shop.runner(&["rollback", "--to", "1", "--wait"])];
    for runner in both {
        done(&runner.end().1);
    }
    assert_eq!(shop.history().len(), 6);
    assert!(!shop.is_offered(2));
    assert_eq!(shop.wrong(&[1, 1999]), "0");
    done(&shop.world.run(&["verify"], b""));
}

#[test]
fn of_several_runners_in_postgresql_one_does_it() {
    two_at_once(&Shop::postgres());
}

#[test]
fn of_several_runners_in_sqlite_one_does_it() {
    two_at_once(&Shop::sqlite());
}

/// No more records at once than a second may have, and never more in all than the time allows.
fn keeps_its_rate(shop: &Shop) {
    shop.fill(900);
    let begin = Instant::now();
    let mut runner = shop.runner(&["migrate", "--rate", "300"]);
    let (mut parts, mut before) = (Vec::new(), 0);
    let mut seen = BTreeSet::new();
    while let Some(event) = runner.event() {
        if let Some(now) = records(&event).filter(|now| *now > 0 && seen.insert(*now)) {
            parts.push(now - before);
            before = now;
        }
    }
    let (_, output) = runner.end();
    done(&output);
    assert!(parts.iter().all(|part| *part <= 300) && parts.iter().sum::<u64>() == 900, "{parts:?}");
    // The last part need not be waited for.
    assert!(begin.elapsed() >= Duration::from_secs(2), "{:?}", begin.elapsed());
    assert_eq!(shop.wrong(&[]), "0");
}

#[test]
fn a_rate_is_kept_in_postgresql() {
    keeps_its_rate(&Shop::postgres());
}

#[test]
fn a_rate_is_kept_in_sqlite() {
    keeps_its_rate(&Shop::sqlite());
}
