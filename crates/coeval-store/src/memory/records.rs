//! Reading and writing records: what the core says, under one lock.

use async_trait::async_trait;
use coeval_core::json::{self, Style};
use coeval_core::lens::{Refused, Stored};
use coeval_core::patch::Patch;
use coeval_core::{Object, Value};

use super::convert::bad;
use super::{Data, MemoryBackend, Place, Record};
use crate::catalog::{Catalog, Era};
use crate::error::{Error, Result};
use crate::records::{Change, Expect, Found, Key, Page, Records, Revision, State, Written};

impl Data {
    /// Puts another state of a record there; keeps the old one where the model wants it.
    pub(super) fn replace(&mut self, catalog: &Catalog, place: &Place, stored: Stored, style: Style, by: &str) {
        self.states += 1;
        let record = Record { stored, style, state: self.states };
        let wanted = catalog.model(&place.0).ok().and_then(|model| model.newest()?.options.get("revisions")?.as_bool());
        if wanted == Some(true) {
            let revision = Revision {
                id: format!("{:020}", self.states),
                at: chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Micros, true),
                by: by.to_owned(),
                stored: record.stored.version,
                current: false,
            };
            self.revisions.entry(place.clone()).or_default().push((revision, record.clone()));
        }
        self.records.insert(place.clone(), record);
    }
}

fn state(record: &Record) -> State {
    State(format!("s{}", record.state))
}

fn found(era: &Era, key: &Key, record: &Record, at: u32) -> Result<Found> {
    let document = era.history.read(&record.stored, era.shape(at).unwrap_or(at))?;
    let text = record.style.write(&document);
    Ok(Found { key: key.clone(), text, state: state(record), stored: Some(record.stored.version) })
}

fn conflict(model: &str, key: &Key) -> Error {
    Error::Conflict { what: format!("the record {key} of `{model}`") }
}

fn check(expect: &Expect, model: &str, key: &Key, record: Option<&Record>) -> Result<()> {
    let holds = match expect {
        Expect::Anything => true,
        Expect::Absent => record.is_none(),
        Expect::Present => record.is_some(),
        Expect::Unchanged(wanted) => record.is_some_and(|record| state(record) == *wanted),
    };
    if holds { Ok(()) } else { Err(conflict(model, key)) }
}

/// What is written: the stored record, or nothing where it changes nothing.
fn written(era: &Era, shape: u32, record: Option<&Record>, change: &Change, value: &Value, key: &Key) -> Result<Option<Stored>> {
    let none = || Error::Unknown { message: format!("there is no record {key} to patch"), help: None };
    let history = &era.history;
    Ok(match (change, record) {
        (Change::Put(_), None) => Some(history.create(shape, value.clone())?),
        (Change::Put(_), Some(record)) => history.put(&record.stored, shape, value)?,
        (Change::MergePatch(_), Some(record)) => history.merge_patch(&record.stored, shape, value)?,
        (Change::JsonPatch(_), Some(record)) => {
            let patch = Patch::from_value(value).map_err(|e| Refused::Patch(format!("{}: {}", e.at, e.message)))?;
            history.json_patch(&record.stored, shape, &patch)?
        }
        (Change::MergePatch(_) | Change::JsonPatch(_), None) => return Err(none()),
    })
}

impl MemoryBackend {
    fn era(&self, data: &Data, model: &str, at: u32) -> Result<&Era> {
        let era = self.catalog.era(model, at)?;
        Self::ledger_of(data)?.admit(at)?;
        Ok(era)
    }
}

#[async_trait]
impl Records for MemoryBackend {
    async fn get(&self, model: &str, key: &Key, at: u32) -> Result<Option<Found>> {
        let data = self.data()?;
        let era = self.era(&data, model, at)?;
        let record = data.records.get(&(model.to_owned(), era.first, key.clone()));
        record.map(|record| found(era, key, record, at)).transpose()
    }

    async fn write(&self, model: &str, key: Option<&Key>, at: u32, change: &Change, expect: &Expect) -> Result<Written> {
        let mut data = self.data()?;
        let era = self.era(&data, model, at)?;
        let shape = era.shape(at).unwrap_or(at);
        let called = key.map_or_else(|| "the record".to_owned(), Key::to_string);
        let (Change::Put(text) | Change::MergePatch(text) | Change::JsonPatch(text)) = change;
        let value = json::parse(text.as_bytes()).map_err(|e| bad(&called, e.message))?;
        let held = era.history.model(at).and_then(|m| Key::of(m, &value)).filter(|_| matches!(change, Change::Put(_)));
        let key = match (key.cloned(), held, change) {
            (Some(key), _, _) | (None, Some(key), _) => key,
            (None, None, Change::Put(_)) if era.history.model(at).is_some_and(|m| m.key.is_empty()) => {
                Key(vec![uuid::Uuid::now_v7().to_string()])
            }
            (None, None, _) => return Err(bad(&called, "say which record: the document does not hold its key")),
        };
        let place = (model.to_owned(), era.first, key.clone());
        let record = data.records.get(&place).cloned();
        check(expect, model, &key, record.as_ref())?;
        let Some(stored) = written(era, shape, record.as_ref(), change, &value, &key)? else {
            let state = record.as_ref().map_or_else(|| State(String::new()), state);
            return Ok(Written { key, state, created: false, changed: false });
        };
        let keyed = era.history.model(at).filter(|model| !model.key.is_empty());
        if let Some(other) = keyed.and_then(|model| Key::of(model, &stored.document)).filter(|other| *other != key) {
            return Err(bad(&key.to_string(), format!("the document's key is {other}; a record's key does not change")));
        }
        let style = match (change, &record) {
            (Change::Put(_), _) | (_, None) => Style::detect(text.trim(), &value).unwrap_or_default(),
            (_, Some(record)) => record.style,
        };
        let by = if matches!(change, Change::Put(_)) { "put" } else { "patch" };
        self.change(|| data.replace(&self.catalog, &place, stored, style, by))?;
        Ok(Written { key, state: State(format!("s{}", data.states)), created: record.is_none(), changed: true })
    }

    async fn delete(&self, model: &str, key: &Key, at: u32, expect: &Expect) -> Result<bool> {
        let mut data = self.data()?;
        let era = self.era(&data, model, at)?;
        let place = (model.to_owned(), era.first, key.clone());
        check(expect, model, key, data.records.get(&place))?;
        if !data.records.contains_key(&place) {
            return Ok(false);
        }
        self.change(|| data.records.remove(&place))?;
        Ok(true)
    }

    async fn list(&self, model: &str, at: u32, after: Option<&str>, limit: usize) -> Result<Page> {
        let data = self.data()?;
        let era = self.era(&data, model, at)?;
        let after = after.map(|cursor| cursor_at(cursor, at)).transpose()?;
        let mut page = Page { records: Vec::new(), hidden: Vec::new(), next: None };
        let of = data
            .records
            .iter()
            .filter(|((m, first, key), _)| m == model && *first == era.first && after.as_ref().is_none_or(|after| key > after));
        let mut last = None;
        for ((_, _, key), record) in of {
            if page.records.len() + page.hidden.len() == limit {
                page.next = last.map(|key| cursor(at, key));
                break;
            }
            last = Some(key);
            match found(era, key, record, at) {
                Ok(found) => page.records.push(found),
                Err(Error::Refused(refused)) => page.hidden.push((key.to_string(), refused.to_string())),
                Err(other) => return Err(other),
            }
        }
        Ok(page)
    }

    async fn revisions(&self, model: &str, key: &Key) -> Result<Vec<Revision>> {
        let data = self.data()?;
        self.catalog.model(model)?;
        let of = data.revisions.iter().filter(|((m, _, k), _)| m == model && k == key);
        let mut out: Vec<Revision> = Vec::new();
        for (place, revisions) in of {
            let now = data.records.get(place).map(|record| record.state);
            out.extend(revisions.iter().map(|(r, record)| Revision { current: now == Some(record.state), ..r.clone() }));
        }
        out.sort_by(|a, b| b.id.cmp(&a.id));
        Ok(out)
    }

    async fn revision(&self, model: &str, key: &Key, id: &str, at: u32) -> Result<Option<Found>> {
        let data = self.data()?;
        let era = self.era(&data, model, at)?;
        let revisions = data.revisions.get(&(model.to_owned(), era.first, key.clone()));
        let one = revisions.and_then(|revisions| revisions.iter().find(|(revision, _)| revision.id == id));
        one.map(|(_, record)| found(era, key, record, at)).transpose()
    }
}

/// A cursor names the version, so that it means nothing at another one.
fn cursor(at: u32, key: &Key) -> String {
    let parts = Value::List(key.0.iter().map(|part| part.as_str().into()).collect());
    Value::from(Object::from_iter([("at".into(), i64::from(at).into()), ("after".into(), parts)])).to_string()
}

fn cursor_at(cursor: &str, at: u32) -> Result<Key> {
    let unknown = |message: String| Error::Unknown { message, help: Some("begin the list anew".to_owned()) };
    let value = json::parse(cursor.as_bytes()).ok();
    let read = value.as_ref().and_then(Value::as_object).and_then(|object| {
        let parts = object.get("after")?.as_list()?.iter().map(|part| Some(part.as_str()?.to_owned()));
        Some((object.get("at")?.as_i64()?, Key(parts.collect::<Option<_>>()?)))
    });
    match read {
        None => Err(unknown("this is no place in a list".to_owned())),
        Some((version, _)) if version != i64::from(at) => {
            Err(unknown(format!("this place is in a list at version {version}, not {at}")))
        }
        Some((_, key)) => Ok(key),
    }
}
