//! The lock: a row with the holder, its fencing token, and when it last showed up, by the server's clock.
//!
//! The fencing token is more than a number to compare: a transaction that holds on to it ([`HOLD`]) keeps everybody else from taking
//! the lock over until it ends, and fails where somebody has. What a holder wrote who woke up late is never committed.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use coeval_core::json;
use coeval_core::json::Style;
use coeval_store::lock::{Holder, Lock};
use coeval_store::{Error, Result};
use deadpool_postgres::Transaction;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tokio_postgres::types::{ToSql, Type};

use crate::error::During;
use crate::state::State;

/// Holds on to a fencing token until the transaction ends. A renewal changes no key and goes on beside it; taking over changes the
/// token, which is part of a key, and cannot.
pub(crate) const HOLD: &str =
    "SELECT 1 FROM coeval.lock WHERE deployment = $1 AND fence = $2 AND holder IS NOT NULL FOR KEY SHARE";

/// How long one who takes the lock waits for others who are about to, and how long the server waits for one who has gone silent.
const WAIT: &str = "SET LOCAL lock_timeout = '2s'; SET LOCAL idle_in_transaction_session_timeout = '5s'";

/// A lock that is held.
#[derive(Debug)]
struct Held {
    shared: Arc<Shared>,
    previous: Option<Holder>,
    renewal: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    state: State,
    fence: i64,
    stale: Duration,
    seen: Mutex<Seen>,
}

#[derive(Debug)]
struct Seen {
    /// Before the last renewal was sent.
    renewed: Instant,
    /// The same by the wall clock, which goes on while a machine sleeps.
    wall: SystemTime,
    lost: bool,
}

/// What the row says.
struct Row {
    fence: i64,
    holder: Option<Holder>,
    /// Whether the holder has not shown up for too long.
    stale: bool,
}

fn read(state: &State, row: &tokio_postgres::Row) -> Result<Row> {
    let what = state.doing("reading the lock");
    let text: Option<String> = row.try_get(1).during(&what)?;
    let holder = text.map(|text| {
        let value = json::parse(text.as_bytes()).ok();
        value.as_ref().and_then(Holder::from_value).ok_or_else(|| Error::Unreadable {
            what: format!("the holder of {} in coeval.lock", state.deployment()),
            reason: "it is not as this release writes it".to_owned(),
            newer: false,
        })
    });
    Ok(Row { fence: row.try_get(0).during(&what)?, holder: holder.transpose()?, stale: row.try_get(2).during(&what)? })
}

/// Takes the lock. The tables are there.
pub(crate) async fn take(state: &State, holder: &Holder, stale: Duration) -> Result<Box<dyn Lock>> {
    let what = state.doing("taking the lock");
    let deployment = state.deployment();
    let mut client = state.database().control().await?;
    let busy = || Error::Transient {
        what: what.clone(),
        reason: "a transaction of its last holder is still under way".to_owned(),
        after: Some(stale),
        ambiguous: false,
    };
    let (sent, wall) = (Instant::now(), SystemTime::now());
    let transaction = client.transaction().await.during(&what)?;
    transaction.batch_execute(WAIT).await.during(&what)?;
    let first = "INSERT INTO coeval.lock (deployment, fence, seen) VALUES ($1, 0, clock_timestamp()) ON CONFLICT DO NOTHING";
    transaction.execute_typed(first, &[(&deployment, Type::TEXT)]).await.during(&what)?;
    // A clock that was set back has left a time to come. It counts from now on, else a dead holder would live until then.
    let reset = "UPDATE coeval.lock SET seen = clock_timestamp() WHERE deployment = $1 AND seen > clock_timestamp()";
    transaction.execute_typed(reset, &[(&deployment, Type::TEXT)]).await.during(&what)?;
    let seconds = stale.as_secs_f64();
    let look = "SELECT fence, holder::text, seen <= clock_timestamp() - make_interval(secs => $2)
                FROM coeval.lock WHERE deployment = $1 FOR NO KEY UPDATE";
    let row = transaction.query_typed_one(look, &[(&deployment, Type::TEXT), (&seconds, Type::FLOAT8)]).await.during(&what)?;
    let found = read(state, &row)?;
    let previous = match found.holder {
        // A holder that finds its own lock from before does not wait for itself.
        Some(other) if other.id == holder.id => None,
        Some(other) if !found.stale => {
            transaction.commit().await.during(&what)?;
            return Err(Error::Locked { holder: Box::new(other) });
        }
        other => other,
    };
    // Not waited for: whoever waits here keeps a living holder from showing up.
    let free = "SELECT 1 FROM coeval.lock WHERE deployment = $1 FOR UPDATE SKIP LOCKED";
    if transaction.query_typed_opt(free, &[(&deployment, Type::TEXT)]).await.during(&what)?.is_none() {
        transaction.rollback().await.during(&what)?;
        return Err(previous.map_or_else(busy, |holder| Error::Locked { holder: Box::new(holder) }));
    }
    let fence = found.fence + 1;
    let text = Style::Compact.write(&holder.to_value());
    let change = "UPDATE coeval.lock SET fence = $2, holder = $3::text::json, seen = clock_timestamp() WHERE deployment = $1";
    let parameters: [(&(dyn ToSql + Sync), Type); 3] = [(&deployment, Type::TEXT), (&fence, Type::INT8), (&text, Type::TEXT)];
    transaction.execute_typed(change, &parameters).await.during(&what)?;
    transaction.commit().await.during(&what)?;
    let seen = Mutex::new(Seen { renewed: sent, wall, lost: false });
    let shared = Arc::new(Shared { state: state.clone(), fence, stale, seen });
    let renewal = tokio::spawn(renew(Arc::clone(&shared)));
    Ok(Box::new(Held { shared, previous, renewal }))
}

/// Returns who holds the lock, dead or alive. The tables are there.
pub(crate) async fn holder(state: &State) -> Result<Option<Holder>> {
    Ok(row(state).await?.and_then(|row| row.holder))
}

async fn row(state: &State) -> Result<Option<Row>> {
    let client = state.database().control().await?;
    let look = "SELECT fence, holder::text, false FROM coeval.lock WHERE deployment = $1";
    let row =
        client.query_typed_opt(look, &[(&state.deployment(), Type::TEXT)]).await.during(&state.doing("reading the lock"))?;
    row.map(|row| read(state, &row)).transpose()
}

/// Lets a transaction hold on to a fencing token until it ends.
///
/// # Errors
/// [`Error::LockLost`] where somebody has taken the lock over, or it was given back.
pub(crate) async fn hold(state: &State, transaction: &Transaction<'_>, fence: u64) -> Result<()> {
    let fence = i64::try_from(fence).unwrap_or(i64::MAX);
    let what = state.doing("holding the lock");
    let held =
        transaction.query_typed_opt(HOLD, &[(&state.deployment(), Type::TEXT), (&fence, Type::INT8)]).await.during(&what)?;
    if held.is_some() { Ok(()) } else { Err(Error::LockLost { by: None }) }
}

async fn renew(shared: Arc<Shared>) {
    loop {
        sleep(shared.stale / 4).await;
        if shared.seen().lost {
            return;
        }
        let (sent, wall) = (Instant::now(), SystemTime::now());
        // What fails or hangs is sent again a little later; the time that is left decides, not the number of attempts.
        match timeout(shared.stale / 4, shared.show_up()).await {
            Ok(Ok(true)) => {
                let mut seen = shared.seen();
                (seen.renewed, seen.wall) = (sent, wall);
            }
            Ok(Ok(false)) => {
                shared.seen().lost = true;
                return;
            }
            Ok(Err(_)) | Err(_) => {}
        }
    }
}

impl Shared {
    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the server that the holder lives; whether it still holds the lock.
    async fn show_up(&self) -> Result<bool> {
        self.change("UPDATE coeval.lock SET seen = clock_timestamp() WHERE deployment = $1 AND fence = $2 AND holder IS NOT NULL")
            .await
    }

    async fn change(&self, sql: &str) -> Result<bool> {
        let client = self.state.database().control().await?;
        let parameters: [(&(dyn ToSql + Sync), Type); 2] = [(&self.state.deployment(), Type::TEXT), (&self.fence, Type::INT8)];
        let changed = client.execute_typed(sql, &parameters).await.during(&self.state.doing("changing the lock"))?;
        Ok(changed == 1)
    }
}

#[async_trait]
impl Lock for Held {
    fn fence(&self) -> u64 {
        self.shared.fence.unsigned_abs()
    }

    fn previous(&self) -> Option<&Holder> {
        self.previous.as_ref()
    }

    fn holds(&self) -> bool {
        let seen = self.shared.seen();
        let limit = self.shared.stale / 4 * 3;
        // A wall clock that was set back says nothing; one that jumped ahead may only have been set, and costs a lock.
        let slept = seen.wall.elapsed().is_ok_and(|elapsed| elapsed >= limit);
        !seen.lost && !slept && seen.renewed.elapsed() < limit
    }

    async fn release(&self) -> Result<()> {
        let shared = &self.shared;
        if !shared.seen().lost {
            let sql = "UPDATE coeval.lock SET holder = NULL WHERE deployment = $1 AND fence = $2 AND holder IS NOT NULL";
            if shared.change(sql).await? {
                shared.seen().lost = true;
                return Ok(());
            }
        }
        shared.seen().lost = true;
        match row(&shared.state).await? {
            // It was given back before, and the answer lost.
            Some(Row { fence, holder: None, .. }) if fence == shared.fence => Ok(()),
            found => Err(Error::LockLost { by: found.and_then(|row| row.holder).map(Box::new) }),
        }
    }
}

impl Drop for Held {
    /// What is dropped without being released goes stale.
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
