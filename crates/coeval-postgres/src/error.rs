//! What a server, or the way to it, says, in the words of stores.

use std::error::Error as _;
use std::io;
use std::time::Duration;

use coeval_store::{Error, Result};
use deadpool_postgres::{PoolError, TimeoutType};
use tokio_postgres::error::{DbError, SqlState};

/// Says what went wrong while `what` was done.
pub(crate) fn tell(what: &str, error: &tokio_postgres::Error) -> Error {
    if let Some(error) = error.as_db_error() {
        return said(what, error);
    }
    let reason = chain(error);
    if let Some(cause) = tls_cause(error) {
        let help = match cause {
            rustls::Error::InvalidCertificate(_) => {
                "`sslrootcert` names the certificates to trust; `sslmode=require` encrypts without asking who answers."
            }
            _ => "`sslmode` says how the connection is encrypted.",
        };
        return Error::Failed { what: what.to_owned(), reason, help: Some(help.to_owned()) };
    }
    let io = error.source().and_then(|source| source.downcast_ref::<io::Error>());
    let text = error.to_string();
    if text.starts_with("error performing TLS handshake") && io.is_none() {
        let help = "`sslmode=disable` or `prefer` connects without encryption.".to_owned();
        return Error::Failed { what: what.to_owned(), reason, help: Some(help) };
    }
    if text.starts_with("error connecting to server") || text.starts_with("timeout") {
        let reason = format!("no server answers: {}", io.map_or(text, ToString::to_string));
        return Error::Transient { what: what.to_owned(), reason, after: None, ambiguous: false };
    }
    if error.is_closed() || io.is_some() {
        let reason = format!("the connection was lost: {reason}");
        return Error::Transient { what: what.to_owned(), reason, after: None, ambiguous: true };
    }
    let help = text.starts_with("invalid configuration").then(|| "Is a password needed? Give it in PGPASSWORD.".to_owned());
    Error::Failed { what: what.to_owned(), reason, help }
}

/// Says why no connection was to be had.
pub(crate) fn tell_pool(what: &str, error: &PoolError) -> Error {
    let transient =
        |reason: &str| Error::Transient { what: what.to_owned(), reason: reason.to_owned(), after: None, ambiguous: false };
    match error {
        PoolError::Backend(error) => tell(what, error),
        PoolError::Timeout(TimeoutType::Wait) => transient("all connections are in use; `connections` says how many there are"),
        PoolError::Timeout(TimeoutType::Create | TimeoutType::Recycle) => transient("no server answers in time"),
        PoolError::Closed | PoolError::NoRuntimeSpecified | PoolError::PostCreateHook(_) => {
            Error::failed(what, error.to_string())
        }
    }
}

/// What the server said.
fn said(what: &str, error: &DbError) -> Error {
    let what = what.to_owned();
    let reason = words(error);
    let transient = |after: Option<Duration>, ambiguous: bool| Error::Transient {
        what: what.clone(),
        reason: reason.clone(),
        after,
        ambiguous,
    };
    let failed = |help: Option<&str>| {
        let help = error.hint().or(help).map(str::to_owned);
        Error::Failed { what: what.clone(), reason: reason.clone(), help }
    };
    match error.code() {
        &SqlState::T_R_SERIALIZATION_FAILURE | &SqlState::T_R_DEADLOCK_DETECTED | &SqlState::LOCK_NOT_AVAILABLE => {
            transient(None, false)
        }
        // It said so before it began anything.
        &SqlState::CANNOT_CONNECT_NOW | &SqlState::TOO_MANY_CONNECTIONS => transient(Some(Duration::from_secs(1)), false),
        &SqlState::ADMIN_SHUTDOWN | &SqlState::CRASH_SHUTDOWN | &SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            transient(None, true)
        }
        &SqlState::INVALID_PASSWORD | &SqlState::INVALID_AUTHORIZATION_SPECIFICATION => {
            failed(Some("The user and its password are in the address, or the password is in PGPASSWORD."))
        }
        &SqlState::INVALID_CATALOG_NAME => failed(Some("Databases are made with `createdb NAME`.")),
        &SqlState::INSUFFICIENT_PRIVILEGE => failed(Some("The role needs the right; its owner or a superuser can grant it.")),
        &SqlState::READ_ONLY_SQL_TRANSACTION => failed(Some(
            "It may be a standby: `target_session_attrs=read-write` in the address finds the server that takes writes.",
        )),
        code if code.code().starts_with("08") => transient(None, true),
        _ => failed(None),
    }
}

/// What the server said, as one text: its message, its code, its detail.
pub(crate) fn words(error: &DbError) -> String {
    let mut out = format!("{} ({})", error.message(), error.code().code());
    for more in [error.detail(), error.where_()].into_iter().flatten() {
        out.push_str("\n  ");
        out.push_str(&more.replace('\n', "\n  "));
    }
    out
}

/// All that an error says, from the outside in.
fn chain(error: &dyn std::error::Error) -> String {
    let mut out = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let text = error.to_string();
        // Some repeat what is beneath them.
        if !out.contains(&text) {
            out.push_str(": ");
            out.push_str(&text);
        }
        source = error.source();
    }
    out
}

/// What TLS found wrong.
fn tls_cause(error: &tokio_postgres::Error) -> Option<&rustls::Error> {
    error.source()?.downcast_ref::<io::Error>()?.get_ref()?.downcast_ref()
}

/// Says what is done while errors come up.
pub(crate) trait During<T> {
    /// Puts an error in the words of stores.
    fn during(self, what: &str) -> Result<T>;
}

impl<T> During<T> for Result<T, tokio_postgres::Error> {
    fn during(self, what: &str) -> Result<T> {
        self.map_err(|error| tell(what, &error))
    }
}
