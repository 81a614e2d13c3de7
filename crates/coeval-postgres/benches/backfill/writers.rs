//! Clients that write at a steady pace, and how long they wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;
use tokio_postgres::NoTls;

/// How many clients write, and how long after one write each begins the next.
pub(crate) const WRITERS: u32 = 4;
pub(crate) const PACE: Duration = Duration::from_millis(10);

/// Clients at work.
#[derive(Debug)]
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    clients: Vec<JoinHandle<Vec<Duration>>>,
}

impl Writers {
    /// Lets clients update single rows of a table or view, spread over all of it.
    pub(crate) fn start(url: &str, table: &str, rows: u64) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let client = |number| tokio::spawn(write(url.to_owned(), table.to_owned(), rows, number, Arc::clone(&stop)));
        Self { clients: (0..WRITERS).map(client).collect(), stop }
    }

    /// Ends them, and returns how long each write took since it was due, the shortest first.
    pub(crate) async fn stop(self) -> Vec<Duration> {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for client in self.clients {
            all.extend(client.await.expect("no write fails"));
        }
        all.sort();
        all
    }
}

async fn write(url: String, table: String, rows: u64, number: u32, stop: Arc<AtomicBool>) -> Vec<Duration> {
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the server answers");
    tokio::spawn(connection);
    let sql = format!("UPDATE {table} SET n = n + 1 WHERE id = $1");
    let statement = client.prepare(&sql).await.expect("it is prepared");
    let mut took = Vec::new();
    let mut row = u64::from(number) + 1;
    let mut due = Instant::now();
    while !stop.load(Ordering::Relaxed) {
        tokio::time::sleep_until(due.into()).await;
        row = (row * 48_271) % rows + 1;
        let id = i64::try_from(row).expect("a number of a row");
        assert_eq!(client.execute(&statement, &[&id]).await.expect("a write"), 1);
        // Since it was due: what waits behind a slow write waits too.
        took.push(due.elapsed());
        due += PACE;
    }
    took
}

/// The quantile of times that are in order, in milliseconds.
pub(crate) fn quantile(took: &[Duration], part: f64) -> f64 {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a part of a length is an index")]
    let at = ((took.len() as f64 * part) as usize).min(took.len().saturating_sub(1));
    took.get(at).map_or(f64::NAN, |time| time.as_secs_f64() * 1000.0)
}
