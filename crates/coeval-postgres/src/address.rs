//! The address of a database: what can be shown of it, and the parts of its query.

use std::collections::BTreeMap;

use coeval_store::{Error, Result};
use tokio_postgres::Config;
use tokio_postgres::config::Host;

use crate::options::{Belongs, belongs, near};

/// What addresses look like.
pub(crate) const FORM: &str = "Write `postgres://USER@HOST:PORT/DATABASE`.";

/// Returns whether an address is one of PostgreSQL.
pub(crate) fn is_postgres(url: &str) -> bool {
    url.starts_with("postgres://") || url.starts_with("postgresql://")
}

/// Returns an address without what stands before an `@` in it, and without its query: either may hold a password.
pub(crate) fn without_secrets(url: &str) -> String {
    let url = url.split('?').next().unwrap_or_default();
    match (url.split_once("//"), url.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, rest))) => format!("{scheme}//…@{rest}"),
        (None, Some((_, rest))) => format!("…@{rest}"),
        (_, None) => url.to_owned(),
    }
}

/// An address, parted.
pub(crate) struct Address {
    /// How to connect, without what the options say.
    pub(crate) config: Config,
    /// What its query says that the options say otherwise.
    pub(crate) options: BTreeMap<String, String>,
}

/// Reads an address.
///
/// # Errors
/// [`Error::Failed`] for one that makes no sense, with what would.
pub(crate) fn parse(url: &str) -> Result<Address> {
    let wrong = |reason: String, help: String| Err(Error::Failed { what: opening(url), reason, help: Some(help) });
    if !is_postgres(url) {
        return wrong("it is no address of a PostgreSQL database".to_owned(), FORM.to_owned());
    }
    let (base, query) = url.split_once('?').unwrap_or((url, ""));
    if base.matches('@').count() > 1 {
        return wrong("it holds more than one `@`".to_owned(), "Write `%40` for one in a name or a password.".to_owned());
    }
    let mut options = BTreeMap::new();
    let mut passed = Vec::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return wrong(
                "its query holds something without `=`".to_owned(),
                format!("{FORM} A query is `?name=value&name=value`."),
            );
        };
        match belongs(name) {
            Belongs::Options => {
                options.insert(name.to_owned(), decode(value));
            }
            Belongs::Connection => passed.push(pair),
            Belongs::Nobody => {
                let help = near(name).map_or_else(|| FORM.to_owned(), |near| format!("Did you mean `{near}`?"));
                return wrong(format!("its query holds `{name}`, which means nothing here"), help);
            }
        }
    }
    let rest = if passed.is_empty() { base.to_owned() } else { format!("{base}?{}", passed.join("&")) };
    match rest.parse::<Config>() {
        Ok(config) if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() => {
            wrong("the host is missing".to_owned(), format!("{FORM} `?host=/var/run/postgresql` stands for a socket."))
        }
        Ok(config) => Ok(Address { config, options }),
        // What it says names the part that is wrong, not its text.
        Err(error) => {
            let reason = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
            wrong(reason, FORM.to_owned())
        }
    }
}

/// Returns what opening an address is called in errors.
pub(crate) fn opening(url: &str) -> String {
    format!("opening {}", without_secrets(url))
}

/// Returns how people call a database: its address without a password.
pub(crate) fn name(config: &Config) -> String {
    let ports = config.get_ports();
    let port = |n: usize| ports.get(n).or_else(|| ports.first()).copied().unwrap_or(5432);
    let host = |(n, host): (usize, &Host)| match host {
        Host::Tcp(host) if host.contains(':') => format!("[{host}]:{}", port(n)),
        Host::Tcp(host) => format!("{host}:{}", port(n)),
        Host::Unix(path) => format!("{}:{}", path.display(), port(n)),
    };
    let mut hosts: Vec<String> = config.get_hosts().iter().enumerate().map(host).collect();
    if hosts.is_empty() {
        hosts = config.get_hostaddrs().iter().enumerate().map(|(n, address)| format!("{address}:{}", port(n))).collect();
    }
    let user = config.get_user().map(|user| format!("{user}@")).unwrap_or_default();
    let database = config.get_dbname().or_else(|| config.get_user()).unwrap_or_default();
    format!("postgres://{user}{}/{database}", hosts.join(","))
}

/// Reads `%41` as `A`; what is no such thing stands for itself.
fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = bytes.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()).filter(|_| bytes[at] == b'%');
        out.push(byte.unwrap_or(bytes[at]));
        at += if byte.is_some() { 3 } else { 1 };
    }
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_shows_no_secret() {
        for (url, shown) in [
            ("postgres://me:secret@host:5433/shop", "postgres://me@host:5433/shop"),
            ("postgresql://me:secret@host/shop?sslmode=require&application_name=x", "postgres://me@host:5432/shop"),
            ("postgres://a,b:5433/shop?user=me&password=secret", "postgres://me@a:5432,b:5433/shop"),
            ("postgres://me@[::1]:5433", "postgres://me@[::1]:5433/me"),
            ("postgres:///shop?host=/run/postgresql&user=me", "postgres://me@/run/postgresql:5432/shop"),
        ] {
            assert_eq!(name(&parse(url).unwrap().config), shown, "{url}");
            assert!(!without_secrets(url).contains("secret"), "{}", without_secrets(url));
        }
    }

    #[test]
    fn what_makes_no_sense_is_named_and_no_secret_shown() {
        for (url, reason, help) in [
            ("mysql://me:secret@host/shop", "no address of a PostgreSQL database", "postgres://USER@HOST"),
            ("postgres://me:se@cret@host/shop", "more than one `@`", "%40"),
            ("postgres://me:secret@host:x/shop", "port", "postgres://USER@HOST"),
            ("postgres://me:secret@host/shop?sslmod=require", "`sslmod`", "`sslmode`"),
            ("postgres://me:secret@host/shop?secret", "without `=`", "name=value"),
            ("postgres:///shop", "host is missing", "socket"),
        ] {
            let error = parse(url).err().unwrap();
            let Error::Failed { what, reason: said, help: Some(helped) } = &error else { panic!("{url}: {error:?}") };
            assert!(said.contains(reason) && helped.contains(help), "{url}: {error:?}");
            assert!(!what.contains("secret") && !said.contains("secret") && !what.contains("cret@"), "{error:?}");
        }
    }

    #[test]
    fn options_in_the_query_are_decoded() {
        let address = parse("postgres://host/shop?sslmode=verify-full&sslrootcert=%2Fetc%2Fa%20b.pem&keepalives=0").unwrap();
        assert_eq!(address.options["sslrootcert"], "/etc/a b.pem");
        assert_eq!(address.options["sslmode"], "verify-full");
        assert!(!address.config.get_keepalives());
        assert_eq!(decode("%zz%4"), "%zz%4");
    }
}
