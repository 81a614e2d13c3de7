//! The lock of runs: a row that its holder changes again and again, and that is taken over when it was not changed for long.
//!
//! No clocks are compared. Who wants a lock that another one holds watches the row; if it is the same for as long as a holder may
//! be silent, its holder is dead or asleep, and the row is changed on the condition that it still is the same. A holder counts the
//! same time from *before* its last change could be seen, and stops on its own a quarter earlier.
//!
//! What is written under the lock checks the fencing token in its own transaction, and counts as a sign of life: nobody can take
//! the lock over while another transaction writes, however long that takes.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use coeval_core::json;
use coeval_store::event::Unobserved;
use coeval_store::lock::{Holder, Lock};
use coeval_store::{Error, Result};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::database::Database;
use crate::state;
use crate::statement::{Absent, ForeignKeys, How, Session};

/// What the row says.
#[derive(Debug)]
struct Row {
    fence: i64,
    /// Grows with every sign of life.
    beat: i64,
    /// `None` where it was given back.
    holder: Option<Holder>,
}

/// A moment by both clocks: the second goes on while a machine sleeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment(Instant, SystemTime);

impl Moment {
    pub(crate) fn now() -> Self {
        Self(Instant::now(), SystemTime::now())
    }
}

/// A lock that is held, and renewed in the background.
#[derive(Debug)]
pub(crate) struct Held {
    shared: Arc<Shared>,
    renewal: JoinHandle<()>,
    previous: Option<Holder>,
}

#[derive(Debug)]
pub(crate) struct Shared {
    database: Database,
    deployment: Arc<str>,
    fence: u64,
    stale: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    renewed: Moment,
    lost: bool,
}

/// The lock that this process holds, for those who write under it.
#[derive(Debug, Default)]
pub(crate) struct Own(Mutex<Weak<Shared>>);

impl Own {
    fn set(&self, shared: &Arc<Shared>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(shared);
    }

    /// Notes that something was written under the lock.
    pub(crate) fn showed_up(&self, fence: u64, at: Moment) {
        let own = self.0.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        if let Some(shared) = own.filter(|shared| shared.fence == fence) {
            shared.state().renewed = at;
        }
    }
}

fn how(doing: &str, absent: Absent) -> How<'static> {
    How { doing: doing.to_owned(), absent, foreign_keys: ForeignKeys::Enforced, observer: &Unobserved }
}

fn row(session: &Session<'_>, deployment: &str) -> Result<Option<Row>> {
    if !state::is_there(session)? {
        return Ok(None);
    }
    let sql = "SELECT fence, beat, holder FROM coeval_lock WHERE deployment = ?1";
    let read = |row: &rusqlite::Row<'_>| Ok((row.get(0)?, row.get(1)?, row.get::<_, Option<String>>(2)?));
    let Some((fence, beat, holder)) = session.row(sql, [deployment], read)? else { return Ok(None) };
    let unreadable = || session.during().unreadable("the lock", "it is not a lock as this release writes it", false);
    let holder = match holder {
        None => None,
        Some(text) => {
            let value = json::parse(text.as_bytes()).map_err(|_| unreadable())?;
            Some(Holder::from_value(&value).ok_or_else(unreadable)?)
        }
    };
    Ok(Some(Row { fence, beat, holder }))
}

/// Returns who holds the lock, dead or alive.
pub(crate) async fn holder(database: &Database, deployment: &Arc<str>) -> Result<Option<Holder>> {
    let deployment = Arc::clone(deployment);
    let row = database.read("reading the lock", move |session| row(session, &deployment)).await?;
    Ok(row.flatten().and_then(|row| row.holder))
}

/// Shows up within a transaction: proves that the lock is held, and changes it for those who watch.
///
/// # Errors
/// [`Error::LockLost`]; nothing may be written then.
pub(crate) fn show_up(session: &Session<'_>, deployment: &str, fence: u64) -> Result<Moment> {
    let at = Moment::now();
    let sql = "UPDATE coeval_lock SET beat = beat + 1 WHERE deployment = ?1 AND fence = ?2 AND holder IS NOT NULL";
    if state::is_there(session)? && session.run(sql, (deployment, i64::try_from(fence).unwrap_or(i64::MAX)))? == 1 {
        return Ok(at);
    }
    lost(session, deployment)
}

fn lost<T>(session: &Session<'_>, deployment: &str) -> Result<T> {
    let by = row(session, deployment)?.and_then(|row| row.holder);
    Err(Error::LockLost { by: by.map(Box::new) })
}

/// Takes the lock, if nobody holds it, or its holder was silent for `stale`.
///
/// # Errors
/// [`Error::Locked`] where its holder lives.
pub(crate) async fn take(
    database: &Database,
    deployment: &Arc<str>,
    own: &Own,
    holder: &Holder,
    stale: Duration,
) -> Result<Box<dyn Lock>> {
    let mut watched: Option<((i64, i64), Instant)> = None;
    loop {
        let name = Arc::clone(deployment);
        let row = database.read("reading the lock", move |session| row(session, &name)).await?.flatten();
        // A holder that finds its own lock from before does not wait for itself.
        let other = row.and_then(|row| Some(((row.fence, row.beat), row.holder.filter(|other| other.id != holder.id)?)));
        let dead = match other {
            None => None,
            Some((seen, other)) => {
                if watched.is_some_and(|(before, _)| before != seen) {
                    return Err(Error::Locked { holder: Box::new(other) });
                }
                let (_, since) = *watched.get_or_insert_with(|| (seen, Instant::now()));
                let left = stale.saturating_sub(since.elapsed());
                if !left.is_zero() {
                    sleep((stale / 8).min(left).max(Duration::from_millis(1))).await;
                    continue;
                }
                Some(seen)
            }
        };
        if let Some(lock) = attempt(database, deployment, own, holder, stale, dead).await? {
            return Ok(Box::new(lock));
        }
        // Somebody was faster; who, is seen at the next look.
    }
}

/// Takes the lock if nobody holds it, or if it is still as it was when its holder was taken for dead.
async fn attempt(
    database: &Database,
    deployment: &Arc<str>,
    own: &Own,
    holder: &Holder,
    stale: Duration,
    dead: Option<(i64, i64)>,
) -> Result<Option<Held>> {
    let (name, me) = (Arc::clone(deployment), holder.clone());
    let how = how("taking the lock", Absent::Create);
    let taken = database.transaction(&how, move |session| {
        state::ensure(session)?;
        let row = row(session, &name)?;
        let (fence, previous) = match row {
            None => (1, None),
            Some(Row { fence, beat, holder: Some(other) }) if other.id != me.id => {
                if dead != Some((fence, beat)) {
                    return Ok(None);
                }
                (fence + 1, Some(other))
            }
            Some(row) => (row.fence + 1, None),
        };
        let at = Moment::now();
        let text = me.to_value().to_string();
        session.run("INSERT OR REPLACE INTO coeval_lock VALUES (?1, ?2, 0, ?3)", (&*name, fence, text))?;
        Ok(Some((fence, previous, at)))
    });
    let Some((fence, previous, renewed)) = taken.await? else { return Ok(None) };
    let shared = Arc::new(Shared {
        database: database.clone(),
        deployment: Arc::clone(deployment),
        fence: u64::try_from(fence).unwrap_or_default(),
        stale,
        state: Mutex::new(State { renewed, lost: false }),
    });
    own.set(&shared);
    let renewal = tokio::spawn(renew(Arc::clone(&shared)));
    Ok(Some(Held { shared, renewal, previous }))
}

async fn renew(shared: Arc<Shared>) {
    loop {
        sleep(shared.stale / 4).await;
        if shared.state().lost {
            return;
        }
        let (deployment, fence) = (Arc::clone(&shared.deployment), shared.fence);
        let how = how("renewing the lock", Absent::Refuse);
        let shown = shared.database.transaction(&how, move |session| show_up(session, &deployment, fence)).await;
        match shown {
            Ok(at) => shared.state().renewed = at,
            Err(Error::LockLost { .. }) => {
                shared.state().lost = true;
                return;
            }
            // What fails is tried again a little later; the time that is left decides, not the number of attempts.
            Err(_) => {}
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Lock for Held {
    fn fence(&self) -> u64 {
        self.shared.fence
    }

    fn previous(&self) -> Option<&Holder> {
        self.previous.as_ref()
    }

    fn holds(&self) -> bool {
        let state = self.shared.state();
        let limit = self.shared.stale / 4 * 3;
        let Moment(renewed, wall) = state.renewed;
        // A wall clock that was set back says nothing; one that jumped ahead may only have been set, and costs a lock.
        let slept = wall.elapsed().is_ok_and(|elapsed| elapsed >= limit);
        !state.lost && !slept && renewed.elapsed() < limit
    }

    async fn release(&self) -> Result<()> {
        let (deployment, fence) = (Arc::clone(&self.shared.deployment), self.shared.fence);
        let how = how("giving the lock back", Absent::Refuse);
        let given = self.shared.database.transaction(&how, move |session| {
            show_up(session, &deployment, fence)?;
            session.run("UPDATE coeval_lock SET holder = NULL WHERE deployment = ?1", [&*deployment])
        });
        let given = given.await;
        if let Ok(_) | Err(Error::LockLost { .. }) = given {
            self.shared.state().lost = true;
        }
        given.map(|_| ())
    }
}

impl Drop for Held {
    /// What is dropped without being released goes stale.
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
