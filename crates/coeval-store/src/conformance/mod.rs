//! What every backend must do, as cases that anybody can run on their own.
//!
//! ```no_run
//! # use coeval_store::{MemoryBackend, conformance::{Suite, run}};
//! # use std::{collections::BTreeMap, sync::{Arc, Mutex}, time::Duration};
//! # async fn example() {
//! let stores: Mutex<BTreeMap<String, MemoryBackend>> = Mutex::default();
//! let open = |name: String, catalog| -> coeval_store::conformance::Opening<'_> {
//!     let mut stores = stores.lock().unwrap();
//!     let store = stores.entry(name).or_insert_with(|| MemoryBackend::new(Arc::clone(&catalog)));
//!     let backend = store.another(catalog);
//!     Box::pin(async move { Ok(Box::new(backend) as Box<dyn coeval_store::Backend>) })
//! };
//! let suite = Suite { open: &open, stale: Duration::from_millis(200) };
//! for (name, outcome) in run(&suite).await {
//!     assert!(outcome.is_ok(), "{name}: {outcome:?}");
//! }
//! # }
//! ```

pub mod catalog;
mod inspect;
mod ledger;
mod list;
mod lock;
mod records;
mod steps;
mod tables;

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

use coeval_core::{Value, json};
use futures::future::BoxFuture;

use crate::Step;
use crate::backend::Backend;
use crate::catalog::Catalog;
use crate::error::{Error, Result};
use crate::event::{Event, Failure, Observer, Tally};
use crate::ledger::{Action, Entry, Happened, Ledger, Started};
use crate::lock::Holder;
use crate::lower::{Aim, lower};
use crate::records::{Change, Expect, Found, Key, Written};
use crate::work::{Mode, Pace, Policy, Stop, Work};

/// A store that is being opened.
pub type Opening<'s> = BoxFuture<'s, Result<Box<dyn Backend>>>;

/// What is needed to try a backend out.
pub struct Suite<'s> {
    /// Opens the store called so, with a catalog. A name that was not used before is an empty store; one that was, the same store,
    /// as another process opens it.
    pub open: &'s (dyn Fn(String, Arc<Catalog>) -> Opening<'s> + Sync),
    /// After how long a holder is taken for dead: as short as the store allows, since several cases wait for it.
    pub stale: Duration,
}

impl fmt::Debug for Suite<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("stale", &self.stale).finish_non_exhaustive()
    }
}

/// What a backend does not do as it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Broken(String);

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        Self(format!("{error:?}"))
    }
}

/// What a case returns.
pub type Outcome = std::result::Result<(), Broken>;

/// A case.
pub type Case = for<'s> fn(&'s Suite<'s>) -> BoxFuture<'s, Outcome>;

/// All cases, each with what it shows.
pub fn cases() -> Vec<(&'static str, Case)> {
    [ledger::CASES, lock::CASES, records::CASES, list::CASES, steps::CASES, tables::CASES, inspect::CASES].concat()
}

/// Runs all cases, one after another.
pub async fn run<'s>(suite: &'s Suite<'s>) -> Vec<(&'static str, Outcome)> {
    let mut out = Vec::new();
    for (name, case) in cases() {
        out.push((name, case(suite).await));
    }
    out
}

/// Ends a case where something does not hold.
macro_rules! ensure {
    ($holds:expr, $($message:tt)+) => {
        if !$holds {
            return Err($crate::conformance::Broken(format!($($message)+)));
        }
    };
}

/// Ends a case where two things are not equal.
macro_rules! same {
    ($left:expr, $right:expr, $($message:tt)+) => {
        // A `match`, so that what the expressions borrow lives long enough.
        match (&$left, &$right) {
            (left, right) if left == right => {}
            (left, right) => {
                return Err($crate::conformance::Broken(format!("{}: {left:?} is not {right:?}", format!($($message)+))));
            }
        }
    };
}

/// Ends a case where something is not the error that it should be.
macro_rules! refused {
    ($result:expr, $pattern:pat, $($message:tt)+) => {
        match $result {
            Err($pattern) => {}
            other => return Err($crate::conformance::Broken(format!("{}: {other:?}", format!($($message)+)))),
        }
    };
}

use {ensure, refused, same};

/// Opens the store of a case with the versions up to one. A store with a schema gets models that tables admit.
async fn open(suite: &Suite<'_>, case: &str, up_to: u32) -> Result<Box<dyn Backend>> {
    let backend = (suite.open)(case.to_owned(), Arc::new(catalog::up_to(up_to)?)).await?;
    if !backend.capabilities().schema {
        return Ok(backend);
    }
    (suite.open)(case.to_owned(), Arc::new(catalog::tables_up_to(up_to)?)).await
}

/// Opens the store of a case, empty before, at a version.
async fn open_at(suite: &Suite<'_>, case: &str, up_to: u32) -> Result<Box<dyn Backend>> {
    let backend = open(suite, case, up_to).await?;
    bring(&*backend, up_to).await?;
    Ok(backend)
}

fn entry(number: u64, happened: Happened) -> Entry {
    Entry { number, at: "2026-11-21T10:00:00Z".to_owned(), by: "conformance".to_owned(), happened }
}

fn started(backend: &dyn Backend, run: &str, action: Action, from: u32, to: u32) -> Happened {
    let versions = backend.catalog().versions.iter().filter(|version| version.number <= from.max(to)).cloned().collect();
    Happened::Started(Started { run: run.to_owned(), action, from, to, steps: Vec::new(), policy: Policy::Reject, versions })
}

/// As [`started`], with the steps that lead there.
fn starting(backend: &dyn Backend, ledger: &Ledger, run: &str, action: Action, from: u32, to: u32) -> Result<Happened> {
    let Happened::Started(mut started) = started(backend, run, action, from, to) else {
        return Err(Error::failed("the cases", "a run begins otherwise"));
    };
    let capabilities = backend.capabilities();
    // Records in a store without a schema are at every version at once; the cases about steps move them.
    if capabilities.schema {
        let aim = Aim { action, from, to, scan: false, warm: false };
        started.steps = lower(backend.catalog(), capabilities, ledger, aim)?;
    }
    Ok(Happened::Started(started))
}

/// Begins a run: nothing is done yet.
async fn begin(backend: &dyn Backend, run: &str, action: Action, from: u32, to: u32) -> Result<()> {
    let ledger = backend.ledger().await?;
    backend.append(&entry(ledger.next(), starting(backend, &ledger, run, action, from, to)?)).await
}

/// Executes the steps of the open run, and ends it.
async fn finish(backend: &dyn Backend, run: &str) -> Result<()> {
    carry_out(backend, run).await?;
    let number = backend.ledger().await?.next();
    backend.append(&entry(number, Happened::Finished { run: run.to_owned(), tallies: Vec::new() })).await?;
    backend.tidy(run).await
}

/// Executes the steps of the open run.
async fn carry_out(backend: &dyn Backend, run: &str) -> Result<()> {
    let steps = backend.ledger().await?.open().map(|open| open.steps.clone()).unwrap_or_default();
    for (at, step) in steps.iter().enumerate() {
        let name = at.to_string();
        let how = How { step: &name, ..How::of(run, Duration::from_secs(5)) };
        how.execute(backend, step).await.0?;
    }
    Ok(())
}

/// Makes a version the one in force: by the ledger alone, or with the steps that lead there where the store has a schema.
async fn bring(backend: &dyn Backend, to: u32) -> Result<()> {
    let ledger = backend.ledger().await?;
    let from = ledger.in_force().unwrap_or_default();
    let action = if to < from { Action::Rollback } else { Action::Migrate };
    let run = format!("bring-{}", ledger.next());
    begin(backend, &run, action, from, to).await?;
    finish(backend, &run).await
}

fn holder(id: &str) -> Holder {
    let name = format!("conformance {id}");
    Holder { id: id.to_owned(), name, purpose: "migrate to 2".to_owned(), since: "2026-11-21T10:00:00Z".to_owned() }
}

fn key(id: &str) -> Key {
    Key(vec![id.to_owned()])
}

/// Writes a whole record, unconditionally.
async fn put(backend: &dyn Backend, id: &str, at: u32, text: &str) -> Result<Written> {
    let change = Change::Put(fitting(backend, text));
    backend.records().write(catalog::MODEL, Some(&key(id)), at, &change, &Expect::Anything).await
}

/// A document of the cases as the store's catalog has it: tables have no `unit` in their items.
fn fitting(backend: &dyn Backend, text: &str) -> String {
    match json::parse(text.as_bytes()) {
        Ok(mut value) if backend.capabilities().schema => {
            without_unit(&mut value);
            value.to_string()
        }
        _ => text.to_owned(),
    }
}

fn without_unit(value: &mut Value) {
    let Value::Object(object) = value else { return };
    let Some(Value::List(items)) = object.get_mut("items") else { return };
    for item in items {
        if let Value::Object(item) = item {
            item.remove("unit");
        }
    }
}

async fn get(backend: &dyn Backend, id: &str, at: u32) -> Result<Option<Found>> {
    backend.records().get(catalog::MODEL, &key(id), at).await
}

/// A record's text. It is compared to the letter, and that of a store with a schema by its value.
#[derive(Debug, Clone)]
struct Shown {
    text: String,
    by_value: bool,
}

impl Deref for Shown {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Shown {
    /// Whether it is a text: by its value in a store that keeps values.
    fn is(&self, other: &str) -> bool {
        let value = |text: &str| {
            let mut value = json::parse(text.as_bytes()).ok()?;
            without_unit(&mut value);
            Some(value)
        };
        if self.by_value { value(&self.text) == value(other) } else { self.text == other }
    }
}

impl PartialEq<String> for Shown {
    fn eq(&self, other: &String) -> bool {
        self.is(other)
    }
}

impl PartialEq<&str> for Shown {
    fn eq(&self, other: &&str) -> bool {
        self.is(other)
    }
}

/// Returns the record's text, which must be there.
async fn text(backend: &dyn Backend, id: &str, at: u32) -> std::result::Result<Shown, Broken> {
    let found = get(backend, id, at).await?;
    let text = found.map(|found| found.text).ok_or_else(|| Broken(format!("there is no record {id} at version {at}")))?;
    Ok(Shown { text, by_value: backend.capabilities().schema })
}

/// Returns all that a version shows, page by page.
async fn all(backend: &dyn Backend, at: u32, limit: usize) -> std::result::Result<(Vec<Found>, Vec<String>), Broken> {
    let (mut shown, mut hidden, mut after) = (Vec::new(), Vec::new(), None::<String>);
    loop {
        let page = backend.records().list(catalog::MODEL, at, after.as_deref(), limit).await?;
        ensure!(page.records.len() <= limit, "a page of {limit} has {} records", page.records.len());
        shown.extend(page.records);
        hidden.extend(page.hidden.into_iter().map(|(key, _)| key));
        match page.next {
            None => return Ok((shown, hidden)),
            next => after = next,
        }
    }
}

/// Keeps what it is told.
#[derive(Debug, Default)]
struct Told(Mutex<Vec<Event>>);

impl Observer for Told {
    fn event(&self, event: Event) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(event);
    }
}

impl Told {
    fn failures(&self) -> Vec<Failure> {
        let events = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut out: Vec<Failure> = events
            .iter()
            .filter_map(|event| if let Event::Failure(failure) = event { Some(failure.clone()) } else { None })
            .collect();
        out.sort_by(|a, b| a.key.cmp(&b.key));
        out.dedup();
        out
    }
}

/// How a step is executed here.
#[derive(Debug, Clone)]
struct How<'h> {
    run: &'h str,
    step: &'h str,
    worker: Holder,
    policy: Policy,
    mode: Mode,
    undo: bool,
    pace: Pace,
    stop: Stop,
}

impl<'h> How<'h> {
    fn new(suite: &Suite<'_>, run: &'h str) -> Self {
        Self::of(run, suite.stale)
    }

    fn of(run: &'h str, stale: Duration) -> Self {
        let shard = std::num::NonZeroUsize::new(2).unwrap_or(std::num::NonZeroUsize::MIN);
        Self {
            run,
            step: "0",
            worker: holder("w1"),
            policy: Policy::Reject,
            mode: Mode::Write,
            undo: false,
            pace: Pace { shard, stale, ..Pace::default() },
            stop: Stop::default(),
        }
    }

    fn work<'w>(&'w self, told: &'w Told) -> Work<'w> {
        Work {
            run: self.run,
            step: self.step,
            worker: &self.worker,
            lock: None,
            pace: &self.pace,
            policy: self.policy,
            mode: self.mode,
            undo: self.undo,
            observer: told,
            stop: &self.stop,
        }
    }

    async fn execute(&self, backend: &dyn Backend, step: &Step) -> (Result<Tally>, Vec<Failure>) {
        let told = Told::default();
        let outcome = backend.execute(step, &self.work(&told)).await;
        (outcome, told.failures())
    }
}

fn moving(from: u32, to: u32) -> Step {
    Step::MoveRecords { model: catalog::MODEL.to_owned(), from, to }
}
