//! What the wrappers have in common: something that is asked before each request what shall become of it.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};

use super::super::{Attributes, Condition, Listed, Object, ObjectCapabilities, Objects, Token};
use crate::error::{Error, Result};

/// How many listed objects make one request, as with S3.
const PAGE: usize = 1000;

/// A request, as far as a wrapper is interested in it. It prints as what is being done: `writing a/b.json`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// An object is read.
    Get(&'a str),
    /// An object is written.
    Put(&'a str),
    /// An object is deleted.
    Delete(&'a str),
    /// A page of the objects with a prefix is listed.
    List(&'a str),
}

impl Request<'_> {
    /// Returns whether it changes the store.
    pub const fn writes(&self) -> bool {
        matches!(self, Self::Put(_) | Self::Delete(_))
    }
}

impl fmt::Display for Request<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Get(key) => write!(f, "reading {key}"),
            Self::Put(key) => write!(f, "writing {key}"),
            Self::Delete(key) => write!(f, "deleting {key}"),
            Self::List("") => write!(f, "listing"),
            Self::List(prefix) => write!(f, "listing {prefix}"),
        }
    }
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It is carried out.
    Pass,
    /// It is not carried out, and the caller gets this.
    FailBefore(Error),
    /// It is carried out, and the caller gets this all the same.
    FailAfter(Error),
}

/// Decides what becomes of each request.
#[async_trait]
pub trait Gate: fmt::Debug + Send + Sync {
    /// Returns what becomes of a request, after whatever time it likes.
    async fn verdict(&self, request: &Request<'_>) -> Verdict;
}

/// A store all of whose requests pass a gate. Listing is one request a page.
#[derive(Debug)]
pub struct Gated<O, G> {
    pub(super) inner: O,
    pub(super) gate: G,
    page: usize,
}

impl<O: Objects, G: Gate> Gated<O, G> {
    /// Puts a gate before a store.
    pub const fn behind(gate: G, inner: O) -> Self {
        Self { inner, gate, page: PAGE }
    }

    /// Says how many listed objects make one request; 1000 if nobody says.
    #[must_use]
    pub fn with_page(self, page: usize) -> Self {
        Self { page: page.max(1), ..self }
    }

    async fn pass<T>(&self, request: Request<'_>, act: impl Future<Output = Result<T>> + Send) -> Result<T> {
        match self.gate.verdict(&request).await {
            Verdict::Pass => act.await,
            Verdict::FailBefore(error) => Err(error),
            Verdict::FailAfter(error) => {
                // What the store says to it is lost, be it good or bad.
                let _ = act.await;
                Err(error)
            }
        }
    }
}

#[async_trait]
impl<O: Objects, G: Gate> Objects for Gated<O, G> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn capabilities(&self) -> ObjectCapabilities {
        self.inner.capabilities()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.pass(Request::Get(key), self.inner.get(key)).await
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        self.pass(Request::Put(key), self.inner.put(key, bytes, attributes, condition)).await
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        self.pass(Request::Delete(key), self.inner.delete(key, condition)).await
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        let prefix = prefix.to_owned();
        let listed = self.inner.list(&prefix, after);
        let from_start = Some((listed, 0));
        stream::unfold(from_start, move |state| {
            let prefix = prefix.clone();
            async move {
                let (mut listed, count) = state?;
                if count % self.page == 0
                    && let Verdict::FailBefore(error) | Verdict::FailAfter(error) =
                        self.gate.verdict(&Request::List(&prefix)).await
                {
                    return Some((Err(error), None));
                }
                Some((listed.next().await?, Some((listed, count + 1))))
            }
        })
        .boxed()
    }
}
