//! What is noted beside the records: the ledger, the lock, and how far runs are.
//!
//! It lies in schema `coeval` of the database. Several deployments, each with a manifest of its own, share it: all tables are keyed
//! by the deployment's name. Nothing is created before the first write, and what a newer release created is left alone.

use std::sync::Arc;
use std::time::Duration;

use coeval_core::json::Style;
use coeval_store::ledger::{Entry, Ledger};
use coeval_store::lock::{Holder, Lock};
use coeval_store::{Error, Result};
use tokio_postgres::error::SqlState;
use tokio_postgres::types::Type;

use crate::database::Database;
use crate::error::{During, tell};
use crate::{lock, probe};

/// The layout of the tables that this release makes; those of a larger number are a newer release's.
const LAYOUT: i32 = 1;

/// The tables. Each is made where it is not there; how they are told apart from another release's says `layout`.
///
/// An entry is `json` and not `jsonb`, so that it stays as it was written. The second key of `lock` is what lets a transaction hold
/// on to a fencing token without holding up those who renew it: see [`lock::HOLD`].
const TABLES: &str = "
CREATE TABLE coeval.history (
    deployment text NOT NULL,
    number int8 NOT NULL CHECK (number > 0),
    entry json NOT NULL,
    PRIMARY KEY (deployment, number)
);
CREATE TABLE coeval.lock (
    deployment text PRIMARY KEY,
    fence int8 NOT NULL,
    holder json,
    seen timestamptz NOT NULL,
    UNIQUE (deployment, fence)
);
CREATE TABLE coeval.cursor (
    deployment text NOT NULL,
    run text NOT NULL,
    step text NOT NULL,
    position json,
    counts json NOT NULL,
    done bool NOT NULL DEFAULT false,
    PRIMARY KEY (deployment, run, step)
);
CREATE TABLE coeval.archive (
    deployment text NOT NULL,
    table_name text NOT NULL,
    key jsonb NOT NULL,
    base int4 NOT NULL,
    kept jsonb NOT NULL,
    PRIMARY KEY (deployment, table_name, key, base)
);
COMMENT ON TABLE coeval.archive IS 'What only newer versions knew of records when they were rolled back.';
CREATE TABLE coeval.layout (version int4 NOT NULL);
COMMENT ON SCHEMA coeval IS 'What coeval notes about its models: their history, who runs a migration, and how far it is.';
COMMENT ON TABLE coeval.history IS 'What happened to each deployment: rows that are only ever added.';
COMMENT ON TABLE coeval.lock IS 'Who runs a migration, or ran the last one.';
COMMENT ON TABLE coeval.cursor IS 'How far the steps of runs are that are not over.';
";

/// The state of one deployment.
#[derive(Debug, Clone)]
pub struct State {
    database: Arc<Database>,
    deployment: String,
}

impl State {
    /// Takes a database and the name of a manifest. Nothing is asked yet.
    pub fn new(database: Arc<Database>, deployment: impl Into<String>) -> Self {
        Self { database, deployment: deployment.into() }
    }

    /// Returns the database that it lies in.
    pub fn database(&self) -> &Arc<Database> {
        &self.database
    }

    /// Returns the name of the deployment.
    pub fn deployment(&self) -> &str {
        &self.deployment
    }

    /// Tries whether the server is fit. PostgreSQL lets exactly one of several win that write one key; its version, its encoding and
    /// the role's rights are what may be wrong.
    ///
    /// # Errors
    /// [`Error::Unsupported`] with the reason; [`Error::Failed`] for a right that is missing; [`Error::Unreadable`] where a newer
    /// release keeps its state there.
    pub async fn probe(&self) -> Result<()> {
        probe::probe(&self.database).await?;
        self.layout().await?;
        Ok(())
    }

    /// Reads the entries that come after those that are known.
    ///
    /// # Errors
    /// [`Error::Unreadable`] for anything that is not an entry as this release knows it.
    pub async fn ledger(&self, known: &Ledger) -> Result<Ledger> {
        let mut ledger = known.clone();
        if !self.layout().await? {
            return Ok(ledger);
        }
        let what = self.doing("reading the history");
        let client = self.database.control().await?;
        let sql = "SELECT number, entry::text FROM coeval.history WHERE deployment = $1 AND number >= $2 ORDER BY number";
        let next = i64::try_from(known.next()).unwrap_or(i64::MAX);
        let rows = client.query_typed(sql, &[(&self.deployment, Type::TEXT), (&next, Type::INT8)]).await.during(&what)?;
        for row in rows {
            let (number, text): (i64, String) = (row.try_get(0).during(&what)?, row.try_get(1).during(&what)?);
            let place = format!("entry {number} of {} in coeval.history", self.deployment);
            let entry = Entry::read(text.as_bytes(), &place)?;
            if u64::try_from(number) != Ok(entry.number) {
                let reason = format!("it says that it is entry {}", entry.number);
                return Err(Error::Unreadable { what: place, reason, newer: false });
            }
            ledger.push(entry)?;
        }
        Ok(ledger)
    }

    /// Adds an entry, if no other entry has its number and the one before it is there.
    ///
    /// # Errors
    /// [`Error::Conflict`] where that is not so.
    pub async fn append(&self, entry: &Entry) -> Result<()> {
        self.create().await?;
        let text = Style::Indented(2).write(&entry.to_value());
        let number = i64::try_from(entry.number).unwrap_or(i64::MAX);
        let conflict = || Error::Conflict { what: format!("history entry {number}") };
        let what = self.doing("writing the history");
        let client = self.database.control().await?;
        // Of two that pass the condition at once, the key lets one in.
        let sql = "INSERT INTO coeval.history (deployment, number, entry) SELECT $1, $2, $3::text::json WHERE $2 = 1 + coalesce(
                       (SELECT max(number) FROM coeval.history WHERE deployment = $1), 0)";
        let parameters: [(&(dyn tokio_postgres::types::ToSql + Sync), Type); 3] =
            [(&self.deployment, Type::TEXT), (&number, Type::INT8), (&text, Type::TEXT)];
        match client.execute_typed(sql, &parameters).await {
            Ok(0) => Err(conflict()),
            Ok(_) => Ok(()),
            Err(error) if error.code() == Some(&SqlState::UNIQUE_VIOLATION) => Err(conflict()),
            Err(error) => {
                let told = tell(&what, &error);
                // Whether it was written before the connection was lost can be looked up.
                if matches!(told, Error::Transient { ambiguous: true, .. }) {
                    drop(client);
                    let ledger = self.ledger(&Ledger::default()).await?;
                    return match ledger.entries().iter().find(|known| known.number == entry.number) {
                        Some(known) if known == entry => Ok(()),
                        Some(_) => Err(conflict()),
                        None => Err(told),
                    };
                }
                Err(told)
            }
        }
    }

    /// Takes the lock, if nobody holds it or its holder has not shown up for `stale`, by the server's clock. Returns at once.
    ///
    /// # Errors
    /// [`Error::Locked`].
    pub async fn lock(&self, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>> {
        self.create().await?;
        lock::take(self, holder, stale).await
    }

    /// Returns who holds the lock, dead or alive.
    ///
    /// # Errors
    /// What the server says.
    pub async fn holder(&self) -> Result<Option<Holder>> {
        if self.layout().await? { lock::holder(self).await } else { Ok(None) }
    }

    /// Removes what was noted about a run that is over, beside the ledger.
    ///
    /// # Errors
    /// What the server says.
    pub async fn tidy(&self, run: &str) -> Result<()> {
        if !self.layout().await? {
            return Ok(());
        }
        let client = self.database.control().await?;
        let sql = "DELETE FROM coeval.cursor WHERE deployment = $1 AND run = $2";
        client
            .execute_typed(sql, &[(&self.deployment, Type::TEXT), (&run, Type::TEXT)])
            .await
            .during(&self.doing("tidying up after a run"))?;
        Ok(())
    }

    /// Returns what something that is done here is called in errors.
    pub(crate) fn doing(&self, what: &str) -> String {
        format!("{what} of {} in {}", self.deployment, self.database.name())
    }

    /// Returns whether the tables are there.
    ///
    /// # Errors
    /// [`Error::Unreadable`] where a newer release made them.
    async fn layout(&self) -> Result<bool> {
        let what = self.doing("reading the state");
        let client = self.database.control().await?;
        let row = match client.query_typed_opt("SELECT version FROM coeval.layout", &[]).await {
            Ok(row) => row,
            Err(error) if missing(&error) => return Ok(false),
            Err(error) => return Err(tell(&what, &error)),
        };
        let version = row.map(|row| row.try_get::<_, i32>(0)).transpose().during(&what)?;
        known(version)?;
        Ok(true)
    }

    /// Makes the tables where they are not there. Of several that do so at once, one makes them and the others wait.
    async fn create(&self) -> Result<()> {
        if self.layout().await? {
            return Ok(());
        }
        let what = self.doing("making the tables for the state");
        let mut client = self.database.control().await?;
        let transaction = client.transaction().await.during(&what)?;
        // It ends with the transaction, so that a pooler may sit between.
        let wait = "SELECT pg_advisory_xact_lock(hashtextextended('coeval', 0))";
        transaction.batch_execute(wait).await.during(&what)?;
        let found = "SELECT to_regnamespace('coeval') IS NOT NULL, to_regclass('coeval.layout') IS NOT NULL";
        let found = transaction.query_typed_one(found, &[]).await.during(&what)?;
        if found.try_get(1).during(&what)? {
            transaction.rollback().await.during(&what)?;
            drop(client);
            return self.layout().await.map(|_| ());
        }
        // A schema that somebody made beforehand will do, for a role that may make none.
        if !found.try_get::<_, bool>(0).during(&what)? {
            transaction.batch_execute("CREATE SCHEMA coeval").await.during(&what)?;
        }
        transaction.batch_execute(TABLES).await.during(&what)?;
        let layout = "INSERT INTO coeval.layout VALUES ($1)";
        transaction.execute_typed(layout, &[(&LAYOUT, Type::INT4)]).await.during(&what)?;
        transaction.commit().await.during(&what)
    }
}

/// Returns whether an error says that there is no such table, or schema.
fn missing(error: &tokio_postgres::Error) -> bool {
    error.code().is_some_and(|code| *code == SqlState::UNDEFINED_TABLE || *code == SqlState::INVALID_SCHEMA_NAME)
}

/// Returns without an error if the tables are as this release knows them.
fn known(version: Option<i32>) -> Result<()> {
    let (reason, newer) = match version {
        Some(LAYOUT) => return Ok(()),
        Some(version) => (format!("its layout is {version}, this release knows {LAYOUT}"), version > LAYOUT),
        None => ("coeval.layout is empty".to_owned(), false),
    };
    Err(Error::Unreadable { what: "schema coeval".to_owned(), reason, newer })
}
