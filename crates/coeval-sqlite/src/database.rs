//! A database: where it lies, and the connections to it.
//!
//! SQLite blocks, so everything runs on threads where waiting is no harm. Of this process's writers one at a time goes to the
//! database, in the order in which they came; SQLite lets those of other processes wait by trying again. A database in memory has
//! one connection, and its readers wait in the same line.

use std::fmt;
use std::fs::Metadata;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use coeval_store::{Error, Result};
use rusqlite::{Connection, OpenFlags};
use tokio::sync::Semaphore;

use crate::error::{During, folder};
use crate::open::Settings;
use crate::statement::Session;

/// How many connections read at once; the others wait without holding a thread.
const AT_ONCE: usize = 8;

/// Where a database lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// In memory.
    Memory,
    /// In a file, by its absolute path.
    File(PathBuf),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory => f.write_str(":memory:"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// A database. A clone is another handle on it.
#[derive(Debug, Clone)]
pub struct Database(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) place: Place,
    pub(crate) settings: Settings,
    idle: Mutex<Vec<Open>>,
    readers: Arc<Semaphore>,
    writers: Arc<Semaphore>,
}

/// A connection, and which file it goes to.
#[derive(Debug)]
struct Open {
    connection: Connection,
    file: Option<Identity>,
}

/// Tells a file from another one of the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Identity(u64, u64);

impl Identity {
    #[cfg(unix)]
    fn of(found: &Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(found.dev(), found.ino())
    }

    /// Elsewhere a file that is open cannot be replaced.
    #[cfg(not(unix))]
    fn of(_: &Metadata) -> Self {
        Self(0, 0)
    }
}

/// Who is waiting for the database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Readers,
    Writers,
}

impl Database {
    pub(crate) fn new(place: Place, settings: Settings) -> Self {
        let writers = Arc::new(Semaphore::new(1));
        let readers = match place {
            Place::Memory => Arc::clone(&writers),
            Place::File(_) => Arc::new(Semaphore::new(AT_ONCE)),
        };
        Self(Arc::new(Inner { place, settings, idle: Mutex::default(), readers, writers }))
    }

    /// Returns how people call it.
    pub fn name(&self) -> String {
        format!("sqlite:{}", self.0.place)
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Does something on a thread where waiting is no harm. It is done also if nobody waits for it any more.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        line: Line,
        act: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> Result<T> {
        let line = match line {
            Line::Readers => &self.0.readers,
            Line::Writers => &self.0.writers,
        };
        let turn = Arc::clone(line).acquire_owned().await;
        let inner = Arc::clone(&self.0);
        let task = tokio::task::spawn_blocking(move || {
            let done = act(&inner);
            drop(turn);
            done
        });
        task.await.map_err(|error| Error::failed(format!("using {}", self.name()), error.to_string()))
    }

    /// Reads: all that `act` sees is of one moment. `None` where there is no database, which is not made.
    ///
    /// # Errors
    /// What keeps it from being read, and what `act` returns.
    pub async fn read<T: Send + 'static>(
        &self,
        doing: impl Into<String>,
        act: impl FnOnce(&Session<'_>) -> Result<T> + Send + 'static,
    ) -> Result<Option<T>> {
        let during = During::new(doing, &self.0.place);
        self.blocking(Line::Readers, move |inner| {
            let opening = During::new("opening", &inner.place);
            let done = inner.existing(&opening, |connection| {
                let said = |error: rusqlite::Error| during.error(&error);
                connection.busy_timeout(inner.settings.patience).map_err(said)?;
                connection.execute_batch("BEGIN").map_err(said)?;
                let out = act(&Session::new(connection, &during));
                connection.execute_batch("ROLLBACK").map_err(said)?;
                out
            });
            done?.transpose()
        })
        .await?
    }
}

impl Inner {
    /// Uses a connection; `None` where there is no database.
    pub(crate) fn existing<T>(&self, during: &During, act: impl FnOnce(&Connection) -> T) -> Result<Option<T>> {
        let open = match &self.place {
            Place::Memory => self.memory(during)?,
            Place::File(path) => match look(path, during)? {
                None => return Ok(None),
                found => self.file(path, found, during)?,
            },
        };
        Ok(Some(self.with(open, act)))
    }

    /// Uses a connection, to a new database where there is none.
    pub(crate) fn create<T>(&self, during: &During, act: impl FnOnce(&Connection) -> T) -> Result<T> {
        let open = match &self.place {
            Place::Memory => self.memory(during)?,
            Place::File(path) => self.file(path, look(path, during)?, during)?,
        };
        Ok(self.with(open, act))
    }

    /// Uses a connection and puts it back, also where `act` panics: what lies in memory would be gone with its only connection.
    fn with<T>(&self, open: Open, act: impl FnOnce(&Connection) -> T) -> T {
        let out = catch_unwind(AssertUnwindSafe(|| act(&open.connection)));
        if is_sound(&open.connection) || self.place == Place::Memory {
            self.idle().push(open);
        }
        out.unwrap_or_else(|panic| resume_unwind(panic))
    }

    /// Switches a database to the journal in which readers do not wait. It stays as it is where the file system cannot do it.
    ///
    /// # Errors
    /// What SQLite says; busy while others are at it.
    pub(crate) fn switch_to_wal(&self, connection: &Connection) -> rusqlite::Result<()> {
        if self.place == Place::Memory || !self.settings.wal {
            return Ok(());
        }
        let mode: String = connection.pragma_query_value(None, "journal_mode", |row| row.get(0))?;
        if mode.eq_ignore_ascii_case("wal") {
            return Ok(());
        }
        connection.pragma_update_and_check(None, "journal_mode", "wal", |_| Ok(()))
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Open>> {
        // Nothing can panic between two changes of the list.
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn memory(&self, during: &During) -> Result<Open> {
        let idle = self.idle().pop();
        if let Some(open) = idle {
            return Ok(open);
        }
        let connection = Connection::open_in_memory().and_then(prepare).map_err(|error| during.error(&error))?;
        Ok(Open { connection, file: None })
    }

    fn file(&self, path: &Path, found: Option<Identity>, during: &During) -> Result<Open> {
        let idle = {
            let mut idle = self.idle();
            // A connection to a file that was removed or replaced would write where nobody reads.
            idle.retain(|open| found.is_some() && open.file == found);
            idle.pop()
        };
        if let Some(open) = idle {
            return Ok(open);
        }
        let create = if found.is_none() { OpenFlags::SQLITE_OPEN_CREATE } else { OpenFlags::empty() };
        // The flag for addresses is left out: a path is taken as it is. One that may only be read is opened for that by SQLite.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | create;
        let connection = Connection::open_with_flags(path, flags).and_then(prepare).map_err(|error| during.error(&error))?;
        let file = match found {
            None => look(path, during)?,
            found => found,
        };
        Ok(Open { connection, file })
    }
}

/// Sets what every connection needs.
fn prepare(connection: Connection) -> rusqlite::Result<Connection> {
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

/// Looks whether there is a file.
fn look(path: &Path, during: &During) -> Result<Option<Identity>> {
    match std::fs::metadata(path) {
        Ok(found) if found.is_dir() => {
            Err(during.failed("it is a folder", Some("Give the path of a file in it: `sqlite:FOLDER/NAME.db`.")))
        }
        Ok(found) if !found.is_file() => Err(during.failed("it is no file", None)),
        Ok(found) => Ok(Some(Identity::of(&found))),
        Err(error) if error.kind() == ErrorKind::NotFound => folder(path, during).map(|()| None),
        Err(error) => Err(during.disk(&error)),
    }
}

/// Brings a connection back to what a new one is, whatever was done with it; whether it is.
fn is_sound(connection: &Connection) -> bool {
    let settle = || -> rusqlite::Result<()> {
        if !connection.is_autocommit() {
            connection.execute_batch("ROLLBACK")?;
        }
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "legacy_alter_table", false)
    };
    settle().is_ok() && connection.is_autocommit()
}
