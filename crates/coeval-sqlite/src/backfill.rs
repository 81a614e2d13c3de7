//! Backfills: the values of new columns for the records that are there, by the rules of the core, and what an archive has of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use coeval_core::lens::State;
use coeval_plan::table::Held;
use coeval_sql::ident;
use coeval_store::event::{Event, Failure, Tally};
use coeval_store::work::{Mode, Work};
use coeval_store::{Backend as _, Catalog, Error, Result};

use crate::backend::Sqlite;
use crate::batch::{self, Batch, failure, run};
use crate::layout::{Layout, era_between};
use crate::row::{self, Row};
use crate::statement::Session;
use crate::{archive, catalog, execute, state};

/// What a backfill is about.
#[derive(Debug, Clone)]
struct About {
    catalog: Arc<Catalog>,
    model: String,
    from: u32,
    to: u32,
    columns: Vec<String>,
}

/// Fills columns of a model's table.
pub(crate) async fn backfill(
    store: &Sqlite,
    model: &str,
    from: u32,
    to: u32,
    columns: &[String],
    work: &Work<'_>,
) -> Result<Tally> {
    let catalog = store.retired.catalog(&store.catalog, store.ledger().await?.oldest());
    let about = About { catalog, model: model.to_owned(), from, to, columns: columns.to_vec() };
    if let Mode::Try(sample) = work.mode {
        return attempt(store, about, sample, work).await;
    }
    // Named when all of them are known, and again by whoever carries the step on.
    let failures: Arc<std::sync::Mutex<Vec<Failure>>> = Arc::default();
    let told = Arc::clone(&failures);
    let part = move |session: &Session<'_>, batch: &Batch| {
        let layout = layout(&about)?;
        if catalog::table(session, layout.names.base())?.is_none() {
            return Ok(Tally::default());
        }
        let new = new(&layout, &about);
        let mut found = Vec::new();
        let cell = std::cell::RefCell::new(&mut found);
        if batch.is_first() && state::is_there(session)? {
            archive::outdate(session, &layout, about.to)?;
        }
        let tally = batch.each(session, &layout, &|session, row, present| {
            let known = present.difference(&new).copied().collect();
            let kept = archive::kept(session, &layout, row, &known)?;
            let (state, failures) = computed(&layout, row, &known, &new, &about, kept.as_ref())?;
            let tally = Tally { seen: 1, ..Tally::default() };
            let rejected = failures.iter().filter(|failure| failure.kind == "rejected").count();
            let hidden = failures.len() > rejected;
            cell.borrow_mut().extend(failures);
            if rejected > 0 {
                return Ok(Tally { failed: 1, ..tally });
            }
            write(session, &layout, row, &state, &new)?;
            if kept.is_some() {
                let stays = |at: usize| present.contains(&at) || new.contains(&at);
                archive::keep(session, &layout, row, &state, about.to, &stays)?;
            }
            Ok(if hidden { Tally { quarantined: 1, ..tally } } else { Tally { written: 1, ..tally } })
        })?;
        told.lock().unwrap_or_else(std::sync::PoisonError::into_inner).append(&mut found);
        Ok(tally)
    };
    let done = run(store, work, "filling columns", part).await;
    for failure in failures.lock().unwrap_or_else(std::sync::PoisonError::into_inner).drain(..) {
        work.observer.event(Event::Failure(failure));
    }
    done
}

fn layout(about: &About) -> Result<Layout<'_>> {
    let (entry, era) = era_between(&about.catalog, &about.model, about.from, about.to)?;
    Layout::new(&about.catalog, entry, era, execute::last(era, about.from.max(about.to)))
}

/// The columns that are filled.
fn new(layout: &Layout<'_>, about: &About) -> BTreeSet<usize> {
    (0..layout.table.columns.len()).filter(|at| about.columns.contains(&layout.table.columns[*at].name)).collect()
}

/// The state of a record, and why some of it cannot be computed.
fn computed(
    layout: &Layout<'_>,
    row: &Row,
    known: &BTreeSet<usize>,
    new: &BTreeSet<usize>,
    about: &About,
    kept: Option<&(u32, coeval_core::Value)>,
) -> Result<(State, Vec<Failure>)> {
    let at = kept.map_or(about.from, |(at, _)| *at);
    let state = row::state(layout, row, known, at, kept.map(|(_, kept)| kept))?;
    let mut failures: Vec<Failure> = Vec::new();
    for at in new {
        let Held::Shown { .. } = layout.table.columns[*at].held else { continue };
        let told = failures.len();
        for (sign, reason) in layout.table.missing(&state, *at) {
            let kind = if sign.is_some() { "quarantined" } else { "rejected" };
            failures.push(failure(layout, row, kind, reason));
        }
        // A value that no column can hold, where it was not told that there is none.
        let rejected = failures[told..].iter().any(|failure| failure.kind == "rejected");
        if let Err(Error::BadRecord { key, reason }) = row::column_of(layout, &state, *at)
            && !rejected
        {
            failures.push(failure(layout, row, "rejected", format!("{key}: {reason}")));
        }
    }
    Ok((state, failures))
}

/// Writes columns of a state into a row.
pub(crate) fn write(
    session: &Session<'_>,
    layout: &Layout<'_>,
    row: &Row,
    state: &State,
    columns: &BTreeSet<usize>,
) -> Result<()> {
    update(layout, row, state, columns)?.map_or(Ok(()), |sql| session.batch(&sql))
}

/// Renders what makes a row hold what a state says; `None` where it does.
pub(crate) fn update(layout: &Layout<'_>, row: &Row, state: &State, columns: &BTreeSet<usize>) -> Result<Option<String>> {
    let mut sets = Vec::new();
    for at in columns {
        if layout.table.columns[*at].held == Held::Id {
            continue;
        }
        if let Some(literal) = row::column_after(layout, state, *at, Some(row))? {
            sets.push(format!("{} = {literal}", ident(&layout.table.columns[*at].name)));
        }
    }
    if sets.is_empty() {
        return Ok(None);
    }
    let condition = row::is_key(layout, &row.key);
    Ok(Some(format!("UPDATE {} SET {} WHERE {condition}", layout.names.table(), sets.join(", "))))
}

/// Computes without writing: all records, or so many of them.
async fn attempt(store: &Sqlite, about: About, sample: Option<u64>, work: &Work<'_>) -> Result<Tally> {
    let read = move |session: &Session<'_>| -> Result<(Tally, Vec<Failure>)> {
        let layout = layout(&about)?;
        if catalog::table(session, layout.names.base())?.is_none() {
            return Ok((Tally { total: Some(0), ..Tally::default() }, Vec::new()));
        }
        let new = new(&layout, &about);
        let found = std::cell::RefCell::new(Vec::new());
        let all = session.row(&format!("SELECT count(*) FROM {}", layout.names.table()), [], |row| row.get::<_, u64>(0))?;
        let wanted = sample.unwrap_or(u64::MAX).min(all.unwrap_or_default());
        let mut tally = Tally { total: Some(wanted), ..Tally::default() };
        let mut batch = Batch::look(wanted.max(1));
        loop {
            let part = batch.each(session, &layout, &|session, row, present| {
                let known = present.difference(&new).copied().collect();
                let kept = if state::is_there(session)? { archive::kept(session, &layout, row, &known)? } else { None };
                let (_, failures) = computed(&layout, row, &known, &new, &about, kept.as_ref())?;
                let tally = Tally { seen: 1, ..Tally::default() };
                let rejected = failures.iter().any(|failure| failure.kind == "rejected");
                let hidden = !failures.is_empty();
                found.borrow_mut().extend(failures);
                Ok(match (rejected, hidden) {
                    (true, _) => Tally { failed: 1, ..tally },
                    (false, true) => Tally { quarantined: 1, ..tally },
                    (false, false) => Tally { written: 1, ..tally },
                })
            })?;
            tally = Tally { total: Some(wanted), ..tally.plus(part) };
            match batch::on(batch, wanted.saturating_sub(tally.seen)) {
                Some(next) => batch = next,
                None => return Ok((tally, found.into_inner())),
            }
        }
    };
    let (tally, failures) = store.database.read("computing columns", read).await?.unwrap_or_default();
    for failure in failures {
        work.observer.event(Event::Failure(failure));
    }
    work.observer.event(Event::Progress(tally));
    Ok(tally)
}
