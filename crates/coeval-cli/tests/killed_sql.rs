//! Runners, and the server's processes that work for them, killed at random moments, while clients write in plain SQL.
//!
//! Two runners take a deployment in PostgreSQL from version 2 to 3 and back, over and over; a hundred times one of them is killed, or
//! the server's process that works for it, on which the server ends all its processes and begins anew. Clients of three versions
//! meanwhile count in columns of their own, which the newest version converts, and one makes and deletes records. At the end their
//! logs are held against the tables: no acknowledged write is lost, none was applied twice, every value is right at every version,
//! and `pg_dump` says what it says of a deployment that nobody disturbed. `COEVAL_TEST_KILLS` says how many kills, where it is set.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]
#![allow(clippy::print_stdout, reason = "says what was tried")]

mod common;
#[path = "../../coeval-postgres/tests/common/dump.rs"]
mod dump;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use common::World;
use common::postgres::{Server, ask, connect, is_passing, tell, try_connect};
use dump::{dump, similar};
use rand::RngExt;
use tokio::runtime::Handle;
use tokio_postgres::{Client, Error};

const RECORDS: i64 = 40;
/// The version of each client; each has a counter of its own, and a price that says the same.
const CLIENTS: [u32; 4] = [1, 2, 3, 1];
/// The clients whose prices the newest version converts.
const CONVERTED: [usize; 2] = [0, 2];
/// How many records of its own the last client keeps.
const OWN: usize = 15;

/// The model's document at a version, with the operations that lead there.
fn draft(version: u32) -> String {
    let (name, n1) = if version == 1 { ("name", "n1") } else { ("title", "m1") };
    let indexed = if version == 3 { ", index: true" } else { "" };
    let price = |at: usize| if version == 3 && CONVERTED.contains(&at) { "integer" } else { "number" };
    let (last, operations) = match version {
        1 => ("  note: string\n", String::new()),
        2 => (
            "  note: string\n",
            "operations:\n  - rename_property: {from: name, to: title}\n  - rename_property: {from: n1, to: m1}\n".to_owned(),
        ),
        _ => {
            let retype = |at: usize| {
                format!(
                    "  - retype_property: {{path: p{at}, schema: {{type: integer, required: true}}, up: cast(p{at} * 100 as integer), down: cast(p{at} as number) / 100}}\n"
                )
            };
            let retyped = CONVERTED.map(retype).concat();
            let more = "  - add_property: {path: slug, schema: {type: string, required: true}, value: \"'none'\"}\n  - remove_property: {path: note}\n  - add_index: {properties: [title]}\n";
            ("  slug: {type: string, required: true}\n", format!("operations:\n{retyped}{more}"))
        }
    };
    let required = |name: &str, ty: &str| format!("  {name}: {{type: {ty}, required: true}}\n");
    let counters = ["n0", n1, "n2", "n3"].map(|name| required(name, "integer")).concat();
    let prices = [0, 1, 2, 3].map(|at| required(&format!("p{at}"), price(at))).concat();
    format!(
        "type: model\nname: item\nkey: [id]\nproperties:\n  id: {{type: integer, required: true}}\n  {name}: {{type: string, required: true{indexed}}}\n{counters}{prices}{last}{operations}"
    )
}

fn done(world: &World, arguments: &[&str]) {
    let done = world.run(arguments, b"");
    assert!(done.status.success(), "{arguments:?}: {}{}", common::text(&done.stdout), common::text(&done.stderr));
}

/// A manifest of three versions over a database, which has come to the newest and gone back to the second.
async fn world(url: &str) -> World {
    let world = World::new();
    // A hundred processes that encrypt without optimisation would take their time.
    world.write("coeval.yaml", format!("name: shop\nbackends:\n  default: {{url: \"{url}?sslmode=disable\"}}\n"));
    for version in 1..=3 {
        let before = if version == 1 { String::new() } else { common::text(&world.read("models/item.yaml")) };
        let frozen = before.find("\n---\n").map_or("", |at| &before[at + 1..]);
        world.write("models/item.yaml", format!("{}{frozen}", draft(version)));
        done(&world, &["freeze"]);
    }
    done(&world, &["migrate", "--to", "1"]);
    let client = connect(url).await;
    let rows = format!(
        "INSERT INTO shop_v1.item (id, name, n0, n1, n2, n3, p0, p1, p2, p3, note)
         SELECT g, 'r' || g, 0, 0, 0, 0, 0.25, 0.25, 0.25, 0.25, 'kept' FROM generate_series(0, {}) g",
        RECORDS - 1
    );
    tell(&client, &rows).await;
    done(&world, &["migrate", "--to", "3"]);
    done(&world, &["rollback", "--to", "2"]);
    world
}

/// The name that a counter has at a version.
fn counter(client: usize, at: u32) -> String {
    if client == 1 && at > 1 { "m1".to_owned() } else { format!("n{client}") }
}

fn is_converted(client: usize, at: u32) -> bool {
    at == 3 && CONVERTED.contains(&client)
}

/// What a version shows of records that fulfil a condition.
fn reading(at: u32, condition: &str) -> String {
    let counters: Vec<String> = (0..4).map(|client| counter(client, at)).collect();
    let name = if at == 1 { "name" } else { "title" };
    let last = if at == 3 { "slug" } else { "note" };
    let price = |client: usize| if is_converted(client, at) { format!("p{client}") } else { format!("trim_scale(p{client})") };
    let prices = (0..4).map(price).collect::<Vec<_>>().join(", ");
    format!("SELECT id, {name}, {}, {prices}, {last} FROM shop_v{at}.item WHERE {condition} ORDER BY id", counters.join(", "))
}

/// Checks what a version shows of a record, and returns the counters.
fn check(at: u32, line: &str) -> [i64; 4] {
    let parts: Vec<&str> = line.split('|').collect();
    assert_eq!(parts.len(), 11, "{line}");
    assert_eq!(parts[1], format!("r{}", parts[0]), "at version {at}: {line}");
    let counters: [i64; 4] = std::array::from_fn(|client| parts[2 + client].parse().unwrap());
    for (client, n) in counters.iter().enumerate() {
        let price = if is_converted(client, at) { (n * 100 + 25).to_string() } else { format!("{n}.25") };
        assert_eq!(parts[6 + client], price, "p{client} at version {at}: {line}");
    }
    // The third client names its records anew each time, which only its version knows.
    let slug = if counters[2] == 0 { "none".to_owned() } else { format!("s{}", counters[2]) };
    assert_eq!(parts[10], if at < 3 { "kept" } else { &slug }, "at version {at}: {line}");
    counters
}

/// What a client knows: for each record, how far its counter came for certain, and whether a write's fate is unknown.
#[derive(Debug, Default)]
struct Log {
    acknowledged: BTreeMap<i64, i64>,
    in_doubt: BTreeMap<i64, bool>,
    /// The records that it made; whether they are there, if it is known.
    own: BTreeMap<i64, Option<bool>>,
    writes: u64,
    doubts: u64,
    absences: u64,
}

impl Log {
    fn range(&self, record: i64) -> std::ops::RangeInclusive<i64> {
        let known = self.acknowledged.get(&record).copied().unwrap_or(0);
        known..=known + i64::from(self.in_doubt.get(&record).copied().unwrap_or(false))
    }
}

/// How a statement of a client ended.
enum Said {
    Done(String),
    /// The server may have done it.
    Lost,
    /// The version is not offered.
    Absent,
}

fn said(at: u32, sql: &str, outcome: Result<String, Error>) -> Said {
    match outcome {
        Ok(lines) => Said::Done(lines),
        Err(error) => match error.code().map(tokio_postgres::error::SqlState::code) {
            None => Said::Lost,
            Some(code) if is_passing(code) => Said::Lost,
            Some("3F000" | "42P01") if at == 3 => Said::Absent,
            Some(_) => panic!("version {at}: {sql}: {error:?}"),
        },
    }
}

struct Writer {
    url: String,
    nth: usize,
    at: u32,
    log: Log,
    made: i64,
}

impl Writer {
    async fn go_on(mut self, stop: &AtomicBool) -> Log {
        while !stop.load(Ordering::Relaxed) {
            let client = connect(&self.url).await;
            while !stop.load(Ordering::Relaxed) && self.count(&client).await && self.keep_own(&client).await {
                tokio::time::sleep(Duration::from_millis(15)).await;
            }
        }
        self.log
    }

    /// Counts up in one record; whether the connection is still there.
    async fn count(&mut self, client: &Client) -> bool {
        let (at, record) = (self.at, rand::rng().random_range(0..RECORDS));
        let read = reading(at, &format!("id = {record}"));
        let line = match said(at, &read, ask(client, &read).await) {
            Said::Done(line) => line,
            Said::Lost => return false,
            Said::Absent => {
                self.log.absences += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
                return true;
            }
        };
        let seen = check(at, &line)[self.nth];
        assert!(self.log.range(record).contains(&seen), "{record} at {at}: {seen} is not in {:?}", self.log.range(record));
        self.log.acknowledged.insert(record, seen);
        self.log.in_doubt.insert(record, false);
        let (n, p, step) = (counter(self.nth, at), format!("p{}", self.nth), if is_converted(self.nth, at) { 100 } else { 1 });
        let more = if self.nth == 2 { format!(", slug = 's' || ({n} + 1)") } else { String::new() };
        let write =
            format!("UPDATE shop_v{at}.item SET {n} = {n} + 1, {p} = {p} + {step}{more} WHERE id = {record} RETURNING {n}");
        match said(at, &write, ask(client, &write).await) {
            Said::Done(now) => {
                assert_eq!(now, (seen + 1).to_string(), "{write}");
                self.log.acknowledged.insert(record, seen + 1);
                self.log.writes += 1;
                true
            }
            Said::Lost => {
                self.log.in_doubt.insert(record, true);
                self.log.doubts += 1;
                false
            }
            Said::Absent => true,
        }
    }

    /// The last client makes records and deletes them; whether the connection is still there.
    async fn keep_own(&mut self, client: &Client) -> bool {
        if self.nth != 3 {
            return true;
        }
        let there: Vec<i64> = self.log.own.iter().filter(|(_, there)| **there == Some(true)).map(|(id, _)| *id).collect();
        let (id, sql) = if there.len() < OWN {
            self.made += 1;
            let (id, n) = (1_000_000 + self.made, self.made % 7);
            let values = format!("{id}, 'r{id}', {n}, {n}, 0, {n}, {n}.25, {n}.25, 0.25, {n}.25, 'kept'");
            (
                id,
                format!(
                    "INSERT INTO shop_v1.item (id, name, n0, n1, n2, n3, p0, p1, p2, p3, note) VALUES ({values}) RETURNING id"
                ),
            )
        } else {
            (there[0], format!("DELETE FROM shop_v1.item WHERE id = {} RETURNING id", there[0]))
        };
        match said(self.at, &sql, ask(client, &sql).await) {
            Said::Done(now) => {
                assert_eq!(now, id.to_string(), "{sql}");
                self.log.own.insert(id, Some(there.len() < OWN));
                self.log.writes += 1;
                true
            }
            Said::Lost => {
                self.log.own.insert(id, None);
                self.log.doubts += 1;
                false
            }
            Said::Absent => unreachable!("the first version is always there"),
        }
    }
}

/// What is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Runner,
    Backend,
}

struct Runners<'w> {
    world: &'w World,
    wanted: u32,
    url: &'w str,
    handle: Handle,
    kills: AtomicU32,
    backends: AtomicU32,
    reached: AtomicU32,
    to_three: AtomicBool,
}

impl Runners<'_> {
    /// Lets runners run and kills them; a goal that is reached makes the other one the next.
    fn run_and_kill(&self) {
        while self.kills.load(Ordering::Relaxed) < self.wanted {
            // The server may be beginning anew.
            drop(self.handle.block_on(connect(self.url)));
            // Now and then somebody thinks better of it.
            let goal = self.to_three.load(Ordering::Relaxed) ^ rand::rng().random_bool(0.15);
            let arguments: &[&str] = if goal { &["migrate", "--to", "3"] } else { &["rollback", "--to", "2"] };
            let how = ["--format", "json", "--lock-stale", "0.5", "--wait"];
            let child = self.world.command(&[arguments, &how].concat()).spawn().unwrap();
            // Some live, so that versions come and go between the kills.
            if self.await_or_kill(child, !rand::rng().random_bool(0.1)) == Some(true) {
                self.to_three.store(!goal, Ordering::Relaxed);
                self.reached.fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// Waits for a runner to end, or kills it: in most cases a random time after its run began, else one after its birth.
    fn await_or_kill(&self, mut child: Child, kill: bool) -> Option<bool> {
        let began = Arc::new(AtomicBool::new(false));
        let (stdout, seen) = (child.stdout.take().unwrap(), Arc::clone(&began));
        let reading = std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                seen.fetch_or(line.contains("run-started"), Ordering::Relaxed);
            }
        });
        let mut rng = rand::rng();
        let at_birth = rng.random_bool(0.2);
        let patience = Duration::from_millis(if at_birth { rng.random_range(20..600) } else { rng.random_range(0..300) });
        let victim = if rng.random_bool(0.4) { Victim::Backend } else { Victim::Runner };
        let born = Instant::now();
        let mut since = at_birth.then_some(born);
        let (mut status, mut struck) = (None, !kill);
        while status.is_none() {
            status = child.try_wait().unwrap();
            if since.is_none() && began.load(Ordering::Relaxed) {
                since = Some(Instant::now());
            }
            if status.is_none() && !struck && since.is_some_and(|since| since.elapsed() >= patience) {
                struck = true;
                if victim == Victim::Runner {
                    child.kill().unwrap();
                    self.kills.fetch_add(1, Ordering::Relaxed);
                } else if self.handle.block_on(kill_backend(self.url)) {
                    self.kills.fetch_add(1, Ordering::Relaxed);
                    self.backends.fetch_add(1, Ordering::Relaxed);
                }
            }
            assert!(born.elapsed() < Duration::from_secs(90), "a runner hangs");
            std::thread::sleep(Duration::from_millis(5));
        }
        reading.join().unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(!said.contains("panicked") && !said.contains("internal"), "{said}");
        let code = status.and_then(|status| status.code());
        // Killed, done, refused for what the other one began, unreachable before it began, or to be carried on.
        assert!(matches!(code, None | Some(0 | 3 | 4 | 5)), "{code:?}: {said}");
        assert!(code != Some(4) || !said.contains("undone"), "nothing is in the way of anything: {said}");
        code.map(|code| code == 0)
    }
}

/// Kills a process of the server that works for a runner, if there is one, as nothing but `kill -9` does.
async fn kill_backend(url: &str) -> bool {
    let Some(client) = try_connect(url).await else { return false };
    let sql = "SELECT pid FROM pg_stat_activity WHERE application_name = 'coeval' ORDER BY state = 'idle', random() LIMIT 1";
    let Ok(pid) = ask(&client, sql).await else { return false };
    !pid.is_empty() && Command::new("kill").args(["-9", &pid]).status().unwrap().success()
}

/// Lets whatever was begun come to its end, and the deployment to version 3; by a runner that nobody kills.
fn finish(world: &World) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let last = world.run(&["migrate", "--to", "3", "--lock-stale", "1", "--wait"], b"");
        if last.status.success() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(common::text(&last.stderr));
        }
        // A rollback that was begun must come to its end first.
        world.run(&["rollback", "--to", "2", "--lock-stale", "1", "--wait"], b"");
    }
}

/// Holds the clients' logs against what the versions show.
async fn verify(client: &Client, logs: &[Log], newest: u32) {
    for at in 1..=newest {
        let lines = tell(client, &reading(at, &format!("id < {RECORDS}"))).await;
        assert_eq!(lines.lines().count(), usize::try_from(RECORDS).unwrap(), "{lines}");
        for (record, line) in (0..).zip(lines.lines()) {
            let counters = check(at, line);
            for (log, now) in logs.iter().zip(counters) {
                assert!(log.range(record).contains(&now), "{line} at {at}: {now} is not in {:?}", log.range(record));
            }
        }
        let lines = tell(client, &reading(at, &format!("id >= {RECORDS}"))).await;
        let mut found: Vec<i64> = Vec::new();
        for line in lines.lines() {
            check(at, line);
            found.push(line.split('|').next().unwrap().parse().unwrap());
        }
        for (id, there) in &logs[3].own {
            assert!(there.is_none_or(|there| there == found.contains(id)), "{id} at {at}: {there:?}");
        }
        assert!(found.iter().all(|id| logs[3].own.contains_key(id)), "{found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_of_runners_and_backends_lose_nothing() {
    let server = Server::start(&[]);
    let admin = connect(&server.url).await;
    tell(&admin, "CREATE DATABASE calm").await;
    let (url, calm) = (server.url.clone(), server.database("calm"));
    let (world, undisturbed) = (world(&url).await, world(&calm).await);
    let stop = AtomicBool::new(false);
    let writer = |(nth, at): (usize, &u32)| Writer { url: url.clone(), nth, at: *at, log: Log::default(), made: 0 };
    let clients = futures::future::join_all(CLIENTS.iter().enumerate().map(|each| writer(each).go_on(&stop)));
    let runners = Runners {
        world: &world,
        wanted: std::env::var("COEVAL_TEST_KILLS").map_or(100, |count| count.parse().unwrap()),
        url: &url,
        handle: Handle::current(),
        kills: AtomicU32::new(0),
        backends: AtomicU32::new(0),
        reached: AtomicU32::new(0),
        to_three: AtomicBool::new(true),
    };
    let logs = std::thread::scope(|scope| {
        let clients = scope.spawn(|| runners.handle.block_on(clients));
        let threads: Vec<_> = (0..2).map(|_| scope.spawn(|| runners.run_and_kill())).collect();
        let ended: Vec<_> = threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        let carried = finish(&world);
        stop.store(true, Ordering::Relaxed);
        for ended in ended {
            ended.unwrap();
        }
        carried.unwrap_or_else(|said| panic!("{said}"));
        clients.join().unwrap()
    });
    let admin = connect(&url).await;
    verify(&admin, &logs, 3).await;
    done(&undisturbed, &["migrate", "--to", "3"]);
    similar(&dump(&url), &dump(&calm), "at version 3");
    done(&world, &["verify"]);
    for world in [&world, &undisturbed] {
        done(world, &["rollback", "--to", "2"]);
    }
    verify(&admin, &logs, 2).await;
    similar(&dump(&url), &dump(&calm), "at version 2");
    let wanted = runners.wanted;
    let (kills, backends, reached) = (runners.kills.into_inner(), runners.backends.into_inner(), runners.reached.into_inner());
    let sum = |count: fn(&Log) -> u64| logs.iter().map(count).sum::<u64>();
    let begun = tell(&admin, "SELECT count(*) FROM coeval.history WHERE entry::text LIKE '%\"started\"%'").await;
    println!(
        "{kills} kills, {backends} of backends; {reached} goals reached, {begun} runs begun; {} writes, {} of unknown fate, {} times the new version was not offered",
        sum(|log| log.writes),
        sum(|log| log.doubts),
        sum(|log| log.absences),
    );
    assert!(
        kills >= wanted && backends >= wanted / 5 && reached >= 2,
        "{kills} kills, {backends} of backends, {reached} goals reached"
    );
    assert!(logs.iter().all(|log| log.writes > 0), "{logs:?}");
}
