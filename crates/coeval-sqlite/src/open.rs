//! Addresses and options.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use coeval_core::invalid::nearest;
use coeval_store::{Error, Result};

use crate::database::{Database, Place};

/// The options, each with what it is.
const OPTIONS: [&str; 2] = ["busy_timeout", "journal"];

/// How a database is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Settings {
    /// How long to wait for another program that is writing.
    pub(crate) patience: Duration,
    /// Whether a database that is written to is brought to the journal in which readers and a writer do not wait for each other.
    pub(crate) wal: bool,
}

/// Opens a database. Nothing is asked of it yet: a file that is not there is made by the first write that may make it, and by no
/// read.
///
/// - `sqlite:PATH` or `sqlite:///PATH`; `%` and spaces stand for themselves. A relative path starts at the current folder.
/// - `sqlite::memory:`: a new one every time, which lives as long as the object and its clones.
///
/// `options` are those of `coeval.yaml`:
/// - `busy_timeout`: for how many seconds to wait for another program that is writing; 10 by default.
/// - `journal`: `wal` by default, which the first write switches the database to and which stays; `keep` leaves it as it is, for
///   file systems without shared memory.
///
/// # Errors
/// [`Error::Failed`] for an address or an option that makes no sense, with what would.
pub fn open(url: &str, options: &BTreeMap<String, String>) -> Result<Database> {
    let wrong = |reason: &str, help: &str| Error::Failed {
        what: format!("opening {url}"),
        reason: reason.to_owned(),
        help: Some(help.to_owned()),
    };
    let form = "Write `sqlite:PATH` for a file, or `sqlite::memory:`.";
    let rest = url.strip_prefix("sqlite:").ok_or_else(|| wrong("it is no address of an SQLite database", form))?;
    let settings = settings(url, options)?;
    if rest == ":memory:" {
        return Ok(Database::new(Place::Memory, settings));
    }
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => {
            let help = "Write `sqlite:PATH` for a path that starts at the current folder, `sqlite:///PATH` for an absolute one.";
            return Err(wrong("it names another machine", help));
        }
        None => rest,
    };
    if path.is_empty() {
        return Err(wrong("the path is missing", form));
    }
    if path.contains('?') {
        return Err(wrong("it holds `?`", "Give options beside the address."));
    }
    if path.contains('\0') {
        return Err(wrong("its path holds a zero byte", form));
    }
    let path = std::path::absolute(PathBuf::from(path)).map_err(|error| wrong(&error.to_string(), form))?;
    Ok(Database::new(Place::File(path), settings))
}

fn settings(url: &str, options: &BTreeMap<String, String>) -> Result<Settings> {
    let wrong = |reason: String, help: Option<String>| Error::Failed { what: format!("opening {url}"), reason, help };
    if let Some(unknown) = options.keys().find(|name| !OPTIONS.contains(&name.as_str())) {
        let help = match nearest(unknown, OPTIONS) {
            Some(near) => format!("Did you mean `{near}`?"),
            None => format!("The options of `sqlite:` are {}.", OPTIONS.join(", ")),
        };
        return Err(wrong(format!("there is no option `{unknown}`"), Some(help)));
    }
    let given = |name: &str| options.get(name).map(String::as_str).filter(|value| !value.is_empty());
    let seconds = given("busy_timeout").map_or(Some(10.0), |text| text.parse::<f64>().ok());
    let Some(seconds) = seconds.filter(|seconds| (0.0..=86_400.0).contains(seconds)) else {
        return Err(wrong("the option `busy_timeout` is no number of seconds between 0 and 86400".to_owned(), None));
    };
    let wal = match given("journal") {
        None | Some("wal") => true,
        Some("keep") => false,
        Some(_) => return Err(wrong("the option `journal` is neither `wal` nor `keep`".to_owned(), None)),
    };
    Ok(Settings { patience: Duration::from_secs_f64(seconds), wal })
}
