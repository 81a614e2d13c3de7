//! What is kept of columns that are dropped, and could not be computed again: for each record what a document of the version that
//! stays would keep (rule R3), with fingerprints of what it belongs to.

use std::collections::BTreeSet;
use std::sync::Arc;

use coeval_core::Value;
use coeval_core::history::{NodeId, Scope, Time};
use coeval_core::json;
use coeval_core::lens::{Entry, Keep, META};
use coeval_plan::table::Held;
use coeval_store::catalog::ModelEntry;
use coeval_store::event::Tally;
use coeval_store::work::{Mode, Work};
use coeval_store::{Backend as _, Catalog, Era, Result};

use crate::backend::Sqlite;
use crate::batch::{Batch, run};
use crate::layout::{Layout, era_between};
use crate::row::{self, Row};
use crate::statement::Session;
use crate::{catalog, execute, state};

/// Archives columns of a model's table.
pub(crate) async fn archive(
    store: &Sqlite,
    model: &str,
    from: u32,
    to: u32,
    columns: &[String],
    work: &Work<'_>,
) -> Result<Tally> {
    // Nobody wrote at versions that never were offered; and a trial keeps nothing.
    if work.mode != Mode::Write || work.undo && !was_offered(store, work).await? {
        return Ok(Tally::default());
    }
    let catalog = store.retired.catalog(&store.catalog, store.ledger().await?.oldest());
    let (model, columns) = (model.to_owned(), columns.to_vec());
    let fresh = move |session: &Session<'_>, batch: &Batch| -> Result<Tally> {
        let (entry, era) = era_between(&catalog, &model, from, to)?;
        let layout = wide(&catalog, entry, era, execute::last(era, from))?;
        if !era.contains(to) || catalog::table(session, layout.names.base())?.is_none() {
            return Ok(Tally::default());
        }
        let gone: BTreeSet<usize> =
            (0..layout.table.columns.len()).filter(|at| columns.contains(&layout.table.columns[*at].name)).collect();
        if batch.is_first() {
            outdate(session, &layout, to)?;
        }
        batch.each(session, &layout, &|session, row, present| {
            let (at, kept) = kept(session, &layout, row, present)?.map_or((from, None), |(at, kept)| (at, Some(kept)));
            let state = row::state(&layout, row, present, at, kept.as_ref())?;
            keep(session, &layout, row, &state, to, &|at| !gone.contains(&at))?;
            Ok(Tally { seen: 1, unchanged: 1, ..Tally::default() })
        })
    };
    run(store, work, "archiving", fresh).await
}

/// The name under which a run that is undone notes that its versions were there for clients: it died when it had offered them, and
/// it was not noted yet that it is over.
const OFFERED: &str = "offered";

/// Notes that a run offered its versions before it was undone.
pub(crate) fn note_offered(session: &Session<'_>, deployment: &str, run: &str) -> Result<()> {
    state::note(session, deployment, (run, OFFERED), None, &Tally::default(), true)
}

async fn was_offered(store: &Sqlite, work: &Work<'_>) -> Result<bool> {
    let (deployment, run) = (Arc::clone(&store.deployment), work.run.to_owned());
    let noted = move |session: &Session<'_>| Ok(state::cursor(session, &deployment, &run, OFFERED)?.done);
    Ok(store.database.read("reading how far a run was", noted).await?.unwrap_or_default())
}

/// Keeps of a record what no column holds any more; `stays` says which columns stay.
pub(crate) fn keep(
    session: &Session<'_>,
    layout: &Layout<'_>,
    row: &Row,
    state: &coeval_core::lens::State,
    version: u32,
    stays: &dyn Fn(usize) -> bool,
) -> Result<()> {
    let shape = layout.era.shape(version).unwrap_or(version);
    let mut sealed = layout.era.history.sealed(state, shape)?;
    let scope = layout.table.scope();
    let node_of = |key: &str| scope.nodes.iter().position(|node| node.key == key);
    let is_held = |key: &str| {
        let Some(node) = node_of(key) else { return false };
        let failed = layout.table.columns.iter().position(|column| column.held == Held::Failed { node });
        layout.table.homes(node).iter().any(|spot| stays(spot.column)) || failed.is_some_and(stays)
    };
    // What is not declared in an object lies in the columns that hold the object, but for names that they declare.
    for extras in [&mut sealed.keep.extras, &mut sealed.keep.apart] {
        for (key, object) in extras.iter_mut() {
            let lineage = node_of(key).and_then(|node| scope.nodes[node].lineage);
            let is_lost = |name: &str| lineage.is_some_and(|lineage| !layout.table.holds_undeclared(lineage, name, stays));
            *object = object.iter().filter(|(name, _)| is_lost(name.as_str())).cloned().collect();
        }
        extras.retain(|(_, object)| !object.is_empty());
    }
    without_layouts(&mut sealed.keep);
    // What a column holds is kept beside the rest: when it is all looked at again, it tells what changed in between. That a version
    // which stays cannot show a value is a part of what the others belong to.
    let is_there = |(key, entry): &(String, Entry)| {
        let Some(node) = node_of(key) else { return false };
        let homes = layout.table.homes(node).iter().filter(|spot| stays(spot.column));
        let times: Vec<Time> = homes.map(|spot| layout.table.time_of(spot.column, node)).collect();
        (entry.shown || is_held(key)) && entry.items.iter().all(|item| are_told(scope, node, &times, &item.keep))
    };
    if sealed.keep.entries.iter().all(is_there) && sealed.keep.extras.is_empty() && sealed.keep.apart.is_empty() {
        return Ok(());
    }
    let notes = sealed.to_value(true);
    let Some(notes) = notes.as_object().and_then(|object| object.get(META)) else { return Ok(()) };
    let sql =
        format!("INSERT OR REPLACE INTO coeval_keep (base, key, version, keep) VALUES (?1, json_array({}), ?2, ?3)", key(row));
    session.run(&sql, (layout.names.base(), version, notes.to_string()))?;
    Ok(())
}

/// Leaves out in which order keys were written, which a table does not keep.
fn without_layouts(keep: &mut Keep) {
    keep.layouts.clear();
    for (_, entry) in &mut keep.entries {
        for item in &mut entry.items {
            without_layouts(&mut item.keep);
        }
        entry.items.retain(|item| !item.keep.is_empty());
    }
    keep.entries.retain(|(_, entry)| !entry.shown || entry.bad || !entry.items.is_empty());
}

/// Whether columns that have the elements of a list or map in the shapes of some moments tell all that is kept of one.
fn are_told(scope: &Scope, node: NodeId, times: &[Time], keep: &Keep) -> bool {
    let Some(within) = &scope.nodes[node].elements else { return true };
    let is_told = |(key, entry): &(String, Entry)| {
        let Some(node) = within.nodes.iter().position(|node| node.key == *key) else { return false };
        let times: Vec<Time> = times.iter().copied().filter(|time| within.order(*time).shown.contains(&node)).collect();
        (entry.shown || !times.is_empty()) && entry.items.iter().all(|item| are_told(within, node, &times, &item.keep))
    };
    keep.extras.is_empty() && keep.apart.is_empty() && keep.entries.iter().all(is_told)
}

/// What the archive has of a record of which the table has these columns, and the version that it is kept as of.
///
/// It is as of a version that has these columns and no more: whether a version without columns of its own is taken back, or comes again,
/// leaves what was kept as it is. What is kept as of others is out of date.
pub(crate) fn kept(
    session: &Session<'_>,
    layout: &Layout<'_>,
    row: &Row,
    columns: &BTreeSet<usize>,
) -> Result<Option<(u32, Value)>> {
    let newest = columns.iter().map(|at| layout.table.columns[*at].since).max().unwrap_or_default();
    let (first, last) = alike(layout, newest);
    let sql = format!(
        "SELECT version, keep FROM coeval_keep WHERE base = ?1 AND key = json_array({}) AND version BETWEEN ?2 AND ?3 ORDER BY version DESC LIMIT 1",
        key(row)
    );
    let read = |row: &rusqlite::Row<'_>| Ok((row.get::<_, u32>(0)?, row.get::<_, String>(1)?));
    let found = session.row(&sql, (layout.names.base(), first, last), read)?;
    let unreadable = |e: coeval_core::json::JsonError| session.during().unreadable("the archive", e.message, false);
    found.map(|(at, text)| Ok((at, json::parse(text.as_bytes()).map_err(unreadable)?))).transpose()
}

/// The first and the last version of a layout that have the columns of a version, and no more.
fn alike(layout: &Layout<'_>, version: u32) -> (u32, u32) {
    let since = || layout.table.columns.iter().map(|column| column.since);
    let first = since().filter(|since| *since <= version).max().unwrap_or_default();
    let last = layout.table.views.last().map_or(version, |view| view.version);
    (first, since().filter(|since| *since > version).min().map_or(last, |next| next.saturating_sub(1)))
}

/// Lays a table out for the versions up to one, and those after it that have no columns of their own.
pub(crate) fn wide<'c>(catalog: &'c Catalog, entry: &'c ModelEntry, era: &'c Era, version: u32) -> Result<Layout<'c>> {
    let newest = catalog.versions.iter().map(|version| version.number).max().unwrap_or(version);
    let all = Layout::new(catalog, entry, era, execute::last(era, newest).max(version))?;
    let (_, last) = alike(&all, version);
    Layout::new(catalog, entry, era, last.max(version))
}

/// Forgets what is kept as of versions that have the columns of a version, and no more: it is out of date.
pub(crate) fn outdate(session: &Session<'_>, layout: &Layout<'_>, version: u32) -> Result<()> {
    let (first, last) = alike(layout, version);
    let sql = "DELETE FROM coeval_keep WHERE base = ?1 AND version BETWEEN ?2 AND ?3";
    session.run(sql, (layout.names.base(), first, last))?;
    Ok(())
}

fn key(row: &Row) -> String {
    row.key.iter().map(|literal| format!("CAST({literal} AS TEXT)")).collect::<Vec<_>>().join(", ")
}

/// Forgets all of a table.
pub(crate) fn forget(session: &Session<'_>, base: &str) -> Result<()> {
    if crate::state::is_there(session)? {
        session.run("DELETE FROM coeval_keep WHERE base = ?1", [base])?;
    }
    Ok(())
}
