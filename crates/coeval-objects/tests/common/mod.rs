//! A small catalog, and a step executed as a run would.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod books;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use coeval_core::history::{History, Release};
use coeval_core::json;
use coeval_core::op::{Context, Operation, Rewrites};
use coeval_core::schema::{Model, no_shared_types};
use coeval_core::table::Tables;
use coeval_objects::documents::Documents;
use coeval_store::event::{Event, Failure, Observer, Tally};
use coeval_store::ledger::{Action, Entry, Happened, Started, VersionId};
use coeval_store::lock::Holder;
use coeval_store::objects::MemoryObjects;
use coeval_store::objects::{Attributes, Condition, Objects};
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};
use coeval_store::{Backend, Catalog, Era, ModelEntry, Result, Step};

/// Makes a model out of its document at version 1, and of the operations of each later version.
pub(crate) fn entry(model: &str, releases: &[&[&str]]) -> ModelEntry {
    let parse = |text: &str| json::parse(text.as_bytes()).unwrap_or_else(|e| panic!("{text}: {e}"));
    let model = Model::from_value(&parse(model), &no_shared_types).unwrap();
    let name = model.name.clone();
    let operation = |text: &&str| Operation::from_value(&parse(text)).unwrap_or_else(|e| panic!("{text}: {}", e.message));
    let releases = releases.iter().zip(2..);
    let releases = releases.map(|(operations, version)| Release {
        version,
        operations: operations.iter().map(operation).collect(),
        order: None,
    });
    let releases: Vec<Release> = releases.collect();
    let context = Context { tables: &Tables::new(), rewrites: &Rewrites::new() };
    let history = History::new(1, model, &releases, &context).unwrap();
    ModelEntry { name, eras: vec![Era { first: 1, end: None, history }] }
}

pub(crate) fn catalog(models: Vec<ModelEntry>, head: u32) -> Arc<Catalog> {
    let versions = (1..=head).map(|number| VersionId { number, id: format!("id-{number}") }).collect();
    Arc::new(Catalog { versions, models, ..Catalog::default() })
}

/// A product: version 2 renames its name and adds a currency, version 3 counts cents, version 4 drops the note.
pub(crate) fn product(options: &str) -> ModelEntry {
    let model = format!(
        r#"{{"type": "model", "name": "product", "key": ["id"], {options} "properties": {{
            "id": {{"type": "string", "required": true}}, "name": {{"type": "string", "required": true}},
            "price": {{"type": "number", "required": true}}, "note": "string"}}}}"#
    );
    entry(
        &model,
        &[
            &[
                r#"{"rename_property": {"from": "name", "to": "title"}}"#,
                r#"{"add_property": {"path": "currency", "schema": {"type": "string", "required": true}, "value": "'USD'"}}"#,
            ],
            &[r#"{"retype_property": {"path": "price", "schema": {"type": "integer", "required": true},
                "up": "cast(price * 100 as integer)", "down": "cast(price as number) / 100"}}"#],
            &[r#"{"remove_property": {"path": "note"}}"#],
        ],
    )
}

/// Opens the S3 server that the harness started, at a prefix.
pub(crate) fn s3(prefix: &str) -> Arc<dyn Objects> {
    let said = std::env::var("COEVAL_TEST_S3");
    let said = said.expect("COEVAL_TEST_S3 is not set: run `./test`, or `testing/s3 COMMAND…`, which start a server");
    let pairs = said.split(' ').filter_map(|pair| pair.split_once('=')).filter(|(name, _)| !name.starts_with("reader_"));
    let mut options: BTreeMap<String, String> = pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let url = options.remove("url").unwrap();
    coeval_objects::open(&format!("{url}/{prefix}"), &options).unwrap()
}

#[derive(Debug, Default)]
pub(crate) struct Heard(pub(crate) Mutex<Vec<Failure>>);

impl Observer for Heard {
    fn event(&self, event: Event) {
        if let Event::Failure(failure) = event {
            self.0.lock().unwrap().push(failure);
        }
    }
}

impl Heard {
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.0.lock().unwrap().iter().map(|f| format!("{} {}: {}", f.key, f.kind, f.reason)).collect();
        lines.sort();
        lines
    }
}

pub(crate) fn holder(name: &str) -> Holder {
    Holder { id: name.to_owned(), name: name.to_owned(), purpose: "test".to_owned(), since: "2026-01-01T00:00:00Z".to_owned() }
}

pub(crate) struct Run<'r> {
    pub(crate) name: &'r str,
    pub(crate) step: &'r str,
    pub(crate) mode: Mode,
    pub(crate) undo: bool,
    pub(crate) policy: Policy,
    pub(crate) pace: Pace,
}

impl Default for Run<'_> {
    fn default() -> Self {
        let pace = Pace { stale: Duration::from_millis(400), ..Pace::default() };
        Run { name: "run", step: "0", mode: Mode::Write, undo: false, policy: Policy::Reject, pace }
    }
}

impl Run<'_> {
    pub(crate) async fn execute(&self, store: &Documents, step: &Step, heard: &Heard) -> Result<Tally> {
        let worker = holder(self.name);
        let work = Work {
            run: self.name,
            step: self.step,
            worker: &worker,
            lock: None,
            pace: &self.pace,
            policy: self.policy,
            mode: self.mode,
            undo: self.undo,
            observer: heard,
            stop: &Stop::default(),
        };
        store.execute(step, &work).await
    }
}

pub(crate) fn step(from: u32, to: u32) -> Step {
    Step::MoveRecords { model: "product".to_owned(), from, to }
}

/// Notes a finished run to a version, without doing it.
pub(crate) async fn in_force(store: &Documents, from: u32, to: u32) {
    let action = if from > to { Action::Rollback } else { Action::Migrate };
    let run = format!("run-{from}-{to}");
    let started = Started { run: run.clone(), action, from, to, steps: vec![], policy: Policy::Reject, versions: vec![] };
    for happened in [Happened::Started(started), Happened::Finished { run, tallies: vec![] }] {
        let number = store.ledger().await.unwrap().next();
        let entry = Entry { number, at: "2026-01-01T00:00:00Z".to_owned(), by: "test".to_owned(), happened };
        store.append(&entry).await.unwrap();
    }
}

pub(crate) async fn put(objects: &MemoryObjects, key: &str, text: &str) {
    objects.put(key, Bytes::from(text.to_owned()), &Attributes::default(), &Condition::None).await.unwrap();
}

pub(crate) async fn text(objects: &MemoryObjects, key: &str) -> String {
    let object = objects.get(key).await.unwrap().unwrap_or_else(|| panic!("{key} is not there"));
    String::from_utf8(object.bytes.to_vec()).unwrap()
}
