//! Standalone migrations: what somebody wrote is executed at most once.
//!
//! What can be in a transaction is in one, together with the note that it is done. Around each other statement is a note of how far
//! it came. All of a migration goes through one connection, so that its `PRAGMA`s hold for what follows.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use coeval_core::{Value, json};
use coeval_plan::Step;
use coeval_plan::standalone::{Act, Transaction, together};
use coeval_store::event::Tally;
use coeval_store::work::Work;
use coeval_store::{Error, Result};
use rusqlite::types::ValueRef;

use crate::backend::Sqlite;
use crate::database::Line;
use crate::error::During;
use crate::lock;
use crate::state;
use crate::statement::Session;

/// How long another process rests before it looks again whether it is done.
const REST: Duration = Duration::from_millis(100);

/// A migration that is executed.
struct Job {
    deployment: Arc<str>,
    run: String,
    step: String,
    fence: u64,
    acts: Vec<Act>,
    /// Whether it takes back what was done in part, so that some of what it takes back is not there.
    partly: bool,
}

/// Executes the acts of a migration, or what is left of them. Whoever does not hold the lock waits until it is done.
pub(crate) async fn execute(store: &Sqlite, step: &Step, acts: &[Act], work: &Work<'_>) -> Result<Tally> {
    let Some(lock) = work.lock else { return wait(store, work).await };
    let forward = work.step.strip_prefix("undo-").filter(|_| work.undo);
    let partly = match forward {
        Some(step) => !read(store, work.run, step).await?.is_some_and(|done| done),
        None => false,
    };
    let job = Job {
        deployment: Arc::clone(&store.deployment),
        run: work.run.to_owned(),
        step: work.step.to_owned(),
        fence: lock.fence(),
        acts: acts.to_vec(),
        partly,
    };
    let (during, stop) = (During::new(step.to_string(), &store.database.inner().place), work.stop.clone());
    let done = store.database.blocking(Line::Writers, move |inner| {
        inner.create(&during, |connection| {
            connection.busy_timeout(inner.settings.patience).map_err(|error| during.error(&error))?;
            let session = Session::new(connection, &during);
            for range in together(&job.acts) {
                if stop.is_stopped() {
                    return Err(Error::Stopped);
                }
                job.group(&session, range)?;
            }
            // Also where there was nothing to do.
            let (session, all) = (&session, job.acts.len());
            job.transaction(session, || {
                state::note(session, &job.deployment, (&job.run, &job.step), Some(&[all.to_string()]), &Tally::default(), true)
            })
        })
    });
    done.await???;
    Ok(Tally { total: Some(0), ..Tally::default() })
}

/// Returns whether a step is done; `None` where nothing of it was begun.
pub(crate) async fn read(store: &Sqlite, run: &str, step: &str) -> Result<Option<bool>> {
    let (deployment, run, step) = (Arc::clone(&store.deployment), run.to_owned(), step.to_owned());
    let read = store.database.read("reading how far a migration is", move |session| {
        if !state::is_there(session)? {
            return Ok(None);
        }
        let cursor = state::cursor(session, &deployment, &run, &step)?;
        Ok((cursor.done || cursor.position.is_some()).then_some(cursor.done))
    });
    Ok(read.await?.flatten())
}

async fn wait(store: &Sqlite, work: &Work<'_>) -> Result<Tally> {
    while read(store, work.run, work.step).await? != Some(true) {
        work.go_on()?;
        tokio::time::sleep(REST).await;
    }
    Ok(Tally { total: Some(0), ..Tally::default() })
}

impl Job {
    /// Does acts that are done together, if they are not done yet.
    fn group(&self, session: &Session<'_>, range: Range<usize>) -> Result<()> {
        let place = (self.run.as_str(), self.step.as_str());
        let cursor = state::cursor(session, &self.deployment, &self.run, &self.step)?;
        let position = cursor.position.as_deref().and_then(|parts| parts.first()?.parse::<usize>().ok()).unwrap_or_default();
        if cursor.done || position >= range.end {
            return Self::settings(session, &self.acts[range]);
        }
        let note = |at: usize| {
            let done = at == self.acts.len();
            state::note(session, &self.deployment, place, Some(&[at.to_string()]), &Tally::default(), done)
        };
        let acts = &self.acts[range.clone()];
        if let [Act::Sql { text, transaction }] = acts
            && *transaction != Transaction::Either
        {
            self.transaction(session, || note(range.start))?;
            self.lenient(statement(session, text))?;
            return self.transaction(session, || note(range.end));
        }
        self.transaction(session, || {
            note(range.end)?;
            for act in acts {
                match act {
                    Act::Sql { text, .. } if self.partly => self.in_part(session, text)?,
                    Act::Sql { text, .. } => statement(session, text)?,
                    Act::Check(check) => {
                        let rows = rows(session, check.sql.trim().trim_end_matches(';'))?;
                        if !check.holds(&rows) {
                            return Err(session.failed(check.fails(&rows), None));
                        }
                    }
                    Act::Operations { .. } | Act::Update(_) | Act::Exec(_) => {
                        return Err(session.failed("only SQL is executed on a database", None));
                    }
                }
            }
            Ok(())
        })
    }

    /// Makes settings again that a connection before this one made: they ended with it.
    fn settings(session: &Session<'_>, acts: &[Act]) -> Result<()> {
        match acts {
            [Act::Sql { text, transaction }] if *transaction != Transaction::Either => {
                let word = text.trim_start().get(..6).unwrap_or_default();
                if word.eq_ignore_ascii_case("pragma") { statement(session, text) } else { Ok(()) }
            }
            _ => Ok(()),
        }
    }

    /// Does something in a transaction in which nobody takes the lock over.
    fn transaction(&self, session: &Session<'_>, act: impl FnOnce() -> Result<()>) -> Result<()> {
        session.batch("BEGIN IMMEDIATE")?;
        let done =
            lock::show_up(session, &self.deployment, self.fence).and_then(|_| act()).and_then(|()| session.batch("COMMIT"));
        // Some errors end a transaction by themselves.
        if done.is_err() && !session.connection().is_autocommit() {
            session.batch("ROLLBACK")?;
        }
        done
    }

    /// Takes something back that may not be there.
    fn in_part(&self, session: &Session<'_>, text: &str) -> Result<()> {
        session.batch("SAVEPOINT coeval_part")?;
        let done = statement(session, text);
        if done.is_err() {
            session.batch("ROLLBACK TO coeval_part")?;
        }
        session.batch("RELEASE coeval_part")?;
        self.lenient(done)
    }

    fn lenient(&self, done: Result<()>) -> Result<()> {
        match done {
            Err(Error::Failed { reason, .. }) if self.partly && reason.contains("no such ") => Ok(()),
            done => done,
        }
    }
}

fn statement(session: &Session<'_>, text: &str) -> Result<()> {
    session.batch(text).map_err(|error| in_line(error, text))
}

/// Says where in the migration something went wrong.
fn in_line(error: Error, text: &str) -> Error {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    match error {
        Error::Failed { what, reason, help } => Error::Failed { what, reason: format!("{reason} (`{line}`)"), help },
        other => other,
    }
}

/// Returns what a query gives.
fn rows(session: &Session<'_>, sql: &str) -> Result<Vec<Vec<Value>>> {
    let value = |value: ValueRef<'_>| match value {
        ValueRef::Null => Value::Null,
        ValueRef::Integer(number) => Value::from(number),
        ValueRef::Real(number) => json::parse(number.to_string().as_bytes()).unwrap_or(Value::Null),
        ValueRef::Text(text) | ValueRef::Blob(text) => Value::from(String::from_utf8_lossy(text).as_ref()),
    };
    let row = |row: &rusqlite::Row<'_>| {
        (0..row.as_ref().column_count()).map(|at| row.get_ref(at).map(value)).collect::<rusqlite::Result<Vec<_>>>()
    };
    session.rows(sql, [], row).map_err(|error| in_line(error, sql))
}
