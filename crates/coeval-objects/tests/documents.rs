//! What lies in a store of documents, before and after.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use coeval_objects::documents::Documents;
use coeval_store::backend::Survey;
use coeval_store::objects::MemoryObjects;
use coeval_store::objects::{Attributes, Condition, Objects};
use coeval_store::records::{Change, Expect, Key};
use coeval_store::work::{Mode, Policy, Stop, Work};
use coeval_store::{Backend, Error};

use common::{Heard, Run, catalog, holder, in_force, product, put, step, text};

fn open(options: &str) -> (MemoryObjects, Documents) {
    let objects = MemoryObjects::new();
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![product(options)], 4)).unwrap();
    (objects, store.fresh_for(std::time::Duration::ZERO))
}

fn key(id: &str) -> Key {
    Key(vec![id.to_owned()])
}

const LAID_OUT: &str =
    "{ \"id\" : \"a\",\r\n   \"name\":\"caf\\u00e9\", \"price\": 1.50,\"note\": null_or_not, \"own\": [1 , 2] }\n";

#[tokio::test]
async fn there_and_back_every_byte_returns() {
    let (objects, store) = open("");
    let originals = [
        ("product/a.json", LAID_OUT.replace("null_or_not", "\"n\"")),
        ("product/b.json", "{\"id\":\"b\",\"name\":\"x\",\"price\":19.99}".to_owned()),
        ("product/c.json", "{\n  \"id\": \"c\",\n  \"price\": 0.10,\n  \"name\": \"y\"\n}\n".to_owned()),
    ];
    for (key, text) in &originals {
        put(&objects, key, text).await;
    }
    let heard = Heard::default();
    let tally = Run::default().execute(&store, &step(1, 4), &heard).await.unwrap();
    assert_eq!((tally.seen, tally.written, tally.unchanged, heard.lines()), (3, 3, 0, vec![]));
    assert_eq!(
        text(&objects, "product/c.json").await,
        "{\n  \"id\": \"c\",\n  \"title\": \"y\",\n  \"price\": 10,\n  \"currency\": \"USD\",\n  \"_coeval\": {\n    \"version\": 4,\n    \"keep\": {}\n  }\n}\n"
            .replace(",\n    \"keep\": {}", &kept(&text(&objects, "product/c.json").await))
    );
    let again = Run { name: "again", ..Run::default() }.execute(&store, &step(1, 4), &heard).await.unwrap();
    assert_eq!((again.written, again.unchanged), (0, 3), "what is there already is not written");
    Run { name: "back", ..Run::default() }.execute(&store, &step(4, 1), &heard).await.unwrap();
    in_force(&store, 0, 1).await;
    for (name, original) in &originals {
        let id = name.trim_start_matches("product/").trim_end_matches(".json");
        let found = store.records().get("product", &key(id), 1).await.unwrap().unwrap();
        assert_eq!(found.text, original.trim());
        let after = text(&objects, name).await;
        assert!(after.contains("\"_coeval\""), "{after}");
    }
}

/// The part of a document's notes behind its version, for a comparison of what is around it.
fn kept(text: &str) -> String {
    let from = text.find("\"version\": 4").unwrap() + "\"version\": 4".len();
    text[from..text.rfind("\n  }\n}").unwrap()].to_owned()
}

#[tokio::test]
async fn lines_are_kept_as_they_are_but_for_what_changes() {
    for ending in ["jsonl", "jsonl.gz", "jsonl.zst"] {
        let (objects, store) = open(&format!("\"objects\": \"all/p.{ending}\","));
        in_force(&store, 0, 4).await;
        let original =
            "{\"id\":\"a\",\"name\":\"x\",\"price\":1}\n\n  {\"id\": \"b\", \"name\": \"y\", \"price\": 2.5}\r\n{\"id\":\"c\"}";
        let file = format!("all/p.{ending}");
        let packed = pack(ending, original);
        objects.put(&file, Bytes::from(packed), &Attributes::default(), &Condition::None).await.unwrap();
        let heard = Heard::default();
        let run = Run { policy: Policy::Quarantine, ..Run::default() };
        let tally = run.execute(&store, &step(1, 4), &heard).await.unwrap();
        assert_eq!((tally.seen, tally.written, tally.quarantined), (3, 2, 1), "{ending}");
        let after = unpack(ending, &objects.get(&file).await.unwrap().unwrap().bytes);
        let lines: Vec<&str> = after.split('\n').collect();
        assert!(
            lines[0].starts_with("{\"id\":\"a\",\"title\":\"x\",\"price\":100,\"currency\":\"USD\",\"_coeval\":{"),
            "{after}"
        );
        assert_eq!((lines[1], lines[3]), ("", "{\"id\":\"c\"}"));
        assert!(lines[2].starts_with("  {\"id\": \"b\", \"title\"") && lines[2].ends_with("}\r"), "{after}");
        let records = store.records();
        let found = records.get("product", &key("b"), 1).await.unwrap().unwrap();
        assert_eq!(found.text, "{\"id\": \"b\", \"name\": \"y\", \"price\": 2.5}");
        let change = Change::MergePatch("{\"price\": 300}".to_owned());
        assert!(records.write("product", Some(&key("b")), 4, &change, &Expect::Anything).await.unwrap().changed);
        assert_eq!(
            records.get("product", &key("b"), 1).await.unwrap().unwrap().text,
            "{\"id\": \"b\", \"name\": \"y\", \"price\": 3}"
        );
        let new = Change::Put("{\"id\": \"d\", \"title\": \"z\", \"price\": 7, \"currency\": \"EUR\"}".to_owned());
        assert!(records.write("product", None, 4, &new, &Expect::Absent).await.unwrap().created);
        assert!(records.delete("product", &key("a"), 4, &Expect::Anything).await.unwrap());
        let page = records.list("product", 2, None, 10).await.unwrap();
        let ids: Vec<String> = page.records.iter().map(|found| found.key.to_string()).collect();
        assert_eq!((ids, page.hidden.len()), (vec!["b".to_owned(), "d".to_owned()], 1), "{ending}");
    }
}

fn pack(ending: &str, text: &str) -> Vec<u8> {
    use std::io::Write;
    match ending.rsplit('.').next() {
        Some("gz") => {
            let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            encoder.write_all(text.as_bytes()).unwrap();
            encoder.finish().unwrap()
        }
        Some("zst") => zstd::encode_all(text.as_bytes(), 0).unwrap(),
        _ => text.as_bytes().to_vec(),
    }
}

fn unpack(ending: &str, bytes: &[u8]) -> String {
    use std::io::Read;
    let mut out = String::new();
    match ending.rsplit('.').next() {
        Some("gz") => drop(flate2::read::GzDecoder::new(bytes).read_to_string(&mut out).unwrap()),
        Some("zst") => out = String::from_utf8(zstd::decode_all(bytes).unwrap()).unwrap(),
        _ => out.push_str(std::str::from_utf8(bytes).unwrap()),
    }
    out
}

#[tokio::test]
async fn headers_metadata_and_tags_survive_and_the_version_is_stamped_beside() {
    let (objects, store) = open("");
    let map = |entries: &[(&str, &str)]| entries.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let attributes = Attributes {
        headers: map(&[("content-type", "text/x-product"), ("cache-control", "no-store")]),
        metadata: map(&[("owner", "ann")]),
        tags: map(&[("class", "gold")]),
    };
    let bytes = Bytes::from_static(b"{\"id\":\"a\",\"name\":\"x\",\"price\":1}");
    objects.put("product/a.json", bytes, &attributes, &Condition::None).await.unwrap();
    Run::default().execute(&store, &step(1, 4), &Heard::default()).await.unwrap();
    let after = objects.get("product/a.json").await.unwrap().unwrap().attributes;
    assert_eq!((after.headers, after.tags), (attributes.headers, attributes.tags));
    assert_eq!(after.metadata, map(&[("owner", "ann"), ("coeval-version", "4")]));
}

#[tokio::test]
async fn a_dropped_stamp_is_found_beside_and_a_contradiction_is_told() {
    let (objects, store) = open("");
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    put(&objects, "product/b.json", "{\"id\":\"b\",\"name\":\"x\",\"price\":1}").await;
    Run::default().execute(&store, &step(1, 4), &Heard::default()).await.unwrap();
    in_force(&store, 0, 4).await;
    for (id, body) in [
        ("a", "{\"id\":\"a\",\"title\":\"outside\",\"price\":250,\"currency\":\"EUR\"}"),
        ("b", "{\"id\":\"b\",\"title\":\"x\",\"price\":1,\"currency\":\"EUR\",\"_coeval\":{\"version\":3}}"),
    ] {
        let name = format!("product/{id}.json");
        let object = objects.get(&name).await.unwrap().unwrap();
        objects.put(&name, Bytes::from(body), &object.attributes, &Condition::None).await.unwrap();
    }
    let found = store.records().get("product", &key("a"), 1).await.unwrap().unwrap();
    assert_eq!(found.text, "{\"id\":\"a\",\"name\":\"outside\",\"price\":2.5}");
    let reason = "`_coeval` says version 3, the object's metadata version 4";
    let error = store.records().get("product", &key("b"), 1).await.unwrap_err();
    assert!(matches!(&error, Error::BadRecord { reason: told, .. } if told == reason), "{error}");
    let heard = Heard::default();
    let error = Run { name: "back", ..Run::default() }.execute(&store, &step(4, 1), &heard).await.unwrap_err();
    assert!(matches!(error, Error::Records { count: 1 }), "{error}");
    assert_eq!(heard.lines(), [format!("product/b.json contradiction: {reason}")]);
}

#[tokio::test]
async fn what_is_in_the_way_is_named_and_undone_exactly() {
    let (objects, store) = open("");
    in_force(&store, 0, 2).await;
    for (id, price) in [("1", "1"), ("2", "2"), ("3", "\"three\""), ("4", "4"), ("5", "5")] {
        put(&objects, &format!("product/{id}.json"), &format!("{{\"id\":\"{id}\",\"name\":\"x\",\"price\":{price}}}")).await;
    }
    // One that is where the others are not.
    put(
        &objects,
        "product/2.json",
        "{\"id\":\"2\",\"title\":\"x\",\"price\":2,\"currency\":\"USD\",\"_coeval\":{\"version\":2}}",
    )
    .await;
    let before = records(&objects);
    let heard = Heard::default();
    let dry = Run { mode: Mode::Try(None), ..Run::default() }.execute(&store, &step(1, 4), &heard).await.unwrap();
    assert_eq!((dry.seen, dry.failed), (5, 1));
    assert_eq!(records(&objects), before, "trying writes nothing");
    let error = Run::default().execute(&store, &step(1, 4), &heard).await.unwrap_err();
    assert!(matches!(error, Error::Records { count: 1 }));
    let line = "3 broken: the record does not fit version 1, at which it is stored: price: expected a number, found the string \"three\"";
    assert_eq!(heard.lines(), [line, line]);
    let undo = Run { undo: true, step: "undo-0", ..Run::default() };
    undo.execute(&store, &step(4, 1), &Heard::default()).await.unwrap();
    let natural = |all: Vec<(String, String)>| -> Vec<(String, String)> {
        all.into_iter().map(|(key, text)| (key, text.replace(",\"_coeval\":{\"version\":1}", ""))).collect()
    };
    assert_eq!(natural(records(&objects)), natural(before), "each is where it came from");
    put(&objects, "product/3.json", "{\"id\":\"3\",\"name\":\"x\",\"price\":3}").await;
    let tally = Run { name: "then", ..Run::default() }.execute(&store, &step(1, 4), &Heard::default()).await.unwrap();
    assert_eq!(tally.written, 5);
}

fn records(objects: &MemoryObjects) -> Vec<(String, String)> {
    let all = objects.snapshot().into_iter().filter(|(key, _)| !key.starts_with("_coeval/"));
    all.map(|(key, object)| (key, String::from_utf8(object.bytes.to_vec()).unwrap())).collect()
}

#[tokio::test]
async fn every_state_is_kept_where_the_model_asks_for_it() {
    let (objects, store) = open("\"revisions\": true,");
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1,\"note\":\"n\"}").await;
    Run::default().execute(&store, &step(1, 4), &Heard::default()).await.unwrap();
    in_force(&store, 0, 4).await;
    let records = store.records();
    let patch = |text: &str| Change::MergePatch(text.to_owned());
    records.write("product", Some(&key("a")), 4, &patch("{\"price\": 200}"), &Expect::Anything).await.unwrap();
    // Another tool edits the record, and a client writes then.
    let edited = text(&objects, "product/a.json").await.replace("\"price\":200", "\"price\":300");
    put(&objects, "product/a.json", &edited).await;
    records.write("product", Some(&key("a")), 1, &patch("{\"note\": \"m\"}"), &Expect::Anything).await.unwrap();
    records.delete("product", &key("a"), 4, &Expect::Anything).await.unwrap();
    let new = Change::Put("{\"id\":\"a\",\"name\":\"new\",\"price\":9}".to_owned());
    records.write("product", None, 1, &new, &Expect::Absent).await.unwrap();
    let revisions = records.revisions("product", &key("a")).await.unwrap();
    let told: Vec<(&str, u32, bool)> = revisions.iter().map(|r| (r.by.as_str(), r.stored, r.current)).collect();
    let expected = [
        ("put", 1, true),
        ("delete", 0, false),
        ("patch", 1, false),
        ("outside", 4, false),
        ("patch", 4, false),
        ("migrate", 4, false),
        ("before", 1, false),
    ];
    assert_eq!(told, expected);
    let mut prices = Vec::new();
    for revision in &revisions {
        let found = records.revision("product", &key("a"), &revision.id, 2).await.unwrap();
        prices.push(found.map(|found| found.text.split("\"price\":").nth(1).unwrap().split(',').next().unwrap().to_owned()));
    }
    let prices: Vec<&str> = prices.iter().map(|price| price.as_deref().unwrap_or("-")).collect();
    assert_eq!(prices, ["9", "-", "3", "3", "2", "1", "1"]);
}

#[tokio::test]
async fn a_pinned_shape_stays_for_those_who_read_the_bucket() {
    let (objects, store) = open("\"store_at\": 2,");
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    Run::default().execute(&store, &step(1, 4), &Heard::default()).await.unwrap();
    in_force(&store, 0, 4).await;
    let patch = Change::MergePatch("{\"price\": 250, \"title\": \"y\"}".to_owned());
    store.records().write("product", Some(&key("a")), 4, &patch, &Expect::Anything).await.unwrap();
    let stored = text(&objects, "product/a.json").await;
    assert!(
        stored.starts_with("{\"id\":\"a\",\"title\":\"y\",\"price\":2.5,\"currency\":\"USD\",\"_coeval\":{\"version\":2"),
        "{stored}"
    );
}

#[tokio::test]
async fn looking_finds_what_is_wrong_and_changes_nothing() {
    let (objects, store) = open("");
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    in_force(&store, 0, 4).await;
    for (name, text) in [
        ("b", "{\"id\":\"z\",\"name\":\"x\",\"price\":1}"),
        ("c", "{\"id\":\"c\",\"name\":\"x\",\"price\":1"),
        ("d", "{\"id\":\"d\",\"name\":\"x\",\"price\":1,\"_coeval\":{\"version\":9}}"),
        ("e", "{\"id\":\"e\",\"name\":\"x\",\"price\":\"no\"}"),
    ] {
        put(&objects, &format!("product/{name}.json"), text).await;
    }
    let before = objects.snapshot();
    let (heard, worker, stop) = (Heard::default(), holder("looker"), Stop::default());
    let pace = coeval_store::work::Pace::default();
    let work = Work {
        run: "look",
        step: "0",
        worker: &worker,
        lock: None,
        pace: &pace,
        policy: Policy::Reject,
        mode: Mode::Try(None),
        undo: false,
        observer: &heard,
        stop: &stop,
    };
    let found = store.inspect("product", Survey::Laws, None, &work).await.unwrap();
    assert_eq!((found.records, found.stored.clone()), (5, [(1, 3), (9, 1)].into()));
    insta::assert_snapshot!(heard.lines().join("\n"), @r#"
    product/b.json misplaced: the record has the key `z`, the object's name says `b`
    product/c.json unreadable: expected `,` or `}` in an object
    product/d.json unknown-version: it is at version 9, at which the manifest has no such model
    product/e.json broken: version 1 cannot show the record: price: expected a number, found the string "no"
    product/e.json quarantined: version 2 cannot show the record: price: expected a number, found the string "no"
    product/e.json quarantined: version 3 cannot show the record: price: expected a number, found the string "no"
    product/e.json quarantined: version 4 cannot show the record: price: expected a number, found the string "no"
    "#);
    assert_eq!(found.quarantined, [(1, 1), (2, 1), (3, 1), (4, 1)].into());
    assert_eq!(objects.snapshot(), before);
}

#[tokio::test]
async fn versions_that_are_not_in_force_are_refused() {
    let (objects, store) = open("");
    put(&objects, "product/a.json", "{\"id\":\"a\",\"name\":\"x\",\"price\":1}").await;
    let told = |error: Error| match error {
        Error::Unknown { message, help } => format!("{message}; {}", help.unwrap_or_default()),
        other => other.to_string(),
    };
    let error = store.records().get("product", &key("a"), 1).await.unwrap_err();
    assert_eq!(told(error), "the store has not come to version 1; no version is in force yet: migrate it");
    in_force(&store, 0, 2).await;
    let error = store.records().get("product", &key("a"), 3).await.unwrap_err();
    assert_eq!(told(error), "the store has not come to version 3; the newest version that clients may use is 2; migrate it");
    let error = store.records().get("nothing", &key("a"), 2).await.unwrap_err();
    assert_eq!(told(error), "the store keeps no model `nothing`; it keeps product");
    let page = store.records().list("product", 2, None, 1).await.unwrap();
    assert_eq!((page.records.len(), page.next.clone()), (1, None));
    let error = store.records().list("product", 1, Some("2:0:product/a.json"), 1).await.unwrap_err();
    assert_eq!(told(error), "this place is in a list at version 2, not 1; take the one that the last part ended with");
}

#[tokio::test]
async fn models_whose_records_could_not_be_told_apart_are_refused() {
    let told = |models: Vec<coeval_store::ModelEntry>, head| match Documents::open(
        Arc::new(MemoryObjects::new()),
        catalog(models, head),
    ) {
        Err(Error::Unknown { message, .. }) => message,
        other => panic!("{other:?}"),
    };
    let other = |options: &str, releases: &[&[&str]]| {
        let text = format!(
            r#"{{"type": "model", "name": "other", "key": ["id"], {options} "properties": {{
                "id": {{"type": "string", "required": true}}, "n": "integer"}}}}"#
        );
        common::entry(&text, releases)
    };
    let message = told(vec![product(""), other("\"objects\": \"product/{id}.x.json\",", &[])], 4);
    let expected = "objects of the model `product` (product/{id}.json) would be taken for objects of the model `other` (product/{id}.x.json)";
    assert_eq!(message, expected);
    let message = told(vec![other("\"objects\": \"o/{id}.jsonl\", \"revisions\": true,", &[])], 1);
    assert_eq!(message, "model `other`: `revisions` needs a plain object for each record, not o/{id}.jsonl");
    let message = told(vec![other("\"unversioned\": \"one\",", &[])], 1);
    assert_eq!(message, "model `other`: `unversioned` is the number of a version (version 1)");
    // A key that is renamed, and a model: the records stay where they are.
    let renamed = other(
        "",
        &[&[r#"{"rename_property": {"from": "id", "to": "code"}}"#], &[r#"{"rename_model": {"from": "other", "to": "third"}}"#]],
    );
    let objects = MemoryObjects::new();
    let store = Documents::open(Arc::new(objects.clone()), catalog(vec![renamed], 3)).unwrap();
    put(&objects, "other/a.json", "{\"id\":\"a\",\"n\":1}").await;
    in_force(&store, 0, 3).await;
    let found = store.records().get("other", &key("a"), 3).await.unwrap().unwrap();
    assert_eq!(found.text, "{\"code\":\"a\",\"n\":1}");
}
