//! Where other tools of this kind lose data, one test each: killed in the middle, two at once, versions ordered as texts, a history
//! that cannot be read, and clients who wait.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]
#![allow(clippy::print_stdout, reason = "says how long clients waited")]

mod common;

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use coeval_engine::{Error, Goal, How, Outcome, Wait, run};
use coeval_objects::Directory;
use coeval_objects::documents::Documents;
use coeval_store::objects::wrap::{Crash, Crashing};
use coeval_store::objects::{Attributes, Condition, MemoryObjects, Objects};
use coeval_store::records::{Change, Expect, Key};
use coeval_store::work::Pace;
use coeval_store::{Backend, Catalog, Error as StoreError, ModelEntry};

use common::{catalog, entry, put, text};

const MIGRATE: Goal = Goal::Migrate { to: None, scan: false };

/// Prices in dollars; version 2 counts cents.
fn prices() -> Arc<Catalog> {
    let model = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {
        "id": {"type": "string", "required": true}, "price": {"type": "integer", "required": true}}}"#;
    let cents = r#"{"retype_property": {"path": "price", "schema": {"type": "integer", "required": true},
        "up": "price * 100", "down": "price / 100"}}"#;
    catalog(vec![entry(model, &[&[cents]])], 2)
}

/// An item at twelve versions, each of which adds a property of its number.
fn twelve() -> Arc<Catalog> {
    let model = r#"{"type": "model", "name": "item", "key": ["id"], "properties": {"id": {"type": "string", "required": true}}}"#;
    let add = |version: u32| {
        format!("{{\"add_property\": {{\"path\": \"p{version}\", \"schema\": \"integer\", \"value\": \"{version}\"}}}}")
    };
    let operations: Vec<String> = (2..=12).map(add).collect();
    let releases: Vec<[&str; 1]> = operations.iter().map(|operation| [operation.as_str()]).collect();
    let releases: Vec<&[&str]> = releases.iter().map(<[&str; 1]>::as_slice).collect();
    let model: ModelEntry = entry(model, &releases);
    catalog(vec![model], 12)
}

fn open(objects: impl Objects + 'static, catalog: &Arc<Catalog>) -> Documents {
    Documents::open(Arc::new(objects), Arc::clone(catalog)).unwrap().fresh_for(Duration::ZERO)
}

fn how() -> How<'static> {
    let one = NonZeroUsize::MIN;
    How { pace: Pace { concurrency: one, stale: Duration::from_secs(1), ..Pace::default() }, ..How::quietly() }
}

/// Five items of which the n-th costs n, in a store at version 1.
async fn five() -> MemoryObjects {
    let objects = MemoryObjects::new();
    for id in 1..=5 {
        put(&objects, &format!("item/{id}.json"), &format!("{{\"id\":\"{id}\",\"price\":{id}}}")).await;
    }
    run(&open(objects.clone(), &prices()), Goal::Migrate { to: Some(1), scan: false }, &how()).await.unwrap();
    objects
}

async fn shown(objects: &MemoryObjects, at: u32) -> Vec<String> {
    let page = open(objects.clone(), &prices()).records().list("item", at, None, 10).await.unwrap();
    assert_eq!(page.hidden, []);
    page.records.into_iter().map(|found| found.text.split("\"price\":").nth(1).unwrap().replace('}', "")).collect()
}

/// Lets a migration of the five die just before, or after, it wrote the fourth of them.
async fn killed_at_the_fourth(crash: Crash) -> MemoryObjects {
    for call in 1.. {
        let objects = five().await;
        let dying = Arc::new(Crashing::at(objects.clone(), call, crash));
        let died = run(&open(Arc::clone(&dying), &prices()), MIGRATE, &how()).await;
        assert!(died.is_err(), "it dies before it comes to an end");
        if dying.fatal().as_deref() == Some("writing item/4.json") {
            return objects;
        }
    }
    unreachable!("the fourth is written")
}

#[tokio::test(start_paused = true)]
async fn killed_at_the_fourth_write_and_run_again_nothing_is_multiplied_twice() {
    for (crash, written) in [(Crash::Before, 3), (Crash::After, 4)] {
        let objects = killed_at_the_fourth(crash).await;
        let lying = objects.snapshot().into_iter().filter(|(key, _)| key.starts_with("item/"));
        let stamped = lying.filter(|(_, object)| String::from_utf8_lossy(&object.bytes).contains("\"version\":2")).count();
        assert_eq!(stamped, written);
        assert_eq!(shown(&objects, 1).await, ["1", "2", "3", "4", "5"], "what is in force meanwhile");
        // A client changes one that was converted, and one that was not.
        let client = open(objects.clone(), &prices());
        for id in ["2", "5"] {
            let change = Change::MergePatch("{\"price\": 7}".to_owned());
            client.records().write("item", Some(&Key(vec![id.to_owned()])), 1, &change, &Expect::Present).await.unwrap();
        }
        run(&open(objects.clone(), &prices()), MIGRATE, &how()).await.unwrap();
        assert_eq!(shown(&objects, 2).await, ["100", "700", "300", "400", "700"]);
        run(&open(objects.clone(), &prices()), Goal::Rollback { to: None }, &how()).await.unwrap();
        assert_eq!(text(&objects, "item/3.json").await, "{\"id\":\"3\",\"price\":3,\"_coeval\":{\"version\":1}}");
    }
}

#[tokio::test(start_paused = true)]
async fn two_runners_at_once_multiply_once() {
    for wait in [Wait::Refuse, Wait::Wait, Wait::Join] {
        let objects = five().await;
        let (one, two) = (open(objects.clone(), &prices()), open(objects.clone(), &prices()));
        let how = How { wait, ..how() };
        let (first, second) = futures::join!(run(&one, MIGRATE, &how), run(&two, MIGRATE, &how));
        let did = [&first, &second].iter().filter(|outcome| matches!(outcome, Ok(Outcome::Done(_)))).count();
        assert!(did >= 1, "{first:?} {second:?}");
        for refused in [first, second].into_iter().filter_map(Result::err) {
            assert!(wait == Wait::Refuse && matches!(refused, Error::Store(StoreError::Locked { .. })), "{refused:?}");
        }
        assert_eq!(shown(&objects, 2).await, ["100", "200", "300", "400", "500"], "{wait:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn versions_are_ordered_as_numbers() {
    let (objects, catalog) = (MemoryObjects::new(), twelve());
    put(&objects, "item/a.json", "{\"id\":\"a\"}").await;
    let store = open(objects.clone(), &catalog);
    for to in [2, 9, 10, 12] {
        run(&store, Goal::Migrate { to: Some(to), scan: false }, &how()).await.unwrap();
        let found = store.records().get("item", &Key(vec!["a".to_owned()]), to).await.unwrap().unwrap();
        assert_eq!((found.stored, found.text.matches("\"p").count()), (Some(to), to as usize - 1));
    }
    let back = run(&store, Goal::Rollback { to: None }, &how()).await.unwrap();
    assert!(matches!(back, Outcome::Done(done) if (done.from, done.to) == (12, 10)));
    let early = run(&store, Goal::Migrate { to: Some(9), scan: false }, &how()).await;
    assert!(early.is_err_and(|error| error.to_string() == "the store is at version 10 already"));
    run(&store, Goal::Rollback { to: Some(1) }, &how()).await.unwrap();
    assert_eq!(text(&objects, "item/a.json").await, "{\"id\":\"a\",\"_coeval\":{\"version\":1}}");
}

#[tokio::test(start_paused = true)]
async fn a_history_that_cannot_be_read_refuses_everything() {
    let entries = ["_coeval/history/0000000004.json", "_coeval/history/0000000005.json"];
    for (key, wrong) in [
        (entries[1], "{\"format\": 99, \"number\": 5}"),
        (entries[1], "{\"format\": 1, \"numb"),
        (entries[1], ""),
        (entries[0], "null"),
        ("_coeval/history/0000000007.json", "{}"),
    ] {
        let objects = five().await;
        run(&open(objects.clone(), &prices()), MIGRATE, &how()).await.unwrap();
        put(&objects, key, wrong).await;
        let before = objects.snapshot();
        let goals = [MIGRATE, Goal::Migrate { to: None, scan: true }, Goal::Rollback { to: None }, Goal::Retire { before: 2 }];
        for goal in goals {
            let refused = run(&open(objects.clone(), &prices()), goal, &how()).await;
            assert!(
                matches!(&refused, Err(Error::Store(StoreError::Unreadable { .. }))),
                "{key} {wrong:?} {goal:?}: {refused:?}"
            );
        }
        let store = open(objects.clone(), &prices());
        let (key, change) = (Key(vec!["1".to_owned()]), Change::Put("{\"id\":\"1\",\"price\":9}".to_owned()));
        let refused = store.records().write("item", Some(&key), 2, &change, &Expect::Anything).await;
        assert!(matches!(refused, Err(StoreError::Unreadable { .. })), "{refused:?}");
        assert!(store.records().delete("item", &key, 2, &Expect::Anything).await.is_err());
        assert_eq!(objects.snapshot(), before, "nothing is written");
    }
}

/// How long clients wait while every record is converted. Times differ between machines, so they are told and not judged; that
/// every read is answered, and rightly, is judged. `RECORDS=10000` makes it as large as one likes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_read_while_everything_is_converted() {
    let records: usize = std::env::var("RECORDS").map_or(600, |count| count.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let objects = Arc::new(Directory::open(folder.path()).unwrap());
    for id in 0..records {
        let bytes = Bytes::from(format!("{{\"id\":\"{id}\",\"price\":{id}}}"));
        objects.put(&format!("item/{id}.json"), bytes, &Attributes::default(), &Condition::Absent).await.unwrap();
    }
    run(&open(Arc::clone(&objects), &prices()), Goal::Migrate { to: Some(1), scan: false }, &how()).await.unwrap();
    let done = Arc::new(AtomicBool::new(false));
    let client = {
        let (objects, done) = (Arc::clone(&objects), Arc::clone(&done));
        tokio::spawn(async move {
            let store = Documents::open(objects, prices()).unwrap();
            let mut waits = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let id = waits.len() * 7919 % records;
                let start = Instant::now();
                let found = store.records().get("item", &Key(vec![id.to_string()]), 1).await.unwrap().unwrap();
                waits.push(start.elapsed());
                assert_eq!(found.text, format!("{{\"id\":\"{id}\",\"price\":{id}}}"));
            }
            waits
        })
    };
    let start = Instant::now();
    run(&open(objects, &prices()), MIGRATE, &How::quietly()).await.unwrap();
    let took = start.elapsed();
    done.store(true, Ordering::Relaxed);
    let mut waits = client.await.unwrap();
    waits.sort();
    let p99 = waits[waits.len() * 99 / 100];
    println!(
        "{records} records in {took:.1?}; {} reads meanwhile, p99 {p99:.1?}, longest {:.1?}",
        waits.len(),
        waits[waits.len() - 1]
    );
}
