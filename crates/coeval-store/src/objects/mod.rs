//! Objects: the few requests that every object store, and every directory, answers.

pub mod conformance;
mod key;
mod memory;
mod probe;
mod shared;
pub mod wrap;

use std::collections::BTreeMap;
use std::fmt::Debug;

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::error::Result;

pub use key::{MAX_KEY, check_key};
pub use memory::MemoryObjects;
pub use probe::probe;

/// Tells one state of an object from every other one: an `ETag`, or what serves as one.
///
/// Most stores make it of the bytes alone. Bytes that come back bring their token back, and a change of attributes alone leaves it; who
/// must notice such changes, as locks must, puts something of its own into the bytes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Token(pub String);

/// What an object carries beside its bytes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// Headers that the store gives back as they were: `content-type`, `content-encoding`, `cache-control` and the like, in small letters.
    pub headers: BTreeMap<String, String>,
    /// The user's own metadata, names in small letters.
    pub metadata: BTreeMap<String, String>,
    /// The object's tags.
    pub tags: BTreeMap<String, String>,
}

/// An object that was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Object {
    /// Its bytes.
    pub bytes: Bytes,
    /// Which state of it this is.
    pub token: Token,
    /// What it carries.
    pub attributes: Attributes,
}

/// An object that was listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its key.
    pub key: String,
    /// How many bytes it has.
    pub size: u64,
}

/// On what a write depends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// On nothing; whatever is there is replaced.
    None,
    /// There must be no such object.
    Absent,
    /// The object must be in the state that was read.
    Unchanged(Token),
}

/// What a store of objects can do.
#[allow(clippy::struct_excessive_bools, reason = "independent abilities of a store")]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectCapabilities {
    /// Whether deleting can depend on a state.
    pub conditional_delete: bool,
    /// Whether objects carry metadata.
    pub metadata: bool,
    /// Whether objects carry tags.
    pub tags: bool,
}

/// A store of objects, by key. Keys are relative to the store's prefix, `/` between their parts.
///
/// Every request takes effect at once or not at all, and what was written is what the next request sees: S3 and its likes
/// promise so since 2020.
#[async_trait]
pub trait Objects: Debug + Send + Sync {
    /// Returns how people call the store: its address without secrets.
    fn name(&self) -> String;

    /// Returns what it can do.
    fn capabilities(&self) -> ObjectCapabilities;

    /// Reads an object; `None` where there is none.
    async fn get(&self, key: &str) -> Result<Option<Object>>;

    /// Writes an object and returns its new state.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] where the condition does not hold.
    async fn put(&self, key: &str, bytes: Bytes, attributes: &Attributes, condition: &Condition) -> Result<Token>;

    /// Deletes an object; it is no error if there is none, unless the condition wants its state.
    ///
    /// # Errors
    /// [`crate::Error::Conflict`] where the condition does not hold, [`crate::Error::Unsupported`] where the store has no
    /// conditional delete.
    async fn delete(&self, key: &str, condition: &Condition) -> Result<()>;

    /// Lists the objects whose keys begin with `prefix` and come after `after`, in the order of the keys' bytes.
    ///
    /// An error ends the list, except that after one that passes ([`crate::Error::Transient`]) a store may go on where it was when it is
    /// polled again. One that has ended after an error has not come to its end.
    fn list(&self, prefix: &str, after: Option<&str>) -> BoxStream<'_, Result<Listed>>;
}
