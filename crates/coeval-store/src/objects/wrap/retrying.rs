//! A store that asks again, patiently and within bounds, and says so.

mod backoff;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use self::backoff::Backoff;
use super::super::{Attributes, Condition, Listed, Object, ObjectCapabilities, Objects, Token};
use crate::error::{Error, Result};

/// How often and how long a request is tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryPolicy {
    /// How many attempts there are at most, the first included.
    pub attempts: u32,
    /// The longest first pause; each further one may be twice as long as the one before.
    pub base: Duration,
    /// The longest pause of all, unless the store itself asks for more.
    pub cap: Duration,
    /// When to give up, counted from the first attempt; for a listing, from the last object that came.
    pub total: Duration,
}

impl Default for RetryPolicy {
    /// Returns ten attempts within three minutes, with pauses of at most 0.1 s to 20 s: what S3 needs to get used to a load.
    fn default() -> Self {
        let [base, cap, total] = [100, 20_000, 180_000].map(Duration::from_millis);
        Self { attempts: 10, base, cap, total }
    }
}

/// That a request failed and will be tried again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryNotice {
    /// What was asked for, such as `writing a/b.json`.
    pub what: String,
    /// Why it did not work.
    pub reason: String,
    /// Which attempt failed, from 1.
    pub attempt: u32,
    /// How long until the next.
    pub wait: Duration,
}

/// A store that repeats requests that failed for the moment ([`Error::Transient`]), with exponential pauses of random length.
///
/// A conditional write that may have taken effect without an answer is told from one that somebody else won: if the repetition comes
/// upon [`Error::Conflict`] and the object is exactly what was to be written, it was this write; in the
/// same way an object that is gone was deleted. Two writers of equal bytes, or two deleters, are therefore not told apart; whoever must
/// know that it was the one writes something of its own. A write that took effect unseen
/// and was overwritten since counts as a conflict.
pub struct Retrying<O> {
    inner: O,
    policy: RetryPolicy,
    tell: Arc<dyn Fn(&RetryNotice) + Send + Sync>,
}

impl<O: Objects> Retrying<O> {
    /// Repeats what another store fails at; `tell` hears of each failure before the pause.
    pub fn new(inner: O, policy: RetryPolicy, tell: Arc<dyn Fn(&RetryNotice) + Send + Sync>) -> Self {
        Self { inner, policy, tell }
    }

    /// Waits for the next attempt.
    ///
    /// # Errors
    /// The error itself if it is none that passes, or if the bounds are reached.
    async fn pause(&self, backoff: &mut Backoff, error: Error) -> Result<()> {
        let notice = backoff.after(error, &self.policy)?;
        (self.tell)(&notice);
        tokio::time::sleep(notice.wait).await;
        Ok(())
    }

    /// Returns whether an object is what somebody wanted to write.
    fn is_ours(&self, found: &Object, bytes: &Bytes, wanted: &Attributes) -> bool {
        let can = self.inner.capabilities();
        let found_attributes = &found.attributes;
        // A store may add headers of its own, such as a type that it guessed.
        let headers = || wanted.headers.iter().all(|(name, value)| found_attributes.headers.get(name) == Some(value));
        found.bytes == *bytes
            && (!can.metadata || found_attributes.metadata == wanted.metadata && headers())
            && (!can.tags || found_attributes.tags == wanted.tags)
    }
}

impl<O: fmt::Debug> fmt::Debug for Retrying<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Retrying").field("inner", &self.inner).field("policy", &self.policy).finish_non_exhaustive()
    }
}

#[async_trait]
impl<O: Objects> Objects for Retrying<O> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn capabilities(&self) -> ObjectCapabilities {
        self.inner.capabilities()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        let mut backoff = Backoff::start();
        loop {
            match self.inner.get(key).await {
                Err(error) => self.pause(&mut backoff, error).await?,
                found => return found,
            }
        }
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        let mut backoff = Backoff::start();
        loop {
            match self.inner.put(key, bytes.clone(), attributes, condition).await {
                Err(Error::Conflict { what }) if backoff.ambiguous() => {
                    let found = self.get(key).await?.filter(|found| self.is_ours(found, &bytes, attributes));
                    return found.map(|found| found.token).ok_or(Error::Conflict { what });
                }
                Err(error) => self.pause(&mut backoff, error).await?,
                written => return written,
            }
        }
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        let mut backoff = Backoff::start();
        loop {
            match self.inner.delete(key, condition).await {
                Err(Error::Conflict { what }) if backoff.ambiguous() => {
                    let gone = self.get(key).await?.is_none();
                    return if gone { Ok(()) } else { Err(Error::Conflict { what }) };
                }
                Err(error) => self.pause(&mut backoff, error).await?,
                deleted => return deleted,
            }
        }
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        let listing = Listing {
            listed: self.inner.list(prefix, after),
            prefix: prefix.to_owned(),
            after: after.map(str::to_owned),
            backoff: Backoff::start(),
            cut: false,
        };
        stream::unfold(Some(listing), async move |listing| self.next_listed(listing?).await).boxed()
    }
}

/// How far a listing has come.
struct Listing<'a> {
    listed: BoxStream<'a, Result<Listed>>,
    prefix: String,
    after: Option<String>,
    backoff: Backoff,
    /// Whether an error was the last that came.
    cut: bool,
}

impl<O: Objects> Retrying<O> {
    /// Returns what comes next in a listing, which goes on where it was, or after the last key that came; not from the start.
    async fn next_listed<'a>(&'a self, mut listing: Listing<'a>) -> Option<(Result<Listed>, Option<Listing<'a>>)> {
        loop {
            match listing.listed.next().await {
                Some(Ok(listed)) => {
                    listing.after = Some(listed.key.clone());
                    listing.backoff = Backoff::start();
                    listing.cut = false;
                    return Some((Ok(listed), Some(listing)));
                }
                Some(Err(error)) => {
                    if let Err(error) = self.pause(&mut listing.backoff, error).await {
                        return Some((Err(error), None));
                    }
                    listing.cut = true;
                }
                // The store does not go on by itself.
                None if listing.cut => {
                    listing.listed = self.inner.list(&listing.prefix, listing.after.as_deref());
                    listing.cut = false;
                }
                None => return None,
            }
        }
    }
}
