//! A statement under way, watched from a second connection: who keeps it waiting, and whether it shall stop.

use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use coeval_store::event::Event;
use coeval_store::work::Work;
use tokio::time::sleep;

use crate::blocker::{Target, Wait, cancel, look};
use crate::database::Database;

/// Watches a statement.
pub(crate) struct Watch<'w> {
    /// What is done, for people.
    pub(crate) what: &'w str,
    pub(crate) database: &'w Database,
    pub(crate) work: &'w Work<'w>,
    /// The statement.
    pub(crate) target: Target,
    /// How long until the first look.
    pub(crate) first: Duration,
    /// For how long it may wait for others before it is cancelled; `None` where the server sees to that.
    pub(crate) patience: Option<Duration>,
    pub(crate) seen: Mutex<Seen>,
}

/// What a watch saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// What it waited for last.
    wait: Option<Wait>,
    /// Why nothing was to be seen.
    blind: Option<String>,
}

impl Seen {
    /// Returns what the statement waited for.
    pub(crate) fn wait(&self) -> Option<&Wait> {
        self.wait.as_ref()
    }

    /// Returns what the statement waited for, for people.
    pub(crate) fn reason(&self) -> String {
        match (&self.wait, &self.blind) {
            (Some(wait), _) => wait.to_string(),
            (None, Some(blind)) => format!("a lock was not to be had, and who holds it could not be seen: {blind}"),
            (None, None) => "a lock was not to be had, and nobody was seen to hold it".to_owned(),
        }
    }
}

impl Watch<'_> {
    pub(crate) fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns what was seen.
    pub(crate) fn into_seen(self) -> Seen {
        self.seen.into_inner().unwrap_or_else(PoisonError::into_inner)
    }

    /// Watches until it is dropped.
    pub(crate) async fn watch(&self) -> Infallible {
        let mut pause = self.first;
        let mut waits_since: Option<Instant> = None;
        loop {
            sleep(pause).await;
            // Most statements are over by now; those that are not may take hours.
            pause = (pause * 5 / 4).min(Duration::from_millis(500));
            if let Err(error) = self.look(&mut waits_since).await {
                self.seen().blind = Some(error.to_string());
            }
        }
    }

    async fn look(&self, waits_since: &mut Option<Instant>) -> coeval_store::Result<()> {
        let Some(glance) = look(self.database, &self.target).await? else { return Ok(()) };
        let mut over = self.work.go_on().is_err();
        match glance.wait {
            None => *waits_since = None,
            Some(wait) => {
                let since = *waits_since.get_or_insert_with(Instant::now);
                over |= self.patience.is_some_and(|patience| since.elapsed() >= patience);
                self.tell(&wait);
                self.seen().wait = Some(wait);
            }
        }
        if over { cancel(self.database, glance.pid).await } else { Ok(()) }
    }

    /// Tells who is waited for where nothing else does, once each.
    fn tell(&self, wait: &Wait) {
        let pids = |wait: &Wait| wait.blockers.iter().map(|blocker| blocker.pid).collect::<Vec<_>>();
        let Some(patience) = self.patience else { return };
        if self.seen().wait.as_ref().map(pids) != Some(pids(wait)) {
            let (what, reason) = (self.what.to_owned(), wait.to_string());
            self.work.observer.event(Event::Retry { what, reason, attempt: 1, wait: patience });
        }
    }
}
