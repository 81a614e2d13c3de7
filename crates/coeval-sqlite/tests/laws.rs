//! The laws on records in SQLite: generated histories, clients and runs, beside the same on the core alone.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "not every test uses all that they share")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_core::history::History;
use coeval_core::schema::Model;
use coeval_core::value::Value;
use coeval_plan::table::Ability;
use coeval_sqlite::Sqlite;
use coeval_store::event::Unobserved;
use coeval_store::ledger::{Action, Entry, Happened, Started, VersionId};
use coeval_store::lock::Holder;
use coeval_store::records::Key;
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};
use coeval_store::{Backend, Catalog, Era, ModelEntry, lower};
use coeval_testkit::laws::generate::{Aim, Counts, play};
use coeval_testkit::laws::scenario::Scenario;
use coeval_testkit::laws::stored::{Left, Outside as Editor, Replay};

use common::*;

/// Nobody edits records beside the views.
struct Nobody;

impl Editor for Nobody {
    async fn replace(&self, _: &Key, _: &Value) -> Left {
        Left::Notes
    }
}

const KEY: &str = "0193c1a0-0000-7000-8000-000000000001";

/// Why a scenario is not for tables.
fn unfit(history: &History, newest: u32, text: &str) -> Option<String> {
    let versions: Vec<u32> = (1..=newest).collect();
    if let Err(unsuitable) = coeval_plan::lower("thing", history, &versions, None, newest, Ability { knows_writer: true }) {
        let words = unsuitable.to_string();
        return Some(words.split('`').step_by(2).collect::<Vec<_>>().join("…").chars().take(50).collect());
    }
    if text.contains("+02:00") || text.contains("7AAA-") {
        return Some("two texts of one moment or UUID, which are one in a column".to_owned());
    }
    if text.contains(r#"{"add_check":"#) {
        return Some("a condition, which a database keeps and the core does not".to_owned());
    }
    None
}

fn catalog(history: History, newest: u32) -> Catalog {
    let entry = ModelEntry { name: "thing".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let id = |number: u32| VersionId { number, id: format!("v{number}") };
    Catalog { versions: (1..=newest).map(id).collect(), models: vec![entry], ..Catalog::default() }
}

async fn bring(store: &Sqlite, to: u32) -> Result<(), String> {
    let aim = lower::Aim { action: Action::Migrate, from: 0, to, scan: false, warm: false };
    let ledger = store.ledger().await.map_err(|e| e.to_string())?;
    let steps = lower::lower(store.catalog(), store.capabilities(), &ledger, aim).map_err(|e| e.to_string())?;
    let run = "first".to_owned();
    let started = Started {
        run: run.clone(),
        action: Action::Migrate,
        from: 0,
        to,
        steps: steps.clone(),
        policy: Policy::Quarantine,
        versions: Vec::new(),
    };
    let entry = |number, happened| Entry { number, at: String::new(), by: "test".to_owned(), happened };
    store.append(&entry(1, Happened::Started(started))).await.map_err(|e| e.to_string())?;
    let worker = Holder { id: run.clone(), name: run.clone(), purpose: "test".to_owned(), since: String::new() };
    for (at, step) in steps.iter().enumerate() {
        let (name, stop) = (at.to_string(), Stop::default());
        let work = Work {
            run: &run,
            step: &name,
            worker: &worker,
            lock: None,
            pace: &Pace::default(),
            policy: Policy::Quarantine,
            mode: Mode::Write,
            undo: false,
            observer: &Unobserved,
            stop: &stop,
        };
        store.execute(step, &work).await.map_err(|error| format!("{step}: {error}"))?;
    }
    store.append(&entry(2, Happened::Finished { run, tallies: Vec::new() })).await.map_err(|e| e.to_string())
}

/// Replays a scenario; `Ok(None)` where it is not for tables, with the reason counted.
async fn replay(scenario: &Scenario, unfits: &mut BTreeMap<String, u64>) -> Result<Option<(u64, u64)>, String> {
    let history = scenario.history().map_err(|fault| fault.to_string())?;
    if let Some(reason) = unfit(&history, scenario.newest(), &scenario.to_text()) {
        *unfits.entry(reason).or_default() += 1;
        return Ok(None);
    }
    let catalog = catalog(history, scenario.newest());
    let database = coeval_sqlite::open("sqlite::memory:", &options(&[])).unwrap();
    let store = Sqlite::new(database, "laws", Arc::new(catalog));
    bring(&store, scenario.newest()).await.map_err(|error| format!("{error}\n{}", scenario.to_text()))?;
    let nobody = Nobody;
    let mut replay = Replay::new(&store, &nobody, scenario, Key(vec![KEY.to_owned()])).map_err(|e| e.to_string())?;
    for (at, event) in scenario.events.iter().enumerate() {
        replay.step(event).await.map_err(|failure| format!("event {at}: {failure}\n{}", scenario.to_text()))?;
    }
    Ok(Some((replay.events, replay.reads)))
}

fn scenario(seed: u64, aim: Aim) -> Scenario {
    let mut scenario = Scenario::new(Model::new("thing"));
    play(seed, aim, &mut scenario, &mut Counts::default()).expect("the laws hold in the core");
    scenario.model.key.clear();
    scenario
}

/// Which chains are tried: so many, and those that once failed, or those of `COEVAL_CHAINS`, `NUMBER` or `FIRST..END`.
fn seeds(aim: Aim, chains: u64) -> Vec<u64> {
    let Ok(wanted) = std::env::var("COEVAL_CHAINS") else {
        return (0..chains).chain(aim.once_failed().iter().copied().filter(|seed| *seed >= chains)).collect();
    };
    let (first, end) = wanted.split_once("..").unwrap_or(("0", &wanted));
    (first.parse().expect("a number")..end.parse().expect("a number")).collect()
}

async fn hold(aim: Aim, chains: u64, least: u64) {
    let (mut ran, mut events, mut reads, mut unfits) = (0, 0, 0, BTreeMap::new());
    let mut failed = Vec::new();
    for seed in seeds(aim, chains) {
        match replay(&scenario(seed, aim), &mut unfits).await {
            Ok(None) => {}
            Ok(Some((did, read))) => (ran, events, reads) = (ran + 1, events + did, reads + read),
            Err(failure) => failed.push(format!("seed {seed}, {aim:?}: {failure}")),
        }
    }
    failed.sort_by_key(String::len);
    let count = failed.len();
    let which: Vec<&str> = failed.iter().filter_map(|failure| failure.split(',').next()).collect();
    assert!(
        failed.is_empty(),
        "{count} of {} failed, {}, for example\n{}",
        ran + count as u64,
        which.join(", "),
        failed[..count.min(8)].join("\n\n")
    );
    assert!(
        ran >= least && events > ran && reads > ran,
        "only {ran} of {chains} ran, {events} events, {reads} reads; not {unfits:?}"
    );
}

#[tokio::test]
async fn every_law_holds_in_sqlite() {
    hold(Aim::Any, 300, 100).await;
}

#[tokio::test]
async fn l7_a_former_value_that_is_written_back_is_fresh() {
    hold(Aim::Former, 100, 20).await;
}

#[tokio::test]
async fn l14_a_group_that_changes_in_part_is_computed_as_one() {
    hold(Aim::Partial, 100, 20).await;
}

#[tokio::test]
async fn l15_a_value_of_its_own_stays_when_its_source_changes() {
    hold(Aim::Pinned, 100, 20).await;
}

#[tokio::test]
async fn what_retires_changes_nothing_at_a_version_that_lives() {
    hold(Aim::Retire, 100, 20).await;
}

/// The parser of an older SQLite has a small stack, and a trigger that it cannot read makes the whole database unreadable.
#[tokio::test]
async fn programs_with_an_older_sqlite_read_every_schema() {
    let folder = tempfile::tempdir().unwrap();
    let mut made = 0;
    for seed in 0..60 {
        let scenario = scenario(seed, Aim::Any);
        let history = scenario.history().unwrap();
        if unfit(&history, scenario.newest(), "").is_some() {
            continue;
        }
        let path = folder.path().join(format!("{seed}.db"));
        let store = Sqlite::new(database(&path, &[]), "laws", Arc::new(catalog(history, scenario.newest())));
        bring(&store, scenario.newest()).await.unwrap_or_else(|error| panic!("{error}\n{}", scenario.to_text()));
        let mut outside = Outside::open(&path);
        for version in 1..=scenario.newest() {
            outside.tell(&format!("run('SELECT count(*) FROM thing_v{version}')"));
            assert_eq!(outside.answer(), "[(0,)]", "seed {seed}\n{}", scenario.to_text());
        }
        made += 1;
    }
    assert!(made > 15, "only {made}");
}
