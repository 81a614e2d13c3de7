//! What can be said about a database beside its address, and which variables of the environment say the same.

use std::collections::BTreeMap;
use std::time::Duration;

use coeval_core::invalid::nearest;
use coeval_store::{Error, Result};

/// The options, each with the variable of the environment that stands for it.
const KNOWN: [(&str, Option<&str>); 7] = [
    ("password", Some("PGPASSWORD")),
    ("sslmode", Some("PGSSLMODE")),
    ("sslrootcert", Some("PGSSLROOTCERT")),
    ("connect_timeout", Some("PGCONNECT_TIMEOUT")),
    ("connections", None),
    ("lock_timeout", None),
    ("lock_patience", None),
];

/// What the query of an address may hold beside options; PostgreSQL's own programs know these too.
const PASSED: [&str; 16] = [
    "user",
    "dbname",
    "host",
    "hostaddr",
    "port",
    "options",
    "application_name",
    "target_session_attrs",
    "channel_binding",
    "load_balance_hosts",
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_retries",
    "tcp_user_timeout",
    "password",
];

/// Returns which variables of the environment stand for which options: `("PGPASSWORD", "password")`. What is said in
/// `coeval.yaml` goes before, and what the address says goes before both.
pub fn environment(url: &str) -> Vec<(&'static str, &'static str)> {
    if !crate::address::is_postgres(url) {
        return Vec::new();
    }
    KNOWN.iter().filter_map(|(option, variable)| Some(((*variable)?, *option))).collect()
}

/// Where the pairs of an address's query belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Belongs {
    /// To the options.
    Options,
    /// To the library that connects.
    Connection,
    /// To nobody.
    Nobody,
}

/// Returns where a name in an address's query belongs.
pub(crate) fn belongs(name: &str) -> Belongs {
    match name {
        "sslmode" | "sslrootcert" | "connect_timeout" => Belongs::Options,
        name if PASSED.contains(&name) => Belongs::Connection,
        _ => Belongs::Nobody,
    }
}

/// Returns the name in an address's query that is nearest to one that is not known.
pub(crate) fn near(name: &str) -> Option<&'static str> {
    nearest(name, PASSED.into_iter().chain(["sslmode", "sslrootcert", "connect_timeout"]))
}

/// The options of one database. It does not print their values, which may be secrets.
pub(crate) struct Options {
    what: String,
    values: BTreeMap<String, String>,
}

impl Options {
    /// Checks the names of options, and lets what the address says (`url`) go before them.
    ///
    /// # Errors
    /// [`Error::Failed`] for a name that is not known, with the nearest that is.
    pub(crate) fn new(what: &str, options: &BTreeMap<String, String>, url: BTreeMap<String, String>) -> Result<Self> {
        let names = || KNOWN.iter().map(|(name, _)| *name);
        if let Some(unknown) = options.keys().find(|name| !names().any(|known| known == name.as_str())) {
            let help = match nearest(unknown, names()) {
                Some(near) => format!("Did you mean `{near}`?"),
                None => format!("The options of `postgres:` are {}.", names().collect::<Vec<_>>().join(", ")),
            };
            let reason = format!("there is no option `{unknown}`");
            return Err(Error::Failed { what: what.to_owned(), reason, help: Some(help) });
        }
        let mut values = options.clone();
        values.extend(url);
        Ok(Self { what: what.to_owned(), values })
    }

    /// Returns an option; an empty one counts as not given, as variables of the environment do.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a time that is given in seconds.
    ///
    /// # Errors
    /// [`Error::Failed`] if it is no positive number.
    pub(crate) fn seconds(&self, name: &str, default: f64) -> Result<Duration> {
        let seconds = self.get(name).map_or(Some(default), |text| text.parse().ok());
        match seconds.filter(|seconds| (0.001..=86_400.0).contains(seconds)) {
            Some(seconds) => Ok(Duration::from_secs_f64(seconds)),
            None => Err(self.wrong(format!("the option `{name}` is no number of seconds between 0.001 and 86400"), None)),
        }
    }

    /// Returns a count.
    ///
    /// # Errors
    /// [`Error::Failed`] if it is none between 1 and 1000.
    pub(crate) fn count(&self, name: &str, default: usize) -> Result<usize> {
        let count = self.get(name).map_or(Some(default), |text| text.parse().ok());
        let count = count.filter(|count| (1..=1000).contains(count));
        count.ok_or_else(|| self.wrong(format!("the option `{name}` is no number between 1 and 1000"), None))
    }

    /// Makes an error about the options.
    pub(crate) fn wrong(&self, reason: impl Into<String>, help: Option<&str>) -> Error {
        Error::Failed { what: self.what.clone(), reason: reason.into(), help: help.map(str::to_owned) }
    }
}
