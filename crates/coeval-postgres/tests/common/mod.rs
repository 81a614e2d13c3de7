//! Databases to try things on, and work as a run would do it.

#![allow(clippy::unwrap_used, reason = "a test fails where it would")]
#![allow(dead_code, reason = "each test uses a part")]

pub(crate) mod adopted;
pub(crate) mod dump;
pub(crate) mod parts;
pub(crate) mod proxy;
pub(crate) mod shop;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use coeval_postgres::{Database, State, open};
use coeval_store::event::{Event, Failure, Observer};
use coeval_store::lock::{Holder, Lock};
use coeval_store::work::{Mode, Pace, Policy, Stop, Work};
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

/// Returns what `testing/postgres` says.
pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this with `testing/postgres cargo nextest run …`"))
}

/// Returns the address of the server's own database.
pub(crate) fn server() -> String {
    variable("COEVAL_TEST_POSTGRES")
}

/// Returns the server's address with another database.
pub(crate) fn with_database(url: &str, database: &str) -> String {
    format!("{}/{database}", url.rsplit_once('/').unwrap().0)
}

/// Returns a session that coeval knows nothing of.
pub(crate) async fn session(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

/// Returns what a query says: a row a line, columns parted by `|`.
pub(crate) async fn ask(client: &Client, sql: &str) -> String {
    let messages = client.simple_query(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    let row = |message: &SimpleQueryMessage| match message {
        SimpleQueryMessage::Row(row) => Some((0..row.len()).map(|at| row.get(at).unwrap_or("∅")).collect::<Vec<_>>().join("|")),
        _ => None,
    };
    messages.iter().filter_map(row).collect::<Vec<_>>().join("\n")
}

/// Makes an empty database and returns its address.
pub(crate) async fn fresh() -> String {
    let name = format!("t_{}", uuid::Uuid::now_v7().simple());
    session(&server()).await.batch_execute(&format!("CREATE DATABASE {name}")).await.unwrap();
    with_database(&server(), &name)
}

/// Opens a database with options.
pub(crate) fn open_with(url: &str, options: &[(&str, &str)]) -> coeval_store::Result<Arc<Database>> {
    let options: BTreeMap<String, String> = options.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    open(url, &options).map(Arc::new)
}

/// Opens a database and takes a deployment's state in it.
pub(crate) fn state(url: &str, deployment: &str) -> State {
    State::new(open_with(url, &[]).unwrap(), deployment)
}

pub(crate) fn holder(id: &str) -> Holder {
    let name = format!("test {id}");
    Holder { id: id.to_owned(), name, purpose: "migrate to 2".to_owned(), since: "2026-11-21T10:00:00Z".to_owned() }
}

/// Keeps what it is told.
#[derive(Debug, Default)]
pub(crate) struct Told(Mutex<Vec<Event>>);

impl Observer for Told {
    fn event(&self, event: Event) {
        self.0.lock().unwrap().push(event);
    }
}

impl Told {
    /// Returns which records could not be dealt with, each with the reason.
    pub(crate) fn failures(&self) -> Vec<Failure> {
        let failure = |event: &Event| if let Event::Failure(failure) = event { Some(failure.clone()) } else { None };
        self.0.lock().unwrap().iter().filter_map(failure).collect()
    }

    /// Returns why something was tried again, each time.
    pub(crate) fn retries(&self) -> Vec<String> {
        let retry = |event: &Event| if let Event::Retry { reason, .. } = event { Some(reason.clone()) } else { None };
        self.0.lock().unwrap().iter().filter_map(retry).collect()
    }
}

/// What work needs beside a step.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) told: Told,
    pub(crate) stop: Stop,
    pace: Pace,
    worker: Holder,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { told: Told::default(), stop: Stop::default(), pace: Pace::default(), worker: holder("worker") }
    }

    pub(crate) fn work<'w>(&'w self, lock: Option<&'w dyn Lock>) -> Work<'w> {
        Work {
            run: "run",
            step: "0",
            worker: &self.worker,
            lock,
            pace: &self.pace,
            policy: Policy::Reject,
            mode: Mode::Write,
            undo: false,
            observer: &self.told,
            stop: &self.stop,
        }
    }
}
