//! Records at a version: plain SQL on the version's view, as any client writes it. What the core would refuse is refused before,
//! with its reasons.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use coeval_core::json;
use coeval_core::lens::{Refused, Stored};
use coeval_core::patch::Patch;
use coeval_core::schema::Violation;
use coeval_core::{Object, Value};
use coeval_plan::table::Held;
use coeval_sql::ident;
use coeval_sql::sqlite::Names;
use coeval_store::event::Unobserved;
use coeval_store::records::{Change, Expect, Found, Key, Page, Records, Revision, State, Written};
use coeval_store::{Catalog, Error, Result};

use crate::backend::{Retired, Sqlite};
use crate::error::said;
use crate::layout::Layout;
use crate::list::list;
use crate::row::{self, Row};
use crate::statement::{Absent, ForeignKeys, How, Session};
use crate::{archive, backfill, condition, state};

/// What a request is about.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    catalog: Arc<Catalog>,
    retired: Arc<Retired>,
    /// The catalog without versions that were retired, once the history was read.
    living: OnceLock<Arc<Catalog>>,
    deployment: Arc<str>,
    model: String,
    pub(crate) at: u32,
}

impl Asked {
    pub(crate) fn layout(&self, session: &Session<'_>) -> Result<Layout<'_>> {
        let ledger = state::ledger(session, &self.deployment)?;
        self.catalog.agree(&ledger)?;
        ledger.admit(self.at)?;
        let catalog = self.living.get_or_init(|| self.retired.catalog(&self.catalog, ledger.oldest()));
        let (entry, era) = (catalog.model(&self.model)?, catalog.era(&self.model, self.at)?);
        let newest = crate::execute::Span::new(&ledger, false).newest();
        Layout::new(catalog, entry, era, crate::execute::last(era, newest.min(catalog.head())))
    }
}

fn bad(key: &str, reason: impl Into<String>) -> Error {
    Error::BadRecord { key: key.to_owned(), reason: reason.into() }
}

fn quarantined(version: u32, reason: String) -> Error {
    Error::Refused(Refused::Quarantined { version, violations: vec![Violation { path: String::new(), message: reason }] })
}

/// Reads the row of a key.
fn find(session: &Session<'_>, layout: &Layout<'_>, present: &BTreeSet<usize>, key: &Key) -> Result<Option<Row>> {
    let Some(literals) = row::key_literals(layout, key) else { return Ok(None) };
    if present.is_empty() {
        return Ok(None);
    }
    let columns = row::column_list(layout, present);
    let sql = format!("SELECT {columns} FROM {} WHERE {}", layout.names.table(), row::is_key(layout, &literals));
    let mut statement = session.connection().prepare(&sql).map_err(|error| session.error(&error))?;
    let mut rows = statement.query([]).map_err(|error| session.error(&error))?;
    let found = rows.next().map_err(|error| session.error(&error))?;
    found.map(|found| row::read(layout, present, found, session)).transpose()
}

pub(crate) fn found(layout: &Layout<'_>, row: &Row, at: u32) -> Result<Found> {
    if let Some(reason) = row::hidden(layout, row, at)? {
        return Err(quarantined(at, reason));
    }
    let document = row::document(layout, row, at)?;
    Ok(Found { key: row::key_of(layout, row), text: document.to_string(), state: State(row.state.clone()), stored: None })
}

fn check(expect: &Expect, model: &str, key: &Key, row: Option<&Row>) -> Result<()> {
    let holds = match expect {
        Expect::Anything => true,
        Expect::Absent => row.is_none(),
        Expect::Present => row.is_some(),
        Expect::Unchanged(wanted) => row.is_some_and(|row| row.state == wanted.0),
    };
    if holds { Ok(()) } else { Err(Error::Conflict { what: format!("the record {key} of `{model}`") }) }
}

/// A write, with its key.
#[derive(Debug)]
struct Writing<'w> {
    asked: &'w Asked,
    layout: &'w Layout<'w>,
    present: BTreeSet<usize>,
    key: Key,
}

impl Writing<'_> {
    /// What the record becomes by the rules of the core: its document at the version; `None` where nothing changes.
    fn outcome(&self, session: &Session<'_>, row: Option<&Row>, change: &Change, value: &Value) -> Result<Option<Stored>> {
        let (layout, at) = (self.layout, self.asked.at);
        let history = &layout.era.history;
        let shape = layout.era.shape(at).unwrap_or(at);
        self.declared(change, value)?;
        let Some(row) = row else {
            return match change {
                Change::Put(_) => Ok(Some(history.create(shape, value.clone())?)),
                Change::MergePatch(_) | Change::JsonPatch(_) => {
                    Err(Error::Unknown { message: format!("there is no record {} to patch", self.key), help: None })
                }
            };
        };
        let kept = archive::kept(session, layout, row, &self.present)?;
        let (since, kept) = kept.map_or((at, None), |(since, kept)| (since, Some(kept)));
        let state = row::state(layout, row, &self.present, since, kept.as_ref())?;
        let stored = history.sealed(&state, shape)?;
        if let Some(reason) = row::hidden(layout, row, at)?.filter(|_| !matches!(change, Change::Put(_))) {
            // The core says why there is nothing to patch, where it knows.
            history.read(&stored, shape)?;
            return Err(quarantined(at, reason));
        }
        Ok(match change {
            Change::Put(_) => history.put(&stored, shape, value)?,
            Change::MergePatch(_) => history.merge_patch(&stored, shape, value)?,
            Change::JsonPatch(_) => {
                let patch = Patch::from_value(value).map_err(|e| Refused::Patch(format!("{}: {}", e.at, e.message)))?;
                history.json_patch(&stored, shape, &patch)?
            }
        })
    }

    /// A table has no place for a property that the version does not declare.
    fn declared(&self, change: &Change, value: &Value) -> Result<()> {
        let (Change::Put(_) | Change::MergePatch(_), Some(object)) = (change, value.as_object()) else { return Ok(()) };
        let view = self.layout.view(self.asked.at)?;
        // A patch may take away what is not there.
        let takes_away = |value: &Value| matches!(change, Change::MergePatch(_)) && *value == Value::Null;
        let mut given = object.iter().filter(|(_, value)| !takes_away(value));
        let unknown = given.find(|(name, _)| !view.entries.iter().any(|(known, _)| known == name.as_str()));
        unknown.map_or(Ok(()), |(name, _)| Err(self.undeclared(name.as_str())))
    }

    fn undeclared(&self, name: &str) -> Error {
        let message = "it is not declared, and a table has no column for it".to_owned();
        let path = format!("/{}", coeval_core::invalid::escape_token(name));
        Error::Refused(Refused::Invalid { version: self.asked.at, violations: vec![Violation { path, message }] })
    }

    /// Inserts or updates a row through the view. `before` is what was read.
    fn through(&self, session: &Session<'_>, before: Option<&Value>, after: &Value) -> Result<()> {
        let layout = self.layout;
        let view = layout.view(self.asked.at)?;
        let nothing = Object::new();
        let (old, new) = (before.and_then(Value::as_object).unwrap_or(&nothing), after.as_object().unwrap_or(&nothing));
        if let Some((name, _)) = new.iter().find(|(name, _)| !view.entries.iter().any(|(known, _)| known == name.as_str())) {
            return Err(self.undeclared(name.as_str()));
        }
        let literals = row::key_literals(layout, &self.key).ok_or_else(|| self.no_key())?;
        let mut pairs = Vec::new();
        for (name, at) in &view.entries {
            let column = &layout.table.columns[*at];
            if column.held == Held::Id {
                continue;
            }
            let value = new.get(name).filter(|value| column.is_json() || **value != Value::Null);
            if before.is_some() && old.get(name) == new.get(name) {
                continue;
            }
            let literal = row::encode(value, column).map_err(|error| match error {
                Error::BadRecord { reason, .. } => self.refused(name, reason),
                other => other,
            })?;
            pairs.push((ident(name), literal));
        }
        if before.is_none() && layout.table.columns.first().is_some_and(|column| column.held == Held::Id) {
            pairs.extend(literals.first().map(|id| (ident(coeval_plan::table::ID), id.clone())));
        }
        let name = ident(&Names::view(view));
        let key_name = |at: usize| view.entries.iter().find(|(_, column)| *column == at).map_or("", |(name, _)| name.as_str());
        let is_key: Vec<String> = layout
            .table
            .key()
            .into_iter()
            .zip(&literals)
            .map(|(at, literal)| format!("{} = {literal}", ident(key_name(at))))
            .collect();
        let (names, values): (Vec<String>, Vec<String>) = pairs.into_iter().unzip();
        let sql = match before {
            None => format!("INSERT INTO {name} ({}) VALUES ({})", names.join(", "), values.join(", ")),
            Some(_) if names.is_empty() => return Ok(()),
            Some(_) => {
                let sets: Vec<String> = names.iter().zip(&values).map(|(name, value)| format!("{name} = {value}")).collect();
                format!("UPDATE {name} SET {} WHERE {}", sets.join(", "), is_key.join(" AND "))
            }
        };
        self.execute(session, &sql)
    }

    fn execute(&self, session: &Session<'_>, sql: &str) -> Result<()> {
        session.connection().execute_batch(sql).map_err(|error| match error.sqlite_error_code() {
            Some(rusqlite::ErrorCode::ConstraintViolation | rusqlite::ErrorCode::Unknown) => self.refused("", said(&error).0),
            _ => session.error(&error),
        })
    }

    /// Whether a new document has null where the version has a default: a view takes that for left out.
    fn looks_omitted(&self, document: &Value) -> Result<bool> {
        let view = self.layout.view(self.asked.at)?;
        let model = self.layout.table.model(view);
        let looks = |(name, value): &(coeval_core::value::Text, Value)| {
            let property = model.and_then(|model| model.properties.get(name));
            *value == Value::Null && property.is_some_and(|property| property.default.is_some())
        };
        Ok(document.as_object().is_some_and(|object| object.iter().any(looks)))
    }

    /// What was written, as it is read again.
    fn written(&self, session: &Session<'_>, before: Option<&Row>) -> Result<Written> {
        let now = find(session, self.layout, &self.present, &self.key)?;
        let missing = || session.failed(format!("the record {} is not there after it was written", self.key), None);
        let now = now.ok_or_else(missing)?;
        let changed = before.is_none_or(|row| row.state != now.state);
        Ok(Written { key: self.key.clone(), state: State(now.state), created: before.is_none(), changed })
    }

    /// Writes a record with all that follows from it, beside the views: for what the database cannot compute.
    fn directly(&self, session: &Session<'_>, row: Option<&Row>, stored: &Stored) -> Result<()> {
        let layout = self.layout;
        let state = layout.era.history.state(stored)?;
        // The view would ask.
        let mut values = vec![None; layout.table.columns.len()];
        for at in &self.present {
            values[*at] = layout.table.held(&state, *at)?;
        }
        if let Some(reason) = condition::hidden(layout, &values, self.asked.at)? {
            return Err(self.refused("", reason));
        }
        // What no column can hold is refused, by its property.
        let refused = |error| match error {
            Error::BadRecord { key, reason } => self.refused(&key, reason),
            other => other,
        };
        if let Some(row) = row {
            let update = backfill::update(layout, row, &state, &self.present).map_err(refused)?;
            return update.map_or(Ok(()), |sql| self.execute(session, &sql));
        }
        let literals = row::key_literals(layout, &self.key).ok_or_else(|| self.no_key())?;
        let mut values = Vec::new();
        for at in &self.present {
            values.push(match layout.table.columns[*at].held {
                Held::Id => literals.first().cloned().unwrap_or_default(),
                Held::Shown { .. } | Held::Hidden { .. } | Held::Failed { .. } | Held::Unfit { .. } => {
                    row::column_of(layout, &state, *at).map_err(refused)?
                }
            });
        }
        let columns = row::column_list(layout, &self.present);
        self.execute(session, &format!("INSERT INTO {} ({columns}) VALUES ({})", layout.names.table(), values.join(", ")))
    }

    fn refused(&self, name: &str, message: String) -> Error {
        let path = if name.is_empty() { String::new() } else { format!("/{}", coeval_core::invalid::escape_token(name)) };
        Error::Refused(Refused::Rejected { version: self.asked.at, violations: vec![Violation { path, message }] })
    }

    fn no_key(&self) -> Error {
        bad(&self.key.to_string(), "this is no key of the model")
    }
}

/// Whether a view refused since the database cannot compute what follows.
fn is_local(violations: &[Violation]) -> bool {
    let said = [coeval_sql::sqlite::LOCAL, coeval_sql::sqlite::NO_ROOM];
    violations.iter().any(|violation| said.iter().any(|said| violation.message.contains(said)))
}

fn write(session: &Session<'_>, asked: &Asked, key: Option<&Key>, change: &Change, expect: &Expect) -> Result<Written> {
    let layout = asked.layout(session)?;
    let called = key.map_or_else(|| "the record".to_owned(), Key::to_string);
    let (Change::Put(text) | Change::MergePatch(text) | Change::JsonPatch(text)) = change;
    let mut value = json::parse(text.as_bytes()).map_err(|e| bad(&called, e.message))?;
    let era = layout.era;
    let model = era.history.model(asked.at);
    let held = model.and_then(|m| Key::of(m, &value)).filter(|_| matches!(change, Change::Put(_)));
    let keyless = model.is_some_and(|model| model.key.is_empty());
    let key = match (key.cloned(), held, change) {
        (Some(key), _, _) | (None, Some(key), _) => key,
        (None, None, Change::Put(_)) if keyless => {
            let id = session.row("SELECT lower(hex(randomblob(16)))", [], |row| row.get::<_, String>(0))?;
            let id = id.unwrap_or_default();
            let parts =
                [&id[..8], &id[8..12], &format!("4{}", &id[13..16]), &format!("a{}", &id[17..20]), &id[20..]].map(str::to_owned);
            Key(vec![parts.join("-")])
        }
        (None, None, _) => return Err(bad(&called, "say which record: the document does not hold its key")),
    };
    // The key of a model that declares none is a column of its own.
    if keyless
        && model.is_some_and(|model| model.properties.get(coeval_plan::table::ID).is_none())
        && let Value::Object(object) = &mut value
    {
        object.remove(coeval_plan::table::ID);
    }
    let present = layout.present(session)?;
    let writing = Writing { asked, layout: &layout, present, key: key.clone() };
    let row = find(session, &layout, &writing.present, &key)?;
    check(expect, &asked.model, &key, row.as_ref())?;
    let Some(stored) = writing.outcome(session, row.as_ref(), change, &value)? else {
        // What is written as it lies there is no better for it.
        if let Some(reason) = row.as_ref().map(|row| row::hidden(&layout, row, asked.at)).transpose()?.flatten() {
            return Err(writing.refused("", reason));
        }
        let state = row.map_or_else(|| State(String::new()), |row| State(row.state));
        return Ok(Written { key, state, created: false, changed: false });
    };
    let keyed = model.filter(|model| !model.key.is_empty());
    if let Some(other) = keyed.and_then(|model| Key::of(model, &stored.document)).filter(|other| *other != key) {
        return Err(bad(&key.to_string(), format!("the document's key is {other}; a record's key does not change")));
    }
    // It says which items move where; triggers see only what comes of it.
    let moves = matches!(change, Change::JsonPatch(_)) && layout.table.shows_elements(layout.view(asked.at)?);
    match row.as_ref() {
        // A record that the version cannot show is not in its view: what heals it is written beside.
        Some(row) if moves || row::hidden(&layout, row, asked.at)?.is_some() => writing.directly(session, Some(row), &stored)?,
        row => {
            let told = row.is_some() || !writing.looks_omitted(&stored.document)?;
            if !told {
                writing.directly(session, row, &stored)?;
                return writing.written(session, row);
            }
            let before = row.map(|row| row::document(&layout, row, asked.at)).transpose()?;
            match writing.through(session, before.as_ref(), &stored.document) {
                Err(Error::Refused(Refused::Rejected { violations, .. })) if is_local(&violations) => {
                    writing.directly(session, row, &stored)?;
                }
                done => done?,
            }
        }
    }
    writing.written(session, row.as_ref())
}

fn delete(session: &Session<'_>, asked: &Asked, key: &Key, expect: &Expect) -> Result<bool> {
    let layout = asked.layout(session)?;
    let present = layout.present(session)?;
    let row = find(session, &layout, &present, key)?;
    check(expect, &asked.model, key, row.as_ref())?;
    let Some(row) = row else { return Ok(false) };
    let condition = row::is_key(&layout, &row.key);
    session.batch(&format!("DELETE FROM {} WHERE {condition}", layout.names.table()))?;
    let key: Vec<String> = row.key.iter().map(|literal| format!("CAST({literal} AS TEXT)")).collect();
    let sql = format!("DELETE FROM coeval_keep WHERE base = ?1 AND key = json_array({})", key.join(", "));
    session.run(&sql, [layout.names.base()])?;
    Ok(true)
}

impl Sqlite {
    fn asked(&self, model: &str, at: u32) -> Asked {
        let (catalog, deployment) = (Arc::clone(&self.catalog), Arc::clone(&self.deployment));
        let (retired, living) = (Arc::clone(&self.retired), OnceLock::new());
        Asked { catalog, retired, living, deployment, model: model.to_owned(), at }
    }

    async fn reading<T: Send + 'static>(
        &self,
        asked: Asked,
        act: impl FnOnce(&Session<'_>, &Asked) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        // Where there is no database no version is in force.
        asked.catalog.era(&asked.model, asked.at)?;
        let at = asked.at;
        let read = self.database.read("reading records", move |session| act(session, &asked)).await?;
        match read {
            Some(read) => Ok(read),
            None => match coeval_store::ledger::Ledger::default().admit(at) {
                Err(error) => Err(error),
                Ok(()) => Err(Error::failed("reading records", "there is no database")),
            },
        }
    }

    async fn changing<T: Send + 'static>(
        &self,
        asked: Asked,
        act: impl FnOnce(&Session<'_>, &Asked) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        asked.catalog.era(&asked.model, asked.at)?;
        let how = How {
            doing: "writing a record".to_owned(),
            absent: Absent::Refuse,
            foreign_keys: ForeignKeys::Enforced,
            observer: &Unobserved,
        };
        // A refused write leaves a transaction that is rolled back.
        self.reading(asked.clone(), |session, asked| asked.layout(session).map(drop)).await?;
        self.database.transaction(&how, move |session| act(session, &asked)).await
    }
}

#[async_trait]
impl Records for Sqlite {
    async fn get(&self, model: &str, key: &Key, at: u32) -> Result<Option<Found>> {
        let key = key.clone();
        let act = move |session: &Session<'_>, asked: &Asked| {
            let layout = asked.layout(session)?;
            let present = layout.present(session)?;
            let row = find(session, &layout, &present, &key)?;
            row.map(|row| found(&layout, &row, asked.at)).transpose()
        };
        self.reading(self.asked(model, at), act).await
    }

    async fn write(&self, model: &str, key: Option<&Key>, at: u32, change: &Change, expect: &Expect) -> Result<Written> {
        let (key, change, expect) = (key.cloned(), change.clone(), expect.clone());
        let act = move |session: &Session<'_>, asked: &Asked| write(session, asked, key.as_ref(), &change, &expect);
        self.changing(self.asked(model, at), act).await
    }

    async fn delete(&self, model: &str, key: &Key, at: u32, expect: &Expect) -> Result<bool> {
        let (key, expect) = (key.clone(), expect.clone());
        self.changing(self.asked(model, at), move |session, asked| delete(session, asked, &key, &expect)).await
    }

    async fn list(&self, model: &str, at: u32, after: Option<&str>, limit: usize) -> Result<Page> {
        let after = after.map(str::to_owned);
        self.reading(self.asked(model, at), move |session, asked| list(session, asked, after.as_deref(), limit)).await
    }

    async fn revisions(&self, model: &str, _: &Key) -> Result<Vec<Revision>> {
        self.catalog.model(model)?;
        Ok(Vec::new())
    }

    async fn revision(&self, model: &str, _: &Key, _: &str, at: u32) -> Result<Option<Found>> {
        self.reading(self.asked(model, at), |session, asked| asked.layout(session).map(|_| None)).await
    }
}
