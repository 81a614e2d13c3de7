//! Steps on triggers: which versions' columns they keep, and which columns' updates they look at.

use coeval_sql::postgres::{self, Triggers};
use coeval_store::Result;
use deadpool_postgres::Transaction;

use crate::backfill::note_untended;
use crate::constraint::is_not_null;
use crate::execute::Job;
use crate::layout::Layout;
use crate::table::{create_workings, drop_schema, local, lock, text};

/// Renders the triggers for versions up to one, while clients have the views that they have where `offered` is the newest that they
/// are offered.
fn render(job: &Job<'_>, layout: &Layout<'_>, up_to: u32, offered: u32, watched: u32) -> Result<Option<Triggers>> {
    let last = layout.era.end.map_or(up_to, |end| up_to.min(end.saturating_sub(1)));
    let table = layout.table(last)?.offered_at(offered);
    let live: Vec<u32> = table.views.iter().map(|view| view.version).filter(|version| *version >= job.oldest()).collect();
    let watched: Vec<u32> = live.iter().copied().filter(|version| *version <= watched).collect();
    let keys = |model: &str| layout.key_type(model);
    postgres::triggers(&table, &live, &watched, &layout.names, &keys).map_err(local(job))
}

/// Asks whether somebody else's trigger changes rows before they are updated: what it changes is in no list of columns.
fn others_sql(table: &str) -> String {
    format!(
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = pg_catalog.to_regclass({}) AND NOT tgisinternal
         AND tgname NOT LIKE 'zz\\_coeval\\_%' AND tgtype & 19 = 19)",
        text(table)
    )
}

async fn others(job: &Job<'_>, table: &str) -> Result<bool> {
    Ok(job.ask::<bool>(&others_sql(table)).await?.unwrap_or_default())
}

/// As a run would find it, in a transaction.
pub(crate) async fn others_on(transaction: &Transaction<'_>, table: &str) -> std::result::Result<bool, tokio_postgres::Error> {
    transaction.query_typed_one(&others_sql(table), &[]).await?.try_get(0)
}

/// Renders the triggers' functions anew, as the run has made them, for clients to whom another version is the newest.
pub(crate) fn functions(job: &Job<'_>, layout: &Layout<'_>, offered: u32) -> Result<Vec<String>> {
    let triggers = render(job, layout, job.high, offered, offered)?;
    Ok(triggers.map(|triggers| [triggers.helpers, vec![triggers.insert, triggers.update]].concat()).unwrap_or_default())
}

/// Renders triggers anew for the versions that are live, up to one. The table is locked, so that nobody is between two functions.
pub(crate) async fn rebuild(job: &Job<'_>, from: u32, to: u32) -> Result<()> {
    let layout = job.layout()?;
    let names = &layout.names;
    // After a rollback that took views away only, clients have less than what a migration begins with.
    let offered = job.ledger.newest().map_or(from.min(to), |newest| newest.min(from).min(to));
    // What a backfill sets is no write of a client: not of versions that the run brings, whichever of its steps this is.
    let watched = from.min(to).min(job.low);
    let triggers = if to < layout.era.first { None } else { render(job, &layout, to, offered, watched)? };
    if job.work.undo && is_so(job, &layout, triggers.as_ref()).await? {
        return Ok(());
    }
    let mut statements = vec![lock(&names.table)];
    match &triggers {
        Some(triggers) => {
            statements.extend(create_workings(job, &names.workings).await?);
            statements.extend(triggers.helpers.iter().cloned());
            statements.extend([triggers.insert.clone(), triggers.update.clone()]);
            statements.extend(postgres::create_triggers(triggers, names, others(job, &names.table).await?));
        }
        None => statements.extend(postgres::drop_triggers(names)),
    }
    statements.extend(postgres::drop_helpers(&layout.era.history, triggers.as_ref(), names));
    if to < from {
        statements.push(note_untended(job, &layout));
    }
    if from == to {
        for column in let_go(job, &layout, to)? {
            if is_not_null(job, &names.table, &column).await? == Some(true) {
                statements.push(format!("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL", names.table, coeval_sql::ident(&column)));
            }
        }
    }
    job.transact(&statements).await?;
    if triggers.is_none() { drop_schema(job, &names.workings).await } else { Ok(()) }
}

/// Returns whether the functions are as they should be: a run that is undone may not have come to them.
async fn is_so(job: &Job<'_>, layout: &Layout<'_>, triggers: Option<&Triggers>) -> Result<bool> {
    let body = |statement: &str| coeval_sql::body_of(statement).map(str::to_owned);
    for (name, statement) in [
        (layout.names.insert(), triggers.map(|triggers| &triggers.insert)),
        (layout.names.update(), triggers.map(|triggers| &triggers.update)),
    ] {
        let sql = format!(
            "SELECT prosrc FROM pg_catalog.pg_proc WHERE oid = pg_catalog.to_regprocedure({})",
            text(&format!("{name}()"))
        );
        if job.ask::<String>(&sql).await? != statement.and_then(|statement| body(statement)) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// What only retired versions showed is computed no more: from the same moment on it may be null, until it is dropped.
fn let_go(job: &Job<'_>, layout: &Layout<'_>, to: u32) -> Result<Vec<String>> {
    let table = layout.whole(layout.era.end.map_or(to, |end| to.min(end.saturating_sub(1))))?;
    let needed = coeval_plan::needed(&table, job.oldest());
    let gone = (0..table.columns.len()).filter(|at| !needed.contains(at));
    Ok(gone.map(|at| table.columns[at].name.clone()).collect())
}

/// Lets the trigger for updates look at what the versions up to one show.
pub(crate) async fn watch(job: &Job<'_>, from: u32, to: u32) -> Result<()> {
    let layout = job.layout()?;
    let names = &layout.names;
    let Some(triggers) = render(job, &layout, from.max(to), from.max(to), to)? else { return Ok(()) };
    // A run that is undone may not have come to the functions.
    let there = format!("SELECT pg_catalog.to_regprocedure({}) IS NOT NULL", text(&format!("{}()", names.update())));
    if to < from && job.ask::<bool>(&there).await? != Some(true) {
        return Ok(());
    }
    // Readers go on where nothing is dropped.
    let first = if triggers.watched.is_empty() {
        lock(&names.table)
    } else {
        format!("LOCK TABLE ONLY {} IN SHARE ROW EXCLUSIVE MODE", names.table)
    };
    let mut statements = vec![first];
    statements.extend(postgres::create_triggers(&triggers, names, others(job, &names.table).await?));
    job.transact(&statements).await
}
