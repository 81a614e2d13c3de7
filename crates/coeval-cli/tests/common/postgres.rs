//! PostgreSQL servers of a test's own, to which it may do harm, and what a person at such a server does.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// A server that ends with this.
pub(crate) struct Server {
    process: Child,
    /// The address of its database.
    pub(crate) url: String,
    /// The address of the one that follows it, if there is one.
    pub(crate) replica: Option<String>,
}

impl Server {
    /// Starts one as `testing/postgres` does.
    pub(crate) fn start(options: &[&str]) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testing/postgres");
        // It ends when nobody holds the other end of its standard input any more.
        let waiting = "echo \"$COEVAL_TEST_POSTGRES $COEVAL_TEST_POSTGRES_REPLICA\"; cat >/dev/null";
        let mut command = Command::new(script);
        command.args(options).args(["sh", "-c", waiting]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.env_remove("COEVAL_TEST_POSTGRES_REPLICA").spawn().unwrap();
        let mut line = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut addresses = line.split_whitespace().map(str::to_owned);
        let url = addresses.next().expect("`testing/postgres` says why there is no server");
        Self { process, url, replica: addresses.next() }
    }

    /// Returns the address of another database.
    pub(crate) fn database(&self, name: &str) -> String {
        format!("{}/{name}", self.url.rsplit_once('/').unwrap().0)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        let _ = self.process.wait();
    }
}

/// Connects; `None` where the server does not take connections just now.
pub(crate) async fn try_connect(url: &str) -> Option<Client> {
    match tokio_postgres::connect(url, NoTls).await {
        Ok((client, connection)) => {
            tokio::spawn(connection);
            Some(client)
        }
        Err(error) => {
            let passing = error.as_db_error().is_none_or(|said| is_passing(said.code().code()));
            assert!(passing, "{error:?}");
            None
        }
    }
}

/// Connects as soon as the server takes connections.
pub(crate) async fn connect(url: &str) -> Client {
    let begin = Instant::now();
    loop {
        if let Some(client) = try_connect(url).await {
            return client;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no server at {url}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether a code says that the server ends, begins, or has ended the session.
pub(crate) fn is_passing(code: &str) -> bool {
    ["57P01", "57P02", "57P03", "53300"].contains(&code) || code.starts_with("08")
}

/// Returns what a query says: a row a line, columns parted by `|`.
pub(crate) async fn ask(client: &Client, sql: &str) -> Result<String, tokio_postgres::Error> {
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).unwrap_or("∅")).collect::<Vec<_>>().join("|")),
        _ => None,
    };
    Ok(client.simple_query(sql).await?.iter().filter_map(row).collect::<Vec<_>>().join("\n"))
}

/// As [`ask`], of a server that is well.
pub(crate) async fn tell(client: &Client, sql: &str) -> String {
    ask(client, sql).await.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}
