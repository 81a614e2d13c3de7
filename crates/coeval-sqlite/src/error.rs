//! What SQLite says, told by what a person can do.

use std::fmt;
use std::io::ErrorKind;
use std::path::Path;

use coeval_store::Error;
use rusqlite::ErrorCode;

use crate::database::Place;

/// What was being done, and to which database.
#[derive(Debug, Clone)]
pub(crate) struct During {
    doing: String,
    place: Place,
}

impl During {
    pub(crate) fn new(doing: impl Into<String>, place: &Place) -> Self {
        Self { doing: doing.into(), place: place.clone() }
    }

    /// Makes an error of what SQLite says.
    pub(crate) fn error(&self, error: &rusqlite::Error) -> Error {
        if is_busy(error) {
            return self.busy("another program is writing to it");
        }
        if let rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::FromSqlConversionFailure(..) = error {
            return Error::Unreadable { what: self.place.to_string(), reason: error.to_string(), newer: false };
        }
        let (reason, help) = said(error);
        self.failed(reason, help)
    }

    /// Makes an error that says what a person can do.
    pub(crate) fn failed(&self, reason: impl Into<String>, help: Option<&str>) -> Error {
        Error::Failed { what: self.to_string(), reason: reason.into(), help: help.map(str::to_owned) }
    }

    /// Makes an error of a database that another program would not let go of.
    pub(crate) fn busy(&self, reason: impl Into<String>) -> Error {
        Error::Transient { what: self.to_string(), reason: reason.into(), after: None, ambiguous: false }
    }

    /// Makes an error of state that cannot be understood.
    pub(crate) fn unreadable(&self, what: &str, reason: impl Into<String>, newer: bool) -> Error {
        Error::Unreadable { what: format!("{what} in {}", self.place), reason: reason.into(), newer }
    }

    /// Makes an error of what the disk says about the file.
    pub(crate) fn disk(&self, error: &std::io::Error) -> Error {
        match error.kind() {
            ErrorKind::PermissionDenied => self.failed("permission denied", Some(PERMISSION)),
            ErrorKind::NotADirectory => self.failed("a file lies where a folder should be", None),
            ErrorKind::InvalidFilename => self.failed("the name is too long or otherwise impossible on this file system", None),
            _ => self.failed(error.to_string(), None),
        }
    }
}

const PERMISSION: &str =
    "The database and its folder must be writable: SQLite makes files beside it, also to read what others write.";
const NO_DATABASE: &str = "Give the path of an SQLite database, or one where no file is yet.";
const DAMAGED: &str = "Bring it back from a backup, or save what can be read with `sqlite3 FILE .recover`.";
const LOCKS: &str = "Put it on a local disk; where that cannot be, set the option `journal` to `keep`.";

impl fmt::Display for During {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let between = if self.doing == "opening" { "" } else { " in" };
        write!(f, "{}{between} {}", self.doing, self.place)
    }
}

/// Returns what is wrong, and what a person can do about it.
pub(crate) fn said(error: &rusqlite::Error) -> (String, Option<&'static str>) {
    let text = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.clone(),
        rusqlite::Error::SqlInputError { msg, .. } => msg.clone(),
        other => other.to_string(),
    };
    let Some(code) = error.sqlite_error_code() else { return (text, None) };
    match code {
        ErrorCode::NotADatabase => ("it is no SQLite database".to_owned(), Some(NO_DATABASE)),
        ErrorCode::DatabaseCorrupt => (format!("the database is damaged: {text}"), Some(DAMAGED)),
        ErrorCode::ReadOnly => ("it is read-only".to_owned(), Some(PERMISSION)),
        ErrorCode::PermissionDenied => ("permission denied".to_owned(), Some(PERMISSION)),
        ErrorCode::DiskFull => ("the disk is full".to_owned(), Some("Make room and run it again: the database is as it was.")),
        ErrorCode::CannotOpen => ("its file, or one that SQLite keeps beside it, cannot be opened".to_owned(), Some(PERMISSION)),
        ErrorCode::FileLockingProtocolFailed => ("its file system has no sound locks".to_owned(), Some(LOCKS)),
        ErrorCode::SystemIoFailure => (format!("the disk failed: {text}"), Some(LOCKS)),
        _ => (text, None),
    }
}

/// Returns whether another connection is in the way, for now.
pub(crate) fn is_busy(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}

/// Returns what is wrong with the folder of a file that is not there.
pub(crate) fn folder(path: &Path, during: &During) -> Result<(), Error> {
    let Some(folder) = path.parent() else { return Err(during.failed("it is a folder", None)) };
    match std::fs::metadata(folder) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => Err(during.failed("a file lies where a folder should be", None)),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let help = format!("Make it: `mkdir -p {}`.", folder.display());
            Err(during.failed(format!("there is no folder {}", folder.display()), Some(&help)))
        }
        Err(error) => Err(during.disk(&error)),
    }
}
