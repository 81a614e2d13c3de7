//! A lease on an object: held by one, renewed by writing the object again, taken over when it was not renewed for long.
//!
//! No clocks are compared. Who wants a lease that another one holds watches the object; if it is the same for as long as a
//! holder may be silent, its holder is dead or asleep, and the object is replaced on the condition that it still is the same. A
//! holder counts the same time from *before* its last renewal was sent, and stops on its own a quarter earlier. So one that
//! was stopped and wakes up knows, before it writes anything, that it no longer holds the lease.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use coeval_core::{Object, Value, json};
use coeval_store::lock::{Holder, Lock};
use coeval_store::objects::{Condition, Objects, Token};
use coeval_store::{Error, Result};
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use super::text_attributes;

/// What a lease's object says.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Content {
    fence: u64,
    /// `None` where it was given back.
    holder: Option<Holder>,
    /// How often it was renewed, so that every renewal is another state of the object.
    beat: u64,
}

impl Content {
    fn bytes(&self) -> Bytes {
        let number = |n: u64| Value::from(i64::try_from(n).unwrap_or(i64::MAX));
        let mut out = Object::new();
        out.insert("format", 1.into());
        out.insert("fence", number(self.fence));
        out.insert("holder", self.holder.as_ref().map_or(Value::Null, Holder::to_value));
        out.insert("beat", number(self.beat));
        Bytes::from(format!("{}\n", Value::from(out)))
    }

    fn read(bytes: &[u8], key: &str) -> Result<Self> {
        let content = || {
            let value = json::parse(bytes).ok()?;
            let object = value.as_object()?;
            let number = |name: &str| u64::try_from(object.get(name)?.as_i64()?).ok();
            let holder = match object.get("holder")? {
                Value::Null => None,
                holder => Some(Holder::from_value(holder)?),
            };
            (number("format")? == 1).then_some(Self { fence: number("fence")?, holder, beat: number("beat")? })
        };
        content().ok_or_else(|| Error::Unreadable {
            what: key.to_owned(),
            reason: "it is not a lock as this release writes it".to_owned(),
            newer: false,
        })
    }
}

/// How a lease was found.
#[derive(Debug)]
pub(super) enum Taken {
    /// It is held now.
    Held(Lease),
    /// Somebody else holds it.
    By(Holder),
}

/// How long to watch a lease that somebody else holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// Until it is renewed, or its holder counts as dead.
    UntilKnown,
    /// Not at all; [`Watch`] remembers what was seen.
    None,
}

/// What was seen of leases that others hold, for one who comes back to look again.
#[derive(Debug, Default)]
pub(super) struct Watch(std::collections::HashMap<String, (Token, Instant)>);

impl Watch {
    /// Returns since when an object has been as it is.
    fn since(&mut self, key: &str, token: &Token) -> Instant {
        let now = Instant::now();
        let seen = self.0.entry(key.to_owned()).or_insert_with(|| (token.clone(), now));
        if seen.0 != *token {
            *seen = (token.clone(), now);
        }
        seen.1
    }
}

/// A lease that is held, and renewed in the background.
#[derive(Debug)]
pub(super) struct Lease {
    shared: Arc<Shared>,
    renewal: JoinHandle<()>,
    previous: Option<Holder>,
}

#[derive(Debug)]
struct Shared {
    objects: Arc<dyn Objects>,
    key: String,
    fence: u64,
    holder: Holder,
    stale: Duration,
    state: Mutex<State>,
    /// Held while the object is written, so that a release does not race with a renewal.
    writing: tokio::sync::Mutex<()>,
}

#[derive(Debug)]
struct State {
    token: Token,
    beat: u64,
    /// Before the last renewal was sent.
    renewed: Instant,
    /// The same by the wall clock, which goes on while a machine sleeps.
    wall: SystemTime,
    lost: bool,
}

/// Takes a lease, if nobody holds it, or its holder was silent for `stale`.
///
/// # Errors
/// What the store says; [`Error::Unreadable`] for what is no lease.
pub(super) async fn take(
    objects: &Arc<dyn Objects>,
    key: &str,
    holder: &Holder,
    stale: Duration,
    patience: Patience,
    watch: &mut Watch,
) -> Result<Taken> {
    loop {
        let (sent, wall) = (Instant::now(), SystemTime::now());
        let (condition, fence, previous) = match objects.get(key).await? {
            None => (Condition::Absent, 1, None),
            Some(object) => {
                let content = Content::read(&object.bytes, key)?;
                // A holder that finds its own lease from before does not wait for itself.
                if let Some(other) = content.holder.filter(|other| other.id != holder.id) {
                    let known = watch.0.get(key).is_some_and(|(token, _)| *token != object.token);
                    let since = watch.since(key, &object.token);
                    if since.elapsed() < stale {
                        if known || patience == Patience::None {
                            return Ok(Taken::By(other));
                        }
                        sleep((stale / 8).min(stale.saturating_sub(since.elapsed())).max(Duration::from_millis(1))).await;
                        continue;
                    }
                    (Condition::Unchanged(object.token), content.fence + 1, Some(other))
                } else {
                    (Condition::Unchanged(object.token), content.fence + 1, None)
                }
            }
        };
        let content = Content { fence, holder: Some(holder.clone()), beat: 0 };
        match objects.put(key, content.bytes(), &text_attributes(), &condition).await {
            Ok(token) => {
                let state = Mutex::new(State { token, beat: 0, renewed: sent, wall, lost: false });
                let shared = Shared {
                    objects: Arc::clone(objects),
                    key: key.to_owned(),
                    fence,
                    holder: holder.clone(),
                    stale,
                    state,
                    writing: tokio::sync::Mutex::default(),
                };
                let shared = Arc::new(shared);
                let renewal = tokio::spawn(renew(Arc::clone(&shared)));
                return Ok(Taken::Held(Lease { shared, renewal, previous }));
            }
            // Somebody was faster; who, is seen at the next look.
            Err(Error::Conflict { .. }) => {}
            Err(error) => return Err(error),
        }
    }
}

/// Returns who holds a lease, dead or alive.
///
/// # Errors
/// As [`take`].
pub(super) async fn holder(objects: &Arc<dyn Objects>, key: &str) -> Result<Option<Holder>> {
    let Some(object) = objects.get(key).await? else { return Ok(None) };
    Ok(Content::read(&object.bytes, key)?.holder)
}

async fn renew(shared: Arc<Shared>) {
    loop {
        sleep(shared.stale / 4).await;
        if shared.lock().lost {
            return;
        }
        // A request that fails is sent again a little later; the time that is left decides, not the number of attempts.
        if let Err(Error::Conflict { .. } | Error::LockLost { .. } | Error::Crashed) = shared.write(true).await {
            shared.lock().lost = true;
            return;
        }
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, held: bool) -> Result<()> {
        let _writing = self.writing.lock().await;
        let (sent, wall) = (Instant::now(), SystemTime::now());
        let (token, beat) = {
            let state = self.lock();
            if state.lost {
                return Err(Error::LockLost { by: None });
            }
            (state.token.clone(), state.beat + 1)
        };
        let content = Content { fence: self.fence, holder: held.then(|| self.holder.clone()), beat };
        let token = self.objects.put(&self.key, content.bytes(), &text_attributes(), &Condition::Unchanged(token)).await?;
        let mut state = self.lock();
        state.token = token;
        state.beat = beat;
        (state.renewed, state.wall) = (sent, wall);
        // What was given back must not be renewed.
        state.lost = !held;
        Ok(())
    }
}

#[async_trait]
impl Lock for Lease {
    fn fence(&self) -> u64 {
        self.shared.fence
    }

    fn previous(&self) -> Option<&Holder> {
        self.previous.as_ref()
    }

    fn holds(&self) -> bool {
        let state = self.shared.lock();
        let limit = self.shared.stale / 4 * 3;
        // A wall clock that was set back says nothing; one that jumped ahead may only have been set, and costs a lease.
        let slept = state.wall.elapsed().is_ok_and(|elapsed| elapsed >= limit);
        !state.lost && !slept && state.renewed.elapsed() < limit
    }

    async fn release(&self) -> Result<()> {
        // Waits for a renewal that is under way; one that was cut off could take effect later.
        match self.shared.write(false).await {
            Err(Error::Conflict { .. }) => {
                self.shared.lock().lost = true;
                let by = holder(&self.shared.objects, &self.shared.key).await?;
                Err(Error::LockLost { by: by.map(Box::new) })
            }
            other => other,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.renewal.abort();
    }
}
