//! Opening a database by its address.

use std::collections::BTreeMap;
use std::time::Duration;

use coeval_store::Result;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod, Runtime};
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::{Config, NoTls};

use crate::address::{name, opening, parse};
use crate::database::Database;
use crate::options::Options;
use crate::statement::Patience;
use crate::tls::{self, Tls};

/// How many connections the lock, the ledger and looking for blockers have among them, so that none of these waits for work.
const CONTROL: usize = 4;

/// Opens a database. Nothing is asked of it yet.
///
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE?…`, as PostgreSQL's own programs know it. `options` are those of `coeval.yaml`;
/// [`crate::environment`] says which variables stand for them, and what the address says goes before both:
///
/// - `password`
/// - `sslmode`: `disable`, `prefer`, `require`, `verify-ca`, `verify-full`; `prefer` where nothing is said.
/// - `sslrootcert`: a file with the certificates to trust, or `system`, which is what is trusted where nothing is said. With it the
///   mode is `verify-full` where none is said.
/// - `connect_timeout`: in seconds; 10.
/// - `connections`: how many at most, beside a few for coordination; 10.
/// - `lock_timeout`, `lock_patience`: in seconds, see [`Patience`].
///
/// No error and no name shows a password.
///
/// # Errors
/// [`coeval_store::Error::Failed`] for an address or an option that makes no sense, with what would.
pub fn open(url: &str, options: &BTreeMap<String, String>) -> Result<Database> {
    let address = parse(url)?;
    let options = Options::new(&opening(url), options, address.options)?;
    let mut config = address.config;
    let timeout = options.seconds("connect_timeout", 10.0)?;
    config.connect_timeout(timeout);
    if config.get_application_name().is_none() {
        config.application_name("coeval");
    }
    if let (None, Some(password)) = (config.get_password(), options.get("password")) {
        config.password(password);
    }
    listen_for_silence(&mut config, url);
    let tls = tls::from_options(&options)?;
    config.ssl_mode(tls.mode);
    let connector = without_sockets(&mut config, tls, &options)?;
    let pool = |size: usize| {
        let manager = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = match &connector {
            Some(connector) => Manager::from_config(config.clone(), connector.clone(), manager),
            None => Manager::from_config(config.clone(), NoTls, manager),
        };
        let pool = Pool::builder(manager).max_size(size).runtime(Runtime::Tokio1);
        let pool = pool.wait_timeout(Some(Duration::from_secs(60))).create_timeout(Some(timeout * 2));
        pool.build().map_err(|e| options.wrong(e.to_string(), None))
    };
    let patience = Patience {
        lock_timeout: options.seconds("lock_timeout", Patience::default().lock_timeout.as_secs_f64())?,
        total: options.seconds("lock_patience", Patience::default().total.as_secs_f64())?,
    };
    Ok(Database::new(name(&config), pool(options.count("connections", 10)?)?, pool(CONTROL)?, patience))
}

/// Lets a connection end within a minute when the network between has gone, unless the address says otherwise: what waits for an
/// answer would wait for hours.
fn listen_for_silence(config: &mut Config, url: &str) {
    if !url.contains("keepalives_idle=") {
        config.keepalives_idle(Duration::from_secs(20));
    }
    if config.get_keepalives_interval().is_none() {
        config.keepalives_interval(Duration::from_secs(10));
    }
    if config.get_keepalives_retries().is_none() {
        config.keepalives_retries(3);
    }
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(50));
    }
}

/// Leaves TLS out where all hosts are sockets of this machine, over which there is none.
fn without_sockets(config: &mut Config, tls: Tls, options: &Options) -> Result<Option<tokio_postgres_rustls::MakeRustlsConnect>> {
    let sockets = config.get_hosts().iter().filter(|host| matches!(host, Host::Unix(_))).count();
    if sockets == 0 {
        return Ok(tls.connector);
    }
    if sockets < config.get_hosts().len() {
        return Err(options.wrong("it names sockets and other hosts together", None));
    }
    config.ssl_mode(SslMode::Disable);
    Ok(None)
}
