//! The laws on records in PostgreSQL: generated histories, clients and runs, beside the same on the core alone.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]

mod common;

use std::collections::BTreeMap;
use std::sync::Arc;

use coeval_core::history::History;
use coeval_core::schema::Model;
use coeval_core::value::Value;
use coeval_engine::How;
use coeval_plan::table::Ability;
use coeval_postgres::{Database, PostgresBackend, State};
use coeval_store::ledger::VersionId;
use coeval_store::records::Key;
use coeval_store::work::Policy;
use coeval_store::{Catalog, Era, ModelEntry};
use coeval_testkit::laws::generate::{Aim, Counts, play};
use coeval_testkit::laws::scenario::Scenario;
use coeval_testkit::laws::stored::{Left, Outside, Replay};
use common::{fresh, open_with};

/// Nobody edits records beside the views.
struct Nobody;

impl Outside for Nobody {
    async fn replace(&self, _: &Key, _: &Value) -> Left {
        Left::Notes
    }
}

const KEY: &str = "0193c1a0-0000-7000-8000-000000000001";

/// Why a scenario is not for tables.
fn unfit(history: &History, newest: u32, text: &str) -> Option<String> {
    let versions: Vec<u32> = (1..=newest).collect();
    if let Err(unsuitable) = coeval_plan::lower("thing", history, &versions, None, newest, Ability { knows_writer: false }) {
        let words = unsuitable.to_string();
        return Some(words.split('`').step_by(2).collect::<Vec<_>>().join("…").chars().take(50).collect());
    }
    if text.contains("+02:00") {
        return Some("two texts of one moment, which are one in a column".to_owned());
    }
    if text.contains("0194F0C2") {
        return Some("two texts of one UUID, which are one in a column".to_owned());
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

/// Replays a scenario; `Ok(None)` where it is not for tables, with the reason counted.
async fn replay(
    database: &Arc<Database>,
    seed: u64,
    scenario: &Scenario,
    unfits: &mut BTreeMap<String, u64>,
) -> Result<Option<(u64, u64)>, String> {
    let history = scenario.history().map_err(|fault| fault.to_string())?;
    if let Some(reason) = unfit(&history, scenario.newest(), &scenario.to_text()) {
        *unfits.entry(reason).or_default() += 1;
        return Ok(None);
    }
    let state = State::new(Arc::clone(database), format!("laws{seed}"));
    let store = PostgresBackend::new(state, Arc::new(catalog(history, scenario.newest())));
    let how = How { policy: Policy::Quarantine, ..How::quietly() };
    if let Err(error) = coeval_engine::migrate(&store, None, false, &how).await {
        let told = format!("{error:?}");
        return Err(format!(
            "{error}: {}\n{}",
            told.chars().rev().take(1500).collect::<Vec<_>>().into_iter().rev().collect::<String>(),
            scenario.to_text()
        ));
    }
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
    let database = open_with(&fresh().await, &[]).unwrap();
    let (mut ran, mut events, mut reads, mut unfits) = (0, 0, 0, BTreeMap::new());
    let mut failed = Vec::new();
    for seed in seeds(aim, chains) {
        match replay(&database, seed, &scenario(seed, aim), &mut unfits).await {
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

#[tokio::test(flavor = "multi_thread")]
async fn every_law_holds_in_postgres() {
    hold(Aim::Any, 150, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l7_a_former_value_that_is_written_back_is_fresh() {
    hold(Aim::Former, 60, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l14_a_group_that_changes_in_part_is_computed_as_one() {
    hold(Aim::Partial, 60, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn l15_a_value_of_its_own_stays_when_its_source_changes() {
    hold(Aim::Pinned, 60, 12).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_retires_changes_nothing_at_a_version_that_lives() {
    hold(Aim::Retire, 60, 12).await;
}
