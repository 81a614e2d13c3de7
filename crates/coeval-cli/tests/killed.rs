//! Runners that are killed at random moments, on a real S3 server, while clients of three versions read and write.
//!
//! Two runners take the store from version 3 to 4 and back, over and over; each is killed (SIGKILL) after a random time, a hundred
//! times in all. Four clients meanwhile count up properties of their own, each in its version's shape, and check what they read. At
//! the end the clients' logs are held against the store: no acknowledged write is lost, none was applied twice, no read broke its
//! version's schema, and no price was converted twice.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]
#![allow(clippy::print_stdout, reason = "says what was tried")]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_core::value::{Object, Value};
use coeval_objects::documents::Documents;
use coeval_store::ledger::{Happened, VersionId};
use coeval_store::objects::wrap::{RetryNotice, RetryPolicy, Retrying};
use coeval_store::objects::{Attributes, Condition, Objects};
use coeval_store::records::{Change, Expect, Key, Records};
use coeval_store::{Backend, Catalog, Era, ModelEntry};
use rand::RngExt;

use common::World;

const RECORDS: usize = 60;
const KILLS: u32 = 100;
/// The version of each client.
const CLIENTS: [u32; 4] = [1, 2, 3, 1];

const DRAFTS: [&str; 4] = [
    "type: model\nname: product\nkey: [id]\nproperties:\n  id: {type: string, required: true}\n  name: {type: string, required: true}\n  price: {type: number, required: true}\n  n0: {type: integer, required: true}\n  n1: {type: integer, required: true}\n  n2: {type: integer, required: true}\n  n3: {type: integer, required: true}\n  note: string\n",
    "operations:\n  - rename_property: {from: name, to: title}\n  - rename_property: {from: n0, to: m0}\n",
    "operations:\n  - retype_property: {path: price, schema: {type: integer, required: true}, up: cast(price * 100 as integer), down: cast(price as number) / 100}\n",
    "operations:\n  - remove_property: {path: note}\n  - rename_property: {from: m0, to: zero}\n",
];

/// The draft of each version: the properties as they then are, and the operations that lead there.
fn draft(version: usize) -> String {
    let base = DRAFTS[0];
    let shaped = match version {
        0 => return base.to_owned(),
        1 => base.replace("  name:", "  title:").replace("  n0:", "  m0:"),
        2 => {
            base.replace("  name:", "  title:").replace("  n0:", "  m0:").replace("price: {type: number", "price: {type: integer")
        }
        _ => base
            .replace("  name:", "  title:")
            .replace("  n0:", "  zero:")
            .replace("price: {type: number", "price: {type: integer")
            .replace("  note: string\n", ""),
    };
    format!("{shaped}{}", DRAFTS[version])
}

fn server() -> BTreeMap<String, String> {
    let text =
        std::env::var("COEVAL_TEST_S3").expect("needs an S3 server: run it by `testing/s3 cargo nextest run …`, or `./test`");
    let pairs = text.split_whitespace().filter_map(|pair| pair.split_once('='));
    pairs.filter(|(name, _)| !name.starts_with("reader_")).map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A manifest of four versions over a prefix of its own on the server.
fn world(prefix: &str, server: &BTreeMap<String, String>) -> World {
    let world = World::new();
    let options: Vec<String> =
        server.iter().filter(|(name, _)| *name != "url").map(|(name, value)| format!("{name}: \"{value}\"")).collect();
    let url = format!("{}/{prefix}", server["url"].trim_end_matches('/'));
    world.write("coeval.yaml", format!("name: shop\nbackends:\n  default: {{url: \"{url}\", {}}}\n", options.join(", ")));
    world.write("models/product.yaml", draft(0));
    for version in 0..4 {
        let before = fs::read_to_string(world.path().join("models/product.yaml")).unwrap();
        let frozen = before.find("\n---\n").map_or(String::new(), |at| before[at + 1..].to_owned());
        world.write("models/product.yaml", format!("{}{frozen}", draft(version)));
        let done = world.run(&["freeze"], b"");
        assert!(done.status.success(), "{}", common::text(&done.stderr));
    }
    world
}

/// The same model for the clients in this process, with the versions that the store came to.
fn catalog(versions: Vec<VersionId>) -> Arc<Catalog> {
    let model = json::parse(
        br#"{"type": "model", "name": "product", "key": ["id"], "properties": {"id": {"type": "string", "required": true},
        "name": {"type": "string", "required": true}, "price": {"type": "number", "required": true},
        "n0": {"type": "integer", "required": true}, "n1": {"type": "integer", "required": true},
        "n2": {"type": "integer", "required": true}, "n3": {"type": "integer", "required": true}, "note": "string"}}"#,
    );
    let operations: [&[&str]; 3] = [
        &[r#"{"rename_property": {"from": "name", "to": "title"}}"#, r#"{"rename_property": {"from": "n0", "to": "m0"}}"#],
        &[r#"{"retype_property": {"path": "price", "schema": {"type": "integer", "required": true},
            "up": "cast(price * 100 as integer)", "down": "cast(price as number) / 100"}}"#],
        &[r#"{"remove_property": {"path": "note"}}"#, r#"{"rename_property": {"from": "m0", "to": "zero"}}"#],
    ];
    let parse = |text: &&str| Operation::from_value(&json::parse(text.as_bytes()).unwrap()).unwrap();
    let release = |(operations, version): (&[&str], u32)| Release {
        version,
        operations: operations.iter().map(parse).collect(),
        order: None,
    };
    let releases: Vec<Release> = operations.into_iter().zip(2..).map(release).collect();
    let model = Model::from_value(&model.unwrap(), &no_shared_types).unwrap();
    let history = History::new(1, model, &releases, &Context { tables: &Tables::new(), rewrites: &Rewrites::new() }).unwrap();
    let models = vec![ModelEntry { name: "product".to_owned(), eras: vec![Era { first: 1, end: None, history }] }];
    Arc::new(Catalog { versions, models, ..Catalog::default() })
}

fn objects(prefix: &str, server: &BTreeMap<String, String>) -> Arc<dyn Objects> {
    let mut options = server.clone();
    let url = options.remove("url").unwrap();
    let objects = coeval_objects::open(&format!("{}/{prefix}", url.trim_end_matches('/')), &options).unwrap();
    Arc::new(Retrying::new(objects, RetryPolicy::default(), Arc::new(|_: &RetryNotice| {})))
}

fn id(record: usize) -> String {
    format!("{record:03}")
}

/// What a client knows: for each record, how far its counter came for certain, and whether a write's fate is unknown.
#[derive(Debug, Default)]
struct Log {
    acknowledged: BTreeMap<usize, i64>,
    in_doubt: BTreeMap<usize, bool>,
    reads: u64,
    writes: u64,
}

/// The name that a client's counter has at its version.
fn counter(client: usize, at: u32) -> String {
    match (client, at) {
        (0, 1) => "n0".to_owned(),
        (0, 4) => "zero".to_owned(),
        (0, _) => "m0".to_owned(),
        _ => format!("n{client}"),
    }
}

fn number(object: &Object, name: &str) -> i64 {
    object.get(name).and_then(Value::as_i64).unwrap_or_else(|| panic!("{name} of {object:?}"))
}

/// Checks what a version shows of a record.
fn check(catalog: &Catalog, record: usize, at: u32, text: &str) -> Object {
    let value = json::parse(text.as_bytes()).unwrap();
    let model = catalog.models[0].model(at).unwrap();
    assert_eq!(model.violations(&value), [], "{text} at version {at}");
    let Value::Object(object) = value else { panic!("{text}") };
    let price = object.get("price").unwrap().to_string();
    let expected = if at < 3 { format!("{record}.250") } else { (record * 100 + 25).to_string() };
    assert_eq!(price, expected, "the price of {} at version {at}: {text}", id(record));
    object
}

async fn client(number_of: usize, records: &dyn Records, catalog: &Catalog, stop: &AtomicBool) -> Log {
    let (at, mut log) = (CLIENTS[number_of], Log::default());
    let name = counter(number_of, at);
    while !stop.load(Ordering::Relaxed) {
        let record = rand::rng().random_range(0..RECORDS);
        let key = Key(vec![id(record)]);
        let found = records.get("product", &key, at).await.unwrap().unwrap_or_else(|| panic!("{key} is gone"));
        let object = check(catalog, record, at, &found.text);
        log.reads += 1;
        let seen = number(&object, &name);
        let known = log.acknowledged.get(&record).copied().unwrap_or(0);
        let doubtful = i64::from(log.in_doubt.get(&record).copied().unwrap_or(false));
        assert!((known..=known + doubtful).contains(&seen), "{key} at {at}: {name} is {seen}, written was {known}");
        log.acknowledged.insert(record, seen);
        log.in_doubt.insert(record, false);
        let patch = Change::MergePatch(format!("{{\"{name}\": {}}}", seen + 1));
        match records.write("product", Some(&key), at, &patch, &Expect::Anything).await {
            Ok(_) => {
                log.acknowledged.insert(record, seen + 1);
                log.writes += 1;
            }
            Err(error) if error.is_transient() => {
                log.in_doubt.insert(record, true);
            }
            Err(error) => panic!("{key} at {at}: {error}"),
        }
    }
    log
}

/// Starts a runner that takes the store where it is wanted next.
fn runner(world: &World, to_four: bool) -> Child {
    let goal: &[&str] = if to_four { &["migrate", "--to", "4"] } else { &["rollback", "--to", "3"] };
    let speed =
        ["--format", "json", "--lock-stale", "0.7", "--shard", "7", "--workers", "2", "--concurrency", "4", "--rate", "250"];
    world.command(&[goal, &speed].concat()).spawn().unwrap()
}

/// Waits for a runner to end, or kills it: in most cases a random time after its run began, else a random time after its birth.
fn await_or_kill(mut child: Child) -> Option<bool> {
    let began = Arc::new(AtomicBool::new(false));
    let (stdout, seen) = (child.stdout.take().unwrap(), Arc::clone(&began));
    let reading = std::thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.contains("run-started") || line.contains("step-started") {
                seen.store(true, Ordering::Relaxed);
            }
        }
    });
    let mut rng = rand::rng();
    let at_birth = rng.random_bool(0.3);
    let patience = Duration::from_millis(if at_birth { rng.random_range(20..2500) } else { rng.random_range(0..1500) });
    let mut since = at_birth.then(Instant::now);
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break Some(status.success());
        }
        if since.is_none() && began.load(Ordering::Relaxed) {
            since = Some(Instant::now());
        }
        if since.is_some_and(|since| since.elapsed() >= patience) {
            child.kill().unwrap();
            child.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    reading.join().unwrap();
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(!said.contains("panicked") && !said.contains("internal"), "{said}");
    status
}

/// Lets runners run and kills them; a goal that is reached makes the other one the next.
fn run_and_kill(world: &World, kills: &AtomicU32, done: &AtomicU32, to_four: &AtomicBool) {
    while kills.load(Ordering::Relaxed) < KILLS {
        let goal = to_four.load(Ordering::Relaxed);
        match await_or_kill(runner(world, goal)) {
            None => drop(kills.fetch_add(1, Ordering::Relaxed)),
            Some(true) if to_four.swap(!goal, Ordering::Relaxed) == goal => drop(done.fetch_add(1, Ordering::Relaxed)),
            Some(_) => {}
        }
    }
}

/// Lets whatever was begun come to its end, and the store to version 4; by a runner that nobody kills.
fn finish(world: &World) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let last = world.run(&["migrate", "--to", "4", "--lock-stale", "1", "--wait"], b"");
        if last.status.success() {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(common::text(&last.stderr));
        }
        // A rollback that was begun must come to its end first.
        world.run(&["rollback", "--to", "3", "--lock-stale", "1", "--wait"], b"");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_kills_lose_nothing() {
    let (server, prefix) = (server(), format!("killed-{}", uuid::Uuid::now_v7()));
    let world = world(&prefix, &server);
    let raw = objects(&prefix, &server);
    for record in 0..RECORDS {
        let text = format!(
            "{{\"id\":\"{}\",\"name\":\"n\",\"price\":{record}.250,\"n0\":0,\"n1\":0,\"n2\":0,\"n3\":0,\"note\":\"kept\"}}",
            id(record)
        );
        let key = format!("product/{}.json", id(record));
        raw.put(&key, Bytes::from(text), &Attributes::default(), &Condition::Absent).await.unwrap();
    }
    // To the newest and back once, so that the store knows all versions.
    for begun in [["migrate", "--to", "4"], ["rollback", "--to", "3"]] {
        let begun = world.run(&begun, b"");
        assert!(begun.status.success(), "{}", common::text(&begun.stderr));
    }
    let told = Documents::open(Arc::clone(&raw), catalog(Vec::new())).unwrap().ledger().await.unwrap();
    let catalog = catalog(told.versions());
    let stop = AtomicBool::new(false);
    let (kills, done, to_four) = (AtomicU32::new(0), AtomicU32::new(0), AtomicBool::new(true));
    let stores: Vec<Documents> =
        CLIENTS.iter().map(|_| Documents::open(objects(&prefix, &server), Arc::clone(&catalog)).unwrap()).collect();
    let clients = async {
        let each = stores.iter().enumerate().map(|(n, store)| client(n, store.records(), &catalog, &stop));
        futures::future::join_all(each).await
    };
    let handle = tokio::runtime::Handle::current();
    let logs = std::thread::scope(|scope| {
        let clients = scope.spawn(|| handle.block_on(clients));
        let (world, kills, done, to_four) = (&world, &kills, &done, &to_four);
        let runners: Vec<_> = (0..2).map(|_| scope.spawn(move || run_and_kill(world, kills, done, to_four))).collect();
        let ended: Vec<_> = runners.into_iter().map(std::thread::ScopedJoinHandle::join).collect();
        let carried = finish(world);
        stop.store(true, Ordering::Relaxed);
        for ended in ended {
            ended.unwrap();
        }
        carried.unwrap_or_else(|said| panic!("{said}"));
        clients.join().unwrap()
    });
    verify(&stores[0], &catalog, &logs).await;
    let ledger = stores[0].ledger().await.unwrap();
    let count = |wanted: fn(&Happened) -> bool| ledger.entries().iter().filter(|entry| wanted(&entry.happened)).count();
    let (kills, done) = (kills.into_inner(), done.into_inner());
    let begun = count(|h| matches!(h, Happened::Started(_)));
    println!(
        "{} kills, {} goals reached, {} runs begun, {} finished; {} reads and {} writes by clients",
        kills,
        done,
        begun,
        count(|h| matches!(h, Happened::Finished { .. })),
        logs.iter().map(|log| log.reads).sum::<u64>(),
        logs.iter().map(|log| log.writes).sum::<u64>(),
    );
    // A hundred kills of runs that never did anything would show nothing.
    assert!(kills >= KILLS && begun >= 4 && done >= 2, "{kills} kills, {begun} runs begun, {done} goals reached");
}

/// Holds the clients' logs against the store.
async fn verify(store: &Documents, catalog: &Catalog, logs: &[Log]) {
    assert_eq!(store.ledger().await.unwrap().in_force(), Some(4));
    for record in 0..RECORDS {
        let key = Key(vec![id(record)]);
        for at in 1..=4 {
            let found = store.records().get("product", &key, at).await.unwrap().unwrap();
            let object = check(catalog, record, at, &found.text);
            for (client, log) in logs.iter().enumerate() {
                let known = log.acknowledged.get(&record).copied().unwrap_or(0);
                let doubtful = i64::from(log.in_doubt.get(&record).copied().unwrap_or(false));
                let now = number(&object, &counter(client, at));
                assert!((known..=known + doubtful).contains(&now), "{key}: counter {client} is {now}, written was {known}");
            }
            if at < 4 {
                assert_eq!(object.get("note").and_then(Value::as_str), Some("kept"), "{}", found.text);
            }
        }
    }
}
