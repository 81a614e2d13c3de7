//! Before anything is touched: whether the database takes every computation of the versions to come. All of it happens in a
//! transaction that is taken back, on an empty table of the same shape.

use coeval_plan::table::Held;
use coeval_plan::table::MARKER;
use coeval_sql::ident;
use coeval_sql::postgres;
use coeval_store::ledger::Action;
use coeval_store::work::Mode;
use coeval_store::{Error, Result};

use crate::adopted;
use crate::backfill::TRIAL;
use crate::constraint::{conditions, violations};
use crate::error::{During, words};
use crate::execute::Job;
use crate::layout::Layout;
use crate::table::{local, unfit};
use crate::walk::SETTINGS;

/// Returns without an error if the database takes every computation that the versions of a run have need of.
///
/// # Errors
/// [`Error::Unsupported`] for what the database cannot do, [`Error::Failed`] for what it does not take.
pub(crate) async fn preflight(job: &Job<'_>) -> Result<()> {
    let forward = job.ledger.open().is_none_or(|open| open.action == Action::Migrate);
    if !forward {
        return Ok(());
    }
    let own = job.step.model();
    let tries = matches!(job.work.mode, Mode::Try(_));
    for layout in job.backend.layouts() {
        let touched = layout.era.first <= job.high && layout.era.end.is_none_or(|end| end > job.low);
        if touched && (!tries || layout.entry.name == own) {
            one(job, &layout).await?;
        }
    }
    // What violates a rule already is named before anything is done.
    let mut count = 0;
    for step in job.ledger.open().filter(|_| !tries).into_iter().flat_map(|open| &open.steps) {
        count += violations(job, step).await?;
    }
    if count == 0 { Ok(()) } else { Err(Error::Records { count }) }
}

async fn one(job: &Job<'_>, layout: &Layout<'_>) -> Result<()> {
    let last = layout.era.end.map_or(job.high, |end| job.high.min(end.saturating_sub(1)));
    let table = layout.table(last)?;
    let names = layout.names.on(TRIAL);
    let keys = |model: &str| layout.key_type(model);
    let live: Vec<u32> = table.views.iter().map(|view| view.version).filter(|version| *version >= job.oldest()).collect();
    let all: Vec<usize> = (0..table.columns.len()).filter(|at| !table.is_gone(*at)).collect();
    adopted::room(job.backend, layout, &table, job.low).await?;
    let what = format!("trying out the computations of `{}`", layout.entry.name);
    let made = postgres::create_table(&table, &all, &names, &keys).map_err(unfit(job))?;
    let mut statements = vec![format!("CREATE SCHEMA IF NOT EXISTS {}", names.workings)];
    // It lies in the session's own schema.
    statements.extend(made.into_iter().skip(1).map(|made| made.replacen("CREATE TABLE pg_temp.", "CREATE TEMP TABLE ", 1)));
    statements.push(format!("ALTER TABLE {TRIAL} ADD COLUMN {} integer", ident(MARKER)));
    if let Some(triggers) = postgres::triggers(&table, &live, &live, &names, &keys).map_err(local(job))? {
        statements.extend(triggers.helpers);
        statements.extend([triggers.insert, triggers.update]);
    }
    // Clients have the older views as they are until the newest versions are offered.
    let offered = layout.table(last)?.offered_at(job.low);
    if offered.views != table.views
        && let Some(triggers) = postgres::triggers(&offered, &live, &live, &names, &keys).map_err(local(job))?
    {
        statements.extend([triggers.insert, triggers.update]);
    }
    for view in table.views.iter().filter(|view| live.contains(&view.version)) {
        let hidden = |at: &usize| {
            let shown = view.entries.iter().any(|(_, column)| column == at);
            !shown && table.columns[*at].held != Held::Id
        };
        let columns: Vec<usize> = all.iter().copied().filter(hidden).collect();
        if let Some(fill) = postgres::fill(&table, view, &columns, &names, &keys).map_err(local(job))? {
            statements.extend(fill.helpers);
            if !fill.set.is_empty() {
                statements.push(format!("EXPLAIN UPDATE {TRIAL} AS t SET {}", fill.set));
            }
        }
        postgres::view_defaults(&table, view, &keys).map_err(unfit(job))?;
    }
    statements.extend(conditions(job, layout, TRIAL)?);
    let mut client = job.backend.state().database().client().await?;
    let transaction = client.transaction().await.during(&what)?;
    transaction.batch_execute(SETTINGS).await.during(&what)?;
    for statement in &statements {
        if let Err(error) = transaction.batch_execute(statement).await {
            let Some(said) = error.as_db_error() else { return Err(error).during(&what) };
            let help = "Nothing was changed. Freeze the version anew with an expression that PostgreSQL takes.".to_owned();
            return Err(Error::Failed {
                what,
                reason: format!("PostgreSQL does not take it: {}\n  {statement}", words(said)),
                help: Some(help),
            });
        }
    }
    transaction.rollback().await.during(&what)
}
