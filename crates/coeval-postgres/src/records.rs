//! Records at a version. New rows come through the version's view; what changes in a row shows by itself who wrote it.

use async_trait::async_trait;
use coeval_core::history::History;
use coeval_core::lens::{Refused, Stored};
use coeval_core::patch::Patch;
use coeval_core::schema::Violation;
use coeval_core::{Object, Value, json};
use coeval_sql::postgres::LOCAL;
use coeval_sql::{fit, ident};
use coeval_store::records::{Change, Expect, Found, Key, Page, Records, Revision, State, Written};
use coeval_store::{Backend as _, Error, Result};
use deadpool_postgres::Transaction;
use tokio_postgres::error::SqlState;

use crate::backend::PostgresBackend;
use crate::backfill::archived;
use crate::direct;
use crate::error::{During, tell};
use crate::policy::asked;
use crate::row::{Lens, Row};
use crate::statement::is_passing;
use crate::walk::is_data;

/// How often a write is tried that others come in the way of.
const ATTEMPTS: u32 = 20;

/// Settings under which texts are the same always.
const SETTINGS: &str = "SET LOCAL timezone = 'UTC'; SET LOCAL datestyle = 'ISO, YMD'; SET LOCAL extra_float_digits = 1";

impl PostgresBackend {
    /// Returns what a version that clients may use shows of a model.
    pub(crate) async fn lens(&self, model: &str, at: u32) -> Result<Lens<'_>> {
        let ledger = self.ledger().await?;
        let layout = self.layout(model, at)?;
        ledger.admit(at)?;
        Lens::new(layout, ledger.newest().unwrap_or(at), at)
    }

    async fn try_write(
        &self,
        lens: &Lens<'_>,
        key: Option<&Key>,
        change: &Change,
        value: &Value,
        expect: &Expect,
        local: bool,
    ) -> Result<Written, Attempt> {
        let living = self.living();
        let history = &living.era(&lens.layout.entry.name, lens.at)?.history;
        let what = format!("writing a record of `{}`", lens.layout.entry.name);
        let mut client = self.state().database().client().await?;
        let transaction = client.transaction().await.during(&what)?;
        transaction.batch_execute(SETTINGS).await.during(&what)?;
        let writing = Writing { lens, history, transaction: &transaction, what: &what };
        let written = if local {
            // Nobody changes the triggers any more: what they refuse now is what is computed here.
            let alone = format!("LOCK TABLE ONLY {} IN ROW EXCLUSIVE MODE; SAVEPOINT plainly", lens.layout.names.table);
            transaction.batch_execute(&alone).await.map_err(|error| writing_error(lens, &what, &error))?;
            let plainly = if moves_items(lens, change) { None } else { Some(writing.write(key, change, value, expect).await) };
            match plainly {
                Some(Ok(written)) => written,
                None | Some(Err(Attempt::Local(_))) => {
                    transaction.batch_execute("ROLLBACK TO SAVEPOINT plainly").await.during(&what)?;
                    let wide = self.wide(lens).await?;
                    match direct::write(&writing, &wide, key, change, value, expect).await {
                        // Nothing follows from what it changes.
                        Err(Attempt::Unseen(_)) if moves_items(lens, change) => {
                            transaction.batch_execute("ROLLBACK TO SAVEPOINT plainly").await.during(&what)?;
                            writing.write(key, change, value, expect).await?
                        }
                        done => done?,
                    }
                }
                Some(Err(other)) => return Err(other),
            }
        } else {
            writing.write(key, change, value, expect).await?
        };
        transaction.commit().await.map_err(|error| writing_error(lens, &what, &error))?;
        Ok(written)
    }
}

/// Whether a change says which items of lists move where, of which triggers see only what comes of it.
fn moves_items(lens: &Lens<'_>, change: &Change) -> bool {
    matches!(change, Change::JsonPatch(_)) && lens.table.shows_elements(&lens.view)
}

/// Why a write did not go well.
pub(crate) enum Attempt {
    Again(Error),
    /// The database cannot compute what follows.
    Local(Error),
    /// No trigger has seen a write beside the triggers.
    Unseen(Error),
    Final(Error),
}

impl From<Error> for Attempt {
    fn from(error: Error) -> Self {
        Self::Final(error)
    }
}

/// What the database said about a write.
pub(crate) fn writing_error(lens: &Lens<'_>, what: &str, error: &tokio_postgres::Error) -> Attempt {
    if is_passing(error) {
        return Attempt::Again(tell(what, error));
    }
    let ours = [SqlState::FEATURE_NOT_SUPPORTED, SqlState::WITH_CHECK_OPTION_VIOLATION];
    let is_ours = error.code().is_some_and(|code| ours.contains(code));
    let Some(said) = error.as_db_error().filter(|_| is_data(error) || is_ours) else {
        return Attempt::Final(tell(what, error));
    };
    if error.code() == Some(&SqlState::UNIQUE_VIOLATION) && said.constraint().is_some_and(|name| name.ends_with("_pkey")) {
        return Attempt::Again(tell(what, error));
    }
    // The view refuses what its own clients are held to, and does not say which of it.
    if error.code() == Some(&SqlState::WITH_CHECK_OPTION_VIOLATION) {
        let violation = |guard: &coeval_sql::Guard| Violation { path: String::new(), message: guard.violation() };
        let violations = lens.guards.iter().map(violation).collect();
        return Attempt::Final(Error::Refused(Refused::Rejected { version: lens.at, violations }));
    }
    let column = said.column().unwrap_or_default();
    let shown = lens.view.entries.iter().find(|(_, at)| lens.table.columns[*at].name == column);
    let path = shown.map_or_else(|| column.to_owned(), |(name, _)| name.clone());
    let violations = vec![Violation { path, message: said.message().to_owned() }];
    let refused = Error::Refused(Refused::Rejected { version: lens.at, violations });
    let local = error.code() == Some(&SqlState::FEATURE_NOT_SUPPORTED) && said.message().starts_with(LOCAL);
    if local { Attempt::Local(refused) } else { Attempt::Final(refused) }
}

/// A write in its transaction.
pub(crate) struct Writing<'w> {
    pub(crate) lens: &'w Lens<'w>,
    /// Without what was retired.
    pub(crate) history: &'w History,
    pub(crate) transaction: &'w Transaction<'w>,
    pub(crate) what: &'w str,
}

impl Writing<'_> {
    pub(crate) async fn find(&self, key: &Key, clause: &str) -> Result<Option<Row>> {
        let lens = self.lens;
        let sql =
            format!("SELECT {} FROM {} AS t WHERE {} {clause}", lens.selected(), lens.layout.names.table, lens.key_is(key)?);
        match self.transaction.query_typed_opt(&sql, &[]).await {
            Ok(row) => row.map(|row| lens.read(&row, self.what)).transpose(),
            Err(error) if is_data(&error) => {
                Err(Error::BadRecord { key: key.to_string(), reason: "it is no key of the model".to_owned() })
            }
            Err(error) => Err(tell(self.what, &error)),
        }
    }

    /// The version in whose shape records are stored.
    pub(crate) fn shape(&self) -> u32 {
        if self.history.is_retired(self.lens.shape) { self.lens.at } else { self.lens.shape }
    }

    /// What a record becomes; `None` where nothing changes.
    pub(crate) fn changed(&self, change: &Change, old: Option<&Stored>, value: Value, called: &str) -> Result<Option<Stored>> {
        let (history, shape) = (self.history, self.shape());
        let new = match (change, old) {
            (Change::Put(_), None) => history.create(shape, value).map(Some),
            (Change::Put(_), Some(old)) => history.put(old, shape, &value),
            (Change::MergePatch(_), Some(old)) => history.merge_patch(old, shape, &value),
            (Change::JsonPatch(_), Some(old)) => {
                let patch =
                    Patch::from_value(&value).map_err(|e| Error::Refused(Refused::Patch(format!("{}: {}", e.at, e.message))))?;
                history.json_patch(old, shape, &patch)
            }
            (Change::MergePatch(_) | Change::JsonPatch(_), None) => {
                return Err(Error::Unknown { message: format!("there is no record {called} to patch"), help: None });
            }
        };
        new.map_err(Error::Refused)
    }

    async fn write(&self, key: Option<&Key>, change: &Change, value: &Value, expect: &Expect) -> Result<Written, Attempt> {
        let lens = self.lens;
        let row = match key {
            Some(key) => self.find(key, "FOR UPDATE").await?,
            None => None,
        };
        let called = key.map_or_else(|| "the record".to_owned(), Key::to_string);
        check(expect, &lens.layout.entry.name, &called, row.as_ref())?;
        let (row, old) = match row {
            Some(row) if row.hidden.is_empty() => {
                let stored = Stored::plain(self.shape(), row.document.clone());
                (Some(row), Some(stored))
            }
            // A record that the version cannot show is healed by a whole document, and cannot be patched.
            Some(row) if matches!(change, Change::Put(_)) => (Some(row), None),
            Some(row) => return Err(Error::Refused(lens.quarantined(&row)).into()),
            None => (None, None),
        };
        let value = without_id(lens, value);
        let new = self.changed(change, old.as_ref(), value, &called)?;
        let unchanged = |row: &Row| Written { key: row.key.clone(), state: row.state.clone(), created: false, changed: false };
        let (row, new) = match (row, new) {
            (Some(row), None) => return Ok(unchanged(&row)),
            (row, Some(new)) => (row, new),
            (None, None) => return Err(Error::failed(self.what, "a new record changes nothing").into()),
        };
        let document = admitted(lens, &new, key)?;
        let Some(row) = row else {
            let key = self.insert(document, key).await?;
            let made = self.find(&key, "").await?;
            let state = made.map_or_else(|| State(String::new()), |made| made.state);
            return Ok(Written { key, state, created: true, changed: true });
        };
        if !self.update(&row, document).await? {
            return Ok(unchanged(&row));
        }
        let now = self.find(&row.key, "").await?;
        let state = now.map_or_else(|| State(String::new()), |now| now.state);
        Ok(Written { key: row.key, state, created: false, changed: true })
    }

    /// Inserts a row through the view, which says at which version it is born.
    async fn insert(&self, document: &Object, key: Option<&Key>) -> Result<Key, Attempt> {
        let lens = self.lens;
        let (mut names, mut values) = (Vec::new(), Vec::new());
        for (name, at, _) in lens.entries() {
            let value = document.get(name);
            // A table that was there before may fill in what is left out.
            let declared = lens.model.properties.get(name).is_some_and(|property| property.default.is_some());
            if lens.layout.adopted.is_some() && value.is_none() && !declared {
                continue;
            }
            names.push(ident(&fit(name)));
            values.push(lens.value(at, document.get(name), name)?);
        }
        if let Some(key) = key.filter(|_| lens.model.key.is_empty()) {
            names.push(ident(coeval_plan::table::ID));
            values.push(lens.key_values(key)?);
        }
        let key_names: Vec<String> = lens
            .table
            .key()
            .iter()
            .filter_map(|at| {
                lens.view.entries.iter().find(|(_, column)| column == at).map(|(name, _)| format!("{}::text", ident(&fit(name))))
            })
            .collect();
        let view = lens.layout.names.view(&lens.view);
        let sql = if names.is_empty() {
            format!("INSERT INTO {view} DEFAULT VALUES RETURNING ARRAY[{}]", key_names.join(", "))
        } else {
            let (names, values, keys) = (names.join(", "), values.join(", "), key_names.join(", "));
            // It may number its keys itself, and takes that of a document all the same.
            let own = if lens.layout.adopted.is_some() { " OVERRIDING SYSTEM VALUE" } else { "" };
            format!("INSERT INTO {view} ({names}){own} VALUES ({values}) RETURNING ARRAY[{keys}]")
        };
        let row = self.transaction.query_typed_one(&sql, &[]).await.map_err(|error| writing_error(lens, self.what, &error))?;
        let texts: Vec<String> = row.try_get(0).during(self.what)?;
        let of = Key::of(lens.model, &document.clone().into()).filter(|_| !lens.model.key.is_empty());
        Ok(of.or_else(|| key.cloned()).unwrap_or(Key(texts)))
    }

    /// Changes what differs in a row; whether anything does.
    async fn update(&self, row: &Row, document: &Object) -> Result<bool, Attempt> {
        let lens = self.lens;
        let Value::Object(old) = &row.document else { return Ok(false) };
        let mut sets = Vec::new();
        for (name, at, _) in lens.entries() {
            if old.get(name) != document.get(name) || !row.hidden.is_empty() {
                let value = lens.value(at, document.get(name), name)?;
                sets.push(format!("{} = {value}", ident(&lens.table.columns[at].name)));
            }
        }
        // What is written whole can be shown again.
        if !row.hidden.is_empty() {
            sets.extend(lens.view.hiding.iter().map(|at| format!("{} = NULL", ident(&lens.table.columns[*at].name))));
        }
        if sets.is_empty() {
            return Ok(false);
        }
        let mut sql = format!("UPDATE {} AS t SET {} WHERE {}", lens.layout.names.table, sets.join(", "), lens.key_is(&row.key)?);
        // The view would ask, and this is beneath it. What is returned is as it was written, before anything is repaired.
        if !lens.guards.is_empty() {
            sql = format!("{sql} RETURNING {}", asked(lens).join(", "));
        }
        let rows = self.transaction.query_typed(&sql, &[]).await.map_err(|error| writing_error(lens, self.what, &error))?;
        for row in rows {
            lens.admit(&row, 0, self.what)?;
        }
        Ok(true)
    }
}

/// The document that is stored, if it has a place in the table under its key.
pub(crate) fn admitted<'s>(lens: &Lens<'_>, new: &'s Stored, key: Option<&Key>) -> Result<&'s Object> {
    let Value::Object(document) = &new.document else { return Err(lens.refuse("", "it is no object".to_owned())) };
    if let Some((name, _)) =
        document.iter().find(|(name, _)| !lens.view.entries.iter().any(|(known, _)| known.as_str() == name.as_str()))
    {
        return Err(lens.refuse(name, "a table has no place for a property that is not declared".to_owned()));
    }
    let keyed = Key::of(lens.model, &new.document).filter(|_| !lens.model.key.is_empty());
    if let (Some(key), Some(other)) = (key, keyed.filter(|other| key.is_some_and(|key| key != other))) {
        let reason = format!("the document's key is {other}; a record's key does not change");
        return Err(Error::BadRecord { key: key.to_string(), reason });
    }
    Ok(document)
}

/// A document without the key that a model without a key has.
pub(crate) fn without_id(lens: &Lens<'_>, value: &Value) -> Value {
    let mut value = value.clone();
    if let (Value::Object(object), true) = (&mut value, lens.model.key.is_empty()) {
        object.remove(coeval_plan::table::ID);
    }
    value
}

pub(crate) fn check(expect: &Expect, model: &str, key: &str, row: Option<&Row>) -> Result<()> {
    let holds = match expect {
        Expect::Anything => true,
        Expect::Absent => row.is_none(),
        Expect::Present => row.is_some(),
        Expect::Unchanged(wanted) => row.is_some_and(|row| row.state == *wanted),
    };
    if holds { Ok(()) } else { Err(Error::Conflict { what: format!("the record {key} of `{model}`") }) }
}

fn found(row: Row) -> Found {
    Found { key: row.key, text: row.document.to_string(), state: row.state, stored: None }
}

#[async_trait]
impl Records for PostgresBackend {
    async fn get(&self, model: &str, key: &Key, at: u32) -> Result<Option<Found>> {
        let lens = self.lens(model, at).await?;
        let what = format!("reading a record of `{model}`");
        let mut client = self.state().database().client().await?;
        let transaction = client.transaction().await.during(&what)?;
        transaction.batch_execute(SETTINGS).await.during(&what)?;
        let history = &lens.layout.era.history;
        let reading = Writing { lens: &lens, history, transaction: &transaction, what: &what };
        let row = match reading.find(key, "").await {
            // What can be no key is nobody's.
            Err(Error::BadRecord { .. }) => None,
            row => row?,
        };
        match row {
            Some(row) if !row.hidden.is_empty() => Err(Error::Refused(lens.quarantined(&row))),
            row => Ok(row.map(found)),
        }
    }

    async fn write(&self, model: &str, key: Option<&Key>, at: u32, change: &Change, expect: &Expect) -> Result<Written> {
        let lens = self.lens(model, at).await?;
        let called = key.map_or_else(|| "the record".to_owned(), Key::to_string);
        let bad = |reason: String| Error::BadRecord { key: called.clone(), reason };
        let (Change::Put(said) | Change::MergePatch(said) | Change::JsonPatch(said)) = change;
        let value = json::parse(said.as_bytes()).map_err(|e| bad(e.message))?;
        let held = Key::of(lens.model, &value).filter(|_| matches!(change, Change::Put(_)));
        let key = key.cloned().or(held);
        if key.is_none() && !(lens.model.key.is_empty() && matches!(change, Change::Put(_))) {
            return Err(bad("say which record: the document does not hold its key".to_owned()));
        }
        let (mut attempt, mut local) = (0, moves_items(&lens, change));
        loop {
            attempt += 1;
            match self.try_write(&lens, key.as_ref(), change, &value, expect, local).await {
                Ok(written) => return Ok(written),
                Err(Attempt::Final(error) | Attempt::Unseen(error)) => return Err(error),
                Err(Attempt::Again(error) | Attempt::Local(error)) if attempt >= ATTEMPTS => return Err(error),
                Err(Attempt::Again(_)) => {}
                Err(Attempt::Local(_)) => local = true,
            }
        }
    }

    async fn delete(&self, model: &str, key: &Key, at: u32, expect: &Expect) -> Result<bool> {
        let lens = self.lens(model, at).await?;
        let what = format!("deleting a record of `{model}`");
        let mut client = self.state().database().client().await?;
        let transaction = client.transaction().await.during(&what)?;
        transaction.batch_execute(SETTINGS).await.during(&what)?;
        let history = &lens.layout.era.history;
        let reading = Writing { lens: &lens, history, transaction: &transaction, what: &what };
        let row = match reading.find(key, "FOR UPDATE").await {
            Err(Error::BadRecord { .. }) => None,
            row => row?,
        };
        check(expect, model, &key.to_string(), row.as_ref())?;
        if row.is_none() {
            return Ok(false);
        }
        let sql = format!("DELETE FROM {} AS t WHERE {}", lens.layout.names.table, lens.key_is(key)?);
        transaction.execute_typed(&sql, &[]).await.during(&what)?;
        // What was kept of it is not another one's that gets the same key.
        let forget = format!(
            "DELETE FROM coeval.archive AS a USING (SELECT {}) AS t ({}) WHERE {}",
            lens.key_values(key)?,
            lens.key.iter().map(|(column, _)| column.as_str()).collect::<Vec<_>>().join(", "),
            archived(self.state().deployment(), &lens.layout, &lens.key)
        );
        transaction.execute_typed(&forget, &[]).await.during(&what)?;
        transaction.commit().await.during(&what)?;
        Ok(true)
    }

    async fn list(&self, model: &str, at: u32, after: Option<&str>, limit: usize) -> Result<Page> {
        let lens = self.lens(model, at).await?;
        let after = after.map(|cursor| cursor_at(cursor, at)).transpose()?;
        let mut rows = self.page(&lens, after.as_ref(), limit + 1).await?;
        let more = rows.len() > limit;
        rows.truncate(limit);
        let next = rows.last().filter(|_| more).map(|row| cursor(at, &row.key));
        let mut page = Page { records: Vec::new(), hidden: Vec::new(), next };
        for row in rows {
            if row.hidden.is_empty() {
                page.records.push(found(row));
            } else {
                page.hidden.push((row.key.to_string(), lens.quarantined(&row).to_string()));
            }
        }
        Ok(page)
    }

    async fn revisions(&self, model: &str, _: &Key) -> Result<Vec<Revision>> {
        // A table keeps none.
        self.catalog().model(model)?;
        Ok(Vec::new())
    }

    async fn revision(&self, model: &str, _: &Key, _: &str, at: u32) -> Result<Option<Found>> {
        self.lens(model, at).await?;
        Ok(None)
    }
}

impl PostgresBackend {
    /// Reads rows in the order of their keys.
    pub(crate) async fn page(&self, lens: &Lens<'_>, after: Option<&Key>, limit: usize) -> Result<Vec<Row>> {
        let what = format!("listing the records of `{}`", lens.layout.entry.name);
        let columns: Vec<String> = lens.key.iter().map(|(column, _)| format!("t.{column}")).collect();
        let columns = columns.join(", ");
        let condition = match after {
            Some(after) => format!("WHERE ({columns}) > ({})", lens.key_values(after)?),
            None => String::new(),
        };
        let table = &lens.layout.names.table;
        let sql = format!("SELECT {} FROM {table} AS t {condition} ORDER BY {columns} LIMIT {limit}", lens.selected());
        let mut client = self.state().database().client().await?;
        let transaction = client.transaction().await.during(&what)?;
        transaction.batch_execute(SETTINGS).await.during(&what)?;
        let rows = transaction.query_typed(&sql, &[]).await.during(&what)?;
        rows.iter().map(|row| lens.read(row, &what)).collect()
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
