//! Writes beside the triggers: of records of which something follows that the database cannot compute. The core computes all of it,
//! and the row is written whole, on the base table.
//!
//! The marker says so: the number of the writer's version, as a negative one. A trigger that would refuse lets such a row pass as it is,
//! and takes the marker away again. No view shows the marker, so that only who has rights on the base table can set it; they could
//! write anything there as it is.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::Value;
use coeval_core::lens::Stored;
use coeval_plan::table::{Held, Known, MARKER};
use coeval_sql::{Dialect, ident, string};
use coeval_store::records::{Change, Expect, Key, State, Written};
use coeval_store::{Backend as _, Error, Result};

use crate::backend::PostgresBackend;
use crate::error::{During, tell};
use crate::policy::asked;
use crate::records::{Attempt, Writing, admitted, check, without_id, writing_error};
use crate::row::{Lens, Row};
use crate::stream;

impl PostgresBackend {
    /// The same with the columns of all versions that the table may be made for.
    pub(crate) async fn wide(&self, lens: &Lens<'_>) -> Result<Lens<'_>> {
        let ledger = self.ledger().await?;
        let made = ledger.made().max(ledger.in_force().unwrap_or_default());
        let newest = ledger.open().map_or(made, |open| made.max(open.from).max(open.to));
        Lens::new(self.layout(&lens.layout.entry.name, lens.at)?, newest.min(self.catalog().head()).max(lens.at), lens.at)
    }
}

/// A row, with what all its columns hold.
struct Whole {
    row: Row,
    values: Vec<Option<Value>>,
}

/// A write beside the triggers.
struct Direct<'d> {
    writing: &'d Writing<'d>,
    wide: &'d Lens<'d>,
    /// The columns that there are.
    present: BTreeSet<usize>,
}

/// Writes a record. The triggers refused it, in this transaction, and nobody can change them meanwhile.
pub(crate) async fn write(
    writing: &Writing<'_>,
    wide: &Lens<'_>,
    key: Option<&Key>,
    change: &Change,
    value: &Value,
    expect: &Expect,
) -> Result<Written, Attempt> {
    let lens = writing.lens;
    let direct = Direct { writing, wide, present: present(writing, wide).await? };
    let whole = match key {
        Some(key) => direct.find(key).await?,
        None => None,
    };
    let called = key.map_or_else(|| "the record".to_owned(), Key::to_string);
    check(expect, &lens.layout.entry.name, &called, whole.as_ref().map(|whole| &whole.row))?;
    let old = whole.as_ref().map(|whole| direct.stored(whole)).transpose()?;
    if let Some(whole) = whole.as_ref().filter(|whole| !whole.row.hidden.is_empty() && !matches!(change, Change::Put(_))) {
        return Err(Error::Refused(lens.quarantined(&whole.row)).into());
    }
    let new = writing.changed(change, old.as_ref(), without_id(lens, value), &called)?;
    let unchanged = |row: &Row| Written { key: row.key.clone(), state: row.state.clone(), created: false, changed: false };
    let (whole, new) = match (whole, new) {
        (Some(whole), None) => return Ok(unchanged(&whole.row)),
        (whole, Some(new)) => (whole, new),
        (None, None) => return Err(Error::failed(writing.what, "a new record changes nothing").into()),
    };
    admitted(lens, &new, key)?;
    let (key, created) = match whole {
        None => (direct.insert(&new, key).await?, true),
        Some(whole) => {
            if !direct.update(&whole, &new).await? {
                return Ok(unchanged(&whole.row));
            }
            (whole.row.key, false)
        }
    };
    let now = writing.find(&key, "").await?;
    let state = now.map_or_else(|| State(String::new()), |now| now.state);
    Ok(Written { key, state, created, changed: true })
}

/// The columns that the table has, of those that the versions know.
async fn present(writing: &Writing<'_>, wide: &Lens<'_>) -> Result<BTreeSet<usize>, Attempt> {
    let sql = format!(
        "SELECT attname::text FROM pg_catalog.pg_attribute
         WHERE attrelid = {}::pg_catalog.regclass AND attnum > 0 AND NOT attisdropped",
        string(&wide.layout.names.table, Dialect::Postgres)
    );
    let rows = writing.transaction.query_typed(&sql, &[]).await.during(writing.what)?;
    let names: Vec<String> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>().during(writing.what)?;
    if !names.iter().any(|name| name == MARKER) {
        // No version that is there writes anything that others see otherwise.
        return Err(Attempt::Unseen(Error::failed(writing.what, "the table has no triggers")));
    }
    let columns = &wide.table.columns;
    let known = |at: &usize| names.contains(&columns[*at].name) && !wide.table.is_gone(*at);
    Ok((0..columns.len()).filter(known).collect())
}

impl Direct<'_> {
    async fn find(&self, key: &Key) -> Result<Option<Whole>> {
        let Writing { lens, transaction, what, .. } = self.writing;
        let own = lens.selected();
        let all = stream::selected(&self.wide.table, &self.present);
        let table = &lens.layout.names.table;
        let sql = format!("SELECT {own}, {all} FROM {table} AS t WHERE {} FOR UPDATE", lens.key_is(key)?);
        let Some(found) = transaction.query_typed_opt(&sql, &[]).await.during(what)? else { return Ok(None) };
        let place = found.len() - self.present.len();
        let values = stream::values(&self.wide.table, &self.present, &found, place).map_err(|broken| broken.tell(what))?;
        Ok(Some(Whole { row: lens.read(&found, what)?, values }))
    }

    /// A row as a document of the version, with all that is kept beside it.
    fn stored(&self, whole: &Whole) -> Result<Stored> {
        let given = BTreeMap::new();
        let known = Known { values: &whole.values, columns: &self.present, kept: None, given: &given, extras: &[] };
        let state = self.wide.table.state(&known, &self.wide.view)?;
        Ok(self.writing.history.sealed(&state, self.writing.shape())?)
    }

    /// What the columns hold when a record is stored so, by their places.
    fn columns(&self, new: &Stored) -> Result<BTreeMap<usize, String>> {
        let state = self.writing.history.state(new)?;
        let mut out = BTreeMap::new();
        for at in self.present.iter().filter(|at| self.wide.table.columns[**at].held != Held::Id) {
            if let Some(reason) = self.wide.table.lost(&state, *at) {
                return Err(self.writing.lens.refuse(&self.wide.table.columns[*at].name, reason));
            }
            let value = self.wide.table.held(&state, *at)?;
            out.insert(*at, self.text(*at, value.as_ref())?);
        }
        Ok(out)
    }

    fn text(&self, at: usize, value: Option<&Value>) -> Result<String> {
        let text = stream::typed(&self.wide.layout, &self.wide.table, at, value);
        text.map_err(|unfit| self.writing.lens.refuse(&self.wide.table.columns[at].name, unfit.to_string()))
    }

    fn marker(&self) -> String {
        format!("-{}", self.wide.at)
    }

    async fn update(&self, whole: &Whole, new: &Stored) -> Result<bool, Attempt> {
        let Writing { lens, .. } = self.writing;
        let mut sets = Vec::new();
        for (at, text) in self.columns(new)? {
            // What a trigger of somebody's looks at, or not, shall be what changes.
            if self.text(at, whole.values[at].as_ref()).ok().as_ref() != Some(&text) {
                sets.push(format!("{} = {text}", ident(&self.wide.table.columns[at].name)));
            }
        }
        if sets.is_empty() {
            return Ok(false);
        }
        sets.push(format!("{} = {}", ident(MARKER), self.marker()));
        let (table, is_key) = (&lens.layout.names.table, lens.key_is(&whole.row.key)?);
        let marker = ident(MARKER);
        let sql =
            format!("UPDATE {table} AS t SET {} WHERE {is_key} RETURNING t.{marker} IS NULL{}", sets.join(", "), self.asked());
        self.execute(&sql, 0).await?;
        Ok(true)
    }

    async fn insert(&self, new: &Stored, key: Option<&Key>) -> Result<Key, Attempt> {
        let Writing { lens, what, .. } = self.writing;
        let (mut names, mut values) = (vec![ident(MARKER)], vec![self.marker()]);
        for (at, text) in self.columns(new)? {
            names.push(ident(&self.wide.table.columns[at].name));
            values.push(text);
        }
        if let Some(key) = key.filter(|_| lens.model.key.is_empty()) {
            names.push(ident(coeval_plan::table::ID));
            values.push(lens.key_values(key)?);
        }
        let keys: Vec<String> = lens.key.iter().map(|(column, _)| format!("t.{column}::text")).collect();
        let sql = format!(
            "INSERT INTO {} AS t ({}) VALUES ({}) RETURNING ARRAY[{}], t.{} IS NULL{}",
            lens.layout.names.table,
            names.join(", "),
            values.join(", "),
            keys.join(", "),
            ident(MARKER),
            self.asked()
        );
        let row = self.execute(&sql, 1).await?;
        let texts: Vec<String> = row.try_get(0).during(what)?;
        let of = Key::of(lens.model, &new.document).filter(|_| !lens.model.key.is_empty());
        Ok(of.or_else(|| key.cloned()).unwrap_or(Key(texts)))
    }

    /// What the view would ask of its own clients' rows.
    fn asked(&self) -> String {
        let asked = asked(self.writing.lens);
        if asked.is_empty() { String::new() } else { format!(", {}", asked.join(", ")) }
    }

    /// Executes a statement that returns, in a place, whether the marker is gone: it must never stay; then what [`Direct::asked`] asks.
    async fn execute(&self, sql: &str, place: usize) -> Result<tokio_postgres::Row, Attempt> {
        let Writing { lens, transaction, what, .. } = self.writing;
        let rows = transaction.query_typed(sql, &[]).await.map_err(|error| writing_error(lens, what, &error))?;
        let Some(row) = rows.into_iter().next() else {
            return Err(Error::failed(*what, "the record is not there any more").into());
        };
        match row.try_get(place) {
            Ok(true) => {
                lens.admit(&row, place + 1, what)?;
                Ok(row)
            }
            Ok(false) => Err(Attempt::Unseen(Error::failed(*what, "no trigger has seen the write"))),
            Err(error) => Err(tell(what, &error).into()),
        }
    }
}
