//! Columns that the database cannot compute: rows come out, locked, the core computes, and the values go back, all in the transaction
//! of a batch. Nobody's write is lost, since nobody else writes these rows meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use coeval_core::Value;
use coeval_core::history::{LineageId, NodeId};
use coeval_core::json;
use coeval_core::lens::{Cell, State};
use coeval_core::schema::Type;
use coeval_core::value::Object;
use coeval_plan::table::{Known, Table, View};
use coeval_sql::postgres::{Fill, Streamed};
use coeval_sql::{Dialect, Unfit, column_type, ident, literal, string, to_json};
use coeval_store::{Error, Result};
use deadpool_postgres::Transaction;

use crate::broken::Broken;
use crate::layout::Layout;
use crate::walk::{KeyColumns, Range};

/// How many rows go back in one statement.
const ROWS: usize = 1_000;

/// Renders what is asked of columns of a row of `t`: each as the text of a JSON value, NULL where it is NULL.
pub(crate) fn selected(table: &Table<'_>, columns: &BTreeSet<usize>) -> String {
    let one = |at: &usize| {
        let column = &table.columns[*at];
        let own = format!("t.{}", ident(&column.name));
        let json = if column.is_json() { None } else { to_json(&own, &column.property.ty, Dialect::Postgres) };
        format!("({})::text", json.unwrap_or(own))
    };
    columns.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// Reads columns that were selected, from a place in the answer on.
pub(crate) fn values(
    table: &Table<'_>,
    columns: &BTreeSet<usize>,
    row: &tokio_postgres::Row,
    place: usize,
) -> std::result::Result<Vec<Option<Value>>, Broken> {
    let mut out = vec![None; table.columns.len()];
    for (nth, at) in columns.iter().enumerate() {
        out[*at] = parsed(row.try_get(place + nth)?, &table.columns[*at].name)?;
    }
    Ok(out)
}

fn parsed(said: Option<String>, name: &str) -> Result<Option<Value>> {
    let bad = |error: json::JsonError| Error::BadRecord { key: name.to_owned(), reason: error.message };
    said.map(|said| json::parse(said.as_bytes()).map_err(bad)).transpose()
}

/// Renders a value of a column, with the column's type.
///
/// # Errors
/// A value that no column of the type can hold.
pub(crate) fn typed(
    layout: &Layout<'_>,
    table: &Table<'_>,
    at: usize,
    value: Option<&Value>,
) -> std::result::Result<String, Unfit> {
    let column = &table.columns[at];
    let json = column.is_json();
    let keys = |model: &str| layout.key_type(model);
    let ty = if json { "pg_catalog.jsonb".to_owned() } else { column_type(&column.property.ty, &keys, Dialect::Postgres) };
    let of = if json { &Type::Json } else { &column.property.ty };
    let text = match value {
        None => "NULL".to_owned(),
        Some(Value::Null) if json => "'null'".to_owned(),
        Some(value) => literal(value, of, Dialect::Postgres)?,
    };
    Ok(format!("{text}::{ty}"))
}

/// What was kept of rows when the columns were dropped.
#[derive(Debug)]
struct Kept {
    /// The condition that a row of the archive, `a`, is one of `t`.
    archived: String,
    nodes: Vec<(NodeId, String)>,
    whole: Vec<(usize, String)>,
    earlier: Vec<(usize, String)>,
    extras: Vec<(LineageId, String)>,
}

/// The same of one row.
#[derive(Debug, Default)]
struct Given {
    nodes: BTreeMap<NodeId, Cell>,
    whole: BTreeMap<usize, Value>,
    earlier: BTreeMap<usize, Value>,
    extras: Vec<(LineageId, Object)>,
}

/// Columns that the core computes for rows of a table.
pub(crate) struct Stream<'l> {
    layout: Layout<'l>,
    table: Table<'l>,
    view: View,
    name: String,
    key: KeyColumns,
    columns: BTreeSet<usize>,
    known: BTreeSet<usize>,
    kept: Vec<Kept>,
}

impl<'l> Stream<'l> {
    /// Computes columns of the table `name` from those that `absent` are not among, as a version has them.
    pub(crate) fn new(
        layout: &Layout<'l>,
        table: Table<'l>,
        view: &View,
        (name, key): (&str, &KeyColumns),
        streamed: &[Streamed],
    ) -> Self {
        let columns: BTreeSet<usize> = streamed.iter().map(|streamed| streamed.column).collect();
        let known = (0..table.columns.len()).filter(|at| !table.is_gone(*at) && !columns.contains(at)).collect();
        let (layout, view, name, key) = (layout.clone(), view.clone(), name.to_owned(), key.clone());
        Self { layout, table, view, name, key, columns, known, kept: Vec::new() }
    }

    /// Brings back what was kept, where it belongs to what there is.
    pub(crate) fn restore(&mut self, archived: String, fill: &Fill) {
        if !fill.kept.is_empty() || !fill.whole.is_empty() || !fill.extras.is_empty() {
            let (nodes, whole, extras) = (fill.kept.clone(), fill.whole.clone(), fill.extras.clone());
            self.kept.push(Kept { archived, nodes, whole, earlier: fill.earlier.clone(), extras });
        }
    }

    fn texts(&self) -> String {
        let texts: Vec<String> = self.key.iter().map(|(column, _)| format!("t.{column}::text")).collect();
        format!("ARRAY[{}]", texts.join(", "))
    }

    async fn given(
        &self,
        transaction: &Transaction<'_>,
        condition: &str,
    ) -> std::result::Result<BTreeMap<Vec<String>, Given>, Broken> {
        let mut out: BTreeMap<Vec<String>, Given> = BTreeMap::new();
        for kept in &self.kept {
            let asked = kept.nodes.iter().map(|(_, sql)| sql).chain(kept.whole.iter().map(|(_, sql)| sql));
            let asked = asked.chain(kept.earlier.iter().map(|(_, sql)| sql)).chain(kept.extras.iter().map(|(_, sql)| sql));
            let asked: Vec<String> = asked.map(|sql| format!("({sql})::text")).collect();
            let sql = format!(
                "SELECT {}, {} FROM {} AS t, coeval.archive AS a WHERE {} AND {condition}",
                self.texts(),
                asked.join(", "),
                self.name,
                kept.archived
            );
            for row in transaction.query_typed(&sql, &[]).await? {
                let given = out.entry(row.try_get(0)?).or_default();
                let mut place = 1;
                let mut next = || {
                    place += 1;
                    Ok::<_, Broken>(parsed(row.try_get(place - 1)?, "coeval.archive")?)
                };
                for (node, _) in &kept.nodes {
                    given.nodes.extend(next()?.map(|entry| (*node, cell(&entry))));
                }
                for (at, _) in &kept.whole {
                    given.whole.extend(next()?.map(|value| (*at, value)));
                }
                for (at, _) in &kept.earlier {
                    given.earlier.extend(next()?.map(|entry| (*at, entry)));
                }
                for (lineage, _) in &kept.extras {
                    if let Some(Value::Object(object)) = next()? {
                        given.extras.push((*lineage, object));
                    }
                }
            }
        }
        Ok(out)
    }

    /// Computes the columns of the rows of a range; returns the rows that have no values, with the reason.
    pub(crate) async fn run(
        &self,
        transaction: &Transaction<'_>,
        range: &Range,
    ) -> std::result::Result<Vec<(Vec<String>, String)>, Broken> {
        let condition = range.condition(&self.key);
        let mut given = self.given(transaction, &condition).await?;
        let all: BTreeSet<usize> = self.known.union(&self.columns).copied().collect();
        let sql = format!(
            "SELECT {}, {} FROM {} AS t WHERE {condition} ORDER BY {} FOR UPDATE OF t",
            self.texts(),
            selected(&self.table, &all),
            self.name,
            self.key.iter().map(|(column, _)| format!("t.{column}")).collect::<Vec<_>>().join(", ")
        );
        let (mut rows, mut failed) = (Vec::new(), Vec::new());
        for row in transaction.query_typed(&sql, &[]).await? {
            let key: Vec<String> = row.try_get(0)?;
            let values = values(&self.table, &all, &row, 1)?;
            match self.computed(&values, &given.remove(&key).unwrap_or_default())? {
                Ok(Some(new)) => rows.push(self.line(&key, &new)),
                Ok(None) => {}
                Err(reason) => failed.push((key, reason)),
            }
        }
        for rows in rows.chunks(ROWS) {
            transaction.batch_execute(&self.update(rows)).await?;
        }
        Ok(failed)
    }

    /// The new values of a row's columns; `None` where they are as they should be, the inner error where there are none.
    fn computed(&self, values: &[Option<Value>], given: &Given) -> Result<std::result::Result<Option<Vec<String>>, String>> {
        let known = Known { values, columns: &self.known, kept: None, given: &given.nodes, extras: &given.extras };
        let state = self.table.state(&known, &self.view).map_err(Error::Refused)?;
        let (mut new, mut changed) = (Vec::new(), false);
        for at in &self.columns {
            let value = if let Some(value) = given.whole.get(at) {
                Some(value.clone())
            } else {
                let continued = given.earlier.get(at).map(|earlier| self.continued(values, *at, earlier)).transpose()?.flatten();
                let state = continued.as_ref().unwrap_or(&state);
                if let Some(reason) = self.table.lost(state, *at) {
                    return Ok(Err(reason));
                }
                self.table.held(state, *at).map_err(Error::Refused)?
            };
            let text = match typed(&self.layout, &self.table, *at, value.as_ref()) {
                Ok(text) => text,
                Err(unfit) => return Ok(Err(format!("{}: {unfit}", self.table.columns[*at].name))),
            };
            changed |= typed(&self.layout, &self.table, *at, values[*at].as_ref()).ok().as_ref() != Some(&text);
            new.push(text);
        }
        Ok(Ok(changed.then_some(new)))
    }

    /// The state of a row of which clients changed what the version shows since a column of lists or maps was dropped, with what that column
    /// held: as if a client of the version had written the record as it is now. `None` where none could have.
    fn continued(&self, values: &[Option<Value>], at: usize, earlier: &Value) -> Result<Option<State>> {
        let member = |of: &Value, name: &str| of.as_object().and_then(|object| object.get(name)).cloned();
        let mut before = values.to_vec();
        before[at] = member(earlier, "v");
        for node in self.table.nodes_in(at) {
            let was = member(earlier, "was").and_then(|was| member(&was, &self.table.scope().nodes[node].key));
            let Some(spot) = self.table.spot(&self.view, node).filter(|_| self.table.scope().nodes[node].elements.is_some())
            else {
                continue;
            };
            if let Some(place) = before[spot.column].as_mut().and_then(|whole| within(whole, &spot.path)) {
                *place = was.unwrap_or(Value::Null);
            }
        }
        let columns: BTreeSet<usize> = self.known.iter().copied().chain([at]).collect();
        let nothing = BTreeMap::new();
        let known = |values, columns| Known { values, columns, kept: None, given: &nothing, extras: &[] };
        let history = &self.layout.era.history;
        let shape = self.layout.era.shape(self.view.version).unwrap_or(self.view.version);
        let was = self.table.state(&known(&before, &columns), &self.view).map_err(Error::Refused)?;
        let stored = history.sealed(&was, shape).map_err(Error::Refused)?;
        let document = self.table.document(values, &self.view);
        match history.put(&stored, shape, &document) {
            Ok(Some(now)) => history.state(&now).map(Some).map_err(Error::Refused),
            Ok(None) => Ok(Some(was)),
            // The version does not show the record as it is.
            Err(_) => Ok(None),
        }
    }

    fn line(&self, key: &[String], new: &[String]) -> String {
        let key = key.iter().zip(&self.key).map(|(part, (_, ty))| format!("{}::{ty}", string(part, Dialect::Postgres)));
        format!("({})", key.chain(new.iter().cloned()).collect::<Vec<_>>().join(", "))
    }

    fn update(&self, rows: &[String]) -> String {
        let keys: Vec<String> = (0..self.key.len()).map(|nth| format!("k{nth}")).collect();
        let news: Vec<String> = self.columns.iter().map(|at| format!("c{at}")).collect();
        let set = |at: &usize| format!("{} = v.c{at}", ident(&self.table.columns[*at].name));
        let sets: Vec<String> = self.columns.iter().map(set).collect();
        let same: Vec<String> = self.key.iter().zip(&keys).map(|((column, _), key)| format!("t.{column} = v.{key}")).collect();
        format!(
            "UPDATE {} AS t SET {} FROM (VALUES {}) AS v ({}) WHERE {}",
            self.name,
            sets.join(", "),
            rows.join(", "),
            keys.into_iter().chain(news).collect::<Vec<_>>().join(", "),
            same.join(" AND ")
        )
    }
}

/// The value at the end of names that lead into objects.
fn within<'v>(whole: &'v mut Value, path: &[String]) -> Option<&'v mut Value> {
    path.iter().try_fold(whole, |value, name| match value {
        Value::Object(object) => object.get_mut(name),
        _ => None,
    })
}

/// What an archive says about a node.
fn cell(entry: &Value) -> Cell {
    let member = |name: &str| entry.as_object().and_then(|object| object.get(name));
    if member("bad").is_some() {
        return Cell::Bad("a conversion failed when the record was written".into());
    }
    match member("v").and_then(Value::as_list).and_then(|list| list.first()) {
        Some(value) => Cell::Value(value.clone()),
        None => Cell::Absent,
    }
}
