//! What once went wrong with records in a store, or would have: each found by reading, and held since.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use coeval_engine::{Error as RunError, How, migrate, retire};
use coeval_objects::documents::Documents;
use coeval_store::ledger::{Action, Entry, Happened, Started};
use coeval_store::objects::wrap::{Gate, Gated, Request, Verdict};
use coeval_store::objects::wrap::{RetryPolicy, Retrying};
use coeval_store::objects::{MemoryObjects, Objects};
use coeval_store::records::{Change, Expect, Key};
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};
use coeval_store::{Backend, Error, ModelEntry, Step};
use common::{Heard, catalog, entry, holder, in_force, product, put, step, text};

fn how() -> How<'static> {
    How { pace: Pace { stale: Duration::from_millis(300), ..Pace::default() }, ..How::quietly() }
}
fn key(id: &str) -> Key {
    Key(vec![id.to_owned()])
}
fn note(options: &str) -> ModelEntry {
    entry(
        &format!(
            r#"{{"type":"model","name":"note","key":["tenant","id"],{options}"properties":{{"tenant":{{"type":"string","required":true}},"id":{{"type":"string","required":true}},"t":"string"}}}}"#
        ),
        &[&[r#"{"rename_property":{"from":"t","to":"title"}}"#]],
    )
}

#[tokio::test]
async fn own_objects_are_no_records() {
    let objects = MemoryObjects::new();
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![note(r#""objects":"{tenant}/{id}.json","#)], 2)).unwrap();
    put(&objects, "acme/1.json", r#"{"tenant":"acme","id":"1","t":"x"}"#).await;
    put(&objects, "_system/migration_history.json", r#"{"records":[]}"#).await;
    let done = migrate(&store, None, false, &how()).await;
    assert!(!text(&objects, "_coeval/lock.json").await.contains("\"_coeval\""));
    done.unwrap();
}

#[tokio::test]
async fn partial_overlap_is_refused() {
    let one = entry(
        r#"{"type":"model","name":"profile","key":["tenant"],"objects":"{tenant}/profile.json","properties":{"tenant":{"type":"string","required":true}}}"#,
        &[],
    );
    let two = entry(
        r#"{"type":"model","name":"acme","key":["id"],"objects":"acme/{id}.json","properties":{"id":{"type":"string","required":true}}}"#,
        &[],
    );
    let opened = Documents::open(Arc::new(MemoryObjects::new()), catalog(vec![one, two], 1));
    assert!(opened.is_err(), "acme/profile.json is both models'");
}

#[derive(Debug)]
struct SlowThenStop(MemoryObjects, Stop);
#[async_trait]
impl Gate for SlowThenStop {
    async fn verdict(&self, request: &Request<'_>) -> Verdict {
        match request {
            // Shard 1 is `1` (bad) and `2`; shard 2 is `3` and `4`, read after the bad one.
            Request::Get("product/2.json") if !self.1.is_stopped() => {
                for _ in 0..200 {
                    if keys(&self.0).iter().any(|k| k.ends_with("done/00000002.json")) {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
                self.1.stop();
                return Verdict::FailBefore(Error::Stopped);
            }
            Request::Get("product/3.json") if !self.1.is_stopped() => tokio::time::sleep(Duration::from_millis(300)).await,
            _ => {}
        }
        Verdict::Pass
    }
}
fn keys(objects: &MemoryObjects) -> Vec<String> {
    use futures::{FutureExt, TryStreamExt};
    let all: Vec<_> = objects.list("", None).try_collect().now_or_never().unwrap().unwrap();
    all.into_iter().map(|l: coeval_store::objects::Listed| l.key).collect()
}

#[tokio::test]
async fn what_was_only_looked_at_is_not_done() {
    let objects = MemoryObjects::new();
    let stop = Stop::default();
    let gated = Gated::behind(SlowThenStop(objects.clone(), stop.clone()), objects.clone());
    let store = Documents::open(Arc::new(gated), catalog(vec![product("")], 4)).unwrap();
    for (id, price) in [("1", "\"bad\""), ("2", "2"), ("3", "3"), ("4", "4")] {
        put(&objects, &format!("product/{id}.json"), &format!("{{\"id\":\"{id}\",\"name\":\"x\",\"price\":{price}}}")).await;
    }
    let two = std::num::NonZeroUsize::new(2).unwrap();
    let pace = Pace { workers: two, shard: two, concurrency: two, stale: Duration::from_millis(500), ..Pace::default() };
    let first = How { pace, stop, ..How::quietly() };
    let error = migrate(&store, None, false, &first).await.unwrap_err();
    assert!(matches!(error, RunError::Open { .. }), "{error:?}");
    // The person sees which record is in the way, stops, corrects it, and goes on.
    put(&objects, "product/1.json", "{\"id\":\"1\",\"name\":\"x\",\"price\":1}").await;
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product("")], 4)).unwrap();
    let done = migrate(&store, None, false, &How { pace, ..How::quietly() }).await;
    for id in ["1", "2", "3", "4"] {
        let text = text(&objects, &format!("product/{id}.json")).await;
        assert!(text.contains("\"version\":4"), "{done:?}: {id} was never converted: {text}");
    }
}

#[tokio::test]
async fn revisions_of_packed_objects_are_refused() {
    let options = r#""revisions": true, "objects": "p/{id}.json.gz","#;
    let opened = Documents::open(Arc::new(MemoryObjects::new()), catalog(vec![product(options)], 4));
    let message = "model `product`: `revisions` needs a plain object for each record, not p/{id}.json.gz";
    assert!(matches!(opened, Err(Error::Unknown { message: told, .. }) if told == message));
}

#[derive(Debug)]
struct NoPage;
#[async_trait]
impl Gate for NoPage {
    async fn verdict(&self, request: &Request<'_>) -> Verdict {
        if *request == Request::Put("_coeval/migration_history.json") {
            return Verdict::FailBefore(Error::failed("writing the page", "503 for a while"));
        }
        Verdict::Pass
    }
}
#[tokio::test]
async fn the_page_is_for_people_only() {
    let objects = MemoryObjects::new();
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    let store = Documents::open(Arc::new(Gated::behind(NoPage, objects.clone())), catalog(vec![product("")], 4)).unwrap();
    let done = migrate(&store, None, false, &how()).await;
    done.unwrap();
}

#[tokio::test]
async fn an_edit_from_outside_does_not_hide_older_revisions() {
    let objects = MemoryObjects::new();
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product("\"revisions\": true,")], 4))
        .unwrap()
        .fresh_for(Duration::ZERO);
    in_force(&store, 0, 1).await;
    let records = store.records();
    for n in ["x", "y", "z"] {
        let doc = Change::Put(format!("{{\"id\":\"a\",\"name\":\"{n}\",\"price\":1}}"));
        records.write("product", Some(&key("a")), 1, &doc, &Expect::Anything).await.unwrap();
    }
    assert_eq!(records.revisions("product", &key("a")).await.unwrap().len(), 3);
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"outside\",\"price\":1}").await;
    let doc = Change::Put("{\"id\":\"a\",\"name\":\"w\",\"price\":1}".to_owned());
    records.write("product", Some(&key("a")), 1, &doc, &Expect::Anything).await.unwrap();
    let after = records.revisions("product", &key("a")).await.unwrap();
    assert_eq!(after.len(), 5);
}

#[tokio::test]
async fn retire_where_records_are_stored_at_an_old_version() {
    let objects = MemoryObjects::new();
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product("\"store_at\": 1,")], 4))
        .unwrap()
        .fresh_for(Duration::ZERO);
    migrate(&store, None, false, &how()).await.unwrap();
    let done = retire(&store, 3, &how()).await;
    done.unwrap();
}

#[tokio::test]
async fn a_helper_does_not_go_on_with_the_next_step() {
    let objects = MemoryObjects::new();
    let models = || catalog(vec![product(""), note("\"objects\":\"note/{tenant}/{id}.json\",")], 4);
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    put(&objects, "note/t/1.json", r#"{"tenant":"t","id":"1","t":"x"}"#).await;
    let pace = Pace { stale: Duration::from_millis(300), ..Pace::default() };
    let (leader, helper) = (holder("leader"), holder("helper"));
    let stop = Stop::default();
    let heard = Heard::default();
    let work = |name: &'static str, worker: &'static str, undo: bool| {
        let worker = if worker == "leader" { &leader } else { &helper };
        Work {
            run: "r",
            step: name,
            worker,
            lock: None,
            pace: &pace,
            policy: Policy::Quarantine,
            mode: Mode::Write,
            undo,
            observer: &heard,
            stop: &stop,
        }
    };
    let store = Documents::open(Arc::new(objects.clone()), models()).unwrap();
    let second_step = Step::MoveRecords { model: "note".to_owned(), from: 1, to: 2 };
    let steps = vec![step(1, 4), second_step.clone()];
    let started =
        Started { run: "r".to_owned(), action: Action::Migrate, from: 1, to: 4, steps, policy: Policy::Reject, versions: vec![] };
    let entry = Entry { number: 1, at: String::new(), by: String::new(), happened: Happened::Started(started) };
    store.append(&entry).await.unwrap();
    // The leader fails in step 0 by itself, and undoes what it began: step 0.
    store.execute(&step(4, 1), &work("undo-0", "leader", true)).await.unwrap();
    // The helper, which has not looked at the ledger yet, finds step 0 done, and does step 1.
    let other = Documents::open(Arc::new(objects.clone()), models()).unwrap();
    other.execute(&step(1, 4), &work("0", "helper", false)).await.unwrap();
    other.execute(&second_step, &work("1", "helper", false)).await.unwrap();
    assert!(!text(&objects, "note/t/1.json").await.contains("\"version\":2"), "{}", text(&objects, "note/t/1.json").await);
}

fn renamed(options: &str) -> ModelEntry {
    let model = format!(
        r#"{{"type":"model","name":"product","key":["id"],{options}"properties":{{"id":{{"type":"string","required":true}},"name":"string"}}}}"#
    );
    let mut entry = entry(
        &model,
        &[&[r#"{"rename_property":{"from":"name","to":"title"}}"#], &[r#"{"rename_model":{"from":"product","to":"item"}}"#]],
    );
    "item".clone_into(&mut entry.name);
    entry
}
#[tokio::test]
async fn adopted_then_renamed() {
    let objects = MemoryObjects::new();
    // Another tool brought it to version 2, where `name` is called `title`.
    put(&objects, "product/a.json", r#"{"id":"a","title":"x"}"#).await;
    let before = entry(
        r#"{"type":"model","name":"product","key":["id"],"properties":{"id":{"type":"string","required":true},"name":"string"}}"#,
        &[&[r#"{"rename_property":{"from":"name","to":"title"}}"#]],
    );
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![before], 2)).unwrap();
    coeval_engine::adopt(&store, &[("product".to_owned(), 2)], "s3verless", &how()).await.unwrap();
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![renamed("")], 3)).unwrap();
    migrate(&store, None, false, &how()).await.unwrap();
    let found = store.records().get("item", &key("a"), 1).await;
    assert_eq!(found.unwrap().unwrap().text, r#"{"id":"a","name":"x"}"#);
}
#[tokio::test]
async fn revisions_survive_a_new_name_of_the_model() {
    let objects = MemoryObjects::new();
    let before = entry(
        r#"{"type":"model","name":"product","key":["id"],"revisions":true,"properties":{"id":{"type":"string","required":true},"name":"string"}}"#,
        &[],
    );
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![before], 1)).unwrap().fresh_for(Duration::ZERO);
    in_force(&store, 0, 1).await;
    for n in ["x", "y"] {
        let doc = Change::Put(format!("{{\"id\":\"a\",\"name\":\"{n}\"}}"));
        store.records().write("product", Some(&key("a")), 1, &doc, &Expect::Anything).await.unwrap();
    }
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![renamed("\"revisions\":true,")], 3))
        .unwrap()
        .fresh_for(Duration::ZERO);
    migrate(&store, None, false, &how()).await.unwrap();
    let found = store.records().revisions("item", &key("a")).await.unwrap();
    assert_eq!(found.len(), 3);
}

#[derive(Debug)]
struct Throttled(AtomicBool);
#[async_trait]
impl Gate for Throttled {
    async fn verdict(&self, request: &Request<'_>) -> Verdict {
        let slow = |what: String, wait: u64| {
            Verdict::FailBefore(Error::Transient {
                what,
                reason: "503 SlowDown".to_owned(),
                after: Some(Duration::from_millis(wait)),
                ambiguous: false,
            })
        };
        match request {
            Request::Put("product/a.json") if !self.0.swap(true, Ordering::Relaxed) => slow(request.to_string(), 3000),
            Request::Put(key) if key.contains("/claims/") && self.0.load(Ordering::Relaxed) => slow(request.to_string(), 6000),
            _ => Verdict::Pass,
        }
    }
}
#[tokio::test]
async fn a_repeated_write_does_not_arrive_after_the_undo() {
    let objects = MemoryObjects::new();
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    let gated = Gated::behind(Throttled(AtomicBool::new(false)), objects.clone());
    let a =
        Documents::open(Arc::new(Retrying::new(gated, RetryPolicy::default(), Arc::new(|_| {}))), catalog(vec![product("")], 4))
            .unwrap();
    let b = Documents::open(Arc::new(objects.clone()), catalog(vec![product("")], 4)).unwrap();
    let heard = Heard::default();
    let pace = Pace { stale: Duration::from_millis(300), ..Pace::default() };
    let (old, new, stop) = (holder("old"), holder("new"), Stop::default());
    let base = Work {
        run: "r",
        step: "0",
        worker: &old,
        lock: None,
        pace: &pace,
        policy: Policy::Reject,
        mode: Mode::Write,
        undo: false,
        observer: &heard,
        stop: &stop,
    };
    let forward = step(1, 4);
    let run = a.execute(&forward, &base);
    let undo = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let work = Work { step: "undo-0", worker: &new, undo: true, ..base };
        b.execute(&step(4, 1), &work).await.unwrap();
    };
    let _ = tokio::time::timeout(Duration::from_secs(8), futures::future::join(run, undo)).await;
    let after = text(&objects, "product/a.json").await;
    assert!(!after.contains("\"version\":4"), "written after it was undone: {after}");
}

#[tokio::test]
async fn names_that_other_tools_escaped() {
    let objects = MemoryObjects::new();
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product("")], 4)).unwrap();
    in_force(&store, 0, 1).await;
    put(&objects, "product/S%C3%A3o.json", "{\"id\":\"São\",\"name\":\"x\",\"price\":1}").await;
    let page = store.records().list("product", 1, None, 10).await.unwrap();
    assert_eq!(page.records[0].key, key("S%C3%A3o"), "it is told by its own name, not by one under which nothing lies");
}

#[tokio::test]
async fn an_undo_of_a_scan_leaves_alone_what_an_older_run_moved() {
    let objects = MemoryObjects::new();
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product("")], 4)).unwrap().fresh_for(Duration::ZERO);
    in_force(&store, 0, 2).await;
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    migrate(&store, None, false, &how()).await.unwrap();
    let before = text(&objects, "product/a.json").await;
    put(&objects, "product/b.json", "{\"id\":\"b\",\"name\":\"x\",\"price\":\"bad\", \"_coeval\":{\"version\":3}}").await;
    let after = text(&objects, "product/a.json").await;
    assert_eq!(after, before);
}

/// A product as somebody knows it who has not fetched the newest versions.
fn older() -> ModelEntry {
    entry(
        r#"{"type":"model","name":"product","key":["id"],"properties":{"id":{"type":"string","required":true},
            "name":{"type":"string","required":true},"price":{"type":"number","required":true},"note":"string"}}"#,
        &[&[
            r#"{"rename_property": {"from": "name", "to": "title"}}"#,
            r#"{"add_property": {"path": "currency", "schema": {"type": "string", "required": true}, "value": "'USD'"}}"#,
        ]],
    )
}

#[tokio::test]
async fn a_manifest_that_lacks_a_version_of_the_store_writes_nothing() {
    let objects = MemoryObjects::new();
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1.5}").await;
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product("")], 4)).unwrap().fresh_for(Duration::ZERO);
    migrate(&store, None, false, &how()).await.unwrap();
    coeval_engine::rollback(&store, Some(1), &how()).await.unwrap();
    let before = objects.snapshot();
    let other = Documents::open(Arc::new(objects.clone()), catalog(vec![older()], 2)).unwrap().fresh_for(Duration::ZERO);
    let change = Change::MergePatch("{\"name\":\"y\"}".to_owned());
    let written = other.records().write("product", Some(&key("a")), 1, &change, &Expect::Anything).await;
    let message = "the store came to version 3, which the manifest does not have";
    assert!(matches!(&written, Err(Error::Unknown { message: told, .. }) if told == message), "{written:?}");
    assert!(matches!(migrate(&other, None, false, &how()).await, Err(RunError::Refused(_))));
    assert_eq!(objects.snapshot(), before);
}

#[tokio::test]
async fn a_kept_value_that_no_version_knows_stops_a_write() {
    let objects = MemoryObjects::new();
    let text =
        "{\"id\":\"a\",\"name\":\"x\",\"price\":1,\"_coeval\":{\"version\":1,\"keep\":{\"colour@9#0\":{\"value\":\"red\"}}}}";
    put(&objects, "product/a.json", text).await;
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product("")], 4)).unwrap().fresh_for(Duration::ZERO);
    in_force(&store, 0, 1).await;
    let change = Change::MergePatch("{\"name\":\"y\"}".to_owned());
    let written = store.records().write("product", Some(&key("a")), 1, &change, &Expect::Anything).await;
    assert!(matches!(written, Err(Error::BadRecord { .. })), "{written:?}");
    assert!(matches!(migrate(&store, None, false, &how()).await, Err(RunError::Undone { .. })));
    assert!(common::text(&objects, "product/a.json").await.contains("colour@9#0"));
}

#[tokio::test]
async fn a_file_that_cannot_be_unpacked_is_left_where_it_is_or_undone() {
    let objects = MemoryObjects::new();
    put(&objects, "p/a.json.gz", "no gzip").await;
    let store =
        Documents::open(Arc::new(objects.clone()), catalog(vec![product("\"objects\": \"p/{id}.json.gz\",")], 4)).unwrap();
    assert!(matches!(migrate(&store, None, false, &how()).await, Err(RunError::Undone { .. })));
    let lenient = How { policy: Policy::Quarantine, ..how() };
    assert!(migrate(&store, None, false, &lenient).await.is_ok());
}

#[tokio::test]
async fn a_line_that_is_broken_hides_no_other_and_two_of_one_key_are_told() {
    let objects = MemoryObjects::new();
    let line = |id: &str| format!("{{\"id\":\"{id}\",\"name\":\"x\",\"price\":1}}\n");
    put(&objects, "all.jsonl", &["broken\n", &line("a"), &line("b"), &line("b")].concat()).await;
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product("\"objects\": \"all.jsonl\",")], 4)).unwrap();
    in_force(&store, 0, 1).await;
    let records = store.records();
    assert!(records.get("product", &key("a"), 1).await.unwrap().is_some());
    assert!(matches!(records.get("product", &key("zz"), 1).await, Err(Error::BadRecord { .. })));
    let twice = records.delete("product", &key("b"), 1, &Expect::Anything).await.unwrap_err();
    assert_eq!(twice.to_string(), "b: all.jsonl holds it twice, in lines 3 and 4");
}

/// A number in a key stands there as people write it: not `1e1`, as equal numbers are told to be equal.
#[tokio::test]
async fn round_numbers_in_keys() {
    let objects = MemoryObjects::new();
    let order = entry(
        r#"{"type":"model","name":"order","key":["id"],"objects":"orders/{id}.json","properties":{"id":{"type":"integer","required":true},"t":"string"}}"#,
        &[],
    );
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![order], 1)).unwrap();
    // One that was there before, and one that a client adds.
    put(&objects, "orders/110.json", r#"{"id":110,"t":"before"}"#).await;
    migrate(&store, None, false, &how()).await.unwrap();
    let change = Change::Put(r#"{"id":2000,"t":"new"}"#.to_owned());
    let written = store.records().write("order", None, 1, &change, &Expect::Anything).await.unwrap();
    assert_eq!(written.key, key("2000"));
    assert!(text(&objects, "orders/2000.json").await.contains("new"));
    for id in ["110", "2000"] {
        assert!(store.records().get("order", &key(id), 1).await.unwrap().is_some(), "{id}");
    }
    let page = store.records().list("order", 1, None, 10).await.unwrap();
    assert_eq!(page.hidden, []);
    assert_eq!(page.records.iter().map(|found| found.key.clone()).collect::<Vec<_>>(), [key("110"), key("2000")]);
}
