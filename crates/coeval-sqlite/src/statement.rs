//! Statements, in transactions: all of a group take effect, or none does.
//!
//! A group begins by taking the database's only write lock, so that nothing in it can fail for what another program does at the
//! same time. While another program has the lock, taking it is tried again, each time told to the observer, until the patience of the
//! database is at its end.

use std::time::Duration;

use coeval_store::event::{Event, Observer};
use coeval_store::{Error, Result};
use rusqlite::{Connection, OptionalExtension, Params, Row, ffi};
use tokio::time::Instant;

use crate::database::{Database, Inner, Line};
use crate::error::{During, is_busy};
use crate::foreign_keys::{affected, compare, violations};

/// How long the first attempt waits; each one after it waits twice as long.
const FIRST: Duration = Duration::from_millis(250);

/// What is to become of a database that is not there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Absent {
    /// It is made.
    Create,
    /// It is an error.
    Refuse,
}

/// What foreign keys do during a group of statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ForeignKeys {
    /// They are enforced, statement by statement.
    Enforced,
    /// They are not enforced, and nothing cascades, since tables are replaced. Before the end it is proved that the keys of these
    /// tables, and the keys that lead to them, lead nowhere only where they did so before.
    Checked(Vec<String>),
}

/// How a group of statements is run.
#[derive(Debug)]
pub struct How<'h> {
    /// What it does, for people: `adding columns to item`.
    pub doing: String,
    /// What becomes of a database that is not there.
    pub absent: Absent,
    /// What foreign keys do.
    pub foreign_keys: ForeignKeys,
    /// Who is told that it waits.
    pub observer: &'h dyn Observer,
}

/// A connection, for as long as a group of statements runs. Its errors say what was being done.
#[derive(Debug)]
pub struct Session<'s> {
    connection: &'s Connection,
    during: &'s During,
}

impl<'s> Session<'s> {
    pub(crate) fn new(connection: &'s Connection, during: &'s During) -> Self {
        Self { connection, during }
    }

    pub(crate) fn during(&self) -> &During {
        self.during
    }

    /// Returns the connection.
    pub fn connection(&self) -> &Connection {
        self.connection
    }

    /// Makes an error of what SQLite says.
    pub fn error(&self, error: &rusqlite::Error) -> Error {
        self.during.error(error)
    }

    /// Makes an error that asking again does not help.
    pub fn failed(&self, reason: impl Into<String>, help: Option<&str>) -> Error {
        self.during.failed(reason, help)
    }

    /// Runs one statement; how many rows it changed.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn run(&self, sql: &str, values: impl Params) -> Result<usize> {
        let ran = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute(values));
        ran.map_err(|error| self.error(&error))
    }

    /// Runs statements that follow one another.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn batch(&self, sql: &str) -> Result<()> {
        self.connection.execute_batch(sql).map_err(|error| self.error(&error))
    }

    /// Reads rows.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn rows<T>(&self, sql: &str, values: impl Params, read: impl FnMut(&Row<'_>) -> rusqlite::Result<T>) -> Result<Vec<T>> {
        let rows = || self.connection.prepare_cached(sql)?.query_map(values, read)?.collect::<rusqlite::Result<_>>();
        rows().map_err(|error| self.error(&error))
    }

    /// Reads the first row; `None` where there is none.
    ///
    /// # Errors
    /// What SQLite says.
    pub fn row<T>(
        &self,
        sql: &str,
        values: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> Result<Option<T>> {
        let row = || self.connection.prepare_cached(sql)?.query_row(values, read).optional();
        row().map_err(|error| self.error(&error))
    }
}

/// What came of trying to run a group.
enum Attempt<A, T> {
    /// Another program was in the way before anything was done.
    Busy(A),
    Done(Result<T>),
}

impl Database {
    /// Runs a group of statements: all of it, or nothing of it.
    ///
    /// # Errors
    /// [`Error::Transient`] where another program does not let go of the database; what `act` returns; nothing was changed then.
    pub async fn transaction<T, A>(&self, how: &How<'_>, act: A) -> Result<T>
    where
        T: Send + 'static,
        A: FnOnce(&Session<'_>) -> Result<T> + Send + 'static,
    {
        let during = During::new(how.doing.clone(), &self.inner().place);
        let patience = self.inner().settings.patience;
        let (mut act, mut slice, mut attempt) = (act, FIRST.min(patience), 1);
        let mut begin = None;
        loop {
            let (doing, absent, keys) = (during.clone(), how.absent, how.foreign_keys.clone());
            let (begun, tried) = self
                .blocking(Line::Writers, move |inner| {
                    // The patience is for other programs; this one's own writers wait in line for as long as it takes.
                    let begun = Instant::now();
                    (begun, inner.attempt(&doing, absent, &keys, slice, act))
                })
                .await?;
            let begin = *begin.get_or_insert(begun);
            match tried {
                Attempt::Done(result) => return result,
                Attempt::Busy(back) => act = back,
            }
            let left = patience.saturating_sub(begin.elapsed());
            if left.is_zero() {
                let waited = format!("another program has held its write lock for {:.1} s", begin.elapsed().as_secs_f64());
                return Err(during.busy(format!("{waited}; let that one end, or wait longer with the option `busy_timeout`")));
            }
            slice = (slice * 2).min(left);
            let wait = Duration::from_millis(rand::random_range(5..25)).min(left);
            let reason = "another program is writing to it".to_owned();
            how.observer.event(Event::Retry { what: during.to_string(), reason, attempt, wait });
            attempt += 1;
            tokio::time::sleep(wait).await;
        }
    }
}

impl Inner {
    fn attempt<T, A>(&self, during: &During, absent: Absent, keys: &ForeignKeys, slice: Duration, act: A) -> Attempt<A, T>
    where
        A: FnOnce(&Session<'_>) -> Result<T>,
    {
        let opening = During::new("opening", &self.place);
        // The closure may not run at all, and must give back what it did not use.
        let mut act = Some(act);
        let run = |connection: &Connection| match self.begin(connection, keys, slice) {
            Err(error) if is_busy(&error) => None,
            Err(error) => Some(Err(during.error(&error))),
            Ok(()) => {
                let session = Session::new(connection, during);
                act.take().map(|act| run(&session, keys, act).and_then(|out| self.commit(&session).map(|()| out)))
            }
        };
        let ran = match absent {
            Absent::Create => self.create(&opening, run),
            Absent::Refuse => self.existing(&opening, run).and_then(|ran| {
                let missing = || opening.failed("there is no such file", Some("`coeval migrate` makes it."));
                ran.ok_or_else(missing)
            }),
        };
        let refused = match ran {
            Ok(Some(result)) => return Attempt::Done(result),
            Ok(None) => during.busy("another program is writing to it"),
            Err(error) => error,
        };
        match act {
            Some(act) if refused.is_transient() => Attempt::Busy(act),
            _ => Attempt::Done(Err(refused)),
        }
    }

    fn begin(&self, connection: &Connection, keys: &ForeignKeys, slice: Duration) -> rusqlite::Result<()> {
        connection.busy_timeout(slice)?;
        // SQLite would begin all the same, and only a statement that writes would fail.
        if connection.is_readonly("main")? {
            return Err(rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_READONLY), None));
        }
        match self.switch_to_wal(connection) {
            // SQLite does not wait for this. It changes nothing that a client sees, and the next group tries again.
            Err(error) if is_busy(&error) => {}
            switched => switched?,
        }
        if let ForeignKeys::Checked(_) = keys {
            // Within a transaction it would have no effect.
            connection.pragma_update(None, "foreign_keys", false)?;
        }
        connection.execute_batch("BEGIN IMMEDIATE")?;
        // Where there is no write-ahead log, readers can be in the way of what follows.
        connection.busy_timeout(self.settings.patience)
    }

    /// Ends the transaction. Readers can only be in the way where there is no write-ahead log, and are waited for.
    fn commit(&self, session: &Session<'_>) -> Result<()> {
        match session.connection().execute_batch("COMMIT") {
            Ok(()) => Ok(()),
            Err(error) if is_busy(&error) => {
                let waited = format!("another program has been reading it for {:.1} s", self.settings.patience.as_secs_f64());
                let help = "let that one end, or wait longer with the option `busy_timeout`";
                Err(session.during().busy(format!("{waited}; {help}")))
            }
            Err(error) => Err(session.error(&error)),
        }
    }
}

fn run<T>(session: &Session<'_>, keys: &ForeignKeys, act: impl FnOnce(&Session<'_>) -> Result<T>) -> Result<T> {
    match keys {
        ForeignKeys::Enforced => act(session),
        ForeignKeys::Checked(tables) => {
            let before = violations(session, &affected(session, tables)?)?;
            let out = act(session)?;
            compare(session, &before, &violations(session, &affected(session, tables)?)?)?;
            Ok(out)
        }
    }
}
