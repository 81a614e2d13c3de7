//! The laws on records in tables: generated histories, clients and runs, beside the same on the core alone.

use std::collections::BTreeMap;

use coeval_core::history::History;
use coeval_core::schema::Model;
use coeval_core::value::{Object, Value};
use coeval_plan::table::Ability;
use coeval_store::ledger::VersionId;
use coeval_store::records::Key;
use coeval_store::{Backend, Catalog, Era, ModelEntry};

use super::generate::{Aim, Counts, play};
use super::scenario::{Scenario, cases};
use super::stored::{Left, Outside, Replay};

/// A database that holds the laws.
#[expect(async_fn_in_trait, reason = "nobody asks for more than one thread")]
pub trait Database {
    /// The store that it is.
    type Store: Backend;

    /// Whether its triggers know at which version a row is updated.
    const ABILITY: Ability;

    /// Parts of texts that are written in two ways and one value in a column, each with what it is.
    const ALIKE: &[(&str, &str)];

    /// Opens a store of its own for a scenario, and brings it to the newest version. What cannot be converted is hidden.
    ///
    /// # Errors
    /// What went wrong, in words.
    async fn at_newest(&self, seed: u64, catalog: Catalog, newest: u32) -> Result<Self::Store, String>;

    /// Returns what a version's view of a model shows in plain SQL: each row as an object, JSON as what it says.
    ///
    /// # Errors
    /// What the database says.
    async fn rows(&self, store: &Self::Store, seed: u64, model: &Model, version: u32) -> Result<Vec<Object>, String>;
}

/// A client that reads in plain SQL. Nobody edits records beside the views.
struct Client<'d, D: Database> {
    database: &'d D,
    store: &'d D::Store,
    seed: u64,
}

impl<D: Database> Outside for Client<'_, D> {
    async fn replace(&self, _: &Key, _: &Value) -> Left {
        Left::Notes
    }

    async fn rows(&self, model: &Model, version: u32) -> Option<Result<Vec<Object>, String>> {
        Some(self.database.rows(self.store, self.seed, model, version).await)
    }
}

const KEY: &str = "0193c1a0-0000-7000-8000-000000000001";

/// Why a scenario is not for tables.
pub fn unfit<D: Database>(_: &D, history: &History, newest: u32, text: &str) -> Option<String> {
    let versions: Vec<u32> = (1..=newest).collect();
    if let Err(unsuitable) = coeval_plan::lower("thing", history, &versions, None, newest, D::ABILITY) {
        let words = unsuitable.to_string();
        return Some(words.split('`').step_by(2).collect::<Vec<_>>().join("…").chars().take(50).collect());
    }
    if let Some((_, what)) = D::ALIKE.iter().find(|(part, _)| text.contains(part)) {
        return Some(format!("two texts of one {what}, which are one in a column"));
    }
    if text.contains(r#"{"add_check":"#) {
        return Some("a condition, which a database keeps and the core does not".to_owned());
    }
    None
}

/// The catalog of a scenario's one model.
pub fn catalog(history: History, newest: u32) -> Catalog {
    let entry = ModelEntry { name: "thing".to_owned(), eras: vec![Era { first: 1, end: None, history }] };
    let id = |number: u32| VersionId { number, id: format!("v{number}") };
    Catalog { versions: (1..=newest).map(id).collect(), models: vec![entry], ..Catalog::default() }
}

/// Returns the scenario of a seed, of a model that has no key of its own.
///
/// # Panics
/// Where a law does not hold in the core.
#[expect(clippy::expect_used, reason = "a test fails where it would")]
pub fn scenario(seed: u64, aim: Aim) -> Scenario {
    let mut scenario = Scenario::new(Model::new("thing"));
    play(seed, aim, &mut scenario, &mut Counts::default()).expect("the laws hold in the core");
    scenario.model.key.clear();
    scenario
}

/// Replays a scenario; `Ok(None)` where it is not for tables, with the reason counted.
async fn replay<D: Database>(
    database: &D,
    seed: u64,
    scenario: &Scenario,
    unfits: &mut BTreeMap<String, u64>,
) -> Result<Option<(u64, u64)>, String> {
    let (text, newest) = (scenario.to_text(), scenario.newest());
    let history = scenario.history().map_err(|fault| fault.to_string())?;
    if let Some(reason) = unfit(database, &history, newest, &text) {
        *unfits.entry(reason).or_default() += 1;
        return Ok(None);
    }
    let store = database.at_newest(seed, catalog(history, newest), newest).await.map_err(|error| format!("{error}\n{text}"))?;
    let client = Client { database, store: &store, seed };
    let mut replay = Replay::new(&store, &client, scenario, Key(vec![KEY.to_owned()])).map_err(|e| e.to_string())?;
    for (at, event) in scenario.events.iter().enumerate() {
        replay.step(event).await.map_err(|failure| format!("event {at}: {failure}\n{text}"))?;
    }
    replay.end().await.map_err(|failure| format!("at the end: {failure}\n{text}"))?;
    Ok(Some((replay.events, replay.reads)))
}

/// Which chains are tried: so many, and those that once failed, or those of `COEVAL_CHAINS`, `NUMBER` or `FIRST..END`.
#[expect(clippy::expect_used, reason = "a test fails where it would")]
fn seeds(aim: Aim, chains: u64) -> Vec<u64> {
    let Ok(wanted) = std::env::var("COEVAL_CHAINS") else {
        return (0..chains).chain(aim.once_failed().iter().copied().filter(|seed| *seed >= chains)).collect();
    };
    let (first, end) = wanted.split_once("..").unwrap_or(("0", &wanted));
    (first.parse().expect("a number")..end.parse().expect("a number")).collect()
}

/// Replays so many chains, of which at least some are for tables.
///
/// # Panics
/// Where a law does not hold, with the scenarios that are short.
pub async fn hold<D: Database>(database: &D, aim: Aim, chains: u64, least: u64) {
    let (mut ran, mut events, mut reads, mut unfits) = (0, 0, 0, BTreeMap::new());
    let mut failed = Vec::new();
    for seed in seeds(aim, chains) {
        match replay(database, seed, &scenario(seed, aim), &mut unfits).await {
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

/// Replays what once failed in the core, cut down, and reports which of it is for tables; or the case of a file, `COEVAL_CASE`.
///
/// # Panics
/// Where a law does not hold.
#[expect(clippy::expect_used, reason = "a test fails where it would")]
pub async fn cases_hold<D: Database>(database: &D, least: usize) {
    let mut unfits = BTreeMap::new();
    let (mut ran, mut failed) = (0, Vec::new());
    let only = std::env::var("COEVAL_CASE").ok();
    let files = only.as_ref().map_or_else(cases, |file| vec![file.into()]);
    for (seed, file) in (1_000_000..).zip(files) {
        let text = std::fs::read_to_string(&file).expect("a case");
        let mut scenario = Scenario::from_text(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
        scenario.model.key.clear();
        match replay(database, seed, &scenario, &mut unfits).await {
            Ok(played) => ran += usize::from(played.is_some()),
            Err(failure) => failed.push(format!("{}: {failure}", file.display())),
        }
    }
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
    assert!(only.is_some() || ran >= least, "only {ran} ran; not {unfits:?}");
}
