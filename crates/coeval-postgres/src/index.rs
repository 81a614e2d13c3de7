//! Indexes, made while everybody reads and writes on.
//!
//! `CREATE INDEX CONCURRENTLY` runs in no transaction, and leaves an invalid index behind where it fails.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use coeval_store::event::Event;
use coeval_store::work::Work;
use coeval_store::{Error, Result};
use deadpool_postgres::Client;
use futures::future::{Either, select};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::blocker::Target;
use crate::error::{During, tell, words};
use crate::state::State;
use crate::statement::{gave_up, is_passing, pause, rest};
use crate::watch::{Seen, Watch};

/// An index to be made.
#[derive(Debug, Clone, Copy)]
pub struct Index<'i> {
    /// What is done, for people: `indexing shop.item by name`.
    pub what: &'i str,
    /// Its schema, which is its table's.
    pub schema: &'i str,
    /// Its name. An index of that name is taken for this one.
    pub name: &'i str,
    /// The whole statement: `CREATE [UNIQUE] INDEX CONCURRENTLY …`, with its schema named.
    pub statement: &'i str,
}

/// What there is of an index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum There {
    Nothing,
    /// It can be used.
    Valid,
    /// It was left behind.
    Invalid,
    /// A process is making it.
    Making(i32),
}

/// Makes an index, if it is not there. What an attempt before left behind is removed first; what this one leaves
/// behind too, where nobody keeps it from that.
/// It waits for transactions that were there before it, and holds nobody up meanwhile; for whom it waits is told to the observer.
///
/// # Errors
/// [`Error::Failed`] for what the server refuses, such as values that are there twice, and when it waited for others for the whole
/// patience, naming them; what [`Work::go_on`] returns.
pub async fn create_index(state: &State, index: &Index<'_>, work: &Work<'_>) -> Result<()> {
    let patience = state.database().patience();
    let begin = Instant::now();
    let mut attempt = 0;
    loop {
        attempt += 1;
        work.go_on()?;
        let reason = match there(state, index).await? {
            There::Valid => return Ok(()),
            There::Making(pid) => format!("session {pid} is making it"),
            There::Nothing => match alone(state, index.what, index.statement, patience.total, work).await {
                Ok(None) => continue,
                Ok(Some(reason)) => reason,
                Err(error) => return Err(clean(state, index, work, error).await),
            },
            There::Invalid => match alone(state, index.what, &drop_statement(index), patience.total, work).await? {
                None => continue,
                Some(reason) => reason,
            },
        };
        let pause = pause(patience.lock_timeout, attempt);
        if begin.elapsed() + pause >= patience.total {
            let error = gave_up(index.what, begin.elapsed(), attempt, &reason, &Seen::default());
            return Err(clean(state, index, work, error).await);
        }
        work.observer.event(Event::Retry { what: index.what.to_owned(), reason, attempt, wait: pause });
        rest(work, pause).await?;
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn drop_statement(index: &Index<'_>) -> String {
    format!("DROP INDEX CONCURRENTLY IF EXISTS {}.{}", quoted(index.schema), quoted(index.name))
}

async fn there(state: &State, index: &Index<'_>) -> Result<There> {
    let client = state.database().control().await?;
    let sql = "SELECT i.indisvalid, p.pid FROM pg_catalog.pg_class c
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
               JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
               LEFT JOIN pg_catalog.pg_stat_progress_create_index p ON p.index_relid = c.oid
               WHERE n.nspname = $1 AND c.relname = $2";
    let row = client.query_typed_opt(sql, &[(&index.schema, Type::TEXT), (&index.name, Type::TEXT)]).await.during(index.what)?;
    let Some(row) = row else { return Ok(There::Nothing) };
    let (valid, maker): (bool, Option<i32>) = (row.try_get(0).during(index.what)?, row.try_get(1).during(index.what)?);
    Ok(match maker {
        _ if valid => There::Valid,
        Some(pid) => There::Making(pid),
        None => There::Invalid,
    })
}

/// Removes what an attempt left behind that failed for good, and nothing that is valid or that somebody else is making. What kept
/// the index from being made may keep it from being removed: that is not waited for, but told.
async fn clean(state: &State, index: &Index<'_>, work: &Work<'_>, error: Error) -> Error {
    let short = state.database().patience().lock_timeout * 5;
    let left = match there(state, index).await {
        Ok(There::Invalid) => alone(state, index.what, &drop_statement(index), short, work).await,
        Ok(There::Nothing | There::Valid | There::Making(_)) => return error,
        Err(error) => Err(error),
    };
    let why = match left {
        Ok(None) => return error,
        Ok(Some(reason)) => reason,
        Err(error) => error.to_string(),
    };
    match error {
        Error::Failed { what, reason, help } => {
            let left = format!("The invalid index `{}` is still there ({why}); the next attempt removes it.", index.name);
            let help = help.map_or_else(|| left.clone(), |help| format!("{help} {left}"));
            Error::Failed { what, reason, help: Some(help) }
        }
        other => other,
    }
}

/// Executes a statement outside of a transaction, which waits for others no longer than `patience`; returns why it may go well
/// another time.
async fn alone(state: &State, what: &str, statement: &str, patience: Duration, work: &Work<'_>) -> Result<Option<String>> {
    let client = state.database().client().await?;
    alone_on(state, &client, what, statement, patience, work).await
}

/// As [`alone`], on a connection.
pub(crate) async fn alone_on(
    state: &State,
    client: &Client,
    what: &str,
    statement: &str,
    patience: Duration,
    work: &Work<'_>,
) -> Result<Option<String>> {
    let database = state.database();
    // Outside of a transaction nobody can ask which process executes it, so the statement carries a mark.
    let mark = format!("/* coeval {:032x} */", rand::random::<u128>());
    let target = Target::Statement(mark.clone());
    let first = Duration::from_millis(100);
    let watch = Watch { what, database, work, target, first, patience: Some(patience), seen: Mutex::default() };
    let text = format!("{mark} {statement}");
    let run = Box::pin(client.batch_execute(&text));
    let outcome = match select(run, Box::pin(watch.watch())).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((never, _)) => match never {},
    };
    let Err(error) = outcome else { return Ok(None) };
    // The server says what went wrong before it has cleaned up; when it answers again, it has. A connection that was lost has nothing
    // to clean up, and what was said first counts.
    drop(client.batch_execute("").await);
    let seen = watch.into_seen();
    if is_passing(&error) {
        let said = error.as_db_error().map(words).unwrap_or_default();
        return Ok(Some(seen.wait().map_or_else(|| said.clone(), |wait| format!("{said}; {wait}"))));
    }
    if error.code() == Some(&SqlState::QUERY_CANCELED) {
        work.go_on()?;
        if seen.wait().is_some() {
            return Err(gave_up(what, patience, 1, &seen.reason(), &seen));
        }
    }
    Err(tell(what, &error))
}
