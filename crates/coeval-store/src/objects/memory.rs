//! Objects in memory, as strict about conditions as the best of stores.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use sha2::{Digest, Sha256};

use super::{Attributes, Condition, Listed, Object, ObjectCapabilities, Objects, Token, check_key};
use crate::error::{Error, Result};

/// How many objects are listed at once; between two pages others may write, as with S3.
const PAGE: usize = 1000;

/// A store of objects in memory. A clone is another handle on the same objects.
///
/// The token is a digest of the bytes and of nothing else, as S3's `ETag` is: bytes that come back bring their token back, and a change of
/// metadata alone leaves it. Whoever needs more than that puts something of its own into the bytes.
#[derive(Clone, Default)]
pub struct MemoryObjects {
    objects: Arc<Mutex<BTreeMap<String, Object>>>,
}

impl MemoryObjects {
    /// Makes an empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Returns all objects as they are now, so that a test can compare whole stores.
    pub fn snapshot(&self) -> BTreeMap<String, Object> {
        self.with(|objects| objects.clone())
    }

    fn with<T>(&self, act: impl FnOnce(&mut BTreeMap<String, Object>) -> T) -> T {
        // Nothing panics while the map is half changed, so what a panicking holder leaves is whole.
        act(&mut self.objects.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn page(&self, prefix: &str, after: Option<&str>) -> Vec<Listed> {
        let from = match after {
            Some(after) if after >= prefix => Bound::Excluded(after),
            _ => Bound::Included(prefix),
        };
        self.with(|objects| {
            let range = objects.range::<str, _>((from, Bound::Unbounded));
            let wanted = range.take_while(|(key, _)| key.starts_with(prefix)).take(PAGE);
            wanted.map(|(key, object)| Listed { key: key.clone(), size: object.bytes.len() as u64 }).collect()
        })
    }
}

impl fmt::Debug for MemoryObjects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MemoryObjects({} objects)", self.with(|objects| objects.len()))
    }
}

/// Refuses what does not come upon the state that it wants.
fn check(key: &str, found: Option<&Object>, condition: &Condition) -> Result<()> {
    let holds = match condition {
        Condition::None => true,
        Condition::Absent => found.is_none(),
        Condition::Unchanged(token) => found.is_some_and(|found| found.token == *token),
    };
    if holds { Ok(()) } else { Err(Error::Conflict { what: key.to_owned() }) }
}

fn token(bytes: &[u8]) -> Token {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    Token(digest[..16].iter().fold(String::new(), |hex, byte| hex + &format!("{byte:02x}")))
}

#[async_trait]
impl Objects for MemoryObjects {
    fn name(&self) -> String {
        "memory:".to_owned()
    }

    fn capabilities(&self) -> ObjectCapabilities {
        ObjectCapabilities { conditional_delete: true, metadata: true, tags: true }
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        check_key(key)?;
        Ok(self.with(|objects| objects.get(key).cloned()))
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        check_key(key)?;
        let token = token(&bytes);
        let object = Object { bytes, token: token.clone(), attributes: attributes.clone() };
        self.with(|objects| {
            check(key, objects.get(key), condition)?;
            objects.insert(key.to_owned(), object);
            Ok(token)
        })
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        check_key(key)?;
        self.with(|objects| {
            check(key, objects.get(key), condition)?;
            objects.remove(key);
            Ok(())
        })
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        let prefix = prefix.to_owned();
        let pages = stream::unfold(after.map(str::to_owned), move |after| {
            let page = self.page(&prefix, after.as_deref());
            let next = page.last().map(|last| last.key.clone());
            async move { next.map(|next| (page, Some(next))) }
        });
        pages.flat_map(|page| stream::iter(page.into_iter().map(Ok))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;

    use super::*;

    #[tokio::test]
    async fn a_clone_is_another_handle_and_a_snapshot_is_not() {
        let store = MemoryObjects::new();
        let none = Attributes::default();
        store.clone().put("a", "1".into(), &none, &Condition::Absent).await.unwrap();
        let before = store.snapshot();
        store.put("b", "2".into(), &none, &Condition::None).await.unwrap();
        store.delete("b", &Condition::None).await.unwrap();
        assert_eq!(store.snapshot(), before);
        assert_eq!(before["a"].bytes, "1");
    }

    #[tokio::test]
    async fn a_list_is_lazy_and_ordered_by_bytes() {
        let store = MemoryObjects::new();
        for index in 0..2500 {
            let key = format!("p/{index:05}");
            store.put(&key, Bytes::new(), &Attributes::default(), &Condition::None).await.unwrap();
        }
        for key in ["p", "p-", "p0", "q/é", "o"] {
            store.put(key, Bytes::new(), &Attributes::default(), &Condition::None).await.unwrap();
        }
        let keys = |prefix: &'static str, after: Option<&'static str>| {
            let store = &store;
            async move { store.list(prefix, after).map_ok(|listed| listed.key).try_collect::<Vec<_>>().await.unwrap() }
        };
        assert_eq!(keys("p/", None).await.len(), 2500);
        assert_eq!(keys("p/", Some("p/02498")).await, ["p/02499"]);
        assert_eq!(keys("p/", Some("a")).await.len(), 2500);
        assert_eq!(keys("p/", Some("z")).await, [""; 0]);
        assert!(keys("", None).await.is_sorted());
    }
}
