//! A shared handle on a store is a store, so that a test can keep one and pass another on.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use super::{Attributes, Condition, Listed, Object, ObjectCapabilities, Objects, Token};
use crate::error::Result;

#[async_trait]
impl<T: Objects + ?Sized> Objects for Arc<T> {
    fn name(&self) -> String {
        (**self).name()
    }

    fn capabilities(&self) -> ObjectCapabilities {
        (**self).capabilities()
    }

    async fn get(&self, key: &str) -> Result<Option<Object>> {
        (**self).get(key).await
    }

    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token> {
        (**self).put(key, bytes, attributes, condition).await
    }

    async fn delete(&self, key: &str, condition: &Condition) -> Result<()> {
        (**self).delete(key, condition).await
    }

    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>> {
        (**self).list(prefix, after)
    }
}
