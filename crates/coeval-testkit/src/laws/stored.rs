//! The laws on records in a store: what generated clients, runs and other tools do to a record through a backend's public
//! functions, beside the same events on the core alone. Every read at every version must be the same, to the letter; by its value
//! in a store with a schema, where values have one text each.
//!
//! The laws hold for the core (`super::run`), so they hold for the store where it never differs. What only a store has is
//! checked here: nothing is written where nothing changed (L4), bytes return (L1), lists are point reads (L11).
//!
//! In a store with a schema no record is moved, and nobody edits records beside the views. Instead the store is rolled back to the
//! version that a scenario moves a record to, clients of versions up to it go on writing, and it is migrated again as soon as a client
//! of a later one comes: nothing may be lost.

use std::sync::{Mutex, PoisonError};

use coeval_core::history::History;
use coeval_core::json;
use coeval_core::lens::{Refused, Stored};
use coeval_core::schema::{Model, Type};
use coeval_core::value::{Object, Value};
use coeval_plan::Step;
use coeval_plan::table::fit;
use coeval_store::event::{self, Observer};
use coeval_store::ledger::{Action, Entry, Happened, Started};
use coeval_store::lock::Holder;
use coeval_store::lower::{Aim, lower};
use coeval_store::records::{Change, Expect, Found, Key};
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};
use coeval_store::{Backend, Error};

use super::run::Failure;
use super::scenario::{Event, Scenario};

/// Why records are in the way of a step.
#[derive(Debug, Default)]
struct Reasons(Mutex<Vec<String>>);

impl Observer for Reasons {
    fn event(&self, event: event::Event) {
        if let event::Event::Failure(failure) = event {
            self.0.lock().unwrap_or_else(PoisonError::into_inner).push(failure.reason);
        }
    }
}

/// What another tool leaves of coeval's notes when it replaces a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// All of them.
    Notes,
    /// The version, beside the document; what was kept is lost.
    Version,
    /// Nothing: the record is where records are that carry no version.
    Nothing,
}

/// Does what another tool does to a record in a store: replaces its natural document where it lies.
pub trait Outside {
    /// Replaces the document of a record.
    fn replace(&self, key: &Key, document: &Value) -> impl Future<Output = Left>;

    /// Returns what clients of a version read of a model without coeval: each row as an object, NULL as null, JSON as what it says;
    /// `None` where they read nothing so.
    ///
    /// # Errors
    /// What the store says.
    fn rows(&self, _model: &Model, _version: u32) -> impl Future<Output = Option<Result<Vec<Object>, String>>> {
        async { None }
    }
}

/// A record in a store, and beside it.
pub struct Replay<'b, O> {
    backend: &'b dyn Backend,
    outside: &'b O,
    history: History,
    model: String,
    key: Key,
    stored: Option<Stored>,
    runs: u32,
    /// The version that the store was rolled back to.
    back: Option<u32>,
    /// Whether the store has a schema.
    tables: bool,
    /// How many events happened in the store.
    pub events: u64,
    /// How many reads were compared.
    pub reads: u64,
}

impl<'b, O: Outside> Replay<'b, O> {
    /// Begins without a record. The backend was opened with the scenario's model, and its newest version is in force.
    ///
    /// # Errors
    /// A history that does not fold.
    pub fn new(backend: &'b dyn Backend, outside: &'b O, scenario: &Scenario, key: Key) -> Result<Self, Failure> {
        let history = scenario.history().map_err(|fault| Failure::new("FOLD", fault.to_string()))?;
        let model = scenario.model.name.clone();
        let tables = backend.capabilities().schema;
        Ok(Self { backend, outside, history, model, key, stored: None, runs: 0, back: None, tables, events: 0, reads: 0 })
    }

    /// Lets an event happen in the store and beside it, and compares.
    ///
    /// # Errors
    /// The law that does not hold.
    pub async fn step(&mut self, event: &Event) -> Result<(), Failure> {
        // Clients of retired versions are gone.
        if event.versions().into_iter().any(|version| self.history.is_retired(version)) {
            return Ok(());
        }
        if self.tables && !self.has_place(event) {
            return Ok(());
        }
        self.events += 1;
        let stays = match event {
            Event::Create { at, .. }
            | Event::Put { at, .. }
            | Event::Merge { at, .. }
            | Event::Patch { at, .. }
            | Event::Same { at } => self.back.is_some_and(|back| *at <= back),
            Event::Migrate { .. } | Event::Round { .. } | Event::Retire { .. } | Event::Outside { .. } => false,
        };
        if !stays {
            self.forth().await?;
        }
        match event {
            Event::Migrate { to } if self.tables => self.back(*to).await?,
            Event::Round { route } if self.tables => {
                for version in route {
                    self.back(*version).await?;
                    self.forth().await?;
                }
            }
            Event::Retire { before } => self.retire(*before).await?,
            Event::Create { at, document } => self.create(*at, document).await?,
            Event::Put { at, document } => {
                let done = self.stored.as_ref().map(|stored| self.history.put(stored, *at, document));
                self.write(*at, &Change::Put(document.to_string()), done).await?;
            }
            Event::Merge { at, patch } => {
                let done = self.stored.as_ref().map(|stored| self.history.merge_patch(stored, *at, patch));
                self.write(*at, &Change::MergePatch(patch.to_string()), done).await?;
            }
            Event::Patch { at, patch } => {
                let done = self.stored.as_ref().map(|stored| self.history.json_patch(stored, *at, patch));
                self.write(*at, &Change::JsonPatch(patch.to_value().to_string()), done).await?;
            }
            Event::Same { at } => self.same(*at).await?,
            Event::Migrate { to } => self.migrate(*to).await?,
            Event::Round { route } => self.round(route).await?,
            Event::Outside { document } => {
                let Some(stored) = &mut self.stored else { return Ok(()) };
                *stored = match self.outside.replace(&self.key, document).await {
                    Left::Notes => self.history.edit_outside(stored, document.clone()),
                    Left::Version => Stored::plain(stored.version, document.clone()),
                    Left::Nothing => Stored::plain(1, document.clone()),
                };
            }
        }
        self.compare().await
    }

    /// Whether tables have a place for what an event writes: not for what is not declared at the top. Nothing is edited beside them.
    fn has_place(&self, event: &Event) -> bool {
        let (at, written) = match event {
            Event::Create { at, document } | Event::Put { at, document } => (*at, Some(document.clone())),
            Event::Merge { at, patch } => {
                let done = self.stored.as_ref().map(|stored| self.history.merge_patch(stored, *at, patch));
                (*at, done.and_then(Result::ok).flatten().map(|stored| stored.document))
            }
            Event::Patch { at, patch } => {
                let done = self.stored.as_ref().map(|stored| self.history.json_patch(stored, *at, patch));
                (*at, done.and_then(Result::ok).flatten().map(|stored| stored.document))
            }
            Event::Outside { .. } => return false,
            Event::Same { .. } | Event::Migrate { .. } | Event::Round { .. } | Event::Retire { .. } => return true,
        };
        let (Some(model), Some(written)) = (self.history.model(at), written) else { return true };
        written.as_object().is_none_or(|object| object.iter().all(|(name, _)| model.properties.get(name).is_some()))
    }

    /// Ends: all versions are there again.
    ///
    /// # Errors
    /// The law that does not hold.
    pub async fn end(&mut self) -> Result<(), Failure> {
        self.forth().await?;
        self.compare().await
    }

    /// Migrates the store to the newest version again, if it was rolled back: in one run, or in one for each version.
    async fn forth(&mut self) -> Result<(), Failure> {
        let Some(from) = self.back.take() else { return Ok(()) };
        let newest = self.history.newest();
        self.bring_by(Action::Migrate, from, newest, self.history.versions().filter(|v| *v > from && *v < newest).collect()).await
    }

    /// As [`Self::bring`], every third time by way of some versions.
    async fn bring_by(&mut self, action: Action, from: u32, to: u32, way: Vec<u32>) -> Result<(), Failure> {
        let mut at = from;
        for next in way.into_iter().filter(|_| self.runs.is_multiple_of(3)).chain([to]).collect::<Vec<_>>() {
            self.bring(action, at, next).await?;
            at = next;
        }
        Ok(())
    }

    /// Rolls the store back to a version.
    async fn back(&mut self, to: u32) -> Result<(), Failure> {
        let newest = self.history.newest();
        if to == newest {
            return Ok(());
        }
        // What says that an older version cannot show a record goes with the newer one whose operation said so: the record is
        // shown again then, without the value.
        let hidden = |version: u32, stored: &Stored| version <= to && self.history.read(stored, version).is_err();
        if self.stored.as_ref().is_some_and(|stored| self.history.versions().any(|version| hidden(version, stored))) {
            return Ok(());
        }
        let way = self.history.versions().rev().filter(|v| *v > to && *v < newest && !self.history.is_retired(*v)).collect();
        self.bring_by(Action::Rollback, newest, to, way).await?;
        let records = self.backend.records();
        if let Some(stored) = &self.stored {
            let found = records.get(&self.model, &self.key, to).await;
            let expected = self.history.read(stored, to);
            if !self.is_alike(to, Some(&expected), &found) {
                return fail("L1", format!("rolled back to {to}: {expected:?}, in the store {found:?}"));
            }
        }
        self.back = Some(to);
        Ok(())
    }

    /// Does what leads from one version to another, step by step, as a run does it.
    async fn bring(&mut self, action: Action, from: u32, to: u32) -> Result<(), Failure> {
        let error = |error: Error| Failure::new("L1", format!("from {from} to {to}: {error}"));
        let ledger = self.backend.ledger().await.map_err(error)?;
        let aim = Aim { action, from, to, scan: false, warm: false };
        let steps = lower(self.backend.catalog(), self.backend.capabilities(), &ledger, aim).map_err(error)?;
        self.runs += 1;
        let run = format!("bring-{}", self.runs);
        let started = Started {
            run: run.clone(),
            action,
            from,
            to,
            steps: steps.clone(),
            policy: Policy::Quarantine,
            versions: Vec::new(),
        };
        self.note(Happened::Started(started)).await.map_err(error)?;
        for (at, step) in steps.iter().enumerate() {
            self.execute_as(step, &run, &at.to_string()).await?;
        }
        self.note(Happened::Finished { run: run.clone(), tallies: Vec::new() }).await.map_err(error)?;
        self.backend.tidy(&run).await.map_err(error)
    }

    /// Whether a read of the store says what the core says.
    fn is_alike(&self, at: u32, expected: Option<&Result<Value, Refused>>, found: &coeval_store::Result<Option<Found>>) -> bool {
        match (expected, found) {
            (None, Ok(None)) | (Some(Err(Refused::Quarantined { .. })), Err(Error::Refused(Refused::Quarantined { .. }))) => true,
            (Some(Ok(document)), Ok(Some(found))) => {
                json::parse(found.text.as_bytes()).is_ok_and(|value| match self.history.model(at) {
                    Some(model) if self.tables => value.as_object().is_some_and(|object| {
                        let declared = |(name, _): &&(coeval_core::value::Text, Value)| model.properties.get(name).is_some();
                        let shown: Object = object.iter().filter(declared).cloned().collect();
                        Value::Object(shown) == *document
                    }),
                    _ => value.identical(document),
                })
            }
            _ => false,
        }
    }

    async fn create(&mut self, at: u32, document: &Value) -> Result<(), Failure> {
        let records = self.backend.records();
        let deleted = records.delete(&self.model, &self.key, at, &Expect::Anything).await;
        let there = self.stored.is_some();
        if !matches!(&deleted, Ok(done) if *done == there) {
            return fail("L8", format!("deleted: {deleted:?}, it was there: {there}"));
        }
        self.stored = None;
        let created = self.history.create(at, document.clone());
        let change = Change::Put(document.to_string());
        let written = records.write(&self.model, Some(&self.key), at, &change, &Expect::Absent).await;
        match (created, written) {
            (Ok(stored), Ok(written)) if written.created && written.changed => self.stored = Some(stored),
            (Err(refused), Err(Error::Refused(other))) if refused == other || self.tables => {}
            (core, store) => return fail("L2", format!("create at {at}: {core:?}, in the store {store:?}")),
        }
        Ok(())
    }

    async fn write(&mut self, at: u32, change: &Change, done: Option<Result<Option<Stored>, Refused>>) -> Result<(), Failure> {
        let Some(done) = done else { return Ok(()) };
        let before = self.state(at).await?;
        let written = self.backend.records().write(&self.model, Some(&self.key), at, change, &Expect::Present).await;
        match (done, written) {
            (Ok(Some(stored)), Ok(written)) if written.changed && !written.created => self.stored = Some(stored),
            (Ok(None), Ok(written)) if !written.changed => {
                if before.is_some() && before != self.state(at).await? {
                    return fail("L4", format!("{change:?} at {at} changes nothing and wrote"));
                }
            }
            (Err(refused), Err(Error::Refused(other))) if refused == other || self.tables => {}
            (core, store) => return fail("L2", format!("{change:?} at {at}: {core:?}, in the store {store:?}")),
        }
        Ok(())
    }

    /// The state of the record in the store; `None` where the version cannot show it.
    async fn state(&self, at: u32) -> Result<Option<String>, Failure> {
        match self.backend.records().get(&self.model, &self.key, at).await {
            Ok(found) => Ok(found.map(|found| found.state.0)),
            Err(Error::Refused(Refused::Quarantined { .. })) => Ok(None),
            Err(error) => fail("L6", format!("read at {at}: {error}")),
        }
    }

    async fn same(&mut self, at: u32) -> Result<(), Failure> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let Ok(current) = self.history.read(stored, at) else { return Ok(()) };
        let before = self.state(at).await?;
        let change = Change::Put(current.to_string());
        let written = self.backend.records().write(&self.model, Some(&self.key), at, &change, &Expect::Present).await;
        if !written.as_ref().is_ok_and(|written| !written.changed) || before != self.state(at).await? {
            return fail("L4", format!("what was read at {at} is written back: {current} gives {written:?}"));
        }
        Ok(())
    }

    async fn retire(&mut self, before: u32) -> Result<(), Failure> {
        let newest = self.history.newest();
        if self.tables {
            self.bring(Action::Retire { before }, newest, newest).await?;
            self.retired(before);
            return Ok(());
        }
        let error = |error: Error| Failure::new("RETIRE", error.to_string());
        let step = Step::ForgetRecords { model: self.model.clone(), before, to: newest };
        let run = format!("retire-{}", self.runs);
        let steps = vec![step.clone()];
        let action = Action::Retire { before };
        let started = Started {
            run: run.clone(),
            action,
            from: newest,
            to: newest,
            steps,
            policy: Policy::Quarantine,
            versions: Vec::new(),
        };
        self.note(Happened::Started(started)).await.map_err(error)?;
        self.execute(&step).await?;
        self.note(Happened::Finished { run, tallies: Vec::new() }).await.map_err(error)?;
        self.retired(before);
        Ok(())
    }

    fn retired(&mut self, before: u32) {
        let newest = self.history.newest();
        self.history = self.history.clone().retire(before);
        if let Some(stored) = &mut self.stored
            && let Ok((kept, _)) = self.history.forget(stored, newest)
        {
            *stored = kept;
        }
    }

    async fn note(&self, happened: Happened) -> coeval_store::Result<()> {
        let number = self.backend.ledger().await?.next();
        self.backend.append(&Entry { number, at: String::new(), by: "test".to_owned(), happened }).await
    }

    async fn execute(&mut self, step: &Step) -> Result<(), Failure> {
        self.runs += 1;
        let run = format!("run-{}", self.runs);
        self.execute_as(step, &run, "0").await?;
        let tidied = self.backend.tidy(&run).await;
        tidied.map_err(|error| Failure::new("L1", error.to_string()))
    }

    async fn execute_as(&self, step: &Step, run: &str, name: &str) -> Result<(), Failure> {
        let worker = Holder { id: run.to_owned(), name: run.to_owned(), purpose: "test".to_owned(), since: String::new() };
        let (stop, told) = (Stop::default(), Reasons::default());
        let work = Work {
            run,
            step: name,
            worker: &worker,
            lock: None,
            pace: &Pace::default(),
            policy: Policy::Quarantine,
            mode: Mode::Write,
            undo: false,
            observer: &told,
            stop: &stop,
        };
        let done = self.backend.execute(step, &work).await;
        done.map(drop).or_else(|error| fail("L1", format!("{step}: {error}: {told:?}")))
    }

    async fn migrate(&mut self, to: u32) -> Result<(), Failure> {
        let step = Step::MoveRecords { model: self.model.clone(), from: self.history.newest(), to };
        self.execute(&step).await?;
        if let Some(stored) = &mut self.stored
            && let Ok(moved) = self.history.move_to(stored, to)
        {
            *stored = moved;
        }
        Ok(())
    }

    async fn round(&mut self, route: &[u32]) -> Result<(), Failure> {
        let Some(stored) = &self.stored else { return Ok(()) };
        let home = stored.version;
        let text = |found: Option<coeval_store::records::Found>| found.map(|found| found.text);
        let records = self.backend.records();
        let Ok(before) = records.get(&self.model, &self.key, home).await else { return Ok(()) };
        for version in route {
            self.migrate(*version).await?;
        }
        self.migrate(home).await?;
        let after = records.get(&self.model, &self.key, home).await;
        let after = after.map_err(|error| Failure::new("L1", error.to_string()))?;
        let (before, after) = (text(before), text(after));
        if before != after {
            return fail("L1", format!("by {route:?}: {after:?} instead of {before:?}"));
        }
        Ok(())
    }

    async fn compare(&mut self) -> Result<(), Failure> {
        let records = self.backend.records();
        let back = self.back;
        let live = |version: &u32| !self.history.is_retired(*version) && back.is_none_or(|back| *version <= back);
        for version in self.history.versions().filter(live).collect::<Vec<_>>() {
            self.reads += 1;
            let expected = self.stored.as_ref().map(|stored| self.history.read(stored, version));
            let found = records.get(&self.model, &self.key, version).await;
            let listed = records.list(&self.model, version, None, 10).await;
            let listed = listed.map_err(|error| Failure::new("L11", error.to_string()))?;
            let alike = self.is_alike(version, expected.as_ref(), &found);
            let shown = usize::from(matches!(found, Ok(Some(_))));
            let alike = alike && found.as_ref().ok().and_then(Option::as_ref) == listed.records.first();
            if !alike {
                return fail("L5", format!("read at {version}: {expected:?}, in the store {found:?}, listed {listed:?}"));
            }
            if let Some(model) = self.history.model(version)
                && let Some(rows) = self.outside.rows(model, version).await
            {
                let rows = rows.map_err(|error| Failure::new("L5", format!("read without coeval at {version}: {error}")))?;
                let told = match (&expected, rows.as_slice()) {
                    (Some(Ok(document)), [row]) => is_told(model, document, row),
                    (_, rows) => rows.len() == shown,
                };
                if !told {
                    return fail("L5", format!("read without coeval at {version}: {rows:?}, and not {expected:?}"));
                }
            }
            let hidden = usize::from(matches!(expected, Some(Err(_))));
            if listed.records.len() != shown || listed.hidden.len() != hidden {
                return fail("L11", format!("listed at {version}: {listed:?}, read {found:?}"));
            }
        }
        Ok(())
    }
}

/// Whether a row says what a document does, as far as that has one form in all stores; of the rest whether it is there.
fn is_told(model: &Model, document: &Value, row: &Object) -> bool {
    let told = |value: Option<&Value>| value.filter(|value| **value != Value::Null).cloned();
    model.properties.iter().all(|(name, property)| {
        let expected = told(document.as_object().and_then(|object| object.get(name)));
        let found = told(row.get(&fit(name)));
        match (&property.ty, &expected, &found) {
            (Type::Boolean, Some(Value::Bool(expected)), Some(found)) => {
                *found == Value::Bool(*expected) || *found == Value::from(i64::from(*expected))
            }
            (Type::String | Type::Enum { .. } | Type::Integer | Type::Json, Some(expected), Some(found)) => expected == found,
            (Type::Object(_) | Type::Array { .. } | Type::Map { .. } | Type::Union { .. }, Some(expected), Some(found)) => {
                expected == found
            }
            (_, expected, found) => expected.is_some() == found.is_some(),
        }
    })
}

fn fail<T>(law: &'static str, message: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::new(law, message))
}
