//! A store that counts what it is asked for.

use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};

use super::super::{Attributes, Condition, Listed, Object, ObjectCapabilities, Objects, Token};
use crate::error::Result;

/// How many listed objects make one request, as with S3.
const PAGE: u64 = 1000;

/// What a store was asked for; requests that failed count too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Objects that were asked for.
    pub gets: u64,
    /// Objects that were written.
    pub puts: u64,
    /// Objects that were deleted.
    pub deletes: u64,
    /// Pages of 1000 that were listed.
    pub pages: u64,
    /// Bytes that were read.
    pub read: u64,
    /// Bytes that were written.
    pub written: u64,
}

/// A store that counts requests and bytes.
#[derive(Debug)]
pub struct Counting<O> {
    inner: O,
    counts: Mutex<Counts>,
}

impl<O: Objects> Counting<O> {
    /// Counts what another store is asked for.
    pub fn new(inner: O) -> Self {
        Self { inner, counts: Mutex::default() }
    }

    /// Returns the counts so far.
    pub fn counts(&self) -> Counts {
        *self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the counts so far and begins again at zero.
    pub fn take(&self) -> Counts {
        std::mem::take(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn count(&self, add: impl FnOnce(&mut Counts)) {
        add(&mut self.counts.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[async_trait]
impl<O: Objects> Objects for Counting<O> {
    fn name(&self) -> String {
        self.inner.name()
    }

    fn capabilities(&self) -> ObjectCapabilities {
        self.inner.capabilities()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        self.count(|counts| counts.gets += 1);
        let found = self.inner.get(key).await?;
        self.count(|counts| counts.read += found.as_ref().map_or(0, |found| found.bytes.len() as u64));
        Ok(found)
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        self.count(|counts| {
            counts.puts += 1;
            counts.written += bytes.len() as u64;
        });
        self.inner.put(key, bytes, attributes, condition).await
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        self.count(|counts| counts.deletes += 1);
        self.inner.delete(key, condition).await
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        self.count(|counts| counts.pages += 1);
        let mut listed = 0;
        let counted = self.inner.list(prefix, after).inspect(move |_| {
            listed += 1;
            if listed > PAGE && listed % PAGE == 1 {
                self.count(|counts| counts.pages += 1);
            }
        });
        counted.boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objects::MemoryObjects;

    #[tokio::test]
    async fn requests_and_bytes_are_counted() {
        let store = Counting::new(MemoryObjects::new());
        for index in 0..1001 {
            store.put(&format!("k{index}"), "four".into(), &Attributes::default(), &Condition::None).await.unwrap();
        }
        store.get("k0").await.unwrap();
        store.get("none").await.unwrap();
        assert!(store.delete("k0", &Condition::Absent).await.is_err());
        assert_eq!(store.list("", None).count().await, 1001);
        let counts = Counts { gets: 2, puts: 1001, deletes: 1, pages: 2, read: 4, written: 4004 };
        assert_eq!(store.take(), counts);
        assert_eq!(store.counts(), Counts::default());
    }
}
