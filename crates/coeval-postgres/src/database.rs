//! A database: its name, and connections to it.

use std::fmt;

use coeval_store::Result;
use deadpool_postgres::{Client, Pool};

use crate::error::tell_pool;
use crate::statement::Patience;

/// A database that was opened. Connections are made when they are needed, and made anew where one was lost.
pub struct Database {
    name: String,
    work: Pool,
    control: Pool,
    patience: Patience,
}

impl Database {
    pub(crate) fn new(name: String, work: Pool, control: Pool, patience: Patience) -> Self {
        Self { name, work, control, patience }
    }

    /// Returns how people call it: its address without a password.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns how long statements that change tables wait for locks.
    pub fn patience(&self) -> Patience {
        self.patience
    }

    /// Returns a connection for work on records and tables.
    ///
    /// # Errors
    /// [`coeval_store::Error::Transient`] where no server answers, [`coeval_store::Error::Failed`] where it refuses.
    pub(crate) async fn client(&self) -> Result<Client> {
        self.connect(&self.work).await
    }

    /// Returns a connection for coordination, which never waits for work.
    ///
    /// # Errors
    /// As [`Database::client`].
    pub(crate) async fn control(&self) -> Result<Client> {
        self.connect(&self.control).await
    }

    async fn connect(&self, pool: &Pool) -> Result<Client> {
        pool.get().await.map_err(|error| tell_pool(&format!("connecting to {}", self.name), &error))
    }
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Database").field("name", &self.name).field("patience", &self.patience).finish_non_exhaustive()
    }
}
