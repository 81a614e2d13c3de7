//! Nine real releases of a data set in one store, each record at the version it was published at: taken to version 9, back to 1,
//! and to 9 again. Every record reads at every version as it did before, byte for byte.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coeval_core::document::{Document, Format};
use coeval_core::json;
use coeval_core::lens::Stored;
use coeval_objects::documents::Documents;
use coeval_store::objects::{Attributes, Condition, MemoryObjects, Objects};
use coeval_store::work::Pace;
use coeval_store::{Backend, Era, ModelEntry, Step};
use coeval_testkit::world_countries::{RELEASES, load_without_key};
use futures::{StreamExt, TryStreamExt};

use common::{Heard, Run, catalog, in_force};

type Reads = BTreeMap<(u32, String), String>;

/// What every version shows of every record. Each object is asked for once; two versions are also read as clients do.
async fn reads(store: &Documents, objects: &Arc<dyn Objects>) -> Reads {
    let history = &store.catalog().models[0].eras[0].history;
    let keys: Vec<String> = objects.list("country/", None).map_ok(|listed| listed.key).try_collect().await.unwrap();
    let read = |key: String| async move { Ok::<_, coeval_store::Error>((objects.get(&key).await?.unwrap(), key)) };
    let found: Vec<_> = futures::stream::iter(keys).map(read).buffer_unordered(32).try_collect().await.unwrap();
    let mut out = Reads::new();
    for (object, key) in found {
        let document = Document::read(&object.bytes, &Format::default()).unwrap();
        let name = key.trim_start_matches("country/").trim_end_matches(".json").to_owned();
        for at in 1..=9 {
            out.insert((at, name.clone()), document.read_text(history, at).unwrap().trim().to_owned());
        }
    }
    for at in [2, 8] {
        let mut after = None;
        loop {
            let page = store.records().list("country", at, after.as_deref(), 500).await.unwrap();
            assert_eq!(page.hidden, []);
            for found in page.records {
                assert_eq!(out.get(&(at, found.key.to_string())), Some(&found.text));
            }
            match page.next {
                Some(next) => after = Some(next),
                None => break,
            }
        }
    }
    out
}

async fn nine_releases(objects: Arc<dyn Objects>) {
    let world = load_without_key();
    let entry = ModelEntry { name: "country".to_owned(), eras: vec![Era { first: 1, end: None, history: world.history }] };
    let store = Documents::open(Arc::clone(&objects), catalog(vec![entry], 9)).unwrap();
    in_force(&store, 0, 9).await;
    let mut records = 0;
    for ((release, lines), version) in RELEASES.iter().zip(&world.releases).zip(1..) {
        for (line, text) in lines.iter().enumerate() {
            let stored = Stored::plain(version, json::parse(text.as_bytes()).unwrap());
            let document = Document::new(stored.clone(), &Format::default(), true);
            let bytes = Bytes::from(document.write(&stored).unwrap());
            let key = format!("country/{release}-{line}.json");
            objects.put(&key, bytes, &Attributes::default(), &Condition::Absent).await.unwrap();
            records += 1;
        }
    }
    let before = reads(&store, &objects).await;
    assert_eq!(before.len(), records * 9);
    for ((release, lines), version) in RELEASES.iter().zip(&world.releases).zip(1..) {
        for (line, text) in lines.iter().enumerate() {
            assert_eq!(before[&(version, format!("{release}-{line}"))], *text, "{release}, line {line}");
        }
    }
    for (n, (from, to)) in [(9, 9), (9, 1), (1, 9)].into_iter().enumerate() {
        let name = format!("run-{n}");
        // Nobody dies here, and a busy machine may keep a renewal waiting.
        let pace = Pace { stale: Duration::from_secs(20), ..Pace::default() };
        let run = Run { name: &name, pace, ..Run::default() };
        let step = Step::MoveRecords { model: "country".to_owned(), from, to };
        let heard = Heard::default();
        let tally = run.execute(&store, &step, &heard).await.unwrap();
        assert_eq!((usize::try_from(tally.seen).unwrap(), heard.lines()), (records, vec![]), "{from} to {to}");
        store.tidy(&name).await.unwrap();
        let after = reads(&store, &objects).await;
        let different = before.iter().find(|(key, text)| after.get(*key) != Some(text));
        assert_eq!(different, None, "{from} to {to}: {:?}", different.map(|(key, _)| after.get(key)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_releases_in_memory() {
    nine_releases(Arc::new(MemoryObjects::new())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nine_releases_on_s3() {
    nine_releases(common::s3(&uuid::Uuid::now_v7().to_string())).await;
}
