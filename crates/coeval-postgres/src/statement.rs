//! Statements that change tables, so that no client waits for long.
//!
//! Whoever waits for a strong lock on a table makes everybody wait who comes after. So a statement waits only for moments, and is
//! tried again, with pauses in which the others go on; who stands in the way is told, each time. The wait is shorter than the time
//! after which the server looks for deadlocks, so that it is never a client that a deadlock ends.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use coeval_core::{Value, json};
use coeval_plan::standalone::Check;
use coeval_store::event::Event;
use coeval_store::work::Work;
use coeval_store::{Error, Result};
use deadpool_postgres::Transaction;
use futures::future::{Either, select};
use rand::RngExt as _;
use tokio::time::sleep;
use tokio_postgres::error::SqlState;
use tokio_postgres::{IsolationLevel, SimpleQueryMessage};

use crate::blocker::{Target, first_line};
use crate::error::{During, tell, words};
use crate::lock;
use crate::state::State;
use crate::watch::{Seen, Watch};

/// How long statements that change tables wait for locks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    /// How long one attempt waits for one lock, and everybody else behind it. Shorter than the server's `deadlock_timeout`, which
    /// is a second where nobody changed it.
    pub lock_timeout: Duration,
    /// How long it is tried in all.
    pub total: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { lock_timeout: Duration::from_millis(200), total: Duration::from_secs(60) }
    }
}

/// Statements that are executed together or not at all.
#[derive(Debug, Clone, Copy)]
pub struct Group<'g> {
    /// What they do, for people: `adding columns to shop.item`.
    pub what: &'g str,
    /// The statements, in order. The first one takes the strongest lock, so that no lock is ever made stronger.
    pub statements: &'g [String],
    /// Whether they are a user's own, which find names without a schema as the user's sessions do. All others name schemas.
    pub raw: bool,
}

/// A part of what is executed together.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Part<'p> {
    /// A statement.
    Run(&'p str),
    /// A statement that takes back what may not be there.
    Lenient(&'p str),
    /// A query whose answer must be as expected.
    Check(&'p Check),
}

/// Why a part was not executed.
enum Halt<'p> {
    /// What the server said, and on which statement.
    Said(Option<&'p str>, tokio_postgres::Error),
    /// A check does not hold.
    Check(String),
}

/// Why an attempt did not come to its end.
enum Failed {
    /// It can be tried again.
    Again { reason: String, seen: Seen },
    /// It cannot.
    Final(Error),
}

/// Executes a group of statements in one transaction, holding on to the lock's fencing token where the work has a lock. Each
/// attempt that fails for a lock, a deadlock or a conflict is told to the observer, with who was in the way.
///
/// # Errors
/// [`Error::Failed`] for what the server refuses, and when the patience is over, naming who holds the lock;
/// [`Error::Transient`] where the connection was lost, by which it may have taken effect; what [`Work::go_on`] returns.
pub async fn transact(state: &State, group: &Group<'_>, work: &Work<'_>) -> Result<()> {
    let parts: Vec<Part<'_>> = group.statements.iter().map(|statement| Part::Run(statement)).collect();
    transact_parts(state, group, &parts, work).await
}

/// As [`transact`], for more than statements; those of the group are left out.
pub(crate) async fn transact_parts(state: &State, group: &Group<'_>, parts: &[Part<'_>], work: &Work<'_>) -> Result<()> {
    let patience = state.database().patience();
    let begin = Instant::now();
    let mut lock_timeout = patience.lock_timeout;
    let mut last: Option<Seen> = None;
    for attempt in 1.. {
        work.go_on()?;
        let (reason, seen) = match try_once(state, group, parts, work, lock_timeout).await {
            Ok(()) => return Ok(()),
            Err(Failed::Final(error)) => return Err(error),
            Err(Failed::Again { reason, seen }) => (reason, seen),
        };
        let pause = pause(patience.lock_timeout, attempt);
        if begin.elapsed() + pause >= patience.total {
            // An attempt may be over before anybody looked; who was in the way before is most likely in the way now.
            let (reason, seen) = match last {
                Some(last) if seen.wait().is_none() => (format!("{reason}; before, {}", last.reason()), last),
                _ => (reason, seen),
            };
            return Err(gave_up(group.what, begin.elapsed(), attempt, &reason, &seen));
        }
        work.observer.event(Event::Retry { what: group.what.to_owned(), reason, attempt, wait: pause });
        rest(work, pause).await?;
        // The server ends its own tidying up only for who waits until it looks for deadlocks.
        let tidying = seen.wait().is_some_and(|wait| wait.blockers.iter().all(|blocker| blocker.autovacuum));
        lock_timeout = if tidying { patience.lock_timeout.max(Duration::from_millis(1500)) } else { patience.lock_timeout };
        if seen.wait().is_some() {
            last = Some(seen);
        }
    }
    Err(Error::failed(group.what, "it was tried too often"))
}

/// Returns how long to rest after an attempt: longer each time, and never twice the same, so that two do not meet again.
pub(crate) fn pause(lock_timeout: Duration, attempt: u32) -> Duration {
    let longest = lock_timeout * 10;
    let pause = lock_timeout.saturating_mul(1 << (attempt - 1).min(8)).min(longest);
    pause.mul_f64(rand::rng().random_range(0.75..1.25))
}

/// Rests, unless the work is to stop.
pub(crate) async fn rest(work: &Work<'_>, pause: Duration) -> Result<()> {
    let end = Instant::now() + pause;
    while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        sleep(left.min(Duration::from_millis(100))).await;
        work.go_on()?;
    }
    Ok(())
}

/// Makes the error for when the patience is over.
pub(crate) fn gave_up(what: &str, after: Duration, attempts: u32, reason: &str, seen: &Seen) -> Error {
    let times = if attempts == 1 { "attempt" } else { "attempts" };
    let reason = format!("gave up after {:.1} s and {attempts} {times}: {reason}", after.as_secs_f64());
    let ends = seen.wait().map(|wait| wait.blockers.iter().filter(|blocker| blocker.pid != 0)).into_iter().flatten();
    let ends: Vec<String> = ends.map(|blocker| format!("SELECT pg_terminate_backend({})", blocker.pid)).collect();
    let help = match ends.as_slice() {
        [] => "Run it again when nothing holds the lock.".to_owned(),
        ends => format!("Run it again when that is over, or end it: `{}`.", ends.join("; ")),
    };
    Error::Failed { what: what.to_owned(), reason, help: Some(help) }
}

/// Returns whether the same may go well another time.
pub(crate) fn is_passing(error: &tokio_postgres::Error) -> bool {
    let Some(error) = error.as_db_error() else { return false };
    match error.code() {
        &SqlState::LOCK_NOT_AVAILABLE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::T_R_SERIALIZATION_FAILURE => true,
        // Two that make or change the same thing at once.
        &SqlState::UNIQUE_VIOLATION => error.schema() == Some("pg_catalog"),
        &SqlState::INTERNAL_ERROR => error.message().starts_with("tuple concurrently"),
        _ => false,
    }
}

async fn try_once(
    state: &State,
    group: &Group<'_>,
    parts: &[Part<'_>],
    work: &Work<'_>,
    lock_timeout: Duration,
) -> std::result::Result<(), Failed> {
    let database = state.database();
    let mut client = database.client().await.map_err(Failed::Final)?;
    let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(false);
    let transaction = transaction.start().await.during(group.what).map_err(Failed::Final)?;
    let pid = prepare(&transaction, group, lock_timeout).await.map_err(Failed::Final)?;
    if let Some(lock) = work.lock {
        lock::hold(state, &transaction, lock.fence()).await.map_err(Failed::Final)?;
    }
    let (target, first) = (Target::Process(pid), (lock_timeout / 4).max(Duration::from_millis(5)));
    // Whoever looks is connected beforehand: the wait may be over sooner than a connection is made. If it cannot be, looking says so.
    drop(database.control().await);
    let watch = Watch { what: group.what, database, work, target, first, patience: None, seen: Mutex::default() };
    let run = async {
        for part in parts {
            part.run(&transaction).await?;
        }
        transaction.commit().await.map_err(|error| Halt::Said(None, error))
    };
    let outcome = match select(Box::pin(run), Box::pin(watch.watch())).await {
        Either::Left((outcome, _)) => outcome,
        Either::Right((never, _)) => match never {},
    };
    let (statement, error) = match outcome {
        Ok(()) => {
            if group.raw {
                // What a user's SQL set for its session must not hold for others.
                drop(deadpool_postgres::Object::take(client));
            }
            return Ok(());
        }
        Err(Halt::Check(reason)) => return Err(Failed::Final(Error::failed(group.what, reason))),
        Err(Halt::Said(statement, error)) => (statement, error),
    };
    let seen = watch.into_seen();
    if is_passing(&error) {
        return Err(Failed::Again { reason: reason(&error, &seen), seen });
    }
    // It was cancelled from here.
    if error.code() == Some(&SqlState::QUERY_CANCELED) {
        work.go_on().map_err(Failed::Final)?;
    }
    let place = statement.and_then(first_line).map(|line| format!(" (`{line}`)")).unwrap_or_default();
    Err(Failed::Final(tell(&format!("{}{place}", group.what), &error)))
}

impl<'p> Part<'p> {
    async fn run(self, transaction: &Transaction<'_>) -> std::result::Result<(), Halt<'p>> {
        match self {
            Self::Run(text) => transaction.batch_execute(text).await.map_err(|error| Halt::Said(Some(text), error)),
            Self::Lenient(text) => {
                let said = |error| Halt::Said(Some(text), error);
                transaction.batch_execute("SAVEPOINT coeval_part").await.map_err(said)?;
                match transaction.batch_execute(text).await {
                    Ok(()) => {}
                    Err(error) if is_missing(&error) => {
                        transaction.batch_execute("ROLLBACK TO SAVEPOINT coeval_part").await.map_err(said)?;
                    }
                    Err(error) => return Err(said(error)),
                }
                transaction.batch_execute("RELEASE SAVEPOINT coeval_part").await.map_err(said)
            }
            Self::Check(check) => {
                let messages = transaction.simple_query(&check.sql).await;
                let messages = messages.map_err(|error| Halt::Said(Some(&check.sql), error))?;
                let rows: Vec<Vec<Value>> = messages.iter().filter_map(row).collect();
                if check.holds(&rows) { Ok(()) } else { Err(Halt::Check(check.fails(&rows))) }
            }
        }
    }
}

/// Returns the values of a row, which come as texts.
fn row(message: &SimpleQueryMessage) -> Option<Vec<Value>> {
    let SimpleQueryMessage::Row(row) = message else { return None };
    let value = |text: Option<&str>| {
        let Some(text) = text else { return Value::Null };
        match json::parse(text.as_bytes()) {
            Ok(number @ Value::Number(_)) => number,
            Ok(_) | Err(_) => text.into(),
        }
    };
    Some((0..row.len()).map(|at| value(row.get(at))).collect())
}

/// Returns whether the server misses what a statement is about.
pub(crate) fn is_missing(error: &tokio_postgres::Error) -> bool {
    let missing = [
        SqlState::UNDEFINED_TABLE,
        SqlState::UNDEFINED_COLUMN,
        SqlState::UNDEFINED_OBJECT,
        SqlState::UNDEFINED_FUNCTION,
        SqlState::INVALID_SCHEMA_NAME,
    ];
    error.code().is_some_and(|code| missing.contains(code))
}

/// Says what went wrong, and who was seen in the way.
fn reason(error: &tokio_postgres::Error, seen: &Seen) -> String {
    match error.as_db_error() {
        Some(said) if *said.code() != SqlState::LOCK_NOT_AVAILABLE => {
            let wait = seen.wait().map(|wait| format!("; {wait}")).unwrap_or_default();
            format!("{}{wait}", words(said))
        }
        _ => seen.reason(),
    }
}

/// Returns the statement that keeps a user's names out of coeval's schema, in which a role of that name would find and make them
/// first: for a transaction, or for a session. It leaves every other path as it is.
pub(crate) fn own_path(transaction: bool) -> String {
    format!(
        "SELECT pg_catalog.set_config('search_path', (SELECT coalesce(pg_catalog.string_agg(pg_catalog.quote_ident(s), ', ' ORDER BY n), '')
             FROM pg_catalog.unnest(pg_catalog.current_schemas(false)) WITH ORDINALITY AS path (s, n) WHERE s <> 'coeval'), {transaction})
         WHERE 'coeval' = ANY (pg_catalog.current_schemas(false));"
    )
}

/// Makes the settings of a transaction, which end with it; returns the process that executes it.
async fn prepare(transaction: &Transaction<'_>, group: &Group<'_>, lock_timeout: Duration) -> Result<i32> {
    // There is no pause between the statements. If the server waits for one, nobody is there any more, and the locks are free.
    let path = if group.raw { own_path(true) } else { "SET LOCAL search_path = pg_catalog, pg_temp;".to_owned() };
    let settings = format!(
        "SET LOCAL lock_timeout = {};
         SET LOCAL statement_timeout = 0;
         SET LOCAL idle_in_transaction_session_timeout = '30s';
         {path}",
        lock_timeout.as_millis().max(1)
    );
    transaction.batch_execute(&settings).await.during(group.what)?;
    // Not what the connection was told when it began: with a pooler between, the process is another one.
    let pid = transaction.query_typed_one("SELECT pg_catalog.pg_backend_pid()", &[]).await.during(group.what)?;
    pid.try_get(0).during(group.what)
}
