//! A process that dies at every request it makes, before and after the request took effect, and another one that carries on: the
//! store is then as if nobody had died. For migrate, rollback and retire, alone and with clients that write in between.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]
#![allow(clippy::print_stdout, reason = "says how many crash points were tried")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coeval_core::json;
use coeval_engine::{Goal, How, run};
use coeval_objects::documents::Documents;
use coeval_store::objects::wrap::{Crash, Crashing};
use coeval_store::objects::{Attributes, Condition, MemoryObjects, Objects};
use coeval_store::records::{Change, Expect, Key};
use coeval_store::work::Pace;
use coeval_store::{Backend, Catalog};

use common::{catalog, product};

const RECORDS: usize = 30;

/// What a run does, and what was done before it.
#[derive(Debug, Clone, Copy)]
struct Case {
    before: &'static [Goal],
    goal: Goal,
    options: &'static str,
}

const TO_FOUR: Goal = Goal::Migrate { to: None, scan: false };

const CASES: [(&str, Case); 4] = [
    ("migrate", Case { before: &[Goal::Migrate { to: Some(2), scan: false }], goal: TO_FOUR, options: "" }),
    ("rollback", Case { before: &[TO_FOUR], goal: Goal::Rollback { to: Some(1) }, options: "" }),
    ("retire", Case { before: &[TO_FOUR], goal: Goal::Retire { before: 4 }, options: "" }),
    (
        "migrate with revisions",
        Case { before: &[Goal::Migrate { to: Some(2), scan: false }], goal: TO_FOUR, options: "\"revisions\": true," },
    ),
];

fn how() -> How<'static> {
    let some = |n: usize| std::num::NonZeroUsize::new(n).unwrap();
    let pace = Pace { concurrency: some(3), workers: some(1), shard: some(12), stale: Duration::from_secs(15), rate: None };
    How { pace, ..How::quietly() }
}

fn open(objects: Arc<dyn Objects>, catalog: &Arc<Catalog>) -> Documents {
    Documents::open(objects, Arc::clone(catalog)).unwrap().fresh_for(Duration::ZERO)
}

/// Thirty records at several versions, with values that do not survive every conversion.
async fn store(case: &Case, catalog: &Arc<Catalog>) -> MemoryObjects {
    let objects = MemoryObjects::new();
    let store = open(Arc::new(objects.clone()), catalog);
    for id in 0..RECORDS {
        let price = ["1.5", "19.990", "0.1", "100"][id % 4];
        let text = format!("{{\"id\":\"{id:02}\",\"name\":\"n{id}\",\"price\":{price},\"note\":\"x{id}\"}}");
        let key = format!("product/{id:02}.json");
        objects.put(&key, Bytes::from(text), &Attributes::default(), &Condition::Absent).await.unwrap();
    }
    for goal in case.before {
        run(&store, *goal, &how()).await.unwrap();
    }
    if !case.before.is_empty() {
        for (id, at) in [("03", 1), ("07", 2), ("11", 1)] {
            write(&store, id, at, "{\"price\": 7}").await;
        }
    }
    objects
}

async fn write(store: &Documents, id: &str, at: u32, patch: &str) {
    let change = Change::MergePatch(patch.to_owned());
    store.records().write("product", Some(&Key(vec![id.to_owned()])), at, &change, &Expect::Present).await.unwrap();
}

/// The records as they lie, without what names a moment; and what the store says about itself.
async fn state(objects: &MemoryObjects, catalog: &Arc<Catalog>) -> (BTreeMap<String, String>, Option<u32>, u32, usize) {
    let mut records = BTreeMap::new();
    let mut notes = 0;
    for (key, object) in objects.snapshot() {
        let text = String::from_utf8(object.bytes.to_vec()).unwrap();
        if key.starts_with("_coeval/runs/") {
            notes += 1;
        } else if !key.starts_with("_coeval/") {
            // The run that took it where it is has another name each time.
            let text = match text.split_once("\"run\":\"") {
                Some((before, after)) => format!("{before}\"run\":\"<run>{}", &after[36..]),
                None => text,
            };
            records.insert(key, format!("{text} {:?}", object.attributes));
        }
    }
    let ledger = open(Arc::new(objects.clone()), catalog).ledger().await.unwrap();
    assert_eq!(ledger.open(), None, "the run is over");
    (records, ledger.in_force(), ledger.oldest(), notes)
}

/// What clients do while nobody runs: one writes at an old version, one at the newest in force; all read.
async fn clients(objects: &MemoryObjects, catalog: &Arc<Catalog>) {
    let store = open(Arc::new(objects.clone()), catalog);
    let ledger = store.ledger().await.unwrap();
    let Some(newest) = ledger.newest() else { return };
    let oldest = ledger.oldest();
    for at in oldest..=newest {
        let page = store.records().list("product", at, None, 100).await.unwrap();
        assert_eq!((page.records.len(), page.hidden.len()), (RECORDS, 0), "read at {at}");
        for found in page.records {
            let value = json::parse(found.text.as_bytes()).unwrap();
            let model = catalog.models[0].model(at).unwrap();
            assert_eq!(model.violations(&value), [], "{} at {at}", found.text);
        }
    }
    let name = if oldest == 1 { "name" } else { "title" };
    write(&store, "05", oldest, &format!("{{\"{name}\": \"by an old client\"}}")).await;
    let name = if newest == 1 { "name" } else { "title" };
    write(&store, "20", newest, &format!("{{\"{name}\": \"by a new client\"}}")).await;
}

/// What every version shows: what two stores must agree on whose clients wrote at different moments.
async fn shown(objects: &MemoryObjects, catalog: &Arc<Catalog>) -> Vec<String> {
    let store = open(Arc::new(objects.clone()), catalog);
    let ledger = store.ledger().await.unwrap();
    let mut out = Vec::new();
    for at in ledger.oldest()..=ledger.newest().unwrap() {
        let page = store.records().list("product", at, None, 100).await.unwrap();
        assert_eq!(page.hidden, []);
        out.extend(page.records.into_iter().map(|found| format!("{at} {}", json::parse(found.text.as_bytes()).unwrap())));
    }
    out
}

async fn enumerate(name: &str, case: Case, between: bool) -> u64 {
    let catalog = catalog(vec![product(case.options)], 4);
    let whole = store(&case, &catalog).await;
    if between {
        clients(&whole, &catalog).await;
    }
    let counted = Arc::new(Crashing::never(whole.clone()));
    run(&open(counted.clone(), &catalog), case.goal, &how()).await.unwrap();
    let calls = counted.calls();
    let (records, in_force, oldest, notes) = state(&whole, &catalog).await;
    let reads = shown(&whole, &catalog).await;
    assert_eq!(notes, 0, "{name}: what was noted about the run is tidied up");
    let mut points = 0;
    for call in 1..=calls {
        for crash in [Crash::Before, Crash::After] {
            let objects = store(&case, &catalog).await;
            let dying = Arc::new(Crashing::at(objects.clone(), call, crash));
            let died = run(&open(dying.clone(), &catalog), case.goal, &how()).await;
            let place = format!("{name}, {crash:?} call {call}: {:?}", dying.fatal());
            if between {
                clients(&objects, &catalog).await;
            }
            let after = run(&open(Arc::new(objects.clone()), &catalog), case.goal, &how()).await;
            after.unwrap_or_else(|e| panic!("{place}: {e:?}, died with {died:?}"));
            let now = state(&objects, &catalog).await;
            assert_eq!((now.1, now.2), (in_force, oldest), "{place}");
            if between {
                assert_eq!(shown(&objects, &catalog).await, reads, "{place}");
            } else {
                assert_eq!(now.0, records, "{place}");
            }
            points += 1;
        }
    }
    println!("{name}{}: {points} crash points", if between { ", clients in between" } else { "" });
    points
}

macro_rules! enumerated {
    ($($name:ident: $case:literal, $between:literal;)*) => {$(
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let points = enumerate(CASES[$case].0, CASES[$case].1, $between).await;
            assert!(points > 200, "{points}");
        }
    )*};
}

enumerated! {
    a_migration_that_dies_anywhere_is_carried_on: 0, false;
    a_migration_that_dies_while_clients_write: 0, true;
    a_rollback_that_dies_anywhere_is_carried_on: 1, false;
    a_rollback_that_dies_while_clients_write: 1, true;
    a_retirement_that_dies_anywhere_is_carried_on: 2, false;
    a_retirement_that_dies_while_clients_write: 2, true;
    a_migration_with_revisions_that_dies_anywhere_is_carried_on: 3, false;
    a_migration_with_revisions_that_dies_while_clients_write: 3, true;
}

/// What becomes of records in the way is said once, when a run begins; whoever carries it on does as was said.
#[tokio::test(start_paused = true)]
async fn what_was_said_about_records_in_the_way_outlives_who_said_it() {
    let case = CASES[0].1;
    let catalog = catalog(vec![product("")], 4);
    let lenient = How { policy: coeval_store::work::Policy::Quarantine, ..how() };
    let broken = "{\"id\":\"02\",\"name\":\"n\",\"price\":\"none\"}";
    let whole = store(&case, &catalog).await;
    common::put(&whole, "product/02.json", broken).await;
    let counted = Arc::new(Crashing::never(whole.clone()));
    run(&open(counted.clone(), &catalog), case.goal, &lenient).await.unwrap();
    let expected = state(&whole, &catalog).await;
    // From the entry that begins the run on.
    let mut resumed = 0;
    for call in (20..counted.calls()).step_by(9) {
        let objects = store(&case, &catalog).await;
        common::put(&objects, "product/02.json", broken).await;
        let dying = Arc::new(Crashing::at(objects.clone(), call, Crash::Before));
        // What dies while it tidies up after a finished run has come to its end.
        let _ = run(&open(dying.clone(), &catalog), case.goal, &lenient).await;
        let ledger = open(Arc::new(objects.clone()), &catalog).ledger().await.unwrap();
        if ledger.open().is_none() {
            continue;
        }
        let after = run(&open(Arc::new(objects.clone()), &catalog), case.goal, &how()).await;
        after.unwrap_or_else(|e| panic!("call {call}, {:?}: {e:?}", dying.fatal()));
        assert_eq!(state(&objects, &catalog).await, expected, "call {call}");
        resumed += 1;
    }
    assert!(resumed > 8, "{resumed}");
}
